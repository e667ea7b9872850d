//! What a statement does by its leading words, where the parser does not know it.
//!
//! Answerable for `leads.tsv`: few words say enough to be sure (`all`); of the rest it is said what they surely
//! do, and that the statement is not understood.

use std::collections::HashMap;
use std::sync::LazyLock;

use verdict::{Effect, TableTarget, Target};

use super::lex::{Kind, Token, lex};
use crate::place;

use super::{Batch, set, transfer};

/// What lies between two semicolons.
pub(super) struct Piece<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
}

/// A text in pieces; the last one may be empty, so that there is one more than there are semicolons.
pub(super) fn pieces<'a>(text: &'a str, tokens: &[Token<'a>]) -> Vec<Piece<'a>> {
    if tokens.is_empty() {
        return Vec::new();
    }
    tokens.split(|token| token.sign(b';')).map(|tokens| Piece { text, tokens: tokens.to_vec() }).collect()
}

struct Lead {
    effects: &'static str,
    loses: Option<&'static str>,
    how: &'static str,
}

static LEADS: LazyLock<HashMap<&'static str, Lead>> = LazyLock::new(|| {
    let lines = include_str!("leads.tsv").lines().filter(|line| !line.starts_with('#'));
    let lead = |line: &'static str| {
        let mut cells = line.split('\t');
        let (words, effects, loses, how) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some((words, Lead { effects, loses: (loses != "-").then_some(loses), how }))
    };
    lines.filter_map(lead).collect()
});

/// Words that begin a statement which changes something.
const VERBS: &[&str] = &[
    "alter",
    "backup",
    "create",
    "dbcc",
    "delete",
    "deny",
    "drop",
    "exec",
    "execute",
    "grant",
    "insert",
    "kill",
    "merge",
    "reconfigure",
    "restore",
    "revoke",
    "shutdown",
    "truncate",
    "update",
];

/// Whether a word of it may begin another statement, where a query was parsed.
pub(super) fn hides_verb(piece: &Piece<'_>) -> bool {
    let mut before: Option<&Token<'_>> = None;
    for (at, token) in piece.tokens.iter().enumerate() {
        let is_verb = token.kind == Kind::Word && VERBS.iter().any(|verb| token.is(verb));
        if is_verb && at > 0 {
            let after = piece.tokens.get(at + 1);
            // A column, a call, or part of another clause.
            let is_name = before.is_some_and(|before| {
                before.sign(b'.')
                    || before.sign(b'@')
                    || ["for", "as", "on", "key", "show"].iter().any(|word| before.is(word))
            }) || after.is_some_and(|after| after.sign(b'(') || after.sign(b'.'));
            let is_show = piece.tokens.first().is_some_and(|first| {
                ["show", "explain", "describe", "desc"].iter().any(|word| first.is(word))
            });
            if !is_name && !is_show {
                return true;
            }
        }
        before = Some(token);
    }
    false
}

/// Whether its leading words say how to read it.
pub(super) fn tells_all(piece: &Piece<'_>) -> bool {
    find(&piece.tokens).is_some_and(|(lead, _)| lead.how != "part")
}

