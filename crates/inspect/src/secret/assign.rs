//! `key = value` in every way that people write it, and whether the value is a secret by what it is called
//! and what it is made of.
//!
//! Answerable for pairs around one word: program text, configuration, JSON, XML, headers, options of
//! commands, function calls, plain prose. Bounded in every direction, so that a hostile text costs no more
//! than a friendly one.

use std::ops::Range;

use super::Found;
use super::judge::{is_default, is_example, is_named_thing, is_reference, is_uuid, makeup};
use super::table::Named;

/// Words that secrets go by.
pub const WORDS: [&str; 21] = [
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
            return Some(if matches!(sign, b"==" | b"===" | b"!=" | b"!==") {
                Join::Compare
            } else {
                Join::Sign
            });
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
            return matches!(cursor.peek(0), b'"' | b'\'' | b'`').then_some(Join::Space);
        }
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
    let line = rest.get(..rest.len().min(80)).or_else(|| rest.lines().next())?;
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

/// What a key's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Password,
    Secret,
    Key,
    Nothing,
}

/// What names end with that hold no secret, whatever else is in them.
const HARMLESS_ENDS: [&str; 78] = [
    "id",
    "ids",
    "name",
    "names",
    "type",
    "types",
    "url",
    "uri",
    "path",
    "file",
    "dir",
    "folder",
    "length",
    "len",
    "size",
    "count",
    "version",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "field",
    "label",
    "header",
    "prefix",
    "suffix",
    "alias",
    "arn",
    "store",
    "ring",
    "vault",
    "provider",
    "manager",
    "class",
    "method",
    "scope",
    "scopes",
    "policy",
    "endpoint",
    "host",
    "port",
    "regex",
    "pattern",
    "column",
    "index",
    "algorithm",
    "alg",
    "format",
    "limit",
    "limits",
    "budget",
    "usage",
    "checksum",
    "hash",
    "digest",
    "fingerprint",
    "variable",
    "placeholder",
    "hint",
    "selector",
    "code",
    "press",
    "pressed",
    "down",
    "up",
    "board",
    "word",
    "words",
    "frame",
    "chars",
    "ref",
    "source",
    "results",
    "link",
    "enabled",
    "required",
    "env",
    "mode",
];

/// What is in names that are about something else.
const HARMLESS: [&str; 34] = [
    "public",
    "pubkey",
    "csrf",
    "xsrf",
    "accessib",
    "accessor",
    "author",
    "keyword",
    "keyboard",
    "monkey",
    "turkey",
    "hotkey",
    "primarykey",
    "foreignkey",
    "partitionkey",
    "sortkey",
    "cachekey",
    "keyframe",
    "tokeniz",
    "token_count",
    "maxtoken",
    "max_token",
    "bypass",
    "compass",
    "passenger",
    "passive",
    "passport",
    "passed",
    "passthrough",
    "password_hash",
    "passes",
    "signature_version",
    "sessionid",
    "authenticity_token",
];

fn promise(key: &str) -> Promise {
    let lower = key.to_ascii_lowercase();
    let flat: String = lower.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect();
    let last = words(key).pop().unwrap_or_default();
    let about_else = |word: &str| {
        (lower.contains(word) || flat.contains(word)) && !(word == "author" && flat.contains("authori"))
    };
    if HARMLESS.iter().any(|word| about_else(word)) || HARMLESS_ENDS.contains(&last.as_str()) {
        return Promise::Nothing;
    }
    let whole = ["pass", "pwd", "psw", "pw"].contains(&last.as_str())
        || words(key).iter().any(|word| word == "pass" || word == "pwd");
    if flat.contains("passw") || flat.contains("passphrase") || whole || flat.ends_with("pwd") {
        return Promise::Password;
    }
    let secrets = [
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "authkey",
        "credential",
        "creds",
        "signingkey",
        "encryptionkey",
        "masterkey",
        "licensekey",
        "sessionkey",
        "secretkey",
        "userauth",
        "authorization",
        "sonarlogin",
        "apitoken",
    ];
    if secrets.iter().any(|word| flat.contains(word)) || last == "auth" || last == "pat" {
        return Promise::Secret;
    }
    if flat.ends_with("key")
        || flat.ends_with("keys")
        || flat.contains("key") && words(key).iter().any(|word| word == "key")
        || last == "license"
        || last == "cookie"
        || last == "session"
    {
        return Promise::Key;
    }
    Promise::Nothing
}

