//! What a refusal is called by clients of other products: their bodies, their statuses.
//!
//! Answerable for their programs taking a refusal for one. Decides nothing: what is refused was refused before.

use hyper::StatusCode;
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::problem::Problem;
use super::reply::{self, Reply};

/// Whose words an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Our own: problem documents.
    Own,
    /// OnceOnly's: `{"detail": ...}`.
    OnceOnly {
        /// A lock: its clients take a server's failure for a yes.
        lock: bool,
    },
    /// AgentWarden's: `{"detail": ...}`.
    AgentWarden,
}

/// A member of a problem that is the detail in the other product's form.
pub(super) const DETAIL: &str = "detail_in_their_form";

impl Dialect {
    /// The dialect that is spoken at a path.
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/onceonly/") {
            Self::OnceOnly { lock: path.ends_with("/check-lock") }
        } else if path.starts_with("/agentwarden/") {
            Self::AgentWarden
        } else {
            Self::Own
        }
    }

    /// A refusal as an answer.
    pub(super) fn refuse(self, problem: &Problem) -> Reply {
        match self {
            Self::Own => reply::problem(problem),
            // Its client runs the action if a lock's answer is a server's failure; it never does so for a 429.
            Self::OnceOnly { lock: true } if problem.status.is_server_error() => {
                let detail = json!({"error": "rate_limited", "message": problem.detail});
                let status = StatusCode::TOO_MANY_REQUESTS;
                theirs(&Problem { status, retry_after: Some(1), ..problem.clone() }, detail)
            }
            Self::OnceOnly { .. } if problem.code == "unauthenticated" => {
                let missing = problem.detail.starts_with("no key");
                theirs(
                    problem,
                    if missing { "Missing Authorization Bearer token" } else { "Invalid API key" }.into(),
                )
            }
            Self::OnceOnly { .. } | Self::AgentWarden => theirs(problem, detail(problem)),
        }
    }
}

/// FastAPI's form of what is wrong with a body or query: a list with places.
pub(super) fn invalid(place: &str, field: &str, why: &str) -> Problem {
    let missing = why == "is missing";
    let (kind, message) = if missing {
        ("missing", "Field required".to_owned())
    } else {
        ("value_error", format!("`{field}` {why}"))
    };
    let mut problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", format!("`{field}` {why}"));
    let detail = json!([{"type": kind, "loc": [place, field], "msg": message, "input": null}]);
    problem.more.insert(DETAIL.to_owned(), detail);
    problem
}

/// A refusal with a word to branch on.
pub(super) fn worded(status: StatusCode, word: &str, message: impl Into<String>) -> Problem {
    let message = message.into();
    let mut problem = Problem::new(status, "refused", message.clone());
    problem.more.insert(DETAIL.to_owned(), json!({"error": word, "message": message}));
    problem
}

fn detail(problem: &Problem) -> Value {
    match problem.more.get(DETAIL) {
        Some(detail) => detail.clone(),
        None if problem.status == StatusCode::BAD_REQUEST => {
            json!([{"type": "json_invalid", "loc": ["body"], "msg": problem.detail, "input": null}])
        }
        None => problem.detail.clone().into(),
    }
}

fn theirs(problem: &Problem, detail: Value) -> Reply {
    // What is no JSON, or has no such parameter, is 422 in their products.
    let status = match problem.status {
        StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
        other => other,
    };
    let mut answer = reply::problem(problem);
    let Ok(body) = reply::json_with(status, &json!({"detail": detail})) else { return answer };
    let (kept, mut body) = (std::mem::take(answer.headers_mut()), body);
    for name in [RETRY_AFTER, WWW_AUTHENTICATE, hyper::header::ALLOW, hyper::header::CONNECTION] {
        if let Some(value) = kept.get(&name) {
            body.headers_mut().insert(name, value.clone());
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn refused(path: &str, problem: &Problem) -> (u16, Value, Option<String>) {
        let reply = Dialect::of(path).refuse(problem);
        let retry = reply.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = reply.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(reply.into_body().collect()).unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap(), retry)
    }

    #[test]
    fn a_lock_is_never_answered_with_a_servers_failure() {
        for problem in [Problem::unavailable(), Problem::timed_out(), Problem::internal()] {
            let (status, body, retry) = refused("/onceonly/v1/check-lock", &problem);
            assert_eq!((status, retry.as_deref()), (429, Some("1")));
            assert_eq!(body["detail"]["error"], "rate_limited");
            assert_eq!(refused("/onceonly/v1/ai/lease", &problem).0, problem.status.as_u16());
        }
    }

    #[test]
    fn refusals_are_in_the_other_products_form() {
        let none = refused("/onceonly/v1/me", &Problem::no_key());
        assert_eq!((none.0, &none.1), (401, &json!({"detail": "Missing Authorization Bearer token"})));
        let wrong = refused("/onceonly/v1/me", &Problem::wrong_key());
        assert_eq!((wrong.0, &wrong.1), (401, &json!({"detail": "Invalid API key"})));
        let missing = refused("/onceonly/v1/check-lock", &invalid("body", "key", "is missing"));
        let list =
            json!([{"type": "missing", "loc": ["body", "key"], "msg": "Field required", "input": null}]);
        assert_eq!((missing.0, &missing.1), (422, &json!({"detail": list})));
        assert_eq!(refused("/agentwarden/sdk/check", &Problem::request("no".to_owned())).0, 422);
        assert_eq!(refused("/v1/check", &Problem::request("no".to_owned())).1["code"], "invalid_request");
    }
}
