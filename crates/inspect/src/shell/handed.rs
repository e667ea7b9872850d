//! Programs that are handed a shell or a command: `choom -n 0 /bin/sh`, `socket -p '/bin/sh -i'`, `slsh -e 'system("/bin/sh")'`.
//!
//! Nobody hands `/bin/sh` to a program that is not to run it, except to those that look at files; so what no rule
//! speaks of is taken at its word. Knows what a shell and an option for a command look like, and no program.

use std::collections::BTreeSet;

use verdict::{Effect, Target};

use super::call::base;
use super::field::{Feed, Field};
use super::shells::is_shell;
use super::walk::Walk;

/// How much of a word is looked at.
const LONGEST: usize = 8192;
/// What ends the name of an option whose value is a command.
const COMMANDS: &[&str] =
    &["exec", "execute", "command", "cmd", "hook", "program", "pager", "editor", "shell", "rsh", "complete"];

impl Walk<'_> {
    /// Runs what these words hand to a program, as far as `said` does not speak of it. `is_known`: what the program
    /// does is written down, so that a shell's name inside of a longer text is only a text.
    pub fn handed(&mut self, rest: &[Field], said: &[Effect], (is_known, feed): (bool, &Feed)) {
        let runs = |it: &Effect| matches!(it.kind.as_ref(), "process.exec" | "code.run");
        if said.iter().any(runs) {
            return;
        }
        let spoken: BTreeSet<&str> = said.iter().filter_map(path).collect();
        for (at, field) in rest.iter().enumerate() {
            let Some(text) = field.known().filter(|it| it.len() <= LONGEST) else { continue };
            let next = rest.get(at + 1).map_or("", |it| it.text.as_str());
            let option = at.checked_sub(1).and_then(|at| rest.get(at)).map_or("", |it| it.text.as_str());
            let is_option = text.starts_with('-');
            if !is_option && (is_shell_path(text) && !spoken.contains(text) || is_shell(text) && next == "-c")
            {
                self.apart(|walk| walk.program(rest.get(at..).unwrap_or_default(), feed.clone()));
                return;
            }
            let value = match text.split_once('=').filter(|(name, _)| is_name(name)) {
                Some((_, value)) => value,
                None if is_option => continue,
                None => text,
            };
            let name = if is_option { text } else { option };
            let is_command = !is_known && is_for_command(name) && begins_with_path(value);
            let words = value.trim_start_matches(['!', '|', ' ']);
            let first = words.split_whitespace().next().unwrap_or_default();
            if is_command || is_shell_path(first) && (words != first || !spoken.contains(words)) {
                self.apart(|walk| walk.text(words, feed.clone()));
            } else if !is_known && (names_shell(text) || self.hands_script(text)) {
                self.unknown_exec("a shell is named in what it is given");
            }
        }
    }

    /// True for a file that the script wrote and that names a shell.
    fn hands_script(&self, path: &str) -> bool {
        matches!(self.content(path), Some(Feed::Text(text)) if text.len() <= LONGEST && names_shell(&text))
    }
}

fn path(effect: &Effect) -> Option<&str> {
    match &effect.target {
        Target::Path(it) => Some(it.path.as_str()),
        _ => None,
    }
}

/// `--name` or `name`, before an `=`.
fn is_name(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b':'))
}

/// `/bin/sh`, `../../bin/bash`: a path, and of a shell.
fn is_shell_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~']) && text.contains('/') && is_shell(base(text))
}

/// `--command`, `--on-download-complete`, `--ssh-cmd`: an option, and one for a command.
fn is_for_command(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default();
    name.starts_with("--") && name.rsplit('-').next().is_some_and(|it| COMMANDS.contains(&it))
        || name.starts_with("--on-")
}

fn begins_with_path(text: &str) -> bool {
    text.starts_with('/') && text.len() > 1 || text.starts_with("./") || text.starts_with("~/")
}

/// True if the path of a shell stands in a longer text, by itself: `system("/bin/sh")`, `!/bin/sh`.
fn names_shell(text: &str) -> bool {
    let is_part = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.' | b'/');
    let bytes = text.as_bytes();
    text.match_indices("bin/").any(|(at, _)| {
        let before = bytes.get(..at).unwrap_or_default();
        let from = before.iter().rposition(|it| !is_part(*it)).map_or(0, |it| it + 1);
        let after = bytes.get(at..).unwrap_or_default();
        let to = at + after.iter().position(|it| !is_part(*it)).unwrap_or(after.len());
        let is_comment = bytes.get(..from).is_some_and(|it| it.ends_with(b"#!"));
        !is_comment && text.get(from..to).is_some_and(|it| it.starts_with('/') && is_shell_path(it))
    })
}
