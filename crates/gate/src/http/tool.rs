//! `POST /v1/tools/{name}/call`: the gate carries the call out.
//!
//! Answerable for the call going on when its caller hangs up, and for a repetition being answered with what the first
//! one led to. How a tool is called is [`crate::tool`]'s.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use verdict::{Code, Draft, Halt, Index, Malformed, Receipt, Status, short};

use super::check::{count, draft_of};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::unstoppable::Unstoppable;
use super::{Call, halted};
use crate::path::Carried;
use crate::tool::{Errand, Sink, Told, takes};
use crate::views;
use crate::wire::{self, CheckReply, Original, ToolCallReply, ToolCallRequest, decision_id};

/// How often a call with the same key is looked at while it is under way.
const LOOK: Duration = Duration::from_millis(25);

pub(super) async fn call(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    super::query::Query::read(&call.query, &[])?;
    let request: ToolCallRequest =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_action", why))?;
    let tool = call.param(0).to_owned();
    let wait = Duration::from_secs(request.wait_s.unwrap_or(0));
    let pieces = request.stream == Some(true);
    let draft = draft_of(request.into_check(tool), call.caller()?)?;
    let policy = call.app.gate.desk.policy();
    // What the policy does not know is decided, and the denial recorded, as for a check.
    let known = policy.agent(&draft.agent).and_then(|_| policy.tool_of(&draft.agent, &draft.tool));
    if known.is_some_and(|tool| !call.app.tools.carries_out(tool)) {
        let detail = format!(
            "the policy has no `url`, `exec`, `code`, `database` or `builtin` for `{}`, so the gate cannot call it; add one, or carry it out yourself after POST /v1/check",
            short(&draft.tool)
        );
        return Err(Problem::conflict(detail));
    }
    let until = start + wait;
    loop {
        let wait = until.saturating_duration_since(Instant::now());
        let (carried, told) = match carry_passing(&call, draft.clone(), wait, pieces).await? {
            Begun::Ended(carried, told) => (carried, told),
            Begun::Passing(reply) => return Ok(reply),
        };
        let receipt = match carried {
            Carried::Out(closing) => {
                call.app.metrics.took(start.elapsed().saturating_sub(told.took));
                return reply::json(&ToolCallReply::carried(closing, told));
            }
            Carried::Refused(receipt) => receipt,
        };
        count(&call, start, std::slice::from_ref(&receipt));
        if receipt.is_conflict() {
            return Err(Problem::other_action(&CheckReply::of(&receipt, None)));
        }
        let Some(of) = receipt.repeats() else { return reply::json(&ToolCallReply::refused(&receipt, None)) };
        let original = original(&call, of).await?;
        if receipt.decided().code != Code::InProgress {
            return reply::json(&ToolCallReply::refused(&receipt, original));
        }
        if !ended(&call, of, original, until).await? {
            return Err(in_progress(&receipt, of, standing(&call, of).await?));
        }
    }
}

/// Carries a call out, and waits for its end.
pub(super) async fn carry(call: &Call, draft: Draft, wait: Duration) -> Result<(Carried, Told), Problem> {
    end(Unstoppable::new(begin(call, draft, wait, None)).await)
}

/// How a call went.
type Went = (Result<Result<Carried, Halt>, Malformed>, Told);

/// A call to its end. Whoever begins it must see to its going on when its caller hangs up.
fn begin(
    call: &Call,
    draft: Draft,
    wait: Duration,
    sink: Option<Sink>,
) -> impl Future<Output = Went> + Send + 'static {
    let draft = Draft { takes: call.app.gate.desk.with_policy(|policy| takes(policy, &draft)), ..draft };
    let errand = Errand {
        gate: call.app.gate.clone(),
        tools: call.app.tools.clone(),
        metrics: Arc::clone(&call.app.metrics),
        wait,
        closing: call.app.closing.subscribe(),
        sink,
        told: Mutex::default(),
    };
    let running = errand.tools.begin();
    async move {
        let _running = running;
        let carried = errand.gate.call(draft, &errand).await;
        (carried, errand.told())
    }
}

fn end((carried, told): Went) -> Result<(Carried, Told), Problem> {
    let carried = carried.map_err(|malformed| Problem::no_action(malformed.to_string()))?;
    Ok((carried.map_err(|halt| halted(&halt))?, told))
}

