//! `/api/webhooks`: whom to tell what was recorded. The delivery is [`crate::webhooks`]'s.

use hyper::StatusCode;
use serde_json::{Value, json};
use verdict::{Command, EventNote, Index, WEBHOOK, hex};

use crate::http::dialect::invalid;
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::tools::not_stored;
use crate::http::{Call, decisions, halted, refused};
use crate::tool::{NotStored, notice_address};
use crate::webhooks::{EVENTS, Webhook, secret_name, webhook_at};
use crate::wire::agentwarden::Hook;

/// The most webhooks.
const MOST: usize = 20;

pub(in crate::http) async fn make(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Hook { url, events, secret, allow_private } = read(&call, Hook::of)?;
    notice_address(&url).map_err(|why| invalid("body", "url", &why))?;
    let events = if events.is_empty() { EVENTS.map(str::to_owned).to_vec() } else { events };
    if let Some(odd) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        let why = format!("has `{}`; they are {}", verdict::short(odd), EVENTS.join(", "));
        return Err(invalid("body", "events", &why));
    }
    if all(&call).await?.len() >= MOST {
        return Err(Problem::conflict(format!("there are {MOST} webhooks, which is the most; remove one")));
    }
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|_| Problem::internal())?;
    let id = format!("wh_{}", hex(&random));
    // The secret first: a webhook without one cannot be told anything.
    call.app.tools.store().put(&secret_name(&id), &secret, &call.caller()?.name).await.map_err(not_stored)?;
    let hook = Webhook { url, events, allow_private };
    let text = serde_json::to_string(&hook).map_err(|error| reply::unwritten(&error))?;
    note(&call, &id, "set", text).await?;
    reply::json_with(StatusCode::CREATED, &shown(&id, &hook))
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let mut hooks = Vec::new();
    for (id, at) in all(&call).await? {
        let read = call.app.reading.ask(move |reader| webhook_at(reader, at)).await;
        hooks.extend(read.map_err(decisions::unread)?.map(|hook| shown(&id, &hook)));
    }
    reply::json(&hooks)
}

pub(in crate::http) async fn delete(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let id = call.param(0).to_owned();
    if !all(&call).await?.iter().any(|(known, _)| *known == id) {
        return Err(Problem::not_found("Webhook not found".to_owned()));
    }
    note(&call, &id, "gone", "{}".to_owned()).await?;
    match call.app.tools.store().drop(&secret_name(&id), &call.caller()?.name).await {
        Ok(()) | Err(NotStored::NotFound(_)) => Ok(reply::nothing()),
        Err(why) => Err(not_stored(why)),
    }
}

async fn all(call: &Call) -> Result<Vec<(String, Index)>, Problem> {
    let hooks =
        call.app.gate.desk.ask(|books| {
            books.webhooks().map(|(id, at)| (id.to_owned(), at)).collect::<Vec<(String, Index)>>()
        });
    hooks.await.map_err(|halt| halted(&halt))
}

async fn note(call: &Call, id: &str, status: &str, text: String) -> Result<(), Problem> {
    let caller = call.caller()?;
    let note = EventNote {
        t: 0,
        kind: WEBHOOK.to_owned(),
        status: Some(status.to_owned()),
        run: None,
        agent: None,
        tool: Some(id.to_owned()),
        realm: caller.realm,
        by: caller.name.clone(),
        of: None,
    };
    let obeyed = call.app.gate.desk.obey(Command::Event(note, text)).await.map_err(|halt| halted(&halt))?;
    obeyed.map(drop).map_err(|refusal| refused(&refusal))
}

fn shown(id: &str, hook: &Webhook) -> Value {
    json!({
        "id": id,
        "url": hook.url,
        "events": hook.events,
        "allow_private": hook.allow_private,
        "has_secret": true,
    })
}
