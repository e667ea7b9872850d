//! `/v1/tools` and `/v1/secrets`: tools that the gate calls, as they are declared, registered and removed, and the
//! secrets that they need.
//!
//! There is one truth, the policy: what is registered here is an edit of it, and visible under `/v1/policy/versions`.

use hyper::StatusCode;
use serde_json::{Map, Value};
use verdict::short;

use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted};
use crate::policy_edit::{Editing, Unedited};
use crate::tool::NotStored;
use crate::tool::register::{self, NotRegistered, Scope};
use crate::views::{self, DeclaredTool};
use crate::wire::{self, SecretRequest, ToolChange};

pub(super) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let desk = &call.app.gate.desk;
    let mut page = desk.ask(views::tools).await.map_err(|halt| halted(&halt))?;
    page.declared = views::declared(&desk.policy());
    reply::json(&page)
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?;
    reply::json(&declared(&call, &scope, call.param(0))?)
}

pub(super) async fn put(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let mut keys: Map<String, Value> =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    let mut text = |key: &str| match keys.remove(key) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(odd(format!("`{key}` must be a string"))),
    };
    let name = text("name")?.ok_or_else(|| odd("`name` is missing".to_owned()))?;
    let scope = Scope::parse(text("scope")?.as_deref().unwrap_or("global")).map_err(odd)?;
    // Whoever may register tools is not thereby one who runs programs on the gate's machine.
    if let Some(hand) = ["exec", "code", "database", "builtin"].into_iter().find(|it| keys.contains_key(*it))
    {
        return Err(odd(format!(
            "`{hand}` is not registered here: what the gate does itself, on its own machine, is declared in the policy; put it under `tools:` there"
        )));
    }
    if !keys.contains_key("url") {
        return Err(odd("`url` is missing: where the gate calls the tool".to_owned()));
    }
    let put = register::put(&editing(&call)?, call.app.tools.store(), (&scope, &name), keys).await;
    let version = put.map_err(not_registered)?;
    let tool = declared(&call, &scope, &name)?;
    reply::json_with(
        StatusCode::CREATED,
        &ToolChange { policy_version: version.0.to_string(), tool: Some(tool) },
    )
}

pub(super) async fn remove(call: Call) -> Result<Reply, Problem> {
    let scope = scope(&call)?;
    let removed = register::remove(&editing(&call)?, call.app.tools.store(), (&scope, call.param(0))).await;
    let version = removed.map_err(not_registered)?;
    reply::json(&ToolChange { policy_version: version.0.to_string(), tool: None })
}

pub(super) async fn put_secret(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let SecretRequest { secret } =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    let put = call.app.tools.store().put(call.param(0), &secret, &call.caller()?.name).await;
    put.map_err(not_stored)?;
    names(&call).await
}

pub(super) async fn secrets(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    names(&call).await
}

pub(super) async fn drop_secret(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let dropped = call.app.tools.store().drop(call.param(0), &call.caller()?.name).await;
    dropped.map_err(not_stored)?;
    names(&call).await
}

async fn names(call: &Call) -> Result<Reply, Problem> {
    let secrets = call.app.tools.store().names().await.map_err(|halt| halted(&halt))?;
    reply::json(&wire::SecretNames { secrets })
}

fn scope(call: &Call) -> Result<Scope, Problem> {
    let query = Query::read(&call.query, &["scope"])?;
    Scope::parse(query.text("scope").unwrap_or("global")).map_err(Problem::request)
}

pub(super) fn declared(call: &Call, scope: &Scope, name: &str) -> Result<DeclaredTool, Problem> {
    let all = views::declared(&call.app.gate.desk.policy());
    let found = all.into_iter().find(|tool| tool.name == name && tool.scope == scope.text());
    found
        .ok_or_else(|| Problem::not_found(format!("there is no tool `{}` for {}", short(name), scope.text())))
}

pub(super) fn editing(call: &Call) -> Result<Editing<'_>, Problem> {
    let app = &call.app;
    let by = &call.caller()?.name;
    Ok(Editing { desk: &app.gate.desk, reading: &app.reading, line: &app.line, by })
}

fn odd(why: String) -> Problem {
    Problem::unreadable("invalid_request", wire::Unreadable::Shape(why))
}

pub(super) fn not_stored(why: NotStored) -> Problem {
    match why {
        NotStored::Refused(why) => odd(why),
        NotStored::NotFound(why) => Problem::not_found(why),
        NotStored::Halt(halt) => halted(&halt),
    }
}

pub(super) fn not_registered(why: NotRegistered) -> Problem {
    match why {
        NotRegistered::Odd(why) => odd(why),
        NotRegistered::NotFound(why) => Problem::not_found(why),
        NotRegistered::Secret(why) => not_stored(why),
        NotRegistered::Policy(Unedited::Mistakes(mistakes)) => {
            let said: Vec<String> = mistakes.iter().take(20).map(|it| it.message.clone()).collect();
            let mut problem = odd(said.join("; "));
            problem.code = "invalid_policy";
            problem
        }
        NotRegistered::Policy(Unedited::Refused(why)) => odd(why),
        NotRegistered::Policy(Unedited::NoPolicy(why)) => Problem::conflict(why),
        NotRegistered::Policy(Unedited::Busy) => {
            Problem::conflict("others edit the policy all the time; try again".to_owned())
        }
        NotRegistered::Policy(Unedited::Halt(halt)) => halted(&halt),
    }
}
