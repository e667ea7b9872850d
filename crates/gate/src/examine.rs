//! A text looked at on its own, without an agent, a policy or a record: `portcullis inspect` and `POST /v1/inspect`.
//!
//! The same parsers and detectors as in every decision, so that what is shown here is what a rule would see.

use inspect::scan::{Scanner, Wanted};
use inspect::{Surroundings, code, sql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdict::{Effect, Finding, Risk};

use crate::wire::{self, Seen};

/// What a text is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A shell command or script.
    Shell,
    /// One or more SQL statements.
    Sql,
    /// A path of a file or folder.
    Path,
    /// A URL, host or address.
    Url,
    /// Python.
    Python,
    /// JavaScript.
    Javascript,
    /// Text of any kind.
    Text,
}

/// What is asked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// What the text is.
    pub kind: Kind,
    /// The text, up to 1 MiB.
    pub text: String,
    /// For `sql`: the dialect, such as `postgresql`; without it, what any would make of it.
    pub dialect: Option<String>,
    /// The folder that paths are relative to.
    pub cwd: Option<String>,
    /// The home folder.
    pub home: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct InspectReply {
    /// What it would do.
    pub effects: Vec<wire::Effect>,
    /// What stands in it.
    pub findings: Vec<Seen>,
    /// The highest risk of its effects.
    #[schemars(with = "wire::RiskWord")]
    pub risk: Risk,
}

/// Looks. The error is a sentence about the request.
pub fn examine(request: &InspectRequest) -> Result<InspectReply, String> {
    let InspectRequest { kind, text, dialect, cwd, home } = request;
    let around = Surroundings { cwd: cwd.clone(), home: home.clone(), ..Surroundings::default() };
    if dialect.is_some() && *kind != Kind::Sql {
        return Err("`dialect` is for `sql` only; leave it out".to_owned());
    }
    let dialect = match dialect {
        None => sql::Dialect::default(),
        Some(name) => sql::Dialect::from_name(name)
            .ok_or_else(|| format!("`{}` is no dialect of SQL that is known", verdict::short(name)))?,
    };
    let effects = match kind {
        Kind::Shell => inspect::shell::effects(text, &around),
        Kind::Sql => sql::effects(text, dialect),
        Kind::Path => inspect::touched("fs.read", text, &around),
        Kind::Url => inspect::reached(text, &around),
        Kind::Python => code::effects(text, code::Language::Python, &around),
        Kind::Javascript => code::effects(text, code::Language::JavaScript, &around),
        Kind::Text => Vec::new(),
    };
    let findings = scan(text)?;
    Ok(InspectReply {
        risk: effects.iter().map(|effect| effect.risk).max().unwrap_or_default(),
        effects: effects.iter().map(|effect: &Effect| wire::Effect::from(&effect.fact())).collect(),
        findings: findings.iter().map(Seen::from).collect(),
    })
}

/// Everything that the detectors see in a text where no policy says which to use.
pub fn scan(text: &str) -> Result<Vec<Finding>, String> {
    Ok(scanner()?.scan(text).iter().map(|hit| hit.finding("")).collect())
}

/// All detectors.
pub fn scanner() -> Result<Scanner, String> {
    Scanner::new(Wanted::all()).map_err(|why| why.to_string())
}
