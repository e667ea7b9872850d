//! `POST /v1/check`: what is asked and what is answered, one by one or many at once.
//!
//! An answer is made of a [`Receipt`], that is, of what is on record, and of nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use verdict::{
    Answer, Draft, EffectFact, Finding, Json, Malformed, MeterKind, Micros, Mode, Realm, Receipt, Risk,
    Status, short,
};

use super::fields::{Fields, read_by_fields};
use super::{Dollars, approval_id, code_word, decision_id, parse_id};

const KNOWN: &str = "agent_id, tool, args, context, user, session_id, step, environment, estimated_cost_usd, \
                     estimated_tokens, idempotency_key, approval_id";

/// One proposed action.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CheckRequest {
    /// Who wants to act.
    pub agent_id: String,
    /// What it calls: `service.resource.operation`.
    pub tool: String,
    /// The call's arguments.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub args: Option<Json>,
    /// What else the rules may want to know.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub context: Option<Json>,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which run.
    pub session_id: Option<String>,
    /// In which turn of the run: a text, or a whole number.
    pub step: Option<String>,
    /// Where: `production`, `staging`, ...
    pub environment: Option<String>,
    /// What the caller expects it to cost.
    #[schemars(with = "Option<Dollars>")]
    pub estimated_cost_usd: Option<Micros>,
    /// How many tokens the caller expects it to take.
    pub estimated_tokens: Option<i64>,
    /// Names the intent: the same key is carried out once.
    pub idempotency_key: Option<String>,
    /// The approval that an earlier check of this action asked for.
    pub approval_id: Option<String>,
}

impl CheckRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let read = |fields: &mut Fields<'_>| -> Result<Self, Malformed> {
            Ok(Self {
                agent_id: fields.need("agent_id")?,
                tool: fields.need("tool")?,
                args: fields.take("args"),
                context: fields.take("context"),
                user: fields.text("user")?,
                session_id: fields.text("session_id")?,
                step: step(fields)?,
                environment: fields.text("environment")?,
                estimated_cost_usd: fields.money("estimated_cost_usd")?,
                estimated_tokens: fields.integer("estimated_tokens")?,
                idempotency_key: fields.text("idempotency_key")?,
                approval_id: fields.text("approval_id")?,
            })
        };
        let request = read(&mut fields).map_err(|malformed| malformed.to_string())?;
        fields.finish(KNOWN)?;
        Ok(request)
    }

    /// The action that is meant, as the key it came with vouches for: `realm` is whose data the key sees,
    /// `by` the person or program it was made for, `bound_agent` the one agent it may act for.
    pub fn into_draft(
        self,
        realm: Realm,
        by: Option<String>,
        bound_agent: Option<&str>,
    ) -> Result<Draft, Malformed> {
        let Self {
            agent_id,
            tool,
            args,
            context,
            user,
            session_id,
            step,
            environment,
            estimated_cost_usd,
            estimated_tokens,
            idempotency_key,
            approval_id,
        } = self;
        if bound_agent.is_some_and(|bound| bound != agent_id) {
            let why = format!("is `{}`, and the key can act for another agent only", short(&agent_id));
            return Err(Malformed { field: "agent_id", why });
        }
        let approval = approval_id.as_deref().map(read_approval).transpose()?;
        Ok(Draft {
            agent: agent_id,
            tool,
            args,
            context,
            user,
            session: session_id,
            step,
            environment,
            estimate: estimated_cost_usd,
            tokens: estimated_tokens,
            key: idempotency_key,
            approval,
            definition: None,
            takes: None,
            realm,
            by,
        })
    }
}

fn read_approval(text: &str) -> Result<u64, Malformed> {
    let why = || format!("`{}` is not the id of an approval, such as `apr_7`", short(text));
    parse_id("apr_", text).ok_or_else(|| Malformed { field: "approval_id", why: why() })
}

pub(super) fn step(fields: &mut Fields<'_>) -> Result<Option<String>, Malformed> {
    match fields.take("step") {
        None => Ok(None),
        Some(Json::Str(text)) => Ok(Some(text)),
        Some(Json::Int(n)) => Ok(Some(n.to_string())),
        Some(other) => Err(Malformed {
            field: "step",
            why: format!("must be a string or a whole number, not {}", other.kind()),
        }),
    }
}

read_by_fields!(CheckRequest);

/// Many checks at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest<'b> {
    /// In the order in which they count.
    #[schemars(with = "Vec<CheckRequest>", length(min = 1, max = 1000))]
    #[serde(borrow)]
    pub checks: Vec<BatchItem<'b>>,
}

/// One of many checks: text until its turn comes, so that one that is no action does not spoil the others.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct BatchItem<'b>(#[serde(borrow)] &'b RawValue);

impl BatchItem<'_> {
    /// The check, or what is wrong with it.
    pub fn read(&self) -> Result<CheckRequest, String> {
        super::bound_depth(self.0.get().as_bytes())?;
        serde_json::from_str(self.0.get()).map_err(|error| error.to_string())
    }
}

/// The answers to many checks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BatchReply<P> {
    /// In the order of the checks.
    pub results: Vec<BatchAnswer<P>>,
}

/// The answer to one of many checks.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BatchAnswer<P> {
    /// It was decided.
    Decided(Box<CheckReply>),
    /// It is no action, or its idempotency key belongs to another.
    Odd {
        /// What is wrong with it.
        error: P,
    },
}

