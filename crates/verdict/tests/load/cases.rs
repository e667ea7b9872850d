//! Files of policy tests.

use super::{SAMPLE_TESTS, brief};
use verdict::load::cases;
use verdict::{Json, Micros};

#[test]
fn the_sample_s_cases_are_read() {
    let read =
        cases("sample.test.yaml", SAMPLE_TESTS).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems)));
    assert!(read.len() >= 10);
    let large = read.iter().find(|case| case.name == "a large refund waits for finance").unwrap();
    assert_eq!(large.given.args, Json::parse(br#"{"amount": 500, "charge": "ch_1"}"#).unwrap());
    assert_eq!(
        (large.expect.decision.as_str(), large.expect.rule.as_deref()),
        ("pending", Some("large-refunds"))
    );
    assert!(SAMPLE_TESTS.lines().nth(large.line - 1).unwrap().contains(&large.name));
}

#[test]
fn everything_an_action_has_can_be_given() {
    let text = "
- name: whole
  given:
    agent: a b
    tool: '..'
    args: {n: -1.5e3, b: true, x: ~, no: no, s: '1', l: [1, {}], 'odd key': 2}
    context: {ticket: T-1}
    user: u
    session_id: s
    step: '1'
    environment: test
    estimated_cost_usd: 0.05
  expect: {decision: deny, code: limit, reason: Too much}
";
    let case = cases("x", text).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems))).remove(0);
    let args = r#"{"n": -1500.0, "b": true, "x": null, "no": "no", "s": "1", "l": [1, {}], "odd key": 2}"#;
    assert_eq!(case.given.args, Json::parse(args.as_bytes()).unwrap());
    assert_eq!(case.given.context, Json::parse(br#"{"ticket": "T-1"}"#).unwrap());
    assert_eq!((case.line, case.given.agent.as_str(), case.given.tool.as_str()), (2, "a b", ".."));
    assert_eq!(case.given.estimated_cost, Some(Micros(50_000)));
    assert_eq!((case.given.user.as_deref(), case.given.session_id.as_deref()), (Some("u"), Some("s")));
    assert_eq!((case.given.step.as_deref(), case.given.environment.as_deref()), (Some("1"), Some("test")));
    assert_eq!(
        (case.expect.code.as_deref(), case.expect.reason.as_deref()),
        (Some("limit"), Some("Too much"))
    );
}

#[test]
fn mistakes_are_named() {
    let wrong = |text: &str| brief(&cases("x", text).unwrap_err());
    let case =
        |given: &str, expect: &str| wrong(&format!("- name: n\n  given: {given}\n  expect: {expect}\n"));
    assert_eq!(
        case("{agent: a, tool: t, arg: {}}", "{decision: allow}")[0],
        "2:30 unknown key `arg`; did you mean `args`? | an action has the keys agent, tool, args, context, user, session_id, step, environment, estimated_cost_usd"
    );
    assert_eq!(
        case("{agent: a, tool: t, args: [1]}", "{decision: allow}"),
        ["2:36 an object is wanted here | write it as `{amount: 500}`"]
    );
    assert_eq!(
        case("{agent: a, tool: t, args: {n: 010}}", "{decision: allow}"),
        ["2:40 `010` is not a number that JSON could carry | put it in quotes if it is a text"]
    );
    assert_eq!(case("{agent: a, tool: t, args: {n: 1e400, m: .nan}}", "{decision: allow}").len(), 2);
    assert_eq!(
        case("{agent: a, tool: t}", "{decision: alow}"),
        ["3:22 unknown decision `alow`; did you mean `allow`? | known: allow, deny, pending"]
    );
    assert_eq!(
        case("{agent: a, tool: t}", "{decision: deny, code: limits}")[0].split(" | ").next(),
        Some("3:34 unknown code `limits`; did you mean `limit`?")
    );
    assert_eq!(
        case("{tool: t}", "{}"),
        [
            "2:10 an action without `agent` | add `agent`, for example `agent: support-bot`",
            "3:11 an expectation without `decision` | add `decision`, for example `decision: pending`"
        ]
    );
    let twice = "- {name: n, given: {agent: a, tool: t}, expect: {decision: deny}}\n";
    assert_eq!(wrong(&format!("{twice}{twice}")), ["2:3 case `n` is given twice | the first is at x:1:3"]);
    for text in ["[]", "{}", "1", "name: x"] {
        assert_eq!(wrong(text).len(), 1, "{text}");
    }
    assert_eq!(wrong("# nothing\n")[0].split(" | ").next(), Some("1:1 the file is empty"));
}
