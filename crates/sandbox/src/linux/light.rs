//! A run on a host without namespaces: the gate's own files, processes and network stay where they are, and only
//! landlock, the system call filter and resource limits stand between them and the program.
//!
//! Answerable for never being a way out: it is taken only after namespaces have failed, its report says what it cannot
//! keep, and without the operator's word for each of these nothing is executed. What would need more than it has (a
//! proxy, a layer over the workspace) is refused whatever was waived.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use libc::pid_t;

use super::cgroup::Group;
use super::channel::{self, Ended, Said};
use super::fence::{self, Paths, View};
use super::helper::{Clock, Due};
use super::identity::Identity;
use super::{children, filter, helper, init, mounts, probe, slim, sys, target};
use crate::guarantee::{Guarantee, State};
use crate::spec::{Mode, Network, Spec};
use crate::step::{During, Failed, Step, WITHOUT_NAMESPACES};

/// Files of `/etc` that programs look into; in this tier they are the host's.
const LOOKED_INTO: [&str; 11] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
    "/etc/services",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
];

/// How many processes the user may start besides while the run goes on: they take from what the run may have.
const MEANWHILE: u64 = 32;

/// Sees a run through. `why` there are no namespaces.
pub fn run(spec: &Spec, streams: [OwnedFd; 4], why: &str) -> Result<(), Failed> {
    let [input, output, errors, control] = streams;
    let control = control.as_fd();
    let identity = Identity::find().during(Step::Identity, "")?;
    let landlock = fence::abi();
    if landlock == 0 {
        return Err(Failed {
            step: Step::Landlock,
            errno: libc::ENOSYS,
            about: WITHOUT_NAMESPACES.to_owned(),
        });
    }
    let mut group = Group::make(&helper::name(), false);
    group.limit(&spec.limits, None);
    let found = probe::Found { group: &group, landlock };
    let report = probe::light(spec, &found, why);
    if report.refusal(&spec.accept_missing).is_some() {
        let _gone = channel::send(control, &Said::Refused(report), None);
        return Ok(());
    }
    possible(spec, why)?;
    let scratch = Scratch::make(identity).during(Step::Workspace, "")?;
    // Whoever loses its parent becomes our child, and is found there.
    sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1).during(Step::Fork, "")?;
    let (go, go_write) = sys::pipe().during(Step::Handshake, "")?;
    let (fault, fault_write) = sys::pipe().during(Step::Fork, "")?;
    let held = matches!(report.of(Guarantee::Memory), Some(State::Enforced { .. }));
    let counted = group.has_pids();
    let pid = sys::fork_into(0).during(Step::Fork, "")?;
    if pid == 0 {
        drop((go_write, fault));
        let alone = Alone { spec, identity, landlock, held, counted, scratch: &scratch.0 };
        let failed = become_program(&alone, [&input, &output, &errors], go, &fault_write);
        let _gone = channel::send_pipe(fault_write.as_fd(), &failed);
        sys::leave(127);
    }
    drop((go, fault_write, input, output, errors));
    // Ends everything, in whatever way we come to leave.
    let _tree = Tree(pid);
    group.join(pid).during(Step::JoinCgroup, "")?;
    channel::send(control, &Said::Holds(report), None).during(Step::Handshake, "")?;
    io::Write::write_all(&mut io::PipeWriter::from(go_write), &[1]).during(Step::Handshake, "")?;
    if let Some(failed) = channel::receive_pipe::<Failed>(fault.as_fd()).during(Step::Exec, "")? {
        return Err(failed);
    }
    channel::send(control, &Said::Started, None).during(Step::Handshake, "")?;
    if let Some(ended) = watch(spec, control, pid)? {
        let ended = Ended { out_of_memory: group.out_of_memory(), ..ended };
        drop(scratch);
        // If the gate is gone nobody wants to know.
        let _gone = channel::send(control, &Said::Ended(ended), None);
    }
    Ok(())
}

/// What cannot be had here at all, waived or not.
fn possible(spec: &Spec, why: &str) -> Result<(), Failed> {
    let about = format!("{WITHOUT_NAMESPACES} ({why})");
    let none = |step, error: &str| Err(Failed::at(step, &io::Error::other(error.to_owned()), about.clone()));
    if spec.network == Network::Proxy {
        return none(Step::Network, "hosts cannot be told apart without a network of its own; list none");
    }
    if spec.workspace.as_ref().is_some_and(|it| it.mode == Mode::Overlay) {
        return none(
            Step::Workspace,
            "a layer over the workspace needs mounts; work in place, or without one",
        );
    }
    if let Some(path) = spec.guarded.first() {
        let why = format!("`{}` runs later, and cannot be made read-only", path.display());
        return none(Step::Guard, &why);
    }
    if !spec.shown.is_empty() {
        return none(Step::Binds, "a file cannot be shown under another name");
    }
    Ok(())
}

/// What the program's process knows.
struct Alone<'a> {
    spec: &'a Spec,
    identity: Identity,
    landlock: i64,
    held: bool,
    counted: bool,
    scratch: &'a Path,
}

/// Gives everything up, in the right order. Comes back only with what failed.
fn become_program(alone: &Alone<'_>, streams: [&OwnedFd; 3], go: OwnedFd, fault: &OwnedFd) -> Failed {
    match prepared(alone, streams, go, fault) {
        Err(failed) => failed,
        Ok((program, argv, env)) => {
            Failed::at(Step::Exec, &sys::exec(&program, &argv, &env), program.to_string_lossy())
        }
    }
}

