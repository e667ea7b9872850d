//! Where words, strings and comments of a statement begin and end, as each dialect has it.
//!
//! Answerable for the lexical rules on which dialects disagree (backslashes, `#`, `--`, `/*! */`, `$$`, brackets),
//! and for bounding what a recursive parser is given. Knows no grammar.

/// What the dialects disagree on.
#[allow(clippy::struct_excessive_bools, reason = "each is an independent lexical rule")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// A backslash in a string takes away the meaning of what follows.
    pub backslash: bool,
    /// `#` begins a comment.
    pub hash: bool,
    /// `--` begins a comment only before white space.
    pub dashes_need_space: bool,
    /// `/* /* */ */` is one comment.
    pub nested: bool,
    /// `/*! code */` is code.
    pub versioned: bool,
    /// `$tag$ text $tag$`.
    pub dollar: bool,
    /// `[a name]`.
    pub brackets: bool,
    /// `q'[text]'`.
    pub delimited: bool,
    /// `E'\''`.
    pub escaped: bool,
    /// `'''text'''` and `r'text'`.
    pub tripled: bool,
    /// `#` may be part of a name.
    pub signs: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word: a keyword or a name.
    Word,
    /// A quoted name or a string: nothing in it is code.
    Quoted,
    /// A number, a parameter or a variable.
    Other,
    /// One sign.
    Sign(u8),
}

/// A token and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// The first byte of it.
    pub start: usize,
}

impl Token<'_> {
    /// Whether it is this bare word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this sign.
    pub fn sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

/// A text as tokens.
pub(super) struct Lexed<'a> {
    pub tokens: Vec<Token<'a>>,
    /// A string or a comment does not end, or brackets do not match.
    pub open: bool,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    rules: Rules,
    in_versioned: bool,
    open: bool,
}

