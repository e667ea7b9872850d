//! Processes: making them, ending them, waiting for them, and what they may.
//!
//! Answerable, as all of `sys`, for every pointer handed to the kernel being valid for the call.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use libc::{c_int, c_long, pid_t};

use super::{checked, checked_int, owned};

/// Makes a child as `fork` does, in new namespaces: 0 in the child. The process has one thread.
pub fn fork_into(namespaces: c_int) -> io::Result<pid_t> {
    let flags = namespaces | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has its own copy of all memory, and goes on where we are, as after fork.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone, c_long::from(flags), 0, 0, 0, 0) })?;
    pid_t::try_from(pid).map_err(io::Error::other)
}

/// A descriptor for a process.
pub fn pidfd(pid: pid_t) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends a signal to the process of a descriptor.
pub fn signal(pidfd: BorrowedFd<'_>, signal: c_int) -> io::Result<()> {
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, null, 0) };
    checked(done).map(drop)
}

/// Sends a signal to every process that we may signal, but for ourselves. In a process namespace that is the namespace
/// alone.
pub fn signal_all(signal: c_int) {
    // SAFETY: numbers only. Nobody is left over if it fails.
    unsafe { libc::kill(-1, signal) };
}

/// On SIGTERM: sends it on to every process that we may signal, but for ourselves. In a process namespace that is
/// the namespace alone, and its first process would not hear SIGTERM otherwise.
pub fn pass_sigterm_on() -> io::Result<()> {
    extern "C" fn pass_on(signal: c_int) {
        // SAFETY: numbers only, and allowed in a signal handler.
        unsafe { libc::kill(-1, signal) };
    }
    // SAFETY: all zeroes is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = pass_on as extern "C" fn(c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` lives through the call, and the handler for ever.
    checked_int(unsafe { libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut()) }).map(drop)
}

/// Signals as a program expects them: none ignored, none blocked. (Rust programs ignore SIGPIPE.)
pub fn default_signals() -> io::Result<()> {
    for signal in 1..=64 {
        // SAFETY: numbers only; fails for the two that cannot be changed and for libc's own.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: all zeroes is an empty set.
    let none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: `none` lives through the call.
    checked_int(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) })
        .map(drop)
}

/// Waits until a signal ends this process.
pub fn wait_for_the_end() {
    loop {
        // SAFETY: touches no memory.
        unsafe { libc::pause() };
    }
}

/// What a process left behind.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Which.
    pub pid: pid_t,
    /// As `wait` has it.
    pub status: c_int,
}

/// Waits for a child (-1: any).
pub fn wait(pid: pid_t) -> io::Result<Waited> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives through the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        match checked_int(waited) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            waited => return waited.map(|pid| Waited { pid, status }),
        }
    }
}

/// What all children that were waited for have used.
pub fn children_usage() -> io::Result<libc::rusage> {
    // SAFETY: all zeroes is a valid rusage, and it lives through the call.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: as above.
    checked_int(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) })?;
    Ok(usage)
}

/// A new session, without a terminal.
pub fn new_session() {
    // SAFETY: numbers only; it fails only if we lead one already.
    unsafe { libc::setsid() };
}

/// Becomes another user for good: no groups, all three ids.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // The raw calls: libc's own would signal other threads, and there are none.
    // SAFETY: a null list of length 0 is allowed.
    checked(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) })?;
    become_ids(uid, gid)
}

/// Sets all three user and group ids.
pub fn become_ids(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    Ok(())
}

/// Leaves namespaces for new ones.
pub fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: numbers only.
    checked_int(unsafe { libc::unshare(flags) }).map(drop)
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability.
pub fn drop_capabilities() -> io::Result<()> {
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let none = [CapData::default(); 2];
    // SAFETY: version 3 reads two entries, and both live through the call.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// True if the process has any capability left, in any of the three sets.
pub fn has_capabilities() -> io::Result<bool> {
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [CapData::default(); 2];
    // SAFETY: version 3 writes two entries, and both live through the call.
    checked(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    Ok(sets.iter().any(|set| set.effective | set.permitted | set.inheritable != 0))
}

/// True if the process has a capability in effect.
pub fn can(capability: u32) -> io::Result<bool> {
    let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [CapData::default(); 2];
    // SAFETY: as above.
    checked(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    let set = if capability < 32 { sets.first() } else { sets.last() };
    Ok(set.is_some_and(|set| set.effective & (1 << (capability % 32)) != 0))
}

/// Sets a resource limit, hard and soft.
pub fn limit(resource: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: `limit` lives through the call.
    checked_int(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// The current process's effective user.
pub fn euid() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}

/// The current process's effective group.
pub fn egid() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::getegid() }
}

/// Replaces the program. Comes back only with an error.
pub fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers =
        |texts: &[CString]| texts.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both lists end in null, and the texts they point to live through the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process at once: nothing of this copy of the program runs any more.
pub fn leave(code: c_int) -> ! {
    // SAFETY: does not come back.
    unsafe { libc::_exit(code) }
}
