//! The events of coding agents, read strictly.
//!
//! Answerable for an event that cannot be understood being an error, never an action that nobody meant; for one name of
//! a tool before and after its use; and for how a use ended that did not work. What an agent tells beyond that is not
//! read.

use verdict::json::Map;
use verdict::{Json, Status, short};

use super::{Event, Product, When, windsurf};

/// The names of events before a tool is used, as the products call them.
pub(super) const BEFORE: [&str; 6] = [
    "PreToolUse",
    "BeforeTool",
    "preToolUse",
    "beforeShellExecution",
    "beforeMCPExecution",
    "beforeReadFile",
];
/// After it was.
const AFTER: [&str; 6] =
    ["PostToolUse", "AfterTool", "postToolUse", "afterShellExecution", "afterMCPExecution", "afterFileEdit"];
/// After it did not work.
const FAILED: [&str; 2] = ["PostToolUseFailure", "postToolUseFailure"];
/// Where products put what came back.
const SAID: [&str; 6] =
    ["tool_response", "result_json", "tool_output", "tool_result", "output", "tool_error"];

impl Product {
    /// Reads an event. The error is a sentence.
    pub fn read(self, bytes: &[u8]) -> Result<Event, String> {
        let json = Json::parse(bytes).map_err(|why| format!("the event is no JSON: {why}"))?;
        self.event(&json)
    }

    /// The same of what was read as JSON before.
    pub fn event(self, json: &Json) -> Result<Event, String> {
        let Json::Map(map) = json else {
            return Err(format!("the event must be an object, not {}", json.kind()));
        };
        let called = match self {
            Self::Windsurf => "agent_action_name",
            Self::Goose => "event",
            _ => "hook_event_name",
        };
        let name = text(map, called)?.ok_or_else(|| format!("the event has no `{called}`"))?;
        if self == Self::Windsurf {
            return windsurf::event(&name, map);
        }
        let when = when(&name, map)?;
        let (tool, args) = used(&name, map)?;
        let tool = if self == Self::CopilotCli { one_name(tool) } else { tool };
        let session = text(map, "session_id")?.or(text(map, "conversation_id")?);
        let root = match map.get("workspace_roots") {
            Some(Json::List(roots)) => roots.first(),
            _ => None,
        };
        let folder = if self == Self::Goose { "working_dir" } else { "cwd" };
        let cwd = text(map, folder)?.filter(|cwd| !cwd.is_empty()).or_else(|| match root {
            Some(Json::Str(root)) => Some(root.clone()),
            _ => None,
        });
        Ok(Event { name, when, tool, args, session, cwd })
    }
}

fn when(name: &str, map: &Map) -> Result<When, String> {
    if BEFORE.contains(&name) {
        return Ok(When::Before);
    }
    let said = || SAID.iter().find_map(|key| map.get(key)).cloned().unwrap_or(Json::Null);
    if AFTER.contains(&name) {
        return Ok(When::After(Status::Success, said()));
    }
    if !FAILED.contains(&name) {
        return Err(format!("`{}` is no event about a tool", short(name)));
    }
    let error = ["error", "error_message"].iter().find_map(|key| map.get(key)).cloned();
    let interrupted = map.get("is_interrupt") == Some(&Json::Bool(true));
    let status = match map.get("failure_type") {
        // Somebody said no: it was never tried.
        Some(Json::Str(why)) if why == "permission_denied" => Status::Cancelled,
        // What it had done by then, nobody knows.
        Some(Json::Str(why)) if why == "timeout" => Status::Unknown,
        _ if interrupted => Status::Unknown,
        _ => Status::Failed,
    };
    Ok(When::After(status, error.unwrap_or_else(said)))
}

fn used(name: &str, map: &Map) -> Result<(String, Json), String> {
    let needed = |key: &str| text(map, key)?.ok_or_else(|| format!("the event has no `{key}`"));
    match name {
        "beforeShellExecution" | "afterShellExecution" => {
            Ok(("Shell".to_owned(), object([("command", Json::Str(needed("command")?))])))
        }
        "beforeReadFile" => Ok(("Read".to_owned(), object([("file_path", Json::Str(needed("file_path")?))]))),
        "afterFileEdit" => Ok(("Edit".to_owned(), object([("file_path", Json::Str(needed("file_path")?))]))),
        _ => Ok((needed("tool_name")?, arguments(map.get("tool_input"))?)),
    }
}

/// Copilot CLI has two names for its own tools, and which one it tells depends on its version and on the event: always
/// the one that its documentation has for events of this form.
fn one_name(tool: String) -> String {
    let name = match tool.as_str() {
        "bash" | "powershell" => "Bash",
        "view" => "Read",
        "create" => "Write",
        "edit" | "str_replace_editor" | "apply_patch" => "Edit",
        "grep" | "rg" => "Grep",
        "glob" => "Glob",
        "web_fetch" => "WebFetch",
        "web_search" => "WebSearch",
        "ask_user" => "AskUserQuestion",
        "update_todo" => "TodoWrite",
        "task" | "Task" => "Agent",
        _ => return tool,
    };
    name.to_owned()
}

fn text(map: &Map, key: &str) -> Result<Option<String>, String> {
    match map.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Str(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` must be a string, not {}", other.kind())),
    }
}

pub(super) fn object<const N: usize>(pairs: [(&str, Json); N]) -> Json {
    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Map::from_pairs(pairs).map_or(Json::Null, Json::Map)
}

/// Arguments are an object, or the text of one.
pub(super) fn arguments(input: Option<&Json>) -> Result<Json, String> {
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
#[path = "read/documented.rs"]
mod documented;
