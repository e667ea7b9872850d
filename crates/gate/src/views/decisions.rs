//! Decisions as people read them, with what became of them.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{
    Answer, Code, Decided, Index, Json, Micro, Micros, Mode, Realm, Record, Risk, Settled, Status,
};

use super::{field, look_back, payload_of, record_of};
use crate::clock::rfc3339;
use crate::wire::{Dollars, Effect, Original, Seen, approval_id, code_word, decision_id};
use ledger::{Entry, Fault, Reader};

/// One decision.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DecisionView {
    /// Its id.
    pub decision_id: String,
    /// When: RFC 3339.
    pub at: String,
    /// The answer.
    #[schemars(with = "crate::wire::AnswerWord")]
    pub decision: Answer,
    /// The kind of reason.
    pub code: &'static str,
    /// Who wanted to act.
    pub agent_id: String,
    /// What was called.
    pub tool: String,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the agent was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy that decided.
    pub policy_version: String,
    /// How bad it could get.
    #[schemars(with = "crate::wire::RiskWord")]
    pub risk: Risk,
    /// Whether it bound.
    #[schemars(with = "crate::wire::ModeWord")]
    pub mode: Mode,
    /// In observe mode: what would have stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<&'static str>,
    /// True for test data.
    pub test: bool,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// In which turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Identifies the action.
    pub digest: String,
    /// What it would do.
    pub effects: Vec<Effect>,
    /// What detectors saw in its arguments.
    pub findings: Vec<Seen>,
    /// What it was expected to cost.
    #[schemars(with = "Dollars")]
    pub expected_cost_usd: Dollars,
    /// The question that was asked, or whose answer let it through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// The decision that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// Whose key it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How it ended; absent while nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeView>,
    /// The arguments; only for a single decision, and only while they have not been erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub args: Option<Json>,
    /// What else the caller said; as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub context: Option<Json>,
}

/// How an action ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OutcomeView {
    /// How.
    #[schemars(with = "crate::wire::StatusWord")]
    pub status: Status,
    /// When it was reported: RFC 3339.
    pub at: String,
    /// What it cost, if that was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Dollars>,
    /// The tokens it took, if that was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,
    /// Who reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the gate saw it do: each request of a run, let through or refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// What it gave back; only for a single decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// What went wrong; only for a single decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Decisions, newest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DecisionPage {
    /// The decisions.
    pub decisions: Vec<DecisionView>,
    /// Hand this back as `cursor` for older ones. There may be a cursor and no decision: then none of the records
    /// that were looked through fitted, and there are older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which decisions are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whose data.
    pub realm: Realm,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// With this answer.
    pub decision: Option<Answer>,
    /// That ended like this.
    pub outcome: Option<Status>,
    /// On behalf of this user.
    pub user: Option<String>,
    /// In this session.
    pub session: Option<String>,
    /// That came with the key of this name.
    pub by: Option<String>,
    /// Not before.
    pub since: Option<Micro>,
    /// Not after.
    pub until: Option<Micro>,
    /// Recorded before this place.
    pub before: Option<Index>,
}

impl Wanted {
    fn fits(&self, it: &Decided) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|text| found == Some(text))
        };
        it.realm == self.realm
            && same(&self.agent, Some(&it.agent))
            && same(&self.tool, Some(&it.tool))
            && same(&self.user, it.user.as_deref())
            && same(&self.session, it.session.as_deref())
            && same(&self.by, it.by.as_deref())
            && self.decision.is_none_or(|decision| decision == it.decision)
            && self.since.is_none_or(|since| it.t >= since)
            && self.until.is_none_or(|until| it.t <= until)
    }
}

/// Decisions, newest first, at most `limit`.
pub fn decisions(reader: &Reader, wanted: &Wanted, limit: usize) -> Result<DecisionPage, Fault> {
    let mut decisions = Vec::new();
    let mut too_old = false;
    let next = look_back(reader, wanted.before, &mut |entry, record| {
        // Time never runs backwards in the ledger: what comes now is older still.
        too_old = wanted.since.is_some_and(|since| record.at() < since);
        if let Record::Decided(it) = &record
            && wanted.fits(it)
        {
            let end = end(reader, entry.index)?.map(|(settled, _)| settled);
            if wanted.outcome.is_none() || wanted.outcome == end.as_ref().map(|it| it.status) {
                let outcome = end.as_ref().map(outcome_of);
                decisions.push(DecisionView { outcome, ..view(entry.index, it) });
            }
        }
        Ok(too_old || decisions.len() >= limit)
    })?;
    Ok(DecisionPage { decisions, next_cursor: next.filter(|_| !too_old).map(super::cursor) })
}

