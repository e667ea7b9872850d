//! The policies and actions that are measured: as a company would write them for an agent that answers customers.
//!
//! Each exists twice, for the gate and for cedar-policy, and means the same.

use std::fmt::Write as _;
use std::sync::Arc;

use inspect::inspect;
use verdict::load::load;
use verdict::{Action, Case, Draft, Json, Policy};

const TOOLS: &str = r"
version: 1
tools:
  stripe.refund:         {args: {amount: money}, effects: [payment], price_usd: 0.01}
  crm.read:              {yields: [private]}
  web.fetch:             {args: {url: url}, yields: [untrusted]}
  zendesk.ticket.update: {risk: medium}
  email.send:            {args: {to: recipient}, effects: [message.send]}
  db.query:              {price_usd: 0.001}
agents:
";

/// Ten rules as they are: five speak of refunds, four of them with a condition that must be looked at.
const TEN: &str = r#"
      - {name: frozen,    deny: [stripe.refund], when: 'args.currency != "USD"', reason: only dollars}
      - {name: blocked,   deny: [stripe.refund], when: 'args.customer.startsWith("cus_blocked_")'}
      - {name: never,     deny: [users.delete, data.delete], reason: accounts are closed by people}
      - {name: no-files,  deny: [email.send], when: has(args.attachment)}
      - {name: live-data, deny: [db.query], when: 'environment == "production" && args.rows > 100000'}
      - {name: everyday,  allow: [crm.read, web.fetch, zendesk.ticket.update]}
      - {name: doubles,   allow: [stripe.refund], when: 'args.amount <= 20 && args.reason == "duplicate"'}
      - {name: small,     allow: [stripe.refund], when: args.amount <= 200}
      - {name: mail,      allow: [email.send], when: 'args.to.endsWith("@example.com")'}
      - {name: reports,   allow: [db.query], when: args.rows <= 1000}
"#;

