//! The run's first process: builds the file tree, starts the program, waits for it, and takes all others along.
//!
//! It is there before its run comes. Answerable for the order of the steps inside, for dying with the helper, and for giving up its own rights
//! once the program runs. When it ends the kernel ends every process of the run.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::pid_t;

use super::channel::{self, Ended, Said};
use super::identity::Identity;
use super::mounts::{self, Ground, Owner, Tree};
use super::target::Target;
use super::{carry, fail_if, sys};
use crate::spec::{Network, PROXY_PORT, Spec};
use crate::step::{During, Failed, Step};

/// The helper's word that the user is mapped, and the tree can be prepared.
pub const MAPPED: u8 = 3;
/// The helper's word that the program may start, where a control group holds the memory of the whole run.
pub const MEMORY_IS_HELD: u8 = 1;
/// The same where each process is to be held by its own limits.
pub const MEMORY_IS_YOURS: u8 = 2;

/// The descriptors that the first process keeps: the socket to the helper, the pipe that tells it of the end, and the
/// pipe to the starter, which is told when the next helper can be made.
const LINK: i32 = 3;
const NEWS: i32 = 4;
const TAKE: i32 = 5;

/// What the first process knows before its run comes.
#[derive(Clone, Copy)]
pub struct Alone {
    /// Who the program will be.
    pub identity: Identity,
    /// The kernel's landlock interface.
    pub landlock: i64,
}

/// What it knows of its run.
pub struct Inside<'i> {
    /// The run.
    pub spec: &'i Spec,
    /// The socket to the gate.
    pub control: BorrowedFd<'i>,
    /// What the program reads and prints on.
    pub streams: [BorrowedFd<'i>; 3],
    /// Who the program will be.
    pub identity: Identity,
    /// Who owns what it writes.
    pub owner: Owner<'i>,
}

/// What the first process can say, and to whom.
pub struct Ends {
    /// The helper.
    pub link: OwnedFd,
    /// The helper, at the end.
    pub news: OwnedFd,
    /// The starter.
    pub take: OwnedFd,
}

/// Runs as the first process. Never comes back.
pub fn run(alone: Alone, ends: &Ends) -> ! {
    match kept(ends).and_then(|ends| awaited(alone, ends)) {
        Ok(()) => sys::leave(0),
        Err(_) => sys::leave(1),
    }
}

/// Closes whatever else of the helper's is open here.
fn kept(ends: &Ends) -> io::Result<Ends> {
    let moved = [&ends.link, &ends.news, &ends.take].map(|fd| sys::above(fd.as_fd(), 10));
    for (fd, at) in moved.into_iter().zip([LINK, NEWS, TAKE]) {
        let fd = fd?;
        sys::put_at(fd.as_raw_fd(), at)?;
        // Its number is closed below: nobody is to close it once more.
        std::mem::forget(fd);
    }
    sys::close_from(TAKE.unsigned_abs() + 1)?;
    let end = |at| sys::inherited(at).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF));
    Ok(Ends { link: end(LINK)?, news: end(NEWS)?, take: end(TAKE)? })
}

/// Prepares what every run has, waits for the run, and sees it through. Without the helper's word nothing goes on: it
/// may have died before we asked to die with it, and then the socket has no other end.
fn awaited(alone: Alone, ends: Ends) -> io::Result<()> {
    let Ends { link, news, take } = ends;
    die_with_parent()?;
    if channel::word(link.as_fd())? != Some(MAPPED) {
        return Ok(());
    }
    // A host that lacks something is told of when there is somebody to be told.
    let ready = prepared(&alone);
    let Some(streams) = carry::receive(link.as_fd())? else { return Ok(()) };
    let Some((spec, shown_as)) = channel::receive::<Spec>(link.as_fd())? else { return Ok(()) };
    let [input, output, errors, control] = streams;
    let streams = [input.as_fd(), output.as_fd(), errors.as_fd()];
    let identity = alone.identity;
    let owner = Owner { uid: identity.uid, gid: identity.gid, shown_as: shown_as.as_ref().map(AsFd::as_fd) };
    let inside = Inside { spec: &spec, control: control.as_fd(), streams, identity, owner };
    match ready.and_then(|ready| started(&inside, ready, &link)) {
        Ok(pid) => {
            // The streams are the program's alone from now on. The socket to the gate stays: it says that we are there.
            drop((link, input, output, errors));
            // From here on the next helper can be made. A starter that has not waited does not hear it.
            let _gone = io::Write::write_all(&mut io::PipeWriter::from(take), &[1]);
            channel::send_pipe(news.as_fd(), &wait_for(pid)?)?;
            // To take the namespaces apart takes longer than to tell: the helper has told first when it ends us.
            sys::wait_for_the_end();
            Ok(())
        }
        Err(failed) => channel::send(inside.control, &Said::Failed(failed), None),
    }
}

/// What is there when the run comes.
struct Ready {
    ground: Ground,
    target: Target,
}

