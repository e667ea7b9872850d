//! `POST /v1/check` and `/v1/check/batch`: the way in that most actions take.

use std::time::Instant;

use verdict::{Action, Draft, Halt, Index, Malformed, Receipt};

use super::problem::Problem;
use super::reply::{self, Reply};
use super::{Call, halted};
use crate::keys::Caller;
use crate::views;
use crate::wire::{self, BatchAnswer, BatchRequest, CheckReply, CheckRequest, Original, write_answer};

/// Room for an answer: most are shorter.
const USUAL: usize = 768;
/// The most checks in a batch.
const MOST: usize = 1_000;

pub(super) async fn one(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    super::query::Query::read(&call.query, &[])?;
    let request: CheckRequest =
        wire::read(&call.body).map_err(|why| odd(Problem::unreadable("invalid_action", why)))?;
    let draft = draft_of(request, call.caller()?).map_err(odd)?;
    let gate = &call.app.gate;
    let checked = gate.check(draft).await.map_err(|malformed| odd(no_action(&malformed)))?;
    let receipt = checked.map_err(|halt| halted(&halt))?;
    count(&call, start, std::slice::from_ref(&receipt));
    let original = match receipt.repeats() {
        Some(of) => originals(&call, vec![of]).await.pop().flatten(),
        None => None,
    };
    if receipt.is_conflict() {
        return Err(Problem::other_action(&CheckReply::of(&receipt, original)));
    }
    let mut bytes = Vec::with_capacity(USUAL);
    write_answer(&receipt, original.as_ref(), &mut bytes).map_err(|error| reply::unwritten(&error))?;
    Ok(reply::written(bytes))
}

pub(super) async fn many(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    super::query::Query::read(&call.query, &[])?;
    let BatchRequest { checks } =
        wire::read_parts(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    if checks.is_empty() || checks.len() > MOST {
        let detail = format!("`checks` has {} items; it must have 1 to {MOST}", checks.len());
        return Err(Problem::unreadable("invalid_request", wire::Unreadable::Shape(detail)));
    }
    let caller = call.caller()?;
    let (mut drafts, mut problems) = (Vec::with_capacity(checks.len()), Vec::with_capacity(checks.len()));
    for check in checks {
        let read = check.read().map_err(Problem::no_action).and_then(|request| draft_of(request, caller));
        match read {
            Ok(draft) => {
                drafts.push(draft);
                problems.push(None);
            }
            Err(problem) => problems.push(Some(problem)),
        }
    }
    let receipts = call.app.gate.check_all(drafts).await.map_err(|halt| halted(&halt))?;
    let good: Vec<&Receipt> = receipts.iter().filter_map(|it| it.as_ref().ok()).collect();
    count(&call, start, good.iter().copied());
    let asked: Vec<Index> = good.iter().filter_map(|receipt| receipt.repeats()).collect();
    let mut originals = if asked.is_empty() { Vec::new() } else { originals(&call, asked).await }.into_iter();
    let mut receipts = receipts.into_iter();
    let mut bytes = Vec::with_capacity(problems.len().saturating_mul(USUAL));
    let mut before = b"{\"results\":[".as_slice();
    for problem in problems {
        bytes.extend_from_slice(before);
        before = b",";
        let written = match problem {
            Some(error) => odd_answer(error, &mut bytes),
            None => match receipts.next() {
                Some(Ok(receipt)) => answer(&receipt, &mut originals, &mut bytes),
                Some(Err(malformed)) => odd_answer(no_action(&malformed), &mut bytes),
                None => return Err(halted(&Halt("the gate is shutting down".to_owned()))),
            },
        };
        written.map_err(|error| reply::unwritten(&error))?;
    }
    bytes.extend_from_slice(b"]}");
    Ok(reply::written(bytes))
}

fn answer(
    receipt: &Receipt,
    originals: &mut impl Iterator<Item = Option<Original>>,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let original = if receipt.repeats().is_some() { originals.next().flatten() } else { None };
    if receipt.is_conflict() {
        return odd_answer(Problem::other_action(&CheckReply::of(receipt, original)), out);
    }
    write_answer(receipt, original.as_ref(), out)
}

fn odd_answer(error: Problem, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, &BatchAnswer::Odd { error })
}

pub(super) fn draft_of(request: CheckRequest, caller: &Caller) -> Result<Draft, Problem> {
    // Before anything is looked up: a key for one agent learns nothing of another, not even that it is none.
    if caller.agent.as_ref().is_some_and(|bound| *bound != request.agent_id) {
        return Err(Problem::forbidden("this key can act for another agent only".to_owned()));
    }
    let by = Some(caller.name.clone());
    request.into_draft(caller.realm, by, caller.agent.as_deref()).map_err(|malformed| no_action(&malformed))
}

/// The newest question about exactly this action that is open, or was agreed to and not used: for clients that
/// come back without naming it.
pub(super) async fn question_for(call: &Call, draft: &Draft) -> Result<Option<Index>, Problem> {
    let action = Action::new(draft.clone()).map_err(|odd| no_action(&odd))?;
    let found = call.app.gate.desk.question_about(action).await.map_err(|halt| halted(&halt))?;
    Ok(found.map(|(at, _)| at))
}

fn no_action(malformed: &Malformed) -> Problem {
    Problem::no_action(malformed.to_string())
}

/// Notes what was no action. It is recorded nowhere else; its contents are not even here.
fn odd(problem: Problem) -> Problem {
    tracing::info!(status = problem.status.as_u16(), code = problem.code, "a check was refused as no action");
    problem
}

pub(super) fn count<'r>(call: &Call, start: Instant, receipts: impl IntoIterator<Item = &'r Receipt>) {
    call.app.gate.desk.with_policy(|policy| {
        for receipt in receipts {
            call.app.metrics.decided(policy, receipt);
        }
    });
    call.app.metrics.took(start.elapsed());
}

/// What became of earlier decisions, in the order asked. What cannot be read is left out: the decision stands
/// without it.
async fn originals(call: &Call, of: Vec<Index>) -> Vec<Option<Original>> {
    let count = of.len();
    let read =
        call.app.reading.ask(move |reader| of.into_iter().map(|of| views::original(reader, of)).collect());
    read.await.unwrap_or_else(|fault| {
        tracing::warn!(reason = %fault, "what became of an earlier decision could not be read");
        vec![None; count]
    })
}
