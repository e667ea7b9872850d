//! Windsurf's events: each kind of use has its own, and none names a tool but those of MCP servers.
//!
//! Answerable for one name for a use before and after it, with the same arguments. Source: "Cascade Hooks" of
//! docs.windsurf.com (2026).

use verdict::json::Map;
use verdict::{Json, Status};

use super::read::{arguments, object};
use super::{Event, When};

pub(super) fn event(name: &str, map: &Map) -> Result<Event, String> {
    let odd = || format!("`{}` is no event about a tool", verdict::short(name));
    let (is_before, used) = match (name.strip_prefix("pre_"), name.strip_prefix("post_")) {
        (Some(used), _) => (true, used),
        (_, Some(used)) => (false, used),
        _ => return Err(odd()),
    };
    let none = Map::default();
    let info = match map.get("tool_info") {
        Some(Json::Map(info)) => info,
        None => &none,
        Some(other) => return Err(format!("`tool_info` must be an object, not {}", other.kind())),
    };
    let text = |map: &Map, key: &str| match map.get(key) {
        Some(Json::Str(text)) => Ok(text.clone()),
        _ => Err(format!("the event has no text `{key}`")),
    };
    let (tool, args) = match used {
        "run_command" => {
            (used.to_owned(), object([("command_line", Json::Str(text(info, "command_line")?))]))
        }
        "read_code" => (used.to_owned(), object([("file_path", Json::Str(text(info, "file_path")?))])),
        "write_code" => {
            let edits = info.get("edits").cloned().unwrap_or(Json::Null);
            (used.to_owned(), object([("file_path", Json::Str(text(info, "file_path")?)), ("edits", edits)]))
        }
        "mcp_tool_use" => {
            let (server, tool) = (text(info, "mcp_server_name")?, text(info, "mcp_tool_name")?);
            let args = arguments(info.get("mcp_tool_arguments"))?;
            (format!("mcp__{server}__{tool}"), args)
        }
        _ => return Err(odd()),
    };
    let when = match is_before {
        true => When::Before,
        false => When::After(Status::Success, info.get("mcp_result").cloned().unwrap_or(Json::Null)),
    };
    let session = text(map, "trajectory_id").ok();
    let cwd = text(info, "cwd").ok().filter(|cwd| !cwd.is_empty());
    Ok(Event { name: name.to_owned(), when, tool, args, session, cwd })
}

#[cfg(test)]
mod tests {
    use super::super::answer::DENIED;
    use super::super::{Product, Say};
    use super::*;

    fn read(action: &str, info: &str) -> Result<Event, String> {
        let event = format!(
            r#"{{"agent_action_name":"{action}","trajectory_id":"t","execution_id":"e","timestamp":"2026-11-01T10:00:00Z","tool_info":{info}}}"#
        );
        Product::Windsurf.read(event.as_bytes())
    }

    #[test]
    fn each_kind_of_use_is_one_tool_before_and_after() {
        let run = r#"{"command_line":"npm install package-name","cwd":"/Users/yourname/project"}"#;
        let before = read("pre_run_command", run).unwrap();
        assert_eq!((before.tool.as_str(), before.session.as_deref()), ("run_command", Some("t")));
        assert_eq!(before.cwd.as_deref(), Some("/Users/yourname/project"));
        let after = read("post_run_command", run).unwrap();
        assert_eq!(
            (&after.tool, &after.args, after.when),
            (&before.tool, &before.args, When::After(Status::Success, Json::Null))
        );
        let path = r#"{"file_path":"/Users/yourname/project/file.py","edits":[{"old_string":"a","new_string":"b"}]}"#;
        assert_eq!(read("pre_read_code", path).unwrap().tool, "read_code");
        assert_eq!(read("pre_write_code", path).unwrap().args, read("post_write_code", path).unwrap().args);
        let mcp = r#"{"mcp_server_name":"github","mcp_tool_arguments":{"owner":"o","repo":"r"},"mcp_tool_name":"create_issue","mcp_result":"..."}"#;
        assert_eq!(read("pre_mcp_tool_use", mcp).unwrap().tool, "mcp__github__create_issue");
        assert_eq!(
            read("post_mcp_tool_use", mcp).unwrap().when,
            When::After(Status::Success, Json::Str("...".to_owned()))
        );
        let no = Say::Deny("no".to_owned());
        assert_eq!(Product::Windsurf.answer("pre_run_command", &no).1, DENIED);
    }

    #[test]
    fn what_is_not_about_a_tool_or_says_too_little_is_an_error() {
        let odd = [
            ("pre_user_prompt", r#"{"user_prompt":"x"}"#),
            ("post_cascade_response", "{}"),
            ("run_command", r#"{"command_line":"x"}"#),
            ("pre_run_command", "{}"),
            ("pre_run_command", "[]"),
            ("pre_run_command", r#"{"command_line":7}"#),
            ("pre_mcp_tool_use", r#"{"mcp_tool_name":"x"}"#),
            ("pre_mcp_tool_use", r#"{"mcp_server_name":"s","mcp_tool_name":"x","mcp_tool_arguments":[1]}"#),
        ];
        for (action, info) in odd {
            assert!(read(action, info).is_err(), "{action} {info}");
        }
    }
}
