//! The helper: between the gate and the run, and the only one that outlives both.
//!
//! Answerable for the control group and the user's mapping, for the clock, for ending the run when the gate is
//! gone, and for nothing being left over. It has one thread, no environment and nothing of the gate's memory. What it
//! says last, of how the program ended, it says when every process of the run is gone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use libc::pid_t;

use super::basis::Basis;
use super::cgroup::Group;
use super::channel::{self, Ended, Said};
use super::identity::{self, Identity};
use super::{bubblewrap, carry, children, fail_if, fence, init, light, probe, sys};
use crate::backend::Backend;
use crate::guarantee::{Guarantee, Report, State};
use crate::spec::Spec;
use crate::step::{During, Failed, Step};

/// Runs as the helper, until its run is over. The run comes through the starter's door; `take` says that it came.
pub fn run(door: OwnedFd, take: OwnedFd) -> i32 {
    if children::reap_children(false).is_err() {
        return 1;
    }
    let (streams, child) = match ahead(&door, &take) {
        Ok(Some(come)) => come,
        // The gate is gone.
        Ok(None) => return 0,
        Err(_) => return 1,
    };
    // A starter that is gone makes no other helper; this run has its own.
    let _gone = io::Write::write_all(&mut io::PipeWriter::from(take), &[1]);
    drop(door);
    let [.., control] = &streams;
    let Ok(control) = control.try_clone() else { return 1 };
    let Ok(Some((spec, _))) = channel::receive::<Spec>(control.as_fd()) else { return 1 };
    let supervised = match (&spec.without_namespaces, spec.backend) {
        (None, Backend::Own) => child.and_then(|child| supervise(&spec, child, &streams)),
        (None, Backend::Bubblewrap) => {
            drop(child);
            bubblewrap::run(&spec, &streams)
        }
        (Some(why), _) => {
            drop(child);
            light::run(&spec, streams, why)
        }
    };
    match supervised {
        Ok(()) => 0,
        Err(failed) => {
            let _gone = channel::send(control.as_fd(), &Said::Failed(failed), None);
            1
        }
    }
}

type Come = ([OwnedFd; 4], Result<Child, Failed>);

