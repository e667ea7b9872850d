//! Credentials where protocols put them: before the `@` of an address, behind `Authorization`, in tokens that
//! say themselves what they are, behind `curl -u`.

use std::ops::Range;

use super::Found;
use super::base::decode64;
use super::judge::{is_default, is_example, is_reference, is_stand_in, makeup};

fn part(text: &str, span: Range<usize>) -> &str {
    text.get(span).unwrap_or_default()
}

/// The password in `scheme://user:password@host`; `at` is where the colon stands.
pub fn userinfo(text: &str, at: usize) -> Option<Found<'static>> {
    let start = at + 3;
    let rest = text.as_bytes().get(start..)?;
    let ends = |byte: &u8| b"/?# \n\r\t\"'`<>\\|".contains(byte);
    let len = rest.iter().take(512).position(ends).unwrap_or(rest.len().min(512));
    let authority = rest.get(..len)?;
    // The last one: passwords may hold an `@` themselves, hosts may not. A list of hosts may have one each.
    let first_host = authority
        .iter()
        .position(|byte| *byte == b',')
        .filter(|comma| authority.get(..*comma).is_some_and(|one| one.contains(&b'@')));
    let authority = first_host.and_then(|comma| authority.get(..comma)).unwrap_or(authority);
    let sign = authority.iter().rposition(|byte| *byte == b'@')?;
    let host = authority.get(sign + 1..)?;
    let credentials = authority.get(..sign)?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    let span = start + colon + 1..start + sign;
    let (user, password) = (part(text, start..start + colon), part(text, span.clone()));
    if password.len() < 3
        || host.is_empty()
        || is_reference(password)
        || is_example(password)
        || password.starts_with('$')
        || user.starts_with('<')
    {
        return None;
    }
    if password.contains(['{', '}', '[', ']', '('])
        || password.starts_with('%') && password.ends_with('%')
        || password.bytes().all(|byte| byte == b'x' || byte == b'X' || byte == b'*')
    {
        return None;
    }
    // `localhost` with a word for a password is how documentation shows it.
    let local = host.starts_with(b"localhost")
        || host.starts_with(b"127.")
        || host.starts_with(b"[::1]")
        || host.starts_with(b"example.");
    let made = makeup(password.as_bytes());
    let plain = made.digits + made.signs == 0;
    // What everyone begins with: worth a note, and no more.
    let default = is_default(password) || user.eq_ignore_ascii_case(password);
    let confidence = match (local, plain) {
        _ if default => 30,
        (true, true) => 45,
        (true, false) => 60,
        (false, true) if host.windows(7).any(|part| part == b"example") => 48,
        (false, _) => 85,
    };
    Some(Found { name: "connection_string", span, confidence, verified: None })
}

/// A JSON Web Token, or one encrypted; `at` is where `eyJ` stands.
pub fn jwt(text: &str, at: usize) -> Option<Found<'static>> {
    let bytes = text.as_bytes();
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let escaped = at.checked_sub(2).and_then(|before| bytes.get(before)) == Some(&b'\\');
    if at > 0 && bytes.get(at - 1).is_some_and(|byte| token(byte) || *byte == b'.') && !escaped {
        return None;
    }
    let mut ends = Vec::new();
    let mut end = at;
    for _ in 0..5 {
        let len =
            bytes.get(end..)?.iter().take(8192).take_while(|byte| token(byte) || **byte == b'=').count();
        end += len;
        ends.push((end, len));
        if bytes.get(end) != Some(&b'.') {
            break;
        }
        end += 1;
    }
    let (_, header) = *ends.first()?;
    let (second, body) = *ends.get(1)?;
    if header < 12 || body < 8 {
        return None;
    }
    let end = ends
        .get(2)
        .filter(|(_, len)| *len >= 8)
        .map_or(second, |_| ends.last().map_or(second, |(end, _)| *end));
    let head = decode64(part(text, at..at + header))?;
    let says = |word: &[u8]| head.windows(word.len()).any(|part| part == word);
    let whole = head.starts_with(b"{\"") && head.ends_with(b"}") && std::str::from_utf8(&head).is_ok();
    if !says(b"alg\"") && !says(b"typ\"") && !says(b"enc\"") {
        return None;
    }
    // Without a signature it is a claim and opens nothing by itself.
    let confidence = if end == second { 55 } else { 92 };
    Some(Found { name: "json_web_token", span: at..end, confidence, verified: Some(whole) })
}

/// What follows `Bearer`, `Basic`; `at` is where the word stands.
pub fn authorization(text: &str, at: usize) -> Option<Found<'static>> {
    let bytes = text.as_bytes();
    if at
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        return None;
    }
    let word = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let gap = bytes
        .get(at + word..)?
        .iter()
        .take(6)
        .take_while(|byte| matches!(byte, b' ' | b':' | b'\t' | b'"' | b'\''))
        .count();
    let start = at + word + gap;
    let value = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=' | b':' | b'|' | b'!')
    };
    let len = bytes.get(start..)?.iter().take(4096).take_while(|byte| value(byte)).count();
    let end = start + part(text, start..start + len).trim_end_matches(['.', ':']).len();
    let token = part(text, start..end);
    if gap == 0 || token.len() < 10 || is_stand_in(token) {
        return None;
    }
    let is_basic = part(text, at..at + word).eq_ignore_ascii_case("basic");
    if is_basic {
        return basic(text, at, start..end);
    }
    let made = makeup(token.as_bytes());
    let is_token = made.is_random()
        || made.digits > 0 && made.len >= 20 && made.entropy >= 35
        || made.len >= 12 && made.digits >= 2 && made.upper > 0 && made.lower > 0;
    let is_uuid = super::judge::is_uuid(token);
    (is_token || is_uuid).then_some(Found {
        name: "bearer_token",
        span: start..end,
        confidence: 80,
        verified: None,
    })
}

