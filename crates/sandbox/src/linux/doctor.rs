//! The doctor: tries on this host what a run is promised, by attacks, and says what holds.
//!
//! Answerable for a promise being called kept only if it is said to be kept and nothing that would break it got
//! in. A return code is no evidence: kernels have answered yes and enforced nothing.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attack::{self, ATTACKER, Attempt, Scene, Stage};
use super::{INSIDE, sys};
use crate::guarantee::{Guarantee, Report, State};
use crate::run::{self, NotRun, Sink, Stdin, Stream};
use crate::spec::{Mode, Network, Spec, Workspace};

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

/// Examines this host. `program`: this program's file, or none to find it.
pub fn examine(program: Option<PathBuf>) -> Result<Diagnosis, NotRun> {
    let broken = |error: io::Error| NotRun::Broken(format!("the doctor cannot set its stage: {error}"));
    let program =
        program.map_or_else(std::env::current_exe, Ok).and_then(std::fs::canonicalize).map_err(broken)?;
    let uid = if sys::euid() == 0 { INSIDE } else { sys::euid() };
    let below = std::env::temp_dir().canonicalize().map_err(broken)?;
    let scene = Scene::set(&below, &program, uid).map_err(broken)?;
    let mut spec = attempt(&scene.stage, &program, &scene.workspace).map_err(broken)?;
    spec.limits.cpu = Some(100);
    let mut heard = Heard::default();
    let outcome = run::run(&spec, Some(program), Stdin::Empty, &mut heard)?;
    let attempts = read(&heard.0).map_err(broken)?;
    if attempts.len() != attack::all().len() {
        return Err(NotRun::Broken(format!("only {} attempts were made", attempts.len())));
    }
    let kept = |it: &Attempt| matches!(outcome.report.of(it.breaks), Some(State::Enforced { .. }));
    let broken = attempts.iter().filter(|it| it.got_in && kept(it)).map(|it| it.name.clone()).collect();
    Ok(Diagnosis { report: outcome.report, attempts, broken })
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
