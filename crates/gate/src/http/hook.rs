//! `POST /v1/hooks/{product}`: an event of a coding agent, decided like everything else.
//!
//! The agent runs on the machine of whoever asks. Its folder is what the request says; links are followed where only
//! this machine can reach the gate, and then that machine is this one.

use std::time::Instant;

use clap::ValueEnum as _;
use verdict::short;

use super::check::{count, draft_of};
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, decisions, halted, refused};
use crate::hook::word::{self, Wordless};
use crate::hook::{Product, When};
use crate::path::Gate;
use crate::wire::{self, CheckRequest, HookRequest, Unreadable};

pub(super) async fn tell(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    Query::read(&call.query, &[])?;
    let product = Product::from_str(call.param(0), false)
        .map_err(|_| Problem::not_found(format!("there is no hook for `{}`", short(call.param(0)))))?;
    let odd = |why: Unreadable| Problem::unreadable("invalid_request", why);
    let HookRequest { agent_id, event, user, folder, home, grant } = wire::read(&call.body).map_err(odd)?;
    let event = product.event(&event).map_err(|why| odd(Unreadable::Shape(why)))?;
    let cwd = event.cwd.clone().filter(|cwd| !cwd.is_empty()).or(folder);
    let request = CheckRequest {
        agent_id,
        tool: event.tool.clone(),
        args: Some(event.args.clone()),
        context: event.context(product),
        user,
        session_id: event.session.clone(),
        ..CheckRequest::default()
    };
    let draft = draft_of(request, call.caller()?)?;
    let gate = Gate { eyes: call.app.gate.eyes.at(call.app.alone, cwd, home), ..call.app.gate.clone() };
    let word = match event.when {
        When::Before => word::before(&gate, draft, grant).await,
        When::After(status, said) => word::after(&gate, &call.app.reading, &draft, (status, said)).await,
    };
    let word = word.map_err(wordless)?;
    count(&call, start, word.receipt.iter());
    reply::json(&word.say)
}

fn wordless(why: Wordless) -> Problem {
    match why {
        Wordless::Malformed(malformed) => Problem::no_action(malformed.to_string()),
        Wordless::Halt(halt) => halted(&halt),
        Wordless::Unread(fault) => decisions::unread(fault),
        Wordless::Refused(refusal) => refused(&refusal),
    }
}
