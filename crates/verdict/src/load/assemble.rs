//! Puts agents together from their own rules and limits, those of their roles, and those for everyone.
//!
//! Answerable for names being unique where they are looked up: a rule's within its agent, a limit's
//! within all that count for the same agent.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::guards::Guards;
use super::problem::{Place, Report};
use super::read::{Gathered, Holder, Limited};
use crate::action::short;
use crate::limit::Limit;
use crate::near::{SUGGESTIONS, nearest};
use crate::policy::{AgentParts, Mode, Parts, Pattern};

/// Rules in all, once every agent has those of its roles.
const MAX_RULES: usize = 1_000_000;
/// Every wildcard of every agent is compared with every known tool when the policy is compiled; more
/// comparisons than these would hold a reload up for seconds.
const MAX_COMPARISONS: usize = 100_000_000;

/// The parts of the policy. Worth something only if the report has no error.
pub(super) fn assemble(gathered: &Gathered, report: &mut Report) -> Parts {
    let everyone = labels(&gathered.limits, &HashMap::new(), report);
    for role in &gathered.roles {
        names(role, report);
        labels(&role.limits, &everyone, report);
    }
    let roles: HashMap<&str, &Holder> = gathered.roles.iter().map(|role| (role.id.as_str(), role)).collect();
    let in_order: Vec<&str> = gathered.roles.iter().map(|role| role.id.as_str()).collect();
    let mut agents = Vec::new();
    let (mut total, mut comparisons) = (0_usize, 0_usize);
    for agent in &gathered.agents {
        let held = roles_of(agent, &roles, &in_order, report);
        meet(agent, &held, &everyone, report);
        let count = held.iter().map(|(role, _)| role.rules.len()).sum::<usize>();
        total = total.saturating_add(count).saturating_add(agent.rules.len());
        if total > MAX_RULES {
            let message = format!("the agents have more than {MAX_RULES} rules in all");
            report.error(agent.at, message, "give fewer agents the large roles".to_owned());
            break;
        }
        let holders = std::iter::once(agent).chain(held.iter().map(|(role, _)| *role));
        let patterns = holders.flat_map(|holder| &holder.rules).flat_map(|written| &written.rule.tools);
        let wildcards = patterns.filter(|pattern| matches!(pattern, Pattern::Glob(_))).count();
        comparisons = comparisons.saturating_add(wildcards.saturating_mul(gathered.known.len()));
        if comparisons > MAX_COMPARISONS {
            let message = "too many wildcards for so many tools".to_owned();
            report.error(
                agent.at,
                message,
                "name tools exactly, or use fewer and wider wildcards".to_owned(),
            );
            break;
        }
        agents.push(parts_of(agent, &held, &gathered.limits, &gathered.guards));
    }
    Parts {
        mode: gathered.mode,
        unknown_tool: gathered.unknown_tool,
        environment: gathered.environment.clone(),
        tools: gathered.tools.iter().map(|(tool, _)| tool.clone()).collect(),
        agents,
        groups: gathered.groups.clone(),
    }
}

fn parts_of(
    agent: &Holder,
    held: &[(&Holder, Place)],
    everyone: &[Limited],
    everyone_guards: &Guards,
) -> AgentParts {
    let roles = || held.iter().map(|(role, _)| *role);
    let holders = || std::iter::once(agent).chain(roles());
    let modes: Vec<Mode> = roles().filter_map(|role| role.mode).collect();
    // Of roles that disagree, the one that binds counts.
    let mode_of_roles = modes.iter().copied().find(|mode| *mode == Mode::Enforce).or(modes.first().copied());
    let limits = holders().flat_map(|holder| &holder.limits).chain(everyone);
    let mut guards = everyone_guards.clone();
    holders().for_each(|holder| guards.join(holder.guards.clone()));
    AgentParts {
        id: agent.id.clone(),
        owner: holders().find_map(|holder| holder.owner.clone()),
        purpose: holders().find_map(|holder| holder.purpose.clone()),
        tools: agent.tools.clone(),
        mode: agent.mode.or(mode_of_roles),
        rules: holders().flat_map(|holder| &holder.rules).flat_map(|rule| rule.rules.clone()).collect(),
        limits: limits.map(|limited| limited.limit.clone()).collect::<Vec<Limit>>(),
        prices: agent.prices.clone(),
        hazards: guards.hazards(),
        boundaries: guards.boundaries,
        screens: guards.screens,
        bounds: roles().fold(agent.bounds.clone(), |bounds, role| bounds.or(&role.bounds)),
    }
}

