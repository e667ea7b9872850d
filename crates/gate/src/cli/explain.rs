//! `portcullis policy explain`: every rule considered, in order, and what each lacked; the limits; the verdict.
//!
//! Pure: no store is opened, so limits are named and not counted, and approvals are not looked up.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use verdict::{
    Action, Agent, Case, Considered, Denial, Draft, Facts, Limit, MeterKind, Micro, Mode, Policy,
    RuleFinding, RuleKind, Verdict, Window, decide,
};

use super::check::ActionArgs;
use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg, problems};
use crate::clock::Clock;
use crate::eyes::Eyes;
use crate::policy_text;
use crate::wire::code_word;

/// `portcullis policy explain`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis policy explain --policy portcullis.yaml --agent support-bot --tool stripe.refund --args '{\"amount\": 500}'
  portcullis policy explain --policy portcullis.yaml --agent support-bot --tool crm.read --environment staging --json

Nothing is recorded, and no limit is taken from.")]
pub struct ExplainArgs {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    action: ActionArgs,
    #[command(flatten)]
    json: JsonArg,
}

/// An action, considered.
pub struct Examined {
    /// What came out.
    pub decision: Decision,
    /// Every rule of the agent, in the order in which they count.
    pub rules: Vec<Considered>,
    facts: Facts,
}

/// What the policy says of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// `allow`, `deny` or `pending`.
    pub decision: &'static str,
    /// The kind of reason, as the contract calls it.
    pub code: &'static str,
    /// The rule that decides.
    pub rule: Option<String>,
    /// The sentence that the agent is told.
    pub reason: Option<String>,
}

/// Considers an action under a policy.
pub fn consider(policy: &Policy, draft: Draft, now: Micro) -> Examined {
    let action = match Action::new(draft) {
        Ok(action) => action,
        Err(malformed) => {
            let denial = Denial::new(verdict::Code::InvalidAction, malformed.to_string());
            return Examined { decision: denied(&denial), rules: Vec::new(), facts: Facts::default() };
        }
    };
    let facts = Eyes::elsewhere().facts(policy, &action);
    let case = Case { action, facts: facts.clone() };
    let rules = verdict::explain(policy, &case, now);
    let name = |rule: Option<&std::sync::Arc<str>>| rule.map(|name| name.to_string());
    let decision = match decide(policy, case, now) {
        Verdict::Deny(refused) => denied(refused.denial()),
        Verdict::Ask(ask) => Decision {
            decision: "pending",
            code: code_word(verdict::Code::ApprovalRequired),
            rule: name(ask.rule()),
            reason: Some(ask.reason().to_owned()),
        },
        Verdict::Permit(permit) => Decision {
            decision: "allow",
            code: code_word(verdict::Code::Allowed),
            rule: name(permit.rule()),
            reason: permit
                .would()
                .map(|would| format!("observed only; it would have been stopped: {}", would.reason)),
        },
    };
    Examined { decision, rules, facts }
}

fn denied(denial: &Denial) -> Decision {
    Decision {
        decision: "deny",
        code: code_word(denial.code),
        rule: denial.rule.as_ref().map(|name| name.to_string()),
        reason: Some(denial.reason.clone()),
    }
}

/// Every rule and what came of it, one a line.
pub fn findings(rules: &[Considered]) -> Vec<String> {
    rules.iter().map(|it| format!("{} {}: {}", effect(it.effect), it.rule, finding(&it.finding))).collect()
}

fn effect(effect: RuleKind) -> &'static str {
    match effect {
        RuleKind::Allow => "allow",
        RuleKind::Deny => "deny",
    }
}

fn finding(finding: &RuleFinding) -> String {
    match finding {
        RuleFinding::Decides => "decides".to_owned(),
        RuleFinding::HoldsToo => "holds too, but another comes first".to_owned(),
        RuleFinding::Lacks(what) => format!("does not apply: {}", what.join("; ")),
        RuleFinding::Fails(why) => format!("cannot be evaluated, which counts against the action: {why}"),
    }
}

#[derive(Serialize)]
struct Report {
    agent_id: String,
    tool: String,
    environment: String,
    mode: Mode,
    policy_version: String,
    effects: Vec<verdict::EffectFact>,
    risk: verdict::Risk,
    estimated_cost_usd: String,
    rules: Vec<RuleLine>,
    limits: Vec<LimitLine>,
    #[serde(flatten)]
    decision: Decision,
}

#[derive(Serialize)]
struct RuleLine {
    rule: String,
    effect: &'static str,
    place: String,
    finding: &'static str,
    lacks: Vec<String>,
}

#[derive(Serialize)]
struct LimitLine {
    limit: String,
    max: String,
}

