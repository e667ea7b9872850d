//! The program's process, from its first instruction to exec: everything is given up here, in the right order.
//!
//! Answerable for that order. A step that fails is told through a pipe which exec closes, and ends the process.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use libc::{pid_t, sock_filter};
use serde::{Deserialize, Serialize};

use super::fence::{self, Fence, Paths, View};
use super::identity::Identity;
use super::mounts::Tree;
use super::{carry, channel, fail_if, filter, init, slim, sys};
use crate::spec::{Limits, Network, Spec};
use crate::step::{During, Failed, Step};

/// Where programs are looked for. No folder that a run can write to.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The descriptors of the program's process, before it is the program: the socket to the first process, and the pipe that
/// tells it of faults.
const ORDERS: RawFd = 3;
const FAULT: RawFd = 4;

/// What the program's process is told when its run has come.
#[derive(Serialize, Deserialize)]
struct Order {
    spec: Spec,
    /// What can be read and what can be written, as it is called inside.
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// The program's process, as the first process holds it: it is there before its run comes, and has given up its user and
/// its rights.
pub struct Target {
    /// Which.
    pub pid: pid_t,
    orders: OwnedFd,
    fault: OwnedFd,
}

impl Target {
    /// Makes it, and waits until it has given up its rights: its user namespace can be made only while the root is the
    /// host's.
    pub fn ahead(identity: Identity, landlock: i64) -> Result<Self, Failed> {
        let (orders, theirs) = UnixStream::pair().during(Step::Fork, "")?;
        let (fault, fault_write) = sys::pipe().during(Step::Fork, "")?;
        let pid = sys::fork_into(0).during(Step::Fork, "")?;
        if pid == 0 {
            drop((orders, fault));
            match alone(theirs.into(), fault_write) {
                Ok((orders, fault)) => run(identity, landlock, orders, &fault),
                Err(_) => sys::leave(127),
            }
        }
        drop((theirs, fault_write));
        let target = Self { pid, orders: orders.into(), fault };
        match channel::word(target.orders.as_fd()).during(Step::Fork, "")? {
            Some(_) => Ok(target),
            None => target.gone().and(Err(Failed::at(Step::Fork, &io::Error::other("it is gone"), ""))),
        }
    }

    /// Tells it its run. It gets ready, and waits for [`let_go`](Self::let_go).
    pub fn tell(&self, spec: &Spec, tree: &Tree, streams: [BorrowedFd<'_>; 4]) -> io::Result<()> {
        carry::send(self.orders.as_fd(), streams)?;
        let order = Order { spec: spec.clone(), read: tree.read.clone(), write: tree.write.clone() };
        channel::send(self.orders.as_fd(), &order, None)
    }

    /// Says that the old root is left and the limits are set: `word` is the helper's own, which says who holds the memory.
    /// Comes back when the program is there, or with what failed.
    pub fn let_go(self, word: u8) -> Result<pid_t, Failed> {
        // If nobody reads it, it has failed at something and says at what.
        let _gone = io::Write::write_all(
            &mut UnixStream::from(self.orders.try_clone().during(Step::Fork, "")?),
            &[word],
        );
        self.gone()?;
        Ok(self.pid)
    }

    /// Waits for its pipe to be closed, by exec or by its end: whatever comes out of it is why there was none.
    fn gone(&self) -> Result<(), Failed> {
        match channel::receive_pipe::<Failed>(self.fault.as_fd()).during(Step::Exec, "")? {
            Some(failed) => Err(failed),
            None => Ok(()),
        }
    }
}

/// Closes whatever else of the first process's is open here: its sockets, and the host's tree.
fn alone(orders: OwnedFd, fault: OwnedFd) -> io::Result<(UnixStream, OwnedFd)> {
    let moved = [sys::above(orders.as_fd(), 10)?, sys::above(fault.as_fd(), 10)?];
    for (fd, at) in moved.iter().zip([ORDERS, FAULT]) {
        sys::put_at(fd.as_raw_fd(), at)?;
    }
    // Their numbers are taken or closed: nobody is to close them once more.
    std::mem::forget((orders, fault, moved));
    sys::close_from(FAULT.unsigned_abs() + 1)?;
    let given = |at| sys::inherited(at).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF));
    Ok((given(ORDERS)?.into(), given(FAULT)?))
}

