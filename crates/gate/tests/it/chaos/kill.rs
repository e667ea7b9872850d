//! `kill -9` at random moments under load: nothing acknowledged is lost, nothing is allowed beyond a limit, and the
//! next start is clean.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::count::{Note, audit};
use super::fleet::until;
use super::load::{CEILINGS, Keys, Known, POLICY, Question, Worker, settled};
use super::rig::{Dice, Gate, Store};

/// How often one store's gate is killed.
const KILLS: u64 = 200;
/// Clients at a time.
const CLIENTS: u64 = 4;
/// What a run must have met to be worth something.
const REFUSALS: [&str; 4] = ["limit", "budget", "duplicate", "in_progress"];

#[test]
fn killed_200_times_it_forgets_nothing_that_it_acknowledged() {
    let seed = Dice::seed(20_260_101);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let store = Store::new(POLICY);
    let keys = Keys::make(&store);
    let known = Mutex::new(Known::default());
    for round in 0..KILLS {
        if dice.chance(12) {
            // In the middle of a start.
            let mut child = Gate::spawn(&store, &[]);
            thread::sleep(Duration::from_millis(dice.below(120)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut gate = Gate::start(&store);
        recall(&gate, &keys, &known, &mut dice);
        let patience = Duration::from_millis(5 + dice.below(146));
        under_load(&gate, &keys, &known, (round, &mut dice), || thread::sleep(patience));
        gate.kill();
        if round % 50 == 49 {
            store.verify();
            audit(&store.records(), &CEILINGS, &known.lock().unwrap().notes);
        }
    }
    // However slow the machine: until everything was met that can refuse.
    let mut gate = Gate::start(&store);
    recall(&gate, &keys, &known, &mut dice);
    let met = || REFUSALS.iter().all(|code| known.lock().unwrap().denied.contains(*code));
    under_load(&gate, &keys, &known, (KILLS, &mut dice), || until("every kind of refusal", met));
    gate.kill();
    let mut gate = Gate::start(&store);
    recall(&gate, &keys, &known, &mut dice);
    assert!(gate.is_running());
    assert!(gate.stop().success(), "a clean end: {}", store.log());
    let records = store.verify();
    let known = known.into_inner().unwrap();
    let tally = audit(&store.records(), &CEILINGS, &known.notes);
    println!(
        "{KILLS} kills, {} answers, {} notes, {records} records, {tally:?}",
        known.answers,
        known.notes.len()
    );
    // The run was what it is for.
    assert!(tally.allows > 200 && tally.uses > 20 && tally.settled > 100, "too little happened: {tally:?}");
    for code in REFUSALS {
        assert!(tally.denials.contains_key(code), "nothing was denied with {code}: {tally:?}");
    }
}

#[test]
fn a_new_ledger_survives_being_killed_while_it_is_founded() {
    let seed = Dice::seed(7);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    for _ in 0..12 {
        let store = Store::new(POLICY);
        for _ in 0..3 {
            let mut child = Gate::spawn(&store, &[]);
            thread::sleep(Duration::from_millis(dice.below(60)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut gate = Gate::start(&store);
        let key = store.key("agent", "runner", &[]);
        let request = json!({"agent_id": "w0", "tool": "note"});
        // A key that another process made opens the gate once it has noticed.
        until("the new key opens the gate", || gate.client(&key).post("/v1/check", &request).status == 200);
        gate.kill();
        store.verify();
    }
}

/// Runs clients against a gate until `meanwhile` has ended and the gate is gone, or they are told to stop.
pub fn under_load(
    gate: &Gate,
    keys: &Keys,
    known: &Mutex<Known>,
    (round, dice): (u64, &mut Dice),
    meanwhile: impl FnOnce(),
) {
    let stop = AtomicBool::new(false);
    // Some keys live on over several kills.
    let era = format!("era{}", round / 4);
    let pid = gate.id();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let worker = Worker::new(gate.address, keys, known, &era, Dice(dice.next()));
            scope.spawn(|| worker.run(&stop));
        }
        meanwhile();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
}

/// After a restart: what was acknowledged stands as it stood.
fn recall(gate: &Gate, keys: &Keys, known: &Mutex<Known>, dice: &mut Dice) {
    let mut known = known.lock().unwrap();
    let known = &mut *known;
    let (mut admin, mut agent) = (gate.client(&keys.admin), gate.client(&keys.agent));
    assert_eq!(admin.get("/healthz").status, 200);
    for note in known.notes.iter().rev().take(12) {
        if let Note::Allowed { at, request } = note {
            let found = admin.get(&format!("/v1/decisions/dec_{at}")).ok();
            let same = found["decision"] == "allow"
                && found["agent_id"] == request["agent_id"]
                && found["tool"] == request["tool"];
            assert!(same, "{note:?} came back as {found}");
        }
    }
    let mut standing = |question: &Question| admin.get(&format!("/v1/approvals/apr_{}", question.at)).ok();
    for (questions, expected) in
        [(&mut known.asked, "pending"), (&mut known.approved, "approved"), (&mut known.used, "approved")]
    {
        // The oldest are let go, so that there are not ever more of them.
        let surplus = questions.len().saturating_sub(10);
        questions.drain(..surplus);
        for question in questions {
            let found = standing(question);
            assert_eq!(found["status"], expected, "{question:?} came back as {found}");
        }
    }
    for mut question in std::mem::take(&mut known.doubtful) {
        let found = standing(&question);
        let has_said_yes =
            |name: &str| found["answers"].as_array().unwrap().iter().any(|it| it["by"] == name);
        question.yes = ["ann", "bob"].into_iter().filter(|name| has_said_yes(name)).collect();
        match found["status"].as_str().unwrap() {
            "pending" => known.asked.push(question),
            "approved" => known.approved.push(question),
            other => assert_eq!(other, "denied", "{found}"),
        }
    }
    // Whoever does not know whether a report arrived sends it again, and that is no conflict.
    for (of, report) in std::mem::take(&mut known.unsure) {
        let reply = agent.post(&format!("/v1/decisions/dec_{of}/outcome"), &report);
        settled(known, of, report, &reply);
    }
    let reports = known.notes.iter().rev().filter_map(|note| match note {
        Note::Settled { of, report } => Some((*of, report.clone())),
        _ => None,
    });
    if let Some((of, report)) = reports.take(5).last() {
        let path = format!("/v1/decisions/dec_{of}/outcome");
        assert_eq!(agent.post(&path, &report).status, 200, "the same report again");
        let mut other: Value = report;
        other["result"] = json!({"other": dice.below(9)});
        assert_eq!(agent.post(&path, &other).status, 409, "another report for dec_{of}");
    }
    let surplus = known.open.len().saturating_sub(100);
    known.open.drain(..surplus);
}
