//! What the journal gives out: values that exist only once something is on record, or is about to be.
//!
//! Their fields are the journal's alone; everyone else can read them, consume them, and make none.

use crate::admit::Remaining;
use crate::decide::{Case, Code};
use crate::record::{Decided, Index, Settled};
use crate::settle::Outcome;

/// An action that is allowed, whose limits are held and whose record is durable. Only the journal makes one, so
/// carrying out what was merely permitted does not compile:
///
/// ```compile_fail,E0308
/// # fn run(permit: verdict::Permit) {
/// fn carry_out(hold: &verdict::Hold) {}
/// carry_out(&permit);
/// # }
/// ```
///
/// and neither does making one up:
///
/// ```compile_fail,E0451
/// # fn forge(receipt: verdict::Receipt, case: Box<verdict::Case>) -> verdict::Hold {
/// verdict::Hold { receipt, case }
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Hold {
    pub(super) receipt: Receipt,
    pub(super) case: Box<Case>,
}

/// Proof that a decision is on record. An answer can be made of nothing else.
///
/// ```compile_fail,E0451
/// # fn forge(decided: verdict::Decided) -> verdict::Receipt {
/// verdict::Receipt { at: 1, decided: Box::new(decided), remaining: vec![], retry_after: None, conflict: false }
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Receipt {
    pub(super) at: Index,
    pub(super) decided: Box<Decided>,
    pub(super) remaining: Vec<Remaining>,
    pub(super) retry_after: Option<i64>,
    pub(super) conflict: bool,
}

/// An outcome that is ready to be recorded.
#[derive(Debug)]
#[must_use]
pub struct Settling {
    pub(super) of: Index,
    pub(super) decided: Box<Decided>,
    pub(super) outcome: Outcome,
    pub(super) by: Option<String>,
    pub(super) durable: bool,
}

/// Proof that an action's end is on record.
#[derive(Debug)]
#[must_use]
pub struct Closing {
    pub(super) at: Index,
    pub(super) settled: Box<Settled>,
    pub(super) outcome: Box<Outcome>,
}

impl Hold {
    /// What to carry out.
    pub fn case(&self) -> &Case {
        &self.case
    }
    /// The proof that it may be.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
    /// Hands the decision to a caller who carries it out and reports.
    pub fn hand_over(self) -> Receipt {
        self.receipt
    }
    /// Ends it. Takes the hold, so that an action ends once:
    ///
    /// ```compile_fail,E0382
    /// # fn twice(hold: verdict::Hold) {
    /// let once = hold.settle(verdict::Outcome::plain(verdict::Status::Success));
    /// let twice = hold.settle(verdict::Outcome::plain(verdict::Status::Failed));
    /// # }
    /// ```
    pub fn settle(self, outcome: Outcome) -> Settling {
        let by = self.receipt.decided.by.clone();
        Settling { of: self.receipt.at, decided: self.receipt.decided, outcome, by, durable: false }
    }
}

impl Receipt {
    /// Where it is recorded.
    pub fn at(&self) -> Index {
        self.at
    }
    /// What is recorded.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }
    /// What is left of each limit, after an allow.
    pub fn remaining(&self) -> &[Remaining] {
        &self.remaining
    }
    /// Microseconds after which the same action could pass.
    pub fn retry_after(&self) -> Option<i64> {
        self.retry_after
    }
    /// True if the idempotency key belongs to another action.
    pub fn is_conflict(&self) -> bool {
        self.conflict
    }
    /// The decision that this one repeats, if it is the same action.
    pub fn repeats(&self) -> Option<Index> {
        let repeated = matches!(self.decided.code, Code::Duplicate | Code::InProgress) && !self.conflict;
        self.decided.duplicate_of.filter(|_| repeated)
    }
}

impl Settling {
    /// An outcome that a caller reports for the decision recorded at `of`.
    pub fn reported(of: Index, decided: Decided, outcome: Outcome, by: Option<String>) -> Self {
        Self { of, decided: Box::new(decided), outcome, by, durable: true }
    }
}

impl Closing {
    /// Where it is recorded.
    pub fn at(&self) -> Index {
        self.at
    }
    /// What is recorded.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }
    /// The outcome, now that it may leave the gate:
    ///
    /// ```compile_fail,E0616
    /// # fn leak(settling: verdict::Settling) -> verdict::Outcome {
    /// settling.outcome
    /// # }
    /// ```
    pub fn into_outcome(self) -> Outcome {
        *self.outcome
    }
}
