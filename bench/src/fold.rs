//! Check, reserve and fold: `decide`, `Journal::sit` and the books, without HTTP. First over paper that keeps
//! nothing, then over the real ledger, then the ledger alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gate::ink::LedgerInk;
use ledger::{Draft, Log as _, SqliteLog, Sync};
use verdict::{
    Books, Case, Halt, Index, Ink, Journal, Line, NotWritten, Petition, Policy, Record, Ruling, decide,
};

use crate::Effort;
use crate::decide::{Dice, NOW};
use crate::disk::{Scratch, syncs};
use crate::policies::{agent, case, compile, text_by_role};
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

/// Petitions that share one append.
const BATCH: usize = 64;

/// Paper that counts its lines and keeps none.
struct Counted(Index);

impl Ink for Counted {
    fn turn(&mut self) -> std::result::Result<Index, Halt> {
        Ok(self.0)
    }
    fn pass(&mut self) {}
    fn read(&mut self, _: Index) -> std::result::Result<Vec<Record>, Halt> {
        Ok(Vec::new())
    }
    fn append(&mut self, _: Index, lines: &[Line], _: bool) -> std::result::Result<(), NotWritten> {
        self.0 += lines.len() as Index;
        Ok(())
    }
    fn load(&mut self) -> std::result::Result<Option<Books>, Halt> {
        Ok(None)
    }
    fn save(&mut self, _: &Books) -> std::result::Result<(), Halt> {
        Ok(())
    }
    fn policy(&mut self, _: Index) -> std::result::Result<Arc<Policy>, Halt> {
        Err(Halt("paper keeps nothing".to_owned()))
    }
    fn changed(&mut self) -> std::result::Result<bool, Halt> {
        Ok(false)
    }
}

/// A journal, the policy it goes by, and actions to decide.
pub struct Bench<I> {
    journal: Journal<I>,
    policy: Arc<Policy>,
    cases: Vec<Case>,
    dice: Dice,
    now: i64,
}

impl<I: Ink> Bench<I> {
    /// Ten rules and three limits for each of so many agents.
    pub fn new(ink: I, agents: usize) -> Self {
        let policy = compile(&text_by_role(agents));
        let cases = (0..agents).map(|n| case(&policy, &agent(n))).collect();
        let journal = Journal::open(ink, "main", Arc::clone(&policy)).expect("the journal opens");
        Self { journal, policy, cases, dice: Dice::new(), now: NOW }
    }

    /// Decides, reserves, folds and appends one batch of a random agent each; panics if anything is refused.
    /// Nanoseconds, without making the cases.
    pub fn batch(&mut self, size: usize) -> f64 {
        let cases: Vec<Case> =
            (0..size).map(|_| self.cases[self.dice.roll(self.cases.len())].clone()).collect();
        self.now += 2 * size as i64;
        let start = Instant::now();
        let petitions =
            cases.into_iter().map(|it| Petition::Decide(decide(&self.policy, it, self.now))).collect();
        let rulings = self.journal.sit(self.now, petitions).expect("the journal writes");
        assert!(rulings.iter().all(|it| matches!(it, Ruling::Go(_))), "an action was refused");
        drop(rulings);
        start.elapsed().as_nanos() as f64
    }

    /// Keeps a snapshot where the gate would.
    pub fn save_if_due(&mut self) {
        self.journal.save_if_due(None).expect("a snapshot is kept");
    }

    /// Keeps a snapshot now.
    pub fn save(&mut self) {
        self.journal.save_if_due(Some(0)).expect("a snapshot is kept");
    }

    /// How many records there are.
    pub fn size(&self) -> Index {
        self.journal.books().next()
    }

    /// Batches for so long.
    fn round(&mut self, seconds: f64) -> Round {
        let mut samples = Vec::new();
        let mut taken = 0.0;
        while taken < seconds * 1e9 {
            let batch = self.batch(BATCH);
            taken += batch;
            samples.push(batch);
            self.save_if_due();
        }
        rated(samples, BATCH)
    }
}

