//! What the gate does itself for a tool that is at no URL: runs a program, works on files, makes a request, asks a
//! database.
//!
//! Answerable for one way of doing each of these, whoever asks (`POST /v1/tools/{name}/call`, `/mcp`, `portcullis
//! mcp --builtin`), and for how it ended being told. Decides nothing: it is done for a call that is held.

#[cfg(target_os = "linux")]
mod files;
mod offer;
#[cfg(target_os = "linux")]
mod program;
mod query;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use verdict::hand::{Hand, Own, Work};
use verdict::{Bounds, Json, Outcome, Policy, Status, Tool, short};

use super::Tools;
use super::fault::{Fault, Why};
pub use offer::Offered;

/// What the gate's own tools work on.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// The folder of `--builtin`: tools with the names of the gate's own are then these.
    pub folder: Option<PathBuf>,
    /// The gate's own files, which no tool reads as a database and no run changes.
    pub own: Vec<PathBuf>,
    /// The program that calls `sandbox::take_over` first; none: the one that runs.
    pub helper: Option<PathBuf>,
}

/// Programs, files and databases that are worked on at once.
const AT_ONCE: usize = 64;
/// How long a call may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

/// What all calls share.
pub(super) struct Desktop {
    ground: Ground,
    turns: Arc<Semaphore>,
}

impl Desktop {
    pub(super) fn new(ground: Ground) -> Self {
        Self { ground, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// One call.
struct Job<'j> {
    tools: &'j Tools,
    hand: &'j Hand,
    /// The tool's name, and the agent's.
    names: (&'j str, &'j str),
    /// What a run may do.
    bounds: Bounds,
    args: &'j Json,
    /// True once it is to be ended.
    stop: Arc<AtomicBool>,
}

/// How a call ended, and what there is to say if it gave no result.
pub(crate) type Ended = (Outcome, Option<Fault>);

impl Tools {
    /// The program that helps its runs; none: the one that is running.
    pub fn helper(&self) -> Option<PathBuf> {
        self.0.desktop.ground.helper.clone()
    }

    /// What the gate does itself for a tool; none if it is at a URL, or its caller carries it out. The error says why
    /// a tool of the gate's own is not done.
    pub(super) fn hand_of(&self, tool: &Tool) -> Result<Option<Arc<Hand>>, Fault> {
        if tool.hand.is_some() || tool.endpoint.is_some() || self.0.desktop.ground.folder.is_none() {
            return Ok(tool.hand.clone());
        }
        let Some(own) = Own::parse(&tool.name) else { return Ok(None) };
        let hand = Hand::own(own);
        // A tool whose argument nobody looks at would go past every boundary.
        let meant = hand
            .arguments()
            .iter()
            .any(|name| tool.roles.iter().any(|(keys, _)| keys.first().is_some_and(|key| key == name)));
        if own != Own::CodeRun && !meant {
            let message = format!(
                "the policy does not say what the arguments of `{}` mean; add `builtin: {}` to its declaration",
                short(&tool.name),
                own.name()
            );
            return Err(Fault::new(Why::NotReady, message));
        }
        Ok(Some(Arc::new(hand)))
    }

    /// Does what the gate itself does for a tool of this agent's, for a call that is held. An error: nothing was begun.
    /// Setting `stop` ends a program; files, requests and databases have short limits of their own.
    pub(crate) async fn by_hand(
        &self,
        policy: &Policy,
        names: (&str, &str),
        args: &Json,
        stop: Arc<AtomicBool>,
    ) -> Result<Ended, Fault> {
        let (agent, tool) = names;
        let not_ready = |why: &str| Fault::new(Why::NotReady, why);
        let found = policy.tool_of(agent, tool).filter(|tool| !tool.disabled);
        let found =
            found.ok_or_else(|| not_ready("the policy declares no such tool, or has switched it off"))?;
        let hand = self.hand_of(found)?;
        let hand = hand.ok_or_else(|| not_ready("the gate does not carry this tool out itself"))?;
        let bounds = policy.bounds(agent, tool);
        carry_out(Job { tools: self, hand: &hand, names: (tool, agent), bounds, args, stop }).await
    }

    /// True if the gate carries this tool out.
    pub fn carries_out(&self, tool: &Tool) -> bool {
        tool.endpoint.is_some() || !matches!(self.hand_of(tool), Ok(None))
    }
}

/// Does it. An error: nothing was begun.
async fn carry_out(job: Job<'_>) -> Result<Ended, Fault> {
    let turns = Arc::clone(&job.tools.0.desktop.turns);
    let turn = tokio::time::timeout(TURN, turns.acquire_owned()).await.ok().and_then(Result::ok);
    let busy = || Fault::new(Why::NotReady, "the gate carries out too much at once; try again");
    let _turn = turn.ok_or_else(busy)?;
    match &job.hand.work {
        Work::Database(database) => query::ask(&job, database).await,
        Work::Own(Own::HttpRequest) => web::request(&job).await,
        Work::Exec(_) | Work::Code(_) | Work::Own(_) => here(&job).await,
    }
}

/// What is done on this machine: programs in the sandbox, files of a folder.
#[cfg(target_os = "linux")]
async fn here(job: &Job<'_>) -> Result<Ended, Fault> {
    match &job.hand.work {
        Work::Exec(exec) => program::exec(job, exec).await,
        Work::Code(code) => program::code(job, code).await,
        Work::Own(Own::ShellRun) => program::shell(job).await,
        Work::Own(Own::CodeRun) => program::any_code(job).await,
        Work::Own(own) => files::work(job, *own).await,
        Work::Database(_) => Err(Fault::new(Why::NotReady, "a database is not asked here")),
    }
}

/// The same where there is no sandbox.
#[cfg(not(target_os = "linux"))]
async fn here(_: &Job<'_>) -> Result<Ended, Fault> {
    let why = "the gate's own programs and files need Linux; run the gate in a Linux machine or container";
    Err(Fault::new(Why::NotReady, why))
}

impl Job<'_> {
    /// The text of an argument.
    fn text(&self, name: &str) -> Result<&str, Fault> {
        match self.args.at(&[name.to_owned()]) {
            Some(Json::Str(text)) => Ok(text),
            Some(other) => Err(bad(format!("`args.{name}` is {}; write a text", other.kind()))),
            None => Err(bad(format!("`args.{name}` is missing"))),
        }
    }

    /// The text of an argument that may be left out.
    fn text_if(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.args.at(&[name.to_owned()]) {
            None | Some(Json::Null) => Ok(None),
            Some(_) => self.text(name).map(Some),
        }
    }
}

fn bad(message: String) -> Fault {
    Fault::new(Why::BadArguments, message)
}

/// It was done, and this is what it gave.
fn done(result: &Value) -> Ended {
    let result = Json::parse(result.to_string().as_bytes()).ok();
    let fleeting = result.as_ref().is_some_and(|it| it.canonical().len() > super::ending::KEPT);
    (Outcome { result, fleeting, answered: true, ..Outcome::plain(Status::Success) }, None)
}

/// It was tried, and ended like this.
fn ended(status: Status, why: Why, message: String) -> Ended {
    let error = Some(message.clone());
    let answered = why == Why::Rejected;
    (Outcome { error, answered, ..Outcome::plain(status) }, Some(Fault::new(why, message)))
}

/// Work that blocks, on a thread of its own. One that is lost has ended nobody knows how.
async fn blocking(work: impl FnOnce() -> Ended + Send + 'static) -> Ended {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        ended(Status::Unknown, Why::NoAnswer, "it got lost on its way; nobody knows how it ended".to_owned())
    })
}