/// The effects of a statement that the parser refuses.
pub(super) fn act(batch: &mut Batch, piece: &Piece<'_>) {
    let mut tokens = piece.tokens.as_slice();
    while tokens.first().is_some_and(|first| first.sign(b'(')) {
        tokens = tokens.get(1..).unwrap_or_default();
    }
    if tokens.is_empty() {
        return;
    }
    let Some((lead, length)) = find(tokens) else {
        return batch.unknown("could not be read");
    };
    let rest = tokens.get(length..).unwrap_or_default();
    match lead.how {
        "execute" => return execute(batch, rest),
        "dynamic" => return batch.dynamic(only_text(rest).as_deref()),
        "prepare" => return prepare(batch, rest),
        "do" => return block(batch, rest),
        "use" => {
            return batch
                .enter(rest.first().map(|name| name.text.trim_matches(['"', '`', '[', ']']).to_owned()));
        }
        "block" => return inside(batch, piece, rest),
        "pragma" => return pragma(batch, rest),
        "table" => return whole(batch, tokens, length),
        "loaddata" => return load(batch, lead, rest),
        "set" => return assign(batch, rest),
        _ => {}
    }
    if lead.effects == "-" {
        if may_read(rest) { batch.somewhere() } else { batch.quiet() }
    }
    let tables = if lead.effects.contains("sql.") { names(tokens, length) } else { Vec::new() };
    for kind in lead.effects.split(' ').filter(|kind| *kind != "-") {
        tell(batch, kind, lead, &tables);
    }
    match lead.how {
        "all" | "catalogue" if !(batch.dialect.runs_on() && hides_verb(piece)) => {}
        "attach" => transfer::attached(batch, first_text(rest).as_deref()),
        "load" => {
            batch.push(Effect::new("code.run", Target::Unknown).noting("loads a library into the database"))
        }
        "copy" => copy(batch, rest),
        _ => {
            calls(batch, tokens);
            batch.unknown("could not be read");
        }
    }
}

/// The calls of a statement that is not understood, as far as they reach beyond tables.
fn calls(batch: &mut Batch, tokens: &[Token<'_>]) {
    const LONGEST: usize = 64;
    for (at, pair) in tokens.windows(2).enumerate() {
        let [name, open] = pair else { continue };
        if name.kind != Kind::Word || !open.sign(b'(') {
            continue;
        }
        let name = name.text.to_lowercase();
        if super::functions::has_effects(&name) {
            let args = tokens.get(at + 2..).unwrap_or_default();
            let end = args.iter().take(LONGEST).position(|token| token.sign(b')')).unwrap_or(0);
            let args = args.get(..end).unwrap_or_default();
            let literals: Vec<Option<String>> =
                args.split(|token| token.sign(b',')).map(|arg| only_text(without_keyword(arg))).collect();
            super::functions::call(batch, &name, &literals, false);
        }
    }
}

/// `BULK 'path'` is its path.
fn without_keyword<'t, 'a>(arg: &'t [Token<'a>]) -> &'t [Token<'a>] {
    match arg {
        [first, rest @ ..] if first.is("bulk") => rest,
        other => other,
    }
}

/// What follows the word that opens a block.
fn inside(batch: &mut Batch, piece: &Piece<'_>, rest: &[Token<'_>]) {
    let (Some(first), Some(last)) = (rest.first(), rest.last()) else { return batch.quiet() };
    batch.dynamic(piece.text.get(first.start..last.start + last.text.len()));
}

