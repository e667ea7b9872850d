//! `portcullis mcp`: opens the gate for an MCP server. What passes between the two is in [`crate::mcp`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::opening::{Opened, open_gate_inline};
use super::{Done, Failure, StoreArg};
use crate::mcp::{self, Options, OwnTools, Server};
use crate::policy_watch::PolicyWatch;
use crate::store::StorePath;
use crate::tool::{Lost, SealingKey, Tools};
use crate::views::Reading;

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
    /// Instead of a server: tools of our own in this folder (fs.read, fs.write, fs.list, fs.delete, shell.run, code.run, http.request), and those that the policy declares with exec, code, database or builtin
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
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let threads = threads.map_err(|error| Failure::said(format!("the program cannot start: {error}")))?;
    let mut opened = threads.block_on(open_gate_inline(&store, &policy, &line(&policy)))?;
    let server = match builtin {
        Some(folder) => Server::Own(own_tools(&mut opened, &agent, &folder, &store)?),
        None => Server::Command(command),
    };
    // The watch goes on beside the messages, which have threads of their own.
    let watch = threads.spawn(PolicyWatch::of(&opened).run());
    let reading = Reading::open(store.0.clone()).map_err(|fault| Failure::said(fault.to_string()))?;
    let lost = threads.spawn(Lost { desk: opened.gate.desk.clone(), reading }.run());
    let ended = mcp::run(Options {
        gate: opened.gate,
        store: store.0,
        agent,
        user,
        session,
        environment,
        server,
        server_name,
        longest_message: mcp::LONGEST_MESSAGE,
    });
    watch.abort();
    lost.abort();
    threads.shutdown_background();
    let code = ended.map_err(Failure::Said)?;
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The tools of our own, on this folder.
fn own_tools(
    opened: &mut Opened,
    agent: &str,
    folder: &Path,
    store: &StorePath,
) -> Result<OwnTools, Failure> {
    let ground = opened.ground(Some(folder), store)?;
    opened.gate.eyes = opened.gate.eyes.clone().on(ground.folder.as_deref());
    let reading = Reading::open(store.0.clone()).map_err(|fault| Failure::said(fault.to_string()))?;
    let sealing = SealingKey::from_environment().map_err(Failure::Said)?;
    let desk = opened.gate.desk.clone();
    let tools = Tools::new(desk.clone(), reading, sealing, ground);
    Ok(OwnTools::new(desk, tools, agent.to_owned()))
}

/// Gates that were started with one policy file share what is in force.
fn line(policy: &Path) -> String {
    let path = policy.canonicalize().unwrap_or_else(|_| policy.to_owned());
    format!("mcp:{}", path.display())
}
