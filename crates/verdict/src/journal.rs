//! The order of events: nothing is allowed unless first written, nothing is answered unless last written.
//!
//! The journal takes petitions in batches, holds each against the books as the ones before it left them, and
//! appends all their records at once. Only then do [`Hold`] and [`Receipt`] exist. If the log has moved on, the
//! journal folds what it missed and decides again; if the log cannot be written, it halts: nothing is admitted
//! until the books have been folded anew from what the log really says.

mod proof;

use std::fmt;
use std::sync::Arc;

use crate::admit::{Remaining, Ruled, admit};
use crate::books::Books;
use crate::command::{Command, Refusal, obey};
use crate::decide::{Case, Verdict, decide};
use crate::json::Json;
use crate::lease::{LeaseOrder, Leased, answer};
use crate::limit::Micro;
use crate::policy::Policy;
use crate::record::{Answer, Decided, Index, Record};
use crate::settle::settled;

pub use proof::{Closing, Hold, Receipt, Settling};

/// Where records go: a durable log, or paper.
pub trait Ink: Send {
    /// Waits for the pen and says how many records there are. Nobody else can append until `append` or `pass`.
    fn turn(&mut self) -> Result<Index, Halt>;
    /// Gives the pen back without writing.
    fn pass(&mut self);
    /// Records from `from`, in order; at least one if there is one.
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt>;
    /// Appends all or nothing at `expected`, and gives the pen back. `durable`: survives a power cut.
    fn append(&mut self, expected: Index, lines: &[Line], durable: bool) -> Result<(), NotWritten>;
    /// The books as they were at some time, to start from.
    fn load(&mut self) -> Result<Option<Books>, Halt>;
    /// Keeps the books, to start from later.
    fn save(&mut self, books: &Books) -> Result<(), Halt>;
    /// The policy whose text lies beside the record at `at`.
    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt>;
    /// True if somebody else may have appended since we last looked; cheap.
    fn changed(&mut self) -> Result<bool, Halt>;
}

impl<I: Ink + ?Sized> Ink for Box<I> {
    fn turn(&mut self) -> Result<Index, Halt> {
        (**self).turn()
    }
    fn pass(&mut self) {
        (**self).pass();
    }
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        (**self).read(from)
    }
    fn append(&mut self, expected: Index, lines: &[Line], durable: bool) -> Result<(), NotWritten> {
        (**self).append(expected, lines, durable)
    }
    fn load(&mut self) -> Result<Option<Books>, Halt> {
        (**self).load()
    }
    fn save(&mut self, books: &Books) -> Result<(), Halt> {
        (**self).save(books)
    }
    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt> {
        (**self).policy(at)
    }
    fn changed(&mut self) -> Result<bool, Halt> {
        (**self).changed()
    }
}

/// A record and what lies beside it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The record.
    pub record: Record,
    /// What may be erased without breaking a proof.
    pub payload: Option<String>,
}

/// The log cannot be written or read. Nothing is admitted; the text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt(pub String);

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a batch was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// Another writer was first.
    Conflict,
    /// The log failed.
    Halt(Halt),
}

/// What the journal is asked to write.
#[derive(Debug)]
pub enum Petition {
    /// A decision.
    Decide(Verdict),
    /// An outcome.
    Settle(Settling),
    /// A wish about a lease.
    Lease(LeaseOrder),
    /// Anything else.
    Obey(Command),
}

/// What came of a petition.
#[derive(Debug)]
pub enum Ruling {
    /// Allowed, on record, and held.
    Go(Hold),
    /// Denied or pending, and on record.
    Stop(Receipt),
    /// The outcome is on record.
    Settled(Closing),
    /// A wish about a lease was answered, and what changed is on record.
    Leased(Leased),
    /// Done. The record, if one was needed.
    Done(Option<Index>),
    /// Not taken; nothing has changed and nothing was written.
    Refused(Refusal),
}

/// The single writer of one process.
pub struct Journal<I> {
    ink: I,
    line: String,
    policy: Arc<Policy>,
    books: Books,
    /// Why nothing is admitted.
    halted: Option<Halt>,
    saved_at: Index,
}

/// How many records may follow a snapshot before the next one.
const SAVE_EVERY: Index = 100_000;

