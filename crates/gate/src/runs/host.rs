//! Whether the sandbox of this host holds what it says, tried once by a gate that will run programs.
//!
//! Answerable for no program being run by such a gate where an attempt has got in that is said to be kept out: a return
//! code is no evidence. The attempts themselves are the sandbox's.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox::doctor::{self, Diagnosis};
use sandbox::{Backend, Guarantee};
use verdict::Policy;

type Found = Result<Vec<(Guarantee, String)>, String>;

/// What was found, once it was looked for: with the gate's own backend, and with bubblewrap.
static FOUND: [OnceLock<Found>; 2] = [OnceLock::new(), OnceLock::new()];
/// True once it is to be looked for.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Tries this host if the policy bounds what programs may do.
pub fn try_for(policy: &Policy) {
    if policy.has_bounds() {
        try_it(None);
    }
}

/// Tries this host, once, on a thread of its own. A run that comes before it is done waits for it. `helper` is the
/// program that runs are helped by; none: the one that is running.
pub fn try_it(helper: Option<PathBuf>) {
    if WANTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let thread = std::thread::Builder::new().name("canaries".to_owned()).spawn(move || match found(helper, Backend::Own) {
        Ok(broken) if broken.is_empty() => tracing::info!("the sandbox holds what it says on this host"),
        Ok(broken) => {
            let names: Vec<&str> = broken.iter().map(|(_, name)| name.as_str()).collect();
            tracing::error!(got_in = %names.join(", "), "the sandbox of this host does not hold: no program is run");
        }
        Err(why) => tracing::warn!(%why, "the sandbox cannot be tried on this host"),
    });
    if let Err(error) = thread {
        // The first run tries it then.
        tracing::warn!(%error, "the sandbox is tried when the first program is run");
    }
}

fn found(helper: Option<PathBuf>, backend: Backend) -> &'static Found {
    let [own, bubblewrap] = &FOUND;
    let found = match backend {
        Backend::Own => own,
        Backend::Bubblewrap => bubblewrap,
    };
    found.get_or_init(|| match doctor::canaries(helper, backend) {
        Ok(diagnosis) => Ok(broken(&diagnosis)),
        Err(not_run) => Err(not_run.to_string()),
    })
}

fn broken(diagnosis: &Diagnosis) -> Vec<(Guarantee, String)> {
    let told = diagnosis.attempts.iter().filter(|it| diagnosis.broken.contains(&it.name));
    told.map(|it| (it.breaks, it.name.clone())).collect()
}

/// Why a run is refused here, if it is: something that it requires, and that is said to be kept, was broken. A host on
/// which nothing could be tried refuses by itself.
pub(super) fn refuses(waived: &[Guarantee], backend: Backend, helper: Option<&PathBuf>) -> Option<String> {
    if !WANTED.load(Ordering::Relaxed) {
        return None;
    }
    let Ok(broken) = found(helper.cloned(), backend) else { return None };
    why(broken, waived)
}

fn why(broken: &[(Guarantee, String)], waived: &[Guarantee]) -> Option<String> {
    let (guarantee, attempt) = broken.iter().find(|(guarantee, _)| !waived.contains(guarantee))?;
    Some(format!(
        "nothing was executed: `{guarantee}` is said to be kept on this host, and `{attempt}` got in; \
         see `portcullis sandbox doctor`"
    ))
}

#[cfg(test)]
mod tests {
    use super::{broken, refuses, why};
    use sandbox::attack::Attempt;
    use sandbox::doctor::Diagnosis;
    use sandbox::{Backend, Guarantee, Report};

    /// A kernel that says yes and enforces nothing.
    #[test]
    fn what_got_in_though_it_is_said_to_be_kept_out_refuses_every_run_that_needs_it() {
        let attempt = |name: &str, breaks, got_in| Attempt {
            name: name.to_owned(),
            breaks,
            got_in,
            stopped: String::new(),
        };
        let found = Diagnosis {
            report: Report::default(),
            attempts: vec![
                attempt("net_vsock", Guarantee::KernelSockets, true),
                attempt("fs_read_secret", Guarantee::FilesRead, false),
            ],
            broken: vec!["net_vsock".to_owned()],
        };
        let broken = broken(&found);
        let said = why(&broken, &[Guarantee::Memory]).unwrap();
        assert!(said.contains("`sockets.kernel`") && said.contains("`net_vsock`"), "{said}");
        assert_eq!(why(&broken, &[Guarantee::KernelSockets]), None);
        // Who runs one program and ends has tried nothing.
        assert_eq!(refuses(&[], Backend::Own, None), None);
    }
}
