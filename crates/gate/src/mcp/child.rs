//! The server as a process: how it is started, and that nothing of it is left running.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// What is ours alone: keys and the place of the store are not for servers.
const OURS: &str = "PORTCULLIS_";
/// The longest name of a server, in characters.
const LONGEST: usize = 200;

/// A server that runs.
pub(super) struct Child {
    /// Its input.
    pub(super) input: File,
    /// Its output.
    pub(super) output: File,
    /// Its end.
    pub(super) ended: watch::Receiver<Option<ExitStatus>>,
    /// Its process group.
    pub(super) leash: Leash,
}

/// Holds the process group of a server; when it goes, so does whatever is left of the group.
pub(super) struct Leash(Option<Pid>);

impl Leash {
    /// Of a server that is no process.
    pub(super) fn none() -> Self {
        Self(None)
    }
    /// Asks the group to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }
    /// Ends the group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already; that is what is wanted.
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server: with our environment but for what is ours alone, and our error output. The error is a sentence.
pub(super) fn start(command: &[String]) -> Result<Child, String> {
    start_with(command, &[])
}

/// The same, with more in its environment.
pub(super) fn start_with(command: &[String], env: &[(String, String)]) -> Result<Child, String> {
    let (program, args) = command.split_first().ok_or("no server is named; write its command after `--`")?;
    let mut command = Command::new(program);
    // A group of its own: a signal from the terminal comes to us, and the server is ended in order.
    command.args(args).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OURS) {
            command.env_remove(name);
        }
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
    let at =
        |error: io::Error| format!("the server `{program}` cannot be started: {error}; check its command");
    let mut child = command.spawn().map_err(at)?;
    let leash = Leash(i32::try_from(child.id()).ok().and_then(Pid::from_raw));
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("the server `{program}` has no input or output"));
    };
    let (ends, ended) = watch::channel(None);
    let wait = move || {
        // A wait that fails leaves nothing to wait for.
        ends.send_replace(Some(child.wait().unwrap_or_default()));
    };
    std::thread::Builder::new().name("mcp-server-end".to_owned()).spawn(wait).map_err(at)?;
    Ok(Child { input: OwnedFd::from(input).into(), output: OwnedFd::from(output).into(), ended, leash })
}

/// The exit code that stands for an end.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128_i32.saturating_add(status.signal().unwrap_or(0)))
}

/// The name a server's tools are pinned under where nobody gave it one: its command, without what follows a flag
/// that looks like a secret.
pub(super) fn name(command: &[String]) -> String {
    let mut words = Vec::with_capacity(command.len());
    let mut secret = false;
    for (n, word) in command.iter().enumerate() {
        let (flag, value) =
            word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
        let shown = match value {
            _ if n == 0 => {
                Path::new(word).file_name().map_or_else(|| word.clone(), |it| it.to_string_lossy().into())
            }
            _ if secret && value.is_none() => "…".to_owned(),
            Some(_) if is_secret(flag) => format!("{flag}=…"),
            _ => word.clone(),
        };
        secret = value.is_none() && flag.starts_with('-') && is_secret(flag);
        words.push(shown);
    }
    let name: String = words.join(" ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if name.chars().count() <= LONGEST {
        return name;
    }
    let cut: String = name.chars().take(LONGEST.saturating_sub(20)).collect();
    let rest = verdict::hex(&Sha256::digest(name.as_bytes()));
    format!("{cut}… {}", rest.get(..12).unwrap_or_default())
}

fn is_secret(flag: &str) -> bool {
    let flag = flag.to_ascii_lowercase();
    ["token", "secret", "password", "key", "auth", "credential"].iter().any(|word| flag.contains(word))
}
