//! `POST /sdk/log` and `GET /api/logs`: what a client says of what it did.
//!
//! An entry is kept as it was told. Where it tells the end of an action that was allowed, that end is recorded too.

use hyper::StatusCode;
use ledger::{Fault, Reader};
use serde_json::{Map, Value, json};
use verdict::{
    Command, Decided, EventNote, Index, KeyRole, Micro, Outcome, Realm, Settling, Status,
    json::Map as JsonMap,
};

use super::{agent_of, no_agent, organization};
use crate::clock::rfc3339;
use crate::http::dialect::invalid;
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted, refused};
use crate::views::{self, Wanted};
use crate::wire::agentwarden::Log;
use crate::wire::parse_id;

/// The kind of event that an entry is.
const KIND: &str = "agentwarden_log";
/// The longest entry, in bytes.
const LONGEST: usize = 64 * 1024;
/// Of an agent's allowed actions, so many of the last are looked at for the one that an entry is about.
const LOOKED_AT: usize = 20;

pub(in crate::http) async fn log(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Log { agent_id, action, status, context, ip_address } = read(&call, Log::of)?;
    let (agent, caller) = (agent_of(&call, &agent_id), call.caller()?.clone());
    if caller.agent.as_ref().is_some_and(|bound| *bound != agent) {
        return Err(Problem::forbidden("this key can act for another agent only".to_owned()));
    }
    if call.app.gate.desk.policy().agent(&agent).is_none() {
        return Err(no_agent());
    }
    let text = json!({"context": context, "ip_address": ip_address, "agent_id": agent_id});
    let text = text.to_string();
    if text.len() > LONGEST {
        return Err(invalid("body", "context", &format!("makes the entry longer than {LONGEST} bytes")));
    }
    let note = EventNote {
        t: 0,
        kind: KIND.to_owned(),
        status: Some(status.clone()),
        run: None,
        agent: Some(agent.clone()),
        tool: Some(action.clone()),
        realm: caller.realm,
        by: caller.name.clone(),
        of: None,
    };
    let obeyed = call.app.gate.desk.obey(Command::Event(note, text)).await;
    let at = obeyed.map_err(|halt| halted(&halt))?.map_err(|refusal| refused(&refusal))?;
    let at = at.ok_or_else(Problem::internal)?;
    let ended = match status.as_str() {
        "success" => Some(Status::Success),
        "failed" | "error" => Some(Status::Failed),
        _ => None,
    };
    if let Some(ended) = ended {
        let error = context.as_ref().and_then(|context| match context {
            verdict::Json::Map(map) => map.get("error").cloned(),
            _ => None,
        });
        settle(
            &call,
            (agent, action),
            context,
            Outcome { error: error.and_then(text_of), ..Outcome::plain(ended) },
        )
        .await?;
    }
    let read = call.app.reading.ask(move |reader| entry(reader, at, caller.realm));
    reply::json(&read.await.map_err(decisions::unread)?.ok_or_else(Problem::internal)?)
}

fn text_of(json: verdict::Json) -> Option<String> {
    match json {
        verdict::Json::Str(text) => Some(text),
        _ => None,
    }
}

/// Records how the newest allowed action of this kind ended that has no end yet. Its client does not say which it
/// was: it is the one with the same context, or, of several or none of those, the last.
async fn settle(
    call: &Call,
    (agent, tool): (String, String),
    context: Option<verdict::Json>,
    outcome: Outcome,
) -> Result<(), Problem> {
    let realm = call.realm()?;
    let wanted = Wanted {
        realm,
        agent: Some(agent),
        tool: Some(tool),
        decision: Some(verdict::Answer::Allow),
        ..Wanted::default()
    };
    let read = call.app.reading.ask(move |reader| open_action(reader, &wanted, context.as_ref()));
    let Some((of, decided)) = read.await.map_err(decisions::unread)? else { return Ok(()) };
    let outcome = call.app.gate.screen(&decided, outcome).await;
    let by = Some(call.caller()?.name.clone());
    let settling = Settling::reported(of, decided, outcome, by);
    // Somebody else may have told the end meanwhile: then it is told.
    let _told = call.app.gate.desk.settle(settling).await.map_err(|halt| halted(&halt))?;
    Ok(())
}

