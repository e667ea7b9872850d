//! The file that names the MCP servers: `{"mcpServers": {NAME: {...}}}`, as the clients of such servers know it.
//!
//! Answerable for a file being refused, with a sentence, where it could mean two things: keys that nobody knows,
//! names and prefixes that clash, servers that are neither a command nor a URL. `${NAME}` and `${NAME:-DEFAULT}` in
//! commands, arguments, variables, URLs and headers stand for variables of our environment, so that secrets need not
//! be in the file. Starts nothing.

use std::path::Path;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use verdict::Json;
use verdict::json::Map;

use super::http::scheme;

/// The servers behind `/mcp`.
#[derive(Debug)]
pub struct Servers {
    /// In the order of their names.
    pub list: Vec<Server>,
    /// Whether a call waits while a person is asked; else the model is told to come back.
    pub waits: bool,
    /// Web pages of which origins may use `/mcp`, beside those of this machine: `https://host[:port]`, in lower case.
    pub origins: Vec<String>,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// What its tools are pinned under.
    pub name: String,
    /// Stands before the names of its tools and prompts, `__` included; empty for none.
    pub prefix: String,
    /// Where its tools act: production, staging, ...
    pub environment: Option<String>,
    /// How it is reached.
    pub reach: Reach,
}

/// How a server is reached.
#[derive(Debug)]
pub enum Reach {
    /// By starting it.
    Command {
        /// The program and its arguments.
        line: Vec<String>,
        /// What it finds in its environment beside ours.
        env: Vec<(String, String)>,
    },
    /// Not at all: it is the gate's own tools.
    Own,
    /// By streamable HTTP.
    Url {
        /// Its endpoint.
        url: Uri,
        /// What it is sent with every request.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// A file with the certificates (PEM) that it is believed by; without it, the system's.
        ca: Option<String>,
    },
}

const TOP: [&str; 3] = ["mcpServers", "approvals", "origins"];
const SERVER: [&str; 12] = [
    "builtin",
    "command",
    "args",
    "env",
    "url",
    "headers",
    "ca",
    "type",
    "prefix",
    "environment",
    "disabled",
    "description",
];
/// The most servers.
const MOST: usize = 64;
/// The longest name of a server, in bytes: tools' names hold it too.
const LONGEST: usize = 32;
/// Stands between a prefix and a name.
const BETWEEN: &str = "__";

/// Looks a variable of the environment up.
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

impl Servers {
    /// Reads the file. The error is a sentence.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = verdict::short(&path.display().to_string());
        let text =
            std::fs::read(path).map_err(|error| format!("--mcp: `{shown}` cannot be read: {error}"))?;
        let servers = Self::parse(&text, &|name| std::env::var(name).ok());
        let servers = servers.and_then(|servers| servers.believe().map(|()| servers));
        servers.map_err(|why| format!("--mcp: `{shown}`: {why}"))
    }

    /// Sees that every file of certificates can be used.
    fn believe(&self) -> Result<(), String> {
        self.list.iter().try_for_each(|server| match &server.reach {
            Reach::Url { ca: Some(ca), .. } => crate::tool::trust_of(Some(ca))
                .map(|_config| ())
                .map_err(|why| format!("server `{}`: {why}", server.name)),
            _ => Ok(()),
        })
    }

    /// The file of certificates of each server.
    pub fn cas(&self) -> impl Iterator<Item = Option<&str>> {
        self.list.iter().map(|server| match &server.reach {
            Reach::Url { ca, .. } => ca.as_deref(),
            Reach::Command { .. } | Reach::Own => None,
        })
    }

    /// Reads the text of such a file; `env` has the variables that it may name. The error is a sentence.
    pub fn parse(text: &[u8], env: Env<'_>) -> Result<Self, String> {
        let json = Json::parse(text)?;
        let Json::Map(top) = &json else {
            return Err(format!("it is {}; write an object with `mcpServers`", json.kind()));
        };
        known(top, &TOP)?;
        let Some(Json::Map(servers)) = top.get("mcpServers") else {
            return Err(
                "it has no object `mcpServers`; write {\"mcpServers\": {\"NAME\": {\"command\": ...}}}"
                    .to_owned(),
            );
        };
        let mut list = Vec::with_capacity(servers.len());
        for (name, server) in servers.iter() {
            let at = |why: String| format!("server `{}`: {why}", verdict::short(name));
            list.extend(server_of(name, server, env).map_err(at)?);
        }
        if list.is_empty() || list.len() > MOST {
            return Err(format!("it names {} servers; name 1 to {MOST}", list.len()));
        }
        apart(&list)?;
        let waits = match text_of(top, "approvals")?.as_deref() {
            None | Some("wait") => true,
            Some("return") => false,
            Some(other) => {
                return Err(format!("`approvals` is `{}`; write `wait` or `return`", verdict::short(other)));
            }
        };
        let origins = texts(top, "origins", &Ok)?.into_iter().map(origin).collect::<Result<_, _>>()?;
        Ok(Self { list, waits, origins })
    }
}

