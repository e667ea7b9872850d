//! What a token looks like: an anchor that is searched for, and what must stand before and behind it.
//!
//! Answerable for reading shapes and for matching one at a place, in time bounded by the shape's own length.
//! A shape is a small regular language that needs no backtracking: every item takes all it can, once. Knows
//! no provider.
//!
//! `[a-z]`, `{n}`, `{n,m}`, `?`, `(one|other)` and plain characters mean what they mean elsewhere; `\d` digits, `\h`
//! lower and `\x` any hexadecimal, `\a` letters and digits, `\u` upper and `\l` lower letters with digits,
//! `\w` word characters, `\t` those and `-`, `\s` white space, `\b` base64, `\v` whatever is visible and closes nothing. `^` stands where the value begins, if what is
//! before it only leads there; a leading `(?i)` folds case.

use std::ops::Range;

/// A set of ASCII characters: a bit each.
pub type Set = u128;

/// The most that an unbounded item takes.
const MOST: u16 = 2048;

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(Vec<u8>),
    OneOf(Vec<Vec<u8>>, bool),
    Run { set: Set, least: u16, most: u16 },
    Start,
}

/// What a token looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Matched backwards from the anchor: the nearest first.
    lead: Vec<Item>,
    /// What is searched for.
    anchor: Vec<u8>,
    tail: Vec<Item>,
    fold: bool,
    /// What the last item takes: what follows the token must be none of it.
    last: Set,
}

fn bit(byte: u8) -> Set {
    if byte < 128 { 1 << byte } else { 0 }
}

fn range(from: u8, to: u8) -> Set {
    (from..=to).fold(0, |set, byte| set | bit(byte))
}

/// Whether the character is in the set.
pub fn has(set: Set, byte: u8) -> bool {
    set & bit(byte) != 0
}

fn shorthand(letter: u8) -> Option<Set> {
    let (digits, lower, upper) = (range(b'0', b'9'), range(b'a', b'z'), range(b'A', b'Z'));
    Some(match letter {
        b'd' => digits,
        b'h' => digits | range(b'a', b'f'),
        b'x' => digits | range(b'a', b'f') | range(b'A', b'F'),
        b'a' => digits | lower | upper,
        b'u' => digits | upper,
        b'l' => digits | lower,
        b'w' => digits | lower | upper | bit(b'_'),
        b't' => digits | lower | upper | bit(b'_') | bit(b'-'),
        b's' => bit(b' ') | bit(b'\t') | bit(b'\r') | bit(b'\n'),
        b'b' => digits | lower | upper | bit(b'+') | bit(b'/'),
        b'v' => range(b'!', b'~') & !b"\"'`<>,;)".iter().fold(0, |set, byte| set | bit(*byte)),
        _ => return None,
    })
}

/// Reads shapes.
struct Reader<'t> {
    rest: &'t [u8],
    items: Vec<Item>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn set(&mut self) -> Option<Set> {
        let mut set = 0;
        loop {
            let byte = match self.next()? {
                b']' => return Some(set),
                b'\\' => {
                    let letter = self.next()?;
                    if let Some(more) = shorthand(letter) {
                        set |= more;
                        continue;
                    }
                    letter
                }
                byte => byte,
            };
            match self.rest {
                [b'-', to, ..] if *to != b']' => {
                    set |= range(byte, *to);
                    self.rest = self.rest.get(2..).unwrap_or_default();
                }
                _ => set |= bit(byte),
            }
        }
    }

    fn number(&mut self) -> u16 {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number
            .iter()
            .fold(0, |sum: u16, digit| sum.saturating_mul(10).saturating_add(u16::from(digit - b'0')))
    }

    fn counted(&mut self) -> Option<(u16, u16)> {
        match self.rest.first() {
            Some(b'?') => {
                self.next();
                Some((0, 1))
            }
            Some(b'{') => {
                self.next();
                let least = self.number();
                let most = match self.next()? {
                    b'}' => return Some((least, least)),
                    _ if self.rest.first() == Some(&b'}') => MOST,
                    _ => self.number(),
                };
                self.next();
                Some((least, most))
            }
            _ => Some((1, 1)),
        }
    }

    fn run(&mut self, set: Set) -> Option<()> {
        let (least, most) = self.counted()?;
        self.items.push(Item::Run { set, least, most });
        Some(())
    }

    fn one_of(&mut self) -> Option<()> {
        let mut words = vec![Vec::new()];
        loop {
            match self.next()? {
                b')' => break,
                b'|' => words.push(Vec::new()),
                byte => words.last_mut()?.push(byte),
            }
        }
        let optional = self.rest.first() == Some(&b'?');
        if optional {
            self.next();
        }
        // The longest first, so that no backtracking is needed.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        self.items.push(Item::OneOf(words, optional));
        Some(())
    }

    fn plain(&mut self, byte: u8) -> Option<()> {
        if matches!(self.rest.first(), Some(b'?' | b'{')) {
            return self.run(bit(byte));
        }
        if let Some(Item::Literal(text)) = self.items.last_mut() {
            text.push(byte);
        } else {
            self.items.push(Item::Literal(vec![byte]));
        }
        Some(())
    }

    fn read(mut self) -> Option<Vec<Item>> {
        while let Some(byte) = self.next() {
            match byte {
                b'[' => {
                    let set = self.set()?;
                    self.run(set)?;
                }
                b'\\' => {
                    let letter = self.next()?;
                    match shorthand(letter) {
                        Some(set) => self.run(set)?,
                        None => self.plain(letter)?,
                    }
                }
                b'(' => self.one_of()?,
                b'^' => self.items.push(Item::Start),
                byte => self.plain(byte)?,
            }
        }
        Some(self.items)
    }
}

