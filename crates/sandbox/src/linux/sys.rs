//! The system calls that the standard library does not have, each behind a safe function.
//!
//! Answerable for every pointer handed to the kernel being valid for the call, and for errors being
//! `io::Error`. Knows nothing of what the calls are for. Here are descriptors and what is said of this process; mounts,
//! processes and memory have files of their own.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_long, c_uint};

mod memory;
mod mounting;
mod processes;

pub use memory::{linked_tables, memory_file, show_in_place};
pub use mounting::{attach, clone_tree, detach, mount, new_fs, pivot_here, set_mount, set_one_mount};
pub use processes::{
    become_ids, become_user, can, children_usage, default_signals, drop_capabilities, egid, euid, exec,
    fork_into, has_capabilities, leave, limit, new_session, pass_sigterm_on, pidfd, signal, signal_all,
    unshare, wait, wait_for_the_end,
};

/// The calls' own result: -1 is an error.
fn checked(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn checked_int(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: c_long) -> io::Result<OwnedFd> {
    let fd = checked(result)?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A path as the kernel reads it.
pub fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The same descriptor at a number that is at least `least`.
pub fn above(fd: BorrowedFd<'_>, least: c_int) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    owned(c_long::from(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) }))
}

/// The same descriptor at a number that nobody in this process uses for anything else; exec keeps it.
pub fn put_at(fd: RawFd, at: RawFd) -> io::Result<()> {
    // SAFETY: numbers only.
    checked_int(unsafe { libc::dup2(fd, at) }).map(drop)
}

/// `prctl` with numbers.
pub fn prctl(option: c_int, argument: libc::c_ulong) -> io::Result<c_int> {
    // SAFETY: the options used here take numbers only.
    checked_int(unsafe { libc::prctl(option, argument, 0, 0, 0) })
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: c_uint) -> io::Result<()> {
    // SAFETY: whoever calls holds no descriptor from `first` on that it will use again.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed by exec.
pub fn close_on_exec_from(first: c_uint) -> io::Result<()> {
    // SAFETY: numbers only.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    checked(done).map(drop)
}

/// How `openat2` resolves.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens a path below a folder by `openat2`. `dir`: none is the current folder.
pub fn open(dir: Option<BorrowedFd<'_>>, path: &Path, flags: c_int, resolve: u64) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let flags = u64::try_from(flags | libc::O_CLOEXEC).map_err(io::Error::other)?;
    let mode = if flags & u64::from(libc::O_CREAT.unsigned_abs()) == 0 { 0 } else { 0o644 };
    let how = OpenHow { flags, mode, resolve };
    let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    // SAFETY: path and `how` live through the call, and the size is that of `how`.
    owned(unsafe {
        libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &raw const how, size_of::<OpenHow>())
    })
}

/// Makes an open folder the current one.
pub fn enter(dir: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only.
    checked_int(unsafe { libc::fchdir(dir.as_raw_fd()) }).map(drop)
}

/// Sets the host name of the namespace.
pub fn set_hostname(name: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length are those of `name`.
    checked_int(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// A pipe whose ends are closed by exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    checked_int(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let [read, write] = ends;
    // SAFETY: the kernel has just made both for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) })
}

/// Brings the loopback interface up.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: numbers only.
    let socket = owned(c_long::from(unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
    }))?;
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::try_from(*from).map_err(io::Error::other)?;
    }
    let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(io::Error::other)?;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: `request` lives through the call.
    checked_int(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }).map(drop)
}

/// Waits until one of the descriptors has something: a bit mask of `poll` for each.
pub fn poll(fds: &mut [libc::pollfd], timeout_ms: c_int) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(fds.len()).map_err(io::Error::other)?;
    // SAFETY: pointer and length are those of `fds`.
    match checked_int(unsafe { libc::poll(fds.as_mut_ptr(), count, timeout_ms) }) {
        Ok(ready) => usize::try_from(ready).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

/// Says on a socket that nothing more will be said.
pub fn hang_up(socket: BorrowedFd<'_>) {
    // SAFETY: numbers only; it fails only if the other side is gone.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
}

/// Makes reads and writes come back at once.
pub fn nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: numbers only.
    let flags = checked_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: numbers only.
    checked_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

/// A descriptor that we were started with. To be asked for once.
pub fn inherited(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: numbers only.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, whoever started us gave it to us, and nobody else in this process takes it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Where an open symlink leads: the number of bytes that were written.
pub fn read_link(link: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the empty path lives for ever; pointer and length are those of `buffer`.
    let length =
        unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// True if an open file has an extended attribute.
pub fn has_attribute(file: BorrowedFd<'_>, name: &CStr) -> bool {
    // SAFETY: the name lives through the call; nothing is written where the size is 0.
    unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}
