//! Permissions: an allow for one action, and a denial of larger amounts, as rules of the agent in the policy.

use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict::{Json, Micros, check_name, hex};

use super::{agent_of, no_agent, uuid_of};
use crate::http::Call;
use crate::http::dialect::invalid;
use crate::http::editing::{current, edit};
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::policy_edit::{Document, Tree};
use crate::wire::Dollars;
use crate::wire::agentwarden::Permission;

/// The names of the rules begin so; the action follows.
const ALLOW: &str = "agentwarden: ";
const MAX: &str = "agentwarden max: ";
/// The reason of a denial begins so; the most that is allowed follows.
const EXCEEDS: &str = "Amount exceeds maximum allowed ";

/// The sentence of AgentWarden's contract for a denial by a permission's maximum.
pub(super) fn exceeded(rule: &str, reason: Option<&str>, amount: Option<&Json>) -> Option<String> {
    rule.strip_prefix(MAX)?;
    let most = reason?.rsplit_once(EXCEEDS).map(|(_, most)| most.trim_end_matches('.'));
    Some(match (amount, most) {
        (Some(number @ (Json::Int(_) | Json::Float(_))), Some(most)) => {
            let amount = in_words(number);
            match amount.starts_with('-') {
                true => format!("Amount {amount} is negative"),
                false => format!("Amount {amount} exceeds maximum allowed {most}"),
            }
        }
        (None | Some(Json::Null), _) => "Amount is missing, and a maximum is set".to_owned(),
        (Some(other), _) => format!("Amount must be a number, not {}", other.kind()),
    })
}

/// A number as amounts are written; one that is no amount, as it came.
fn in_words(number: &Json) -> String {
    let positive = match number {
        Json::Int(n) => Json::Int(n.saturating_abs()),
        Json::Float(x) => Json::Float(x.abs()),
        other => other.clone(),
    };
    let sign = if positive == *number { "" } else { "-" };
    let written = Micros::from_json(&positive).map(|amount| format!("{sign}{}", cents(amount)));
    written.unwrap_or_else(|_| number.canonical())
}

/// At least two decimal places, and more where there are more.
fn cents(amount: Micros) -> String {
    let text = amount.to_string();
    match text.split_once('.') {
        None => format!("{text}.00"),
        Some((_, digits)) if digits.len() < 2 => format!("{text}0"),
        Some(_) => text,
    }
}

/// A permission as the policy has it.
struct Found {
    action: String,
    most: Option<Micros>,
    approval: bool,
}

impl Found {
    fn shown(&self, agent: &str) -> Value {
        json!({
            "id": id_of(agent, &self.action),
            "agent_id": uuid_of("agent", agent),
            "action": self.action,
            "max_amount": self.most.map(Dollars),
            "requires_approval": self.approval,
        })
    }
}

fn id_of(agent: &str, action: &str) -> String {
    let digits = hex(&Sha256::digest(format!("{agent}\0{action}").as_bytes()));
    format!("perm_{}", digits.get(..24).unwrap_or_default())
}

fn found(entry: &Tree) -> Vec<Found> {
    let rules = entry.get("rules").map_or(&[][..], Tree::items);
    let name = |rule: &Tree| rule.get("name").and_then(Tree::as_text).map(str::to_owned);
    let most = |action: &str| {
        let of_max = format!("{MAX}{action}");
        let rule = rules.iter().find(|rule| name(rule).as_ref() == Some(&of_max))?;
        let text = rule.get("reason")?.as_text()?.strip_prefix(EXCEEDS)?;
        Micros::from_json(&Json::parse(text.as_bytes()).ok()?).ok()
    };
    let permission = |rule: &Tree| {
        let action = name(rule)?.strip_prefix(ALLOW)?.to_owned();
        Some(Found { most: most(&action), approval: rule.get("approval").is_some(), action })
    };
    rules.iter().filter_map(permission).collect()
}