/// Waits for a run, with a first process that is ready for it; none if the gate is gone.
///
/// The first process holds the host's mounts of when it was made, and is to keep none busy: when they change it is let
/// go, and another one is made when they have come to rest or the run has come.
fn ahead(door: &OwnedFd, take: &OwnedFd) -> io::Result<Option<Come>> {
    let mut basis = Basis::look();
    let mut child = Some(Child::ahead(take));
    loop {
        let changes = basis.as_ref().map_or(-1, Basis::watched);
        let mut fds = [
            libc::pollfd { fd: door.as_raw_fd(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: changes, events: libc::POLLPRI, revents: 0 },
        ];
        let resting = if child.is_some() { -1 } else { REST_MS };
        let ready = sys::poll(&mut fds, resting)?;
        let [come, changed] = fds.map(|it| it.revents != 0);
        if changed {
            child = None;
        }
        if come {
            let streams = match carry::receive_now(door.as_fd()) {
                Ok(Some(streams)) => streams,
                Ok(None) => return Ok(None),
                // Another helper was quicker.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let fresh = child.filter(|_| !basis.as_ref().is_some_and(Basis::is_past));
            return Ok(Some((streams, fresh.unwrap_or_else(|| Child::ahead(take)))));
        }
        if child.is_none() && ready == 0 {
            basis = Basis::look();
            child = Some(Child::ahead(take));
        }
    }
}

fn supervise(spec: &Spec, mut child: Child, streams: &[OwnedFd; 4]) -> Result<(), Failed> {
    let [.., control] = streams;
    for step in AHEAD {
        fail_if(spec, step)?;
    }
    let shown_as = identity::shown_as(spec, child.identity)?;
    // From here on the first process builds the file tree, while we set the limits.
    let link = child.link.as_fd();
    carry::send(link, streams.each_ref().map(AsFd::as_fd)).during(Step::Handshake, "")?;
    channel::send(link, spec, shown_as.as_ref().map(AsFd::as_fd)).during(Step::Handshake, "")?;
    fail_if(spec, Step::Cgroup)?;
    child.group.limit(&spec.limits, Some(child.pid));
    let report = probe::report(spec, &probe::Found { group: &child.group, landlock: child.landlock });
    if report.refusal(&spec.accept_missing).is_some() {
        let _gone = channel::send(control.as_fd(), &Said::Refused(report), None);
        return Ok(());
    }
    child.let_go(spec, control.as_fd(), report)?;
    child.watch(spec, control.as_fd())
}

/// How long the host's mounts must not have changed before a first process is made, in milliseconds.
const REST_MS: i32 = 1000;

/// The steps that are taken before the run comes: how they end is told when it does.
const AHEAD: [Step; 8] = [
    Step::Namespaces,
    Step::Maps,
    Step::Identity,
    Step::JoinCgroup,
    Step::Root,
    Step::Devices,
    Step::Proc,
    Step::Names,
];

/// The namespaces of a run.
fn namespaces(identity: Identity) -> i32 {
    let all = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if identity.privileged { all } else { all | libc::CLONE_NEWUSER }
}

/// A name that no other run has: the helper's number, and the time for when numbers come round.
pub(super) fn name() -> String {
    let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    format!("portcullis-{}-{time:x}", std::process::id())
}

/// The run's first process, as the helper holds it. Dropping it ends everything that is inside.
pub(super) struct Child {
    /// The first process, or the one that has made it.
    pub pid: pid_t,
    /// The first process, where it is another.
    pub first: Option<OwnedFd>,
    /// True if no process of the run outlives it, or becomes ours.
    pub alone: bool,
    /// Who the program will be.
    pub identity: Identity,
    /// The kernel's landlock interface.
    pub landlock: i64,
    /// The socket to the first process.
    pub link: UnixStream,
    /// How the program ended comes here.
    pub news: OwnedFd,
    /// The control group.
    pub group: Group,
    /// Its status, once it was waited for.
    pub reaped: Option<i32>,
}

impl Child {
    /// Makes it, ahead of its run: it waits for one.
    fn ahead(take: &OwnedFd) -> Result<Self, Failed> {
        let identity = Identity::find().during(Step::Identity, "")?;
        let landlock = fence::abi();
        let (link, theirs) = UnixStream::pair().during(Step::Handshake, "")?;
        let (news, news_write) = sys::pipe().during(Step::Handshake, "")?;
        let take = take.try_clone().during(Step::Handshake, "")?;
        let ends = init::Ends { link: theirs.into(), news: news_write, take };
        let pid = sys::fork_into(namespaces(identity)).during(Step::Namespaces, "")?;
        if pid == 0 {
            init::run(init::Alone { identity, landlock }, &ends);
        }
        drop(ends);
        // Landlock's second interface came later than that.
        let group = Group::make(&name(), landlock >= 2);
        let mut child =
            Self { pid, first: None, alone: true, identity, landlock, link, news, group, reaped: None };
        if !identity.privileged {
            let ids = (identity.uid, identity.gid);
            identity::map(pid, ids, ids).during(Step::Maps, "")?;
        }
        // Before it makes the program's process: that is in the group as well.
        child.group.join(pid).during(Step::JoinCgroup, "")?;
        io::Write::write_all(&mut child.link, &[init::MAPPED]).during(Step::Handshake, "")?;
        Ok(child)
    }

    /// Says what holds, and only then lets the first process start the program.
    ///
    /// The first process may speak on the same socket meanwhile, to say that it failed: each frame is one small
    /// message, and none gets into another.
    pub fn let_go(&mut self, spec: &Spec, control: BorrowedFd<'_>, report: Report) -> Result<(), Failed> {
        fail_if(spec, Step::Handshake)?;
        let whole = matches!(report.of(Guarantee::Memory), Some(State::Enforced { .. }));
        channel::send(control, &Said::Holds(report), None).during(Step::Handshake, "")?;
        let word = if whole { init::MEMORY_IS_HELD } else { init::MEMORY_IS_YOURS };
        io::Write::write_all(&mut self.link, &[word]).during(Step::Handshake, "")
    }

    /// Waits for the end: of the program, of its time, or of the gate.
    pub fn watch(&mut self, spec: &Spec, control: BorrowedFd<'_>) -> Result<(), Failed> {
        let pidfd = sys::pidfd(self.pid).during(Step::Handshake, "")?;
        let mut clock = Clock::start(spec);
        loop {
            let wait =
                |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let mut fds = [wait(self.news.as_fd()), wait(pidfd.as_fd()), wait(control)];
            sys::poll(&mut fds, clock.next_ms()).during(Step::Handshake, "")?;
            let [news_in, over, gate] = fds.map(|it| it.revents != 0);
            if news_in || over {
                let ended = channel::receive_once(self.news.as_fd()).unwrap_or_else(|| {
                    self.end();
                    killed()
                });
                // What the first process has said, it has said when it was the last one.
                self.finish(control, Ended { timed_out: clock.asked, ..ended });
                return Ok(());
            }
            // Nothing more is ever said to us: whatever comes is the end of the gate, or its wish to end the run.
            if gate {
                return Ok(());
            }
            match clock.due() {
                Due::Not => (),
                Due::Ask => _ = sys::signal(self.first.as_ref().unwrap_or(&pidfd).as_fd(), libc::SIGTERM),
                Due::End => _ = sys::signal(pidfd.as_fd(), libc::SIGKILL),
            }
        }
    }

    fn finish(&self, control: BorrowedFd<'_>, ended: Ended) {
        let out_of_memory = self.group.out_of_memory();
        let said = Said::Ended(Ended { out_of_memory, ..ended });
        // If the gate is gone nobody wants to know.
        let _gone = channel::send(control, &said, None);
    }

    /// Ends every process that is inside, and waits for it.
    fn end(&mut self) {
        if self.reaped.is_none() {
            // SIGKILL to the first process of a namespace ends all others; waiting for it waits for all of them.
            if let Ok(pidfd) = sys::pidfd(self.pid) {
                let _over = sys::signal(pidfd.as_fd(), libc::SIGKILL);
            }
            self.reaped = sys::wait(self.pid).ok().map(|waited| waited.status);
            if !self.alone {
                children::sweep();
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Only an empty group can be taken away, which happens next.
        self.end();
    }
}

/// The first process was ended from outside: by the clock, by the kernel for memory, or by the administrator.
fn killed() -> Ended {
    Ended {
        code: None,
        signal: Some(libc::SIGKILL),
        timed_out: false,
        out_of_memory: false,
        cpu_ms: 0,
        max_rss_kib: 0,
        written: 0,
    }
}

/// The run's time: first it is asked to end, then it is ended.
pub(super) struct Clock {
    ask: Instant,
    end: Instant,
    /// True once it was asked to end.
    pub asked: bool,
}

/// What its time asks for.
pub(super) enum Due {
    Not,
    Ask,
    End,
}

impl Clock {
    pub fn start(spec: &Spec) -> Self {
        let ask = Instant::now() + Duration::from_millis(spec.limits.wall_ms);
        Self { ask, end: ask + Duration::from_millis(spec.limits.grace_ms), asked: false }
    }

    pub fn next_ms(&self) -> i32 {
        let next = if self.asked { self.end } else { self.ask };
        let left = next.saturating_duration_since(Instant::now()).as_millis().saturating_add(1);
        i32::try_from(left).unwrap_or(i32::MAX)
    }

    pub fn due(&mut self) -> Due {
        let now = Instant::now();
        if now >= self.end {
            return Due::End;
        }
        if now >= self.ask && !self.asked {
            self.asked = true;
            return Due::Ask;
        }
        Due::Not
    }
}
