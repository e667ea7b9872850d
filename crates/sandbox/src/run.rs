//! Starting a run and seeing it through, from the gate's side.
//!
//! Answerable for helpers being copies of a process that was started by exec with an empty environment, for nothing
//! being inherited but four descriptors, for output that is bounded and handed on as it comes, and for the answer not waiting for whoever
//! still holds the output open. Blocks its thread: the caller gives it one that lives as long as the run.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::guarantee::Report;
use crate::spec::Spec;
use crate::step::Failed;

#[cfg(target_os = "linux")]
pub use crate::linux::channel::Ended;

/// How the program ended, and what it took.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Ended;

/// One of the two streams that a program prints on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// stdout
    Out,
    /// stderr
    Err,
}

/// What the program reads.
#[derive(Debug)]
pub enum Stdin {
    /// Nothing.
    Empty,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// What comes out of a descriptor. It is copied: the program never holds the descriptor itself.
    From(OwnedFd),
}

/// Who takes what a run has to say.
pub trait Sink {
    /// Bytes that the program printed, within the limit.
    fn printed(&mut self, stream: Stream, bytes: &[u8]);
    /// The proxy's listener, inside the network of the run. Without a taker nothing is ever answered there.
    fn listener(&mut self, _listener: std::net::TcpListener) {}
    /// The program runs.
    fn started(&mut self, _report: &Report) {}
    /// True if the run is to be ended; asked every now and then.
    fn cancelled(&mut self) -> bool {
        false
    }
}

/// The end of a run that took place.
#[derive(Debug)]
pub struct Outcome {
    /// How the program ended.
    pub ended: Ended,
    /// What held.
    pub report: Report,
    /// True if it printed more than its limit; the rest was dropped.
    pub cut: bool,
    /// Bytes that it printed, with what was dropped.
    pub printed: u64,
    /// What it made of what runs later, in folders that are written in place: the path, and what became of it.
    pub undone: Vec<(PathBuf, String)>,
    /// The layer with the workspace's changes, where there is one.
    pub upper: Option<OwnedFd>,
}

/// Why nothing was executed.
#[derive(Debug)]
pub enum NotRun {
    /// This host cannot keep what is promised.
    Refused(Report, String),
    /// A step failed.
    Failed(Failed),
    /// The helper could not be started or went away.
    Broken(String),
    /// The caller wished so.
    Cancelled,
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_, why) => write!(f, "nothing was executed: {why}"),
            Self::Failed(failed) => {
                write!(f, "nothing was executed: {failed}")?;
                match failed.remedy() {
                    Some(remedy) => write!(f, "; {remedy}"),
                    None => Ok(()),
                }
            }
            Self::Broken(why) => write!(f, "the sandbox broke: {why}"),
            Self::Cancelled => f.write_str("the run was ended by the gate"),
        }
    }
}

/// True once this program has said that it can be the helper.
static READY: AtomicBool = AtomicBool::new(false);

/// This program can be the helper.
pub(crate) fn ready() {
    READY.store(true, Ordering::Relaxed);
}

/// Refuses where nothing can be the helper. Started again as one, a program that does not know of it would do whatever
/// it does: and start helpers.
pub(crate) fn can_help(helper: Option<&PathBuf>) -> Result<(), NotRun> {
    if helper.is_none() && !READY.load(Ordering::Relaxed) {
        let why = "this program does not begin with `sandbox::take_over`, so that it cannot be the helper";
        return Err(NotRun::Broken(why.to_owned()));
    }
    Ok(())
}

/// Runs a program. `helper` is a program that calls [`crate::take_over`] first; none: the one that is running.
#[cfg(target_os = "linux")]
pub fn run(
    spec: &Spec,
    helper: Option<PathBuf>,
    stdin: Stdin,
    sink: &mut dyn Sink,
) -> Result<Outcome, NotRun> {
    can_help(helper.as_ref())?;
    crate::linux::drive::run(spec, helper, stdin, sink)
}

/// Refuses.
#[cfg(not(target_os = "linux"))]
pub fn run(_: &Spec, _: Option<PathBuf>, _: Stdin, _: &mut dyn Sink) -> Result<Outcome, NotRun> {
    Err(NotRun::Broken("the sandbox needs Linux; run the gate in a Linux machine or container".to_owned()))
}
