//! `POST /sdk/check`: an action like any other. Its context is what it is called with.

use std::time::Instant;

use serde_json::json;
use verdict::{Answer, Code, Draft, Json, Receipt};

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
    answer(&receipt, amount)
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
