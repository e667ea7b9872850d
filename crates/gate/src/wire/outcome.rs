//! `POST /v1/decisions/{id}/outcome`: how an allowed action ended.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Json, Malformed, Micros, Outcome, Status, short};

use super::fields::{Fields, read_by_fields};
use super::{Dollars, Seen};

const KNOWN: &str = "status, cost_usd, tokens, result, error";

/// How an allowed action ended.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OutcomeRequest {
    /// `success`: it was done. `failed`: it was tried and did not work. `cancelled`: it was never tried.
    #[schemars(with = "super::orders::ReportWord")]
    pub status: Status,
    /// What it really cost.
    #[schemars(with = "Option<Dollars>")]
    pub cost_usd: Option<Micros>,
    /// The tokens it really took.
    pub tokens: Option<i64>,
    /// What it gave back; whoever repeats the action with its idempotency key gets it.
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// What went wrong.
    pub error: Option<String>,
}

impl OutcomeRequest {
    fn of(mut fields: Fields<'_>) -> Result<Self, String> {
        let read = |fields: &mut Fields<'_>| -> Result<Self, Malformed> {
            Ok(Self {
                status: status(&fields.need("status")?)?,
                cost_usd: fields.money("cost_usd")?,
                tokens: tokens(fields.integer("tokens")?)?,
                result: fields.take("result"),
                error: fields.text("error")?,
            })
        };
        let request = read(&mut fields).map_err(|malformed| malformed.to_string())?;
        fields.finish(KNOWN)?;
        Ok(request)
    }

    /// As the settlement takes it.
    pub fn into_outcome(self) -> Outcome {
        let Self { status, cost_usd, tokens, result, error } = self;
        Outcome {
            status,
            cost: cost_usd,
            tokens,
            result,
            error,
            screened: None,
            answered: false,
            fleeting: false,
            did: Vec::new(),
        }
    }
}

fn status(text: &str) -> Result<Status, Malformed> {
    match text {
        "success" => Ok(Status::Success),
        "failed" => Ok(Status::Failed),
        "cancelled" => Ok(Status::Cancelled),
        other => {
            let why = format!("is `{}`; it is success, failed or cancelled", short(other));
            Err(Malformed { field: "status", why })
        }
    }
}

fn tokens(count: Option<i64>) -> Result<Option<i64>, Malformed> {
    match count {
        Some(n) if n < 0 => Err(Malformed { field: "tokens", why: "is negative".to_owned() }),
        count => Ok(count),
    }
}

read_by_fields!(OutcomeRequest);

/// An outcome, on record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OutcomeReply {
    /// The decision that it ends.
    pub decision_id: String,
    /// How it ended.
    #[schemars(with = "super::orders::StatusWord")]
    pub status: Status,
    /// The result, screened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub result: Option<Json>,
    /// Why the result is given to nobody, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// What detectors saw in it.
    pub findings: Vec<Seen>,
}
