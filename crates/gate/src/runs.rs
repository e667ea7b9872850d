//! Programs that the gate runs: what the policy bounds becomes what the sandbox enforces, and the end of a run
//! becomes an outcome.
//!
//! Answerable for nothing being run but what is held, under the bounds of the policy in force when it was decided,
//! and for what held being part of what is recorded. Decides nothing, and enforces nothing itself.

mod ending;
pub mod host;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox::{Backend, Guarantee, Mode, Network, PROXY_PORT, Spec, Stdin, Workspace};
use verdict::Bounds;
use verdict::boundary::Hosts;

pub use ending::{Ran, quoted};
use watch::Watching;

use crate::proxy::Proxy;

/// One run, ready to be started.
#[derive(Debug)]
pub struct Run {
    spec: Spec,
    hosts: Option<Hosts>,
    own: Vec<PathBuf>,
    input: Vec<u8>,
    helper: Option<PathBuf>,
}

impl Run {
    /// A run of `argv` within `bounds`. `workspace`: one that the caller names; it must be the one of the bounds, or
    /// below it. `own`: files of the gate, which no run changes.
    ///
    /// # Errors
    /// A sentence, if the bounds cannot be had on this host: a path that is not there, a variable that is not set.
    pub fn within(
        bounds: &Bounds,
        argv: Vec<String>,
        workspace: Option<&Path>,
        own: Vec<PathBuf>,
    ) -> Result<Self, String> {
        let mut spec = Spec::new(argv);
        let given = bounds.workspace.as_deref().map(|path| real(Path::new(path))).transpose()?;
        let wanted = workspace.map(real).transpose()?;
        let path = match (given, wanted) {
            (Some(given), Some(wanted)) if wanted.starts_with(&given) => Some(wanted),
            (Some(given), Some(wanted)) => {
                return Err(format!(
                    "the policy's workspace is `{}`, and `{}` is not in it",
                    given.display(),
                    wanted.display()
                ));
            }
            (None, Some(_)) => {
                return Err(
                    "the policy names no workspace for this; add `sandbox: {workspace: DIR}`".to_owned()
                );
            }
            (given, None) => given,
        };
        if let Some(path) = path {
            spec.cwd.clone_from(&path);
            spec.workspace = Some(Workspace { path, mode: Mode::Overlay });
        }
        let all = |paths: &Option<Vec<String>>| {
            paths.iter().flatten().map(|path| real(Path::new(path))).collect::<Result<Vec<_>, _>>()
        };
        spec.read = all(&bounds.read)?;
        spec.write = all(&bounds.write)?;
        spec.env = variables(bounds.env.as_deref().unwrap_or_default())?;
        spec.accept_missing = waived(bounds.require.as_deref());
        spec.backend = bounds.backend.as_deref().map_or(Ok(Backend::Own), backend)?;
        if !spec.write.is_empty() && !spec.accept_missing.contains(&Guarantee::Disk) {
            // Whoever lists what is written in place knows that its sum has no bound.
            spec.accept_missing.push(Guarantee::Disk);
        }
        limit(&mut spec, bounds);
        spec.own.clone_from(&own);
        let hosts = bounds.network.as_deref().filter(|hosts| !hosts.is_empty());
        let hosts = hosts.map(|hosts| Hosts::new(Some(hosts), &[], false)).transpose()?;
        if hosts.is_some() {
            spec.network = Network::Proxy;
            spec.env.extend(proxy_variables());
        }
        Ok(Self { spec, hosts, own, input: Vec::new(), helper: None })
    }

    /// What the program reads.
    #[must_use]
    pub fn reading(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// With this program as the sandbox's helper; without one it is the program that runs.
    #[must_use]
    pub fn helped_by(mut self, helper: Option<PathBuf>) -> Self {
        self.helper = helper;
        self
    }

    /// Runs it to its end, on a thread of its own. Setting `cancelled` ends it.
    pub async fn carry_out(self, cancelled: Arc<AtomicBool>) -> Ran {
        let handle = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || self.block(&handle, &cancelled)).await;
        done.unwrap_or_else(|error| Ran::broken(format!("the run got lost: {error}")))
    }

