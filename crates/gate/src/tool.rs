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
mod hand;
mod hush;
pub mod import;
mod lost;
mod notice;
mod pool;
pub mod register;
mod request;
mod sealed;
mod secret;
mod sign;
mod stream;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::views::Reading;

pub(crate) use trust::of as trust_of;

pub(crate) use errand::in_force;
pub use errand::{Errand, Told};
pub use fault::{Fault, Why};
pub use fetch::{Unasked, ask, fetch};
pub use hand::{Ground, Offered};
pub use lost::{Lost, takes, takes_as_run, takes_at_server};
pub use notice::{Notice, address as notice_address};
pub use sealed::{KEY_VARIABLE, NotStored, SealingKey, Store};
pub use stream::Sink;

/// What all calls of tools share: connections, trusted certificates, secrets. Cheap to clone.
#[derive(Clone)]
pub struct Tools(Arc<Shared>);

struct Shared {
    lines: Lines,
    store: Store,
    desktop: hand::Desktop,
    /// How many calls have begun and not ended.
    running: watch::Sender<usize>,
    /// True once calls are given up.
    over: watch::Sender<bool>,
}

/// Connections, and who is believed to be at their other end.
#[derive(Default)]
struct Lines {
    pool: pool::Pool,
    trust: trust::Trust,
}

impl Tools {
    /// With the secrets of the ledger that `desk` writes and `reading` reads, sealed with `key`.
    /// What the gate does itself, it does on `ground`.
    pub fn new(desk: Desk, reading: Reading, key: Option<SealingKey>, ground: Ground) -> Self {
        let store = Store::new(desk, reading, key);
        let (running, over) = (watch::Sender::new(0), watch::Sender::new(false));
        let desktop = hand::Desktop::new(ground);
        Self(Arc::new(Shared { lines: Lines::default(), store, desktop, running, over }))
    }

    /// The secrets that are stored.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// A call begins; it has ended when the guard is dropped.
    pub fn begin(&self) -> Running {
        self.0.running.send_modify(|count| *count = count.saturating_add(1));
        Running(self.clone())
    }

    /// Waits until no call is under way; those that have not ended in time are given up, and end as unknown.
    pub async fn finish(&self, patience: Duration) {
        if timeout(patience, self.idle()).await.is_err() {
            tracing::warn!("calls of tools did not end in time; nobody knows how they will");
            self.0.over.send_replace(true);
            let _recorded = timeout(LAST, self.idle()).await;
        }
    }

    async fn idle(&self) {
        // The sender is ours: it does not go away.
        let mut running = self.0.running.subscribe();
        let _idle = running.wait_for(|count| *count == 0).await;
    }

    /// Ends once calls are given up.
    async fn given_up(&self) {
        let mut over = self.0.over.subscribe();
        let _over = over.wait_for(|over| *over).await;
    }
}

/// How long it may take to record that calls were given up.
const LAST: Duration = Duration::from_secs(5);

/// A call under way.
pub struct Running(Tools);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.send_modify(|count| *count = count.saturating_sub(1));
    }
}
