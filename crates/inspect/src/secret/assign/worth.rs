//! Whether the value of a pair is a secret, by what the key promises and what the value is made of.

use super::promise::{HARMLESS_ENDS, Promise, promise, words};
use super::{Join, Pair};
use crate::secret::Found;
use crate::secret::judge::{is_default, is_example, is_left, is_named_thing, is_reference, is_uuid, makeup};
use crate::secret::table::Table;

/// What the pair is, if its value is a secret.
pub fn judge<'n>(text: &str, pair: &Pair, table: &'n Table) -> Option<Found<'n>> {
    let value = text.get(pair.value.clone())?;
    let key = text.get(pair.key.clone())?;
    let elided =
        text.get(pair.value.end..).is_some_and(|rest| rest.starts_with("...") || rest.starts_with('…'));
    // A badge shows its token to everyone.
    let before = text.as_bytes().get(pair.key.start.saturating_sub(80)..pair.key.start).unwrap_or_default();
    let badge = matches!(before.last(), Some(b'?' | b'&')) && before.windows(5).any(|part| part == b"badge");
    if value.len() < 3 || badge || elided || is_reference(value) || is_recipient(value) {
        return None;
    }
    let parts = words(key);
    let promise = promise(key, &parts);
    let note = |name, confidence| Found { name, span: pair.value.clone(), confidence, verified: None };
    // `Pass "--quiet" to it`: what one does, and no name.
    if pair.join == Join::Space && key.eq_ignore_ascii_case("pass") {
        return None;
    }
    if is_default(value) || is_example(value) {
        // What everyone begins with: worth a note, and no more.
        let said = promise == Promise::Password
            && is_left(value)
            && (pair.quoted || is_whole_line(text, pair) || text.get(pair.value.end..)?.starts_with(';'));
        let named = promise == Promise::Nothing && !is_example(value) && is_bundled_user(key, &parts);
        return match (said, named) {
            (true, _) => Some(note("password", 25)),
            (_, true) => Some(note("bundled_username", 30)),
            _ => None,
        };
    }
    if promise == Promise::Nothing && is_bundled_user(key, &parts) {
        return Some(note("bundled_username", 30));
    }
    if let Some(found) = by_name(text, pair, table, (promise != Promise::Nothing, &parts)) {
        return Some(found);
    }
    let confidence = match promise {
        // A word that is compared with, or that a setting called `secret` has.
        Promise::Secret
            if pair.quoted && pair.join == Join::Compare
                || parts.last().is_some_and(|word| word.ends_with("secret")) =>
        {
            secret(value, pair, 10, 70).or_else(|| weak_secret(value, pair))
        }
        Promise::Nothing => None,
        Promise::Password => password(value, pair),
        Promise::Secret => secret(value, pair, 10, 70),
        Promise::Key if is_uuid(value) => is_of_someone(&parts).then_some(35),
        Promise::Key => secret(value, pair, 16, 55).filter(|_| {
            let made = makeup(value.as_bytes());
            let jumps = if made.len >= 20 && made.digits >= 3 { made.jumps * 4 } else { made.jumps * 3 };
            made.digits >= 2 && (jumps >= made.len || made.is_hex)
        }),
    }?;
    let name = if promise == Promise::Password { "password" } else { "generic_secret" };
    Some(Found { name, span: pair.value.clone(), confidence, verified: None })
}

/// `kylas_key`: the key of somebody, and none of a table, a map or a message.
fn is_of_someone(parts: &[String]) -> bool {
    let before = parts.len().checked_sub(2).and_then(|at| parts.get(at));
    parts.last().is_some_and(|last| last == "key")
        && before.is_some_and(|it| it.len() >= 4 && !OF_THINGS.contains(&it.as_str()))
}

/// What has keys that name things.
const OF_THINGS: [&str; 30] = [
    "primary",
    "foreign",
    "partition",
    "sort",
    "cache",
    "object",
    "public",
    "idempotency",
    "dedup",
    "group",
    "hash",
    "routing",
    "index",
    "item",
    "resource",
    "unique",
    "lookup",
    "shard",
    "file",
    "session",
    "event",
    "message",
    "request",
    "task",
    "host",
    "storage",
    "natural",
    "composite",
    "range",
    "record",
];

/// True for `KEY=value` and nothing else on its line, as in a file of settings.
fn is_whole_line(text: &str, pair: &Pair) -> bool {
    let before = text.get(..pair.key.start).unwrap_or_default();
    let behind = text.get(pair.value.end..).unwrap_or_default();
    pair.join == Join::Sign
        && pair.key.end + 1 == pair.value.start
        && (before.is_empty() || before.ends_with('\n') || before.ends_with("\nexport "))
        && (behind.is_empty() || behind.starts_with(['\n', '\r']))
}

/// What builders of web pages compile into what every visitor is sent.
const BUNDLED: [&str; 7] =
    ["REACT_APP_", "VUE_APP_", "VITE_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "EXPO_PUBLIC_", "GATSBY_"];

/// True for the name to log in with in such a variable: half of what opens the door, for everyone to read.
fn is_bundled_user(key: &str, parts: &[String]) -> bool {
    BUNDLED.iter().any(|start| key.starts_with(start))
        && parts.last().is_some_and(|last| matches!(last.as_str(), "user" | "username" | "login"))
}

/// The public half of an `age` or SSH key: it is made to be handed out.
fn is_recipient(value: &str) -> bool {
    (value.starts_with("age1") && value.len() == 62)
        || ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "sk-ssh-"].iter().any(|start| value.starts_with(start))
}

/// What goes by the name of a provider, where the name promises something or not.
fn by_name<'n>(text: &str, pair: &Pair, table: &'n Table, name: (bool, &[String])) -> Option<Found<'n>> {
    let (promised, parts) = name;
    let value = text.get(pair.value.clone())?;
    if value.len() < 8 || value.len() > 400 || value.contains(' ') {
        return None;
    }
    let key = text.get(pair.key.clone())?;
    let flat: String =
        key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).map(|c| c.to_ascii_lowercase()).collect();
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
    let fits = table.going_by(&flat, |format| {
        format.words.iter().any(|word| flat.contains(word.as_str()) && at_part(word))
            && format.shape.is(value.as_bytes())
    })?;
    let made = makeup(value.as_bytes());
    let plain = made.digits == 0 && made.jumps < 3 && !made.is_hex || made.entropy < 20;
    let is_id = fits.name.ends_with("_id");
    // A key whose own name denies it, `HEROKU_APP_NAME`, is none; `..._CLIENT_ID` is what an `_id` is called.
    let named_so = fits.words.iter().any(|word| word.ends_with("id") && flat.ends_with(word.as_str()));
    let denied = !promised
        && !is_id
        && !named_so
        && parts.last().is_some_and(|last| HARMLESS_ENDS.contains(&last.as_str()));
    // `TWITTER_ID` with what looks like one of its keys: it names something, or is called wrongly.
    let doubtful = denied && made.is_random() && parts.last().is_some_and(|last| last == "id");
    if plain || denied && !doubtful && !is_uuid(value) || is_named_thing(value, &made) && !is_uuid(value) {
        return None;
    }
    let confidence = match promised {
        _ if is_id || doubtful => 35,
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
    if dense && (made.signs > 8 || !value.contains([' ', '/'])) {
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