    fn block(self, handle: &tokio::runtime::Handle, cancelled: &AtomicBool) -> Ran {
        let Self { spec, hosts, own, input, helper } = self;
        if let Some(why) = host::refuses(&spec.accept_missing, spec.backend, helper.as_ref()) {
            return Ran::broken(why);
        }
        let proxy = hosts.map(|hosts| Proxy::new(hosts, handle.clone()));
        let stdin = if input.is_empty() { Stdin::Empty } else { Stdin::Bytes(input) };
        let mut watching = Watching::new(cancelled, proxy.as_ref());
        let ended = sandbox::run(&spec, helper, stdin, &mut watching);
        let begun = watching.has_begun();
        let printed = watching.printed();
        let requests = proxy.map(Proxy::end).unwrap_or_default();
        Ran::new(ended, printed, requests, (&spec, &own)).writing(begun && !spec.write.is_empty())
    }
}

fn limit(spec: &mut Spec, bounds: &Bounds) {
    let limits = &mut spec.limits;
    let set = |to: &mut u64, from: Option<u64>| *to = from.unwrap_or(*to);
    set(&mut limits.wall_ms, bounds.timeout_ms);
    set(&mut limits.memory, bounds.memory);
    set(&mut limits.processes, bounds.processes);
    set(&mut limits.files, bounds.files);
    set(&mut limits.file_size, bounds.file_size);
    set(&mut limits.output, bounds.output);
    set(&mut limits.disk, bounds.disk);
    limits.cpu = bounds.cpu;
}

/// What `require` leaves out. Nothing said, or `all`: nothing is left out.
fn waived(require: Option<&[String]>) -> Vec<Guarantee> {
    match require {
        None | Some([]) => Vec::new(),
        Some(names) => {
            Guarantee::ALL.into_iter().filter(|it| !names.iter().any(|name| name == it.as_str())).collect()
        }
    }
}

/// The backend of a name. One that the sandbox does not know was let through by nobody.
fn backend(name: &str) -> Result<Backend, String> {
    Backend::parse(name).ok_or_else(|| format!("there is no backend `{}`", name.escape_debug()))
}

/// A path as the sandbox wants it: without links.
fn real(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display().to_string().escape_debug()))
}

fn variables(names: &[String]) -> Result<Vec<(String, String)>, String> {
    let read = |name: &String| match std::env::var(name) {
        Ok(value) => Ok((name.clone(), value)),
        Err(_) => Err(format!("the policy gives the variable `{name}`, which the gate does not have")),
    };
    // Given twice is given once.
    names.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>().map(|all| all.into_iter().collect())
}

fn proxy_variables() -> Vec<(String, String)> {
    let address = format!("http://127.0.0.1:{PROXY_PORT}");
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    names.map(|name| (name.to_owned(), address.clone())).to_vec()
}

/// A word that ends a run.
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::{Run, waived};
    use sandbox::{Backend, Guarantee};
    use verdict::Bounds;

    #[test]
    fn what_is_not_required_is_waived_and_nothing_else() {
        assert!(waived(None).is_empty() && waived(Some(&[])).is_empty());
        let left = waived(Some(&["memory".to_owned()]));
        assert!(!left.contains(&Guarantee::Memory) && left.contains(&Guarantee::Cpu));
    }

    #[test]
    fn every_guarantee_of_the_sandbox_is_a_word_of_the_policy_and_the_other_way_round() {
        let schema = verdict::load::schema().to_string();
        for guarantee in Guarantee::ALL {
            assert!(schema.contains(&format!("\"{}\"", guarantee.as_str())), "{guarantee}");
        }
        for backend in Backend::ALL {
            assert!(schema.contains(&format!("\"{}\"", backend.as_str())), "{backend}");
        }
    }

    #[test]
    fn the_backend_is_the_policys() {
        let named = |name: Option<&str>| Bounds { backend: name.map(str::to_owned), ..Bounds::default() };
        let run = |name| Run::within(&named(name), vec!["true".to_owned()], None, Vec::new());
        assert_eq!(run(None).unwrap().spec.backend, Backend::Own);
        assert_eq!(run(Some("bubblewrap")).unwrap().spec.backend, Backend::Bubblewrap);
        assert!(run(Some("docker")).is_err_and(|why| why.contains("`docker`")));
    }

    #[test]
    fn a_workspace_outside_the_policys_is_refused() {
        let bounds = Bounds { workspace: Some("/usr/lib".to_owned()), ..Bounds::default() };
        let run = |dir: &str| Run::within(&bounds, vec!["true".to_owned()], Some(dir.as_ref()), Vec::new());
        assert!(run("/usr/bin").is_err_and(|why| why.contains("is not in it")));
        assert!(run("/usr/lib/../bin").is_err());
        assert!(run("/usr/lib").is_ok());
    }
}
