//! Many clients who all want the same at the same moment: one wins, or as many as there is room for.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::count::{By, Ceiling, Meter, audit};
use super::load::index;
use super::rig::{Gate, Store};

const CLIENTS: usize = 64;
const ROUNDS: usize = 20;

const POLICY: &str = "
version: 1
tools:
  pay: {args: {amount: money}, effects: [payment]}
agents:
  racer: {rules: [{name: pay, allow: pay, when: args.amount > 0 && args.amount <= 20}]}
  group: {rules: [{name: pay, allow: pay, when: args.amount > 0 && args.amount <= 20}], limits: [{meter: actions, max: 137, per: 1h}]}
  purse: {rules: [{name: pay, allow: pay, when: args.amount > 0 && args.amount <= 20}], limits: [{meter: args.amount, max: 301, per: 1h}]}
";

/// Sends one request of each kind from 64 clients at the same moment; `times` times over.
fn race(
    gate: &Gate,
    key: &str,
    times: usize,
    request: impl Fn(usize, usize) -> Value + Sync,
) -> Vec<Vec<Value>> {
    let barrier = Barrier::new(CLIENTS);
    let (barrier, request) = (&barrier, &request);
    let mut rounds: Vec<Vec<Value>> = (0..times).map(|_| Vec::new()).collect();
    thread::scope(|scope| {
        let client = |who| {
            let mut client = gate.client(key);
            client.get("/healthz");
            let mut replies = Vec::new();
            for round in 0..times {
                barrier.wait();
                replies.push(client.check(&request(round, who)));
            }
            replies
        };
        let threads: Vec<_> = (0..CLIENTS).map(|who| scope.spawn(move || client(who))).collect();
        for thread in threads {
            for (round, reply) in rounds.iter_mut().zip(thread.join().unwrap()) {
                round.push(reply);
            }
        }
    });
    rounds
}

#[test]
fn of_64_with_one_idempotency_key_one_wins() {
    let store = Store::new(POLICY);
    let key = store.key("agent", "runner", &[]);
    let gate = Gate::start(&store);
    let request = |round: usize, _: usize| json!({"agent_id": "racer", "tool": "pay", "args": {"amount": 3}, "idempotency_key": format!("key-{round}")});
    let mut client = gate.client(&key);
    for (round, replies) in race(&gate, &key, ROUNDS, request).into_iter().enumerate() {
        let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply["allowed"] == true);
        assert_eq!(won.len(), 1, "round {round}: {won:#?}");
        let winner = &won[0]["decision_id"];
        for reply in lost {
            assert_eq!((&reply["code"], &reply["duplicate_of"]), (&json!("in_progress"), winner), "{reply}");
        }
        // Once it is done, whoever repeats it gets what it gave.
        let result = json!({"charge": round, "exact": 0.1});
        let of = index("dec_", winner);
        client
            .post(&format!("/v1/decisions/dec_{of}/outcome"), &json!({"status": "success", "result": result}))
            .ok();
        let again = client.check(&request(round, 0));
        assert_eq!((&again["allowed"], &again["code"]), (&json!(false), &json!("duplicate")), "{again}");
        assert_eq!(
            (&again["original"]["result"], &again["original"]["status"]),
            (&result, &json!("success")),
            "{again}"
        );
    }
    drop(gate);
    store.verify();
    assert_eq!(audit(&store.records(), &[], &[]).allows, ROUNDS);
}

#[test]
fn of_64_with_one_key_that_failed_one_wins_again() {
    let store = Store::new(POLICY);
    let key = store.key("agent", "runner", &[]);
    let gate = Gate::start(&store);
    let request = |_: usize, _: usize| json!({"agent_id": "racer", "tool": "pay", "args": {"amount": 3}, "idempotency_key": "the key"});
    let mut client = gate.client(&key);
    for status in ["failed", "cancelled", "failed", "success"] {
        let replies = race(&gate, &key, 1, request).remove(0);
        let won: Vec<_> = replies.iter().filter(|reply| reply["allowed"] == true).collect();
        assert_eq!(won.len(), 1, "before {status}: {won:#?}");
        let of = index("dec_", &won[0]["decision_id"]);
        client.post(&format!("/v1/decisions/dec_{of}/outcome"), &json!({"status": status})).ok();
    }
    let replies = race(&gate, &key, 1, request).remove(0);
    assert!(replies.iter().all(|reply| reply["code"] == "duplicate"), "{replies:#?}");
}

#[test]
fn of_64_who_want_what_is_left_of_a_limit_as_many_win_as_there_is_room_for() {
    let store = Store::new(POLICY);
    let key = store.key("agent", "runner", &[]);
    let gate = Gate::start(&store);
    let allowed =
        |rounds: &[Vec<Value>]| rounds.iter().flatten().filter(|reply| reply["allowed"] == true).count();
    // 137 of 192: the limit is reached in the third round.
    let rounds =
        race(&gate, &key, 3, |_, _| json!({"agent_id": "group", "tool": "pay", "args": {"amount": 1}}));
    assert_eq!(allowed(&rounds), 137);
    assert_eq!(
        rounds.iter().map(|round| allowed(std::slice::from_ref(round))).collect::<Vec<_>>(),
        [64, 64, 9]
    );
    for reply in rounds.iter().flatten().filter(|reply| reply["allowed"] == false) {
        assert_eq!(reply["code"], "limit", "{reply}");
    }
    // 301 in steps of 7: 43 fit, and nothing is left.
    let rounds =
        race(&gate, &key, 2, |_, _| json!({"agent_id": "purse", "tool": "pay", "args": {"amount": 7}}));
    assert_eq!(allowed(&rounds), 43);
    drop(gate);
    store.verify();
    let ceilings = [Ceiling { meter: Meter::Amount, by: By::Agent, window: 3_600_000_000, max: 301_000_000 }];
    assert_eq!(audit(&store.records(), &ceilings, &[]).allows, 137 + 43);
}
