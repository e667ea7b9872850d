//! The settings of coding agents that name hooks: what they are with ours, and without.
//!
//! Answerable for leaving everything else in them as it is, and for knowing our own entry again. Reads and writes no
//! file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Product;

/// By this word in its command an entry is ours.
const OURS: &str = "portcullis";
/// How long a product is told to wait for our hook, in seconds: longer than it ever takes, for it gives up by itself.
const ALLOWED: u32 = 30;

/// How a product's settings list hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By event: matchers with hooks in them, under `hooks`.
    Matchers,
    /// The same, with nothing around it.
    Bare,
    /// By event: hooks, under `hooks`.
    Plain,
    /// One list of hooks that name their event.
    List,
}

/// The names of the events that our hook stands in, and how they are listed.
fn events(product: Product) -> (&'static [&'static str], Form) {
    match product {
        Product::ClaudeCode | Product::QwenCode | Product::Goose => {
            (&["PreToolUse", "PostToolUse", "PostToolUseFailure"], Form::Matchers)
        }
        Product::Codex => (&["PreToolUse", "PostToolUse"], Form::Matchers),
        Product::GeminiCli => (&["BeforeTool", "AfterTool"], Form::Matchers),
        Product::Droid => (&["PreToolUse", "PostToolUse"], Form::Bare),
        Product::Kiro => (&["PreToolUse", "PostToolUse"], Form::List),
        // These are for every tool. With those for one kind of tool beside them each call would be decided, and
        // counted, twice.
        Product::Cursor => (&["preToolUse", "postToolUse", "postToolUseFailure"], Form::Plain),
        // By these names of its events, and not by those in camel case, Copilot CLI says which event it is.
        Product::CopilotCli => (&["PreToolUse", "PostToolUse", "PostToolUseFailure"], Form::Plain),
        Product::Windsurf => (
            &[
                "pre_read_code",
                "pre_write_code",
                "pre_run_command",
                "pre_mcp_tool_use",
                "post_read_code",
                "post_write_code",
                "post_run_command",
                "post_mcp_tool_use",
            ],
            Form::Plain,
        ),
    }
}

/// Where an entry of ours may be that somebody wrote, or an earlier version of this program.
const OTHERS: [&str; 6] = [
    "beforeShellExecution",
    "beforeMCPExecution",
    "beforeReadFile",
    "afterShellExecution",
    "afterMCPExecution",
    "afterFileEdit",
];

/// The file that a product reads its hooks from: the user's, or a project's.
pub fn file(product: Product, home: &Path, project: Option<&Path>) -> PathBuf {
    let base = project.unwrap_or(home);
    base.join(match product {
        Product::ClaudeCode => ".claude/settings.json",
        Product::Codex => ".codex/hooks.json",
        Product::GeminiCli => ".gemini/settings.json",
        Product::Cursor => ".cursor/hooks.json",
        // It reads every file in the folder.
        Product::CopilotCli if project.is_some() => ".github/hooks/portcullis.json",
        Product::CopilotCli => ".copilot/hooks/portcullis.json",
        Product::Windsurf if project.is_some() => ".windsurf/hooks.json",
        Product::Windsurf => ".codeium/windsurf/hooks.json",
        Product::QwenCode => ".qwen/settings.json",
        Product::Droid => ".factory/hooks.json",
        // A plugin of its own: every folder there is one.
        Product::Goose => ".agents/plugins/portcullis/hooks/hooks.json",
        // It reads every file in the folder.
        Product::Kiro => ".kiro/hooks/portcullis.json",
    })
}

/// The settings with our hook, which runs `command`. An earlier one of ours is replaced. The error is a sentence.
pub fn with_ours(product: Product, text: &str, command: &str) -> Result<String, String> {
    let mut settings = without(product, text)?;
    match product {
        Product::Cursor | Product::CopilotCli => drop(settings.entry("version").or_insert(json!(1))),
        Product::Kiro => drop(settings.entry("version").or_insert(json!("v1"))),
        _ => {}
    }
    let (names, form) = events(product);
    if form == Form::List {
        let hooks = settings.entry("hooks").or_insert_with(|| json!([]));
        let hooks = hooks.as_array_mut().ok_or("`hooks` is no list; it was left as it is")?;
        hooks.extend(names.iter().map(|name| entry(product, name, command)));
        return written(&settings);
    }
    let lists = match form {
        Form::Bare => &mut settings,
        _ => settings
            .entry("hooks")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or("`hooks` is no object; it was left as it is")?,
    };
    for name in names {
        let list = lists.entry(*name).or_insert_with(|| json!([]));
        list.as_array_mut()
            .ok_or_else(|| format!("`{name}` is no list; it was left as it is"))?
            .push(entry(product, name, command));
    }
    written(&settings)
}

