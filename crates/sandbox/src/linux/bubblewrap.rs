//! A run whose namespaces and file tree are made by bubblewrap, at the operator's wish.
//!
//! Answerable for bubblewrap being started without rights or environment of ours, for its first process being ours (so
//! that landlock, filter, limits and proxy are what they always are), and for a bubblewrap that fails being told with its
//! own words. What it cannot give is said in the report; without the operator's word for it nothing is executed.

mod arguments;

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use super::cgroup::Group;
use super::channel::{self, Said};
use super::fence;
use super::helper::{self, Child};
use super::identity::Identity;
use super::init::{self, Begin, Inside};
use super::mounts::{Owner, Tree};
use super::target::Target;
use super::{children, fail_if, probe, sys};
use crate::spec::{Mode, Spec};
use crate::step::{During, Failed, Step};
use arguments::Arguments;

/// The name that this program has as the first process inside.
pub const INSIDE: &str = "portcullis-sandbox-inside";

/// Where bubblewrap is looked for: folders that nobody but the administrator writes.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// The descriptors of the first process: the socket to the helper, the pipe that tells it of the end, the socket to the
/// gate, and the program's three streams.
const LINK: RawFd = 3;
const NEWS: RawFd = 4;
const CONTROL: RawFd = 5;
const STREAMS: [RawFd; 3] = [6, 7, 8];

/// The first process's word that it is there.
const UP: u8 = 4;
/// What is read of what bubblewrap complains of, in bytes.
const COMPLAINT: usize = 1024;

/// Steps that bubblewrap takes, or that are taken before it is started.
const BEFORE: [Step; 15] = [
    Step::Cgroup,
    Step::Identity,
    Step::Namespaces,
    Step::Maps,
    Step::JoinCgroup,
    Step::Root,
    Step::Sources,
    Step::Binds,
    Step::Workspace,
    Step::Guard,
    Step::Devices,
    Step::Proc,
    Step::Names,
    Step::Network,
    Step::Pivot,
];

/// Sees a run through, in the helper.
pub fn run(spec: &Spec, streams: &[OwnedFd; 4]) -> Result<(), Failed> {
    let [input, output, errors, control] = streams;
    let identity = Identity::find().during(Step::Identity, "")?;
    BEFORE.into_iter().try_for_each(|step| fail_if(spec, step))?;
    possible(spec, identity)?;
    let bwrap = PLACES.into_iter().find(|path| Path::new(path).exists());
    let bwrap = bwrap.ok_or_else(|| failed("there is no bwrap: install bubblewrap".to_owned()))?;
    let version = version(bwrap)?;
    let landlock = fence::abi();
    let mut group = Group::make(&helper::name(), landlock >= 2);
    group.limit(&spec.limits, None);
    let report = probe::bubblewrap(spec, &probe::Found { group: &group, landlock }, &version);
    if report.refusal(&spec.accept_missing).is_some() {
        let _gone = channel::send(control.as_fd(), &Said::Refused(report), None);
        return Ok(());
    }
    let arguments = Arguments::of(spec)?;
    // Whoever loses its parent becomes our child, and is found there.
    sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1).during(Step::Fork, "")?;
    let (link, theirs) = UnixStream::pair().during(Step::Handshake, "")?;
    let (news, news_write) = sys::pipe().during(Step::Handshake, "")?;
    let (complaint, complaint_write) = sys::pipe().during(Step::Handshake, "")?;
    let (go, go_write) = sys::pipe().during(Step::Handshake, "")?;
    let pid = sys::fork_into(0).during(Step::Fork, "")?;
    if pid == 0 {
        drop(go_write);
        let theirs = OwnedFd::from(theirs);
        let fds = [&complaint_write, &theirs, &news_write, control, input, output, errors];
        let why = become_bubblewrap(bwrap, arguments, fds, identity, go);
        let _gone = writeln!(File::from(complaint_write), "{why}");
        sys::leave(127);
    }
    drop((theirs, news_write, complaint_write, go, arguments));
    let mut child =
        Child { pid, first: None, alone: false, identity, landlock, link, news, group, reaped: None };
    child.group.join(pid).during(Step::JoinCgroup, "")?;
    io::PipeWriter::from(go_write).write_all(&[1]).during(Step::Handshake, "")?;
    if !is_up(spec, &mut child, control, complaint)? {
        return Ok(());
    }
    channel::send(child.link.as_fd(), spec, None).during(Step::Handshake, "")?;
    child.let_go(spec, control.as_fd(), report)?;
    child.watch(spec, control.as_fd())
}

fn failed(about: String) -> Failed {
    Failed { step: Step::Namespaces, errno: 0, about }
}

/// What cannot be had with it at all.
fn possible(spec: &Spec, identity: Identity) -> Result<(), Failed> {
    if spec.workspace.as_ref().is_some_and(|it| it.mode == Mode::Overlay) {
        let why = "bubblewrap makes no limited layer over the workspace; work in place, or use the gate's own backend";
        return Err(Failed::at(Step::Workspace, &io::Error::other(why), "bubblewrap"));
    }
    if !identity.privileged {
        return Ok(());
    }
    // The program is nobody, and bubblewrap shows no owner as another one.
    let direct = spec.workspace.iter().filter(|it| it.mode == Mode::Direct).map(|it| &it.path);
    for path in direct.chain(&spec.write) {
        let about = path.symlink_metadata().during(Step::Identity, &path.display().to_string())?;
        if std::os::unix::fs::MetadataExt::uid(&about) != identity.uid {
            let why =
                io::Error::other("it does not belong to the program's user; use the gate's own backend");
            return Err(Failed::at(Step::Identity, &why, path.display().to_string()));
        }
    }
    Ok(())
}