/// The answer to a check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CheckReply {
    /// `allow`, `deny` or `pending`: a person must agree first.
    #[schemars(with = "super::orders::AnswerWord")]
    pub decision: Answer,
    /// The decision's id; report the outcome of an allowed action under it.
    pub decision_id: String,
    /// True if, and only if, it may be done now.
    pub allowed: bool,
    /// True if it may be done once a person has agreed.
    pub requires_approval: bool,
    /// The question that people are asked, or were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A sentence to act on.
    pub reason: String,
    /// The kind of reason.
    pub code: &'static str,
    /// What it would do.
    pub effects: Vec<Effect>,
    /// What detectors saw.
    pub findings: Vec<Seen>,
    /// How bad it could get.
    #[schemars(with = "super::orders::RiskWord")]
    pub risk: Risk,
    /// The policy that decided.
    pub policy_version: String,
    /// What is left of each limit: by its name, in its own unit.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub remaining: Left,
    /// Seconds after which the same action could pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<i64>,
    /// The decision that already has its idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// Whether decisions bind: `enforce` or `observe`.
    #[schemars(with = "super::orders::ModeWord")]
    pub mode: Mode,
    /// What became of the decision that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
}

/// One effect.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Effect {
    /// `payment`, `fs.write`, ...
    pub kind: Cow<'static, str>,
    /// What it is done to, if known; `unknown` if it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What a person should know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Cow<'static, str>>,
    /// True if it cannot be undone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub destroys: bool,
}

/// What a detector saw; never the text itself.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Seen {
    /// `secret`, `personal_data`, `prompt_injection`, `hidden_text`, `stack_trace`, `pattern`, `canary`, `too_long`.
    pub kind: Cow<'static, str>,
    /// Which one: `aws_access_key`, `iban`, a pattern's name.
    pub name: Cow<'static, str>,
    /// Where: a JSON pointer to the text.
    pub place: String,
    /// The first byte of it in that text, and the first after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// How bad it is.
    #[schemars(with = "super::orders::RiskWord")]
    pub severity: Risk,
    /// How sure the detector is, in hundredths.
    pub confidence: u8,
    /// Whether its checksum holds, where its format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

impl From<&Finding> for Seen {
    fn from(it: &Finding) -> Self {
        let Finding { kind, name, place, span, severity, confidence, verified } = it.clone();
        Self { kind, name, place, span, severity, confidence, verified }
    }
}

impl From<&EffectFact> for Effect {
    fn from(it: &EffectFact) -> Self {
        let EffectFact { kind, resource, note, destroys } = it.clone();
        Self { kind, resource, note, destroys }
    }
}

/// The first decision under an idempotency key, and its end.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Original {
    /// Its id.
    pub decision_id: String,
    /// Its answer.
    #[schemars(with = "super::orders::AnswerWord")]
    pub decision: Answer,
    /// How it ended; absent while nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<super::orders::StatusWord>")]
    pub status: Option<Status>,
    /// What it gave back, if that was reported and has not been erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// What went wrong, if that was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is left of each limit. Where two limits have one name, the lesser.
#[derive(Clone, Debug, Default)]
pub struct Left(Vec<(std::sync::Arc<str>, MeterKind, i64)>);

impl Left {
    fn of(receipt: &Receipt) -> Self {
        let mut left: Vec<(std::sync::Arc<str>, MeterKind, i64)> =
            Vec::with_capacity(receipt.remaining().len());
        for it in receipt.remaining() {
            match left.iter_mut().find(|(label, ..)| *label == it.label) {
                Some((_, _, least)) => *least = it.left.min(*least),
                None => left.push((it.label.clone(), it.meter, it.left)),
            }
        }
        Self(left)
    }
}

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (label, meter, left) in &self.0 {
            match meter {
                MeterKind::Usd | MeterKind::Argument => {
                    map.serialize_entry(&**label, &Dollars(Micros(*left)))?
                }
                _ => map.serialize_entry(&**label, left)?,
            }
        }
        map.end()
    }
}

impl CheckReply {
    /// The answer that a receipt gives. `original` is what became of the decision that it repeats.
    pub fn of(receipt: &Receipt, original: Option<Original>) -> Self {
        let it = receipt.decided();
        let approval = it.approval.or((it.decision == Answer::Pending).then_some(receipt.at()));
        Self {
            decision: it.decision,
            decision_id: decision_id(receipt.at()),
            allowed: it.decision == Answer::Allow,
            requires_approval: it.decision == Answer::Pending,
            approval_id: approval.map(approval_id),
            rule: it.rule.as_deref().map(str::to_owned),
            reason: reason(receipt),
            code: code_word(it.code),
            effects: it.effects.iter().map(Effect::from).collect(),
            findings: it.findings.iter().map(Seen::from).collect(),
            risk: it.risk,
            policy_version: it.policy.0.to_string(),
            remaining: Left::of(receipt),
            retry_after_s: receipt.retry_after().map(seconds),
            duplicate_of: it.duplicate_of.map(decision_id),
            mode: it.mode,
            original,
        }
    }
}

/// Whole seconds, rounded up: whoever waits so long has waited long enough.
pub(super) fn seconds(micros: i64) -> i64 {
    micros.max(0).saturating_add(999_999) / 1_000_000
}

pub(super) fn reason(receipt: &Receipt) -> String {
    let it = receipt.decided();
    match (&it.reason, &it.rule, it.approval) {
        (Some(reason), ..) => reason.clone(),
        (None, Some(rule), Some(approval)) => {
            format!("rule `{rule}` allows it, and approval `apr_{approval}` was given")
        }
        (None, Some(rule), None) => format!("rule `{rule}` allows it"),
        (None, None, _) => "it is allowed".to_owned(),
    }
}
