//! The run's first process: builds the file tree, starts the program, waits for it, and takes all others along.
//!
//! Answerable for the order of the steps inside, for dying with the helper, and for giving up its own rights
//! once the program runs. When it ends the kernel ends every process of the run.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::pid_t;

use super::channel::{self, Ended, Said};
use super::identity::Identity;
use super::mounts::{self, Owner, Tree};
use super::{fail_if, sys, target};
use crate::guarantee::Report;
use crate::spec::{Network, PROXY_PORT, Spec};
use crate::step::{During, Failed, Step};

/// What the first process has from the helper.
pub struct Inside<'i> {
    /// The run.
    pub spec: &'i Spec,
    /// The socket to the gate.
    pub control: BorrowedFd<'i>,
    /// Who the program will be.
    pub identity: Identity,
    /// Who owns what it writes.
    pub owner: Owner<'i>,
    /// What holds.
    pub report: &'i Report,
    /// The kernel's landlock interface.
    pub landlock: i64,
}

/// Runs as the first process. Never comes back.
pub fn run(inside: Inside<'_>, go: OwnedFd, news: OwnedFd) -> ! {
    match started(&inside, go) {
        Ok(pid) => {
            let ended = wait_for(pid);
            let sent = ended.and_then(|ended| channel::send_pipe(news.as_fd(), &ended));
            sys::leave(i32::from(sent.is_err()))
        }
        Err(failed) => {
            let _gone = channel::send(inside.control, &Said::Failed(failed), None);
            sys::leave(1)
        }
    }
}

fn started(inside: &Inside<'_>, go: OwnedFd) -> Result<pid_t, Failed> {
    let (spec, control) = (inside.spec, inside.control);
    die_with_parent().during(Step::Handshake, "")?;
    // Without the helper's word nothing goes on: it may have died before we asked to die with it.
    let mut word = [0];
    let heard = io::Read::read(&mut io::PipeReader::from(go), &mut word).during(Step::Handshake, "")?;
    if heard == 0 {
        sys::leave(1);
    }
    let tree = furnish(inside)?;
    fail_if(spec, Step::Network)?;
    if spec.network == Network::Proxy {
        sys::loopback_up().during(Step::Network, "lo")?;
        fail_if(spec, Step::Listener)?;
        listener(control).during(Step::Listener, "")?;
    }
    if let Some(upper) = &tree.upper {
        channel::send(control, &Said::Upper, Some(upper.as_fd())).during(Step::Handshake, "")?;
    }
    channel::send(control, &Said::Holds(inside.report.clone()), None).during(Step::Handshake, "")?;
    fail_if(spec, Step::Fork)?;
    let (fault, fault_write) = sys::pipe().during(Step::Fork, "")?;
    let pid = sys::fork_into(0).during(Step::Fork, "")?;
    if pid == 0 {
        drop(fault);
        target::run(inside, &tree, &fault_write);
    }
    drop((fault_write, tree));
    fail_if(spec, Step::DropInit)?;
    give_up(inside.identity).during(Step::DropInit, "")?;
    // The pipe is closed by exec; whatever comes out of it is why there was none.
    match channel::receive_pipe::<Failed>(fault.as_fd()).during(Step::Exec, "")? {
        Some(failed) => Err(failed),
        None => {
            channel::send(control, &Said::Started, None).during(Step::Handshake, "")?;
            Ok(pid)
        }
    }
}

fn furnish(inside: &Inside<'_>) -> Result<Tree, Failed> {
    let spec = inside.spec;
    fail_if(spec, Step::Root)?;
    mounts::make_private()?;
    fail_if(spec, Step::Sources)?;
    let sources = mounts::open(spec, inside.owner)?;
    let tree = mounts::build(spec, sources, inside.owner)?;
    fail_if(spec, Step::Names)?;
    sys::set_hostname(b"sandbox").during(Step::Names, "")?;
    Ok(tree)
}

fn die_with_parent() -> io::Result<()> {
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

/// Reaps whoever ends, until the program does.
fn wait_for(pid: pid_t) -> io::Result<Ended> {
    let status = loop {
        let waited = sys::wait(-1)?;
        if waited.pid == pid {
            break waited.status;
        }
    };
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
