//! From the tree to what the gate does itself for a tool: `exec`, `code`, `database`, `builtin`.
//!
//! Answerable for a tool being carried out in exactly one way, for keys that say nothing about that way, and for what
//! is run or read being named by the policy and by nobody else.

use super::form;
use super::problem::Report;
use super::read::{placed, text};
use super::tool::{flag, number, source};
use super::yaml::{Entry, Node};
use crate::action::short;
use crate::effect::{Effect, ProgramTarget, Target};
use crate::hand::{Access, At, Code, Database, Exec, Hand, Language, Own, Source, Word, Work};
use crate::policy::Tool;

/// The ways a tool can be carried out. Without any, its caller does it.
pub(super) const WAYS: [&str; 5] = ["url", "exec", "code", "database", "builtin"];
/// The most rows where nobody says.
const MAX_ROWS: u64 = 1_000;

/// What an entry says; none if it says nothing of it. A tool with a `url` is none of these.
pub(super) fn read(entry: &Entry, report: &mut Report) -> Option<Hand> {
    let node = &entry.value;
    let ways: Vec<&Entry> = node.entries().iter().filter(|it| WAYS.contains(&it.key.as_str())).collect();
    let way = match ways.as_slice() {
        [] => return None,
        [one] => one,
        [first, other, ..] => {
            let message = format!("`{}` has `{}` and `{}`", short(&entry.key), first.key, other.key);
            report.error(
                other.at,
                message,
                "a tool is carried out in one way; remove one of them".to_owned(),
            );
            return None;
        }
    };
    if report.is_broken(way.value.at) {
        return None;
    }
    let work = match way.key.as_str() {
        "exec" => Work::Exec(exec(node, &way.value, report)?),
        "code" => Work::Code(code(&way.value, report)?),
        "database" => Work::Database(database(&way.value, report)?),
        "builtin" => Work::Own(Own::parse(way.value.text()?)?),
        _ => return None,
    };
    let hand = Hand::of(work);
    lost(entry, &hand, report);
    Some(Hand {
        timeout_ms: number(node, "timeout_ms").unwrap_or(hand.timeout_ms),
        max_response_bytes: number(node, "max_response_bytes").unwrap_or(hand.max_response_bytes),
        allow_private: flag(node, "allow_private") == Some(true),
        ca: text(node, "ca"),
        open_args: text(node, "undeclared_args").as_deref() == Some("allow"),
        ..hand
    })
}

/// The tool, with what its arguments mean and what it does where the policy does not say.
pub(super) fn filled(mut tool: Tool, hand: &Hand) -> Tool {
    for (keys, role) in hand.roles() {
        if !tool.roles.iter().any(|(known, _)| known.first() == keys.first()) {
            tool.roles.push((keys, role));
        }
    }
    tool.dialect = tool.dialect.or_else(|| hand.dialect().map(str::to_owned));
    let effect = match &hand.work {
        Work::Exec(exec) => {
            let name = exec.words.first().and_then(Word::fixed).unwrap_or_default().to_owned();
            let words = exec.words.iter().skip(1).map(|word| word.fixed().map(str::to_owned)).collect();
            Some(Effect::new("process.exec", Target::Program(ProgramTarget { name, words })))
        }
        Work::Code(_) | Work::Own(Own::CodeRun) => Some(Effect::new("code.run", Target::None)),
        _ => None,
    };
    if let Some(effect) = effect.filter(|it| !tool.effects.iter().any(|known| known.kind == it.kind)) {
        tool.effects.push(effect);
    }
    tool
}

