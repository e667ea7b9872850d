//! What the calls of a text do, and what in it cannot be told.

use std::collections::HashSet;

use tree_sitter::{Node, Tree};
use verdict::{Effect, Target};

use super::names::Names;
use super::table::{self, Entry};
use super::value::{Argument, Reader, Value, only_text};
use super::{Findings, Language};
use crate::place;
use crate::sql::Dialect;

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

/// The effects of a text.
pub(super) fn act(findings: &mut Findings<'_>, tree: &Tree, text: &str, language: Language) {
    let mut names = Names::default();
    each(tree, |node| names.take(node, text, language));
    let reader = Reader::new(text, language, names, table::of(language));
    let mut walk = Walk { findings, reader, told: HashSet::new() };
    walk.modules();
    each(tree, |node| walk.node(node));
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
        match node.kind() {
            "call" | "call_expression" | "new_expression" => self.call(node),
            "attribute" | "member_expression" => self.attribute(node),
            "identifier" => self.mention(node),
            "subscript" | "subscript_expression" => self.subscript(node),
            "import_statement" | "import_from_statement" => self.skip_below(node),
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

    fn skip_below(&mut self, node: Node<'t>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'t>> = node.named_children(&mut cursor).collect();
        for child in children {
            self.skip(Some(child));
            let mut cursor = child.walk();
            let inner: Vec<Node<'t>> = child.named_children(&mut cursor).collect();
            for part in inner {
                self.skip(Some(part));
                let mut cursor = part.walk();
                let deepest: Vec<Node<'t>> = part.named_children(&mut cursor).collect();
                self.told.extend(deepest.iter().map(Node::id));
            }
        }
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
        let mut inner = node.child_by_field_name("object");
        while let Some(object) =
            inner.filter(|object| matches!(object.kind(), "attribute" | "member_expression" | "identifier"))
        {
            self.skip(Some(object));
            inner = object.child_by_field_name("object");
        }
    }

    fn call(&mut self, node: Node<'t>) {
        let callee = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"));
        let Some(callee) = callee else { return };
        self.skip(Some(callee));
        self.skip_object(callee);
        self.back_door(callee);
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
    }

    /// A call of something outside.
    fn path(&mut self, path: &str, args: &[Argument<'t>], object: Option<String>) {
        if path == "getattr" || path == "Reflect.get" {
            return self.getattr(args);
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
        let text =
            args.first().and_then(|arg| arg.value).and_then(|node| only_text(&self.reader.values(node)));
        let modules = &self.reader.names.modules;
        let has_database = modules
            .iter()
            .any(|module| DATABASES.iter().any(|known| module.split('.').next() == Some(known)));
        match text {
            Some(text) => has_database || text.trim_start().contains(' '),
            None => has_database || self.reader.language == Language::Python && !args.is_empty(),
        }
    }

    fn back_door(&mut self, node: Node<'t>) {
        let member = node.child_by_field_name("attribute").or_else(|| node.child_by_field_name("property"));
        let Some(name) = member.map(|member| self.reader.read(member)) else { return };
        if BACK_DOORS.contains(&name) {
            self.findings.unknown("reaches into the language itself");
        } else if name == "constructor"
            && node.parent().is_some_and(|parent| parent.kind() != "expression_statement")
        {
            self.findings.unknown("reaches into the language itself");
        }
    }

    fn attribute(&mut self, node: Node<'t>) {
        if !self.told.contains(&node.id()) {
            self.back_door(node);
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

    /// The argument that matters: what it may be.
    fn argument(&self, entry: &Entry, call: &Call<'_, 't>, offset: usize) -> Vec<Value> {
        let by_name = call
            .args
            .iter()
            .find(|arg| arg.name.is_some_and(|name| entry.names.split('|').any(|it| it == name)));
        let by_place =
            entry.position.and_then(|at| call.args.get(at + offset)).filter(|arg| arg.name.is_none());
        let first_spread = call.args.iter().any(|arg| arg.value.is_none());
        match by_name.filter(|_| offset == 0).or(by_place).and_then(|arg| arg.value) {
            Some(node) if !first_spread => self.reader.values(node),
            _ => vec![Value::Unknown],
        }
    }

    fn texts(&self, entry: &Entry, call: &Call<'_, 't>, offset: usize) -> Vec<Option<String>> {
        if entry.is_self {
            return vec![call.object.clone()];
        }
        self.argument(entry, call, offset).into_iter().map(|value| only_text(&[value])).collect()
    }

    fn entry(&mut self, entry: &Entry, call: &Call<'_, 't>) {
        let around = self.findings.around;
        let note = |effect: Effect| match entry.note {
            Some(note) => effect.noting(note),
            None => effect,
        };
        match entry.effect {
            "safe" => {}
            "env" => match self.texts(entry, call, 0).as_slice() {
                [Some(name)] if !call.args.is_empty() => self.environment(Some(name)),
                _ => self.environment(None),
            },
            "dynamic" => self.findings.unknown(entry.note.unwrap_or("runs a text that is not known here")),
            "code" => self.code(call),
            "timer" => {
                if let Some(Value::Text(_)) = self.argument(entry, call, 0).first() {
                    self.code(call);
                }
            }
            "shell" | "spawn" | "argv" | "spawnargs" => self.runs(entry, call),
            "open" | "openself" => self.opens(entry, call),
            "move" | "moveself" | "copy" => {
                let first = if entry.effect == "copy" { "fs.read" } else { "fs.delete" };
                for text in self.texts(entry, call, 0) {
                    self.findings.push(place::file_at(first, text.as_deref(), around));
                }
                let offset = usize::from(entry.effect != "moveself");
                let target = call
                    .args
                    .get(offset)
                    .and_then(|arg| arg.value)
                    .and_then(|node| only_text(&self.reader.values(node)));
                self.findings.push(place::file_at("fs.write", target.as_deref(), around));
            }
            "rmtree" => {
                for text in self.texts(entry, call, 0) {
                    let effect = place::tree_at("fs.delete", text.as_deref(), around);
                    self.findings.push(effect.destroying("removes a whole tree"));
                }
            }
            "chdir" => self.findings.unknown("changes where its relative paths lead"),
            "fs.read" | "fs.write" | "fs.delete" => {
                for text in self.texts(entry, call, 0) {
                    self.findings.push(note(place::file_at(entry.effect, text.as_deref(), around)));
                }
            }
            "sql" => self.sql(entry, call),
            _ => self.reaches(entry, call, &note),
        }
    }

    /// Effects on other machines, and whatever else has a name.
    fn reaches(&mut self, entry: &Entry, call: &Call<'_, 't>, note: &dyn Fn(Effect) -> Effect) {
        let around = self.findings.around;
        let texts = self.texts(entry, call, 0);
        for text in texts {
            let text = text.as_deref();
            match entry.effect {
                "net" | "host" | "hostport" | "dsn" => self.findings.push(note(place::host(text))),
                "download" => {
                    self.findings.push(place::host(text));
                    self.findings.push(place::file_at("fs.write", None, around));
                }
                "pair" => {
                    let host = match self.argument(entry, call, 0).first() {
                        Some(Value::List(items)) => items.first().cloned().flatten(),
                        _ => None,
                    };
                    self.findings.push(note(place::host(host.as_deref())));
                }
                "read" => self.findings.push(note(place::read_at(text, around))),
                "database" if text == Some(":memory:") => {}
                "database" => self.findings.push(note(place::file_at("fs.write", text, around))),
                kind => {
                    let target = text.map_or(Target::Unknown, |text| Target::Named(text.to_owned()));
                    self.findings.push(note(Effect::named(kind, target)));
                }
            }
        }
    }

    /// A constant text that is run as code is read as code.
    fn code(&mut self, call: &Call<'_, 't>) {
        let at = if call.path == "Function" { call.args.len().saturating_sub(1) } else { 0 };
        let values = call
            .args
            .get(at)
            .and_then(|arg| arg.value)
            .map(|node| self.reader.values(node))
            .unwrap_or_default();
        match only_text(&values) {
            Some(text) => {
                self.findings.depth += 1;
                self.findings.read(&text, self.reader.language);
                self.findings.depth -= 1;
            }
            None => self.findings.unknown("runs a text that is not known here"),
        }
    }

    /// A command line, or a program with its words.
    fn runs(&mut self, entry: &Entry, call: &Call<'_, 't>) {
        let mut effects = Vec::new();
        let around = self.findings.around;
        let rest = |from: usize| -> Vec<Option<String>> {
            let node = |arg: &Argument<'t>| arg.value.and_then(|node| only_text(&self.reader.values(node)));
            call.args.iter().skip(from).filter(|arg| arg.name.is_none()).map(node).collect()
        };
        for value in self.argument(entry, call, 0) {
            match (entry.effect, value) {
                ("spawn", Value::Text(program)) => {
                    let words = rest(entry.position.unwrap_or_default() + 1);
                    effects.extend(place::program_at(&program, &words, around));
                }
                ("spawnargs", Value::Text(program)) => {
                    let words = match call
                        .args
                        .get(1)
                        .and_then(|arg| arg.value)
                        .map(|node| self.reader.values(node))
                        .as_deref()
                    {
                        Some([Value::List(words)]) => words.clone(),
                        None | Some([Value::Plain]) => Vec::new(),
                        _ => vec![None],
                    };
                    effects.extend(place::program_at(&program, &words, around));
                }
                (_, Value::Text(line)) => effects.extend(place::shell_at(&line, around)),
                (_, Value::List(words)) => match words.split_first() {
                    Some((Some(program), words)) => effects.extend(place::program_at(program, words, around)),
                    _ => effects.push(Effect::new("process.exec", Target::Unknown)),
                },
                _ => effects.push(Effect::new("process.exec", Target::Unknown)),
            }
        }
        for effect in effects {
            self.findings.push(effect);
        }
    }

    /// What opening a file does depends on the mode.
    fn opens(&mut self, entry: &Entry, call: &Call<'_, 't>) {
        let at = if entry.is_self { 0 } else { entry.position.unwrap_or_default() + 1 };
        let mode = call.args.iter().find(|arg| matches!(arg.name, Some("mode" | "flags")));
        let mode = mode.or_else(|| call.args.get(at).filter(|arg| arg.name.is_none()));
        let mode = mode.and_then(|arg| arg.value).map(|node| self.reader.values(node));
        let is_read = match mode.as_deref() {
            None => true,
            Some([Value::Text(mode)]) => !mode.contains(['w', 'a', 'x', '+']),
            // A callback in the mode's place.
            Some([Value::Plain]) => true,
            Some(_) => false,
        };
        let kind = if is_read { "fs.read" } else { "fs.write" };
        for text in self.texts(entry, call, 0) {
            self.findings.push(place::file_at(kind, text.as_deref(), self.findings.around));
        }
    }

    fn sql(&mut self, entry: &Entry, call: &Call<'_, 't>) {
        let modules = &self.reader.names.modules;
        let has = |name: &str| modules.iter().any(|module| module.split('.').next() == Some(name));
        let dialect = if has("sqlite3") || has("better-sqlite3") {
            Dialect::Sqlite
        } else if has("psycopg2") || has("psycopg") || has("asyncpg") || has("pg") {
            Dialect::Postgresql
        } else if has("pymysql") || has("MySQLdb") || has("mysql") || has("mysql2") {
            Dialect::Mysql
        } else if has("duckdb") {
            Dialect::Duckdb
        } else if has("cx_Oracle") || has("oracledb") {
            Dialect::Oracle
        } else {
            Dialect::Generic
        };
        for value in self.argument(entry, call, 0) {
            match value {
                Value::Text(text) => {
                    for effect in crate::sql::effects(&text, dialect) {
                        self.findings.push(effect);
                    }
                }
                // `sqlalchemy.text('...')` was told where it was made.
                Value::Made(path, _) if path.starts_with("sqlalchemy.") => {}
                _ => self.findings.push(
                    Effect::new("sql.unknown", Target::Unknown).noting("runs a text that is not known here"),
                ),
            }
        }
    }
}