impl<I: Ink> Journal<I> {
    /// Opens a journal over what the log already says. `line` names the gates that share a policy; `policy` is in
    /// force until the log says otherwise.
    pub fn open(ink: I, line: &str, policy: Arc<Policy>) -> Result<Self, Halt> {
        let books = Books::default();
        let mut journal = Self { ink, line: line.to_owned(), policy, books, halted: None, saved_at: 0 };
        journal.refold()?;
        Ok(journal)
    }

    /// What all records add up to, as far as this process has read.
    pub fn books(&self) -> &Books {
        &self.books
    }
    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }
    /// Why nothing is admitted, if so.
    pub fn halted(&self) -> Option<&Halt> {
        self.halted.as_ref()
    }
    /// Folds what others have written since, if they have.
    pub fn catch_up(&mut self) -> Result<(), Halt> {
        self.recover()?;
        match self.ink.changed() {
            Ok(false) => return Ok(()),
            Ok(true) => (),
            Err(halt) => return self.note(Err(halt)),
        }
        let size = self.ink.turn();
        self.ink.pass();
        let caught = size.and_then(|size| self.fold_to(size));
        self.note(caught)
    }

    /// Writes a batch. The answers come in the order of the petitions; if there is an error, nothing was allowed.
    pub fn sit(&mut self, now: Micro, petitions: Vec<Petition>) -> Result<Vec<Ruling>, Halt> {
        self.recover()?;
        let sat = self.sit_until_written(now, petitions);
        self.note(sat)
    }

    /// True if a snapshot is due.
    pub fn is_save_due(&self) -> bool {
        self.is_due(SAVE_EVERY)
    }

    /// Keeps a snapshot if one is due.
    pub fn save_if_due(&mut self, at_least: Option<Index>) -> Result<(), Halt> {
        if self.is_due(at_least.unwrap_or(SAVE_EVERY)) {
            self.ink.save(&self.books)?;
            self.saved_at = self.books.next();
        }
        Ok(())
    }

    fn is_due(&self, after: Index) -> bool {
        self.halted.is_none() && self.books.next() >= self.saved_at.saturating_add(after)
    }

    fn sit_until_written(&mut self, now: Micro, petitions: Vec<Petition>) -> Result<Vec<Ruling>, Halt> {
        let mut petitions = petitions;
        loop {
            let size = self.ink.turn()?;
            if let Err(halt) = self.fold_to(size) {
                self.ink.pass();
                return Err(halt);
            }
            let now = now.max(self.books.now());
            let policy_before = Arc::clone(&self.policy);
            let mut lines = Vec::with_capacity(petitions.len());
            let mut staged = Vec::with_capacity(petitions.len());
            let mut durable = false;
            for petition in petitions.drain(..) {
                durable |= petition.is_durable();
                staged.push(self.stage(petition, now, &mut lines));
            }
            if lines.is_empty() {
                self.ink.pass();
                return Ok(rulings(staged, lines));
            }
            match self.ink.append(size, &lines, durable) {
                Ok(()) => return Ok(rulings(staged, lines)),
                Err(NotWritten::Halt(halt)) => {
                    self.policy = policy_before;
                    return Err(halt);
                }
                // The books now hold what was never written: fold again, and decide again.
                Err(NotWritten::Conflict) => {
                    self.policy = policy_before;
                    self.refold()?;
                    petitions = staged.into_iter().map(Staged::into_petition).collect();
                }
            }
        }
    }

    /// Decides one petition against the books, and enters the result.
    fn stage(&mut self, petition: Petition, now: Micro, lines: &mut Vec<Line>) -> Staged {
        let at = self.books.next();
        let (staged, line) = match petition {
            Petition::Decide(verdict) => {
                let verdict = self.under_current_policy(verdict, now);
                let Ruled { decided, remaining, retry_after, conflict } = admit(&self.books, &verdict, now);
                let payload = payload_of(verdict.case());
                let line = Line { record: Record::Decided(decided), payload };
                (Staged::Decided(at, verdict, Beside { remaining, retry_after, conflict }), Some(line))
            }
            Petition::Settle(settling) => self.stage_outcome(at, settling, now),
            Petition::Lease(order) => return self.stage_lease(at, order, now, lines),
            Petition::Obey(command) => match obey(&self.books, &command, now) {
                Err(refusal) => (Staged::Refused(refusal, Petition::Obey(command)), None),
                Ok(None) => (Staged::Obeyed(None, command), None),
                Ok(Some((record, payload))) => {
                    if let Command::Policy { policy, line, .. } = &command
                        && *line == self.line
                    {
                        self.policy = Arc::clone(policy);
                    }
                    (Staged::Obeyed(Some(at), command), Some(Line { record, payload }))
                }
            },
        };
        if let Some(line) = line {
            self.books.apply(at, &line.record);
            lines.push(line);
        }
        staged
    }

    fn stage_outcome(&self, at: Index, settling: Settling, now: Micro) -> (Staged, Option<Line>) {
        if !self.books.is_open(settling.of) {
            let why = format!("dec_{} has no open action: it was settled, or never allowed", settling.of);
            return (Staged::Refused(Refusal::Conflict(why), Petition::Settle(settling)), None);
        }
        let settled = settled(settling.of, &settling.decided, &settling.outcome, settling.by.clone(), now);
        let line = Line { record: Record::Settled(settled), payload: settling.outcome.payload() };
        (Staged::Settled(at, settling), Some(line))
    }

    fn stage_lease(&mut self, at: Index, order: LeaseOrder, now: Micro, lines: &mut Vec<Line>) -> Staged {
        let (word, event) = match answer(&self.books, &order, now) {
            Ok(answered) => answered,
            Err(refusal) => return Staged::Refused(refusal, Petition::Lease(order)),
        };
        let wrote = event.is_some();
        if let Some(event) = event {
            let line = Line { record: order.note(event, now), payload: order.payload.clone() };
            self.books.apply(at, &line.record);
            lines.push(line);
        }
        match self.books.leases.get(&order.name) {
            Some(lease) => Staged::Leased(Leased { word, lease: lease.clone() }, wrote, order),
            None => Staged::Refused(
                Refusal::NotFound("there is no such lease".to_owned()),
                Petition::Lease(order),
            ),
        }
    }

    /// A verdict under a policy that has been replaced since is no verdict.
    fn under_current_policy(&self, verdict: Verdict, now: Micro) -> Verdict {
        if verdict.policy() == self.policy.version() {
            return verdict;
        }
        decide(&self.policy, verdict.into_case(), now)
    }

    /// Folds the records up to `size`.
    fn fold_to(&mut self, size: Index) -> Result<(), Halt> {
        if size < self.books.next() {
            let (next, size) = (self.books.next(), size);
            return Err(Halt(format!(
                "the ledger has {size} records and had {next} before; it was cut or replaced"
            )));
        }
        if size == self.books.next() {
            return Ok(());
        }
        while self.books.next() < size {
            let records = self.ink.read(self.books.next())?;
            if records.is_empty() {
                return Err(Halt(format!("the ledger has no record {}", self.books.next())));
            }
            for record in &records {
                self.books.apply(self.books.next(), record);
            }
        }
        self.follow()
    }

    /// The policy in force is the one on record, whichever gate of our line put it there.
    fn follow(&mut self) -> Result<(), Halt> {
        let Some(in_force) = self.books.policy(&self.line) else { return Ok(()) };
        if *self.policy.version() != in_force.version {
            self.policy = self.ink.policy(in_force.at)?;
        }
        Ok(())
    }

    /// Forgets everything and reads the log again: what it says is what happened.
    fn refold(&mut self) -> Result<(), Halt> {
        let start = self.ink.load().map(Option::unwrap_or_default);
        let size = self.ink.turn();
        self.ink.pass();
        let folded = start.and_then(|books| {
            let size = size?;
            self.saved_at = books.next();
            // A snapshot from after the end belongs to a log that was cut.
            self.books = if books.next() <= size { books } else { Books::default() };
            self.fold_to(size)?;
            // A snapshot may have the policy, and no record after it.
            self.follow()
        });
        self.note(folded)
    }

    /// After a failure, an append of nothing shows that the log can be written and not merely read: a petition
    /// that needs no record must not pass for a proof of that.
    fn prove(&mut self) -> Result<(), Halt> {
        let size = self.ink.turn()?;
        match self.ink.append(size, &[], true) {
            Ok(()) | Err(NotWritten::Conflict) => Ok(()),
            Err(NotWritten::Halt(halt)) => Err(halt),
        }
    }

    /// After a halt the books may hold what was never written: they are folded anew before anything is decided or
    /// answered by them. First the log must prove that it takes records again: that is cheap, and every refused
    /// request pays for it.
    fn recover(&mut self) -> Result<(), Halt> {
        if self.halted.is_none() {
            return Ok(());
        }
        let proven = self.prove();
        self.note(proven)?;
        self.refold()?;
        self.halted = None;
        Ok(())
    }

    fn note<T>(&mut self, result: Result<T, Halt>) -> Result<T, Halt> {
        result.inspect_err(|halt| self.halted = Some(halt.clone()))
    }
}