impl Shape {
    /// Reads a shape; absent if it is none, or nothing in it can be searched for.
    pub fn read(text: &str) -> Option<Self> {
        let (fold, text) = match text.strip_prefix("(?i)") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut items = Reader { rest: text.as_bytes(), items: Vec::new() }.read()?;
        if fold {
            items.iter_mut().for_each(fold_item);
        }
        let last = match items.last() {
            Some(Item::Run { set, .. }) => *set,
            _ => 0,
        };
        let literal = |item: &Item| if let Item::Literal(text) = item { text.len() } else { 0 };
        // The first that is long enough to be rare, or else of the longest ones the first. One letter again and again
        // is in every picture.
        let dull = |item: &Item| matches!(item, Item::Literal(text) if text.iter().all(|byte| text.first() == Some(byte)));
        let rare = items.iter().position(|item| literal(item) >= 4 && !dull(item));
        let at =
            rare.or_else(|| (0..items.len()).rev().max_by_key(|at| items.get(*at).map_or(0, literal)))?;
        let tail = items.split_off(at + 1);
        let anchor = match items.pop() {
            Some(Item::Literal(text)) => text,
            // Nothing to search for: good for whole values only.
            Some(other) => {
                items.push(other);
                items.extend(tail);
                return Some(Self { lead: Vec::new(), anchor: Vec::new(), tail: items, fold, last });
            }
            None => return None,
        };
        items.reverse();
        Some(Self { lead: items, anchor, tail, fold, last })
    }

    /// What to search for, in lower case.
    pub fn anchor(&self) -> Vec<u8> {
        self.anchor.to_ascii_lowercase()
    }

    /// Which ASCII characters may follow the anchor, one set for each place, as far as that is certain.
    pub fn follows(&self) -> Vec<Set> {
        match self.tail.first() {
            Some(Item::Run { set, least, .. }) => vec![*set; usize::from(*least).min(4)],
            _ => Vec::new(),
        }
    }

    /// The value, if there is a token around the anchor that begins at `at`.
    pub fn find(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        // What stands in a row of its own letters is told by the byte before it.
        if self.lead.is_empty() && !self.opens(text, at) {
            return None;
        }
        let end = self.literal(text, at, &self.anchor)?;
        let (from, before) = self.backwards(text, at)?;
        if !self.lead.is_empty() && !self.opens(text, from) {
            return None;
        }
        let (to, behind) = self.forwards(text, end)?;
        let closing = text.get(to);
        let closes = self.last == 0
            || outside(closing) && closing.is_none_or(|byte| !has(self.last, *byte) || self.open_end());
        closes.then(|| before.or(behind).unwrap_or(from)..to)
    }

    /// Whether a token may begin at `from`, for what stands before it.
    fn opens(&self, text: &[u8], from: usize) -> bool {
        let Some(first) = text.get(from) else { return false };
        if !(first.is_ascii_alphanumeric() || *first == b'_') {
            return true;
        }
        let before = |far: usize| from.checked_sub(far).and_then(|at| text.get(at));
        let joins = self.last & (bit(b'-') | bit(b'+'));
        let escaped = || matches!(before(1), Some(b'n' | b'r' | b't')) && before(2) == Some(&b'\\');
        outside(before(1)) && before(1).is_none_or(|byte| !has(joins, *byte)) || escaped()
    }

    fn open_end(&self) -> bool {
        matches!(self.tail.last(), Some(Item::Run { most, .. }) if *most == MOST)
    }

    /// True if the whole value looks like this.
    pub fn is(&self, value: &[u8]) -> bool {
        if self.anchor.is_empty() {
            return self.forwards(value, 0).is_some_and(|(to, _)| to == value.len());
        }
        // The lead is short and of fixed length wherever a shape is used for whole values.
        let width: usize = self.lead.iter().map(width).sum();
        let whole = |at| {
            let end = self.literal(value, at, &self.anchor)?;
            let (from, _) = self.backwards(value, at)?;
            let (to, _) = self.forwards(value, end)?;
            (from == 0 && to == value.len()).then_some(())
        };
        whole(width).is_some()
    }

