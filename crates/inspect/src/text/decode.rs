//! What is written in another alphabet: base64, hexadecimal, percent signs, escapes, quoted-printable.
//!
//! Answerable for decoding what looks like it, one level, each stretch once. What it decodes to must read as
//! text, or it is left alone. Judges nothing.

use std::ops::Range;

use super::map::{Map, Writer};
use crate::bits::{WIDTH, blocks, mask, rest};
use crate::secret::decode64;

/// How a layer came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The text itself, in its normal form.
    Normal,
    /// Base64 in either alphabet.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// Percent signs.
    Percent,
    /// Escapes of JSON and of programs.
    Escapes,
    /// Quoted-printable.
    QuotedPrintable,
    /// Tag characters and variation selectors.
    Tags,
}

/// A stretch decoded: what it says, and the way back.
pub type Decoded = (How, String, Map);

/// How long a row is at least.
const LEAST: usize = 24;

/// Everything that decodes.
pub fn layers(text: &str) -> Vec<Decoded> {
    let mut found = Vec::new();
    runs(text, &mut found);
    let escapes: [(u8, How, Step); 3] = [
        (b'%', How::Percent, percent),
        (b'\\', How::Escapes, escape),
        (b'=', How::QuotedPrintable, quoted_printable),
    ];
    for (sign, how, step) in escapes {
        clusters(text, sign, how, step, &mut found);
    }
    found
}

fn whole(from: Range<usize>, text: &str) -> Map {
    let mut writer = Writer::default();
    writer.instead(from, text);
    writer.done().map(|(_, map)| map).unwrap_or_default()
}

fn is_run(byte: u8) -> bool {
    byte.is_ascii_digit()
        | (byte | 0x20).is_ascii_lowercase()
        | (byte == b'+')
        | (byte == b'/')
        | (byte == b'-')
        | (byte == b'_')
}

/// Long rows of letters and digits.
fn runs(text: &str, found: &mut Vec<Decoded>) {
    let rest = rest(text.as_bytes());
    let mut masks = blocks(text.as_bytes(), &rest).map(|block| mask(block, is_run));
    let Some(mut now) = masks.next() else { return };
    let mut done = 0;
    for (number, next) in masks.chain([0]).enumerate() {
        // A bit that is left begins a row of twenty-four.
        let mut row = u128::from(now) | (u128::from(next) << WIDTH);
        for far in [1, 2, 4, 8, 8] {
            row &= row >> far;
        }
        let mut starts = row & u128::from(u64::MAX);
        while starts != 0 {
            let at = number * WIDTH + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            if at >= done {
                done = long_run(text, at, found);
            }
        }
        now = next;
    }
}

/// Decodes the row that begins at `at`; where it ends.
fn long_run(text: &str, at: usize, found: &mut Vec<Decoded>) -> usize {
    let bytes = text.as_bytes().get(at..).unwrap_or_default();
    let len = bytes.iter().take_while(|byte| is_run(**byte)).count();
    let pad = bytes.iter().skip(len).take(2).take_while(|byte| **byte == b'=').count();
    let span = at..at + len;
    if let Some((how, decoded)) = text.get(span.clone()).and_then(run) {
        let map = whole(span.start..span.end + pad, &decoded);
        found.push((how, decoded, map));
    }
    span.end
}

fn run(text: &str) -> Option<(How, String)> {
    let hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex {
        let pairs = text
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        return Some((How::Hex, readable(pairs.collect::<Option<Vec<u8>>>()?)?));
    }
    // A taste first: images and keys are long, and do not read as text from the first bytes on.
    let taste = text.get(..LEAST)?;
    decode64(taste).and_then(|bytes| readable(bytes.get(..15)?.to_vec()))?;
    Some((How::Base64, readable(decode64(text)?)?))
}

