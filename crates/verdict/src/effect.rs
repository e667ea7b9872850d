//! What an action would do to what: effects, the things they touch, and how bad each is where nobody says
//! otherwise.
//!
//! Answerable for the closed list of effects and for how a thing is written down. Finds nothing itself: that
//! is `inspect`'s work; and judges nothing: that is a boundary's or a rule's.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::short;
use crate::policy::Risk;

/// Every kind of effect, how bad it is where nobody says otherwise, and what it means.
pub const KINDS: &[(&str, Risk, &str)] = &[
    ("fs.read", Risk::Low, "reads a file or lists a folder"),
    ("fs.write", Risk::Medium, "makes or changes a file, a folder, or who may use it"),
    ("fs.delete", Risk::Critical, "removes a file or a folder"),
    ("net.connect", Risk::Medium, "talks to another machine"),
    ("net.listen", Risk::Medium, "lets other machines in"),
    ("process.exec", Risk::High, "runs a program"),
    ("process.kill", Risk::High, "ends or signals another process"),
    ("code.run", Risk::High, "runs code that the call itself carries"),
    ("env.change", Risk::High, "changes what later commands mean: PATH, LD_PRELOAD, GIT_*"),
    ("privilege.raise", Risk::High, "acts as another user"),
    (
        "system.change",
        Risk::Critical,
        "changes the machine: disks, boot, users, services, schedules, firewall",
    ),
    ("package.install", Risk::High, "brings in or removes software"),
    ("vcs.change", Risk::Medium, "changes a repository in a way that can be undone"),
    ("vcs.discard", Risk::Critical, "loses work or history of a repository"),
    ("cloud.read", Risk::Medium, "reads from a cloud, cluster or platform"),
    ("cloud.change", Risk::High, "changes a cloud, cluster or platform"),
    ("cloud.delete", Risk::Critical, "removes from a cloud, cluster or platform"),
    ("sql.read", Risk::Low, "reads tables"),
    ("sql.write", Risk::Medium, "changes rows"),
    ("sql.schema", Risk::Critical, "makes, changes or drops tables and the like"),
    ("sql.admin", Risk::Critical, "changes users, rights or settings of a database"),
    ("sql.unknown", Risk::Critical, "a statement that could not be understood"),
    ("message.send", Risk::High, "sends something to people"),
    ("payment", Risk::High, "moves money"),
    ("secret.read", Risk::High, "reads a secret"),
];

/// How bad effects of this kind are where nobody says otherwise.
pub fn risk_of(kind: &str) -> Risk {
    KINDS.iter().find(|(name, ..)| *name == kind).map_or(Risk::Low, |(_, risk, _)| *risk)
}

/// One effect of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// One of [`KINDS`].
    pub kind: Cow<'static, str>,
    /// What it is done to.
    pub target: Target,
    /// How bad it is: what [`risk_of`] says, or more where more is known.
    pub risk: Risk,
    /// True if what it does cannot be had back: a disk overwritten, a tree removed, history rewritten. What
    /// the default command boundary refuses.
    pub destroys: bool,
    /// What a person should know of it: `rewrites published history`.
    pub note: Option<Cow<'static, str>>,
    /// The argument it comes from, as a JSON pointer below `args`; empty if the tool itself declares it.
    pub place: String,
}

impl Effect {
    /// An effect of its usual risk.
    pub fn new(kind: &'static str, target: Target) -> Self {
        Self {
            kind: Cow::Borrowed(kind),
            target,
            risk: risk_of(kind),
            destroys: false,
            note: None,
            place: String::new(),
        }
    }

    /// An effect of the kind of this name; a name that is none of [`KINDS`] keeps it, at low risk.
    pub fn named(kind: &str, target: Target) -> Self {
        match KINDS.iter().find(|(name, ..)| *name == kind) {
            Some((name, ..)) => Self::new(name, target),
            None => Self { kind: Cow::Owned(kind.to_owned()), ..Self::new("", target) },
        }
    }

    /// The same, and it cannot be undone.
    #[must_use]
    pub fn destroying(mut self, note: impl Into<Cow<'static, str>>) -> Self {
        self.destroys = true;
        self.risk = Risk::Critical;
        self.note = Some(note.into());
        self
    }

