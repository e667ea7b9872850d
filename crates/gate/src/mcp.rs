//! An MCP server in front of others: every tool call goes through the gate, all else passes.
//!
//! Answerable for the wire: JSON-RPC of which only the envelope is read, and whose bytes are passed on as they are in
//! both directions, over stdio (here) and streamable HTTP ([`http`]). Calls of tools are decided on, lists of tools are filtered and
//! their definitions pinned, and nothing more is touched. Knows nothing of rules.

mod call;
mod catalogue;
mod child;
mod envelope;
mod flight;
pub mod http;
mod lines;
pub mod own;
mod pump;
mod reply;
mod request;
mod screen;
pub mod servers;
mod session;

use std::fs::File;
use std::future::Future;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::path::Gate;
use child::Child;
use lines::{Lines, Out};
pub use own::OwnTools;
use session::{Names, Session};

/// The longest message where nobody says otherwise, in bytes.
pub const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// How long a server may take to end once its input has ended, and then once it was asked to.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what it wrote last may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long calls under way may take to be recorded when all is over.
const RECORDING: Duration = Duration::from_secs(6);
/// How long calls that were read may take to be sent after the client has ended.
const SENDING: Duration = Duration::from_secs(12);

/// What `portcullis mcp` is started with.
pub struct Options {
    /// The gate, open. [`crate::desk::Desk::inline`] saves each call four changes of thread.
    pub gate: Gate,
    /// The ledger's file, for results that were kept.
    pub store: PathBuf,
    /// Who calls the tools.
    pub agent: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run; made up if nobody says.
    pub session: Option<String>,
    /// Where.
    pub environment: Option<String>,
    /// What is behind the gate.
    pub server: Server,
    /// The name the server's tools are pinned under; else its command.
    pub server_name: Option<String>,
    /// The longest message in bytes; see [`LONGEST_MESSAGE`].
    pub longest_message: usize,
}

/// What is behind the gate.
pub enum Server {
    /// A program and its arguments.
    Command(Vec<String>),
    /// The gate's own tools.
    Own(OwnTools),
}

/// Stands between the client on our standard input and output and the server that `options` name, until one of
/// them ends or we are asked to. Returns the exit code. The error is a sentence. May be called on any thread,
/// one that drives a runtime included.
pub fn run(options: Options) -> Result<i32, String> {
    let serve = std::thread::Builder::new().name("mcp".to_owned()).spawn(|| serve(options));
    let serve = serve.map_err(|error| format!("no thread can be started: {error}"))?;
    serve.join().map_err(|_| "the gate has failed; see its log".to_owned())?
}

/// The name that a server's tools are pinned under where nobody gave it one.
pub fn server_name(command: &[String]) -> String {
    child::name(command)
}

fn serve(options: Options) -> Result<i32, String> {
    let Options { gate, store, agent, user, session: run, environment, server, server_name, longest_message } =
        options;
    // Two, so that a client that does not read can hold up what is said to it, and not the end.
    let no_runtime = |error| format!("no runtime can be started: {error}");
    let life = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("mcp-wait").enable_all().build();
    let runtime = runtime.map_err(no_runtime)?;
    let (child, own, name) = match server {
        Server::Command(command) => (child::start(&command)?, None, child::name(&command)),
        Server::Own(own) => {
            let child = own.start(runtime.handle().clone(), longest_message)?;
            (child, Some(own.ends()), "builtin".to_owned())
        }
    };
    let Child { input, output, ended, leash } = child;
    let server = server_name.unwrap_or(name);
    let (made_up, secret) = (made_up()?, made_up()?);
    let names = Names {
        store,
        agent,
        user,
        run,
        made_up,
        secret,
        environment,
        server,
        by: None,
        waits: true,
        meta: None,
        metrics: None,
        own,
    };
    let client = Box::new(Out::new(standard(std::io::stdout())?));
    let desk = gate.desk.clone();
    let session = Session::new(gate, names, (client, Box::new(Out::new(input))), runtime.handle().clone());
    let from_client = Lines::new(standard(std::io::stdin())?, longest_message);
    let client_ended = direction("mcp-client", &session, from_client, pump::from_client)?;
    let from_server = Lines::new(output, longest_message);
    let server_ended = direction("mcp-server", &session, from_server, pump::from_server)?;
    let ends = Ends { client: client_ended, server: server_ended, child: ended };
    let code = life.block_on(live(&session, ends, &leash));
    drop(leash);
    desk.close();
    // A thread may be stuck on a client that neither reads nor writes; it is not waited for.
    Runtime::shutdown_background(runtime);
    Runtime::shutdown_background(life);
    code
}

