//! From the text of a schema to what is checked. Every word is known, or an error.

use hashbrown::{HashMap, HashSet};
use regex::{Regex, RegexBuilder};

use super::{Node, Range, Schema, Type};
use crate::action::short;
use crate::json::{Json, Map};

/// Something wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The keys from its root to the place.
    pub path: Vec<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Schemas within each other.
const DEEPEST: usize = 32;
/// The most memory that one compiled pattern may take, in bytes.
const PATTERN_MEMORY: usize = 1 << 20;

/// Words that say nothing about whether a value is right.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "externalDocs",
    "xml",
];

pub(super) fn compile(source: Json) -> Result<Schema, Vec<Fault>> {
    let mut compiler = Compiler { path: Vec::new(), faults: Vec::new(), refers: HashSet::new() };
    let root = compiler.node(&source);
    if !root.types.is_empty() && root.types != [Type::Object] {
        compiler.fault("arguments are an object: write `type: object`");
    }
    let mut named = HashMap::new();
    for section in ["$defs", "definitions"] {
        let Some(Json::Map(map)) = source.at(&[section.to_owned()]) else { continue };
        for (name, schema) in map.iter() {
            let node = compiler.inside(&[section, name], |it| it.node(schema));
            named.insert(format!("#/{section}/{name}"), node);
        }
    }
    let missing = compiler.refers.iter().filter(|name| *name != "#" && !named.contains_key(*name));
    let missing: Vec<String> = missing.cloned().collect();
    for name in missing {
        compiler
            .fault(&format!("`$ref` leads to `{}`, which is not there; write `#/$defs/NAME`", short(&name)));
    }
    if compiler.faults.is_empty() { Ok(Schema { root, named, source }) } else { Err(compiler.faults) }
}

struct Compiler {
    path: Vec<String>,
    faults: Vec<Fault>,
    refers: HashSet<String>,
}

impl Compiler {
    fn fault(&mut self, message: &str) {
        if self.faults.len() < 100 {
            self.faults.push(Fault { path: self.path.clone(), message: message.to_owned() });
        }
    }

    fn inside<T>(&mut self, keys: &[&str], work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        self.path.extend(keys.iter().map(|key| (*key).to_owned()));
        let done = work(self);
        self.path.truncate(before);
        done
    }

    fn node(&mut self, schema: &Json) -> Node {
        let map = match schema {
            Json::Bool(any) => return Node { never: !any, ..Node::default() },
            Json::Map(map) => map,
            other => {
                self.fault(&format!("a schema is an object, not {}", other.kind()));
                return Node::default();
            }
        };
        if self.path.len() > DEEPEST * 2 {
            self.fault("schemas are nested too deep");
            return Node::default();
        }
        let mut node = Node::default();
        for (key, value) in map.iter() {
            self.inside(&[key], |it| it.word(&mut node, key, value));
        }
        self.when(&mut node, map);
        node
    }

    fn word(&mut self, node: &mut Node, key: &str, value: &Json) {
        match key {
            "type" => node.types = self.types(value),
            "enum" => node.one_of_values = Some(self.list(value).to_vec()),
            "const" => node.one_of_values = Some(vec![value.clone()]),
            "allOf" => node.all_of = self.nodes(value),
            "anyOf" => node.any_of = self.nodes(value),
            "oneOf" => node.one_of = self.nodes(value),
            "not" => node.not = Some(Box::new(self.node(value))),
            "if" | "then" | "else" => (),
            "$ref" => node.refers = self.refer(value),
            _ if ANNOTATIONS.contains(&key) || key.starts_with("x-") => (),
            _ if self.of_object(node, key, value)
                || self.of_list(node, key, value)
                || self.of_scalar(node, key, value) => {}
            _ => {
                self.fault(&format!("`{}` is not supported, and would not be checked; remove it", short(key)))
            }
        }
    }

    fn of_object(&mut self, node: &mut Node, key: &str, value: &Json) -> bool {
        let object = &mut node.object;
        match key {
            "properties" => {
                for (name, schema) in self.map(value).iter() {
                    let property = self.inside(&[name], |it| it.node(schema));
                    object.properties.push((name.to_owned(), property));
                }
            }
            "patternProperties" => {
                for (pattern, schema) in self.map(value).iter() {
                    let (regex, property) =
                        self.inside(&[pattern], |it| (it.regex(pattern), it.node(schema)));
                    object.patterns.extend(regex.map(|regex| (regex, property)));
                }
            }
            "additionalProperties" => {
                object.open = *value != Json::Bool(false);
                object.others = Some(Box::new(self.node(value)));
            }
            "propertyNames" => object.names = Some(Box::new(self.node(value))),
            "required" => object.required = self.texts(value),
            "dependentRequired" => {
                for (name, needed) in self.map(value).iter() {
                    let needed = self.inside(&[name], |it| it.texts(needed));
                    object.needs.push((name.to_owned(), needed));
                }
            }
            "minProperties" => object.count.least = self.count(value),
            "maxProperties" => object.count.most = self.count(value),
            _ => return false,
        }
        true
    }

