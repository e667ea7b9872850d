//! `portcullis tools`: tool definitions as servers gave them, and people's acceptance of changed ones.

use std::process::ExitCode;

use ::ledger::{Payload, Reader};
use clap::{Args, Subcommand};
use serde::Serialize;
use verdict::{Command, Json, Pin, Realm, Record};

use super::opening::{self, halted, open_reader};
use super::person::{self, Need};
use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg, StoreArg, import, infer};
use crate::ink::record_of;
use crate::views;

/// How many records one read takes in.
const AT_ONCE: usize = 1_024;
/// Definitions with more lines are shown whole, one after the other: comparing costs their product.
const MOST_LINES: usize = 1_500;

/// `portcullis tools`
#[derive(Debug, Subcommand)]
pub enum ToolsCommand {
    /// List the tools that servers offered, and which of them changed
    List(ListArgs),
    /// Accept the definition that was last seen, after showing what changed
    Accept(AcceptArgs),
    /// Print what the arguments of tools probably mean, as lines for a policy
    Infer(infer::InferArgs),
    /// Make tools that the gate calls of a description of an API
    #[command(subcommand)]
    Import(import::ImportCommand),
}

/// `portcullis tools list`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis tools list
  portcullis tools list --changed
  portcullis tools list --json | jq '.tools[] | select(.changed)'")]
