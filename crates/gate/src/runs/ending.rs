//! The end of a run, as it is recorded and told.
//!
//! Answerable for what held, what was used, what was asked of the network and what changed standing beside what
//! the program printed; for a run that did not take place giving back all that it held; and for one that was ended
//! half-way doing so only if it cannot have had an effect: its changes in an overlay are dropped, and what it wrote
//! in place or sent is not.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sandbox::{Changes, NotRun, Outcome as Ended, Report, Spec, State};
use serde_json::{Value, json};
use verdict::{EffectFact, Json, Outcome, Status};

use crate::proxy::Request;

/// How a run ended.
pub struct Ran {
    told: Result<Value, String>,
    /// True if the program ended by itself with code 0.
    well: bool,
    changes: Option<Changes>,
    /// What it asked of the network.
    did: Vec<EffectFact>,
    /// True if it sent something, or could write where nothing is taken back.
    lasting: bool,
}

impl Ran {
    pub(super) fn broken(why: String) -> Self {
        Self { told: Err(why), well: false, changes: None, did: Vec::new(), lasting: false }
    }

    pub(super) fn new(
        ended: Result<Ended, NotRun>,
        (out, err): (Vec<u8>, Vec<u8>),
        requests: Vec<Request>,
        (spec, own): (&Spec, &[PathBuf]),
    ) -> Self {
        let did = requests.iter().map(Request::effect).collect();
        let lasting = requests.iter().any(|it| it.allowed);
        let ended = match ended {
            Ok(ended) => ended,
            // What it asked of the network until it was ended stays on record.
            Err(not_run) => return Self { did, lasting, ..Self::broken(not_run.to_string()) },
        };
        let Ended { ended: end, report, cut, printed, undone, upper } = ended;
        let told = json!({
            "exit_code": end.code,
            "signal": end.signal,
            "timed_out": end.timed_out,
            "out_of_memory": end.out_of_memory,
            "stdout": String::from_utf8_lossy(&out),
            "stderr": String::from_utf8_lossy(&err),
            "output_cut": cut,
            "printed_bytes": printed,
            "cpu_ms": end.cpu_ms,
            "max_rss_kib": end.max_rss_kib,
            "written_bytes": end.written,
            "requests": requests,
            "taken_away": undone,
            "sandbox": held(&report),
        });
        let well = end.code == Some(0) && !end.timed_out;
        let mut ran = Self { told: Ok(told), well, changes: None, did, lasting };
        if let (Some(upper), Some(workspace)) = (upper, &spec.workspace) {
            ran.read(upper, &workspace.path, own);
        }
        ran
    }

    /// True: it was started, and could write in place.
    pub(super) fn writing(self, wrote: bool) -> Self {
        Self { lasting: self.lasting || wrote, ..self }
    }

    fn read(&mut self, upper: OwnedFd, workspace: &Path, own: &[PathBuf]) {
        match Changes::read(upper, workspace, own) {
            Ok(changes) => self.changes = Some(changes),
            Err(error) => {
                self.tell("changes_unread", json!(format!("none was carried over: {error}")));
                self.well = false;
            }
        }
    }

    fn tell(&mut self, key: &str, value: Value) {
        if let Ok(Value::Object(told)) = &mut self.told {
            told.insert(key.to_owned(), value);
        }
    }

    /// What it changed in its workspace, not yet carried over.
    pub fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    /// Takes the changes out, for somebody to look at them first. They are in the record as not carried over.
    pub fn hold_changes(&mut self) -> Option<Changes> {
        let changes = self.changes.take()?;
        self.tell("changes", json!(changes.list));
        self.tell("changes_held_for_review", json!(true));
        Some(changes)
    }

    /// Carries the changes over that nothing holds back.
    pub fn carry_over(&mut self) {
        let Some(changes) = self.changes.take() else { return };
        let left = changes.commit(&|change| change.held.is_none());
        self.tell("changes", json!(changes.list));
        self.tell("held_back", json!(left));
    }

    /// As the journal wants it. A run that did not take place gives back what it held, and so does one that was ended
    /// before it could have an effect. Of another that was ended nobody knows how far it came.
    pub fn into_outcome(self) -> Outcome {
        match self.told {
            Err(why) if self.lasting => {
                let error = Some(format!("{why}; nobody knows how much of it was done"));
                Outcome { error, did: self.did, ..Outcome::plain(Status::Unknown) }
            }
            Err(why) => Outcome { error: Some(why), did: self.did, ..Outcome::plain(Status::Cancelled) },
            Ok(told) => {
                let status = if self.well { Status::Success } else { Status::Failed };
                let result = Json::parse(told.to_string().as_bytes()).ok();
                Outcome { result, did: self.did, ..Outcome::plain(status) }
            }
        }
    }
}

/// What held: per guarantee by what, or why not; and who made the inside, where it was not the gate's own helper.
fn held(report: &Report) -> Value {
    let lines = report.guarantees.iter().map(|kept| {
        let said = match &kept.state {
            State::Enforced { by } => format!("enforced: {by}"),
            State::Partial { by, missing, .. } => format!("partial: {by}; {missing}"),
            State::Absent { why, .. } => format!("absent: {why}"),
            State::NotAsked => "not asked for".to_owned(),
        };
        (kept.guarantee.as_str().to_owned(), json!(said))
    });
    let made_by = report.made_by.as_ref().map(|it| ("made_by".to_owned(), json!(it.to_string())));
    Value::Object(lines.chain(made_by).collect())
}

/// A command as a shell would read it, for parsers and people.
pub fn quoted(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    let word = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_is_quoted_as_a_shell_reads_it() {
        let argv = ["sh", "-c", "echo 'a b' > c", "", "x;y"].map(str::to_owned);
        assert_eq!(quoted(&argv), r"sh -c 'echo '\''a b'\'' > c' '' 'x;y'");
    }
}
