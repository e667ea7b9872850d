//! Text that is there for a machine and not for a person: characters without a shape, turned order, letters of
//! tags, styles that show nothing.
//!
//! Answerable for the hits of kind `hidden_text` and for telling what is invisible. Joiners that scripts and
//! emoji need, and marks of texts that run from right to left, are not held against anyone.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use verdict::Risk;

use crate::Hit;

/// True for what has no shape of its own, and is left out of the normal form.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Tag,
    Selector,
    Override,
    Direction,
    Joiner,
    Blank,
}

fn sort(c: char) -> Option<Sort> {
    Some(match c {
        '\u{E0000}'..='\u{E007F}' => Sort::Tag,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => Sort::Selector,
        '\u{202D}' | '\u{202E}' => Sort::Override,
        '\u{202A}'..='\u{202C}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{61C}' => {
            Sort::Direction
        }
        '\u{200C}' | '\u{200D}' => Sort::Joiner,
        c if is_invisible(c) => Sort::Blank,
        _ => return None,
    })
}

fn hit(name: &'static str, span: Range<usize>, confidence: u8) -> Hit {
    let severity = if confidence >= 50 { Risk::Medium } else { Risk::Low };
    Hit { kind: "hidden_text", name: name.into(), span, severity, confidence, verified: None }
}

/// Adds what is hidden in the text.
pub fn find(text: &str, hits: &mut Vec<Hit>) {
    styles(text, hits);
    if text.is_ascii() {
        return;
    }
    let right_to_left = text
        .chars()
        .any(|c| matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}'));
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let Some(first) = sort(c) else {
            before = c;
            continue;
        };
        let (mut count, mut end, mut worst) = (1, at + c.len_utf8(), first);
        while let Some((next, c)) = chars.next_if(|(_, c)| sort(*c).is_some()) {
            count += 1;
            end = next + c.len_utf8();
            if sort(c) == Some(Sort::Override) {
                worst = Sort::Override;
            }
        }
        let after = chars.peek().map_or(' ', |(_, c)| *c);
        if let Some((name, confidence)) = judge(worst, count, (before, after), at, right_to_left) {
            hits.push(hit(name, at..end, confidence));
        }
    }
}

fn judge(
    sort: Sort,
    count: usize,
    around: (char, char),
    at: usize,
    right_to_left: bool,
) -> Option<(&'static str, u8)> {
    let (before, after) = around;
    let within = before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric();
    match sort {
        // A flag: a black one, and the letters of its region.
        Sort::Tag if before == '\u{1F3F4}' && count <= 8 => None,
        Sort::Tag => Some(("tag_characters", 95)),
        Sort::Selector if count >= 3 => Some(("variation_selectors", 90)),
        Sort::Selector => None,
        Sort::Override if right_to_left => Some(("bidi_override", 45)),
        Sort::Override => Some(("bidi_override", 80)),
        Sort::Direction if right_to_left => None,
        Sort::Direction if within || count >= 4 => Some(("bidi_control", 60)),
        Sort::Direction => Some(("bidi_control", 30)),
        _ if count >= 8 => Some(("zero_width", 95)),
        Sort::Joiner if !within => None,
        Sort::Joiner => Some(("zero_width", 70)),
        // A byte order mark.
        Sort::Blank if at == 0 && count == 1 => None,
        Sort::Blank if within => Some(("zero_width", 70)),
        Sort::Blank => Some(("zero_width", 35)),
    }
}

static STYLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("style="));

/// Styles that leave nothing to see, and what stands in them.
fn styles(text: &str, hits: &mut Vec<Hit>) {
    let mut done = 0;
    for at in STYLE.find_iter(text.as_bytes()) {
        if at < done {
            continue;
        }
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let style: Vec<u8> = rest
            .iter()
            .take(300)
            .take_while(|byte| **byte != b'>')
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(u8::to_ascii_lowercase)
            .collect();
        let hides = |what: &&[u8]| style.windows(what.len()).any(|part| part == *what);
        let ways: [&[u8]; 9] = [
            b"display:none",
            b"visibility:hidden",
            b"font-size:0;",
            b"font-size:0px",
            b"font-size:0\"",
            b"font-size:1px",
            b"opacity:0;",
            b"opacity:0\"",
            b"text-indent:-9",
        ];
        if !ways.iter().any(hides) {
            continue;
        }
        let open = rest.iter().take(600).position(|byte| *byte == b'>').unwrap_or(0);
        let inside = rest
            .get(open + 1..)
            .unwrap_or_default()
            .iter()
            .take(4000)
            .position(|byte| *byte == b'<')
            .unwrap_or(0);
        done = at + open + 1 + inside;
        // An empty element hides nothing.
        if inside >= 8 {
            hits.push(hit("invisible_style", at..done, 55));
        }
    }
}

/// What tag characters and variation selectors spell, each run with its place.
pub fn spelled(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    if text.is_ascii() {
        return Vec::new();
    }
    for (at, c) in text.char_indices() {
        let code = u32::from(c);
        let byte = match c {
            '\u{E0020}'..='\u{E007E}' => u8::try_from(code - 0xE0000).ok(),
            '\u{FE00}'..='\u{FE0F}' => u8::try_from(code - 0xFE00).ok(),
            '\u{E0100}'..='\u{E01EF}' => u8::try_from(code - 0xE0100 + 16).ok(),
            _ => None,
        };
        let Some(byte) = byte else { continue };
        match found.last_mut() {
            Some((span, bytes)) if span.end == at => {
                span.end = at + c.len_utf8();
                bytes.push(byte);
            }
            _ => found.push((at..at + c.len_utf8(), vec![byte])),
        }
    }
    found
        .into_iter()
        .filter(|(_, bytes)| bytes.len() >= 4)
        .filter_map(|(span, bytes)| Some((span, String::from_utf8(bytes).ok()?)))
        .collect()
}
