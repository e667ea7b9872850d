//! Policy and facts in, verdict out. Default deny, and deny beats allow.
//!
//! [`Permit`] and [`Ask`] have no public constructor: holding one proves that `decide` let this very action
//! through under this very policy. Nothing here looks at counters, keys or approvals: those change, and are
//! looked at when the decision is written down ([`crate::journal`]).

mod claims;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Facts};
use crate::condition::{Root, Scope as Vars};
use crate::guard::{self, Seen};
use crate::limit::Micro;
use crate::money::Micros;
use crate::policy::{Agent, Entry, Mode, Policy, PolicyVersion, Rule, RuleKind, Terms};

pub use claims::Claim;
use claims::claims;

/// The names a condition may start from, in the order of [`roots`].
pub const ROOTS: [&str; 13] = [
    "args",
    "context",
    "agent_id",
    "tool",
    "user",
    "session_id",
    "step",
    "environment",
    "estimated_cost_usd",
    "now",
    "effects",
    "findings",
    "risk",
];

/// What is to be decided.
#[derive(Clone, Debug)]
pub struct Case {
    /// The action.
    pub action: Action,
    /// What inspection found of it.
    pub facts: Facts,
}

/// Why an answer is as it is; the list is closed, and clients branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are the contract's and say what they mean")]
pub enum Code {
    Allowed,
    ApprovalRequired,
    Approved,
    DeniedByRule,
    NoMatchingRule,
    UnknownAgent,
    UnknownTool,
    AgentDisabled,
    Boundary,
    Screen,
    Flow,
    Limit,
    Budget,
    Duplicate,
    InProgress,
    BreakerOpen,
    ApprovalDenied,
    ApprovalExpired,
    InvalidAction,
    EvaluationError,
    Unavailable,
}

/// Why an action is refused, as the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The kind of reason.
    pub code: Code,
    /// The rule that says so, if one does.
    pub rule: Option<Arc<str>>,
    /// A sentence to act on.
    pub reason: String,
    /// Microseconds after which the same action could pass, where that is known.
    pub retry_after: Option<i64>,
}

impl Denial {
    /// A denial without a rule.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, rule: None, reason: reason.into(), retry_after: None }
    }
}

/// An action let through by a rule. It holds the action, so that it cannot be exchanged for another.
///
/// ```compile_fail,E0451
/// # fn forge(case: Box<verdict::Case>, version: verdict::PolicyVersion) -> verdict::Permit {
/// verdict::Permit { case, rule: None, claims: vec![], policy: version, mode: verdict::Mode::Enforce, would: None }
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit {
    case: Box<Case>,
    rule: Option<Arc<str>>,
    claims: Vec<Claim>,
    policy: PolicyVersion,
    mode: Mode,
    would: Option<Denial>,
}

/// An action that a person must agree to first.
#[derive(Debug)]
#[must_use]
pub struct Ask {
    permit: Permit,
    terms: Terms,
    people: Vec<String>,
    reason: String,
}

/// An action refused, with the action, so that the refusal can be recorded.
#[derive(Debug)]
#[must_use]
pub struct Refused {
    case: Box<Case>,
    denial: Denial,
    policy: PolicyVersion,
}

/// What the policy says of an action.
#[derive(Debug)]
pub enum Verdict {
    /// Go on.
    Permit(Permit),
    /// A person decides.
    Ask(Ask),
    /// Stop.
    Deny(Refused),
}

