//! The routes of AgentWarden's clients. A table; it does nothing.

use hyper::Method;

use super::table::{ACTORS, ADMINS, ANSWERERS, EVERYONE, LIMIT, PLAIN, READERS};
use super::{Gives, May, Route, Takes};
use crate::http::agentwarden::{accounts, agents, approvals, checks, logs, permissions, webhooks};
use crate::wire::agentwarden as wire;

/// A route that takes and gives JSON as the other product has it.
const JSON: Route = Route { gives: Gives::Json(shape!(serde_json::Value)), ..PLAIN };
const POST: Route = Route { method: Method::POST, may: May::Roles(ACTORS), ..JSON };
/// What changes what both realms share.
const ADMIN: Route = Route { may: May::Roles(ADMINS), live_only: true, ..POST };

/// The routes of AgentWarden's clients. The busiest come first.
pub static AGENTWARDEN: [Route; 21] = [
    Route {
        path: "/agentwarden/sdk/check",
        summary: "AgentWarden: may this agent do this? Decided and recorded as a check",
        takes: Takes::Json(shape!(wire::Check)),
        handler: handler!(checks::check),
        ..POST
    },
    Route {
        path: "/agentwarden/sdk/log",
        summary: "AgentWarden: how it went",
        takes: Takes::Json(shape!(wire::Log)),
        handler: handler!(logs::log),
        ..POST
    },
    Route {
        path: "/agentwarden/api/logs",
        may: May::Roles(EVERYONE),
        summary: "AgentWarden: what was logged, newest first; a key with the role agent sees its own",
        query: &[
            ("agent_id", "of this agent"),
            ("action", "of this action"),
            ("status", "with this status"),
            LIMIT,
            ("offset", "how many to pass over"),
            ("created_after", "not before this time (RFC 3339)"),
            ("created_before", "not after this time (RFC 3339)"),
        ],
        handler: handler!(logs::list),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/agents",
        may: May::Roles(READERS),
        summary: "AgentWarden: the policy's agents",
        handler: handler!(agents::list),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/agents",
        summary: "AgentWarden: put an agent into the policy, with no permissions",
        takes: Takes::Json(shape!(wire::Agent)),
        handler: handler!(agents::make),
        ..ADMIN
    },
    Route {
        path: "/agentwarden/api/agents/{agent_id}",
        may: May::Roles(READERS),
        summary: "AgentWarden: one agent, by name or id",
        handler: handler!(agents::one),
        ..JSON
    },
    Route {
        method: Method::PUT,
        path: "/agentwarden/api/agents/{agent_id}",
        summary: "AgentWarden: describe an agent, or switch it off or on",
        takes: Takes::Json(shape!(wire::Agent)),
        handler: handler!(agents::change),
        ..ADMIN
    },
    Route {
        method: Method::DELETE,
        path: "/agentwarden/api/agents/{agent_id}",
        summary: "AgentWarden: take an agent out of the policy; its records stay",
        handler: handler!(agents::delete),
        ..ADMIN
    },
    Route {
        path: "/agentwarden/api/agents/{agent_id}/permissions",
        may: May::Roles(READERS),
        summary: "AgentWarden: what an agent may do, as far as AgentWarden's words can say it",
        handler: handler!(permissions::list),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/agents/{agent_id}/permissions",
        summary: "AgentWarden: allow an action: rules of the policy",
        takes: Takes::Json(shape!(wire::Permission)),
        handler: handler!(permissions::put),
        ..ADMIN
    },
    Route {
        method: Method::DELETE,
        path: "/agentwarden/api/permissions/{permission_id}",
        summary: "AgentWarden: take a permission back",
        handler: handler!(permissions::delete),
        ..ADMIN
    },
    Route {
        path: "/agentwarden/api/approvals",
        may: May::Roles(EVERYONE),
        summary: "AgentWarden: questions to people, newest first",
        query: &[("status", "pending, approved, rejected, expired or all"), LIMIT],
        handler: handler!(approvals::list),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/approvals/{approval_id}",
        may: May::Roles(EVERYONE),
        summary: "AgentWarden: one question",
        handler: handler!(approvals::one),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/approvals/{approval_id}/approve",
        may: May::Roles(ANSWERERS),
        summary: "AgentWarden: say yes, as the person whose key it is",
        takes: Takes::MaybeJson(shape!(wire::Answer)),
        handler: handler!(approvals::approve),
        ..POST
    },
    Route {
        path: "/agentwarden/api/approvals/{approval_id}/reject",
        may: May::Roles(ANSWERERS),
        summary: "AgentWarden: say no, as the person whose key it is",
        takes: Takes::MaybeJson(shape!(wire::Answer)),
        handler: handler!(approvals::reject),
        ..POST
    },
    Route {
        path: "/agentwarden/api/webhooks",
        may: May::Roles(READERS),
        live_only: true,
        summary: "AgentWarden: who is told what was recorded",
        handler: handler!(webhooks::list),
        ..JSON
    },
    Route {
        path: "/agentwarden/api/webhooks",
        summary: "AgentWarden: tell an address what is recorded, signed",
        takes: Takes::Json(shape!(wire::Hook)),
        handler: handler!(webhooks::make),
        ..ADMIN
    },
    Route {
        method: Method::DELETE,
        path: "/agentwarden/api/webhooks/{webhook_id}",
        summary: "AgentWarden: tell it no more",
        handler: handler!(webhooks::delete),
        ..ADMIN
    },
    Route {
        path: "/agentwarden/auth/me",
        may: May::Roles(EVERYONE),
        summary: "AgentWarden: whose key this is",
        handler: handler!(accounts::me),
        ..JSON
    },
    Route {
        path: "/agentwarden/auth/login",
        may: May::Anyone,
        summary: "AgentWarden: a key's name and secret for the same key as a token",
        takes: Takes::Json(shape!(wire::Login)),
        handler: handler!(accounts::login),
        ..POST
    },
    Route {
        path: "/agentwarden/auth/register",
        may: May::Anyone,
        summary: "AgentWarden: refused; accounts are keys, made by whoever runs the gate",
        takes: Takes::Json(shape!(wire::Login)),
        handler: handler!(accounts::register),
        ..POST
    },
];
