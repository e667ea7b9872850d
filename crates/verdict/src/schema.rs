//! JSON Schema of arguments: the part of draft 2020-12 that says something about a value.
//!
//! Answerable for naming the place and what was expected, never the value (it may be a secret), and for refusing
//! schemas whose words it does not know: what is not checked must not look as if it were. `format` and other
//! annotations are read over, as the standard has it. Time is bounded by a number of steps.

mod check;
mod compile;
#[cfg(test)]
mod tests;

use hashbrown::HashMap;
use regex::Regex;

use crate::json::Json;

pub use compile::Fault;

/// A compiled schema of an argument object.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Node,
    /// What `$ref` can lead to.
    named: HashMap<String, Node>,
    /// As it was written.
    source: Json,
}

/// What a value must be. Each part that is there must hold.
#[derive(Clone, Debug, Default)]
struct Node {
    /// `false` as a schema.
    never: bool,
    types: Vec<Type>,
    one_of_values: Option<Vec<Json>>,
    object: Object,
    list: List,
    text: Text,
    number: Number,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
    when: Option<Box<[Node; 3]>>,
    refers: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    Text,
    List,
    Object,
}

#[derive(Clone, Debug, Default)]
struct Object {
    properties: Vec<(String, Node)>,
    patterns: Vec<(Regex, Node)>,
    /// What other properties must be; absent: anything.
    others: Option<Box<Node>>,
    /// True if `additionalProperties` is written, and not `false`.
    open: bool,
    required: Vec<String>,
    needs: Vec<(String, Vec<String>)>,
    names: Option<Box<Node>>,
    count: Range,
}

#[derive(Clone, Debug, Default)]
struct List {
    first: Vec<Node>,
    items: Option<Box<Node>>,
    contains: Option<Box<Node>>,
    unique: bool,
    count: Range,
}

#[derive(Clone, Debug, Default)]
struct Text {
    pattern: Option<Regex>,
    count: Range,
}

#[derive(Clone, Debug, Default)]
struct Number {
    least: Option<Json>,
    above: Option<Json>,
    most: Option<Json>,
    below: Option<Json>,
    multiple: Option<Json>,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    least: Option<u64>,
    most: Option<u64>,
}

impl Schema {
    /// Compiles the schema of an object. The error is everything that is wrong with it, each with its path of keys.
    pub fn compile(source: Json) -> Result<Self, Vec<Fault>> {
        compile::compile(source)
    }

    /// Holds arguments against it. The error is a sentence: the place below `args`, and what was expected.
    pub fn check(&self, args: &Json) -> Result<(), String> {
        check::check(self, args)
    }

    /// As it was written.
    pub fn source(&self) -> &Json {
        &self.source
    }

    /// The names of the properties that it declares.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.root.object.properties.iter().map(|(name, _)| name.as_str())
    }

    /// True if it says what `name` must be.
    pub(crate) fn declares(&self, name: &str) -> bool {
        let object = &self.root.object;
        object.properties.iter().any(|(it, _)| it == name)
            || object.patterns.iter().any(|(it, _)| it.is_match(name))
    }

    /// True if it says in so many words that there may be other properties.
    pub(crate) fn is_open(&self) -> bool {
        self.root.object.open
    }
}
