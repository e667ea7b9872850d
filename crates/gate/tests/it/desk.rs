//! Who does the writer's work: whoever comes while nobody else is there, where that takes no time, and the writer's own
//! thread for all others. Either way each is answered once, after it is on record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gate::clock::Clock;
use gate::desk::Desk;
use gate::ink::LedgerInk;
use gate::path::{Carried, Gate, World};
use verdict::{
    Answer, Books, Command, Draft, Halt, Hold, Index, Ink, Line, NotWritten, Outcome, Policy, Receipt,
    Record, Status,
};

use crate::http_client::{Folder, POLICY, block, open_gate};

/// A ledger whose trips take as long as they are told to, and are noted with the thread that made them.
struct Slow {
    ink: LedgerInk,
    durable: Arc<AtomicU64>,
    trips: Trips,
}

type Trips = Arc<Mutex<Vec<(bool, bool)>>>;

impl Ink for Slow {
    fn turn(&mut self) -> Result<Index, Halt> {
        self.ink.turn()
    }
    fn pass(&mut self) {
        self.ink.pass();
    }
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        self.ink.read(from)
    }
    fn append(&mut self, expected: Index, lines: &[Line], durable: bool) -> Result<(), NotWritten> {
        // Written without the disk either way: how long it takes is ours to say.
        self.ink.append(expected, lines, false)?;
        if durable {
            thread::sleep(Duration::from_micros(self.durable.load(Ordering::Relaxed)));
        }
        let of_writer = thread::current().name() == Some("ledger-writer");
        self.trips.lock().unwrap().push((durable, of_writer));
        Ok(())
    }
    fn load(&mut self) -> Result<Option<Books>, Halt> {
        self.ink.load()
    }
    fn save(&mut self, books: &Books) -> Result<(), Halt> {
        self.ink.save(books)
    }
    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt> {
        self.ink.policy(at)
    }
    fn changed(&mut self) -> Result<bool, Halt> {
        self.ink.changed()
    }
}

/// A world in which everything works at once.
struct Fine;

impl World for Fine {
    async fn ask(&self, _approval: Index, _receipt: &Receipt) {}
    async fn execute(&self, _hold: &Hold) -> Outcome {
        Outcome::plain(Status::Success)
    }
}

fn gate_with(folder: &Folder, durable: u64) -> (Gate, Trips, Arc<AtomicU64>) {
    open_gate(folder, POLICY).desk.close();
    let (trips, durable) = (Trips::default(), Arc::new(AtomicU64::new(durable)));
    let ink = LedgerInk::open(&folder.0.join("ledger.db")).unwrap();
    let ink = Slow { ink, durable: Arc::clone(&durable), trips: Arc::clone(&trips) };
    let desk = Desk::open(ink, "main", policy(), Clock::start()).unwrap();
    (Gate { desk, eyes: gate::eyes::Eyes::elsewhere() }, trips, durable)
}

fn policy() -> Arc<Policy> {
    Arc::new(gate::policy_text::of_text("policy.yaml", POLICY).unwrap().loaded.policy)
}

fn read(session: &str) -> Draft {
    Draft {
        agent: "support-bot".to_owned(),
        tool: "crm.read".to_owned(),
        session: Some(session.to_owned()),
        ..Draft::default()
    }
}

async fn called(gate: &Gate, session: &str) {
    match gate.call(read(session), &Fine).await.unwrap().unwrap() {
        Carried::Out(closing) => assert_eq!(closing.settled().status, Status::Success),
        Carried::Refused(receipt) => panic!("{receipt:?}"),
    }
}

#[test]
fn what_waits_for_a_slow_disk_is_written_by_the_writers_thread_and_all_else_at_once() {
    let folder = Folder::new();
    let (gate, trips, durable) = gate_with(&folder, 3_000);
    block(async {
        for _ in 0..20 {
            called(&gate, "s").await;
        }
        let made = trips.lock().unwrap().clone();
        assert_eq!(made.len(), 40);
        assert!(made.iter().all(|(durable, of_writer)| !durable || *of_writer), "{made:?}");
        // The disk has become quick. That is noticed, sooner or later: how quick it is is measured, on this machine.
        durable.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let by_caller =
            |kind: bool| move |(durable, of_writer): &(bool, bool)| *durable == kind && !of_writer;
        loop {
            called(&gate, "s").await;
            let made = trips.lock().unwrap();
            if made.iter().any(by_caller(true)) && made.iter().any(by_caller(false)) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "nothing is written by who brings it");
        }
    });
    gate.desk.close();
}

#[test]
fn many_at_once_are_each_on_record_once() {
    let folder = Folder::new();
    let (gate, ..) = gate_with(&folder, 0);
    let begin = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|number| {
            let (gate, begin) = (gate.clone(), Arc::clone(&begin));
            thread::spawn(move || {
                begin.wait();
                block(async {
                    for _ in 0..25 {
                        called(&gate, &format!("s{number}")).await;
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let records = block(gate.desk.ask(|books| books.next())).unwrap();
    // The policy, a decision and an end each.
    assert_eq!(records, 1 + 2 * 16 * 25);
    assert_eq!(block(gate.desk.ask(|books| books.open().count())).unwrap(), 0);
    gate.desk.close();
    assert!(block(gate.check(read("late"))).unwrap().is_err(), "nothing is admitted after the end");
    assert!(block(gate.desk.ask(|books| books.next())).is_err());
}

/// The writer's thread sleeps long while nobody waits; a question that was written past it is waited for all the same.
#[test]
fn what_another_process_answers_is_noticed_soon_whoever_wrote_the_question() {
    let folder = Folder::new();
    let (gate, ..) = gate_with(&folder, 0);
    let other = {
        let ink = LedgerInk::open(&folder.0.join("ledger.db")).unwrap();
        Desk::inline(ink, "other", policy(), Clock::start()).unwrap()
    };
    block(async {
        for _ in 0..20 {
            called(&gate, "s").await;
        }
        let draft = Draft {
            tool: "stripe.refund".to_owned(),
            args: Some(verdict::Json::parse(br#"{"amount": 500}"#).unwrap()),
            ..read("s")
        };
        let receipt = gate.check(draft).await.unwrap().unwrap();
        assert_eq!(receipt.decided().decision, Answer::Pending);
        let mut moved = gate.desk.moved();
        moved.mark_unchanged();
        let close = Command::Close { of: receipt.at(), cancelled: true };
        other.obey(close).await.unwrap().unwrap();
        let start = Instant::now();
        tokio::time::timeout(Duration::from_secs(5), moved.changed()).await.unwrap().unwrap();
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    });
    gate.desk.close();
}
