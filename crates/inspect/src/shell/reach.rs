//! Where the other parts of inspection are asked: paths, hosts, queries, code.
//!
//! The one seam: shell analysis calls none of them outside of this file.

use verdict::{Effect, HostTarget, PathTarget};

use crate::code::Language;
use crate::sql::Dialect;
use crate::{Surroundings, code, net, path, sql};

/// The file or folder that a word means. `is_pattern`: the shell expands it to file names.
pub fn path(text: &str, is_pattern: bool, around: &Surroundings) -> Option<PathTarget> {
    let found = if is_pattern { path::target(text, around) } else { path::literal(text, around) };
    found.ok()
}

/// The machine that a word means: a URL, `host`, `host:port`.
pub fn host(text: &str) -> Option<HostTarget> {
    net::target(text).ok()
}

/// What statements do. Losses that cannot be had back are among them, whatever else the parser makes of a text.
pub fn sql(text: &str, dialect: &str) -> Vec<Effect> {
    let mut found = sql::effects(text, Dialect::from_name(dialect).unwrap_or_default());
    if !found.iter().any(|it| it.destroys) {
        found.extend(super::statements::losses(text));
    }
    found
}

/// What a piece of code plainly does, if it is in a language that is read.
pub fn code(text: &str, language: &str, around: &Surroundings) -> Option<Vec<Effect>> {
    let name = match language {
        "pypy" => "python",
        "tsx" | "ts-node" => "typescript",
        other => other,
    };
    Some(code::effects(text, Language::from_name(name)?, around))
}
