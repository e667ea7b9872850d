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
mod fetch;
pub mod import;
mod pool;
pub mod register;
mod request;
mod sealed;
mod secret;
mod sign;
mod stream;
mod trust;

use std::sync::Arc;

use crate::desk::Desk;
use crate::views::Reading;

pub(crate) use trust::system as system_trust;

pub use errand::{Errand, Told};
pub use fault::{Fault, Why};
pub use fetch::fetch;
pub use sealed::{KEY_VARIABLE, NotStored, SealingKey, Store};
pub use stream::Sink;

/// What all calls of tools share: connections, trusted certificates, secrets. Cheap to clone.
#[derive(Clone)]
pub struct Tools(Arc<Shared>);

struct Shared {
    lines: Lines,
    store: Store,
}

/// Connections, and who is believed to be at their other end.
#[derive(Default)]
struct Lines {
    pool: pool::Pool,
    trust: trust::Trust,
}

impl Tools {
    /// With the secrets of the ledger that `desk` writes and `reading` reads, sealed with `key`.
    pub fn new(desk: Desk, reading: Reading, key: Option<SealingKey>) -> Self {
        let store = Store::new(desk, reading, key);
        Self(Arc::new(Shared { lines: Lines::default(), store }))
    }

    /// The secrets that are stored.
    pub fn store(&self) -> &Store {
        &self.0.store
    }
}
