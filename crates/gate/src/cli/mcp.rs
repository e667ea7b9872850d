//! `portcullis mcp`: opens the gate for an MCP server. What passes between the two is in [`crate::mcp`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::opening::open_gate_inline;
use super::{Done, Failure, StoreArg};
use crate::mcp::{self, Options};
use crate::policy_watch::PolicyWatch;
use crate::store::StorePath;

/// `portcullis mcp`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis mcp --policy portcullis.yaml --agent files-bot -- npx @modelcontextprotocol/server-filesystem /srv/data
  portcullis mcp --policy portcullis.yaml --agent files-bot --user alice -- python server.py
  portcullis mcp --policy portcullis.yaml --agent coder --builtin /srv/work

In a client's configuration, where the server's command was:
  {\"command\": \"portcullis\", \"args\": [\"mcp\", \"--policy\", \"/etc/portcullis.yaml\", \"--agent\", \"files-bot\", \"--\", \"npx\", ...]}

Calls that wait for a person are answered with `portcullis approvals approve`. Logs go to stderr.")]
pub struct McpArgs {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The agent that the client acts for
    #[arg(long, value_name = "ID")]
    agent: String,
    /// On whose behalf
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// In which run [default: a new one]
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Where: production, staging, ...
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// What the server is called where tool definitions are accepted [default: after its command]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// Instead of a server: tools of our own (fs.read, fs.write, fs.list, fs.delete, shell.run, code.run) in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    builtin: Option<PathBuf>,
    /// The server
    #[arg(last = true, required_unless_present = "builtin", value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command.
pub fn run(args: McpArgs) -> Done {
    let McpArgs { policy, agent, user, session, environment, server_name, store, builtin, command } = args;
    let store = store.find()?;
    let (command, server_name) = match builtin {
        Some(folder) => {
            (own_tools(&policy, &agent, &folder, &store)?, server_name.or(Some("builtin".to_owned())))
        }
        None => (command, server_name),
    };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let threads = threads.map_err(|error| Failure::said(format!("the program cannot start: {error}")))?;
    let opened = threads.block_on(open_gate_inline(&store, &policy, &line(&policy)))?;
    // The watch goes on beside the messages, which have threads of their own.
    let watch = threads.spawn(PolicyWatch::of(&opened).run());
    let ended = mcp::run(Options {
        gate: opened.gate,
        store: store.0,
        agent,
        user,
        session,
        environment,
        command,
        server_name,
        longest_message: mcp::LONGEST_MESSAGE,
    });
    watch.abort();
    threads.shutdown_background();
    let code = ended.map_err(Failure::Said)?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The command by which this program is the server itself.
fn own_tools(policy: &Path, agent: &str, folder: &Path, store: &StorePath) -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::said(format!("this program cannot be found: {error}")))?;
    let text = |path: &Path| path.display().to_string();
    Ok(vec![
        text(&program),
        "builtin-tools".to_owned(),
        format!("--line={}", line(policy)),
        format!("--agent={agent}"),
        format!("--workspace={}", text(folder)),
        format!("--store=sqlite:{}", text(&store.0)),
    ])
}

/// Gates that were started with one policy file share what is in force.
fn line(policy: &Path) -> String {
    let path = policy.canonicalize().unwrap_or_else(|_| policy.to_owned());
    format!("mcp:{}", path.display())
}
