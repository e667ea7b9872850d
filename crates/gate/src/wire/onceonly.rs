//! The bodies that OnceOnly's clients send, read into stricter types.
//!
//! Fields that are not known are passed over, as OnceOnly does, except where they would limit an agent
//! ([`policy`]): a limit that is dropped is one that somebody believes to exist.

use schemars::JsonSchema;
use serde_json::Value;
use verdict::{Json, Malformed, Micros};

use super::Fields;

/// The longest key, in characters.
const LONGEST_KEY: usize = 256;
/// The longest metadata, in bytes of canonical JSON.
const LONGEST_METADATA: usize = 2_048;
/// The longest metadata with actions in it, in bytes.
const LONGEST_WORK: usize = 256 * 1024;
/// The longest that something is held, in seconds: 30 days.
const LONGEST_TTL: i64 = 30 * 24 * 3_600;

/// `POST /check-lock`, `/ai/lease` and `/ai/run` with a key.
#[derive(Debug, JsonSchema)]
pub struct Hold {
    /// What is held: 1 to 256 characters.
    pub key: String,
    /// How long, in seconds: 1 to 2,592,000.
    pub ttl: Option<i64>,
    /// What else there is to say; at most 2,048 bytes.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub metadata: Option<Json>,
}

impl Hold {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let key = key(fields)?;
        let ttl = ttl(fields)?;
        let metadata = object(fields, "metadata")?;
        // Work is described in more words than a lock.
        let is_work = matches!(&metadata, Some(Json::Map(map)) if map.get("actions").is_some());
        let longest = if is_work { LONGEST_WORK } else { LONGEST_METADATA };
        if metadata.as_ref().is_some_and(|it| it.canonical().len() > longest) {
            let why = format!("is longer than {longest} bytes");
            return Err(Malformed { field: "metadata", why });
        }
        Ok(Self { key, ttl, metadata })
    }
}

/// `POST /release`: gives a lock back, because what it was for has failed.
#[derive(Debug, JsonSchema)]
pub struct Release {
    /// What is held.
    pub key: String,
    /// The lock's id, as it was answered; without it, `X-Request-Id` says which attempt took it.
    pub lock_id: Option<String>,
}

impl Release {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self { key: key(fields)?, lock_id: fields.text("lock_id")? })
    }
}

/// `POST /ai/extend`, `/ai/complete`, `/ai/fail` and `/ai/cancel`: what a lease's holder says of it.
#[derive(Debug, JsonSchema)]
pub struct Holder {
    /// What is held.
    pub key: String,
    /// The lease, as it was answered.
    pub lease_id: String,
    /// For `extend`: how long from now, in seconds.
    pub ttl: Option<i64>,
    /// For `complete`: the result.
    #[schemars(with = "Option<Value>")]
    pub result: Option<Json>,
    /// For `complete`: identifies the result. Without it: the SHA-256 of its canonical JSON.
    pub result_hash: Option<String>,
    /// For `fail`: what went wrong.
    pub error_code: Option<String>,
    /// For `fail`: identifies what went wrong.
    pub error_hash: Option<String>,
    /// For `cancel`: why.
    pub reason: Option<String>,
}

impl Holder {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            key: key(fields)?,
            lease_id: fields.need("lease_id")?,
            ttl: ttl(fields)?,
            result: fields.take("result"),
            result_hash: word(fields, "result_hash")?,
            error_code: word(fields, "error_code")?,
            error_hash: word(fields, "error_hash")?,
            reason: word(fields, "reason")?,
        })
    }
}

/// `POST /ai/run` with a tool: one action.
#[derive(Debug, JsonSchema)]
pub struct RunTool {
    /// Who acts.
    pub agent_id: String,
    /// What is called.
    pub tool: String,
    /// Its arguments. A text at `run_id` is the run it belongs to.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub args: Option<Json>,
    /// What it is expected to cost, in dollars.
    #[schemars(with = "Option<f64>")]
    pub spend_usd: Option<Micros>,
}

impl RunTool {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let (agent_id, tool) = (fields.need("agent_id")?, fields.need("tool")?);
        Ok(Self { agent_id, tool, args: object(fields, "args")?, spend_usd: fields.money("spend_usd")? })
    }

    /// One of several of `agent`'s, which may say whose it is only if it is that agent's.
    pub fn of_list(json: &Json, agent: &str) -> Result<Self, Malformed> {
        let odd = |why: &str| Malformed { field: "actions", why: why.to_owned() };
        let Json::Map(map) = json else { return Err(odd("must be objects")) };
        let mut fields = Fields::from_pairs(map.iter().map(|(name, value)| (name.to_owned(), value.clone())));
        if fields.text("agent_id")?.is_some_and(|own| own != agent) {
            return Err(odd("must all be of the agent of the task"));
        }
        let tool = fields.need("tool")?;
        let (args, spend_usd) = (object(&mut fields, "args")?, fields.money("spend_usd")?);
        fields.finish("tool, args, spend_usd").map_err(|why| odd(&why))?;
        Ok(Self { agent_id: agent.to_owned(), tool, args, spend_usd })
    }
}

/// `POST /events`: what somebody says happened in a run. Further fields are kept.
#[derive(Debug, JsonSchema)]
pub struct Event {
    /// In which run: 1 to 256 characters.
    pub run_id: String,
    /// What kind of thing: 1 to 128 characters.
    pub r#type: String,
    /// How it went.
    pub status: Option<String>,
    /// The tool it is about.
    pub tool: Option<String>,
    /// The agent it is about.
    pub agent_id: Option<String>,
}

