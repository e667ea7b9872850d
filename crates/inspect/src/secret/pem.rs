//! Private keys between `-----BEGIN` and `-----END`: whole, cut off, on one line, quoted or escaped.

use super::Found;

/// The block whose first dash stands at `at`, if it is a private key with something in it.
pub fn block(text: &str, at: usize) -> Option<Found<'static>> {
    let rest = text.get(at..)?;
    let label = rest.strip_prefix("-----BEGIN ")?;
    let (label, body) = split_label(label)?;
    let is_private = label.ends_with("PRIVATE KEY")
        || label.ends_with("PRIVATE KEY BLOCK")
        || label == "SSH2 ENCRYPTED PRIVATE KEY";
    if !is_private {
        return None;
    }
    let (read, key) = base64_part(body.as_bytes());
    // What people write to show where a key goes is shorter.
    if key < 40 {
        return None;
    }
    let start = at + (rest.len() - body.len());
    let mut end = start + read;
    let after = text.get(end..).unwrap_or_default();
    if after.starts_with("-----END") {
        end += after
            .get(8..)
            .and_then(|tail| tail.find("-----"))
            .filter(|far| *far < 60)
            .map_or(8, |far| far + 13);
    }
    Some(Found { name: "private_key", span: at..end, confidence: 98, verified: None })
}

fn split_label(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take(60).position(|byte| byte == b'-')?;
    let (label, rest) = text.split_at_checked(end)?;
    Some((label.trim_end(), rest.trim_start_matches('-')))
}

/// How far base64 goes, past line ends, quotes, escapes, plus signs and headers; and how much of it there is.
fn base64_part(bytes: &[u8]) -> (usize, usize) {
    let (mut at, mut key) = (0, 0);
    while let Some(byte) = bytes.get(at).filter(|_| at < 16_384) {
        match byte {
            b'\\' if matches!(bytes.get(at + 1), Some(b'n' | b'r' | b't')) => at += 2,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => {
                key += 1;
                at += 1;
            }
            b'\n' | b'\r' | b' ' | b'\t' | b'"' | b'\'' | b'\\' | b',' | b':' | b'.' | b'(' | b')' | b'>'
            | b'|' | b'#' | b'*' => at += 1,
            b'-' if bytes.get(at + 1).is_some_and(|next| *next != b'-') => at += 1,
            _ => break,
        }
    }
    (at, key)
}
