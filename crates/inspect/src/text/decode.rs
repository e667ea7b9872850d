//! What looks encoded, decoded once: base64, hex, percent signs, JSON escapes, quoted-printable.
//!
//! Answerable for trying only where it looks like it, and for keeping only what is text again.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The original bytes of each byte.
type Bytes = Vec<(u32, u32)>;

/// The whole text with its escapes decoded, once for each kind of which it has more than a few.
pub(super) fn escapes(text: &str) -> Vec<(String, Bytes)> {
    let bytes = text.as_bytes();
    let kinds: [(u8, Unescape); 3] = [(b'%', percent), (b'\\', json), (b'=', quoted_printable)];
    let mut found = Vec::new();
    for (mark, unescape) in kinds {
        let mut marks = memchr::memchr_iter(mark, bytes)
            .filter(|at| unescape(bytes.get(*at..).unwrap_or_default()).is_some());
        // Two are an accident.
        if marks.nth(2).is_some() {
            found.extend(rewritten(text, mark, unescape));
        }
    }
    found
}

/// What an escape at the start stands for, and its length.
type Unescape = fn(&[u8]) -> Option<(Decoded, usize)>;

enum Decoded {
    Byte(u8),
    Char(char),
    Nothing,
}

fn rewritten(text: &str, mark: u8, unescape: Unescape) -> Option<(String, Bytes)> {
    let bytes = text.as_bytes();
    let (mut out, mut back): (Vec<u8>, Bytes) =
        (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
    let mut put = |piece: &[u8], from: Range<usize>, out: &mut Vec<u8>| {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        out.extend_from_slice(piece);
        back.extend(std::iter::repeat_n((small(from.start), small(from.end)), piece.len()));
    };
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = if *byte == mark { unescape(bytes.get(at..).unwrap_or_default()) } else { None };
        let (piece, length): ([u8; 4], usize) = match &escape {
            Some((Decoded::Byte(byte), _)) => ([*byte, 0, 0, 0], 1),
            Some((Decoded::Char(c), _)) => {
                let mut piece = [0; 4];
                let length = c.encode_utf8(&mut piece).len();
                (piece, length)
            }
            Some((Decoded::Nothing, _)) => ([0; 4], 0),
            None => ([*byte, 0, 0, 0], 1),
        };
        let end = at.saturating_add(escape.map_or(1, |(_, length)| length));
        put(piece.get(..length).unwrap_or_default(), at..end, &mut out);
        at = end;
    }
    // What is no text any more was no escape.
    String::from_utf8(out).ok().map(|text| (text, back))
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(at)?.checked_mul(16)?.checked_add(digit(at.checked_add(1)?)?)?).ok()
}

fn percent(bytes: &[u8]) -> Option<(Decoded, usize)> {
    hex_pair(bytes, 1).map(|byte| (Decoded::Byte(byte), 3))
}

fn quoted_printable(bytes: &[u8]) -> Option<(Decoded, usize)> {
    match bytes.get(1..3) {
        Some(b"\r\n") => return Some((Decoded::Nothing, 3)),
        Some([b'\n', _]) => return Some((Decoded::Nothing, 2)),
        Some(pair) if pair.iter().any(u8::is_ascii_lowercase) => return None,
        _ => (),
    }
    hex_pair(bytes, 1).map(|byte| (Decoded::Byte(byte), 3))
}

fn json(bytes: &[u8]) -> Option<(Decoded, usize)> {
    let unit =
        |at: usize| Some(u16::from_be_bytes([hex_pair(bytes, at)?, hex_pair(bytes, at.checked_add(2)?)?]));
    Some(match bytes.get(1)? {
        b'n' => (Decoded::Char('\n'), 2),
        b't' => (Decoded::Char('\t'), 2),
        b'r' => (Decoded::Char('\r'), 2),
        b @ (b'"' | b'\\' | b'/') => (Decoded::Byte(*b), 2),
        b'x' => (Decoded::Char(char::from(hex_pair(bytes, 2)?)), 4),
        b'u' => {
            let first = unit(2)?;
            let second = if bytes.get(6..8) == Some(b"\\u") { unit(8) } else { None };
            let units = [first, second.unwrap_or(0)];
            let pair = char::decode_utf16(units).next()?.ok();
            let is_pair = (0xd800..0xdc00).contains(&first);
            (Decoded::Char(pair.filter(|c| *c != '\0')?), if is_pair { 12 } else { 6 })
        }
        _ => return None,
    })
}

/// The shortest run that is tried, in characters: sixteen bytes of base64, twelve of hex.
const SHORTEST: usize = 24;
/// The longest piece that is decoded, in bytes.
const LONGEST: usize = 256 * 1024;

/// Pieces of base64 or hex whose bytes are text, with where they stand.
pub(super) fn runs(text: &str) -> impl Iterator<Item = (String, Range<usize>)> + '_ {
    Runs { bytes: text.as_bytes(), at: 0 }.filter_map(|range| {
        let run = text.get(range.clone())?;
        let run = run.get(..run.len().min(LONGEST))?;
        let decoded = unhexed(run).or_else(|| unbased(run))?;
        is_text(&decoded).then_some(())?;
        String::from_utf8(decoded).ok().map(|text| (text, range))
    })
}

struct Runs<'t> {
    bytes: &'t [u8],
    at: usize,
}

fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    /// Looks at every so manieth byte alone: a run of that length cannot lie between two of them.
    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let probe = self.at.checked_add(SHORTEST.saturating_sub(1))?;
            let byte = *self.bytes.get(probe)?;
            if !is_run(byte) {
                self.at = probe.saturating_add(1);
                continue;
            }
            let before = self.bytes.get(self.at..probe)?;
            let start = before
                .iter()
                .rposition(|b| !is_run(*b))
                .map_or(self.at, |n| self.at.saturating_add(n).saturating_add(1));
            let after = self.bytes.get(probe..)?;
            let end =
                after.iter().position(|b| !is_run(*b)).map_or(self.bytes.len(), |n| probe.saturating_add(n));
            self.at = end.saturating_add(1);
            if end.saturating_sub(start) >= SHORTEST {
                let padding = self.bytes.get(end..)?.iter().take(2).take_while(|b| **b == b'=').count();
                return Some(start..end.saturating_add(padding));
            }
        }
    }
}

fn unhexed(run: &str) -> Option<Vec<u8>> {
    let bytes = run.as_bytes();
    if bytes.len() % 2 != 0 || !bytes.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..bytes.len()).step_by(2).map(|at| hex_pair(bytes, at)).collect()
}

fn unbased(run: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let url = run.contains(['-', '_']);
    if url && run.contains(['+', '/']) {
        return None;
    }
    let alphabet = if url { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, LENIENT).decode(run.trim_end_matches('=')).ok()
}

/// True if bytes are text that somebody could have written.
fn is_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let odd = text.chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
    !text.is_empty() && odd == 0 && text.chars().any(char::is_alphanumeric)
}
