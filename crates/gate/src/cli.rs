//! The command line: which commands there are, and how each ends.
//!
//! Answerable for exit codes, for errors being one sentence on stderr, and for what every command shares.
//! Decides nothing: what a command does is in the file of its group, and what is allowed is the gate's.

mod agents;
mod approvals;
mod audit;
mod check;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod explain;
mod export;
mod hook;
mod import;
mod infer;
mod init;
mod inspect;
mod keys;
mod ledger;
mod logging;
mod mcp;
mod opening;
mod person;
mod policy;
mod policy_test;
pub(crate) mod print;
mod problems;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
mod serve;
mod tail;
mod tools;

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::num::NonZero;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::dev;
use crate::store::StorePath;
#[cfg(not(target_os = "linux"))]
use elsewhere::{RunArgs, SandboxCommand};
pub use keys::{KeyPlan, make as make_key};
pub use opening::{Opened, open_desk, open_gate};
pub use person::user_name;
pub use print::clean;
#[cfg(target_os = "linux")]
use run::RunArgs;
#[cfg(target_os = "linux")]
use sandbox::SandboxCommand;
pub use serve::{MAIN, address as listen_address, ready};

/// The exit code of a command that did not do what was asked.
const FAILED: u8 = 1;
/// The exit code when nobody reads the output any more: what a shell shows for a program that SIGPIPE ended.
const UNREAD: u8 = 141;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// A sentence for stderr.
    Said(String),
    /// The output says it already.
    Told,
    /// Whoever reads the output has stopped.
    Unread,
}

/// How a command ends.
pub type Done = Result<ExitCode, Failure>;

impl Failure {
    /// A sentence: lower case, no full stop, what to do.
    pub fn said(why: impl fmt::Display) -> Self {
        Self::Said(why.to_string())
    }
}

/// The gate that every action of an AI agent passes through.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 110, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    log: logging::LogArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  portcullis dev                                     try it: sample policy, local store, keys
  portcullis init                                    write a policy to start from
  portcullis policy check portcullis.yaml            find its mistakes
  portcullis serve --policy portcullis.yaml          run the gate
  portcullis approvals approve apr_12                answer a question

Every command has --help with examples.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: sample policy, store and fresh keys in ./.portcullis
    Dev(dev::DevArgs),
    /// Run the gate over HTTP
    Serve(serve::ServeArgs),
    /// Write a commented policy to start from, with tests and a schema
    Init(init::InitArgs),
    /// Decide one action, without a server
    Check(Box<check::CheckArgs>),
    /// See what a shell command, SQL, a path, a URL or a text would do, and what stands in it
    Inspect(inspect::InspectArgs),
    /// Look for secrets, personal data and injected orders in files
    Scan(inspect::ScanArgs),
    /// Check, test and explain policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Run a program with less than we have, and say what held
    Run(Box<RunArgs>),
    /// See what the sandbox can keep on this host
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Stand in front of an MCP server (stdio)
    Mcp(mcp::McpArgs),
    /// Stand in the hooks of a coding agent: Claude Code, Codex, Gemini CLI, Cursor and others
    Hook(hook::HookArgs),
    /// See and answer what waits for a person
    #[command(subcommand)]
    Approvals(approvals::ApprovalsCommand),
    /// See agents, switch them off and on, audit what they may do
    #[command(subcommand)]
    Agents(agents::AgentsCommand),
    /// See tool definitions, accept changed ones
    #[command(subcommand)]
    Tools(tools::ToolsCommand),
    /// Make and revoke keys for the HTTP API
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Read, verify, export and prove the ledger
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
}

/// `--store`
#[derive(Debug, Args)]
pub struct StoreArg {
    /// Where the ledger is: sqlite:PATH [env: PORTCULLIS_STORE] [default: portcullis/ledger.db in the user's state folder]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl StoreArg {
    /// True if the command line names one.
    pub fn is_given(&self) -> bool {
        self.store.is_some()
    }

    /// The store that is meant.
    pub fn find(&self) -> Result<StorePath, Failure> {
        StorePath::find(self.store.as_deref()).map_err(Failure::Said)
    }
}

/// `--json`
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArg {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

/// The whole command line, for tests that walk it.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(args: Vec<OsString>) -> ExitCode {
    let meant = hook::Meant::by(&args);
    let done = match Cli::try_parse_from(args) {
        Ok(cli) => {
            logging::start(&cli.log, cli.command.runs_long());
            cli.command.run()
        }
        Err(error) => {
            let done = misused(&error);
            // What an agent's hook cannot be asked is not allowed.
            if let (Err(Failure::Said(why)), Some(hook)) = (&done, meant) {
                return hook.denied(why);
            }
            done
        }
    };
    match done {
        Ok(code) => code,
        Err(Failure::Told) => ExitCode::from(FAILED),
        Err(Failure::Unread) => ExitCode::from(UNREAD),
        Err(Failure::Said(why)) => {
            print::complain(&why);
            ExitCode::from(FAILED)
        }
    }
}

impl Command {
    fn run(self) -> Done {
        match self {
            Self::Dev(args) => dev::run(&args),
            Self::Serve(args) => serve::run(&args),
            Self::Init(args) => init::run(&args),
            Self::Check(args) => check::run(*args),
            Self::Inspect(args) => inspect::run(args),
            Self::Scan(args) => inspect::scan(&args),
            Self::Policy(command) => policy::run(command),
            #[cfg(target_os = "linux")]
            Self::Run(args) => run::run(*args),
            #[cfg(target_os = "linux")]
            Self::Sandbox(command) => sandbox::run(command),
            #[cfg(not(target_os = "linux"))]
            Self::Run(_) | Self::Sandbox(_) => elsewhere::refuse(),
            Self::Mcp(args) => mcp::run(args),
            Self::Hook(args) => hook::run(args),
            Self::Approvals(command) => approvals::run(command),
            Self::Agents(command) => agents::run(command),
            Self::Tools(command) => tools::run(command),
            Self::Keys(command) => keys::run(command),
            Self::Ledger(command) => ledger::run(command),
        }
    }

    /// Commands that go on until somebody stops them log what they do.
    fn runs_long(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Serve(_))
    }
}

/// Waits for what is asked of the gate, on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::said(format!("the program cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// Runs what serves many at once. One processor is left to the ledger's writer: where there are two, a second thread
/// for requests gains nothing, and each change between them wakes a processor.
pub fn wait_with_threads<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.saturating_sub(1).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::said(format!("the program cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// A command line that makes no sense, or asks for help.
fn misused(error: &clap::Error) -> Done {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let text = if print::is_coloured() { text.ansi().to_string() } else { text.to_string() };
            print::text(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::said("a command is missing; `portcullis --help` lists them"))
        }
        _ => Err(Failure::Said(sentence(error))),
    }
}

/// What clap has to say, as one sentence.
fn sentence(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let mut words: Vec<&str> = Vec::new();
    for line in rendered.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        if !line.is_empty() {
            words.push(line.trim_start_matches("error: ").trim_start_matches("tip: "));
        }
    }
    let said = print::clean(&words.join("; ").replace(":;", ":").replace('\'', "`"));
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    format!("{said}; see `{} --help`", command_of(&usage))
}

/// `Usage: portcullis keys create [OPTIONS] ...` is about `portcullis keys create`.
fn command_of(usage: &str) -> String {
    let usage = usage.trim_start_matches("Usage:");
    let words = usage.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "portcullis".to_owned() } else { words.join(" ") }
}
