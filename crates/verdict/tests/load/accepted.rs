//! What is accepted, and what it becomes.

use super::{INIT, SAMPLE, brief, mistakes, read, read_files};
use verdict::load::load;
use verdict::{Meter, Micros, Mode, Role, RuleKind, Scope, Window};

const DESIGN: &str = r#"
version: 1
defaults: {mode: enforce, unknown_tool: deny}        # mode: observe = record what would have happened

tools:
  stripe.refund:  {args: {amount: money}, effects: [payment], price_usd: 0.01}
  files.write:    {args: {path: fs.write}}
  shell.run:      {args: {command: shell}}
  db.query:       {args: {sql: sql}}
  web.fetch:      {args: {url: net}, yields: [untrusted]}
  crm.read:       {yields: [private]}
  email.send:     {effects: [message.send], args: {to: recipient}}

agents:
  support-bot:
    owner: support-team@company.com
    purpose: Customer support with refunds
    rules:
      - {name: everyday,      allow: [crm.read, web.fetch, zendesk.ticket.update]}
      - {name: small-refunds, allow: [stripe.refund], when: args.amount <= 200}
      - {name: large-refunds, allow: [stripe.refund], when: args.amount <= 1000, approval: {from: [finance], quorum: 1, timeout: 15m}}
      - {name: never,         deny: [users.delete, data.delete], reason: Accounts are closed by people}
    limits:
      - {meter: actions, max: 100, per: 1h}
      - {meter: actions, max: 60, per: 1m, by: user}
      - {meter: actions, max: 3, per: step}
      - {meter: usd, max: 100, per: 1d}
      - {meter: usd, max: 2, per: call}
      - {meter: args.amount, tools: [stripe.refund], max: 5000, per: 1d}
      - {meter: failures, max: 5, per: session, consecutive: true}
"#;

#[test]
fn the_design_s_own_example_is_read() {
    let loaded = read(DESIGN).unwrap();
    assert_eq!(
        brief(&loaded.warnings),
        [
            "7:3 no rule names tool `files.write`, so nobody may call it | allow it in a rule, or remove it",
            "8:3 no rule names tool `shell.run`, so nobody may call it | allow it in a rule, or remove it",
            "9:3 no rule names tool `db.query`, so nobody may call it | allow it in a rule, or remove it",
            "12:3 no rule names tool `email.send`, so nobody may call it | allow it in a rule, or remove it",
            "21:100 `finance` is not a group of this policy; only keys made with this name or group can answer | \
             add `finance` with its members under `groups`",
        ]
    );
    let policy = loaded.policy;
    let refund = policy.tool("stripe.refund").unwrap();
    assert_eq!(refund.price, Micros(10_000));
    assert_eq!(refund.roles, [(vec!["amount".to_owned()], Role::Money)]);
    assert_eq!(refund.effects, [verdict::Effect::new("payment", verdict::Target::None)]);
    assert!(policy.tool("users.delete").is_some(), "named in a rule");
    let bot = policy.agent("support-bot").unwrap();
    assert_eq!(bot.owner(), Some("support-team@company.com"));
    assert_eq!(bot.rules().len(), 4);
    let large = &bot.rules()[2];
    assert_eq!((large.effect, large.place.as_str()), (RuleKind::Allow, "policy.yaml:21"));
    let terms = large.approval.as_ref().unwrap();
    assert_eq!(
        (terms.from.as_slice(), terms.quorum, terms.timeout_ms),
        (&["finance".to_owned()][..], 1, 900_000)
    );
    let labels: Vec<&str> = bot.limits().iter().map(|limit| &*limit.label).collect();
    assert_eq!(
        labels,
        [
            "actions per 1h",
            "actions per 1m by user",
            "actions per step",
            "usd per 1d",
            "usd per call",
            "args.amount per 1d on stripe.refund",
            "failures in a row per session",
        ]
    );
    let limits: Vec<i64> = bot.limits().iter().map(|limit| limit.max).collect();
    assert_eq!(limits, [100, 60, 3, 100_000_000, 2_000_000, 5_000_000_000, 5]);
    assert_eq!(bot.limits()[6].meter, Meter::Failures { consecutive: true });
    assert_eq!((bot.limits()[1].scope, bot.limits()[1].window), (Scope::User, Window::Sliding(60_000_000)));
}