/// `user:password` in base64. Only behind a word that makes it a header: `Basic` begins many a sentence.
fn basic(text: &str, at: usize, span: Range<usize>) -> Option<Found<'static>> {
    let before = part(text, at.saturating_sub(24)..at).to_ascii_lowercase();
    let decoded = decode64(part(text, span.clone()))?;
    let colon = decoded.iter().position(|byte| *byte == b':');
    let printable =
        decoded.iter().filter(|byte| byte.is_ascii_graphic() || **byte == b' ').count() == decoded.len();
    let header = before.contains("auth");
    let made = makeup(part(text, span.clone()).as_bytes());
    let example = matches!(
        decoded.as_slice(),
        b"user:password" | b"username:password" | b"user:pass" | b"admin:admin" | b"test:test"
    );
    match colon {
        _ if example => None,
        Some(_) if printable => {
            Some(Found { name: "basic_authorization", span, confidence: 88, verified: Some(true) })
        }
        _ if header && made.is_random() && made.len >= 16 => {
            Some(Found { name: "basic_authorization", span, confidence: 65, verified: Some(false) })
        }
        _ => None,
    }
}

/// What follows `-u` or `--user`; `at` is where it begins.
pub fn user_flag(text: &str, at: usize) -> Option<Found<'static>> {
    let bytes = text.as_bytes();
    let skip = |at: usize, set: &[u8]| {
        bytes.get(at..).map_or(0, |rest| rest.iter().take(8).take_while(|byte| set.contains(byte)).count())
    };
    let flag = if bytes.get(at) == Some(&b' ') { at + 3 } else { at + 6 };
    // `--user-agent` is another flag.
    if bytes
        .get(flag)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() && flag == at + 6 || matches!(byte, b'-'))
    {
        return None;
    }
    let mut start = flag + skip(flag, b" =");
    let quote = bytes.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    start += usize::from(quote.is_some());
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote || *byte == b'\n',
        None => byte.is_ascii_whitespace(),
    };
    let len =
        bytes.get(start..)?.iter().take(256).position(ends).unwrap_or_else(|| (bytes.len() - start).min(256));
    let pair = part(text, start..start + len);
    let (user, password) = pair.split_once(':')?;
    let from = start + user.len() + 1;
    let trimmed = password.trim_matches(['"', '\'']);
    let lead = password.find(trimmed)?;
    let (span, secret) = if trimmed.is_empty() {
        (start..start + user.len(), user)
    } else {
        (from + lead..from + lead + trimmed.len(), trimmed)
    };
    let unquoted = user.trim_matches(['"', '\'']);
    let shown = [unquoted, trimmed].iter().any(|word| {
        word.starts_with(['$', '<', '[', '{', '%'])
            || word.contains("${")
            || word.contains("{{")
            || word.contains("$(")
    });
    if shown
        || secret.len() < 3
        || is_stand_in(secret)
        || unquoted.eq_ignore_ascii_case(trimmed)
        || secret.bytes().all(|byte| byte == b'y' || byte == b'x')
    {
        return None;
    }
    Some(Found { name: "basic_authorization", span, confidence: 75, verified: None })
}

/// What follows `-p`; `at` is the space before it.
pub fn password_flag(text: &str, at: usize) -> Option<Found<'static>> {
    let start = at + 4;
    let rest = part(text, start..text.len().min(start + 128).max(start));
    let rest = if rest.is_empty() { text.get(start..)? } else { rest };
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let body = rest.get(quote.map_or(0, char::len_utf8)..)?;
    let end = body
        .find(|c: char| {
            quote.map_or(c.is_whitespace() || matches!(c, '"' | '\'' | '\\'), |quote| c == quote || c == '\n')
        })
        .unwrap_or(body.len());
    let value = body.get(..end)?;
    if value.len() < 3
        || value.len() > 100
        || is_reference(value)
        || is_example(value)
        || value.starts_with(['$', '%', '-'])
    {
        return None;
    }
    let from = start + (rest.len() - body.len());
    let confidence = if is_default(value) { 30 } else { 60 };
    Some(Found { name: "password", span: from..from + end, confidence, verified: None })
}

/// The last quoted argument of a call; `at` is where its name begins.
pub fn call(text: &str, at: usize) -> Option<Found<'static>> {
    let bytes = text.as_bytes();
    let (mut spans, mut open) = (Vec::new(), None);
    for (far, byte) in bytes.get(at..)?.iter().enumerate().take(400) {
        match (byte, open) {
            (b'"' | b'\'', None) => open = Some((*byte, at + far + 1)),
            (quote, Some((opened, from))) if *quote == opened => {
                spans.push(from..at + far);
                open = None;
            }
            (b')', None) => break,
            _ => {}
        }
    }
    let span = spans.get(1..)?.last()?.clone();
    let value = part(text, span.clone());
    let named = value.contains("://") || value.contains(' ') || value.len() < 3;
    let confidence = if is_default(value) { 30 } else { 65 };
    (!named && !is_reference(value) && !is_example(value)).then_some(Found {
        name: "password",
        span,
        confidence,
        verified: None,
    })
}
