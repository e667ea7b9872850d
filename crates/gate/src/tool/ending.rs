//! What an attempt means: whether it is tried again, and how the call ended.
//!
//! A call that surely did not happen has failed: its key is free. One that may have happened, and of which no whole
//! answer came, is unknown: its key and its limits stay taken until a person says what became of it. Pure.

use std::time::Duration;

use verdict::{Endpoint, Json, Outcome, Status};

use super::attempt::{Answer, Attempt};
use super::fault::{Fault, Why};

/// What speaks for trying again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leave {
    /// The tool may be called twice.
    pub(super) repeatable: bool,
    /// An idempotency key goes with the request.
    pub(super) keyed: bool,
}

impl Leave {
    /// What holds for calls of `endpoint`.
    pub(super) fn of(endpoint: &Endpoint, keyed: bool) -> Self {
        Self { repeatable: endpoint.may_repeat(), keyed }
    }
}

/// The first pause before trying again, and the longest that the gate chooses itself.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// True if it is safe, and could help, to try again.
pub(super) fn again(attempt: &Attempt, leave: Leave) -> bool {
    match attempt {
        Attempt::Never(fault) => fault.why == Why::Unreachable,
        // Time is over; there is none left to try again in.
        Attempt::Lost(fault) => leave.repeatable && fault.why != Why::Timeout,
        Attempt::Answer(answer) => match answer.status {
            429 | 502 | 503 | 504 => leave.repeatable || leave.keyed,
            408 | 425 | 500 => leave.repeatable,
            _ => false,
        },
    }
}

/// How long to wait before the attempt after `tried` attempts: what the tool says, if it does; else longer each time,
/// anywhere between half and the whole of it (`dice` is a number from 0 to 255).
pub(super) fn pause(attempt: &Attempt, tried: u32, dice: u8, now: verdict::Micro) -> Duration {
    if let Attempt::Answer(answer) = attempt
        && let Some(said) = answer.retry_after().and_then(|text| wait_of(text, now))
    {
        return said;
    }
    let whole = FIRST.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(LONGEST);
    let half = whole / 2;
    half.saturating_add(half.saturating_mul(u32::from(dice)) / 255)
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn wait_of(text: &str, now: verdict::Micro) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_microsecond();
    Some(Duration::from_micros(u64::try_from(at.saturating_sub(now)).unwrap_or(0)))
}

/// How the call ended, and what the agent is told if it gave no result.
pub(super) fn outcome(attempt: Attempt, endpoint: &Endpoint) -> (Outcome, Option<Fault>) {
    let (status, fault) = match attempt {
        Attempt::Never(fault) => (Status::Failed, fault),
        // What only reads may always be done again.
        Attempt::Lost(fault) if endpoint.method.is_safe() => (Status::Failed, fault),
        Attempt::Lost(fault) => (Status::Unknown, fault),
        Attempt::Answer(answer) => match answer.status {
            200..=299 => return done(answer),
            300..=399 => redirected(&answer, endpoint),
            400..=499 => refused(&answer),
            _ => broken(&answer, endpoint),
        },
    };
    let answered = fault.why == Why::Rejected;
    let error = Some(fault.message.clone());
    (Outcome { error, answered, ..Outcome::plain(status) }, Some(fault))
}

/// The largest result that is kept beside its record, in bytes.
pub(super) const KEPT: usize = 256 * 1024;

fn done(answer: Answer) -> (Outcome, Option<Fault>) {
    if let (Some(pieces), Ok(_)) = (&answer.pieces, &answer.body) {
        let result = Json::List(pieces.clone());
        let fleeting = result.canonical().len() > KEPT;
        let outcome =
            Outcome { answered: true, fleeting, result: Some(result), ..Outcome::plain(Status::Success) };
        return (outcome, None);
    }
    let status = Some(answer.status);
    let read = answer.body.and_then(|body| result(&answer.headers, &body).map(|it| (it, body.len() > KEPT)));
    let plain = Outcome { answered: true, ..Outcome::plain(Status::Success) };
    match read {
        Ok((result, fleeting)) => (Outcome { result: Some(result), fleeting, ..plain }, None),
        // It was done; what it gave back is lost.
        Err(fault) => {
            (Outcome { error: Some(fault.message.clone()), ..plain }, Some(Fault { status, ..fault }))
        }
    }
}

fn result(headers: &hyper::HeaderMap, body: &[u8]) -> Result<Json, Fault> {
    if headers.get("content-encoding").is_some_and(|it| it != "identity") {
        return Err(Fault::new(
            Why::Unreadable,
            "the tool did what was asked, and packed its answer in a way that it was not asked for",
        ));
    }
    if body.is_empty() {
        return Ok(Json::Null);
    }
    if let Ok(json) = Json::parse(body) {
        return Ok(json);
    }
    // What is no JSON, or could mean two things, is a text.
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Json::Str(text.to_owned())),
        Err(_) => Err(Fault::new(
            Why::Unreadable,
            "the tool did what was asked, and its answer is neither JSON nor text",
        )),
    }
}

fn redirected(answer: &Answer, endpoint: &Endpoint) -> (Status, Fault) {
    let message =
        format!("the tool answered {}, which sends elsewhere; the gate does not follow", answer.status);
    let fault = Fault { status: Some(answer.status), ..Fault::new(Why::Redirect, message) };
    // 307 and 308 ask for the same request elsewhere: it was not done here. Others may follow what was done.
    let not_done = endpoint.method.is_safe() || matches!(answer.status, 307 | 308);
    (if not_done { Status::Failed } else { Status::Unknown }, fault)
}

fn refused(answer: &Answer) -> (Status, Fault) {
    let message = format!("the tool refused the request with status {}", answer.status);
    (Status::Failed, Fault { status: Some(answer.status), ..Fault::new(Why::Rejected, message) })
}

/// A server error says that something went wrong, and not how far things had got. It has failed where trying again
/// does no harm, or where the status says that nothing was begun; else nobody knows.
fn broken(answer: &Answer, endpoint: &Endpoint) -> (Status, Fault) {
    let code = answer.status;
    let not_begun = matches!(code, 501 | 505) || (code == 503 && answer.retry_after().is_some());
    let failed = endpoint.may_repeat() || not_begun;
    let message = match failed {
        true => format!("the tool failed with status {code}"),
        false => format!("the tool failed with status {code}; nobody knows how far it had got"),
    };
    let fault = Fault { status: Some(code), ..Fault::new(Why::ToolError, message) };
    (if failed { Status::Failed } else { Status::Unknown }, fault)
}
