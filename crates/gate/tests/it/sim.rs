//! Seeded simulation: the real path, desk and journal, with paper for disk, dice for the world and a number for
//! the time. Faults at any write, hang-ups at any await, other writers, policies that change, restarts; and an
//! independent, slow model ([`crate::model`]) that keeps the books a second time from what is on paper.

mod leases;

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use gate::clock::Clock;
use gate::desk::Desk;
use gate::path::{Carried, Gate, World};
use gate::wire::{CheckReply, write_answer};
use verdict::load::load;
use verdict::*;

use crate::model::{self, Run};

/// Two policies that differ in every maximum.
pub const POLICY: &str = r"
version: 1
tools:
  pay: {args: {amount: money}, effects: [payment], price_usd: 0.5, yields: [private]}
  read: {price_usd: 0.25}
groups: {boss: [ann, bob, cid]}
agents:
  a:
    rules:
      - {name: reading, allow: [read]}
      - {name: small, allow: [pay], when: args.amount <= 10}
      - {name: big, allow: [pay], when: args.amount <= 50, approval: {from: [boss], quorum: 2, timeout: 30s}}
      - {name: flagged, allow: [flag], when: args.flag == true}
      - {name: never, deny: [wipe], reason: it is for ever}
    limits:
      - {meter: actions, max: 6, per: 10s}
      - {meter: args.amount, tools: [pay], max: 60, per: 1m}
      - {meter: usd, max: 4, per: 20s, by: user}
      - {meter: usd, max: 3, per: call}
      - {meter: failures, max: 3, per: 1m, consecutive: true}
      - {meter: actions, max: 4, per: step, tools: [pay]}
  watched:
    mode: observe
    rules: [{name: reading, allow: [read]}]
    limits: [{meter: actions, max: 2, per: 10s}]
";

pub struct Sheet {
    pub lines: Vec<Line>,
    /// Appends from now until something goes wrong, and what.
    fault: Option<(u64, u64)>,
    pub conflicts: u64,
    snapshot: Option<Books>,
}

#[derive(Clone)]
struct Paper {
    sheet: Arc<Mutex<Sheet>>,
    policies: [Arc<Policy>; 2],
    seen: usize,
}

impl Ink for Paper {
    fn turn(&mut self) -> Result<Index, Halt> {
        self.seen = self.sheet.lock().unwrap().lines.len();
        Ok(self.seen as Index)
    }
    fn pass(&mut self) {}
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        let sheet = self.sheet.lock().unwrap();
        // Seven at a time, so that folding takes several reads. Through the real encoding, too.
        let lines = sheet.lines.iter().skip(from as usize).take(7);
        Ok(lines
            .map(|line| serde_json::from_slice(&serde_json::to_vec(&line.record).unwrap()).unwrap())
            .collect())
    }
    fn append(&mut self, expected: Index, lines: &[Line], _durable: bool) -> Result<(), NotWritten> {
        let mut sheet = self.sheet.lock().unwrap();
        let fault = match &mut sheet.fault {
            Some((0, what)) => Some(*what),
            Some((after, _)) => {
                *after -= 1;
                None
            }
            None => None,
        };
        if fault.is_some() {
            sheet.fault = None;
        }
        if fault == Some(0) {
            return Err(NotWritten::Halt(Halt("the disk is full".into())));
        }
        if fault == Some(1) {
            // Somebody else was first: they switched an agent off.
            let t = sheet.lines.last().map_or(0, |line| line.record.at());
            let off = AgentSet {
                t,
                agent: "a".into(),
                enabled: false,
                reason: None,
                notes: None,
                by: "other".into(),
            };
            sheet.lines.push(Line { record: Record::Agent(off), payload: None });
            sheet.conflicts += 1;
        }
        if expected != sheet.lines.len() as Index {
            return Err(NotWritten::Conflict);
        }
        sheet.lines.extend(lines.iter().cloned());
        self.seen = sheet.lines.len();
        // Written, but the word of it is lost.
        if fault == Some(2) { Err(NotWritten::Halt(Halt("the cable is out".into()))) } else { Ok(()) }
    }
    fn load(&mut self) -> Result<Option<Books>, Halt> {
        Ok(self.sheet.lock().unwrap().snapshot.clone())
    }
    fn save(&mut self, books: &Books) -> Result<(), Halt> {
        self.sheet.lock().unwrap().snapshot = Some(books.clone());
        Ok(())
    }
    fn policy(&mut self, at: Index) -> Result<Arc<Policy>, Halt> {
        let payload = self.sheet.lock().unwrap().lines[at as usize].payload.clone().unwrap();
        Ok(Arc::clone(&self.policies[usize::from(payload == "p2")]))
    }
    fn changed(&mut self) -> Result<bool, Halt> {
        Ok(self.seen != self.sheet.lock().unwrap().lines.len())
    }
}

