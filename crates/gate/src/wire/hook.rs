//! `POST /v1/hooks/{product}`: what a coding agent's hook tells a running gate.

use schemars::JsonSchema;
use verdict::{Json, Malformed};

use super::fields::{Fields, read_by_fields};

const KNOWN: &str = "agent_id, event, user, folder, home, grant";

/// An event of a coding agent.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HookRequest {
    /// The agent of the policy.
    pub agent_id: String,
    /// The event, as the coding agent wrote it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub event: Json,
    /// Who works with it.
    pub user: Option<String>,
    /// The folder that relative places start from, if the event names none.
    pub folder: Option<String>,
    /// That user's home folder.
    pub home: Option<String>,
    /// True: what the policy allows runs without the agent asking its user.
    pub grant: bool,
}

impl HookRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let missing = || Malformed { field: "event", why: "is missing".to_owned() };
        let read = |fields: &mut Fields<'_>| -> Result<Self, Malformed> {
            Ok(Self {
                agent_id: fields.need("agent_id")?,
                event: fields.take("event").ok_or_else(missing)?,
                user: fields.text("user")?,
                folder: fields.text("folder")?,
                home: fields.text("home")?,
                grant: fields.flag("grant")? == Some(true),
            })
        };
        let request = read(&mut fields).map_err(|malformed| malformed.to_string())?;
        fields.finish(KNOWN)?;
        Ok(request)
    }
}

read_by_fields!(HookRequest);