/// Decides. The reason for a denial names what would have to be different.
pub fn decide(policy: &Policy, case: Case, now: Micro) -> Verdict {
    let version = policy.version().clone();
    let case = Box::new(case);
    match judge(policy, &case, now) {
        Ok(Ruling { agent, rule, claims, questions }) => {
            let name = Some(Arc::clone(&rule.name));
            let permit =
                Permit { case, rule: name, claims, policy: version, mode: agent.mode(), would: None };
            match &rule.approval {
                None if questions.is_empty() => Verdict::Permit(permit),
                None => asked(policy, agent, &questions.join("; "), permit, &anyone()),
                Some(terms) => {
                    let reasons = rule.reason.iter().cloned().chain(questions).collect::<Vec<_>>().join("; ");
                    asked(policy, agent, &reasons, permit, terms)
                }
            }
        }
        Err((denial, claims)) => {
            let mode = policy.agent(case.action.agent()).map_or(policy.mode(), |agent| agent.mode());
            match mode {
                Mode::Enforce => Verdict::Deny(Refused { case, denial, policy: version }),
                Mode::Observe => {
                    let rule = denial.rule.clone();
                    Verdict::Permit(Permit { case, rule, claims, policy: version, mode, would: Some(denial) })
                }
            }
        }
    }
}

/// Who must agree where no rule says it: any approver, within 15 minutes.
fn anyone() -> Terms {
    Terms { from: Vec::new(), quorum: 1, timeout_ms: 15 * 60 * 1000 }
}

fn asked(policy: &Policy, agent: &Agent, why: &str, mut permit: Permit, terms: &Terms) -> Verdict {
    let whom = if terms.from.is_empty() { "a person".to_owned() } else { terms.from.join(" or ") };
    let name = permit.rule.as_deref().unwrap_or_default();
    let reason = match why {
        "" => format!("rule `{name}` needs {whom} to agree"),
        why => format!("rule `{name}` needs {whom} to agree: {why}"),
    };
    if agent.mode() == Mode::Observe {
        permit.would =
            Some(Denial { rule: permit.rule.clone(), ..Denial::new(Code::ApprovalRequired, reason) });
        return Verdict::Permit(permit);
    }
    let people = terms.from.iter().flat_map(|group| policy.members(group)).cloned().collect();
    Verdict::Ask(Ask { permit, terms: terms.clone(), people, reason })
}

struct Ruling<'p> {
    agent: &'p Agent,
    rule: &'p Rule,
    claims: Vec<Claim>,
    /// Why a person must agree, besides what the rule itself asks.
    questions: Vec<String>,
}

/// The rule that lets an action through and what it takes of which limits; or why not, with what it
/// would take all the same (observed agents are counted).
fn judge<'p>(policy: &'p Policy, case: &Case, now: Micro) -> Result<Ruling<'p>, (Denial, Vec<Claim>)> {
    let nothing = |denial| (denial, Vec::new());
    let action = &case.action;
    let agent = policy.agent(action.agent()).ok_or_else(|| {
        let reason = format!("the policy has no agent `{}`", action.agent());
        nothing(Denial::new(Code::UnknownAgent, reason))
    })?;
    if let Some(problem) = &case.facts.problem {
        return Err(nothing(Denial::new(Code::InvalidAction, problem.clone())));
    }
    let applicable = policy.applicable(agent, action.tool()).ok_or_else(|| {
        let reason =
            format!("the policy neither declares the tool `{}` nor names it in a rule", action.tool());
        nothing(Denial::new(Code::UnknownTool, reason))
    })?;
    let tool = policy.tool_of(action.agent(), action.tool());
    if tool.is_some_and(|tool| tool.disabled) {
        let reason = format!("the tool `{}` is switched off in the policy (`enabled: false`)", action.tool());
        return Err(nothing(Denial::new(Code::UnknownTool, reason)));
    }
    let mut claims = claims(agent, &applicable.limits, case).map_err(nothing)?;
    claims.extend(tool.into_iter().flat_map(|tool| claims::of_tool(agent, tool, case)));
    let seen = Seen::of(agent, &case.facts);
    let values = roots(policy, case, &seen, now);
    let vars = Vars(&values);
    for entry in applicable.denies() {
        match holds(policy, agent, entry, case, &vars) {
            None => (),
            Some((rule, Ok(()))) => return Err((denied(rule, &case.facts), claims)),
            // A prohibition that cannot be evaluated is a prohibition.
            Some((rule, Err(why))) => return Err((broken(rule, &why), claims)),
        }
    }
    let questions = match guard::held(agent, case) {
        Ok(questions) => questions,
        Err(denial) => return Err((denial, claims)),
    };
    let mut error = None;
    for entry in applicable.allows() {
        match holds(policy, agent, entry, case, &vars) {
            None => (),
            Some((rule, Ok(()))) => return Ok(Ruling { agent, rule, claims, questions }),
            Some((rule, Err(why))) => error = error.or(Some((rule, why))),
        }
    }
    match error {
        Some((rule, why)) => Err((broken(rule, &why), claims)),
        None => Err((crate::explain::nearest(policy, agent, case, &vars), claims)),
    }
}

