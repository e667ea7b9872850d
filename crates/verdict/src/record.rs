//! What the ledger remembers: one type for each thing that can happen, and nothing that cannot be folded.
//!
//! A record is what is said about an event, never how it was decided; the fold ([`crate::books`]) needs
//! nothing else. Written as JSON with an outer key that names the kind (`{"decided":{...}}`). Personal and
//! secret content (arguments, context, results) is never in a record: it lies beside it as the payload.

mod write;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::Realm;
use crate::decide::Code;
use crate::effect::{EffectFact, Finding};
use crate::event::EventNote;
use crate::lease::LeaseNote;
use crate::limit::{Charge, CounterName, Meter, Micro};
use crate::money::Micros;
use crate::policy::{Mode, PolicyVersion, Risk, Terms};
use crate::secret::SecretSet;

/// A place in the ledger, counted from 0.
pub type Index = u64;

/// One entry of the ledger. Unknown fields are an error: an older program must not fold what it cannot read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A decision about an action.
    Decided(Box<Decided>),
    /// What became of an allowed action.
    Settled(Settled),
    /// A person's answer to a question.
    Answered(Answered),
    /// A question that nobody will answer any more.
    Closed(Closed),
    /// A policy that came into force.
    Policy(PolicySet),
    /// An agent that was switched off or on, or described.
    Agent(AgentSet),
    /// A tool definition that was seen for the first time, changed, or accepted.
    Tool(ToolSeen),
    /// A key that was made.
    Key(KeyMade),
    /// A key that no longer counts.
    KeyRevoked(KeyRevoked),
    /// A payload that was erased.
    Erased(Erased),
    /// What happened to a lease.
    Lease(LeaseNote),
    /// What somebody says happened.
    Event(EventNote),
    /// A tool's secret that was stored, replaced or dropped.
    Secret(SecretSet),
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// When.
    pub t: Micro,
    /// The answer.
    pub decision: Answer,
    /// The kind of reason.
    pub code: Code,
    /// Who wants it.
    pub agent: String,
    /// What is called.
    pub tool: String,
    /// The rule that decided, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// The sentence that the agent was told; absent for a plain allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy that decided.
    pub policy: PolicyVersion,
    /// How bad it could get.
    #[serde(default, skip_serializing_if = "is_default")]
    pub risk: Risk,
    /// Observe mode, where nothing is refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// In observe mode: the code of what would have stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Code>,
    /// Whose data.
    #[serde(default, skip_serializing_if = "is_default")]
    pub realm: Realm,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// In which turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Where, if the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The action's digest, in hex.
    pub digest: String,
    /// What it would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectFact>,
    /// What detectors saw in its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What it holds of which limits; only for an allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// What it was expected to cost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: Micros,
    /// Labels that its results will bring into the session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yields: Vec<String>,
    /// For a pending decision: the question that this record asks. Its id is this record's index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
    /// The question whose answer let it through, or that it still waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Index>,
    /// For an allow that the gate carries out itself: if its end is not on record by then, nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Micro>,
    /// The decision that already holds its idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Index>,
    /// Whose key the request came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It may be done.
    Allow,
    /// It may not.
    Deny,
    /// A person must agree.
    Pending,
}

/// A question to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asks {
    /// Who, how many, how long.
    pub terms: Terms,
    /// The members of the groups that may answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// When silence becomes no.
    pub expires: Micro,
}

/// The end of an allowed action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// When.
    pub t: Micro,
    /// The decision that allowed it.
    pub of: Index,
    /// How it ended.
    pub status: Status,
    /// What it cost, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Micros>,
    /// The tokens it took, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,
    /// SHA-256 of what was reported (status, cost, result, error), in hex: reporting the same twice is no conflict.
    pub digest: String,
    /// What detectors saw in what came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the gate saw it do: each request of a run, let through or refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectFact>,
    /// Why what came back was given to nobody, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// What changes in which counter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The agent, for its key.
    pub agent: String,
    /// Whose data.
    #[serde(default, skip_serializing_if = "is_default")]
    pub realm: Realm,
    /// The idempotency key that the decision held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The session that gets the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Labels that the result brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How an allowed action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was done.
    Success,
    /// It was tried and did not work; its key is free again.
    Failed,
    /// It was never tried; all that it held is given back.
    Cancelled,
    /// Nobody knows whether it was done: its key and all that it held stay.
    Unknown,
}

/// One change of a counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Take back what was counted at a time.
    Back {
        /// The counter.
        c: CounterName,
        /// How much.
        n: i64,
        /// When it was counted.
        at: Micro,
    },
    /// Count more, at the time of the record.
    More {
        /// The counter.
        c: CounterName,
        /// How much.
        n: i64,
        /// Its window.
        #[serde(default, skip_serializing_if = "is_default")]
        w: i64,
    },
    /// Start again at nothing.
    Reset {
        /// The counter.
        c: CounterName,
    },
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// When.
    pub t: Micro,
    /// The question.
    pub of: Index,
    /// Yes or no.
    pub approve: bool,
    /// Who.
    pub by: String,
    /// What they said besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The end of a question without an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// When.
    pub t: Micro,
    /// The question.
    pub of: Index,
    /// True if the asker withdrew it, false if nobody answered in time.
    pub cancelled: bool,
}

