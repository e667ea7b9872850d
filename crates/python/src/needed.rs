//! What a text must hold so that a pattern can match it: words of which it has at least one.
//!
//! Answerable for never asking for more than the pattern does. Words are bytes of UTF-8 without their case: each is
//! [`fold`]ed. Knows nothing of how the words are looked for.

use std::collections::BTreeSet;

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Repetition};

/// A byte without its case. Some signs fall together with others: what is found by it is looked at again.
pub const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

/// Words of which one is in every text that matches; none at all where no text matches.
pub type Words = BTreeSet<Vec<u8>>;

/// How many ways to write a part are followed.
const WAYS: usize = 32;
/// How many words one pattern may need one of.
const MOST: usize = 64;
/// How long a word may get before its end is of no further use.
const LONG: usize = 256;

/// Words of which one is in every text that matches. `None`: there are none of `shortest` bytes or more. Beyond
/// `best` bytes a word is no better than another.
pub fn needed(pattern: &str, shortest: usize, best: usize) -> Option<Words> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let seeker = Seeker { shortest, best };
    let part = seeker.part(&hir);
    seeker.better(part.exact, part.within)
}

/// A part of a pattern.
struct Part {
    /// All that it matches, if that is little.
    exact: Option<Words>,
    /// What stands somewhere in all that it matches.
    within: Option<Words>,
}

impl Part {
    const fn exactly(words: Words) -> Self {
        Self { exact: Some(words), within: None }
    }

    const fn anything() -> Self {
        Self { exact: None, within: None }
    }
}

struct Seeker {
    shortest: usize,
    best: usize,
}

fn empty() -> Words {
    Words::from([Vec::new()])
}

fn product(left: &Words, right: &Words) -> Option<Words> {
    if left.len().saturating_mul(right.len()) > WAYS || left.iter().any(|it| it.len() > LONG) {
        return None;
    }
    Some(left.iter().flat_map(|a| right.iter().map(move |b| [a.as_slice(), b].concat())).collect())
}

impl Seeker {
    /// The more telling of two: longer words first, then fewer of them.
    fn better(&self, one: Option<Words>, other: Option<Words>) -> Option<Words> {
        let worth = |words: &Words| {
            let shortest = words.iter().map(Vec::len).min().unwrap_or(usize::MAX);
            (shortest.min(self.best), usize::MAX - words.len())
        };
        let usable = |words: &Words| worth(words).0 >= self.shortest.min(self.best) && words.len() <= MOST;
        [one, other].into_iter().flatten().filter(usable).max_by_key(worth)
    }

    fn part(&self, hir: &Hir) -> Part {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Part::exactly(empty()),
            HirKind::Literal(literal) => Part::exactly(Words::from([folded(&literal.0)])),
            HirKind::Class(class) => one_of(class),
            HirKind::Repetition(repetition) => self.repeated(repetition),
            HirKind::Capture(Capture { sub, .. }) => self.part(sub),
            HirKind::Concat(parts) => self.row(parts.iter().map(|it| self.part(it))),
            HirKind::Alternation(parts) => self.either(parts),
        }
    }

    fn repeated(&self, Repetition { min, max, sub, .. }: &Repetition) -> Part {
        let part = self.part(sub);
        match (min, max) {
            (_, Some(0)) => Part::exactly(empty()),
            (0, Some(1)) => match part.exact {
                Some(mut words) if words.len() < WAYS => {
                    words.insert(Vec::new());
                    Part::exactly(words)
                }
                _ => Part::anything(),
            },
            (0, _) => Part::anything(),
            (min, max) => {
                let times = usize::try_from(*min).unwrap_or(usize::MAX).min(self.best);
                let Some(words) = part.exact else { return part };
                let row = (0..times).map(|_| Part::exactly(words.clone()));
                let mut row = self.row(row);
                if *max != Some(*min) || u32::try_from(times) != Ok(*min) {
                    row = Part { within: self.better(row.exact, row.within), exact: None };
                }
                row
            }
        }
    }

    /// Parts one behind the other.
    fn row(&self, parts: impl Iterator<Item = Part>) -> Part {
        let mut run = empty();
        let mut within = None;
        let mut whole = true;
        for part in parts {
            let Some(words) = part.exact else {
                whole = false;
                within = self.better(within, self.better(Some(run), part.within));
                run = empty();
                continue;
            };
            run = match product(&run, &words) {
                Some(longer) => longer,
                None => {
                    whole = false;
                    within = self.better(within, Some(run));
                    words
                }
            };
        }
        if whole { Part::exactly(run) } else { Part { exact: None, within: self.better(within, Some(run)) } }
    }

    fn either(&self, parts: &[Hir]) -> Part {
        let parts: Vec<Part> = parts.iter().map(|it| self.part(it)).collect();
        let exact: Option<Vec<&Words>> = parts.iter().map(|it| it.exact.as_ref()).collect();
        if let Some(exact) = exact {
            let all: Words = exact.into_iter().flatten().cloned().collect();
            if all.len() <= WAYS {
                return Part::exactly(all);
            }
        }
        let within: Option<Vec<Words>> =
            parts.into_iter().map(|it| self.better(it.exact, it.within)).collect();
        Part { exact: None, within: within.map(|it| it.into_iter().flatten().collect()) }
    }
}

fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().map(fold).collect()
}

/// What a class takes, if that is little.
fn one_of(class: &Class) -> Part {
    let few: Vec<Vec<u8>> = match class {
        Class::Unicode(class) => {
            let all = class.iter().flat_map(|range| range.start()..=range.end());
            all.take(WAYS).map(|it| folded(it.encode_utf8(&mut [0; 4]).as_bytes())).collect()
        }
        Class::Bytes(class) => {
            let all = class.iter().flat_map(|range| range.start()..=range.end());
            all.take(WAYS).map(|it| vec![fold(it)]).collect()
        }
    };
    if few.len() < WAYS { Part::exactly(few.into_iter().collect()) } else { Part::anything() }
}