/// The rule of an entry, if it applies or cannot be evaluated. A rule for everyone whose condition is false is not
/// even fetched.
fn holds<'p>(
    policy: &Policy,
    agent: &'p Agent,
    entry: &Entry,
    case: &Case,
    vars: &Vars<'_>,
) -> Option<(&'p Rule, Result<(), String>)> {
    if entry.narrow {
        let rule = agent.rule(entry.at)?;
        let applied = applies(policy, rule, case, vars);
        return (applied != Ok(false)).then(|| (rule, applied.map(|_| ())));
    }
    let held = match &entry.when {
        None => Ok(()),
        Some(condition) => match condition.eval(vars) {
            Ok(false) => return None,
            held => held.map(|_| ()).map_err(|error| error.to_string()),
        },
    };
    Some((agent.rule(entry.at)?, held))
}

fn denied(rule: &Rule, facts: &Facts) -> Denial {
    let why = guard::holds_for_the_unknown(rule, facts);
    let reasons: Vec<&str> = why.as_deref().into_iter().chain(rule.reason.as_deref()).collect();
    let reason = match reasons.join("; ").as_str() {
        "" => format!("rule `{}` forbids it", rule.name),
        reasons => format!("rule `{}` forbids it: {reasons}", rule.name),
    };
    Denial { rule: Some(Arc::clone(&rule.name)), ..Denial::new(Code::DeniedByRule, reason) }
}

fn broken(rule: &Rule, why: &str) -> Denial {
    let reason =
        format!("rule `{}` could not be evaluated, which counts against the action: {why}", rule.name);
    Denial { rule: Some(Arc::clone(&rule.name)), ..Denial::new(Code::EvaluationError, reason) }
}

/// True if there are arguments with which `agent` might call `tool`, for `user` and in `environment`: what an
/// agent need not see is hidden from it, and nothing more; what it calls is decided all the same.
pub fn could_allow(
    policy: &Policy,
    agent: &str,
    tool: &str,
    user: Option<&str>,
    environment: Option<&str>,
) -> bool {
    let Some(agent) = policy.agent(agent).filter(|_| crate::action::check_tool(tool).is_ok()) else {
        return false;
    };
    if agent.mode() == Mode::Observe {
        return true;
    }
    let Some(applicable) = policy.applicable(agent, tool) else { return false };
    let rules =
        |list: &'_ [Entry]| -> Vec<&Rule> { list.iter().filter_map(|entry| agent.rule(entry.at)).collect() };
    let here = |rule: &Rule| is_for(policy, rule, user, environment);
    let forbidden = rules(applicable.denies())
        .into_iter()
        .any(|rule| rule.when.is_none() && rule.effects.is_empty() && here(rule));
    !forbidden && rules(applicable.allows()).into_iter().any(here)
}

/// True if `rule` speaks of this user and environment.
fn is_for(policy: &Policy, rule: &Rule, user: Option<&str>, environment: Option<&str>) -> bool {
    let here = environment.unwrap_or(policy.environment());
    let is_here = rule.environments.is_empty() || rule.environments.iter().any(|name| name == here);
    is_here && (rule.users.is_empty() || user_is_in(policy, rule, user))
}

