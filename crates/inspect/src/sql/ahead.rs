//! What is checked before a text is parsed: whether two readers agree on its words, so that neither takes for a
//! comment what the other takes for code. Knows no grammar.

use sqlparser::tokenizer::{Token as Parsed, TokenWithSpan};

use super::Dialect;
use super::lex::{Kind, Token, lex};

/// The words outside strings and comments. Single letters are left out: they may be part of a literal (`x'00'`).
fn words<'t>(tokens: &'t [Token<'_>]) -> impl Iterator<Item = &'t str> {
    let words = tokens.iter().filter(|token| token.kind == Kind::Word);
    words.map(|token| token.text.trim_start_matches('#')).filter(|word| counts(word))
}

fn counts(word: &str) -> bool {
    word.len() > 1
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !word.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether the parser sees the same words as we do: then both see the same strings and comments.
pub(super) fn agrees(parsed: &[TokenWithSpan], ours: &[Token<'_>]) -> bool {
    let theirs = parsed.iter().filter_map(|token| match &token.token {
        Parsed::Word(word) if word.quote_style.is_none() => Some(word.value.as_str()),
        Parsed::Placeholder(name) => Some(name.as_str()),
        _ => None,
    });
    let theirs = theirs.map(|word| word.trim_start_matches(['@', '#', '$', ':'])).filter(|word| counts(word));
    theirs.eq(words(ours))
}

/// Whether a text of unknown dialect has other words in one dialect than in another.
pub(super) fn is_ambiguous(dialect: Dialect, text: &str, tokens: &[Token<'_>]) -> bool {
    if dialect.others().is_empty() || !is_suspicious(text.as_bytes()) {
        return false;
    }
    dialect.others().iter().any(|other| {
        let mut rules = other.rules();
        rules.brackets = false;
        !words(&lex(text, rules).tokens).eq(words(tokens))
    })
}

/// Whether anything is in a text that dialects cut differently.
fn is_suspicious(bytes: &[u8]) -> bool {
    let mut inside = false;
    for (at, byte) in bytes.iter().enumerate() {
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        match byte {
            b'\\' | b'#' | b'$' => return true,
            b'-' if next == b'-' && bytes.get(at + 2).is_some_and(|byte| !byte.is_ascii_whitespace()) => {
                return true;
            }
            b'/' if next == b'*' => {
                if inside || bytes.get(at + 2).is_some_and(|byte| matches!(byte, b'!' | b'M')) {
                    return true;
                }
                inside = true;
            }
            b'*' if next == b'/' => inside = false,
            b'q' | b'Q' if next == b'\'' => return true,
            _ => {}
        }
    }
    false
}