fn roles_of<'d>(
    agent: &Holder,
    roles: &HashMap<&'d str, &'d Holder>,
    names: &[&str],
    report: &mut Report,
) -> Vec<(&'d Holder, Place)> {
    let mut held: Vec<(&Holder, Place)> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (name, at) in &agent.roles {
        match roles.get(name.as_str()) {
            Some(_) if !seen.insert(name) => {
                report.error(
                    *at,
                    format!("role `{}` is given twice", short(name)),
                    "remove one of them".to_owned(),
                );
            }
            Some(role) => held.push((role, *at)),
            None => {
                let mut message = format!("role `{}` is not defined", short(name));
                if !report.is_full()
                    && let Some(near) = nearest(name, names.iter().copied().take(SUGGESTIONS))
                {
                    message.push_str(&format!("; did you mean `{near}`?"));
                }
                report.error(*at, message, "define it under `roles`".to_owned());
            }
        }
    }
    held
}

/// The names of a holder's rules, each with its place.
fn names(holder: &Holder, report: &mut Report) -> HashMap<Arc<str>, Place> {
    let mut seen: HashMap<Arc<str>, Place> = HashMap::new();
    for written in &holder.rules {
        for rule in &written.rules {
            if let Some(first) = seen.get(&rule.name).copied() {
                let help = format!(
                    "the other is at {}; names are unique within an agent and its roles",
                    report.show(first)
                );
                report.error(written.at, format!("rule `{}` is defined twice", short(&rule.name)), help);
            } else {
                seen.insert(rule.name.clone(), written.at);
            }
        }
    }
    seen
}

/// The labels of limits, each with its place; `others` are labels that are taken.
fn labels(
    limits: &[Limited],
    others: &HashMap<Arc<str>, Place>,
    report: &mut Report,
) -> HashMap<Arc<str>, Place> {
    let mut seen: HashMap<Arc<str>, Place> = HashMap::new();
    for limited in limits {
        let label = &limited.limit.label;
        if let Some(first) = seen.get(label).or_else(|| others.get(label)).copied() {
            twice(limited.at, label, first, report);
        } else {
            seen.insert(label.clone(), limited.at);
        }
    }
    seen
}

fn twice(at: Place, label: &str, first: Place, report: &mut Report) {
    let help = format!(
        "the other is at {}; they would count the same twice, so keep the stricter one",
        report.show(first)
    );
    report.error(at, format!("limit `{}` is given twice", short(label)), help);
}

/// What an agent and its roles bring must not meet under one name.
fn meet(agent: &Holder, held: &[(&Holder, Place)], everyone: &HashMap<Arc<str>, Place>, report: &mut Report) {
    let mut rules = names(agent, report);
    let mut limits = labels(&agent.limits, everyone, report);
    for (role, at) in held {
        for written in &role.rules {
            for rule in &written.rules {
                let first = rules.get(&rule.name).copied().filter(|first| *first != written.at);
                if let Some(first) = first {
                    let message =
                        format!("role `{}` brings a second rule `{}`", short(&role.id), short(&rule.name));
                    let help = format!("the other is at {}; rename one of them", report.show(first));
                    report.error(*at, message, help);
                }
                rules.insert(rule.name.clone(), written.at);
            }
        }
        for limited in &role.limits {
            let label = &limited.limit.label;
            if let Some(first) = limits.get(label).copied().filter(|first| *first != limited.at) {
                let message = format!("role `{}` brings a second limit `{}`", short(&role.id), short(label));
                let help = format!("the other is at {}; keep the stricter one", report.show(first));
                report.error(*at, message, help);
            }
            limits.insert(label.clone(), limited.at);
        }
    }
}
