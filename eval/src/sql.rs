//! Figures for SQL.
//!
//! What a fixture should be is told by a rule of its own that shares nothing with the code under test: comments
//! are cut out line by line, statements are split where a line ends in a semicolon, and the first word of each says what it
//! is (`INSERT` writes, `DROP` changes the schema or rights, `SELECT` reads). A file is right if exactly what its
//! statements are is found, unknown if `sql.unknown` is among the effects, under-classified if something that it
//! surely does is missing, and over-classified if something else is found. First words that say nothing (`BEGIN`,
//! `DECLARE`, `EXECUTE`, ...) are not judged, nor is a query that mentions a writing word.

use std::collections::{BTreeMap, BTreeSet};

use inspect::sql::{Dialect, effects};

use crate::Row;
use crate::set::{Sets, text};

const WRITES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "REPLACE", "UPSERT"];
const CHANGES: &[&str] = &["CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "RENAME", "COMMENT", "UNDROP", "DENY"];
const READS: &[&str] = &["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "TABLE"];

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let mut rows = fixtures(sets);
    rows.extend(questions(sets));
    rows.extend(injections(sets));
    rows
}

fn first_words(text: &str) -> Vec<(String, String)> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut in_comment = false;
    for line in text.lines() {
        let mut line = line.trim();
        if in_comment {
            match line.split_once("*/") {
                Some((_, rest)) => (line, in_comment) = (rest.trim(), false),
                None => continue,
            }
        }
        let cut = line.find("--").filter(|at| !line.get(..*at).is_some_and(|before| before.matches('\'').count() % 2 == 1));
        let line = cut.map_or(line, |at| &line[..at]).trim();
        let line = line.strip_prefix('#').map_or(line, |_| "");
        let (line, rest) = line.split_once("/*").unwrap_or((line, "*/"));
        in_comment = !rest.contains("*/");
        current.push_str(line);
        current.push(' ');
        if line.trim_end().ends_with(';') {
            statements.push(std::mem::take(&mut current));
        }
    }
    statements.push(current);
    let first = |statement: String| {
        let word: String =
            statement.trim_start_matches([' ', '(', ';']).chars().take_while(|c| c.is_alphabetic()).collect();
        (word.to_uppercase(), statement.to_uppercase())
    };
    statements.into_iter().map(first).filter(|(word, _)| !word.is_empty()).collect()
}

/// What a file must show, or none if nothing can be said.
fn expected(text: &str) -> Option<BTreeSet<&'static str>> {
    let mut found = BTreeSet::new();
    let mut idle = false;
    for (word, statement) in first_words(text) {
        let word = word.as_str();
        let mentions = |words: &[&str]| statement.split(|c: char| !c.is_alphabetic()).any(|it| words.contains(&it));
        // Settings of one's own session, and forgetting a prepared statement: `SET` in other words.
        if ["ALTER SESSION", "DROP PREPARE"].iter().any(|start| statement.trim_start().starts_with(start)) {
            return None;
        }
        if WRITES.contains(&word) {
            found.insert("write");
        } else if CHANGES.contains(&word) {
            found.insert("change");
        } else if READS.contains(&word) {
            if mentions(WRITES) || mentions(&["INTO"]) {
                return None;
            }
            // What names no table reads nothing: beside other statements it need not be seen.
            if word != "SELECT" || mentions(&["FROM"]) {
                found.insert("read");
            } else {
                idle = true;
            }
        } else {
            return None;
        }
    }
    if found.is_empty() && idle {
        found.insert("read");
    }
    (!found.is_empty()).then_some(found)
}

