//! What is said of an expression: its parts as text, and sentences about values that do not fit.
//!
//! Answerable for the wording. Works from the tree, so that nothing is kept for messages that may never
//! be needed.

use std::sync::Arc;

use super::functions::signature;
use super::run::Failure;
use super::tree::{Const, Kind, Node, Sum, Walk};
use super::value::Value;
use super::{Run, Scope, moment};

/// Characters of an expression that a message quotes.
const QUOTED: usize = 80;
/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// A part of the expression, in backticks.
pub(super) fn quoted(node: &Node) -> String {
    format!("`{}`", cut(&text(node), QUOTED))
}

/// Two parts and the sign between them, in backticks.
pub(super) fn quoted_pair(nodes: (&Node, &Node), sign: &str) -> String {
    format!("`{}`", cut(&format!("{} {sign} {}", text(nodes.0), text(nodes.1)), QUOTED))
}

/// The sentence for a failure.
pub(super) fn failure(failure: &Failure<'_>) -> String {
    match failure {
        Failure::GaveUp(words) => (*words).to_owned(),
        Failure::Missing(path, depth) => format!("`{}` is missing", cut(&path.text(*depth), QUOTED)),
        Failure::Said(words) => words.clone(),
    }
}

pub(super) fn missing(node: &Node) -> String {
    format!("{} is missing", quoted(node))
}

pub(super) fn not_boolean(node: &Node, kind: Kind) -> String {
    format!("{} is {} and neither true nor false", quoted(node), kind.words())
}

pub(super) fn no_field(of: &Node, kind: Kind, key: &str) -> String {
    format!("{} is {} and has no `{key}`", quoted(of), kind.words())
}

pub(super) fn not_indexed(of: &Node, kind: Kind) -> String {
    format!("{} is {}, and `[...]` needs a list or an object", quoted(of), kind.words())
}

pub(super) fn odd_index(of: &Node, key: &Node, kind: Kind) -> String {
    format!("{} is a list, and {} is {} and no position in it", quoted(of), quoted(key), kind.exact_words())
}

pub(super) fn odd_key(key: &Node, kind: Kind) -> String {
    format!("{} is {} and cannot be the key of an object", quoted(key), kind.exact_words())
}

pub(super) fn holds_nothing(of: &Node, kind: Kind) -> String {
    format!("{} is {}, and `in` needs a list or an object", quoted(of), kind.words())
}

pub(super) fn not_walked(of: &Node, kind: Walk, found: Kind) -> String {
    format!("{} is {}, and `{}` needs a list or an object", quoted(of), found.words(), kind.name())
}

pub(super) fn not_taken(_call: &Node, name: &str, of: &Node, kind: Kind) -> String {
    format!("{} is {}, which `{name}` cannot take", quoted(of), kind.words())
}

pub(super) fn no_negative(of: &Node, kind: Kind) -> String {
    format!("{} is {} and has no negative", quoted(of), kind.exact_words())
}

pub(super) fn incomparable(_node: &Node, sides: (&Node, &Node), kinds: (Kind, Kind)) -> String {
    pair(sides, (kinds.0.words(), kinds.1.words()), "compared with")
}

pub(super) fn no_sum(sum: Sum, nodes: (&Node, &Node), kinds: (Kind, Kind)) -> String {
    let timed = |kind| matches!(kind, Kind::Time | Kind::Span);
    if timed(kinds.0)
        && timed(kinds.1)
        && matches!(sum, Sum::Add | Sum::Subtract)
        && kinds != (Kind::Time, Kind::Time)
    {
        return format!("{} is out of range", quoted_pair(nodes, sum.sign()));
    }
    let numeric = |kind| matches!(kind, Kind::Int | Kind::Uint | Kind::Double);
    if numeric(kinds.0) && numeric(kinds.1) {
        let words = pair(nodes, (kinds.0.exact_words(), kinds.1.exact_words()), sum.done());
        return format!("{words}; convert one of them with `int(...)`, `uint(...)` or `double(...)`");
    }
    pair(nodes, (kinds.0.words(), kinds.1.words()), sum.done())
}

/// "`a` is ... and cannot be done with ...", from the side of whichever is no literal.
fn pair(nodes: (&Node, &Node), kinds: (&str, &str), done: &str) -> String {
    match nodes {
        (Node::Const(_), Node::Const(_)) => format!("{} cannot be {done} {}", kinds.0, kinds.1),
        (node, Node::Const(_)) => format!("{} is {} and cannot be {done} {}", quoted(node), kinds.0, kinds.1),
        (Node::Const(_), node) if done == "compared with" => {
            format!("{} is {} and cannot be {done} {}", quoted(node), kinds.1, kinds.0)
        }
        (a, b) => {
            format!("{} is {} and cannot be {done} {}, which is {}", quoted(a), kinds.0, quoted(b), kinds.1)
        }
    }
}

/// What a value looks like, cut to a length a person reads.
pub(super) fn value(value: &Value<'_>) -> String {
    cut(&constant(&value.to_const()), SHOWN)
}

