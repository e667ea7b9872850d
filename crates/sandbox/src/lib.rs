//! Runs a program with less than the gate has, and says exactly what held. The only crate with `unsafe`.
//!
//! Answerable for a program not starting unless every promise that the operator did not waive is kept
//! ([`Guarantee`]), and for nothing being left of a run. Knows nothing of policies, agents or records.
//!
//! ```text
//!  gate ──exec, once, no environment──► starter ──fork──► helper ──clone, namespaces──► first process ──fork──► program
//!   │ output, limits, report                               │ clock, control group       │ file tree, reaping   less and
//!   │                                                      │ ends all with the gate     │ gives up its rights  less, exec
//! ```
//!
//! Files: [`backend`] who makes the inside, [`spec`] what a run may do, [`guarantee`] what it is promised, [`step`] how it can fail before it starts.

pub mod backend;
pub mod guarantee;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{attack, beneath, doctor};
mod run;
pub mod spec;
pub mod step;

pub use backend::{Backend, MadeBy};
pub use guarantee::{Guarantee, Kept, Report, State};
#[cfg(target_os = "linux")]
pub use linux::changes::{Change, Changes, Kind};
pub use run::{Ended, NotRun, Outcome, Sink, Stdin, Stream, run};
pub use spec::{Limits, Mode, Network, PROXY_PORT, Spec, Workspace};
pub use step::{Failed, Step};

/// The name that the program has when it is the helper.
pub const HELPER: &str = "portcullis-sandbox-helper";

/// Takes the process over if it was started as the starter of helpers, or as one that attacks or is attacked. To be called first in `main`, before anything is read
/// or started; it then never comes back.
pub fn take_over() {
    #[cfg(target_os = "linux")]
    linux::take_over();
    run::ready();
}