/// Starts the thread of one direction. The receiver closes when it has ended.
fn direction(
    name: &str,
    session: &Arc<Session>,
    lines: Lines,
    pump: fn(&Arc<Session>, Lines),
) -> Result<watch::Receiver<()>, String> {
    let (alive, ended) = watch::channel(());
    let session = Arc::clone(session);
    let work = move || {
        let _context = session.runtime.enter();
        pump(&session, lines);
        drop(alive);
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(|_| ended).map_err(|error| format!("no thread can be started: {error}"))
}

/// Our own standard input or output as a file, past the buffers of the standard library.
fn standard(stream: impl AsFd) -> Result<File, String> {
    let owned = stream.as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(|error| format!("standard input or output cannot be used: {error}"))
}

fn made_up() -> Result<String, String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(format!("mcp-{}", verdict::hex(&bytes)))
}

/// What can end.
struct Ends {
    client: watch::Receiver<()>,
    server: watch::Receiver<()>,
    child: watch::Receiver<Option<ExitStatus>>,
}

/// Waits for the first end and brings the others about, in the order the protocol asks for.
async fn live(session: &Arc<Session>, mut ends: Ends, leash: &child::Leash) -> Result<i32, String> {
    let mut lost_client = session.lost_client();
    let asked = tokio::select! {
        _ = ends.child.wait_for(Option::is_some) => None,
        () = closed(&mut ends.client) => {
            session.end_waits();
            let _late = timeout(SENDING, until(|| session.all_sent())).await;
            Some(0)
        }
        _ = lost_client.wait_for(|lost| *lost) => Some(0),
        code = signalled()? => Some(code),
    };
    session.end_waits();
    if asked.is_some() {
        session.hang_up();
        if timeout(PATIENCE, ends.child.wait_for(Option::is_some)).await.is_err() {
            leash.terminate();
            if timeout(PATIENCE, ends.child.wait_for(Option::is_some)).await.is_err() {
                leash.kill();
                let _stuck = timeout(PATIENCE, ends.child.wait_for(Option::is_some)).await;
            }
        }
    }
    let _silent = timeout(LAST_WORDS, closed(&mut ends.server)).await;
    let _late = timeout(RECORDING, async {
        // A call may be sent while the others are told; it is told next time.
        while !session.is_quiet() {
            let session = Arc::clone(session);
            let _busy = tokio::task::spawn_blocking(move || session.wind_up()).await;
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let status = *ends.child.borrow();
    let own = status.filter(|status| status.code().is_some()).map(child::code);
    // Where we ended it ourselves, how it took that is not the result.
    Ok(asked.map_or_else(
        || status.map_or(1, child::code),
        |code| if code == 0 { own.unwrap_or(0) } else { code },
    ))
}

async fn closed(alive: &mut watch::Receiver<()>) {
    while alive.changed().await.is_ok() {}
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until we are asked to end. The result is the exit code for it.
fn signalled() -> Result<impl Future<Output = i32>, String> {
    let on = |kind| signal(kind).map_err(|error| format!("signals cannot be waited for: {error}"));
    let (mut term, mut int, mut hup) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => 143,
            _ = int.recv() => 130,
            _ = hup.recv() => 129,
        }
    })
}
