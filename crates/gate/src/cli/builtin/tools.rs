//! The tools themselves: files below one folder, and programs in the sandbox.
//!
//! Answerable for arguments being what they must be, and for every file being reached below the folder's descriptor.
//! A program runs within the bounds of the policy that is in force when it is called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::beneath::Folder;
use serde_json::{Value, json};
use verdict::{Bounds, Status};

use crate::cli::Failure;
use crate::cli::opening::open_desk_on;
use crate::runs::Run;
use crate::store::StorePath;

/// The most of a file that is read at once, in bytes.
const MOST: u64 = 1 << 20;

/// What the tools work on.
pub(super) struct Tools {
    folder: Folder,
    workspace: PathBuf,
    store: StorePath,
    line: String,
    agent: String,
    threads: tokio::runtime::Runtime,
}

/// What a call came to: a result, or a sentence.
type Told = Result<Value, String>;

impl Tools {
    /// Opens the folder.
    pub(super) fn open(
        workspace: &Path,
        store: StorePath,
        line: String,
        agent: String,
    ) -> Result<Self, Failure> {
        let said = |error: std::io::Error| {
            Failure::said(format!("`{}`: {error}", crate::cli::clean(&workspace.display().to_string())))
        };
        let workspace_path = workspace.canonicalize().map_err(said)?;
        let folder = Folder::open(&workspace_path).map_err(said)?;
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let threads = threads.map_err(said)?;
        Ok(Self { folder, workspace: workspace_path, store, line, agent, threads })
    }

    /// What the tools are, for `tools/list`.
    pub(super) fn listed() -> Value {
        let text = json!({"type": "string"});
        let tool = |name: &str, says: &str, properties: Value, required: Value| {
            json!({"name": name, "description": says, "inputSchema": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            }})
        };
        json!([
            tool(
                "fs.read",
                "Reads a text file of the workspace.",
                json!({"path": text, "offset": {"type": "integer", "minimum": 0}}),
                json!(["path"])
            ),
            tool(
                "fs.write",
                "Writes a text file of the workspace, whole; folders on the way are made.",
                json!({"path": text, "content": text}),
                json!(["path", "content"])
            ),
            tool("fs.list", "Lists a folder of the workspace.", json!({"path": text}), json!(["path"])),
            tool(
                "fs.delete",
                "Deletes a file or an empty folder of the workspace.",
                json!({"path": text}),
                json!(["path"])
            ),
            tool(
                "shell.run",
                "Runs a shell command in the workspace, in a sandbox.",
                json!({"command": text, "stdin": text}),
                json!(["command"])
            ),
            tool(
                "code.run",
                "Runs a program text in the workspace, in a sandbox.",
                json!({"language": {"enum": ["python", "javascript", "shell"]}, "code": text, "stdin": text}),
                json!(["language", "code"])
            ),
        ])
    }

    /// Calls one; none if there is none of this name.
    pub(super) fn call(&self, name: &str, given: &Value) -> Option<Told> {
        Some(match name {
            "fs.read" => self.read(given),
            "fs.write" => self.write(given),
            "fs.list" => path(given)
                .and_then(|path| told(self.folder.list(path)))
                .map(|entries| json!({"entries": entries})),
            "fs.delete" => {
                path(given).and_then(|path| told(self.folder.delete(path))).map(|()| json!({"deleted": true}))
            }
            "shell.run" => {
                text(given, "command").and_then(|command| self.run(name, &["/bin/sh", "-c", command], given))
            }
            "code.run" => self.code(given),
            _ => return None,
        })
    }

    fn read(&self, given: &Value) -> Told {
        let offset = given.get("offset").and_then(Value::as_u64).unwrap_or(0);
        let (bytes, size) = told(self.folder.read(path(given)?, offset, MOST))?;
        let read = bytes.len();
        let content = String::from_utf8_lossy(&bytes);
        Ok(json!({"content": content, "size": size, "offset": offset, "read": read}))
    }

    fn write(&self, given: &Value) -> Told {
        let content = text(given, "content")?;
        told(self.folder.write(path(given)?, content.as_bytes()))?;
        Ok(json!({"written": content.len()}))
    }

    fn code(&self, given: &Value) -> Told {
        let code = text(given, "code")?;
        match text(given, "language")? {
            "python" => self.run("code.run", &["python3", "-c", code], given),
            "javascript" => self.run("code.run", &["node", "-e", code], given),
            "shell" => self.run("code.run", &["/bin/sh", "-c", code], given),
            other => Err(format!("`{}` is not a language that is known", verdict::short(other))),
        }
    }

    fn run(&self, tool: &str, argv: &[&str], given: &Value) -> Told {
        let bounds = self.bounds(tool)?;
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let input = given.get("stdin").and_then(Value::as_str).unwrap_or_default();
        let own = self.store.0.canonicalize().into_iter().collect();
        let run = Run::within(&bounds, argv, Some(&self.workspace), own)?.reading(input.as_bytes().to_vec());
        let mut ran = self.threads.block_on(run.carry_out(Arc::default()));
        ran.carry_over();
        let outcome = ran.into_outcome();
        match (outcome.result, outcome.error) {
            (Some(result), _) if outcome.status != Status::Unknown => {
                serde_json::from_str(&result.canonical()).map_err(|error| error.to_string())
            }
            (_, error) => Err(error.unwrap_or_else(|| "nobody knows how it ended".to_owned())),
        }
    }

    /// The bounds that are in force now. The operator has named the workspace on the command line; a policy that
    /// names one as well must agree.
    fn bounds(&self, tool: &str) -> Result<Bounds, String> {
        let desk = open_desk_on(&self.store, &self.line).map_err(|failure| match failure {
            Failure::Said(why) => why,
            Failure::Told | Failure::Unread => "the policy in force cannot be read".to_owned(),
        })?;
        let bounds = desk.policy().bounds(&self.agent, tool);
        let here = Bounds { workspace: Some(self.workspace.display().to_string()), ..Bounds::default() };
        Ok(bounds.or(&here))
    }
}

fn text<'g>(given: &'g Value, key: &str) -> Result<&'g str, String> {
    given.get(key).and_then(Value::as_str).ok_or_else(|| format!("`{key}` must be a text"))
}

fn path(given: &Value) -> Result<&Path, String> {
    text(given, "path").map(Path::new)
}

fn told<T>(result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
