//! From arguments to a request: what goes into the path, the query and the body.
//!
//! Answerable for an argument staying where it was put: nothing in it can add a path, a query or a header.

use std::fmt::Write as _;

use bytes::Bytes;
use verdict::json::Map;
use verdict::{Address, Endpoint, Json, Piece, Signing};

use super::fault::{Fault, Why};

/// A request, but for what differs from attempt to attempt.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Path and query.
    pub(super) path: String,
    /// The body; none for methods that have none.
    pub(super) body: Option<Bytes>,
}

/// The longest path with its query, in bytes: many servers read no more.
const LONGEST_PATH: usize = 8_000;

/// Puts the arguments of a call by `agent` of `tool` together.
pub(super) fn message(
    endpoint: &Endpoint,
    address: &Address,
    (agent, tool): (&str, &str),
    args: &Json,
) -> Result<Message, Fault> {
    let empty = Map::default();
    let args = if let Json::Map(map) = args { map } else { &empty };
    let mut path = String::new();
    for piece in &address.pieces {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Argument(name) => {
                let text = args.get(name).map(|value| scalar(name, value)).transpose()?;
                let text = text
                    .filter(|it| !it.is_empty())
                    .ok_or_else(|| bad(name, "is missing, and is a part of the tool's address"))?;
                // A server may take these for steps in its own tree, however they are escaped.
                if text == "." || text == ".." {
                    return Err(bad(name, "is no part of an address"));
                }
                escape(&text, &mut path);
            }
        }
    }
    let in_query = |name: &str| endpoint.method.has_no_body() || endpoint.query.iter().any(|it| it == name);
    for (name, value) in args.iter().filter(|(name, _)| !address.names(name) && in_query(name)) {
        query(name, value, &mut path);
    }
    if path.len() > LONGEST_PATH {
        let message =
            format!("the arguments make an address of {} bytes; the most is {LONGEST_PATH}", path.len());
        return Err(Fault::new(Why::BadArguments, message));
    }
    let rest = args.iter().filter(|(name, _)| !address.names(name) && !in_query(name));
    let body = match (endpoint.method.has_no_body(), endpoint.signing) {
        (true, _) => None,
        (false, Signing::Portcullis) => Some(object(rest)),
        (false, Signing::OnceOnly | Signing::Both) => {
            let mut text = String::from("{\"agent_id\":");
            Json::Str(agent.to_owned()).write_canonical(&mut text);
            text.push_str(",\"args\":");
            text.push_str(&object(rest));
            text.push_str(",\"tool\":");
            Json::Str(tool.to_owned()).write_canonical(&mut text);
            text.push('}');
            Some(text)
        }
    };
    Ok(Message { path, body: body.map(Bytes::from) })
}

fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a Json)>) -> String {
    let mut text = String::from("{");
    for (n, (name, value)) in pairs.enumerate() {
        if n > 0 {
            text.push(',');
        }
        Json::Str(name.to_owned()).write_canonical(&mut text);
        text.push(':');
        value.write_canonical(&mut text);
    }
    text.push('}');
    text
}

fn bad(name: &str, why: &str) -> Fault {
    Fault::new(Why::BadArguments, format!("`args.{}` {why}", verdict::short(name)))
}

fn scalar(name: &str, value: &Json) -> Result<String, Fault> {
    match value {
        Json::Str(text) => Ok(text.clone()),
        Json::Int(_) | Json::Float(_) | Json::Bool(_) => Ok(value.canonical()),
        other => Err(bad(name, &format!("is a part of the tool's address, and {} cannot be", other.kind()))),
    }
}

/// Appends `name=value`; of a list one for each item, of an object its JSON text. What is null is left out.
fn query(name: &str, value: &Json, path: &mut String) {
    let text = match value {
        Json::Null => return,
        Json::List(items) => return items.iter().for_each(|item| query(name, item, path)),
        Json::Str(text) => text.clone(),
        other => other.canonical(),
    };
    path.push(if path.contains('?') { '&' } else { '?' });
    escape(name, path);
    path.push('=');
    escape(&text, path);
}

/// Everything but the unreserved characters of RFC 3986, escaped.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // A string takes whatever is written to it.
            let _never = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn of(tool: &str, args: &str) -> Result<Message, Fault> {
        let text = format!("version: 1\ntools:\n  t: {tool}\n");
        let mut none = |_: &str, _: &str| Err("no".to_owned());
        let loaded = verdict::load::load("p", &text, &mut none).unwrap_or_else(|all| panic!("{all:?}"));
        let tool = loaded.policy.tool("t").unwrap().clone();
        let endpoint = tool.endpoint.unwrap();
        message(&endpoint, &endpoint.address, ("bot", "t"), &Json::parse(args.as_bytes()).unwrap())
    }

    #[test]
    fn arguments_stay_where_they_are_put() {
        let got =
            of("{url: 'https://a/x/{id}/y', query: [q]}", r#"{"id": "a/../b?c#d", "q": "1&z=2", "n": 1.5}"#)
                .unwrap();
        assert_eq!(got.path, "/x/a%2F..%2Fb%3Fc%23d/y?q=1%26z%3D2");
        assert_eq!(got.body.unwrap(), r#"{"n":1.5}"#);
        let got =
            of("{url: 'https://a/x?k=1', method: GET}", r#"{"l": ["a b", 2], "o": {"x": null}, "n": null}"#)
                .unwrap();
        assert_eq!(got.path, "/x?k=1&l=a%20b&l=2&o=%7B%22x%22%3Anull%7D");
        assert!(got.body.is_none());
        for odd in [r#"{}"#, r#"{"id": ".."}"#, r#"{"id": ""}"#, r#"{"id": [1]}"#, r#"{"id": null}"#] {
            assert_eq!(of("{url: 'https://a/{id}'}", odd).unwrap_err().why, Why::BadArguments, "{odd}");
        }
    }

    #[test]
    fn onceonly_bodies_name_tool_and_agent() {
        let tool = "{url: 'https://a/', auth: {hmac_sha256: {env: X}}, signing: onceonly}";
        assert_eq!(
            of(tool, r#"{"b": 1, "a": "x"}"#).unwrap().body.unwrap(),
            r#"{"agent_id":"bot","args":{"a":"x","b":1},"tool":"t"}"#
        );
    }
}
