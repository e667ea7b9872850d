//! Where the other parts of inspection are asked: paths, hosts, queries, code.
//!
//! The one seam: shell analysis calls none of them outside of this file.

use verdict::{Effect, HostTarget, PathTarget};

use crate::{Surroundings, net, path};

/// The file or folder that a word means. `is_pattern`: the shell expands it to file names.
pub fn path(text: &str, is_pattern: bool, around: &Surroundings) -> Option<PathTarget> {
    let found = if is_pattern { path::target(text, around) } else { path::literal(text, around) };
    found.ok()
}

/// The machine that a word means: a URL, `host`, `host:port`.
pub fn host(text: &str) -> Option<HostTarget> {
    net::target(text).ok()
}

/// What statements do. Losses that cannot be had back are marked here, whatever else is known of them.
pub fn sql(text: &str, _dialect: &str) -> Vec<Effect> {
    super::statements::losses(text)
}
