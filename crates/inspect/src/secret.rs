//! Secrets in texts: keys, tokens, passwords.
//!
//! One pass over the text looks for some hundreds of words at once; whatever costs more happens only where
//! one of them stands. Answerable for which words there are and what is tried at each; what a token looks
//! like is in `data/`, what a value must be like in `judge`. Confidence says how much the text itself proves:
//! below fifty it is a note, never a ground to refuse.

mod assign;
mod base;
mod checksum;
mod judge;
mod known;
mod links;
mod pem;
mod shape;
mod table;

use std::ops::Range;
use std::sync::OnceLock;

pub(crate) use base::decode64;
use judge::makeup;
pub(crate) use shape::{Set, has};
use verdict::Risk;

use crate::Hit;
use crate::glance::{Places, glance};
use table::{Format, Table};

/// How many bytes of values within values are read before it is asked whether that leads anywhere.
const NESTED: usize = 4096;

/// What a word leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trigger {
    /// A format of the table.
    Format(u16),
    /// A word that secrets go by.
    Key,
    /// A word that formats want nearby.
    Near(u8),
    /// `://`
    Link,
    /// `-----BEGIN`
    Pem,
    /// `eyJ`
    Jwt,
    /// `bearer`, `basic`: a scheme of authorization.
    Scheme,
    /// `curl` and its like.
    Client,
    /// `-u`, `--user`
    UserFlag,
    /// `-p`
    PasswordFlag,
    /// A call whose last argument is a password.
    Call,
}

/// Everything that is built once.
struct Engine {
    /// Each with what may stand behind it, one set for each place.
    anchors: Vec<(Vec<u8>, Vec<Set>)>,
    /// What each anchor leads to.
    triggers: Vec<Trigger>,
    table: Table,
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let table = Table::read();
        let mut engine = Engine { anchors: Vec::new(), triggers: Vec::new(), table };
        for (number, format) in engine.table.formats.iter().enumerate() {
            engine.anchors.push((format.shape.anchor(), format.shape.follows()));
            engine.triggers.push(Trigger::Format(u16::try_from(number).unwrap_or(u16::MAX)));
        }
        for (number, word) in engine.table.near.iter().enumerate() {
            engine.anchors.push((word.as_bytes().to_vec(), Vec::new()));
            engine.triggers.push(Trigger::Near(u8::try_from(number).unwrap_or(u8::MAX)));
        }
        let keys = assign::WORDS.iter().copied().chain(engine.table.words.iter().map(String::as_str));
        for word in keys {
            engine.anchors.push((word.as_bytes().to_vec(), Vec::new()));
            engine.triggers.push(Trigger::Key);
        }
        let plain = [
            ("://", Trigger::Link),
            ("-----begin ", Trigger::Pem),
            ("eyj", Trigger::Jwt),
            ("bearer", Trigger::Scheme),
            ("basic ", Trigger::Scheme),
            ("curl", Trigger::Client),
            (" -u", Trigger::UserFlag),
            ("--user", Trigger::UserFlag),
            ("psexec", Trigger::Client),
            ("sshpass", Trigger::Client),
            ("docker login", Trigger::Client),
            (" -p ", Trigger::PasswordFlag),
            ("networkcredential(", Trigger::Call),
            ("directoryentry(", Trigger::Call),
            ("basiccredentials(", Trigger::Call),
            ("basicauthentication(", Trigger::Call),
            ("passwordauthentication(", Trigger::Call),
        ];
        for (word, trigger) in plain {
            engine.anchors.push((word.as_bytes().to_vec(), Vec::new()));
            engine.triggers.push(trigger);
        }
        engine
    })
}

/// Finds secrets in one text; spans are bytes of that text.
pub fn find(text: &str, hits: &mut Vec<Hit>) {
    find_at(text, &glance(text).secrets, hits);
}

/// Finds secrets where their words were seen.
pub(crate) fn find_at(text: &str, places: &Places, hits: &mut Vec<Hit>) {
    let engine = engine();
    let mut search = Search {
        text,
        engine,
        near: [usize::MAX; 64],
        client: usize::MAX,
        parsed: 0,
        read: 0,
        spent: 0,
        hits,
    };
    for (at, word) in places {
        if let Ok(at) = usize::try_from(*at) {
            search.at(at, *word);
        }
    }
}

/// The words that a text is searched for, in lower case, with what may follow each. Their numbers are their places.
pub(crate) fn anchors() -> Vec<(Vec<u8>, Vec<Set>)> {
    engine().anchors.clone()
}

/// How many formats with a fixed part, and how many that go by a name, are known.
pub fn known_formats() -> (usize, usize) {
    let table = &engine().table;
    (table.formats.len(), table.named.len())
}

/// Every word that a text is searched for, in lower case.
#[doc(hidden)]
pub fn words() -> Vec<String> {
    engine().anchors.iter().map(|(word, _)| String::from_utf8_lossy(word).into_owned()).collect()
}

