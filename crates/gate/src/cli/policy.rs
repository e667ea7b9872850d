//! `portcullis policy`: checks, tests, explains policies, and prints the schema and the policy in force.
//!
//! Pure but for reading files: no store is opened, except to show what is in force there.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use verdict::load::Problem;

use super::print::{self, Hue, paint};
use super::problems::some;
use super::{Done, Failure, JsonArg, StoreArg, explain, opening, policy_test, problems};
use crate::policy_text;

/// `portcullis policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Find every mistake in a policy, with its place and how to mend it
    Check(CheckArgs),
    /// Run the cases of FILE.test.yaml
    Test(policy_test::TestArgs),
    /// Print the JSON Schema that editors complete policies by
    #[command(after_help = "Examples:\n  portcullis policy schema > portcullis.schema.json")]
    Schema,
    /// Say why an action is decided as it is: every rule, and what each lacked
    Explain(Box<explain::ExplainArgs>),
    /// Print the policy that is in force
    Show(ShowArgs),
}

/// `portcullis policy check`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis policy check portcullis.yaml
  portcullis policy check portcullis.yaml --strict      # warnings fail, too
  portcullis policy check portcullis.yaml --json | jq '.problems[].message'")]
pub struct CheckArgs {
    /// The policy
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis policy show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis policy show                        # of `portcullis serve` and `portcullis dev`
  portcullis policy show --line mcp:/etc/portcullis/policy.yaml --json")]
pub struct ShowArgs {
    /// Which gates: main, or mcp: and the path of their policy
    #[arg(long, default_value = "main")]
    line: String,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Runs the command.
pub fn run(command: PolicyCommand) -> Done {
    match command {
        PolicyCommand::Check(args) => check(&args),
        PolicyCommand::Test(args) => policy_test::run(&args),
        PolicyCommand::Schema => print::json(&verdict::load::schema()).map(|()| ExitCode::SUCCESS),
        PolicyCommand::Explain(args) => explain::run(*args),
        PolicyCommand::Show(args) => show(&args),
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    file: String,
    version: Option<String>,
    agents: usize,
    tools: usize,
    problems: &'a [Problem],
}

fn check(args: &CheckArgs) -> Done {
    let file = args.file.display().to_string();
    let (version, agents, tools, found) = match policy_text::read(&args.file) {
        Err(mistakes) => (None, 0, 0, mistakes),
        Ok(text) => {
            let policy = &text.loaded.policy;
            let version = policy.version().0.to_string();
            (Some(version), policy.agents().count(), policy.tools().count(), text.loaded.warnings)
        }
    };
    let ok = version.is_some() && (found.is_empty() || !args.strict);
    if args.json.json {
        print::json(&Checked { ok, file, version, agents, tools, problems: &found })?;
    } else {
        problems::print(&found)?;
        let file = print::clean(&file);
        let counts =
            if found.is_empty() { String::new() } else { format!(", {}", problems::counted(&found)) };
        match version {
            Some(version) if ok => print::line(&format!(
                "{} {file}: {}, {}{counts} (version {version})",
                paint("ok", Hue::Good),
                some(agents, "agent"),
                some(tools, "tool")
            ))?,
            _ => {
                print::line(&format!("{} {file}: {}", paint("failed", Hue::Bad), problems::counted(&found)))?
            }
        }
    }
    if ok { Ok(ExitCode::SUCCESS) } else { Err(Failure::Told) }
}

#[derive(Serialize)]
struct Shown {
    line: String,
    version: String,
    record: u64,
    from_file: bool,
    text: Option<String>,
}

fn show(args: &ShowArgs) -> Done {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let line = args.line.clone();
    let in_force = super::wait(desk.ask(move |books| books.policy(&line).cloned()))?;
    desk.close();
    let in_force = in_force.map_err(|halt| opening::halted(&store, &halt))?;
    let Some(in_force) = in_force else {
        let line = print::clean(&args.line);
        return Err(Failure::said(format!("no policy was ever put in force for `{line}` in this store")));
    };
    let entry = opening::open_reader(&store)?.get(in_force.at).map_err(Failure::said)?;
    let text = match entry.map(|entry| entry.payload) {
        Some(::ledger::Payload::Here(payload)) => policy_text::main_text(&payload),
        _ => None,
    };
    let from_file = in_force.file.as_ref() == Some(&in_force.version);
    let version = in_force.version.0.to_string();
    if args.json.json {
        print::json(&Shown { line: args.line.clone(), version, record: in_force.at, from_file, text })?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(text) = text else {
        return Err(Failure::said(format!("the text of the policy in record {} was erased", in_force.at)));
    };
    print::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