struct Dice(Mutex<u64>);

impl Dice {
    fn roll(&self, n: u64) -> u64 {
        let mut s = self.0.lock().unwrap();
        *s ^= *s << 13;
        *s ^= *s >> 7;
        *s ^= *s << 17;
        (*s >> 11) % n
    }
    fn of<T: Clone>(&self, items: &[T]) -> T {
        items[self.roll(items.len() as u64) as usize].clone()
    }
}

struct Stage {
    dice: Dice,
    sheet: Arc<Mutex<Sheet>>,
    time: Arc<AtomicI64>,
    policies: [Arc<Policy>; 2],
    ran: Mutex<Vec<Run>>,
    seen: Mutex<BTreeSet<String>>,
}

impl Stage {
    fn saw(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().insert(what.into());
    }
    fn pass_time(&self, seconds: u64) {
        self.time.fetch_add(self.dice.roll(seconds * 1_000_000) as i64, Ordering::Relaxed);
    }
    fn open(&self) -> Gate {
        let paper = Paper { sheet: Arc::clone(&self.sheet), policies: self.policies.clone(), seen: 0 };
        let clock = Clock::Set(Arc::clone(&self.time));
        Gate {
            eyes: gate::eyes::Eyes::elsewhere(),
            desk: Desk::inline(paper, "main", Arc::clone(&self.policies[0]), clock).unwrap(),
        }
    }
    fn person(&self) -> Person {
        let name: &str = self.dice.of(&["ann", "bob", "cid", "eve", "u1", "root"]);
        Person { name: name.into(), groups: Vec::new(), admin: name == "root", realm: Realm::Live }
    }
    fn command(&self) -> Command {
        let which = self.dice.roll(2) as usize;
        let policy = |n: usize| Command::Policy {
            line: "main".into(),
            policy: Arc::clone(&self.policies[n]),
            text: ["p1", "p2"][n].into(),
            file: self.dice.roll(2) == 0,
            by: None,
            only_after: None,
        };
        match self.dice.roll(5) {
            0 => policy(which),
            1 => self.switch(false),
            _ => self.switch(true),
        }
    }
    fn switch(&self, enabled: bool) -> Command {
        let agent = self.dice.of(&["a", "watched"]).into();
        Command::Agent {
            agent,
            enabled: Some(enabled),
            reason: Some("drill".into()),
            notes: None,
            by: "root".into(),
        }
    }
    fn draft(&self) -> Draft {
        let dice = &self.dice;
        let amount = dice.of(&["-1", "0", "2", "5.5", "10", "20", "50", "51", "\"9\"", "null"]);
        let args = dice.of(&[
            format!("{{\"amount\":{amount}}}"),
            "{\"amount\":3}".into(),
            "{\"amount\":30}".into(),
            "{}".into(),
            "{\"flag\":\"yes\"}".into(),
            "{\"flag\":true}".into(),
        ]);
        let some = |names: &[&str]| Some(dice.of(names).to_owned()).filter(|name| !name.is_empty());
        Draft {
            agent: dice.of(&["a", "a", "a", "a", "a", "watched", "stranger", "../a"]).into(),
            tool: dice.of(&["pay", "pay", "pay", "read", "read", "flag", "wipe", "nosuch"]).into(),
            args: Some(Json::parse(args.as_bytes()).unwrap()),
            user: some(&["u1", "u2", "ann", ""]),
            session: some(&["s1", "s2", ""]),
            step: some(&["1", "2", "3", ""]),
            estimate: dice.of(&[None, None, Some(Micros(1_500_000)), Some(Micros(9_000_000))]),
            key: some(&["", "", "k1", "k2", "k3"]),
            approval: dice.of(&[None, None, None, Some(dice.roll(40))]),
            by: some(&["", "bob", "client"]),
            takes: dice.of(&[None, Some(2_000_000)]),
            ..Draft::default()
        }
    }
}

