//! What a coding agent is told, in the words and with the exit code that it obeys.
//!
//! Answerable for a denial being one that the agent obeys: with exit code 2, which nearly every one of them takes for a
//! denial, even where it does not read the words; and for nothing being said where saying nothing is meant, which some
//! of them spell out. Does not know what was decided, or why.

use serde_json::{Value, json};

use super::read::BEFORE;
use super::{Product, Say};

/// The exit code that an agent takes for a denial.
pub const DENIED: u8 = 2;

impl Product {
    /// The exit code with which its hook denies. Older Copilot CLIs take any but 0 for a hook that is broken, and go on.
    pub fn denied(self) -> u8 {
        if self == Self::CopilotCli { 0 } else { DENIED }
    }

    /// What goes to standard output, if anything, and the exit code. What denies is also said on standard error.
    /// `event`: as the agent calls it; empty if it could not be read.
    pub fn answer(self, event: &str, say: &Say) -> (Option<String>, u8) {
        // What cannot be read may be about a tool that is not used yet.
        let before = BEFORE.contains(&event) || event.is_empty();
        let said = if before { self.before(event, say) } else { self.after(say) };
        let code = if matches!(say, Say::Deny(_)) { self.denied() } else { 0 };
        (said.map(|said| said.to_string()), code)
    }

    fn before(self, event: &str, say: &Say) -> Option<Value> {
        match (self, say) {
            // It adds what it hears to what the model knows, and goes by the exit code.
            (Self::Kiro, _) => None,
            // An object without a decision is a broken hook to it; no word at all is none against.
            (Self::Goose, Say::Nothing) => None,
            (Self::Goose, Say::Allow(_)) => Some(json!({"decision": "allow"})),
            (Self::Goose, Say::Deny(why)) => Some(json!({"decision": "block", "reason": why})),
            // It takes silence of such a hook for a broken one, and denies. Here `allow` goes on to what it asks itself.
            (Self::Cursor, Say::Nothing) => Some(json!({"permission": silence(event)})),
            (Self::Cursor, Say::Allow(_)) => Some(json!({"permission": "allow"})),
            (Self::Cursor, Say::Deny(why)) => {
                Some(json!({"permission": "deny", "user_message": why, "agent_message": why}))
            }
            // It has no words: the exit code, and what is on standard error.
            (Self::Windsurf, _) | (_, Say::Nothing) => Some(json!({})),
            (Self::GeminiCli, Say::Allow(_)) => Some(json!({"decision": "allow"})),
            (Self::GeminiCli, Say::Deny(why)) => Some(json!({"decision": "deny", "reason": why})),
            // It takes a hook that grants for a broken one: who may run what without being asked is its own.
            (Self::Codex, Say::Allow(_)) => Some(json!({})),
            (Self::CopilotCli, Say::Allow(why)) => Some(both("allow", why)),
            (Self::CopilotCli, Say::Deny(why)) => Some(both("deny", why)),
            (_, Say::Allow(why)) => Some(json!({"hookSpecificOutput": permission(event, "allow", why)})),
            (_, Say::Deny(why)) => Some(json!({"hookSpecificOutput": permission(event, "deny", why)})),
        }
    }

    fn after(self, say: &Say) -> Option<Value> {
        let Say::Deny(why) = say else {
            return (!matches!(self, Self::Kiro | Self::Goose)).then(|| json!({}));
        };
        match self {
            Self::Kiro | Self::Goose => None,
            Self::Windsurf => Some(json!({})),
            Self::GeminiCli => Some(json!({"decision": "deny", "reason": why})),
            // After a tool was used there is nothing to deny: what it brought is spoken of to the model.
            Self::Cursor => Some(json!({"additional_context": why})),
            // Instead of what the tool brought.
            Self::CopilotCli => {
                Some(json!({"modifiedResult": {"resultType": "success", "textResultForLlm": why}}))
            }
            Self::ClaudeCode | Self::Codex | Self::QwenCode | Self::Droid => {
                Some(json!({"decision": "block", "reason": why}))
            }
        }
    }
}

/// What Cursor is told where nothing is to be said: of a command and an MCP tool `allow` would be the user's word.
fn silence(event: &str) -> &'static str {
    if matches!(event, "beforeShellExecution" | "beforeMCPExecution") { "ask" } else { "allow" }
}

fn permission(event: &str, word: &str, why: &str) -> Value {
    let event = if event.is_empty() { "PreToolUse" } else { event };
    json!({"hookEventName": event, "permissionDecision": word, "permissionDecisionReason": why})
}

