//! Follows the policy file: an edit comes into force without a restart, whole or not at all.
//!
//! The files are looked at twice a second (editors rename over, networks lose events; looking misses neither), and
//! read once they have been still for one look. A policy with mistakes is reported, every mistake with its place,
//! and the one before stays in force.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use verdict::load::Problem;
use verdict::{Command, PolicyVersion};

use crate::cli::{Opened, clean};
use crate::path::Gate;
use crate::policy_text::{self, PolicyText};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// After a mistake the files are read every so many looks: what mends it may be a file that was not there.
const READ_AGAIN: u32 = 4;

/// What can be seen of a file without reading it; `None` if it is not there.
type Seen = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// A policy file that is followed.
pub struct PolicyWatch {
    gate: Gate,
    policy: PathBuf,
    line: String,
    files: Vec<PathBuf>,
    /// What the files looked like when they were last read.
    read: Vec<Seen>,
    /// What they looked like at the last look.
    last: Vec<Seen>,
    /// The last version that was read without a mistake.
    version: PolicyVersion,
    /// The mistakes that were last reported; empty while the file is good.
    reported: Vec<Problem>,
    looks: u32,
    failing: bool,
}

impl PolicyWatch {
    /// Follows the policy that a gate was opened with.
    pub fn of(opened: &Opened) -> Self {
        let seen = look(&opened.files);
        Self {
            gate: opened.gate.clone(),
            policy: opened.policy.clone(),
            line: opened.line.clone(),
            files: opened.files.clone(),
            // What changed between the reading and now is not known: the first still look reads again.
            read: Vec::new(),
            last: seen,
            version: opened.version.clone(),
            reported: Vec::new(),
            looks: 0,
            failing: false,
        }
    }

    /// Follows it until the task is dropped.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let seen = look(&self.files);
        self.looks = self.looks.wrapping_add(1);
        let still = seen == self.last;
        self.last.clone_from(&seen);
        let again = !self.reported.is_empty() && self.looks.is_multiple_of(READ_AGAIN);
        if !still || (seen == self.read && !again) {
            return;
        }
        let path = self.policy.clone();
        // Reading and compiling a large policy takes longer than others should wait.
        let Ok(text) = tokio::task::spawn_blocking(move || policy_text::read(&path)).await else { return };
        match text {
            Ok(text) => self.apply(text, seen).await,
            Err(mistakes) => self.report(mistakes, seen),
        }
    }

    async fn apply(&mut self, text: PolicyText, seen: Vec<Seen>) {
        let policy = Arc::new(text.loaded.policy);
        let version = policy.version().clone();
        if version == self.version {
            if !self.reported.is_empty() {
                tracing::info!(version = %version.0, "the policy file is as it was before the mistake");
            }
            self.took(version, text.files, seen);
            return;
        }
        for warning in &text.loaded.warnings {
            tracing::warn!("{}", shown(warning));
        }
        let command = Command::Policy {
            line: self.line.clone(),
            policy,
            text: text.packed,
            file: true,
            by: None,
            only_after: None,
        };
        match self.gate.desk.obey(command).await {
            Ok(Ok(Some(record))) => {
                tracing::info!(version = %version.0, record, "the policy file was edited; the new policy is in force")
            }
            Ok(Ok(None)) => {
                tracing::info!(version = %version.0, "the policy file was edited; its policy is known already")
            }
            Ok(Err(refusal)) => return self.not_taken(&refusal.to_string()),
            Err(halt) => return self.not_taken(&halt.to_string()),
        }
        self.took(version, text.files, seen);
    }

    /// It is tried again at the next look, and said once.
    fn not_taken(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(reason, "the edited policy could not be put in force; the one before stays");
        }
    }

    fn took(&mut self, version: PolicyVersion, files: Vec<PathBuf>, seen: Vec<Seen>) {
        self.version = version;
        self.failing = false;
        self.reported.clear();
        // Of files that were not looked at before, nothing is known: look at all of them once more.
        self.read = if files == self.files { seen } else { Vec::new() };
        self.files = files;
        if self.read.is_empty() {
            self.last.clear();
        }
    }

    fn report(&mut self, mistakes: Vec<Problem>, seen: Vec<Seen>) {
        self.read = seen;
        if mistakes == self.reported {
            return;
        }
        for mistake in &mistakes {
            tracing::error!("{}", shown(mistake));
        }
        tracing::error!(
            mistakes = mistakes.len(),
            in_force = %self.gate.desk.policy().version().0,
            "the edited policy has mistakes; the one before stays in force"
        );
        self.reported = mistakes;
    }
}

/// A problem on one line.
fn shown(problem: &Problem) -> String {
    clean(&problem.to_string().replace("\n  help: ", "; help: "))
}

fn look(files: &[PathBuf]) -> Vec<Seen> {
    let seen = |it: Metadata| {
        (it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())
    };
    files.iter().map(|path| std::fs::metadata(path).ok().map(seen)).collect()
}
