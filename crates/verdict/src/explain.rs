//! Why an action is decided as it is: every rule considered, in order, and what each lacked.
//!
//! For people, and for the sentence that tells an agent what would be allowed. Decides nothing: what it says
//! of a rule is what [`crate::decide`] does with it.

use std::sync::Arc;

use crate::condition::Scope as Vars;
use crate::decide::{Case, Code, Denial, applies, roots};
use crate::guard::{self, Seen};
use crate::limit::Micro;
use crate::policy::{Agent, Policy, Rule, RuleKind};

/// One rule, considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    /// Its name.
    pub rule: Arc<str>,
    /// Which way it points.
    pub effect: RuleKind,
    /// Where it stands: file and line.
    pub place: String,
    /// What came of it.
    pub finding: Finding,
}

/// What came of considering a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// It decided.
    Decides,
    /// It holds too, but another came first.
    HoldsToo,
    /// It does not apply; what it lacked.
    Lacks(Vec<String>),
    /// It could not be evaluated, which counts against the action.
    Fails(String),
}

/// Considers every rule of the action's agent, in the order in which they count: denials, then allows.
pub fn explain(policy: &Policy, case: &Case, now: Micro) -> Vec<Considered> {
    let Some(agent) = policy.agent(case.action.agent()) else { return Vec::new() };
    let seen = Seen::of(agent, &case.facts);
    let values = roots(policy, case, &seen, now);
    let vars = Vars(&values);
    let known = policy.applicable(agent, case.action.tool()).is_some();
    let mut decided = !known || case.facts.problem.is_some();
    let of = |effect: RuleKind| agent.rules().iter().filter(move |rule| rule.effect == effect);
    of(RuleKind::Deny)
        .chain(of(RuleKind::Allow))
        .map(|rule| {
            let finding = consider(policy, rule, case, &vars, &mut decided);
            Considered {
                rule: Arc::clone(&rule.name),
                effect: rule.effect,
                place: rule.place.clone(),
                finding,
            }
        })
        .collect()
}

fn consider(policy: &Policy, rule: &Rule, case: &Case, vars: &Vars<'_>, decided: &mut bool) -> Finding {
    let action = &case.action;
    if !rule.tools.iter().any(|pattern| pattern.matches(action.tool())) {
        return Finding::Lacks(vec![format!("it is not about the tool `{}`", action.tool())]);
    }
    match applies(policy, rule, case, vars) {
        Ok(true) if *decided => Finding::HoldsToo,
        Ok(true) => {
            *decided = true;
            Finding::Decides
        }
        Ok(false) => Finding::Lacks(lacks(policy, rule, case, vars)),
        Err(why) => {
            *decided |= rule.effect == RuleKind::Deny;
            Finding::Fails(why)
        }
    }
}

fn lacks(policy: &Policy, rule: &Rule, case: &Case, vars: &Vars<'_>) -> Vec<String> {
    let action = &case.action;
    let mut lacks = Vec::new();
    let here = action.environment().unwrap_or(policy.environment());
    if !rule.environments.is_empty() && !rule.environments.iter().any(|name| name == here) {
        lacks.push(format!("it is for {}, and this is {here}", rule.environments.join(" or ")));
    }
    let is_user = |user: &str| rule.users.iter().any(|name| policy.is_in(user, name));
    match action.user() {
        _ if rule.users.is_empty() => (),
        Some(user) if is_user(user) => (),
        Some(user) => lacks.push(format!("it is for {}, and this is for {user}", rule.users.join(" or "))),
        None => lacks.push(format!("it is for {}, and the action has no user", rule.users.join(" or "))),
    }
    lacks.extend(guard::lacks(rule, &case.facts));
    if let Some(condition) = &rule.when {
        lacks.extend(condition.lacks(vars));
    }
    lacks
}

/// The denial of an action that no rule lets through, with what the nearest rules would need.
pub(crate) fn nearest(policy: &Policy, agent: &Agent, case: &Case, vars: &Vars<'_>) -> Denial {
    let action = &case.action;
    let about = agent.rules().iter().filter(|rule| {
        rule.effect == RuleKind::Allow && rule.tools.iter().any(|pattern| pattern.matches(action.tool()))
    });
    let near: Vec<String> = about
        .take(3)
        .map(|rule| {
            format!("rule `{}` would, but {}", rule.name, lacks(policy, rule, case, vars).join(" and "))
        })
        .collect();
    let reason = if near.is_empty() {
        format!("no rule lets `{}` call `{}`", action.agent(), action.tool())
    } else {
        format!("no rule lets it through: {}", near.join("; "))
    };
    Denial::new(Code::NoMatchingRule, reason)
}
