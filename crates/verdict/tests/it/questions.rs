//! Which question a call that comes back is about.

use verdict::*;

const MINUTE: Micro = 60_000_000;

fn draft() -> Draft {
    Draft { agent: "a".into(), tool: "mail.send".into(), user: Some("u".into()), ..Draft::default() }
}

fn about(draft: Draft) -> Action {
    Action::new(draft).unwrap()
}

fn version(name: &str) -> PolicyVersion {
    PolicyVersion(name.into())
}

/// The record of a question about this action, asked at `t` and open for ten minutes.
fn asked(action: &Action, t: Micro, policy: &str) -> Record {
    Record::Decided(Box::new(Decided {
        t,
        decision: Answer::Pending,
        code: Code::ApprovalRequired,
        agent: action.agent().into(),
        tool: action.tool().into(),
        rule: None,
        reason: None,
        policy: version(policy),
        risk: Risk::Low,
        mode: Mode::Enforce,
        would: None,
        realm: action.realm(),
        user: action.user().map(str::to_owned),
        session: None,
        step: None,
        environment: None,
        key: action.key().map(str::to_owned),
        digest: action.digest().hex(),
        effects: Vec::new(),
        findings: Vec::new(),
        charges: Vec::new(),
        cost: Micros(0),
        yields: Vec::new(),
        asks: Some(Asks {
            terms: Terms { from: Vec::new(), quorum: 1, timeout_ms: 600_000 },
            people: Vec::new(),
            expires: t + 10 * MINUTE,
        }),
        approval: None,
        until: None,
        duplicate_of: None,
        by: None,
    }))
}

fn answered(of: Index, approve: bool, t: Micro) -> Record {
    Record::Answered(Answered { t, of, approve, by: "alice".into(), message: None })
}

fn books(records: &[Record]) -> Books {
    let mut books = Books::default();
    (0..).zip(records).for_each(|(at, record)| books.apply(at, record));
    books
}

#[test]
fn the_one_that_was_agreed_to_comes_before_the_newest_that_is_open() {
    let action = about(draft());
    // More of them than any order of a map would get right by chance.
    let mut records: Vec<Record> = (0..40).map(|n| asked(&action, n, "v")).collect();
    let found = |records: &[Record], now| books(records).question_about(&action, &version("v"), now);
    assert_eq!(found(&records, MINUTE), Some((39, Standing::Pending)));
    records.push(answered(7, true, 50));
    assert_eq!(found(&records, MINUTE), Some((7, Standing::Approved)));
    records.push(answered(39, false, 51));
    assert_eq!(found(&records, MINUTE), Some((7, Standing::Approved)));
    assert_eq!(found(&records, 11 * MINUTE), None, "its time is over");
}

#[test]
fn what_was_denied_or_used_is_not_found() {
    let action = about(draft());
    let mut records = vec![asked(&action, 0, "v"), answered(0, false, 1)];
    assert_eq!(books(&records).question_about(&action, &version("v"), 2), None);
    records.extend([asked(&action, 2, "v"), answered(2, true, 3)]);
    assert_eq!(books(&records).question_about(&action, &version("v"), 4), Some((2, Standing::Approved)));
    let Record::Decided(mut used) = asked(&action, 4, "v") else { panic!("a decision") };
    (used.decision, used.code, used.asks, used.approval) = (Answer::Allow, Code::Allowed, None, Some(2));
    records.push(Record::Decided(used));
    assert_eq!(
        books(&records).question_about(&action, &version("v"), 5),
        None,
        "an approval is for one time"
    );
}

#[test]
fn a_question_about_anything_else_is_not_found() {
    let action = about(draft());
    let books = books(&[asked(&action, 0, "v")]);
    let found = |draft: Draft, policy: &str| books.question_about(&about(draft), &version(policy), 1);
    assert!(found(draft(), "v").is_some());
    assert!(found(draft(), "w").is_none(), "another policy would ask anew");
    for other in [
        Draft { agent: "b".into(), ..draft() },
        Draft { tool: "mail.read".into(), ..draft() },
        Draft { user: Some("w".into()), ..draft() },
        Draft { user: None, ..draft() },
        Draft { key: Some("k".into()), ..draft() },
        Draft { realm: Realm::Test, ..draft() },
        Draft { args: Some(Json::parse(br#"{"to": "x"}"#).unwrap()), ..draft() },
    ] {
        assert_eq!(found(other.clone(), "v"), None, "{other:?}");
    }
}

/// A decision that used the approval at `of`.
fn used(action: &Action, of: Index, t: Micro) -> Record {
    let Record::Decided(mut it) = asked(action, t, "v") else { panic!("a decision") };
    (it.decision, it.code, it.asks, it.approval) = (Answer::Allow, Code::Allowed, None, Some(of));
    Record::Decided(it)
}

#[test]
fn a_question_is_awaited_until_it_is_denied_closed_or_used() {
    let action = about(draft());
    // Two questions, and then every order of four events about them, sensible or not.
    for order in 0..10_usize.pow(4) {
        let mut records = vec![asked(&action, 0, "v"), asked(&action, 1, "v")];
        let mut live = [true, true];
        for n in 0..4 {
            let (event, t) = (order / 10_usize.pow(n) % 10, Micro::from(n) + 2);
            let of = event % 2;
            records.push(match event {
                0..2 => answered(of as Index, true, t),
                2..4 => answered(of as Index, false, t),
                4..6 => used(&action, of as Index, t),
                _ => Record::Closed(Closed { t, of: of as Index, cancelled: event < 8 }),
            });
            live[of] &= event < 2;
        }
        let books = books(&records);
        let expected: Vec<Index> = (0..2).filter(|at| live[*at as usize]).collect();
        assert_eq!(books.awaited().map(|(at, _)| at).collect::<Vec<_>>(), expected, "{order:04}");
        for (at, approval) in books.awaited() {
            let may_come =
                approval.ended.is_none_or(|ended| ended == Ended::Approved) && approval.used.is_none();
            assert!(may_come, "{order:04}: {at}");
        }
    }
}
