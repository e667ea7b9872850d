//! The keys that count, beside the requests. Answerable for a revoked key stopping to count: at once where it is
//! revoked, and as soon as the desk notices where another process did it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use verdict::{Books, Halt, Micro};

use crate::desk::Desk;
use crate::keys::{Caller, KeyRing};

/// The least time between two looks at the books. With the desk's own look every 25 ms it stays well under 100 ms.
const BREATH: Duration = Duration::from_millis(10);

pub(super) struct Ring(ArcSwap<Known>);

struct Known {
    keys: KeyRing,
    /// How many keys, and a mix of their ids: ids are random and never used twice.
    mark: (usize, u64),
}

impl Ring {
    /// The keys on the books.
    pub(super) async fn open(desk: &Desk) -> Result<Self, Halt> {
        let known = desk.ask(|books| Known { keys: KeyRing::of(books), mark: mark(books) }).await?;
        Ok(Self(ArcSwap::from_pointee(known)))
    }

    /// Who has this secret.
    pub(super) fn find(&self, secret: &str, now: Micro) -> Option<Caller> {
        self.0.load().keys.find(secret, now).cloned()
    }

    /// Takes in what the books say by now.
    pub(super) async fn refresh(&self, desk: &Desk) -> Result<(), Halt> {
        let before = self.0.load().mark;
        let changed = desk.ask(move |books| {
            let mark = mark(books);
            (mark != before).then(|| Known { keys: KeyRing::of(books), mark })
        });
        if let Some(known) = changed.await? {
            self.0.store(Arc::new(known));
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
