//! `POST /sdk/check`: an action like any other. Its context is what it is called with.

use std::time::Instant;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use verdict::{Answer, Code, Draft, Json, Meter, MeterKind, Receipt, Window};

use super::{agent_of, no_agent, permissions};
use crate::http::Call;
use crate::http::check::{count, draft_of, question_for};
use crate::http::dialect::invalid;
use crate::http::halted;
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::wire::agentwarden::Check;
use crate::wire::{CheckRequest, approval_id, decision_id};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

pub(in crate::http) async fn check(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    Query::read(&call.query, &[])?;
    let Check { agent_id, action, context } = read(&call, Check::of)?;
    let amount = context.as_ref().and_then(amount_of);
    let mut draft = draft_for(&call, agent_of(&call, &agent_id), action, context)?;
    // Its client repeats the same check once a person has agreed, and names no approval: what was asked for exactly
    // this action is looked up.
    draft.approval = question_for(&call, &draft).await?;
    let checked = call.app.gate.check(draft).await.map_err(|odd| invalid("body", odd.field, &odd.why))?;
    let receipt = checked.map_err(|halt| halted(&halt))?;
    count(&call, start, std::slice::from_ref(&receipt));
    let mut reply = answer(&receipt, amount)?;
    if let Some(allowance) = allowance(&call, &receipt) {
        for (name, number) in [LIMIT, REMAINING, RESET].into_iter().zip(allowance) {
            reply.headers_mut().insert(name, HeaderValue::from(number));
        }
    }
    Ok(reply)
}

/// What there may be, what is left of it, and when (Unix seconds) it is over: of the agent's limit on actions that is
/// nearest to its end. An agent without one has none.
fn allowance(call: &Call, receipt: &Receipt) -> Option<[i64; 3]> {
    let policy = call.app.gate.desk.policy();
    let agent = policy.agent(&receipt.decided().agent)?;
    let counted = |it: &&verdict::Remaining| it.meter == MeterKind::Actions;
    let least = receipt.remaining().iter().filter(counted).min_by_key(|it| it.left);
    let of_actions = |it: &&verdict::Limit| it.meter == Meter::Actions;
    let limit = match least {
        Some(least) => agent.limits().iter().filter(of_actions).find(|it| it.label == least.label)?,
        None if receipt.decided().code == Code::Limit => {
            agent.limits().iter().filter(of_actions).min_by_key(|it| it.max)?
        }
        None => return None,
    };
    let window = match limit.window {
        Window::Sliding(length) => length,
        _ => 0,
    };
    let wait = receipt.retry_after().unwrap_or(window);
    let reset = call.now().saturating_add(wait).saturating_add(999_999) / 1_000_000;
    Some([limit.max, least.map_or(0, |it| it.left), reset])
}

fn draft_for(call: &Call, agent_id: String, tool: String, args: Option<Json>) -> Result<Draft, Problem> {
    let request = CheckRequest { agent_id, tool, args, ..CheckRequest::default() };
    draft_of(request, call.caller()?)
}

fn answer(receipt: &Receipt, amount: Option<Json>) -> Result<Reply, Problem> {
    let it = receipt.decided();
    // On record like any denial; its client has an error of its own for it.
    if it.code == Code::UnknownAgent {
        return Err(no_agent());
    }
    let approval = (it.decision == Answer::Pending).then(|| approval_id(it.approval.unwrap_or(receipt.at())));
    let reason = match (&approval, it.decision) {
        (Some(id), _) => Some(format!("This action requires human approval ({id})")),
        (None, Answer::Allow) => None,
        (None, _) => {
            let too_much = it
                .rule
                .as_deref()
                .and_then(|rule| permissions::exceeded(rule, it.reason.as_deref(), amount.as_ref()));
            too_much.or_else(|| it.reason.clone())
        }
    };
    reply::json(&json!({
        "allowed": it.decision == Answer::Allow,
        "requires_approval": approval.is_some(),
        "reason": reason,
        "approval_id": approval,
        "decision_id": decision_id(receipt.at()),
    }))
}

/// What is meant as the amount, whatever it is.
fn amount_of(context: &Json) -> Option<Json> {
    match context {
        Json::Map(map) => map.get("amount").cloned(),
        _ => None,
    }
}
