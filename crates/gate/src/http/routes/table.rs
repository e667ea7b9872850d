//! All routes. A table; it does nothing.

use hyper::Method;
use verdict::KeyRole::{self, Admin, Agent, Approver, Auditor};

use super::{Gives, May, Route, Takes};
use crate::hook::Say;
use crate::http::problem::{Problem, ProblemShape};
use crate::http::{
    agents, approvals, authzen, check, decisions, hook, inspect, keys, ledger, mcp, openapi, outcome, policy,
    probes,
};
use crate::{views, wire};

pub(super) const EVERYONE: &[KeyRole] = &[Agent, Approver, Auditor, Admin];
pub(super) const ACTORS: &[KeyRole] = &[Agent, Admin];
pub(super) const READERS: &[KeyRole] = &[Auditor, Admin];
pub(super) const ANSWERERS: &[KeyRole] = &[Approver, Admin];
pub(super) const ADMINS: &[KeyRole] = &[Admin];

const CURSOR: (&str, &str) = ("cursor", "where to go on, as the page before said");
pub(super) const LIMIT: (&str, &str) = ("limit", "how many at most");

/// A route that most others differ from in little.
pub(super) const PLAIN: Route = Route {
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
pub static ROUTES: [Route; 38] = [
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
        gives: Gives::Json(shape!(wire::BatchReply<ProblemShape>)),
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
        method: Method::POST,
        path: "/v1/hooks/{product}",
        may: May::Roles(ACTORS),
        summary: "What a coding agent is about to do, or has done: decide it, or settle it",
        takes: Takes::Large(shape!(wire::HookRequest)),
        gives: Gives::Json(shape!(Say)),
        handler: handler!(hook::tell),
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
            ("outcome", "success, failed, cancelled or unknown"),
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
        path: "/mcp",
        may: May::Roles(ACTORS),
        live_only: true,
        summary: "MCP, streamable HTTP: one message to the servers behind the gate; answered in JSON or as a stream",
        takes: Takes::Message,
        gives: Gives::Text("text/event-stream"),
        handler: handler!(mcp::post),
        ..PLAIN
    },
    Route {
        path: "/mcp",
        may: May::Roles(ACTORS),
        live_only: true,
        summary: "MCP, streamable HTTP: what the servers say of their own accord, and streams that broke",
        gives: Gives::Text("text/event-stream"),
        handler: handler!(mcp::get),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/mcp",
        may: May::Roles(ACTORS),
        live_only: true,
        summary: "MCP, streamable HTTP: end the session",
        gives: Gives::Text("text/plain"),
        handler: handler!(mcp::delete),
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
