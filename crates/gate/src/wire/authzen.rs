//! The OpenID AuthZEN Authorization API 1.0: questions and answers of policy decision points.
//!
//! The subject is the agent and the action's name the tool; `action.properties` are its arguments. The resource, and
//! what else is said of the subject, are context for the rules. Answerable for a question of AuthZEN becoming the
//! very action that `POST /v1/check` would make of it.
//! Source: OpenID AuthZEN Authorization API 1.0, sections 5 to 7 and 9.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::json::Map;
use verdict::{Answer, Json, Malformed, Receipt};

use super::check::{CheckRequest, step};
use super::fields::{Fields, read_by_fields};
use super::{approval_id, code_word, decision_id};

/// One question. What is absent is taken from the defaults of the request that it is part of.
#[derive(Clone, Debug, Default, JsonSchema)]
pub struct Evaluation {
    /// Who wants to act: its `id` is the agent.
    #[schemars(with = "Option<Subject>")]
    pub subject: Option<Json>,
    /// What it wants to do: `name` is the tool, `properties` are its arguments.
    #[schemars(with = "Option<Act>")]
    pub action: Option<Json>,
    /// To what.
    #[schemars(with = "Option<Resource>")]
    pub resource: Option<Json>,
    /// What else the rules may want to know; `user`, `session_id`, `step`, `environment`, `estimated_cost_usd`,
    /// `estimated_tokens`, `idempotency_key` and `approval_id` mean what they mean in a check.
    #[schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>")]
    pub context: Option<Json>,
}

/// Many questions, and what they share.
#[derive(Clone, Debug, JsonSchema)]
pub struct Evaluations {
    /// What holds for every question that does not say otherwise.
    #[schemars(flatten)]
    pub defaults: Evaluation,
    /// The questions, up to 1,000. Without any, the defaults are one question.
    #[schemars(with = "Option<Vec<Evaluation>>")]
    pub evaluations: Vec<Result<Evaluation, Malformed>>,
    /// When to stop.
    #[schemars(with = "Option<Options>", rename = "options")]
    pub semantic: Semantic,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Options {
    evaluations_semantic: Option<Semantic>,
}

/// When to stop asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Semantic {
    /// Never: every question is answered.
    #[default]
    ExecuteAll,
    /// After the first denial.
    DenyOnFirstDeny,
    /// After the first permission.
    PermitOnFirstPermit,
}

impl Semantic {
    /// True if nothing is asked after this answer.
    pub fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Subject {
    r#type: String,
    id: String,
    properties: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Act {
    name: String,
    properties: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Resource {
    r#type: String,
    id: String,
    properties: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Decision {
    /// Whether it may.
    pub decision: bool,
    /// Why, and under which id it is on record.
    pub context: Because,
}

/// What there is to say besides yes or no.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Because {
    /// A sentence to act on.
    pub reason: String,
    /// The stable word to branch on.
    pub code: &'static str,
    /// The decision's id; absent if the question was no action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What a person must answer first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Why the question could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Unread>,
}

/// A question that could not be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Unread {
    /// The status that it would have had by itself.
    pub status: u16,
    /// What is wrong with it.
    pub message: String,
}

/// The answers, in the order of the questions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Decisions {
    /// One for each question that was asked.
    pub evaluations: Vec<Decision>,
}

/// Where the questions go (`/.well-known/authzen-configuration`).
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Configuration {
    /// This gate.
    pub policy_decision_point: String,
    /// Where one question goes.
    pub access_evaluation_endpoint: String,
    /// Where many go.
    pub access_evaluations_endpoint: String,
}

impl Evaluation {
    /// What else a question has is an extension that is not known here; it changes nothing.
    #[expect(clippy::unnecessary_wraps, reason = "requests are read alike")]
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        Ok(Self::take(&mut fields))
    }

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            subject: fields.take("subject"),
            action: fields.take("action"),
            resource: fields.take("resource"),
            context: fields.take("context"),
        }
    }

    /// This question, with what it leaves out taken from `defaults`, each part whole.
    pub fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
            context: self.context.or_else(|| defaults.context.clone()),
        }
    }

    /// The check that it is.
    pub fn into_check(self) -> Result<CheckRequest, Malformed> {
        let Self { subject, action, resource, context } = self;
        let agent_id = part(subject.as_ref(), "subject", &["type", "id"])?;
        let tool = part(action.as_ref(), "action", &["name"])?;
        part(resource.as_ref(), "resource", &["type", "id"])?;
        let args = match action.as_ref().and_then(|action| at(action, "properties")) {
            None | Some(Json::Null) => None,
            Some(properties @ Json::Map(_)) => Some(properties.clone()),
            Some(other) => {
                let why = format!("must have `properties` that are an object, not {}", other.kind());
                return Err(Malformed { field: "action", why });
            }
        };
        let mut fields = match context {
            None => Fields::default(),
            Some(Json::Map(map)) => Fields::from_pairs(map.iter().map(|(k, v)| (k.to_owned(), v.clone()))),
            Some(other) => {
                let why = format!("must be an object, not {}", other.kind());
                return Err(Malformed { field: "context", why });
            }
        };
        Ok(CheckRequest {
            agent_id,
            tool,
            args,
            user: fields.text("user")?,
            session_id: fields.text("session_id")?,
            step: step(&mut fields)?,
            environment: fields.text("environment")?,
            estimated_cost_usd: fields.money("estimated_cost_usd")?,
            estimated_tokens: fields.integer("estimated_tokens")?,
            idempotency_key: fields.text("idempotency_key")?,
            approval_id: fields.text("approval_id")?,
            context: Some(rest(fields, subject, resource)?),
        })
    }
}

