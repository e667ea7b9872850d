//! What one run may do, as data: made by the gate, read by the helper, and by nobody in between.
//!
//! Answerable for the defaults (no network, the workspace and the system's libraries, an empty environment,
//! 30 s, 512 MiB). Knows nothing of policies, and nothing of how a bound is enforced.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::guarantee::Guarantee;
use crate::step::Step;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The program and its arguments. A name without `/` is looked for in the fixed `PATH`.
    pub argv: Vec<String>,
    /// The whole environment, but for `PATH`, `HOME` and `LANG`, which are added where they are missing.
    pub env: Vec<(String, String)>,
    /// Where it starts: a folder as it is called inside.
    pub cwd: PathBuf,
    /// What can be read besides the system's programs and libraries: real absolute paths without symlinks.
    pub read: Vec<PathBuf>,
    /// What can be written, at once and for good: real absolute paths without symlinks.
    pub write: Vec<PathBuf>,
    /// Files of the gate: in what is written in place they are shown read-only. Real absolute paths.
    pub own: Vec<PathBuf>,
    /// What runs later, in what is written in place: shown read-only. It is looked for when the run starts.
    #[serde(default)]
    pub(crate) guarded: Vec<PathBuf>,
    /// Why there are no namespaces on this host: set by the gate's side when a first try has shown it.
    #[serde(default)]
    pub(crate) without_namespaces: Option<String>,
    /// Single files that are shown under another name, to be read and executed: host path, path inside.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// The folder that it works in.
    pub workspace: Option<Workspace>,
    /// Who makes namespaces and file tree.
    #[serde(default)]
    pub backend: Backend,
    /// What it can reach.
    pub network: Network,
    /// How much of everything.
    pub limits: Limits,
    /// Guarantees that may be missing or partial. Written by the operator, never by an agent or a call.
    pub accept_missing: Vec<Guarantee>,
    /// Fails at this step, for tests: it can only make a run fail, never loosen one.
    pub fail_at: Option<Step>,
}

/// The folder that a run works in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// A real absolute path without symlinks; it has the same name inside.
    pub path: PathBuf,
    /// What becomes of changes.
    pub mode: Mode,
}

/// What becomes of changes in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They go to a layer of their own, limited in bytes and files, which the gate then reads.
    Overlay,
    /// They happen at once, and nothing limits how many bytes they take together.
    Direct,
    /// There are none.
    ReadOnly,
}

/// What a run can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing: no socket can be made.
    #[default]
    None,
    /// One listener on 127.0.0.1 in a network of its own, which is handed to the gate: the proxy.
    Proxy,
}

/// The port of the proxy inside. In a network of its own it is always free.
pub const PROXY_PORT: u16 = 3128;

/// How much of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Wall clock, in milliseconds.
    pub wall_ms: u64,
    /// Between SIGTERM and SIGKILL at the end of it, in milliseconds.
    pub grace_ms: u64,
    /// Memory of the whole run, in bytes.
    pub memory: u64,
    /// Share of one processor, in percent.
    pub cpu: Option<u32>,
    /// Processes and threads.
    pub processes: u64,
    /// Open files of one process.
    pub files: u64,
    /// The largest file, in bytes.
    pub file_size: u64,
    /// What it may print on stdout and stderr together, in bytes; the rest is dropped.
    pub output: u64,
    /// What it may change in an overlay workspace, in bytes; `/tmp` and `/dev/shm` have as much each.
    pub disk: u64,
    /// How many files it may make in an overlay workspace, in `/tmp` and in `/dev/shm` each.
    pub inodes: u64,
}

const MIB: u64 = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 30_000,
            grace_ms: 500,
            memory: 512 * MIB,
            cpu: None,
            processes: 64,
            files: 256,
            file_size: 256 * MIB,
            output: MIB,
            disk: 256 * MIB,
            inodes: 20_000,
        }
    }
}

impl Spec {
    /// A run with the defaults: no network, nothing to write, the system's libraries.
    pub fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            env: Vec::new(),
            cwd: PathBuf::from("/tmp"),
            read: Vec::new(),
            write: Vec::new(),
            own: Vec::new(),
            guarded: Vec::new(),
            without_namespaces: None,
            shown: Vec::new(),
            workspace: None,
            backend: Backend::Own,
            network: Network::None,
            limits: Limits::default(),
            accept_missing: Vec::new(),
            fail_at: None,
        }
    }
}