/// The world of one call: people and tools by dice.
struct Chance<'s> {
    stage: &'s Stage,
    desk: Desk,
}

impl World for Chance<'_> {
    async fn ask(&self, approval: Index, receipt: &Receipt) {
        let stage = self.stage;
        assert_eq!(receipt.decided().decision, Answer::Pending);
        for _ in 0..stage.dice.roll(6) {
            Pause(stage.dice.roll(2)).await;
            let person = stage.person();
            let command = match stage.dice.roll(12) {
                0 => Command::Close { of: approval, cancelled: true },
                1 => stage.command(),
                2 => {
                    stage.pass_time(40);
                    Command::Close { of: approval, cancelled: false }
                }
                n => Command::Answer { of: approval, approve: n > 3, person, message: None },
            };
            match self.desk.obey(command).await {
                Ok(Ok(_)) => stage.saw("answered"),
                Ok(Err(Refusal::Conflict(_))) => stage.saw("answer refused"),
                Ok(Err(Refusal::Forbidden(_))) => stage.saw("answer forbidden"),
                Ok(Err(other)) => stage.saw(format!("refusal {other:?}").split('(').next().unwrap()),
                Err(_) => stage.saw("halted while asking"),
            }
        }
    }

    async fn execute(&self, hold: &Hold) -> Outcome {
        let stage = self.stage;
        let at = hold.receipt().at();
        {
            // The world is touched only with the decision on paper.
            let sheet = stage.sheet.lock().unwrap();
            let Record::Decided(decided) = &sheet.lines[at as usize].record else {
                panic!("dec_{at} is no decision")
            };
            assert_eq!(decided.decision, Answer::Allow);
            assert_eq!(decided.digest, hold.case().action.digest().hex());
        }
        let status = stage.dice.of(&[
            Status::Success,
            Status::Success,
            Status::Failed,
            Status::Cancelled,
            Status::Unknown,
        ]);
        let cost = stage.dice.of(&[None, Some(Micros(100_000)), Some(Micros(2_500_000))]);
        stage.saw(code(hold.receipt()));
        stage.ran.lock().unwrap().push(Run { at });
        Pause(stage.dice.roll(3)).await;
        stage.pass_time(3);
        Outcome {
            status,
            cost,
            tokens: None,
            result: None,
            error: None,
            screened: None,
            answered: false,
            fleeting: false,
            did: Vec::new(),
        }
    }
}

/// Waits for that many polls.
struct Pause(u64);
impl Future for Pause {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.0 {
            0 => Poll::Ready(()),
            _ => {
                self.0 -= 1;
                Poll::Pending
            }
        }
    }
}

/// Polls a few times, then hangs up: the future is dropped where it stands.
fn poll_or_hang_up<T>(patience: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    (0..=patience).find_map(|_| match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => Some(it),
        Poll::Pending => None,
    })
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    poll_or_hang_up(1_000, future).expect("an inline desk answers at once")
}

fn policies() -> [Arc<Policy>; 2] {
    let strict = POLICY.replace("max: 6, per: 10s", "max: 4, per: 10s").replace("max: 60,", "max: 35,");
    [POLICY.to_owned(), strict].map(|text| {
        let loaded = load("sim.yaml", &text, &mut |_, _| Err("no".into()));
        Arc::new(loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).policy)
    })
}

