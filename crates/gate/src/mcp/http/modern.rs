//! Requests of the revisions without sessions (2026-07-28 on): each says in its own headers and `_meta` what it is.
//!
//! Answerable for a request whose headers say something else than its body being refused before anything is decided,
//! because whoever stands between may have gone by the headers. Source: MCP 2026-07-28, "Streamable HTTP", request
//! metadata and server validation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::mcp::envelope::{Fields, Message, read, text};
use crate::mcp::session::Offers;

/// The revision without sessions that the gate itself speaks.
pub(super) const REVISION: &str = "2026-07-28";
/// Where a request says its revision, and what its client can do.
pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

pub(super) const INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(super) const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Error codes of the protocol.
pub(super) const HEADERS_DIFFER: i32 = -32020;
pub(super) const OTHER_REVISION: i32 = -32022;

const METHOD_HEADER: HeaderName = HeaderName::from_static("mcp-method");
const NAME_HEADER: HeaderName = HeaderName::from_static("mcp-name");
/// What the names of headers with copies of arguments begin with.
const PARAM: &str = "mcp-param-";
/// The most such headers.
const MOST_PARAMS: usize = 64;
/// Around a value that cannot stand in a header as it is.
const BEFORE: &str = "=?base64?";
const AFTER: &str = "?=";
/// How long what is known of a server's tools counts: nobody says when they change.
const FRESH: Duration = Duration::from_secs(10);
/// How long it counts that a server speaks, or does not speak, these revisions.
const ERA: Duration = Duration::from_secs(300);

/// What is known of a server that is asked without a session.
#[derive(Debug, Default)]
pub(super) struct Known {
    offers: Mutex<Option<(Offers, Instant)>>,
    modern: Mutex<Option<(bool, Instant)>>,
    /// It speaks no others.
    only: AtomicBool,
}

impl Known {
    /// Its tools, if somebody listed them a moment ago.
    pub(super) fn offers(&self) -> Option<Offers> {
        let known = self.offers.lock().ok()?;
        known.as_ref().filter(|(_, at)| at.elapsed() < FRESH).map(|(offers, _)| Offers::clone(offers))
    }

    /// Its tools were listed.
    pub(super) fn listed(&self, offers: Offers) {
        if let Ok(mut known) = self.offers.lock() {
            *known = Some((offers, Instant::now()));
        }
    }

    /// Its tools are others than before.
    pub(super) fn outdated(&self) {
        if let Ok(mut known) = self.offers.lock() {
            *known = None;
        }
    }

    /// True if it speaks no revision with sessions, as far as is known.
    pub(super) fn is_only_modern(&self) -> bool {
        self.only.load(Ordering::Relaxed)
    }

    /// It speaks no revision with sessions, or does.
    pub(super) fn only_modern(&self, only: bool) {
        self.only.store(only, Ordering::Relaxed);
    }

    /// Whether it speaks these revisions, if that is known.
    pub(super) fn is_modern(&self) -> Option<bool> {
        let known = self.modern.lock().ok()?;
        known.as_ref().filter(|(_, at)| at.elapsed() < ERA).map(|(modern, _)| *modern)
    }

    /// It speaks them, or does not.
    pub(super) fn found(&self, modern: bool) {
        if let Ok(mut known) = self.modern.lock() {
            *known = Some((modern, Instant::now()));
        }
    }
}

/// What the headers of a request say.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    version: Option<HeaderValue>,
    method: Option<String>,
    name: Option<String>,
    /// Copies of arguments.
    pub(super) params: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request is refused: a code, and a sentence.
pub(super) type Refused = (i32, String);

impl Said {
    /// Reads the headers.
    pub(super) fn of(headers: &HeaderMap, version: Option<&str>) -> Self {
        let value = |name: &HeaderName| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        let params = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAM)).take(MOST_PARAMS);
        Self {
            version: version.and_then(|it| HeaderValue::from_str(it).ok()),
            method: value(&METHOD_HEADER),
            name: value(&NAME_HEADER),
            params: params.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// The revision.
    pub(super) fn version(&self) -> HeaderValue {
        self.version.clone().unwrap_or(HeaderValue::from_static(REVISION))
    }

    /// Whether the headers say what the body says.
    pub(super) fn agrees(&self, method: &str, params: Option<&RawValue>, line: &[u8]) -> Result<(), Refused> {
        let differ = |why: String| Err((HEADERS_DIFFER, why));
        let written = params.and_then(|it| said(it, VERSION));
        match (&self.version, &written) {
            (None, _) => return differ("the header MCP-Protocol-Version is missing".to_owned()),
            (Some(header), Some(written)) if header.as_bytes() != written.as_bytes() => {
                return differ(format!(
                    "the header MCP-Protocol-Version is not the revision in `_meta`, `{}`",
                    verdict::short(written)
                ));
            }
            _ => (),
        }
        match &self.method {
            None => return differ("the header Mcp-Method is missing".to_owned()),
            Some(header) if header != method => {
                return differ(format!(
                    "the header Mcp-Method is `{}`, and the method another",
                    verdict::short(header)
                ));
            }
            Some(_) => (),
        }
        let Some(name) = named(line) else { return Ok(()) };
        match self.name.as_deref().map(decoded) {
            None => differ("the header Mcp-Name is missing".to_owned()),
            Some(Some(header)) if header == name => Ok(()),
            Some(_) => {
                differ(format!("the header Mcp-Name is not what the body names, `{}`", verdict::short(&name)))
            }
        }
    }
}

