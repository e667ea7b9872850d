//! What an expression comes to, as far as it is constant: texts, lists of texts, and things by their path.

use std::cell::Cell;

use tree_sitter::Node;

use super::Language;
use super::names::{Bound, Names, module, read};
use super::table::Table;

/// A value, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A constant text.
    Text(String),
    /// A list; elements that are not constant texts are absent.
    List(Vec<Option<String>>),
    /// A module, function or class of the outside: `os.path`.
    Path(String),
    /// What calling such a thing gives, with the text that it was given: `pathlib.Path()`.
    Made(String, Option<String>),
    /// A method of such a thing, with that text: `pathlib.Path().unlink`.
    Method(String, Option<String>),
    /// A number, a truth, a function of the text itself: nothing that reaches outside.
    Plain,
    /// Anything.
    Unknown,
}

/// How many evaluations one text is worth, how deep they may go, and how many values and bytes come out.
const FUEL: u32 = 30_000;
const DEEPEST: u32 = 16;
const MOST: usize = 4;
const LONGEST: usize = 64 * 1024;

/// Reads expressions of one text.
pub(super) struct Reader<'t> {
    pub text: &'t str,
    pub language: Language,
    pub names: Names<'t>,
    pub table: &'static Table,
    fuel: Cell<u32>,
}

