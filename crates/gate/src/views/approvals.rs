//! Questions to people as people read them. Folded from the question's own records alone, so that one from long
//! ago is shown like one of today.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Answered, Decided, Index, Json, Micro, Realm, Record, Risk, Standing};

use super::{decided, field, look_back, payload_of, record_of};
use crate::clock::rfc3339;
use crate::wire::{approval_id, decision_id};
use ledger::{Fault, Reader};

/// One question.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ApprovalView {
    /// Its id.
    pub id: String,
    /// Where it stands.
    #[schemars(with = "crate::wire::StandingWord")]
    pub status: Standing,
    /// Who wants to act.
    pub agent_id: String,
    /// What is called.
    pub tool: String,
    /// The exact arguments; absent once they have been erased.
    #[schemars(with = "Option<serde_json::Value>")]
    pub args: Option<Json>,
    /// What else the caller said.
    #[schemars(with = "Option<serde_json::Value>")]
    pub context: Option<Json>,
    /// Why a person is asked.
    pub reason: String,
    /// The rule that asks.
    pub rule: Option<String>,
    /// How bad it could get.
    #[schemars(with = "crate::wire::RiskWord")]
    pub risk: Risk,
    /// Identifies the action; the answer is to this, and to nothing else.
    pub digest: String,
    /// How many different people must say yes.
    pub quorum: u32,
    /// The groups or people who may answer; empty: every approver.
    pub from: Vec<String>,
    /// The answers so far.
    pub answers: Vec<AnswerView>,
    /// When it was asked: RFC 3339.
    pub requested_at: String,
    /// When silence becomes no: RFC 3339.
    pub expires_at: String,
    /// Whose key it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The decision that used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// True for test data.
    pub test: bool,
    /// For callers that look at the time themselves.
    #[serde(skip)]
    pub expires: Micro,
}

/// One answer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AnswerView {
    /// Who.
    pub by: String,
    /// `approve` or `deny`.
    pub answer: &'static str,
    /// What they said besides.
    pub message: Option<String>,
    /// When: RFC 3339.
    pub at: String,
}

/// Questions, newest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ApprovalPage {
    /// The questions.
    pub approvals: Vec<ApprovalView>,
    /// Hand this back as `cursor` for older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reads a status.
pub fn parse_status(text: &str) -> Option<Standing> {
    match text {
        "pending" => Some(Standing::Pending),
        "approved" => Some(Standing::Approved),
        "denied" => Some(Standing::Denied),
        "expired" => Some(Standing::Expired),
        "cancelled" => Some(Standing::Cancelled),
        _ => None,
    }
}

/// The question at `at` as it stands at `now`; `None` if there is none in this realm.
pub fn approval(reader: &Reader, realm: Realm, at: Index, now: Micro) -> Result<Option<ApprovalView>, Fault> {
    let Some((it, entry)) = decided(reader, at)?.filter(|(it, _)| it.realm == realm) else { return Ok(None) };
    let Some(asks) = &it.asks else { return Ok(None) };
    let payload = payload_of(&entry);
    let part = |name: &str| payload.as_ref().and_then(|json| field(json, name));
    let history = History::read(reader, at)?;
    Ok(Some(ApprovalView {
        id: approval_id(at),
        status: history.standing(asks.terms.quorum, asks.expires, now),
        agent_id: it.agent.clone(),
        tool: it.tool.clone(),
        args: part("args"),
        context: part("context"),
        reason: it.reason.clone().unwrap_or_default(),
        rule: it.rule.as_deref().map(str::to_owned),
        risk: it.risk,
        digest: it.digest.clone(),
        quorum: asks.terms.quorum,
        from: asks.terms.from.clone(),
        answers: history.answers.iter().map(answer).collect(),
        requested_at: rfc3339(it.t),
        expires_at: rfc3339(asks.expires),
        requested_by: it.by.clone(),
        user: it.user.clone(),
        session_id: it.session.clone(),
        used_by: history.used.map(decision_id),
        test: realm == Realm::Test,
        expires: asks.expires,
    }))
}

/// Which questions are wanted.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whose data.
    pub realm: Realm,
    /// Of this agent.
    pub agent: Option<String>,
    /// That came with the key of this name.
    pub by: Option<String>,
    /// That stand so.
    pub status: Option<Standing>,
    /// Recorded before this place.
    pub before: Option<Index>,
    /// The time at which they stand so.
    pub now: Micro,
}

impl Asked {
    fn fits(&self, it: &Decided) -> bool {
        it.asks.is_some()
            && it.realm == self.realm
            && self.agent.as_ref().is_none_or(|agent| *agent == it.agent)
            && self.by.as_ref().is_none_or(|by| it.by.as_ref() == Some(by))
    }
}

/// Questions, newest first, at most `limit`.
pub fn approvals(reader: &Reader, asked: &Asked, limit: usize) -> Result<ApprovalPage, Fault> {
    let mut approvals = Vec::new();
    let next = look_back(reader, asked.before, &mut |entry, record| {
        if let Record::Decided(it) = &record
            && asked.fits(it)
            && let Some(view) = approval(reader, asked.realm, entry.index, asked.now)?
            && asked.status.is_none_or(|status| status == view.status)
        {
            approvals.push(view);
        }
        Ok(approvals.len() >= limit)
    })?;
    Ok(ApprovalPage { approvals, next_cursor: next.map(super::cursor) })
}

/// The questions at these places, newest first: those that fit and stand as asked. For open questions, which the
/// books list, however long ago they were asked.
pub fn approvals_at(reader: &Reader, mut at: Vec<Index>, asked: &Asked) -> Result<ApprovalPage, Fault> {
    at.sort_unstable_by(|a, b| b.cmp(a));
    let mut approvals = Vec::new();
    for index in at {
        let fits = decided(reader, index)?.is_some_and(|(it, _)| asked.fits(&it));
        if fits
            && let Some(view) = approval(reader, asked.realm, index, asked.now)?
            && asked.status.is_none_or(|status| status == view.status)
        {
            approvals.push(view);
        }
    }
    Ok(ApprovalPage { approvals, next_cursor: None })
}

/// What happened to a question.
#[derive(Default)]
struct History {
    answers: Vec<Answered>,
    closed: Option<bool>,
    used: Option<Index>,
}

impl History {
    fn read(reader: &Reader, of: Index) -> Result<Self, Fault> {
        let mut history = Self::default();
        for entry in reader.referring(of)? {
            match record_of(&entry)? {
                Record::Answered(it) => history.answers.push(it),
                Record::Closed(it) => history.closed = Some(it.cancelled),
                Record::Decided(_) => history.used = Some(entry.index),
                _ => (),
            }
        }
        Ok(history)
    }

    /// As `verdict::Approval::standing` has it.
    fn standing(&self, quorum: u32, expires: Micro, now: Micro) -> Standing {
        let yes = u32::try_from(self.answers.len()).unwrap_or(u32::MAX) >= quorum;
        if self.answers.iter().any(|answer| !answer.approve) {
            return Standing::Denied;
        }
        match (self.closed, yes) {
            (Some(true), _) => Standing::Cancelled,
            (Some(false), _) => Standing::Expired,
            (None, true) if now <= expires || self.used.is_some() => Standing::Approved,
            (None, false) if now <= expires => Standing::Pending,
            (None, _) => Standing::Expired,
        }
    }
}

fn answer(it: &Answered) -> AnswerView {
    let answer = if it.approve { "approve" } else { "deny" };
    AnswerView { by: it.by.clone(), answer, message: it.message.clone(), at: rfc3339(it.t) }
}
