//! Agents: who they are, and the kill switch.

use verdict::{Command, check_name};

use super::decisions::unread;
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted, refused};
use crate::views::{self, AgentPage, AgentView};
use crate::wire::{self, AgentRequest, DisableRequest, Nothing};

pub(super) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let desk = &call.app.gate.desk;
    let policy = desk.policy();
    let agents = desk.ask(move |books| views::agents(&policy, books)).await.map_err(|halt| halted(&halt))?;
    let realm = call.realm()?;
    let last = call.app.reading.ask(move |reader| views::last_use(reader, realm)).await.map_err(unread)?;
    reply::json(&AgentPage { agents: agents.into_iter().map(|agent| agent.used(&last)).collect() })
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let id = call.param(0).to_owned();
    let realm = call.realm()?;
    let agent = read(&call, &id).await?;
    let last = call.app.reading.ask(move |reader| views::last_use(reader, realm)).await.map_err(unread)?;
    reply::json(&agent.used(&last))
}

pub(super) async fn put(call: Call) -> Result<Reply, Problem> {
    let AgentRequest { notes } =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    set(call, None, None, notes).await
}

pub(super) async fn disable(call: Call) -> Result<Reply, Problem> {
    let DisableRequest { reason } =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    set(call, Some(false), Some(reason), None).await
}

pub(super) async fn enable(call: Call) -> Result<Reply, Problem> {
    if !call.body.is_empty() {
        let Nothing {} = wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    }
    set(call, Some(true), None, None).await
}

async fn set(
    call: Call,
    enabled: Option<bool>,
    reason: Option<String>,
    notes: Option<String>,
) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = call.param(0).to_owned();
    check_name("agent_id", &agent, "._-:@").map_err(|odd| Problem::request(odd.to_string()))?;
    let by = call.caller()?.name.clone();
    // Writing notes must not take away why an agent is disabled.
    let reason = match enabled {
        None => read(&call, &agent).await.ok().and_then(|before| before.disabled_reason),
        Some(_) => reason,
    };
    let command = Command::Agent { agent: agent.clone(), enabled, reason, notes, by };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    obeyed.map_err(|refusal| refused(&refusal))?;
    reply::json(&read(&call, &agent).await?)
}

async fn read(call: &Call, id: &str) -> Result<AgentView, Problem> {
    let desk = &call.app.gate.desk;
    let (policy, asked) = (desk.policy(), id.to_owned());
    let found =
        desk.ask(move |books| views::agent(&policy, books, &asked)).await.map_err(|halt| halted(&halt))?;
    found.ok_or_else(|| Problem::not_found(format!("there is no agent `{id}`")))
}
