//! The helper: between the gate and the run, and the only one that outlives both.
//!
//! Answerable for the control group and the user's mapping, for the clock, for ending the run when the gate is
//! gone, and for nothing being left over. It has one thread, no environment and nothing of the gate's memory. What it
//! says last, of how the program ended, it says when every process of the run is gone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use libc::pid_t;

use super::cgroup::Group;
use super::channel::{self, Ended, Said};
use super::identity::{self, Identity};
use super::{fail_if, init, mounts, probe, sys};
use crate::spec::Spec;
use crate::step::{During, Failed, Step};

/// The descriptor of the socket to the gate.
pub const CONTROL: i32 = 3;

/// Runs as the helper, until the run is over. The gate's socket is at [`CONTROL`].
pub fn run(control: OwnedFd) -> i32 {
    // A signal to the gate's terminal is the gate's business: it tells us by closing the socket.
    sys::new_session();
    let fds = sys::close_from(CONTROL.unsigned_abs() + 2);
    let spec = match fds.and_then(|()| channel::receive::<Spec>(control.as_fd())) {
        Ok(Some((spec, _))) => spec,
        _ => return 1,
    };
    match supervise(&spec, control.as_fd()) {
        Ok(()) => 0,
        Err(failed) => {
            let _gone = channel::send(control.as_fd(), &Said::Failed(failed), None);
            1
        }
    }
}

fn supervise(spec: &Spec, control: BorrowedFd<'_>) -> Result<(), Failed> {
    fail_if(spec, Step::Cgroup)?;
    let identity = Identity::find().during(Step::Identity, "")?;
    let landlock = super::fence::abi();
    // Landlock's second interface came later than that.
    let (group, why) = Group::make(&name(), &spec.limits, landlock >= 2);
    let report = probe::report(spec, &probe::Found { group: &group, why: &why, landlock });
    if report.refusal(&spec.accept_missing).is_some() {
        let _gone = channel::send(control, &Said::Refused(report), None);
        return Ok(());
    }
    fail_if(spec, Step::Identity)?;
    let shown_as = identity::shown_as(spec, identity)?;
    let owner =
        mounts::Owner { uid: identity.uid, gid: identity.gid, shown_as: shown_as.as_ref().map(AsFd::as_fd) };
    let (go_read, go) = sys::pipe().during(Step::Handshake, "")?;
    let (news, news_write) = sys::pipe().during(Step::Handshake, "")?;
    fail_if(spec, Step::Namespaces)?;
    let pid = sys::fork_into(namespaces(identity)).during(Step::Namespaces, "")?;
    if pid == 0 {
        drop((go, news));
        let inside = init::Inside { spec, control, identity, owner, report: &report, landlock };
        init::run(inside, go_read, news_write);
    }
    drop((go_read, news_write));
    let mut child = Child { pid, group: Some(group), reaped: None };
    child.let_go(spec, identity, go)?;
    child.watch(spec, control, &news)
}

fn namespaces(identity: Identity) -> i32 {
    let all = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if identity.privileged { all } else { all | libc::CLONE_NEWUSER }
}

/// A name that no other run has: the helper's number, and the time for when numbers come round.
fn name() -> String {
    let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    format!("portcullis-{}-{time:x}", std::process::id())
}

/// The run's first process, as the helper holds it. Dropping it ends everything that is inside.
struct Child {
    pid: pid_t,
    group: Option<Group>,
    reaped: Option<i32>,
}

impl Child {
    /// Maps the user, fills the control group, and only then lets the first process go on.
    fn let_go(&self, spec: &Spec, identity: Identity, go: OwnedFd) -> Result<(), Failed> {
        fail_if(spec, Step::Maps)?;
        if !identity.privileged {
            let ids = (identity.uid, identity.gid);
            identity::map(self.pid, ids, ids).during(Step::Maps, "")?;
        }
        fail_if(spec, Step::JoinCgroup)?;
        if let Some(group) = &self.group {
            group.join(self.pid).during(Step::JoinCgroup, "")?;
        }
        fail_if(spec, Step::Handshake)?;
        io::Write::write_all(&mut io::PipeWriter::from(go), &[1]).during(Step::Handshake, "")
    }

    /// Waits for the end: of the program, of its time, or of the gate.
    fn watch(&mut self, spec: &Spec, control: BorrowedFd<'_>, news: &OwnedFd) -> Result<(), Failed> {
        let pidfd = sys::pidfd(self.pid).during(Step::Handshake, "")?;
        let mut clock = Clock::start(spec);
        loop {
            let wait =
                |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let mut fds = [wait(news.as_fd()), wait(pidfd.as_fd()), wait(control)];
            sys::poll(&mut fds, clock.next_ms()).during(Step::Handshake, "")?;
            let [news_in, over, gate] = fds.map(|it| it.revents != 0);
            if news_in || over {
                let ended = channel::receive_once(news.as_fd()).unwrap_or_else(killed);
                self.end();
                self.finish(control, Ended { timed_out: clock.asked, ..ended });
                return Ok(());
            }
            // Nothing more is ever said to us: whatever comes is the end of the gate, or its wish to end the run.
            if gate {
                return Ok(());
            }
            match clock.due() {
                Due::Not => (),
                Due::Ask => _ = sys::signal(pidfd.as_fd(), libc::SIGTERM),
                Due::End => _ = sys::signal(pidfd.as_fd(), libc::SIGKILL),
            }
        }
    }

    fn finish(&self, control: BorrowedFd<'_>, ended: Ended) {
        let out_of_memory = self.group.as_ref().is_some_and(Group::out_of_memory);
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
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
        // Only an empty group can be taken away.
        drop(self.group.take());
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
struct Clock {
    ask: Instant,
    end: Instant,
    asked: bool,
}

enum Due {
    Not,
    Ask,
    End,
}

impl Clock {
    fn start(spec: &Spec) -> Self {
        let ask = Instant::now() + Duration::from_millis(spec.limits.wall_ms);
        Self { ask, end: ask + Duration::from_millis(spec.limits.grace_ms), asked: false }
    }

    fn next_ms(&self) -> i32 {
        let next = if self.asked { self.end } else { self.ask };
        let left = next.saturating_duration_since(Instant::now()).as_millis().saturating_add(1);
        i32::try_from(left).unwrap_or(i32::MAX)
    }

    fn due(&mut self) -> Due {
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
