//! OnceOnly's clients, unmodified: `/onceonly/v1/*` on this gate's own engine.
//!
//! What a call means here is in `docs/onceonly.md`. Answerable for their shapes; what may be done is decided where
//! everything is decided.

pub(super) mod account;
pub(super) mod agents;
pub(super) mod leases;
pub(super) mod locks;
pub(super) mod policies;
pub(super) mod policy_form;
pub(super) mod run;
pub(super) mod runs;
pub(super) mod tools;
mod work;

use verdict::{Halt, LeaseKind, LeaseName, LeaseOrder, LeaseWish, Leased, Malformed, Micro, Refusal};

use super::dialect::{invalid, worded};
use super::problem::Problem;
use super::{Call, halted, refused};
use crate::wire::{self, Fields, Unreadable};

const SECOND: Micro = 1_000_000;

/// What is for the operator to say of how OnceOnly's clients are answered.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Customs {
    /// Answer check-lock of OnceOnly's clients with 409 where the key is taken, instead of 200
    #[arg(long)]
    pub onceonly_conflicts: bool,
    /// Let tools that OnceOnly's clients register be on this machine and in private networks
    #[arg(long)]
    pub onceonly_private_tools: bool,
}

/// Reads a body by its fields. No body is an empty object.
pub(super) fn read<T>(
    call: &Call,
    of: impl FnOnce(&mut Fields<'_>) -> Result<T, Malformed>,
) -> Result<T, Problem> {
    read_fields(call, of).map(|(read, _)| read)
}

/// The same, and what is left.
fn read_fields<T>(
    call: &Call,
    of: impl FnOnce(&mut Fields<'_>) -> Result<T, Malformed>,
) -> Result<(T, Fields<'_>), Problem> {
    let mut fields = match call.body.is_empty() {
        true => Fields::default(),
        false => wire::read::<Fields<'_>>(&call.body).map_err(|why| match why {
            Unreadable::Syntax(why) => Problem::request(why),
            Unreadable::Shape(why) => invalid("body", "", &why),
        })?,
    };
    let read = of(&mut fields).map_err(|odd| invalid("body", odd.field, &odd.why))?;
    Ok((read, fields))
}

/// What is leased under a key. A key that is bound to an agent sees that agent's names, all others share theirs.
fn name_of(call: &Call, kind: LeaseKind, key: &str) -> Result<LeaseName, Problem> {
    let caller = call.caller()?;
    Ok(LeaseName { realm: caller.realm, space: caller.agent.clone(), kind, name: key.to_owned() })
}

async fn lease(
    call: &Call,
    (kind, key): (LeaseKind, &str),
    wish: LeaseWish,
    payload: Option<String>,
) -> Result<Leased, Problem> {
    let (name, by) = (name_of(call, kind, key)?, call.caller()?.name.clone());
    let order = LeaseOrder { name, by, wish, payload };
    let answered = call.app.gate.desk.lease(order).await.map_err(|halt: Halt| halted(&halt))?;
    answered.map_err(|refusal| match refusal {
        Refusal::Conflict(why) => worded(hyper::StatusCode::CONFLICT, "lease_lost", why),
        other => refused(&other),
    })
}

/// Whole seconds until a time, at least 0.
fn seconds_until(until: Micro, now: Micro) -> i64 {
    until.saturating_sub(now).max(0).saturating_add(SECOND - 1) / SECOND
}