/// The code of a decision, whose answer is the same by whichever way it is written.
fn code(receipt: &Receipt) -> String {
    let mut answer = Vec::new();
    write_answer(receipt, None, &mut answer).unwrap();
    let plain = serde_json::to_string(&CheckReply::of(receipt, None)).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), plain);
    serde_json::to_string(&receipt.decided().code).unwrap().replace('"', "")
}

fn step(stage: &Stage, gate: &Gate) {
    stage.pass_time(4);
    let patience = if stage.dice.roll(4) == 0 { stage.dice.roll(4) } else { 1_000 };
    match stage.dice.roll(12) {
        0 => match now_or_never(gate.desk.obey(stage.command())) {
            Ok(_) => stage.saw("commanded"),
            Err(_) => stage.saw("halted"),
        },
        1..=4 => {
            let world = Chance { stage, desk: gate.desk.clone() };
            match poll_or_hang_up(patience, gate.call(stage.draft(), &world)) {
                None => stage.saw("hung up"),
                Some(Err(_)) => stage.saw("malformed"),
                Some(Ok(Err(_))) => stage.saw("halted"),
                Some(Ok(Ok(Carried::Out(closing)))) => stage.saw(format!("{:?}", closing.settled().status)),
                Some(Ok(Ok(Carried::Refused(receipt)))) => stage.saw(code(&receipt)),
            }
        }
        5 | 6 => match now_or_never(gate.check_all((0..stage.dice.roll(5)).map(|_| stage.draft()).collect()))
        {
            Ok(answers) => answers.iter().flatten().for_each(|receipt| stage.saw(code(receipt))),
            Err(_) => stage.saw("halted"),
        },
        7 => report(stage, gate),
        8 => leases::step(stage, gate),
        9 => lost(stage, gate),
        _ => match now_or_never(gate.check(stage.draft())) {
            Err(_) => stage.saw("malformed"),
            Ok(Err(_)) => stage.saw("halted"),
            Ok(Ok(receipt)) => {
                if stage.dice.roll(3) > 0 && receipt.decided().decision == Answer::Allow {
                    settle(stage, gate, receipt.at());
                }
                stage.saw(code(&receipt));
            }
        },
    }
}

/// What a gate began and will not end, because it was stopped in the middle of it, is put on record by any other.
fn lost(stage: &Stage, gate: &Gate) {
    let now = gate.desk.clock().now();
    let Ok(overdue) = now_or_never(gate.desk.ask(move |books| books.overdue(now).collect::<Vec<_>>())) else {
        return stage.saw("halted");
    };
    for at in overdue {
        let record = stage.sheet.lock().unwrap().lines[at as usize].record.clone();
        let Record::Decided(decided) = record else { panic!("dec_{at} is no decision") };
        assert!(decided.decision == Answer::Allow && decided.until.is_some_and(|until| until < now));
        let outcome = Outcome::plain(Status::Unknown);
        match now_or_never(gate.desk.settle(Settling::reported(at, *decided, outcome, None))) {
            Ok(Ok(_)) => stage.saw("lost"),
            Ok(Err(refusal)) => panic!("dec_{at} is overdue, and has ended: {refusal}"),
            Err(_) => stage.saw("halted"),
        }
    }
}

/// Somebody reports an outcome for anything at all.
fn report(stage: &Stage, gate: &Gate) {
    let lines = stage.sheet.lock().unwrap().lines.len() as u64;
    if lines > 0 {
        settle(stage, gate, stage.dice.roll(lines));
    }
}

fn settle(stage: &Stage, gate: &Gate, at: Index) {
    let record = stage.sheet.lock().unwrap().lines[at as usize].record.clone();
    let Record::Decided(decided) = record else { return };
    let status = stage.dice.of(&[Status::Success, Status::Failed, Status::Cancelled, Status::Unknown]);
    let outcome = Outcome { cost: stage.dice.of(&[None, Some(Micros(700_000))]), ..Outcome::plain(status) };
    match now_or_never(gate.desk.settle(Settling::reported(at, *decided, outcome, Some("client".into())))) {
        Ok(Ok(_)) => stage.saw("reported"),
        Ok(Err(_)) => stage.saw("not open"),
        Err(_) => stage.saw("halted"),
    }
}

