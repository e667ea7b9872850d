//! The bodies that AgentWarden's clients send, read into stricter types.

use schemars::JsonSchema;
use serde_json::Value;
use verdict::{Json, Malformed, Micros, short};

use super::Fields;

/// The statuses of a log entry: what its documents say, and what the versions of its client send.
pub const LOG_STATUSES: [&str; 8] =
    ["success", "failed", "pending", "denied", "blocked", "pending_approval", "allowed", "error"];

/// `POST /sdk/check`: may this agent do this?
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AgentWardenCheck")]
pub struct Check {
    /// The agent, by name or id.
    pub agent_id: String,
    /// What it wants to do: the tool.
    pub action: String,
    /// With what: the tool's arguments.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub context: Option<Json>,
}

impl Check {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let (agent_id, action) = (bounded(fields, "agent_id")?, bounded(fields, "action")?);
        Ok(Self { agent_id, action, context: object(fields, "context")? })
    }
}

/// `POST /sdk/log`: how it went.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AgentWardenLog")]
pub struct Log {
    /// The agent, by name or id.
    pub agent_id: String,
    /// What it did.
    pub action: String,
    /// How it went.
    pub status: String,
    /// With what.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub context: Option<Json>,
    /// From where.
    pub ip_address: Option<String>,
}

impl Log {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let Check { agent_id, action, context } = Check::of(fields)?;
        let status = fields.need("status")?;
        if !LOG_STATUSES.contains(&status.as_str()) {
            let why = format!("is `{}`; it is {}", short(&status), LOG_STATUSES.join(", "));
            return Err(Malformed { field: "status", why });
        }
        let ip_address = match fields.text("ip_address")? {
            Some(long) if long.len() > 64 => {
                return Err(Malformed { field: "ip_address", why: "is no address".to_owned() });
            }
            address => address,
        };
        Ok(Self { agent_id, action, status, context, ip_address })
    }
}

/// `POST` and `PUT /api/agents`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AgentWardenAgent")]
pub struct Agent {
    /// Its name, which is its id in the policy.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `active` or `inactive`.
    pub status: Option<String>,
}

impl Agent {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let status = fields.text("status")?;
        if status.as_deref().is_some_and(|status| !matches!(status, "active" | "inactive")) {
            return Err(Malformed { field: "status", why: "must be active or inactive".to_owned() });
        }
        let description = fields.text("description")?;
        if description.as_ref().is_some_and(|text| text.chars().count() > 1_024) {
            return Err(Malformed { field: "description", why: "has more than 1,024 characters".to_owned() });
        }
        Ok(Self { name: fields.text("name")?, description, status })
    }
}

/// `POST /api/agents/{id}/permissions`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AgentWardenPermission")]
pub struct Permission {
    /// What may be done: a tool's name.
    pub action: String,
    /// The most that `context.amount` may be; without it, amounts are not looked at.
    #[schemars(with = "Option<f64>")]
    pub max_amount: Option<Micros>,
    /// True if a person must agree.
    pub requires_approval: bool,
}

impl Permission {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let action = bounded(fields, "action")?;
        let max_amount = fields.money("max_amount")?;
        if max_amount.is_some_and(|most| most.0 < 0) {
            return Err(Malformed { field: "max_amount", why: "is negative".to_owned() });
        }
        Ok(Self { action, max_amount, requires_approval: fields.flag("requires_approval")?.unwrap_or(false) })
    }
}

/// `POST /api/approvals/{id}/approve` and `/reject`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AgentWardenAnswer")]
pub struct Answer {
    /// What else there is to say.
    pub comment: Option<String>,
}

impl Answer {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let comment = fields.text("comment")?;
        if comment.as_ref().is_some_and(|text| text.chars().count() > 2_000) {
            return Err(Malformed { field: "comment", why: "has more than 2,000 characters".to_owned() });
        }
        Ok(Self { comment })
    }
}

/// `POST /api/webhooks`.
#[derive(JsonSchema)]
#[schemars(rename = "AgentWardenWebhook")]
pub struct Hook {
    /// Where to.
    pub url: String,
    /// What it is told of; without it, everything.
    pub events: Vec<String>,
    /// What notices are signed with; at least 8 characters.
    pub secret: String,
    /// True if the address may be on this machine or in a network of one's own.
    pub allow_private: bool,
}

impl Hook {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let url = fields.need("url")?;
        if url.len() > 2_048 {
            return Err(Malformed { field: "url", why: "has more than 2,048 bytes".to_owned() });
        }
        let (events, secret) = (fields.texts("events")?, fields.need("secret")?);
        Ok(Self { url, events, secret, allow_private: fields.flag("allow_private")?.unwrap_or(false) })
    }
}

/// `POST /auth/login` and `/auth/register`.
#[derive(JsonSchema)]
#[schemars(rename = "AgentWardenLogin")]
pub struct Login {
    /// The name that a key was made for.
    pub email: String,
    /// That key's secret.
    pub password: String,
}

impl Login {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self { email: bounded(fields, "email")?, password: bounded(fields, "password")? })
    }
}

fn bounded(fields: &mut Fields<'_>, name: &'static str) -> Result<String, Malformed> {
    let text = fields.need(name)?;
    match text.chars().count() {
        0 => Err(Malformed { field: name, why: "is empty".to_owned() }),
        n if n > 256 => Err(Malformed { field: name, why: format!("has {n} characters; the most is 256") }),
        _ => Ok(text),
    }
}

fn object(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<Json>, Malformed> {
    match fields.take(name) {
        None => Ok(None),
        Some(object @ Json::Map(_)) => Ok(Some(object)),
        Some(other) => {
            Err(Malformed { field: name, why: format!("must be an object, not {}", other.kind()) })
        }
    }
}