fn prepared(
    alone: &Alone<'_>,
    streams: [&OwnedFd; 3],
    go: OwnedFd,
    fault: &OwnedFd,
) -> Result<target::Command, Failed> {
    let Alone { spec, identity, landlock, held, counted, scratch } = alone;
    let mut word = [0];
    let heard = io::Read::read(&mut io::PipeReader::from(go), &mut word).during(Step::Handshake, "")?;
    if heard == 0 {
        sys::leave(1);
    }
    sys::new_session();
    sys::default_signals().during(Step::User, "")?;
    for (to, fd) in (0..).zip(streams) {
        sys::put_at(fd.as_raw_fd(), to).during(Step::Descriptors, "")?;
    }
    if sys::euid() == 0 {
        sys::become_user(identity.uid, identity.gid).during(Step::User, "")?;
    }
    sys::drop_capabilities().during(Step::Capabilities, "")?;
    if sys::has_capabilities().during(Step::Capabilities, "")? {
        return Err(Failed::at(Step::Capabilities, &io::Error::other("some are left"), ""));
    }
    init::die_with_parent().during(Step::Handshake, "")?;
    let others = if *counted { 0 } else { processes_of(sys::euid()).saturating_add(MEANWHILE) };
    let mut limits = spec.limits.clone();
    limits.processes = limits.processes.saturating_add(others);
    slim::as_the_gate();
    target::limits(&limits, *held).during(Step::Rlimits, "")?;
    let cwd = if spec.cwd == Path::new("/tmp") { scratch } else { spec.cwd.as_path() };
    std::env::set_current_dir(cwd).during(Step::Folder, &cwd.display().to_string())?;
    let mut spec = (*spec).clone();
    for name in ["HOME", "TMPDIR"] {
        if !spec.env.iter().any(|(key, _)| key == name) {
            spec.env.push((name.to_owned(), scratch.display().to_string()));
        }
    }
    let command = target::command(&spec).during(Step::Exec, spec.argv.first().map_or("", String::as_str))?;
    let filter = filter::program(spec.network, View::Host).during(Step::Seccomp, "")?;
    target::descriptors(fault).during(Step::Descriptors, "")?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).during(Step::Landlock, "")?;
    fence::enforce(&paths(&spec, scratch), spec.network, *landlock).during(Step::Landlock, "")?;
    filter::apply(&filter).during(Step::Seccomp, "")?;
    Ok(command)
}

fn paths<'p>(spec: &'p Spec, scratch: &'p Path) -> Paths<'p> {
    let listed = spec.read.iter().map(PathBuf::as_path);
    let system = mounts::SYSTEM.into_iter().chain(LOOKED_INTO).map(Path::new);
    let mut paths = Paths {
        read: system.chain(listed).collect(),
        write: spec.write.iter().map(PathBuf::as_path).chain([scratch]).collect(),
        devices: fence::DEVICES.map(Path::new).to_vec(),
        view: View::Host,
    };
    if let Some(workspace) = &spec.workspace {
        let list = if workspace.mode == Mode::ReadOnly { &mut paths.read } else { &mut paths.write };
        list.push(&workspace.path);
    }
    paths
}

/// How many processes and threads a user has: the limit counts these, too.
fn processes_of(uid: u32) -> u64 {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let ours = listed.filter(|path| fs::metadata(path.join("task")).is_ok_and(|about| about.uid() == uid));
    let tasks = ours.map(|path| fs::read_dir(path.join("task")).map_or(0, Iterator::count));
    u64::try_from(tasks.sum::<usize>()).unwrap_or(u64::MAX)
}

/// Waits for the end: of the program, of its time, or of the gate (then there is nothing to be told).
fn watch(spec: &Spec, control: BorrowedFd<'_>, pid: pid_t) -> Result<Option<Ended>, Failed> {
    let pidfd = sys::pidfd(pid).during(Step::Handshake, "")?;
    let mut clock = Clock::start(spec);
    loop {
        let wait = |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut fds = [wait(pidfd.as_fd()), wait(control)];
        sys::poll(&mut fds, clock.next_ms()).during(Step::Handshake, "")?;
        let [over, gate] = fds.map(|it| it.revents != 0);
        if over {
            let status = sys::wait(pid).during(Step::Handshake, "")?.status;
            children::sweep();
            let ended = init::ended(status).during(Step::Handshake, "")?;
            return Ok(Some(Ended { timed_out: clock.asked, ..ended }));
        }
        if gate {
            return Ok(None);
        }
        match clock.due() {
            Due::Not => (),
            Due::Ask => children::signal_group(pid, libc::SIGTERM),
            Due::End => _ = sys::signal(pidfd.as_fd(), libc::SIGKILL),
        }
    }
}

/// The processes of a run: dropped, they are ended.
struct Tree(pid_t);

impl Drop for Tree {
    fn drop(&mut self) {
        children::signal_group(self.0, libc::SIGKILL);
        children::sweep();
    }
}

/// A folder for the run's temporary files and its home, which goes away with it.
struct Scratch(PathBuf);

impl Scratch {
    fn make(identity: Identity) -> io::Result<Self> {
        let scratch = Self(Path::new("/tmp").join(helper::name()));
        DirBuilder::new().mode(0o700).create(&scratch.0)?;
        if sys::euid() == 0 {
            std::os::unix::fs::lchown(&scratch.0, Some(identity.uid), Some(identity.gid))?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}
