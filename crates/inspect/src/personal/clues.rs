//! What is said near a number that tells what it is: `ssn`, `Steuer-ID`, `电话`.
//!
//! Answerable for finding such words, by class, around a place. Reads every byte of a text once at most,
//! however often it is asked, and none where nothing looks like a number that needs it.

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

use super::phrases::Phrases;

const TABLE: &str = include_str!("../../data/personal_clues.tsv");
const BEFORE: usize = 72;
const AFTER: usize = 32;
/// Between a label and what it labels.
const LABEL: usize = 26;

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes([u128; 2]);

impl Classes {
    fn bit(at: usize) -> Self {
        let bit = 1_u128 << (at % 128);
        match at / 128 {
            0 => Self([bit, 0]),
            1 => Self([0, bit]),
            _ => Self::default(),
        }
    }

    /// Whether some class is in both.
    pub(super) fn meets(self, other: Self) -> bool {
        let (Self([a, b]), Self([c, d])) = (self, other);
        a & c != 0 || b & d != 0
    }
}

impl std::ops::BitOr for Classes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        let (Self([a, b]), Self([c, d])) = (self, other);
        Self([a | c, b | d])
    }
}

impl std::ops::BitOrAssign for Classes {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

struct Words {
    classes: HashMap<&'static str, Classes>,
    phrases: Phrases,
    /// For each phrase: its class, and whether its last word may go on.
    meanings: Vec<(Classes, bool)>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut classes = HashMap::new();
    let mut texts: Vec<String> = Vec::new();
    let mut meanings = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let Some((class, phrases)) = line.split_once('\t') else { continue };
        let bit = Classes::bit(classes.len());
        classes.insert(class, bit);
        for phrase in phrases.split(';').map(str::trim) {
            for text in spellings(phrase.trim_end_matches('*')) {
                texts.push(text);
                meanings.push((bit, phrase.ends_with('*')));
            }
        }
    }
    Words { classes, phrases: Phrases::of(texts), meanings }
});

/// A phrase as it is written between words and in names of fields, and with other capitals if not all of it
/// is ASCII.
fn spellings(phrase: &str) -> Vec<String> {
    let mut found = vec![phrase.to_owned()];
    if phrase.contains(' ') {
        found.extend(["_", "-", ""].map(|joint| phrase.replace(' ', joint)));
    }
    if !phrase.is_ascii() {
        let mut letters = phrase.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        found.extend([first + letters.as_str(), phrase.to_uppercase()]);
    }
    found.sort();
    found.dedup();
    found
}

/// The bit of a class; none if there is no such class.
pub(super) fn class(name: &str) -> Classes {
    WORDS.classes.get(name).copied().unwrap_or_default()
}

#[derive(Clone, Copy)]
struct Clue {
    start: usize,
    end: usize,
    classes: Classes,
}

/// What is known of the words around one place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Classes of clues somewhere near.
    pub near: Classes,
    /// Classes of the nearest clue before it.
    pub nearest: Classes,
    /// Classes of clues that stand right behind it.
    pub behind: Classes,
    /// Classes of clues that stand right before it, as a label does.
    pub label: Classes,
}

impl Told {
    /// The same, with what the field's name tells: it labels what stands in it.
    pub(super) fn in_field(mut self, classes: Classes) -> Self {
        self.near |= classes;
        self.nearest |= classes;
        self.label |= classes;
        self
    }
}

/// The clues of one text, found as far as they were asked for.
pub(super) struct Clues<'t> {
    bytes: &'t [u8],
    read: usize,
    found: VecDeque<Clue>,
    /// What was last told of what stands before a place.
    last: Option<(usize, Told)>,
}

