//! What functions and procedures do beyond reading tables, and what a literal argument says.
//!
//! Answerable for `functions.tsv` (those with effects) and `builtins.txt` (those that only compute). What is in
//! neither was made by somebody: where such a function may write, it is unknown.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart, Value,
};
use verdict::{Effect, Target};

use super::{Batch, set};
use crate::place;

struct Entry {
    effect: &'static str,
    argument: Option<i8>,
    note: &'static str,
}

static KNOWN: LazyLock<HashMap<&'static str, Entry>> = LazyLock::new(|| {
    let lines = include_str!("functions.tsv").lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &'static str| {
        let mut cells = line.split('\t');
        let (name, effect, argument, note) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some((name, Entry { effect, argument: argument.parse().ok(), note }))
    };
    lines.filter_map(entry).collect()
});

struct Builtins {
    names: HashSet<&'static str>,
    /// Sorted.
    prefixes: Vec<&'static str>,
}

static BUILTINS: LazyLock<Builtins> = LazyLock::new(|| {
    let words = include_str!("builtins.txt").lines().filter(|line| !line.starts_with('#'));
    let (prefixes, names): (Vec<&str>, Vec<&str>) =
        words.flat_map(str::split_whitespace).partition(|word| word.ends_with('*'));
    let mut prefixes: Vec<&str> = prefixes.iter().map(|word| word.trim_end_matches('*')).collect();
    prefixes.sort_unstable();
    Builtins { names: names.into_iter().collect(), prefixes }
});

/// Schemas whose functions are the product's own.
const OWN: &[&str] = &[
    "pg_catalog",
    "sys",
    "information_schema",
    "safe",
    "net",
    "keys",
    "aead",
    "hll_count",
    "ml",
    "dbms_xplan",
];

/// Whether calling this does more than compute.
pub(super) fn has_effects(name: &str) -> bool {
    KNOWN.contains_key(name)
}

/// The parts of a name, lower case, joined by dots; empty if it is no plain name.
pub(super) fn plain_name(name: &ObjectName) -> String {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => ident.value.to_lowercase(),
            ObjectNamePart::Function(made) => made.name.value.to_lowercase(),
        })
        .collect();
    parts.join(".")
}

/// What a call does. `args` are its literal arguments, `None` where one is not known.
pub(super) fn call(batch: &mut Batch, name: &str, args: &[Option<String>], is_procedure: bool) {
    // SQL Server leaves the owner out: `master..xp_cmdshell`.
    let name = name.replace("..", ".");
    let name = name.as_str();
    let last = name.rsplit('.').next().unwrap_or(name);
    let schema = name.rsplit_once('.').map(|(schema, _)| schema);
    let package = schema.map(|schema| format!("{}.*", schema.rsplit('.').next().unwrap_or(schema)));
    let entry = KNOWN.get(name).or_else(|| package.and_then(|package| KNOWN.get(package.as_str())));
    let entry = entry.or_else(|| {
        let is_own = schema.is_none_or(is_own_schema);
        is_own.then(|| KNOWN.get(last)).flatten()
    });
    let entry = entry.or_else(|| name.starts_with("system$").then(|| KNOWN.get("system$*")).flatten());
    if let Some(entry) = entry {
        act(batch, entry, args);
    } else if is_procedure {
        batch.push(
            Effect::new("sql.unknown", Target::Named(name.to_owned())).noting("a procedure may do anything"),
        );
    } else if !is_builtin(last, schema) && batch.dialect.functions_may_write() {
        let note = "calls a function that is not known, and may change things";
        batch.push(Effect::new("sql.unknown", Target::Named(name.to_owned())).noting(note));
    }
}

fn is_own_schema(schema: &str) -> bool {
    OWN.contains(&schema)
        || matches!(schema, "dbo" | "master" | "master.dbo" | "public" | "msdb" | "msdb.dbo" | "tempdb")
        || schema.ends_with(".sys")
}

fn is_builtin(last: &str, schema: Option<&str>) -> bool {
    if schema.is_some_and(|schema| !OWN.contains(&schema)) {
        return false;
    }
    let known = &*BUILTINS;
    // Prefixes are few letters long: the candidates are the ends of the sorted list before the name.
    let at = known.prefixes.partition_point(|prefix| *prefix <= last);
    known.names.contains(last)
        || known.prefixes.iter().take(at).rev().take(40).any(|prefix| last.starts_with(prefix))
        || set::is_type(last)
}

