//! What people and their programs order: answers to questions, switches, keys. And the closed lists of words
//! that schemas show.

use schemars::JsonSchema;
use verdict::{KeyRole, Malformed, Micro, check_name, short};

use super::fields::{Fields, read_by_fields};
use crate::clock::parse_rfc3339;

/// An answer to a question.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AnswerRequest {
    /// For whoever asked.
    pub message: Option<String>,
}

/// The longest message, reason or note, in characters.
const LONGEST: usize = 4_000;

impl AnswerRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let message = told(&mut fields, "message").map_err(|it| it.to_string())?;
        fields.finish("message")?;
        Ok(Self { message })
    }
}

/// Why an agent is disabled.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DisableRequest {
    /// For whoever wonders; the agent is told.
    pub reason: String,
}

impl DisableRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let missing =
            Malformed { field: "reason", why: "is missing; say why, for whoever wonders".to_owned() };
        let reason =
            told(&mut fields, "reason").and_then(|it| it.filter(|text| !text.is_empty()).ok_or(missing));
        let reason = reason.map_err(|it| it.to_string())?;
        fields.finish("reason")?;
        Ok(Self { reason })
    }
}

/// What people write about an agent.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentRequest {
    /// Notes; absent: as they were.
    pub notes: Option<String>,
}

impl AgentRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let notes = told(&mut fields, "notes").map_err(|it| it.to_string())?;
        fields.finish("notes")?;
        Ok(Self { notes })
    }
}

/// A body that says nothing: `{}` or empty.
#[derive(Clone, Copy, Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Nothing {}

impl Nothing {
    fn of(fields: Fields<'_>) -> Result<Self, String> {
        fields.finish("none")?;
        Ok(Self {})
    }
}

/// A key to be made.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct KeyRequest {
    /// The person or program it is for. Answers to questions are given in this name.
    pub name: String,
    /// What it may do.
    #[schemars(with = "RoleWord")]
    pub role: KeyRole,
    /// The one agent it may act for.
    pub agent_id: Option<String>,
    /// Groups it answers for.
    pub groups: Vec<String>,
    /// True: it sees only test data and touches no live counter.
    pub test: bool,
    /// When it stops to count: RFC 3339.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Micro>,
}

impl KeyRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let read = |fields: &mut Fields<'_>| -> Result<Self, Malformed> {
            let name = fields.need("name")?;
            check_name("name", &name, "._-:@+ ")?;
            let agent_id = fields.text("agent_id")?;
            agent_id.as_deref().map_or(Ok(()), |id| check_name("agent_id", id, "._-:@"))?;
            let role = role(&fields.need("role")?)?;
            if agent_id.is_some() && role != KeyRole::Agent {
                return Err(Malformed { field: "agent_id", why: "goes with the role agent only".to_owned() });
            }
            let groups = fields.texts("groups")?;
            groups.iter().try_for_each(|group| check_name("groups", group, "._-:@+ "))?;
            let expires_at = fields.text("expires_at")?.as_deref().map(time).transpose()?;
            Ok(Self { name, role, agent_id, groups, test: fields.flag("test")?.unwrap_or(false), expires_at })
        };
        let request = read(&mut fields).map_err(|malformed| malformed.to_string())?;
        fields.finish("name, role, agent_id, groups, test, expires_at")?;
        Ok(request)
    }
}

/// Reads the role of a key.
pub(crate) fn role(text: &str) -> Result<KeyRole, Malformed> {
    match text {
        "agent" => Ok(KeyRole::Agent),
        "approver" => Ok(KeyRole::Approver),
        "auditor" => Ok(KeyRole::Auditor),
        "admin" => Ok(KeyRole::Admin),
        other => {
            let why = format!("is `{}`; it is agent, approver, auditor or admin", short(other));
            Err(Malformed { field: "role", why })
        }
    }
}

fn time(text: &str) -> Result<Micro, Malformed> {
    let why = || format!("is `{}`; write a time such as 2030-01-31T12:00:00Z", short(text));
    parse_rfc3339(text).ok_or_else(|| Malformed { field: "expires_at", why: why() })
}

fn told(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<String>, Malformed> {
    let text = fields.text(name)?;
    let why = match &text {
        Some(text) if text.chars().count() > LONGEST => format!("is longer than {LONGEST} characters"),
        Some(text) if text.chars().any(|c| c.is_control() && c != '\n') => {
            "has a control character".to_owned()
        }
        _ => return Ok(text),
    };
    Err(Malformed { field: name, why })
}

read_by_fields!(AnswerRequest);
read_by_fields!(DisableRequest);
read_by_fields!(AgentRequest);
read_by_fields!(Nothing);
read_by_fields!(KeyRequest);

/// Closed lists of words, for schemas only.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $($word:ident)+;)+) => {$(
        $(#[$doc])*
        #[derive(JsonSchema)]
        #[schemars(rename_all = "lowercase")]
        #[expect(missing_docs, reason = "the words of the contract")]
        pub enum $name { $($word),+ }
    )+};
}

words! {
    /// The three answers.
    AnswerWord: Allow Deny Pending;
    /// How an action ended.
    StatusWord: Success Failed Cancelled Unknown;
    /// How an action is reported to have ended.
    ReportWord: Success Failed Cancelled;
    /// How bad it could get.
    RiskWord: Low Medium High Critical;
    /// Whether decisions bind.
    ModeWord: Enforce Observe;
    /// What a key may do.
    RoleWord: Agent Approver Auditor Admin;
    /// Where a question stands.
    StandingWord: Pending Approved Denied Expired Cancelled;
}
