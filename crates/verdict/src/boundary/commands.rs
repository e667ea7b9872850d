//! Which programs may run with which words, and whether what cannot be undone may be done at all.
//!
//! Sees programs one by one, as `inspect` found them in a script; parses nothing. A word that is not known
//! before it runs counts against the action.

use std::fmt;

use super::{Breach, listed};
use crate::action::short;
use crate::effect::{Effect, ProgramTarget, Target};

/// The note of an effect on a file that comes from a redirection of the shell.
pub const REDIRECTED: &str = "by redirection";

/// The `commands:` of a boundary. The default admits every program that is known before it runs, and nothing
/// that cannot be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Absent: every program that is not denied.
    allow: Option<Vec<Entry>>,
    deny: Vec<Entry>,
    destructive: bool,
    unknown: bool,
}

/// A program with the words that it has to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    words: Vec<String>,
}

/// Where programs are that a bare name may mean.
const FOLDERS: [&str; 6] = ["/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin"];
/// Files that a redirection may always name: nothing lies there.
const STREAMS: [&str; 5] = ["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty"];

/// Words of a shell that start nothing and change nothing outside of it: a list of programs need not name them. What
/// they make of later commands is in the effects of those.
const SHELLS_OWN: &[&str] = &[
    ":", "true", "false", "test", "[", "cd", "pwd", "export", "declare", "typeset", "local", "readonly",
    "set", "unset", "shift", "return", "exit", "break", "continue", "wait", "read", "let",
];

impl Commands {
    /// Entries are words: a program (`git`, or a path, which is then meant exactly) and the words that must
    /// follow it (`npm test`). With `allow`, only those programs run, beside what a shell has of its own and starts
    /// nothing (`cd`, `test`, `export`), the environment of later commands stays
    /// as it is, and a redirection needs a boundary of paths that admits its file. `deny` also finds its words
    /// behind options. `destructive` true admits what cannot be undone; `unknown` true admits programs that
    /// are not known before they run, unless there is an `allow`.
    ///
    /// # Errors
    /// A sentence, for an entry without words.
    pub fn new<S: AsRef<str>>(
        allow: Option<&[S]>,
        deny: &[S],
        destructive: bool,
        unknown: bool,
    ) -> Result<Self, String> {
        let entries =
            |list: &[S]| list.iter().map(|text| Entry::new(text.as_ref())).collect::<Result<Vec<_>, _>>();
        Ok(Self { allow: allow.map(entries).transpose()?, deny: entries(deny)?, destructive, unknown })
    }

    pub(super) fn breach(&self, effect: &Effect, has_paths: bool) -> Option<Breach> {
        if effect.destroys && !self.destructive {
            let what = effect.note.as_deref().unwrap_or("what it does cannot be undone");
            let reason = match effect.target.shown() {
                Some(target) => format!("{what}: `{target}`"),
                None => what.to_owned(),
            };
            return Some(Breach::new("commands.destructive", reason));
        }
        if effect.kind == "process.exec" {
            return self.program(effect);
        }
        let allow = self.allow.as_ref()?;
        let why = match (effect.kind.as_ref(), &effect.target) {
            ("env.change", target) => {
                let what = target.shown().unwrap_or_else(|| "the environment".to_owned());
                format!("`{what}` changes what later commands mean")
            }
            ("fs.read" | "fs.write", target) if !has_paths && effect.note.as_deref() == Some(REDIRECTED) => {
                match target {
                    Target::Path(path) if STREAMS.contains(&path.path.as_str()) => return None,
                    _ => "a redirection needs a boundary of paths that admits its file".to_owned(),
                }
            }
            _ => return None,
        };
        Some(Breach::new("commands.allow", format!("{why}; it may run {}", listed(allow))))
    }

    fn program(&self, effect: &Effect) -> Option<Breach> {
        let program = match &effect.target {
            Target::Program(program) => program,
            // A tool that says no more than that it runs programs is bounded by an allow-list only.
            Target::None if self.allow.is_none() && self.deny.is_empty() => return None,
            _ => return self.unknown(effect),
        };
        if let Some(entry) = self.deny.iter().find(|entry| entry.covers(program)) {
            let reason = format!("`{program}` is out of bounds as `{entry}`");
            return Some(Breach::new("commands.deny", reason));
        }
        let allow = self.allow.as_ref()?;
        if SHELLS_OWN.contains(&program.name.as_str()) || allow.iter().any(|entry| entry.admits(program)) {
            return None;
        }
        let reason = format!("it may not run `{}`; it may run {}", told(program), listed(allow));
        Some(Breach::new("commands.allow", reason))
    }

    fn unknown(&self, effect: &Effect) -> Option<Breach> {
        let why = effect.note.as_deref().unwrap_or("it is not known which program it would run");
        match &self.allow {
            Some(allow) => {
                Some(Breach::new("commands.allow", format!("{why}; it may run {}", listed(allow))))
            }
            None if !self.unknown => Some(Breach::new("commands.unknown", why.to_owned())),
            None => None,
        }
    }
}

/// The program and its first word, which is what entries are about.
fn told(program: &ProgramTarget) -> String {
    match program.words.first() {
        Some(Some(word)) => short(&format!("{} {word}", program.name)),
        _ => short(&program.name),
    }
}

impl Entry {
    fn new(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match words.is_empty() {
            true => Err("an entry of commands is empty; write a program".to_owned()),
            false => Ok(Self { words }),
        }
    }

    /// Whether the program is this one, from where it belongs, and starts with these words.
    fn admits(&self, program: &ProgramTarget) -> bool {
        let Some((own, words)) = self.words.split_first() else { return false };
        let name = match program.name.rsplit_once('/') {
            _ if own.contains('/') => program.name.as_str(),
            Some((folder, name)) if FOLDERS.contains(&folder) => name,
            Some(_) => return false,
            None => program.name.as_str(),
        };
        own == name
            && words.len() <= program.words.len()
            && words.iter().zip(&program.words).all(|(own, word)| word.as_ref() == Some(own))
    }

    /// Whether the program may be this one with these words: from any folder, and behind any options. An
    /// option may take the word after it, and a word that is not known may be any.
    fn covers(&self, program: &ProgramTarget) -> bool {
        let Some((own, words)) = self.words.split_first() else { return false };
        let base = |text: &str| {
            let name = text.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
            name.strip_suffix(".exe").map(str::to_owned).unwrap_or(name)
        };
        if base(own) != base(&program.name) {
            return false;
        }
        // How many of our words are found so far, in every way that options may take words.
        let mut found = vec![0_usize];
        let mut after_option = false;
        for word in &program.words {
            let is_option = word.as_ref().is_some_and(|word| word.starts_with('-'));
            let mut next = Vec::with_capacity(found.len() + 1);
            for at in found {
                let fits = words.get(at).is_some_and(|own| word.as_ref().is_none_or(|word| word == own));
                if at >= words.len() {
                    return true;
                }
                if fits && !next.contains(&(at + 1)) {
                    next.push(at + 1);
                }
                if (is_option || after_option || word.is_none()) && !next.contains(&at) {
                    next.push(at);
                }
            }
            found = next;
            after_option = is_option;
        }
        found.iter().any(|at| *at >= words.len())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}
