//! `/policies/*`: an agent's limits and permissions, as edits of the policy in force.

use hyper::StatusCode;
use serde_json::{Value, json};
use verdict::{check_name, short};

use super::policy_form::{Form, finish, others};
use super::read_fields;
use crate::http::Call;
use crate::http::dialect::{invalid, worded};
use crate::http::editing::{current, edit};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::policy_edit::Tree;
use crate::wire::Fields;

pub(in crate::http) async fn put(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent(&call)?;
    let (form, mut fields) = read_fields(&call, Form::of)?;
    same_agent(&mut fields, &agent)?;
    finish(fields).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    store(&call, &agent, form).await
}

pub(in crate::http) async fn from_template(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent(&call)?;
    let ((name, overrides), mut fields) =
        read_fields(&call, |fields| Ok((fields.need("template")?, fields.take("overrides"))))?;
    same_agent(&mut fields, &agent)?;
    finish(fields).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    let unknown = || {
        let why =
            format!("is `{}`; it is strict, moderate, permissive, read_only or support_bot", short(&name));
        invalid("body", "template", &why)
    };
    let mut form = Form::template(&name).ok_or_else(unknown)?;
    let mut overrides = match overrides {
        None => Fields::default(),
        Some(verdict::Json::Map(map)) => {
            Fields::from_pairs(map.iter().map(|(name, value)| (name.to_owned(), value.clone())))
        }
        Some(other) => {
            return Err(invalid("body", "overrides", &format!("must be an object, not {}", other.kind())));
        }
    };
    form.change(&mut overrides).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    same_agent(&mut overrides, &agent)?;
    finish(overrides).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    store(&call, &agent, form).await
}

async fn store(call: &Call, agent: &str, form: Form) -> Result<Reply, Problem> {
    edit(call, |document| {
        form.put(document, agent).map_err(|why| worded(StatusCode::CONFLICT, "policy_conflict", why))
    })
    .await?;
    reply::json_with(StatusCode::CREATED, &shown(agent, &form, Vec::new()))
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let document = current(&call).await?;
    let agents = document.entries("agents").map(|(agent, entry)| of_entry(agent, entry));
    reply::json(&agents.collect::<Vec<Value>>())
}

pub(in crate::http) async fn one(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent(&call)?;
    let document = current(&call).await?;
    let entry = document.get(&["agents", &agent]);
    let none = || Problem::not_found(format!("the policy has no agent `{}`", short(&agent)));
    reply::json(&of_entry(&agent, entry.ok_or_else(none)?))
}

fn of_entry(agent: &str, entry: &Tree) -> Value {
    shown(agent, &Form::read(entry), others(entry))
}

/// `besides`: what the policy allows the agent beyond what OnceOnly's words can say.
fn shown(agent: &str, form: &Form, besides: Vec<String>) -> Value {
    let mut answer = json!({"agent_id": agent, "policy": form.shown()});
    if let (Value::Object(answer), false) = (&mut answer, besides.is_empty()) {
        answer.insert("also_in_policy".to_owned(), besides.into());
    }
    answer
}

fn agent(call: &Call) -> Result<String, Problem> {
    let agent = call.param(0);
    check_name("agent_id", agent, "._-:@").map_err(|odd| invalid("path", odd.field, &odd.why))?;
    Ok(agent.to_owned())
}

/// The body may name the agent again, and no other.
fn same_agent(fields: &mut Fields<'_>, agent: &str) -> Result<(), Problem> {
    let named = fields.text("agent_id").map_err(|odd| invalid("body", odd.field, &odd.why))?;
    match named.filter(|named| named != agent) {
        None => Ok(()),
        Some(other) => {
            let why = format!("is `{}`, and the path names `{agent}`", short(&other));
            Err(invalid("body", "agent_id", &why))
        }
    }
}
