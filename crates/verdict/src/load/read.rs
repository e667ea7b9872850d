//! From the tree to the policy's own types: tools, rules, limits, each with its places.
//!
//! Answerable for what concerns one rule or one limit alone: its condition, its tiers, a maximum that
//! fits its meter. What concerns several at once is [`super::lint`]'s.

use std::collections::BTreeSet;

use super::form;
use super::guards::{self, Guards};
use super::problem::{Place, Report};
use super::tool;
use super::yaml::{Entry, Node};
use crate::action::short;
use crate::condition::Condition;
use crate::decide::ROOTS;
use crate::limit::{Limit, Meter, Scope, Window};
use crate::money::Micros;
use crate::policy::{Bounds, Mode, Pattern, Rule, RuleKind, Terms, Tool, UnknownTool};

/// Everything that was read, before it is put together.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) mode: Mode,
    pub(super) unknown_tool: UnknownTool,
    pub(super) environment: Option<String>,
    pub(super) tools: Vec<(Tool, Place)>,
    pub(super) groups: Vec<(String, Vec<String>)>,
    pub(super) agents: Vec<Holder>,
    pub(super) roles: Vec<Holder>,
    /// For every agent.
    pub(super) limits: Vec<Limited>,
    /// For every agent.
    pub(super) guards: Guards,
    /// Tools that are declared, or named exactly by a rule, be it a broken one. In order, so that the
    /// same file is always told the same.
    pub(super) known: BTreeSet<String>,
}

/// An agent or a role.
pub(super) struct Holder {
    pub(super) id: String,
    pub(super) at: Place,
    pub(super) owner: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) mode: Option<Mode>,
    pub(super) roles: Vec<(String, Place)>,
    pub(super) rules: Vec<Written>,
    pub(super) limits: Vec<Limited>,
    pub(super) prices: Vec<(String, Micros)>,
    pub(super) guards: Guards,
    /// Its own tools.
    pub(super) tools: Vec<Tool>,
    /// The bounds of what it runs.
    pub(super) bounds: Bounds,
}

/// A rule as it was written, and the rules it stands for.
pub(super) struct Written {
    pub(super) at: Place,
    /// As written, with the condition that was written.
    pub(super) rule: Rule,
    /// The rule itself, or one for each step of its tiers.
    pub(super) rules: Vec<Rule>,
    pub(super) tiered: bool,
    /// One for each tool.
    pub(super) tools_at: Vec<Place>,
    pub(super) when_at: Option<Place>,
    /// Who may answer, in its approval and those of its steps.
    pub(super) from: Vec<(String, Place)>,
}

/// A limit and its places.
pub(super) struct Limited {
    pub(super) limit: Limit,
    pub(super) at: Place,
    /// One for each tool.
    pub(super) tools_at: Vec<Place>,
}

/// Adds what one file says.
pub(super) fn read(root: &Node, gathered: &mut Gathered, report: &mut Report) {
    if let Some(defaults) = root.get("defaults") {
        gathered.mode = mode(defaults).unwrap_or_default();
        gathered.environment = text(defaults, "environment");
        if defaults.get("unknown_tool").and_then(Node::text) == Some("rules") {
            gathered.unknown_tool = UnknownTool::Rules;
        }
    }
    for entry in entries(root, "tools") {
        gathered.known.insert(entry.key.clone());
        gathered.tools.push((tool::read(entry, report), entry.at));
    }
    for entry in entries(root, "groups") {
        let members = texts(&entry.value);
        gathered.groups.push((entry.key.clone(), members));
    }
    for (section, agents) in [("agents", true), ("roles", false)] {
        for entry in entries(root, section) {
            let holder = read_holder(entry, gathered, report);
            if agents { gathered.agents.push(holder) } else { gathered.roles.push(holder) }
        }
    }
    gathered.limits.extend(read_limits(root, report));
    gathered.guards.join(guards::read(root, report));
}

pub(super) fn entries<'n>(node: &'n Node, key: &str) -> &'n [Entry] {
    node.get(key).map_or(&[], Node::entries)
}

pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::text).map(str::to_owned)
}

fn texts(node: &Node) -> Vec<String> {
    node.several().iter().filter_map(Node::text).map(str::to_owned).collect()
}

pub(super) fn texts_of(node: &Node, key: &str) -> Vec<String> {
    node.get(key).map(texts).unwrap_or_default()
}

pub(super) fn placed(node: Option<&Node>) -> Vec<(String, Place)> {
    let items = node.map_or(&[][..], Node::several);
    items.iter().filter_map(|item| item.text().map(|text| (text.to_owned(), item.at))).collect()
}

fn mode(node: &Node) -> Option<Mode> {
    match node.get("mode").and_then(Node::text) {
        Some("observe") => Some(Mode::Observe),
        Some(_) => Some(Mode::Enforce),
        None => None,
    }
}

pub(super) fn dollars(node: &Node, key: &str) -> Option<Micros> {
    node.get(key).and_then(Node::scalar).and_then(|scalar| form::dollars(scalar).ok())
}

fn read_holder(entry: &Entry, gathered: &mut Gathered, report: &mut Report) -> Holder {
    let node = &entry.value;
    let rules = node.get("rules").map_or(&[][..], Node::several);
    for (name, _) in rules.iter().flat_map(|rule| [rule.get("allow"), rule.get("deny")]).flat_map(placed) {
        if !name.contains('*') {
            gathered.known.insert(name);
        }
    }
    let own = entries(node, "tools");
    gathered.known.extend(own.iter().map(|tool| tool.key.clone()));
    Holder {
        id: entry.key.clone(),
        at: entry.at,
        owner: text(node, "owner"),
        purpose: text(node, "purpose"),
        mode: mode(node),
        roles: placed(node.get("roles")),
        rules: rules.iter().filter_map(|rule| read_rule(rule, report)).collect(),
        limits: read_limits(node, report),
        prices: entries(node, "prices").iter().filter_map(price).collect(),
        guards: guards::read(node, report),
        tools: own.iter().map(|entry| tool::read(entry, report)).collect(),
        bounds: super::sandbox::read(node, report).unwrap_or_default(),
    }
}

fn price(entry: &Entry) -> Option<(String, Micros)> {
    Some((entry.key.clone(), form::dollars(entry.value.scalar()?).ok()?))
}

fn read_rule(node: &Node, report: &mut Report) -> Option<Written> {
    if report.is_broken(node.at) {
        return None;
    }
    let name = node.get("name")?.text()?;
    let (effect, tools) = which_way(node, name, report)?;
    let when = node.get("when").map(|when| compile(when, name, report));
    let mut from = Vec::new();
    let rule = Rule {
        name: name.into(),
        effect,
        tools: texts(tools).iter().map(|tool| Pattern::new(tool)).collect(),
        when: when.flatten(),
        effects: texts_of(node, "effects"),
        environments: texts_of(node, "environments"),
        users: texts_of(node, "users"),
        approval: node.get("approval").map(|approval| terms(approval, &mut from)),
        reason: text(node, "reason"),
        place: format!("{}:{}", report.name(node.at.file), node.at.line),
    };
    let tiers = node.get("tiers");
    let rules = match tiers {
        Some(tiers) => expand(&rule, tiers, &mut from, report),
        None => vec![rule.clone()],
    };
    Some(Written {
        at: node.get("name")?.at,
        rule,
        rules,
        tiered: tiers.is_some(),
        tools_at: tools.several().iter().map(|tool| tool.at).collect(),
        when_at: node.get("when").map(|when| when.at),
        from,
    })
}

