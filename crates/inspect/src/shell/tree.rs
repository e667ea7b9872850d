//! What a script is made of, once it has been read: lists, pipelines, commands, words and their parts.
//!
//! Only the shapes. How they are read is `parse.rs`, `word.rs` and `dollar.rs`; what they mean is `walk.rs`.

use std::cell::OnceCell;
use std::rc::Rc;

/// A list of commands.
#[derive(Debug, Default)]
pub struct Script {
    pub items: Vec<Item>,
}

/// Pipelines joined by `&&` and `||`, up to the next `;`, `&` or line end.
#[derive(Debug)]
pub struct Item {
    pub first: Pipeline,
    pub rest: Vec<Pipeline>,
    pub background: bool,
}

/// Commands joined by `|`.
#[derive(Debug)]
pub struct Pipeline {
    pub commands: Vec<Command>,
}

/// One command with its redirections.
#[derive(Debug)]
pub struct Command {
    pub what: What,
    pub redirects: Vec<Redirect>,
}

/// The kinds of command.
#[derive(Debug)]
pub enum What {
    Simple { assigns: Vec<Assign>, words: Vec<Word> },
    Group(Script),
    Subshell(Script),
    If { arms: Vec<(Script, Script)>, otherwise: Option<Script> },
    While { test: Script, body: Script },
    For { name: String, over: Option<Vec<Word>>, body: Script },
    Count { head: Word, body: Script },
    Case { on: Word, arms: Vec<(Vec<Word>, Script)> },
    Arith(Word),
    Test(Vec<Word>),
    Function { name: String, body: Rc<Command> },
    Coproc(Box<Command>),
}

/// `name=value`, `name+=value`, `name[index]=value`, `name=(values)`.
#[derive(Debug)]
pub struct Assign {
    pub name: String,
    pub index: Option<Word>,
    pub append: bool,
    pub array: bool,
    pub values: Vec<Word>,
}

/// Where a redirection leads.
#[derive(Debug)]
pub struct Redirect {
    pub op: Op,
    pub from: Option<String>,
    pub to: Word,
    /// The text of a here-document, once the line that opened it has ended.
    pub here: Option<Rc<OnceCell<Word>>>,
}

/// The redirection operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Read,
    Write,
    Append,
    Both,
    ReadCopy,
    WriteCopy,
    WriteAll,
    AppendAll,
    HereText,
    HereWord,
}

/// One word, before anything in it is expanded.
#[derive(Clone, Debug, Default)]
pub struct Word {
    pub parts: Vec<Part>,
}

/// The parts of a word.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text outside of quotes: may hold patterns, braces and a tilde.
    Bare(String),
    /// Text that means itself.
    Quoted(String),
    /// Between double quotes, where something is expanded.
    Double(Vec<Part>),
    Param(Rc<Param>),
    Command(Rc<Script>),
    /// `<(..)` and, with `true`, `>(..)`.
    Process(Rc<Script>, bool),
    Arith(Rc<Word>),
    /// `(..)` after `name=` among the words of `declare` and its kin.
    Array(Rc<Vec<Word>>),
}

/// `$name` and `${..}`.
#[derive(Debug, Default)]
pub struct Param {
    pub name: String,
    pub index: Option<Word>,
    /// `${#name}`
    pub length: bool,
    /// `${!name}`
    pub indirect: bool,
    /// `:-`, `#`, `//`, `:`, `^^`, `@`; empty without one.
    pub op: &'static str,
    pub word: Word,
}

impl Word {
    /// The text of a word that is nothing but plain text outside of quotes.
    pub fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Bare(text)] => Some(text),
            _ => None,
        }
    }

    /// The text of a word in which nothing is substituted and nothing is mixed.
    pub fn bare_or_quoted(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Bare(text) | Part::Quoted(text)] => Some(text),
            _ => None,
        }
    }
}
