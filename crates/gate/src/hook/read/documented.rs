//! Every product's events as its own documentation shows them, and what is none.

use super::*;

const FOLDER: &str = "/w";

/// What is read of an event: tool, arguments, session, folder.
fn read(product: Product, event: &str) -> (String, String, Option<String>, Option<String>) {
    let event = product.read(event.as_bytes()).unwrap();
    (event.tool, event.args.canonical(), event.session, event.cwd)
}

fn expected(
    tool: &str,
    args: &str,
    session: &str,
    cwd: &str,
) -> (String, String, Option<String>, Option<String>) {
    (tool.to_owned(), args.to_owned(), Some(session.to_owned()), Some(cwd.to_owned()))
}

fn ended(product: Product, event: &str) -> (Status, String) {
    match product.read(event.as_bytes()).unwrap().when {
        When::After(status, said) => (status, said.canonical()),
        When::Before => panic!("`{event}` is before"),
    }
}

#[test]
fn claude_code() {
    let event = r#"{"session_id": "abc123", "transcript_path": "/Users/.../.claude/projects/.../00893aaf.jsonl", "cwd": "/w",
        "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": "npm test"}, "tool_use_id": "toolu_01ABC123"}"#;
    assert_eq!(
        read(Product::ClaudeCode, event),
        expected("Bash", r#"{"command":"npm test"}"#, "abc123", FOLDER)
    );
    let failed = r#"{"session_id": "abc123", "cwd": "/w", "hook_event_name": "PostToolUseFailure", "tool_name": "Bash",
        "tool_input": {"command": "npm test"}, "tool_use_id": "toolu_01ABC123", "error": "Command exited with non-zero status code 1",
        "is_interrupt": false}"#;
    let (status, said) = ended(Product::ClaudeCode, failed);
    assert_eq!((status, said.as_str()), (Status::Failed, r#""Command exited with non-zero status code 1""#));
    let interrupted = failed.replace("\"is_interrupt\": false", "\"is_interrupt\": true");
    assert_eq!(ended(Product::ClaudeCode, &interrupted).0, Status::Unknown);
}

#[test]
fn codex() {
    let event = r#"{"session_id": "s", "turn_id": "t", "transcript_path": null, "cwd": "/w", "hook_event_name": "PreToolUse",
        "model": "gpt-5", "permission_mode": "default", "tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_use_id": "call-1"}"#;
    assert_eq!(read(Product::Codex, event), expected("Bash", r#"{"command":"ls"}"#, "s", FOLDER));
}

#[test]
fn gemini_cli() {
    let event = r#"{"session_id": "s", "transcript_path": "/t", "cwd": "/w", "hook_event_name": "AfterTool", "timestamp": "2026-11-01T10:00:00Z",
        "tool_name": "run_shell_command", "tool_input": {"command": "ls"}, "tool_response": {"llmContent": "a", "returnDisplay": "a"}}"#;
    assert_eq!(
        read(Product::GeminiCli, event),
        expected("run_shell_command", r#"{"command":"ls"}"#, "s", FOLDER)
    );
    assert_eq!(
        ended(Product::GeminiCli, event),
        (Status::Success, r#"{"llmContent":"a","returnDisplay":"a"}"#.to_owned())
    );
}

#[test]
fn cursor() {
    let event = r#"{"conversation_id": "c", "generation_id": "g", "model": "m", "hook_event_name": "preToolUse", "cursor_version": "3.15.6",
        "workspace_roots": ["/w"], "user_email": null, "transcript_path": null, "tool_name": "Shell",
        "tool_input": {"command": "npm install", "working_directory": "/project"}, "tool_use_id": "abc123", "cwd": ""}"#;
    let args = r#"{"command":"npm install","working_directory":"/project"}"#;
    assert_eq!(read(Product::Cursor, event), expected("Shell", args, "c", FOLDER));
    let mcp = r#"{"conversation_id": "c", "workspace_roots": ["/w"], "hook_event_name": "beforeMCPExecution", "tool_name": "pay", "tool_input": "{\"amount\":7}"}"#;
    assert_eq!(read(Product::Cursor, mcp), expected("pay", r#"{"amount":7}"#, "c", FOLDER));
    let shell = r#"{"conversation_id": "c", "hook_event_name": "beforeShellExecution", "command": "ls", "cwd": "/w"}"#;
    assert_eq!(read(Product::Cursor, shell), expected("Shell", r#"{"command":"ls"}"#, "c", FOLDER));
    for (why, status) in
        [("error", Status::Failed), ("timeout", Status::Unknown), ("permission_denied", Status::Cancelled)]
    {
        let event = format!(
            r#"{{"conversation_id": "c", "hook_event_name": "postToolUseFailure", "tool_name": "Shell", "tool_input": {{"command": "npm test"}},
            "tool_use_id": "abc123", "cwd": "/w", "error_message": "it went wrong", "failure_type": "{why}", "duration": 5000, "is_interrupt": false}}"#
        );
        assert_eq!(ended(Product::Cursor, &event), (status, r#""it went wrong""#.to_owned()));
    }
}

/// Two names for one tool, by version and event: one of them.
#[test]
fn copilot_cli() {
    let args = r#"{"command":"ls"}"#;
    for tool in ["bash", "Bash", "powershell"] {
        let event = format!(
            r#"{{"hook_event_name": "PreToolUse", "session_id": "s", "timestamp": "2026-11-01T10:00:00Z", "cwd": "/w", "tool_name": "{tool}",
            "tool_input": {{"command": "ls"}}}}"#
        );
        assert_eq!(read(Product::CopilotCli, &event), expected("Bash", args, "s", FOLDER));
    }
    let after = r#"{"hook_event_name": "PostToolUse", "session_id": "s", "timestamp": "2026-11-01T10:00:00Z", "cwd": "/w", "tool_name": "view",
        "tool_input": {"path": "a"}, "tool_result": {"result_type": "success", "text_result_for_llm": "b"}}"#;
    assert_eq!(read(Product::CopilotCli, after), expected("Read", r#"{"path":"a"}"#, "s", FOLDER));
    assert_eq!(ended(Product::CopilotCli, after).0, Status::Success);
    let failed = r#"{"hook_event_name": "PostToolUseFailure", "session_id": "s", "cwd": "/w", "tool_name": "view", "tool_input": {"path": "a"}, "error": "gone"}"#;
    assert_eq!(ended(Product::CopilotCli, failed), (Status::Failed, r#""gone""#.to_owned()));
    // Of other products these are names like any other.
    let event = r#"{"hook_event_name": "PreToolUse", "session_id": "s", "cwd": "/w", "tool_name": "view", "tool_input": {}}"#;
    assert_eq!(read(Product::ClaudeCode, event).0, "view");
}

#[test]
fn qwen_code() {
    let event = r#"{"session_id": "s", "transcript_path": "/t", "cwd": "/w", "hook_event_name": "PreToolUse", "timestamp": "2026-11-01T10:00:00Z",
        "permission_mode": "default", "tool_name": "run_shell_command", "tool_input": {"command": "ls"}, "tool_use_id": "toolu_1", "tool_call_id": "call_1"}"#;
    assert_eq!(
        read(Product::QwenCode, event),
        expected("run_shell_command", r#"{"command":"ls"}"#, "s", FOLDER)
    );
}

#[test]
fn droid() {
    let event = r#"{"session_id": "3f6c2a9e", "transcript_path": "/t.jsonl", "cwd": "/w", "permission_mode": "auto-medium", "hook_event_name": "PostToolUse",
        "tool_name": "Execute", "tool_input": {"command": "npm test", "riskLevelReason": "Runs tests.", "riskLevel": "low"},
        "tool_response": "ok\n[Process exited with code 0]"}"#;
    let args = r#"{"command":"npm test","riskLevel":"low","riskLevelReason":"Runs tests."}"#;
    assert_eq!(read(Product::Droid, event), expected("Execute", args, "3f6c2a9e", FOLDER));
    assert_eq!(ended(Product::Droid, event).0, Status::Success);
}

#[test]
fn goose() {
    let event = r#"{"event": "PostToolUse", "session_id": "abc-123", "matcher_context": "developer__shell", "tool_name": "developer__shell",
        "tool_input": {"command": "rg TODO"}, "working_dir": "/w"}"#;
    assert_eq!(
        read(Product::Goose, event),
        expected("developer__shell", r#"{"command":"rg TODO"}"#, "abc-123", FOLDER)
    );
    let before = event.replace("PostToolUse", "PreToolUse");
    assert_eq!(Product::Goose.read(before.as_bytes()).unwrap().when, When::Before);
    // It calls the event so, and nobody else does.
    assert!(Product::ClaudeCode.read(before.as_bytes()).is_err());
    assert!(Product::Goose.read(before.replace("\"event\"", "\"hook_event_name\"").as_bytes()).is_err());
}

#[test]
fn kiro() {
    let event = r#"{"hook_event_name": "preToolUse", "cwd": "/w", "session_id": "abc123-def456-789", "tool_name": "@postgres/query", "tool_input": {"sql": "SELECT 1"}}"#;
    assert_eq!(
        read(Product::Kiro, event),
        expected("@postgres/query", r#"{"sql":"SELECT 1"}"#, "abc123-def456-789", FOLDER)
    );
}

#[test]
fn what_is_no_event_is_an_error_for_every_product() {
    let odd: [&[u8]; 11] = [
        b"",
        b"[]",
        b"{}",
        br#"{"hook_event_name":"Stop"}"#,
        br#"{"hook_event_name":"UserPromptSubmit","prompt":"x"}"#,
        br#"{"hook_event_name":"PreToolUse"}"#,
        br#"{"hook_event_name":"PreToolUse","tool_name":7}"#,
        br#"{"hook_event_name":"PreToolUse","tool_name":"a","tool_input":[1]}"#,
        br#"{"hook_event_name":"PreToolUse","tool_name":"a","tool_name":"b"}"#,
        br#"{"hook_event_name":"beforeMCPExecution","tool_name":"a","tool_input":"{"}"#,
        br#"{"event":"PreToolUseResult","tool_name":"a","decision":"allow"}"#,
    ];
    for product in <Product as clap::ValueEnum>::value_variants() {
        for event in odd {
            assert!(product.read(event).is_err(), "{product:?} {}", String::from_utf8_lossy(event));
        }
    }
}
