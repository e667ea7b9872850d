//! The routes of OnceOnly's clients. A table; it does nothing.

use hyper::Method;

use super::table::{ACTORS, ADMINS, EVERYONE, LIMIT, PLAIN, READERS};
use super::{Gives, May, Route, Takes};
use crate::http::onceonly::{account, agents, leases, locks, policies, policy_form, run, runs, tools};
use crate::wire::onceonly as wire;

const OFFSET: (&str, &str) = ("offset", "how many to pass over");
const SCOPE: (&str, &str) = ("scope_id", "global, or agent: and the agent's id; without it, global");
const KEY: (&str, &str) = ("key", "what is held");

/// A route that takes and gives JSON as the other product has it.
const JSON: Route = Route { gives: Gives::Json(shape!(serde_json::Value)), ..PLAIN };
const POST: Route = Route { method: Method::POST, may: May::Roles(ACTORS), ..JSON };

/// The routes of OnceOnly's clients. The busiest come first.
pub static ONCEONLY: [Route; 32] = [
    Route {
        path: "/onceonly/v1/check-lock",
        summary: "OnceOnly: who was first for a key; the same X-Request-Id gets the same answer",
        takes: Takes::Json(shape!(wire::Hold)),
        handler: handler!(locks::check),
        ..POST
    },
    Route {
        path: "/onceonly/v1/release",
        summary: "Gives a lock of check-lock back, because what it was for has failed",
        takes: Takes::Json(shape!(wire::Release)),
        handler: handler!(locks::release),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/lease",
        summary: "OnceOnly: take a task, or learn how it stands",
        takes: Takes::Json(shape!(wire::Hold)),
        handler: handler!(leases::take),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/run",
        summary: "OnceOnly: with agent_id and tool, one action, decided and carried out; with key, a task, taken",
        takes: Takes::Json(shape!(wire::RunTool)),
        handler: handler!(run::run),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/status",
        may: May::Roles(ACTORS),
        summary: "OnceOnly: how a task stands",
        query: &[KEY],
        handler: handler!(leases::status),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/ai/result",
        may: May::Roles(ACTORS),
        summary: "OnceOnly: what a task gave; kept for 7 days",
        query: &[KEY],
        handler: handler!(leases::result),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/ai/extend",
        summary: "OnceOnly: hold a task on",
        takes: Takes::Json(shape!(wire::Holder)),
        handler: handler!(leases::extend),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/complete",
        summary: "OnceOnly: a task is done",
        takes: Takes::Json(shape!(wire::Holder)),
        handler: handler!(leases::complete),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/fail",
        summary: "OnceOnly: a task went wrong; it can be taken again",
        takes: Takes::Json(shape!(wire::Holder)),
        handler: handler!(leases::fail),
        ..POST
    },
    Route {
        path: "/onceonly/v1/ai/cancel",
        summary: "OnceOnly: a task is given up; it can be taken again",
        takes: Takes::Json(shape!(wire::Holder)),
        handler: handler!(leases::cancel),
        ..POST
    },
    Route {
        path: "/onceonly/v1/me",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: whose key this is",
        handler: handler!(account::me),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/me/notifications",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: which notifications are wanted; kept and shown, nothing is mailed",
        takes: Takes::Json(shape!(wire::Notify)),
        handler: handler!(account::notify),
        ..POST
    },
    Route {
        path: "/onceonly/v1/usage",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: how much was asked for this month; nothing is charged",
        query: &[("kind", "make (locks) or ai (tasks)")],
        handler: handler!(account::usage),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/usage/all",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: the same for both kinds",
        handler: handler!(account::usage_all),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/metrics",
        may: May::Roles(READERS),
        summary: "OnceOnly: what happened on each day, UTC",
        query: &[("from_day", "not before this day (YYYY-MM-DD)"), ("to_day", "not after this day")],
        handler: handler!(account::metrics),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/events",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: the last events, newest first; a key with the role agent sees its own",
        query: &[LIMIT, OFFSET],
        handler: handler!(runs::list),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/events",
        summary: "OnceOnly: note what happened in a run",
        takes: Takes::Json(shape!(wire::Event)),
        handler: handler!(runs::post),
        ..POST
    },
    Route {
        path: "/onceonly/v1/runs",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: runs, the last first; a key with the role agent sees those it began",
        query: &[LIMIT, OFFSET, ("q", "names that begin so")],
        handler: handler!(runs::runs),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/runs/{run_id}",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: a run's events, oldest first; a key with the role agent sees its own",
        query: &[LIMIT, OFFSET],
        handler: handler!(runs::one),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/tools",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: register a tool that the gate calls, or replace it: a new version of the policy",
        takes: Takes::Json(shape!(wire::ToolFields)),
        handler: handler!(tools::put),
        ..POST
    },
    Route {
        path: "/onceonly/v1/tools",
        may: May::Roles(READERS),
        summary: "OnceOnly: the tools of a scope, without their secrets",
        query: &[SCOPE],
        handler: handler!(tools::list),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/tools/{name}",
        may: May::Roles(READERS),
        summary: "OnceOnly: one tool",
        query: &[SCOPE],
        handler: handler!(tools::one),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/tools/{name}/toggle",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: switch a tool off or on",
        query: &[SCOPE],
        takes: Takes::Json(shape!(wire::Toggle)),
        handler: handler!(tools::toggle),
        ..POST
    },
    Route {
        method: Method::DELETE,
        path: "/onceonly/v1/tools/{name}",
        live_only: true,
        summary: "OnceOnly: take a tool out of the policy, and its secret with it",
        query: &[SCOPE],
        handler: handler!(tools::remove),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/policies",
        may: May::Roles(READERS),
        summary: "OnceOnly: every agent's permissions and limits, as far as OnceOnly's words can say them",
        handler: handler!(policies::list),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/policies/{agent_id}",
        may: May::Roles(READERS),
        summary: "OnceOnly: one agent's",
        handler: handler!(policies::one),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/policies/{agent_id}",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: set an agent's permissions and limits: a new version of the policy",
        takes: Takes::Json(shape!(policy_form::Form)),
        handler: handler!(policies::put),
        ..POST
    },
    Route {
        path: "/onceonly/v1/policies/{agent_id}/from-template",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: the same from a template: strict, moderate, permissive, read_only or support_bot",
        takes: Takes::Json(shape!(serde_json::Value)),
        handler: handler!(policies::from_template),
        ..POST
    },
    Route {
        path: "/onceonly/v1/agents/{agent_id}/disable",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: deny whatever an agent asks for",
        takes: Takes::MaybeJson(shape!(wire::Switch)),
        handler: handler!(agents::disable),
        ..POST
    },
    Route {
        path: "/onceonly/v1/agents/{agent_id}/enable",
        may: May::Roles(ADMINS),
        live_only: true,
        summary: "OnceOnly: let the policy decide about an agent again",
        takes: Takes::MaybeJson(shape!(wire::Switch)),
        handler: handler!(agents::enable),
        ..POST
    },
    Route {
        path: "/onceonly/v1/agents/{agent_id}/logs",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: an agent's decisions, newest first; a key for one agent sees that agent",
        query: &[LIMIT],
        handler: handler!(agents::logs),
        ..JSON
    },
    Route {
        path: "/onceonly/v1/agents/{agent_id}/metrics",
        may: May::Roles(EVERYONE),
        summary: "OnceOnly: what an agent did in the last hour, day or week",
        query: &[("period", "hour, day or week")],
        handler: handler!(agents::metrics),
        ..JSON
    },
];