/// A policy in force. Its text is the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// When.
    pub t: Micro,
    /// Which gates it is for: those that were started with the same name.
    pub line: String,
    /// Its content's digest.
    pub version: PolicyVersion,
    /// True if it was read from the gate's policy file, false if it was put over the API.
    pub file: bool,
    /// Who put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// An agent's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSet {
    /// When.
    pub t: Micro,
    /// Which.
    pub agent: String,
    /// False: nothing it does is allowed.
    pub enabled: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What else people wrote about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who said so.
    pub by: String,
}

/// A tool definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSeen {
    /// When.
    pub t: Micro,
    /// Whose tool: the server as it was started.
    pub server: String,
    /// Its name.
    pub tool: String,
    /// SHA-256 of the canonical definition, in hex. The definition is the payload.
    pub hash: String,
    /// Who accepted it; absent if it was merely seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMade {
    /// When.
    pub t: Micro,
    /// Its id; not secret.
    pub id: String,
    /// SHA-256 of the secret, in hex.
    pub hash: String,
    /// The person or program it was made for.
    pub name: String,
    /// What it may do.
    pub role: KeyRole,
    /// The one agent it may act for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Groups it answers for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whose data it sees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub realm: Realm,
    /// When it stops to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Micro>,
    /// Who made it.
    pub by: String,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// Check actions and report outcomes.
    Agent,
    /// Answer questions.
    Approver,
    /// Read everything.
    Auditor,
    /// All of it.
    Admin,
}

/// A key's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// When.
    pub t: Micro,
    /// Which.
    pub id: String,
    /// Who said so.
    pub by: String,
}

/// A payload's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// When.
    pub t: Micro,
    /// The record whose payload is gone.
    pub of: Index,
    /// Who said so.
    pub by: String,
}

/// What a charge counts, for the fold and for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words of the policy")]
pub enum MeterKind {
    Actions,
    Usd,
    Tokens,
    Failures,
    FailuresInARow,
    Argument,
    /// Calls of a tool that are under way.
    InFlight,
    /// Failures in a row of a tool that the gate calls.
    Breaker,
}

impl MeterKind {
    /// The kind of a limit's meter.
    pub fn of(meter: &Meter) -> Self {
        match meter {
            Meter::Actions => Self::Actions,
            Meter::Usd => Self::Usd,
            Meter::Tokens => Self::Tokens,
            Meter::Failures { consecutive: false } => Self::Failures,
            Meter::Failures { consecutive: true } => Self::FailuresInARow,
            Meter::Argument(_) => Self::Argument,
        }
    }
    /// An amount as a person reads it.
    pub fn show(self, amount: i64) -> String {
        match self {
            Self::Usd | Self::Argument => Micros(amount).to_string(),
            _ => amount.to_string(),
        }
    }
    /// The code of a denial by such a limit.
    pub fn code(self) -> Code {
        match self {
            Self::Usd => Code::Budget,
            Self::Failures | Self::FailuresInARow | Self::Breaker => Code::BreakerOpen,
            Self::Actions | Self::Tokens | Self::Argument | Self::InFlight => Code::Limit,
        }
    }
}

impl Record {
    /// When it happened.
    pub fn at(&self) -> Micro {
        match self {
            Self::Decided(it) => it.t,
            Self::Settled(it) => it.t,
            Self::Answered(it) => it.t,
            Self::Closed(it) => it.t,
            Self::Policy(it) => it.t,
            Self::Agent(it) => it.t,
            Self::Tool(it) => it.t,
            Self::Key(it) => it.t,
            Self::KeyRevoked(it) => it.t,
            Self::Erased(it) => it.t,
            Self::Lease(it) => it.t,
            Self::Event(it) => it.t,
            Self::Secret(it) => it.t,
        }
    }
    /// The earlier record it is about.
    pub fn refers(&self) -> Option<Index> {
        match self {
            Self::Decided(it) => it.approval.filter(|_| it.decision == Answer::Allow),
            Self::Settled(it) => Some(it.of),
            Self::Answered(it) => Some(it.of),
            Self::Closed(it) => Some(it.of),
            Self::Erased(it) => Some(it.of),
            Self::Lease(it) => it.of(),
            Self::Event(it) => it.of,
            Self::Policy(_)
            | Self::Agent(_)
            | Self::Tool(_)
            | Self::Key(_)
            | Self::KeyRevoked(_)
            | Self::Secret(_) => None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