/// `PRAGMA name`, `PRAGMA name = value`, `PRAGMA name(value)`.
fn pragma(batch: &mut Batch, rest: &[Token<'_>]) {
    let name: Vec<&Token<'_>> =
        rest.iter().take_while(|token| token.sign(b'.') || token.kind == Kind::Word).collect();
    let after = rest.get(name.len());
    let last = name.last().map(|name| name.text.to_lowercase()).unwrap_or_default();
    super::session::pragma(batch, &last, after.is_some(), after.is_some_and(|sign| sign.sign(b'=')));
}

/// `TABLE users`, and no more.
fn whole(batch: &mut Batch, tokens: &[Token<'_>], length: usize) {
    let rest = tokens.get(length..).unwrap_or_default();
    let is_name = rest.len() % 2 == 1 && rest.iter().skip(1).step_by(2).all(|token| token.sign(b'.'));
    match names(tokens, length).as_slice() {
        [table] if is_name => {
            let table = TableTarget { table: table.clone(), all_columns: true, ..TableTarget::default() };
            batch.push(Effect::new("sql.read", Target::Table(table)));
        }
        _ => batch.unknown("could not be read"),
    }
}

/// `LOAD DATA INFILE 'path' INTO TABLE t`, `BULK INSERT t FROM 'path'`.
fn load(batch: &mut Batch, lead: &Lead, rest: &[Token<'_>]) {
    let at = rest
        .windows(2)
        .position(|pair| matches!(pair, [into, table] if into.is("into") && table.is("table")));
    let tables = names(rest, at.map_or(0, |at| at + 2));
    tell(batch, "sql.write", lead, tables.get(..1).unwrap_or_default());
    let path = first_text(rest);
    batch.push(place::read(path.as_deref()));
    if path.is_none() || rest.iter().any(|token| token.is("set")) {
        batch.unknown("could not be read");
    }
}

fn find(tokens: &[Token<'_>]) -> Option<(&'static Lead, usize)> {
    let leads = &*LEADS;
    let mut words = String::new();
    let mut best = None;
    for (at, token) in tokens.iter().take(4).enumerate() {
        if token.kind != Kind::Word {
            break;
        }
        if at > 0 {
            words.push(' ');
        }
        words.push_str(&token.text.to_ascii_uppercase());
        if let Some(lead) = leads.get(words.as_str()) {
            best = Some((lead, at + 1));
        }
    }
    best
}

fn tell(batch: &mut Batch, kind: &str, lead: &Lead, tables: &[String]) {
    let of = |table: &String| {
        let unfiltered = lead.loses.is_some() && kind == "sql.write";
        Target::Table(TableTarget {
            table: table.clone(),
            all_columns: true,
            unfiltered,
            ..TableTarget::default()
        })
    };
    let mut targets: Vec<Target> = match kind {
        "sql.write" | "sql.schema" => tables.iter().map(of).collect(),
        "sql.read" if lead.how != "all" => vec![Target::None],
        _ => Vec::new(),
    };
    if targets.is_empty() {
        targets.push(Target::Unknown);
    }
    for target in targets {
        let is_own = matches!(&target, Target::Table(it) if batch.temporary.contains(&it.table) || it.table.starts_with('#'));
        let effect = Effect::named(kind, target);
        batch.push(match lead.loses {
            Some(note) if !is_own => effect.destroying(note),
            _ => effect,
        });
    }
}

/// Whether a query may stand in it.
fn may_read(tokens: &[Token<'_>]) -> bool {
    let words = ["select", "from", "table", "with", "values"];
    tokens.iter().any(|token| token.kind == Kind::Word && words.iter().any(|word| token.is(word)))
}

/// Words between a lead and the name it is about.
const NOISE: &[&str] = &[
    "if",
    "not",
    "exists",
    "only",
    "table",
    "into",
    "from",
    "or",
    "replace",
    "ignore",
    "low_priority",
    "quick",
    "delayed",
    "high_priority",
    "overwrite",
    "global",
    "local",
    "temp",
    "temporary",
    "unlogged",
    "external",
    "transient",
    "database",
    "schema",
    "view",
    "index",
    "concurrently",
    "materialized",
    "function",
    "procedure",
    "sequence",
    "type",
    "trigger",
    "foreign",
    "virtual",
    "iceberg",
    "dynamic",
    "hybrid",
    "secure",
    "recursive",
];

/// The names that follow the lead: `t`, `s.t`, `"a"."b"`, separated by commas.
fn names(tokens: &[Token<'_>], length: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut name = String::new();
    let mut wants_part = true;
    for token in tokens.get(length..).unwrap_or_default() {
        let is_noise = name.is_empty() && found.is_empty() && NOISE.iter().any(|word| token.is(word));
        match token.kind {
            _ if is_noise => {}
            Kind::Word | Kind::Quoted if wants_part => {
                name.push_str(&token.text.trim_matches(['"', '`', '[', ']', '\'']).to_lowercase());
                wants_part = false;
            }
            Kind::Sign(b'.') if !wants_part => {
                name.push('.');
                wants_part = true;
            }
            Kind::Sign(b',') if !wants_part => {
                found.push(std::mem::take(&mut name));
                wants_part = true;
            }
            _ => break,
        }
        if found.len() > 100 {
            break;
        }
    }
    if !name.is_empty() {
        found.push(name);
    }
    found
}

/// What a string literal holds, by its plain rules.
fn unquote(token: &Token<'_>) -> Option<String> {
    if token.kind != Kind::Quoted {
        return None;
    }
    let text = token.text.trim_start_matches(['N', 'n', 'E', 'e']);
    if text.starts_with('$') {
        let end = text.get(1..)?.find('$')? + 2;
        return text.get(end..text.len().checked_sub(end)?).map(str::to_owned);
    }
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    (!inner.contains('\\')).then(|| inner.replace("''", "'"))
}

fn first_text(tokens: &[Token<'_>]) -> Option<String> {
    tokens.iter().find_map(unquote)
}

/// The text, if it is all there is, in parentheses or not.
fn only_text(tokens: &[Token<'_>]) -> Option<String> {
    let mut texts = tokens.iter().filter(|token| !token.sign(b'(') && !token.sign(b')'));
    match (texts.next(), texts.next()) {
        (Some(only), None) => unquote(only),
        _ => None,
    }
}

/// `EXECUTE name`, `EXEC proc ...`, `EXEC ('text')`.
fn execute(batch: &mut Batch, rest: &[Token<'_>]) {
    let Some(first) = rest.first() else { return batch.unknown("could not be read") };
    if first.kind == Kind::Quoted || first.sign(b'(') {
        return batch.dynamic(only_text(rest).as_deref());
    }
    let mut name = String::new();
    let mut length = 0;
    for token in rest.iter().take_while(|token| token.sign(b'.') || token.kind == Kind::Word) {
        name.push_str(&token.text.to_lowercase());
        length += 1;
    }
    if batch.prepared.contains(&name) {
        return batch.quiet();
    }
    let args = rest.get(length..).unwrap_or_default();
    let literals: Vec<Option<String>> = args.split(|token| token.sign(b',')).map(only_text).collect();
    super::functions::call(batch, &name, &literals, true);
}

/// `PREPARE name FROM 'text'`.
fn prepare(batch: &mut Batch, rest: &[Token<'_>]) {
    match rest {
        [name, from, text] if from.is("from") => {
            batch.dynamic(unquote(text).as_deref());
            batch.prepared.insert(name.text.to_lowercase());
        }
        _ => batch.unknown("prepares a text that is not known here"),
    }
}

/// `DO $$ BEGIN ... END $$`, or MySQL's `DO expression`.
fn block(batch: &mut Batch, rest: &[Token<'_>]) {
    let mut is_sql = true;
    if let Some(at) = rest.iter().position(|token| token.is("language")) {
        is_sql = rest.get(at + 1).is_none_or(|name| name.is("plpgsql") || name.is("sql"));
    }
    let body = rest.iter().find_map(unquote);
    match body {
        Some(body) if is_sql && rest.len() <= 3 => {
            let inner = lex(&body, batch.dialect.rules());
            let from = inner
                .tokens
                .first()
                .filter(|first| first.is("begin"))
                .map(|first| first.start + first.text.len());
            let to = inner.tokens.iter().rev().find(|token| token.is("end")).map(|token| token.start);
            let inside = from.zip(to).and_then(|(from, to)| body.get(from..to));
            batch.dynamic(inside);
        }
        Some(_) => {
            batch.push(Effect::new("code.run", Target::Unknown).noting("runs code in the database"));
            batch.unknown("runs a text that is not known here");
        }
        None => batch.unknown("could not be read"),
    }
}

/// `SET x = y` that the parser refuses.
fn assign(batch: &mut Batch, rest: &[Token<'_>]) {
    let mut words = rest.iter().filter(|token| !token.is("session") && !token.is("local"));
    match words.next() {
        Some(name) if name.kind == Kind::Word => {
            let value = rest.last().map(|value| value.text.trim_matches('\''));
            set::assign(batch, name.text, value);
        }
        _ => batch.push(Effect::new("sql.admin", Target::Unknown).noting("changes a setting")),
    }
    if batch.grammar_changed || rest.iter().any(|token| token.sign(b'(')) {
        batch.unknown("changes how what follows is read");
    }
}

/// `COPY` as others than the parser have it.
fn copy(batch: &mut Batch, rest: &[Token<'_>]) {
    if let Some(at) = rest.iter().position(|token| token.is("program")) {
        batch.runs(rest.get(at + 1).and_then(unquote).as_deref());
    }
    batch.unknown("could not be read");
}
