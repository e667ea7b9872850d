//! `key = value` in every way that people write it, and whether the value is a secret by what it is called
//! and what it is made of.
//!
//! Answerable for pairs around one word: program text, configuration, JSON, XML, headers, options of
//! commands, function calls, plain prose. Bounded in every direction, so that a hostile text costs no more
//! than a friendly one.

pub(super) mod promise;
pub(super) mod worth;

use std::ops::Range;

use super::judge::makeup;

/// Words that secrets go by.
pub const WORDS: [&str; 28] = [
    "secret",
    "token",
    "passw",
    "pwd",
    "passphrase",
    "pass",
    "key",
    "credential",
    "creds",
    "auth",
    "license",
    "signature",
    "session",
    "cookie",
    "pat_",
    "_pat",
    "sonar.login",
    "login",
    "account_id",
    "accountid",
    "reporter_id",
    "react_app_",
    "vue_app_",
    "vite_",
    "next_public_",
    "nuxt_public_",
    "expo_public_",
    "gatsby_",
];

const REACH: usize = 48;
const VALUE: usize = 512;

/// A pair, as it stands in the text.
pub struct Pair {
    /// The whole name.
    pub key: Range<usize>,
    /// The value without quotes.
    pub value: Range<usize>,
    /// The quote around it.
    pub quoted: bool,
    /// How the two are joined.
    pub join: Join,
}

/// How key and value are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `=`, `:`, `:=`, `=>`
    Sign,
    /// `==`, `!=`
    Compare,
    /// `,` in a call
    Comma,
    /// `<key>value</key>`, `key="..." value="..."`
    Tag,
    /// A space, where a command, a file or a sentence has one.
    Space,
    /// `(`
    Call,
}

struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self, far: usize) -> u8 {
        self.bytes.get(self.at + far).copied().unwrap_or(b'\n')
    }

    fn skip(&mut self, most: usize, set: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let took = rest.iter().take(most).take_while(|byte| set(**byte)).count();
        self.at += took;
        took
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The pair whose key holds the byte at `at`.
pub fn read(text: &str, at: usize) -> Option<Pair> {
    let bytes = text.as_bytes();
    let before = bytes.get(..at)?;
    let start = at - before.iter().rev().take(REACH).take_while(|byte| is_name(**byte)).count();
    let mut cursor = Cursor { bytes, at };
    cursor.skip(REACH, is_name);
    let key = start..cursor.at;
    let opened = start.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b'\n');
    let closed = cursor.skip(6, |byte| matches!(byte, b'"' | b'\'' | b'`' | b']' | b')' | b'\\')) > 0;
    let gap = cursor.skip(40, is_gap);
    let join = join(&mut cursor, text, &key, (opened, closed, gap > 0))?;
    cursor.skip(40, |byte| is_gap(byte) || join != Join::Space && matches!(byte, b'\r' | b'\n'));
    prefixes(&mut cursor);
    if join == Join::Tag {
        in_braces(&mut cursor);
    }
    let (value, quoted) = value(&mut cursor)?;
    // `password: str = "..."`: what stood there was its type.
    if !quoted && join == Join::Sign {
        let mut beyond = Cursor { bytes, at: value.end };
        beyond.skip(4, |byte| is_gap(byte) || matches!(byte, b'?' | b'>' | b']'));
        if beyond.peek(0) == b'=' && !matches!(beyond.peek(1), b'=' | b'>') {
            beyond.at += 1;
            beyond.skip(8, is_gap);
            prefixes(&mut beyond);
            let (value, quoted) = self::value(&mut beyond)?;
            return Some(Pair { key, value, quoted, join });
        }
    }
    (!value.is_empty()).then_some(Pair { key, value, quoted, join })
}