pub(in crate::http) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent_of(&call, call.param(0));
    let document = current(&call).await?;
    let entry = document.get(&["agents", &agent]).ok_or_else(no_agent)?;
    reply::json(&found(entry).iter().map(|it| it.shown(&agent)).collect::<Vec<Value>>())
}

pub(in crate::http) async fn put(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let agent = agent_of(&call, call.param(0));
    let Permission { action, max_amount, requires_approval } = read(&call, Permission::of)?;
    check_name("action", &action, "._-:@/").map_err(|odd| invalid("body", odd.field, &odd.why))?;
    if action.len() > 100 {
        return Err(invalid("body", "action", "has more than 100 characters"));
    }
    edit(&call, |document| {
        if document.get(&["agents", &agent]).is_none() {
            return Err(no_agent());
        }
        take_away(document, &agent, &action).map_err(Problem::conflict)?;
        let rules = rules_of(document, &agent).map_err(Problem::conflict)?;
        if let Some(most) = max_amount {
            rules.push(Tree::map([
                ("name", Tree::text(format!("{MAX}{action}"))),
                ("deny", Tree::texts([&action])),
                ("when", Tree::text(format!("args.amount > {} || args.amount < 0", decimal(most)))),
                ("reason", Tree::text(format!("{EXCEEDS}{}", cents(most)))),
            ]));
        }
        let mut allow =
            vec![("name", Tree::text(format!("{ALLOW}{action}"))), ("allow", Tree::texts([&action]))];
        if requires_approval {
            allow.push(("approval", Tree::plain(true)));
        }
        rules.push(Tree::map(allow));
        Ok(())
    })
    .await?;
    let found = Found { action, most: max_amount, approval: requires_approval };
    reply::json_with(StatusCode::CREATED, &found.shown(&agent))
}

pub(in crate::http) async fn delete(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let id = call.param(0).to_owned();
    edit(&call, |document| {
        let of = document.entries("agents").find_map(|(agent, entry)| {
            let ours = found(entry).into_iter().find(|it| id_of(agent, &it.action) == id)?;
            Some((agent.to_owned(), ours.action))
        });
        let none = || Problem::not_found("Permission not found".to_owned());
        let (agent, action) = of.ok_or_else(none)?;
        take_away(document, &agent, &action).map_err(Problem::conflict)
    })
    .await?;
    Ok(reply::nothing())
}

fn rules_of<'d>(document: &'d mut Document, agent: &str) -> Result<&'d mut Vec<Tree>, String> {
    document.make(&["agents", agent, "rules"])?.list()
}

fn take_away(document: &mut Document, agent: &str, action: &str) -> Result<(), String> {
    let names = [format!("{ALLOW}{action}"), format!("{MAX}{action}")];
    let is_of = |rule: &Tree| {
        rule.get("name").and_then(Tree::as_text).is_some_and(|name| names.iter().any(|known| known == name))
    };
    rules_of(document, agent)?.retain(|rule| !is_of(rule));
    Ok(())
}

/// A number as conditions write fractional ones.
fn decimal(amount: Micros) -> String {
    let text = amount.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_by_a_maximum_says_what_was_asked_and_what_is_allowed() {
        let reason = Some("Amount exceeds maximum allowed 100.00");
        let say = |amount: Option<Json>| exceeded("agentwarden max: a", reason, amount.as_ref()).unwrap();
        assert_eq!(say(Some(Json::Int(150))), "Amount 150.00 exceeds maximum allowed 100.00");
        assert_eq!(say(Some(Json::Float(100.000_001))), "Amount 100.000001 exceeds maximum allowed 100.00");
        assert_eq!(say(Some(Json::Float(-1.5))), "Amount -1.50 is negative");
        assert_eq!(say(Some(Json::Int(-1))), "Amount -1.00 is negative");
        assert_eq!(say(Some(Json::Str("50".to_owned()))), "Amount must be a number, not a string");
        assert!(say(None).starts_with("Amount is missing"));
        assert_eq!(exceeded("other", Some("x"), None), None);
    }
}
