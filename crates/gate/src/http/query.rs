//! The query of a request. Answerable for refusing what the route does not know or what is given twice.

use verdict::{Micro, short};

use super::Problem;
use crate::clock::parse_rfc3339;

/// A query, read.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have the parameters in `known`, each once.
    pub(super) fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (unescape(name)?, unescape(value)?);
            if !known.contains(&name.as_str()) {
                let names = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail =
                    format!("`{}` is not a parameter of this path; the parameters are {names}", short(&name));
                return Err(Problem::request(detail));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Problem::request(format!("the parameter `{name}` is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// A parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter, to be kept.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if plain { text.parse().ok() } else { None };
        let odd = || Problem::request(format!("`{name}` is `{}`; it must be a whole number", short(text)));
        number.map(Some).ok_or_else(odd)
    }

    /// How many at most: as asked, within 1 and `most`.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let asked = self.number("limit")?.map_or(default, |n| usize::try_from(n).unwrap_or(most));
        Ok(asked.clamp(1, most))
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Micro>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let odd = || {
            let shown = short(text);
            Problem::request(format!("`{name}` is `{shown}`; write a time such as 2030-01-31T12:00:00Z"))
        };
        parse_rfc3339(text).map(Some).ok_or_else(odd)
    }
}

/// Undoes percent-encoding. A plus stays a plus, as times have it in their offsets; `%20` is a space.
pub(super) fn unescape(text: &str) -> Result<String, Problem> {
    let odd = || Problem::request(format!("`{}` is not percent-encoded text", short(text)));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|b| char::from(b).to_digit(16)).and_then(|n| u8::try_from(n).ok());
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(odd()) };
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| odd())
}