fn fixtures(sets: &Sets) -> Vec<Row> {
    let set = "sql_sqlfluff_fixtures";
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_dialect: BTreeMap<String, [usize; 5]> = BTreeMap::new();
    let verbose = std::env::var("PORTCULLIS_EVAL_SHOW").unwrap_or_default();
    let mut of = 0;
    for row in sets.rows(set) {
        let Some(dialect) = Dialect::from_name(text(&row, "dialect")) else { continue };
        let Some(expected) = expected(text(&row, "text")) else { continue };
        of += 1;
        let found = effects(text(&row, "text"), dialect);
        let has = |kinds: &[&str]| found.iter().any(|effect| kinds.contains(&effect.kind.as_ref()));
        let shown = |class: &str| match class {
            // `INSERT OVERWRITE DIRECTORY` writes a file.
            "write" => has(&["sql.write", "fs.write"]),
            "change" => has(&["sql.schema", "sql.admin"]),
            // A function that asks the system to do something is more than a read.
            _ => has(&["sql.read", "fs.read", "net.connect", "sql.admin"]),
        };
        let beyond = |class: &&str| !expected.contains(**&class) && shown(class);
        let verdict = if has(&["sql.unknown"]) {
            "unknown"
        } else if expected.iter().any(|class| !shown(class)) {
            "under-classified"
        } else if ["write", "change"].iter().any(|class| beyond(&class)) {
            "over-classified"
        } else {
            "right"
        };
        if verbose == verdict || verbose == "all" {
            println!("## {verdict} {} {}: {expected:?}", text(&row, "dialect"), text(&row, "path"));
            for effect in &found {
                println!("   {} {:?} {:?}", effect.kind, effect.target.shown(), effect.note);
            }
        }
        *counts.entry(verdict).or_default() += 1;
        let line = by_dialect.entry(text(&row, "dialect").to_owned()).or_default();
        line[4] += 1;
        line[["right", "unknown", "under-classified", "over-classified"].iter().position(|it| *it == verdict).unwrap_or(0)] += 1;
    }
    if !verbose.is_empty() {
        println!("{by_dialect:#?}");
    }
    let row = |measure: &str| Row::new("sql", set, measure, counts.get(measure).copied().unwrap_or(0), of);
    vec![row("right"), row("unknown"), row("under-classified").aiming("0"), row("over-classified")]
}

/// Questions to a database: all of them read, and no more.
fn questions(sets: &Sets) -> Vec<Row> {
    let set = "sql_text2sql";
    let rows = sets.rows(set);
    let verbose = std::env::var("PORTCULLIS_EVAL_SHOW").unwrap_or_default();
    let mut out = Vec::new();
    for (dialect, name) in [(Dialect::Generic, "false positives, generic"), (Dialect::Mysql, "false positives, mysql")] {
        let is_wrong = |row: &&serde_json::Value| {
            let found = effects(text(row, "text"), dialect);
            let wrong = found.is_empty() || found.iter().any(|effect| effect.kind != "sql.read");
            if wrong && verbose == "questions" {
                println!("## {}\n   {found:?}", text(row, "text"));
            }
            wrong
        };
        let wrong = rows.iter().filter(is_wrong).count();
        out.push(Row::new("sql", set, name, wrong, rows.len()).aiming("<= 0.5 %"));
    }
    out
}

/// Values put into a query: reported if the query then does anything but what it did with a plain value.
fn injections(sets: &Sets) -> Vec<Row> {
    let set = "sqli_payloadbox";
    let rows = sets.rows(set);
    let verbose = std::env::var("PORTCULLIS_EVAL_SHOW").unwrap_or_default();
    let forms: [fn(&str) -> String; 3] = [
        |value| format!("SELECT name FROM items WHERE id = {value}"),
        |value| format!("SELECT name FROM items WHERE title = '{value}'"),
        |value| format!("SELECT name FROM items WHERE title = \"{value}\""),
    ];
    let mut out = Vec::new();
    for dialect in [Dialect::Generic, Dialect::Mysql] {
        let plain = |form: fn(&str) -> String| effects(&form("1"), dialect);
        let differs = |value: &str| forms.iter().any(|form| effects(&form(value), dialect) != plain(*form));
        let is_missed = |row: &&serde_json::Value| {
            let missed = !differs(text(row, "text"));
            if missed && verbose == "injections" {
                println!("## missed: {}", text(row, "text"));
            }
            missed
        };
        let missed = rows.iter().filter(is_missed).count();
        out.push(Row::new("sql", set, &format!("reported, {dialect:?}"), rows.len() - missed, rows.len()));
    }
    out
}
