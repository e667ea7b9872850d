//! The hooks of coding agents: what each of them says before and after it uses a tool, and how it is answered.
//!
//! Answerable for reading every event strictly, and for a denial being one that the agent obeys: with exit code 2,
//! which nearly every one of them takes for a denial, even where it does not read the words; Copilot CLI passes over a
//! hook that fails, and is denied in words alone. Decides nothing and opens nothing. Sources: the hook references of
//! Claude Code, Codex CLI, Gemini CLI, Cursor, Copilot CLI and Windsurf (2026).

pub mod settings;
mod windsurf;
pub mod word;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use verdict::json::Map;
use verdict::{Draft, Json};

/// A coding agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Product {
    /// Claude Code (PreToolUse, PostToolUse)
    ClaudeCode,
    /// OpenAI Codex CLI (PreToolUse, PostToolUse)
    Codex,
    /// Gemini CLI (BeforeTool, AfterTool)
    GeminiCli,
    /// Cursor (preToolUse, beforeShellExecution, beforeMCPExecution, beforeReadFile)
    Cursor,
    /// GitHub Copilot CLI (PreToolUse, PostToolUse)
    CopilotCli,
    /// Windsurf (pre_run_command, pre_read_code, pre_write_code, pre_mcp_tool_use, and post_...)
    Windsurf,
}

/// What an agent tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is called by the agent.
    pub name: String,
    /// Before the tool is used, or after.
    pub when: When,
    /// The tool, as the agent calls it.
    pub tool: String,
    /// Its arguments.
    pub args: Json,
    /// The run that it belongs to.
    pub session: Option<String>,
    /// The folder that it happens in.
    pub cwd: Option<String>,
}

/// At which point of a tool's use.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// It is about to be used.
    Before,
    /// It was used: what came back.
    After(Json),
}

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "say", content = "reason", rename_all = "lowercase", deny_unknown_fields)]
pub enum Say {
    /// Nothing against it; its own permissions decide.
    Nothing,
    /// It may, without asking its user.
    Allow(String),
    /// It may not, and why.
    Deny(String),
}

/// The exit code that an agent takes for a denial.
pub const DENIED: u8 = 2;

/// The names of events, as the products call them.
const BEFORE: [&str; 6] = [
    "PreToolUse",
    "BeforeTool",
    "preToolUse",
    "beforeShellExecution",
    "beforeMCPExecution",
    "beforeReadFile",
];
const AFTER: [&str; 6] =
    ["PostToolUse", "AfterTool", "postToolUse", "afterShellExecution", "afterMCPExecution", "afterFileEdit"];