impl Event {
    /// Reads it; the fields stay for whoever keeps the whole.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            run_id: bounded("run_id", fields.need("run_id")?, LONGEST_KEY)?,
            r#type: bounded("type", fields.need("type")?, 128)?,
            status: word(fields, "status")?,
            tool: word(fields, "tool")?,
            agent_id: word(fields, "agent_id")?,
        })
    }
}

/// `POST /agents/{id}/disable` and `/enable`.
#[derive(Debug, JsonSchema)]
pub struct Switch {
    /// Why.
    pub reason: Option<String>,
}

impl Switch {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self { reason: word(fields, "reason")? })
    }
}

/// `POST /me/notifications`.
#[derive(Debug, JsonSchema)]
pub struct Notify {
    /// Mail at all.
    pub email_notifications_enabled: Option<bool>,
    /// About tools that fail.
    pub tool_error_notifications_enabled: Option<bool>,
    /// About runs that fail.
    pub run_failure_notifications_enabled: Option<bool>,
}

impl Notify {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            email_notifications_enabled: fields.flag("email_notifications_enabled")?,
            tool_error_notifications_enabled: fields.flag("tool_error_notifications_enabled")?,
            run_failure_notifications_enabled: fields.flag("run_failure_notifications_enabled")?,
        })
    }
}

fn key(fields: &mut Fields<'_>) -> Result<String, Malformed> {
    bounded("key", fields.need("key")?, LONGEST_KEY)
}

fn ttl(fields: &mut Fields<'_>) -> Result<Option<i64>, Malformed> {
    let ttl = fields.integer("ttl")?;
    match ttl.filter(|ttl| !(1..=LONGEST_TTL).contains(ttl)) {
        Some(odd) => {
            let why = format!("is `{odd}`; it is a number of seconds from 1 to {LONGEST_TTL}");
            Err(Malformed { field: "ttl", why })
        }
        None => Ok(ttl),
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

/// A short text, if it is there.
fn word(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<String>, Malformed> {
    fields.text(name)?.map(|text| bounded(name, text, LONGEST_KEY)).transpose()
}

fn bounded(field: &'static str, text: String, most: usize) -> Result<String, Malformed> {
    match text.chars().count() {
        0 => Err(Malformed { field, why: "is empty".to_owned() }),
        n if n > most => Err(Malformed { field, why: format!("has {n} characters; the most is {most}") }),
        _ => Ok(text),
    }
}

/// `POST /tools`: a tool that the gate calls.
#[derive(JsonSchema)]
#[schemars(rename = "OnceOnlyTool")]
pub struct ToolFields {
    /// Its name.
    pub name: String,
    /// `global`, or `agent:` and the agent's id.
    pub scope_id: String,
    /// Where it is.
    pub url: String,
    /// The secret of `auth`, which is `{type: "hmac_sha256", secret}`.
    #[schemars(rename = "auth", with = "Option<serde_json::Map<String, Value>>")]
    pub secret: Option<String>,
    /// Milliseconds that a call may take.
    pub timeout_ms: Option<i64>,
    /// How often it is tried again at most.
    pub max_retries: Option<i64>,
    /// False: nobody may call it.
    pub enabled: bool,
    /// For people; at most 512 characters.
    pub description: Option<String>,
    /// What a call costs, in dollars.
    #[schemars(with = "Option<f64>")]
    pub price_usd: Option<super::Dollars>,
}

impl ToolFields {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let description = fields.text("description")?;
        if description.as_ref().is_some_and(|text| text.chars().count() > 512) {
            return Err(Malformed { field: "description", why: "has more than 512 characters".to_owned() });
        }
        Ok(Self {
            name: bounded("name", fields.need("name")?, LONGEST_KEY)?,
            scope_id: fields.text("scope_id")?.unwrap_or_else(|| "global".to_owned()),
            url: bounded("url", fields.need("url")?, 2_048)?,
            secret: secret(fields)?,
            timeout_ms: fields.integer("timeout_ms")?,
            max_retries: fields.integer("max_retries")?,
            enabled: fields.flag("enabled")?.unwrap_or(true),
            description: description.filter(|text| !text.trim().is_empty()),
            price_usd: fields.money("price_usd")?.map(super::Dollars),
        })
    }
}

/// The secret of `{type: "hmac_sha256", secret}`, and nothing else.
fn secret(fields: &mut Fields<'_>) -> Result<Option<String>, Malformed> {
    let odd = |why: &str| Malformed { field: "auth", why: why.to_owned() };
    let Some(auth) = object(fields, "auth")? else { return Ok(None) };
    let Json::Map(map) = &auth else { return Ok(None) };
    match (map.get("type"), map.get("secret"), map.len()) {
        (Some(Json::Str(kind)), Some(Json::Str(secret)), 2) if kind == "hmac_sha256" => {
            Ok(Some(secret.clone()))
        }
        _ => Err(odd("must be {type: \"hmac_sha256\", secret}, and nothing else")),
    }
}

/// `POST /tools/{name}/toggle`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "OnceOnlyToggle")]
pub struct Toggle {
    /// False: nobody may call it.
    pub enabled: bool,
}

impl Toggle {
    /// Reads it.
    pub fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let missing = Malformed { field: "enabled", why: "is missing".to_owned() };
        Ok(Self { enabled: fields.flag("enabled")?.ok_or(missing)? })
    }
}