fn server_of(name: &str, json: &Json, env: Env<'_>) -> Result<Option<Server>, String> {
    let Json::Map(map) = json else { return Err(format!("it is {}; write an object", json.kind())) };
    known(map, &SERVER)?;
    word("its name", name)?;
    match map.get("disabled") {
        None | Some(Json::Bool(false)) => (),
        Some(Json::Bool(true)) => return Ok(None),
        Some(other) => return Err(format!("`disabled` is {}; write true or false", other.kind())),
    }
    let own = match map.get("builtin") {
        None | Some(Json::Bool(false)) => false,
        Some(Json::Bool(true)) => true,
        Some(other) => return Err(format!("`builtin` is {}; write true or false", other.kind())),
    };
    let prefix = match text_of(map, "prefix")? {
        // What is decided is the policy's tool of this very name.
        Some(prefix) if own && !prefix.is_empty() => {
            return Err(
                "`prefix` is not for the gate's own tools, which have their names from the policy".to_owned()
            );
        }
        _ if own => String::new(),
        None => format!("{name}{BETWEEN}"),
        Some(prefix) if prefix.is_empty() => prefix,
        Some(prefix) => {
            word("`prefix`", &prefix)?;
            format!("{prefix}{BETWEEN}")
        }
    };
    let reach = if own { of_own(map)? } else { reach(map, env)? };
    kind(map, &reach)?;
    Ok(Some(Server { name: name.to_owned(), prefix, environment: text_of(map, "environment")?, reach }))
}

fn of_own(map: &Map) -> Result<Reach, String> {
    match ["command", "args", "env", "url", "headers", "ca"].into_iter().find(|key| map.get(key).is_some()) {
        Some(key) => Err(format!("it is `builtin` and has a `{key}`; remove one of them")),
        None => Ok(Reach::Own),
    }
}

fn reach(map: &Map, env: Env<'_>) -> Result<Reach, String> {
    let filled = |text: String| fill(&text, env);
    match (text_of(map, "command")?, text_of(map, "url")?) {
        (Some(_), Some(_)) => Err("it has a `command` and a `url`; write one of them".to_owned()),
        (None, None) => Err("it has neither `command` nor `url`; write one of them".to_owned()),
        (Some(command), None) => {
            if map.get("headers").is_some() || map.get("ca").is_some() {
                return Err("`headers` and `ca` are for servers with a `url`; write `env`".to_owned());
            }
            let mut line = vec![filled(command)?];
            if line.iter().all(String::is_empty) {
                return Err("`command` is empty".to_owned());
            }
            line.extend(texts(map, "args", &filled)?);
            Ok(Reach::Command { line, env: pairs(map, "env", &filled)? })
        }
        (None, Some(url)) => {
            if map.get("args").is_some() || map.get("env").is_some() {
                return Err("`args` and `env` are for servers with a `command`; write `headers`".to_owned());
            }
            let headers =
                pairs(map, "headers", &filled)?.into_iter().map(header).collect::<Result<_, _>>()?;
            let url = address(&filled(url)?)?;
            let ca = text_of(map, "ca")?.map(filled).transpose()?;
            if ca.is_some() && url.scheme_str() != Some("https") {
                return Err("`ca` is for a `url` that begins with https://".to_owned());
            }
            Ok(Reach::Url { url, headers, ca })
        }
    }
}