/// The text that the bytes are, if they are one: UTF-8, and hardly anything but what can be printed.
fn readable(mut bytes: Vec<u8>) -> Option<String> {
    if let Err(error) = std::str::from_utf8(&bytes) {
        // Cut within a character is no reason.
        if error.error_len().is_some() || error.valid_up_to() < 8 {
            return None;
        }
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8(bytes).ok()?;
    let odd = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')).count();
    (odd * 20 <= text.len() && !text.is_empty()).then_some(text)
}

/// The character that an escape stands for, and its length; absent if there is none here.
type Step = fn(&[u8]) -> Option<(Unit, usize)>;

/// What an escape stands for.
enum Unit {
    Byte(u8),
    Char(char),
    Nothing,
}

fn hex(bytes: Option<&[u8]>) -> Option<u32> {
    bytes?
        .iter()
        .try_fold(0_u32, |number, byte| number.checked_mul(16)?.checked_add(char::from(*byte).to_digit(16)?))
}

fn percent(rest: &[u8]) -> Option<(Unit, usize)> {
    let byte = u8::try_from(hex(rest.get(1..3))?).ok()?;
    Some((Unit::Byte(byte), 3))
}

fn quoted_printable(rest: &[u8]) -> Option<(Unit, usize)> {
    match rest {
        [_, b'\r', b'\n', ..] => Some((Unit::Nothing, 3)),
        [_, b'\n', ..] => Some((Unit::Nothing, 2)),
        [_, a, b, ..] if !a.is_ascii_lowercase() && !b.is_ascii_lowercase() => percent(rest),
        _ => None,
    }
}

fn escape(rest: &[u8]) -> Option<(Unit, usize)> {
    let plain = |c| Some((Unit::Char(c), 2));
    match rest.get(1)? {
        b'n' => plain('\n'),
        b'r' => plain('\r'),
        b't' => plain('\t'),
        b'"' => plain('"'),
        b'\'' => plain('\''),
        b'/' => plain('/'),
        b'\\' => plain('\\'),
        b'x' => Some((Unit::Byte(u8::try_from(hex(rest.get(2..4))?).ok()?), 4)),
        b'u' if rest.get(2) == Some(&b'{') => {
            let len = rest.get(3..)?.iter().take(7).position(|byte| *byte == b'}')?;
            Some((Unit::Char(char::from_u32(hex(rest.get(3..3 + len))?)?), 4 + len))
        }
        b'u' => {
            let high = hex(rest.get(2..6))?;
            let low = (rest.get(6..8) == Some(b"\\u")).then(|| hex(rest.get(8..12))).flatten();
            if let (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) = (high, low) {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Some((Unit::Char(char::from_u32(code)?), 12));
            }
            Some((Unit::Char(char::from_u32(high)?), 6))
        }
        _ => None,
    }
}

/// How far around an escape the rest of its word is taken along, and how far apart two of one stretch may be.
const AROUND: usize = 200;
/// And how far the line that it stands in: `\u0069gnore` says little without what it is to ignore.
const LINE: usize = 80;

/// Stretches with escapes in them, decoded together with what is around them.
fn clusters(text: &str, sign: u8, how: How, step: Step, found: &mut Vec<Decoded>) {
    let bytes = text.as_bytes();
    let mut cluster: Option<(usize, usize, usize)> = None;
    let mut taken = 0;
    for at in memchr::memchr_iter(sign, bytes) {
        let Some((_, len)) = bytes.get(at..).filter(|_| at >= taken).and_then(step) else { continue };
        taken = at + len;
        cluster = match cluster {
            Some((first, last, count)) if at - last < AROUND => Some((first, taken, count + 1)),
            Some((first, last, count)) => {
                decode(text, (first, last, count), how, (sign, step), found);
                Some((at, taken, 1))
            }
            None => Some((at, taken, 1)),
        };
    }
    if let Some(cluster) = cluster {
        decode(text, cluster, how, (sign, step), found);
    }
}

fn decode(text: &str, cluster: (usize, usize, usize), how: How, by: (u8, Step), found: &mut Vec<Decoded>) {
    let (first, last, count) = cluster;
    // `a=20` alone is an assignment.
    if how == How::QuotedPrintable && count < 3 {
        return;
    }
    let bytes = text.as_bytes();
    let before = bytes.get(first.saturating_sub(AROUND)..first).unwrap_or_default();
    let behind = bytes.get(last..).unwrap_or_default();
    let (before, behind) = (reach(before.iter().rev()), reach(behind.iter().take(AROUND)));
    let (start, end) = (floor(text, first - before), floor(text, last + behind));
    let (sign, step) = by;
    let mut writer = Writer::default();
    let mut at = start;
    let mut pending: Vec<u8> = Vec::new();
    let mut pending_from = start;
    while at < end {
        let here = bytes.get(at..end).unwrap_or_default();
        let unit = here.first().filter(|byte| **byte == sign).and_then(|_| step(here));
        match unit {
            Some((Unit::Byte(byte), len)) => {
                if pending.is_empty() {
                    pending_from = at;
                }
                pending.push(byte);
                at += len;
                continue;
            }
            Some((Unit::Char(c), len)) => {
                flush(&mut pending, pending_from..at, &mut writer);
                writer.instead(at..at + len, c.encode_utf8(&mut [0; 4]));
                at += len;
            }
            Some((Unit::Nothing, len)) => {
                flush(&mut pending, pending_from..at, &mut writer);
                writer.instead(at..at + len, "");
                at += len;
            }
            None => {
                flush(&mut pending, pending_from..at, &mut writer);
                let more =
                    here.iter().skip(1).position(|byte| *byte == sign).map_or(here.len(), |far| far + 1);
                writer.same(at, text.get(at..at + more).unwrap_or_default());
                at += more;
            }
        }
    }
    flush(&mut pending, pending_from..end, &mut writer);
    if let Some((decoded, map)) = writer.done().filter(|(decoded, _)| !decoded.is_empty()) {
        found.push((how, decoded, map));
    }
}

/// How many bytes are taken along, from an escape outwards: the rest of its word, and of its line what is near.
fn reach<'b>(mut outwards: impl Iterator<Item = &'b u8>) -> usize {
    let mut near = true;
    let mut far = 0;
    let within = |byte: &&u8| {
        near &= !byte.is_ascii_whitespace();
        far += 1;
        near || far <= LINE && !matches!(**byte, b'\n' | b'\r')
    };
    outwards.by_ref().take_while(within).count()
}

fn flush(pending: &mut Vec<u8>, from: Range<usize>, writer: &mut Writer) {
    if !pending.is_empty() {
        let text = String::from_utf8_lossy(pending).into_owned();
        writer.instead(from, &text);
        pending.clear();
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