/// Expressions that are neither a text nor a way to anything that reaches outside.
const PLAIN: &[&str] = &[
    "integer",
    "float",
    "number",
    "true",
    "false",
    "none",
    "null",
    "undefined",
    "dictionary",
    "object",
    "lambda",
    "arrow_function",
    "function_expression",
    "comparison_operator",
    "not_operator",
    "set",
    "list_comprehension",
    "dictionary_comprehension",
    "set_comprehension",
    "generator_expression",
    "unary_operator",
    "regex",
    "this",
    "super",
    "class",
];

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, language: Language, names: Names<'t>, table: &'static Table) -> Self {
        Self { text, language, names, table, fuel: Cell::new(FUEL) }
    }

    /// Whether there was more to read than it is worth.
    pub(super) fn is_tired(&self) -> bool {
        self.fuel.get() == 0
    }

    pub(super) fn read(&self, node: Node<'_>) -> &'t str {
        read(node, self.text)
    }

    /// Every value that an expression may have.
    pub(super) fn values(&self, node: Node<'t>) -> Vec<Value> {
        self.eval(node, 0)
    }

    fn eval(&self, node: Node<'t>, depth: u32) -> Vec<Value> {
        let fuel = self.fuel.get();
        if fuel == 0 || depth > DEEPEST {
            return vec![Value::Unknown];
        }
        self.fuel.set(fuel - 1);
        let mut values = self.kind(node, depth + 1);
        values.truncate(MOST);
        values
    }

    fn kind(&self, node: Node<'t>, depth: u32) -> Vec<Value> {
        let field = |name| node.child_by_field_name(name);
        let sub = |child: Option<Node<'t>>| {
            child.map_or_else(|| vec![Value::Unknown], |child| self.eval(child, depth))
        };
        match node.kind() {
            "string" | "template_string" => vec![self.string(node, depth)],
            "concatenated_string" => vec![self.joined(node, depth)],
            "identifier" | "shorthand_property_identifier" => self.name(self.read(node), depth),
            "attribute" | "member_expression" => {
                let member = field("attribute").or_else(|| field("property")).map_or("", |it| self.read(it));
                self.member(&sub(field("object")), member)
            }
            "subscript" | "subscript_expression" => {
                let index = field("index").or_else(|| field("subscript"));
                match sub(index).as_slice() {
                    [Value::Text(member)] => {
                        self.member(&sub(field("object").or_else(|| field("value"))), member)
                    }
                    _ => vec![Value::Unknown],
                }
            }
            "parenthesized_expression" | "await_expression" | "await" | "expression_statement" => {
                sub(node.named_child(0))
            }
            "binary_operator" | "binary_expression" => {
                let operator = field("operator").map_or("", |it| self.read(it));
                combine(operator, &sub(field("left")), &sub(field("right")))
            }
            "conditional_expression" | "ternary_expression" | "boolean_operator" => {
                let mut cursor = node.walk();
                let parts: Vec<Node<'t>> = node.named_children(&mut cursor).collect();
                parts.into_iter().flat_map(|part| self.eval(part, depth)).collect()
            }
            "list" | "tuple" | "array" => {
                let mut cursor = node.walk();
                let items: Vec<Node<'t>> = node.named_children(&mut cursor).take(256).collect();
                vec![Value::List(items.into_iter().map(|item| only_text(&self.eval(item, depth))).collect())]
            }
            "call" | "call_expression" | "new_expression" => self.called(node, depth),
            "import" => vec![Value::Path("import".to_owned())],
            kind if PLAIN.contains(&kind) => vec![Value::Plain],
            _ => vec![Value::Unknown],
        }
    }

    /// What a name stands for.
    fn name(&self, name: &str, depth: u32) -> Vec<Value> {
        let Some(bound) = self.names.get(name) else {
            for module in &self.names.starred {
                let path = format!("{module}.{name}");
                if self.table.find(&path).is_some() {
                    return vec![Value::Path(path)];
                }
            }
            return vec![Value::Path(name.to_owned())];
        };
        let of = |bound: &Bound<'t>| match bound {
            Bound::Path(path) => vec![Value::Path(path.clone())],
            Bound::Value(node) => self.eval(*node, depth),
            Bound::Part(node, member) => self.member(&self.eval(*node, depth), member),
            Bound::Local => vec![Value::Plain],
            Bound::Unknown => vec![Value::Unknown],
        };
        bound.iter().flat_map(of).collect()
    }

    fn member(&self, objects: &[Value], member: &str) -> Vec<Value> {
        let of = |object: &Value| match object {
            Value::Path(path) if self.language == Language::JavaScript && member == "default" => {
                Value::Path(path.clone())
            }
            Value::Path(path) if path == "fs" && member == "promises" => Value::Path(path.clone()),
            // `window.fetch`, `globalThis.eval`.
            Value::Path(path)
                if matches!(
                    path.as_str(),
                    "globalThis" | "window" | "self" | "global" | "builtins" | "__builtins__"
                ) =>
            {
                Value::Path(member.to_owned())
            }
            Value::Path(path) => Value::Path(format!("{path}.{member}")),
            Value::Made(path, text) if path == "pathlib.Path" => match member {
                "parent" | "absolute" | "resolve" | "expanduser" => Value::Made(path.clone(), None),
                _ => Value::Method(format!("{path}().{member}"), text.clone()),
            },
            Value::Made(path, text) => Value::Method(format!("{path}().{member}"), text.clone()),
            Value::Method(path, text) => Value::Method(format!("{path}.{member}"), text.clone()),
            Value::Text(_) | Value::List(_) | Value::Plain => Value::Plain,
            Value::Unknown => Value::Unknown,
        };
        objects.iter().map(of).collect()
    }

    fn called(&self, node: Node<'t>, depth: u32) -> Vec<Value> {
        let callee = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"));
        let Some(callee) = callee else { return vec![Value::Unknown] };
        let args = self.arguments(node);
        let texts = || -> Option<Vec<String>> {
            args.iter().map(|arg| arg.value.and_then(|node| only_text(&self.eval(node, depth)))).collect()
        };
        let of = |value: Value| match value {
            Value::Path(path) | Value::Method(path, _) => self.result(&path, &texts),
            Value::Plain => self.text_method(callee, depth).unwrap_or(Value::Unknown),
            _ => Value::Unknown,
        };
        self.eval(callee, depth).into_iter().map(of).collect()
    }

    /// What calling a known thing gives.
    fn result(&self, path: &str, texts: &dyn Fn() -> Option<Vec<String>>) -> Value {
        let texts = || texts().filter(|texts| !texts.is_empty());
        match path {
            "__import__" | "importlib.import_module" | "builtins.__import__" => match texts() {
                Some(texts) => texts.into_iter().next().map_or(Value::Unknown, Value::Path),
                None => Value::Unknown,
            },
            "require" | "import" | "module.require" | "process.mainModule.require" => match texts() {
                Some(texts) => {
                    texts.into_iter().next().map_or(Value::Unknown, |name| Value::Path(module(&name)))
                }
                None => Value::Unknown,
            },
            "os.path.join" | "path.join" | "path.resolve" | "path.posix.join" => {
                texts().map_or(Value::Unknown, |texts| Value::Text(join(&texts)))
            }
            "os.path.expanduser" | "os.path.abspath" | "os.path.realpath" | "os.path.normpath"
            | "os.fspath" | "str" | "String" | "path.normalize" | "os.path.expandvars" => {
                texts().and_then(|texts| texts.into_iter().next()).map_or(Value::Unknown, Value::Text)
            }
            "os.homedir" | "pathlib.Path.home" => {
                Value::Made("pathlib.Path".to_owned(), Some("~".to_owned()))
            }
            "pathlib.Path" | "pathlib.PosixPath" | "pathlib.WindowsPath" | "pathlib.PurePath" => {
                Value::Made("pathlib.Path".to_owned(), texts().map(|texts| join(&texts)))
            }
            other => Value::Made(other.to_owned(), texts().and_then(|texts| texts.into_iter().next())),
        }
    }

    /// Methods of constant texts that give constant texts.
    fn text_method(&self, callee: Node<'t>, depth: u32) -> Option<Value> {
        let object = callee.child_by_field_name("object")?;
        let member =
            callee.child_by_field_name("attribute").or_else(|| callee.child_by_field_name("property"))?;
        let text = only_text(&self.eval(object, depth))?;
        match self.read(member) {
            "strip" | "trim" => Some(Value::Text(text.trim().to_owned())),
            "lower" | "toLowerCase" => Some(Value::Text(text.to_lowercase())),
            "upper" | "toUpperCase" => Some(Value::Text(text.to_uppercase())),
            "encode" | "decode" | "toString" => Some(Value::Text(text)),
            "split" if !text.is_empty() => {
                Some(Value::List(text.split_whitespace().map(|word| Some(word.to_owned())).collect()))
            }
            _ => None,
        }
    }

    /// A text literal; unknown if something is put into it that is.
    fn string(&self, node: Node<'t>, depth: u32) -> Value {
        let mut made = String::new();
        let mut cursor = node.walk();
        let is_raw =
            node.child(0).is_some_and(|start| self.read(start).to_ascii_lowercase().starts_with(['r']));
        for part in node.named_children(&mut cursor) {
            match part.kind() {
                "string_start" | "string_end" => {}
                "string_content" | "string_fragment" if is_raw => made.push_str(self.read(part)),
                "string_content" | "string_fragment" => made.push_str(&unescape(self.read(part))),
                "escape_sequence" => made.push_str(&unescape(self.read(part))),
                "interpolation" | "template_substitution" => {
                    let inner = part.child_by_field_name("expression").or_else(|| part.named_child(0));
                    match inner.and_then(|inner| only_text(&self.eval(inner, depth))) {
                        Some(text) => made.push_str(&text),
                        None => return Value::Unknown,
                    }
                }
                _ => return Value::Unknown,
            }
        }
        if made.len() > LONGEST { Value::Unknown } else { Value::Text(made) }
    }

    fn joined(&self, node: Node<'t>, depth: u32) -> Value {
        let mut made = String::new();
        let mut cursor = node.walk();
        for part in node.named_children(&mut cursor) {
            match self.string(part, depth) {
                Value::Text(text) => made.push_str(&text),
                _ => return Value::Unknown,
            }
        }
        Value::Text(made)
    }

    /// The arguments of a call.
    pub(super) fn arguments(&self, call: Node<'t>) -> Vec<Argument<'t>> {
        let Some(list) = call.child_by_field_name("arguments") else { return Vec::new() };
        if !matches!(list.kind(), "argument_list" | "arguments") {
            return vec![Argument { name: None, value: Some(list) }];
        }
        let mut cursor = list.walk();
        let one = |node: Node<'t>| match node.kind() {
            "keyword_argument" => Argument {
                name: node.child_by_field_name("name").map(|name| self.read(name)),
                value: node.child_by_field_name("value"),
            },
            "list_splat" | "dictionary_splat" | "spread_element" => Argument { name: None, value: None },
            _ => Argument { name: None, value: Some(node) },
        };
        list.named_children(&mut cursor).filter(|node| node.kind() != "comment").map(one).collect()
    }
}

