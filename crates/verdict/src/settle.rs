//! The end of an allowed action: what was reported, and what it changes in the limits.
//!
//! By the time there is an outcome the world may have changed, so nothing is refused here but a second end.

use sha2::{Digest as _, Sha256};

use crate::action::hex;
use crate::effect::{EffectFact, Finding};
use crate::json::Json;
use crate::limit::Micro;
use crate::money::Micros;
use crate::record::{Change, Decided, Index, MeterKind, Settled, Status};

/// What became of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// What it really cost; absent: as expected, or nothing if it failed.
    pub cost: Option<Micros>,
    /// The tokens it really took.
    pub tokens: Option<i64>,
    /// What it gave back; stored beside the record, for whoever repeats the action with its key.
    pub result: Option<Json>,
    /// What went wrong.
    pub error: Option<String>,
    /// What the screens made of result and error, once they were looked at.
    pub screened: Option<Box<Screened>>,
    /// True if the tool itself is well, however this ended: it answered, and refused this request.
    pub answered: bool,
    /// True if the result is too large to lie beside the record; its digest is on record all the same.
    pub fleeting: bool,
    /// What the gate saw it do besides what was decided on: each request of a run, let through or refused.
    pub did: Vec<EffectFact>,
}

/// What became of a result on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Screened {
    /// What detectors saw in it.
    pub findings: Vec<Finding>,
    /// Why nobody gets it, if nobody does: result and error are then empty.
    pub withheld: Option<String>,
    /// The digest of what was reported, before anything was replaced in it.
    pub reported: String,
}

impl Outcome {
    /// An outcome of which only the status is known.
    pub fn plain(status: Status) -> Self {
        Self {
            status,
            cost: None,
            tokens: None,
            result: None,
            error: None,
            screened: None,
            answered: false,
            fleeting: false,
            did: Vec::new(),
        }
    }

    /// Identifies the report: the same one twice is no conflict.
    pub fn digest(&self) -> String {
        if let Some(screened) = &self.screened {
            return screened.reported.clone();
        }
        let cost = self.cost.map(|cost| cost.0);
        let result = self.result.as_ref().map(Json::canonical);
        let error = self.error.as_deref().map(|text| Json::Str(text.to_owned()).canonical());
        let text = format!("{:?} {cost:?} {:?} {result:?} {error:?}", self.status, self.tokens);
        hex(&Sha256::digest(text.as_bytes()))
    }

    /// What lies beside the record: result and error, as JSON.
    pub(crate) fn payload(&self) -> Option<String> {
        let kept = self.result.as_ref().filter(|_| !self.fleeting);
        let result = kept.map(|result| format!("\"result\":{}", result.canonical()));
        let error =
            self.error.as_ref().map(|error| format!("\"error\":{}", Json::Str(error.clone()).canonical()));
        let parts: Vec<String> = result.into_iter().chain(error).collect();
        (!parts.is_empty()).then(|| format!("{{{}}}", parts.join(",")))
    }
}

/// The record of an outcome.
pub(crate) fn settled(
    of: Index,
    decided: &Decided,
    outcome: &Outcome,
    by: Option<String>,
    now: Micro,
) -> Settled {
    let done = outcome.status == Status::Success;
    Settled {
        t: now,
        of,
        status: outcome.status,
        cost: outcome.cost,
        tokens: outcome.tokens,
        digest: outcome.digest(),
        findings: outcome.screened.as_ref().map(|it| it.findings.clone()).unwrap_or_default(),
        effects: outcome.did.clone(),
        withheld: outcome.screened.as_ref().and_then(|it| it.withheld.clone()),
        changes: changes(decided, outcome),
        agent: decided.agent.clone(),
        realm: decided.realm,
        key: decided.key.clone(),
        session: decided.session.clone().filter(|_| done && !decided.yields.is_empty()),
        labels: if done { decided.yields.clone() } else { Vec::new() },
        by,
    }
}

fn changes(decided: &Decided, outcome: &Outcome) -> Vec<Change> {
    let mut changes = Vec::new();
    for charge in &decided.charges {
        let held = charge.amount;
        let counter = || charge.counter.clone();
        let takes = match (charge.meter, outcome.status) {
            (MeterKind::FailuresInARow | MeterKind::Breaker, Status::Success) => {
                changes.push(Change::Reset { c: counter() });
                continue;
            }
            (MeterKind::Failures | MeterKind::FailuresInARow, Status::Failed) => held.saturating_add(1),
            (MeterKind::Failures | MeterKind::FailuresInARow, _) | (MeterKind::Actions, Status::Failed) => {
                held
            }
            // A tool that refuses a request is not down.
            (MeterKind::Breaker, Status::Failed) if outcome.answered => {
                changes.push(Change::Reset { c: counter() });
                continue;
            }
            (MeterKind::Breaker, Status::Failed | Status::Unknown) => held.saturating_add(1),
            (MeterKind::Breaker, Status::Cancelled) => held,
            // Nobody knows whether it still runs: it counts until it cannot any more.
            (MeterKind::InFlight, Status::Unknown) => held,
            (MeterKind::InFlight, _) => 0,
            (_, Status::Cancelled) => 0,
            (MeterKind::Usd, status) => actual(outcome.cost.map(|cost| cost.0), status, held),
            (MeterKind::Tokens, status) => actual(outcome.tokens, status, held),
            (MeterKind::Argument, Status::Failed) => 0,
            (MeterKind::Actions | MeterKind::Argument, Status::Success | Status::Unknown) => held,
        };
        match takes.saturating_sub(held) {
            0 => (),
            more if more > 0 => changes.push(Change::More { c: counter(), n: more, w: charge.window }),
            less => changes.push(Change::Back { c: counter(), n: less.saturating_neg(), at: decided.t }),
        }
    }
    changes
}

/// What a meter of cost takes in the end.
fn actual(reported: Option<i64>, status: Status, held: i64) -> i64 {
    match (reported, status) {
        // Nothing is known, so nothing moves: whoever settles it later reports the cost.
        (_, Status::Unknown) => held,
        (Some(reported), _) => reported,
        (None, Status::Failed) => 0,
        (None, _) => held,
    }
}
