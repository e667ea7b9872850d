//! A gate inside a Python process: the policy file, the store, and the one path between them.
//!
//! Answerable for opening it, for letting the interpreter go while it works, and for refusing to work in a process
//! that was forked off the one that opened it. Everything is decided by [`gate::path::Gate`].

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate::clock::{Clock, rfc3339};
use gate::desk::Desk;
use gate::eyes::Eyes;
use gate::ink::LedgerInk;
use gate::path::Gate;
use gate::policy_text::{self, PolicyText};
use gate::store::StorePath;
use gate::wire::{self, CheckRequest, OutcomeReply, OutcomeRequest, Seen, Unreadable, decision_id, parse_id};
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use verdict::load::Problem;
use verdict::{Answer, Command, Draft, Halt, Outcome, Person, Realm, Settling};

use crate::decision::Decision;
use crate::ends::Ends;
use crate::memory::MemoryInk;
use crate::values::json_text;

pyo3::create_exception!(
    _engine,
    Halted,
    PyException,
    "The gate cannot decide or record: nothing is admitted."
);

/// A gate.
#[pyclass(frozen, module = "portcullis._engine")]
pub struct Engine {
    gate: Gate,
    ends: Ends,
    /// There until the end.
    runtime: Option<Runtime>,
    line: String,
    policy: Option<PathBuf>,
    process: u32,
}

fn halted(halt: impl ToString) -> PyErr {
    Halted::new_err(halt.to_string())
}

fn unreadable(why: Unreadable) -> String {
    match why {
        Unreadable::Syntax(why) | Unreadable::Shape(why) => why,
    }
}

fn mistakes(problems: &[Problem]) -> PyErr {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    PyValueError::new_err(lines.join("\n"))
}

fn furnish(ink: Option<LedgerInk>, line: &str, read: PolicyText) -> Result<(Desk, Command), Halt> {
    let policy = Arc::new(read.loaded.policy);
    let desk = match ink {
        // With a disk to wait for, those who wait at once share a trip to it.
        Some(ink) => Desk::open(ink, line, Arc::clone(&policy), Clock::start())?,
        None => Desk::inline(MemoryInk::default(), line, Arc::clone(&policy), Clock::start())?,
    };
    let (line, text) = (line.to_owned(), read.packed);
    Ok((desk, Command::Policy { line, policy, text, file: true, by: None, only_after: None }))
}

#[pymethods]
impl Engine {
    /// Opens a gate. `policy` is a file's path, or with `is_text` a policy itself; `store` is `sqlite:PATH`, or
    /// absent: then nothing outlives the process.
    ///
    /// Raises `ValueError` for a policy with mistakes (all of them) or a store that is none, `Halted` if the store
    /// cannot be opened.
    #[new]
    #[pyo3(signature = (policy, store=None, is_text=false))]
    fn new(py: Python<'_>, policy: &str, store: Option<&str>, is_text: bool) -> PyResult<Self> {
        let store = store.map(StorePath::parse).transpose().map_err(PyValueError::new_err)?;
        let file = (!is_text).then(|| PathBuf::from(policy));
        py.detach(move || {
            let read = match &file {
                Some(path) => policy_text::read(path),
                None => policy_text::of_text("policy", policy),
            };
            let read = read.map_err(|problems| mistakes(&problems))?;
            let line = line(file.as_deref());
            let ink = store.as_ref().map(|store| LedgerInk::open(&store.0)).transpose().map_err(halted)?;
            let ends = Ends::open(store.map(|store| store.0)).map_err(halted)?;
            let (desk, command) = furnish(ink, &line, read).map_err(halted)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("portcullis")
                .enable_all()
                .build()
                .map_err(halted)?;
            runtime.block_on(desk.obey(command)).map_err(halted)?.map_err(PyValueError::new_err_of)?;
            let gate = Gate { desk, eyes: Eyes::here() };
            Ok(Self { gate, ends, runtime: Some(runtime), line, policy: file, process: std::process::id() })
        })
    }