/// What some clients write beside it must not contradict it.
fn kind(map: &Map, reach: &Reach) -> Result<(), String> {
    let Some(kind) = text_of(map, "type")? else { return Ok(()) };
    match (kind.as_str(), reach) {
        ("stdio", Reach::Command { .. })
        | ("http" | "streamable-http" | "streamableHttp", Reach::Url { .. }) => Ok(()),
        ("sse", _) => {
            Err("`type` is `sse`, which was replaced in 2025; use the server's streamable HTTP".to_owned())
        }
        (other, _) => Err(format!(
            "`type` is `{}` and does not fit; leave it out, or write `stdio` for a command and `http` for a URL",
            verdict::short(other)
        )),
    }
}

/// A clash would make one name mean two tools.
fn apart(list: &[Server]) -> Result<(), String> {
    for (n, one) in list.iter().enumerate() {
        for other in list.iter().skip(n.saturating_add(1)) {
            // `a` and `a__b` clash as well: `a__b__c` could be either's.
            let nested = |a: &str, b: &str| !a.is_empty() && b.starts_with(a);
            let one_place = !one.prefix.is_empty() && scheme(&one.prefix) == scheme(&other.prefix);
            let one_name = one.prefix == other.prefix
                || nested(&one.prefix, &other.prefix)
                || nested(&other.prefix, &one.prefix);
            if one_name || one_place {
                return Err(format!(
                    "servers `{}` and `{}` have the prefixes `{}` and `{}`, so that a name could be either's; give one of them another `prefix`",
                    one.name, other.name, one.prefix, other.prefix
                ));
            }
        }
    }
    Ok(())
}

fn known(map: &Map, keys: &[&str]) -> Result<(), String> {
    match map.iter().map(|(key, _)| key).find(|key| !keys.contains(key)) {
        None => Ok(()),
        Some(key) => {
            Err(format!("`{}` is not known here; known are {}", verdict::short(key), keys.join(", ")))
        }
    }
}

fn word(what: &str, text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("{what} must be 1 to {LONGEST} letters, digits, `_`, `-` or `.`"))
}