/// How a call went on: to its end, or to the first piece of its answer.
enum Begun {
    Ended(Carried, Told),
    Passing(Reply),
}

/// Carries a call out; if its answer comes in pieces, answers with those as they come, and then with its end.
async fn carry_passing(call: &Call, draft: Draft, wait: Duration, pieces: bool) -> Result<Begun, Problem> {
    if !pieces {
        return carry(call, draft, wait).await.map(|(carried, told)| Begun::Ended(carried, told));
    }
    let (sink, mut coming) = Sink::new();
    let task = tokio::spawn(begin(call, draft, wait, Some(sink)));
    let ended = async |task: JoinHandle<Went>| end(task.await.map_err(|_| Problem::internal())?);
    let Some(first) = coming.recv().await else {
        return ended(task).await.map(|(carried, told)| Begun::Ended(carried, told));
    };
    let (to, from) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut piece = Some(first);
        while let Some(json) = piece {
            // Whoever has gone misses the rest; it is taken all the same, so that the call can end.
            let _gone = to.send(reply::event("piece", &json)).await;
            piece = coming.recv().await;
        }
        let last = match ended(task).await {
            Ok((Carried::Out(closing), told)) => {
                reply::event("end", &ToolCallReply::carried(closing, told).passed_on())
            }
            // Pieces come of calls that were carried out, and of no others.
            Ok((Carried::Refused(receipt), _)) => {
                reply::event("end", &ToolCallReply::refused(&receipt, None))
            }
            Err(problem) => reply::event("error", &problem),
        };
        let _gone = to.send(last).await;
    });
    Ok(Begun::Passing(reply::events(from)))
}

/// Waits until the call at `of` has ended one way or the other; false if it has not by `until`, or if nobody knows.
async fn ended(call: &Call, of: Index, original: Option<Original>, until: Instant) -> Result<bool, Problem> {
    let mut status = original.and_then(|it| it.status);
    while status.is_none() {
        if Instant::now() >= until || *call.app.closing.borrow() {
            return Ok(false);
        }
        sleep(LOOK).await;
        let open =
            call.app.gate.desk.ask(move |books| books.is_open(of)).await.map_err(|halt| halted(&halt))?;
        status = if open { original_status(call, of).await? } else { Some(Status::Success) };
    }
    Ok(status != Some(Status::Unknown))
}

pub(super) async fn original(call: &Call, of: Index) -> Result<Option<Original>, Problem> {
    let read = call.app.reading.ask(move |reader| views::original(reader, of)).await;
    read.map_err(super::decisions::unread)
}

async fn original_status(call: &Call, of: Index) -> Result<Option<Status>, Problem> {
    Ok(original(call, of).await?.and_then(|it| it.status))
}

/// How the call at `of` ended, if it has. One whose end should be known by now is one of a gate that was stopped in
/// the middle of it: nobody knows.
async fn standing(call: &Call, of: Index) -> Result<Option<Status>, Problem> {
    let read =
        call.app.reading.ask(move |reader| Ok((views::decided(reader, of)?, views::original(reader, of)?)));
    let (decided, original) = read.await.map_err(super::decisions::unread)?;
    let until = decided.and_then(|(decided, _)| decided.until);
    let is_over = until.is_some_and(|until| until < call.now());
    Ok(original.and_then(|it| it.status).or(is_over.then_some(Status::Unknown)))
}

/// The key is taken by a call that has not ended, or of which nobody knows how it ended.
fn in_progress(receipt: &Receipt, of: Index, status: Option<Status>) -> Problem {
    let mut problem = Problem::other_action(&CheckReply::of(receipt, None));
    let first = decision_id(of);
    if status == Some(Status::Unknown) {
        problem.code = "unknown";
        problem.detail = format!(
            "{first} was sent to the tool and got no answer, so nobody knows whether it was done; it is not repeated until a person has looked and said so: POST /v1/decisions/{first}/outcome"
        );
        problem.more.insert("original_status".to_owned(), "unknown".into());
    } else {
        problem.detail = format!("{first} is carrying it out; ask again for its result, or send `wait_s`");
        problem.retry_after = Some(1);
    }
    problem
}
