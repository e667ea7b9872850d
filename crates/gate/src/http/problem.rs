//! Everything that is not an answer: problem documents (RFC 9457) with a stable `code`.

use std::collections::BTreeMap;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;
use verdict::KeyRole;

use crate::wire::{CheckReply, Unreadable};

/// Why a request was not granted.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The stable word to branch on.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub detail: String,
    /// What else there is to say, by name.
    pub more: BTreeMap<String, Value>,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
    /// For a wrong method: the right ones.
    pub allow: Option<String>,
}

/// A problem document's fields, for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ProblemShape {
    /// Identifies the kind of problem.
    r#type: String,
    /// The status, in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong and what to do.
    detail: String,
    /// The stable word to branch on.
    code: String,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:portcullis:problem:{}", self.code))?;
        map.serialize_entry("title", self.status.canonical_reason().unwrap_or("Problem"))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("code", self.code)?;
        for (name, value) in &self.more {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Problem {
    /// A problem with nothing more to say.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: BTreeMap::new(), retry_after: None, allow: None }
    }
    /// No key was given.
    pub fn no_key() -> Self {
        let detail = "no key was given; send `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }
    /// The key is none. Whether it never was, was revoked or has expired is not told.
    pub fn wrong_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "the key is not known, was revoked or has expired",
        )
    }
    /// The key's role may not.
    pub fn role(roles: &[KeyRole]) -> Self {
        let names: Vec<&str> = roles.iter().map(|role| role_word(*role)).collect();
        Self::forbidden(format!("this needs a key with the role {}", names.join(" or ")))
    }
    /// The key may not.
    pub fn forbidden(detail: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }
    /// There is no such thing, or not for this key.
    pub fn not_found(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }
    /// The path is right and the method is wrong.
    pub fn method(allowed: &str) -> Self {
        let detail = format!("this path takes {allowed}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Self { allow: Some(allowed.to_owned()), ..problem }
    }
    /// It does not fit with how things stand.
    pub fn conflict(detail: String) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }
    /// What the request expected is no longer so.
    pub fn precondition(detail: String) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }
    /// The request is not understood.
    pub fn request(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }
    /// The body is not what this route takes.
    pub fn unreadable(code: &'static str, why: Unreadable) -> Self {
        match why {
            Unreadable::Syntax(detail) => Self::new(StatusCode::BAD_REQUEST, code, detail),
            Unreadable::Shape(detail) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail),
        }
    }
    /// The body is no action.
    pub fn no_action(detail: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_action", detail)
    }
    /// The body is too long.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body is longer than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }
    /// The body is of another kind than this route takes.
    pub fn media(expected: &str) -> Self {
        let detail = format!("the body must be {expected}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }
    /// Nothing can be recorded, so nothing is allowed.
    pub fn unavailable() -> Self {
        let detail = "nothing can be recorded at the moment, so nothing is allowed; try again later";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(1), ..problem }
    }
    /// It took too long.
    pub fn timed_out() -> Self {
        let detail = "the request took too long; read the decision's record before trying again";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(1), ..problem }
    }
    /// A mistake in this program.
    pub fn internal() -> Self {
        let detail = "the request met a mistake in this program; the log has more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
    /// The idempotency key belongs to another action. The decision's own fields are members.
    pub fn other_action(reply: &CheckReply) -> Self {
        let mut more = match serde_json::to_value(reply) {
            Ok(Value::Object(fields)) => fields.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        more.remove("code");
        Self { more, ..Self::new(StatusCode::CONFLICT, reply.code, reply.reason.clone()) }
    }
}

/// The contract's word for a role.
pub(super) fn role_word(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Agent => "agent",
        KeyRole::Approver => "approver",
        KeyRole::Auditor => "auditor",
        KeyRole::Admin => "admin",
    }
}
