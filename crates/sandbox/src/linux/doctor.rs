//! The doctor: tries on this host what a run is promised, by attacks, and says what holds.
//!
//! Answerable for a promise being called kept only if it is said to be kept and nothing that would break it got
//! in. A return code is no evidence: kernels have answered yes and enforced nothing.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attack::{self, ATTACKER, Attempt, Scene, Stage};
use super::{INSIDE, sys};
use crate::backend::Backend;
use crate::guarantee::{Guarantee, Report, State};
use crate::run::{self, NotRun, Sink, Stdin, Stream};
use crate::spec::{Mode, Network, Spec, Workspace};
use crate::step::WITHOUT_NAMESPACES;

/// What the doctor found.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// What is said to hold.
    pub report: Report,
    /// What was tried.
    pub attempts: Vec<Attempt>,
    /// Attempts that got in though what they break is said to be kept.
    pub broken: Vec<String>,
}

impl Diagnosis {
    /// True if everything is kept and nothing got in.
    pub fn is_well(&self) -> bool {
        self.broken.is_empty() && self.report.missing(&[]).is_empty()
    }

    /// How many attempts on a promise were made, and which got in.
    pub fn tried(&self, guarantee: Guarantee) -> (usize, Vec<&str>) {
        let on = || self.attempts.iter().filter(|it| it.breaks == guarantee);
        (on().count(), on().filter(|it| it.got_in).map(|it| it.name.as_str()).collect())
    }
}

#[derive(Default)]
struct Heard(Vec<u8>);

impl Sink for Heard {
    fn printed(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Out {
            self.0.extend(bytes);
        }
    }
}

/// What a gate tries before it runs anything: quick, and of every wall something.
const CANARIES: [&str; 34] = [
    "net_tcp_loopback_host",
    "net_udp_loopback_host",
    "net_dns_udp53_outside",
    "net_unix_path_host",
    "net_unix_dgram_path_host",
    "net_unix_abstract_host",
    "net_vsock",
    "net_io_uring",
    "fs_read_secret",
    "fs_read_shadow",
    "fs_symlink_to_secret",
    "fs_hardlink_secret",
    "fs_dotdot",
    "fs_dir_above_ws_list",
    "fs_proc_self_root",
    "fs_proc_self_cwd",
    "fs_proc_victim_root",
    "fs_write_outside",
    "fs_truncate_outside",
    "fs_rename_out",
    "fs_unlink_outside",
    "ns_unshare_user",
    "ns_clone_user",
    "ns_clone3_user",
    "proc_victim_environ",
    "proc_victim_cmdline",
    "proc_victim_fd",
    "proc_victim_mem",
    "proc_list",
    "proc_signal_victim",
    "kern_tiocsti",
    "res_forks",
    "env_secret",
    "inherited_fd",
];

/// Examines this host with every attempt. `program`: this program's file, or none to find it.
pub fn examine(program: Option<PathBuf>, backend: Backend) -> Result<Diagnosis, NotRun> {
    tried(program, backend, &[])
}

/// The same with a few attempts: for a gate that starts.
pub fn canaries(program: Option<PathBuf>, backend: Backend) -> Result<Diagnosis, NotRun> {
    tried(program, backend, &CANARIES)
}

fn tried(program: Option<PathBuf>, backend: Backend, names: &[&str]) -> Result<Diagnosis, NotRun> {
    run::can_help(program.as_ref())?;
    let broken = |error: io::Error| NotRun::Broken(format!("the doctor cannot set its stage: {error}"));
    let program =
        program.map_or_else(std::env::current_exe, Ok).and_then(std::fs::canonicalize).map_err(broken)?;
    let uid = if sys::euid() == 0 { INSIDE } else { sys::euid() };
    let below = std::env::temp_dir().canonicalize().map_err(broken)?;
    let scene = Scene::set(&below, &program, uid).map_err(broken)?;
    let mut spec = attempt(&scene.stage, &program, &scene.workspace).map_err(broken)?;
    spec.argv.extend(names.iter().map(|it| (*it).to_owned()));
    spec.limits.cpu = Some(100);
    spec.backend = backend;
    if let (Backend::Bubblewrap, Some(workspace)) = (backend, &mut spec.workspace) {
        workspace.mode = Mode::Direct;
    }
    let mut heard = Heard::default();
    let outcome = match run::run(&spec, Some(program.clone()), Stdin::Empty, &mut heard) {
        // Without namespaces there is another run to be tried: a program under its own name, and no layer.
        Err(NotRun::Failed(failed)) if failed.about.starts_with(WITHOUT_NAMESPACES) => {
            without_namespaces(&mut spec, &scene, &program).map_err(broken)?;
            run::run(&spec, Some(program), Stdin::Empty, &mut heard)?
        }
        outcome => outcome?,
    };
    let attempts = read(&heard.0).map_err(broken)?;
    let expected = if names.is_empty() { attack::all().len() } else { names.len() };
    if attempts.len() != expected {
        return Err(NotRun::Broken(format!("only {} attempts were made", attempts.len())));
    }
    let kept = |it: &Attempt| matches!(outcome.report.of(it.breaks), Some(State::Enforced { .. }));
    let broken = attempts.iter().filter(|it| it.got_in && kept(it)).map(|it| it.name.clone()).collect();
    Ok(Diagnosis { report: outcome.report, attempts, broken })
}

fn without_namespaces(spec: &mut Spec, scene: &Scene, program: &Path) -> io::Result<()> {
    let attacker = scene.workspace.with_file_name(ATTACKER);
    std::fs::hard_link(program, &attacker).or_else(|_| std::fs::copy(program, &attacker).map(drop))?;
    if let Some(name) = spec.argv.first_mut() {
        *name = attacker.display().to_string();
    }
    spec.shown.clear();
    spec.read.push(attacker);
    if let Some(workspace) = &mut spec.workspace {
        workspace.mode = Mode::Direct;
    }
    Ok(())
}

/// A run that tries everything, on whatever host: what is missing shows in its report.
pub fn attempt(stage: &Stage, program: &Path, workspace: &Path) -> io::Result<Spec> {
    let inside = Path::new("/opt/portcullis").join(ATTACKER);
    let mut spec = Spec::new(vec![inside.display().to_string(), serde_json::to_string(stage)?]);
    spec.shown.push((program.to_owned(), inside));
    workspace.clone_into(&mut spec.cwd);
    spec.workspace = Some(Workspace { path: workspace.to_owned(), mode: Mode::Overlay });
    spec.network = Network::None;
    spec.limits = attack::low();
    spec.accept_missing = Guarantee::ALL.to_vec();
    Ok(spec)
}

/// What the attacker printed.
pub fn read(printed: &[u8]) -> io::Result<Vec<Attempt>> {
    let text = String::from_utf8_lossy(printed);
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}