impl<'t> Clues<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), read: 0, found: VecDeque::new(), last: None }
    }

    /// The classes that a name of a field speaks of.
    pub(super) fn in_name(name: &str) -> Classes {
        let mut clues = Clues::of(name);
        clues.read_to(0, name.len());
        clues.found.iter().fold(Classes::default(), |all, clue| all | clue.classes)
    }

    /// What is told around `start..end`. Places must be asked for in order, or nearly so.
    pub(super) fn around(&mut self, start: usize, end: usize) -> Told {
        let from = start.saturating_sub(BEFORE);
        self.read_to(from, (end + AFTER).min(self.bytes.len()));
        let mut told = match self.last {
            Some((at, told)) if at == start => told,
            _ => self.before(from, start),
        };
        self.last = Some((start, told));
        for clue in self.found.iter().rev().take_while(|clue| clue.end > start) {
            if clue.start >= end && clue.end <= end + AFTER && self.belongs(end, clue) {
                told.near |= clue.classes;
                // `2546712361 fax`: as near as can be.
                if clue.start <= end + 2 {
                    told.behind |= clue.classes;
                }
            }
        }
        told
    }

    fn before(&mut self, from: usize, start: usize) -> Told {
        while self.found.front().is_some_and(|clue| clue.end + BEFORE + 16 < start) {
            self.found.pop_front();
        }
        let mut told = Told::default();
        let mut last = 0;
        for clue in self.found.iter().take_while(|clue| clue.end <= start).filter(|clue| clue.start >= from) {
            told.near |= clue.classes;
            if clue.end > last {
                (last, told.nearest) = (clue.end, clue.classes);
            } else if clue.end == last {
                told.nearest |= clue.classes;
            }
            if self.labels(clue.end, start) {
                told.label |= clue.classes;
            }
        }
        told
    }

    /// Whether what stands between a clue and a number lets it be the number's label.
    fn labels(&self, end: usize, start: usize) -> bool {
        start - end <= LABEL
            && self.bytes.get(end..start).is_some_and(|gap| {
                !gap.iter()
                    .any(|byte| byte.is_ascii_digit() || matches!(byte, b'\n' | b';' | b',' | b'}' | b']'))
            })
    }

    /// Whether a clue behind a number speaks of it, and is not the label of what comes next.
    fn belongs(&self, end: usize, clue: &Clue) -> bool {
        let gap = self.bytes.get(end..clue.start).unwrap_or_default();
        let next = self.bytes.get(clue.end..).unwrap_or_default();
        let next = next.iter().find(|byte| !matches!(byte, b' ' | b'"' | b'\''));
        !gap.iter().any(|byte| matches!(byte, b'\n' | b',' | b';' | b'{' | b'}' | b'"'))
            && !matches!(next, Some(b':' | b'=' | b'#'))
    }

    fn read_to(&mut self, from: usize, to: usize) {
        if to <= self.read {
            return;
        }
        // Where nothing was asked for, nothing is read.
        let words = &*WORDS;
        for start in self.read.max(from)..to {
            if !self.begins(start) || !words.phrases.may_begin(self.byte(start)) {
                continue;
            }
            words.phrases.each(self.bytes.get(start..).unwrap_or_default(), |number, length| {
                let end = start + length;
                if let Some((classes, open)) = words.meanings.get(number)
                    && (*open || self.ends(end))
                {
                    // In the order of their ends, of which a short one may come after a long one's.
                    let later = self.found.iter().rev().take_while(|clue| clue.end > end).count();
                    let clue = Clue { start, end, classes: *classes };
                    self.found.insert(self.found.len() - later, clue);
                }
            });
        }
        self.read = to;
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// Whether a word begins at `at`: after no letter, or with a capital after a small one.
    fn begins(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).and_then(|at| self.bytes.get(at)) else { return true };
        let here = self.byte(at);
        !here.is_ascii()
            || !(before.is_ascii_alphanumeric())
            || (here.is_ascii_uppercase() && before.is_ascii_lowercase())
    }

    /// Whether a word ends at `at`; a plural is as good.
    fn ends(&self, at: usize) -> bool {
        let letter = |at: usize| self.bytes.get(at).is_some_and(|it| it.is_ascii_alphabetic());
        let last = at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied().unwrap_or(0);
        let here = self.byte(at);
        !last.is_ascii()
            || !letter(at)
            || (here.is_ascii_uppercase() && last.is_ascii_lowercase())
            || (matches!(here, b's' | b'S') && !letter(at + 1))
    }
}
