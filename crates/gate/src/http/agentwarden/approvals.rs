//! `/api/approvals`: questions to people, in AgentWarden's words. The same questions as everywhere.

use serde_json::{Value, json};
use verdict::{Command, Index, Standing, short};

use super::uuid_of;
use crate::http::dialect::invalid;
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted, outcome, refused};
use crate::views::{self, ApprovalView};
use crate::wire::agentwarden::Answer;
use crate::wire::parse_id;

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["status", "limit"])?;
    let wanted = match query.text("status").unwrap_or("pending") {
        "all" => None,
        "rejected" => Some(Standing::Denied),
        word => Some(views::parse_status(word).ok_or_else(|| {
            let why = format!("is `{}`; it is pending, approved, rejected, expired or all", short(word));
            invalid("query", "status", &why)
        })?),
    };
    let (limit, now, realm) = (query.limit(50, 500)?, call.now(), call.realm()?);
    let found = call.app.gate.desk.ask(move |books| {
        let fits = books
            .approvals()
            .filter(|(_, it)| it.realm == realm && wanted.is_none_or(|wanted| it.standing(now) == wanted));
        let mut found: Vec<Index> = fits.map(|(at, _)| at).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    });
    let mut shown = Vec::new();
    for at in found.await.map_err(|halt| halted(&halt))? {
        if shown.len() >= limit {
            break;
        }
        shown.extend(find(&call, at).await?.map(view));
    }
    reply::json(&shown)
}

pub(in crate::http) async fn one(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let at = id(&call)?;
    reply::json(&view(find(&call, at).await?.ok_or_else(none)?))
}

pub(in crate::http) async fn approve(call: Call) -> Result<Reply, Problem> {
    answer(call, true).await
}

pub(in crate::http) async fn reject(call: Call) -> Result<Reply, Problem> {
    answer(call, false).await
}

async fn answer(call: Call, approve: bool) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let of = id(&call)?;
    let Answer { comment } = read(&call, Answer::of)?;
    let before = find(&call, of).await?.ok_or_else(none)?;
    let command = Command::Answer { of, approve, person: call.caller()?.person(), message: comment };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    if let Err(refusal) = obeyed {
        return Err(match before.status {
            Standing::Pending => refused(&refusal),
            _ => Problem::conflict(format!("approval `apr_{of}` is over")),
        });
    }
    reply::json(&view(find(&call, of).await?.ok_or_else(none)?))
}

/// The question, if the key may see it.
async fn find(call: &Call, at: Index) -> Result<Option<ApprovalView>, Problem> {
    let (caller, now) = (call.caller()?.clone(), call.now());
    let found = call.app.reading.ask(move |reader| {
        let own = views::decided(reader, at)?.is_some_and(|(decided, _)| outcome::is_own(&caller, &decided));
        if own { views::approval(reader, caller.realm, at, now) } else { Ok(None) }
    });
    found.await.map_err(decisions::unread)
}

fn view(it: ApprovalView) -> Value {
    let status = match it.status {
        Standing::Pending => "pending",
        Standing::Approved => "approved",
        Standing::Denied => "rejected",
        Standing::Expired => "expired",
        Standing::Cancelled => "cancelled",
    };
    let last = it.answers.last();
    json!({
        "id": it.id,
        "agent_id": uuid_of("agent", &it.agent_id),
        "agent_name": it.agent_id,
        "action": it.tool,
        "context": it.args,
        "status": status,
        "reason": it.reason,
        "created_at": it.requested_at,
        "expires_at": it.expires_at,
        "reviewed_by": last.map(|answer| answer.by.clone()),
        "reviewed_at": last.map(|answer| answer.at.clone()),
        "comment": last.and_then(|answer| answer.message.clone()),
    })
}

fn id(call: &Call) -> Result<Index, Problem> {
    parse_id("apr_", call.param(0)).ok_or_else(none)
}

fn none() -> Problem {
    Problem::not_found("Approval not found".to_owned())
}
