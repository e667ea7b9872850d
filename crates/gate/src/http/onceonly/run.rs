//! `POST /ai/run`: a tool that the gate calls for an agent, or a task that is taken.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use verdict::{
    Action, Answer, Draft, Json, LeaseKind, LeaseName, LeaseOrder, LeaseWish, Micro, Receipt, Status,
    json::Map as JsonMap,
};

use super::{SECOND, leases, read_fields, work};
use crate::http::check::{count, draft_of, question_for};
use crate::http::dialect::invalid;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, halted, refused, tool};
use crate::path::Carried;
use crate::wire::onceonly::{Hold, RunTool};
use crate::wire::{CheckRequest, Fields, Original, approval_id, code_word, decision_id};

pub(in crate::http) async fn run(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let ((), mut fields) = read_fields(&call, |_| Ok(()))?;
    let odd = |odd: verdict::Malformed| invalid("body", odd.field, &odd.why);
    if !fields.has("key") {
        let request = RunTool::of(&mut fields).map_err(odd)?;
        return governed(&call, request).await;
    }
    let hold = Hold::of(&mut fields).map_err(odd)?;
    let work = work::of(&call, &hold, leases::USUAL)?;
    let (reply, taken) = leases::take_for(&call, hold).await?;
    if let (Some(work), Some(of)) = (work, taken) {
        work.begin(call, of);
    }
    Ok(reply)
}

/// The same call of a tool that does more when it is called twice is carried out once in this time.
const ONCE: Micro = 24 * 3_600 * SECOND;

/// One action: decided, and carried out if the policy says where its tool is.
async fn governed(call: &Call, request: RunTool) -> Result<Reply, Problem> {
    let mut draft = draft_for(call, request)?;
    let policy = call.app.gate.desk.policy();
    let tool = policy.tool_of(&draft.agent, &draft.tool).filter(|tool| call.app.tools.carries_out(tool));
    if tool.is_some_and(|tool| tool.endpoint.as_ref().is_none_or(|endpoint| !endpoint.idempotent)) {
        draft.key = Some(key_of(call, &draft).await?);
    }
    reply::json(&carried(call, draft).await?)
}

/// Decides, carries out what the policy says where to, and answers in the client's words.
pub(super) async fn carried(call: &Call, mut draft: Draft) -> Result<Value, Problem> {
    let start = Instant::now();
    let policy = call.app.gate.desk.policy();
    let tool = policy.tool_of(&draft.agent, &draft.tool).filter(|tool| call.app.tools.carries_out(tool));
    // Its client names no approval when it comes back: what was asked for exactly this action is looked up.
    draft.approval = question_for(call, &draft).await?;
    if tool.is_some() {
        let (carried, told) = tool::carry(call, draft, Duration::ZERO).await?;
        return match carried {
            Carried::Refused(receipt) => {
                count(call, start, std::slice::from_ref(&receipt));
                let first = match receipt.repeats() {
                    Some(of) => tool::original(call, of).await?,
                    None => None,
                };
                Ok(decided(&receipt, first))
            }
            Carried::Out(closing) => {
                call.app.metrics.took(start.elapsed().saturating_sub(told.took));
                Ok(carried_out(closing, told.fault.map(|fault| fault.message)))
            }
        };
    }
    let checked = call.app.gate.check(draft).await.map_err(|odd| invalid("body", odd.field, &odd.why))?;
    let receipt = checked.map_err(|halt| halted(&halt))?;
    count(call, start, std::slice::from_ref(&receipt));
    Ok(decided(&receipt, None))
}

/// Names the intent behind a call: its client does not, and relies on a repeated call running once. The first call
/// with these arguments takes a task; while that lasts, all of them go by its name.
async fn key_of(call: &Call, draft: &Draft) -> Result<String, Problem> {
    let action = Action::new(draft.clone()).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    let run = draft.session.as_deref().unwrap_or_default();
    let name = LeaseName {
        realm: draft.realm,
        // No agent has a blank in its name: these are nobody's tasks.
        space: Some("tool calls".to_owned()),
        kind: LeaseKind::Task,
        name: format!("{} {run}", action.digest().hex()),
    };
    let wish = LeaseWish::Take { ttl: ONCE, request: None };
    let order = LeaseOrder { name, by: call.caller()?.name.clone(), wish, payload: None };
    let leased = call.app.gate.desk.lease(order).await.map_err(|halt| halted(&halt))?;
    let leased = leased.map_err(|refusal| refused(&refusal))?;
    Ok(format!("onceonly:{}", leased.lease().of))
}

