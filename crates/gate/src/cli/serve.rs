//! `portcullis serve`: the gate over HTTP, with its policy file followed.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::opening::open_gate;
use super::print;
use super::{Done, Failure, StoreArg};
use crate::http::Customs;
use crate::mcp::servers::Servers;
use crate::policy_watch::PolicyWatch;
use crate::serve::{self, Options};
use crate::tool::SealingKey;

/// The line of gates whose policy `serve` and `dev` follow.
pub const MAIN: &str = "main";

/// `portcullis serve`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis serve --policy portcullis.yaml
  portcullis serve --policy portcullis.yaml --listen 127.0.0.1:9000 --store sqlite:/var/lib/portcullis/ledger.db
  portcullis serve --policy portcullis.yaml --mcp servers.json   # with MCP servers behind http://127.0.0.1:8787/mcp
  portcullis keys create --role agent --name support-bot      # a key to call it with
  portcullis serve --policy portcullis.yaml --builtin /srv/work  # with hands of its own: POST /v1/tools/fs.read/call

An edit of the policy file comes into force at once; one with mistakes is logged, and changes nothing.
SIGTERM and Ctrl-C stop it after what is under way has been settled.")]
pub struct ServeArgs {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: String,
    /// MCP servers to put behind /mcp: a file such as clients have, {"mcpServers": {...}}
    #[arg(long, value_name = "FILE")]
    mcp: Option<PathBuf>,
    /// The folder of the gate's own tools (fs.read, fs.write, fs.list, fs.delete, shell.run, code.run, http.request): the policy's tools of these names are then these
    #[arg(long, value_name = "DIR")]
    builtin: Option<PathBuf>,
    #[command(flatten)]
    customs: Customs,
    #[command(flatten)]
    store: StoreArg,
}

/// Runs the command.
pub fn run(args: &ServeArgs) -> Done {
    let store = args.store.find()?;
    let sealing = SealingKey::from_environment().map_err(Failure::Said)?;
    let mcp = args.mcp.as_deref().map(Servers::read).transpose().map_err(Failure::Said)?;
    let address = address(&args.listen)?;
    super::wait_with_threads(async {
        let opened = open_gate(&store, &args.policy, MAIN).await?;
        let watch = tokio::spawn(PolicyWatch::of(&opened).run());
        tracing::info!(version = %opened.gate.desk.policy().version().0, key = opened.vkey, "the policy is in force");
        if args.builtin.is_some() {
            crate::runs::host::try_it(None);
        }
        crate::runs::host::try_for(&opened.gate.desk.policy());
        let ground = opened.ground(args.builtin.as_deref(), &store)?;
        let options = Options {
            gate: opened.gate,
            address,
            store: store.clone(),
            line: opened.line,
            mcp,
            ground,
            sealing,
            customs: args.customs,
            on_ready: Box::new(ready),
            stop: serve::told_to_stop().map_err(Failure::Said)?,
        };
        let served = serve::run(options).await;
        watch.abort();
        served.map_err(Failure::Said)
    })??;
    Ok(ExitCode::SUCCESS)
}

/// Reads an address such as `127.0.0.1:8787`, or `localhost:8787`, and sees that it is free: a server that cannot
/// start must not have put its policy in force for those that run.
pub fn address(text: &str) -> Result<SocketAddr, Failure> {
    let shown = verdict::short(text);
    let mut found = text.to_socket_addrs().map_err(|_| {
        Failure::said(format!("--listen: `{shown}` is not an address; write one such as 127.0.0.1:8787"))
    })?;
    let address = found
        .next()
        .ok_or_else(|| Failure::said(format!("--listen: `{shown}` has no address; name another")))?;
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) => Err(Failure::said(format!(
            "--listen: `{shown}` cannot be listened at: {error}; give another address"
        ))),
    }
}

/// The line that programs wait for. That nobody reads it stops nothing.
pub fn ready(address: SocketAddr) {
    if let Err(Failure::Said(why)) = print::line(&format!("portcullis is ready at http://{address}")) {
        print::complain(&why);
    }
}
