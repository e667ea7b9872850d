//! What OnceOnly's policies are in a policy: rules and limits of the agent, under names of their own.
//!
//! Reading back gives what was put, because it is read from the policy's text. What cannot be said there is refused,
//! and never left out: a limit that is dropped is one that somebody believes to exist.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use verdict::{Json, Malformed, Micros, short};

use crate::policy_edit::{Document, Tree};
use crate::wire::{Dollars, Fields};

/// The rule of what may be called.
const ALLOWED: &str = "onceonly-allowed";
/// The rule of what may not.
const BLOCKED: &str = "onceonly-blocked";
/// What a call of a blocked tool is told.
const BLOCKED_REASON: &str = "The tool is blocked for this agent";
/// The fields, for messages.
const FIELDS: &str = "agent_id, allowed_tools, blocked_tools, max_actions_per_hour, max_calls_per_tool, max_spend_usd_per_day, pricing_rules";
/// The most entries of a list.
const MOST: usize = 1_000;

/// A policy as OnceOnly has it.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(rename = "OnceOnlyPolicy")]
pub(in crate::http) struct Form {
    /// The tools that may be called; absent: every tool that the policy knows.
    allowed_tools: Option<Vec<String>>,
    /// The tools that may not.
    blocked_tools: Vec<String>,
    /// Actions in any hour.
    max_actions_per_hour: Option<i64>,
    /// Calls of a tool in any day.
    #[schemars(with = "std::collections::BTreeMap<String, i64>")]
    max_calls_per_tool: Vec<(String, i64)>,
    /// Dollars in any day.
    #[schemars(with = "Option<f64>")]
    max_spend_usd_per_day: Option<Micros>,
    /// What calls cost this agent: `{tool, price_usd}`.
    #[schemars(with = "Vec<Map<String, Value>>")]
    pricing_rules: Vec<(String, Micros)>,
}

/// The limits that are OnceOnly's, by what they say.
enum Known {
    PerHour(String),
    PerTool(String, String),
    Spend(String),
}

impl Form {
    /// Reads what a client sent. The error names the field.
    pub(super) fn of(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let mut form = Self::default();
        form.change(fields)?;
        Ok(form)
    }

    /// A template, before what overrides it.
    pub(super) fn template(name: &str) -> Option<Self> {
        let tools = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let dangerous = tools(&["delete_user", "delete_data", "change_password"]);
        let (allowed_tools, blocked_tools, per_hour, spend) = match name {
            "strict" => (Some(Vec::new()), Vec::new(), 50, 5),
            "moderate" => (None, dangerous, 200, 50),
            "permissive" => (None, Vec::new(), 1_000, 500),
            // Each pattern with a name that it fits: one that fits no known tool is taken for a slip of the pen.
            "read_only" => {
                let underscores =
                    ["get_user", "get_*", "list_items", "list_*", "read_file", "read_*", "search"];
                let dots = ["record.get", "*.get", "record.list", "*.list", "record.read", "*.read"];
                (Some([tools(&underscores), tools(&dots)].concat()), Vec::new(), 500, 10)
            }
            "support_bot" => (None, [dangerous, tools(&["refund_all"])].concat(), 100, 100),
            _ => return None,
        };
        let (max_actions_per_hour, max_spend_usd_per_day) = (Some(per_hour), Some(Micros(spend * 1_000_000)));
        Some(Self {
            allowed_tools,
            blocked_tools,
            max_actions_per_hour,
            max_spend_usd_per_day,
            ..Self::default()
        })
    }

    /// Takes in the fields that were sent; the others stay.
    pub(super) fn change(&mut self, fields: &mut Fields<'_>) -> Result<(), Malformed> {
        if let Some(list) = fields.take("allowed_tools") {
            self.allowed_tools = Some(tools("allowed_tools", list)?);
        }
        if let Some(list) = fields.take("blocked_tools") {
            self.blocked_tools = tools("blocked_tools", list)?;
        }
        if let Some(most) = fields.integer("max_actions_per_hour")? {
            self.max_actions_per_hour = Some(count("max_actions_per_hour", most)?);
        }
        if let Some(most) = fields.money("max_spend_usd_per_day")? {
            self.max_spend_usd_per_day = Some(Micros(count("max_spend_usd_per_day", most.0)?));
        }
        if let Some(object) = fields.take("max_calls_per_tool") {
            self.max_calls_per_tool = per_tool(&object)?;
        }
        if let Some(list) = fields.take("pricing_rules") {
            self.pricing_rules = prices(list)?;
        }
        Ok(())
    }