fn which_way<'n>(node: &'n Node, name: &str, report: &mut Report) -> Option<(RuleKind, &'n Node)> {
    let name = short(name);
    let key_at = |key: &str| node.entries().iter().find(|entry| entry.key == key).map(|entry| entry.at);
    let found = match (node.get("allow"), node.get("deny")) {
        (Some(tools), None) => Some((RuleKind::Allow, tools)),
        (None, Some(tools)) => Some((RuleKind::Deny, tools)),
        (None, None) => {
            let help = "add `allow: [...]` or `deny: [...]` with the tools it is about".to_owned();
            report.error(node.at, format!("rule `{name}` neither allows nor denies"), help);
            None
        }
        (Some(_), Some(_)) => {
            let help = "make two rules of it; a deny counts before every allow".to_owned();
            report.error(node.at, format!("rule `{name}` both allows and denies"), help);
            None
        }
    };
    let is_deny = matches!(found, Some((RuleKind::Deny, _)));
    for key in ["approval", "tiers"] {
        if let Some(at) = key_at(key).filter(|_| is_deny) {
            let help = format!("remove `{key}`, or allow the tools under it");
            report.error(at, format!("rule `{name}` denies, and `{key}` is for allowing"), help);
        }
    }
    if let (Some(at), true) = (key_at("approval"), node.get("tiers").is_some()) {
        let help = "write `approval` in the steps that need one".to_owned();
        report.error(at, format!("rule `{name}` has tiers and an approval of its own"), help);
    }
    found
}

fn compile(node: &Node, rule: &str, report: &mut Report) -> Option<Condition> {
    let scalar = node.scalar()?;
    match Condition::compile(&scalar.text, &ROOTS) {
        Ok(condition) => {
            if let Some(why) = condition.never_true() {
                let message = format!("rule `{}` can never match: {why}", short(rule));
                report.error(node.at, message, "mend the condition, or remove the rule".to_owned());
            }
            Some(condition)
        }
        Err(faults) => {
            for fault in faults {
                // Finding the place costs a walk through the file.
                let at =
                    if report.is_full() { node.at } else { report.inside(node.at, scalar, fault.offset) };
                report.error(at, fault.message, fault.help);
            }
            None
        }
    }
}

/// What an approval without `timeout` waits for an answer.
const TIMEOUT_MS: u64 = 15 * 60 * 1000;

fn terms(node: &Node, from: &mut Vec<(String, Place)>) -> Terms {
    let named = placed(node.get("from"));
    from.extend(named.iter().cloned());
    let timeout = node.get("timeout").and_then(Node::text).and_then(|text| form::duration(text, 30).ok());
    Terms {
        from: named.into_iter().map(|(name, _)| name).collect(),
        quorum: node.get("quorum").and_then(Node::scalar).and_then(|s| form::quorum(s).ok()).unwrap_or(1),
        timeout_ms: timeout.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(TIMEOUT_MS),
    }
}

/// One rule for each step. A step matches from nothing up to its amount; the steps before it, which
/// are considered first, take what they match.
fn expand(rule: &Rule, tiers: &Node, from: &mut Vec<(String, Place)>, report: &mut Report) -> Vec<Rule> {
    let path = tiers.get("by").and_then(Node::text).and_then(|by| form::argument_path(by).ok());
    let by = argument_in_cel(&path.unwrap_or_default());
    let steps = tiers.get("steps").map_or(&[][..], Node::several);
    if steps.is_empty() {
        report.error(tiers.at, "tiers without a step", "write `steps: [{up_to: 50}]`".to_owned());
    }
    let mut rules = Vec::new();
    let mut last: Option<Micros> = None;
    for step in steps {
        let (Some(node), Some(up_to)) = (step.get("up_to"), dollars(step, "up_to")) else { continue };
        let written = node.text().unwrap_or_default();
        if last.is_some_and(|last| last >= up_to) {
            let help = "put the steps in order, the smallest first".to_owned();
            report.error(node.at, format!("step `{written}` is not above the step before it"), help);
        }
        last = Some(up_to);
        // A negative amount is in no step: it would pass under every maximum.
        let amount = format!("{by} >= 0 && {by} <= {up_to}");
        // The line break ends a comment that the condition may end in.
        let source =
            rule.when.as_ref().map_or(amount.clone(), |when| format!("({}\n) && {amount}", when.source()));
        match Condition::compile(&source, &ROOTS) {
            Ok(condition) => {
                if let Some(why) = condition.never_true() {
                    report.error(node.at, format!("step `{written}` can never match: {why}"), None);
                }
                rules.push(Rule {
                    name: format!("{}[up to {written}]", rule.name).into(),
                    when: Some(condition),
                    approval: step.get("approval").map(|approval| terms(approval, from)),
                    ..rule.clone()
                });
            }
            Err(faults) => {
                let why = faults.into_iter().next().map(|fault| fault.message).unwrap_or_default();
                report.error(node.at, format!("step `{written}` makes no condition: {why}"), None);
            }
        }
    }
    rules
}

