//! The routes of tools that the gate calls. A table; it does nothing.

use hyper::Method;

use super::table::{ACTORS, PLAIN, READERS};
use super::{Gives, May, Route, Takes};
use crate::http::{tool, tools};
use crate::{views, wire};

const SCOPE: (&str, &str) = ("scope", "global, or agent: and the agent's id; without it, global");

/// The routes, the busiest first.
pub static TOOLS: [Route; 8] = [
    Route {
        method: Method::POST,
        path: "/v1/tools/{name}/call",
        may: May::Roles(ACTORS),
        waits: true,
        summary: "Decide a call of a declared tool, carry it out, and record how it ended",
        takes: Takes::Json(shape!(wire::ToolCallRequest)),
        gives: Gives::Json(shape!(wire::ToolCallReply)),
        handler: handler!(tool::call),
        ..PLAIN
    },
    Route {
        path: "/v1/tools",
        may: May::Roles(READERS),
        summary: "Tools: definitions as they were seen and accepted, and those that the gate calls itself",
        gives: Gives::Json(shape!(views::ToolPage)),
        handler: handler!(tools::list),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/v1/tools",
        live_only: true,
        summary: "Declare a tool that the gate calls, or replace it: an edit of the policy",
        takes: Takes::Json(shape!(wire::ToolRequest)),
        gives: Gives::Json(shape!(wire::ToolChange)),
        handler: handler!(tools::put),
        ..PLAIN
    },
    Route {
        path: "/v1/tools/{name}",
        may: May::Roles(READERS),
        summary: "One tool that the gate calls",
        query: &[SCOPE],
        gives: Gives::Json(shape!(views::DeclaredTool)),
        handler: handler!(tools::get),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/v1/tools/{name}",
        live_only: true,
        summary: "Take a tool out of the policy, and drop the secret that was stored with it",
        query: &[SCOPE],
        gives: Gives::Json(shape!(wire::ToolChange)),
        handler: handler!(tools::remove),
        ..PLAIN
    },
    Route {
        path: "/v1/secrets",
        may: May::Roles(READERS),
        live_only: true,
        summary: "The names of stored secrets",
        gives: Gives::Json(shape!(wire::SecretNames)),
        handler: handler!(tools::secrets),
        ..PLAIN
    },
    Route {
        method: Method::PUT,
        path: "/v1/secrets/{name}",
        live_only: true,
        summary: "Seal a secret and store it; it is given back to nobody",
        takes: Takes::Json(shape!(wire::SecretRequest)),
        gives: Gives::Json(shape!(wire::SecretNames)),
        handler: handler!(tools::put_secret),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/v1/secrets/{name}",
        live_only: true,
        summary: "Drop a stored secret",
        gives: Gives::Json(shape!(wire::SecretNames)),
        handler: handler!(tools::drop_secret),
        ..PLAIN
    },
];