    /// Puts it into a policy, in place of what OnceOnly's clients put there before. The error is a sentence: the
    /// agent has rules of its own, which this would not take away.
    pub(super) fn put(&self, document: &mut Document, agent: &str) -> Result<(), String> {
        let entry = document.make(&["agents", agent])?;
        if let Some(other) = others(entry).first() {
            return Err(format!(
                "agent `{agent}` has {other} in the policy, which this would not take away; edit the policy itself"
            ));
        }
        let rules = entry.make(&["rules"])?.list()?;
        rules.retain(|rule| !is_ours(rule));
        rules.extend(self.rules());
        let limits = entry.make(&["limits"])?.list()?;
        limits.retain(|limit| known(limit).is_none());
        limits.extend(self.limits());
        if limits.is_empty() {
            entry.remove(&["limits"]);
        }
        entry.remove(&["prices"]);
        if !self.pricing_rules.is_empty() {
            let prices = self.pricing_rules.iter().map(|(tool, price)| (tool, Tree::plain(price)));
            entry.set(&["prices"], Tree::map(prices))?;
        }
        Ok(())
    }

    fn rules(&self) -> Vec<Tree> {
        let mut rules = Vec::new();
        if !self.blocked_tools.is_empty() {
            rules.push(Tree::map([
                ("name", Tree::text(BLOCKED)),
                ("deny", Tree::texts(&self.blocked_tools)),
                ("reason", Tree::text(BLOCKED_REASON)),
            ]));
        }
        let every = vec!["*".to_owned()];
        let allowed = self.allowed_tools.as_ref().unwrap_or(&every);
        if !allowed.is_empty() {
            rules.push(Tree::map([("name", Tree::text(ALLOWED)), ("allow", Tree::texts(allowed))]));
        }
        rules
    }

    fn limits(&self) -> Vec<Tree> {
        let limit = |meter: &str, max: String, per: &str| {
            Tree::map([("meter", Tree::text(meter)), ("max", Tree::plain(max)), ("per", Tree::plain(per))])
        };
        let mut limits = Vec::new();
        if let Some(most) = self.max_actions_per_hour {
            limits.push(limit("actions", most.to_string(), "1h"));
        }
        for (tool, most) in &self.max_calls_per_tool {
            let mut of_tool = limit("actions", most.to_string(), "1d");
            if let Tree::Map(entries) = &mut of_tool {
                entries.push(("tools".to_owned(), Tree::texts([tool])));
            }
            limits.push(of_tool);
        }
        if let Some(most) = self.max_spend_usd_per_day {
            limits.push(limit("usd", most.to_string(), "1d"));
        }
        limits
    }

    /// Reads it from an agent's entry in a policy.
    pub(super) fn read(entry: &Tree) -> Self {
        let mut form = Self { allowed_tools: Some(Vec::new()), ..Self::default() };
        let names = |rule: &Tree, key: &str| -> Vec<String> {
            let items = rule.get(key).map_or(&[][..], Tree::items);
            items.iter().filter_map(Tree::as_text).map(str::to_owned).collect()
        };
        for rule in entry.get("rules").map_or(&[][..], Tree::items) {
            match rule.get("name").and_then(Tree::as_text) {
                Some(BLOCKED) => form.blocked_tools = names(rule, "deny"),
                Some(ALLOWED) => {
                    form.allowed_tools = Some(names(rule, "allow")).filter(|names| *names != ["*"]);
                }
                _ => (),
            }
        }
        for limit in entry.get("limits").map_or(&[][..], Tree::items) {
            match known(limit) {
                Some(Known::PerHour(max)) => form.max_actions_per_hour = max.parse().ok(),
                Some(Known::PerTool(tool, max)) => {
                    form.max_calls_per_tool.extend(max.parse().ok().map(|max: i64| (tool, max)));
                }
                Some(Known::Spend(max)) => form.max_spend_usd_per_day = money(&max),
                None => (),
            }
        }
        let prices = entry.get("prices").map_or(&[][..], Tree::entries);
        form.pricing_rules = prices
            .iter()
            .filter_map(|(tool, price)| Some((tool.clone(), money(price.as_text()?)?)))
            .collect();
        form
    }

    /// As OnceOnly's clients read it.
    pub(super) fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| {
            shown.insert(name.to_owned(), value);
        };
        if let Some(allowed) = &self.allowed_tools {
            put("allowed_tools", json!(allowed));
        }
        put("blocked_tools", json!(self.blocked_tools));
        if let Some(most) = self.max_actions_per_hour {
            put("max_actions_per_hour", most.into());
        }
        if let Some(most) = self.max_spend_usd_per_day {
            put("max_spend_usd_per_day", json!(Dollars(most)));
        }
        if !self.max_calls_per_tool.is_empty() {
            let calls = self.max_calls_per_tool.iter().map(|(tool, most)| (tool.clone(), Value::from(*most)));
            put("max_calls_per_tool", Value::Object(calls.collect()));
        }
        if !self.pricing_rules.is_empty() {
            let rules = self.pricing_rules.iter();
            let rules = rules.map(|(tool, price)| json!({"tool": tool, "price_usd": Dollars(*price)}));
            put("pricing_rules", rules.collect::<Vec<Value>>().into());
        }
        shown
    }
}

