//! The policy: read, replaced whole, and its history.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{ETAG, HeaderValue, IF_MATCH};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use verdict::load::Problem as Mistake;
use verdict::{Command, PolicyVersion};

use super::decisions::{cursor, unread};
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted, refused};
use crate::policy_text::{self, PolicyText};
use crate::views;

/// The policy in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct PolicyReply {
    /// Identifies its content.
    version: String,
    /// Its main text, as it was put or read; absent once it has been erased.
    text: Option<String>,
    /// `file` or `api`.
    source: &'static str,
    /// The record that has it.
    index: u64,
}

/// A policy that was put in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct PutReply {
    /// Identifies its content.
    version: String,
    /// What is probably not meant.
    #[schemars(with = "Vec<Value>")]
    warnings: Vec<Mistake>,
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let line = call.app.line.clone();
    let in_force = call.app.gate.desk.ask(move |books| books.policy(&line).cloned());
    let none = || Problem::not_found("no policy was put on record yet".to_owned());
    let in_force = in_force.await.map_err(|halt| halted(&halt))?.ok_or_else(none)?;
    let at = in_force.at;
    let text = call.app.reading.ask(move |reader| views::policy_text(reader, at)).await.map_err(unread)?;
    let version = in_force.version.0.to_string();
    let source = if in_force.file.as_ref() == Some(&in_force.version) { "file" } else { "api" };
    let mut reply = reply::json(&PolicyReply { version: version.clone(), text, source, index: at })?;
    tag(&mut reply, &version);
    Ok(reply)
}

pub(super) async fn put(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let only_after = expected(&call)?;
    let text = String::from_utf8(call.body.to_vec())
        .map_err(|_| Problem::request("the policy is not UTF-8 text".to_owned()))?;
    // Compiling may take a while; others are served meanwhile.
    let read = tokio::task::spawn_blocking(move || policy_text::of_text("policy.yaml", &text)).await;
    let read = read.map_err(|_| Problem::internal())?;
    let PolicyText { loaded, packed, files: _ } = read.map_err(mistakes)?;
    let (version, warnings) = (loaded.policy.version().0.to_string(), loaded.warnings);
    let command = Command::Policy {
        line: call.app.line.clone(),
        policy: Arc::new(loaded.policy),
        text: packed,
        file: false,
        by: Some(call.caller()?.name.clone()),
        only_after,
    };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    obeyed.map_err(|refusal| refused(&refusal))?;
    let mut reply = reply::json(&PutReply { version: version.clone(), warnings })?;
    tag(&mut reply, &version);
    Ok(reply)
}

pub(super) async fn versions(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["limit", "cursor"])?;
    let (line, before, limit) = (call.app.line.clone(), cursor(&query)?, query.limit(50, 500)?);
    let page = call.app.reading.ask(move |reader| views::policy_versions(reader, &line, before, limit));
    reply::json(&page.await.map_err(unread)?)
}

/// The version that `If-Match` speaks of: quoted as an ETag is, or bare. A star is any.
fn expected(call: &Call) -> Result<Option<PolicyVersion>, Problem> {
    let Some(value) = call.headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match bare {
        "*" => Ok(None),
        bare if bare.len() == 32 && bare.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(PolicyVersion(bare.to_ascii_lowercase().into())))
        }
        _ => Err(Problem::precondition(
            "`If-Match` names no version of the policy; send the ETag of GET /v1/policy".to_owned(),
        )),
    }
}

fn mistakes(problems: Vec<Mistake>) -> Problem {
    let count = problems.len();
    let detail = match problems.first() {
        Some(first) => format!("the policy has {count} mistakes and nothing has changed; the first: {first}"),
        None => "the policy cannot be read and nothing has changed".to_owned(),
    };
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy", detail);
    problem.more.insert("problems".to_owned(), serde_json::to_value(&problems).unwrap_or(Value::Null));
    problem
}

fn tag(reply: &mut Reply, version: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        reply.headers_mut().insert(ETAG, value);
    }
}
