//! Leases: one holder a name, whatever is asked in whatever order; and the same again after a restart.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use verdict::*;

/// A log in memory, and what another writer writes just before our next append.
#[derive(Default)]
struct Paper(Arc<std::sync::Mutex<Vec<Record>>>, Arc<std::sync::Mutex<Option<Record>>>);

impl Ink for Paper {
    fn turn(&mut self) -> Result<Index, Halt> {
        Ok(self.0.lock().unwrap().len() as Index)
    }
    fn pass(&mut self) {}
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        Ok(self.0.lock().unwrap()[from as usize..].to_vec())
    }
    fn append(&mut self, expected: Index, lines: &[Line], durable: bool) -> Result<(), NotWritten> {
        let mut log = self.0.lock().unwrap();
        if let Some(other) = self.1.lock().unwrap().take() {
            log.push(other);
            return Err(NotWritten::Conflict);
        }
        assert_eq!(expected, log.len() as Index);
        assert!(durable || lines.is_empty(), "a lease is on the disk before it is answered");
        // As text and back: what is folded is what was written.
        log.extend(lines.iter().map(|line| {
            let text = line.record.text().unwrap();
            let read: Record = serde_json::from_slice(&text).unwrap();
            assert_eq!(read, line.record);
            read
        }));
        Ok(())
    }
    fn load(&mut self) -> Result<Option<Books>, Halt> {
        Ok(None)
    }
    fn save(&mut self, _: &Books) -> Result<(), Halt> {
        Ok(())
    }
    fn policy(&mut self, _: Index) -> Result<Arc<Policy>, Halt> {
        panic!("no other policy comes into force here")
    }
    fn changed(&mut self) -> Result<bool, Halt> {
        Ok(false)
    }
}

fn policy() -> Arc<Policy> {
    Arc::new(load::load("p", "version: 1", &mut |_, _| Err(String::new())).unwrap().policy)
}

struct Rig {
    journal: Journal<Paper>,
    log: Arc<std::sync::Mutex<Vec<Record>>>,
    now: Micro,
}

const SECOND: Micro = 1_000_000;