/// Refuses what is left of the fields.
pub(super) fn finish(fields: Fields<'_>) -> Result<(), Malformed> {
    match fields.into_pairs().first() {
        None => Ok(()),
        Some((name, _)) => {
            let why =
                format!("names `{}`, which cannot be held to here; the fields are {FIELDS}", short(name));
            Err(Malformed { field: "policy", why })
        }
    }
}

/// What allows an agent more than OnceOnly's rules do.
pub(super) fn others(entry: &Tree) -> Vec<String> {
    let rules = entry.get("rules").map_or(&[][..], Tree::items);
    let allows = rules.iter().filter(|rule| !is_ours(rule) && rule.get("allow").is_some());
    let name = |rule: &Tree| rule.get("name").and_then(Tree::as_text).unwrap_or_default().to_owned();
    let mut others: Vec<String> = allows.map(|rule| format!("the rule `{}`", short(&name(rule)))).collect();
    if entry.get("roles").is_some_and(|roles| !roles.is_empty()) {
        others.push("roles".to_owned());
    }
    others
}

fn is_ours(rule: &Tree) -> bool {
    matches!(rule.get("name").and_then(Tree::as_text), Some(ALLOWED | BLOCKED))
}

fn known(limit: &Tree) -> Option<Known> {
    let text = |key: &str| limit.get(key).and_then(Tree::as_text);
    let max = text("max")?.to_owned();
    let count = limit.entries().len();
    match (text("meter")?, text("per")?, limit.get("tools").map(Tree::items)) {
        ("actions", "1h", None) if count == 3 => Some(Known::PerHour(max)),
        ("usd", "1d", None) if count == 3 => Some(Known::Spend(max)),
        ("actions", "1d", Some([tool])) if count == 4 => {
            Some(Known::PerTool(tool.as_text()?.to_owned(), max))
        }
        _ => None,
    }
}

fn money(text: &str) -> Option<Micros> {
    let json = Json::parse(text.as_bytes()).ok()?;
    Micros::from_json(&json).ok()
}

fn count(field: &'static str, most: i64) -> Result<i64, Malformed> {
    let why = || "is negative".to_owned();
    if most < 0 { Err(Malformed { field, why: why() }) } else { Ok(most) }
}

fn tools(field: &'static str, list: Json) -> Result<Vec<String>, Malformed> {
    let odd = |why: String| Malformed { field, why };
    let Json::List(items) = list else { return Err(odd(format!("must be a list, not {}", list.kind()))) };
    if items.len() > MOST {
        return Err(odd(format!("has {} tools; the most is {MOST}", items.len())));
    }
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let name = tool(field, &item)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn tool(field: &'static str, name: &Json) -> Result<String, Malformed> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.:-*/@".contains(&b);
    match name {
        Json::Str(name) if (1..=256).contains(&name.len()) && name.bytes().all(plain) => Ok(name.clone()),
        Json::Str(name) => {
            let why = format!("has `{}`; a tool is named in letters, digits and . _ : -", short(name));
            Err(Malformed { field, why })
        }
        other => Err(Malformed { field, why: format!("has {} where a tool's name should be", other.kind()) }),
    }
}

fn per_tool(object: &Json) -> Result<Vec<(String, i64)>, Malformed> {
    let field = "max_calls_per_tool";
    let odd = |why: String| Malformed { field, why };
    let Json::Map(map) = object else { return Err(odd(format!("must be an object, not {}", object.kind()))) };
    if map.len() > MOST {
        return Err(odd(format!("has {} tools; the most is {MOST}", map.len())));
    }
    let read = |(name, most): (&str, &Json)| match most {
        Json::Int(most) if *most >= 0 => Ok((tool(field, &Json::Str(name.to_owned()))?, *most)),
        _ => Err(odd(format!("has something else than a count for `{}`", short(name)))),
    };
    map.iter().map(read).collect()
}

fn prices(list: Json) -> Result<Vec<(String, Micros)>, Malformed> {
    let field = "pricing_rules";
    let odd = |why: &str| Malformed { field, why: why.to_owned() };
    let Json::List(items) = list else { return Err(odd("must be a list of {tool, price_usd}")) };
    if items.len() > MOST {
        return Err(odd("has too many rules"));
    }
    let mut prices: Vec<(String, Micros)> = Vec::with_capacity(items.len());
    for item in items {
        let Json::Map(rule) = item else { return Err(odd("must be a list of {tool, price_usd}")) };
        let (Some(name), Some(price)) = (rule.get("tool"), rule.get("price_usd")) else {
            return Err(odd("has a rule without `tool` or `price_usd`"));
        };
        if rule.len() != 2 {
            return Err(odd(
                "has a rule with more than `tool` and `price_usd`, which cannot be held to here",
            ));
        }
        let name = tool(field, name)?;
        let price =
            Micros::from_json(price).map_err(|why| odd(&format!("has a price that is refused: {why}")))?;
        if price.0 < 0 || name.contains('*') || prices.iter().any(|(known, _)| *known == name) {
            return Err(odd("has a price that is negative, or two for one tool, or one for a wildcard"));
        }
        prices.push((name, price));
    }
    Ok(prices)
}
