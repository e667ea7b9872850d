//! The writer: what is done with letters, by its own thread or by those who find it free.
//!
//! Answerable for what waits being written together, for nobody being held up by a disk but those who need it, and for
//! a writer that broke or has closed doing nothing any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};
use verdict::{Books, Command, Halt, Index, Ink, Journal, Petition, Policy, Ruling, Standing};

use super::{Desk, Road, gone};
use crate::clock::Clock;

/// How many petitions share one trip to the disk at most. A larger batch is written alone.
const BATCH: usize = 1_024;
/// How often the ledger is looked at for what others wrote, while somebody waits for that.
const LOOK: Duration = Duration::from_millis(25);
/// And while nobody does.
const LOOK_IDLE: Duration = Duration::from_millis(500);
/// How often questions are looked through for those whose time is over.
const EXPIRE: Duration = Duration::from_secs(1);
/// A trip to a disk that usually takes no longer is made on the thread of whoever needs it.
const QUICK: Duration = Duration::from_micros(200);
/// A shutdown keeps a snapshot if at least so many records came since the last.
const WORTH_SAVING: Index = 5_000;

/// What somebody wants to know of the books.
pub(super) type Question = Box<dyn FnOnce(Result<&Books, &Halt>) + Send>;

/// What reaches the writer.
pub(super) enum Letter {
    Petition(Petition, oneshot::Sender<Result<Ruling, Halt>>),
    Petitions(Vec<Petition>, oneshot::Sender<Result<Vec<Ruling>, Halt>>),
    Question(Question),
    /// Nothing: the thread looks again at how long it may sleep.
    Nudge,
    Close,
}

/// To whom the rulings on how many petitions go.
enum Reply {
    One(oneshot::Sender<Result<Ruling, Halt>>),
    Many(usize, oneshot::Sender<Result<Vec<Ruling>, Halt>>),
}

/// The writer, for its own thread and for those who find it free.
pub(super) struct Shared {
    writer: Mutex<Writer>,
    /// Letters on their way to the thread.
    waiting: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
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

/// The writer.
pub(super) struct Writer {
    journal: Journal<Box<dyn Ink>>,
    policy: Arc<ArcSwap<Policy>>,
    moved: watch::Sender<Index>,
    halted: watch::Sender<Option<Halt>>,
    clock: Clock,
    expired_at: Instant,
    /// How long a trip has taken lately, and one that ends on the disk; nothing is known before the first.
    written: Option<Duration>,
    durable: Option<Duration>,
    /// How long the thread sleeps if nothing arrives.
    asleep: Duration,
    /// Nothing is taken any more.
    closed: bool,
}

impl Shared {
    pub(super) fn of(writer: Writer) -> Self {
        Self { writer: Mutex::new(writer), waiting: AtomicUsize::new(0), thread: Mutex::new(None) }
    }

    /// Keeps the writer's own thread, for whoever waits for its end.
    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        if let Ok(mut slot) = self.thread.lock() {
            *slot = Some(thread);
        }
    }

    /// The writer's own thread, once.
    pub(super) fn thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().ok().and_then(|mut slot| slot.take())
    }

    /// A letter is on its way to the thread.
    pub(super) fn announce(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Does the writer's work with a letter, if nobody else is at it and it takes no time to speak of. What is left
    /// for the thread, if anything: else the letter itself.
    pub(super) fn at_once(&self, letter: Letter) -> Result<Option<Letter>, Halt> {
        // Those who wait are served before, and together.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return Ok(Some(letter));
        }
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::WouldBlock) => return Ok(Some(letter)),
            // A writer that panicked may have left the books half entered: it is not asked again.
            Err(TryLockError::Poisoned(_)) => return Err(gone()),
        };
        if writer.closed {
            return Err(gone());
        }
        if !writer.is_quick(&letter) {
            return Ok(Some(letter));
        }
        writer.work(std::iter::once(letter));
        writer.publish();
        // What takes time besides is the thread's.
        let nudge = writer.journal.is_save_due() || writer.patience() < writer.asleep;
        Ok(nudge.then_some(Letter::Nudge))
    }

    /// The writer's own thread.
    pub(super) fn run(&self, inbox: &Receiver<Letter>) {
        let mut patience = LOOK;
        loop {
            let first = match inbox.recv_timeout(patience) {
                Ok(letter) => Some(letter),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let Some(mut writer) = self.lock() else { return };
            match first {
                Some(letter) => {
                    let counted = std::iter::once(letter).chain(inbox.try_iter()).inspect(|_| {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                    });
                    if writer.work(counted) {
                        break;
                    }
                }
                None => writer.look_around(),
            }
            writer.tidy();
            patience = writer.patience();
            writer.asleep = patience;
        }
        let Some(mut writer) = self.lock() else { return };
        writer.closed = true;
        if let Err(halt) = writer.journal.save_if_due(Some(WORTH_SAVING)) {
            tracing::warn!(reason = %halt, "no snapshot was kept; the next start takes longer");
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Writer>> {
        self.writer.lock().ok()
    }
}

impl Writer {
    /// A writer, and how to make the desk in front of it.
    pub(super) fn open(
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
        let expired_at = Instant::now();
        let (moved_to, halted_to) = (moved_tx, halted_tx);
        let writer = Self {
            journal,
            policy,
            moved: moved_to,
            halted: halted_to,
            clock,
            expired_at,
            written: None,
            durable: None,
            asleep: LOOK,
            closed: false,
        };
        Ok((writer, move |road| Desk {
            road,
            policy: shared,
            moved,
            halted,
            clock: kept,
            inside: Arc::default(),
        }))
    }

    /// Takes what has arrived: one batch of petitions, and the questions in between. True: stop.
    pub(super) fn work(&mut self, letters: impl Iterator<Item = Letter>) -> bool {
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
                Letter::Nudge => {}
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
        closing
    }

    /// What is due besides letters.
    pub(super) fn tidy(&mut self) {
        if let Err(halt) = self.journal.save_if_due(None) {
            tracing::warn!(reason = %halt, "no snapshot was kept; the next start takes longer");
        }
        self.expire();
        self.publish();
    }

    /// True if it is answered without waiting for a disk that takes its time, or for a process that has the pen.
    fn is_quick(&self, letter: &Letter) -> bool {
        match letter {
            Letter::Question(_) => true,
            Letter::Petition(petition, _) => {
                let usual = if petition.is_durable() { self.durable } else { self.written };
                usual.is_some_and(|usual| usual <= QUICK)
            }
            // A batch is work of its own, and closing is the thread's.
            Letter::Petitions(..) | Letter::Nudge | Letter::Close => false,
        }
    }

    fn sit(&mut self, petitions: Vec<Petition>, replies: Vec<Reply>) {
        // What many take together says little of what one takes.
        let kind = match petitions.as_slice() {
            [petition] => Some(petition.is_durable()),
            _ => None,
        };
        let start = Instant::now();
        let sat = self.journal.sit(self.clock.now(), petitions);
        if let Some(is_durable) = kind {
            let usual = if is_durable { &mut self.durable } else { &mut self.written };
            let taken = start.elapsed();
            *usual = Some(usual.map_or(taken, |before| (before * 3 + taken) / 4));
        }
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
