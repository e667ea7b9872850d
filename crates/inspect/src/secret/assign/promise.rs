//! What a key promises by its name.
//!
//! Knows names; never sees a value.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What a key's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::secret) enum Promise {
    Password,
    Secret,
    Key,
    Nothing,
}

/// What names end with that hold no secret, whatever else is in them.
pub(in crate::secret) const HARMLESS_ENDS: [&str; 78] = [
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

/// What is in names of secrets.
const SECRETS: [&str; 18] = [
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

/// What finds [`HARMLESS`] and [`SECRETS`].
static FINDERS: LazyLock<(Option<AhoCorasick>, Option<AhoCorasick>)> =
    LazyLock::new(|| (AhoCorasick::new(HARMLESS).ok(), AhoCorasick::new(SECRETS).ok()));

/// What a key of this name holds; `parts` are its [`words`].
pub(in crate::secret) fn promise(key: &str, parts: &[String]) -> Promise {
    let lower = key.to_ascii_lowercase();
    let flat: String = lower.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect();
    let last = parts.last().map_or("", String::as_str);
    let about_else = |name: &str| {
        let harmless = |found: aho_corasick::Match| {
            HARMLESS.get(found.pattern().as_usize()) != Some(&"author") || !flat.contains("authori")
        };
        FINDERS.0.as_ref().is_some_and(|finder| finder.find_overlapping_iter(name).any(harmless))
    };
    if about_else(&lower) || about_else(&flat) || HARMLESS_ENDS.contains(&last) {
        return Promise::Nothing;
    }
    let whole = ["pass", "pwd", "psw", "pw"].contains(&last)
        || parts.iter().any(|word| word == "pass" || word == "pwd");
    if flat.contains("passw") || flat.contains("passphrase") || whole || flat.ends_with("pwd") {
        return Promise::Password;
    }
    if FINDERS.1.as_ref().is_some_and(|finder| finder.is_match(&flat)) || last == "auth" || last == "pat" {
        return Promise::Secret;
    }
    if flat.ends_with("key")
        || flat.ends_with("keys")
        || flat.contains("key") && parts.iter().any(|word| word == "key")
        || last == "license"
        || last == "cookie"
        || last == "session"
    {
        return Promise::Key;
    }
    Promise::Nothing
}

/// `dbPasswordFile`, `DB_PASSWORD_FILE` and `db-password.file` are three words each.
pub(in crate::secret) fn words(key: &str) -> Vec<String> {
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
