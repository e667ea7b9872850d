//! A question to people, as the records so far have left it.

use serde::{Deserialize, Serialize};

use crate::action::{Action, Realm};
use crate::limit::Micro;
use crate::policy::{PolicyVersion, Terms};
use crate::record::{Answered, Index};

/// A question to people, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// When it was asked.
    pub asked: Micro,
    /// Whose data.
    pub realm: Realm,
    /// Who wants to act.
    pub agent: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// Whose key the request came with.
    pub by: Option<String>,
    /// The tool.
    pub tool: String,
    /// The digest of the exact action.
    pub digest: String,
    /// The policy that asks.
    pub policy: PolicyVersion,
    /// The rule that asks.
    pub rule: Option<std::sync::Arc<str>>,
    /// Who, how many, how long.
    pub terms: Terms,
    /// The members of the groups that may answer.
    pub people: Vec<String>,
    /// When silence becomes no.
    pub expires: Micro,
    /// The answers so far.
    pub answers: Vec<Answered>,
    /// How it ended; absent while it is open.
    pub ended: Option<Ended>,
    /// The decision that used it.
    pub used: Option<Index>,
    /// The idempotency key of the action.
    pub key: Option<String>,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words of the contract")]
pub enum Ended {
    Approved,
    Denied,
    Expired,
    Cancelled,
}

/// Where an approval stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of the contract")]
pub enum Standing {
    Pending,
    Approved,
    Denied,
    Expired,
    Cancelled,
}

impl Approval {
    /// True if it was asked about exactly this: anything that moved since makes it an answer to something else.
    pub fn is_about(&self, action: &Action) -> bool {
        self.realm == action.realm()
            && self.agent == action.agent()
            && self.tool == action.tool()
            && self.user.as_deref() == action.user()
            && self.key.as_deref() == action.key()
            && self.digest == action.digest().hex()
    }
    /// Where it stands at `now`. An approval that was given still ends at its expiry.
    pub fn standing(&self, now: Micro) -> Standing {
        match self.ended {
            Some(Ended::Approved) if now <= self.expires => Standing::Approved,
            Some(Ended::Approved) if self.used.is_some() => Standing::Approved,
            Some(Ended::Denied) => Standing::Denied,
            Some(Ended::Cancelled) => Standing::Cancelled,
            None if now <= self.expires => Standing::Pending,
            Some(Ended::Expired | Ended::Approved) | None => Standing::Expired,
        }
    }
}
