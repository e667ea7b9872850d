//! What the policy says of programs that the gate runs: the bounds of the sandbox, per agent and per tool.
//!
//! Answerable for whose word counts: the tool's, else the agent's, else that of its roles, key by key; and for
//! the defaults where nobody says anything. Enforces nothing: that is the sandbox's.

use std::sync::Arc;

use super::{Agent, Policy, Tool};

/// The bounds of a run, as far as somebody said them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// What can be read besides the system's programs and libraries.
    pub read: Option<Vec<String>>,
    /// What can be written at once.
    pub write: Option<Vec<String>>,
    /// The folder that it works in.
    pub workspace: Option<String>,
    /// The hosts that it can reach through the proxy; an empty list is none.
    pub network: Option<Vec<String>>,
    /// Names of variables that it gets from the gate's environment.
    pub env: Option<Vec<String>>,
    /// Wall clock, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Memory of the whole run, in bytes.
    pub memory: Option<u64>,
    /// Share of one processor, in percent.
    pub cpu: Option<u32>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Open files of one process.
    pub files: Option<u64>,
    /// The largest file, in bytes.
    pub file_size: Option<u64>,
    /// What it may print, in bytes.
    pub output: Option<u64>,
    /// What it may change in the workspace, in bytes.
    pub disk: Option<u64>,
    /// The guarantees without which it is not run; none: all of them.
    pub require: Option<Vec<String>>,
    /// Who makes the inside of a run, by its name in the table; none: the gate's own.
    pub backend: Option<String>,
}

impl Bounds {
    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        let Self { read, write, workspace, network, env, timeout_ms, memory, .. } = self;
        let Self { cpu, processes, files, file_size, output, disk, require, backend, .. } = self;
        Self {
            read: read.or_else(|| others.read.clone()),
            write: write.or_else(|| others.write.clone()),
            workspace: workspace.or_else(|| others.workspace.clone()),
            network: network.or_else(|| others.network.clone()),
            env: env.or_else(|| others.env.clone()),
            timeout_ms: timeout_ms.or(others.timeout_ms),
            memory: memory.or(others.memory),
            cpu: cpu.or(others.cpu),
            processes: processes.or(others.processes),
            files: files.or(others.files),
            file_size: file_size.or(others.file_size),
            output: output.or(others.output),
            disk: disk.or(others.disk),
            require: require.or_else(|| others.require.clone()),
            backend: backend.or_else(|| others.backend.clone()),
        }
    }
}

impl Policy {
    /// True if it says anything of programs that the gate runs.
    pub fn has_bounds(&self) -> bool {
        self.tools.values().any(|entry| entry.tool.bounds.is_some())
            || self.agents.values().any(|agent| *agent.bounds() != Bounds::default())
    }

    /// The bounds of what `agent` runs by `tool`. An agent that nobody knows has those of the tool alone.
    pub fn bounds(&self, agent: &str, tool: &str) -> Bounds {
        let tool: Option<Arc<Bounds>> = self.tool_of(agent, tool).and_then(|tool| tool.bounds.clone());
        let tool = tool.as_deref().cloned().unwrap_or_default();
        match self.agent(agent).map(|it| Agent::bounds(it)) {
            Some(agent) => tool.or(agent),
            None => tool,
        }
    }
}

impl Agent {
    /// Its own tool of this name.
    pub fn own_tool(&self, name: &str) -> Option<&Tool> {
        self.parts.tools.iter().find(|tool| tool.name == name)
    }
    /// Its own tools.
    pub fn own_tools(&self) -> &[Tool] {
        &self.parts.tools
    }
    /// The bounds of what it runs, its roles' included.
    pub fn bounds(&self) -> &Bounds {
        &self.parts.bounds
    }
}
