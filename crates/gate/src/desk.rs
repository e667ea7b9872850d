//! The desk: the one thread that writes, and how everyone else reaches it.
//!
//! Petitions that arrive while a batch is being written wait for the next one, so that one trip to the disk
//! serves all who wait. Answerable for batching, for noticing what other processes wrote, and for never
//! answering before the batch is on record. Knows nothing of what petitions mean.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};
use verdict::{
    Action, Books, Closing, Command, Halt, Hold, Index, Ink, Journal, LeaseOrder, Leased, Petition, Policy,
    Receipt, Refusal, Ruling, Settling, Standing, Verdict,
};

use crate::clock::Clock;

/// How many petitions share one trip to the disk at most. A larger batch is written alone.
const BATCH: usize = 1_024;
/// How often the ledger is looked at for what others wrote, while somebody waits for that.
const LOOK: Duration = Duration::from_millis(25);
/// And while nobody does.
const LOOK_IDLE: Duration = Duration::from_millis(500);
/// How often questions are looked through for those whose time is over.
const EXPIRE: Duration = Duration::from_secs(1);
/// A shutdown keeps a snapshot if at least so many records came since the last.
const WORTH_SAVING: Index = 5_000;

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
}

/// Where letters go.
#[derive(Clone)]
enum Road {
    /// To a thread of the writer's own, where those that wait share a trip to the disk.
    Thread(Sender<Letter>, Arc<Mutex<Option<JoinHandle<()>>>>),
    /// To the writer at once, on the sender's thread: for a single client, and for simulations.
    Inline(Arc<Mutex<Writer>>),
}

/// To whom the rulings on how many petitions go.
enum Reply {
    One(oneshot::Sender<Result<Ruling, Halt>>),
    Many(usize, oneshot::Sender<Result<Vec<Ruling>, Halt>>),
}

type Question = Box<dyn FnOnce(Result<&Books, &Halt>) + Send>;

enum Letter {
    Petition(Petition, oneshot::Sender<Result<Ruling, Halt>>),
    Petitions(Vec<Petition>, oneshot::Sender<Result<Vec<Ruling>, Halt>>),
    Question(Question),
    Close,
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
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| Halt(format!("the writer cannot be started: {error}")))?;
        Ok(desk(Road::Thread(letters, Arc::new(Mutex::new(Some(thread))))))
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
        if let Road::Thread(_, thread) = &self.road
            && let Some(thread) = thread.lock().ok().and_then(|mut slot| slot.take())
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
            Road::Thread(letters, _) => letters.send(letter).map_err(|_| gone()),
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

impl Reply {
    /// Takes its share of the rulings. Whoever asked may have hung up: what was recorded stays recorded.
    fn send(self, rulings: &mut impl Iterator<Item = Ruling>) {
        match self {
            Self::One(to) => {
                let _gone = to.send(rulings.next().ok_or_else(gone));
            }
            Self::Many(count, to) => {
                let _gone = to.send(Ok(rulings.by_ref().take(count).collect()));
            }
        }
    }

    fn fail(self, halt: &Halt) {
        match self {
            Self::One(to) => {
                let _gone = to.send(Err(halt.clone()));
            }
            Self::Many(_, to) => {
                let _gone = to.send(Err(halt.clone()));
            }
        }
    }
}

/// The writer has stopped: the gate is shutting down.
fn gone() -> Halt {
    Halt("the gate is shutting down".to_owned())
}

struct Writer {
    journal: Journal<Box<dyn Ink>>,
    policy: Arc<ArcSwap<Policy>>,
    moved: watch::Sender<Index>,
    halted: watch::Sender<Option<Halt>>,
    clock: Clock,
    expired_at: Instant,
}

impl Writer {
    /// A writer, and how to make the desk in front of it.
    fn open(
        ink: Box<dyn Ink>,
        line: &str,
        policy: Arc<Policy>,
        clock: Clock,
    ) -> Result<(Self, impl FnOnce(Road) -> Desk), Halt> {
        let journal = Journal::open(ink, line, policy)?;
        let policy = Arc::new(ArcSwap::new(Arc::clone(journal.policy())));
        let (moved_tx, moved) = watch::channel(journal.books().next());
        let (halted_tx, halted) = watch::channel(None);
        let shared = Arc::clone(&policy);
        let kept = clock.clone();
        let writer =
            Self { journal, policy, moved: moved_tx, halted: halted_tx, clock, expired_at: Instant::now() };
        Ok((writer, move |road| Desk { road, policy: shared, moved, halted, clock: kept }))
    }