impl Product {
    /// What it is called on the command line, and as an agent where nobody says otherwise.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini-cli",
            Self::Cursor => "cursor",
            Self::CopilotCli => "copilot-cli",
            Self::Windsurf => "windsurf",
        }
    }

    /// The exit code with which its hook denies. Copilot CLI takes any but 0 for a hook that is broken, and goes on.
    pub fn denied(self) -> u8 {
        if self == Self::CopilotCli { 0 } else { DENIED }
    }

    /// Reads an event. The error is a sentence.
    pub fn read(self, bytes: &[u8]) -> Result<Event, String> {
        let json = Json::parse(bytes).map_err(|why| format!("the event is no JSON: {why}"))?;
        Self::event(&json)
    }

    /// The same of what was read as JSON before.
    pub fn event(json: &Json) -> Result<Event, String> {
        let Json::Map(map) = json else {
            return Err(format!("the event must be an object, not {}", json.kind()));
        };
        let text = |key: &str| match map.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Str(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("`{key}` must be a string, not {}", other.kind())),
        };
        if let Some(name) = text("agent_action_name")? {
            return windsurf::event(&name, map);
        }
        let name = text("hook_event_name")?.ok_or("the event has no `hook_event_name`")?;
        let is_before = BEFORE.contains(&name.as_str());
        if !is_before && !AFTER.contains(&name.as_str()) {
            return Err(format!("`{}` is no event about a tool", verdict::short(&name)));
        }
        let (tool, args) = match name.as_str() {
            "beforeShellExecution" | "afterShellExecution" => {
                let command = text("command")?.ok_or("the event has no `command`")?;
                ("Shell".to_owned(), object([("command", Json::Str(command))]))
            }
            "beforeReadFile" | "afterFileEdit" => {
                let path = text("file_path")?.ok_or("the event has no `file_path`")?;
                let tool = if is_before { "Read" } else { "Edit" };
                (tool.to_owned(), object([("file_path", Json::Str(path))]))
            }
            _ => {
                (text("tool_name")?.ok_or("the event has no `tool_name`")?, arguments(map.get("tool_input"))?)
            }
        };
        let said = ["tool_response", "result_json", "tool_output", "tool_result", "output"];
        let when = match is_before {
            true => When::Before,
            false => When::After(said.iter().find_map(|key| map.get(key)).cloned().unwrap_or(Json::Null)),
        };
        let session = text("session_id")?.or(text("conversation_id")?);
        let root = match map.get("workspace_roots") {
            Some(Json::List(roots)) => roots.first(),
            _ => None,
        };
        let cwd = text("cwd")?.filter(|cwd| !cwd.is_empty()).or_else(|| match root {
            Some(Json::Str(root)) => Some(root.clone()),
            _ => None,
        });
        Ok(Event { name, when, tool, args, session, cwd })
    }

    /// What goes to standard output, if anything, and the exit code. What denies is also said on standard error.
    pub fn answer(self, event: &str, say: &Say) -> (Option<String>, u8) {
        // What cannot be read may be about a tool that is not used yet.
        let before = BEFORE.contains(&event) || event.is_empty();
        let said = match (self, say) {
            (_, Say::Nothing) => json!({}),
            // It has no words: the exit code, and what is on standard error.
            (Self::Windsurf, _) => json!({}),
            (Self::CopilotCli, Say::Allow(_)) if before => json!({"permissionDecision": "allow"}),
            (Self::CopilotCli, Say::Deny(why)) if before => {
                json!({"permissionDecision": "deny", "permissionDecisionReason": why})
            }
            // What its tools bring cannot be taken back.
            (Self::CopilotCli, _) => json!({}),
            (Self::ClaudeCode | Self::Codex, Say::Allow(why)) if before => json!({
                "hookSpecificOutput": {
                    "hookEventName": event, "permissionDecision": "allow", "permissionDecisionReason": why,
                }
            }),
            (Self::ClaudeCode | Self::Codex, Say::Deny(why)) if before => json!({
                "hookSpecificOutput": {
                    "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": why,
                }
            }),
            (Self::ClaudeCode | Self::Codex, Say::Deny(why)) => json!({"decision": "block", "reason": why}),
            (Self::GeminiCli, Say::Allow(_)) => json!({"decision": "allow"}),
            (Self::GeminiCli, Say::Deny(why)) => json!({"decision": "deny", "reason": why}),
            (Self::Cursor, Say::Allow(_)) => json!({"permission": "allow"}),
            // After a tool was used there is nothing to deny: what it brought is spoken of to the model.
            (Self::Cursor, Say::Deny(why)) if !before => json!({"additional_context": why}),
            (Self::Cursor, Say::Deny(why)) => {
                json!({"permission": "deny", "user_message": why, "agent_message": why})
            }
            (Self::ClaudeCode | Self::Codex, Say::Allow(_)) => json!({}),
        };
        let code = if matches!(say, Say::Deny(_)) { self.denied() } else { 0 };
        (Some(said.to_string()), code)
    }
}

impl Event {
    /// The action that it is about.
    pub fn draft(&self, agent: &str, user: String, product: Product) -> Draft {
        Draft {
            agent: agent.to_owned(),
            tool: self.tool.clone(),
            args: Some(self.args.clone()),
            context: self.context(product),
            user: Some(user.clone()),
            session: self.session.clone(),
            by: Some(user),
            ..Draft::default()
        }
    }

    /// What else there is to say of it: whose hook it came from, and the folder.
    pub fn context(&self, product: Product) -> Option<Json> {
        let mut context = vec![("hook".to_owned(), Json::Str(product.name().to_owned()))];
        context.extend(self.cwd.clone().map(|cwd| ("cwd".to_owned(), Json::Str(cwd))));
        Map::from_pairs(context).ok().map(Json::Map)
    }
}

fn object<const N: usize>(pairs: [(&str, Json); N]) -> Json {
    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Map::from_pairs(pairs).map_or(Json::Null, Json::Map)
}