fn act(batch: &mut Batch, entry: &Entry, args: &[Option<String>]) {
    let note = entry.note;
    let named = |index: i8| usize::try_from(index).ok().and_then(|index| args.get(index));
    // -1 looks for the argument that says it.
    let text = match entry.argument {
        Some(-1) => args.iter().flatten().next().map(String::as_str),
        Some(index) => named(index).and_then(Option::as_deref),
        None => None,
    };
    match entry.effect {
        "note" => batch.push(Effect::new("sql.read", Target::None).noting(note)),
        "place" => batch.push(place::read(text).noting(note)),
        "net" => batch.push(place::host(text).noting(note)),
        "unc" => {
            for effect in place::share(text) {
                batch.push(effect);
            }
        }
        "process.exec" => batch.runs(text),
        "sql" => batch.dynamic(text),
        "dblink" => dblink(batch, args, note),
        "openrowset" => openrowset(batch, args),
        "setting" => set::assign(batch, text.unwrap_or_default(), args.get(1).and_then(Option::as_deref)),
        kind @ ("fs.read" | "fs.write" | "fs.delete") => batch.push(place::file(kind, text).noting(note)),
        kind @ ("code.run" | "sql.unknown" | "secret.read" | "system.change" | "sql.admin"
        | "message.send") => {
            let target = text.map_or(Target::Unknown, |text| Target::Named(text.to_owned()));
            batch.push(Effect::new(kind, target).noting(note));
        }
        kind => batch.push(Effect::named(kind, Target::Unknown).noting(note)),
    }
}

/// A connection and a statement for the other side; or a statement alone, over a connection made before.
fn dblink(batch: &mut Batch, args: &[Option<String>], note: &'static str) {
    let texts: Vec<&str> = args.iter().flatten().map(String::as_str).collect();
    let is_connection = |text: &&str| {
        text.contains('=') && !text.contains(' ') || text.contains("host") || text.contains("://")
    };
    let connection = texts.first().filter(|text| is_connection(text)).copied();
    batch.push(place::host(connection).noting(note));
    let statement = texts.iter().rev().find(|text| text.contains(' ') && Some(**text) != connection).copied();
    batch.dynamic(statement);
}

/// `OPENROWSET(BULK 'path', ...)`, or `OPENROWSET('provider', 'connection', 'statement')`.
fn openrowset(batch: &mut Batch, args: &[Option<String>]) {
    let texts: Vec<&str> = args.iter().flatten().map(String::as_str).collect();
    match texts.as_slice() {
        [path] => batch.push(place::read(Some(path)).noting("reads a file of the server")),
        [_, connection, .., statement] => {
            batch.push(place::host(Some(connection)).noting("asks another server"));
            batch.dynamic(Some(statement));
        }
        _ => {
            batch.push(place::host(None).noting("asks another server"));
            batch.dynamic(None);
        }
    }
}

/// The literal arguments of a call.
pub(super) fn literals(args: &FunctionArguments) -> Vec<Option<String>> {
    match args {
        FunctionArguments::List(list) => arguments(&list.args),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// The same for arguments as a list.
pub(super) fn arguments(args: &[FunctionArg]) -> Vec<Option<String>> {
    let one = |arg: &FunctionArg| match arg {
        FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg) => {
            match arg {
                FunctionArgExpr::Expr(expr) => text(expr),
                _ => None,
            }
        }
    };
    args.iter().map(one).collect()
}

/// What a constant expression says.
pub(super) fn text(expr: &Expr) -> Option<String> {
    const LONGEST: usize = 100_000;
    match expr {
        Expr::Value(value) => literal(&value.value),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } | Expr::Prefixed { value: inner, .. } => {
            text(inner)
        }
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat | BinaryOperator::Plus, right } => {
            let both = text(left)? + &text(right)?;
            (both.len() <= LONGEST).then_some(both)
        }
        // DuckDB and others take a double-quoted text where a string is meant.
        Expr::Identifier(ident) if ident.quote_style == Some('"') => Some(ident.value.clone()),
        _ => None,
    }
}

/// What a literal says; a hexadecimal one, the text that it encodes.
pub(super) fn literal(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text)
        | Value::TripleSingleQuotedString(text)
        | Value::TripleDoubleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::SingleQuotedRawStringLiteral(text)
        | Value::DoubleQuotedRawStringLiteral(text)
        | Value::TripleSingleQuotedRawStringLiteral(text)
        | Value::TripleDoubleQuotedRawStringLiteral(text)
        | Value::NationalStringLiteral(text)
        | Value::DoubleQuotedString(text) => Some(text.clone()),
        Value::DollarQuotedString(text) => Some(text.value.clone()),
        Value::QuoteDelimitedStringLiteral(text) | Value::NationalQuoteDelimitedStringLiteral(text) => {
            Some(text.value.clone())
        }
        Value::HexStringLiteral(digits) => unhex(digits),
        Value::Number(digits, _) => Some(digits.clone()),
        _ => None,
    }
}

fn unhex(digits: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect();
    String::from_utf8(bytes?).ok()
}
