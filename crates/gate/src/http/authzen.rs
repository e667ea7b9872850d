//! OpenID AuthZEN 1.0: `POST /access/v1/evaluation` and `/access/v1/evaluations`.
//!
//! The same path as `POST /v1/check`: each question is decided, reserved and recorded. What cannot be read is 400, as
//! the standard says; a question of many that cannot be read is answered `false` in its place.

use std::time::Instant;

use hyper::StatusCode;
use hyper::header::{HOST, HeaderName};
use verdict::Draft;

use super::check::{count, draft_of};
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted};
use crate::wire::authzen::{Configuration, Decision, Decisions, Evaluation, Evaluations, Semantic};
use crate::wire::{self, Unreadable};

/// The most questions in one request.
const MOST: usize = 1_000;
/// Names a request, and its answer after it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) async fn one(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    Query::read(&call.query, &[])?;
    let question: Evaluation = wire::read(&call.body).map_err(unread)?;
    let decision = ask(&call, draft(&call, question)?, start).await?;
    Ok(named(&call, reply::json(&decision)?))
}

pub(super) async fn many(call: Call) -> Result<Reply, Problem> {
    let start = Instant::now();
    Query::read(&call.query, &[])?;
    let Evaluations { defaults, evaluations, semantic } = wire::read(&call.body).map_err(unread)?;
    if evaluations.len() > MOST {
        let detail = format!("`evaluations` has {} items; it may have {MOST}", evaluations.len());
        return Err(Problem::request(detail));
    }
    if evaluations.is_empty() {
        let decision = ask(&call, draft(&call, defaults)?, start).await?;
        return Ok(named(&call, reply::json(&decision)?));
    }
    let drafts = evaluations.into_iter().map(|question| match question {
        Ok(question) => draft(&call, question.or(&defaults)),
        Err(malformed) => Err(Problem::request(malformed.to_string())),
    });
    let evaluations = match semantic {
        Semantic::ExecuteAll => all(&call, drafts.collect(), start).await?,
        _ => in_turn(&call, drafts.collect(), (semantic, start)).await?,
    };
    Ok(named(&call, reply::json(&Decisions { evaluations })?))
}

type Drafted = Result<Draft, Problem>;

/// Answers all questions in one commit.
async fn all(call: &Call, drafts: Vec<Drafted>, start: Instant) -> Result<Vec<Decision>, Problem> {
    let (mut good, mut odd) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
    for drafted in drafts {
        odd.push(drafted.map(|draft| good.push(draft)).err());
    }
    let receipts = call.app.gate.check_all(good).await.map_err(|halt| halted(&halt))?;
    count(call, start, receipts.iter().flatten());
    let mut receipts = receipts.into_iter();
    let answers = odd.into_iter().map(|odd| match odd {
        Some(problem) => Some(unasked(problem)),
        None => receipts.next().map(|receipt| match receipt {
            Ok(receipt) => Decision::of(&receipt),
            Err(malformed) => unasked(Problem::request(malformed.to_string())),
        }),
    });
    answers.collect::<Option<_>>().ok_or_else(Problem::unavailable)
}

/// Answers one question after the other: what is not asked any more must not be counted or held.
async fn in_turn(
    call: &Call,
    drafts: Vec<Drafted>,
    (semantic, start): (Semantic, Instant),
) -> Result<Vec<Decision>, Problem> {
    let mut answers = Vec::with_capacity(drafts.len());
    for drafted in drafts {
        let answer = match drafted {
            Ok(draft) => ask(call, draft, start).await?,
            Err(problem) => unasked(problem),
        };
        let ends = semantic.ends_with(answer.decision);
        answers.push(answer);
        if ends {
            break;
        }
    }
    Ok(answers)
}

/// The answer in the place of a question that is none.
fn unasked(problem: Problem) -> Decision {
    Decision::unread(problem.status.as_u16(), problem.code, problem.detail)
}

pub(super) async fn configuration(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let header = |name: HeaderName| call.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST).ok_or_else(|| Problem::request("the request names no `Host`".to_owned()))?;
    let scheme = if header(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
    let here = format!("{scheme}://{host}");
    reply::json(&Configuration {
        access_evaluation_endpoint: format!("{here}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{here}/access/v1/evaluations"),
        policy_decision_point: here,
    })
}

fn unread(why: Unreadable) -> Problem {
    let (Unreadable::Syntax(detail) | Unreadable::Shape(detail)) = why;
    Problem::request(detail)
}

fn draft(call: &Call, question: Evaluation) -> Result<Draft, Problem> {
    let check = question.into_check().map_err(|malformed| Problem::request(malformed.to_string()))?;
    draft_of(check, call.caller()?).map_err(|problem| match problem.status {
        StatusCode::UNPROCESSABLE_ENTITY => Problem::request(problem.detail),
        _ => problem,
    })
}

async fn ask(call: &Call, draft: Draft, start: Instant) -> Result<Decision, Problem> {
    match call.app.gate.check(draft).await {
        Err(malformed) => Err(Problem::request(malformed.to_string())),
        Ok(Err(halt)) => Err(halted(&halt)),
        Ok(Ok(receipt)) => {
            count(call, start, std::slice::from_ref(&receipt));
            Ok(Decision::of(&receipt))
        }
    }
}

/// The answer with the name that the request came with.
fn named(call: &Call, mut reply: Reply) -> Reply {
    if let Some(id) = call.headers.get(REQUEST_ID) {
        reply.headers_mut().insert(REQUEST_ID, id.clone());
    }
    reply
}