pub(super) fn draft_for(call: &Call, request: RunTool) -> Result<Draft, Problem> {
    let RunTool { agent_id, tool, args, spend_usd } = request;
    let policy = call.app.gate.desk.policy();
    let (args, run) = without_run(args, |args| {
        let declared = policy.tool_of(&agent_id, &tool).filter(|tool| tool.schema.is_some());
        declared.is_some_and(|tool| tool.refuses(args).is_none())
    });
    let check = CheckRequest {
        agent_id,
        tool,
        args,
        session_id: run,
        estimated_cost_usd: spend_usd,
        ..CheckRequest::default()
    };
    draft_of(check, call.caller()?)
}

/// The client puts the run's name among the arguments. It is the run's, and stays an argument only if the tool
/// declares one of that name.
fn without_run(args: Option<Json>, is_declared: impl Fn(&Json) -> bool) -> (Option<Json>, Option<String>) {
    let Some(Json::Map(map)) = &args else { return (args, None) };
    let Some(Json::Str(run)) = map.get("run_id") else { return (args, None) };
    let run = Some(run.clone());
    if args.as_ref().is_some_and(is_declared) {
        return (args, run);
    }
    let rest = map.iter().filter(|(name, _)| *name != "run_id");
    let rest = JsonMap::from_pairs(rest.map(|(name, value)| (name.to_owned(), value.clone())).collect());
    (rest.map(Json::Map).ok(), run)
}

/// A decision as the client reads it. What was allowed and not carried out is for the caller to carry out.
fn decided(receipt: &Receipt, first: Option<Original>) -> Value {
    let it = receipt.decided();
    let allowed = it.decision == Answer::Allow;
    let reason = match (it.decision, it.approval) {
        (Answer::Pending, at) => {
            let id = approval_id(at.unwrap_or(receipt.at()));
            Some(format!("{} ({id})", it.reason.as_deref().unwrap_or("a person must agree")))
        }
        (Answer::Allow, _) => {
            let why =
                "allowed; the policy has no `url` for the tool, so the gate did not call it: carry it out";
            Some(why.to_owned())
        }
        (Answer::Deny, _) => it.reason.clone(),
    };
    let pending = (it.decision == Answer::Pending).then(|| approval_id(it.approval.unwrap_or(receipt.at())));
    let done = first.filter(|first| first.status == Some(Status::Success));
    json!({
        "ok": allowed || done.is_some(),
        "allowed": allowed,
        "decision": if allowed { "allowed" } else { super::agents::word(false, code_word(it.code)) },
        "policy_reason": reason,
        "risk_level": it.risk.as_str(),
        "result": done.and_then(|done| object(done.result)),
        "decision_id": decision_id(receipt.at()),
        "approval_id": pending,
    })
}

/// A result as the client keeps it: it drops one that is no object.
fn object(result: Option<Json>) -> Option<Value> {
    match result {
        None | Some(Json::Null) => None,
        Some(object @ Json::Map(_)) => Some(json!(object)),
        Some(other) => Some(json!({"data": other})),
    }
}

/// What was carried out.
fn carried_out(closing: verdict::Closing, fault: Option<String>) -> Value {
    let (of, status) = (closing.settled().of, closing.settled().status);
    let outcome = closing.into_outcome();
    let withheld = outcome.screened.and_then(|screened| screened.withheld);
    let result = object(outcome.result);
    let done = status == Status::Success;
    json!({
        "ok": done,
        "allowed": true,
        "decision": if done { "executed" } else { "failed" },
        "policy_reason": withheld.or(fault),
        "risk_level": null,
        "result": result,
        "decision_id": decision_id(of),
        "status": status,
    })
}

impl Fields<'_> {
    /// True if a field is there.
    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}