/// Keys that say nothing about the way in which the tool is carried out.
fn lost(entry: &Entry, hand: &Hand, report: &mut Report) {
    let node = &entry.value;
    let of_requests = ["timeout_ms", "max_response_bytes", "allow_private", "ca", "undeclared_args"];
    let known: &[&str] = match &hand.work {
        Work::Own(Own::HttpRequest) => &["timeout_ms", "max_response_bytes", "allow_private", "ca"],
        Work::Database(Database { at: At::Postgres(_), .. }) => &["timeout_ms", "max_response_bytes", "ca"],
        Work::Database(_) => &["timeout_ms", "max_response_bytes"],
        Work::Exec(_) | Work::Code(_) => &["undeclared_args"],
        Work::Own(_) => &[],
    };
    let odd = of_requests.iter().filter(|key| !known.contains(key));
    for key in odd.chain(super::tool::OF_URLS) {
        if let Some(at) = node.get(key).map(|it| it.at) {
            let help = match *key {
                "timeout_ms" if hand.runs() => "write `sandbox: {timeout: 30s}`, or remove the key",
                _ => "remove the key",
            };
            report.error(
                at,
                format!("`{key}` says nothing about how `{}` is carried out", short(&entry.key)),
                help.to_owned(),
            );
        }
    }
    if let Some(node) = node.get("stdin").filter(|_| !matches!(hand.work, Work::Exec(_))) {
        let help = "remove it: code from the policy reads the arguments, other code takes `stdin`".to_owned();
        report.error(node.at, format!("`stdin` is for `exec`, which `{}` has not", short(&entry.key)), help);
    }
    if let Some(node) =
        node.get("sandbox").filter(|_| matches!(hand.work, Work::Database(_) | Work::Own(Own::HttpRequest)))
    {
        let message = format!("`{}` runs no program that a sandbox could bound", short(&entry.key));
        report.error(node.at, message, "remove `sandbox`".to_owned());
    }
}

fn exec(node: &Node, written: &Node, report: &mut Report) -> Option<Exec> {
    let mut words = Vec::new();
    for (word, at) in placed(Some(written)) {
        match Word::parse(&word) {
            Ok(word) => words.push(word),
            Err(why) => {
                report.error(at, format!("`{}` {why}", short(&word)), "mend the braces".to_owned());
                return None;
            }
        }
    }
    if words.first().and_then(Word::fixed).is_none_or(|program| program.trim().is_empty()) {
        let help = "write the program itself as the first word".to_owned();
        report.error(written.at, "which program is run would be an argument's to say", help);
        return None;
    }
    Some(Exec { words, stdin: text(node, "stdin") })
}

fn code(written: &Node, report: &mut Report) -> Option<Code> {
    let language = Language::parse(&text(written, "language")?)?;
    let source = match (text(written, "text"), text(written, "argument")) {
        (Some(text), None) => Source::Policy(text),
        (None, Some(name)) => Source::Argument(name),
        _ => {
            let help = "write `text`, the code itself, or `argument`, the name of the argument that has it";
            report.error(written.at, "code comes from exactly one place", help.to_owned());
            return None;
        }
    };
    Some(Code { language, source })
}

fn database(written: &Node, report: &mut Report) -> Option<Database> {
    let at = match (text(written, "sqlite"), written.get("postgresql")) {
        (Some(path), None) => {
            if !path.starts_with('/') {
                let help = "write the whole path, from `/` on".to_owned();
                report.error(written.at, format!("`{}` is no absolute path", short(&path)), help);
                return None;
            }
            At::Sqlite(path)
        }
        (None, Some(node)) => At::Postgres(source(node, report)?),
        _ => {
            let help = "write `sqlite: PATH`, or `postgresql: {env: NAME}`".to_owned();
            report.error(written.at, "a database is in exactly one place", help);
            return None;
        }
    };
    let access = match text(written, "access").as_deref() {
        Some("write") => Access::Write,
        Some("schema") => Access::Schema,
        _ => Access::Read,
    };
    let rows = written.get("max_rows").and_then(Node::scalar).and_then(|it| form::count(it).ok());
    Some(Database { at, access, max_rows: rows.and_then(|n| u64::try_from(n).ok()).unwrap_or(MAX_ROWS) })
}