    fn literal(&self, text: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
        let end = at.checked_add(literal.len())?;
        let here = text.get(at..end)?;
        let same = if self.fold { here.eq_ignore_ascii_case(literal) } else { here == literal };
        same.then_some(end)
    }

    fn forwards(&self, text: &[u8], mut at: usize) -> Option<(usize, Option<usize>)> {
        let mut start = None;
        for item in &self.tail {
            match item {
                Item::Start => start = Some(at),
                Item::Literal(literal) => at = self.literal(text, at, literal)?,
                Item::OneOf(words, optional) => {
                    match words.iter().find_map(|word| self.literal(text, at, word)) {
                        Some(end) => at = end,
                        None if *optional => {}
                        None => return None,
                    }
                }
                Item::Run { set, least, most } => {
                    let rest = text.get(at..).unwrap_or_default();
                    let took =
                        rest.iter().take(usize::from(*most)).take_while(|byte| has(*set, **byte)).count();
                    if took < usize::from(*least) {
                        return None;
                    }
                    at += took;
                }
            }
        }
        Some((at, start))
    }

    fn backwards(&self, text: &[u8], mut at: usize) -> Option<(usize, Option<usize>)> {
        let mut start = None;
        for item in &self.lead {
            match item {
                Item::Start => start = Some(at),
                Item::Literal(literal) => {
                    let from = at.checked_sub(literal.len())?;
                    self.literal(text, from, literal)?;
                    at = from;
                }
                Item::OneOf(words, optional) => {
                    let from = words.iter().find_map(|word| {
                        let from = at.checked_sub(word.len())?;
                        self.literal(text, from, word).map(|_| from)
                    });
                    match from {
                        Some(from) => at = from,
                        None if *optional => {}
                        None => return None,
                    }
                }
                Item::Run { set, least, most } => {
                    let before = text.get(..at).unwrap_or_default();
                    let took = before
                        .iter()
                        .rev()
                        .take(usize::from(*most))
                        .take_while(|byte| has(*set, **byte))
                        .count();
                    if took < usize::from(*least) {
                        return None;
                    }
                    at -= took;
                }
            }
        }
        Some((at, start))
    }
}

/// Whether a byte belongs to no word.
fn outside(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

fn fold_item(item: &mut Item) {
    if let Item::Run { set, .. } = item {
        for (lower, upper) in (b'a'..=b'z').zip(b'A'..=b'Z') {
            if has(*set, lower) || has(*set, upper) {
                *set |= bit(lower) | bit(upper);
            }
        }
    }
}

fn width(item: &Item) -> usize {
    match item {
        Item::Literal(text) => text.len(),
        Item::OneOf(words, _) => words.first().map_or(0, Vec::len),
        Item::Run { least, .. } => usize::from(*least),
        Item::Start => 0,
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test fails by panicking")]
mod tests {
    use super::Shape;

    fn found(shape: &str, text: &str) -> Option<String> {
        let shape = Shape::read(shape).unwrap();
        let anchor = shape.anchor();
        let lower = text.to_ascii_lowercase();
        let at = lower.as_bytes().windows(anchor.len()).position(|part| part == anchor)?;
        shape.find(text.as_bytes(), at).map(|span| text[span].to_owned())
    }

    #[test]
    fn shapes_take_what_they_say() {
        let cases = [
            (r"abc_\d{3}", "x abc_123 y", Some("abc_123")),
            (r"abc_\d{3}", "x abc_1234 y", None),
            (r"abc_\d{3}", "xabc_123", None),
            (r"abc_\d{3}", r"x\nabc_123", Some("abc_123")),
            (r"[a-c]{2}\dQ~\a{2,4}", "'ab3Q~xyz'", Some("ab3Q~xyz")),
            (r"Key=^\b{4}==", "Key=ab+/==;", Some("ab+/==")),
            (r"(?i)KEY-\h{2}", "key-FF", Some("key-FF")),
            (r"pre_(test|live)_\a{2}", "pre_live_a1", Some("pre_live_a1")),
            (r"fc-\t{3,5}", "fc-a-b-cdef", None),
        ];
        for (shape, text, expected) in cases {
            assert_eq!(found(shape, text).as_deref(), expected, "{shape} in {text}");
        }
        assert!(Shape::read(r"\h{4}-\h{2}").unwrap().is(b"abcd-12"));
        assert!(!Shape::read(r"\h{4}-\h{2}").unwrap().is(b"abcd-123"));
    }
}
