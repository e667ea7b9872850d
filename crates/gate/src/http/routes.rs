//! The one table of routes: method, path, who may, what it takes and gives, and its handler.
//!
//! The router, the role check and the OpenAPI document are made from it, so they cannot disagree.

use std::future::Future;
use std::pin::Pin;

use hyper::Method;
use schemars::{Schema, SchemaGenerator};
use verdict::KeyRole::{self, Admin, Agent, Approver, Auditor};

use super::problem::Problem;
use super::reply::Reply;
use super::{
    Call, agents, approvals, authzen, check, decisions, inspect, keys, ledger, openapi, outcome, policy,
    probes,
};
use crate::{views, wire};

/// Who may use a route.
#[derive(Clone, Copy, Debug)]
pub enum May {
    /// Anyone, without a key.
    Anyone,
    /// Keys with one of these roles.
    Roles(&'static [KeyRole]),
}

/// What a route takes as its body.
#[derive(Clone, Copy)]
pub enum Takes {
    /// None; one that is sent all the same is not read.
    Nothing,
    /// JSON of this shape.
    Json(SchemaOf),
    /// JSON of this shape, or no body at all.
    MaybeJson(SchemaOf),
    /// A policy, in YAML or JSON.
    Policy,
}

/// Adds a shape to the document.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;
/// What a handler will answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// What a route gives.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this shape.
    Json(SchemaOf),
    /// Text of this kind.
    Text(&'static str),
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; parts in braces vary.
    pub path: &'static str,
    /// Who may.
    pub may: May,
    /// True: not for test keys, because it is about what both realms share.
    pub live_only: bool,
    /// True: may take as long as a long poll.
    pub waits: bool,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The parameters of its query: name and what it means.
    pub query: &'static [(&'static str, &'static str)],
    /// Its body.
    pub takes: Takes,
    /// Its answer, with status 200 (201 where something is made).
    pub gives: Gives,
    /// What answers.
    pub handler: fn(Call) -> Answering,
}

impl Takes {
    /// The longest body, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Json(_) | Self::MaybeJson(_) => 1 << 20,
            Self::Policy => 4 << 20,
        }
    }
    /// The kinds of body it may be.
    pub fn media(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Json(_) | Self::MaybeJson(_) => &["application/json"],
            Self::Policy => &[
                "application/yaml",
                "application/json",
                "application/x-yaml",
                "text/yaml",
                "text/x-yaml",
                "text/plain",
                // What curl says when nobody says otherwise.
                "application/x-www-form-urlencoded",
            ],
        }
    }
}

const EVERYONE: &[KeyRole] = &[Agent, Approver, Auditor, Admin];
const ACTORS: &[KeyRole] = &[Agent, Admin];
const READERS: &[KeyRole] = &[Auditor, Admin];
const ANSWERERS: &[KeyRole] = &[Approver, Admin];
const ADMINS: &[KeyRole] = &[Admin];

const CURSOR: (&str, &str) = ("cursor", "where to go on, as the page before said");
const LIMIT: (&str, &str) = ("limit", "how many at most");

macro_rules! shape {
    ($shape:ty) => {
        |generator| generator.subschema_for::<$shape>()
    };
}
macro_rules! handler {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}

/// A route that most others differ from in little.
const PLAIN: Route = Route {
    method: Method::GET,
    path: "",
    may: May::Roles(ADMINS),
    live_only: false,
    waits: false,
    summary: "",
    query: &[],
    takes: Takes::Nothing,
    gives: Gives::Text("text/plain"),
    handler: |_| Box::pin(async { Err(Problem::internal()) }),
};

