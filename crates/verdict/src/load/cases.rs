//! Policy tests: actions, and how each must be decided.
//!
//! Answerable for reading them, with a place for every mistake. Decides nothing: whoever runs the cases
//! asks the policy.

use super::form::{self, Plain};
use super::problem::{Problem, Report};
use super::shape;
use super::table::CASE;
use super::yaml::{self, Content, Node, Scalar};
use crate::action::short;
use crate::json::{Json, Map};
use crate::money::Micros;

/// One policy test.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it shows; unique within its file.
    pub name: String,
    /// Where it begins in its file, counted from 1.
    pub line: usize,
    /// The action.
    pub given: CaseAction,
    /// How it must be decided.
    pub expect: Expectation,
}

/// The action of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseAction {
    /// The agent's id; not checked, so that a test can name an agent that does not exist.
    pub agent: String,
    /// The tool's name; not checked either.
    pub tool: String,
    /// The arguments: an object, empty if none were given.
    pub args: Json,
    /// What the caller says besides: an object, empty if none was given.
    pub context: Json,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run.
    pub session_id: Option<String>,
    /// In which turn of the run.
    pub step: Option<String>,
    /// Where.
    pub environment: Option<String>,
    /// What the caller thinks it costs.
    pub estimated_cost: Option<Micros>,
}

/// How a test's action must be decided. What is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// `allow`, `deny` or `pending`.
    pub decision: String,
    /// The rule that decides.
    pub rule: Option<String>,
    /// The decision's code, one of those of the contract.
    pub code: Option<String>,
    /// The reason, word for word.
    pub reason: Option<String>,
}

/// Reads a file of policy tests: a list of cases. The error is everything that is wrong with it.
pub fn cases(file: &str, text: &str) -> Result<Vec<Case>, Vec<Problem>> {
    let mut report = Report::default();
    let at = report.add_file(file, text);
    let mut cases = Vec::new();
    if let Some(root) = yaml::read(at, text, &mut report) {
        match &root.content {
            Content::List(items) if !items.is_empty() => {
                let mut names = hashbrown::HashMap::new();
                for item in items {
                    if !shape::check(item, &CASE, &mut report) {
                        continue;
                    }
                    let Some(case) = read_case(item, &mut report) else { continue };
                    if let Some(first) = names.insert(case.name.clone(), item.at) {
                        let message = format!("case `{}` is given twice", short(&case.name));
                        let help = format!("the first is at {}", report.show(first));
                        report.error(item.at, message, help);
                    }
                    cases.push(case);
                }
            }
            _ => {
                let help =
                    "write `- name: ...`, `given: {agent, tool, args}` and `expect: {decision}` for each";
                report.error(root.at, "policy tests are a list of cases", help.to_owned());
            }
        }
    }
    if report.errors() > 0 { Err(report.finish()) } else { Ok(cases) }
}

fn read_case(node: &Node, report: &mut Report) -> Option<Case> {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let (given, expect) = (node.get("given")?, node.get("expect")?);
    let mut object = |key: &str| {
        given.get(key).map_or_else(|| Some(Json::Map(Map::default())), |node| json_map(node, report))
    };
    Some(Case {
        name: text(node, "name")?,
        line: node.at.line,
        given: CaseAction {
            agent: text(given, "agent")?,
            tool: text(given, "tool")?,
            args: object("args")?,
            context: object("context")?,
            user: text(given, "user"),
            session_id: text(given, "session_id"),
            step: text(given, "step"),
            environment: text(given, "environment"),
            estimated_cost: given
                .get("estimated_cost_usd")
                .and_then(Node::scalar)
                .and_then(|s| form::dollars(s).ok()),
        },
        expect: Expectation {
            decision: text(expect, "decision")?,
            rule: text(expect, "rule"),
            code: text(expect, "code"),
            reason: text(expect, "reason"),
        },
    })
}

/// An object of JSON; anything else is reported.
pub(super) fn json_map(node: &Node, report: &mut Report) -> Option<Json> {
    match &node.content {
        Content::Map(_) => json(node, report),
        _ => {
            report.error(node.at, "an object is wanted here", "write it as `{amount: 500}`".to_owned());
            None
        }
    }
}

/// What the YAML says, as JSON, of what was held against the table already; nothing if it has no such form.
pub(super) fn json_quietly(node: &Node) -> Option<Json> {
    json(node, &mut Report::default())
}

/// What the YAML says, as JSON: numbers only in the forms that JSON has.
fn json(node: &Node, report: &mut Report) -> Option<Json> {
    match &node.content {
        Content::Unread => None,
        Content::Scalar(scalar) => json_scalar(scalar)
            .map_err(|message| {
                let help = "put it in quotes if it is a text".to_owned();
                report.error(node.at, message, help);
            })
            .ok(),
        Content::List(items) => {
            let items: Vec<Option<Json>> = items.iter().map(|item| json(item, report)).collect();
            items.into_iter().collect::<Option<Vec<Json>>>().map(Json::List)
        }
        Content::Map(entries) => {
            let pairs: Vec<Option<(String, Json)>> =
                entries.iter().map(|e| json(&e.value, report).map(|value| (e.key.clone(), value))).collect();
            let pairs = pairs.into_iter().collect::<Option<Vec<_>>>()?;
            Map::from_pairs(pairs).ok().map(Json::Map)
        }
    }
}

fn json_scalar(scalar: &Scalar) -> Result<Json, String> {
    match form::plain(scalar) {
        Plain::Nothing => Ok(Json::Null),
        Plain::Bool(value) => Ok(Json::Bool(value)),
        Plain::Text => Ok(Json::Str(scalar.text.clone())),
        Plain::Number => Json::parse(scalar.text.as_bytes())
            .map_err(|_| format!("`{}` is not a number that JSON could carry", short(&scalar.text))),
    }
}