struct Search<'t, 'h> {
    text: &'t str,
    engine: &'static Engine,
    /// Where each word that formats want nearby was seen last.
    near: [usize; 64],
    client: usize,
    /// Up to where names were already read.
    parsed: usize,
    /// Up to where values were already read, and how many bytes of values that took.
    read: usize,
    spent: usize,
    hits: &'h mut Vec<Hit>,
}

/// What was found, before it becomes a hit.
struct Found<'n> {
    name: &'n str,
    span: Range<usize>,
    confidence: u8,
    verified: Option<bool>,
}

impl Search<'_, '_> {
    fn at(&mut self, at: usize, word: u16) {
        let Some(trigger) = self.engine.triggers.get(usize::from(word)) else { return };
        match trigger {
            Trigger::Format(number) => {
                if let Some(format) = self.engine.table.formats.get(usize::from(*number)) {
                    self.format(at, format);
                }
            }
            Trigger::Near(number) => {
                if let Some(seen) = self.near.get_mut(usize::from(*number)) {
                    *seen = at;
                }
            }
            Trigger::Key => self.key(at),
            Trigger::Link => links::userinfo(self.text, at).into_iter().for_each(|found| self.push(&found)),
            Trigger::Pem => pem::block(self.text, at).into_iter().for_each(|found| self.push(&found)),
            Trigger::Jwt => links::jwt(self.text, at).into_iter().for_each(|found| self.push(&found)),
            Trigger::Scheme => {
                links::authorization(self.text, at).into_iter().for_each(|found| self.push(&found))
            }
            Trigger::Client => self.client = at,
            Trigger::UserFlag if at.checked_sub(self.client).is_some_and(|far| far < 600) => {
                links::user_flag(self.text, at).into_iter().for_each(|found| self.push(&found));
            }
            Trigger::PasswordFlag if at.checked_sub(self.client).is_some_and(|far| far < 300) => {
                links::password_flag(self.text, at).into_iter().for_each(|found| self.push(&found));
            }
            Trigger::UserFlag | Trigger::PasswordFlag => {}
            Trigger::Call => links::call(self.text, at).into_iter().for_each(|found| self.push(&found)),
        }
    }

    fn format(&mut self, at: usize, format: &'static Format) {
        let Some(span) = format.shape.find(self.text.as_bytes(), at) else { return };
        let wanted = &format.near;
        let close =
            |word: &u8| self.near.get(usize::from(*word)).is_some_and(|seen| at.wrapping_sub(*seen) < 300);
        if !wanted.is_empty() && !wanted.iter().any(close) {
            return;
        }
        let Some(token) = self.text.get(span.clone()) else { return };
        let weak = format.entropy > 0 && makeup(token.as_bytes()).entropy < format.entropy;
        let ends_wrong = !format.tail.is_empty() && !token.ends_with(format.tail.as_str());
        let elided =
            self.text.get(span.end..).is_some_and(|rest| rest.starts_with("...") || rest.starts_with('…'));
        // A file called `video.ico-7a38.png`, not a key of Infracost's.
        if weak || ends_wrong || elided || judge::is_file_name(self.text, span.end) {
            return;
        }
        let masked = is_spelled_out(token, format);
        if masked && !judge::is_masked(token) {
            return;
        }
        let verified = checksum::holds(&format.checksum, token);
        let confidence = match (format.identifier, verified) {
            (true, _) => 30,
            _ if masked => 35,
            (_, Some(true)) => 99,
            // Tokens of before there were checksums, and examples that people made up.
            (_, Some(false)) => 80,
            (_, None) => 95,
        };
        self.push(&Found { name: &format.name, span, confidence, verified });
    }

    fn key(&mut self, at: usize) {
        if at < self.parsed {
            return;
        }
        // `a:b:c` is a key with a value that is a key with a value; nobody means it that way for long.
        if at < self.read && self.spent > at + NESTED {
            return;
        }
        let Some(pair) = assign::read(self.text, at) else { return };
        self.parsed = pair.key.end;
        self.read = self.read.max(pair.value.end);
        self.spent += pair.value.len() + 32;
        if let Some(found) = assign::worth::judge(self.text, &pair, &self.engine.table) {
            self.push(&found);
        }
    }

    fn push(&mut self, found: &Found<'_>) {
        let Some(value) = self.text.get(found.span.clone()) else { return };
        if known::is_public(value) {
            return;
        }
        let identifier = found.confidence < 40;
        let severity = match () {
            () if self.engine.table.critical.contains(found.name) => Risk::Critical,
            () if identifier => Risk::Low,
            () => Risk::High,
        };
        self.hits.push(Hit {
            kind: "secret",
            name: self.engine.table.interned(found.name),
            span: found.span.clone(),
            severity,
            confidence: found.confidence,
            verified: found.verified,
        });
    }
}

/// True if the random part is no such thing: `ghp_xxxx...`, `AKIAIOSFODNN7EXAMPLE`, `sk_live_your_key_here`.
fn is_spelled_out(token: &str, format: &Format) -> bool {
    let tail = token.get(format.fixed.min(token.len().saturating_sub(8))..).unwrap_or(token);
    !format.identifier && (token.ends_with("EXAMPLE") || judge::is_example_token(tail))
}