pub struct ListArgs {
    /// Only those that are refused because their definition changed
    #[arg(long)]
    changed: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis tools accept`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis tools accept filesystem write_file --show      # what changed; accepts nothing
  portcullis tools accept filesystem write_file

A definition that changed is refused until it is accepted: a server could have put new instructions for the model into it.")]
pub struct AcceptArgs {
    /// The server, as `portcullis tools list` names it
    #[arg(value_name = "SERVER")]
    server: String,
    /// The tool
    #[arg(value_name = "TOOL")]
    tool: String,
    /// Show what changed, and accept nothing
    #[arg(long)]
    show: bool,
    /// Accept only if this is the definition's SHA-256
    #[arg(long, value_name = "SHA256")]
    hash: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Runs the command.
pub fn run(command: ToolsCommand) -> Done {
    match command {
        ToolsCommand::List(args) => list(&args),
        ToolsCommand::Accept(args) => accept(args),
        ToolsCommand::Infer(args) => infer::run(&args),
        ToolsCommand::Import(command) => import::run(command),
    }
}

fn list(args: &ListArgs) -> Done {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let page = super::wait(desk.ask(views::tools))?;
    desk.close();
    let mut page = page.map_err(|halt| halted(&store, &halt))?;
    page.tools.retain(|tool| tool.changed || !args.changed);
    if args.json.json {
        print::json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["SERVER", "TOOL", "DEFINITION", "STATE"]);
    for tool in &page.tools {
        let state =
            if tool.changed { hued("changed; refused", Hue::Bad) } else { hued("accepted", Hue::Good) };
        let hash: String = tool.seen.chars().take(12).collect();
        table.row([tool.server.as_str().into(), tool.tool.as_str().into(), hash.into(), state]);
    }
    table.print(if args.changed { "no tool has changed" } else { "no tools were seen" })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Accepted {
    server: String,
    tool: String,
    accepted: bool,
    before: String,
    hash: String,
    diff: Vec<String>,
}

fn accept(args: AcceptArgs) -> Done {
    let AcceptArgs { server, tool, show, hash: wanted, store, json } = args;
    let store = store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let names = (server.clone(), tool.clone());
    let pin = super::wait(desk.ask(move |books| books.pin(&names.0, &names.1).cloned()))?;
    let pin = pin.map_err(|halt| halted(&store, &halt))?.ok_or_else(|| {
        let (server, tool) = (verdict::short(&server), verdict::short(&tool));
        Failure::said(format!(
            "server `{server}` never offered a tool `{tool}`; `portcullis tools list` lists them"
        ))
    })?;
    if wanted.as_ref().is_some_and(|wanted| *wanted != pin.seen) {
        let why = format!(
            "the definition has SHA-256 {}, not the one of --hash; look at it again with --show",
            pin.seen
        );
        return Err(Failure::Said(why));
    }
    let reader = open_reader(&store)?;
    let (definition, diff) = compare(&reader, (&server, &tool), &pin)?;
    let changed = pin.seen != pin.accepted;
    if changed && !show {
        let (server, tool, hash) = (server.clone(), tool.clone(), pin.seen.clone());
        let done = super::wait(async {
            let accepted_by = Some(person::find(&desk, Need::Rule, Realm::Live).await?.name);
            let command = Command::Tool { server, tool, hash, definition, accepted_by };
            let done = desk.obey(command).await.map_err(|halt| halted(&store, &halt))?;
            done.map_err(Failure::said)
        })?;
        done?;
    }
    desk.close();
    let accepted = !changed || !show;
    let report = Accepted { server, tool, accepted, before: pin.accepted, hash: pin.seen, diff };
    if json.json {
        print::json(&report)?
    } else {
        tell(&report, changed)?
    }
    Ok(ExitCode::SUCCESS)
}

/// The definition that was last seen, and how it differs from the accepted one.
fn compare(
    reader: &Reader,
    (server, tool): (&str, &str),
    pin: &Pin,
) -> Result<(String, Vec<String>), Failure> {
    let gone = || {
        Failure::said("the definition that was last seen was erased; start the server again to see it anew")
    };
    let seen = text_at(reader, pin.at)?.ok_or_else(gone)?;
    if pin.seen == pin.accepted {
        return Ok((seen, Vec::new()));
    }
    let before = match find(reader, (server, tool), &pin.accepted, pin.at)? {
        Some(text) => pretty(&text),
        None => Vec::new(),
    };
    let diff = difference(&before, &pretty(&seen));
    Ok((seen, diff))
}

/// The text of the newest definition with this hash, below `below`.
fn find(
    reader: &Reader,
    (server, tool): (&str, &str),
    hash: &str,
    below: u64,
) -> Result<Option<String>, Failure> {
    let mut below = below;
    loop {
        let entries = reader.read_back(below, AT_ONCE).map_err(Failure::said)?;
        let Some(last) = entries.last() else { return Ok(None) };
        below = last.index;
        for entry in &entries {
            let Record::Tool(it) = record_of(entry.index, &entry.body).map_err(Failure::said)? else {
                continue;
            };
            if it.server == server && it.tool == tool && it.hash == hash {
                return text_at(reader, entry.index);
            }
        }
    }
}

/// The text of a definition, if it has not been erased.
pub fn text_at(reader: &Reader, at: u64) -> Result<Option<String>, Failure> {
    let entry = reader.get(at).map_err(Failure::said)?;
    Ok(entry.and_then(|entry| match entry.payload {
        Payload::Here(bytes) => String::from_utf8(bytes).ok(),
        Payload::None | Payload::Erased => None,
    }))
}

/// A definition as lines that people can compare.
fn pretty(text: &str) -> Vec<String> {
    let json = Json::parse(text.as_bytes()).ok().and_then(|json| serde_json::to_string_pretty(&json).ok());
    json.unwrap_or_else(|| text.to_owned()).lines().map(str::to_owned).collect()
}

/// Lines that are the same (` `), gone (`-`) and new (`+`), in order.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let all =
        |lines: &[String], mark: &str| lines.iter().map(|line| format!("{mark} {line}")).collect::<Vec<_>>();
    if before.len() > MOST_LINES || after.len() > MOST_LINES {
        return [all(before, "-"), all(after, "+")].concat();
    }
    let same = longest_common(before, after);
    let (mut before, mut after) = (before.iter(), after.iter());
    let mut out = Vec::new();
    for line in same {
        out.extend(before.by_ref().take_while(|it| *it != line).map(|it| format!("- {it}")));
        out.extend(after.by_ref().take_while(|it| *it != line).map(|it| format!("+ {it}")));
        out.push(format!("  {line}"));
    }
    out.extend(before.map(|it| format!("- {it}")));
    out.extend(after.map(|it| format!("+ {it}")));
    out
}

/// The longest sequence of lines that both have, in order.
fn longest_common<'l>(before: &'l [String], after: &[String]) -> Vec<&'l String> {
    let width = after.len().saturating_add(1);
    let at = |row: usize, column: usize| row.saturating_mul(width).saturating_add(column);
    // For each pair of ends: how many lines the rests have in common.
    let mut lengths = vec![0_u32; before.len().saturating_add(1).saturating_mul(width)];
    let get = |lengths: &[u32], row, column| lengths.get(at(row, column)).copied().unwrap_or(0);
    for (row, a) in before.iter().enumerate().rev() {
        for (column, b) in after.iter().enumerate().rev() {
            let (down, right) = (row.saturating_add(1), column.saturating_add(1));
            let longest = if a == b {
                get(&lengths, down, right).saturating_add(1)
            } else {
                get(&lengths, down, column).max(get(&lengths, row, right))
            };
            if let Some(slot) = lengths.get_mut(at(row, column)) {
                *slot = longest;
            }
        }
    }
    let (mut row, mut column, mut common) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (before.get(row), after.get(column)) {
        let (down, right) = (row.saturating_add(1), column.saturating_add(1));
        if a == b {
            common.push(a);
            (row, column) = (down, right);
        } else if get(&lengths, down, column) >= get(&lengths, row, right) {
            row = down;
        } else {
            column = right;
        }
    }
    common
}

fn tell(it: &Accepted, changed: bool) -> Result<(), Failure> {
    for line in &it.diff {
        let shown = clean(line);
        print::line(&match line.chars().next() {
            Some('+') => paint(&shown, Hue::Good),
            Some('-') => paint(&shown, Hue::Bad),
            _ => shown,
        })?;
    }
    let name = format!("{} of {}", clean(&it.tool), clean(&it.server));
    print::line(&match (changed, it.accepted) {
        (false, _) => format!("{name} has not changed; nothing to accept"),
        (true, false) => format!("{name} has changed and is refused; accept it without --show"),
        (true, true) => format!("{name} is {}: {}", paint("accepted", Hue::Good), it.hash),
    })
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_are_shown_line_by_line() {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let shown = |a: &str, b: &str| difference(&lines(a), &lines(b)).join("|");
        assert_eq!(shown("a b c", "a x c"), "  a|- b|+ x|  c");
        assert_eq!(shown("", "a"), "+ a");
        assert_eq!(shown("a b", ""), "- a|- b");
        assert_eq!(shown("a b c d", "b d e"), "- a|  b|- c|  d|+ e");
        assert_eq!(shown("x x y", "x y y"), "  x|- x|  y|+ y");
    }
}
