//! `portcullis tools infer`: what the arguments of tools probably mean, as lines for a policy.
//!
//! A proposal: nothing of it counts until a person has put it into the policy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inspect::{Proposal, infer};
use serde::Serialize;
use verdict::{Finding, Json};

use super::opening::{self, halted, open_reader};
use super::print::{self, clean};
use super::{Done, Failure, JsonArg, StoreArg, tools};
use crate::examine;
use crate::views;

/// `portcullis tools infer`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis tools infer                                  # every tool that was seen by `portcullis mcp`
  portcullis tools infer --server filesystem >> portcullis.yaml
  portcullis tools infer --from tools.json --json         # a saved answer to tools/list

Names, formats and descriptions are hints of whoever wrote the tool. Read the proposal before you put it into a policy.")]
pub struct InferArgs {
    /// Only tools of this server, as `portcullis tools list` names it
    #[arg(long, value_name = "SERVER", conflicts_with = "from")]
    server: Option<String>,
    /// Definitions in a file: an answer to tools/list, or a list of tools; - reads stdin
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Inferred {
    server: Option<String>,
    tool: String,
    args: Vec<Arg>,
    findings: Vec<crate::wire::Seen>,
}

#[derive(Serialize)]
struct Arg {
    argument: String,
    role: &'static str,
    because: String,
}

/// Runs the command.
pub fn run(args: &InferArgs) -> Done {
    let definitions = match &args.from {
        Some(file) => from_file(&super::inspect::read(file)?)?,
        None => from_store(args)?,
    };
    let scanner = examine::scanner().map_err(Failure::Said)?;
    let inferred: Vec<Inferred> = definitions
        .into_iter()
        .map(|(server, definition)| {
            let findings: Vec<Finding> =
                scanner.scan(&words(&definition)).iter().map(|hit| hit.finding("")).collect();
            let suspicious =
                findings.iter().filter(|it| matches!(it.kind.as_ref(), "prompt_injection" | "hidden_text"));
            Inferred {
                server,
                tool: name(&definition),
                args: infer(&definition).into_iter().map(arg).collect(),
                findings: suspicious.map(crate::wire::Seen::from).collect(),
            }
        })
        .collect();
    if args.json.json {
        print::json(&serde_json::json!({ "tools": inferred }))?;
    } else {
        show(&inferred)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn arg(it: Proposal) -> Arg {
    Arg { argument: it.argument, role: it.role, because: it.because }
}

fn name(definition: &Json) -> String {
    match definition.at(&["name".to_owned()]) {
        Some(Json::Str(name)) => name.clone(),
        _ => String::new(),
    }
}

/// Every text of a definition, one below the other.
fn words(json: &Json) -> String {
    match json {
        Json::Str(text) => format!("{text}\n"),
        Json::List(items) => items.iter().map(words).collect(),
        Json::Map(map) => map.iter().map(|(_, value)| words(value)).collect(),
        _ => String::new(),
    }
}

fn from_file(text: &str) -> Result<Vec<(Option<String>, Json)>, Failure> {
    let json = Json::parse(text.as_bytes())
        .map_err(|why| Failure::said(format!("the definitions cannot be read: {}", clean(&why))))?;
    let at = |keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        json.at(&keys)
    };
    match at(&["result", "tools"]).or_else(|| at(&["tools"])).unwrap_or(&json) {
        Json::List(tools) => Ok(tools.iter().map(|tool| (None, tool.clone())).collect()),
        _ => Err(Failure::said("the file has no list of tools; save the answer of a server to tools/list")),
    }
}

fn from_store(args: &InferArgs) -> Result<Vec<(Option<String>, Json)>, Failure> {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let page = super::wait(desk.ask(views::tools))?.map_err(|halt| halted(&store, &halt))?;
    desk.close();
    let reader = open_reader(&store)?;
    let mut found = Vec::new();
    for tool in page.tools {
        if args.server.as_ref().is_some_and(|server| *server != tool.server) {
            continue;
        }
        let text = tools::text_at(&reader, tool.index)?;
        if let Some(Ok(definition)) = text.map(|text| Json::parse(text.as_bytes())) {
            found.push((Some(tool.server), definition));
        }
    }
    if found.is_empty() {
        return Err(Failure::said(
            "no definitions were seen; start the server once behind `portcullis mcp`, or name a file with --from",
        ));
    }
    Ok(found)
}

fn show(inferred: &[Inferred]) -> Result<(), Failure> {
    print::line("# A proposal: read it before you put it into a policy.")?;
    print::line("tools:")?;
    for it in inferred {
        if let Some(server) = &it.server {
            print::line(&format!("  # of {}", clean(server)))?;
        }
        for finding in &it.findings {
            print::line(&format!(
                "  # CAREFUL: its description holds {} ({})",
                finding.kind,
                clean(&finding.name)
            ))?;
        }
        let name = quoted(&it.tool);
        if it.args.is_empty() {
            print::line(&format!("  {name}: {{}}"))?;
            continue;
        }
        print::line(&format!("  {name}:"))?;
        print::line("    args:")?;
        for arg in &it.args {
            print::line(&format!(
                "      {}: {}  # {}",
                quoted(&arg.argument),
                arg.role,
                clean(&arg.because)
            ))?;
        }
    }
    Ok(())
}

/// A text that YAML reads as this very text.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