fn open_action(
    reader: &Reader,
    wanted: &Wanted,
    context: Option<&verdict::Json>,
) -> Result<Option<(Index, Decided)>, Fault> {
    let empty = verdict::Json::Map(JsonMap::default());
    // A failure is told with its error in the context; the action was asked for without it.
    let asked_with = match context {
        Some(verdict::Json::Map(map)) => {
            let rest = map.iter().filter(|(name, _)| *name != "error");
            let rest = rest.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            JsonMap::from_pairs(rest).map(verdict::Json::Map).unwrap_or(empty)
        }
        _ => empty,
    };
    let mut last = None;
    for view in views::decisions(reader, wanted, LOOKED_AT)?.decisions {
        if view.outcome.is_some() {
            continue;
        }
        let Some(at) = parse_id("dec_", &view.decision_id) else { continue };
        let args = views::decision(reader, wanted.realm, at)?.and_then(|view| view.args);
        let same = args.unwrap_or(verdict::Json::Map(JsonMap::default())) == asked_with;
        if same || last.is_none() {
            last = Some((at, same));
        }
        if same {
            break;
        }
    }
    let Some((at, _)) = last else { return Ok(None) };
    Ok(views::decided(reader, at)?.map(|(decided, _)| (at, decided)))
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    let known = ["agent_id", "action", "status", "limit", "offset", "created_after", "created_before"];
    let query = Query::read(&call.query, &known)?;
    let (limit, offset) = (query.limit(20, 100)?, query.number("offset")?.unwrap_or(0));
    let (after, before) = (query.time("created_after")?, query.time("created_before")?);
    let agent = query.text("agent_id").map(|given| agent_of(&call, given));
    let (action, status) = (query.owned("action"), query.owned("status"));
    let (realm, caller) = (call.realm()?, call.caller()?.clone());
    let offset = usize::try_from(offset).map_err(|_| invalid("query", "offset", "is too large"))?;
    let places = call.app.gate.desk.ask(move |books| books.logs(realm).collect::<Vec<Index>>());
    let places = places.await.map_err(|halt| halted(&halt))?;
    let read = call.app.reading.ask(move |reader| {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let fits = |note: &EventNote| {
            let own = match (&caller.agent, caller.role) {
                (Some(bound), _) => note.agent.as_ref() == Some(bound),
                (None, KeyRole::Agent) => note.by == caller.name,
                (None, _) => true,
            };
            let in_time =
                |t: Micro| after.is_none_or(|after| t >= after) && before.is_none_or(|before| t <= before);
            own && note.kind == KIND
                && same(&agent, &note.agent)
                && same(&action, &note.tool)
                && same(&status, &note.status)
                && in_time(note.t)
        };
        let (mut found, mut left) = (Vec::new(), offset);
        for at in places {
            let Some((note, _)) = views::event_at(reader, at)?.filter(|(note, _)| fits(note)) else {
                continue;
            };
            if left > 0 {
                left = left.saturating_sub(1);
                continue;
            }
            found.extend(entry(reader, at, note.realm)?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    });
    reply::json_with(StatusCode::OK, &read.await.map_err(decisions::unread)?)
}

/// An entry as its clients read it.
fn entry(reader: &Reader, at: Index, realm: Realm) -> Result<Option<Value>, Fault> {
    let Some((note, entry)) = views::event_at(reader, at)? else { return Ok(None) };
    let kept: Map<String, Value> = views::payload(&entry).unwrap_or_default();
    let part = |name: &str| kept.get(name).cloned().unwrap_or_default();
    Ok(Some(json!({
        "id": format!("log_{at}"),
        "agent_id": part("agent_id"),
        "organization_id": organization(realm),
        "action": note.tool,
        "status": note.status,
        "context": part("context"),
        "ip_address": part("ip_address"),
        "created_at": rfc3339(note.t),
    })))
}
