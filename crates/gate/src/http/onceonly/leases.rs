//! `/ai/*`: work that one holder does and others wait for.

use hyper::StatusCode;
use ledger::{Payload, Reader};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict::{
    Index, Json, Lease, LeaseEnd, LeaseKind, LeaseProof, LeaseStanding, LeaseWish, LeaseWord, Micro, hex,
};

use super::{SECOND, lease, name_of, read, seconds_until};
use crate::clock::rfc3339;
use crate::http::dialect::{invalid, worded};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted};
use crate::wire::onceonly::{Hold, Holder};
use crate::wire::parse_id;

/// How long a task is held if nobody says, in seconds.
pub(super) const USUAL: i64 = 3_600;
/// Seconds between two questions about a task that somebody works on.
const POLL: i64 = 2;

/// Why a task is over that nobody ended: there is none, its holder went silent, or it was given up. Clients wait
/// until a task is completed or failed, so it must be one of the two.
const NOT_FOUND: &str = "not_found";
const EXPIRED: &str = "lease_expired";
const CANCELLED: &str = "cancelled";

pub(in crate::http) async fn take(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let hold = read(&call, Hold::of)?;
    take_for(&call, hold).await.map(|(reply, _)| reply)
}

/// Takes a task, and answers; and where it is, if it was taken now.
pub(super) async fn take_for(call: &Call, hold: Hold) -> Result<(Reply, Option<Index>), Problem> {
    let Hold { key, ttl, metadata } = hold;
    let wish = LeaseWish::Take { ttl: ttl.unwrap_or(USUAL).saturating_mul(SECOND), request: None };
    let payload = metadata.map(|metadata| json!({"metadata": metadata}).to_string());
    let leased = lease(call, (LeaseKind::Task, &key), wish, payload).await?;
    let (word, task, now) = (leased.word(), leased.lease(), call.now());
    let mut answer = shown(call, &key, Some(task), now)?;
    answer.insert("ok".to_owned(), true.into());
    if word == LeaseWord::Taken {
        answer.insert("status".to_owned(), "acquired".into());
        answer.insert("lease_id".to_owned(), lease_id(task.of).into());
        answer.insert("retry_after_sec".to_owned(), Value::Null);
    }
    answer.insert("ttl".to_owned(), (task.ttl / SECOND).into());
    answer.insert("charged".to_owned(), i64::from(word == LeaseWord::Taken).into());
    answer.insert("usage".to_owned(), super::account::tasks_this_month(call).await?.into());
    answer.insert("limit".to_owned(), Value::Null);
    Ok((reply::json(&answer)?, (word == LeaseWord::Taken).then_some(task.of)))
}

pub(in crate::http) async fn status(call: Call) -> Result<Reply, Problem> {
    let (key, task) = find(&call).await?;
    reply::json(&shown(&call, &key, task.as_ref(), call.now())?)
}

pub(in crate::http) async fn result(call: Call) -> Result<Reply, Problem> {
    let (key, task) = find(&call).await?;
    let end = task.as_ref().and_then(|task| task.end.as_ref());
    let done = end.filter(|end| end.how == LeaseEnd::Completed);
    // Of work that the gate did and that failed it is told how far it came.
    let result = match end.map(|end| end.at) {
        Some(at) => {
            call.app.reading.ask(move |reader| result_at(reader, at)).await.map_err(decisions::unread)?
        }
        None => None,
    };
    let shown = shown(&call, &key, task.as_ref(), call.now())?;
    let part = |name: &str| shown.get(name).cloned().unwrap_or_default();
    reply::json(&json!({
        "ok": done.is_some(),
        "status": part("status"),
        "key": key,
        "result": result,
        "result_hash": part("result_hash"),
        "error_code": part("error_code"),
        "done_at": part("done_at"),
    }))
}

pub(in crate::http) async fn extend(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Holder { key, lease_id, ttl, .. } = read(&call, Holder::of)?;
    let wish =
        LeaseWish::Extend { proof: proof(&lease_id)?, ttl: ttl.unwrap_or(USUAL).saturating_mul(SECOND) };
    let leased = lease(&call, (LeaseKind::Task, &key), wish, None).await?;
    let task = leased.lease();
    // A heartbeat may arrive after the end: it is told so, and that is all.
    if leased.word() == LeaseWord::Over {
        return reply::json(&shown(&call, &key, Some(task), call.now())?);
    }
    reply::json(&json!({
        "ok": true,
        "status": "extended",
        "key": key,
        "lease_id": lease_id,
        "ttl": task.ttl / SECOND,
        "ttl_left": seconds_until(task.until, call.now()),
        "version": task.version,
    }))
}