/// `dbPasswordFile`, `DB_PASSWORD_FILE` and `db-password.file` are three words each.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before_lower = false;
    for c in key.chars() {
        if matches!(c, '_' | '-' | '.') {
            words.push(String::new());
        } else {
            if c.is_ascii_uppercase() && before_lower {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        }
        before_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What the pair is, if its value is a secret.
pub fn judge<'n>(text: &str, pair: &Pair, named: &'n [Named]) -> Option<Found<'n>> {
    let value = text.get(pair.value.clone())?;
    let key = text.get(pair.key.clone())?;
    let elided =
        text.get(pair.value.end..).is_some_and(|rest| rest.starts_with("...") || rest.starts_with('…'));
    // A badge shows its token to everyone.
    let before = text.as_bytes().get(pair.key.start.saturating_sub(80)..pair.key.start).unwrap_or_default();
    let badge = matches!(before.last(), Some(b'?' | b'&')) && before.windows(5).any(|part| part == b"badge");
    if value.len() < 3 || badge || elided || is_reference(value) || is_example(value) {
        return None;
    }
    let promise = promise(key);
    if is_default(value) {
        // What everyone begins with: worth a note, and no more.
        let note = promise == Promise::Password
            && (pair.quoted || text.get(pair.value.end..).is_some_and(|rest| rest.starts_with(';')));
        return note.then(|| Found {
            name: "password",
            span: pair.value.clone(),
            confidence: 25,
            verified: None,
        });
    }
    if let Some(found) = by_name(text, pair, named) {
        return Some(found);
    }
    let confidence = match promise {
        // A word that is compared with, or that a setting called `secret` has.
        Promise::Secret
            if pair.quoted && pair.join == Join::Compare
                || words(key).last().is_some_and(|word| word.ends_with("secret")) =>
        {
            secret(value, pair, 10, 70).or_else(|| weak_secret(value, pair))
        }
        Promise::Nothing => None,
        Promise::Password => password(value, pair),
        Promise::Secret => secret(value, pair, 10, 70),
        Promise::Key => secret(value, pair, 16, 55).filter(|_| {
            let made = makeup(value.as_bytes());
            made.digits >= 2 && (made.jumps * 3 >= made.len || made.is_hex)
        }),
    }?;
    let name = if promise == Promise::Password { "password" } else { "generic_secret" };
    Some(Found { name, span: pair.value.clone(), confidence, verified: None })
}

fn by_name<'n>(text: &str, pair: &Pair, named: &'n [Named]) -> Option<Found<'n>> {
    let value = text.get(pair.value.clone())?;
    if value.len() < 8 || value.len() > 400 || value.contains(' ') {
        return None;
    }
    let key = text.get(pair.key.clone())?;
    let flat: String =
        key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).map(|c| c.to_ascii_lowercase()).collect();
    let parts = words(key);
    let promised = promise(key) != Promise::Nothing;
    // The word begins where a part of the name does: `CameraKit` is none of Meraki's. Where the name promises nothing it is a part of its own.
    let at_part = |word: &str| {
        (0..parts.len()).any(|from| {
            let rest = parts.get(from..).unwrap_or_default();
            let mut joined = String::new();
            rest.iter().any(|part| {
                joined.push_str(part);
                if promised { joined.starts_with(word) } else { joined == word }
            })
        })
    };
    let goes_by = |format: &&Named| {
        format.words.iter().any(|word| flat.contains(word.as_str()) && at_part(word))
            && format.shape.is(value.as_bytes())
    };
    let fits = named.iter().find(goes_by)?;
    let made = makeup(value.as_bytes());
    let plain = made.digits == 0 && made.jumps < 3 && !made.is_hex || made.entropy < 20;
    let is_id = fits.name.ends_with("_id");
    // A key whose own name denies it, `HEROKU_APP_NAME`, is none; `..._CLIENT_ID` is what an `_id` is called.
    let named_so = fits.words.iter().any(|word| word.ends_with("id") && flat.ends_with(word.as_str()));
    let denied = !promised
        && !is_id
        && !named_so
        && HARMLESS_ENDS.contains(&words(key).pop().unwrap_or_default().as_str());
    if plain || denied && !is_uuid(value) || is_named_thing(value, &made) && !is_uuid(value) {
        return None;
    }
    let confidence = match promised {
        _ if is_id => 35,
        true => 85,
        false => 60,
    };
    Some(Found { name: &fits.name, span: pair.value.clone(), confidence, verified: None })
}