/// As Copilot CLI reads it, and as VS Code does, which runs the hooks of the same files.
fn both(word: &str, why: &str) -> Value {
    json!({
        "permissionDecision": word,
        "permissionDecisionReason": why,
        "hookSpecificOutput": permission("PreToolUse", word, why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Product; 10] = [
        Product::ClaudeCode,
        Product::Codex,
        Product::GeminiCli,
        Product::Cursor,
        Product::CopilotCli,
        Product::Windsurf,
        Product::QwenCode,
        Product::Droid,
        Product::Goose,
        Product::Kiro,
    ];

    fn said(product: Product, event: &str, say: &Say) -> Value {
        let (said, _) = product.answer(event, say);
        said.map_or(Value::Null, |said| serde_json::from_str(&said).unwrap())
    }

    #[test]
    fn silence_is_spelled_as_each_of_them_takes_it_for_silence() {
        for product in ALL {
            let event = if product == Product::Cursor { "preToolUse" } else { "PreToolUse" };
            let expected = match product {
                Product::Cursor => json!({"permission": "allow"}),
                Product::Goose | Product::Kiro => Value::Null,
                _ => json!({}),
            };
            assert_eq!(said(product, event, &Say::Nothing), expected, "{product:?}");
            assert_eq!(product.answer(event, &Say::Nothing).1, 0);
        }
        for event in ["beforeShellExecution", "beforeMCPExecution"] {
            assert_eq!(said(Product::Cursor, event, &Say::Nothing), json!({"permission": "ask"}));
        }
        assert_eq!(said(Product::Cursor, "beforeReadFile", &Say::Nothing), json!({"permission": "allow"}));
        assert_eq!(said(Product::Cursor, "postToolUse", &Say::Nothing), json!({}));
    }

    #[test]
    fn a_denial_is_one_for_each_of_them_whatever_the_event() {
        let no = Say::Deny("no".to_owned());
        for product in ALL {
            for event in ["PreToolUse", "preToolUse", ""] {
                let (text, code) = product.answer(event, &no);
                let text = text.unwrap_or_default();
                // By the exit code, or in words.
                let words = text.contains(r#""permissionDecision":"deny""#);
                assert!(code == DENIED || (code == 0 && words), "{product:?} {event}: {text}");
                assert!(!text.contains("allow"), "{product:?} {event}: {text}");
            }
        }
        let claude = said(Product::ClaudeCode, "PreToolUse", &no);
        assert_eq!(claude["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(claude["hookSpecificOutput"]["permissionDecisionReason"], "no");
        assert_eq!(said(Product::GeminiCli, "BeforeTool", &no), json!({"decision": "deny", "reason": "no"}));
        assert_eq!(said(Product::Goose, "PreToolUse", &no), json!({"decision": "block", "reason": "no"}));
        let cursor = said(Product::Cursor, "preToolUse", &no);
        assert_eq!(cursor, json!({"permission": "deny", "user_message": "no", "agent_message": "no"}));
        let copilot = said(Product::CopilotCli, "PreToolUse", &no);
        assert_eq!(
            (&copilot["permissionDecision"], &copilot["permissionDecisionReason"]),
            (&json!("deny"), &json!("no"))
        );
        assert_eq!(copilot["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(Product::CopilotCli.answer("", &no).1, 0);
    }

    #[test]
    fn what_came_back_is_kept_from_the_model_as_far_as_each_lets_it() {
        let no = Say::Deny("no".to_owned());
        let blocked = json!({"decision": "block", "reason": "no"});
        for product in [Product::ClaudeCode, Product::Codex, Product::QwenCode, Product::Droid] {
            assert_eq!(said(product, "PostToolUse", &no), blocked);
            assert_eq!(product.answer("PostToolUse", &no).1, DENIED);
        }
        let instead = json!({"modifiedResult": {"resultType": "success", "textResultForLlm": "no"}});
        assert_eq!(said(Product::CopilotCli, "PostToolUse", &no), instead);
        assert_eq!(said(Product::Cursor, "postToolUse", &no), json!({"additional_context": "no"}));
    }

    #[test]
    fn granting_is_said_only_to_who_has_a_word_for_it() {
        let yes = Say::Allow("yes".to_owned());
        assert_eq!(said(Product::Codex, "PreToolUse", &yes), json!({}));
        assert_eq!(said(Product::Kiro, "PreToolUse", &yes), Value::Null);
        assert_eq!(said(Product::Goose, "PreToolUse", &yes), json!({"decision": "allow"}));
        assert_eq!(said(Product::CopilotCli, "PreToolUse", &yes)["permissionDecision"], "allow");
        for product in [Product::ClaudeCode, Product::QwenCode, Product::Droid] {
            assert_eq!(
                said(product, "PreToolUse", &yes)["hookSpecificOutput"]["permissionDecision"],
                "allow"
            );
        }
    }
}
