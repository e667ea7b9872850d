//! Reads what follows a dollar sign or a backtick: parameters, substitutions, arithmetic, C-like quotes.

use std::rc::Rc;

use super::read::{Parsed, Reader};
use super::tree::{Param, Part, Script, Word};
use super::word::Stop;

/// What may follow the name in `${name..}`, longer ones first.
const OPS: &[&str] = &[
    ":-", ":=", ":?", ":+", "-", "=", "?", "+", "##", "#", "%%", "%", "//", "/#", "/%", "/", "^^", "^", ",,",
    ",", "@", ":",
];

impl Reader<'_> {
    /// A dollar sign and what belongs to it. One that means itself is plain text.
    pub fn dollar(&mut self, is_quoted: bool) -> Parsed<Part> {
        self.at += 1;
        match self.peek() {
            Some(b'(') => self.round(),
            Some(b'{') => {
                self.deeper()?;
                self.at += 1;
                let part = self.curly()?;
                self.shallower();
                Ok(part)
            }
            Some(b'[') => {
                self.at += 1;
                let end = self.closing(b'[', b']').ok_or("a bracket is not closed")?;
                self.arithmetic(end, 1)
            }
            Some(b'\'') if !is_quoted => {
                self.at += 1;
                self.c_like()
            }
            Some(b'"') if !is_quoted => self.double(),
            Some(byte) if byte == b'_' || byte.is_ascii_alphabetic() => Ok(named(self.name())),
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                self.at += 1;
                Ok(named(char::from(byte).to_string()))
            }
            _ => Ok(Part::Bare("$".to_owned())),
        }
    }

    /// A name, as variables have it; empty if there is none here.
    pub fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|it| it == b'_' || it.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        self.between(start, self.at).to_owned()
    }

    fn round(&mut self) -> Parsed<Part> {
        if self.peek_at(1) == Some(b'(') {
            self.at += 2;
            match self.double_round() {
                Some(end) => return self.arithmetic(end, 2),
                None => self.at -= 2,
            }
        }
        self.at += 1;
        Ok(Part::Command(Rc::new(self.enclosed(b')')?)))
    }

    /// Where the `))` is that closes the `((` just read; `None` if those are brackets of two lists.
    pub fn double_round(&self) -> Option<usize> {
        let end = self.closing(b'(', b')')?;
        (self.text.as_bytes().get(end + 1) == Some(&b')')).then_some(end)
    }

    fn arithmetic(&mut self, end: usize, closers: usize) -> Parsed<Part> {
        let word = Reader::new(self.between(self.at, end), self.depth).loose()?;
        self.at = end + closers;
        Ok(Part::Arith(Rc::new(word)))
    }

    /// A list up to its closing bracket.
    pub fn enclosed(&mut self, close: u8) -> Parsed<Script> {
        self.deeper()?;
        let script = self.list()?;
        if self.peek() != Some(close) {
            return Err("a bracket is not closed");
        }
        self.at += 1;
        self.shallower();
        Ok(script)
    }

    /// An old-fashioned substitution: its text loses one level of escapes, and is a script.
    pub fn backticks(&mut self, is_quoted: bool) -> Parsed<Part> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.char().ok_or("a backtick is not closed")? {
                '`' => break,
                '\\' => match self.peek() {
                    Some(b'`' | b'\\' | b'$') => text.extend(self.char()),
                    Some(b'"') if is_quoted => text.extend(self.char()),
                    _ => text.push('\\'),
                },
                other => text.push(other),
            }
        }
        let mut inner = Reader::new(&text, self.depth);
        inner.deeper()?;
        Ok(Part::Command(Rc::new(inner.whole()?)))
    }

    fn curly(&mut self) -> Parsed<Part> {
        if matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'|')) {
            self.at += 1;
            return Ok(Part::Command(Rc::new(self.enclosed(b'}')?)));
        }
        let mut param = Param::default();
        let after = self.peek_at(1);
        let is_prefix =
            after.is_some_and(|it| it == b'_' || it.is_ascii_alphanumeric() || b"@*?$!#".contains(&it));
        if self.peek() == Some(b'#') && is_prefix && !(after == Some(b'#') && self.peek_at(2) != Some(b'}')) {
            param.length = true;
            self.at += 1;
        } else if self.peek() == Some(b'!') && is_prefix {
            param.indirect = true;
            self.at += 1;
        }
        param.name = self.name();
        if param.name.is_empty() && self.peek().is_some_and(|it| b"@*#?-$!".contains(&it)) {
            param.name.extend(self.char());
        }
        if self.peek() == Some(b'[') {
            self.at += 1;
            param.index = Some(self.word(Stop::Bracket)?);
            self.at += 1;
        }
        self.operator(&mut param)?;
        if !self.eats("}") {
            return Err("`${` is not closed");
        }
        Ok(Part::Param(Rc::new(param)))
    }

    fn operator(&mut self, param: &mut Param) -> Parsed<()> {
        if let Some(op) = OPS.iter().find(|op| self.sees(op)) {
            param.op = op;
            self.at += op.len();
        } else if self.peek() != Some(b'}') {
            // A bad substitution: an error when it runs, but what is inside may have run before.
            param.name.clear();
        }
        if !param.op.starts_with('/') {
            param.word = self.word(Stop::Brace)?;
            return Ok(());
        }
        param.word = self.word(Stop::Slash)?;
        let from = Word { parts: std::mem::take(&mut param.word.parts) };
        let to = if self.eats("/") { self.word(Stop::Brace)? } else { Word::default() };
        param.word.parts = vec![Part::Array(Rc::new(vec![from, to]))];
        Ok(())
    }

    /// `$'..'`: escapes as in C.
    fn c_like(&mut self) -> Parsed<Part> {
        let start = self.at;
        loop {
            match self.char().ok_or("a single quote is not closed")? {
                '\'' => break,
                '\\' => {
                    self.char();
                }
                _ => {}
            }
        }
        Ok(Part::Quoted(unescaped(self.between(start, self.at - 1), true)))
    }
}

