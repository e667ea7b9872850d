//! What the calls in the table do, by their arguments.

use verdict::{Effect, Target};

use super::{Call, Walk};
use crate::code::table::Entry;
use crate::code::value::{Argument, Value, only_text};
use crate::place;
use crate::sql::Dialect;

impl<'t> Walk<'_, '_, 't> {
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

    pub(super) fn entry(&mut self, entry: &Entry, call: &Call<'_, 't>) {
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
