//! Whole actions: which arguments are looked at, and what comes of values of every shape. `corpus/actions`.

use std::sync::Arc;

use inspect::{Surroundings, inspect};
use serde_json::Value;
use verdict::{Action, Draft, Json, Role, Tool};

use crate::sql::shown;

fn tool(roles: &Value) -> Tool {
    let keys = |place: &str| place.split('.').map(str::to_owned).collect();
    let roles = roles.as_object().unwrap().iter();
    let named = |role: &Value| Role::Named(Arc::from(role.as_str().unwrap()));
    Tool { roles: roles.map(|(place, role)| (keys(place), named(role))).collect(), ..Tool::default() }
}

/// Every effect of a case, or that the action is invalid.
fn found(given: &Value) -> Vec<String> {
    let args = Json::parse(given["args"].to_string().as_bytes()).unwrap();
    let draft = Draft { agent: "bot".into(), tool: "any.tool".into(), args: Some(args), ..Draft::default() };
    let around = Surroundings {
        cwd: Some("/srv/app".to_owned()),
        home: Some("/home/me".to_owned()),
        ignores_case: false,
    };
    let facts = inspect(&Action::new(draft).unwrap(), Some(&tool(&given["roles"])), &around);
    if facts.problem.is_some() {
        return vec!["invalid".to_owned()];
    }
    let mut found: Vec<String> = facts.effects.iter().map(shown).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_argument_with_a_role_counts() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/actions/cases.jsonl"))
            .unwrap();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expect: Vec<String> =
            case["expect"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        let found = found(&case["given"]);
        if found != expect {
            wrong.push(format!(
                "{}: {found:?} instead of {expect:?}, although {}",
                case["given"], case["why"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