impl Rig {
    fn new() -> Self {
        let paper = Paper::default();
        let log = Arc::clone(&paper.0);
        Self { journal: Journal::open(paper, "main", policy()).unwrap(), log, now: 1_000 * SECOND }
    }
    fn ask(&mut self, order: LeaseOrder) -> Result<Leased, Refusal> {
        match self.journal.sit(self.now, vec![Petition::Lease(order)]).unwrap().remove(0) {
            Ruling::Leased(leased) => Ok(leased),
            Ruling::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }
    fn take(&mut self, kind: LeaseKind, by: &str, request: Option<&str>, seconds: i64) -> Leased {
        let wish = LeaseWish::Take { ttl: seconds * SECOND, request: request.map(str::to_owned) };
        self.ask(order(kind, "k", by, wish)).unwrap()
    }
    fn end(&mut self, kind: LeaseKind, by: &str, of: Index, how: LeaseEnd) -> Result<Leased, Refusal> {
        let (hash, error) = (None, None);
        self.ask(order(kind, "k", by, LeaseWish::End { proof: LeaseProof::Id(of), how, hash, error }))
    }
    fn refolded(&self) -> Books {
        let mut books = Books::default();
        for (at, record) in (0..).zip(self.log.lock().unwrap().iter()) {
            books.apply(at, record);
        }
        books
    }
}

fn order(kind: LeaseKind, name: &str, by: &str, wish: LeaseWish) -> LeaseOrder {
    let name = LeaseName { realm: Realm::Live, space: None, kind, name: name.to_owned() };
    LeaseOrder { name, by: by.to_owned(), wish, payload: None }
}

use LeaseKind::{Lock, Task};

#[test]
fn the_first_holds_it_and_the_same_request_is_the_same_attempt() {
    let mut rig = Rig::new();
    let first = rig.take(Lock, "a", Some("r1"), 60);
    assert_eq!(first.word(), LeaseWord::Taken);
    let second = rig.take(Lock, "a", Some("r2"), 60);
    assert_eq!((second.word(), second.lease().taken), (LeaseWord::Held, first.lease().taken));
    rig.now += 30 * SECOND;
    for _ in 0..2 {
        assert_eq!(rig.take(Lock, "a", Some("r1"), 60).word(), LeaseWord::Taken);
        assert_eq!(rig.take(Lock, "a", Some("r2"), 60).word(), LeaseWord::Held);
    }
    assert_eq!(rig.take(Lock, "b", Some("r1"), 60).word(), LeaseWord::Held, "another's request of that name");
    assert_eq!(rig.take(Lock, "a", None, 60).word(), LeaseWord::Held);
    rig.now += 30 * SECOND;
    assert_eq!(rig.take(Lock, "a", Some("r2"), 60).word(), LeaseWord::Held, "it was refused, and still is");
    assert_eq!(rig.take(Lock, "a", Some("r3"), 60).word(), LeaseWord::Taken, "its time is over");
}

#[test]
fn what_failed_can_be_taken_again_and_what_is_done_cannot() {
    let mut rig = Rig::new();
    let first = rig.take(Lock, "a", Some("r1"), 60).lease().of;
    assert_eq!(rig.take(Lock, "a", Some("r2"), 60).word(), LeaseWord::Held);
    assert!(rig.end(Lock, "b", first, LeaseEnd::Failed).is_err(), "not theirs");
    assert!(rig.end(Lock, "a", first + 1, LeaseEnd::Failed).is_err(), "not that one");
    assert_eq!(rig.end(Lock, "a", first, LeaseEnd::Failed).unwrap().word(), LeaseWord::Ended);
    assert_eq!(
        rig.end(Lock, "a", first, LeaseEnd::Failed).unwrap().word(),
        LeaseWord::Ended,
        "the same again"
    );
    assert_eq!(rig.take(Lock, "a", Some("r2"), 60).word(), LeaseWord::Taken);
    assert!(rig.end(Lock, "a", first, LeaseEnd::Failed).is_err(), "not any more");

    let task = rig.take(Task, "a", None, 60).lease().of;
    assert_eq!(rig.take(Task, "b", None, 60).word(), LeaseWord::Held);
    rig.now += 61 * SECOND;
    let done = rig.end(Task, "a", task, LeaseEnd::Completed).unwrap();
    assert_eq!(done.word(), LeaseWord::Ended, "late, and nobody took it meanwhile");
    assert_eq!(rig.take(Task, "b", None, 60).word(), LeaseWord::Over);
    let extend = LeaseWish::Extend { proof: LeaseProof::Id(task), ttl: SECOND };
    assert_eq!(rig.ask(order(Task, "k", "a", extend)).unwrap().word(), LeaseWord::Over, "a late heartbeat");
    assert!(rig.end(Task, "a", task, LeaseEnd::Failed).is_err(), "it is done");
    rig.now += LEASE_MEMORY + SECOND;
    assert_eq!(rig.take(Task, "b", None, 60).word(), LeaseWord::Taken, "forgotten");
}

#[test]
fn a_disabled_agent_takes_nothing() {
    let mut rig = Rig::new();
    let mut asked = order(Lock, "k", "a", LeaseWish::Take { ttl: SECOND, request: None });
    asked.name.space = Some("bot".to_owned());
    assert_eq!(rig.ask(asked.clone()).unwrap().word(), LeaseWord::Taken);
    let agent = Command::Agent {
        agent: "bot".into(),
        enabled: Some(false),
        reason: None,
        notes: None,
        by: "x".into(),
    };
    rig.journal.sit(rig.now, vec![Petition::Obey(agent)]).unwrap();
    assert!(matches!(rig.ask(asked), Err(Refusal::Forbidden(_))));
}

#[test]
fn of_a_batch_one_wins() {
    let mut rig = Rig::new();
    let take = |n: usize| {
        let wish = LeaseWish::Take { ttl: SECOND, request: Some(format!("r{n}")) };
        Petition::Lease(order(Lock, "k", "a", wish))
    };
    let rulings = rig.journal.sit(rig.now, (0..64).map(take).collect()).unwrap();
    let won = |ruling: &&Ruling| matches!(ruling, Ruling::Leased(it) if it.word() == LeaseWord::Taken);
    assert_eq!(rulings.iter().filter(won).count(), 1);
    assert_eq!(*rig.journal.books(), rig.refolded());
}

#[test]
fn of_two_processes_the_one_that_is_written_first_wins() {
    let paper = Paper::default();
    let (log, other) = (Arc::clone(&paper.0), Arc::clone(&paper.1));
    let mut rig = Rig { journal: Journal::open(paper, "main", policy()).unwrap(), log, now: 1_000 * SECOND };
    let theirs = LeaseNote {
        t: rig.now,
        kind: Lock,
        name: "k".to_owned(),
        space: None,
        realm: Realm::Live,
        by: "other process".to_owned(),
        event: LeaseEvent::Taken { ttl: 60 * SECOND, request: None },
    };
    *other.lock().unwrap() = Some(Record::Lease(theirs));
    let ours = rig.take(Lock, "a", None, 60);
    assert_eq!((ours.word(), ours.lease().by.as_str()), (LeaseWord::Held, "other process"));
    assert_eq!(*rig.journal.books(), rig.refolded());
}

#[derive(Clone, Debug)]
enum Step {
    Take { kind: LeaseKind, name: u8, by: u8, request: Option<u8>, ttl: i64 },
    Extend { nth: usize, ttl: i64 },
    End { nth: usize, how: LeaseEnd },
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![Just(Lock), Just(Task)];
    let how = prop_oneof![Just(LeaseEnd::Completed), Just(LeaseEnd::Failed), Just(LeaseEnd::Cancelled)];
    let take = (kind, 0..3_u8, 0..3_u8, proptest::option::of(0..4_u8), 1..50_i64)
        .prop_map(|(kind, name, by, request, ttl)| Step::Take { kind, name, by, request, ttl });
    let step = prop_oneof![
        6 => take,
        1 => (0..8_usize, 1..50_i64).prop_map(|(nth, ttl)| Step::Extend { nth, ttl }),
        2 => (0..8_usize, how).prop_map(|(nth, how)| Step::End { nth, how }),
        2 => (0..40_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Reads from the records alone who held what, and fails if two did.
fn audit(records: &[Record]) {
    let mut held: HashMap<(LeaseKind, String), (Index, Micro)> = HashMap::new();
    for (at, record) in (0..).zip(records) {
        let Record::Lease(note) = record else { continue };
        let name = (note.kind, note.name.clone());
        match &note.event {
            LeaseEvent::Taken { ttl, .. } => {
                if let Some((other, until)) = held.get(&name) {
                    assert!(note.t >= *until, "{at} took what {other} held");
                }
                held.insert(name, (at, note.t + ttl));
            }
            LeaseEvent::Refused { of, .. } => {
                assert!(held.get(&name).is_some_and(|(other, until)| other == of && note.t < *until), "{at}");
            }
            LeaseEvent::Extended { of, ttl } => {
                assert_eq!(held[&name].0, *of);
                held.insert(name, (*of, note.t + ttl));
            }
            LeaseEvent::Ended { of, how, .. } => {
                assert_eq!(held[&name].0, *of);
                // What is done is not taken again while it is remembered; what is not, may be at once.
                let until = if *how == LeaseEnd::Completed { note.t + LEASE_MEMORY } else { note.t };
                held.insert(name, (*of, until));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_has_one_holder(steps in steps()) {
        let mut rig = Rig::new();
        let mut taken: Vec<(LeaseKind, String, String, Index)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => rig.now += seconds * SECOND,
                Step::Take { kind, name, by, request, ttl } => {
                    let request = request.map(|request| format!("r{request}"));
                    let (name, by) = (format!("n{name}"), format!("by{by}"));
                    let asked = order(kind, &name, &by, LeaseWish::Take { ttl: ttl * SECOND, request });
                    let leased = rig.ask(asked).unwrap();
                    if leased.word() == LeaseWord::Taken {
                        prop_assert_eq!(&leased.lease().by, &by);
                        taken.push((kind, name, by, leased.lease().of));
                    }
                }
                Step::Extend { nth, ttl } => {
                    let Some((kind, name, by, of)) = taken.iter().rev().nth(nth).cloned() else { continue };
                    let wish = LeaseWish::Extend { proof: LeaseProof::Id(of), ttl: ttl * SECOND };
                    let _late = rig.ask(order(kind, &name, &by, wish));
                }
                Step::End { nth, how } => {
                    let Some((kind, name, by, of)) = taken.iter().rev().nth(nth).cloned() else { continue };
                    let wish = LeaseWish::End { proof: LeaseProof::Id(of), how, hash: None, error: None };
                    let _late = rig.ask(order(kind, &name, &by, wish));
                }
            }
        }
        audit(&rig.log.lock().unwrap());
        prop_assert_eq!(rig.journal.books(), &rig.refolded());
    }
}
