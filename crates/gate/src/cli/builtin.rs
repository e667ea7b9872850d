//! The server behind `portcullis mcp --builtin`: tools that were safe from the start.
//!
//! Answerable for speaking MCP over stdio to the gate in front of it, which decides every call before it comes here.
//! Decides nothing itself. What the tools do is in [`tools`].

mod tools;

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Done, Failure, StoreArg};
use tools::Tools;

/// `portcullis builtin-tools`
#[derive(Debug, Args)]
pub struct BuiltinArgs {
    /// Whose policy is in force
    #[arg(long)]
    line: String,
    /// For whom
    #[arg(long)]
    agent: String,
    /// Where
    #[arg(long)]
    workspace: PathBuf,
    #[command(flatten)]
    store: StoreArg,
}

/// The longest message, in bytes.
const LONGEST: u64 = 16 << 20;
/// Revisions of the protocol, the newest first.
const REVISIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

/// Serves until stdin ends.
pub fn run(args: &BuiltinArgs) -> Done {
    let tools = Tools::open(&args.workspace, args.store.find()?, args.line.clone(), args.agent.clone())?;
    crate::runs::host::try_it();
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LONGEST).read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::said(format!("stdin cannot be read: {error}")))? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let Some(answer) = answer(&tools, &line) else { continue };
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{answer}").and_then(|()| out.flush());
        written.map_err(|_| Failure::Unread)?;
    }
}

/// What a message is answered with. Notifications, and answers to questions that nobody asked, are not.
fn answer(tools: &Tools, line: &[u8]) -> Option<Value> {
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        return Some(failed(&Value::Null, -32700, "this is not JSON"));
    };
    let id = message.get("id")?;
    let method = message.get("method").and_then(Value::as_str)?;
    let none = json!({});
    let params = message.get("params").unwrap_or(&none);
    let result = match method {
        "initialize" => greet(params),
        "ping" => json!({}),
        "tools/list" => json!({"tools": Tools::listed()}),
        "tools/call" => match called(tools, params) {
            Some(result) => result,
            None => return Some(failed(id, -32602, "there is no such tool")),
        },
        _ => return Some(failed(id, -32601, "there is no such method")),
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn failed(id: &Value, code: i32, why: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}})
}

fn greet(params: &Value) -> Value {
    let asked = params.get("protocolVersion").and_then(Value::as_str);
    let [newest, ..] = REVISIONS;
    let revision = REVISIONS.into_iter().find(|it| Some(*it) == asked).unwrap_or(newest);
    json!({
        "protocolVersion": revision,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "portcullis-builtin", "version": env!("CARGO_PKG_VERSION")},
    })
}

fn called(tools: &Tools, params: &Value) -> Option<Value> {
    let name = params.get("name").and_then(Value::as_str)?;
    let none = json!({});
    let given = params.get("arguments").unwrap_or(&none);
    let (told, is_error) = match tools.call(name, given)? {
        Ok(told) => (told, false),
        Err(why) => (json!({"error": why}), true),
    };
    Some(json!({
        "content": [{"type": "text", "text": told.to_string()}],
        "structuredContent": told,
        "isError": is_error,
    }))
}
