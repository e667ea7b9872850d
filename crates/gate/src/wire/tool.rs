//! `POST /v1/tools/{name}/call`: what is asked and what is answered.
//!
//! An answer is made of a [`Closing`] or a [`Receipt`], that is, of what is on record, and of nothing else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use verdict::{Answer, Closing, Json, Malformed, Micros, Receipt, Status};

use super::check::{CheckReply, CheckRequest, Original, Seen, step};
use super::fields::{Fields, read_by_fields};
use super::{Dollars, decision_id};
use crate::tool::Told;

const KNOWN: &str = "agent_id, args, context, user, session_id, step, environment, estimated_cost_usd, \
                     idempotency_key, approval_id, wait_s, stream";

/// The longest that a caller may wait for people, or for another call with its key.
pub const LONGEST_WAIT_S: u64 = 60;

/// A call that the gate carries out.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToolCallRequest {
    /// Who wants to act.
    pub agent_id: String,
    /// The call's arguments.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub args: Option<Json>,
    /// What else the rules may want to know.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub context: Option<Json>,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run.
    pub session_id: Option<String>,
    /// In which turn of the run: a text, or a whole number.
    pub step: Option<String>,
    /// Where: `production`, `staging`, ...
    pub environment: Option<String>,
    /// What the caller expects it to cost.
    #[schemars(with = "Option<Dollars>")]
    pub estimated_cost_usd: Option<Micros>,
    /// Names the intent: the same key is carried out once. Sent on as `Idempotency-Key: AGENT/KEY`.
    pub idempotency_key: Option<String>,
    /// The approval that an earlier call asked for.
    pub approval_id: Option<String>,
    /// Seconds to wait, at most 60, while a person must agree or another call with the same key is under way.
    pub wait_s: Option<u64>,
    /// True: an answer of the tool that comes in pieces (server-sent events, lines of JSON) is passed on as it comes.
    pub stream: Option<bool>,
}

impl ToolCallRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let read = |fields: &mut Fields<'_>| -> Result<Self, Malformed> {
            Ok(Self {
                agent_id: fields.need("agent_id")?,
                args: fields.take("args"),
                context: fields.take("context"),
                user: fields.text("user")?,
                session_id: fields.text("session_id")?,
                step: step(fields)?,
                environment: fields.text("environment")?,
                estimated_cost_usd: fields.money("estimated_cost_usd")?,
                idempotency_key: fields.text("idempotency_key")?,
                approval_id: fields.text("approval_id")?,
                wait_s: wait(fields.integer("wait_s")?)?,
                stream: fields.flag("stream")?,
            })
        };
        let request = read(&mut fields).map_err(|malformed| malformed.to_string())?;
        fields.finish(KNOWN)?;
        Ok(request)
    }

    /// The action that is meant, as a check would have it.
    pub fn into_check(self, tool: String) -> CheckRequest {
        let Self {
            agent_id,
            args,
            context,
            user,
            session_id,
            step,
            environment,
            estimated_cost_usd,
            idempotency_key,
            approval_id,
            wait_s: _,
            stream: _,
        } = self;
        CheckRequest {
            agent_id,
            tool,
            args,
            context,
            user,
            session_id,
            step,
            environment,
            estimated_cost_usd,
            estimated_tokens: None,
            idempotency_key,
            approval_id,
        }
    }
}

fn wait(seconds: Option<i64>) -> Result<Option<u64>, Malformed> {
    let odd = || Malformed { field: "wait_s", why: format!("must be 0 to {LONGEST_WAIT_S}") };
    let seconds = seconds.map(|it| u64::try_from(it).map_err(|_| odd())).transpose()?;
    if seconds.is_some_and(|it| it > LONGEST_WAIT_S) { Err(odd()) } else { Ok(seconds) }
}

read_by_fields!(ToolCallRequest);

/// A tool to be called by the gate.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used: the keys are the policy's, and its reader reads them")]
pub struct ToolRequest {
    /// Its name.
    name: String,
    /// `global`, or `agent:` and the agent's id; without it, `global`.
    scope: Option<String>,
    /// Where it is.
    url: String,
    /// As in the policy; or `{type, secret, name?}`: the secret is then stored, and given back to nobody.
    auth: Option<serde_json::Value>,
    /// The other keys of a tool in the policy: `method`, `schema`, `timeout_ms`, `max_retries`, `price_usd`, ...
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// A tool, as it is now declared, and the policy that declares it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ToolChange {
    /// The policy now in force.
    pub policy_version: String,
    /// The tool; absent once it is removed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub tool: Option<crate::views::DeclaredTool>,
}