fn text_of(map: &Map, key: &str) -> Result<Option<String>, String> {
    match map.get(key) {
        None => Ok(None),
        Some(Json::Str(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` is {}; write a text", other.kind())),
    }
}

type Filled<'f> = &'f dyn Fn(String) -> Result<String, String>;

fn texts(map: &Map, key: &str, filled: Filled<'_>) -> Result<Vec<String>, String> {
    let items = match map.get(key) {
        None => return Ok(Vec::new()),
        Some(Json::List(items)) => items,
        Some(other) => return Err(format!("`{key}` is {}; write a list of texts", other.kind())),
    };
    let text = |item: &Json| match item {
        Json::Str(text) => filled(text.clone()),
        other => Err(format!("`{key}` holds {}; write texts", other.kind())),
    };
    items.iter().map(text).collect()
}

fn pairs(map: &Map, key: &str, filled: Filled<'_>) -> Result<Vec<(String, String)>, String> {
    let pairs = match map.get(key) {
        None => return Ok(Vec::new()),
        Some(Json::Map(pairs)) => pairs,
        Some(other) => return Err(format!("`{key}` is {}; write an object of texts", other.kind())),
    };
    let pair = |(name, value): (&str, &Json)| match value {
        Json::Str(text) => Ok((name.to_owned(), filled(text.clone())?)),
        other => Err(format!("`{key}`: `{}` is {}; write a text", verdict::short(name), other.kind())),
    };
    pairs.iter().map(pair).collect()
}

fn header((name, value): (String, String)) -> Result<(HeaderName, HeaderValue), String> {
    let odd = || format!("`headers`: `{}` is no header", verdict::short(&name));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd())?;
    let ours = [
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "transfer-encoding",
    ];
    if ours.contains(&parsed.as_str()) || parsed.as_str().starts_with("mcp-") {
        return Err(format!("`headers`: `{parsed}` is written by the gate itself"));
    }
    let mut value = HeaderValue::from_str(&value).map_err(|_| odd())?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn address(text: &str) -> Result<Uri, String> {
    let shown = verdict::short(text);
    let uri: Uri = text.parse().map_err(|_| format!("`url`: `{shown}` is not a URL"))?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    if !web || uri.host().is_none() || uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err(format!(
            "`url`: `{shown}` must begin with http:// or https:// and name a host and no password"
        ));
    }
    Ok(uri)
}

fn origin(text: String) -> Result<String, String> {
    let odd =
        || format!("`origins`: `{}` is not an origin such as https://app.example.com", verdict::short(&text));
    let uri: Uri = text.parse().map_err(|_| odd())?;
    let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/") && !text.ends_with('/');
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(_)) if bare => Ok(text.to_ascii_lowercase()),
        _ => Err(odd()),
    }
}

/// `text` with variables of the environment in place of their names.
fn fill(text: &str, env: Env<'_>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, then) =
            after.split_once('}').ok_or_else(|| format!("`{}` has no end", verdict::short(rest)))?;
        let (name, default) =
            name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
        let value = env(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            format!(
                "the environment has no variable `{}`; set it, or write ${{{0}:-DEFAULT}}",
                verdict::short(name)
            )
        })?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = then;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]
    use super::*;

    fn read(text: &str) -> Result<Servers, String> {
        Servers::parse(text.as_bytes(), &|name| (name == "TOKEN").then(|| "t0".to_owned()))
    }

    #[test]
    fn a_file_as_clients_have_it_is_read() {
        let servers = read(
            r#"{"mcpServers": {
                "files": {"command": "npx", "args": ["-y", "server", "${HOME:-/srv}"], "env": {"K": "${TOKEN}"}},
                "web": {"type": "http", "url": "https://x.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}, "prefix": ""},
                "old": {"command": "x", "disabled": true}},
              "approvals": "return", "origins": ["https://app.example.com"]}"#,
        )
        .unwrap();
        assert_eq!(servers.list.len(), 2);
        assert!(!servers.waits);
        let Reach::Command { line, env } = &servers.list[0].reach else { panic!("of another kind") };
        assert_eq!((servers.list[0].prefix.as_str(), line[3].as_str()), ("files__", "/srv"));
        assert_eq!(env[0], ("K".to_owned(), "t0".to_owned()));
        let Reach::Url { headers, .. } = &servers.list[1].reach else { panic!("of another kind") };
        assert_eq!((servers.list[1].prefix.as_str(), headers[0].1.to_str().unwrap()), ("", "Bearer t0"));
    }

    #[test]
    fn what_could_mean_two_things_is_refused_with_a_sentence() {
        for (text, said) in [
            ("[]", "`mcpServers`"),
            ("{}", "`mcpServers`"),
            (r#"{"mcpServers": {}}"#, "0 servers"),
            (r#"{"mcpServers": {"a": {}}, "mcpservers": {}}"#, "`mcpservers`"),
            (r#"{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}"#, "twice"),
            (r#"{"mcpServers": {"a": {"command": "x", "url": "http://x"}}}"#, "one of them"),
            (r#"{"mcpServers": {"a": {}}}"#, "neither"),
            (r#"{"mcpServers": {"a": {"comand": "x"}}}"#, "`comand`"),
            (r#"{"mcpServers": {"a b": {"command": "x"}}}"#, "its name"),
            (r#"{"mcpServers": {"a": {"url": "ftp://x"}}}"#, "http://"),
            (r#"{"mcpServers": {"a": {"url": "http://u:p@x"}}}"#, "password"),
            (r#"{"mcpServers": {"a": {"url": "http://x", "headers": {"Host": "y"}}}}"#, "gate itself"),
            (r#"{"mcpServers": {"a": {"command": "${NONE}"}}}"#, "`NONE`"),
            (r#"{"mcpServers": {"a": {"command": "x", "type": "sse"}}}"#, "sse"),
            (
                r#"{"mcpServers": {"a": {"command": "x", "prefix": ""}, "b": {"command": "x", "prefix": ""}}}"#,
                "prefixes",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "x"}, "b": {"command": "x", "prefix": "a__b"}}}"#,
                "prefixes",
            ),
            (r#"{"mcpServers": {"a": {"command": "x"}}, "approvals": "ask"}"#, "`ask`"),
            (r#"{"mcpServers": {"a": {"command": "x"}}, "origins": ["app.example.com"]}"#, "origin"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
