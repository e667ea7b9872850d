//! The part of the table about programs that the gate runs.
//!
//! A table; it does nothing.

use super::Form::{Between, Bytes, Choice, Percent, Text, Timeout};
use super::Kind::{One, Several};
use super::{Key, Kind, Section, may};

/// What can be promised of a run: the names of the sandbox's guarantees, and the word for all of them. A test of
/// the gate holds the two together.
pub(crate) const GUARANTEES: &[&str] = &[
    "all",
    "files.read",
    "files.hidden",
    "files.write",
    "files.metadata",
    "network",
    "sockets.host",
    "sockets.kernel",
    "processes.hidden",
    "privileges",
    "kernel",
    "memory",
    "processes",
    "cpu",
    "disk",
    "files.limits",
    "time",
    "gate.death",
    "ipc",
    "environment",
    "output",
];

/// Who can make the inside of a run: the names of the sandbox's backends. The same test holds them together.
pub(crate) const BACKENDS: &[&str] = &["own", "bubblewrap"];

pub(super) const SANDBOX_KEY: Key = may(
    "sandbox",
    Kind::Section(&SANDBOX),
    "What programs may do that the gate runs. The tool's word counts, else the agent's, else that of its roles, key by key.",
    "{workspace: /srv/work, network: none, timeout: 30s, memory: 512MiB}",
);

const SANDBOX: Section = Section {
    name: "a sandbox",
    doc: "What a program may do that the gate runs: the kernel enforces it, whatever the program is.",
    keys: &[
        may(
            "read",
            Several(Text),
            "What it can read besides the system's programs and libraries. Absolute paths.",
            "[/srv/data]",
        ),
        may("write", Several(Text), "What it can write at once. Absolute paths.", "[/srv/out]"),
        may(
            "workspace",
            One(Text),
            "The folder that it works in; its changes are carried over when it is done. An absolute path.",
            "/srv/work",
        ),
        may(
            "network",
            Several(Text),
            "`none`, or the hosts that it can reach, each with a port or without (then 80 and 443); `*.` for any name below. Without it: none.",
            "[pypi.org, \"*.pythonhosted.org:443\"]",
        ),
        may(
            "env",
            Several(Text),
            "Names of variables that it gets from the gate's environment. Without it: none.",
            "[LANG]",
        ),
        may("timeout", One(Timeout), "How long it may take. Without it: 30s.", "30s"),
        may("memory", One(Bytes), "Memory of all its processes. Without it: 512MiB.", "512MiB"),
        may("cpu", One(Percent), "Share of one processor. Without it: no bound.", "50%"),
        may("processes", One(Between(1, 4096)), "Processes and threads. Without it: 64.", "64"),
        may("files", One(Between(8, 65_536)), "Open files of one process. Without it: 256.", "256"),
        may("file_size", One(Bytes), "The largest file. Without it: 256MiB.", "64MiB"),
        may("output", One(Bytes), "What it may print; the rest is dropped. Without it: 1MiB.", "1MiB"),
        may("disk", One(Bytes), "What it may change in the workspace, in sum. Without it: 256MiB.", "256MiB"),
        may(
            "require",
            Several(Choice("guarantee", GUARANTEES)),
            "The guarantees without which it is not run: `all`, or a list. Without it: all.",
            "all",
        ),
        may(
            "backend",
            One(Choice("backend", BACKENDS)),
            "Who makes namespaces and file tree: `own`, or `bubblewrap` where it is installed. Without it: own.",
            "bubblewrap",
        ),
    ],
};
