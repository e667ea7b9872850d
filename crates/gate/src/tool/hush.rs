//! What a tool says of its own secret: nothing that an agent or a record gets to see.
//!
//! A tool that repeats the request it was sent (an echo, a debug page, an error that quotes a header) would otherwise
//! hand its credential on. Answerable for the secret as it is, as base64 and as hex, in texts and in names. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use verdict::json::Map;
use verdict::{Json, hex};

/// Secrets shorter than this stand in ordinary texts by chance.
const SHORTEST: usize = 6;
const INSTEAD: &str = "[secret]";

/// A secret, in every dress in which it is looked for.
pub(super) struct Hush(Vec<String>);

impl Hush {
    pub(super) fn new(secret: &[u8]) -> Self {
        let Some(text) = std::str::from_utf8(secret).ok().filter(|it| it.len() >= SHORTEST) else {
            return Self(Vec::new());
        };
        let plain = [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hex(secret)];
        Self([text.to_owned()].into_iter().chain(plain).collect())
    }

    /// The same value without the secret.
    pub(super) fn clean(&self, value: Json) -> Json {
        if self.stands_in(&value) { self.cleaned(&value) } else { value }
    }

    fn stands_in(&self, value: &Json) -> bool {
        let has = |text: &str| self.0.iter().any(|dress| text.contains(dress.as_str()));
        match value {
            _ if self.0.is_empty() => false,
            Json::Str(text) => has(text),
            Json::List(items) => items.iter().any(|it| self.stands_in(it)),
            Json::Map(map) => map.iter().any(|(key, it)| has(key) || self.stands_in(it)),
            _ => false,
        }
    }

    fn cleaned(&self, value: &Json) -> Json {
        match value {
            Json::Str(text) => Json::Str(self.text(text)),
            Json::List(items) => Json::List(items.iter().map(|it| self.cleaned(it)).collect()),
            Json::Map(map) => {
                let pairs = map.iter().map(|(key, it)| (self.text(key), self.cleaned(it)));
                // Two names that were the same secret in two dresses.
                Map::from_pairs(pairs.collect()).map_or_else(|_| Json::Str(INSTEAD.to_owned()), Json::Map)
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, dress| text.replace(dress.as_str(), INSTEAD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let hush = Hush::new(b"s3cret-s3cret");
        let said = json(
            r#"{"headers":{"authorization":"Bearer s3cret-s3cret","s3cret-s3cret":1},"list":["a s3\u0063ret-s3cret b",
            "czNjcmV0LXMzY3JldA==","7333637265742d733363726574"],"n":1.5}"#,
        );
        let clean = hush.clean(said).canonical();
        assert_eq!(
            clean,
            r#"{"headers":{"[secret]":1,"authorization":"Bearer [secret]"},"list":["a [secret] b","[secret]==","[secret]"],"n":1.5}"#
        );
        assert_eq!(
            hush.clean(json(r#"{"s3cret-s3cret":1,"czNjcmV0LXMzY3JldA":2}"#)).canonical(),
            r#""[secret]""#
        );
    }

    #[test]
    fn without_a_secret_nothing_changes() {
        for secret in [&b""[..], b"abc", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9"] {
            let said = json(r#"{"abc":"abc"}"#);
            assert_eq!(Hush::new(secret).clean(said.clone()), said);
        }
    }
}
