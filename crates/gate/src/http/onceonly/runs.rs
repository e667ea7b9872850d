//! `/events` and `/runs`: what agents and programs say happened.

use serde_json::{Map, Value, json};
use verdict::{Command, EventNote, Index, KeyRole};

use super::read_fields;
use crate::clock::rfc3339;
use crate::http::dialect::invalid;
use crate::http::problem::Problem;
use crate::http::query::{Query, unescape};
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted, refused};
use crate::views;
use crate::wire::onceonly::Event;

/// The longest event, in bytes: a list has up to 2,000 of them.
const LONGEST: usize = 8 * 1024;

pub(in crate::http) async fn post(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let (event, rest) = read_fields(&call, Event::of)?;
    let Event { run_id, r#type, status, tool, agent_id } = event;
    let caller = call.caller()?;
    if caller.agent.is_some() && agent_id.is_some() && caller.agent != agent_id {
        return Err(Problem::forbidden("this key can act for another agent only".to_owned()));
    }
    let mut text = Map::new();
    for (name, value) in [("status", &status), ("tool", &tool), ("agent_id", &agent_id)] {
        if let Some(value) = value {
            text.insert(name.to_owned(), value.clone().into());
        }
    }
    for (name, value) in rest.into_pairs() {
        text.insert(name, serde_json::to_value(value).map_err(|error| reply::unwritten(&error))?);
    }
    let text = Value::Object(text).to_string();
    if text.len() > LONGEST {
        return Err(invalid("body", "data", &format!("makes the event longer than {LONGEST} bytes")));
    }
    let agent = agent_id.or_else(|| caller.agent.clone());
    let note = EventNote {
        t: 0,
        kind: r#type,
        status,
        run: Some(run_id.clone()),
        agent,
        tool,
        realm: caller.realm,
        by: caller.name.clone(),
        of: None,
    };
    let obeyed = call.app.gate.desk.obey(Command::Event(note, text)).await;
    let at = obeyed.map_err(|halt| halted(&halt))?.map_err(|refusal| refused(&refusal))?;
    reply::json(&json!({"ok": true, "event_id": at, "run_id": run_id}))
}

/// Whose events the caller sees: all, or those it told itself.
fn own(call: &Call) -> Result<Option<String>, Problem> {
    let caller = call.caller()?;
    let bound = caller.role == KeyRole::Agent || caller.agent.is_some();
    Ok(bound.then(|| caller.name.clone()))
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["limit", "offset"])?;
    let (limit, offset) = (query.limit(50, 500)?, offset(&query)?);
    let (realm, own) = (call.realm()?, own(&call)?);
    let last = call.app.gate.desk.ask(move |books| books.events(realm).collect::<Vec<Index>>());
    let last = last.await.map_err(|halt| halted(&halt))?;
    let read =
        call.app.reading.ask(move |reader| views::events(reader, last, own.as_deref(), (offset, limit)));
    reply::json(&read.await.map_err(decisions::unread)?)
}

pub(in crate::http) async fn runs(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["limit", "offset", "q"])?;
    let (limit, offset) = (query.limit(50, 500)?, offset(&query)?);
    let (prefix, realm, own) = (query.owned("q").unwrap_or_default(), call.realm()?, own(&call)?);
    let found = call.app.gate.desk.ask(move |books| {
        let fits = |(name, run): &(&str, &verdict::Run)| {
            name.starts_with(&prefix) && own.as_ref().is_none_or(|own| run.by == *own)
        };
        let mut found: Vec<(String, verdict::Run)> =
            books.runs(realm).filter(fits).map(|(name, run)| (name.to_owned(), run.clone())).collect();
        found.sort_by(|(a, run_a), (b, run_b)| run_b.last.cmp(&run_a.last).then_with(|| a.cmp(b)));
        found
    });
    let found = found.await.map_err(|halt| halted(&halt))?;
    let items = found.iter().skip(offset).take(limit).map(|(name, run)| {
        json!({
            "run_id": name,
            "last_ts": rfc3339(run.last),
            "last_type": run.kind,
            "last_status": run.status,
            "events_count": run.events,
        })
    });
    reply::json(&json!({"total": found.len(), "items": items.collect::<Vec<Value>>()}))
}

pub(in crate::http) async fn one(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["limit", "offset"])?;
    let (limit, offset) = (query.limit(200, 2_000)?, offset(&query)?);
    let (run_id, realm, own) = (unescape(call.param(0))?, call.realm()?, own(&call)?);
    let asked = run_id.clone();
    let first = call.app.gate.desk.ask(move |books| books.run(realm, &asked).map(|run| run.first)).await;
    let none = || Problem::not_found(format!("there is no run `{}`", verdict::short(&run_id)));
    let first = first.map_err(|halt| halted(&halt))?.ok_or_else(none)?;
    let read = call.app.reading.ask(move |reader| views::run_events(reader, first, own.as_deref()));
    let events = read.await.map_err(decisions::unread)?;
    let total = events.len();
    let shown: Vec<Value> = events.into_iter().skip(offset).take(limit).collect();
    reply::json(&json!({"run_id": run_id, "total": total, "events": shown}))
}

fn offset(query: &Query) -> Result<usize, Problem> {
    let offset = query.number("offset")?.unwrap_or(0);
    usize::try_from(offset).map_err(|_| invalid("query", "offset", "is too large"))
}
