//! `portcullis policy test`: runs cases against a policy, and shows what came out other than expected.
//!
//! Decides with the same `inspect` and `decide` as the gate. Limits, keys and approvals are not looked at: they
//! depend on what happened before, and a case says nothing of that.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use verdict::load::{Case, CaseAction, Expectation, Problem};
use verdict::{Draft, Policy};

use super::explain::{Decision, consider, findings};
use super::print::{self, Hue, clean, paint};
use super::{Done, Failure, JsonArg, problems};
use crate::clock::Clock;
use crate::policy_text;

/// `portcullis policy test`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis policy test portcullis.yaml                      # runs portcullis.test.yaml
  portcullis policy test portcullis.yaml cases/refunds.yaml
  portcullis policy test portcullis.yaml --json

A case:
  - name: a large refund waits for finance
    given: {agent: support-bot, tool: stripe.refund, args: {amount: 500}}
    expect: {decision: pending, rule: large-refunds}")]
pub struct TestArgs {
    /// The policy
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The cases [default: FILE.test.yaml beside the policy]
    #[arg(value_name = "CASES")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    cases: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    name: String,
    line: usize,
    passed: bool,
    decision: Decision,
    differs: Vec<Difference>,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct Difference {
    field: &'static str,
    expected: String,
    found: String,
}

/// Runs the command.
pub fn run(args: &TestArgs) -> Done {
    let text = policy_text::read(&args.file).map_err(|mistakes| problems::refuse(&args.file, &mistakes))?;
    let path = args.cases.clone().unwrap_or_else(|| beside(&args.file));
    let cases = read(&path)?;
    let now = Clock::start().now();
    let policy = &text.loaded.policy;
    let outcomes: Vec<Outcome> = cases.iter().map(|case| try_case(policy, case, now)).collect();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let passed = outcomes.len().saturating_sub(failed);
    if args.json.json {
        print::json(&Report { passed, failed, cases: outcomes })?;
    } else {
        outcomes.iter().try_for_each(|outcome| show(outcome, &path))?;
        let (word, hue) = if failed == 0 { ("ok", Hue::Good) } else { ("failed", Hue::Bad) };
        print::line(&format!("{}: {passed} passed, {failed} failed", paint(word, hue)))?;
    }
    if failed == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::Told) }
}

/// `a/policy.yaml` has its cases in `a/policy.test.yaml`.
fn beside(policy: &Path) -> PathBuf {
    policy.with_extension("test.yaml")
}

fn read(path: &Path) -> Result<Vec<Case>, Failure> {
    let name = path.display().to_string();
    let shown = clean(&name);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::said(format!(
            "cases `{shown}` cannot be read: {error}; write some, or name their file after the policy"
        ))
    })?;
    verdict::load::cases(&name, &text).map_err(|mistakes: Vec<Problem>| {
        problems::warn(&mistakes);
        Failure::said(format!(
            "cases `{shown}` are not run: {}; mend them and try again",
            problems::counted(&mistakes)
        ))
    })
}

fn try_case(policy: &Policy, case: &Case, now: verdict::Micro) -> Outcome {
    let considered = consider(policy, draft(&case.given), now);
    let differs = differences(&case.expect, &considered.decision);
    let passed = differs.is_empty();
    let rules = if passed { Vec::new() } else { findings(&considered.rules) };
    Outcome {
        name: case.name.clone(),
        line: case.line,
        passed,
        decision: considered.decision,
        differs,
        rules,
    }
}

fn draft(given: &CaseAction) -> Draft {
    let CaseAction { agent, tool, args, context, user, session_id, step, environment, estimated_cost } =
        given;
    Draft {
        agent: agent.clone(),
        tool: tool.clone(),
        args: Some(args.clone()),
        context: Some(context.clone()),
        user: user.clone(),
        session: session_id.clone(),
        step: step.clone(),
        environment: environment.clone(),
        estimate: *estimated_cost,
        ..Draft::default()
    }
}

fn differences(expect: &Expectation, found: &Decision) -> Vec<Difference> {
    let Expectation { decision, rule, code, reason } = expect;
    let pairs = [
        ("decision", Some(decision.as_str()), found.decision),
        ("rule", rule.as_deref(), found.rule.as_deref().unwrap_or("none")),
        ("code", code.as_deref(), found.code),
        ("reason", reason.as_deref(), found.reason.as_deref().unwrap_or("none")),
    ];
    let differs = pairs.into_iter().filter_map(|(field, expected, found)| {
        let expected = expected.filter(|expected| *expected != found)?;
        Some(Difference { field, expected: expected.to_owned(), found: found.to_owned() })
    });
    differs.collect()
}

fn show(outcome: &Outcome, path: &Path) -> Result<(), Failure> {
    let name = clean(&outcome.name);
    if outcome.passed {
        return print::line(&format!("{} {name}", paint("✓", Hue::Good)));
    }
    let place = format!("{}:{}", clean(&path.display().to_string()), outcome.line);
    print::line(&format!("{} {name}  {}", paint("✗", Hue::Bad), paint(&place, Hue::Dim)))?;
    for Difference { field, expected, found } in &outcome.differs {
        print::line(&format!("    {field}: expected {}, is {}", clean(expected), clean(found)))?;
    }
    if let Some(reason) = &outcome.decision.reason {
        print::line(&format!("    because: {}", clean(reason)))?;
    }
    outcome.rules.iter().try_for_each(|rule| print::line(&format!("      {}", clean(rule))))
}