fn named(name: String) -> Part {
    Part::Param(Rc::new(Param { name, ..Param::default() }))
}

/// Text with its C-like escapes resolved, as `$'..'`, `echo -e` and `printf` do.
pub fn unescaped(text: &str, is_quote: bool) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        if next != '\\' {
            bytes.extend(next.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let Some(kind) = chars.next() else {
            bytes.push(b'\\');
            break;
        };
        let simple = match kind {
            'n' => Some(b'\n'),
            't' => Some(b'\t'),
            'r' => Some(b'\r'),
            'a' => Some(7),
            'b' => Some(8),
            'v' => Some(11),
            'f' => Some(12),
            'e' | 'E' => Some(27),
            '\\' => Some(b'\\'),
            '\'' | '"' | '?' if is_quote => u8::try_from(kind).ok(),
            _ => None,
        };
        if let Some(byte) = simple {
            bytes.push(byte);
            continue;
        }
        let (radix, most) = match kind {
            'x' => (16, 2),
            'u' => (16, 4),
            'U' => (16, 8),
            '0'..='7' => (8, 3),
            _ => {
                bytes.push(b'\\');
                bytes.extend(kind.encode_utf8(&mut [0; 4]).bytes());
                continue;
            }
        };
        let mut value = kind.to_digit(8).unwrap_or(0);
        let mut seen = usize::from(radix == 8 && (kind != '0' || is_quote));
        while seen < most {
            let Some(digit) = chars.peek().and_then(|it| it.to_digit(radix)) else { break };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            seen += 1;
            chars.next();
        }
        match (most, u8::try_from(value & 0xff)) {
            (2 | 3, Ok(byte)) => bytes.push(byte),
            _ => bytes.extend(char::from_u32(value).unwrap_or('\u{fffd}').encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