/// How many things a second, where each sample is a batch of so many.
fn rated(samples: Vec<f64>, batch: usize) -> Round {
    let taken: f64 = samples.iter().sum();
    let rate = (samples.len() * batch) as f64 / taken * 1e9;
    Round { samples, rate: Some(rate) }
}

/// In memory and on the ledger.
pub fn measure(effort: &Effort) -> Vec<Section> {
    vec![in_memory(effort), on_disk(effort)]
}

fn in_memory(effort: &Effort) -> Section {
    let seconds = effort.seconds / 2.0;
    let mut one = Bench::new(Counted(0), 1);
    let mut many = Bench::new(Counted(0), 10_000);
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new("1 agent", || one.round(seconds)),
            Contender::new("10,000 agents, a random one each", || many.round(seconds)),
        ],
    );
    let notes = vec![format!(
        "all are allowed and none is settled, so that the table of open actions only grows: {} and {} records at the end",
        one.size(),
        many.size()
    )];
    Section {
        title: "check + reserve + fold, in memory".to_owned(),
        method: format!(
            "one thread; decide, then Journal::sit in batches of {BATCH}, over paper that keeps nothing; 10 rules and \
             3 limits an agent; making the actions is not timed; p50 and p99 are of a whole batch"
        ),
        aim: ">= 500,000/s on one core",
        rows: results.iter().map(Result::row).collect(),
        notes,
    }
}

fn on_disk(effort: &Effort) -> Section {
    let seconds = effort.seconds / 2.0;
    let scratch = Scratch::new("fold");
    let ink = LedgerInk::open(&scratch.file("journal.db")).expect("a ledger opens");
    let mut journal = Bench::new(ink, 100);
    let mut plain = Plain::open(&scratch.file("plain.db"));
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new("decide + sit on the ledger", || journal.round(seconds)),
            Contender::new("the ledger alone, the same texts", || plain.round(seconds)),
            Contender::new("4 KiB and fdatasync", || syncs(&scratch, 500)),
        ],
    );
    Section {
        title: "durable batches, without HTTP".to_owned(),
        method: format!(
            "one thread; batches of {BATCH}, each committed, signed and synced; p50 and p99 are of a whole batch"
        ),
        aim: "none of its own: what HTTP starts from",
        rows: results.iter().map(Result::row).collect(),
        notes: Vec::new(),
    }
}

/// The ledger without anything that knows what its records mean.
struct Plain {
    log: SqliteLog,
    batch: Vec<Draft>,
    size: u64,
}

impl Plain {
    fn open(path: &Path) -> Self {
        // As long as a decision on record is.
        let body = br#"{"decided":{"t":1795000000000000,"decision":"allow","code":"allowed","agent":"bot-17","tool":"stripe.refund","rule":"small","policy":"0123456789abcdef0123456789abcdef","risk":"high","user":"u-4711","session":"s-815","step":"3","environment":"production","digest":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","effects":[{"kind":"payment"}],"charges":[{"c":"live|actions per 1h|bot-17","n":1,"w":3600000000,"m":"actions"},{"c":"live|usd per 1d|bot-17","n":10000,"w":86400000000,"m":"usd"},{"c":"live|args.amount per 1d on stripe.refund|bot-17","n":150000000,"w":86400000000,"m":"argument"}],"cost":10000}}"#;
        let payload = format!("{{\"args\":{}}}", crate::policies::ARGS).into_bytes();
        let batch = vec![Draft { body: body.to_vec(), payload: Some(payload), refers: None }; BATCH];
        Self { log: SqliteLog::open(path).expect("a ledger opens"), batch, size: 0 }
    }

    fn round(&mut self, seconds: f64) -> Round {
        let mut samples = Vec::new();
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            self.log.append(self.size, &self.batch, Sync::Durable).expect("the ledger writes");
            self.size += BATCH as u64;
            samples.push(start.elapsed().as_nanos() as f64);
        }
        rated(samples, BATCH)
    }
}