/// Arguments are an object, or the text of one.
fn arguments(input: Option<&Json>) -> Result<Json, String> {
    let read = match input {
        None | Some(Json::Null) => return Ok(object([])),
        Some(Json::Str(text)) => {
            Json::parse(text.as_bytes()).map_err(|why| format!("`tool_input` is no JSON: {why}"))?
        }
        Some(other) => other.clone(),
    };
    match read {
        Json::Map(_) => Ok(read),
        other => Err(format!("`tool_input` must be an object, not {}", other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_is_read_and_answered_in_its_own_words() {
        let event = br#"{"session_id":"s","cwd":"/w","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"ls"}}"#;
        let read = Product::ClaudeCode.read(event).unwrap();
        assert_eq!(
            (read.tool.as_str(), read.session.as_deref(), read.cwd.as_deref()),
            ("Bash", Some("s"), Some("/w"))
        );
        assert_eq!(read.args, object([("command", Json::Str("ls".to_owned()))]));
        let (said, code) = Product::ClaudeCode.answer("PreToolUse", &Say::Deny("no".to_owned()));
        assert!(said.unwrap().contains(r#""permissionDecision":"deny""#) && code == DENIED);
        let shell =
            br#"{"conversation_id":"c","hook_event_name":"beforeShellExecution","command":"ls","cwd":""}"#;
        let read = Product::Cursor.read(shell).unwrap();
        assert_eq!((read.tool.as_str(), read.session.as_deref()), ("Shell", Some("c")));
        let tool = br#"{"conversation_id":"c","hook_event_name":"preToolUse","tool_name":"Shell","tool_input":{"command":"ls"},"workspace_roots":["/w"]}"#;
        assert_eq!(Product::Cursor.read(tool).unwrap().cwd.as_deref(), Some("/w"));
        let mcp =
            br#"{"hook_event_name":"beforeMCPExecution","tool_name":"pay","tool_input":"{\"amount\":7}"}"#;
        assert_eq!(Product::Cursor.read(mcp).unwrap().args, object([("amount", Json::Int(7))]));
        let (said, _) = Product::GeminiCli.answer("BeforeTool", &Say::Deny("no".to_owned()));
        assert_eq!(said.unwrap(), r#"{"decision":"deny","reason":"no"}"#);
        for product in
            [Product::ClaudeCode, Product::Codex, Product::GeminiCli, Product::Cursor, Product::Windsurf]
        {
            assert_eq!(product.answer("PreToolUse", &Say::Nothing), (Some("{}".to_owned()), 0));
            assert_eq!(product.answer("PreToolUse", &Say::Deny(String::new())).1, DENIED);
        }
    }

    #[test]
    fn copilot_is_denied_in_words_and_never_by_the_exit_code() {
        let event = br#"{"hook_event_name":"PreToolUse","session_id":"s","timestamp":"2026-11-01T10:00:00Z","cwd":"/w","tool_name":"bash","tool_input":{"command":"ls"}}"#;
        let read = Product::CopilotCli.read(event).unwrap();
        assert_eq!((read.tool.as_str(), &read.when), ("bash", &When::Before));
        let after = br#"{"hook_event_name":"PostToolUse","session_id":"s","cwd":"/w","tool_name":"bash","tool_input":{"command":"ls"},"tool_result":{"result_type":"success","text_result_for_llm":"a"}}"#;
        assert!(matches!(Product::CopilotCli.read(after).unwrap().when, When::After(Json::Map(_))));
        let no = Say::Deny("no".to_owned());
        let denied = r#"{"permissionDecision":"deny","permissionDecisionReason":"no"}"#.to_owned();
        for event in ["PreToolUse", ""] {
            assert_eq!(Product::CopilotCli.answer(event, &no), (Some(denied.clone()), 0));
        }
        assert_eq!(Product::CopilotCli.answer("PostToolUse", &no), (Some("{}".to_owned()), 0));
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let odd: [&[u8]; 9] = [
            b"",
            b"[]",
            b"{}",
            br#"{"hook_event_name":"Stop"}"#,
            br#"{"hook_event_name":"PreToolUse"}"#,
            br#"{"hook_event_name":"PreToolUse","tool_name":7}"#,
            br#"{"hook_event_name":"PreToolUse","tool_name":"a","tool_input":[1]}"#,
            br#"{"hook_event_name":"PreToolUse","tool_name":"a","tool_name":"b"}"#,
            br#"{"hook_event_name":"beforeMCPExecution","tool_name":"a","tool_input":"{"}"#,
        ];
        for event in odd {
            assert!(Product::ClaudeCode.read(event).is_err(), "{}", String::from_utf8_lossy(event));
        }
    }
}
