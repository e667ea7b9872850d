//! What the names of a text stand for: imports with their aliases, constants, things defined in the text.
//!
//! A name that is given several values stands for each of them; order and scope are not looked at.

use std::collections::{HashMap, HashSet};

use tree_sitter::Node;

use super::Language;

/// One thing that a name may stand for.
#[derive(Clone, Debug)]
pub(super) enum Bound<'t> {
    /// What an import leads to: `os.system`.
    Path(String),
    /// The value of an expression.
    Value(Node<'t>),
    /// A part of the value of an expression: `{readFile} = require('fs')`.
    Part(Node<'t>, String),
    /// A function or class of the text itself.
    Local,
    /// Anything.
    Unknown,
}

/// How many values of one name are kept before it is anything.
const MOST: usize = 8;

#[derive(Default)]
pub(super) struct Names<'t> {
    known: HashMap<&'t str, Vec<Bound<'t>>>,
    /// Modules that are imported, first components and all.
    pub modules: Vec<String>,
    /// Modules all of whose names are imported.
    pub starred: Vec<String>,
    /// Names that are given more values than are kept.
    crowded: HashSet<&'t str>,
}

impl<'t> Names<'t> {
    pub(super) fn get(&self, name: &str) -> Option<&[Bound<'t>]> {
        self.known.get(name).map(Vec::as_slice)
    }

    fn bind(&mut self, name: &'t str, bound: Bound<'t>) {
        let values = self.known.entry(name).or_default();
        if values.len() < MOST {
            values.push(bound);
        } else if let Some(last) = values.last_mut() {
            *last = Bound::Unknown;
            self.crowded.insert(name);
        }
    }

    /// Whether a name stands for more things than were kept.
    pub(super) fn is_crowded(&self, name: &str) -> bool {
        self.crowded.contains(name)
    }

    /// Takes what one node of the tree binds.
    pub(super) fn take(&mut self, node: Node<'t>, text: &'t str, language: Language) {
        match language {
            Language::Python => self.python(node, text),
            Language::JavaScript => self.javascript(node, text),
        }
    }

