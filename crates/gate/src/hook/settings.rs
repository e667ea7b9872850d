//! The settings of coding agents that name hooks: what they are with ours, and without.
//!
//! Answerable for leaving everything else in them as it is, and for knowing our own entry again. Reads and writes no
//! file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Product;

/// By this word in its command an entry is ours.
const OURS: &str = "portcullis";

/// The names under which a product's settings list hooks, and whether an entry is a matcher with hooks in it.
fn events(product: Product) -> (&'static [&'static str], bool) {
    match product {
        Product::ClaudeCode | Product::Codex => (&["PreToolUse", "PostToolUse"], true),
        Product::GeminiCli => (&["BeforeTool", "AfterTool"], true),
        // These are for every tool. With those for one kind of tool beside them each call would be decided, and
        // counted, twice.
        Product::Cursor => (&["preToolUse", "postToolUse"], false),
        // By these names of its events, and not by those in camel case, Copilot CLI says which event it is.
        Product::CopilotCli => (&["PreToolUse", "PostToolUse"], false),
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
            false,
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

/// Where a product keeps its settings: in the project at `project`, or in the home folder.
pub fn file(product: Product, home: &Path, project: Option<&Path>) -> PathBuf {
    let base = project.unwrap_or(home);
    match product {
        Product::ClaudeCode => base.join(".claude/settings.json"),
        Product::Codex => base.join(".codex/hooks.json"),
        Product::GeminiCli => base.join(".gemini/settings.json"),
        Product::Cursor => base.join(".cursor/hooks.json"),
        // It reads every file in the folder.
        Product::CopilotCli if project.is_some() => base.join(".github/hooks/portcullis.json"),
        Product::CopilotCli => base.join(".copilot/hooks/portcullis.json"),
        Product::Windsurf if project.is_some() => base.join(".windsurf/hooks.json"),
        Product::Windsurf => base.join(".codeium/windsurf/hooks.json"),
    }
}

/// The settings with our hook, which runs `command`. An earlier one of ours is replaced. The error is a sentence.
pub fn with_ours(product: Product, text: &str, command: &str) -> Result<String, String> {
    let mut settings = without(product, text)?;
    if matches!(product, Product::Cursor | Product::CopilotCli) {
        settings.entry("version").or_insert(json!(1));
    }
    let hooks = settings.entry("hooks").or_insert_with(|| json!({}));
    let hooks = hooks.as_object_mut().ok_or("`hooks` is no object; it was left as it is")?;
    let (names, nested) = events(product);
    for name in names {
        let entry = match product {
            _ if nested => json!({"matcher": "*", "hooks": [{"type": "command", "command": command}]}),
            Product::CopilotCli => json!({"type": "command", "bash": command, "timeoutSec": 30}),
            Product::Windsurf => json!({"command": command, "show_output": true}),
            _ => json!({"command": command, "failClosed": true}),
        };
        let list = hooks.entry(*name).or_insert_with(|| json!([]));
        list.as_array_mut()
            .ok_or_else(|| format!("`hooks.{name}` is no list; it was left as it is"))?
            .push(entry);
    }
    written(&settings)
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
    let Some(hooks) = settings.get_mut("hooks").and_then(Value::as_object_mut) else { return Ok(settings) };
    let (names, _) = events(product);
    for name in names.iter().chain(&OTHERS) {
        let Some(list) = hooks.get_mut(*name).and_then(Value::as_array_mut) else { continue };
        for entry in list.iter_mut() {
            if let Some(inner) = entry.get_mut("hooks").and_then(Value::as_array_mut) {
                inner.retain(|hook| !is_ours(hook, product));
            }
        }
        let is_empty =
            |entry: &Value| entry.get("hooks").and_then(Value::as_array).is_some_and(Vec::is_empty);
        list.retain(|entry| !is_ours(entry, product) && !is_empty(entry));
        if list.is_empty() {
            hooks.remove(*name);
        }
    }
    if hooks.is_empty() {
        settings.remove("hooks");
    }
    Ok(settings)
}

fn is_ours(hook: &Value, product: Product) -> bool {
    let command =
        hook.get("command").or_else(|| hook.get("bash")).and_then(Value::as_str).unwrap_or_default();
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
}