fn join(cursor: &mut Cursor<'_>, text: &str, key: &Range<usize>, around: (u8, bool, bool)) -> Option<Join> {
    let (opened, closed, gap) = around;
    let signs = |byte: u8| matches!(byte, b'=' | b':' | b'>' | b'?' | b'|' | b'!' | b'+');
    let from = cursor.at;
    match cursor.peek(0) {
        b'>' if opened == b'<' || !closed => {
            cursor.at += 1;
            return (opened == b'<' || text.get(key.start.saturating_sub(40)..key.start)?.contains('<'))
                .then_some(Join::Tag);
        }
        b'=' | b':' | b'?' | b'|' | b'!' | b'+' => {
            let count = cursor.skip(4, signs);
            let sign = cursor.bytes.get(from..from + count)?;
            // A sign must be in it: `token?`, `key!` and `a | b` are none.
            if !sign.iter().any(|byte| matches!(byte, b'=' | b':')) && sign != b"||" && sign != b"??" {
                return None;
            }
            // `std::string`, `module::function`.
            if sign == b"::" && !gap {
                return None;
            }
            let compares = matches!(sign, b"==" | b"===" | b"!=" | b"!==");
            return Some(if compares { Join::Compare } else { Join::Sign });
        }
        b',' if closed => {
            cursor.at += 1;
            return Some(Join::Comma);
        }
        b'(' if !closed => {
            cursor.at += 1;
            return Some(Join::Call);
        }
        _ => {}
    }
    // `key="FromEmailPassword" value="..."`, `name="token" content="..."`
    for attribute in ["value=", "content=", "Value="] {
        if closed && gap && cursor.bytes.get(cursor.at..)?.starts_with(attribute.as_bytes()) {
            cursor.at += attribute.len();
            return Some(Join::Tag);
        }
    }
    if !gap {
        return None;
    }
    for word in ["is ", "is: ", "= ", "value ", "value: ", "was "] {
        if cursor.bytes.get(cursor.at..)?.starts_with(word.as_bytes()) {
            cursor.at += word.len();
            let is_told = matches!(cursor.peek(0), b'"' | b'\'' | b'`') || is_said(cursor, text, key);
            return is_told.then_some(Join::Space);
        }
    }
    if is_said(cursor, text, key) {
        return Some(Join::Space);
    }
    if let Some(join) = described(cursor, text) {
        return Some(join);
    }
    // An option, a line of .netrc, `#define`, a quoted word behind a bare one.
    let line = text.get(key.start.saturating_sub(60)..key.start).unwrap_or_default();
    let line = line.rsplit('\n').next().unwrap_or_default();
    let option = text.get(key.clone())?.starts_with('-');
    let spoken = option
        || line.contains("login ")
        || line.contains("machine ")
        || line.contains("#define")
        || line.trim().is_empty();
    spoken.then_some(Join::Space)
}

/// What is somebody's own, where a sentence says `key`.
const OWNED: [&str; 9] =
    ["api", "access", "secret", "private", "auth", "license", "encryption", "signing", "account"];

/// `api key 7480f36b...`: what follows the words is too long and too random to be another word.
fn is_said(cursor: &Cursor<'_>, text: &str, key: &Range<usize>) -> bool {
    let rest = cursor.bytes.get(cursor.at..).unwrap_or_default();
    let is_token = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let token = rest.get(..rest.iter().take(129).take_while(is_token).count()).unwrap_or_default();
    let ends =
        rest.get(token.len()).is_none_or(|byte| byte.is_ascii_whitespace() || b",;.'\"`)<".contains(byte));
    if token.len() < 20 || token.len() > 128 || !ends {
        return false;
    }
    let made = makeup(token);
    let word = text.get(key.clone()).unwrap_or_default();
    let before = text.get(key.start.saturating_sub(16)..key.start).unwrap_or_default().trim_end();
    let owner = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_owned = !word.eq_ignore_ascii_case("key") || OWNED.iter().any(|it| owner.eq_ignore_ascii_case(it));
    is_owned && made.digits >= 3 && made.is_random()
}

/// `<secret>{AQAAABAAA x7f...}</secret>`: the last word between braces.
fn in_braces(cursor: &mut Cursor<'_>) {
    let rest = cursor.bytes.get(cursor.at..).unwrap_or_default();
    if cursor.peek(0) != b'{' || cursor.peek(1) == b'{' {
        return;
    }
    let Some(end) = rest.iter().take(VALUE).position(|byte| matches!(byte, b'}' | b'\n' | b'<')) else {
        return;
    };
    if rest.get(end) == Some(&b'}') {
        let inner = rest.get(..end).unwrap_or_default();
        cursor.at += inner.iter().rposition(|byte| matches!(byte, b' ' | b'{')).map_or(0, |at| at + 1);
    }
}