#[test]
fn our_own_policies_are_read_without_a_warning() {
    for (name, text) in [("init", INIT), ("sample", SAMPLE)] {
        let loaded = read(text).unwrap_or_else(|problems| panic!("{name}: {:#?}", brief(&problems)));
        assert_eq!(brief(&loaded.warnings), [""; 0], "{name}");
        assert_eq!(text.lines().next(), Some("# yaml-language-server: $schema=portcullis.schema.json"));
    }
}

#[test]
fn the_same_policy_as_json_is_the_same_policy() {
    let json = "{\n\t\"version\": 1,\n\t\"tools\": {\"pay\": {\"args\": {\"/to/amount\": \"money\"}}},\
        \"agents\": {\"bot\": {\"rules\": [{\"name\": \"caf\\u00e9\", \"allow\": [\"pay\"], \"when\": \"args.to.amount <= 1\"}]}}}";
    let loaded = read(json).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems)));
    assert_eq!(loaded.warnings, []);
    let rule = &loaded.policy.agent("bot").unwrap().rules()[0];
    assert_eq!(&*rule.name, "café");
    assert_eq!(loaded.policy.tool("pay").unwrap().roles[0].0, ["to", "amount"]);
}

#[test]
fn tiers_become_one_rule_for_each_step() {
    let text = "
version: 1
agents:
  bot:
    rules:
      - name: refunds
        allow: refund
        when: args.currency == 'EUR' // only these
        tiers:
          by: args.order.net-amount
          steps: [{up_to: 50}, {up_to: 200.5, approval: true}, {up_to: 1e3, approval: {from: [ann@x], quorum: 2, timeout: 2h}}]
";
    let loaded = read(text).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems)));
    let agent = loaded.policy.agent("bot").unwrap();
    let rules: Vec<(&str, &str)> =
        agent.rules().iter().map(|rule| (&*rule.name, rule.when.as_ref().unwrap().source())).collect();
    let by = "args.order[\"net-amount\"]";
    let when = |to: &str| format!("(args.currency == 'EUR' // only these\n) && {by} >= 0 && {by} <= {to}");
    let expected = [
        ("refunds[up to 50]", when("50")),
        ("refunds[up to 200.5]", when("200.50")),
        ("refunds[up to 1e3]", when("1000")),
    ];
    assert_eq!(rules, expected.each_ref().map(|(name, when)| (*name, when.as_str())));
    let terms: Vec<_> =
        agent.rules().iter().map(|rule| rule.approval.clone().map(|t| (t.quorum, t.timeout_ms))).collect();
    assert_eq!(terms, [None, Some((1, 900_000)), Some((2, 7_200_000))]);
}

#[test]
fn agents_get_what_their_roles_and_everyone_have() {
    let text = "
version: 1
roles:
  reader: {owner: them, mode: observe, rules: [{name: read, allow: [a.read]}], limits: [{meter: actions, max: 9, per: 1h}]}
  writer: {mode: enforce, rules: [{name: write, allow: [a.write]}]}
agents:
  both: {roles: [reader, writer], rules: [{name: own, deny: [a.drop]}]}
  one: {owner: us, roles: reader}
  two: {mode: observe, roles: [writer]}
limits: [{meter: usd, max: 0.50, per: 2w, by: tenant}]
";
    let policy = read(text).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems))).policy;
    let names = |id: &str| {
        policy.agent(id).unwrap().rules().iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("both"), ["own", "read", "write"]);
    assert_eq!(names("one"), ["read"]);
    let labels = |id: &str| {
        policy.agent(id).unwrap().limits().iter().map(|limit| limit.label.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(labels("both"), ["actions per 1h", "usd per 14d by tenant"]);
    assert_eq!(
        policy.agent("both").unwrap().mode(),
        Mode::Enforce,
        "of two roles, the one that binds counts"
    );
    assert_eq!(policy.agent("one").unwrap().mode(), Mode::Observe);
    assert_eq!(policy.agent("two").unwrap().mode(), Mode::Observe);
    assert_eq!(
        (policy.agent("both").unwrap().owner(), policy.agent("one").unwrap().owner()),
        (Some("them"), Some("us"))
    );
}

#[test]
fn included_files_are_added() {
    let files = [
        (
            "main.yaml",
            "version: 1\ninclude: [tools.yaml, bots.yaml]\nagents: {a: {roles: [r], rules: [{name: x, allow: [t.one]}]}}\n",
        ),
        ("tools.yaml", "version: 1\ntools: {t.one: }\n"),
        (
            "bots.yaml",
            "version: 1\ninclude: [tools.yaml]\nroles: {r: {rules: [{name: y, deny: [t.two]}]}}\nlimits: [{meter: tokens, max: 5, per: session}]\n",
        ),
    ];
    let loaded = read_files(&files).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems)));
    assert_eq!(loaded.files, ["main.yaml", "tools.yaml", "bots.yaml"]);
    let agent = loaded.policy.agent("a").unwrap();
    assert_eq!(
        agent.rules().iter().map(|rule| rule.place.as_str()).collect::<Vec<_>>(),
        ["main.yaml:3", "bots.yaml:3"]
    );
    assert_eq!(agent.limits().len(), 1);
}

