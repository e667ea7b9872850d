//! The net below what is known of programs: words that are plainly paths or addresses, of which nothing was said.
//!
//! A program that nobody wrote down may read and change every file it is given, and talk to every machine. Knows no
//! program; which of them are under it is `call.rs`.

use std::collections::BTreeSet;

use verdict::{Effect, Target};

use super::field::{Field, UNKNOWN};
use super::reach;
use super::walk::Walk;

/// How many places are looked for in one word, and how much of a word is looked at.
const MOST: usize = 16;
const LONGEST: usize = 8192;
/// How many effects are kept, as in a walk.
const MOST_EFFECTS: usize = 4096;

const NOTE: &str = "may read or change it";

/// What a word may be to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// A file, an address, or neither.
    Any,
    /// The same, but what begins at a root is as often a name that has nothing to do with files: `/aws/lambda/x`.
    Names,
}

/// What was said already.
#[derive(Default)]
struct Said<'e> {
    paths: BTreeSet<&'e str>,
    hosts: BTreeSet<&'e str>,
    is_unknown_path: bool,
    is_unknown_host: bool,
}

impl<'e> Said<'e> {
    fn of(effects: &'e [Effect]) -> Self {
        let mut said = Self::default();
        for effect in effects {
            match &effect.target {
                Target::Path(path) => {
                    said.paths.insert(path.path.as_str());
                }
                Target::Host(host) => {
                    said.hosts.insert(host.host.as_str());
                }
                Target::Unknown if effect.kind == "net.connect" => said.is_unknown_host = true,
                Target::Unknown if effect.kind.starts_with("fs.") => said.is_unknown_path = true,
                _ => {}
            }
        }
        said
    }
}

impl Walk<'_> {
    /// Effects that were found apart from the others.
    pub fn add(&mut self, effects: &[Effect]) {
        for effect in effects {
            let is_new = self.out.iter().rev().take(32).all(|it| it != effect);
            if is_new && self.out.len() < MOST_EFFECTS {
                self.out.push(effect.clone());
            }
        }
    }

    /// Adds the places in these words that `said` does not speak of.
    pub fn unsaid(&mut self, fields: &[Field], said: &[Effect], words: Words) {
        let said = &Said::of(said);
        for field in fields {
            let text = head(&field.text);
            let urls = addresses(text);
            for url in &urls {
                self.unsaid_address(url, said);
            }
            if !urls.is_empty() {
                continue;
            }
            if let Some(host) = login(text).filter(|_| words == Words::Any) {
                self.unsaid_address(&format!("{host}:22"), said);
                continue;
            }
            for piece in places(text, words) {
                self.unsaid_place(&Field { text: piece.to_owned(), glob: field.glob }, said);
            }
        }
    }

    fn unsaid_address(&mut self, url: &str, said: &Said<'_>) {
        let file = ["file://localhost", "fileb://", "file://", "file:", "unix://"];
        if let Some(path) = file.iter().find_map(|it| url.strip_prefix(it)) {
            return self.unsaid_place(&Field::new(path), said);
        }
        let is_said = match reach::host(url) {
            Some(host) => said.hosts.contains(host.host.as_str()),
            None => said.is_unknown_host,
        };
        if !is_said {
            self.connects(url);
        }
    }

    fn unsaid_place(&mut self, field: &Field, said: &Said<'_>) {
        let is_said = match self.path(field) {
            Err(()) => true,
            Ok(Target::Path(path)) => said.paths.contains(path.path.as_str()),
            Ok(_) => said.is_unknown_path,
        };
        if !is_said {
            self.touches(field);
        }
    }

    /// A file that may be read or changed: which of the two cannot be told.
    pub fn touches(&mut self, field: &Field) {
        let Ok(target) = self.path(field) else { return };
        self.reads(field);
        // Not judged by what would be lost: it is as likely to be only read.
        self.effect(Effect::new("fs.write", target).noting(NOTE));
    }
}

fn head(text: &str) -> &str {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// Every `scheme://..` in a word.
fn addresses(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|it| it.find("://")).map(|at| at + from) {
        let before = text.get(from..at).unwrap_or_default();
        let is_scheme = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '.' | '-');
        let start = before.rfind(|it| !is_scheme(it)).map_or(from, |cut| from + cut + 1);
        let is_end = |it: char| it.is_whitespace() || matches!(it, '"' | '\'' | '<' | '>' | '`' | '|' | ';');
        let after = text.get(at + 3..).unwrap_or_default();
        let end = after.find(is_end).map_or(text.len(), |cut| at + 3 + cut);
        let url = text.get(start..end).unwrap_or_default();
        if found.len() == MOST {
            break;
        }
        if start < at || url.contains(UNKNOWN) {
            found.push(url);
        }
        from = end;
    }
    found
}

/// The paths in a word: the word, the value of an option or a key, what stands behind `@`, the parts of a list.
fn places(text: &str, words: Words) -> Vec<&str> {
    let glued = text.char_indices().nth(2).map_or("", |(at, _)| text.get(at..).unwrap_or_default());
    let is_glued = text.starts_with('-') && !text.starts_with("--") && is_path(glued, words);
    let whole = if is_glued { glued } else { text };
    let parts = whole.split(['=', ',', ':', '@']).take(MOST);
    let mut found: Vec<&str> = parts.filter(|it| is_path(it, words)).collect();
    if is_path(whole, words) && !found.contains(&whole) {
        // A name may hold what otherwise parts a list.
        found.push(whole);
    }
    found
}

fn is_path(text: &str, words: Words) -> bool {
    let is_drive = text.as_bytes().get(1..3).is_some_and(|it| it == b":/" || it == b":\\");
    let below = |start: &str| text == start || text.strip_prefix(start).is_some_and(|it| it.starts_with('/'));
    let is_sure = below("~") || below("..") || text.contains("/../") || is_drive;
    let is_home = text.starts_with('~') && text.chars().nth(1).is_some_and(|it| it.is_ascii_alphabetic());
    is_sure || (words == Words::Any && (is_home || text.starts_with('/') && !text.starts_with("//")))
}

/// The host of `user@host:path`.
fn login(text: &str) -> Option<&str> {
    let (user, rest) = text.split_once('@')?;
    let (host, _) = rest.split_once(':')?;
    let is_name = |it: &str| {
        !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_'))
    };
    (is_name(user) && is_name(host)).then_some(host)
}