/// Our entry for one event. Where a product has a way to say it, a hook that breaks is a denial.
fn entry(product: Product, event: &str, command: &str) -> Value {
    let first = event == "PreToolUse";
    match product {
        Product::ClaudeCode if first => json!({"matcher": "*", "hooks": [
            {"type": "command", "command": command, "onFailure": "block"},
        ]}),
        // A matcher is a regular expression to it, and `*` is none: without one it is for every tool.
        Product::Goose if first => json!({"hooks": [
            {"type": "command", "command": command, "timeout": ALLOWED, "on_failure": "block"},
        ]}),
        Product::Goose => json!({"hooks": [{"type": "command", "command": command, "timeout": ALLOWED}]}),
        Product::Kiro => json!({
            "name": format!("portcullis {event}"),
            "trigger": event,
            "action": {"type": "command", "command": command},
            "timeout": ALLOWED,
            "enabled": true,
        }),
        Product::CopilotCli => json!({"type": "command", "bash": command, "timeoutSec": ALLOWED}),
        Product::Windsurf => json!({"command": command, "show_output": true}),
        Product::Cursor => json!({"command": command, "timeout": ALLOWED, "failClosed": true}),
        _ => json!({"matcher": "*", "hooks": [{"type": "command", "command": command}]}),
    }
}

/// What its user has to do besides, for the hook to be run at all.
pub fn besides(product: Product) -> Option<&'static str> {
    match product {
        Product::Codex => {
            Some("Codex skips a hook that nobody has reviewed: open `/hooks` in it, and trust this one")
        }
        Product::Kiro => Some("Kiro's IDE reads it from 1.0 on, its command line from 3.0 on"),
        Product::Droid => Some("Droid reads it when it starts"),
        _ => None,
    }
}

/// The settings without our hook.
pub fn without_ours(product: Product, text: &str) -> Result<String, String> {
    written(&without(product, text)?)
}

/// What the settings are once our hook has been in them and has gone again.
pub fn undone(product: Product, text: &str) -> Result<String, String> {
    with_ours(product, text, &format!("{OURS} hook {}", product.name()))
        .and_then(|text| without_ours(product, &text))
}

/// True if our hook is not in them.
pub fn is_without_ours(product: Product, text: &str) -> bool {
    let is = serde_json::from_str::<Map<String, Value>>(text).map(|read| without(product, text) == Ok(read));
    is.unwrap_or(false)
}

