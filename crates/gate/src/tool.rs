//! The gate calls a tool itself, over HTTP: from a hold to an outcome.
//!
//! Answerable for a call going to the machine that was looked at and to no other, for trying again only where that
//! is safe, and for saying of every call how it ended: done, surely not done, or nobody knows. Decides nothing: a
//! call is made for a [`Hold`](verdict::Hold), and its end is recorded by whoever holds it.

mod attempt;
mod egress;
mod ending;
mod errand;
mod fault;
mod pool;
mod request;
mod secret;
mod sign;
mod trust;

use std::sync::Arc;

pub use errand::{Errand, Told};
pub use fault::{Fault, Why};

/// What all calls of tools share: connections, trusted certificates. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tools(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pool: pool::Pool,
    trust: trust::Trust,
    secrets: secret::Secrets,
}