    fn run(mut self, inbox: &Receiver<Letter>) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(letter) => {
                    if self.work(std::iter::once(letter).chain(inbox.try_iter())) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look_around(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tidy();
        }
        if let Err(halt) = self.journal.save_if_due(Some(WORTH_SAVING)) {
            tracing::warn!(reason = %halt, "no snapshot was kept; the next start takes longer");
        }
    }

    /// Takes what has arrived: one batch of petitions, and the questions in between. True: stop.
    fn work(&mut self, letters: impl Iterator<Item = Letter>) -> bool {
        let mut petitions = Vec::new();
        let mut replies: Vec<Reply> = Vec::new();
        let mut questions = Vec::new();
        let mut closing = false;
        for letter in letters {
            match letter {
                Letter::Petition(petition, reply) => {
                    replies.push(Reply::One(reply));
                    petitions.push(petition);
                }
                Letter::Petitions(more, reply) => {
                    replies.push(Reply::Many(more.len(), reply));
                    petitions.extend(more);
                }
                Letter::Question(question) => questions.push(question),
                Letter::Close => closing = true,
            }
            if closing || petitions.len() >= BATCH {
                break;
            }
        }
        if !petitions.is_empty() {
            self.sit(petitions, replies);
        }
        if !questions.is_empty() {
            self.answer(questions);
        }
        if let Err(halt) = self.journal.save_if_due(None) {
            tracing::warn!(reason = %halt, "no snapshot was kept; the next start takes longer");
        }
        closing
    }

    /// What is due besides letters.
    fn tidy(&mut self) {
        self.expire();
        self.publish();
    }

    fn sit(&mut self, petitions: Vec<Petition>, replies: Vec<Reply>) {
        let sat = self.journal.sit(self.clock.now(), petitions);
        // Waiters may act the moment they are answered: what they look at must be up to date before.
        self.publish();
        match sat {
            Ok(rulings) => {
                let mut rulings = rulings.into_iter();
                for reply in replies {
                    reply.send(&mut rulings);
                }
            }
            Err(halt) => {
                tracing::error!(reason = %halt, "nothing is admitted: the ledger cannot be written");
                for reply in replies {
                    reply.fail(&halt);
                }
            }
        }
    }

    fn answer(&mut self, questions: Vec<Question>) {
        let caught = self.journal.catch_up();
        for question in questions {
            match &caught {
                Ok(()) => question(Ok(self.journal.books())),
                Err(halt) => question(Err(halt)),
            }
        }
    }

    fn look_around(&mut self) {
        if let Err(halt) = self.journal.catch_up() {
            tracing::error!(reason = %halt, "the ledger cannot be read");
        }
    }

    /// Ends the questions whose time is over, so that their end is on record.
    fn expire(&mut self) {
        if self.expired_at.elapsed() < EXPIRE {
            return;
        }
        self.expired_at = Instant::now();
        let now = self.clock.now();
        let over = self.journal.books().awaited().filter(|(_, it)| it.ended.is_none());
        let due: Vec<Petition> = over
            .filter(|(_, it)| it.standing(now) == Standing::Expired)
            .map(|(of, _)| Petition::Obey(Command::Close { of, cancelled: false }))
            .collect();
        if !due.is_empty()
            && let Err(halt) = self.journal.sit(now, due)
        {
            tracing::error!(reason = %halt, "expired approvals could not be recorded");
        }
    }

    fn publish(&mut self) {
        if !Arc::ptr_eq(&self.policy.load(), self.journal.policy()) {
            self.policy.store(Arc::clone(self.journal.policy()));
        }
        let next = self.journal.books().next();
        self.moved.send_if_modified(|seen| std::mem::replace(seen, next) != next);
        let halted = self.journal.halted().cloned();
        self.halted.send_if_modified(|seen| {
            let changed = *seen != halted;
            seen.clone_from(&halted);
            changed
        });
    }

    /// How long to sleep if nothing arrives.
    fn patience(&self) -> Duration {
        let waited_for = self.journal.books().awaited().next().is_some();
        if waited_for || self.moved.receiver_count() > 1 { LOOK } else { LOOK_IDLE }
    }
}
