//! Reads commands: lists, pipelines, compound commands, functions, redirections.
//!
//! Accepts what bash accepts, as far as a test beside `bash -n` can tell. Runs and expands nothing.

use super::read::{Parsed, Reader};
use super::tree::{Assign, Command, Item, Part, Pipeline, Script, What, Word};
use super::word::Stop;

/// The words that end a list where a command could begin.
const CLOSERS: &[&str] = &["then", "do", "done", "fi", "elif", "else", "esac", "}"];
const DECLARERS: &[&str] = &["declare", "typeset", "local", "export", "readonly", "alias", "eval"];

/// Reads a whole script.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn script(text: &str) -> Parsed<Script> {
    Reader::new(text, 0).whole()
}

impl Reader<'_> {
    /// Everything up to the end of the text.
    pub fn whole(&mut self) -> Parsed<Script> {
        let script = self.list()?;
        if self.at < self.text.len() { Err("something closes that was not opened") } else { Ok(script) }
    }

    /// Commands up to whatever closes the list, which is left for the caller.
    pub fn list(&mut self) -> Parsed<Script> {
        let mut items = Vec::new();
        loop {
            self.lines()?;
            if self.closes() {
                return Ok(Script { items });
            }
            let mut item = self.and_or()?;
            self.blanks();
            match self.peek() {
                Some(b'&') => {
                    item.background = true;
                    self.at += 1;
                }
                Some(b';') if !matches!(self.peek_at(1), Some(b';' | b'&')) => self.at += 1,
                Some(b'\n') => {}
                _ if self.closes() => {}
                _ => return Err("two commands without anything between them"),
            }
            items.push(item);
        }
    }

    fn closes(&self) -> bool {
        match self.peek() {
            None | Some(b')') => true,
            Some(b';') => matches!(self.peek_at(1), Some(b';' | b'&')),
            Some(b'a'..=b'z' | b'}') => CLOSERS.contains(&self.ahead()),
            _ => false,
        }
    }

    /// The plain word here, as reserved words are spelled; not gone past.
    fn ahead(&self) -> &str {
        let rest = self.rest();
        let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || "{}![]_".contains(it)));
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        let next = after.bytes().next();
        let ends = next.is_none_or(|it| b" \t\n;&|()<>".contains(&it)) || after.starts_with("\\\n");
        if ends { word } else { "" }
    }

    fn reserved(&mut self, word: &str) -> bool {
        let found = self.ahead() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        self.lines()?;
        if self.reserved(word) { Ok(()) } else { Err("a reserved word is missing") }
    }

    fn and_or(&mut self) -> Parsed<Item> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            if !self.eats("&&") && !self.eats("||") {
                return Ok(Item { first, rest, background: false });
            }
            self.lines()?;
            rest.push(self.pipeline()?);
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut prefixed = false;
        loop {
            self.blanks();
            if self.reserved("!") {
            } else if self.reserved("time") {
                self.blanks();
                if self.rest().starts_with("-p ") {
                    self.at += 2;
                }
            } else {
                break;
            }
            prefixed = true;
        }
        if prefixed && (self.closes() || matches!(self.peek(), Some(b';' | b'\n'))) {
            return Ok(Pipeline { commands: Vec::new() });
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.sees("||") || !self.eats("|") {
                return Ok(Pipeline { commands });
            }
            self.eats("&");
            self.lines()?;
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.deeper()?;
        let compound = match self.peek() {
            Some(b'(') => Some(self.round_command()?),
            Some(b'a'..=b'z' | b'{' | b'[') => self.compound()?,
            _ => None,
        };
        let command = match compound {
            None => self.simple()?,
            Some(what @ What::Function { .. }) => Command { what, redirects: Vec::new() },
            Some(what) => {
                let mut redirects = Vec::new();
                self.blanks();
                while let Some(one) = self.redirect()? {
                    redirects.push(one);
                    self.blanks();
                }
                Command { what, redirects }
            }
        };
        self.shallower();
        Ok(command)
    }

    fn round_command(&mut self) -> Parsed<What> {
        if self.peek_at(1) == Some(b'(') {
            self.at += 2;
            if let Some(end) = self.double_round() {
                let word = Reader::new(self.between(self.at, end), self.depth).loose()?;
                self.at = end + 2;
                return Ok(What::Arith(word));
            }
            self.at -= 2;
        }
        self.at += 1;
        let script = self.enclosed(b')')?;
        if script.items.is_empty() { Err("a list is empty") } else { Ok(What::Subshell(script)) }
    }

    fn compound(&mut self) -> Parsed<Option<What>> {
        let word = self.ahead();
        let length = word.len();
        let read: fn(&mut Self) -> Parsed<What> = match word {
            "{" => Self::group,
            "if" => Self::if_command,
            "while" | "until" => Self::while_command,
            "for" | "select" => Self::for_command,
            "case" => Self::case_command,
            "[[" => Self::test_command,
            "function" => Self::function_command,
            "coproc" => Self::coproc_command,
            _ => return Ok(None),
        };
        self.at += length;
        read(self).map(Some)
    }

    fn body(&mut self) -> Parsed<Script> {
        let script = self.list()?;
        if script.items.is_empty() { Err("a list is empty") } else { Ok(script) }
    }

    fn group(&mut self) -> Parsed<What> {
        let script = self.body()?;
        self.expect("}")?;
        Ok(What::Group(script))
    }

    fn if_command(&mut self) -> Parsed<What> {
        let mut arms = Vec::new();
        loop {
            let test = self.body()?;
            self.expect("then")?;
            arms.push((test, self.body()?));
            if !self.reserved("elif") {
                break;
            }
        }
        let otherwise = if self.reserved("else") { Some(self.body()?) } else { None };
        self.expect("fi")?;
        Ok(What::If { arms, otherwise })
    }

    fn while_command(&mut self) -> Parsed<What> {
        let test = self.body()?;
        Ok(What::While { test, body: self.looped()? })
    }

    fn looped(&mut self) -> Parsed<Script> {
        self.lines()?;
        let (open, close) = if self.ahead() == "{" { ("{", "}") } else { ("do", "done") };
        self.expect(open)?;
        let body = self.body()?;
        self.expect(close)?;
        Ok(body)
    }

    fn for_command(&mut self) -> Parsed<What> {
        self.blanks();
        if self.eats("((") {
            let end = self.double_round().ok_or("`((` is not closed")?;
            let head = Reader::new(self.between(self.at, end), self.depth).loose()?;
            self.at = end + 2;
            self.blanks();
            self.eats(";");
            return Ok(What::Count { head, body: self.looped()? });
        }
        let name = self.word(Stop::Operator)?.bare().ok_or("`for` without a name")?.to_owned();
        self.lines()?;
        let mut over = None;
        if self.reserved("in") {
            let mut words = Vec::new();
            loop {
                self.blanks();
                let start = self.at;
                let word = self.word(Stop::Operator)?;
                if self.at == start {
                    break;
                }
                words.push(word);
            }
            over = Some(words);
        }
        self.blanks();
        self.eats(";");
        Ok(What::For { name, over, body: self.looped()? })
    }

    fn case_command(&mut self) -> Parsed<What> {
        self.blanks();
        let on = self.word(Stop::Operator)?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.reserved("esac") {
                return Ok(What::Case { on, arms });
            }
            self.eats("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word(Stop::Operator)?);
                self.blanks();
                if !self.eats("|") {
                    break;
                }
            }
            if !self.eats(")") {
                return Err("a pattern of `case` is not closed");
            }
            let body = self.list()?;
            arms.push((patterns, body));
            if !self.eats(";;&") && !self.eats(";;") && !self.eats(";&") && self.ahead() != "esac" {
                return Err("`case` is not closed");
            }
        }
    }

    fn test_command(&mut self) -> Parsed<What> {
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.lines()?;
            if self.reserved("]]") {
                return Ok(What::Test(words));
            }
            let is_regex = words.last().and_then(Word::bare) == Some("=~");
            let start = self.at;
            let word = self.word(if is_regex { Stop::Regex } else { Stop::Operator })?;
            if self.at > start {
                words.push(word);
            } else if !(self.eats("&&")
                || self.eats("||")
                || self.eats("(")
                || self.eats(")")
                || self.eats("<")
                || self.eats(">"))
            {
                return Err("`[[` is not closed");
            }
        }
    }

    fn function_command(&mut self) -> Parsed<What> {
        self.blanks();
        let name = self.word(Stop::Operator)?.bare().ok_or("`function` without a name")?.to_owned();
        self.blanks();
        if self.eats("(") {
            self.blanks();
            if !self.eats(")") {
                return Err("a bracket is not closed");
            }
        }
        self.function(name)
    }

    fn function(&mut self, name: String) -> Parsed<What> {
        self.lines()?;
        let body = self.command()?;
        if matches!(body.what, What::Simple { .. }) {
            return Err("a function without a body");
        }
        Ok(What::Function { name, body: body.into() })
    }

    fn coproc_command(&mut self) -> Parsed<What> {
        self.blanks();
        // `coproc NAME { ..; }`: the name is one only before a compound command.
        let start = self.at;
        self.name();
        self.blanks();
        if self.at == start || !matches!(self.peek(), Some(b'{' | b'(')) {
            self.at = start;
        }
        Ok(What::Coproc(Box::new(self.command()?)))
    }

    fn simple(&mut self) -> Parsed<Command> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::<Word>::new(), Vec::new());
        let mut declares = false;
        loop {
            self.blanks();
            if let Some(one) = self.redirect()? {
                redirects.push(one);
                continue;
            }
            if (words.is_empty() || declares)
                && let Some(assign) = self.assign(declares)?
            {
                match assign {
                    Found::Assign(it) => assigns.push(it),
                    Found::Word(it) => words.push(it),
                }
                continue;
            }
            let start = self.at;
            let word = self.word(Stop::Operator)?;
            if self.at == start {
                break;
            }
            if words.is_empty() {
                declares = word.bare().is_some_and(|it| DECLARERS.contains(&it));
                self.blanks();
                if self.peek() == Some(b'(') && assigns.is_empty() && redirects.is_empty() {
                    return self.named_function(&word);
                }
            }
            words.push(word);
        }
        if assigns.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err("a command is missing");
        }
        Ok(Command { what: What::Simple { assigns, words }, redirects })
    }

    fn named_function(&mut self, word: &Word) -> Parsed<Command> {
        let name = word.bare().ok_or("a bracket where none may be")?.to_owned();
        self.at += 1;
        self.blanks();
        if !self.eats(")") {
            return Err("a bracket where none may be");
        }
        Ok(Command { what: self.function(name)?, redirects: Vec::new() })
    }

    fn assign(&mut self, as_word: bool) -> Parsed<Option<Found>> {
        let start = self.at;
        if !self.peek().is_some_and(|it| it == b'_' || it.is_ascii_alphabetic()) {
            return Ok(None);
        }
        let name = self.name();
        let mut index = None;
        if self.peek() == Some(b'[') && !as_word {
            self.at += 1;
            match self.closing(b'[', b']') {
                Some(end) if self.text.get(end + 1..).is_some_and(|it| it.starts_with(['=', '+'])) => {
                    let inside = Reader::new(self.between(self.at, end), self.depth).loose()?;
                    self.at = end + 1;
                    index = Some(inside);
                }
                _ => self.at = start,
            }
        }
        let append = self.eats("+=");
        if self.at == start || !(append || self.eats("=")) {
            self.at = start;
            return Ok(None);
        }
        let array = self.eats("(");
        if as_word && !array {
            self.at = start;
            return Ok(None);
        }
        let values = if array { self.array()? } else { vec![self.word(Stop::Operator)?] };
        Ok(Some(if as_word {
            let part = Part::Array(values.into());
            Found::Word(Word { parts: vec![Part::Bare(format!("{name}=")), part] })
        } else {
            Found::Assign(Assign { name, index, append, array, values })
        }))
    }

    fn array(&mut self) -> Parsed<Vec<Word>> {
        let mut words = Vec::new();
        loop {
            self.lines()?;
            if self.eats(")") {
                return Ok(words);
            }
            let start = self.at;
            words.push(self.word(Stop::Operator)?);
            if self.at == start {
                return Err("an array is not closed");
            }
        }
    }
}

enum Found {
    Assign(Assign),
    Word(Word),
}
