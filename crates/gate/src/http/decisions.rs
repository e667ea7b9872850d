//! `GET /v1/decisions` and one of them.

use ledger::Fault;
use verdict::{Answer, Index, KeyRole, Status, short};

use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, outcome};
use crate::views::{self, Wanted};
use crate::wire::parse_id;

pub(super) async fn list(call: Call) -> Result<Reply, Problem> {
    let known = [
        "agent_id",
        "tool",
        "decision",
        "outcome",
        "user",
        "session_id",
        "since",
        "until",
        "limit",
        "cursor",
    ];
    let query = Query::read(&call.query, &known)?;
    let caller = call.caller()?;
    let mut wanted = Wanted {
        realm: caller.realm,
        agent: query.owned("agent_id"),
        tool: query.owned("tool"),
        decision: query.text("decision").map(answer).transpose()?,
        outcome: query.text("outcome").map(ended).transpose()?,
        user: query.owned("user"),
        session: query.owned("session_id"),
        by: None,
        since: query.time("since")?,
        until: query.time("until")?,
        before: cursor(&query)?,
    };
    match (&caller.agent, caller.role) {
        (Some(bound), _) => {
            if wanted.agent.as_ref().is_some_and(|asked| asked != bound) {
                return Err(Problem::forbidden("this key can read of another agent only".to_owned()));
            }
            wanted.agent = Some(bound.clone());
        }
        (None, KeyRole::Agent) => wanted.by = Some(caller.name.clone()),
        (None, _) => (),
    }
    let limit = query.limit(50, 500)?;
    let page = call.app.reading.ask(move |reader| views::decisions(reader, &wanted, limit));
    reply::json(&page.await.map_err(unread)?)
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let at = id(&call)?;
    let caller = call.caller()?.clone();
    let found = call.app.reading.ask(move |reader| {
        let own = views::decided(reader, at)?.is_some_and(|(decided, _)| outcome::is_own(&caller, &decided));
        if own { views::decision(reader, caller.realm, at) } else { Ok(None) }
    });
    match found.await.map_err(unread)? {
        Some(view) => reply::json(&view),
        None => Err(no_such(at)),
    }
}

fn ended(text: &str) -> Result<Status, Problem> {
    match text {
        "success" => Ok(Status::Success),
        "failed" => Ok(Status::Failed),
        "cancelled" => Ok(Status::Cancelled),
        "unknown" => Ok(Status::Unknown),
        other => {
            let detail =
                format!("`outcome` is `{}`; it is success, failed, cancelled or unknown", short(other));
            Err(Problem::request(detail))
        }
    }
}

/// The id in the path.
pub(super) fn id(call: &Call) -> Result<Index, Problem> {
    let text = call.param(0);
    parse_id("dec_", text)
        .ok_or_else(|| Problem::not_found(format!("there is no decision `{}`", short(text))))
}

pub(super) fn no_such(at: Index) -> Problem {
    Problem::not_found(format!("there is no decision `dec_{at}`"))
}

/// What a ledger that cannot be read is over HTTP. The operator's reason is for the log.
pub(super) fn unread(fault: Fault) -> Problem {
    tracing::error!(reason = %fault, "the ledger could not be read");
    Problem::unavailable()
}

/// Where to go on.
pub(super) fn cursor(query: &Query) -> Result<Option<Index>, Problem> {
    let Some(text) = query.text("cursor") else { return Ok(None) };
    let odd = || Problem::request(format!("`cursor` is `{}`, which no page gave", short(text)));
    views::parse_cursor(text).map(Some).ok_or_else(odd)
}

fn answer(text: &str) -> Result<Answer, Problem> {
    match text {
        "allow" => Ok(Answer::Allow),
        "deny" => Ok(Answer::Deny),
        "pending" => Ok(Answer::Pending),
        other => {
            Err(Problem::request(format!("`decision` is `{}`; it is allow, deny or pending", short(other))))
        }
    }
}
