//! Who the program is: an unprivileged user, whoever starts it, and how files of the host's owner are shown to it.
//!
//! Answerable for user mappings being written from outside, and for the mapping that lets nobody change files
//! that root owns, in the workspace and nowhere else.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use libc::pid_t;

use super::{INSIDE, sys};
use crate::spec::Spec;
use crate::step::{During, Failed, Step};

/// CAP_SYS_ADMIN.
const SYS_ADMIN: u32 = 21;

/// Who the program is, and by which road it gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its user, as the host counts.
    pub uid: u32,
    /// Its group, as the host counts.
    pub gid: u32,
    /// True if the helper is root and mounts with its own rights; else it needs a user namespace for that.
    pub privileged: bool,
}

impl Identity {
    /// Of this process.
    pub fn find() -> io::Result<Self> {
        let (uid, gid) = (sys::euid(), sys::egid());
        if uid != 0 {
            return Ok(Self { uid, gid, privileged: false });
        }
        Ok(Self { uid: INSIDE, gid: INSIDE, privileged: sys::can(SYS_ADMIN)? })
    }
}

/// Maps one user and one group into the user namespace of a process.
pub fn map(pid: pid_t, inside: (u32, u32), outside: (u32, u32)) -> io::Result<()> {
    // As root the groups could be kept; nobody needs them.
    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    fs::write(format!("/proc/{pid}/uid_map"), format!("{} {} 1", inside.0, outside.0))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{} {} 1", inside.1, outside.1))
}

/// For root: a namespace in which the owner of what is to be written is the program's user.
pub fn shown_as(spec: &Spec, identity: Identity) -> Result<Option<OwnedFd>, Failed> {
    if !identity.privileged {
        return Ok(None);
    }
    let mut owner = None;
    let workspace = spec.workspace.iter().map(|it| &it.path);
    for path in workspace.chain(&spec.write) {
        let about = fs::symlink_metadata(path).during(Step::Identity, &path.display().to_string())?;
        let found = (about.uid(), about.gid());
        if owner.is_some_and(|owner| owner != found) {
            let error = io::Error::other("it belongs to another user than the rest of what is to be written");
            return Err(Failed::at(Step::Identity, &error, path.display().to_string()));
        }
        owner = Some(found);
    }
    match owner.filter(|owner| *owner != (identity.uid, identity.gid)) {
        None => Ok(None),
        Some(owner) => mapping(owner, (identity.uid, identity.gid)).during(Step::Identity, "").map(Some),
    }
}

/// A user namespace with one mapping. Its only process lives for as long as it takes to open it.
fn mapping(on_disk: (u32, u32), shown: (u32, u32)) -> io::Result<OwnedFd> {
    let (wait, go) = sys::pipe()?;
    let pid = sys::fork_into(libc::CLONE_NEWUSER)?;
    if pid == 0 {
        drop(go);
        let mut pipe = io::PipeReader::from(wait);
        let _ended = io::Read::read(&mut pipe, &mut [0]);
        sys::leave(0);
    }
    let opened = map(pid, on_disk, shown).and_then(|()| fs::File::open(format!("/proc/{pid}/ns/user")));
    let pidfd = sys::pidfd(pid)?;
    // It is reaped when the helper ends: to wait for it here would cost a start as much as to make it.
    sys::signal(pidfd.as_fd(), libc::SIGKILL)?;
    opened.map(OwnedFd::from)
}