/// A secret to be stored.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// It: 8 to 8,192 bytes. Given back to nobody.
    pub secret: String,
}

/// The secrets that are stored.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecretNames {
    /// Their names.
    pub secrets: Vec<String>,
}

/// The answer to a call.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ToolCallReply {
    /// It was carried out.
    Carried(Box<CarriedReply>),
    /// It was denied, or a person must agree first; or it was carried out before.
    Refused(Box<RefusedReply>),
}

/// A call that was carried out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CarriedReply {
    /// `allow`.
    #[schemars(with = "super::orders::AnswerWord")]
    pub decision: Answer,
    /// The decision's id.
    pub decision_id: String,
    /// `success`; `failed`: it did not happen; `cancelled`: nothing was sent; `unknown`: it was sent, and nobody
    /// knows how it ended.
    #[schemars(with = "super::orders::StatusWord")]
    pub status: Status,
    /// What the tool gave back, as the screens let it through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
    /// Why the result is given to nobody, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// What detectors saw in it.
    pub findings: Vec<Seen>,
    /// What it cost.
    #[schemars(with = "Dollars")]
    pub cost_usd: Dollars,
    /// How often it was tried.
    pub attempts: u32,
    /// How long that took.
    pub duration_ms: u64,
}

/// Why a call gave no result.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CallError {
    /// A word to branch on.
    pub code: &'static str,
    /// A sentence; never the tool's own.
    pub message: String,
    /// The status that the tool answered with, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A call that was not carried out now.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RefusedReply {
    /// The decision, as a check has it.
    #[serde(flatten)]
    pub check: CheckReply,
    /// True if a call with this key was carried out before: `result` is what that one gave back.
    pub duplicate: bool,
    /// How that one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<super::orders::StatusWord>")]
    pub status: Option<Status>,
    /// What that one gave back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// Nothing: it was not carried out now.
    #[schemars(with = "Dollars")]
    pub cost_usd: Dollars,
    /// None.
    pub attempts: u32,
    /// None.
    pub duration_ms: u64,
}

impl ToolCallReply {
    /// The answer that the end of a call gives.
    pub fn carried(closing: Closing, told: Told) -> Self {
        let Told { attempts, took, fault, cost } = told;
        let settled = closing.settled();
        let (of, status) = (settled.of, settled.status);
        let spent = match status {
            Status::Success | Status::Unknown => settled.cost.unwrap_or(cost),
            Status::Failed | Status::Cancelled => settled.cost.unwrap_or_default(),
        };
        let outcome = closing.into_outcome();
        let (findings, withheld) = outcome.screened.map(|it| (it.findings, it.withheld)).unwrap_or_default();
        let error = fault.map(|it| CallError { code: it.why.word(), message: it.message, status: it.status });
        Self::Carried(Box::new(CarriedReply {
            decision: Answer::Allow,
            decision_id: decision_id(of),
            status,
            result: outcome.result,
            error,
            withheld,
            findings: findings.iter().map(Seen::from).collect(),
            cost_usd: Dollars(spent),
            attempts,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }))
    }

    /// The same without the result, which has been passed on already.
    #[must_use]
    pub fn passed_on(self) -> Self {
        match self {
            Self::Carried(reply) => Self::Carried(Box::new(CarriedReply { result: None, ..*reply })),
            refused @ Self::Refused(_) => refused,
        }
    }

    /// The answer that a refusal gives. `original` is what became of the call that it repeats.
    pub fn refused(receipt: &Receipt, original: Option<Original>) -> Self {
        let done = original.as_ref().filter(|it| it.status == Some(Status::Success));
        let (duplicate, status, result) =
            (done.is_some(), done.and_then(|it| it.status), done.and_then(|it| it.result.clone()));
        Self::Refused(Box::new(RefusedReply {
            check: CheckReply::of(receipt, None),
            duplicate,
            status,
            result,
            cost_usd: Dollars(Micros(0)),
            attempts: 0,
            duration_ms: 0,
        }))
    }
}
