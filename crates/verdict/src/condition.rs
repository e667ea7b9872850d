//! Conditions: the `when:` expressions of a policy, in CEL, over borrowed JSON.
//!
//! Answerable for reading an expression once, naming all that is wrong with it, and then deciding it
//! many times at a bounded cost in time, memory and depth. Knows nothing of rules, agents or policies:
//! whoever compiles says which names an expression may start from.
//!
//! The language is CEL (<https://cel.dev>) without messages, optional values and named time zones; the
//! pattern of `matches` is written out. Values of JSON are null, booleans, integers, fractional numbers
//! (doubles), strings, lists and objects.

mod arithmetic;
mod calls;
mod compile;
mod functions;
mod invoke;
mod lint;
mod moment;
mod parse;
mod quick;
mod run;
mod scan;
mod show;
mod texts;
mod tree;
mod value;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::json::{Json, Map};
use compile::{Compiler, conjuncts};
use run::Run;
use tree::{Node, Path};

/// A compiled expression whose value is true or false. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Condition(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    tree: Node,
    /// Where the parts of the tree that `&&` joins at the top stand in the source, in the tree's order.
    places: Vec<Range<usize>>,
}

/// The conditions of one policy, each text once, and what they read, each path once: agents are many and are mostly
/// given the same rules, and what all use stays near.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    conditions: HashMap<String, Condition>,
    paths: HashSet<Arc<Path>>,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a byte offset in the source, never beyond its end.
    pub offset: usize,
    /// What is wrong, as a sentence.
    pub message: String,
    /// How to mend it, where that is known.
    pub help: Option<String>,
}

/// Why an expression has no value for some input, as a sentence; counts against the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError(String);

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EvalError {}

/// The values of the roots, in the order of `roots` at compile time. A root beyond the end is absent.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a>(pub &'a [Root<'a>]);

/// The value of one root, or of one field of a record.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// There is no such value: reading it is an error, `has()` of such a field is false.
    Absent,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite double.
    Double(f64),
    /// A string.
    Str(&'a str),
    /// Any JSON value.
    Json(&'a Json),
    /// A JSON object.
    Map(&'a Map),
    /// A list of strings.
    Strs(&'a [String]),
    /// A timestamp: microseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A record: names and values; no name twice.
    Fields(&'a [(&'a str, Root<'a>)]),
}

impl Condition {
    /// Reads an expression. `roots` are the names it may start from; a [`Scope`] gives their values in the
    /// same order. The error is all that is wrong, in the order of the source, and never empty.
    pub fn compile(source: &str, roots: &[&str]) -> Result<Self, Vec<Fault>> {
        let scan = scan::scan(source)?;
        let (expr, info) = parse::parse(source)?;
        let mut parts = Vec::new();
        conjuncts(&expr, 0..source.len(), (source, &scan, &info), &mut parts);
        let mut compiler = Compiler { roots, info: &info, faults: Vec::new(), locals: Vec::new() };
        let mut nodes: Vec<Node> = parts.iter().map(|(expr, _)| compiler.boolean(expr)).collect();
        let mut faults = compiler.faults;
        if !faults.is_empty() {
            faults.iter_mut().for_each(|fault| fault.offset = fault.offset.min(source.len()));
            faults.sort_by_key(|fault| fault.offset);
            return Err(faults);
        }
        let places = parts.into_iter().map(|(_, place)| place).collect();
        let tree = match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            last => Node::And(nodes.into_iter().chain(last).collect()),
        };
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), tree, places })))
    }

    /// Becomes the condition of the same text that `shared` was told of before, or else shares what it reads. All of
    /// them have the same roots.
    pub(crate) fn share(&mut self, shared: &mut Shared) {
        if let Some(same) = shared.conditions.get(self.source()) {
            *self = same.clone();
            return;
        }
        // One that is cloned is shared as a whole.
        if let Some(compiled) = Arc::get_mut(&mut self.0) {
            compiled.tree.share(&mut shared.paths);
        }
        shared.conditions.insert(self.source().to_owned(), self.clone());
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Decides the expression for these values. An error counts against the action; its text says what was
    /// missing, what had the wrong type, or that the budget of 10,000 steps was not enough.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        let outcome = Run::new(*scope).truth(&self.0.tree);
        outcome.map_err(|failure| EvalError(show::failure(&failure)))
    }

    /// Why the expression can be true for no input, if that is certain. It may still fail for some.
    pub fn never_true(&self) -> Option<String> {
        lint::never(&self.0.tree, true)
    }

    /// True if it is certain that the expression is true for every input, and fails for none.
    pub fn always_true(&self) -> bool {
        lint::always(&self.0.tree, true)
    }

    /// The paths that the expression reads, such as `["args", "amount"]`: sorted, none twice.
    pub fn reads(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        self.0.tree.paths(&mut paths);
        let mut reads: Vec<Vec<String>> = paths
            .into_iter()
            .map(|path| [&path.name].into_iter().chain(&path.keys).map(ToString::to_string).collect())
            .collect();
        reads.sort();
        reads.dedup();
        reads
    }

    /// The parts joined by `&&` that do not hold, each with the values that were found: empty if the
    /// expression is true. Each part has a budget of its own.
    pub fn lacks(&self, scope: &Scope<'_>) -> Vec<String> {
        let parts = match &self.0.tree {
            Node::And(parts) if self.0.places.len() > 1 => parts.as_slice(),
            only => std::slice::from_ref(only),
        };
        let mut out = Vec::new();
        for (part, place) in parts.iter().zip(&self.0.places) {
            let text = show::cut(self.0.source.get(place.clone()).unwrap_or(""), 200);
            match Run::new(*scope).truth(part) {
                Ok(true) => {}
                Ok(false) => {
                    let found = show::found(part, *scope);
                    let why =
                        if found.is_empty() { String::new() } else { format!(": {}", found.join(", ")) };
                    out.push(format!("`{text}` is false{why}"));
                }
                Err(failure) => {
                    out.push(format!("`{text}` cannot be decided: {}", show::failure(&failure)));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Shared};
    use std::sync::Arc;

    fn of(source: &str) -> Condition {
        Condition::compile(source, &["args", "user"]).expect("it is an expression")
    }

    #[test]
    fn conditions_of_the_same_text_are_one_and_others_are_not() {
        let mut shared = Shared::default();
        let mut all = ["args.n <= 200", "args.n <= 201", "args.n <= 200", "args.n  <= 200"].map(of);
        all.iter_mut().for_each(|condition| condition.share(&mut shared));
        let [first, other, same, spaced] = &all;
        assert!(Arc::ptr_eq(&first.0, &same.0));
        assert!(!Arc::ptr_eq(&first.0, &other.0) && !Arc::ptr_eq(&first.0, &spaced.0));
        let sources: Vec<&str> = all.iter().map(Condition::source).collect();
        assert_eq!(sources, ["args.n <= 200", "args.n <= 201", "args.n <= 200", "args.n  <= 200"]);
    }
}