#[test]
fn the_version_is_that_of_the_contents() {
    let version = |name: &str, text: &str, included: (&str, &str)| {
        let mut include = |_: &str, _: &str| Ok((included.0.to_owned(), included.1.to_owned()));
        load(name, text, &mut include).unwrap().policy.version().0.to_string()
    };
    let (text, other) = ("version: 1\ninclude: [x]\n", "version: 1\n");
    let first = version("a", text, ("x", other));
    assert_eq!(first.len(), 32);
    assert!(first.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(first, version("b", text, ("y", other)), "paths do not count");
    assert_ne!(first, version("a", text, ("x", "version: 1 \n")), "every byte does");
    assert_ne!(first, version("a", "version: 1\ninclude: [z]\n", ("x", other)));
}

#[test]
fn words_stay_words_and_amounts_stay_exact() {
    let text = "
version: 1
defaults: {environment: no}
tools: {on: {price_usd: 0.000001}}
groups: {y: [off, 007x]}
agents: {no: {rules: [{name: yes, allow: on, users: [y, n], when: true}], limits: [{meter: usd, max: 0.10, per: 1h}]}}
";
    let policy = read(text).unwrap_or_else(|problems| panic!("{:#?}", brief(&problems))).policy;
    assert_eq!(policy.environment(), "no");
    assert_eq!(policy.tool("on").unwrap().price, Micros(1));
    let agent = policy.agent("no").unwrap();
    assert_eq!(
        (&*agent.rules()[0].name, agent.rules()[0].users.as_slice()),
        ("yes", &["y".to_owned(), "n".to_owned()][..])
    );
    assert_eq!(agent.limits()[0].max, 100_000);
    assert!(policy.is_in("off", "y"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    assert_eq!(mistakes("\u{feff}version: 1\r\nagents: {}\r\n"), [""; 0]);
    assert_eq!(mistakes("\u{feff}version: 1\r\nagent: {}\r\n")[0].split(' ').next(), Some("2:1"));
}

#[test]
fn the_bounds_of_a_run_are_the_tools_else_the_agents_else_its_roles() {
    let text = r#"
version: 1
tools:
  shell.run: {sandbox: {timeout: 5s, network: none}}
  code.run: {sandbox: {network: [pypi.org, "*.pythonhosted.org:443"], require: [memory, time]}}
roles:
  worker: {sandbox: {memory: 64MiB, timeout: 10s, env: [LANG]}}
agents:
  bot:
    roles: [worker]
    rules: [{name: r, allow: [shell.run, code.run]}]
    sandbox: {timeout: 1m, workspace: /srv/work, cpu: 50%, output: 8KiB, require: all}
"#;
    let policy = read(text).unwrap().policy;
    let shell = policy.bounds("bot", "shell.run");
    assert_eq!((shell.timeout_ms, shell.memory, shell.cpu), (Some(5_000), Some(64 << 20), Some(50)));
    assert_eq!(shell.network, Some(vec![]), "none is no host");
    assert_eq!(shell.require, Some(vec![]), "all is no list");
    assert_eq!(shell.workspace.as_deref(), Some("/srv/work"));
    let code = policy.bounds("bot", "code.run");
    assert_eq!((code.timeout_ms, code.output), (Some(60_000), Some(8 << 10)));
    assert_eq!(code.network.unwrap().len(), 2);
    assert_eq!(code.require.unwrap(), ["memory", "time"]);
    assert_eq!(policy.bounds("nobody", "none"), verdict::Bounds::default());
}