/// Runs the command.
pub fn run(args: ExplainArgs) -> Done {
    let text =
        policy_text::read(&args.policy).map_err(|mistakes| problems::refuse(&args.policy, &mistakes))?;
    let policy = &text.loaded.policy;
    let draft = args.action.draft()?;
    let here = draft.environment.clone().unwrap_or_else(|| policy.environment().to_owned());
    let (agent, tool) = (draft.agent.clone(), draft.tool.clone());
    let examined = consider(policy, draft, Clock::start().now());
    let known = policy.agent(&agent);
    let report = Report {
        mode: known.map_or(policy.mode(), |agent| agent.mode()),
        policy_version: policy.version().0.to_string(),
        environment: here,
        effects: examined.facts.effects.iter().map(verdict::Effect::fact).collect(),
        risk: examined.facts.risk,
        estimated_cost_usd: examined.facts.cost.to_string(),
        rules: examined.rules.iter().map(rule_line).collect(),
        limits: known.map_or_else(Vec::new, |agent| limit_lines(agent, &tool)),
        decision: examined.decision,
        agent_id: agent,
        tool,
    };
    if args.json.json {
        print::json(&report)?
    } else {
        show(&report)?
    }
    Ok(ExitCode::SUCCESS)
}

fn rule_line(it: &Considered) -> RuleLine {
    let (finding, lacks) = match &it.finding {
        RuleFinding::Decides => ("decides", Vec::new()),
        RuleFinding::HoldsToo => ("holds_too", Vec::new()),
        RuleFinding::Lacks(what) => ("lacks", what.clone()),
        RuleFinding::Fails(why) => ("fails", vec![why.clone()]),
    };
    RuleLine { rule: it.rule.to_string(), effect: effect(it.effect), place: it.place.clone(), finding, lacks }
}

fn limit_lines(agent: &Agent, tool: &str) -> Vec<LimitLine> {
    let counts = |limit: &&Limit| limit.tools.is_empty() || limit.tools.iter().any(|it| it.matches(tool));
    let line = |limit: &Limit| LimitLine {
        limit: limit.label.to_string(),
        max: MeterKind::of(&limit.meter).show(limit.max),
    };
    // Those of one call come first: they need no history to refuse.
    let (mut lines, rest): (Vec<&Limit>, Vec<&Limit>) =
        agent.limits().iter().filter(counts).partition(|limit| limit.window == Window::Call);
    lines.extend(rest);
    lines.into_iter().map(line).collect()
}

fn show(report: &Report) -> Result<(), Failure> {
    let heading = format!("{} calls {} in {}", report.agent_id, report.tool, report.environment);
    print::line(&paint(&clean(&heading), Hue::Strong))?;
    let effects: Vec<String> = report.effects.iter().map(effect_text).collect();
    print::field("effects", &effects.join(", "))?;
    print::field("risk", &word(&report.risk))?;
    print::field("cost", &format!("${}", report.estimated_cost_usd))?;
    if report.mode == Mode::Observe {
        print::field("mode", "observe: nothing is refused, only recorded")?;
    }
    print::line("\nRules, in the order in which they count:")?;
    let mut table = Table::new(&["EFFECT", "RULE", "PLACE", "WHAT CAME OF IT"]);
    for rule in &report.rules {
        let (text, hue) = match rule.finding {
            "decides" => ("decides".to_owned(), if rule.effect == "deny" { Hue::Bad } else { Hue::Good }),
            "holds_too" => ("holds too, but another comes first".to_owned(), Hue::Dim),
            "fails" => (format!("cannot be evaluated: {}", rule.lacks.join("; ")), Hue::Bad),
            _ => (format!("does not apply: {}", rule.lacks.join("; ")), Hue::Dim),
        };
        table.row([
            rule.effect.into(),
            rule.rule.as_str().into(),
            rule.place.as_str().into(),
            hued(text, hue),
        ]);
    }
    table.print("  none: the policy has no such agent, or it has no rules")?;
    if !report.limits.is_empty() {
        print::line("\nLimits that would count:")?;
        let mut table = Table::new(&["LIMIT", "AT MOST"]);
        report.limits.iter().for_each(|it| table.row([it.limit.as_str().into(), it.max.as_str().into()]));
        table.print("")?;
    }
    print::line("")?;
    verdict_line(&report.decision)
}

/// `deny (no_matching_rule)` and the reason.
pub fn verdict_line(decision: &Decision) -> Result<(), Failure> {
    let hue = match decision.decision {
        "allow" => Hue::Good,
        "pending" => Hue::Care,
        _ => Hue::Bad,
    };
    print::line(&format!("{} ({})", paint(decision.decision, hue), decision.code))?;
    print::field("rule", decision.rule.as_deref().unwrap_or_default())?;
    print::field("reason", decision.reason.as_deref().unwrap_or_default())
}

fn effect_text(effect: &verdict::EffectFact) -> String {
    match &effect.resource {
        Some(resource) => format!("{} {resource}", effect.kind),
        None => effect.kind.to_string(),
    }
}

/// A word of the contract, as it is written in JSON.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