fn version(bwrap: &str) -> Result<String, Failed> {
    let said = Command::new(bwrap).arg("--version").env_clear().output().during(Step::Namespaces, bwrap)?;
    let said = String::from_utf8_lossy(&said.stdout).trim().chars().take(64).collect::<String>();
    said.strip_prefix("bubblewrap ")
        .map(str::to_owned)
        .ok_or_else(|| failed(format!("{bwrap} does not say which version it is: {said}")))
}

/// Becomes bubblewrap, which starts us again inside. Comes back only with what failed.
fn become_bubblewrap(
    bwrap: &str,
    arguments: Arguments,
    fds: [&OwnedFd; 7],
    identity: Identity,
    go: OwnedFd,
) -> io::Error {
    let become_it = || {
        if io::PipeReader::from(go).read(&mut [0])? == 0 {
            sys::leave(1);
        }
        let nothing = File::open("/dev/null")?;
        let [streams @ .., last] = STREAMS;
        let at = [0, 1, 2, LINK, NEWS, CONTROL].into_iter().chain(streams).chain([last]);
        let nothing = OwnedFd::from(nothing);
        let given = [&nothing, &nothing].into_iter().chain(fds);
        let moved = given.map(|fd| sys::above(fd.as_fd(), 200)).collect::<io::Result<Vec<_>>>()?;
        let words = arguments.put_in_place()?;
        for (fd, at) in moved.iter().zip(at) {
            sys::put_at(fd.as_raw_fd(), at)?;
        }
        // One that is set-user gets nothing by it.
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
        if sys::euid() == 0 {
            sys::become_user(identity.uid, identity.gid)?;
        }
        Ok::<_, io::Error>(sys::exec(&CString::new(bwrap)?, &words, &[]))
    };
    become_it().unwrap_or_else(|error| error)
}

/// Waits until the first process is there. False if the gate is gone.
fn is_up(spec: &Spec, child: &mut Child, control: &OwnedFd, complaint: OwnedFd) -> Result<bool, Failed> {
    let on = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds = [on(child.link.as_raw_fd()), on(control.as_raw_fd())];
    let most = i32::try_from(spec.limits.wall_ms).unwrap_or(i32::MAX);
    sys::poll(&mut fds, most).during(Step::Handshake, "")?;
    let [up, gate] = fds.map(|it| it.revents != 0);
    if gate {
        return Ok(false);
    }
    let mut word = [0];
    if !up || child.link.read(&mut word).during(Step::Handshake, "")? == 0 || word != [UP] {
        sys::nonblocking(complaint.as_fd()).during(Step::Handshake, "")?;
        let mut said = [0; COMPLAINT];
        let length = io::PipeReader::from(complaint).read(&mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(said.get(..length).unwrap_or_default()).trim().to_owned();
        let step = if said.contains("source path") { Step::Sources } else { Step::Namespaces };
        let about = if said.is_empty() { "bubblewrap says nothing".to_owned() } else { said };
        return Err(Failed { step, ..failed(about) });
    }
    // It is our child's only child, and becomes ours when that is gone.
    let first = children::of(child.pid.unsigned_abs());
    child.first = first.first().map(|pid| sys::pidfd(*pid)).transpose().during(Step::Handshake, "")?;
    Ok(true)
}

/// Runs as the first process inside, and ends it.
pub fn inside() -> i32 {
    match awaited() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn awaited() -> io::Result<()> {
    init::die_with_parent()?;
    let [.., last] = STREAMS;
    sys::close_from(last.unsigned_abs() + 1)?;
    let given = |at| sys::inherited(at).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF));
    let (link, news, control) = (given(LINK)?, given(NEWS)?, given(CONTROL)?);
    sys::default_signals()?;
    let mut link = UnixStream::from(link);
    link.write_all(&[UP])?;
    let Some((spec, _)) = channel::receive::<Spec>(link.as_fd())? else { return Ok(()) };
    let [input, output, errors] = STREAMS.map(given);
    let (input, output, errors) = (input?, output?, errors?);
    let identity = Identity { uid: sys::euid(), gid: sys::egid(), privileged: false };
    let owner = Owner { uid: identity.uid, gid: identity.gid, shown_as: None };
    let streams = [input.as_fd(), output.as_fd(), errors.as_fd()];
    let inside = Inside { spec: &spec, control: control.as_fd(), streams, identity, owner };
    let link = OwnedFd::from(link);
    match started(&inside, &link) {
        Ok(pid) => {
            drop((link, input, output, errors));
            channel::send_pipe(news.as_fd(), &init::wait_for(pid)?)?;
            sys::wait_for_the_end();
            Ok(())
        }
        Err(failed) => channel::send(inside.control, &Said::Failed(failed), None),
    }
}

fn started(inside: &Inside<'_>, link: &OwnedFd) -> Result<libc::pid_t, Failed> {
    let target = Target::ahead(inside.identity, fence::abi())?;
    let (read, write) = arguments::shown(inside.spec);
    let tree = Tree { read, write, upper: None };
    init::begun(inside, Begin { tree, target, link, leave: || Ok(()) })
}
