//! Reads redirections, and announces the here-documents among them.

use super::read::{Parsed, Reader};
use super::tree::{Op, Redirect};
use super::word::Stop;

impl Reader<'_> {
    /// A redirection, if one begins here.
    pub fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let start = self.at;
        while self.peek().is_some_and(|it| it.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start && self.peek() == Some(b'{') {
            self.at += 1;
            self.name();
            if !self.eats("}") {
                self.at = start;
            }
        }
        let from = self.between(start, self.at);
        let Some((text, op)) = OPS.iter().find(|(text, _)| self.sees(text)) else {
            self.at = start;
            return Ok(None);
        };
        let is_process = matches!(*text, "<" | ">") && self.peek_at(1) == Some(b'(');
        if is_process || (text.starts_with('&') && !from.is_empty()) {
            self.at = start;
            return Ok(None);
        }
        self.at += text.len();
        self.blanks();
        let began = self.at;
        let to = self.word(Stop::Operator)?;
        if self.at == began {
            return Err("a redirection leads nowhere");
        }
        let here = (*op == Op::HereText).then(|| {
            let raw = self.between(began, self.at);
            let end: String = raw.chars().filter(|it| !matches!(it, '\'' | '"' | '\\')).collect();
            let is_literal = end.len() != raw.len();
            self.announce(end, *text == "<<-", is_literal)
        });
        let from = (!from.is_empty()).then(|| from.to_owned());
        Ok(Some(Redirect { op: *op, from, to, here }))
    }
}

/// The redirection operators, longer ones first.
const OPS: &[(&str, Op)] = &[
    ("<<<", Op::HereWord),
    ("<<-", Op::HereText),
    ("<<", Op::HereText),
    ("<&", Op::ReadCopy),
    ("<>", Op::Both),
    ("<", Op::Read),
    (">>", Op::Append),
    (">&", Op::WriteCopy),
    (">|", Op::Write),
    (">", Op::Write),
    ("&>>", Op::AppendAll),
    ("&>", Op::WriteAll),
];