/// Runs as the program's process. Never comes back.
fn run(identity: Identity, landlock: i64, orders: UnixStream, fault: &OwnedFd) -> ! {
    let failed = match become_program(identity, landlock, orders, fault) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    let _gone = channel::send_pipe(fault.as_fd(), &failed);
    sys::leave(127)
}

enum Never {}

fn become_program(
    identity: Identity,
    landlock: i64,
    mut orders: UnixStream,
    fault: &OwnedFd,
) -> Result<Never, Failed> {
    sys::new_session();
    if identity.privileged {
        own_user_namespace(identity.uid, identity.gid).during(Step::User, "")?;
    }
    no_capabilities().during(Step::Capabilities, "")?;
    // Nobody on the host looks into it while it waits, whoever else is the same user there. Exec takes this back.
    sys::prctl(libc::PR_SET_DUMPABLE, 0).during(Step::User, "")?;
    io::Write::write_all(&mut orders, &[1]).during(Step::Handshake, "")?;
    let (Order { spec, read, write }, filter) = ordered(&orders)?;
    let fence = fence(&spec, (&read, &write), landlock).during(Step::Landlock, "")?;
    let Some(word) = channel::word(orders.as_fd()).during(Step::Handshake, "")? else { sys::leave(1) };
    fail_if(&spec, Step::User)?;
    fail_if(&spec, Step::Capabilities)?;
    // Once more: what it rests on is that there are none.
    no_capabilities().during(Step::Capabilities, "")?;
    slim::as_the_gate();
    fail_if(&spec, Step::Rlimits)?;
    limits(&spec.limits, word == init::MEMORY_IS_HELD).during(Step::Rlimits, "")?;
    fail_if(&spec, Step::Folder)?;
    std::env::set_current_dir(&spec.cwd).during(Step::Folder, &spec.cwd.display().to_string())?;
    let (program, argv, env) =
        command(&spec).during(Step::Exec, spec.argv.first().map_or("", String::as_str))?;
    fail_if(&spec, Step::Descriptors)?;
    descriptors(fault).during(Step::Descriptors, "")?;
    fail_if(&spec, Step::Landlock)?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).during(Step::Landlock, "")?;
    fence.map_or(Ok(()), Fence::enforce).during(Step::Landlock, "")?;
    fail_if(&spec, Step::Seccomp)?;
    filter::apply(&filter).during(Step::Seccomp, "")?;
    fail_if(&spec, Step::Exec)?;
    let error = sys::exec(&program, &argv, &env);
    Err(Failed::at(Step::Exec, &error, program.to_string_lossy()))
}

/// Waits for the run, with nothing else to do; puts its streams in their places.
fn ordered(orders: &UnixStream) -> Result<(Order, Vec<sock_filter>), Failed> {
    let filters = filters()?;
    let Some(streams) = carry::receive(orders.as_fd()).during(Step::Handshake, "")? else { sys::leave(1) };
    let Some((order, _)) = channel::receive::<Order>(orders.as_fd()).during(Step::Handshake, "")? else {
        sys::leave(1)
    };
    let [input, output, errors, _] = streams;
    for (to, fd) in (0..).zip([input, output, errors]) {
        sys::put_at(fd.as_raw_fd(), to).during(Step::Descriptors, "")?;
    }
    let [proxied, closed] = filters;
    let filter = if order.spec.network == Network::Proxy { proxied } else { closed };
    Ok((order, filter))
}

/// The filter of a run with, and of one without a proxy.
fn filters() -> Result<[Vec<sock_filter>; 2], Failed> {
    let filter = |network| filter::program(network, View::Own).during(Step::Seccomp, "");
    Ok([filter(Network::Proxy)?, filter(Network::None)?])
}

/// Root's program becomes nobody, in a user namespace of its own in which it is nobody as well.
fn own_user_namespace(uid: u32, gid: u32) -> io::Result<()> {
    sys::become_user(uid, gid)?;
    // A change of user hides our own /proc from us, where the mapping is written.
    sys::prctl(libc::PR_SET_DUMPABLE, 1)?;
    sys::unshare(libc::CLONE_NEWUSER)?;
    let map = |file: &str, text: String| std::fs::write(Path::new("/proc/self").join(file), text);
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("{uid} {uid} 1"))?;
    map("gid_map", format!("{gid} {gid} 1"))?;
    // What the user namespace gave us, exec would keep for nobody: it is given up all the same.
    sys::become_ids(uid, gid)
}