    fn of_list(&mut self, node: &mut Node, key: &str, value: &Json) -> bool {
        let list = &mut node.list;
        match key {
            "prefixItems" => list.first = self.nodes(value),
            "items" => list.items = Some(Box::new(self.node(value))),
            "contains" => list.contains = Some(Box::new(self.node(value))),
            "uniqueItems" => list.unique = self.flag(value),
            "minItems" => list.count.least = self.count(value),
            "maxItems" => list.count.most = self.count(value),
            _ => return false,
        }
        true
    }

    fn of_scalar(&mut self, node: &mut Node, key: &str, value: &Json) -> bool {
        let (text, number) = (&mut node.text, &mut node.number);
        match key {
            "minLength" => text.count.least = self.count(value),
            "maxLength" => text.count.most = self.count(value),
            "pattern" => text.pattern = self.text(value).and_then(|pattern| self.regex(&pattern)),
            "minimum" => number.least = self.number(value),
            "exclusiveMinimum" => number.above = self.number(value),
            "maximum" => number.most = self.number(value),
            "exclusiveMaximum" => number.below = self.number(value),
            "multipleOf" => {
                number.multiple = self.number(value);
                if matches!(value, Json::Int(n) if *n <= 0) || matches!(value, Json::Float(x) if *x <= 0.0) {
                    self.fault("`multipleOf` is above 0");
                }
            }
            _ => return false,
        }
        true
    }

    fn when(&mut self, node: &mut Node, map: &Map) {
        let mut part = |key: &str| map.get(key).map(|schema| self.inside(&[key], |it| it.node(schema)));
        if let Some(condition) = part("if") {
            let (then, otherwise) = (part("then").unwrap_or_default(), part("else").unwrap_or_default());
            node.when = Some(Box::new([condition, then, otherwise]));
        }
    }

    fn types(&mut self, value: &Json) -> Vec<Type> {
        let names = match value {
            Json::Str(name) => vec![name.clone()],
            other => self.texts(other),
        };
        let mut types = Vec::new();
        for name in names {
            match name.as_str() {
                "null" => types.push(Type::Null),
                "boolean" => types.push(Type::Boolean),
                "integer" => types.push(Type::Integer),
                "number" => types.push(Type::Number),
                "string" => types.push(Type::Text),
                "array" => types.push(Type::List),
                "object" => types.push(Type::Object),
                odd => self.fault(&format!(
                    "`{}` is no type; known: string, integer, number, boolean, object, array, null",
                    short(odd)
                )),
            }
        }
        types
    }

    fn refer(&mut self, value: &Json) -> Option<String> {
        let name = self.text(value)?;
        self.refers.insert(name.clone());
        Some(name)
    }

    fn nodes(&mut self, value: &Json) -> Vec<Node> {
        let schemas = self.list(value).to_vec();
        if schemas.is_empty() {
            self.fault("a list of schemas with at least one is wanted");
        }
        (0_usize..)
            .zip(&schemas)
            .map(|(n, schema)| self.inside(&[&n.to_string()], |it| it.node(schema)))
            .collect()
    }

    fn list<'v>(&mut self, value: &'v Json) -> &'v [Json] {
        match value {
            Json::List(items) => items,
            other => {
                self.fault(&format!("a list is wanted, and this is {}", other.kind()));
                &[]
            }
        }
    }

    fn map(&mut self, value: &Json) -> Map {
        match value {
            Json::Map(map) => map.clone(),
            other => {
                self.fault(&format!("an object is wanted, and this is {}", other.kind()));
                Map::default()
            }
        }
    }

    fn texts(&mut self, value: &Json) -> Vec<String> {
        let items = self.list(value).to_vec();
        items.iter().filter_map(|item| self.text(item)).collect()
    }

    fn text(&mut self, value: &Json) -> Option<String> {
        match value {
            Json::Str(text) => Some(text.clone()),
            other => {
                self.fault(&format!("a string is wanted, and this is {}", other.kind()));
                None
            }
        }
    }

    fn flag(&mut self, value: &Json) -> bool {
        if !matches!(value, Json::Bool(_)) {
            self.fault("true or false is wanted");
        }
        *value == Json::Bool(true)
    }

    fn count(&mut self, value: &Json) -> Option<u64> {
        let count = match value {
            Json::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        };
        if count.is_none() {
            self.fault("a whole number that is not negative is wanted");
        }
        count
    }

    fn number(&mut self, value: &Json) -> Option<Json> {
        if matches!(value, Json::Int(_) | Json::Float(_)) {
            return Some(value.clone());
        }
        self.fault("a number is wanted");
        None
    }

    fn regex(&mut self, pattern: &str) -> Option<Regex> {
        match RegexBuilder::new(pattern).size_limit(PATTERN_MEMORY).build() {
            Ok(regex) => Some(regex),
            Err(_) => {
                let why = "cannot be used as a pattern; look-around and back-references are not supported";
                self.fault(&format!("`{}` {why}", short(pattern)));
                None
            }
        }
    }
}

impl Range {
    pub(super) fn admits(self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.least.is_none_or(|least| least <= count) && self.most.is_none_or(|most| count <= most)
    }
}