/// True if a request is of such a revision: `version` is its header, `known` are the revisions with sessions.
pub(super) fn is_modern(version: Option<&str>, known: &[&str], body: &[u8]) -> bool {
    match version {
        Some(version) => !known.contains(&version),
        // Only what says so itself is one: older requests have no such field.
        None => {
            let line = super::visit::one_line(body);
            let Ok(Message::Request { params: Some(params), .. }) = text(&line).and_then(read) else {
                return false;
            };
            said(params, VERSION).is_some()
        }
    }
}

/// A text in the `_meta` of a request's parameters.
fn said(params: &RawValue, key: &str) -> Option<String> {
    let meta = Fields::strict(params.get(), &["_meta"]).ok()?.raw("_meta")?;
    Fields::strict(meta.get(), &[key]).ok()?.text(key).ok()?
}

/// Whether a request has what every request must have in `_meta`, in a revision that the gate speaks itself.
pub(super) fn is_whole(params: Option<&RawValue>) -> Result<(), (i32, String, serde_json::Value)> {
    let missing = |key: &str| (-32602, format!("`_meta` has no `{key}`"), serde_json::Value::Null);
    let version = params.and_then(|it| said(it, VERSION)).ok_or_else(|| missing(VERSION))?;
    if version != REVISION {
        let data = json!({"supported": [REVISION], "requested": version});
        return Err((OTHER_REVISION, "Unsupported protocol version".to_owned(), data));
    }
    let can = params.and_then(|it| {
        let meta = Fields::strict(it.get(), &["_meta"]).ok()?.raw("_meta")?;
        Fields::strict(meta.get(), &[CAPABILITIES]).ok()?.raw(CAPABILITIES)
    });
    can.filter(|raw| raw.get().starts_with('{')).map(|_| ()).ok_or_else(|| missing(CAPABILITIES))
}

/// What a request names, of those that must say it in a header.
pub(super) fn named(line: &[u8]) -> Option<String> {
    let Ok(Message::Request { method, params: Some(params), .. }) = text(line).and_then(read) else {
        return None;
    };
    let key = match method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    Fields::strict(params.get(), &[key]).ok()?.text(key).ok()?
}

/// A text as the value of a header.
pub(super) fn encoded(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && text.trim() == text
        && !text.is_empty()
        && !(text.starts_with(BEFORE) && text.ends_with(AFTER));
    let value =
        if plain { text.to_owned() } else { format!("{BEFORE}{}{AFTER}", BASE64_STANDARD.encode(text)) };
    HeaderValue::from_str(&value).ok()
}

/// The text that the value of a header stands for.
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)) {
        None => Some(value.to_owned()),
        Some(coded) => String::from_utf8(BASE64_STANDARD.decode(coded).ok()?).ok(),
    }
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

    #[test]
    fn names_go_into_headers_and_back() {
        for text in ["read", "a b", " padded ", "Hello, 世界", "line1\nline2", "=?base64?literal?=", ""] {
            let value = encoded(text).unwrap();
            assert_eq!(decoded(value.to_str().unwrap()).as_deref(), Some(text));
        }
        assert_eq!(encoded("us-west1").unwrap(), "us-west1");
        assert_eq!(encoded(" padded ").unwrap(), "=?base64?IHBhZGRlZCA=?=");
        assert_eq!(decoded("=?base64?SGVsbG8?="), None);
    }

    #[test]
    fn headers_that_say_something_else_are_refused() {
        let line = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let Ok(Message::Request { method, params, .. }) = text(line).and_then(read) else {
            panic!("no request")
        };
        let agrees = |version: &str, pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            Said::of(&headers, Some(version).filter(|it| !it.is_empty()))
                .agrees(&method, params, line)
                .is_ok()
        };
        let good = [("mcp-method", "tools/call"), ("mcp-name", "read")];
        assert!(agrees("2026-07-28", &good));
        assert!(agrees("2026-07-28", &[good[0], ("mcp-name", "=?base64?cmVhZA==?=")]));
        assert!(!agrees("", &good) && !agrees("2027-01-01", &good));
        assert!(!agrees("2026-07-28", &good[..1]) && !agrees("2026-07-28", &good[1..]));
        assert!(!agrees("2026-07-28", &[good[0], ("mcp-name", "remove")]));
        assert!(!agrees("2026-07-28", &[("mcp-method", "Tools/Call"), good[1]]));
        assert!(is_whole(params).is_ok());
    }
}
