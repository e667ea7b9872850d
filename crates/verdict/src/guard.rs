//! What holds around the rules: boundaries and screens, held against what an action would do and say.
//!
//! A rule says what may be done; nothing here allows anything. What breaks a boundary is refused whatever
//! allows it, and what only a person can judge becomes a question.

use crate::action::Facts;
use crate::boundary::{Answer, Breach, Ground};
use crate::decide::{Case, Code, Denial};
use crate::effect::{Effect, Target};
use crate::json::{Json, Map};
use crate::policy::{Agent, Rule, RuleKind};
use crate::screen::{Reaction, Side};

/// What the boundaries and screens of an agent make of an action: a refusal, or the reasons (possibly none)
/// for which a person must agree.
pub(crate) fn held(agent: &Agent, case: &Case) -> Result<Vec<String>, Denial> {
    let mut questions = Vec::new();
    let facts = &case.facts;
    let ground = Ground { cwd: facts.cwd.as_deref(), ignores_case: facts.ignores_case };
    for boundaries in agent.boundaries() {
        if let Some(breach) = boundaries.breach(&facts.effects, &ground) {
            return Err(outside(&breach));
        }
    }
    for (answer, breach) in agent.hazards().breaches(&facts.effects) {
        match answer {
            Answer::Deny => return Err(outside(&breach)),
            _ => questions.push(breach.reason),
        }
    }
    let screens = agent.screens();
    if let Some(why) = screens.too_long(Side::Input, case.action.args()) {
        return Err(Denial::new(Code::Screen, format!("the arguments are too long: {why}")));
    }
    match screens.judge(Side::Input, &facts.findings) {
        Some(reacted) if reacted.reaction == Reaction::Ask => questions.push(reacted.reason),
        Some(reacted) => return Err(Denial::new(Code::Screen, reacted.reason)),
        None => (),
    }
    match screens.judge(Side::Output, &facts.described) {
        Some(reacted) if reacted.reaction == Reaction::Ask => questions.push(of_tool(&reacted.reason)),
        Some(reacted) if reacted.reaction == Reaction::Deny => {
            return Err(Denial::new(Code::Screen, of_tool(&reacted.reason)));
        }
        // What is only replaced was replaced where the definition was shown.
        _ => (),
    }
    Ok(questions)
}

fn of_tool(reason: &str) -> String {
    format!("the tool's own definition: {reason}")
}

fn outside(breach: &Breach) -> Denial {
    let reason = format!("{} (boundaries: {})", breach.reason, breach.boundary);
    Denial::new(Code::Boundary, reason)
}

/// True if an action's effects are those that a rule is for: for a denial any of them, for an allow all.
/// What cannot be told is every effect to a denial, and none to an allow.
pub(crate) fn is_about(rule: &Rule, facts: &Facts) -> bool {
    if rule.effects.is_empty() {
        return true;
    }
    let named = |effect: &Effect| rule.effects.iter().any(|kind| *kind == effect.kind);
    match rule.effect {
        RuleKind::Deny => facts.effects.iter().any(|effect| named(effect) || could_be_any(effect)),
        RuleKind::Allow => {
            !facts.effects.is_empty()
                && facts.effects.iter().all(|effect| named(effect) && !could_be_any(effect))
        }
    }
}

/// For people: what of the action cannot be told, if a denial about effects holds only for that.
pub(crate) fn holds_for_the_unknown(rule: &Rule, facts: &Facts) -> Option<String> {
    let named = |effect: &&Effect| rule.effects.iter().any(|kind| *kind == effect.kind);
    if rule.effects.is_empty() || facts.effects.iter().any(|effect| named(&effect)) {
        return None;
    }
    let effect = facts.effects.iter().find(|effect| could_be_any(effect))?;
    let note = effect.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
    let kinds = rule.effects.join(" or ");
    Some(format!("what it would do cannot be told{note}, so it may be {kinds}"))
}

/// True if the effect stands for whatever a program, a piece of code or a statement may do.
pub(crate) fn could_be_any(effect: &Effect) -> bool {
    let opaque = matches!(effect.kind.as_ref(), "process.exec" | "code.run" | "sql.unknown");
    effect.kind == "sql.unknown" || (opaque && effect.target == Target::Unknown)
}

/// What a rule about effects did not find, for people.
pub(crate) fn lacks(rule: &Rule, facts: &Facts) -> Option<String> {
    if is_about(rule, facts) {
        return None;
    }
    let wanted = rule.effects.join(" or ");
    let other = facts
        .effects
        .iter()
        .find(|effect| could_be_any(effect) || !rule.effects.iter().any(|kind| *kind == effect.kind));
    Some(match (rule.effect, other) {
        (RuleKind::Allow, Some(effect)) => {
            let resource = effect.target.shown().map(|it| format!(" `{it}`")).unwrap_or_default();
            format!("it is for {wanted} alone, and the action would also be {}{resource}", effect.kind)
        }
        (RuleKind::Allow, None) => format!("it is for {wanted}, and what the action does is not known"),
        (RuleKind::Deny, _) => format!("it is for {wanted}, and the action does nothing of that"),
    })
}

/// What conditions read of an action's facts: `effects`, `findings`, `risk`. Built only where some condition
/// reads it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Absent if something in it could be anything: a condition that depends on it then fails.
    pub(crate) effects: Option<Json>,
    pub(crate) findings: Option<Json>,
    pub(crate) risk: &'static str,
}

impl Seen {
    pub(crate) fn of(agent: &Agent, facts: &Facts) -> Self {
        if !agent.reads_facts() {
            return Self::default();
        }
        let told = !facts.effects.iter().any(could_be_any);
        let effects = facts.effects.iter().filter_map(effect).collect();
        let findings = facts.findings.iter().chain(&facts.described).filter_map(|finding| {
            object([
                ("kind", Some(Json::Str(finding.kind.to_string()))),
                ("name", Some(Json::Str(finding.name.to_string()))),
                ("place", Some(Json::Str(finding.place.clone()))),
                ("severity", Some(Json::Str(finding.severity.as_str().to_owned()))),
                ("confidence", Some(Json::Int(finding.confidence.into()))),
                ("verified", finding.verified.map(Json::Bool)),
            ])
        });
        Self {
            effects: told.then_some(Json::List(effects)),
            findings: Some(Json::List(findings.collect())),
            risk: facts.risk.as_str(),
        }
    }
}

/// `resource` is absent where it could not be told, so that reading it is an error.
fn effect(effect: &Effect) -> Option<Json> {
    let resource = match effect.target {
        Target::Unknown => None,
        _ => effect.target.shown().map(Json::Str),
    };
    object([
        ("kind", Some(Json::Str(effect.kind.to_string()))),
        ("resource", resource),
        ("destroys", Some(Json::Bool(effect.destroys))),
        ("risk", Some(Json::Str(effect.risk.as_str().to_owned()))),
        ("place", Some(Json::Str(effect.place.clone()))),
        ("note", effect.note.as_ref().map(|note| Json::Str(note.to_string()))),
    ])
}

fn object<const N: usize>(pairs: [(&str, Option<Json>); N]) -> Option<Json> {
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Map::from_pairs(pairs.collect()).ok().map(Json::Map)
}
