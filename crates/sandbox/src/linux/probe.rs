//! What this host can keep of what a run is promised.
//!
//! Answerable for the report. A promise that rests on a later step (namespaces, mounts, filters) is kept because
//! the run fails if that step does; what cannot be had at all is said here, with what would mend it. Whether the
//! promises are true is tried by the doctor, not here.

use super::cgroup::Group;
use crate::backend::MadeBy;
use crate::guarantee::{Guarantee, Kept, Report, State};
use crate::spec::{Mode, Network, Spec};
use crate::step::ALLOW_NAMESPACES;

/// What was found on this host.
pub struct Found<'f> {
    /// The control group that could be made, and why parts of it could not be.
    pub group: &'f Group,
    /// The kernel's landlock interface; 0: none.
    pub landlock: i64,
}

/// What mends a host without control groups.
const DELEGATE: &str = "run the gate as root, or in a delegated group: \
    systemd-run --user --scope -p Delegate=yes portcullis ...";
const LANDLOCK: &str = "boot with `landlock` in the kernel's lsm= list; Linux 5.13 or later";

/// The report of a run: what will hold if every step succeeds.
pub fn report(spec: &Spec, found: &Found<'_>) -> Report {
    let line = |guarantee| Kept { guarantee, state: state(guarantee, spec, found) };
    Report { guarantees: Guarantee::ALL.into_iter().map(line).collect(), made_by: None }
}

/// The report of a run whose inside bubblewrap makes.
pub fn bubblewrap(spec: &Spec, found: &Found<'_>, version: &str) -> Report {
    let line = |guarantee| Kept { guarantee, state: bubblewrap_state(guarantee, spec, found) };
    let guarantees = Guarantee::ALL.into_iter().map(line).collect();
    Report { guarantees, made_by: Some(MadeBy::bubblewrap(version)) }
}

/// The report of a run without namespaces, and `why` there are none.
pub fn light(spec: &Spec, found: &Found<'_>, why: &str) -> Report {
    let line = |guarantee| Kept { guarantee, state: light_state(guarantee, spec, found, why) };
    Report { guarantees: Guarantee::ALL.into_iter().map(line).collect(), made_by: None }
}

fn light_state(guarantee: Guarantee, spec: &Spec, found: &Found<'_>, why: &str) -> State {
    let absent = || State::Absent { why: why.to_owned(), remedy: ALLOW_NAMESPACES.to_owned() };
    let partial = |by: &str, missing: &str| State::Partial {
        by: by.to_owned(),
        missing: format!("without namespaces {missing}"),
        remedy: "see `files.hidden`".to_owned(),
    };
    let landlock = format!("landlock (interface {})", found.landlock.min(6));
    match guarantee {
        Guarantee::FilesHidden => absent(),
        Guarantee::FilesRead => by(&landlock),
        Guarantee::FilesWrite if found.landlock >= 3 => by(&landlock),
        Guarantee::FilesWrite => {
            partial(&landlock, "files can be cut short: that needs landlock's third interface")
        }
        Guarantee::FilesMetadata => {
            partial("nothing", "modes, times and attributes of one's own files can be changed")
        }
        Guarantee::Network => by("seccomp: no socket"),
        Guarantee::HostSockets => by("seccomp: no unix socket"),
        Guarantee::ProcessesHidden if found.landlock >= 6 => {
            partial(&format!("{landlock}, seccomp"), "it can be learned which processes there are")
        }
        Guarantee::ProcessesHidden => partial("seccomp", "processes of the same user can be ended"),
        Guarantee::Privileges => by("no_new_privs, no capabilities, seccomp"),
        Guarantee::Processes if found.group.has_pids() => by("control group (pids)"),
        Guarantee::Processes => partial("RLIMIT_NPROC", "all processes of the user are counted"),
        Guarantee::Disk => partial("RLIMIT_FSIZE of each file", "what is written is not limited in sum"),
        Guarantee::Time => {
            partial("the helper's clock", "a process that makes others without end may outlive it")
        }
        Guarantee::GateDeath => partial(
            "the helper's socket to the gate",
            "what the program started outlives a helper that is killed",
        ),
        Guarantee::Ipc => by("seccomp: no shared memory, no queues"),
        _ => state(guarantee, spec, found),
    }
}

