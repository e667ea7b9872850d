//! A record's text is what `serde` would write, and reads back as the record.

use proptest::prelude::*;
use verdict::*;

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z.-]{1,12}",
        Just("a \"quoted\" \\ one\n\u{1}\u{7f}é\u{10348}".to_owned()),
        Just(String::new())
    ]
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(texts())
}

fn charges() -> impl Strategy<Value = Vec<Charge>> {
    let meter =
        prop_oneof![Just(MeterKind::Actions), Just(MeterKind::FailuresInARow), Just(MeterKind::Argument)];
    let charge = (texts(), any::<i64>(), prop_oneof![Just(0), any::<i64>()], meter)
        .prop_map(|(name, amount, window, meter)| Charge { counter: name.into(), amount, window, meter });
    proptest::collection::vec(charge, 0..4)
}

fn decided() -> impl Strategy<Value = Decided> {
    let answer = prop_oneof![Just(Answer::Allow), Just(Answer::Deny), Just(Answer::Pending)];
    let code = prop_oneof![Just(Code::Allowed), Just(Code::BreakerOpen), Just(Code::NoMatchingRule)];
    let flags = any::<[bool; 8]>();
    let named = (texts(), texts(), texts(), texts());
    let optional = (maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe());
    (answer, code, flags, named, optional, charges(), any::<i64>(), any::<u64>()).prop_map(
        |(decision, code, flags, (agent, tool, policy, digest), optional, charges, number, index)| {
            let (rule, reason, user, session, step, environment, key, by) = optional;
            let [risky, observed, would, test, effects, asks, approval, findings] = flags;
            let effect = EffectFact {
                kind: "payment".into(),
                resource: Some("a\"b".into()),
                note: None,
                destroys: risky,
            };
            let finding = Finding {
                kind: "secret".into(),
                name: "iban".into(),
                place: "/a~1b".into(),
                span: Some((1, 2)),
                severity: Risk::High,
                confidence: 90,
                verified: Some(test),
            };
            let terms = Terms { from: vec!["boss".into()], quorum: 2, timeout_ms: 5 };
            Decided {
                t: number,
                decision,
                code,
                agent,
                tool,
                rule: rule.map(Into::into),
                reason,
                policy: PolicyVersion(policy.into()),
                risk: if risky { Risk::Critical } else { Risk::Low },
                mode: if observed { Mode::Observe } else { Mode::Enforce },
                would: would.then_some(Code::Limit),
                realm: if test { Realm::Test } else { Realm::Live },
                user,
                session,
                step,
                environment,
                key,
                digest,
                effects: if effects { vec![effect] } else { Vec::new() },
                findings: if findings { vec![finding] } else { Vec::new() },
                charges,
                cost: Micros(if risky { number } else { 0 }),
                yields: if asks { vec!["private".into()] } else { Vec::new() },
                asks: asks.then(|| Asks { terms, people: vec!["ann".into()], expires: number }),
                approval: approval.then_some(index),
                until: effects.then_some(number),
                duplicate_of: observed.then_some(index),
                by,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_decision_is_written_as_serde_would(decided in decided()) {
        let record = Record::Decided(Box::new(decided));
        let text = record.text().unwrap();
        prop_assert_eq!(String::from_utf8(text.clone()).unwrap(), serde_json::to_string(&record).unwrap());
        prop_assert_eq!(serde_json::from_slice::<Record>(&text).unwrap(), record);
    }
}