    /// Decides one action. `request` is what `POST /v1/check` takes, `by` whoever asks.
    #[pyo3(signature = (request, by=None))]
    fn check(&self, py: Python<'_>, request: &Bound<'_, PyAny>, by: Option<String>) -> PyResult<Decision> {
        let text = match json_text(request) {
            Ok(text) => text,
            Err(why) => return Ok(Decision::odd(why, self.version())),
        };
        self.run(py, async move {
            let draft = match draft_of(&text, by) {
                Ok(draft) => draft,
                Err(why) => return Ok(Decision::odd(why, self.version())),
            };
            match self.gate.check(draft).await {
                Ok(receipt) => receipt.map(|it| Decision::of(&it, self.ends.of(&it))).map_err(halted),
                Err(malformed) => Ok(Decision::malformed(&malformed, self.version())),
            }
        })
    }

    /// Decides many in one commit, in order.
    #[pyo3(signature = (requests, by=None))]
    fn check_all(
        &self,
        py: Python<'_>,
        requests: Vec<Bound<'_, PyAny>>,
        by: Option<String>,
    ) -> PyResult<Vec<Decision>> {
        let read: Vec<Result<Draft, String>> = requests
            .iter()
            .map(|request| json_text(request).and_then(|text| draft_of(&text, by.clone())))
            .collect();
        self.run(py, async move {
            let drafts = read.iter().filter_map(|it| it.as_ref().ok().cloned()).collect();
            let mut receipts = self.gate.check_all(drafts).await.map_err(halted)?.into_iter();
            let answers = read.into_iter().map(|it| match it {
                Err(why) => Ok(Decision::odd(why, self.version())),
                Ok(_) => match receipts.next() {
                    Some(Ok(receipt)) => Ok(Decision::of(&receipt, self.ends.of(&receipt))),
                    Some(Err(malformed)) => Ok(Decision::malformed(&malformed, self.version())),
                    None => Err(halted("the gate is shutting down")),
                },
            });
            answers.collect()
        })
    }

    /// Records how an allowed action ended; `outcome` is what `POST /v1/decisions/ID/outcome` takes, and so is the
    /// answer, as JSON text. Raises `ValueError` for what is no outcome or comes a second time.
    fn report(&self, py: Python<'_>, decision: &Decision, outcome: &Bound<'_, PyAny>) -> PyResult<String> {
        let text = json_text(outcome).map_err(PyValueError::new_err)?;
        let Some((of, decided)) = decision.recorded.clone().filter(|(_, it)| it.decision == Answer::Allow)
        else {
            return Err(PyValueError::new_err("the decision is no allow, so the action has no outcome"));
        };
        self.run(py, async move {
            let request: OutcomeRequest =
                wire::read(&text).map_err(unreadable).map_err(PyValueError::new_err)?;
            let outcome = self.gate.screen(&decided, request.into_outcome()).await;
            let by = decided.by.clone();
            let settling = Settling::reported(of, decided.clone(), outcome, by);
            let closing = self.gate.desk.settle(settling).await.map_err(halted)?;
            let outcome = closing.map_err(PyValueError::new_err_of)?.into_outcome();
            self.ends.note(of, &decided, &outcome);
            let Outcome { status, result, screened, .. } = outcome;
            let (findings, withheld) = screened.map(|it| (it.findings, it.withheld)).unwrap_or_default();
            let findings = findings.iter().map(Seen::from).collect();
            let reply = OutcomeReply { decision_id: decision_id(of), status, result, withheld, findings };
            serde_json::to_string(&reply).map_err(|error| PyValueError::new_err(error.to_string()))
        })
    }

    /// How a question to people stands: `(status, expires_at, message)`.
    fn approval(&self, py: Python<'_>, id: &str) -> PyResult<(String, String, Option<String>)> {
        let of = approval_of(id)?;
        self.run(py, async move {
            let now = self.gate.desk.clock().now();
            let found = self.gate.desk.ask(move |books| {
                books.approval(of).map(|it| {
                    let message = it.answers.iter().rev().find_map(|answer| answer.message.clone());
                    (it.standing(now), rfc3339(it.expires), message)
                })
            });
            let Some((standing, expires, message)) = found.await.map_err(halted)? else {
                return Err(PyValueError::new_err(format!("there is no approval `apr_{of}`")));
            };
            let word = serde_json::to_string(&standing).unwrap_or_default();
            Ok((word.trim_matches('"').to_owned(), expires, message))
        })
    }