fn password(value: &str, pair: &Pair) -> Option<u8> {
    let made = makeup(value.as_bytes());
    let odd = value.bytes().filter(|byte| b"!@#$%^&*?+=~".contains(byte)).count();
    let spaces = value.bytes().filter(|byte| *byte == b' ').count();
    let thing = value.contains("://")
        || value.starts_with("arn:")
        || value.starts_with(".$")
        || value.contains('/') && made.digits == 0;
    if made.len < 4 || made.len > 128 || thing || spaces > 1 && made.digits == 0 {
        return None;
    }
    let code = value.contains(['(', '[', ']'])
        || value.contains("->")
        || value.contains("::")
        || value.starts_with(['.', '#', '/', '-', '\\']) && !pair.quoted;
    if code && !pair.quoted
        || value.starts_with('/')
        || value.starts_with("#") && made.digits == 0
        || value.ends_with(':')
    {
        return None;
    }
    let sorts =
        usize::from(made.digits > 0) + usize::from(odd > 0) + usize::from(made.upper > 0 && made.lower > 0);
    match pair.join {
        Join::Sign | Join::Tag | Join::Space | Join::Call | Join::Comma | Join::Compare if pair.quoted => {
            Some(match sorts {
                _ if value.contains(' ') => 40,
                0 => 45,
                1 => 60,
                _ => 75,
            })
        }
        Join::Sign | Join::Tag
            if value.contains('.') && odd == 0 && made.digits == 0 || value.contains(':') =>
        {
            None
        }
        Join::Sign | Join::Tag | Join::Space if sorts >= 2 && made.len >= 6 => Some(70),
        Join::Sign | Join::Tag | Join::Space
            if made.digits > 0 && made.lower + made.upper > 0 && made.len >= 6 =>
        {
            Some(55)
        }
        Join::Sign if made.len >= 6 && made.signs <= 2 => Some(35),
        _ => None,
    }
}

fn secret(value: &str, pair: &Pair, least: usize, confidence: u8) -> Option<u8> {
    let made = makeup(value.as_bytes());
    if is_uuid(value) {
        // Half of what has this form is a name of something.
        return (confidence >= 70).then_some(60);
    }
    let dense = pair.quoted && made.len >= 24 && made.entropy >= 42 && made.digits > 0 && made.signs > 3;
    if dense && !value.contains([' ', '/']) || dense && made.signs > 8 {
        return Some(confidence.min(60));
    }
    if made.len < least || made.len > 400 || value.contains(' ') || is_named_thing(value, &made) {
        return None;
    }
    let strange =
        value.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"_-+/=.:~!@#$%^&*|?".contains(&byte)));
    if strange && !pair.quoted || value.contains(['(', '[', '{', '<', '\\']) {
        return None;
    }
    if pair.join == Join::Call && !pair.quoted
        || pair.join == Join::Space && !pair.quoted && !made.is_random()
    {
        return None;
    }
    let long = made.len >= 32 && made.entropy >= 38 && made.digits > 0;
    (made.is_random() || long).then_some(confidence)
}

/// A word where a random value belongs: a note.
fn weak_secret(value: &str, pair: &Pair) -> Option<u8> {
    let plain = value.len() >= 6 && value.len() <= 64 && !value.contains([' ', '/', '(', '.', ':', '<', '{']);
    (pair.quoted && plain && value.bytes().any(|byte| b"-_#!@$%^&*+".contains(&byte))).then_some(30)
}
