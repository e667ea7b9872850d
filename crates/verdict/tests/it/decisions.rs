//! What a policy makes of actions: a matrix that a person can read in a diff, and the rules of precedence.

use std::sync::Arc;

use verdict::load::load;
use verdict::*;

fn policy(text: &str) -> Arc<Policy> {
    let loaded = load("test.yaml", text, &mut |_, _| Err("no includes here".into()));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).policy)
}

fn action(agent: &str, tool: &str, args: &str) -> Draft {
    Draft {
        agent: agent.into(),
        tool: tool.into(),
        args: Some(Json::parse(args.as_bytes()).unwrap()),
        ..Draft::default()
    }
}

fn verdict_on(policy: &Policy, draft: Draft) -> Verdict {
    let action = Action::new(draft).unwrap();
    let facts = inspect_money(&action, policy.tool(action.tool()));
    decide(policy, Case { action, facts }, 1_800_000_000_000_000)
}

/// What inspection does, for a crate that may not know it.
fn inspect_money(action: &Action, tool: Option<&Tool>) -> Facts {
    let mut facts = Facts { cost: action.estimate().unwrap_or_default(), ..Facts::default() };
    for (path, _) in tool.iter().flat_map(|tool| &tool.roles) {
        match action.args().at(path).map(Micros::from_json) {
            Some(Ok(amount)) => facts.amounts.push((path.clone(), amount)),
            other => facts.problem = Some(format!("{other:?}")),
        }
    }
    facts
}

fn show(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Permit(permit) => format!("allow    {}", permit.rule().map_or("-", |rule| rule)),
        Verdict::Ask(ask) => format!("ask {:?} of {}", ask.terms().from, ask.terms().quorum),
        Verdict::Deny(refused) => {
            let denial = refused.denial();
            format!("deny     {:?} {}", denial.code, denial.rule.as_deref().unwrap_or("-"))
        }
    }
}

const SUPPORT: &str = r"
version: 1
tools:
  stripe.refund: {args: {amount: money}, effects: [payment], price_usd: 0.01}
groups: {finance: [fay], staff: [sam]}
roles:
  reader: {rules: [{name: reading, allow: [crm.read, web.fetch]}]}
agents:
  support-bot:
    roles: [reader]
    rules:
      - {name: small, allow: [stripe.refund], when: args.amount <= 200}
      - {name: large, allow: [stripe.refund], when: args.amount <= 1000, approval: {from: [finance], quorum: 1, timeout: 15m}}
      - {name: staging, allow: [deploy], environments: [staging]}
      - {name: for-staff, allow: [mail.send], users: [staff]}
      - {name: never, deny: ['users.*', data.delete], reason: Accounts are closed by people}
      - {name: no-vip, deny: [stripe.refund], when: context.vip == true}
      - {name: blind, deny: [crm.read], users: [mallory]}
  other: {rules: [{name: all, allow: [crm.read]}]}
";