impl Petition {
    /// True if its answer waits until it would survive a power cut.
    pub fn is_durable(&self) -> bool {
        match self {
            // An outcome of the gate's own that a power cut takes back leaves its action held: nothing is lost
            // that limits or keys rest on.
            Self::Settle(settling) => settling.durable,
            Self::Decide(_) | Self::Lease(_) | Self::Obey(_) => true,
        }
    }
}

/// A petition decided, and not yet written. All but refusals and commands that change nothing have a line.
enum Staged {
    Decided(Index, Verdict, Beside),
    Settled(Index, Settling),
    Leased(Leased, bool, LeaseOrder),
    Obeyed(Option<Index>, Command),
    Refused(Refusal, Petition),
}

/// What an answer says beyond its record.
struct Beside {
    remaining: Vec<Remaining>,
    retry_after: Option<i64>,
    conflict: bool,
}

impl Staged {
    fn into_petition(self) -> Petition {
        match self {
            Self::Decided(_, verdict, _) => Petition::Decide(verdict),
            Self::Settled(_, settling) => Petition::Settle(settling),
            Self::Leased(_, _, order) => Petition::Lease(order),
            Self::Obeyed(_, command) => Petition::Obey(command),
            Self::Refused(_, petition) => petition,
        }
    }
}

/// The answers to a batch. To be called once its lines are written, and only then.
fn rulings(staged: Vec<Staged>, lines: Vec<Line>) -> Vec<Ruling> {
    let mut written = lines.into_iter().map(|line| line.record);
    let ruling = |staged| match staged {
        Staged::Decided(at, verdict, beside) => match written.next() {
            Some(Record::Decided(decided)) => decision(at, verdict, decided, beside),
            _ => out_of_step(),
        },
        Staged::Settled(at, settling) => match written.next() {
            Some(Record::Settled(settled)) => Ruling::Settled(Closing {
                at,
                settled: Box::new(settled),
                outcome: Box::new(settling.outcome),
            }),
            _ => out_of_step(),
        },
        Staged::Leased(leased, wrote, _) => match (wrote, wrote.then(|| written.next()).flatten()) {
            (false, _) | (true, Some(Record::Lease(_))) => Ruling::Leased(leased),
            (true, _) => out_of_step(),
        },
        Staged::Obeyed(Some(at), _) => {
            written.next();
            Ruling::Done(Some(at))
        }
        Staged::Obeyed(None, _) => Ruling::Done(None),
        Staged::Refused(refusal, _) => Ruling::Refused(refusal),
    };
    staged.into_iter().map(ruling).collect()
}

