//! The steps between asking for a run and its first instruction, and how one of them fails.
//!
//! Answerable for every step having a name that can be told to people and made to fail by tests.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// One step, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation; `Step::says` is the sentence")]
pub enum Step {
    Cgroup,
    Identity,
    Namespaces,
    Maps,
    JoinCgroup,
    Handshake,
    Root,
    Sources,
    Binds,
    Workspace,
    Guard,
    Devices,
    Proc,
    Pivot,
    Names,
    Network,
    Fork,
    Listener,
    DropInit,
    User,
    Capabilities,
    Rlimits,
    Descriptors,
    Landlock,
    Seccomp,
    Folder,
    Exec,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Cgroup,
        Self::Identity,
        Self::Namespaces,
        Self::Maps,
        Self::JoinCgroup,
        Self::Handshake,
        Self::Root,
        Self::Sources,
        Self::Binds,
        Self::Workspace,
        Self::Guard,
        Self::Devices,
        Self::Proc,
        Self::Pivot,
        Self::Names,
        Self::Network,
        Self::Fork,
        Self::Listener,
        Self::DropInit,
        Self::User,
        Self::Capabilities,
        Self::Rlimits,
        Self::Descriptors,
        Self::Landlock,
        Self::Seccomp,
        Self::Folder,
        Self::Exec,
    ];

    /// What could not be done.
    pub fn says(self) -> &'static str {
        match self {
            Self::Cgroup => "a control group could not be made",
            Self::Identity => "the owner of the workspace could not be mapped",
            Self::Namespaces => "the namespaces could not be made",
            Self::Maps => "the user could not be mapped",
            Self::JoinCgroup => "the run could not be put into its control group",
            Self::Handshake => "the helper went away",
            Self::Root => "the new root could not be made",
            Self::Sources => "a path of the run cannot be opened",
            Self::Binds => "a path of the run cannot be shown inside",
            Self::Workspace => "the workspace cannot be shown inside",
            Self::Guard => "what runs later could not be made read-only",
            Self::Devices => "the devices could not be shown inside",
            Self::Proc => "/proc could not be mounted",
            Self::Pivot => "the old root could not be left",
            Self::Names => "the host name could not be set",
            Self::Network => "the network of the run could not be brought up",
            Self::Listener => "the proxy's listener could not be handed over",
            Self::Fork => "the program's process could not be made",
            Self::DropInit => "the run's first process could not give up its rights",
            Self::User => "the program's user could not be set",
            Self::Capabilities => "capabilities could not be given up",
            Self::Rlimits => "resource limits could not be set",
            Self::Descriptors => "open descriptors could not be closed",
            Self::Landlock => "landlock could not be enforced",
            Self::Seccomp => "the system call filter could not be enforced",
            Self::Folder => "the folder to start in cannot be entered",
            Self::Exec => "the program cannot be started",
        }
    }
}

/// A step that failed. Nothing was executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The step.
    pub step: Step,
    /// The operating system's error number; 0 if it is none of its errors.
    pub errno: i32,
    /// What it was about: a path, a name.
    pub about: String,
}

impl Failed {
    /// A step that an operation of the system failed at.
    pub fn at(step: Step, error: &io::Error, about: impl Into<String>) -> Self {
        let mut about = about.into();
        if error.raw_os_error().is_none() {
            about = format!("{about}: {error}");
        }
        Self { step, errno: error.raw_os_error().unwrap_or(0), about }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.says())?;
        if !self.about.is_empty() {
            write!(f, " (`{}`)", self.about.escape_debug())?;
        }
        if self.errno != 0 {
            write!(f, ": {}", io::Error::from_raw_os_error(self.errno))?;
        }
        Ok(())
    }
}

/// Gives a step's name to an error.
#[cfg(target_os = "linux")]
pub(crate) trait During<T> {
    fn during(self, step: Step, about: &str) -> Result<T, Failed>;
}

#[cfg(target_os = "linux")]
impl<T> During<T> for io::Result<T> {
    fn during(self, step: Step, about: &str) -> Result<T, Failed> {
        self.map_err(|error| Failed::at(step, &error, about))
    }
}

/// What a failure is about that comes from there being no namespaces.
pub(crate) const WITHOUT_NAMESPACES: &str = "without namespaces";
/// What mends a host without namespaces.
pub(crate) const ALLOW_NAMESPACES: &str = "allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1, \
    kernel.apparmor_restrict_unprivileged_userns=0), or run the gate as root";

impl Failed {
    /// True if it says that this host has no namespaces for us: they cannot be made, or nothing can be mounted in them.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_for_want_of_namespaces(&self) -> bool {
        let step = matches!(self.step, Step::Namespaces | Step::Maps | Step::Root | Step::Proc | Step::Pivot);
        let denied = [
            libc::EPERM,
            libc::EACCES,
            libc::ENOSYS,
            libc::EINVAL,
            libc::ENOSPC,
            libc::EUSERS,
            libc::EOPNOTSUPP,
        ];
        step && denied.contains(&self.errno)
    }

    /// What would mend it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self.step {
            _ if self.about.starts_with(WITHOUT_NAMESPACES) => Some(ALLOW_NAMESPACES),
            Step::Namespaces | Step::Maps | Step::Root | Step::Proc => Some(ALLOW_NAMESPACES),
            Step::Landlock => Some("boot with `landlock` in the kernel's lsm= list; Linux 5.13 or later"),
            Step::Seccomp => Some("use a kernel with CONFIG_SECCOMP_FILTER"),
            _ => None,
        }
    }
}
