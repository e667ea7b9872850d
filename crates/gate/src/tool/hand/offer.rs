//! What the gate does itself, as tools that a model chooses among.
//!
//! Answerable for a tool's schema saying what its hand takes, where the policy has none of its own.

use serde_json::{Map, Value, json};
use verdict::hand::{Access, Code, Database, Hand, Own, Source, Work};
use verdict::{Policy, Tool};

use crate::tool::Tools;

/// A tool that can be called.
pub struct Offered {
    /// Its name.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

impl Tools {
    /// What the gate does itself for this agent, by name. Whether it may be called is not looked at.
    pub fn offered(&self, policy: &Policy, agent: &str) -> Vec<Offered> {
        let own = policy.agent(agent).map(|it| it.own_tools()).unwrap_or_default();
        let all = policy.tools().filter(|tool| !own.iter().any(|it| it.name == tool.name));
        let mut offered: Vec<Offered> = own.iter().chain(all).filter_map(|tool| self.offer(tool)).collect();
        offered.sort_by(|a, b| a.name.cmp(&b.name));
        offered
    }

    fn offer(&self, tool: &Tool) -> Option<Offered> {
        if tool.disabled {
            return None;
        }
        let hand = self.hand_of(tool).ok()??;
        let description = tool.description.clone().unwrap_or_else(|| says(&hand).to_owned());
        let schema = match &tool.schema {
            Some(schema) => serde_json::from_str(&schema.source().canonical()).unwrap_or_else(|_| json!({})),
            None => takes(&hand, tool),
        };
        let schema = match schema {
            Value::Object(mut map) => {
                // Clients want it said.
                map.insert("type".to_owned(), json!("object"));
                Value::Object(map)
            }
            other => other,
        };
        Some(Offered { name: tool.name.clone(), description, schema })
    }
}

fn says(hand: &Hand) -> &'static str {
    match &hand.work {
        Work::Exec(_) => "Runs a command in a sandbox.",
        Work::Code(_) => "Runs code in a sandbox.",
        Work::Database(Database { access: Access::Read, .. }) => {
            "Asks a database: one SQL statement that reads, with values for its parameters."
        }
        Work::Database(_) => "Asks or changes a database: one SQL statement, with values for its parameters.",
        Work::Own(Own::FsRead) => "Reads a text file of the workspace.",
        Work::Own(Own::FsWrite) => "Writes a text file of the workspace, whole; folders on the way are made.",
        Work::Own(Own::FsList) => "Lists a folder of the workspace.",
        Work::Own(Own::FsDelete) => "Deletes a file or an empty folder of the workspace.",
        Work::Own(Own::ShellRun) => "Runs a shell command in the workspace, in a sandbox.",
        Work::Own(Own::CodeRun) => "Runs a program text in the workspace, in a sandbox.",
        Work::Own(Own::HttpRequest) => "Makes one HTTP request. Redirects are not followed.",
    }
}

/// The schema that a hand has by itself.
fn takes(hand: &Hand, tool: &Tool) -> Value {
    let text = || json!({"type": "string"});
    let mut properties = Map::new();
    for name in tool.declared() {
        properties.insert(name.to_owned(), text());
    }
    let mut required: Vec<&str> = match &hand.work {
        Work::Exec(exec) => exec.arguments().collect(),
        Work::Code(Code { source: Source::Argument(name), .. }) => vec![name],
        Work::Code(_) => Vec::new(),
        Work::Database(_) => {
            let value = json!({"type": ["string", "number", "boolean", "null"]});
            properties.insert("params".to_owned(), json!({"type": "array", "items": value}));
            vec!["sql"]
        }
        Work::Own(own) => of_own(*own, &mut properties),
    };
    required.sort_unstable();
    required.dedup();
    json!({"properties": properties, "required": required, "additionalProperties": hand.open_args})
}

fn of_own(own: Own, properties: &mut Map<String, Value>) -> Vec<&'static str> {
    let mut say = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    match own {
        Own::FsRead => {
            say("offset", json!({"type": "integer", "minimum": 0}));
            vec!["path"]
        }
        Own::FsWrite => vec!["path", "content"],
        Own::FsList | Own::FsDelete => vec!["path"],
        Own::ShellRun => vec!["command"],
        Own::CodeRun => {
            say("language", json!({"enum": ["python", "javascript", "shell"]}));
            vec!["language", "code"]
        }
        Own::HttpRequest => {
            say("method", json!({"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]}));
            say("headers", json!({"type": "object", "additionalProperties": {"type": "string"}}));
            vec!["url"]
        }
    }
}