fn no_capabilities() -> io::Result<()> {
    const LAST: libc::c_ulong = 63;
    for capability in 0..=LAST {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
            // The first number that the kernel does not know.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            // Who has none can take none away; that there are none is asked below.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && !sys::has_capabilities()? => break,
            dropped => dropped?,
        };
    }
    sys::drop_capabilities()?;
    if sys::has_capabilities()? {
        return Err(io::Error::other("some are left"));
    }
    Ok(())
}

pub(super) fn limits(limits: &Limits, held: bool) -> io::Result<()> {
    let seconds = (limits.wall_ms / 1000).saturating_add(5).saturating_mul(limits.processes.max(1));
    sys::limit(libc::RLIMIT_CORE, 0)?;
    sys::limit(libc::RLIMIT_FSIZE, limits.file_size)?;
    sys::limit(libc::RLIMIT_NOFILE, limits.files)?;
    sys::limit(libc::RLIMIT_NPROC, limits.processes)?;
    sys::limit(libc::RLIMIT_MEMLOCK, 64 << 10)?;
    sys::limit(libc::RLIMIT_MSGQUEUE, 0)?;
    sys::limit(libc::RLIMIT_NICE, 0)?;
    sys::limit(libc::RLIMIT_RTPRIO, 0)?;
    sys::limit(libc::RLIMIT_SIGPENDING, 1024)?;
    sys::limit(libc::RLIMIT_CPU, seconds)?;
    if !held {
        // No group holds the whole run: each process at least gets no more than the run may have.
        sys::limit(libc::RLIMIT_AS, limits.memory.saturating_mul(4))?;
        sys::limit(libc::RLIMIT_DATA, limits.memory)?;
    }
    Ok(())
}

/// Nothing is open but stdin, stdout and stderr; the pipe for faults is closed by exec.
pub(super) fn descriptors(fault: &OwnedFd) -> io::Result<()> {
    debug_assert!(fault.as_raw_fd() > 2, "the standard streams are taken");
    sys::close_on_exec_from(3)
}

/// None where the kernel has none: the report has said so, and it was accepted.
fn fence(spec: &Spec, (read, write): (&[PathBuf], &[PathBuf]), landlock: i64) -> io::Result<Option<Fence>> {
    if landlock == 0 {
        return Ok(None);
    }
    let read = read.iter().map(PathBuf::as_path);
    let paths = Paths {
        read: read.chain(["/etc".as_ref(), "/dev".as_ref()]).collect(),
        write: write.iter().map(PathBuf::as_path).collect(),
        devices: fence::DEVICES.map(Path::new).to_vec(),
        view: View::Own,
    };
    Fence::build(&paths, spec.network, landlock).map(Some)
}

/// Program, arguments, environment.
pub(super) type Command = (CString, Vec<CString>, Vec<CString>);

pub(super) fn command(spec: &Spec) -> io::Result<Command> {
    let Some(name) = spec.argv.first() else { return Err(io::Error::other("there is no program")) };
    let missing = |key: &str| !spec.env.iter().any(|(name, _)| name == key);
    let defaults = [("PATH", PATH), ("HOME", "/tmp/home"), ("LANG", "C.UTF-8")];
    let env = spec.env.iter().map(|(key, value)| format!("{key}={value}"));
    let added = defaults.iter().filter(|(key, _)| missing(key)).map(|(key, value)| format!("{key}={value}"));
    let env = env.chain(added).map(CString::new).collect::<Result<_, _>>()?;
    let argv = spec.argv.iter().map(|it| CString::new(it.as_str())).collect::<Result<_, _>>()?;
    let program = if name.contains('/') { PathBuf::from(name) } else { find(name, spec)? };
    Ok((sys::c_path(&program)?, argv, env))
}

/// The program of a name: in the folders of the run's `PATH` if the operator gave one, else of the fixed one.
fn find(name: &str, spec: &Spec) -> io::Result<PathBuf> {
    let path = spec.env.iter().find(|(key, _)| key == "PATH").map_or(PATH, |(_, value)| value);
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
}
