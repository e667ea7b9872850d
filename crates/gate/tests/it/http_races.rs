//! Many clients at once: one key has one winner, a limit is met exactly, a policy is never half in force.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use verdict::KeyRole;

use crate::http_client::{Line, Served};

const CLIENTS: usize = 64;

/// Sends one body from each of 64 clients at the same moment.
fn race(served: &Served, key: &str, body: impl Fn(usize) -> Value) -> Vec<(u16, Value)> {
    let barrier = Barrier::new(CLIENTS);
    let bodies: Vec<String> = (0..CLIENTS).map(|n| body(n).to_string()).collect();
    std::thread::scope(|scope| {
        let runners: Vec<_> = bodies
            .iter()
            .map(|body| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut line = Line::open(served.address);
                    barrier.wait();
                    let answer =
                        line.call("POST", "/v1/check", &format!("X-API-Key: {key}\r\n"), body.as_bytes());
                    (answer.status, answer.json())
                })
            })
            .collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).collect()
    })
}

#[test]
fn one_idempotency_key_has_exactly_one_winner() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    for round in 0..5 {
        let answers = race(
            &served,
            &key,
            |_| json!({"agent_id": "support-bot", "tool": "crm.read", "idempotency_key": format!("round-{round}")}),
        );
        let winners: Vec<&Value> =
            answers.iter().map(|(_, json)| json).filter(|json| json["allowed"] == true).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        for (status, json) in &answers {
            assert_eq!(*status, 200);
            assert!(json["allowed"] == true || json["duplicate_of"] == winners[0]["decision_id"], "{json}");
        }
    }
    let answers = race(
        &served,
        &key,
        |n| json!({"agent_id": "support-bot", "tool": "crm.read", "args": {"n": n}, "idempotency_key": "shared"}),
    );
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1);
    assert_eq!(
        answers.iter().filter(|(status, json)| *status == 409 && json["allowed"] == false).count(),
        CLIENTS - 1
    );
}

#[test]
fn a_limit_is_met_exactly_whoever_races_for_it() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let answers = race(&served, &key, |_| json!({"agent_id": "limited-bot", "tool": "crm.read"}));
    assert_eq!(answers.iter().filter(|(_, json)| json["allowed"] == true).count(), 10);
    assert_eq!(answers.iter().filter(|(_, json)| json["code"] == "limit").count(), CLIENTS - 10);
}

#[test]
fn nothing_is_allowed_after_the_kill_switch_has_answered() {
    let served = Served::start();
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("ada", KeyRole::Admin));
    let (off, late) = (AtomicBool::new(false), AtomicUsize::new(0));
    let checked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut line = Line::open(served.address);
                loop {
                    let was_off = off.load(Ordering::SeqCst);
                    let body = json!({"agent_id": "support-bot", "tool": "crm.read"}).to_string();
                    let answer =
                        line.call("POST", "/v1/check", &format!("X-API-Key: {key}\r\n"), body.as_bytes());
                    checked.fetch_add(1, Ordering::SeqCst);
                    if was_off {
                        late.fetch_add(usize::from(answer.json()["allowed"] == true), Ordering::SeqCst);
                        return;
                    }
                }
            });
        }
        while checked.load(Ordering::SeqCst) < 100 {
            std::thread::yield_now();
        }
        let answer = served.post("/v1/agents/support-bot/disable", &admin, &json!({"reason": "stop"}));
        assert_eq!(answer.status, 200);
        off.store(true, Ordering::SeqCst);
    });
    assert_eq!(late.load(Ordering::SeqCst), 0);
}

#[test]
fn a_policy_is_in_force_for_all_or_for_none() {
    let served = Served::start();
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("ada", KeyRole::Admin));
    // Under each of the two exactly one of the tools is allowed: a mixture would allow both or neither.
    let policy = |tool: &str| {
        format!(
            "version: 1\ntools:\n  a.x: {{}}\n  b.x: {{}}\nagents:\n  bot:\n    rules:\n      - {{name: only, allow: [{tool}]}}\n"
        )
    };
    let (first, second) = (policy("a.x"), policy("b.x"));
    let put = |text: &str| {
        let headers = format!("X-API-Key: {admin}\r\nContent-Type: application/yaml\r\n");
        let answer = served.raw("PUT", "/v1/policy", &headers, text.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["version"].as_str().unwrap().to_owned()
    };
    let versions = [put(&first), put(&second)];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let mut line = Line::open(served.address);
            let body =
                json!({"checks": [{"agent_id": "bot", "tool": "a.x"}, {"agent_id": "bot", "tool": "b.x"}]})
                    .to_string();
            let mut seen = 0;
            while !done.load(Ordering::SeqCst) || seen < 20 {
                let answer =
                    line.call("POST", "/v1/check/batch", &format!("X-API-Key: {key}\r\n"), body.as_bytes());
                let results = answer.json()["results"].clone();
                for result in results.as_array().unwrap() {
                    assert!(versions.iter().any(|version| result["policy_version"] == **version), "{result}");
                }
                let same = results[0]["policy_version"] == results[1]["policy_version"];
                let allowed = results.as_array().unwrap().iter().filter(|it| it["allowed"] == true).count();
                assert!(!same || allowed == 1, "{results}");
                seen += 1;
            }
        });
        for _ in 0..20 {
            put(&first);
            put(&second);
        }
        done.store(true, Ordering::SeqCst);
        checker.join().unwrap();
    });
}
