//! Four gates on one store: one set of limits, keys, approvals, switches and policies, whichever of them is asked, and
//! whichever of them dies.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::Client;
use super::count::{Note, audit};
use super::load::{Keys, index};
use super::rig::{Dice, Gate, Store};

const POLICY: &str = "
version: 1
tools:
  pay:  {args: {amount: money}, effects: [payment]}
  note: {risk: low}
  wipe: {risk: high}
groups:
  bosses: [ann, bob]
agents:
  group: {rules: [{name: pay, allow: pay, when: args.amount > 0 && args.amount <= 20}], limits: [{meter: actions, max: 400, per: 1h}]}
  purse: {rules: [{name: pay, allow: pay, when: args.amount > 0 && args.amount <= 20}], limits: [{meter: args.amount, max: 1000, per: 1h}]}
  plain:
    rules:
      - {name: notes, allow: note}
      - {name: both, allow: wipe, approval: {from: [bosses], quorum: 1, timeout: 1h}}
";
/// How many requests may be refused for a limit before a client is content that it is reached.
const CONTENT: usize = 12;

/// One client: goes from gate to gate as they die, until both limits are reached.
fn exhaust(gates: &[std::net::SocketAddr], key: &str, mut dice: Dice, shared: &Shared) {
    let mut at = dice.below(gates.len() as u64) as usize;
    let mut client = Client::new(gates[at], key);
    let mut refused = [0, 0];
    while refused.iter().any(|count| *count < CONTENT) {
        let who = dice.below(2) as usize;
        let number = dice.below(600);
        // What the key means is the same for everyone.
        let args = json!({"amount": 1 + number % 5});
        let mut request = json!({"agent_id": (["group", "purse"][who]), "tool": "pay", "args": args});
        if dice.chance(60) {
            request["idempotency_key"] = format!("key-{number}").into();
        }
        let Ok(reply) = client.try_post("/v1/check", &request) else {
            at = (at + 1) % gates.len();
            client = Client::new(gates[at], key);
            continue;
        };
        let reply = reply.ok();
        if reply["allowed"] == true {
            let allowed = Note::Allowed { at: index("dec_", &reply["decision_id"]), request };
            shared.notes.lock().unwrap().push(allowed);
            shared.allowed.fetch_add(1, Ordering::Relaxed);
        } else if reply["code"] == "limit" {
            refused[who] += 1;
        }
    }
}

#[derive(Default)]
struct Shared {
    notes: Mutex<Vec<Note>>,
    allowed: AtomicUsize,
}

#[test]
fn four_gates_of_which_one_is_killed_keep_one_set_of_limits() {
    let seed = Dice::seed(4);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let store = Store::new(POLICY);
    let key = store.key("agent", "runner", &[]);
    let mut gates: Vec<Gate> = (0..4).map(|_| Gate::start(&store)).collect();
    let addresses: Vec<_> = gates.iter().map(|gate| gate.address).collect();
    let shared = Shared::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (dice, addresses, key, shared) = (Dice(dice.next()), &addresses, &key, &shared);
                scope.spawn(move || exhaust(addresses, key, dice, shared))
            })
            .collect();
        // In the middle: about a third of what there is room for.
        while shared.allowed.load(Ordering::Relaxed) < 200
            && clients.iter().any(|client| !client.is_finished())
        {
            thread::sleep(Duration::from_millis(1));
        }
        gates[3].kill();
    });
    let allowed = shared.allowed.load(Ordering::Relaxed);
    for gate in gates.drain(..3) {
        assert!(gate.stop().success(), "{}", store.log());
    }
    store.verify();
    let records = store.records();
    let tally = audit(&records, &[], &shared.notes.into_inner().unwrap());
    let of = |agent: &str| {
        records.iter().filter(|it| it.is_allow() && it.text("agent") == agent).collect::<Vec<_>>()
    };
    let spent: i64 = of("purse").iter().map(|it| it.payload["args"]["amount"].as_i64().unwrap()).sum();
    // What the dead gate allowed and could not say is on record as well; no more than the one request of each client.
    assert_eq!(of("group").len(), 400);
    assert!((996..=1000).contains(&spent), "{spent} of 1000 were spent");
    assert!(
        (allowed..=allowed + 8).contains(&tally.allows),
        "{allowed} were acknowledged, {} are on record",
        tally.allows
    );
}

