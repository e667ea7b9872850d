//! A decision as Python holds it: what the server would have answered, field by field.
//!
//! Made of a [`Receipt`] or of a refusal to read something as an action, and of nothing else.

use gate::wire::{CheckReply, Left, Original};
use pyo3::prelude::*;
use verdict::{Answer, Code, Decided, Index, Malformed, Mode, Receipt, Risk};

/// What the gate says of one action. Immutable.
#[pyclass(frozen, module = "portcullis._engine")]
pub struct Decision {
    reply: CheckReply,
    /// Where it is recorded, and what as; absent if it is no action.
    pub(crate) recorded: Option<(Index, Decided)>,
}

impl Decision {
    /// What is on record. `original` is what became of the decision that it repeats.
    pub(crate) fn of(receipt: &Receipt, original: Option<Original>) -> Self {
        let recorded = Some((receipt.at(), receipt.decided().clone()));
        Self { reply: CheckReply::of(receipt, original), recorded }
    }

    /// What is no action is denied, in words.
    pub(crate) fn odd(why: String, policy_version: String) -> Self {
        let reply = CheckReply {
            decision: Answer::Deny,
            decision_id: String::new(),
            allowed: false,
            requires_approval: false,
            approval_id: None,
            rule: None,
            reason: why,
            code: gate::wire::code_word(Code::InvalidAction),
            effects: Vec::new(),
            findings: Vec::new(),
            risk: Risk::default(),
            policy_version,
            remaining: Left::default(),
            retry_after_s: None,
            duplicate_of: None,
            mode: Mode::Enforce,
            original: None,
        };
        Self { reply, recorded: None }
    }

    /// The same for what [`verdict::Action::new`] refuses.
    pub(crate) fn malformed(malformed: &Malformed, policy_version: String) -> Self {
        Self::odd(malformed.to_string(), policy_version)
    }

    /// A field as the server's JSON has it; `None` where it has none.
    fn field<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.to_dict(py)?.call_method1("get", (name,))
    }
}

#[pymethods]
impl Decision {
    /// `allow`, `deny` or `pending`.
    #[getter]
    fn decision(&self) -> &'static str {
        match self.reply.decision {
            Answer::Allow => "allow",
            Answer::Deny => "deny",
            Answer::Pending => "pending",
        }
    }
    /// True if, and only if, it may be done now.
    #[getter]
    fn allowed(&self) -> bool {
        self.reply.allowed
    }
    /// True if it may be done once a person has agreed.
    #[getter]
    fn requires_approval(&self) -> bool {
        self.reply.requires_approval
    }
    /// `dec_N`; absent if what was asked is no action.
    #[getter]
    fn decision_id(&self) -> Option<&str> {
        Some(self.reply.decision_id.as_str()).filter(|id| !id.is_empty())
    }
    /// `apr_N`: the question that people are asked, or were.
    #[getter]
    fn approval_id(&self) -> Option<&str> {
        self.reply.approval_id.as_deref()
    }
    /// The rule that decided.
    #[getter]
    fn rule(&self) -> Option<&str> {
        self.reply.rule.as_deref()
    }
    /// A sentence to act on.
    #[getter]
    fn reason(&self) -> &str {
        &self.reply.reason
    }
    /// The kind of reason.
    #[getter]
    fn code(&self) -> &'static str {
        self.reply.code
    }
    /// The policy that decided.
    #[getter]
    fn policy_version(&self) -> &str {
        &self.reply.policy_version
    }
    /// Seconds after which the same action could pass.
    #[getter]
    fn retry_after_s(&self) -> Option<i64> {
        self.reply.retry_after_s
    }
    /// The decision that already has its idempotency key.
    #[getter]
    fn duplicate_of(&self) -> Option<&str> {
        self.reply.duplicate_of.as_deref()
    }
    /// `enforce` or `observe`.
    #[getter]
    fn mode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "mode")
    }
    /// `low`, `medium`, `high` or `critical`.
    #[getter]
    fn risk<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "risk")
    }
    /// What the action would really do.
    #[getter]
    fn effects<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "effects")
    }
    /// What detectors saw in it.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "findings")
    }
    /// What is left of each limit, by name.
    #[getter]
    fn remaining<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "remaining")
    }
    /// How the decision of `duplicate_of` ended, if that is known.
    #[getter]
    fn original<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "original")
    }
    /// All of it, as the server's JSON text.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.reply)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
    }
    /// `json.loads` of [`Self::to_json`]: every field, also those without an attribute.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.to_json()?,))
    }
    fn __repr__(&self) -> String {
        let id = if self.reply.decision_id.is_empty() { "not recorded" } else { &self.reply.decision_id };
        format!("<Decision {} {} ({id}): {}>", self.decision(), self.reply.code, self.reply.reason)
    }
    /// In another process it is a `CheckResult`, as a client would have it: what may be reported is in this one.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let made = py.import("portcullis._wire")?.getattr("answer_of")?;
        Ok((made, (self.to_dict(py)?,)))
    }
    /// Immutable, so a copy is itself.
    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }
    /// The same.
    fn __deepcopy__(this: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this
    }
    /// A decision is no truth value: `if decision:` would be true of a denial.
    fn __bool__(&self) -> PyResult<bool> {
        Err(pyo3::exceptions::PyTypeError::new_err(
            "a decision is neither true nor false; ask `decision.allowed`",
        ))
    }
}
