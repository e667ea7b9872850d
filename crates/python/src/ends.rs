//! How actions with an idempotency key ended, for whoever repeats one: what the server's answers call `original`.
//!
//! Answerable for saying the same as the server where there is a store, and for keeping a bounded part of it where
//! there is none. Decides nothing: without an end the repeated action is refused all the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use gate::views::{Reading, original};
use gate::wire::{Original, decision_id};
use verdict::{Answer, Decided, Index, Outcome, Receipt};

/// How many ends are kept without a store; the oldest go first.
const MOST: usize = 1_024;
/// The longest result that is kept without a store, in bytes of JSON: a repeated action with a longer one is
/// refused without it.
const LONGEST: usize = 64 * 1024;

/// Where ends are found.
pub enum Ends {
    Stored(Reading),
    Here(Mutex<BTreeMap<Index, Original>>),
}

impl Ends {
    /// Those of the ledger at `path`; without one, those of this process.
    pub fn open(path: Option<PathBuf>) -> Result<Self, String> {
        Ok(match path {
            Some(path) => Self::Stored(Reading::open(path).map_err(|fault| fault.to_string())?),
            None => Self::Here(Mutex::default()),
        })
    }

    /// What became of the decision that this one repeats, if it is the same action.
    pub fn of(&self, receipt: &Receipt) -> Option<Original> {
        let of = receipt.repeats()?;
        match self {
            // What cannot be read is left out: the decision stands without it.
            Self::Stored(reading) => reading.with(|reader| original(reader, of)).ok().flatten(),
            Self::Here(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned(),
        }
    }

    /// Notes how the action decided at `of` ended.
    pub fn note(&self, of: Index, decided: &Decided, outcome: &Outcome) {
        let Self::Here(kept) = self else { return };
        let is_long = outcome.result.as_ref().is_some_and(|result| result.canonical().len() > LONGEST);
        if decided.key.is_none() || is_long {
            return;
        }
        let ended = Original {
            decision_id: decision_id(of),
            decision: Answer::Allow,
            status: Some(outcome.status),
            result: outcome.result.clone(),
            error: outcome.error.clone(),
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(of, ended);
        while kept.len() > MOST {
            kept.pop_first();
        }
    }
}