pub(in crate::http) async fn complete(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let holder = read(&call, Holder::of)?;
    let result = holder.result.unwrap_or(Json::Null).canonical();
    let hash = holder.result_hash.unwrap_or_else(|| hex(&Sha256::digest(result.as_bytes())));
    let payload = Some(format!("{{\"result\":{result}}}"));
    end(&call, (&holder.key, &holder.lease_id), (LeaseEnd::Completed, Some(hash), None), payload).await
}

pub(in crate::http) async fn fail(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let holder = read(&call, Holder::of)?;
    let error = holder.error_code.ok_or_else(|| invalid("body", "error_code", "is missing"))?;
    let ending = (LeaseEnd::Failed, holder.error_hash, Some(error));
    end(&call, (&holder.key, &holder.lease_id), ending, None).await
}

pub(in crate::http) async fn cancel(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let holder = read(&call, Holder::of)?;
    let payload = holder.reason.map(|reason| json!({"reason": reason}).to_string());
    let ending = (LeaseEnd::Cancelled, None, Some(CANCELLED.to_owned()));
    end(&call, (&holder.key, &holder.lease_id), ending, payload).await
}

type Ending = (LeaseEnd, Option<String>, Option<String>);

async fn end(
    call: &Call,
    (key, lease_id): (&str, &str),
    (how, hash, error): Ending,
    payload: Option<String>,
) -> Result<Reply, Problem> {
    let wish = LeaseWish::End { proof: proof(lease_id)?, how, hash, error };
    let leased = lease(call, (LeaseKind::Task, key), wish, payload).await?;
    let mut answer = shown(call, key, Some(leased.lease()), call.now())?;
    answer.insert("ok".to_owned(), true.into());
    answer.insert("status".to_owned(), how.to_string().into());
    reply::json(&answer)
}

fn proof(lease_id: &str) -> Result<LeaseProof, Problem> {
    let odd =
        || worded(StatusCode::CONFLICT, "lease_lost", format!("`{}` is no lease", verdict::short(lease_id)));
    parse_id("lease_", lease_id).map(LeaseProof::Id).ok_or_else(odd)
}

fn lease_id(of: Index) -> String {
    format!("lease_{of}")
}

/// The task that the query names.
async fn find(call: &Call) -> Result<(String, Option<Lease>), Problem> {
    let query = Query::read(&call.query, &["key"])?;
    let key = query.owned("key").filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| invalid("query", "key", "is missing"))?;
    let (name, now) = (name_of(call, LeaseKind::Task, &key)?, call.now());
    let asked = call.app.gate.desk.ask(move |books| books.lease(&name, now).map(|(task, _)| task.clone()));
    Ok((key, asked.await.map_err(|halt| halted(&halt))?))
}

/// A task as those who wait for it see it.
fn shown(
    call: &Call,
    key: &str,
    task: Option<&Lease>,
    now: Micro,
) -> Result<serde_json::Map<String, Value>, Problem> {
    let standing = task.map(|task| task.standing(now));
    let end = task.and_then(|task| task.end.as_ref());
    let (status, error) = match standing {
        None => ("failed", Some(NOT_FOUND.to_owned())),
        Some(LeaseStanding::Held) => ("in_progress", None),
        Some(LeaseStanding::Expired) => ("failed", Some(EXPIRED.to_owned())),
        Some(LeaseStanding::Over(LeaseEnd::Completed)) => ("completed", None),
        Some(LeaseStanding::Over(LeaseEnd::Failed | LeaseEnd::Cancelled)) => {
            ("failed", end.and_then(|end| end.error.clone()))
        }
    };
    let held = task.filter(|_| standing == Some(LeaseStanding::Held));
    let left = held.map(|task| seconds_until(task.until, now));
    let by = &call.caller()?.name;
    // Who holds the id can end the task: it is for its holder.
    let own = held.filter(|task| task.by == *by).map(|task| lease_id(task.of));
    let answer = json!({
        "ok": !matches!(status, "failed"),
        "status": status,
        "key": key,
        "ttl_left": left,
        "lease_id": own,
        "version": task.map_or(0, |task| task.version),
        "first_seen_at": task.map(|task| rfc3339(task.taken)),
        "done_at": end.map(|end| rfc3339(end.t)),
        "result_hash": end.and_then(|end| end.hash.clone()),
        "error_code": error,
        "retry_after_sec": left.map(|left| left.clamp(1, POLL)),
    });
    match answer {
        Value::Object(answer) => Ok(answer),
        _ => Err(Problem::internal()),
    }
}

fn result_at(reader: &Reader, at: Index) -> Result<Option<Value>, ledger::Fault> {
    let Some(entry) = reader.get(at)? else { return Ok(None) };
    let Payload::Here(bytes) = entry.payload else { return Ok(None) };
    let payload: Option<Value> = serde_json::from_slice(&bytes).ok();
    Ok(payload.and_then(|mut payload| payload.get_mut("result").map(Value::take)))
}
