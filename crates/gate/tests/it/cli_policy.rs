//! `portcullis init` and `portcullis policy`, by the real program.

use crate::cli::Desk;

#[test]
fn what_init_writes_is_right_from_the_start() {
    let desk = Desk::new();
    let said = desk.run(&["init", "new/here"]).ok();
    assert!(said.out.contains("portcullis policy check new/here/portcullis.yaml"), "{}", said.out);
    let checked =
        desk.run(&["policy", "check", "new/here/portcullis.yaml", "--strict", "--json"]).ok().json();
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["problems"].as_array().unwrap().len(), 0);
    let tested = desk.run(&["policy", "test", "new/here/portcullis.yaml", "--json"]).ok().json();
    assert_eq!(tested["failed"], 0);
    assert!(tested["passed"].as_u64().unwrap() >= 5);
    let schema = std::fs::read_to_string(desk.path("new/here/portcullis.schema.json")).unwrap();
    assert_eq!(schema, desk.run(&["policy", "schema"]).ok().out);
    // What somebody wrote is not written over, unless they say so.
    desk.write("new/here/portcullis.test.yaml", "mine");
    desk.run(&["init", "new/here"]).refused("--force");
    assert_eq!(std::fs::read_to_string(desk.path("new/here/portcullis.test.yaml")).unwrap(), "mine");
    desk.run(&["init", "new/here", "--force"]).ok();
    desk.run(&["policy", "test", "new/here/portcullis.yaml"]).ok();
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let desk = Desk::new();
    desk.write(
        "bad.yaml",
        "version: 1\nagents:\n  a:\n    ruls: []\n    rules:\n      - {name: one, allow: [x.y], when: args.amount <<< 1}\n    limits:\n      - {meter: actions, max: 1}\n",
    );
    let said = desk.run(&["policy", "check", "bad.yaml"]);
    assert_eq!(said.code, 1);
    for part in ["bad.yaml:4:5: error: ", "`ruls`", "bad.yaml:6:", "bad.yaml:8:", "  help: "] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let json = desk.run(&["policy", "check", "bad.yaml", "--json"]);
    assert_eq!(json.code, 1);
    let json = json.json();
    assert_eq!(json["ok"], false);
    let lines: Vec<u64> =
        json["problems"].as_array().unwrap().iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 6, 8]);
    // No gate starts with it, and every mistake is said there, too.
    let said =
        desk.run(&["check", "--policy", "bad.yaml", "--agent", "a", "--tool", "x.y"]).refused("3 errors");
    assert!(said.err.contains("bad.yaml:4:5: error: "), "{}", said.err);
    assert!(!desk.store().exists());
    desk.run(&["serve", "--policy", "bad.yaml"]).refused("3 errors");
}

#[test]
fn warnings_fail_only_if_they_should() {
    let desk = Desk::new();
    desk.write(
        "loose.yaml",
        "version: 1\ntools: {x.y: {}}\nagents:\n  a:\n    rules:\n      - {name: all, allow: ['*']}\n",
    );
    let said = desk.run(&["policy", "check", "loose.yaml"]).ok();
    assert!(said.out.contains("warning: "), "{}", said.out);
    assert_eq!(desk.run(&["policy", "check", "loose.yaml", "--strict"]).code, 1);
}

#[test]
fn failing_cases_show_what_came_out_and_why() {
    let desk = Desk::new();
    desk.write(
        "policy.test.yaml",
        "- name: right\n  given: {agent: support-bot, tool: crm.read}\n  expect: {decision: allow, rule: everyday, code: allowed}\n\
         - name: wrong\n  given: {agent: support-bot, tool: stripe.refund, args: {amount: 500}}\n  expect: {decision: allow, rule: small}\n\
         - name: held\n  given: {agent: support-bot, tool: stripe.refund, args: {amount: 500}}\n  expect: {decision: pending, rule: large}\n",
    );
    let said = desk.run(&["policy", "test", "policy.yaml"]);
    assert_eq!(said.code, 1);
    for part in [
        "✓ right",
        "✓ held",
        "✗ wrong  policy.test.yaml:4",
        "decision: expected allow, is pending",
        "rule: expected small, is large",
        "allow large: decides",
        "failed: 2 passed, 1 failed",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    desk.write("odd.yaml", "- name: x\n  given: {agent: a}\n  expect: {decision: maybe}\n");
    let said = desk.run(&["policy", "test", "policy.yaml", "odd.yaml"]).refused("odd.yaml");
    assert!(said.err.contains("odd.yaml:2:"), "{}", said.err);
    desk.run(&["policy", "test", "policy.yaml", "nothing.yaml"]).refused("nothing.yaml");
}

#[test]
fn explanations_name_every_rule_in_order() {
    let desk = Desk::new();
    let args = [
        "policy",
        "explain",
        "--policy",
        "policy.yaml",
        "--agent",
        "support-bot",
        "--tool",
        "stripe.refund",
        "--args",
        "{\"amount\": 500}",
    ];
    let said = desk.run(&args).ok();
    for part in [
        "never",
        "it is not about the tool",
        "`args.amount <= 100` is false",
        "decides",
        "actions per 1h",
        "pending (approval_required)",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let json = desk.run(&[&args[..], &["--json"]].concat()).ok().json();
    let rules: Vec<(&str, &str)> = json["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["rule"].as_str().unwrap(), it["finding"].as_str().unwrap()))
        .collect();
    assert_eq!(rules, [("never", "lacks"), ("everyday", "lacks"), ("small", "lacks"), ("large", "decides")]);
    assert_eq!((json["decision"].as_str(), json["rule"].as_str()), (Some("pending"), Some("large")));
    // Nothing was recorded.
    assert!(!desk.store().exists());
}