/// One seed: some sixty steps on up to two gates that share the paper, with a fault somewhere and a restart.
fn play(seed: u64, policies: &[Arc<Policy>; 2], runtime: &tokio::runtime::Runtime) -> BTreeSet<String> {
    let dice = Dice(Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
    for _ in 0..8 {
        dice.roll(2);
    }
    let fault = (dice.roll(3) > 0).then(|| (dice.roll(40), dice.roll(3)));
    let sheet = Sheet { lines: Vec::new(), fault, conflicts: 0, snapshot: None };
    let stage = Stage {
        dice,
        sheet: Arc::new(Mutex::new(sheet)),
        time: Arc::new(AtomicI64::new(1_800_000_000_000_000)),
        policies: policies.clone(),
        ran: Mutex::default(),
        seen: Mutex::default(),
    };
    let mut gates = [stage.open(), stage.open()];
    for n in 0..60 {
        let which = usize::from(stage.dice.roll(4) == 0);
        step(&stage, &gates[which]);
        // What was dropped half way is put on record by a task of its own.
        runtime.block_on(tokio::task::yield_now());
        runtime.block_on(tokio::task::yield_now());
        if stage.dice.roll(25) == 0 {
            gates[which] = stage.open();
            stage.saw("restarted");
        }
        if n == 30 && stage.dice.roll(4) == 0 {
            // The clock jumps back an hour.
            stage.time.fetch_sub(3_600_000_000, Ordering::Relaxed);
        }
    }
    let sheet = stage.sheet.lock().unwrap();
    if sheet.conflicts > 0 {
        stage.saw("lost the race");
    }
    let lines: Vec<Record> = sheet.lines.iter().map(|line| line.record.clone()).collect();
    drop(sheet);
    if std::env::var("SIM_SEED").is_ok_and(|it| it == seed.to_string()) {
        for (n, line) in lines.iter().enumerate() {
            eprintln!("{n} {}", serde_json::to_string(line).unwrap());
        }
    }
    let [first, strict] = policies.clone().map(|policy| policy.version().clone());
    model::audit(seed, &lines, &stage.ran.lock().unwrap(), |version| {
        assert!(*version == first || *version == strict);
        *version == strict
    });
    leases::audit(&lines);
    let live = now_or_never(gates[0].desk.ask(Books::clone)).ok();
    let again = now_or_never(stage.open().desk.ask(Books::clone)).unwrap();
    if let Some(live) = live {
        assert!(live == again, "seed {seed}: a restart sees other books");
    }
    stage.seen.into_inner().unwrap()
}

#[test]
fn no_seed_breaks_the_books() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let policies = policies();
    let mut seen = BTreeSet::new();
    for seed in 1..=3_000 {
        seen.extend(play(seed, &policies, &runtime));
    }
    // A simulation that reaches no limit proves nothing about limits.
    let all = [
        "Cancelled",
        "Failed",
        "Success",
        "Unknown",
        "agent_disabled",
        "allowed",
        "answer forbidden",
        "answer refused",
        "answered",
        "approval_denied",
        "approval_expired",
        "approval_required",
        "approved",
        "breaker_open",
        "budget",
        "commanded",
        "denied_by_rule",
        "duplicate",
        "evaluation_error",
        "halted",
        "halted while asking",
        "hung up",
        "in_progress",
        "invalid_action",
        "limit",
        "lost",
        "lost the race",
        "malformed",
        "no_matching_rule",
        "not open",
        "reported",
        "restarted",
        "unknown_agent",
        "unknown_tool",
    ];
    let missing: Vec<_> = all.iter().chain(&leases::ALL).filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}