    fn python(&mut self, node: Node<'t>, text: &'t str) {
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "import_statement" => self.imports(node, text, None),
            "import_from_statement" => {
                let module = field("module_name").map(|name| read(name, text)).unwrap_or_default();
                self.modules.push(module.to_owned());
                self.imports(node, text, Some(module));
            }
            "assignment" | "named_expression" | "augmented_assignment" => {
                let target = field("left").or_else(|| field("name"));
                let value = field("right").or_else(|| field("value"));
                if let (Some(target), Some(value)) = (target, value) {
                    self.assign(target, value, text, node.kind() != "augmented_assignment");
                }
            }
            "as_pattern" => {
                let target = field("alias").and_then(|target| target.named_child(0));
                if let (Some(target), Some(value)) = (target, node.named_child(0)) {
                    self.assign(target, value, text, true);
                }
            }
            "for_statement" | "for_in_clause" => {
                if let Some(target) = field("left") {
                    self.anything(target, text);
                }
            }
            "parameters" | "lambda_parameters" => self.anything(node, text),
            "function_definition" | "class_definition" => {
                if let Some(name) = field("name") {
                    self.bind(read(name, text), Bound::Local);
                }
            }
            "global_statement" | "except_clause" | "case_clause" => {}
            _ => {}
        }
    }

    fn imports(&mut self, node: Node<'t>, text: &'t str, module: Option<&'t str>) {
        let mut cursor = node.walk();
        for (at, child) in node.named_children(&mut cursor).enumerate() {
            if module.is_some() && at == 0 {
                continue;
            }
            let (name, alias) = match child.kind() {
                "aliased_import" => (child.child_by_field_name("name"), child.child_by_field_name("alias")),
                "wildcard_import" => {
                    // Some are enough to say that not all is known.
                    if self.starred.len() < MOST {
                        self.starred.extend(module.map(str::to_owned));
                    }
                    continue;
                }
                _ => (Some(child), None),
            };
            let Some(path) = name.map(|name| read(name, text)) else { continue };
            let first = path.split('.').next().unwrap_or(path);
            let (known, full) = match (alias, module) {
                (Some(alias), Some(module)) => (read(alias, text), format!("{module}.{path}")),
                (Some(alias), None) => (read(alias, text), path.to_owned()),
                (None, Some(module)) => (path, format!("{module}.{path}")),
                (None, None) => (first, first.to_owned()),
            };
            if module.is_none() {
                self.modules.push(path.to_owned());
            }
            self.bind(known, Bound::Path(normal(&full)));
        }
    }

    fn assign(&mut self, target: Node<'t>, value: Node<'t>, text: &'t str, is_whole: bool) {
        match target.kind() {
            "identifier" if is_whole => self.bind(read(target, text), Bound::Value(value)),
            "attribute" | "subscript" | "member_expression" | "subscript_expression" => {}
            "pattern_list" | "tuple_pattern" | "list_pattern"
                if target.named_child_count() == value.named_child_count()
                    && matches!(value.kind(), "expression_list" | "tuple" | "list") =>
            {
                let mut cursor = target.walk();
                let targets: Vec<Node<'t>> = target.named_children(&mut cursor).collect();
                let mut cursor = value.walk();
                let values: Vec<Node<'t>> = value.named_children(&mut cursor).collect();
                for (target, value) in targets.into_iter().zip(values) {
                    if target.kind() == "identifier" {
                        self.bind(read(target, text), Bound::Value(value));
                    }
                }
            }
            _ => self.anything(target, text),
        }
    }

    /// Every name in a pattern may be anything.
    fn anything(&mut self, target: Node<'t>, text: &'t str) {
        if target.kind() == "identifier" {
            return self.bind(read(target, text), Bound::Unknown);
        }
        let mut cursor = target.walk();
        for child in target.named_children(&mut cursor) {
            match child.kind() {
                "identifier" | "shorthand_property_identifier_pattern" => {
                    self.bind(read(child, text), Bound::Unknown)
                }
                "default_parameter" | "typed_default_parameter" | "assignment_pattern" => {
                    let name =
                        child.child_by_field_name("name").or_else(|| child.child_by_field_name("left"));
                    let value =
                        child.child_by_field_name("value").or_else(|| child.child_by_field_name("right"));
                    if let Some(name) = name.filter(|name| name.kind() == "identifier") {
                        self.bind(read(name, text), Bound::Unknown);
                        if let Some(value) = value {
                            self.bind(read(name, text), Bound::Value(value));
                        }
                    }
                }
                "typed_parameter"
                | "list_splat_pattern"
                | "dictionary_splat_pattern"
                | "rest_pattern"
                | "pair_pattern" => {
                    let mut cursor = child.walk();
                    for name in child.named_children(&mut cursor).filter(|name| name.kind() == "identifier") {
                        self.bind(read(name, text), Bound::Unknown);
                    }
                }
                _ => {}
            }
        }
    }

    fn javascript(&mut self, node: Node<'t>, text: &'t str) {
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "import_statement" => self.esm(node, text),
            "variable_declarator" | "assignment_expression" => {
                let target = field("name").or_else(|| field("left"));
                match (target, field("value").or_else(|| field("right"))) {
                    (Some(target), Some(value)) if target.kind() == "object_pattern" => {
                        self.unpack(target, value, text)
                    }
                    (Some(target), Some(value)) => self.assign(target, value, text, true),
                    (Some(target), None) => self.anything(target, text),
                    _ => {}
                }
            }
            "for_in_statement" => {
                if let Some(target) = field("left") {
                    self.anything(target, text);
                }
            }
            "formal_parameters" => self.anything(node, text),
            "arrow_function" => {
                if let Some(target) = field("parameter") {
                    self.anything(target, text);
                }
            }
            "catch_clause" => {
                if let Some(target) = field("parameter") {
                    self.anything(target, text);
                }
            }
            "function_declaration" | "class_declaration" | "generator_function_declaration" => {
                if let Some(name) = field("name") {
                    self.bind(read(name, text), Bound::Local);
                }
            }
            _ => {}
        }
    }

    /// `const {a, b: c} = value`.
    fn unpack(&mut self, pattern: Node<'t>, value: Node<'t>, text: &'t str) {
        let mut cursor = pattern.walk();
        for child in pattern.named_children(&mut cursor) {
            match child.kind() {
                "shorthand_property_identifier_pattern" => {
                    let name = read(child, text);
                    self.bind(name, Bound::Part(value, name.to_owned()));
                }
                "pair_pattern" => {
                    let key = child.child_by_field_name("key").map(|key| read(key, text));
                    match (key, child.child_by_field_name("value")) {
                        (Some(key), Some(name)) if name.kind() == "identifier" => {
                            self.bind(read(name, text), Bound::Part(value, key.to_owned()));
                        }
                        (_, Some(other)) => self.anything(other, text),
                        _ => {}
                    }
                }
                _ => self.anything(child, text),
            }
        }
    }

    fn esm(&mut self, node: Node<'t>, text: &'t str) {
        let Some(source) = node.child_by_field_name("source") else { return };
        let module = module(read(source, text).trim_matches(['"', '\'']));
        self.modules.push(module.clone());
        let mut cursor = node.walk();
        let clause = node.named_children(&mut cursor).find(|child| child.kind() == "import_clause");
        let Some(clause) = clause else { return };
        let mut cursor = clause.walk();
        for part in clause.named_children(&mut cursor) {
            match part.kind() {
                "identifier" => self.bind(read(part, text), Bound::Path(module.clone())),
                "namespace_import" => {
                    if let Some(name) = part.named_child(0) {
                        self.bind(read(name, text), Bound::Path(module.clone()));
                    }
                }
                _ => {
                    let mut cursor = part.walk();
                    for specifier in part.named_children(&mut cursor) {
                        let Some(name) = specifier.child_by_field_name("name") else { continue };
                        let alias = specifier.child_by_field_name("alias").unwrap_or(name);
                        let path = match read(name, text) {
                            "default" => module.clone(),
                            name => format!("{module}.{name}"),
                        };
                        self.bind(read(alias, text), Bound::Path(path));
                    }
                }
            }
        }
    }
}

