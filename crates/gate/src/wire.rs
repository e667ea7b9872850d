//! What goes over the wire: the shapes of requests and answers, and how ids and money are written.
//!
//! Answerable for reading hostile text into stricter types, with messages that name the field, and for
//! writing what the contract promises. Knows nothing of HTTP, keys or the ledger.

pub mod agentwarden;
mod answer;
pub mod authzen;
mod check;
mod fields;
mod hook;
pub mod onceonly;
mod orders;
mod outcome;
mod tool;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use verdict::{Code, Index, Micros};

pub use answer::write_answer;
pub use check::{
    BatchAnswer, BatchItem, BatchReply, BatchRequest, CheckReply, CheckRequest, Effect, Left, Original, Seen,
};
pub use fields::Fields;
pub use hook::HookRequest;
pub use orders::{
    AgentRequest, AnswerRequest, AnswerWord, DisableRequest, KeyRequest, ModeWord, Nothing, ReportWord,
    RiskWord, RoleWord, StandingWord, StatusWord,
};
pub use outcome::{OutcomeReply, OutcomeRequest};
pub use tool::{
    CallError, CarriedReply, LONGEST_WAIT_S, RefusedReply, SecretNames, SecretRequest, ToolCallReply,
    ToolCallRequest, ToolChange, ToolRequest,
};

/// The deepest nesting of a body: lists and objects within each other.
pub const DEEPEST: usize = 64;

/// A decision's id: `dec_N`, where N is its place in the ledger.
pub fn decision_id(at: Index) -> String {
    format!("dec_{at}")
}

/// An approval's id: `apr_N`, where N is the place of the decision that asked.
pub fn approval_id(at: Index) -> String {
    format!("apr_{at}")
}

/// Reads an id that starts with `prefix`. Strict, so that a thing has one id: no sign, no leading zero.
pub fn parse_id(prefix: &str, text: &str) -> Option<Index> {
    let digits = text.strip_prefix(prefix)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The contract's word for a code.
pub fn code_word(code: Code) -> &'static str {
    match code {
        Code::Allowed => "allowed",
        Code::ApprovalRequired => "approval_required",
        Code::Approved => "approved",
        Code::DeniedByRule => "denied_by_rule",
        Code::NoMatchingRule => "no_matching_rule",
        Code::UnknownAgent => "unknown_agent",
        Code::UnknownTool => "unknown_tool",
        Code::AgentDisabled => "agent_disabled",
        Code::Boundary => "boundary",
        Code::Screen => "screen",
        Code::Flow => "flow",
        Code::Limit => "limit",
        Code::Budget => "budget",
        Code::Duplicate => "duplicate",
        Code::InProgress => "in_progress",
        Code::BreakerOpen => "breaker_open",
        Code::ApprovalDenied => "approval_denied",
        Code::ApprovalExpired => "approval_expired",
        Code::InvalidAction => "invalid_action",
        Code::EvaluationError => "evaluation_error",
        Code::Unavailable => "unavailable",
    }
}

/// Why a body is not what it should be. The text is a sentence that names the field or the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no JSON text, or one that could mean two things.
    Syntax(String),
    /// It is JSON, and not what is asked for.
    Shape(String),
}

/// Reads a body. Nesting is bounded before anything is built.
pub fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Unreadable> {
    bound_depth(bytes).map_err(Unreadable::Syntax)?;
    read_parts(bytes)
}

/// Reads a body whose parts stay text until each is read with a bound of its own: nothing is built of them here, and
/// passing over them takes no stack.
pub(crate) fn read_parts<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Unreadable::Shape(error.to_string()),
        _ => Unreadable::Syntax(format!("the body is not JSON: {error}")),
    })
}

fn bound_depth(bytes: &[u8]) -> Result<(), String> {
    if is_too_deep(bytes) {
        return Err(format!("the body is nested more than {DEEPEST} deep; send a flatter one"));
    }
    Ok(())
}

/// True if lists and objects are nested deeper than [`DEEPEST`]. A count of brackets settles most bodies.
fn is_too_deep(bytes: &[u8]) -> bool {
    let opens = |b: &u8| matches!(b, b'{' | b'[');
    if bytes.len() <= DEEPEST || bytes.iter().filter(|b| opens(b)).count() <= DEEPEST {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for b in bytes {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => (),
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// An amount of dollars, written as a JSON number with exactly its digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dollars(pub Micros);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.0 % 1_000_000 {
            0 => serializer.serialize_i64(self.0.0 / 1_000_000),
            // A double would do for reading, and not for writing the digits that were meant.
            _ => RawValue::from_string(self.0.to_string())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "description": "dollars, exact: at most six decimal places",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_has_one_id() {
        assert_eq!(parse_id("dec_", "dec_0"), Some(0));
        assert_eq!(parse_id("dec_", &decision_id(u64::MAX)), Some(u64::MAX));
        for odd in [
            "dec_",
            "dec_01",
            "dec_-1",
            "dec_+1",
            "dec_ 1",
            "apr_1",
            "DEC_1",
            "dec_1a",
            "dec_18446744073709551616",
            "dec_٣",
        ] {
            assert_eq!(parse_id("dec_", odd), None, "{odd}");
        }
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(!is_too_deep(nested(DEEPEST).as_bytes()));
        assert!(is_too_deep(nested(DEEPEST + 1).as_bytes()));
        let text = format!("\"\\\"{}\"", "[".repeat(500));
        assert!(!is_too_deep(text.as_bytes()));
        let flat = format!("[{}1]", "[],".repeat(500));
        assert!(!is_too_deep(flat.as_bytes()));
    }

    #[test]
    fn dollars_keep_their_digits() {
        for (micros, text) in
            [(0, "0"), (1, "0.000001"), (1_500_000, "1.50"), (9_007_199_254_740_993_000_001, "")]
                .map(|(n, text): (i128, &str)| (i64::try_from(n).unwrap_or(i64::MAX), text))
        {
            let wrote = serde_json::to_string(&Dollars(Micros(micros))).unwrap();
            let expected = if text.is_empty() { "9223372036854.775807" } else { text };
            assert_eq!(wrote, expected);
        }
    }
}
