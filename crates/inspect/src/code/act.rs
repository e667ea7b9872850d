//! What the calls of a text do, and what in it cannot be told.

mod known;

use std::collections::HashSet;

use tree_sitter::{Node, Tree};
use verdict::{Effect, Target};

use super::names::Names;
use super::table;
use super::value::{Argument, Reader, Value, only_text};
use super::{Findings, Language};

/// Attributes by which anything can be reached from anything.
const BACK_DOORS: &[&str] = &[
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__bases__",
    "__base__",
    "__mro__",
    "__dict__",
    "__code__",
    "__getattribute__",
    "__loader__",
    "__import__",
    "__closure__",
    "__self__",
    "__reduce__",
    "__reduce_ex__",
    "gi_frame",
    "f_globals",
    "f_locals",
    "f_builtins",
    "func_globals",
    "tb_frame",
    "cr_frame",
    "mainModule",
    "__proto__",
];

/// Modules that talk to databases.
const DATABASES: &[&str] = &[
    "sqlite3",
    "psycopg2",
    "psycopg",
    "pymysql",
    "MySQLdb",
    "mysql",
    "pyodbc",
    "cx_Oracle",
    "oracledb",
    "asyncpg",
    "duckdb",
    "sqlalchemy",
    "pg",
    "mysql2",
    "better-sqlite3",
    "knex",
];

/// The effects of a text.
pub(super) fn act(findings: &mut Findings<'_>, tree: &Tree, text: &str, language: Language) {
    let mut names = Names::default();
    each(tree, |node| names.take(node, text, language));
    let reader = Reader::new(text, language, names, table::of(language));
    let is_database =
        |module: &String| module.split('.').next().is_some_and(|first| DATABASES.contains(&first));
    let has_database = reader.names.modules.iter().any(is_database);
    let mut walk = Walk { findings, reader, told: HashSet::new(), past: 0, has_database };
    walk.modules();
    each(tree, |node| walk.node(node));
    if walk.reader.is_lost() {
        walk.findings.unknown("too tangled to be read");
    }
}