/// `password for user "x" is "y"`, `use this password:` with the value on a line of its own, and
/// `variable "token" { default = "..." }`: up to where the value begins.
fn described(cursor: &mut Cursor<'_>, text: &str) -> Option<Join> {
    let rest = text.get(cursor.at..)?;
    if let Some(block) = rest.strip_prefix('{') {
        let inner = block.trim_start();
        let value = inner.strip_prefix("default")?.trim_start().strip_prefix('=')?;
        cursor.at += rest.len() - value.len();
        return Some(Join::Sign);
    }
    let near = rest.len().min(80);
    let line = (0..4).find_map(|less| rest.get(..near.saturating_sub(less)))?;
    let line = line.split_once('\n').map_or(line, |(line, _)| line);
    if line.contains(['=', ';', '{', '(']) {
        return None;
    }
    if let Some(is) = line.find(" is ") {
        let at = is + 4;
        let quoted = line.as_bytes().get(at).is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'`'));
        cursor.at += at;
        return quoted.then_some(Join::Space);
    }
    let words = line.strip_suffix(':')?;
    let plain = words.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b','));
    cursor.at += line.len();
    (plain && line.len() < 60).then_some(Join::Sign)
}

/// What may stand before the value: quotes' prefixes, a scheme of authorization.
fn prefixes(cursor: &mut Cursor<'_>) {
    for _ in 0..2 {
        for word in [
            "Bearer ",
            "bearer ",
            "Basic ",
            "basic ",
            "Token ",
            "token ",
            "Api-Token ",
            "SSWS ",
            "Apikey ",
            "new String(",
            "!!str ",
            "const ",
            "&",
        ] {
            if cursor.bytes.get(cursor.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
                cursor.at += word.len();
            }
        }
        cursor.skip(4, |byte| matches!(byte, b'(' | b'[' | b' ' | b'\\'));
        if matches!(cursor.peek(0), b'b' | b'f' | b'u' | b'r' | b'@' | b'$' | b'L')
            && matches!(cursor.peek(1), b'"' | b'\'')
        {
            cursor.at += 1;
        }
    }
}

fn value(cursor: &mut Cursor<'_>) -> Option<(Range<usize>, bool)> {
    let quote = cursor.peek(0);
    if !matches!(quote, b'"' | b'\'' | b'`') {
        let from = cursor.at;
        let stops = |byte: u8| {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b'"' | b'\'' | b'`' | b',' | b';' | b'<' | b'>' | b')' | b'&' | b'{' | b'}' | b'\\'
                )
        };
        cursor.skip(VALUE, |byte| !stops(byte));
        let bytes = cursor.bytes.get(from..cursor.at)?;
        let kept = bytes.iter().rev().take_while(|byte| matches!(byte, b'.' | b':' | b'!' | b'?')).count();
        return Some((from..cursor.at - kept, false));
    }
    while cursor.peek(0) == quote && cursor.peek(1) == quote && cursor.peek(2) == quote {
        cursor.at += 2;
    }
    cursor.at += 1;
    // An escaped quote opens within a quoted text: `\"key\": \"value\"`.
    let escaped = cursor.at >= 2 && cursor.bytes.get(cursor.at - 2) == Some(&b'\\');
    let from = cursor.at;
    let rest = cursor.bytes.get(from..)?;
    let mut len = 0;
    while let Some(byte) = rest.get(len).filter(|byte| len < VALUE && **byte != b'\n') {
        match byte {
            b'\\' if escaped && rest.get(len + 1) == Some(&quote) => break,
            b'\\' => len += 2,
            byte if *byte == quote => break,
            _ => len += 1,
        }
    }
    let mut span = from..(from + len).min(cursor.bytes.len());
    // `'"..."'`: quotes within quotes.
    let is_quote = |at: usize| cursor.bytes.get(at).is_some_and(|byte| matches!(byte, b'"' | b'\''));
    while span.len() > 2 && is_quote(span.start) {
        span.start += 1;
    }
    while span.len() > 2 && is_quote(span.end - 1) {
        span.end -= 1;
    }
    Some((span, true))
}
