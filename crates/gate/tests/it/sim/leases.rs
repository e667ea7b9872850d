//! Leases in the simulation: taken, extended and ended by dice, with the same faults as everything else; and a model
//! that knows nothing but the records.

use std::collections::BTreeMap;

use super::*;

/// Who holds a name, as the records have it.
struct Held {
    of: Index,
    by: String,
    request: Option<String>,
    until: Micro,
    over: Option<LeaseEnd>,
}

type Names = BTreeMap<(Option<String>, &'static str, String), Held>;

fn key(space: Option<&str>, kind: LeaseKind, name: &str) -> (Option<String>, &'static str, String) {
    let kind = if kind == LeaseKind::Lock { "lock" } else { "task" };
    (space.map(str::to_owned), kind, name.to_owned())
}

/// Every name's holder at the end, and that there never were two.
fn holders(records: &[Record]) -> Names {
    let mut names = Names::new();
    for (at, record) in (0..).zip(records) {
        let Record::Lease(note) = record else { continue };
        let key = key(note.space.as_deref(), note.kind, &note.name);
        let before = names.get_mut(&key);
        let is_its = |held: &Held, of: Index| held.of == of;
        match &note.event {
            LeaseEvent::Taken { ttl, request } => {
                if let Some(held) = before {
                    match held.over {
                        Some(LeaseEnd::Completed) => panic!("{at} takes what is done"),
                        Some(LeaseEnd::Failed | LeaseEnd::Cancelled) => (),
                        None => assert!(note.t >= held.until, "{at} takes what {} holds", held.of),
                    }
                }
                let (by, request) = (note.by.clone(), request.clone());
                let until = note.t + ttl;
                names.insert(key, Held { of: at, by, request, until, over: None });
            }
            LeaseEvent::Refused { of, .. } => {
                let held = before.unwrap();
                assert!(is_its(held, *of) && held.over.is_none() && note.t < held.until, "{at} refuses");
            }
            LeaseEvent::Extended { of, ttl } => {
                let held = before.unwrap();
                assert!(is_its(held, *of) && held.over.is_none() && held.by == note.by, "{at} extends");
                held.until = note.t + ttl;
            }
            LeaseEvent::Ended { of, how, .. } => {
                let held = before.unwrap();
                assert!(is_its(held, *of) && held.over.is_none() && held.by == note.by, "{at} ends");
                held.over = Some(*how);
            }
        }
    }
    names
}

fn records(stage: &Stage) -> Vec<Record> {
    stage.sheet.lock().unwrap().lines.iter().map(|line| line.record.clone()).collect()
}

fn order(stage: &Stage) -> LeaseOrder {
    let dice = &stage.dice;
    let kind = dice.of(&[LeaseKind::Lock, LeaseKind::Task]);
    let space = dice.of(&[None, None, Some("a".to_owned())]);
    let name = dice.of(&["x", "y"]).to_owned();
    // Most proofs are those that somebody was really given.
    let known = holders(&records(stage)).get(&key(space.as_deref(), kind, &name)).map(|held| held.of);
    let proof = match dice.roll(4) {
        0 => LeaseProof::Request(dice.of(&["r1", "r2"]).to_owned()),
        1 => LeaseProof::Id(dice.roll(40)),
        _ => LeaseProof::Id(known.unwrap_or(0)),
    };
    let ttl = dice.of(&[1_000_000, 8_000_000, 60_000_000]);
    let wish = match dice.roll(8) {
        0..=3 => {
            let request = dice.of(&[None, Some("r1".to_owned()), Some("r2".to_owned())]);
            LeaseWish::Take { ttl, request }
        }
        4 => LeaseWish::Extend { proof, ttl },
        _ => {
            let how = dice.of(&[LeaseEnd::Completed, LeaseEnd::Failed, LeaseEnd::Cancelled]);
            LeaseWish::End { proof, how, hash: None, error: None }
        }
    };
    let name = LeaseName { realm: Realm::Live, space, kind, name };
    LeaseOrder { name, by: dice.of(&["ann", "bob"]).to_owned(), wish, payload: None }
}

/// One wish; if its answer got lost with the gate, the same again to a gate that has just started.
pub(super) fn step(stage: &Stage, gate: &Gate) {
    let order = order(stage);
    match now_or_never(gate.desk.lease(order.clone())) {
        Ok(answered) => answered_rightly(stage, &order, answered),
        Err(_) => {
            stage.saw("lease halted");
            let name = key(order.name.space.as_deref(), order.name.kind, &order.name.name);
            let before = holders(&records(stage)).remove(&name);
            let gate = stage.open();
            let Ok(answered) = now_or_never(gate.desk.lease(order.clone())) else { return };
            if let (LeaseWish::Take { request: Some(_), .. }, Some(before), Ok(leased)) =
                (&order.wish, before, &answered)
                && before.over.is_none()
                && leased.word() == LeaseWord::Taken
                && leased.lease().of == before.of
            {
                // It was written before the gate was lost: the second answer is the first one.
                assert!(before.by == order.by && before.request.is_some());
                stage.saw("lease answered again");
            }
            answered_rightly(stage, &order, answered);
        }
    }
}

/// What was answered is on paper.
fn answered_rightly(stage: &Stage, order: &LeaseOrder, answered: Result<Leased, Refusal>) {
    let name = key(order.name.space.as_deref(), order.name.kind, &order.name.name);
    let now = stage.time.load(Ordering::Relaxed);
    let all = records(stage);
    let holder = holders(&all).remove(&name);
    let leased = match answered {
        Ok(leased) => leased,
        Err(Refusal::Forbidden(_)) => return stage.saw("lease forbidden"),
        Err(_) => return stage.saw("lease refused"),
    };
    let held = holder.unwrap_or_else(|| panic!("{order:?} was answered, and nothing is on paper"));
    assert_eq!(held.of, leased.lease().of, "{order:?}");
    match leased.word() {
        LeaseWord::Taken => {
            assert!(held.by == order.by && held.over.is_none(), "{order:?}");
            stage.saw("lease taken");
        }
        LeaseWord::Held => {
            // Or it has run out, and this very request was told so before.
            assert!(held.over.is_none(), "{order:?}");
            stage.saw(if now < held.until { "lease held" } else { "lease run out" });
        }
        LeaseWord::Over => {
            assert!(held.over.is_some(), "{order:?}");
            stage.saw("lease over");
        }
        LeaseWord::Extended => {
            assert!(held.by == order.by && held.over.is_none(), "{order:?}");
            stage.saw("lease extended");
        }
        LeaseWord::Ended => {
            let LeaseWish::End { how, .. } = &order.wish else { panic!("{order:?} ends nothing") };
            assert!(held.by == order.by && held.over == Some(*how), "{order:?}");
            stage.saw("lease ended");
        }
    }
}

/// What must hold of all records.
pub(super) fn audit(records: &[Record]) {
    let _names = holders(records);
}

/// What must have happened in some seed.
pub(super) const ALL: [&str; 10] = [
    "lease answered again",
    "lease ended",
    "lease extended",
    "lease forbidden",
    "lease halted",
    "lease held",
    "lease over",
    "lease refused",
    "lease run out",
    "lease taken",
];
