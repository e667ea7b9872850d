//! Text that people do not see: characters without width, tags, reversed writing, invisible styles.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;
use verdict::Risk;

use crate::Hit;

/// What a character that cannot be seen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// Joins, spaces and marks of no width. Some scripts and emoji need single ones.
    Width,
    /// Turns the direction of writing.
    Direction,
    /// A copy of ASCII that nothing shows.
    Tag,
    /// Chooses a form of the character before it; many of them in a row carry bytes.
    Variation,
}

/// Whether a character is never seen.
pub(super) fn unseen(c: char) -> Option<Unseen> {
    Some(match c {
        '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{206a}'..='\u{206f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{fff9}'..='\u{fffb}' => Unseen::Width,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Unseen::Direction,
        '\u{e0000}'..='\u{e007f}' => Unseen::Tag,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Unseen::Variation,
        _ => return None,
    })
}

/// The character that a tag stands for.
pub(super) fn of_tag(c: char) -> Option<char> {
    let code = u32::from(c).checked_sub(0xe0000)?;
    char::from_u32(code).filter(|c| (' '..='~').contains(c))
}

static STYLES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let styles = [
        "display:none",
        "display: none",
        "visibility:hidden",
        "visibility: hidden",
        "font-size:0",
        "font-size: 0",
        "opacity:0;",
        "opacity: 0;",
        "opacity:0\"",
        "color:transparent",
        "color: transparent",
    ];
    AhoCorasick::builder().ascii_case_insensitive(true).build(styles).ok()
});

/// Adds what is hidden in `text`. Spans are its bytes.
pub fn hidden(text: &str, hits: &mut Vec<Hit>) {
    if memchr::memmem::find(text.as_bytes(), b"style").is_some()
        && let Some(styles) = &*STYLES
    {
        hits.extend(styles.find_iter(text).map(|it| hit("style", 40, it.start()..it.end())));
    }
    if text.is_ascii() {
        return;
    }
    let mut run: Option<Run> = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let end = at.saturating_add(c.len_utf8());
        match (unseen(c), &mut run) {
            (Some(what), Some(run)) if run.end == at => run.add(what, end),
            (Some(what), _) => {
                close(run.take(), c, hits);
                let mut fresh = Run { start: at, end: at, count: 0, tags: 0, turns: 0, shapes: 0, before };
                fresh.add(what, end);
                run = Some(fresh);
            }
            (None, _) => {
                close(run.take(), c, hits);
                before = c;
            }
        }
    }
    close(run, ' ', hits);
}

/// Characters in a row that cannot be seen.
struct Run {
    start: usize,
    end: usize,
    count: usize,
    tags: usize,
    turns: usize,
    shapes: usize,
    /// What stands before them.
    before: char,
}

impl Run {
    fn add(&mut self, what: Unseen, end: usize) {
        self.end = end;
        self.count = self.count.saturating_add(1);
        let counter = match what {
            Unseen::Tag => &mut self.tags,
            Unseen::Direction => &mut self.turns,
            Unseen::Variation => &mut self.shapes,
            Unseen::Width => return,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What a run is: emoji and some scripts need single characters of no width, and a flag of tags; a word in Latin
/// letters needs none.
fn close(run: Option<Run>, after: char, hits: &mut Vec<Hit>) {
    let Some(run) = run else { return };
    let span = run.start..run.end;
    let in_word = run.before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric();
    if run.tags > 0 && !(run.before == '\u{1f3f4}' && run.tags <= 8) {
        hits.push(hit("tags", 95, span));
    } else if run.turns > 0 {
        hits.push(hit("direction", 60, span));
    } else if run.shapes > 2 {
        hits.push(hit("variations", 80, span));
    } else if run.count > 3 || in_word {
        hits.push(hit("zero_width", if run.count > 3 { 80 } else { 55 }, span));
    }
}

fn hit(name: &'static str, confidence: u8, span: Range<usize>) -> Hit {
    Hit {
        kind: "hidden_text",
        name: Cow::Borrowed(name),
        span,
        severity: Risk::High,
        confidence,
        verified: None,
    }
}
