//! The system calls that the standard library does not have, each behind a safe function.
//!
//! Answerable for every pointer handed to the kernel being valid for the call, and for errors being
//! `io::Error`. Knows nothing of what the calls are for.

use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_long, c_uint, pid_t};

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

/// `prctl` with numbers.
pub fn prctl(option: c_int, argument: libc::c_ulong) -> io::Result<c_int> {
    // SAFETY: the options used here take numbers only.
    checked_int(unsafe { libc::prctl(option, argument, 0, 0, 0) })
}

/// Sets a resource limit, hard and soft.
pub fn limit(resource: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: `limit` lives through the call.
    checked_int(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
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

/// A mount of its own of the tree at an open path.
pub fn clone_tree(at: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE.unsigned_abs()
        | libc::AT_EMPTY_PATH.unsigned_abs();
    // SAFETY: the empty path lives for ever.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) })
}

/// What `mount_setattr` takes.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes a mount and all below it. `userns`: shows owners as that namespace maps them.
pub fn set_mount(mount: BorrowedFd<'_>, set: u64, userns: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut attr = MountAttr { set, ..MountAttr::default() };
    if let Some(userns) = userns {
        attr.set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns = u64::try_from(userns.as_raw_fd()).map_err(io::Error::other)?;
    }
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: path and `attr` live through the call, and the size is that of `attr`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    checked(done).map(drop)
}

/// Puts a mount at a path below a folder; at an empty one, at what is open itself.
pub fn attach(mount: BorrowedFd<'_>, dir: Option<BorrowedFd<'_>>, path: &Path) -> io::Result<()> {
    const FROM_EMPTY_PATH: c_uint = 0x4;
    const TO_EMPTY_PATH: c_uint = 0x40;
    let at_itself = if path.as_os_str().is_empty() { TO_EMPTY_PATH } else { 0 };
    let path = c_path(path)?;
    let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    // SAFETY: both paths live through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            dir,
            path.as_ptr(),
            FROM_EMPTY_PATH | at_itself,
        )
    };
    checked(done).map(drop)
}

/// A new file system that nothing shows yet. `attributes` are those of its mount.
pub fn new_fs(kind: &CStr, options: &[(&CStr, &CStr)], attributes: u64) -> io::Result<OwnedFd> {
    const SET_STRING: c_uint = 1;
    const CREATE: c_uint = 6;
    const CLOEXEC: c_uint = 1;
    // SAFETY: the name lives through the call.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    let fd = context.as_raw_fd();
    for (key, value) in options {
        // SAFETY: key and value live through the call.
        let set =
            unsafe { libc::syscall(libc::SYS_fsconfig, fd, SET_STRING, key.as_ptr(), value.as_ptr(), 0) };
        checked(set)?;
    }
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key and no value.
    checked(unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, null, null, 0) })?;
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, attributes) })
}

/// `mount`, for what has no newer call: propagation, overlays.
pub fn mount(kind: &CStr, target: &Path, flags: libc::c_ulong, options: &CStr) -> io::Result<()> {
    let target = c_path(target)?;
    // SAFETY: all texts live through the call.
    let done =
        unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
    checked_int(done).map(drop)
}

/// Takes a mount away, now or when nobody uses it any more.
pub fn detach(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path lives through the call.
    checked_int(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Makes the current folder, a mount, the root; the old root is then at the same place, above it.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both texts live for ever.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }).map(drop)
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

/// Changes one mount, and none below it.
pub fn set_one_mount(mount: RawFd, set: u64, flags: c_int) -> io::Result<()> {
    let attr = MountAttr { set, ..MountAttr::default() };
    // SAFETY: path and `attr` live through the call, and the size is that of `attr`.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    checked(done).map(drop)
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