    /// Answers a question: `by` is a person's name and groups, `said` is yes or no, and what else they say.
    fn answer(
        &self,
        py: Python<'_>,
        id: &str,
        by: (String, Vec<String>),
        said: (bool, Option<String>),
    ) -> PyResult<()> {
        let ((name, groups), (approve, message)) = (by, said);
        let person = Person { name, groups, admin: false, realm: Realm::Live };
        self.obey(py, Command::Answer { of: approval_of(id)?, approve, person, message })
    }

    /// Switches an agent off or on; `said` is why, and who says so.
    fn switch(&self, py: Python<'_>, agent: &str, enabled: bool, said: (String, String)) -> PyResult<()> {
        let (reason, by) = said;
        verdict::check_name("agent_id", agent, "._-:@")
            .map_err(|malformed| PyValueError::new_err(malformed.to_string()))?;
        self.obey(
            py,
            Command::Agent {
                agent: agent.to_owned(),
                enabled: Some(enabled),
                reason: Some(reason),
                notes: None,
                by,
            },
        )
    }

    /// Reads the policy file again. A file with mistakes changes nothing.
    fn reload(&self, py: Python<'_>) -> PyResult<()> {
        let Some(path) = &self.policy else {
            return Err(PyValueError::new_err(
                "the policy was given as text: open another gate to change it",
            ));
        };
        let read = py.detach(|| policy_text::read(path)).map_err(|problems| mistakes(&problems))?;
        self.obey(
            py,
            Command::Policy {
                line: self.line.clone(),
                policy: Arc::new(read.loaded.policy),
                text: read.packed,
                file: true,
                by: None,
                only_after: None,
            },
        )
    }

    /// The version of the policy in force.
    #[getter]
    fn policy_version(&self) -> String {
        self.version()
    }

    /// Waits for what is under way and stops. Whatever is asked afterwards is refused.
    fn close(&self, py: Python<'_>) {
        if self.process == std::process::id() {
            py.detach(|| self.gate.desk.close());
        }
    }
}

impl Engine {
    fn version(&self) -> String {
        self.gate.desk.with_policy(|policy| policy.version().0.to_string())
    }

    fn obey(&self, py: Python<'_>, command: Command) -> PyResult<()> {
        self.run(py, async move {
            let done = self.gate.desk.obey(command).await.map_err(halted)?;
            done.map(|_| ()).map_err(PyValueError::new_err_of)
        })
    }

    /// Drives something to its end without the interpreter. A child of a fork has neither the writer nor a store
    /// that it may use.
    fn run<T: Send>(&self, py: Python<'_>, what: impl Future<Output = PyResult<T>> + Send) -> PyResult<T> {
        if self.process != std::process::id() {
            return Err(halted("the gate was opened before this process was forked; open it again in here"));
        }
        let runtime = self.runtime.as_ref().ok_or_else(|| halted("the gate is shutting down"))?;
        py.detach(|| runtime.block_on(what))
    }
}

impl Drop for Engine {
    /// In a child of a fork there are no threads to wait for, and a store that is the parent's: both are left alone.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if self.process == std::process::id() {
            runtime.shutdown_background();
        } else {
            std::mem::forget((runtime, self.gate.clone()));
        }
    }
}

/// Gates in Python processes follow their own file: they must not replace the policy of a server on the same store.
fn line(policy: Option<&Path>) -> String {
    match policy {
        Some(path) => {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            format!("python:{}", path.display())
        }
        None => "python".to_owned(),
    }
}

fn draft_of(text: &[u8], by: Option<String>) -> Result<Draft, String> {
    let request: CheckRequest = wire::read(text).map_err(unreadable)?;
    request.into_draft(Realm::Live, by, None).map_err(|malformed| malformed.to_string())
}

fn approval_of(id: &str) -> PyResult<u64> {
    parse_id("apr_", id).ok_or_else(|| {
        PyValueError::new_err(format!(
            "`{}` is not the id of an approval, such as `apr_7`",
            verdict::short(id)
        ))
    })
}

/// Refusals as Python's errors.
trait Refused {
    /// The refusal's sentence.
    fn new_err_of(refusal: verdict::Refusal) -> PyErr;
}

impl Refused for PyValueError {
    fn new_err_of(refusal: verdict::Refusal) -> PyErr {
        PyValueError::new_err(refusal.to_string())
    }
}
