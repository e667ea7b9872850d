//! The desk: the one writer, and how everyone else reaches it.
//!
//! Petitions that arrive while a batch is being written wait for the next one, so that one trip to the disk
//! serves all who wait; a thread of the writer's own makes it. Who comes while nobody else is there, with what needs
//! no slow trip, does the writer's work at once: going to another thread and back takes longer than the work. Among many
//! it is the other way round, for one trip then serves them all.
//! Answerable for batching, for noticing what other processes wrote, and for never
//! answering before the batch is on record. Knows nothing of what petitions mean.

mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};
use verdict::{
    Action, Books, Closing, Command, Halt, Hold, Index, Ink, LeaseOrder, Leased, Petition, Policy, Receipt,
    Refusal, Ruling, Settling, Standing, Verdict,
};

use crate::clock::Clock;
use writer::{Letter, Question, Shared, Writer};

/// A decision on record.
#[derive(Debug)]
pub enum Admission {
    /// Allowed, and held.
    Go(Hold),
    /// Denied or pending.
    Stop(Receipt),
}

/// How to reach the writer. Cheap to clone; the writer stops when the last one is gone, or at [`Desk::close`].
#[derive(Clone)]
pub struct Desk {
    road: Road,
    policy: Arc<ArcSwap<Policy>>,
    moved: watch::Receiver<Index>,
    halted: watch::Receiver<Option<Halt>>,
    clock: Clock,
    /// How many actions are on their way.
    inside: Arc<AtomicUsize>,
}

/// An action on its way, for as long as it is.
#[derive(Debug)]
pub struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where letters go.
#[derive(Clone)]
enum Road {
    /// To a thread of the writer's own, where those that wait share a trip to the disk; or past it.
    Thread(Sender<Letter>, Arc<Shared>),
    /// To the writer at once, on the sender's thread: for a single client, and for simulations.
    Inline(Arc<Mutex<Writer>>),
}

