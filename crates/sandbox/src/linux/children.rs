//! Processes that are, or become, children of this one: where no namespace ends them all at once.
//!
//! Answerable for finding each of them, also those whose own parents are gone, and for ending them.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use libc::pid_t;

use super::sys;

/// How long what is left of a run is hunted for.
const HUNT: Duration = Duration::from_secs(10);

/// Whether children go away by themselves when they end (and cannot be waited for).
pub fn reap_children(by_themselves: bool) -> io::Result<()> {
    let how = if by_themselves { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither is a handler of ours.
    if unsafe { libc::signal(libc::SIGCHLD, how) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A child that has ended, if there is one already. Without any children: an error.
fn wait_now() -> io::Result<Option<pid_t>> {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to a process and all of its group. If there is none there is nothing to be done.
pub fn signal_group(leader: pid_t, signal: libc::c_int) {
    // SAFETY: numbers only.
    unsafe { libc::kill(-leader, signal) };
}

/// Ends every child, and every child that they leave to us, until there is none. One that makes others faster than
/// they are found is hunted for a while and then left, as the report says.
pub fn sweep() {
    let start = Instant::now();
    while start.elapsed() < HUNT {
        for child in of(std::process::id()) {
            if let Ok(pidfd) = sys::pidfd(child) {
                let _over = sys::signal(pidfd.as_fd(), libc::SIGKILL);
            }
        }
        loop {
            match wait_now() {
                Ok(Some(_)) => (),
                Ok(None) => break,
                // There are no children.
                Err(_) => return,
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The children of a process, by what the kernel lists or else by what each process says of its parent.
pub fn of(own: u32) -> Vec<pid_t> {
    if let Ok(listed) = fs::read_to_string(format!("/proc/{own}/task/{own}/children")) {
        return listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<pid_t>().ok());
    let parent = |pid: &pid_t| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok()
    };
    numbers.filter(|pid| parent(pid) == Some(own)).collect()
}
