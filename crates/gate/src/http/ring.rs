//! The keys that count, beside the requests. Answerable for a revoked key stopping to count: at once where it is
//! revoked, and as soon as the desk notices where another process did it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use verdict::{Books, Halt, Micro};

use crate::desk::Desk;
use crate::keys::{Caller, KeyRing};

/// The least time between two looks at the books. With the desk's own look every 25 ms it stays well under 100 ms.
const BREATH: Duration = Duration::from_millis(10);

/// The least time between two looks because of a key that nobody knows.
const UNKNOWN: Duration = Duration::from_millis(20);

pub(super) struct Ring {
    known: ArcSwap<Known>,
    looked: Mutex<Option<Instant>>,
}

struct Known {
    keys: KeyRing,
    /// How many keys, and a mix of their ids: ids are random and never used twice.
    mark: (usize, u64),
}

impl Ring {
    /// The keys on the books.
    pub(super) async fn open(desk: &Desk) -> Result<Self, Halt> {
        let known = desk.ask(|books| Known { keys: KeyRing::of(books), mark: mark(books) }).await?;
        Ok(Self { known: ArcSwap::from_pointee(known), looked: Mutex::new(None) })
    }

    /// Who has this secret.
    pub(super) fn find(&self, secret: &str, now: Micro) -> Option<Arc<Caller>> {
        self.known.load().keys.find(secret, now).cloned()
    }

    /// Looks again because of a key that nobody knows: it may have been made a moment ago by another process. True
    /// if it is worth asking again; strangers with wrong keys cannot make us look more often than we like.
    pub(super) async fn look_again(&self, desk: &Desk) -> bool {
        let due = |looked: &mut Option<Instant>| {
            let due = looked.is_none_or(|at| at.elapsed() >= UNKNOWN);
            if due {
                *looked = Some(Instant::now());
            }
            due
        };
        let due = self.looked.lock().is_ok_and(|mut looked| due(&mut looked));
        due && self.refresh(desk).await.is_ok()
    }

    /// Takes in what the books say by now.
    pub(super) async fn refresh(&self, desk: &Desk) -> Result<(), Halt> {
        let before = self.known.load().mark;
        let changed = desk.ask(move |books| {
            let mark = mark(books);
            (mark != before).then(|| Known { keys: KeyRing::of(books), mark })
        });
        if let Some(known) = changed.await? {
            self.known.store(Arc::new(known));
        }
        Ok(())
    }

    /// Refreshes whenever records were added, until the desk closes.
    pub(super) async fn follow(&self, desk: &Desk) {
        let mut moved = desk.moved();
        while moved.changed().await.is_ok() {
            if let Err(halt) = self.refresh(desk).await {
                tracing::warn!(reason = %halt, "the keys could not be read again");
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

fn mark(books: &Books) -> (usize, u64) {
    books.keys().fold((0, 0), |(count, mix), key| {
        let mut hasher = DefaultHasher::new();
        key.id.hash(&mut hasher);
        (count.saturating_add(1), mix ^ hasher.finish())
    })
}
