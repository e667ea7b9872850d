//! Figures for paths: how much of what leads out of a workspace a boundary catches, and how many honest names
//! it refuses.
//!
//! The workspace is `/srv/data/app`, which is the working directory, too; all of it may be read and nothing
//! else. A text is caught if it cannot be told where it leads or if any reading leads out.
//!
//! Which rows lead out is decided here, without the code that is measured: all of them, but for comments and
//! names of filters that are no paths, and but for texts that are plain relative names once percent signs are
//! decoded (strictly, as often as that goes) and backslashes are slashes: made of ordinary letters, and never
//! above where they started (`etc/passwd`, `.htaccess`, `AAAA/../x`).

use inspect::Surroundings;
use inspect::path::targets;
use verdict::boundary::{Boundaries, Ground, Paths};
use verdict::{Effect, Target};

use crate::Row;
use crate::set::{Sets, text};

const WORKSPACE: &str = "/srv/data/app";

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let attacks = sets.rows("path_patt");
    let outside: Vec<&str> = attacks.iter().map(|row| text(row, "text")).filter(|it| leads_out(it)).collect();
    let caught = outside.iter().filter(|text| is_caught(text) || missed(text)).count();
    let files = sets.rows("path_benign_repo_files");
    let refused = files.iter().filter(|row| is_caught(text(row, "text"))).count();
    vec![
        Row::new("paths", "path_patt", "outside caught", caught, outside.len()).aiming("100 %"),
        Row::new("paths", "path_benign_repo_files", "false positives", refused, files.len())
            .aiming("< 0.5 %"),
    ]
}

/// Says what was missed, to stderr.
fn missed(text: &str) -> bool {
    eprintln!("  not caught: {text:?}");
    false
}

fn is_caught(text: &str) -> bool {
    let around = Surroundings {
        cwd: Some(WORKSPACE.to_owned()),
        home: Some("/home/agent".to_owned()),
        ignores_case: false,
    };
    let Ok(found) = targets(text, &around) else { return true };
    let boundaries = Boundaries { paths: Paths::new(&[WORKSPACE], &[], &[]).ok(), ..Boundaries::default() };
    let ground = Ground { cwd: Some(WORKSPACE), ignores_case: false };
    let effects: Vec<Effect> =
        found.into_iter().map(|one| Effect::new("fs.read", Target::Path(one))).collect();
    boundaries.breach(&effects, &ground).is_some()
}

fn leads_out(text: &str) -> bool {
    let is_path = !text.starts_with("# ") && !text.starts_with("convert.iconv") && !text.contains('\u{201C}');
    is_path && !is_plain_name(text)
}

fn is_plain_name(text: &str) -> bool {
    let mut text = text.to_owned();
    while let Some(next) = decoded(&text) {
        text = next;
    }
    let text = text.replace('\\', "/");
    let is_ordinary = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/{} ".contains(c));
    let mut depth = 0_i64;
    let is_below = text.split('/').all(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth >= 0
    });
    // Three dots and more are folders further up on some systems.
    let has_dots = text.split('/').any(|part| part.len() > 2 && part.bytes().all(|b| b == b'.'));
    is_ordinary && is_below && !has_dots && !text.starts_with('/')
}

/// One layer of strict percent-encoding off, if there is one.
fn decoded(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match digits.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
                changed = true;
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    changed.then(|| out + rest)
}