#[test]
fn a_switch_a_policy_and_a_key_count_everywhere_at_once() {
    let store = Store::new(POLICY);
    let keys = Keys::make(&store);
    let gates: Vec<Gate> = (0..4).map(|_| Gate::start(&store)).collect();
    let mut admins: Vec<Client> = gates.iter().map(|gate| gate.client(&keys.admin)).collect();
    let mut agents: Vec<Client> = gates.iter().map(|gate| gate.client(&keys.agent)).collect();
    let note = json!({"agent_id": "plain", "tool": "note"});
    for round in 0..8 {
        let from = round % 4;
        admins[from].post("/v1/agents/plain/disable", &json!({"reason": "a drill"})).ok();
        for client in &mut agents {
            let reply = client.check(&note);
            assert_eq!(
                (&reply["allowed"], &reply["code"]),
                (&json!(false), &json!("agent_disabled")),
                "{reply}"
            );
        }
        admins[(from + 1) % 4].post("/v1/agents/plain/enable", &json!({})).ok();
        for client in &mut agents {
            assert_eq!(client.check(&note)["allowed"], true);
        }
        // A policy that no longer allows it, put on one, is in force on all; then the first again.
        let strict = POLICY.replace("{name: notes, allow: note}", "{name: notes, deny: note, reason: round}");
        for (text, allowed) in [
            (strict.replace("round", &format!("round {round}")), false),
            (format!("{POLICY}# {round}\n"), true),
        ] {
            let put = admins[from].send("PUT", "/v1/policy", Some(&text)).unwrap().ok();
            for client in &mut agents {
                let reply = client.check(&note);
                assert_eq!(
                    (&reply["allowed"], &reply["policy_version"]),
                    (&json!(allowed), &put["version"]),
                    "{reply}"
                );
            }
        }
    }
    // A key made on one opens all; revoked on one, it opens none.
    let made = admins[0].post("/v1/keys", &json!({"name": "late", "role": "agent"})).ok();
    let secret = made["secret"].as_str().unwrap();
    let mut late: Vec<Client> = gates.iter().map(|gate| gate.client(secret)).collect();
    until("a key made elsewhere opens every gate", || {
        late.iter_mut().all(|client| client.post("/v1/check", &note).status == 200)
    });
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert!(admins[2].send("DELETE", &path, None).unwrap().status < 300);
    assert_eq!(late[2].post("/v1/check", &note).status, 401, "where it was revoked, at once");
    until("a key revoked elsewhere opens no gate", || {
        late.iter_mut().all(|client| client.post("/v1/check", &note).status == 401)
    });
}

#[test]
fn an_answer_given_at_one_gate_wakes_whoever_waits_at_another() {
    let store = Store::new(POLICY);
    let keys = Keys::make(&store);
    let gates: Vec<Gate> = (0..4).map(|_| Gate::start(&store)).collect();
    let mut waits = Vec::new();
    for round in 0..12 {
        let (asked, waited, answered) = (&gates[round % 4], &gates[(round + 1) % 4], &gates[(round + 2) % 4]);
        let mut request = json!({"agent_id": "plain", "tool": "wipe", "args": {"round": round}});
        let pending = asked.client(&keys.agent).check(&request);
        assert_eq!(pending["decision"], "pending", "{pending}");
        let id = pending["approval_id"].as_str().unwrap();
        let (mut waiter, mut person) = (waited.client(&keys.agent), answered.client(&keys.ann));
        let (woken, at) = thread::scope(|scope| {
            let waiting = scope.spawn(move || {
                let reply = waiter.get(&format!("/v1/approvals/{id}?wait_s=30")).ok();
                (reply, Instant::now())
            });
            // Whether it waits already does not matter to what must come of it.
            thread::sleep(Duration::from_millis(30 + 17 * round as u64));
            let reply = person.post(&format!("/v1/approvals/{id}/approve"), &json!({"message": "go"})).ok();
            assert_eq!(reply["status"], "approved");
            let since = Instant::now();
            let (reply, at) = waiting.join().unwrap();
            (reply, at.saturating_duration_since(since))
        });
        assert_eq!(woken["status"], "approved", "{woken}");
        // Not a measure of speed (the machine may be busy), but that nobody waits out the whole 30 seconds.
        assert!(at < Duration::from_secs(5), "woken after {at:?}");
        waits.push(at);
        // The fourth gate carries it out, once.
        request["approval_id"] = id.into();
        let last = &gates[(round + 3) % 4];
        assert_eq!(last.client(&keys.agent).check(&request)["code"], "approved");
        assert_eq!(asked.client(&keys.agent).check(&request)["allowed"], false);
    }
    waits.sort();
    println!(
        "an answer elsewhere is noticed after {:?} (median), {:?} (longest)",
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
}

/// Waits for what must come, however busy the machine is.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}: not after 20 seconds");
        thread::sleep(Duration::from_millis(10));
    }
}
