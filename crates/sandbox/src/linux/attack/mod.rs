//! Attempts to get out, each as code that works where there is no sandbox.
//!
//! Answerable for one list that the doctor and the tests share: a promise is believed because these fail, never
//! because a call returned 0. Each attempt runs in a process of its own. The attempts only touch what a
//! [`Stage`] set up for them.

mod files;
mod kernel;
mod limits;
mod network;
mod processes;
mod stage;

use std::ffi::CString;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::{channel, sys};
use crate::guarantee::Guarantee;
pub use limits::low;
pub use stage::{Scene, Stage};

/// The name that the program has when it attacks.
pub const ATTACKER: &str = "portcullis-sandbox-attacker";
/// The name that the program has when it is attacked.
pub const VICTIM: &str = "portcullis-sandbox-victim";

/// How an attempt that failed was stopped.
type Stopped = String;
/// An attempt: it got in, or how it was stopped.
type Made = Result<(), Stopped>;

/// One attempt.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// The promise that it would break.
    pub breaks: Guarantee,
    /// False if it does not work for an unprivileged user on every machine either: then only that it fails inside
    /// is shown.
    pub works_outside: bool,
    make: fn(&Stage) -> Made,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its name.
    pub name: String,
    /// The promise that it would break.
    pub breaks: Guarantee,
    /// True if it got in.
    pub got_in: bool,
    /// How it was stopped.
    pub stopped: String,
}

/// All attempts.
pub fn all() -> Vec<Attack> {
    [network::ALL, files::ALL, processes::ALL, kernel::ALL, limits::ALL].concat()
}

const fn attack(name: &'static str, breaks: Guarantee, make: fn(&Stage) -> Made) -> Attack {
    Attack { name, breaks, works_outside: true, make }
}

const fn seldom(name: &'static str, breaks: Guarantee, make: fn(&Stage) -> Made) -> Attack {
    Attack { name, breaks, works_outside: false, make }
}

/// Runs as the attacker: the stage is the first argument, the names of the attempts are the others (none: all). One
/// line of JSON for each goes to stdout.
pub fn run(mut args: impl Iterator<Item = String>) -> i32 {
    let Some(stage) = args.next().and_then(|text| serde_json::from_str::<Stage>(&text).ok()) else {
        return 1;
    };
    let wanted: Vec<String> = args.collect();
    let chosen =
        all().into_iter().filter(|it| wanted.is_empty() || wanted.iter().any(|name| name == it.name));
    for attack in chosen {
        let (got_in, stopped) = match alone(&attack, &stage) {
            Ok(()) => (true, String::new()),
            Err(stopped) => (false, stopped),
        };
        let attempt = Attempt { name: attack.name.to_owned(), breaks: attack.breaks, got_in, stopped };
        let Ok(line) = serde_json::to_string(&attempt) else { return 1 };
        if writeln!(std::io::stdout(), "{line}").is_err() {
            return 1;
        }
    }
    0
}

/// In a process of its own: some are ended by the kernel for what they try.
fn alone(attack: &Attack, stage: &Stage) -> Made {
    let (told, tell) = sys::pipe().map_err(|error| error.to_string())?;
    let pid = sys::fork_into(0).map_err(|error| error.to_string())?;
    if pid == 0 {
        drop(told);
        let made = (attack.make)(stage);
        let _gone = channel::send_pipe(std::os::fd::AsFd::as_fd(&tell), &made);
        sys::leave(0);
    }
    drop(tell);
    let made = channel::receive_pipe::<Made>(std::os::fd::AsFd::as_fd(&told));
    let waited = sys::wait(pid).map_err(|error| error.to_string())?;
    match made {
        Ok(Some(made)) => made,
        _ if libc::WIFSIGNALED(waited.status) => {
            Err(format!("ended by signal {}", libc::WTERMSIG(waited.status)))
        }
        _ => Err("ended without a word".to_owned()),
    }
}

/// A system call with numbers and pointers; the error's name if it fails.
fn call(number: libc::c_long, args: &[usize]) -> Result<usize, Stopped> {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    // SAFETY: an attempt may only harm itself: whatever it passes lives through the call or is not a pointer, and
    // the process ends right after.
    let done = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    usize::try_from(done).map_err(|_| errno())
}

fn errno() -> Stopped {
    let error = std::io::Error::last_os_error();
    name_of(&error)
}

fn name_of(error: &std::io::Error) -> Stopped {
    match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM".to_owned(),
        Some(libc::EACCES) => "EACCES".to_owned(),
        Some(libc::ENOENT) => "ENOENT".to_owned(),
        Some(libc::ESRCH) => "ESRCH".to_owned(),
        Some(libc::ENOSYS) => "ENOSYS".to_owned(),
        Some(libc::EROFS) => "EROFS".to_owned(),
        Some(libc::EXDEV) => "EXDEV".to_owned(),
        Some(libc::EINVAL) => "EINVAL".to_owned(),
        Some(libc::ENOSPC) => "ENOSPC".to_owned(),
        Some(libc::EFBIG) => "EFBIG".to_owned(),
        Some(libc::EMFILE) => "EMFILE".to_owned(),
        Some(libc::EAGAIN) => "EAGAIN".to_owned(),
        Some(libc::ENOMEM) => "ENOMEM".to_owned(),
        _ => error.to_string(),
    }
}

/// Any result of the standard library as an attempt.
fn tried<T>(result: std::io::Result<T>) -> Result<T, Stopped> {
    result.map_err(|error| name_of(&error))
}

fn text(text: &str) -> Result<CString, Stopped> {
    CString::new(text).map_err(|error| error.to_string())
}

fn number(n: i32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn must(got_in: bool, otherwise: &str) -> Made {
    if got_in { Ok(()) } else { Err(otherwise.to_owned()) }
}
