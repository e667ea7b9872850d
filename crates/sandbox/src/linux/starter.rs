//! The starter: a process without memory of the gate, kept for as long as the gate lives, of which each run's helper
//! is a copy.
//!
//! To start a program anew for each run took a quarter of a run's start. The starter itself never reads what a run is,
//! so that no run leaves anything there for the next one. It ends with the gate, and so does every helper, each by its
//! own socket.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::channel::{self, Said};
use super::{carry, children, helper, spawn, sys};
use crate::step::{Failed, Step};

/// The descriptor of the starter's socket to the gate.
pub const DOOR: i32 = 3;

/// How long the start of a run is not disturbed, in milliseconds.
const START_MS: i32 = 20;

/// The starters of this gate: one for each program that is a helper's.
static STARTERS: Mutex<BTreeMap<PathBuf, OwnedFd>> = Mutex::new(BTreeMap::new());

/// Gives a run's four descriptors (stdin, stdout, stderr, and the socket to the gate) to a new helper.
///
/// A starter that is gone is started again, once.
pub fn hand_over(program: &Path, fds: [BorrowedFd<'_>; 4]) -> io::Result<()> {
    let mut starters = STARTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(door) = starters.get(program) {
        match carry::send(door.as_fd(), fds) {
            Err(error) if gone(&error) => (),
            sent => return sent,
        }
    }
    let door = start(program)?;
    let sent = carry::send(door.as_fd(), fds);
    starters.insert(program.to_owned(), door);
    sent
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN))
}

fn start(program: &Path) -> io::Result<OwnedFd> {
    let (door, theirs) = carry::pair()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    let nothing = nothing.as_fd();
    let fds = [nothing, nothing, nothing, theirs.as_fd()];
    // It is never waited for: it ends when we do, or by accident, and then one is left over until we end.
    spawn::spawn(&sys::c_path(program)?, &CString::new(crate::HELPER)?, fds)?;
    Ok(door)
}

/// Runs as the starter, until the gate is gone. In the copies it comes back when their run is over.
///
/// There is always one helper ahead of its run: it has made the namespaces and most of the file tree when the run comes,
/// which is most of what a start takes.
pub fn run(door: OwnedFd) -> i32 {
    // A signal to the gate's terminal is the gate's business.
    sys::new_session();
    // Nobody waits for helpers.
    if sys::close_from(DOOR.unsigned_abs() + 1).and_then(|()| children::reap_children(true)).is_err() {
        return 1;
    }
    loop {
        let Ok((taken, take)) = sys::pipe() else { return 1 };
        match sys::fork_into(0) {
            Ok(0) => {
                drop(taken);
                return helper::run(door, take);
            }
            Ok(_) => drop(take),
            Err(error) => match refuse(door.as_fd(), &error) {
                Ok(true) => continue,
                Ok(false) => return 0,
                Err(_) => return 1,
            },
        }
        // A helper that says nothing has found the gate gone, or is gone itself: whoever comes next starts us anew.
        let mut taken = io::PipeReader::from(taken);
        match io::Read::read(&mut taken, &mut [0]) {
            Ok(1) => (),
            _ => return 0,
        }
        // The next one is made when the program runs, and not beside its start. One that hangs keeps no other waiting.
        let mut started = [libc::pollfd { fd: taken.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let _in_time = sys::poll(&mut started, START_MS);
    }
}

/// There can be no helper: the next run is told so. False if the gate is gone.
fn refuse(door: BorrowedFd<'_>, error: &io::Error) -> io::Result<bool> {
    let Some([.., control]) = carry::receive(door)? else { return Ok(false) };
    let failed = Failed::at(Step::Fork, error, "helper");
    // If nobody listens nobody waits.
    let _gone = channel::send(control.as_fd(), &Said::Failed(failed), None);
    Ok(true)
}