/// The rest of the context, with the resource and the subject beside it.
fn rest(fields: Fields<'_>, subject: Option<Json>, resource: Option<Json>) -> Result<Json, Malformed> {
    let mut pairs = fields.into_pairs();
    for (name, value) in [("subject", subject), ("resource", resource)] {
        if pairs.iter().any(|(key, _)| key == name) {
            let why = format!("has `{name}`, which is the name of a part of the question itself");
            return Err(Malformed { field: "context", why });
        }
        pairs.extend(value.map(|value| (name.to_owned(), value)));
    }
    let same = |_| Malformed { field: "context", why: "names something twice".to_owned() };
    Map::from_pairs(pairs).map(Json::Map).map_err(same)
}

impl Evaluations {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let defaults = Evaluation::take(&mut fields);
        let evaluations = match fields.take("evaluations") {
            None => Vec::new(),
            Some(Json::List(items)) => items.into_iter().map(question).collect(),
            Some(other) => return Err(format!("`evaluations` must be a list, not {}", other.kind())),
        };
        let semantic = match fields.take("options") {
            None => Semantic::default(),
            Some(options @ Json::Map(_)) => semantic(&options)?,
            Some(other) => return Err(format!("`options` must be an object, not {}", other.kind())),
        };
        Ok(Self { defaults, evaluations, semantic })
    }
}

read_by_fields!(Evaluation);
read_by_fields!(Evaluations);

fn question(item: Json) -> Result<Evaluation, Malformed> {
    match item {
        Json::Map(map) => {
            let pairs = map.iter().map(|(key, value)| (key.to_owned(), value.clone()));
            Ok(Evaluation::take(&mut Fields::from_pairs(pairs)))
        }
        other => {
            Err(Malformed { field: "evaluations", why: format!("must hold objects, not {}", other.kind()) })
        }
    }
}

fn semantic(options: &Json) -> Result<Semantic, String> {
    match at(options, "evaluations_semantic") {
        None | Some(Json::Null) => Ok(Semantic::default()),
        Some(Json::Str(word)) => match word.as_str() {
            "execute_all" => Ok(Semantic::ExecuteAll),
            "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
            "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
            other => Err(format!(
                "`evaluations_semantic` is `{}`; it is execute_all, deny_on_first_deny or permit_on_first_permit",
                verdict::short(other)
            )),
        },
        Some(other) => Err(format!("`evaluations_semantic` must be a string, not {}", other.kind())),
    }
}

fn at<'j>(json: &'j Json, key: &str) -> Option<&'j Json> {
    match json {
        Json::Map(map) => map.get(key),
        _ => None,
    }
}

/// The last of the texts that a part must have.
fn part(json: Option<&Json>, field: &'static str, texts: &[&str]) -> Result<String, Malformed> {
    let json = json.ok_or(Malformed { field, why: "is missing".to_owned() })?;
    let mut last = String::new();
    for key in texts {
        match at(json, key) {
            Some(Json::Str(text)) => last.clone_from(text),
            Some(other) => {
                let why = format!("must have a `{key}` that is a string, not {}", other.kind());
                return Err(Malformed { field, why });
            }
            None => return Err(Malformed { field, why: format!("must be an object with `{key}`") }),
        }
    }
    Ok(last)
}

impl Decision {
    /// The answer that is on record.
    pub fn of(receipt: &Receipt) -> Self {
        let decided = receipt.decided();
        let allowed = decided.decision == Answer::Allow;
        let asks = decided.decision == Answer::Pending;
        Self {
            decision: allowed,
            context: Because {
                reason: super::check::reason(receipt),
                code: code_word(decided.code),
                decision_id: Some(decision_id(receipt.at())),
                rule: decided.rule.as_deref().map(str::to_owned),
                approval_id: asks.then(|| approval_id(decided.approval.unwrap_or(receipt.at()))),
                error: None,
            },
        }
    }

    /// The answer to what is no question.
    pub fn unread(status: u16, code: &'static str, message: String) -> Self {
        let error = Some(Unread { status, message: message.clone() });
        Self { decision: false, context: Because { reason: message, code, error, ..Because::default() } }
    }
}
