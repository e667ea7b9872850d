//! E-mail addresses.
//!
//! Answerable for telling an address from what only holds an `@`: user information of URLs, packages with
//! versions, decorators, files for screens of double density.

use super::Reader;
use super::judge::Found;

/// Endings of files that stand behind an `@` without being a domain.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "bmp", "avif", "pdf", "js", "mjs", "cjs", "ts", "tsx",
    "jsx", "css", "scss", "html", "htm", "json", "yaml", "yml", "toml", "xml", "txt", "py", "rb", "go",
    "java", "kt", "cpp", "hpp", "php", "exe", "dll", "whl", "tgz", "gz", "bz2", "tar", "jar", "lock", "log",
    "mp3", "mp4", "mov", "csv",
];
const LOCAL: usize = 64;
const DOMAIN: usize = 253;

impl Reader<'_, '_> {
    /// The address around the `@` at `at`.
    pub(super) fn email(&self, at: usize) -> Option<Found> {
        let start = self.local_start(at)?;
        let (end, labels) = self.domain_end(at + 1)?;
        let domain = self.text.get(at + 1..end)?;
        let (name, top) = domain.rsplit_once('.')?;
        if !is_top(top)
            || labels < 2
            || name.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit())) && labels > 2
        {
            return None;
        }
        let next = (self.byte(end), self.byte(end + 1));
        let local = self.text.get(start..at)?;
        // `git@github.com:owner/name` and `user@host:path` are where things lie, not who somebody is.
        if next.0 == b':'
            && (local == "git"
                || (next.1 != b' ' && next.1 != b'\n' && !next.1.is_ascii_digit() && next.1 != 0))
        {
            return None;
        }
        if next.0 == b'@' || self.in_url(start) {
            return None;
        }
        let reserved = ["example", "test", "invalid", "localhost"].contains(&top)
            || ["example.com", "example.org", "example.net"].iter().any(|it| domain.eq_ignore_ascii_case(it));
        let confidence = if reserved { 70 } else { 95 };
        Some(Found { name: "email", start, end, confidence, verified: None })
    }

    fn local_start(&self, at: usize) -> Option<usize> {
        // A quoted local part: `"john doe"@example.com`.
        let floor = at.saturating_sub(LOCAL + 4).max(self.floor);
        let before = self.bytes.get(floor..at)?;
        let length = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        let mut start = at - length;
        if length > LOCAL {
            return None;
        }
        while start < at && (!self.text.is_char_boundary(start) || is_mark(self.byte(start))) {
            start += 1;
        }
        (start < at && self.before(at) != b'.').then_some(start)
    }

    /// Where the domain at `from` ends, and how many labels it has.
    fn domain_end(&self, from: usize) -> Option<(usize, usize)> {
        let rest = self.bytes.get(from..)?;
        let (mut end, mut label, mut labels) = (from, 0, 0);
        for byte in rest.iter().take(DOMAIN + 2) {
            match byte {
                b'.' if label > 0 => (label, labels) = (0, labels + 1),
                byte if byte.is_ascii_alphanumeric() || !byte.is_ascii() => label += 1,
                b'-' if label > 0 => label += 1,
                _ => break,
            }
            end += 1;
        }
        // What ends the sentence is not of the domain.
        while end > from && matches!(self.before(end), b'.' | b'-') {
            labels -= usize::from(self.before(end) == b'.');
            end -= 1;
        }
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        // Full-width and typographic marks are not letters of a domain.
        let domain = self.text.get(from..end)?;
        if let Some(mark) =
            domain.char_indices().find(|(_, c)| !c.is_alphanumeric() && !matches!(c, '.' | '-'))
        {
            end = from + mark.0;
            labels = self.text.get(from..end)?.matches('.').count();
        }
        (end > from && end - from <= DOMAIN).then_some((end, labels + 1))
    }

    /// Whether `start` follows `://` without a blank between: the name that a URL logs in with.
    fn in_url(&self, start: usize) -> bool {
        let before = self.bytes.get(start.saturating_sub(96)..start).unwrap_or_default();
        match before.last() {
            Some(b'/') => before.ends_with(b"//"),
            Some(b':') => {
                let word = before.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
                let word = before.get(before.len() - word..).unwrap_or_default();
                word.windows(3).any(|part| part == b"://")
            }
            _ => false,
        }
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || is_mark(byte) || !byte.is_ascii()
}

/// What may stand within a local part but not in front.
fn is_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'&' | b'*' | b'!' | b'#' | b'$' | b'?' | b'^' | b'~'
    )
}

fn is_top(top: &str) -> bool {
    let length = top.chars().count();
    let letters = top.chars().all(char::is_alphabetic);
    let punycode = top.len() > 6 && top.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("xn--"));
    let cased = top.bytes().all(|b| b.is_ascii_lowercase()) || top.bytes().all(|b| b.is_ascii_uppercase());
    let file = top.is_ascii() && FILES.iter().any(|it| top.eq_ignore_ascii_case(it));
    (punycode || (letters && (2..=18).contains(&length) && (cased || !top.is_ascii() || length < 5))) && !file
}
