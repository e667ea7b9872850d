//! Reads the lines about a program. A line that makes no sense is left out: a test sees to it that there is none.

use super::{Cond, Does, Port, Program, Rule, To};
use crate::shell::unsaid::Words;

pub(super) fn read(lines: &'static str) -> Program {
    let mut program = Program::default();
    for line in lines.lines().map(str::trim).filter(|it| !it.is_empty() && !is_comment(it)) {
        match line.split_at_checked(1) {
            Some(("=", rest)) if !rest.starts_with('>') => program.values.extend(rest.split_whitespace()),
            Some(("~", rest)) => rest.split_whitespace().for_each(|word| program.says(word)),
            _ => program.rules.extend(rule(line)),
        }
    }
    program
}

/// `# words`; `#2 => ...` is a rule.
pub(super) fn is_comment(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

pub(super) fn rule(line: &'static str) -> Option<Rule> {
    let (when, does) = line.split_once("=>")?;
    let (does, note) = does.split_once(';').unwrap_or((does, ""));
    let when = when.trim();
    let (also, when) = when.strip_prefix('+').map_or((false, when), |rest| (true, rest));
    let does = does.split(',').filter_map(effect).collect();
    Some(Rule { also, when: when.split_whitespace().map(cond).collect(), does, note: note.trim() })
}

fn cond(token: &'static str) -> Cond {
    let alternatives = |text: &'static str| text.split('|').collect::<Vec<_>>();
    if token == "*" {
        return Cond::Any;
    }
    if let Some(rest) = token.strip_prefix('!') {
        return Cond::Lacks(alternatives(rest));
    }
    if let Some(rest) = token.strip_prefix('%') {
        return Cond::Somewhere(alternatives(rest));
    }
    if let Some(count) = token.strip_prefix('#') {
        return Cond::AtLeast(count.parse().unwrap_or(0));
    }
    if token.starts_with('-') {
        return match token.split_once('=') {
            Some((names, value)) => Cond::Value(alternatives(names), value),
            None => Cond::Has(alternatives(token)),
        };
    }
    Cond::Word(alternatives(token))
}

fn effect(text: &'static str) -> Option<Does> {
    let mut words = text.split_whitespace();
    let kind = words.next().filter(|it| *it != "-")?;
    let (kind, destroys) = kind.strip_suffix('!').map_or((kind, false), |kind| (kind, true));
    let (kind, port) = match kind.split_once(':') {
        None => (kind, None),
        Some((kind, port)) => {
            let (usual, from) = port.split_once('/').unwrap_or((port, ""));
            (kind, Some(Port { usual, from }))
        }
    };
    let to = match words.next() {
        None => To::Nothing,
        Some("all") => To::All,
        Some("last") => To::Last,
        Some("init") => To::Init,
        Some("here") => To::Here,
        Some("?") => To::Something,
        Some(word) if word.starts_with('=') => To::This(word.trim_start_matches('=')),
        Some(word) if word.starts_with('-') => To::Value(word.split('|').collect()),
        Some(word) => match word.strip_suffix('+') {
            Some(from) => To::From(from.parse().unwrap_or(1)),
            None => To::At(word.parse().unwrap_or(1)),
        },
    };
    Some(Does { kind, destroys, to, port })
}

impl Program {
    /// A word of a line that begins with `~`.
    fn says(&mut self, word: &str) {
        match word {
            "single" => self.style.single = true,
            "abbreviates" => self.style.abbreviates = true,
            "first" => self.style.first = true,
            "verbs" => self.verbs = true,
            "runs" => self.runs = true,
            "names" => self.words = Some(Words::Names),
            "silent" => self.words = None,
            _ => {}
        }
    }
}
