//! Calls that a gate began and will not end: it was killed in the middle of them.
//!
//! Answerable for each of them being on record as one whose end nobody knows, soon after it should have been known: it
//! is listed, its key stays taken, and a person says what became of it. Any gate on the ledger does this for all, so
//! that none has to come back for its own.

use std::time::Duration;

use tokio::time::sleep;
use verdict::{Draft, Index, Outcome, Policy, Settling, Status};

use crate::desk::Desk;
use crate::views::{self, Reading};

/// How often it is looked for them.
const LOOK: Duration = Duration::from_secs(1);
/// How many are seen to at once; the others come next.
const AT_ONCE: usize = 64;
/// How long it may take to record the end of a call, in microseconds.
const SLACK: i64 = 5_000_000;

/// How long a run may take where nobody says, and how long whatever the gate does itself may wait for its turn, start
/// and be cleared away, in milliseconds.
const RUN_MS: u64 = 30_000;
const TURN_MS: u64 = 20_000;

/// How long nobody wonders about a call that an MCP server has, in microseconds. The protocol gives it no time, and its
/// clients rarely wait a minute. An answer that comes later still becomes its end.
const AT_SERVER: i64 = 300_000_000;

/// Microseconds in which the end of this call is on record, whatever happens to it but for the end of the gate.
pub fn takes(policy: &Policy, draft: &Draft) -> Option<i64> {
    let tool = policy.tool_of(&draft.agent, &draft.tool)?;
    let ms = match (tool.endpoint.as_deref(), tool.hand.as_deref()) {
        (Some(endpoint), _) => endpoint.timeout_ms,
        (None, Some(hand)) if hand.runs() => return Some(takes_as_run(policy, draft)),
        (None, Some(hand)) => hand.timeout_ms.saturating_add(TURN_MS),
        (None, None) => return None,
    };
    i64::try_from(ms).ok()?.saturating_mul(1_000).checked_add(SLACK)
}

/// The same for a program that the gate runs, whatever the policy says its tool is.
pub fn takes_as_run(policy: &Policy, draft: &Draft) -> i64 {
    let bound = policy.bounds(&draft.agent, &draft.tool).timeout_ms.unwrap_or(RUN_MS);
    let ms = i64::try_from(bound.saturating_add(TURN_MS)).unwrap_or(i64::MAX);
    ms.saturating_mul(1_000).saturating_add(SLACK)
}

/// The same for a call that goes to an MCP server; `own`: to the gate's own tools as one.
pub fn takes_at_server(policy: &Policy, draft: &Draft, own: bool) -> i64 {
    takes(policy, draft).filter(|_| own).unwrap_or(AT_SERVER)
}

/// Looks for them, and records them.
pub struct Lost {
    /// Writes.
    pub desk: Desk,
    /// The ledger that it writes.
    pub reading: Reading,
}

impl Lost {
    /// Runs beside the server.
    pub async fn run(self) {
        loop {
            let now = self.desk.clock().now();
            let overdue = self.desk.ask(move |books| books.overdue(now).take(AT_ONCE).collect::<Vec<_>>());
            for of in overdue.await.unwrap_or_default() {
                if let Err(why) = self.record(of).await {
                    tracing::warn!(decision = of, reason = %why, "a call that was lost could not be recorded");
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn record(&self, of: Index) -> Result<(), String> {
        let found = self.reading.ask(move |reader| views::decided(reader, of)).await;
        let Some((decided, _)) = found.map_err(|fault| fault.to_string())? else { return Ok(()) };
        let error =
            "the gate was stopped while the tool was called; nobody knows whether it did what was asked";
        let outcome = Outcome { error: Some(error.to_owned()), ..Outcome::plain(Status::Unknown) };
        let settled = self.desk.settle(Settling::reported(of, decided, outcome, None)).await;
        match settled.map_err(|halt| halt.to_string())? {
            Ok(_closing) => tracing::warn!(decision = of, "a call was lost with the gate that made it"),
            // Another gate was first, or the end came after all.
            Err(refusal) => tracing::debug!(decision = of, reason = %refusal, "a call was not lost"),
        }
        Ok(())
    }
}
