//! `POST /check-lock`: who was first. And its end, for what has failed.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use verdict::{LeaseEnd, LeaseKind, LeaseProof, LeaseWish, LeaseWord};

use super::{SECOND, lease, read};
use crate::clock::rfc3339;
use crate::http::Call;
use crate::http::dialect::{invalid, worded};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::wire::onceonly::{Hold, Release};
use crate::wire::parse_id;

/// How long a lock is held if nobody says, in seconds. Long: a lock that ends too soon lets the action run twice.
const USUAL: i64 = 24 * 3_600;
/// The longest name of a request, in characters.
const LONGEST_NAME: usize = 256;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const STATUS: HeaderName = HeaderName::from_static("x-onceonly-status");

pub(in crate::http) async fn check(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Hold { key, ttl, metadata } = read(&call, Hold::of)?;
    let request = request_id(&call)?;
    let ttl = ttl.unwrap_or(USUAL);
    let wish = LeaseWish::Take { ttl: ttl.saturating_mul(SECOND), request };
    let payload = metadata.map(|metadata| json!({"metadata": metadata}).to_string());
    let leased = lease(&call, (LeaseKind::Lock, &key), wish, payload).await?;
    let held = leased.lease();
    let locked = leased.word() == LeaseWord::Taken;
    let (status, first_seen_at) = match locked {
        true => ("locked", None),
        false => ("duplicate", Some(rfc3339(held.taken))),
    };
    let lock_id = locked.then(|| lock_id(held.of));
    let mut reply = if !locked && call.app.customs.onceonly_conflicts {
        let detail = json!({"error": "Duplicate blocked", "first_seen_at": first_seen_at});
        reply::json_with(StatusCode::CONFLICT, &json!({"detail": detail}))?
    } else {
        reply::json(&json!({
            "success": locked,
            "status": status,
            "key": key,
            "ttl": held.ttl / SECOND,
            "first_seen_at": first_seen_at,
            "lock_id": lock_id,
        }))?
    };
    reply.headers_mut().insert(STATUS, HeaderValue::from_static(status));
    let own = lock_id.and_then(|id| HeaderValue::from_str(&id).ok());
    if let Some(id) = call.headers.get(&REQUEST_ID).cloned().or(own) {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(reply)
}

pub(in crate::http) async fn release(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Release { key, lock_id } = read(&call, Release::of)?;
    let proof = match (lock_id, request_id(&call)?) {
        (Some(id), _) => LeaseProof::Id(parse_id("lock_", &id).ok_or_else(|| {
            worded(StatusCode::CONFLICT, "lease_lost", format!("`{}` is no lock's id", verdict::short(&id)))
        })?),
        (None, Some(request)) => LeaseProof::Request(request),
        (None, None) => return Err(invalid("body", "lock_id", "is missing")),
    };
    let wish = LeaseWish::End { proof, how: LeaseEnd::Failed, hash: None, error: None };
    lease(&call, (LeaseKind::Lock, &key), wish, None).await?;
    reply::json(&json!({"ok": true, "status": "released", "key": key}))
}

fn lock_id(of: verdict::Index) -> String {
    format!("lock_{of}")
}

/// Names the attempt; the same again is the same attempt.
fn request_id(call: &Call) -> Result<Option<String>, Problem> {
    let Some(value) = call.headers.get(&REQUEST_ID) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| (1..=LONGEST_NAME).contains(&text.len()));
    let odd = || invalid("header", "x-request-id", "must be 1 to 256 visible ASCII characters");
    text.map(|text| Some(text.to_owned())).ok_or_else(odd)
}
