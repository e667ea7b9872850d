//! The starter: a process without memory of the gate, kept for as long as the gate lives, of which each run's helper
//! is a copy.
//!
//! To start a program anew for each run took a quarter of a run's start. The starter itself never reads what a run is,
//! so that no run leaves anything there for the next one. It ends with the gate, and so does every helper, each by its
//! own socket.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::channel::{self, Said};
use super::{carry, children, helper, slim, spawn, sys};
use crate::step::{Failed, Step};

/// The descriptor of the starter's socket to the gate.
pub const DOOR: i32 = 3;

/// How many helpers wait for runs: one for the next, and one for a run that comes while that is replaced.
const AHEAD: usize = 2;
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
    let (program, name) = (sys::c_path(program)?, CString::new(crate::HELPER)?);
    slim::without_huge_pages(|allowed| {
        let words: &[&CStr] = if allowed { &[&name, slim::HUGE] } else { &[&name] };
        spawn::spawn(&program, words, fds)
    })?;
    Ok(door)
}

/// Runs as the starter, until the gate is gone. In the copies it comes back when their run is over.
///
/// There are always some helpers ahead of their runs: they have made the namespaces and most of the file tree when a run
/// comes, which is most of what a start takes.
pub fn run(door: OwnedFd) -> i32 {
    // A signal to the gate's terminal is the gate's business.
    sys::new_session();
    // Nobody waits for helpers.
    if sys::close_from(DOOR.unsigned_abs() + 1).and_then(|()| children::reap_children(true)).is_err() {
        return 1;
    }
    // Without it runs are slower, and nothing else.
    let _larger = slim::share_tables();
    let mut ahead: Vec<Ahead> = Vec::new();
    loop {
        while ahead.len() < AHEAD {
            let Ok((taken, take)) = sys::pipe() else { return 1 };
            match sys::fork_into(0) {
                Ok(0) => {
                    drop((taken, ahead));
                    return helper::run(door, take);
                }
                Ok(_) => ahead.push(Ahead { taken: io::PipeReader::from(taken), until: None }),
                // Those that are there will do.
                Err(_) if !ahead.is_empty() => break,
                Err(error) => match refuse(door.as_fd(), &error) {
                    Ok(true) => (),
                    Ok(false) => return 0,
                    Err(_) => return 1,
                },
            }
        }
        match heard(ahead) {
            Some(still) => ahead = still,
            // A helper that says nothing has found the gate gone, or is gone itself: whoever comes next starts us anew.
            None => return 0,
        }
    }
}

/// A helper, until its run has started.
struct Ahead {
    taken: io::PipeReader,
    /// Once its run has come: when it is no longer waited for.
    until: Option<Instant>,
}

/// Waits until a run has come or has started: the helpers that are still ahead. None if one of them is gone.
///
/// A helper is replaced when its run has started, and not beside the start. One that hangs keeps no other waiting.
fn heard(ahead: Vec<Ahead>) -> Option<Vec<Ahead>> {
    let on = |it: &Ahead| libc::pollfd { fd: it.taken.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<libc::pollfd> = ahead.iter().map(on).collect();
    let waits = ahead.iter().any(|it| it.until.is_some());
    sys::poll(&mut fds, if waits { START_MS } else { -1 }).ok()?;
    let now = Instant::now();
    let mut still = Vec::with_capacity(ahead.len());
    for (mut it, fd) in ahead.into_iter().zip(fds) {
        if fd.revents != 0 {
            let said = io::Read::read(&mut it.taken, &mut [0]).ok()?;
            match (it.until, said) {
                (None, 1) => it.until = Some(now + Duration::from_millis(START_MS.unsigned_abs().into())),
                (None, _) => return None,
                // It runs, or has come to nothing.
                (Some(_), _) => continue,
            }
        }
        if it.until.is_none_or(|until| now < until) {
            still.push(it);
        }
    }
    Some(still)
}

/// There can be no helper: the next run is told so. False if the gate is gone.
fn refuse(door: BorrowedFd<'_>, error: &io::Error) -> io::Result<bool> {
    let Some([.., control]) = carry::receive(door)? else { return Ok(false) };
    let failed = Failed::at(Step::Fork, error, "helper");
    // If nobody listens nobody waits.
    let _gone = channel::send(control.as_fd(), &Said::Failed(failed), None);
    Ok(true)
}