impl Desk {
    /// Opens the ledger's journal and starts the writer. Blocks until the books are folded.
    pub fn open(
        ink: impl Ink + 'static,
        line: &str,
        policy: Arc<Policy>,
        clock: Clock,
    ) -> Result<Self, Halt> {
        let (letters, inbox) = channel();
        let (writer, desk) = Writer::open(Box::new(ink), line, policy, clock)?;
        let shared = Arc::new(Shared::of(writer));
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || of_thread.run(&inbox))
            .map_err(|error| Halt(format!("the writer cannot be started: {error}")))?;
        shared.keep(thread);
        Ok(desk(Road::Thread(letters, shared)))
    }

    /// The same without a thread: whoever sends a letter does the writer's work. Nothing happens in between, so
    /// what other processes write is noticed when somebody asks.
    pub fn inline(
        ink: impl Ink + 'static,
        line: &str,
        policy: Arc<Policy>,
        clock: Clock,
    ) -> Result<Self, Halt> {
        let (writer, desk) = Writer::open(Box::new(ink), line, policy, clock)?;
        Ok(desk(Road::Inline(Arc::new(Mutex::new(writer)))))
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }
    /// The same for a moment: nothing is counted, and nothing to be held for long.
    pub fn with_policy<T>(&self, look: impl FnOnce(&Policy) -> T) -> T {
        look(&self.policy.load())
    }
    /// The clock that decisions go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
    /// Changes whenever records were added, by whichever process. Noticed within 100 ms.
    pub fn moved(&self) -> watch::Receiver<Index> {
        self.moved.clone()
    }
    /// Why nothing is admitted, if so.
    pub fn halted(&self) -> Option<Halt> {
        self.halted.borrow().clone()
    }

    /// Begins an action: while others are on their way, what is written is written together.
    pub fn enter(&self) -> Inside {
        self.inside.fetch_add(1, Ordering::Relaxed);
        Inside(Arc::clone(&self.inside))
    }

    /// Records a decision.
    pub async fn decide(&self, verdict: Verdict) -> Result<Admission, Halt> {
        admission(self.send(Petition::Decide(verdict)).await?).ok_or_else(gone)
    }

    /// Records decisions in one commit, in order: each counts what the ones before it took.
    pub async fn decide_all(&self, verdicts: Vec<Verdict>) -> Result<Vec<Admission>, Halt> {
        if verdicts.is_empty() {
            return Ok(Vec::new());
        }
        let petitions = verdicts.into_iter().map(Petition::Decide).collect();
        let (reply, answer) = oneshot::channel();
        self.post(Letter::Petitions(petitions, reply))?;
        let rulings = answer.await.map_err(|_| gone())??;
        Ok(rulings.into_iter().filter_map(admission).collect())
    }

    /// Records the end of an action.
    pub async fn settle(&self, settling: Settling) -> Result<Result<Closing, Refusal>, Halt> {
        match self.send(Petition::Settle(settling)).await? {
            Ruling::Settled(closing) => Ok(Ok(closing)),
            Ruling::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(gone()),
        }
    }

    /// Records anything else. The index is that of its record, if it needed one.
    pub async fn obey(&self, command: Command) -> Result<Result<Option<Index>, Refusal>, Halt> {
        match self.send(Petition::Obey(command)).await? {
            Ruling::Done(at) => Ok(Ok(at)),
            Ruling::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(gone()),
        }
    }

    /// Answers a wish about a lease, once what changes is on record.
    pub async fn lease(&self, order: LeaseOrder) -> Result<Result<Leased, Refusal>, Halt> {
        match self.send(Petition::Lease(order)).await? {
            Ruling::Leased(leased) => Ok(Ok(leased)),
            Ruling::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(gone()),
        }
    }

    /// Asks the books, caught up with what other processes wrote.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Books) -> T + Send + 'static,
    ) -> Result<T, Halt> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |books| {
            // The asker may have gone; then nobody misses the answer.
            let _gone = reply.send(books.map(question).map_err(Halt::clone));
        });
        self.post(Letter::Question(question))?;
        answer.await.map_err(|_| gone())?
    }

    /// The newest question about exactly this action that is open, or was agreed to and not used.
    pub async fn question_about(&self, action: Action) -> Result<Option<(Index, Standing)>, Halt> {
        let (version, now) = (self.with_policy(|policy| policy.version().clone()), self.clock.now());
        self.ask(move |books| books.question_about(&action, &version, now)).await
    }

    /// Waits for what is under way, keeps a snapshot and stops the writer.
    pub fn close(&self) {
        // If the writer is gone already there is nothing to wait for.
        let _gone = self.post(Letter::Close);
        if let Road::Thread(_, shared) = &self.road
            && let Some(thread) = shared.thread()
        {
            let _panicked = thread.join();
        }
    }

    async fn send(&self, petition: Petition) -> Result<Ruling, Halt> {
        let (reply, answer) = oneshot::channel();
        self.post(Letter::Petition(petition, reply))?;
        answer.await.map_err(|_| gone())?
    }

    fn post(&self, letter: Letter) -> Result<(), Halt> {
        match &self.road {
            Road::Thread(letters, shared) => {
                let is_alone = self.inside.load(Ordering::Relaxed) <= 1;
                let left = if is_alone { shared.at_once(letter)? } else { Some(letter) };
                let Some(letter) = left else { return Ok(()) };
                shared.announce();
                letters.send(letter).map_err(|_| gone())
            }
            Road::Inline(writer) => {
                // A writer that panicked may have left the books half entered: it is not asked again.
                let mut writer = writer.lock().map_err(|_| gone())?;
                writer.work(std::iter::once(letter));
                writer.tidy();
                Ok(())
            }
        }
    }
}

fn admission(ruling: Ruling) -> Option<Admission> {
    match ruling {
        Ruling::Go(hold) => Some(Admission::Go(hold)),
        Ruling::Stop(receipt) => Some(Admission::Stop(receipt)),
        Ruling::Settled(_) | Ruling::Leased(_) | Ruling::Done(_) | Ruling::Refused(_) => None,
    }
}

/// The writer has stopped: the gate is shutting down.
fn gone() -> Halt {
    Halt("the gate is shutting down".to_owned())
}
