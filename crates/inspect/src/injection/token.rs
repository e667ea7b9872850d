//! The words of a suspicious stretch, in full and in lower case.
//!
//! Slower than the fast pass and run only where that saw a trigger. Agrees with it on what a word is; knows
//! no phrase.

use std::ops::Range;

/// A word of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Where it stands in the text.
    pub span: Range<usize>,
    /// Where its lower-case form stands among all of them.
    form: Range<usize>,
}

/// The words of a stretch, in order.
pub(super) struct Tokens {
    /// The words.
    pub list: Vec<Token>,
    forms: String,
}

impl Tokens {
    /// The words of `text` between two bytes, both at borders of characters.
    pub fn of(text: &str, stretch: Range<usize>) -> Self {
        let part = text.get(stretch.clone()).unwrap_or_default();
        let mut tokens =
            Self { list: Vec::with_capacity(part.len() / 4), forms: String::with_capacity(part.len()) };
        let mut open: Option<Token> = None;
        for (at, letter) in part.char_indices() {
            let at = at + stretch.start;
            let sort = sort(letter);
            if sort != Sort::Letter {
                tokens.list.extend(open.take());
            }
            if sort == Sort::Gap {
                continue;
            }
            let from = tokens.forms.len();
            let token = open.get_or_insert(Token { span: at..at, form: from..from });
            if letter.is_ascii() {
                tokens.forms.push(letter.to_ascii_lowercase());
            } else {
                tokens.forms.extend(letter.to_lowercase());
            }
            token.span.end = at + letter.len_utf8();
            token.form.end = tokens.forms.len();
            if sort == Sort::Alone {
                tokens.list.extend(open.take());
            }
        }
        tokens.list.extend(open);
        tokens
    }

    /// A word in lower case.
    pub fn form(&self, token: &Token) -> &str {
        self.forms.get(token.form.clone()).unwrap_or_default()
    }
}

/// The words of a word of the table: one, unless it is of a script that has no spaces.
pub(super) fn split(word: &'static str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find(|letter| sort(letter) == Sort::Alone) {
        let (before, from) = rest.split_at(at);
        let (one, after) = from.split_at(from.chars().next().map_or(0, char::len_utf8));
        parts.extend([before, one].into_iter().filter(|part| !part.is_empty()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// What a character is to a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Part of a word.
    Letter,
    /// A word of its own.
    Alone,
    /// Between words.
    Gap,
}

fn sort(letter: char) -> Sort {
    match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Sort::Letter,
        '\0'..='\u{bf}' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{303f}' => Sort::Gap,
        // Arabic and Indian commas, stops and question marks.
        '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{964}' | '\u{965}' => Sort::Gap,
        '\u{2c00}'..='\u{d7ff}' => Sort::Alone,
        '\u{fe10}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' => Sort::Gap,
        _ => Sort::Letter,
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    fn forms(text: &str) -> Vec<String> {
        let tokens = Tokens::of(text, 0..text.len());
        tokens.list.iter().map(|token| tokens.form(token).to_owned()).collect()
    }

    #[test]
    fn words_are_in_lower_case_whatever_stands_between_them() {
        assert_eq!(forms("Ignore\n\n*ALL* — previous"), ["ignore", "all", "previous"]);
        assert_eq!(forms("Игнорируй"), ["игнорируй"]);
        assert_eq!(forms("忽略之前,x"), ["忽", "略", "之", "前", "x"]);
        assert_eq!(forms("निर्देशों को"), ["निर्देशों", "को"]);
    }
}