/// Every node, those that hold others first.
fn each<'t>(tree: &'t Tree, mut see: impl FnMut(Node<'t>)) {
    let mut cursor = tree.walk();
    loop {
        see(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

struct Walk<'f, 'a, 't> {
    findings: &'f mut Findings<'a>,
    reader: Reader<'t>,
    /// Nodes that were told as a part of another.
    told: HashSet<usize>,
    /// Whether it uses a database.
    has_database: bool,
    /// What begins before this byte was told as a whole.
    past: usize,
}

/// What is called, and with what.
struct Call<'c, 't> {
    args: &'c [Argument<'t>],
    /// The text of the object whose method it is.
    object: Option<String>,
    path: &'c str,
}

impl<'t> Walk<'_, '_, 't> {
    /// Modules that are not known may do anything.
    fn modules(&mut self) {
        let modules: Vec<String> = self.reader.names.modules.clone();
        for module in modules {
            let first = module.split('.').next().unwrap_or_default();
            let table = self.reader.table;
            if !table.is_safe(first)
                && !table.has_doors(first)
                && !matches!(first, "posix" | "nt" | "posixpath")
            {
                self.findings.unknown("uses a module that is not known here");
            }
        }
        if !self.reader.names.starred.is_empty() {
            self.findings.unknown("imports every name of a module");
        }
    }

    fn node(&mut self, node: Node<'t>) {
        if node.start_byte() < self.past {
            return;
        }
        match node.kind() {
            "call" | "call_expression" | "new_expression" => self.call(node),
            "attribute" | "member_expression" => self.attribute(node),
            "identifier" => self.mention(node),
            "subscript" | "subscript_expression" => self.subscript(node),
            "import_statement" | "import_from_statement" => self.past = node.end_byte(),
            "pair_pattern" => self.skip(node.child_by_field_name("value")),
            "assignment" | "assignment_expression" | "variable_declarator" => self.assigned(node),
            // Names that are no values.
            "keyword_argument"
            | "function_definition"
            | "class_definition"
            | "function_declaration"
            | "labeled_statement" => {
                self.skip(node.child_by_field_name("name"));
            }
            "exec_statement" => self.findings.unknown("runs a text that is not known here"),
            "decorator" => {}
            _ => {}
        }
    }

    fn skip(&mut self, node: Option<Node<'t>>) {
        self.told.extend(node.map(|node| node.id()));
    }

    /// A name that is given a value is not used by that; a constant member of the environment is changed.
    fn assigned(&mut self, node: Node<'t>) {
        let target = node.child_by_field_name("left").or_else(|| node.child_by_field_name("name"));
        let value = node.child_by_field_name("right").or_else(|| node.child_by_field_name("value"));
        let Some(target) = target else { return };
        if target.kind() == "identifier" {
            self.skip(Some(target));
            // An alias is followed to where it is used.
            if let Some(value) =
                value.filter(|value| matches!(value.kind(), "identifier" | "attribute" | "member_expression"))
            {
                self.skip(Some(value));
                self.skip_object(value);
            }
        }
        let object = target.child_by_field_name("value").or_else(|| target.child_by_field_name("object"));
        let is_environment = |value: &Value| matches!(value, Value::Path(path) if path == "os.environ" || path == "process.env");
        if let Some(object) = object.filter(|object| self.reader.values(*object).iter().any(is_environment)) {
            let index =
                target.child_by_field_name("subscript").or_else(|| target.child_by_field_name("index"));
            let name = index.and_then(|index| only_text(&self.reader.values(index)));
            self.findings.push(Effect::new("env.change", name.map_or(Target::Unknown, Target::Named)));
            self.skip(Some(target));
            self.skip(Some(object));
            self.skip_object(object);
        }
    }

    /// The object of a member is told with it.
    fn skip_object(&mut self, node: Node<'t>) {
        self.skip(node.child_by_field_name("attribute"));
        let mut inner = node.child_by_field_name("object");
        while let Some(object) =
            inner.filter(|object| matches!(object.kind(), "attribute" | "member_expression" | "identifier"))
        {
            // What it is told with was told with it.
            if !self.told.insert(object.id()) {
                return;
            }
            self.skip(object.child_by_field_name("attribute"));
            inner = object.child_by_field_name("object");
        }
    }

    fn call(&mut self, node: Node<'t>) {
        let callee = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"));
        let Some(callee) = callee else { return };
        self.skip(Some(callee));
        let args = self.reader.arguments(node);
        for value in self.reader.values(callee) {
            match value {
                Value::Path(path) => self.path(&path, &args, None),
                Value::Method(path, object) => self.path(&path, &args, object),
                Value::Plain | Value::Unknown | Value::Made(..) | Value::Text(_) | Value::List(_) => {
                    self.method(callee, &args)
                }
            }
        }
        if callee.kind() == "identifier" && self.reader.names.is_crowded(self.reader.read(callee)) {
            self.findings.unknown("calls what is too many things");
        }
    }

    /// A call of something outside.
    fn path(&mut self, path: &str, args: &[Argument<'t>], object: Option<String>) {
        if path == "getattr" || path == "Reflect.get" {
            return self.getattr(args);
        }
        if matches!(path, "require" | "import" | "__import__" | "builtins.__import__") {
            return self.import(args);
        }
        let first = path.split(['.', '(']).next().unwrap_or(path);
        let table = self.reader.table;
        match table.find(path) {
            Some(entry) => self.entry(entry, &Call { args, object, path }),
            None if table.is_safe(first) || path.contains("()") => {}
            None if self.reader.language == Language::JavaScript && path.starts_with(['.', '/']) => {
                self.findings.unknown("runs a file");
            }
            None => self.findings.unknown("calls something that is not known here"),
        }
    }

    /// A module by a text: a constant is as good as an import.
    fn import(&mut self, args: &[Argument<'t>]) {
        let name =
            args.first().and_then(|arg| arg.value).and_then(|node| only_text(&self.reader.values(node)));
        let Some(name) = name else {
            return self.findings.unknown("imports what is not known here");
        };
        let module = super::names::module(&name);
        let is_python = self.reader.language == Language::Python;
        let first = if is_python { module.split('.').next().unwrap_or_default() } else { &module };
        if !self.reader.table.is_safe(first) && !self.reader.table.has_doors(first) {
            self.findings.unknown("uses a module that is not known here");
        }
    }

    /// `getattr(os, 'system')` is `os.system`; with a name that is not known it is anything.
    fn getattr(&mut self, args: &[Argument<'t>]) {
        let values = |at: usize| {
            args.get(at).and_then(|arg| arg.value).map(|node| self.reader.values(node)).unwrap_or_default()
        };
        match (values(0).as_slice(), only_text(&values(1))) {
            ([Value::Path(path)], Some(member)) => {
                let path = format!("{path}.{member}");
                match self.reader.table.find(&path) {
                    Some(entry) if entry.effect == "safe" => {}
                    _ => self.findings.unknown("reaches for a name by text"),
                }
            }
            _ => self.findings.unknown("reaches for a name by text"),
        }
    }

    /// A method of an object of unknown kind: what its name says.
    fn method(&mut self, callee: Node<'t>, args: &[Argument<'t>]) {
        let member =
            callee.child_by_field_name("attribute").or_else(|| callee.child_by_field_name("property"));
        match member {
            Some(member) => {
                let name = self.reader.read(member);
                if let Some(entry) = self.reader.table.method(name) {
                    // A text that is run looks like one; `query` and `execute` are also names of other things.
                    let is_sql = entry.effect == "sql" && !self.looks_like_sql(args);
                    if !is_sql {
                        self.entry(entry, &Call { args, object: None, path: name });
                    }
                }
            }
            None if matches!(
                callee.kind(),
                "identifier"
                    | "lambda"
                    | "arrow_function"
                    | "parenthesized_expression"
                    | "function_expression"
            ) => {}
            None if matches!(callee.kind(), "call" | "call_expression" | "super" | "new_expression") => {}
            None => self.findings.unknown("calls something that is put together only then"),
        }
    }

    fn looks_like_sql(&self, args: &[Argument<'t>]) -> bool {
        let text =
            args.first().and_then(|arg| arg.value).and_then(|node| only_text(&self.reader.values(node)));
        let has_database = self.has_database;
        match text {
            Some(text) => has_database || text.trim_start().contains(' '),
            None => has_database || self.reader.language == Language::Python && !args.is_empty(),
        }
    }

    fn back_door(&mut self, node: Node<'t>) {
        let member = node.child_by_field_name("attribute").or_else(|| node.child_by_field_name("property"));
        let Some(name) = member.map(|member| self.reader.read(member)) else { return };
        if BACK_DOORS.contains(&name) || name == "constructor" {
            self.findings.unknown("reaches into the language itself");
        }
    }

    fn attribute(&mut self, node: Node<'t>) {
        self.back_door(node);
        if !self.told.contains(&node.id()) {
            self.used(node);
        }
        self.skip_object(node);
    }

    fn mention(&mut self, node: Node<'t>) {
        if !self.told.contains(&node.id()) {
            self.used(node);
        }
    }

    /// `os.environ['KEY']`, `globals()['x']`, `fs[name]`.
    fn subscript(&mut self, node: Node<'t>) {
        let object = node.child_by_field_name("value").or_else(|| node.child_by_field_name("object"));
        let index = node.child_by_field_name("subscript").or_else(|| node.child_by_field_name("index"));
        let (Some(object), Some(index)) = (object, index) else { return };
        if self.told.contains(&node.id()) {
            return;
        }
        let name = only_text(&self.reader.values(index));
        for value in self.reader.values(object) {
            let Value::Path(path) = value else { continue };
            if path == "os.environ" || path == "process.env" {
                self.skip(Some(object));
                self.skip_object(object);
                self.environment(name.as_deref());
            } else if name.as_deref().is_some_and(|name| BACK_DOORS.contains(&name) || name == "constructor")
                || (self.reader.table.has_doors(&path) && name.is_none())
            {
                self.findings.unknown("reaches for a name by text");
            }
        }
        if name.as_deref() == Some("constructor") {
            self.findings.unknown("reaches into the language itself");
        }
    }

    /// Something of the outside is handed on, to be called who knows how.
    fn used(&mut self, node: Node<'t>) {
        let table = self.reader.table;
        for value in self.reader.values(node) {
            let (Value::Path(path) | Value::Method(path, _)) = value else { continue };
            if path.starts_with("process.env.") || path.starts_with("Bun.env.") {
                let name = path.rsplit('.').next().unwrap_or_default().to_owned();
                self.environment(Some(&name));
            } else if let Some(entry) = table.find(&path) {
                let call = Call { args: &[], object: None, path: &path };
                match entry.effect {
                    "safe" => {}
                    "env" | "chdir" => self.entry(entry, &call),
                    _ => {
                        self.entry(entry, &call);
                        self.findings.unknown("hands on a function that reaches outside");
                    }
                }
            } else if table.has_doors(&path) && self.reader.names.get(self.reader.read(node)).is_some() {
                self.findings.unknown("hands on a module that reaches outside");
            }
        }
    }

    fn environment(&mut self, name: Option<&str>) {
        const SECRET: &[&str] =
            &["KEY", "TOKEN", "SECRET", "PASS", "PWD", "CRED", "AUTH", "PRIVATE", "DSN", "DATABASE_URL"];
        match name {
            Some(name) => {
                let upper = name.to_uppercase();
                if SECRET.iter().any(|part| upper.contains(part)) && upper != "PWD" && upper != "OLDPWD" {
                    self.findings.push(Effect::new("secret.read", Target::Named(name.to_owned())));
                }
            }
            None => self
                .findings
                .push(Effect::new("secret.read", Target::Unknown).noting("reads the environment")),
        }
    }
}