    /// The same, with what a person should know of it.
    #[must_use]
    pub fn noting(mut self, note: impl Into<Cow<'static, str>>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// As the ledger remembers it.
    pub fn fact(&self) -> EffectFact {
        EffectFact {
            kind: self.kind.clone(),
            resource: self.target.shown(),
            note: self.note.clone(),
            destroys: self.destroys,
        }
    }
}

/// What an effect is done to, in the one spelling that boundaries compare.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Target {
    /// The effect has no thing of its own, or the tool declares it without one.
    #[default]
    None,
    /// It could not be told: counts against the action wherever a boundary or rule depends on it.
    Unknown,
    /// A file or folder.
    Path(PathTarget),
    /// Another machine.
    Host(HostTarget),
    /// A program with its words.
    Program(ProgramTarget),
    /// A table of a database.
    Table(TableTarget),
    /// Anything else that has a name: a recipient, a package, a cloud resource.
    Named(String),
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PathTarget {
    /// Absolute and normalised, `/` between components (`C:/x` and `//server/share/x` for Windows forms), no
    /// `.`, `..`, or trailing separator. Relative ones are made absolute with the working directory, if known;
    /// else they stay relative, and match no absolute boundary.
    pub path: String,
    /// As it was spelled, absolute, where that has a `..`: behind a link it leads elsewhere than in `path`.
    pub spelled: Option<String>,
    /// Where it really is, links followed; filled in by who can look. Empty: nobody looked.
    pub real: Vec<String>,
    /// True if everything below it is meant, too.
    pub recursive: bool,
    /// True if some components are patterns (`*`, `?`, `[..]`): it stands for whatever they match.
    pub glob: bool,
}

/// Another machine.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HostTarget {
    /// The name in ASCII and lower case without a trailing dot, or the address in its canonical spelling.
    pub host: String,
    /// The port; absent if it is not known.
    pub port: Option<u16>,
    /// The scheme, if it came with one.
    pub scheme: Option<String>,
    /// The address that the host itself spells, if it spells one (embedded IPv4 unwrapped).
    pub address: Option<IpAddr>,
    /// What the name resolves to; filled in by who can look. Empty: nobody looked.
    pub resolved: Vec<IpAddr>,
    /// What is odd about its spelling: user information, confusable letters.
    pub odd: Option<Cow<'static, str>>,
}

/// A program with its words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProgramTarget {
    /// The program as it is found: a name, or a path where it is called by one.
    pub name: String,
    /// The words after it, quotes and escapes resolved. A word that is not known before it runs is absent.
    pub words: Vec<Option<String>>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TableTarget {
    /// The name, with its schema if it was given one; as the dialect folds case.
    pub table: String,
    /// The columns that are named; empty with `all_columns` false: none is (`count(*)`).
    pub columns: Vec<String>,
    /// True if every column may be touched: `*`, or it could not be told.
    pub all_columns: bool,
    /// True if rows are changed without any condition.
    pub unfiltered: bool,
}

impl Target {
    /// For people and for the ledger.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Unknown => Some("unknown".to_owned()),
            Self::Path(it) => Some(if it.recursive {
                format!("{}/**", it.path.trim_end_matches('/'))
            } else {
                it.path.clone()
            }),
            Self::Host(it) => Some(it.to_string()),
            Self::Program(it) => Some(it.to_string()),
            Self::Table(it) => Some(it.table.clone()),
            Self::Named(text) => Some(short(text)),
        }
    }
}

impl fmt::Display for HostTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = self.host.contains(':');
        if is_v6 {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for ProgramTarget {
    /// The program and its first words, as far as they are short: arguments may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(&self.name))
    }
}

/// An effect as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectFact {
    /// `payment`, `fs.write`, ...
    pub kind: Cow<'static, str>,
    /// What it is done to, if known; `unknown` if it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What a person should know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Cow<'static, str>>,
    /// True if it cannot be undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destroys: bool,
}

/// What a detector saw in a text. Never the text itself: findings go where everyone can read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `secret`, `personal_data`, `prompt_injection`, `hidden_text`, `stack_trace`, `pattern`, `canary`, `too_long`.
    pub kind: Cow<'static, str>,
    /// Which one: `aws_access_key`, `iban`, a pattern's name.
    pub name: Cow<'static, str>,
    /// Where: a JSON pointer to the text.
    pub place: String,
    /// The first byte of it in that text, and the first after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// How bad it is.
    pub severity: Risk,
    /// How sure the detector is, in hundredths.
    pub confidence: u8,
    /// Whether its checksum holds, where its format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::KINDS;

    #[test]
    fn a_policy_may_name_every_effect_and_no_other() {
        let kinds: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(kinds, crate::load::EFFECTS);
    }
}