/// A node's text.
pub(super) fn read<'t>(node: Node<'_>, text: &'t str) -> &'t str {
    text.get(node.byte_range()).unwrap_or_default()
}

/// A Node module by its plain name.
pub(super) fn module(name: &str) -> String {
    let name = name.strip_prefix("node:").unwrap_or(name);
    match name {
        "fs/promises" | "fs-extra" | "graceful-fs" | "memfs" => "fs".to_owned(),
        "path/posix" | "path/win32" => "path".to_owned(),
        "dns/promises" => "dns".to_owned(),
        "mysql2/promise" => "mysql2".to_owned(),
        other => other.split('/').next().filter(|first| !first.starts_with('@')).unwrap_or(other).to_owned(),
    }
}

/// The usual name of a module that has several.
fn normal(path: &str) -> String {
    const OTHERS: &[(&str, &str)] =
        &[("posix", "os"), ("nt", "os"), ("posixpath", "os.path"), ("_io", "io"), ("ntpath", "os.path")];
    let (first, rest) = path.split_once('.').map_or((path, ""), |(first, rest)| (first, rest));
    match OTHERS.iter().find(|(other, _)| *other == first) {
        Some((_, usual)) if rest.is_empty() => (*usual).to_owned(),
        Some((_, usual)) => format!("{usual}.{rest}"),
        None => path.to_owned(),
    }
}
