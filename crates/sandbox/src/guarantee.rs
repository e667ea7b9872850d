//! What a run is promised, and for each promise by what it is kept, or why it is not.
//!
//! Answerable for the words, and for refusing a run whose promises are not all kept. Knows nothing of how any
//! of them is kept: whoever enforces says so.

use std::fmt;

use crate::backend::MadeBy;
use serde::{Deserialize, Serialize};

/// One promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Guarantee {
    /// Only what is listed can be read.
    #[serde(rename = "files.read")]
    FilesRead,
    /// Only what is listed can be seen to exist.
    #[serde(rename = "files.hidden")]
    FilesHidden,
    /// Only what is listed can be written.
    #[serde(rename = "files.write")]
    FilesWrite,
    /// Modes, times and attributes of other files stay as they are.
    #[serde(rename = "files.metadata")]
    FilesMetadata,
    /// No network, or only the proxy.
    #[serde(rename = "network")]
    Network,
    /// No unix socket of the host.
    #[serde(rename = "sockets.host")]
    HostSockets,
    /// No vsock, no io_uring, and no other way around the network's walls.
    #[serde(rename = "sockets.kernel")]
    KernelSockets,
    /// Other processes can be neither seen nor touched.
    #[serde(rename = "processes.hidden")]
    ProcessesHidden,
    /// No privilege is gained, and no namespace made.
    #[serde(rename = "privileges")]
    Privileges,
    /// Parts of the kernel that no program of this kind needs are out of reach.
    #[serde(rename = "kernel")]
    Kernel,
    /// The memory of the whole run is limited.
    #[serde(rename = "memory")]
    Memory,
    /// The number of processes is limited.
    #[serde(rename = "processes")]
    Processes,
    /// The share of the processor is limited.
    #[serde(rename = "cpu")]
    Cpu,
    /// The bytes and files that the workspace takes are limited.
    #[serde(rename = "disk")]
    Disk,
    /// Open files and the size of one file are limited; there is no core dump.
    #[serde(rename = "files.limits")]
    FileLimits,
    /// It ends when its time is over, with everything it started.
    #[serde(rename = "time")]
    Time,
    /// It ends when the gate does.
    #[serde(rename = "gate.death")]
    GateDeath,
    /// Nothing of it is left in shared memory or message queues.
    #[serde(rename = "ipc")]
    Ipc,
    /// No variable of the gate's environment is in its own.
    #[serde(rename = "environment")]
    Environment,
    /// What it prints is limited.
    #[serde(rename = "output")]
    Output,
}

impl Guarantee {
    /// All of them, in the order of the matrix.
    pub const ALL: [Self; 20] = [
        Self::FilesRead,
        Self::FilesHidden,
        Self::FilesWrite,
        Self::FilesMetadata,
        Self::Network,
        Self::HostSockets,
        Self::KernelSockets,
        Self::ProcessesHidden,
        Self::Privileges,
        Self::Kernel,
        Self::Memory,
        Self::Processes,
        Self::Cpu,
        Self::Disk,
        Self::FileLimits,
        Self::Time,
        Self::GateDeath,
        Self::Ipc,
        Self::Environment,
        Self::Output,
    ];

    /// Its name in policies, reports and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FilesRead => "files.read",
            Self::FilesHidden => "files.hidden",
            Self::FilesWrite => "files.write",
            Self::FilesMetadata => "files.metadata",
            Self::Network => "network",
            Self::HostSockets => "sockets.host",
            Self::KernelSockets => "sockets.kernel",
            Self::ProcessesHidden => "processes.hidden",
            Self::Privileges => "privileges",
            Self::Kernel => "kernel",
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Cpu => "cpu",
            Self::Disk => "disk",
            Self::FileLimits => "files.limits",
            Self::Time => "time",
            Self::GateDeath => "gate.death",
            Self::Ipc => "ipc",
            Self::Environment => "environment",
            Self::Output => "output",
        }
    }

    /// What it promises, as a person reads it.
    pub fn says(self) -> &'static str {
        match self {
            Self::FilesRead => "only listed files can be read",
            Self::FilesHidden => "other files cannot be seen",
            Self::FilesWrite => "only listed files can be written",
            Self::FilesMetadata => "modes, times and attributes of other files stay",
            Self::Network => "no network but what is listed",
            Self::HostSockets => "no unix socket of the host",
            Self::KernelSockets => "no vsock, no io_uring",
            Self::ProcessesHidden => "other processes can be neither seen nor touched",
            Self::Privileges => "no privilege and no namespace is gained",
            Self::Kernel => "seldom used parts of the kernel are out of reach",
            Self::Memory => "memory of the whole run is limited",
            Self::Processes => "the number of processes is limited",
            Self::Cpu => "the share of the processor is limited",
            Self::Disk => "bytes and files in the workspace are limited",
            Self::FileLimits => "open files and file size are limited",
            Self::Time => "it ends in time, with all that it started",
            Self::GateDeath => "it ends with the gate",
            Self::Ipc => "no shared memory or queue is left over",
            Self::Environment => "no variable of the gate is inherited",
            Self::Output => "what it prints is limited",
        }
    }

    /// The guarantee of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a promise is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Kept.
    Enforced {
        /// By what.
        by: String,
    },
    /// Kept in part.
    Partial {
        /// By what.
        by: String,
        /// What is not covered.
        missing: String,
        /// What would mend it.
        remedy: String,
    },
    /// Not kept.
    Absent {
        /// Why.
        why: String,
        /// What would mend it.
        remedy: String,
    },
    /// Nothing was asked for.
    NotAsked,
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The promise.
    pub guarantee: Guarantee,
    /// How far it is kept.
    #[serde(flatten)]
    pub state: State,
}

/// What held in a run: one line for each promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The lines.
    pub guarantees: Vec<Kept>,
    /// Who made the inside, where it was not the gate's own helper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
}

impl Report {
    /// The state of a promise.
    pub fn of(&self, guarantee: Guarantee) -> Option<&State> {
        self.guarantees.iter().find(|it| it.guarantee == guarantee).map(|it| &it.state)
    }

    /// The promises that are not kept in full and that nobody has accepted as missing. A promise without a line is
    /// not kept.
    pub fn missing(&self, accepted: &[Guarantee]) -> Vec<Guarantee> {
        let kept = |it: &Guarantee| {
            matches!(self.of(*it), Some(State::Enforced { .. } | State::NotAsked)) || accepted.contains(it)
        };
        Guarantee::ALL.into_iter().filter(|it| !kept(it)).collect()
    }

    /// Why a run is refused: the first promises that are missing, and the remedy.
    pub fn refusal(&self, accepted: &[Guarantee]) -> Option<String> {
        let missing = self.missing(accepted);
        if missing.is_empty() {
            return None;
        }
        let why = missing.iter().map(|it| self.sentence(*it)).collect::<Vec<_>>().join("; ");
        Some(format!("this host cannot keep {why}"))
    }

    fn sentence(&self, guarantee: Guarantee) -> String {
        match self.of(guarantee) {
            Some(State::Partial { missing, remedy, .. }) => {
                format!("`{guarantee}` in full: {missing} ({remedy})")
            }
            Some(State::Absent { why, remedy }) => format!("`{guarantee}`: {why} ({remedy})"),
            _ => format!("`{guarantee}`: nothing enforces it"),
        }
    }
}
