//! `POST /v1/decisions/{id}/outcome`: how an allowed action ended.

use verdict::{Answer, Decided, Index, KeyRole, Outcome, Refusal, Settling};

use super::problem::Problem;
use super::reply::{self, Reply};
use super::{Call, decisions, halted, query::Query};
use crate::keys::Caller;
use crate::views;
use crate::wire::{self, OutcomeReply, OutcomeRequest, Seen, decision_id};

pub(super) async fn report(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let of = decisions::id(&call)?;
    let request: OutcomeRequest =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    let outcome = request.into_outcome();
    let caller = call.caller()?;
    let found =
        call.app.reading.ask(move |reader| views::decided(reader, of)).await.map_err(decisions::unread)?;
    let decided = found.map(|(decided, _)| decided).filter(|decided| is_own(caller, decided));
    let decided = decided.ok_or_else(|| decisions::no_such(of))?;
    if decided.decision != Answer::Allow {
        let detail = format!("dec_{of} was never allowed, so it has no outcome");
        return Err(Problem::conflict(detail));
    }
    let outcome = call.app.gate.screen(&decided, outcome).await;
    settle(&call, of, decided, outcome).await
}

async fn settle(call: &Call, of: Index, decided: Decided, outcome: Outcome) -> Result<Reply, Problem> {
    let digest = outcome.digest();
    let again = outcome.clone();
    let by = call.caller()?.name.clone();
    let settling = Settling::reported(of, decided, outcome, Some(by));
    match call.app.gate.desk.settle(settling).await.map_err(|halt| halted(&halt))? {
        Ok(closing) => answer(of, closing.into_outcome()),
        Err(Refusal::Conflict(why)) => {
            let end = call
                .app
                .reading
                .ask(move |reader| views::end(reader, of))
                .await
                .map_err(decisions::unread)?;
            match end {
                // The same report again, because the first answer got lost: the same answer.
                Some((settled, _)) if settled.digest == digest => answer(of, again),
                Some(_) => {
                    Err(Problem::conflict(format!("another outcome was reported for dec_{of} before")))
                }
                None => Err(Problem::conflict(why)),
            }
        }
        Err(refusal) => Err(super::refused(&refusal)),
    }
}

fn answer(of: Index, outcome: Outcome) -> Result<Reply, Problem> {
    let Outcome { status, result, cost: _, tokens: _, error: _, screened, answered: _, fleeting: _, did: _ } =
        outcome;
    let (findings, withheld) = screened.map(|it| (it.findings, it.withheld)).unwrap_or_default();
    let findings = findings.iter().map(Seen::from).collect();
    reply::json(&OutcomeReply { decision_id: decision_id(of), status, result, withheld, findings })
}

/// True if the key may speak for the decision: its agent's, or its own. Another's does not exist for it.
pub(super) fn is_own(caller: &Caller, decided: &Decided) -> bool {
    if caller.realm != decided.realm {
        return false;
    }
    match (&caller.agent, caller.role) {
        (Some(agent), _) => *agent == decided.agent,
        (None, KeyRole::Agent) => decided.by.as_ref() == Some(&caller.name),
        (None, _) => true,
    }
}