fn bubblewrap_state(guarantee: Guarantee, spec: &Spec, found: &Found<'_>) -> State {
    let made = |rest: &str| by(&format!("bubblewrap: {rest}"));
    match guarantee {
        Guarantee::FilesRead | Guarantee::FilesWrite if found.landlock > 0 => {
            made(&format!("mount namespace; landlock (interface {})", found.landlock.min(6)))
        }
        Guarantee::FilesHidden | Guarantee::FilesMetadata => made("mount namespace"),
        Guarantee::Network if spec.network == Network::Proxy => {
            made("network namespace; its only way out is the gate's proxy, seccomp")
        }
        Guarantee::Network => made("network namespace; seccomp: no socket"),
        Guarantee::HostSockets => made("mount and network namespace; seccomp: no unix socket"),
        Guarantee::ProcessesHidden => made("process namespace, /proc of its own; seccomp"),
        Guarantee::Privileges => made("user namespace; no_new_privs, no capabilities, seccomp"),
        Guarantee::Ipc => made("ipc namespace"),
        Guarantee::Time => made("process namespace; the helper's clock"),
        Guarantee::GateDeath => made("process namespace, PR_SET_PDEATHSIG; the helper's socket to the gate"),
        Guarantee::Disk => State::Partial {
            by: "temporary files in memory with a limit on bytes, RLIMIT_FSIZE of each file".to_owned(),
            missing: "bubblewrap limits neither how many files there are, nor what is written in place"
                .to_owned(),
            remedy: "use the gate's own backend".to_owned(),
        },
        _ => state(guarantee, spec, found),
    }
}

fn state(guarantee: Guarantee, spec: &Spec, found: &Found<'_>) -> State {
    match guarantee {
        Guarantee::FilesRead | Guarantee::FilesWrite => files(found),
        Guarantee::FilesHidden | Guarantee::FilesMetadata => by("mount namespace"),
        Guarantee::Network if spec.network == Network::Proxy => {
            by("network namespace whose only way out is the gate's proxy, seccomp")
        }
        Guarantee::Network => by("network namespace without interfaces, seccomp: no socket"),
        Guarantee::HostSockets => by("seccomp: no unix socket, mount and network namespace"),
        Guarantee::KernelSockets => by("seccomp"),
        Guarantee::ProcessesHidden => by("process namespace, /proc of its own, seccomp"),
        Guarantee::Privileges => by("no_new_privs, no capabilities, user namespace, nosuid mounts, seccomp"),
        Guarantee::Kernel => by("seccomp"),
        Guarantee::Memory => memory(found),
        Guarantee::Processes if found.group.has_pids() => by("control group (pids), RLIMIT_NPROC"),
        Guarantee::Processes => by("RLIMIT_NPROC in a user namespace of its own"),
        Guarantee::Cpu => cpu(spec, found),
        Guarantee::Disk => disk(spec),
        Guarantee::FileLimits => by("RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE"),
        Guarantee::Time => by("the helper's clock, process namespace"),
        Guarantee::GateDeath => by("the helper's socket to the gate, PR_SET_PDEATHSIG, process namespace"),
        Guarantee::Ipc => by("ipc namespace"),
        Guarantee::Environment => {
            by("helper is a copy of a process that was started with an empty environment")
        }
        Guarantee::Output => by("the gate"),
    }
}

fn by(by: &str) -> State {
    State::Enforced { by: by.to_owned() }
}

fn files(found: &Found<'_>) -> State {
    if found.landlock > 0 {
        return by(&format!("mount namespace, landlock (interface {})", found.landlock.min(6)));
    }
    State::Partial {
        by: "mount namespace".to_owned(),
        missing: "the kernel has no landlock, the second wall".to_owned(),
        remedy: LANDLOCK.to_owned(),
    }
}

fn why(found: &Found<'_>, controller: &str) -> String {
    let all = found.group.why();
    let said = all.iter().find(|why| why.contains(controller)).or(all.first());
    said.cloned().unwrap_or_else(|| format!("there is no `{controller}` controller"))
}

fn memory(found: &Found<'_>) -> State {
    if found.group.has_memory() {
        return by(&format!("control group (memory, version {})", found.group.version()));
    }
    State::Partial {
        by: "RLIMIT_DATA of each process".to_owned(),
        missing: format!("the processes of a run together are not limited: {}", why(found, "memory")),
        remedy: DELEGATE.to_owned(),
    }
}

fn cpu(spec: &Spec, found: &Found<'_>) -> State {
    if spec.limits.cpu.is_none() {
        return State::NotAsked;
    }
    if found.group.has_cpu() {
        return by(&format!("control group (cpu, version {})", found.group.version()));
    }
    State::Absent { why: why(found, "cpu"), remedy: DELEGATE.to_owned() }
}

fn disk(spec: &Spec) -> State {
    let direct = spec.workspace.as_ref().is_some_and(|it| it.mode == Mode::Direct);
    if !direct && spec.write.is_empty() {
        return by("layers in memory with limits on bytes and files");
    }
    State::Partial {
        by: "RLIMIT_FSIZE of each file".to_owned(),
        missing: "what is written in place is not limited in sum".to_owned(),
        remedy: "let the workspace be an overlay, and list nothing under `write`".to_owned(),
    }
}
