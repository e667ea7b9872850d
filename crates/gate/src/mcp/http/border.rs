//! Where the names of one server's tools, prompts and resources become names among those of all servers.
//!
//! A tool or prompt `read` of a server with the prefix `files__` is `files__read` to clients and in policies; its
//! resource `file:///a` is `files+file:///a`. Answerable for touching only the texts that are such names, and no byte
//! of a server without a prefix. Everything between the two borders knows only the longer names.

use serde_json::value::RawValue;

use crate::mcp::envelope::{Fields, Message, read, text};

/// The texts of an answer that name tools or prompts.
const NAMES: [&[&str]; 2] = [&["tools", "*", "name"], &["prompts", "*", "name"]];
/// The texts of an answer that name resources.
const PLACES: [&[&str]; 7] = [
    &["resources", "*", "uri"],
    &["resourceTemplates", "*", "uriTemplate"],
    &["contents", "*", "uri"],
    &["content", "*", "uri"],
    &["content", "*", "resource", "uri"],
    &["messages", "*", "content", "uri"],
    &["messages", "*", "content", "resource", "uri"],
];

/// The border of one server.
#[derive(Debug)]
pub(super) struct Border {
    prefix: String,
    scheme: String,
}

/// What stands before the addresses of a server's resources, for the prefix of its names.
pub(in crate::mcp) fn scheme(prefix: &str) -> String {
    let word = prefix.strip_suffix("__").unwrap_or(prefix);
    if word.is_empty() {
        return String::new();
    }
    // What a URI's scheme may hold (RFC 3986), and it begins with a letter.
    let plain: String = word.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect();
    let first = if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "x" };
    format!("{first}{plain}+")
}

/// One text of a message, and what stands there instead.
struct Edit {
    start: usize,
    end: usize,
    anew: String,
}

impl Border {
    /// The border of a server with this prefix.
    pub(super) fn of(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), scheme: scheme(prefix) }
    }

    /// A message of the server's as the gate sees it, where it differs.
    pub(super) fn inward(&self, line: &[u8]) -> Option<Vec<u8>> {
        if self.prefix.is_empty() {
            return None;
        }
        let whole = text(line).ok()?;
        let mut edits = Vec::new();
        let mut add = |part: &RawValue, path: &[&str], prefix: &str| {
            collect(whole, part, path, &|name| Some(format!("{prefix}{name}")), &mut edits);
        };
        match read(whole).ok()? {
            Message::Answer { result: Some(result), .. } => {
                NAMES.iter().for_each(|path| add(result, path, &self.prefix));
                if whole.contains("\"uri") {
                    PLACES.iter().for_each(|path| add(result, path, &self.scheme));
                }
            }
            Message::Notification { method, params: Some(params) }
                if method == "notifications/resources/updated" =>
            {
                add(params, &["uri"], &self.scheme);
            }
            _ => (),
        }
        applied(whole, edits)
    }

    /// A message to the server with the names that it knows, where it differs.
    pub(super) fn outward(&self, line: &[u8]) -> Option<Vec<u8>> {
        if self.prefix.is_empty() {
            return None;
        }
        let whole = text(line).ok()?;
        let Message::Request { method, params: Some(params), .. } = read(whole).ok()? else { return None };
        let mut edits = Vec::new();
        let mut strip = |path: &[&str], prefix: &str| {
            collect(whole, params, path, &|name| name.strip_prefix(prefix).map(str::to_owned), &mut edits);
        };
        match method.as_str() {
            "tools/call" | "prompts/get" => strip(&["name"], &self.prefix),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                strip(&["uri"], &self.scheme)
            }
            "completion/complete" => {
                strip(&["ref", "name"], &self.prefix);
                strip(&["ref", "uri"], &self.scheme);
            }
            _ => (),
        }
        applied(whole, edits)
    }
}

/// Finds the texts at `path` in `part`, which is a slice of `whole`.
fn collect(
    whole: &str,
    part: &RawValue,
    path: &[&str],
    anew: &dyn Fn(&str) -> Option<String>,
    edits: &mut Vec<Edit>,
) {
    match path.split_first() {
        None => {
            let Ok(name) = serde_json::from_str::<String>(part.get()) else { return };
            let Some(anew) = anew(&name).and_then(|name| serde_json::to_string(&name).ok()) else { return };
            let Some(start) = (part.get().as_ptr() as usize).checked_sub(whole.as_ptr() as usize) else {
                return;
            };
            edits.push(Edit { start, end: start.saturating_add(part.get().len()), anew });
        }
        Some((&"*", rest)) => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(part.get()) else { return };
            items.into_iter().for_each(|item| collect(whole, item, rest, anew, edits));
        }
        Some((key, rest)) => {
            let Ok(fields) = Fields::strict(part.get(), &[key]) else { return };
            if let Some(value) = fields.raw(key) {
                collect(whole, value, rest, anew, edits);
            }
        }
    }
}

fn applied(whole: &str, mut edits: Vec<Edit>) -> Option<Vec<u8>> {
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|edit| edit.start);
    let mut out = String::with_capacity(whole.len().saturating_add(edits.len().saturating_mul(16)));
    let mut from = 0;
    for Edit { start, end, anew } in edits {
        out.push_str(whole.get(from..start)?);
        out.push_str(&anew);
        from = end;
    }
    out.push_str(whole.get(from..)?);
    out.push('\n');
    Some(out.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn inward(line: &str) -> String {
        let border = Border::of("my_files__");
        border.inward(line.as_bytes()).map_or_else(|| line.to_owned(), |it| String::from_utf8(it).unwrap())
    }

    #[test]
    fn names_are_prefixed_and_nothing_else_is_touched() {
        let list = r#" {"id":1, "result":{"x":1e400,"tools":[{"name":"re\u0061d","d":"name"} , {"name":"b"}]},"jsonrpc":"2.0"}"#;
        assert_eq!(
            inward(list),
            " {\"id\":1, \"result\":{\"x\":1e400,\"tools\":[{\"name\":\"my_files__read\",\"d\":\"name\"} , {\"name\":\"my_files__b\"}]},\"jsonrpc\":\"2.0\"}\n"
        );
        assert!(
            inward(r#"{"id":1,"result":{"content":[{"type":"resource","resource":{"uri":"file:///a"}}]}}"#)
                .contains(r#""uri":"my-files+file:///a""#)
        );
        let other = r#"{"id":1,"result":{"content":[{"type":"text","text":"name"}],"structuredContent":{"name":"x"}}}"#;
        assert_eq!(inward(other), other);
    }

    #[test]
    fn what_goes_back_is_what_came() {
        let border = Border::of("my_files__");
        let out = |line: &str| String::from_utf8(border.outward(line.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            out(
                r#"{"id":1,"method":"tools/call","params":{"name":"my_files__read","arguments":{"name":"my_files__x"}}}"#
            ),
            "{\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"read\",\"arguments\":{\"name\":\"my_files__x\"}}}\n"
        );
        assert!(
            out(r#"{"id":1,"method":"resources/read","params":{"uri":"my-files+file:///a"}}"#)
                .contains("\"file:///a\"")
        );
        assert!(Border::of("").outward(br#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#).is_none());
    }
}
