//! What an agent's actions may touch: the compiled `boundaries:` of a policy, held against the effects of an
//! action.
//!
//! Answerable for comparing canonical targets with what a policy admits, and for the sentence that says what
//! would have been admitted. Parses no command, path or URL (that is `inspect`'s) and no policy file. Looks
//! nothing up: links and names were followed, or not, by who made the effects. What is unknown counts against
//! the action wherever a boundary depends on it.

mod commands;
mod glob;
mod hosts;
mod paths;
mod space;
mod sql;

pub use commands::{Commands, REDIRECTED};
pub use hosts::Hosts;
pub use paths::Paths;
pub use space::{Space, embedded, space, space_of_name};
pub use sql::Sql;

use crate::effect::{Effect, Target};

/// All boundaries of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundaries {
    /// Which files; absent: any.
    pub paths: Option<Paths>,
    /// Which machines; absent: any.
    pub hosts: Option<Hosts>,
    /// Which statements and tables; absent: any.
    pub sql: Option<Sql>,
    /// Which programs, and whether what cannot be undone may be done.
    pub commands: Commands,
}

/// What is known of the place where an action would happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ground<'a> {
    /// The working directory, absolute: what relative folders of a boundary are below.
    pub cwd: Option<&'a str>,
    /// True where names that differ only in case are the same file.
    pub ignores_case: bool,
}

/// Why an action is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The key of the boundary in the policy: `paths.read`, `hosts.allow`, `commands.destructive`, ...
    pub boundary: &'static str,
    /// What is outside, and what would be inside: one sentence for whoever reads the refusal.
    pub reason: String,
}

impl Breach {
    fn new(boundary: &'static str, reason: String) -> Self {
        Self { boundary, reason }
    }
}

impl Boundaries {
    /// True if it matters what names resolve to.
    pub fn asks_for_addresses(&self) -> bool {
        self.hosts.as_ref().is_some_and(Hosts::asks_for_addresses)
    }

    /// The first thing about these effects that is out of bounds; nothing if all of them are inside.
    pub fn breach(&self, effects: &[Effect], ground: &Ground<'_>) -> Option<Breach> {
        effects.iter().find_map(|effect| {
            let has_paths = self.paths.is_some();
            (self.commands.breach(effect, has_paths))
                .or_else(|| self.paths.as_ref().and_then(|paths| paths.breach(effect, ground)))
                .or_else(|| self.hosts.as_ref().and_then(|hosts| hosts.breach(effect)))
                .or_else(|| self.sql.as_ref().and_then(|sql| sql.breach(effect)))
        })
    }
}

/// What is done about effects that no list of names can bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hazards {
    /// What cannot be undone.
    pub destructive: Answer,
    /// A program that is not known before it runs.
    pub unknown: Answer,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Nothing.
    Allow,
    /// A person must agree.
    Ask,
    /// It is refused.
    #[default]
    Deny,
}

impl Hazards {
    /// Everything about these effects that is not simply allowed, with what is done about it.
    pub fn breaches(&self, effects: &[Effect]) -> Vec<(Answer, Breach)> {
        let mut found = Vec::new();
        for effect in effects {
            let what = effect.note.as_deref();
            if effect.destroys && self.destructive > Answer::Allow {
                let what = what.unwrap_or("what it does cannot be undone");
                let on =
                    effect.target.shown().map(|on| format!(": {} `{on}`", effect.kind)).unwrap_or_default();
                found.push((self.destructive, Breach::new("commands.destructive", format!("{what}{on}"))));
            }
            let is_unknown = effect.kind == "process.exec" && effect.target == Target::Unknown;
            if is_unknown && self.unknown > Answer::Allow {
                let what = what.unwrap_or("it is not known which program it would run");
                found.push((self.unknown, Breach::new("commands.unknown", what.to_owned())));
            }
        }
        found
    }
}

/// The first few of a list, for a sentence: `` `a`, `b` and 3 more ``.
fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    let mut out = items.iter().take(SHOWN).map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN {
        out.push_str(&format!(" and {} more", items.len() - SHOWN));
    }
    if out.is_empty() { "nothing".to_owned() } else { out }
}