/// True if every condition of `rule` besides its tools holds.
pub(crate) fn applies(policy: &Policy, rule: &Rule, case: &Case, vars: &Vars<'_>) -> Result<bool, String> {
    let action = &case.action;
    if !is_for(policy, rule, action.user(), action.environment()) || !guard::is_about(rule, &case.facts) {
        return Ok(false);
    }
    match &rule.when {
        None => Ok(true),
        Some(condition) => condition.eval(vars).map_err(|error| error.to_string()),
    }
}

fn user_is_in(policy: &Policy, rule: &Rule, user: Option<&str>) -> bool {
    match user {
        Some(user) => rule.users.iter().any(|name| policy.is_in(user, name)),
        // A prohibition for some users is a prohibition for whoever does not say who they are.
        None => rule.effect == RuleKind::Deny,
    }
}

/// The values of [`ROOTS`] for one action.
pub(crate) fn roots<'a>(policy: &'a Policy, case: &'a Case, seen: &'a Seen, now: Micro) -> [Root<'a>; 13] {
    let action = &case.action;
    let text = |text: Option<&'a str>| text.map_or(Root::Absent, Root::Str);
    [
        Root::Json(action.args()),
        Root::Json(action.context()),
        Root::Str(action.agent()),
        Root::Str(action.tool()),
        text(action.user()),
        text(action.session()),
        text(action.step()),
        Root::Str(action.environment().unwrap_or(policy.environment())),
        Root::Double(dollars(case.facts.cost)),
        Root::Time(now),
        seen.effects.as_ref().map_or(Root::Absent, Root::Json),
        seen.findings.as_ref().map_or(Root::Absent, Root::Json),
        Root::Str(seen.risk),
    ]
}

/// For conditions only; limits count in micro-dollars.
#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate within 2^53 micro-dollars is exact before the division"
)]
fn dollars(amount: Micros) -> f64 {
    amount.0 as f64 / 1e6
}

impl Permit {
    /// What is permitted.
    pub fn case(&self) -> &Case {
        &self.case
    }
    /// The rule that lets it through.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }
    /// What it takes of which limits.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }
    /// The policy that decided.
    pub fn policy(&self) -> &PolicyVersion {
        &self.policy
    }
    /// Whether the agent's decisions bind.
    pub fn mode(&self) -> Mode {
        self.mode
    }
    /// In observe mode: what would have stopped it.
    pub fn would(&self) -> Option<&Denial> {
        self.would.as_ref()
    }
}

impl Ask {
    /// What would be permitted.
    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }
    /// The rule that asks.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.permit.rule.as_ref()
    }
    /// What the approval needs.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
    /// Who is in the groups that may answer, by the policy that asks.
    pub fn people(&self) -> &[String] {
        &self.people
    }
    /// For the agent and the approver.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Refused {
    /// Why.
    pub fn denial(&self) -> &Denial {
        &self.denial
    }
}

impl Verdict {
    /// What was decided about.
    pub fn case(&self) -> &Case {
        match self {
            Self::Permit(permit) => &permit.case,
            Self::Ask(ask) => &ask.permit.case,
            Self::Deny(refused) => &refused.case,
        }
    }
    /// The case back, to be decided again.
    pub fn into_case(self) -> Case {
        match self {
            Self::Permit(permit) => *permit.case,
            Self::Ask(ask) => *ask.permit.case,
            Self::Deny(refused) => *refused.case,
        }
    }
    /// The case, where it is.
    pub(crate) fn into_boxed_case(self) -> Box<Case> {
        match self {
            Self::Permit(permit) => permit.case,
            Self::Ask(ask) => ask.permit.case,
            Self::Deny(refused) => refused.case,
        }
    }
    /// The policy that decided.
    pub fn policy(&self) -> &PolicyVersion {
        match self {
            Self::Permit(permit) => &permit.policy,
            Self::Ask(ask) => &ask.permit.policy,
            Self::Deny(refused) => &refused.policy,
        }
    }
}