/// The values of the paths that a node reads, where there are any: "`args.amount` is 500".
pub(super) fn found(node: &Node, scope: Scope<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    node.paths(&mut paths);
    let mut out: Vec<String> = Vec::new();
    for path in paths {
        let node = Node::Path(Arc::new(path.clone()));
        let words = match Run::new(scope).value(&node) {
            Ok(found) => format!("{} is {}", quoted(&node), value(&found)),
            Err(why) => failure(&why),
        };
        if !out.contains(&words) {
            out.push(words);
        }
    }
    out
}

/// At most `length` characters of a text.
pub(super) fn cut(text: &str, length: usize) -> String {
    let short: String = text.chars().take(length).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// A constant as it would be written.
pub(super) fn constant(of: &Const) -> String {
    match of {
        Const::Null => "null".to_owned(),
        Const::Bool(b) => b.to_string(),
        Const::Int(n) => n.to_string(),
        Const::Uint(n) => format!("{n}u"),
        // The debug form keeps the fraction of whole numbers, and large ones short.
        Const::Double(x) => format!("{x:?}"),
        Const::Str(text) => format!("{:?}", cut(text, SHOWN)),
        Const::Bytes(bytes) => format!("bytes of length {}", bytes.len()),
        Const::List(items) => {
            let shown: Vec<String> = items.iter().take(12).map(constant).collect();
            let more = if items.len() > 12 { ", …" } else { "" };
            format!("[{}{more}]", shown.join(", "))
        }
        Const::Map(entries) => {
            let shown: Vec<String> = entries
                .iter()
                .take(12)
                .map(|(key, value)| format!("{}: {}", constant(key), constant(value)))
                .collect();
            let more = if entries.len() > 12 { ", …" } else { "" };
            format!("{{{}{more}}}", shown.join(", "))
        }
        Const::Time(time) => format!("timestamp({:?})", time.text()),
        Const::Span(span) => format!("duration({:?})", moment::span_text(*span)),
        Const::Type(kind) => kind.name().to_owned(),
    }
}

/// A part of the expression as it would be written.
pub(super) fn text(node: &Node) -> String {
    let all = |nodes: &[Node]| nodes.iter().map(text).collect::<Vec<_>>().join(", ");
    match node {
        Node::Const(of) => constant(of),
        Node::Path(path) => path.text(path.keys.len()),
        Node::HasPath(path) => format!("has({})", path.text(path.keys.len())),
        Node::Local { name, .. } => name.to_string(),
        Node::Select(of, key) => format!("{}.{key}", tight(of)),
        Node::Has(of, key) => format!("has({}.{key})", tight(of)),
        Node::Index(two) => format!("{}[{}]", tight(&two.0), text(&two.1)),
        Node::And(parts) => parts.iter().map(loose).collect::<Vec<_>>().join(" && "),
        Node::Or(parts) => parts.iter().map(loose).collect::<Vec<_>>().join(" || "),
        Node::Not(of) => format!("!{}", tight(of)),
        Node::Negate(of) => format!("-{}", tight(of)),
        Node::Choose(three) => format!("{} ? {} : {}", loose(&three.0), loose(&three.1), loose(&three.2)),
        Node::Compare(relation, two) => format!("{} {} {}", loose(&two.0), relation.sign(), loose(&two.1)),
        Node::Within(two) => format!("{} in {}", loose(&two.0), loose(&two.1)),
        Node::Arithmetic(sum, two) => format!("{} {} {}", loose(&two.0), sum.sign(), loose(&two.1)),
        Node::List(items) => format!("[{}]", all(items)),
        Node::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}: {}", text(key), text(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Node::Call(function, args) => {
            let name = signature(*function).map_or("", |signature| signature.name);
            let member = signature(*function).is_some_and(|s| s.form == super::functions::Form::Member);
            match args.split_first() {
                Some((of, rest)) if member => format!("{}.{name}({})", tight(of), all(rest)),
                _ => format!("{name}({})", all(args)),
            }
        }
        Node::Matches(of, pattern) => format!("{}.matches({:?})", tight(of), pattern.regex.as_str()),
        Node::Loop(walk) => {
            let rest: Vec<String> =
                [walk.test.as_ref(), walk.make.as_ref()].into_iter().flatten().map(text).collect();
            format!("{}.{}({}, {})", tight(&walk.range), walk.kind.name(), walk.name, rest.join(", "))
        }
    }
}

/// A part in brackets where an operator beside it could tear it apart.
fn loose(node: &Node) -> String {
    match node {
        Node::And(_)
        | Node::Or(_)
        | Node::Choose(_)
        | Node::Compare(..)
        | Node::Within(_)
        | Node::Arithmetic(..) => format!("({})", text(node)),
        _ => text(node),
    }
}

/// A part in brackets unless it is one piece.
fn tight(node: &Node) -> String {
    match node {
        Node::Not(_) | Node::Negate(_) => format!("({})", text(node)),
        _ => loose(node),
    }
}
