//! The compiled form of an expression: small nodes, constants ready made, paths resolved.
//!
//! Answerable for the shape alone. Does not know how a tree comes about, nor what it is worth.

use std::sync::Arc;

use hashbrown::HashSet;
use regex::Regex;

use super::functions::Function;
use super::moment::Time;

/// A constant of the source, or one worked out when it was compiled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Const>),
    Map(Vec<(Const, Const)>),
    Time(Time),
    /// A duration in nanoseconds.
    Span(i64),
    Type(Kind),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Str,
    Bytes,
    List,
    Map,
    Time,
    Span,
    Type,
}

/// A root and the keys below it, all of them known when the expression is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    /// Position among the roots.
    pub(super) root: usize,
    /// The name of the root.
    pub(super) name: Box<str>,
    /// The keys, outermost first.
    pub(super) keys: Vec<Box<str>>,
}

/// A regular expression, compiled once.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Steps charged for every 16 bytes that are searched: grows with the size of the program, since the
    /// slowest way to search takes time in proportion to it.
    pub(super) weight: u32,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Arithmetic on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The macros that go through a list or the keys of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// One walk: `range.kind(name, test, make)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loop {
    pub(super) kind: Walk,
    pub(super) range: Node,
    /// Position of the element among the local names.
    pub(super) slot: usize,
    pub(super) name: Box<str>,
    /// What must hold of the element.
    pub(super) test: Option<Node>,
    /// What becomes of the element.
    pub(super) make: Option<Node>,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Const(Const),
    /// Shared by all conditions of a policy that read the same, so that few are read often.
    Path(Arc<Path>),
    Local {
        slot: usize,
        name: Box<str>,
    },
    Select(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    /// `has(root.key...)`, where the path is the whole of it.
    HasPath(Arc<Path>),
    Index(Box<(Node, Node)>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Choose(Box<(Node, Node, Node)>),
    Compare(Relation, Box<(Node, Node)>),
    Within(Box<(Node, Node)>),
    Arithmetic(Sum, Box<(Node, Node)>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Box<Pattern>),
    Loop(Box<Loop>),
}

impl Relation {
    /// The relation as it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Differs => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The same relation seen from the other side.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    /// The relation that holds where this one does not, for values that have an order.
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::Differs,
            Self::Differs => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::Greater,
            Self::Greater => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }
}

impl Sum {
    /// The operator as it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// What the operator does to its operands, for "cannot be ...".
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Add => "added to",
            Self::Subtract => "reduced by",
            Self::Multiply => "multiplied by",
            Self::Divide => "divided by",
            Self::Remainder => "taken modulo",
        }
    }
}

impl Walk {
    /// The macro's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Map => "map",
            Self::Filter => "filter",
        }
    }
}

impl Kind {
    /// The name of the type in an expression.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Str => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Time => "google.protobuf.Timestamp",
            Self::Span => "google.protobuf.Duration",
            Self::Type => "type",
        }
    }

    /// The kind in words a person knows.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int | Self::Uint | Self::Double => "a number",
            Self::Str => "a string",
            Self::Bytes => "a sequence of bytes",
            Self::List => "a list",
            Self::Map => "an object",
            Self::Time => "a timestamp",
            Self::Span => "a duration",
            Self::Type => "a type",
        }
    }

    /// The kind in words that keep the kinds of number apart, as arithmetic does.
    pub(super) fn exact_words(self) -> &'static str {
        match self {
            Self::Int => "an integer",
            Self::Uint => "an unsigned integer",
            Self::Double => "a fractional number",
            other => other.words(),
        }
    }
}

impl Path {
    /// The path as it would be written, up to and including its first `depth` keys.
    pub(super) fn text(&self, depth: usize) -> String {
        let mut out = self.name.to_string();
        for key in self.keys.iter().take(depth) {
            let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if plain {
                out.push('.');
                out.push_str(key);
            } else {
                out.push_str(&format!("[{key:?}]"));
            }
        }
        out
    }
}

impl Node {
    /// The nodes directly below this one.
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Const(_) | Self::Path(_) | Self::Local { .. } | Self::HasPath(_) => Vec::new(),
            Self::Select(of, _) | Self::Has(of, _) | Self::Matches(of, _) => vec![of],
            Self::Not(of) | Self::Negate(of) => vec![of],
            Self::Index(two) | Self::Within(two) | Self::Compare(_, two) | Self::Arithmetic(_, two) => {
                vec![&two.0, &two.1]
            }
            Self::Choose(three) => vec![&three.0, &three.1, &three.2],
            Self::And(of) | Self::Or(of) | Self::List(of) | Self::Call(_, of) => of.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Loop(walk) => {
                [Some(&walk.range), walk.test.as_ref(), walk.make.as_ref()].into_iter().flatten().collect()
            }
        }
    }

    /// The same, to be changed.
    fn children_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::Const(_) | Self::Path(_) | Self::Local { .. } | Self::HasPath(_) => Vec::new(),
            Self::Select(of, _) | Self::Has(of, _) | Self::Matches(of, _) => vec![of],
            Self::Not(of) | Self::Negate(of) => vec![of],
            Self::Index(two) | Self::Within(two) | Self::Compare(_, two) | Self::Arithmetic(_, two) => {
                let (left, right) = &mut **two;
                vec![left, right]
            }
            Self::Choose(three) => {
                let (of, yes, no) = &mut **three;
                vec![of, yes, no]
            }
            Self::And(of) | Self::Or(of) | Self::List(of) | Self::Call(_, of) => of.iter_mut().collect(),
            Self::Map(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
            Self::Loop(walk) => {
                let Loop { range, test, make, .. } = &mut **walk;
                [Some(range), test.as_mut(), make.as_mut()].into_iter().flatten().collect()
            }
        }
    }

    /// Exchanges paths for the same ones among `known`, and adds those that are new.
    pub(super) fn share(&mut self, known: &mut HashSet<Arc<Path>>) {
        if let Self::Path(path) | Self::HasPath(path) = self {
            *path = Arc::clone(known.get_or_insert_with(path, Arc::clone));
        }
        for child in self.children_mut() {
            child.share(known);
        }
    }

    /// Every path that is read at or below this node.
    pub(super) fn paths<'n>(&'n self, out: &mut Vec<&'n Path>) {
        if let Self::Path(path) | Self::HasPath(path) = self {
            out.push(path);
        }
        for child in self.children() {
            child.paths(out);
        }
    }
}