#[test]
fn the_matrix() {
    let policy = policy(SUPPORT);
    let cases = [
        ("support-bot", "stripe.refund", r#"{"amount": 200}"#),
        ("support-bot", "stripe.refund", r#"{"amount": 200.01}"#),
        ("support-bot", "stripe.refund", r#"{"amount": 1000}"#),
        ("support-bot", "stripe.refund", r#"{"amount": 1000.01}"#),
        ("support-bot", "stripe.refund", r#"{"amount": -1}"#),
        ("support-bot", "stripe.refund", r#"{"amount": "5"}"#),
        ("support-bot", "stripe.refund", r#"{"amount": 0.0000001}"#),
        ("support-bot", "stripe.refund", "{}"),
        ("support-bot", "crm.read", "{}"),
        ("support-bot", "deploy", "{}"),
        ("support-bot", "mail.send", "{}"),
        ("support-bot", "data.delete", "{}"),
        ("support-bot", "users.delete", "{}"),
        ("support-bot", "nosuch", "{}"),
        ("other", "crm.read", "{}"),
        ("other", "stripe.refund", r#"{"amount": 1}"#),
        ("stranger", "crm.read", "{}"),
    ];
    let found: Vec<String> = cases
        .iter()
        .map(|(agent, tool, args)| {
            // `context.vip` is read by a prohibition: what it cannot read counts against the action.
            let context = Some(Json::parse(br#"{"vip": false}"#).unwrap());
            let draft = Draft { context, user: Some("ulla".into()), ..action(agent, tool, args) };
            format!("{agent:<12}{tool:<15}{args:<24}{}", show(&verdict_on(&policy, draft)))
        })
        .collect();
    let expected = "\
support-bot stripe.refund  {\"amount\": 200}         allow    small
support-bot stripe.refund  {\"amount\": 200.01}      ask [\"finance\"] of 1
support-bot stripe.refund  {\"amount\": 1000}        ask [\"finance\"] of 1
support-bot stripe.refund  {\"amount\": 1000.01}     deny     NoMatchingRule -
support-bot stripe.refund  {\"amount\": -1}          deny     InvalidAction -
support-bot stripe.refund  {\"amount\": \"5\"}         deny     InvalidAction -
support-bot stripe.refund  {\"amount\": 0.0000001}   deny     InvalidAction -
support-bot stripe.refund  {}                      deny     InvalidAction -
support-bot crm.read       {}                      allow    reading
support-bot deploy         {}                      deny     NoMatchingRule -
support-bot mail.send      {}                      deny     NoMatchingRule -
support-bot data.delete    {}                      deny     DeniedByRule never
support-bot users.delete   {}                      deny     UnknownTool -
support-bot nosuch         {}                      deny     UnknownTool -
other       crm.read       {}                      allow    all
other       stripe.refund  {\"amount\": 1}           deny     NoMatchingRule -
stranger    crm.read       {}                      deny     UnknownAgent -";
    assert_eq!(found.join("\n"), expected);
}

#[test]
fn conditions_besides_the_arguments_count() {
    let policy = policy(SUPPORT);
    let context = |text: &str| Some(Json::parse(text.as_bytes()).unwrap());
    let refund = || action("support-bot", "stripe.refund", r#"{"amount": 5}"#);
    let decided = |draft| show(&verdict_on(&policy, draft));
    assert_eq!(
        decided(Draft { context: context(r#"{"vip":true}"#), ..refund() }),
        "deny     DeniedByRule no-vip"
    );
    // A prohibition that cannot be evaluated is a prohibition.
    assert_eq!(decided(refund()), "deny     EvaluationError no-vip");
    assert_eq!(decided(Draft { context: context(r#"{"vip":"yes"}"#), ..refund() }), "allow    small");
    let read = || action("support-bot", "crm.read", "{}");
    assert_eq!(decided(Draft { user: Some("mallory".into()), ..read() }), "deny     DeniedByRule blind");
    assert_eq!(decided(Draft { user: Some("mal".into()), ..read() }), "allow    reading");
    // Who does not say for whom may be the one it is forbidden for.
    assert_eq!(decided(read()), "deny     DeniedByRule blind");
    let mail =
        |user: Option<&str>| Draft { user: user.map(Into::into), ..action("support-bot", "mail.send", "{}") };
    assert_eq!(decided(mail(Some("sam"))), "allow    for-staff");
    assert_eq!(decided(mail(None)), "deny     NoMatchingRule -");
    let deploy = |environment: &str| Draft {
        environment: Some(environment.into()),
        ..action("support-bot", "deploy", "{}")
    };
    assert_eq!(decided(deploy("staging")), "allow    staging");
    assert_eq!(decided(deploy("production")), "deny     NoMatchingRule -");
}

#[test]
fn a_denial_says_what_would_be_allowed() {
    let policy = policy(SUPPORT);
    let context = Some(Json::parse(br#"{"vip": false}"#).unwrap());
    let draft = Draft { context, ..action("support-bot", "stripe.refund", r#"{"amount": 1500}"#) };
    let Verdict::Deny(refused) = verdict_on(&policy, draft) else { panic!("it is too much") };
    let reason = &refused.denial().reason;
    for part in ["small", "args.amount <= 200", "large", "1500"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn every_rule_is_explained_in_the_order_in_which_it_counts() {
    let policy = policy(SUPPORT);
    let action = Action::new(action("support-bot", "stripe.refund", r#"{"amount": 500}"#)).unwrap();
    let facts = inspect_money(&action, policy.tool("stripe.refund"));
    let context = Json::parse(b"{\"vip\":false}").unwrap();
    let draft = Draft {
        context: Some(context),
        ..self::action("support-bot", "stripe.refund", r#"{"amount": 500}"#)
    };
    let case = Case { action: Action::new(draft).unwrap(), facts };
    let found: Vec<String> = explain(&policy, &case, 0)
        .iter()
        .map(|it| {
            let finding = match &it.finding {
                RuleFinding::Lacks(lacks) => format!("lacks: {}", lacks.join("; ")),
                other => format!("{other:?}"),
            };
            format!("{} {finding}", it.rule)
        })
        .collect();
    assert_eq!(
        found,
        [
            "never lacks: it is not about the tool `stripe.refund`",
            "no-vip lacks: `context.vip == true` is false: `context.vip` is false",
            "blind lacks: it is not about the tool `stripe.refund`",
            "small lacks: `args.amount <= 200` is false: `args.amount` is 500",
            "large Decides",
            "staging lacks: it is not about the tool `stripe.refund`",
            "for-staff lacks: it is not about the tool `stripe.refund`",
            "reading lacks: it is not about the tool `stripe.refund`",
        ]
    );
}

#[test]
fn a_thousand_agents_do_not_see_each_others_rules() {
    let mut text = String::from("version: 1\nagents:\n");
    for n in 0..1_000 {
        text.push_str(&format!("  agent-{n}:\n    rules:\n"));
        for rule in 0..10 {
            text.push_str(&format!("      - {{name: r{rule}, allow: [tool-{n}-{rule}]}}\n"));
        }
    }
    let policy = policy(&text);
    for n in [0, 1, 500, 999] {
        let agent = format!("agent-{n}");
        for other in [0, 1, 500, 999] {
            for rule in [0, 9] {
                let verdict = verdict_on(&policy, action(&agent, &format!("tool-{other}-{rule}"), "{}"));
                assert_eq!(matches!(verdict, Verdict::Permit(_)), n == other, "{agent} tool-{other}-{rule}");
            }
        }
    }
}

#[test]
fn names_that_are_no_names_are_no_actions() {
    let long = "a".repeat(10_000);
    let bad = ["", "..", "../a", "a/../b", "a b", "a\nb", "a\u{0}", "ä", "a|b", "a\"b", &long];
    for name in bad {
        assert!(Action::new(action(name, "t", "{}")).is_err(), "{name:?}");
        assert!(Action::new(action("a", name, "{}")).is_err(), "{name:?}");
    }
    for name in ["", "../a", "a\nb", &long] {
        let with = |draft: Draft| Action::new(draft).is_err();
        assert!(with(Draft { user: Some(name.into()), ..action("a", "t", "{}") }), "{name:?}");
        assert!(with(Draft { session: Some(name.into()), ..action("a", "t", "{}") }), "{name:?}");
        assert!(with(Draft { key: Some(name.into()), ..action("a", "t", "{}") }), "{name:?}");
    }
    for args in ["[]", "1", "\"x\"", "true"] {
        let args = Some(Json::parse(args.as_bytes()).unwrap());
        assert!(Action::new(Draft { args, ..action("a", "t", "{}") }).is_err());
    }
    assert!(
        Action::new(Draft { user: Some("ülla mañana".into()), ..action("a@b:c-d_e.f", "x/y.z", "{}") })
            .is_ok()
    );
}

/// Every policy of a few agents, tools and patterns: the index must find what asking every rule finds.
mod index {
    use proptest::prelude::*;
    use verdict::*;

    const TOOLS: [&str; 6] = ["crm.read", "crm.write", "stripe.refund", "crm", "x", "nosuch.read"];
    const PATTERNS: [&str; 10] =
        ["crm.read", "crm.write", "stripe.refund", "x", "crm.*", "*.read", "*", "c*m.*d", "stripe.*", "crm"];

    fn rule(n: usize, allow: bool, patterns: &[usize]) -> Rule {
        Rule {
            name: format!("r{n}").into(),
            effect: if allow { RuleKind::Allow } else { RuleKind::Deny },
            tools: patterns.iter().map(|at| Pattern::new(PATTERNS[*at])).collect(),
            effects: Vec::new(),
            when: None,
            environments: Vec::new(),
            users: Vec::new(),
            approval: None,
            reason: None,
            place: String::new(),
        }
    }

    /// Stars by brute force.
    fn meant(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (1..=text.len()).any(|n| meant(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && meant(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_index_finds_what_asking_every_rule_finds(
            rules in prop::collection::vec((any::<bool>(), prop::collection::vec(0..PATTERNS.len(), 1..3)), 0..5),
            others in prop::collection::vec((any::<bool>(), prop::collection::vec(0..PATTERNS.len(), 1..3)), 0..5),
            limited in prop::collection::vec(0..PATTERNS.len(), 0..2),
            wild in any::<bool>(),
        ) {
            let make = |id: &str, rules: &[(bool, Vec<usize>)]| AgentParts {
                id: id.into(),
                rules: rules.iter().enumerate().map(|(n, (allow, patterns))| rule(n, *allow, patterns)).collect(),
                limits: vec![Limit::new(
                    Meter::Actions,
                    limited.iter().map(|at| Pattern::new(PATTERNS[*at])).collect(),
                    Window::Sliding(1_000_000),
                    Scope::Agent,
                    5,
                )],
                ..AgentParts::default()
            };
            let unknown_tool = if wild { UnknownTool::Rules } else { UnknownTool::Deny };
            let tools = vec![Tool { name: "stripe.refund".into(), ..Tool::default() }];
            let agents = vec![make("a", &rules), make("b", &others)];
            let parts = Parts { unknown_tool, tools, agents, ..Parts::default() };
            let policy = Policy::compile(parts, PolicyVersion("v".into()));
            let exact = |tool: &str| {
                tool == "stripe.refund"
                    || rules.iter().chain(&others).flat_map(|(_, p)| p).chain(&limited).any(|at| PATTERNS[*at] == tool)
            };
            for tool in TOOLS {
                let draft = Draft { agent: "a".into(), tool: tool.into(), ..Draft::default() };
                let case = Case { action: Action::new(draft).unwrap(), facts: Facts::default() };
                let hits = |allow: bool| {
                    rules.iter().enumerate().find(|(_, (effect, patterns))| {
                        *effect == allow && patterns.iter().any(|at| meant(PATTERNS[*at].as_bytes(), tool.as_bytes()))
                    })
                };
                let expected = match (exact(tool) || wild, hits(false), hits(true)) {
                    (false, _, _) => "UnknownTool".to_owned(),
                    (true, Some((n, _)), _) => format!("DeniedByRule r{n}"),
                    (true, None, Some((n, _))) => {
                        let counts = limited.is_empty()
                            || limited.iter().any(|at| meant(PATTERNS[*at].as_bytes(), tool.as_bytes()));
                        format!("allow r{n} {}", usize::from(counts))
                    }
                    (true, None, None) => "NoMatchingRule".to_owned(),
                };
                let found = match decide(&policy, case, 0) {
                    Verdict::Permit(permit) => format!("allow {} {}", permit.rule().unwrap(), permit.claims().len()),
                    Verdict::Deny(refused) => match &refused.denial().rule {
                        Some(rule) => format!("{:?} {rule}", refused.denial().code),
                        None => format!("{:?}", refused.denial().code),
                    },
                    Verdict::Ask(_) => "ask".into(),
                };
                prop_assert_eq!(found, expected, "{}", tool);
            }
        }
    }
}
