//! What the gate itself says to the client: refusals, errors, progress.
//!
//! Answerable for what an agent is told of a decision, and for every such line being one JSON-RPC message.

use serde::Serialize;
use serde_json::json;
use verdict::{Answer, Code, Decided, Index, Malformed, Receipt};

use super::envelope::Odd;

/// The key in `_meta` under which a client finds the decision.
const META: &str = "portcullis/decision";

/// A decision as a client program reads it.
#[derive(Debug, Default, Serialize)]
struct Decision {
    decision: &'static str,
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<f64>,
}

/// A message that is refused as such: a JSON-RPC error.
pub(super) fn odd(odd: &Odd) -> String {
    error(odd.id.as_deref(), odd.code, &odd.why)
}

/// A JSON-RPC error for the request `id` (as written; `None`: unknown).
pub(super) fn error(id: Option<&str>, code: i32, message: &str) -> String {
    let id = id.unwrap_or("null");
    let error = json!({"code": code, "message": message});
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n")
}

/// Errors for all the parts of a batch.
pub(super) fn errors(ids: &[String], message: &str) -> String {
    if ids.is_empty() {
        return error(None, -32600, message);
    }
    let all: Vec<String> =
        ids.iter().map(|id| error(Some(id), -32600, message).trim_end().to_owned()).collect();
    format!("[{}]\n", all.join(","))
}

/// A result for the request `id`, as kept or as the server gave it.
pub(super) fn result(id: &str, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n")
}

/// The refusal of a call, made of its record.
pub(super) fn refused(id: &str, receipt: &Receipt) -> String {
    let decided = receipt.decided();
    let decision = Decision {
        decision: match decided.decision {
            Answer::Pending => "pending",
            _ => "deny",
        },
        code: Some(decided.code),
        rule: decided.rule.as_ref().map(ToString::to_string),
        reason: reason(decided),
        decision_id: Some(format!("dec_{}", receipt.at())),
        approval_id: question(receipt).map(|of| format!("apr_{of}")),
        duplicate_of: decided.duplicate_of.map(|of| format!("dec_{of}")),
        retry_after_s: receipt.retry_after().map(seconds),
    };
    let mut text = match decided.decision {
        Answer::Pending => format!("Not done yet: {}. Call the tool again to ask again.", decision.reason),
        _ => format!("Refused: {}.", decision.reason),
    };
    if let Some(wait) = decision.retry_after_s {
        text.push_str(&format!(" It could pass in {} s.", wait.ceil()));
    }
    text.push_str(&format!(" ({}, dec_{})", code(decided.code), receipt.at()));
    tool_error(id, &text, &decision)
}

/// The question that a pending decision asks or repeats.
pub(super) fn question(receipt: &Receipt) -> Option<Index> {
    let decided = receipt.decided();
    (decided.decision == Answer::Pending).then(|| decided.approval.unwrap_or(receipt.at()))
}

/// The refusal of a call that was no action.
pub(super) fn malformed(id: &str, malformed: &Malformed) -> String {
    let reason = malformed.to_string();
    let text = format!("Refused: {reason}. (invalid_action)");
    tool_error(
        id,
        &text,
        &Decision { decision: "deny", code: Some(Code::InvalidAction), reason, ..Decision::default() },
    )
}

/// Nothing can be decided or recorded, or nobody knows how the call ended.
pub(super) fn unavailable(id: &str, reason: &str) -> String {
    let text = format!("Refused: {reason}. (unavailable)");
    let reason = reason.to_owned();
    tool_error(
        id,
        &text,
        &Decision { decision: "deny", code: Some(Code::Unavailable), reason, ..Decision::default() },
    )
}

/// The call was allowed and sent, and has no result that may be shown.
pub(super) fn without_result(id: &str, decision: Option<Index>, reason: &str) -> String {
    let reason = reason.to_owned();
    let decision_id = decision.map(|at| format!("dec_{at}"));
    let text = format!("No result: {reason}.");
    tool_error(
        id,
        &text,
        &Decision {
            decision: "allow",
            code: Some(Code::Allowed),
            reason,
            decision_id,
            ..Decision::default()
        },
    )
}

/// A call waits for people.
pub(super) fn progress(token: &str, step: u32, waits: &str) -> String {
    // Tiny steps, so that the server's own progress for the same token goes up from here.
    let progress = f64::from(step) / 1e6;
    let waits = json!(waits);
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\"progress\":{progress},\"message\":{waits}}}}}\n"
    )
}

/// The same for clients that show the server's log.
pub(super) fn log(waits: &str) -> String {
    let message = json!({
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "notice", "logger": "portcullis", "data": waits},
    });
    format!("{message}\n")
}

/// What is said while a call waits.
pub(super) fn waits(approval: Index) -> String {
    format!("waiting for approval apr_{approval}: portcullis approvals approve apr_{approval}")
}

fn tool_error(id: &str, text: &str, decision: &Decision) -> String {
    let body = json!({
        "content": [{"type": "text", "text": text}],
        "isError": true,
        "_meta": {META: decision},
    });
    result(id, &body.to_string())
}

fn reason(decided: &Decided) -> String {
    decided.reason.clone().unwrap_or_else(|| "no reason is on record".to_owned())
}

fn code(code: Code) -> String {
    serde_json::to_string(&code).unwrap_or_default().trim_matches('"').to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "a wait is shown, not counted with")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