/// One argument of a call; no value for what is spread from elsewhere.
pub(super) struct Argument<'t> {
    pub name: Option<&'t str>,
    pub value: Option<Node<'t>>,
}

/// The text, if it is the one value.
pub(super) fn only_text(values: &[Value]) -> Option<String> {
    match values {
        [Value::Text(text)] => Some(text.clone()),
        [Value::Made(path, text)] if path == "pathlib.Path" => text.clone(),
        _ => None,
    }
}

fn join(parts: &[String]) -> String {
    let mut made = String::new();
    for part in parts {
        if part.starts_with('/') {
            made.clear();
        } else if !made.is_empty() && !made.ends_with('/') {
            made.push('/');
        }
        made.push_str(part);
    }
    made
}

fn combine(operator: &str, left: &[Value], right: &[Value]) -> Vec<Value> {
    match (operator, left, right) {
        ("+", [Value::Text(left)], [Value::Text(right)]) if left.len() + right.len() <= LONGEST => {
            vec![Value::Text(format!("{left}{right}"))]
        }
        ("+", [Value::List(left)], [Value::List(right)]) => {
            vec![Value::List(left.iter().chain(right).take(256).cloned().collect())]
        }
        ("/", [Value::Made(path, left)], right) if path == "pathlib.Path" => {
            let made = left.clone().zip(only_text(right)).map(|(left, right)| join(&[left, right]));
            vec![Value::Made(path.clone(), made)]
        }
        ("||" | "??" | "&&", left, right) => left.iter().chain(right).cloned().collect(),
        (
            "-" | "*" | "**" | "//" | "%" | "<" | ">" | "<=" | ">=" | "==" | "===" | "!=" | "!==" | "&" | "|"
            | "^",
            [Value::Plain],
            [Value::Plain],
        ) => {
            vec![Value::Plain]
        }
        _ => vec![Value::Unknown],
    }
}

/// The escapes that both languages share; an odd one stays as it is.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut made = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(sign) = rest.next() {
        if sign != '\\' {
            made.push(sign);
            continue;
        }
        let digits = |rest: &mut std::str::Chars<'_>, count: usize| {
            let digits: String = rest.clone().take(count).collect();
            let found = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
            if found.is_some() && count > 0 {
                rest.nth(count - 1);
            }
            found
        };
        match rest.next() {
            Some('n') => made.push('\n'),
            Some('t') => made.push('\t'),
            Some('r') => made.push('\r'),
            Some('0') => made.push('\0'),
            Some('\n') | None => {}
            Some('x') => made.extend(digits(&mut rest, 2)),
            Some('u') => made.extend(digits(&mut rest, 4)),
            Some('U') => made.extend(digits(&mut rest, 8)),
            Some(other) => made.push(other),
        }
    }
    made
}