fn prepared(alone: &Alone) -> Result<Ready, Failed> {
    sys::default_signals().during(Step::User, "")?;
    sys::set_hostname(b"sandbox").during(Step::Names, "")?;
    let Alone { identity, landlock } = *alone;
    // As late as can be: what this process writes from here on is copied.
    let made = || Target::ahead(identity, landlock);
    let (ground, target) = mounts::prepare(identity.uid, identity.gid, made)?;
    Ok(Ready { ground, target })
}

fn started(inside: &Inside<'_>, ready: Ready, link: &OwnedFd) -> Result<pid_t, Failed> {
    let spec = inside.spec;
    let Ready { ground, target } = ready;
    let tree = mounts::furnish(spec, ground, inside.owner)?;
    fail_if(spec, Step::Network)?;
    if spec.network == Network::Proxy {
        sys::loopback_up().during(Step::Network, "lo")?;
    }
    begun(inside, Begin { tree, target, link, leave: mounts::leave_old })
}

/// What is there when the program can be begun.
pub struct Begin<'b> {
    /// The file tree.
    pub tree: Tree,
    /// The program's process.
    pub target: Target,
    /// The socket to the helper.
    pub link: &'b OwnedFd,
    /// Leaves what is still there of the host's tree.
    pub leave: fn() -> io::Result<()>,
}

/// Starts the program, whoever has made the inside.
pub fn begun(inside: &Inside<'_>, begin: Begin<'_>) -> Result<pid_t, Failed> {
    let (spec, control) = (inside.spec, inside.control);
    let Begin { tree, target, link, leave } = begin;
    fail_if(spec, Step::Fork)?;
    let [input, output, errors] = inside.streams;
    target.tell(spec, &tree, [input, output, errors, control]).during(Step::Fork, "")?;
    // The kernel waits for all processors to leave the old root. Meanwhile the helper sets the limits, and the program's
    // process gets ready: it waits for our word before it goes on.
    fail_if(spec, Step::Pivot)?;
    leave().during(Step::Pivot, "")?;
    // Without the helper's word nothing goes on.
    let Some(word) = channel::word(link.as_fd()).during(Step::Handshake, "")? else { sys::leave(1) };
    hand_out(inside, tree)?;
    fail_if(spec, Step::DropInit)?;
    give_up(inside.identity).during(Step::DropInit, "")?;
    let pid = target.let_go(word)?;
    channel::send(control, &Said::Started, None).during(Step::Handshake, "")?;
    Ok(pid)
}

/// What the gate gets of the inside: the proxy's listener, and the layer that takes the workspace's changes.
fn hand_out(inside: &Inside<'_>, tree: Tree) -> Result<(), Failed> {
    if inside.spec.network == Network::Proxy {
        fail_if(inside.spec, Step::Listener)?;
        listener(inside.control).during(Step::Listener, "")?;
    }
    let Some(upper) = tree.upper else { return Ok(()) };
    channel::send(inside.control, &Said::Upper, Some(upper.as_fd())).during(Step::Handshake, "")
}

pub(super) fn die_with_parent() -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGKILL.unsigned_abs())).map(drop)
}

fn listener(control: BorrowedFd<'_>) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", PROXY_PORT))?;
    channel::send(control, &Said::Listener, Some(listener.as_fd()))
}

/// From here on the first process can do nothing but wait.
fn give_up(identity: Identity) -> io::Result<()> {
    if identity.privileged {
        sys::become_user(identity.uid, identity.gid)?;
    }
    sys::drop_capabilities()?;
    sys::pass_sigterm_on()?;
    // Last: a change of user takes it away.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    die_with_parent()
}

/// Waits for the program, ends what it left, and waits for that too.
pub(super) fn wait_for(pid: pid_t) -> io::Result<Ended> {
    let mut status = None;
    loop {
        match sys::wait(-1) {
            Ok(waited) if waited.pid == pid => {
                status = Some(waited.status);
                sys::signal_all(libc::SIGKILL);
            }
            Ok(_) => (),
            // Whoever lost its parent is our child: there is no other process in here.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => break,
            Err(error) => return Err(error),
        }
    }
    ended(status.ok_or_else(|| io::Error::other("the program was never ours"))?)
}

/// The end of the program, and what all that was waited for has used.
pub(super) fn ended(status: libc::c_int) -> io::Result<Ended> {
    let usage = sys::children_usage()?;
    let ms = |time: libc::timeval| {
        let (seconds, micros) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec));
        seconds.unwrap_or(0).saturating_mul(1000).saturating_add(micros.unwrap_or(0) / 1000)
    };
    Ok(Ended {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        timed_out: false,
        out_of_memory: false,
        cpu_ms: ms(usage.ru_utime).saturating_add(ms(usage.ru_stime)),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        written: u64::try_from(usage.ru_oublock).unwrap_or(0).saturating_mul(512),
    })
}