const TEN_IN_CEDAR: [(&str, &str, &str); 10] = [
    ("forbid", "stripe.refund", r#"context.args.currency != "USD""#),
    ("forbid", "stripe.refund", r#"context.args.customer like "cus_blocked_*""#),
    ("forbid", "users.delete,data.delete", ""),
    ("forbid", "email.send", "context.args has attachment"),
    ("forbid", "db.query", r#"context.environment == "production" && context.args.rows > 100000"#),
    ("permit", "crm.read,web.fetch,zendesk.ticket.update", ""),
    ("permit", "stripe.refund", r#"context.args.amount <= 20 && context.args.reason == "duplicate""#),
    ("permit", "stripe.refund", "context.args.amount <= 200"),
    ("permit", "email.send", r#"context.args.to like "*@example.com""#),
    ("permit", "db.query", "context.args.rows <= 1000"),
];

/// Ten rules that all speak of the one tool and all have a condition: the index can leave none out. The last allows.
const HARD: &str = r#"
      - {name: d1, deny: [stripe.refund], when: 'args.currency != "USD"'}
      - {name: d2, deny: [stripe.refund], when: 'args.customer.startsWith("cus_blocked_")'}
      - {name: d3, deny: [stripe.refund], when: args.amount > 100000}
      - {name: d4, deny: [stripe.refund], when: 'environment == "test" && args.amount > 1'}
      - {name: a1, allow: [stripe.refund], when: 'args.amount <= 20 && args.reason == "duplicate"'}
      - {name: a2, allow: [stripe.refund], when: 'args.amount <= 30 && args.reason == "late"'}
      - {name: a3, allow: [stripe.refund], when: 'args.amount <= 40 && args.reason == "broken"'}
      - {name: a4, allow: [stripe.refund], when: 'args.amount <= 50 && user == "lead"'}
      - {name: a5, allow: [stripe.refund], when: 'args.amount <= 60 && session_id == "vip"'}
      - {name: a6, allow: [stripe.refund], when: args.amount <= 200}
"#;

const HARD_IN_CEDAR: [(&str, &str, &str); 10] = [
    ("forbid", "stripe.refund", r#"context.args.currency != "USD""#),
    ("forbid", "stripe.refund", r#"context.args.customer like "cus_blocked_*""#),
    ("forbid", "stripe.refund", "context.args.amount > 100000"),
    ("forbid", "stripe.refund", r#"context.environment == "test" && context.args.amount > 1"#),
    ("permit", "stripe.refund", r#"context.args.amount <= 20 && context.args.reason == "duplicate""#),
    ("permit", "stripe.refund", r#"context.args.amount <= 30 && context.args.reason == "late""#),
    ("permit", "stripe.refund", r#"context.args.amount <= 40 && context.args.reason == "broken""#),
    ("permit", "stripe.refund", r#"context.args.amount <= 50 && context.user == "lead""#),
    ("permit", "stripe.refund", r#"context.args.amount <= 60 && context.session_id == "vip""#),
    ("permit", "stripe.refund", "context.args.amount <= 200"),
];

/// Three limits that an action of every agent counts against, and that no run reaches.
const LIMITS: &str = r"
    limits:
      - {meter: actions, max: 1000000000, per: 1h}
      - {meter: usd, max: 1000000000, per: 1d}
      - {meter: args.amount, tools: [stripe.refund], max: 1000000000000, per: 1d}
";

/// Which ten rules.
#[derive(Clone, Copy)]
pub enum Rules {
    /// As a company has them.
    Realistic,
    /// All ten to be looked at.
    Hard,
}

impl Rules {
    /// For cedar-policy: effect, tools with commas, condition.
    pub fn in_cedar(self) -> &'static [(&'static str, &'static str, &'static str); 10] {
        match self {
            Self::Realistic => &TEN_IN_CEDAR,
            Self::Hard => &HARD_IN_CEDAR,
        }
    }
}

/// The id of the `n`th agent.
pub fn agent(n: usize) -> String {
    format!("bot-{n}")
}

/// The text of a policy with `agents` agents of ten rules each, written out for each.
pub fn text(rules: Rules, agents: usize, limits: bool) -> String {
    let rules = match rules {
        Rules::Realistic => TEN,
        Rules::Hard => HARD,
    };
    let mut text = TOOLS.trim_start().to_owned();
    for n in 0..agents {
        let id = agent(n);
        let rules = own(rules, n);
        write!(text, "  {id}:\n    owner: support@example.com\n    rules:{rules}")
            .expect("memory takes text");
        if limits {
            text.push_str(LIMITS.trim_start_matches('\n'));
        }
    }
    text
}

/// The rules of the `n`th agent: conditions that no two agents share, so that nobody can be quick by sharing them.
pub fn own(rules: &str, n: usize) -> String {
    rules.replace("<= 200", &format!("<= {}", 200 + n)).replace("cus_blocked_", &format!("cus_blocked_{n}_"))
}

/// The same for more agents than a policy file may spell out: the ten rules and three limits are a role of theirs.
pub fn text_by_role(agents: usize) -> String {
    let (tools, _) = TOOLS.trim_start().split_once("agents:").expect("the bench's own text");
    let limits = LIMITS.trim_start_matches('\n');
    let mut text = format!("{tools}roles:\n  support:\n    rules:{TEN}{limits}agents:\n");
    for n in 0..agents {
        writeln!(text, "  {}: {{owner: support@example.com, roles: support}}", agent(n))
            .expect("memory takes text");
    }
    text
}

/// A text, compiled.
pub fn compile(text: &str) -> Arc<Policy> {
    let loaded = load("bench.yaml", text, &mut |_, _| Err("there is nothing to include".to_owned()));
    match loaded {
        Ok(loaded) => Arc::new(loaded.policy),
        Err(problems) => panic!("the bench's own policy is wrong: {}", problems[0]),
    }
}

/// The arguments of the refund that is decided throughout; the realistic rules allow it by their eighth.
pub const ARGS: &str =
    r#"{"amount":150,"currency":"USD","customer":"cus_8123","reason":"requested by customer"}"#;

/// The refund, inspected: all that comes before a decision.
pub fn case(policy: &Policy, agent: &str) -> Case {
    let draft = Draft {
        agent: agent.to_owned(),
        tool: "stripe.refund".to_owned(),
        args: Some(Json::parse(ARGS.as_bytes()).expect("the bench's own JSON")),
        user: Some("u-4711".to_owned()),
        session: Some("s-815".to_owned()),
        step: Some("3".to_owned()),
        environment: Some("production".to_owned()),
        ..Draft::default()
    };
    let action = Action::new(draft).expect("the bench's own action");
    let facts = inspect(&action, policy.tool(action.tool()), &inspect::Surroundings::default());
    Case { action, facts }
}