/// The record of the decision at `at`, if it is one.
pub fn decided(reader: &Reader, at: Index) -> Result<Option<(Decided, Entry)>, Fault> {
    let Some(entry) = reader.get(at)? else { return Ok(None) };
    match record_of(&entry)? {
        Record::Decided(it) => Ok(Some((*it, entry))),
        _ => Ok(None),
    }
}

/// The last word on how the action that was allowed at `of` ended, and its entry.
pub fn end(reader: &Reader, of: Index) -> Result<Option<(Settled, Entry)>, Fault> {
    let mut found = None;
    for entry in reader.referring(of)? {
        if let Record::Settled(settled) = record_of(&entry)? {
            found = Some((settled, entry));
        }
    }
    Ok(found)
}

/// One decision, whole; `None` if there is none at `at` in this realm.
pub fn decision(reader: &Reader, realm: Realm, at: Index) -> Result<Option<DecisionView>, Fault> {
    let Some((it, entry)) = decided(reader, at)?.filter(|(it, _)| it.realm == realm) else { return Ok(None) };
    let payload = payload_of(&entry);
    let part = |name: &str| payload.as_ref().and_then(|json| field(json, name));
    let outcome = end(reader, at)?.map(|(settled, entry)| {
        let (result, error) = result_of(&entry);
        OutcomeView { result, error, ..outcome_of(&settled) }
    });
    Ok(Some(DecisionView { outcome, args: part("args"), context: part("context"), ..view(at, &it) }))
}

/// What became of the decision at `at`, for whoever repeats it.
pub fn original(reader: &Reader, at: Index) -> Result<Option<Original>, Fault> {
    let Some((it, _)) = decided(reader, at)? else { return Ok(None) };
    let (mut status, mut result, mut error) = (None, None, None);
    if let Some((settled, entry)) = end(reader, at)? {
        status = Some(settled.status);
        (result, error) = result_of(&entry);
    }
    Ok(Some(Original { decision_id: decision_id(at), decision: it.decision, status, result, error }))
}

fn result_of(entry: &Entry) -> (Option<Json>, Option<String>) {
    let Some(json) = payload_of(entry) else { return (None, None) };
    let error = match field(&json, "error") {
        Some(Json::Str(text)) => Some(text),
        _ => None,
    };
    (field(&json, "result"), error)
}

fn outcome_of(settled: &Settled) -> OutcomeView {
    OutcomeView {
        status: settled.status,
        at: rfc3339(settled.t),
        cost_usd: settled.cost.map(Dollars),
        tokens: settled.tokens,
        by: settled.by.clone(),
        effects: settled.effects.iter().map(Effect::from).collect(),
        result: None,
        error: None,
    }
}

fn view(at: Index, it: &Decided) -> DecisionView {
    let approval = it.approval.or((it.decision == Answer::Pending).then_some(at));
    DecisionView {
        decision_id: decision_id(at),
        at: rfc3339(it.t),
        decision: it.decision,
        code: code_word(it.code),
        agent_id: it.agent.clone(),
        tool: it.tool.clone(),
        rule: it.rule.as_deref().map(str::to_owned),
        reason: it.reason.clone(),
        policy_version: it.policy.0.to_string(),
        risk: it.risk,
        mode: it.mode,
        would: it.would.map(|code: Code| code_word(code)),
        test: it.realm == Realm::Test,
        user: it.user.clone(),
        session_id: it.session.clone(),
        step: it.step.clone(),
        environment: it.environment.clone(),
        idempotency_key: it.key.clone(),
        digest: it.digest.clone(),
        effects: it.effects.iter().map(Effect::from).collect(),
        findings: it.findings.iter().map(Seen::from).collect(),
        expected_cost_usd: Dollars(Micros(it.cost.0)),
        approval_id: approval.map(approval_id),
        duplicate_of: it.duplicate_of.map(decision_id),
        by: it.by.clone(),
        outcome: None,
        args: None,
        context: None,
    }
}
