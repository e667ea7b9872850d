//! What stands for which value, session by session, so that an agent can go on referring to a thing it may not see.
//!
//! In memory alone: values that were replaced are written down nowhere.

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use inspect::redact::Placeholders;
use verdict::Realm;

/// The most sessions that are remembered, and how long after their last use.
const MOST: usize = 10_000;
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// Whose session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) realm: Realm,
    pub(super) agent: String,
    pub(super) session: Option<String>,
}

/// Placeholders of all sessions.
pub(super) struct Names {
    key: [u8; 32],
    runs: HashMap<Run, (Instant, Placeholders)>,
}

impl Names {
    /// None yet, under a key of its own.
    pub(super) fn new() -> Self {
        let mut key = [0_u8; 32];
        // Without randomness two processes could be compared by their placeholders; nothing else depends on it.
        let _unseeded = getrandom::fill(&mut key);
        Self { key, runs: HashMap::new() }
    }

    /// The placeholders of one session.
    pub(super) fn of(&mut self, run: &Run) -> &mut Placeholders {
        let now = Instant::now();
        if self.runs.len() >= MOST && !self.runs.contains_key(run) {
            self.runs.retain(|_, (used, _)| now.duration_since(*used) < REMEMBERED);
            if self.runs.len() >= MOST
                && let Some(oldest) =
                    self.runs.iter().min_by_key(|(_, (used, _))| *used).map(|(run, _)| run.clone())
            {
                self.runs.remove(&oldest);
            }
        }
        let key = self.key;
        let entry = self.runs.entry(run.clone()).or_insert_with(|| (now, Placeholders::new(key)));
        entry.0 = now;
        &mut entry.1
    }
}