/// `args.amount`, or `args["odd name"]`.
fn argument_in_cel(path: &[String]) -> String {
    path.iter().fold("args".to_owned(), |mut cel, key| {
        let first = key.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if first && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            cel.push('.');
            cel.push_str(key);
        } else {
            let key = key.replace('\\', "\\\\").replace('"', "\\\"");
            cel.push_str(&format!("[\"{key}\"]"));
        }
        cel
    })
}

fn read_limits(node: &Node, report: &mut Report) -> Vec<Limited> {
    let limits = node.get("limits").map_or(&[][..], Node::several);
    limits.iter().filter_map(|limit| read_limit(limit, report)).collect()
}

fn read_limit(node: &Node, report: &mut Report) -> Option<Limited> {
    if report.is_broken(node.at) {
        return None;
    }
    let is_true = |node: &Node| node.scalar().map(form::plain) == Some(form::Plain::Bool(true));
    let consecutive = node.get("consecutive");
    let meter = form::meter(node.get("meter")?.text()?, consecutive.is_some_and(is_true)).ok()?;
    let window = form::window(node.get("per")?.text()?).ok()?;
    if let Some(consecutive) = consecutive.filter(|_| !matches!(meter, Meter::Failures { .. })) {
        let help = "remove `consecutive`".to_owned();
        report.error(consecutive.at, "only failures can be counted in a row", help);
    }
    let once = match meter {
        Meter::Actions => Some("a call is one action"),
        Meter::Failures { .. } => Some("a call fails once at most"),
        _ => None,
    };
    if let Some(once) = once.filter(|_| window == Window::Call) {
        let help = "count per step, session or a length of time such as 1h".to_owned();
        report.error(node.get("per")?.at, format!("`{meter}` per call holds nothing back: {once}"), help);
    }
    let scope = match node.get("by").and_then(Node::text) {
        Some("user") => Scope::User,
        Some("session") => Scope::Session,
        Some("tool") => Scope::Tool,
        Some("tenant") => Scope::Tenant,
        _ => Scope::Agent,
    };
    let max = maximum(node.get("max")?, &meter, report)?;
    let tools = placed(node.get("tools"));
    let tools_at = tools.iter().map(|(_, at)| *at).collect();
    let patterns = tools.iter().map(|(tool, _)| Pattern::new(tool)).collect();
    Some(Limited { limit: Limit::new(meter, patterns, window, scope, max), at: node.at, tools_at })
}

/// The maximum in the meter's own unit: millionths for money and arguments, else a count.
fn maximum(node: &Node, meter: &Meter, report: &mut Report) -> Option<i64> {
    let scalar = node.scalar()?;
    let read = match meter {
        Meter::Usd | Meter::Argument(_) => form::dollars(scalar).map(|amount| amount.0),
        Meter::Actions | Meter::Tokens | Meter::Failures { .. } => form::count(scalar),
    };
    match read {
        Ok(0) if !matches!(meter, Meter::Usd | Meter::Argument(_)) => {
            let help = "write a larger number; to forbid something, use a rule with `deny`".to_owned();
            report.error(node.at, "a maximum of 0 allows nothing", help);
            None
        }
        Ok(max) => Some(max),
        Err((message, help)) => {
            report.error(node.at, message, help);
            None
        }
    }
}
