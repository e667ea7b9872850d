//! The books hold what is live, not what ever was.

use verdict::*;

const DAY: i64 = 24 * 3600 * 1_000_000;

fn decided(n: u64, t: Micro) -> Record {
    let name = format!("agent-{n}");
    let charge = |counter: String, window| Charge {
        counter: counter.into(),
        amount: 1,
        window,
        meter: MeterKind::Actions,
    };
    Record::Decided(Box::new(Decided {
        t,
        decision: Answer::Allow,
        code: Code::Allowed,
        agent: name.clone(),
        tool: "t".into(),
        rule: None,
        reason: None,
        policy: PolicyVersion("v".into()),
        risk: Risk::Low,
        mode: Mode::Enforce,
        would: None,
        realm: Realm::Live,
        user: None,
        session: Some("s".into()),
        step: None,
        environment: None,
        key: Some(format!("key-{n}")),
        digest: format!("{n:064x}"),
        effects: Vec::new(),
        findings: Vec::new(),
        charges: vec![charge(format!("hour|{name}"), DAY / 24), charge(format!("session|{name}"), 0)],
        cost: Micros(0),
        yields: Vec::new(),
        asks: None,
        approval: None,
        until: None,
        duplicate_of: None,
        by: None,
    }))
}

#[test]
fn what_is_over_is_dropped_and_what_is_live_stays() {
    let mut books = Books::default();
    // Four a minute, each with names of its own, for 90 days: half a million names.
    let (each, count) = (15_000_000, 90 * 24 * 240);
    for n in 0..count {
        books.apply(n, &decided(n, i64::try_from(n).unwrap() * each));
    }
    let sizes: std::collections::BTreeMap<_, _> = books.sizes().into_iter().collect();
    let a_day = 24 * 240;
    // An hour of windows, seven days of sessions, thirty of keys and of actions without an outcome; and what has
    // come since the last sweep.
    let slack = 30 * a_day + 8_192;
    assert!(sizes["counters"] <= 7 * a_day + a_day / 24 + 2 * slack, "{sizes:?}");
    assert!((30 * a_day..=31 * a_day + slack).contains(&sizes["keys"]), "{sizes:?}");
    assert!((30 * a_day..=31 * a_day + slack).contains(&sizes["open"]), "{sizes:?}");
    let last = count - 1;
    assert_eq!(books.counted(&format!("hour|agent-{last}").into(), books.now()), 1);
    assert!(books.is_open(last) && !books.is_open(0));
}
