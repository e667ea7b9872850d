//! `/agents/*`: the kill switch, and what an agent did, as the ledger's decisions have it.

use serde_json::{Value, json};
use verdict::{Answer, Command, KeyRole, Micro, check_name};

use super::{SECOND, read};
use crate::clock::parse_rfc3339;
use crate::http::dialect::invalid;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted, refused};
use crate::views::{self, DecisionView, Wanted};
use crate::wire::onceonly::Switch;

/// How often the ledger is looked through for a list.
const LOOKS: usize = 10;

pub(in crate::http) async fn disable(call: Call) -> Result<Reply, Problem> {
    switch(call, false).await
}

pub(in crate::http) async fn enable(call: Call) -> Result<Reply, Problem> {
    switch(call, true).await
}

async fn switch(call: Call, enabled: bool) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Switch { reason } = read(&call, Switch::of)?;
    let agent = call.param(0).to_owned();
    check_name("agent_id", &agent, "._-:@").map_err(|odd| invalid("path", odd.field, &odd.why))?;
    let by = call.caller()?.name.clone();
    let (notes, enabled) = (None, Some(enabled));
    let command = Command::Agent { agent: agent.clone(), enabled, reason, notes, by };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    obeyed.map_err(|refusal| refused(&refusal))?;
    let (policy, id) = (call.app.gate.desk.policy(), agent.clone());
    let view = call.app.gate.desk.ask(move |books| views::agent(&policy, books, &id)).await;
    let view = view.map_err(|halt| halted(&halt))?.ok_or_else(Problem::internal)?;
    reply::json(&json!({
        "agent_id": agent,
        "is_enabled": view.enabled,
        "disabled_reason": view.disabled_reason,
        "disabled_at": view.disabled_at,
    }))
}

pub(in crate::http) async fn logs(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["limit"])?;
    let limit = query.limit(100, 500)?;
    let (realm, agent) = (call.realm()?, Some(own_agent(&call)?));
    let read = call.app.reading.ask(move |reader| {
        let mut wanted = Wanted { realm, agent, ..Wanted::default() };
        let mut found: Vec<DecisionView> = Vec::new();
        for _ in 0..LOOKS {
            let page = views::decisions(reader, &wanted, limit.saturating_sub(found.len()))?;
            found.extend(page.decisions);
            wanted.before = page.next_cursor.as_deref().and_then(views::parse_cursor);
            if found.len() >= limit || wanted.before.is_none() {
                break;
            }
        }
        Ok(found)
    });
    let found = read.await.map_err(decisions::unread)?;
    reply::json(&found.into_iter().map(item).collect::<Vec<Value>>())
}

fn item(it: DecisionView) -> Value {
    let allowed = it.decision == Answer::Allow;
    let at: Micro = parse_rfc3339(&it.at).unwrap_or_default();
    let cost = it.outcome.as_ref().and_then(|outcome| outcome.cost_usd).unwrap_or(it.expected_cost_usd);
    let mut item = json!({
        "ts": at / SECOND,
        "agent_id": it.agent_id,
        "tool": it.tool,
        "allowed": allowed,
        "decision": word(allowed, it.code),
        "policy_reason": it.reason,
        "risk_level": it.risk,
        "args_hash": it.digest.get(..8),
        "decision_id": it.decision_id,
        "rule": it.rule,
    });
    if let (Value::Object(item), true) = (&mut item, allowed) {
        item.insert("spend_usd".to_owned(), serde_json::to_value(cost).unwrap_or_default());
    } else if let Value::Object(item) = &mut item {
        item.insert("spend_usd".to_owned(), 0.into());
    }
    item
}

/// OnceOnly's word for a decision.
pub(super) fn word(allowed: bool, code: &str) -> &'static str {
    match code {
        _ if allowed => "executed",
        "duplicate" | "in_progress" => "dedup",
        _ => "blocked",
    }
}

pub(in crate::http) async fn metrics(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["period"])?;
    let period = query.text("period").unwrap_or("day").to_owned();
    let hours = match period.as_str() {
        "hour" => 1,
        "day" => 24,
        "week" => 7 * 24,
        _ => return Err(invalid("query", "period", "must be hour, day or week")),
    };
    let (realm, agent) = (call.realm()?, own_agent(&call)?);
    let (since, asked) = (call.now().saturating_sub(hours * 3_600 * SECOND), agent.clone());
    let read = call.app.reading.ask(move |reader| views::agent_counts(reader, realm, &asked, since));
    let counts = read.await.map_err(decisions::unread)?;
    let top: Vec<Value> =
        counts.top(10).into_iter().map(|(tool, count)| json!({"tool": tool, "count": count})).collect();
    reply::json(&json!({
        "agent_id": agent,
        "period": period,
        "total_actions": counts.actions,
        "blocked_actions": counts.denied,
        "total_spend_usd": counts.spent,
        "top_tools": top,
        "complete": counts.complete,
    }))
}

/// The agent of the path. A key with the role agent sees the one it is bound to; others do not exist
/// for it.
fn own_agent(call: &Call) -> Result<String, Problem> {
    let (agent, caller) = (call.param(0), call.caller()?);
    let own = caller.agent.as_deref() == Some(agent);
    let reads = !matches!(caller.role, KeyRole::Agent) && caller.agent.is_none();
    match own || reads {
        true => Ok(agent.to_owned()),
        false => Err(Problem::not_found(format!("there is no agent `{agent}` for this key"))),
    }
}