/// All routes. The busiest come first.
pub static ROUTES: [Route; 35] = [
    Route {
        method: Method::POST,
        path: "/v1/check",
        may: May::Roles(ACTORS),
        summary: "Decide one action, and record the decision",
        takes: Takes::Json(shape!(wire::CheckRequest)),
        gives: Gives::Json(shape!(wire::CheckReply)),
        handler: handler!(check::one),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/check/batch",
        may: May::Roles(ACTORS),
        summary: "Decide up to 1,000 actions in order, in one durable commit",
        takes: Takes::Json(shape!(wire::BatchRequest)),
        gives: Gives::Json(shape!(wire::BatchReply<super::problem::ProblemShape>)),
        handler: handler!(check::many),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/decisions/{decision_id}/outcome",
        may: May::Roles(ACTORS),
        summary: "Report how an allowed action ended",
        takes: Takes::Json(shape!(wire::OutcomeRequest)),
        gives: Gives::Json(shape!(wire::OutcomeReply)),
        handler: handler!(outcome::report),
        ..PLAIN
    },
    Route {
        path: "/v1/decisions",
        may: May::Roles(EVERYONE),
        summary: "Decisions, newest first; a key with the role agent sees its own",
        query: &[
            ("agent_id", "of this agent"),
            ("tool", "of this tool"),
            ("decision", "allow, deny or pending"),
            ("user", "on behalf of this user"),
            ("session_id", "in this session"),
            ("since", "not before this time (RFC 3339)"),
            ("until", "not after this time (RFC 3339)"),
            LIMIT,
            CURSOR,
        ],
        gives: Gives::Json(shape!(views::DecisionPage)),
        handler: handler!(decisions::list),
        ..PLAIN
    },
    Route {
        path: "/v1/decisions/{decision_id}",
        may: May::Roles(EVERYONE),
        summary: "One decision, with its arguments and its outcome",
        gives: Gives::Json(shape!(views::DecisionView)),
        handler: handler!(decisions::get),
        ..PLAIN
    },
    Route {
        path: "/v1/approvals",
        may: May::Roles(EVERYONE),
        summary: "Questions to people, newest first; a key with the role agent sees those it caused",
        query: &[("status", "pending, approved, denied, expired or cancelled"), LIMIT, CURSOR],
        gives: Gives::Json(shape!(views::ApprovalPage)),
        handler: handler!(approvals::list),
        ..PLAIN
    },
    Route {
        path: "/v1/approvals/{approval_id}",
        may: May::Roles(EVERYONE),
        waits: true,
        summary: "One question; with wait_s, answers as soon as it is no longer pending",
        query: &[("wait_s", "seconds to wait at most while it is pending: 0 to 60")],
        gives: Gives::Json(shape!(views::ApprovalView)),
        handler: handler!(approvals::get),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/approvals/{approval_id}/approve",
        may: May::Roles(ANSWERERS),
        summary: "Say yes, as the person whose key it is",
        takes: Takes::MaybeJson(shape!(wire::AnswerRequest)),
        gives: Gives::Json(shape!(views::ApprovalView)),
        handler: handler!(approvals::approve),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/approvals/{approval_id}/deny",
        may: May::Roles(ANSWERERS),
        summary: "Say no, as the person whose key it is",
        takes: Takes::MaybeJson(shape!(wire::AnswerRequest)),
        gives: Gives::Json(shape!(views::ApprovalView)),
        handler: handler!(approvals::deny),
        ..PLAIN
    },
    Route {
        path: "/v1/agents",
        may: May::Roles(READERS),
        summary: "Every agent that the policy has or anyone ever set",
        gives: Gives::Json(shape!(views::AgentPage)),
        handler: handler!(agents::list),
        ..PLAIN
    },
    Route {
        path: "/v1/agents/{agent_id}",
        may: May::Roles(READERS),
        summary: "One agent",
        gives: Gives::Json(shape!(views::AgentView)),
        handler: handler!(agents::get),
        ..PLAIN
    },
    Route {
        method: Method::PUT,
        path: "/v1/agents/{agent_id}",
        live_only: true,
        summary: "Write notes about an agent",
        takes: Takes::Json(shape!(wire::AgentRequest)),
        gives: Gives::Json(shape!(views::AgentView)),
        handler: handler!(agents::put),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/agents/{agent_id}/disable",
        live_only: true,
        summary: "Deny whatever an agent asks for, from now on and everywhere",
        takes: Takes::Json(shape!(wire::DisableRequest)),
        gives: Gives::Json(shape!(views::AgentView)),
        handler: handler!(agents::disable),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/agents/{agent_id}/enable",
        live_only: true,
        summary: "Let the policy decide about an agent again",
        takes: Takes::MaybeJson(shape!(wire::Nothing)),
        gives: Gives::Json(shape!(views::AgentView)),
        handler: handler!(agents::enable),
        ..PLAIN
    },
    Route {
        path: "/v1/policy",
        may: May::Roles(READERS),
        summary: "The policy in force: its text, with its version as the ETag",
        gives: Gives::Json(shape!(policy::PolicyReply)),
        handler: handler!(policy::get),
        ..PLAIN
    },
    Route {
        method: Method::PUT,
        path: "/v1/policy",
        live_only: true,
        summary: "Put a policy in force, whole or not at all; If-Match guards against overwriting another's",
        takes: Takes::Policy,
        gives: Gives::Json(shape!(policy::PutReply)),
        handler: handler!(policy::put),
        ..PLAIN
    },
    Route {
        path: "/v1/policy/versions",
        may: May::Roles(READERS),
        summary: "The versions that were in force, newest first",
        query: &[LIMIT, CURSOR],
        gives: Gives::Json(shape!(views::PolicyPage)),
        handler: handler!(policy::versions),
        ..PLAIN
    },
    Route {
        path: "/v1/ledger",
        may: May::Roles(READERS),
        live_only: true,
        summary: "Records as they are, oldest first",
        query: &[("from", "the first record's place, counted from 0"), LIMIT],
        gives: Gives::Json(shape!(views::RecordPage)),
        handler: handler!(ledger::records),
        ..PLAIN
    },
    Route {
        path: "/v1/ledger/checkpoint",
        may: May::Roles(READERS),
        live_only: true,
        summary: "The newest signed checkpoint (C2SP tlog-checkpoint)",
        handler: handler!(ledger::checkpoint),
        ..PLAIN
    },
    Route {
        path: "/v1/ledger/proof/{index}",
        may: May::Roles(READERS),
        live_only: true,
        summary: "A proof that a record is under the newest checkpoint; `portcullis ledger verify` checks it offline",
        gives: Gives::Json(shape!(ledger::ProofShape)),
        handler: handler!(ledger::proof),
        ..PLAIN
    },
    Route {
        path: "/v1/tools",
        may: May::Roles(READERS),
        summary: "Tool definitions as they were seen and accepted",
        gives: Gives::Json(shape!(views::ToolPage)),
        handler: handler!(agents::tools),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/inspect",
        may: May::Roles(EVERYONE),
        summary: "What a text would do (shell, sql, path, url, python, javascript) and what stands in it; nothing is recorded",
        takes: Takes::Json(shape!(crate::examine::InspectRequest)),
        gives: Gives::Json(shape!(crate::examine::InspectReply)),
        handler: handler!(inspect::one),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/access/v1/evaluation",
        may: May::Roles(ACTORS),
        summary: "AuthZEN 1.0: may this subject (agent) carry out this action (tool)? Decided and recorded as a check",
        takes: Takes::Json(shape!(wire::authzen::Evaluation)),
        gives: Gives::Json(shape!(wire::authzen::Decision)),
        handler: handler!(authzen::one),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/access/v1/evaluations",
        may: May::Roles(ACTORS),
        summary: "AuthZEN 1.0: many such questions; options.evaluations_semantic says when to stop",
        takes: Takes::Json(shape!(wire::authzen::Evaluations)),
        gives: Gives::Json(shape!(wire::authzen::Decisions)),
        handler: handler!(authzen::many),
        ..PLAIN
    },
    Route {
        path: "/.well-known/authzen-configuration",
        may: May::Anyone,
        summary: "AuthZEN 1.0: where questions go",
        gives: Gives::Json(shape!(wire::authzen::Configuration)),
        handler: handler!(authzen::configuration),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/keys",
        summary: "Make a key; its secret is in this answer and nowhere else",
        takes: Takes::Json(shape!(wire::KeyRequest)),
        gives: Gives::Json(shape!(views::KeyView)),
        handler: handler!(keys::make),
        ..PLAIN
    },
    Route {
        path: "/v1/keys",
        may: May::Roles(READERS),
        summary: "The keys that count",
        gives: Gives::Json(shape!(views::KeyPage)),
        handler: handler!(keys::list),
        ..PLAIN
    },
    Route {
        path: "/v1/keys/{key_id}",
        may: May::Roles(READERS),
        summary: "One key",
        gives: Gives::Json(shape!(views::KeyView)),
        handler: handler!(keys::get),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/v1/keys/{key_id}",
        summary: "Revoke a key: it stops to count at once",
        gives: Gives::Json(shape!(keys::Revoked)),
        handler: handler!(keys::revoke),
        ..PLAIN
    },
    Route {
        path: "/metrics",
        may: May::Roles(READERS),
        live_only: true,
        summary: "Prometheus metrics",
        gives: Gives::Text("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        handler: handler!(probes::metrics),
        ..PLAIN
    },
    Route {
        path: "/healthz",
        may: May::Anyone,
        summary: "Whether the program answers",
        gives: Gives::Json(shape!(probes::Health)),
        handler: handler!(probes::health),
        ..PLAIN
    },
    Route {
        path: "/readyz",
        may: May::Anyone,
        summary: "Whether the ledger accepts writes",
        gives: Gives::Json(shape!(probes::Health)),
        handler: handler!(probes::ready),
        ..PLAIN
    },
    Route {
        path: "/openapi.json",
        may: May::Anyone,
        summary: "This document",
        gives: Gives::Json(shape!(openapi::Document)),
        handler: handler!(openapi::serve),
        ..PLAIN
    },
    Route {
        path: "/",
        may: May::Anyone,
        summary: "What this is, and where to read on",
        gives: Gives::Json(shape!(probes::Index)),
        handler: handler!(probes::index),
        ..PLAIN
    },
    Route {
        path: "/v1/key",
        may: May::Roles(EVERYONE),
        summary: "What the key that this came with may do",
        gives: Gives::Json(shape!(keys::Own)),
        handler: handler!(keys::own),
        ..PLAIN
    },
];

/// What is at a path.
pub enum Found {
    /// This route; the parts of the path that vary.
    Route(&'static Route, Vec<String>),
    /// Something, for other methods.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// The longest part of a path that varies, in bytes.
const LONGEST_PART: usize = 256;

/// Looks a route up. Escaped, empty or overlong parts are no ids: ids are written in plain letters.
pub fn find(method: &Method, path: &str) -> Found {
    let mut allowed: Vec<&str> = Vec::new();
    for route in &ROUTES {
        let Some(params) = matches(route.path, path) else { continue };
        if route.method == *method {
            return Found::Route(route, params);
        }
        allowed.push(route.method.as_str());
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed.join(", ")) }
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    if pattern == path {
        return Some(Vec::new());
    }
    if !pattern.contains('{') {
        return None;
    }
    let mut params = Vec::new();
    let (mut expected, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return Some(params),
            (Some(part), Some(text)) if part.starts_with('{') => {
                if !is_id(text) {
                    return None;
                }
                params.push(text.to_owned());
            }
            (Some(part), Some(text)) if part == text => (),
            _ => return None,
        }
    }
}

fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:@".contains(&b);
    !text.is_empty() && text.len() <= LONGEST_PART && text.bytes().all(plain) && !text.contains("..")
}
