//! `/api/agents`: the policy's agents. Making one puts it into the policy, with no permissions.

use hyper::StatusCode;
use serde_json::{Value, json};
use verdict::{AgentSet, Command, check_name};

use super::{agent_of, no_agent, uuid_of};
use crate::clock::rfc3339;
use crate::http::dialect::invalid;
use crate::http::editing::{current, edit};
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, halted, refused};
use crate::policy_edit::Tree;
use crate::wire::agentwarden::Agent;

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let document = current(&call).await?;
    let mut shown = Vec::new();
    for (name, entry) in document.entries("agents") {
        shown.push(view(name, entry, set_of(&call, name).await?.as_ref()));
    }
    reply::json(&shown)
}

pub(in crate::http) async fn one(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let name = agent_of(&call, call.param(0));
    reply::json(&shown(&call, &name).await?)
}

pub(in crate::http) async fn make(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Agent { name, description, status } = read(&call, Agent::of)?;
    let name = name.ok_or_else(|| invalid("body", "name", "is missing"))?;
    check_name("name", &name, "._-:@").map_err(|odd| invalid("body", odd.field, &odd.why))?;
    edit(&call, |document| {
        if document.get(&["agents", &name]).is_some() {
            return Err(Problem::conflict(format!("there is an agent `{name}` already")));
        }
        let mut entry = Vec::new();
        if let Some(text) = description.as_ref().filter(|text| !text.trim().is_empty()) {
            entry.push(("description", Tree::text(text)));
        }
        entry.push(("rules", Tree::List(Vec::new())));
        document.set(&["agents", &name], Tree::map(entry)).map_err(Problem::conflict)
    })
    .await?;
    switch(&call, &name, status.as_deref() != Some("inactive")).await?;
    reply::json_with(StatusCode::CREATED, &shown(&call, &name).await?)
}

pub(in crate::http) async fn change(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent_of(&call, call.param(0));
    let Agent { name, description, status } = read(&call, Agent::of)?;
    if name.is_some_and(|name| name != agent) {
        let why = "cannot be changed: keys, limits and records go by it; make another agent";
        return Err(invalid("body", "name", why));
    }
    shown(&call, &agent).await?;
    if let Some(text) = description {
        edit(&call, |document| {
            if document.get(&["agents", &agent]).is_none() {
                return Err(no_agent());
            }
            match text.trim().is_empty() {
                true => drop(document.remove(&["agents", &agent, "description"])),
                false => document
                    .set(&["agents", &agent, "description"], Tree::text(&text))
                    .map_err(Problem::conflict)?,
            }
            Ok(())
        })
        .await?;
    }
    if let Some(status) = status {
        switch(&call, &agent, status == "active").await?;
    }
    reply::json(&shown(&call, &agent).await?)
}

/// Takes an agent out of the policy. Its records stay.
pub(in crate::http) async fn delete(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent_of(&call, call.param(0));
    edit(&call, |document| document.remove(&["agents", &agent]).map(drop).ok_or_else(no_agent)).await?;
    Ok(reply::nothing())
}

async fn switch(call: &Call, agent: &str, enabled: bool) -> Result<(), Problem> {
    let reason = (!enabled).then(|| "it is inactive".to_owned());
    let (agent, by) = (agent.to_owned(), call.caller()?.name.clone());
    let command = Command::Agent { agent, enabled: Some(enabled), reason, notes: None, by };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    obeyed.map(drop).map_err(|refusal| refused(&refusal))
}

async fn shown(call: &Call, agent: &str) -> Result<Value, Problem> {
    let document = current(call).await?;
    let entry = document.get(&["agents", agent]).ok_or_else(no_agent)?;
    Ok(view(agent, entry, set_of(call, agent).await?.as_ref()))
}

async fn set_of(call: &Call, agent: &str) -> Result<Option<AgentSet>, Problem> {
    let asked = agent.to_owned();
    let set = call.app.gate.desk.ask(move |books| books.agent(&asked).cloned());
    set.await.map_err(|halt| halted(&halt))
}

fn view(name: &str, entry: &Tree, set: Option<&AgentSet>) -> Value {
    let active = set.is_none_or(|set| set.enabled);
    json!({
        "id": uuid_of("agent", name),
        "name": name,
        "description": entry.get("description").or(entry.get("purpose")).and_then(Tree::as_text),
        "status": if active { "active" } else { "inactive" },
        "created_at": set.map(|set| rfc3339(set.t)),
        "created_by": set.map(|set| set.by.clone()),
    })
}