/// Reads a text. Linear.
pub(super) fn lex(text: &str, rules: Rules) -> Lexed<'_> {
    let mut scanner =
        Scanner { text, bytes: text.as_bytes(), at: 0, rules, in_versioned: false, open: false };
    let mut tokens = Vec::with_capacity(text.len() / 5);
    while scanner.skip() {
        let start = scanner.at;
        let kind = scanner.token();
        if let Some(text) = scanner.text.get(start..scanner.at) {
            tokens.push(Token { kind, text, start });
        }
    }
    let open = scanner.open;
    Lexed { tokens, open }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Passes white space and comments; false at the end.
    fn skip(&mut self) -> bool {
        loop {
            let Some(&byte) = self.bytes.get(self.at) else { return false };
            match byte {
                b'-' if self.byte(1) == b'-' && self.dashes() => self.line(),
                b'#' if self.rules.hash => self.line(),
                b'/' if self.byte(1) == b'*' => self.comment(),
                b'*' if self.in_versioned && self.byte(1) == b'/' => {
                    self.in_versioned = false;
                    self.at += 2;
                }
                _ if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                _ => return true,
            }
        }
    }

    fn dashes(&self) -> bool {
        !self.rules.dashes_need_space || self.byte(2).is_ascii_whitespace() || self.byte(2) < b' '
    }

    fn line(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| *byte != b'\n') {
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        let bang = if self.byte(2) == b'M' { 3 } else { 2 };
        if self.rules.versioned && self.byte(bang) == b'!' && !self.in_versioned {
            self.in_versioned = true;
            self.at += bang + 1;
            while self.byte(0).is_ascii_digit() {
                self.at += 1;
            }
            return;
        }
        self.at += 2;
        let mut depth = 1_u32;
        while self.at < self.bytes.len() {
            match (self.byte(0), self.byte(1)) {
                (b'*', b'/') => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                (b'/', b'*') if self.rules.nested => {
                    self.at += 2;
                    depth += 1;
                }
                _ => self.at += 1,
            }
        }
        self.open = true;
    }

    fn token(&mut self) -> Kind {
        let byte = self.byte(0);
        match byte {
            b'\'' | b'"' => self.quoted(byte, self.rules.backslash),
            b'`' => self.quoted(b'`', false),
            b'[' if self.rules.brackets => self.quoted(b']', false),
            b'$' if self.rules.dollar => self.dollar(),
            b'0'..=b'9' => self.other(),
            b'#' if self.rules.signs && is_word(self.byte(1)) => self.word_after(1),
            b'$' => self.sign(byte),
            _ if is_word(byte) => self.word(),
            _ => self.sign(byte),
        }
    }

    fn sign(&mut self, byte: u8) -> Kind {
        self.at += 1;
        Kind::Sign(byte)
    }

    fn word_after(&mut self, signs: usize) -> Kind {
        self.at += signs;
        while is_word(self.byte(0)) || (self.rules.signs && self.byte(0) == b'#') {
            self.at += 1;
        }
        Kind::Word
    }

    fn other(&mut self) -> Kind {
        self.at += 1;
        while is_word(self.byte(0)) {
            self.at += 1;
        }
        Kind::Other
    }

    /// A word, or the letter before a string.
    fn word(&mut self) -> Kind {
        let quote = self.byte(1);
        if quote == b'\'' || (quote == b'"' && self.rules.tripled) {
            match self.byte(0) | 0x20 {
                b'e' if self.rules.escaped => return self.prefixed(1, true),
                b'n' | b'x' | b'b' | b'u' | b'_' => return self.prefixed(1, self.rules.backslash),
                b'r' if self.rules.tripled => return self.prefixed(1, true),
                b'q' if self.rules.delimited => return self.delimited(2),
                _ => {}
            }
        }
        if self.rules.delimited
            && self.byte(0) | 0x20 == b'n'
            && self.byte(1) | 0x20 == b'q'
            && self.byte(2) == b'\''
        {
            return self.delimited(3);
        }
        if self.byte(0) | 0x20 == b'u' && self.byte(1) == b'&' && self.byte(2) == b'\'' {
            return self.prefixed(2, false);
        }
        self.word_after(0)
    }

    fn prefixed(&mut self, letters: usize, backslash: bool) -> Kind {
        self.at += letters;
        self.quoted(self.byte(0), backslash)
    }

    fn quoted(&mut self, quote: u8, backslash: bool) -> Kind {
        let is_triple = self.rules.tripled && self.byte(1) == quote && self.byte(2) == quote;
        self.at += if is_triple { 3 } else { 1 };
        while self.at < self.bytes.len() {
            let byte = self.byte(0);
            if byte == b'\\' && backslash {
                self.at += 2;
            } else if byte != quote {
                self.at += 1;
            } else if is_triple {
                if self.byte(1) == quote && self.byte(2) == quote {
                    self.at += 3;
                    return Kind::Quoted;
                }
                self.at += 1;
            } else if self.byte(1) == quote && !self.rules.tripled {
                self.at += 2;
            } else {
                self.at += 1;
                return Kind::Quoted;
            }
        }
        self.at = self.bytes.len();
        self.open = true;
        Kind::Quoted
    }

    fn delimited(&mut self, before: usize) -> Kind {
        self.at += before;
        let end = match self.byte(0) {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            b'<' => b'>',
            same => same,
        };
        self.at += 1;
        while self.at < self.bytes.len() {
            if self.byte(0) == end && self.byte(1) == b'\'' {
                self.at += 2;
                return Kind::Quoted;
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
        self.open = true;
        Kind::Quoted
    }

    fn dollar(&mut self) -> Kind {
        let start = self.at;
        let mut end = start + 1;
        while self.bytes.get(end).is_some_and(|byte| is_word(*byte) && *byte != b'$') {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') || self.byte(1).is_ascii_digit() {
            return self.sign(b'$');
        }
        let tag = self.text.get(start..=end).unwrap_or("$$");
        let rest = self.text.get(end + 1..).unwrap_or_default();
        match rest.find(tag) {
            Some(at) => self.at = end + 1 + at + tag.len(),
            None => {
                self.at = self.bytes.len();
                self.open = true;
            }
        }
        Kind::Quoted
    }
}

/// How deep brackets may nest, how many joins may wait for their condition, how many tokens may follow one
/// another without a comma, and how many selects may be united.
const DEEPEST: usize = 40;
const WAITING: usize = 40;
const LONGEST: usize = 4_000;
const UNITED: usize = 1_000;

/// Whether a recursive parser may have it: nesting and chains of operators are bounded. Chains (`a or b or c`)
/// become trees as deep as they are long, and freeing those takes stack; joins wait for their condition in a
/// recursion of their own.
pub(super) fn is_shallow(tokens: &[Token<'_>]) -> bool {
    let mut runs = vec![0_usize];
    let (mut united, mut waiting) = (0_usize, 0_usize);
    let mut before: Option<&Token<'_>> = None;
    for token in tokens {
        match token.kind {
            Kind::Sign(b'(' | b'[' | b'{') => runs.push(0),
            Kind::Sign(b')' | b']' | b'}') if runs.len() > 1 => {
                runs.pop();
            }
            Kind::Sign(b';') => {
                runs = vec![0];
                (united, waiting) = (0, 0);
            }
            Kind::Sign(b',') => {
                if let Some(run) = runs.last_mut() {
                    *run = 0;
                }
            }
            Kind::Word => match token.text.len() {
                2 | 5 if token.is("on") || token.is("using") => waiting = waiting.saturating_sub(1),
                4 if token.is("join") => {
                    let waits = before.is_none_or(|before| !before.is("cross") && !before.is("natural"));
                    waiting += usize::from(waits);
                }
                5 | 6 | 9 if token.is("union") || token.is("except") || token.is("intersect") => united += 1,
                _ => {}
            },
            _ => {}
        }
        if let Some(run) = runs.last_mut() {
            *run += 1;
            if *run > LONGEST {
                return false;
            }
        }
        if runs.len() > DEEPEST || united > UNITED || waiting > WAITING {
            return false;
        }
        before = Some(token);
    }
    true
}
