//! What the arguments of a tool probably mean, from its own description: a proposal for a person to accept.
//!
//! Names, formats and descriptions are hints of whoever wrote the tool, who may be mistaken or lying; nothing
//! here reaches a decision unless somebody writes it into a policy.

use verdict::Json;
use verdict::json::Map;

/// A role that an argument probably has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The argument: a JSON pointer, with `*` for the items of a list.
    pub argument: String,
    /// The role.
    pub role: &'static str,
    /// What speaks for it.
    pub because: String,
}

/// How deep a schema is followed, and how many proposals are made at most.
const DEEP: usize = 8;
const MOST: usize = 256;

/// The roles that a tool's definition (`{name, description, inputSchema}`) suggests, in the order of its schema.
pub fn infer(definition: &Json) -> Vec<Proposal> {
    let Json::Map(map) = definition else { return Vec::new() };
    let text = |key: &str| match map.get(key) {
        Some(Json::Str(text)) => text.to_lowercase(),
        _ => String::new(),
    };
    let tool = Tool { name: text("name"), about: text("description") };
    let mut walk = Walk { tool, found: Vec::new() };
    if let Some(schema) = map.get("inputSchema").or_else(|| map.get("input_schema")) {
        walk.schema(schema, String::new(), "", DEEP);
    }
    walk.found
}

struct Tool {
    name: String,
    about: String,
}

/// A walk over a schema, and what it has found.
struct Walk {
    tool: Tool,
    found: Vec<Proposal>,
}

impl Walk {
    /// Proposes roles for what `schema` describes: the argument at `at`, called `name`, and what is in it.
    fn schema(&mut self, schema: &Json, at: String, name: &str, deep: usize) {
        let Json::Map(map) = schema else { return };
        if deep == 0 || self.found.len() >= MOST {
            return;
        }
        if let Some(Json::Map(properties)) = map.get("properties") {
            for (key, schema) in properties.iter() {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                self.schema(schema, at, key, deep.saturating_sub(1));
            }
        }
        if let Some(items) = map.get("items") {
            // The last `*` can be left out: a role on a list is a role on each of its items.
            let inner = matches!(items, Json::Map(map) if map.get("properties").is_some());
            let at = if inner { format!("{at}/*") } else { at.clone() };
            self.schema(items, at, name, deep.saturating_sub(1));
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(Json::List(parts)) = map.get(key) {
                for part in parts {
                    self.schema(part, at.clone(), name, deep.saturating_sub(1));
                }
            }
        }
        if let Some((role, because)) = role(&self.tool, map, name).filter(|_| !at.is_empty())
            && !self.found.iter().any(|it| it.argument == at)
        {
            self.found.push(Proposal { argument: at, role, because });
        }
    }
}

/// Words for arguments that are files.
const FILES: &[&str] = &[
    "path",
    "file",
    "filename",
    "filepath",
    "directory",
    "dir",
    "folder",
    "source",
    "destination",
    "paths",
    "files",
    "cwd",
];

/// A role, and what speaks for it.
type Hint = Option<(&'static str, String)>;

fn role(tool: &Tool, schema: &Map, name: &str) -> Hint {
    let word = |key: &str| match schema.get(key) {
        Some(Json::Str(text)) => text.to_lowercase(),
        _ => String::new(),
    };
    let (kind, format) = (word("type"), word("format"));
    let words = words_of(name);
    if matches!(kind.as_str(), "number" | "integer") {
        let named = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let money = named(&["amount", "price", "total", "cost", "fee", "budget", "refund", "payment"]);
        let counted = named(&["count", "number", "tokens", "items", "pages"]);
        return (money && !counted).then(|| ("money", format!("its name is `{name}`")));
    }
    if !matches!(kind.as_str(), "" | "string" | "array") {
        return None;
    }
    let by_format = match format.as_str() {
        "uri" | "url" | "uri-reference" | "iri" => Some("url"),
        "hostname" | "ipv4" | "ipv6" => Some("host"),
        "email" | "idn-email" => Some("recipient"),
        _ => None,
    };
    match by_format {
        Some(role) => Some((role, format!("its format is `{format}`"))),
        None => role_by_name(tool, name, &words, &word("description")),
    }
}

/// What the words of a text argument's name suggest.
fn role_by_name(tool: &Tool, name: &str, words: &[String], about: &str) -> Hint {
    let named = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let by_name = |role| Some((role, format!("its name is `{name}`")));
    if named(&["command", "cmd", "shell", "bash"]) || (named(&["script"]) && about.contains("shell")) {
        return by_name("shell");
    }
    if named(&["sql"])
        || (named(&["query", "statement"]) && (about.contains("sql") || tool.speaks_of(&["sql", "database"])))
    {
        return by_name("sql");
    }
    if named(&["code", "python", "javascript", "script"]) {
        let is_js = words.iter().any(|it| it == "javascript")
            || about.contains("javascript")
            || tool.about.contains("javascript");
        let runs = tool.speaks_of(&["run", "execute", "eval", "interpreter", "python", "javascript", "code"]);
        return if runs { by_name(if is_js { "javascript" } else { "python" }) } else { None };
    }
    if named(&["url", "uri", "link", "endpoint", "webhook"]) {
        return by_name("url");
    }
    if named(&["host", "hostname", "server", "domain"]) {
        return by_name("host");
    }
    if named(FILES) {
        let because = format!("its name is `{name}`, and the tool's is `{}`", tool.name);
        return Some((tool.file_role(words), because));
    }
    if named(&["recipient", "recipients", "to", "cc", "bcc", "payee", "beneficiary", "iban", "recipient_id"])
    {
        return by_name("recipient");
    }
    if named(&["password", "secret", "token", "apikey", "credential"]) {
        return by_name("secret");
    }
    None
}

impl Tool {
    fn speaks_of(&self, list: &[&str]) -> bool {
        words_of(&self.name).iter().chain(&words_of(&self.about)).any(|word| list.contains(&word.as_str()))
    }

    /// What is done to a file: of what the tool's name says the worst, and writing where it says nothing.
    fn file_role(&self, words: &[String]) -> &'static str {
        let name = words_of(&self.name);
        let says = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
        if says(&["delete", "remove", "rm", "unlink", "purge", "clean"]) {
            return "fs.delete";
        }
        if says(&[
            "write", "edit", "create", "save", "put", "append", "update", "upload", "move", "rename", "copy",
            "mkdir", "patch", "set",
        ]) {
            // The source of a copy is only read; that of a move is not.
            let reads = says(&["copy", "upload"]) && words.iter().any(|word| word == "source");
            return if reads { "fs.read" } else { "fs.write" };
        }
        let reads = [
            "read", "list", "get", "search", "find", "stat", "info", "view", "show", "tree", "open", "load",
            "head", "tail", "grep", "cat", "diff", "download", "ls",
        ];
        if says(&reads) { "fs.read" } else { "fs.write" }
    }
}

/// `filePath`, `file_path` and `file-path` are `file`, `path`.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars().take(4_096) {
        let starts = c.is_uppercase() && before.is_lowercase();
        if !c.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}