fn written(settings: &Map<String, Value>) -> Result<String, String> {
    let text = serde_json::to_string_pretty(settings).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn without(product: Product, text: &str) -> Result<Map<String, Value>, String> {
    let mut settings: Map<String, Value> = match text.trim() {
        "" => Map::new(),
        text => {
            serde_json::from_str(text).map_err(|error| format!("the settings are no JSON object: {error}"))?
        }
    };
    let (names, form) = events(product);
    let is_bare = form == Form::Bare;
    if form == Form::List {
        if let Some(list) = settings.get_mut("hooks").and_then(Value::as_array_mut) {
            list.retain(|entry| !is_ours(entry, product));
            if list.is_empty() {
                settings.remove("hooks");
            }
        }
        return Ok(settings);
    }
    let lists =
        if is_bare { Some(&mut settings) } else { settings.get_mut("hooks").and_then(Value::as_object_mut) };
    let Some(lists) = lists else { return Ok(settings) };
    for name in names.iter().chain(&OTHERS) {
        let Some(list) = lists.get_mut(*name).and_then(Value::as_array_mut) else { continue };
        for entry in list.iter_mut() {
            if let Some(inner) = entry.get_mut("hooks").and_then(Value::as_array_mut) {
                inner.retain(|hook| !is_ours(hook, product));
            }
        }
        let is_empty =
            |entry: &Value| entry.get("hooks").and_then(Value::as_array).is_some_and(Vec::is_empty);
        list.retain(|entry| !is_ours(entry, product) && !is_empty(entry));
        if list.is_empty() {
            lists.remove(*name);
        }
    }
    if !is_bare && lists.is_empty() {
        settings.remove("hooks");
    }
    Ok(settings)
}

fn is_ours(hook: &Value, product: Product) -> bool {
    let command =
        hook.get("command").or_else(|| hook.get("bash")).or_else(|| hook.pointer("/action/command"));
    let command = command.and_then(Value::as_str).unwrap_or_default();
    command.contains(OURS) && command.contains(&format!("hook {}", product.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_is_installing_once_and_uninstalling_undoes_it() {
        let theirs = "{\n  \"model\": \"x\",\n  \"hooks\": {\n    \"PreToolUse\": [\n      {\n        \"matcher\": \"Bash\",\n        \"hooks\": [\n          {\n            \"type\": \"command\",\n            \"command\": \"mine.sh\"\n          }\n        ]\n      }\n    ]\n  }\n}\n";
        for product in [
            Product::ClaudeCode,
            Product::Codex,
            Product::GeminiCli,
            Product::Cursor,
            Product::CopilotCli,
            Product::Windsurf,
            Product::QwenCode,
            Product::Goose,
        ] {
            let command = format!("/usr/bin/portcullis hook {} --policy p", product.name());
            let once = with_ours(product, theirs, &command).unwrap();
            assert!(once.contains(&command) && once.contains("mine.sh"), "{once}");
            assert_eq!(with_ours(product, &once, &command).unwrap(), once);
            let undone: Value = serde_json::from_str(&without_ours(product, &once).unwrap()).unwrap();
            assert_eq!(undone["hooks"]["PreToolUse"][0]["hooks"][0]["command"], "mine.sh");
            assert!(!undone.to_string().contains("portcullis"));
        }
        assert_eq!(without_ours(Product::ClaudeCode, theirs).unwrap(), theirs);
        let old =
            r#"{"hooks": {"beforeShellExecution": [{"command": "portcullis hook cursor --policy p"}]}}"#;
        let new = with_ours(Product::Cursor, old, "portcullis hook cursor --policy q").unwrap();
        assert!(!new.contains("beforeShellExecution") && !new.contains("--policy p"), "{new}");
        assert!(with_ours(Product::ClaudeCode, "[]", "x").is_err());
        assert!(with_ours(Product::ClaudeCode, "{\"hooks\": []}", "x").is_err());
    }
    #[test]
    fn where_a_hook_can_be_made_to_deny_when_it_breaks_it_is() {
        let written = |product: Product| -> Value {
            let command = format!("/usr/bin/portcullis hook {} --policy p", product.name());
            serde_json::from_str(&with_ours(product, "", &command).unwrap()).unwrap()
        };
        assert_eq!(written(Product::ClaudeCode)["hooks"]["PreToolUse"][0]["hooks"][0]["onFailure"], "block");
        assert_eq!(written(Product::Cursor)["hooks"]["preToolUse"][0]["failClosed"], true);
        let goose = written(Product::Goose);
        assert_eq!(goose["hooks"]["PreToolUse"][0]["hooks"][0]["on_failure"], "block");
        assert!(goose["hooks"]["PreToolUse"][0].get("matcher").is_none(), "`*` is no regular expression");
    }

    #[test]
    fn droid_lists_its_events_with_nothing_around_them_and_kiro_in_one_list() {
        let theirs =
            r#"{"Stop": [{"hooks": [{"type": "command", "command": "mine.sh"}]}], "hooksDisabled": false}"#;
        let command = "/usr/bin/portcullis hook droid --policy p";
        let with = with_ours(Product::Droid, theirs, command).unwrap();
        let read: Value = serde_json::from_str(&with).unwrap();
        assert_eq!(read["PreToolUse"][0]["hooks"][0]["command"], command);
        assert!(read.get("hooks").is_none() && read["Stop"][0]["hooks"][0]["command"] == "mine.sh");
        let read: Value = serde_json::from_str(&without_ours(Product::Droid, &with).unwrap()).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(theirs).unwrap());

        let theirs = r#"{"version": "v1", "hooks": [{"name": "lint", "trigger": "PostFileSave", "action": {"type": "command", "command": "npm run lint"}}]}"#;
        let command = "/usr/bin/portcullis hook kiro --policy p";
        let with = with_ours(Product::Kiro, theirs, command).unwrap();
        assert_eq!(with_ours(Product::Kiro, &with, command).unwrap(), with);
        let read: Value = serde_json::from_str(&with).unwrap();
        assert_eq!(read["hooks"][1]["trigger"], "PreToolUse");
        assert_eq!(read["hooks"][2]["action"]["command"], command);
        let read: Value = serde_json::from_str(&without_ours(Product::Kiro, &with).unwrap()).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(theirs).unwrap());
        assert!(with_ours(Product::Kiro, r#"{"hooks": {}}"#, command).is_err());
    }
}
