//! Values that the operator named: secrets that must not pass, canaries that must not be seen again.
//!
//! Found as they are, in other alphabets, backwards, taken apart, and with their middle masked. Answerable for
//! that alone; the values stay in here, and no finding holds one.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use verdict::Risk;

use crate::Hit;

/// Shorter values would be found everywhere.
const LEAST: usize = 4;
/// How much of a value must be there, taken apart or masked, to be told from chance.
const TELLING: usize = 8;

#[derive(Clone, Debug)]
struct Value {
    canary: bool,
    plain: String,
    /// Its letters and digits alone, in lower case.
    bare: Vec<u8>,
}

/// The values with everything that is searched for.
#[derive(Debug, Default)]
pub struct Declared {
    values: Vec<Value>,
    forms: Option<AhoCorasick>,
    /// Which value each form is of.
    of: Vec<usize>,
    bare: Option<AhoCorasick>,
    bare_of: Vec<usize>,
}

impl Declared {
    /// Values shorter than four bytes are left out.
    pub fn new(secrets: &[String], canaries: &[String]) -> Self {
        let value = |canary: bool| {
            move |text: &String| Value {
                canary,
                plain: text.trim().to_owned(),
                bare: bare(text).into_iter().map(|(byte, _)| byte).collect(),
            }
        };
        let all = secrets.iter().map(value(false)).chain(canaries.iter().map(value(true)));
        let values: Vec<Value> = all.filter(|value| value.plain.len() >= LEAST).collect();
        if values.is_empty() {
            return Self::default();
        }
        let (mut forms, mut of) = (Vec::new(), Vec::new());
        let (mut bares, mut bare_of) = (Vec::new(), Vec::new());
        for (number, value) in values.iter().enumerate() {
            for form in written(&value.plain) {
                forms.push(form);
                of.push(number);
            }
            if value.bare.len() >= TELLING {
                bares.push(value.bare.clone());
                bare_of.push(number);
            }
        }
        let bare = if bares.is_empty() { None } else { AhoCorasick::new(&bares).ok() };
        Self { values, forms: AhoCorasick::new(&forms).ok(), of, bare, bare_of }
    }

    /// Adds every place where a value shows.
    pub fn find(&self, text: &str, hits: &mut Vec<Hit>) {
        let Some(forms) = &self.forms else { return };
        for found in forms.find_overlapping_iter(text) {
            self.push(self.of.get(found.pattern().as_usize()), found.range(), 100, hits);
        }
        if let Some(bares) = &self.bare {
            let stripped = bare(text);
            let bytes: Vec<u8> = stripped.iter().map(|(byte, _)| *byte).collect();
            for found in bares.find_overlapping_iter(&bytes) {
                let place = |at: usize| stripped.get(at).map(|(_, at)| *at);
                let (Some(start), Some(last)) = (place(found.start()), place(found.end() - 1)) else {
                    continue;
                };
                // Scattered over a page it is chance.
                if last - start < found.len() * 5 + 16 {
                    self.push(self.bare_of.get(found.pattern().as_usize()), start..last + 1, 90, hits);
                }
            }
        }
        self.masked(text, hits);
    }

    /// `sk-a1b2****y8z9`: both ends shown, together long enough.
    fn masked(&self, text: &str, hits: &mut Vec<Hit>) {
        let mut from = 0;
        while let Some(mask) = next_mask(text, from) {
            from = mask.end;
            let shown = |c: char| {
                c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '*' | '<' | '>' | '=' | ',' | ';')
            };
            let before = text.get(..mask.start).unwrap_or_default();
            let head = before
                .char_indices()
                .rev()
                .take(64)
                .take_while(|(_, c)| shown(*c))
                .last()
                .map_or("", |(at, _)| before.get(at..).unwrap_or_default());
            let behind = text.get(mask.end..).unwrap_or_default();
            let len = behind
                .char_indices()
                .take(64)
                .find(|(_, c)| !shown(*c))
                .map_or(behind.len().min(64), |(at, _)| at);
            let tail = behind.get(..len).unwrap_or_default();
            let known = head.len() + tail.len();
            let fits = |value: &&Value| {
                value.plain.len() > known && value.plain.starts_with(head) && value.plain.ends_with(tail)
            };
            if known >= TELLING
                && let Some(number) = self.values.iter().position(|value| fits(&value))
            {
                self.push(Some(&number), mask.start - head.len()..mask.end + tail.len(), 70, hits);
            }
        }
    }

    fn push(&self, value: Option<&usize>, span: Range<usize>, confidence: u8, hits: &mut Vec<Hit>) {
        let Some(value) = value.and_then(|number| self.values.get(*number)) else { return };
        let (kind, name) = if value.canary { ("canary", "canary") } else { ("secret", "declared") };
        hits.push(Hit {
            kind,
            name: name.into(),
            span,
            severity: Risk::Critical,
            confidence,
            verified: Some(confidence == 100),
        });
    }
}

/// A row of signs that stand for something left out.
fn next_mask(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_mask = |c: char| matches!(c, '*' | '•' | '…' | '●' | '█');
    let mut at = from;
    loop {
        let start = at + memchr::memchr3(b'*', b'.', 0xE2, bytes.get(at..)?)?;
        let rest = text.get(start..).unwrap_or_default();
        let len: usize = rest.chars().take(256).take_while(|c| is_mask(*c)).map(char::len_utf8).sum();
        let dots = rest.bytes().take(64).take_while(|byte| *byte == b'.').count();
        if len >= 3 {
            return Some(start..start + len);
        }
        if dots >= 3 {
            return Some(start..start + dots);
        }
        at = start + 1;
    }
}

/// Letters and digits with their places.
fn bare(text: &str) -> Vec<(u8, usize)> {
    let alnum =
        |(at, byte): (usize, u8)| byte.is_ascii_alphanumeric().then(|| (byte.to_ascii_lowercase(), at));
    text.bytes().enumerate().filter_map(alnum).collect()
}

/// A value in every alphabet that it may be written in.
fn written(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let mut forms = vec![bytes.to_vec()];
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    forms.push(hex.to_ascii_uppercase().into_bytes());
    forms.push(hex.into_bytes());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let percent: String = bytes
        .iter()
        .map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    forms.push(percent.to_ascii_lowercase().into_bytes());
    forms.push(percent.into_bytes());
    if value.len() >= TELLING {
        forms.push(value.chars().rev().collect::<String>().into_bytes());
    }
    if value.len() >= 6 {
        (0..3).for_each(|shift| forms.extend(base64_at(bytes, shift)));
    }
    forms.sort();
    forms.dedup();
    forms
}

/// The middle of the base64 of the bytes, in both alphabets, where `shift` bytes stand before them: what does
/// not depend on what is around.
fn base64_at(bytes: &[u8], shift: usize) -> [Vec<u8>; 2] {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
    let text = STANDARD_NO_PAD.encode(&padded);
    // The first characters hold bits of what is before, the last one of what is behind.
    let skip = (shift * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    let middle = text.as_bytes().get(skip..end).unwrap_or_default().to_vec();
    let other = middle.iter().map(|byte| match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => *byte,
    });
    [other.collect(), middle]
}
