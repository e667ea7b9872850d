//! The tree of a text, if it can be had for a price in proportion to the text.
//!
//! Answerable for giving up early: the parser mends errors at a price that grows with the text before them, and
//! looks again and again at long rows of blanks. Its own account of what it does is counted, so that the same text
//! always ends the same way. Knows nothing of what a tree means.

use std::cell::Cell;
use std::rc::Rc;

use tree_sitter::{LogType, ParseOptions, ParseState, Parser, Tree};

use super::Language;

/// The longest text that is read, in bytes; what is longer is unknown.
pub const LONGEST: usize = 24 * 1024;
/// Up to this length a text costs little whatever it is, and less than counting.
const SHORT: usize = 512;
/// How often the parser may ask whether it should go on with a short text.
const PATIENCE: u32 = 128;
/// How much a parser may do for each byte, and for any text. Twice what people's programs need.
const STEPS: usize = 6;
const FIRST_STEPS: usize = 8 * 1024;
/// How often it may be in trouble. Programs of people are not, or a few times.
const TROUBLES: usize = 400;
/// The longest row of blanks and continued lines.
const BLANKS: usize = 512;

/// The tree; absent if the text is too tangled to be worth it.
pub(super) fn parse(text: &str, language: Language) -> Option<Tree> {
    let bytes = text.as_bytes();
    if bytes.len() > LONGEST || blanks(bytes) > BLANKS {
        return None;
    }
    let grammar = match language {
        Language::Python => tree_sitter_python::LANGUAGE,
        Language::JavaScript => tree_sitter_javascript::LANGUAGE,
    };
    let mut parser = Parser::new();
    parser.set_language(&grammar.into()).ok()?;
    if bytes.len() > SHORT {
        return counted(&mut parser, bytes);
    }
    let mut asked = 0;
    let mut stop = |_: &ParseState| {
        asked += 1;
        asked > PATIENCE
    };
    let options = ParseOptions::new().progress_callback(&mut stop);
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
}

/// The tree, if the parser tells of no more than it may do.
fn counted(parser: &mut Parser, bytes: &[u8]) -> Option<Tree> {
    let steps = Rc::new(Cell::new(STEPS * bytes.len() + FIRST_STEPS));
    let troubles = Rc::new(Cell::new(TROUBLES));
    let (steps_left, troubles_left) = (Rc::clone(&steps), Rc::clone(&troubles));
    parser.set_logger(Some(Box::new(move |kind, said| {
        steps_left.set(steps_left.get().saturating_sub(1));
        let trouble = ["detect_error", "skip_token", "recover"];
        if kind == LogType::Parse && trouble.iter().any(|word| said.starts_with(word)) {
            troubles_left.set(troubles_left.get().saturating_sub(1));
        }
    })));
    let is_over = || steps.get() == 0 || troubles.get() == 0;
    let mut stop = |_: &ParseState| is_over();
    let options = ParseOptions::new().progress_callback(&mut stop);
    // It asks only now and then; a text that has ended is no more work until then.
    let mut read = |at: usize, _| if is_over() { &[] } else { bytes.get(at..).unwrap_or_default() };
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    tree.filter(|_| !is_over())
}

/// How long the longest row of blanks is.
fn blanks(bytes: &[u8]) -> usize {
    let (mut row, mut longest) = (0, 0);
    for byte in bytes {
        row = if matches!(byte, b' ' | b'\t'..=b'\r' | b'\\') { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest
}