fn decision(at: Index, verdict: Verdict, decided: Box<Decided>, beside: Beside) -> Ruling {
    let Beside { remaining, retry_after, conflict } = beside;
    let allowed = decided.decision == Answer::Allow;
    let receipt = Receipt { at, decided, remaining, retry_after, conflict };
    if allowed {
        Ruling::Go(Hold { receipt, case: verdict.into_boxed_case() })
    } else {
        Ruling::Stop(receipt)
    }
}

/// Each petition has the line that it made. Were it not so, nothing would be answered with a yes.
fn out_of_step() -> Ruling {
    debug_assert!(false, "a petition without its line");
    Ruling::Refused(Refusal::Conflict("the gate lost count of what it wrote; check again".to_owned()))
}

/// What lies beside a decision: arguments and context, which may be personal.
fn payload_of(case: &Case) -> Option<String> {
    let (args, context) = (case.action.args_text(), case.action.context());
    let empty = matches!(context, Json::Map(map) if map.is_empty());
    if args == "{}" && empty {
        return None;
    }
    let mut payload = String::with_capacity(args.len().saturating_add(if empty { 16 } else { 256 }));
    payload.push_str("{\"args\":");
    payload.push_str(args);
    if !empty {
        payload.push_str(",\"context\":");
        context.write_canonical(&mut payload);
    }
    payload.push('}');
    Some(payload)
}
