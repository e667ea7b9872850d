//! The sandbox on Linux: who does what, in which process.
//!
//! The gate starts the starter ([`starter`]) by exec, once, with an empty environment: nothing of the gate's memory is
//! in it. Each run has a helper ([`helper`]), a copy of the starter. The helper makes the run's first process ([`init`]) in new namespaces, watches the gate and the clock, and
//! cleans up. The first process builds the file tree ([`mounts`]), starts the program ([`target`]) and waits.
//! No step falls back on anything: a step that fails ends the run before the program starts.

pub mod attack;
mod basis;
pub mod beneath;
mod bpf;
mod bubblewrap;
mod carry;
pub mod cgroup;
pub mod changes;
pub mod channel;
mod children;
pub mod doctor;
pub mod drive;
mod fence;
mod filter;
mod guard;
pub mod helper;
mod identity;
mod init;
mod light;
mod mounts;
mod probe;
mod protected;
mod slim;
mod spawn;
mod starter;
pub mod sys;
mod target;

use std::io;

use crate::spec::Spec;
use crate::step::{Failed, Step};

/// The user and group that a program runs as if root starts it: nobody.
pub const INSIDE: u32 = 65_534;

/// Fails if tests want this step to.
fn fail_if(spec: &Spec, step: Step) -> Result<(), Failed> {
    if spec.fail_at == Some(step) {
        let error = io::Error::from_raw_os_error(libc::EIO);
        return Err(Failed::at(step, &error, "as asked"));
    }
    Ok(())
}

/// Runs as what the program's name says, if it is one of ours, and ends the process.
pub fn take_over() {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    match name.rsplit('/').next() {
        Some(crate::HELPER) => slim::told(args.next().as_deref()),
        Some(bubblewrap::INSIDE) => sys::leave(bubblewrap::inside()),
        Some(attack::ATTACKER) => sys::leave(attack::run(args)),
        Some(attack::VICTIM) => {
            // Until whoever started us is gone.
            let _over = io::Read::read(&mut io::stdin(), &mut [0]);
            sys::leave(0);
        }
        _ => return,
    }
    match sys::inherited(starter::DOOR) {
        Some(door) => sys::leave(starter::run(door)),
        None => sys::leave(1),
    }
}
