//! What SQL would do: the cases of `corpus/sql`, and what hostile texts must not bring about.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use inspect::sql::{Dialect, effects};
use proptest::prelude::*;
use serde_json::Value;
use verdict::{Effect, Target};

/// One effect on a line: `sql.write users(name) unfiltered destroys`.
pub fn shown(effect: &Effect) -> String {
    let mut line = effect.kind.to_string();
    match &effect.target {
        Target::Table(table) => {
            let columns = if table.all_columns { "*".to_owned() } else { table.columns.join(",") };
            let _ = write!(line, " {}({columns})", table.table);
            if table.unfiltered {
                line.push_str(" unfiltered");
            }
        }
        _ if effect.kind == "sql.unknown" => {}
        other => {
            if let Some(target) = other.shown() {
                let _ = write!(line, " {target}");
            }
        }
    }
    if effect.destroys {
        line.push_str(" destroys");
    }
    line
}

#[test]
fn the_cases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/sql");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let sql = case["given"]["sql"].as_str().unwrap();
            let dialect = Dialect::from_name(case["given"]["dialect"].as_str().unwrap()).unwrap();
            let found: BTreeSet<String> = effects(sql, dialect).iter().map(shown).collect();
            let expect: BTreeSet<String> = case["expect"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect();
            count += 1;
            if found != expect {
                wrong.push(format!(
                    "{dialect:?}: {sql}\n  found  {found:?}\n  expect {expect:?}\n  {}",
                    case["why"]
                ));
            }
        }
    }
    assert!(count > 100 && wrong.is_empty(), "{count} cases\n{}", wrong.join("\n"));
}

const DIALECTS: [Dialect; 16] = [
    Dialect::Generic,
    Dialect::Ansi,
    Dialect::Postgresql,
    Dialect::Mysql,
    Dialect::Mariadb,
    Dialect::Sqlite,
    Dialect::Mssql,
    Dialect::Oracle,
    Dialect::Bigquery,
    Dialect::Snowflake,
    Dialect::Redshift,
    Dialect::Clickhouse,
    Dialect::Duckdb,
    Dialect::Databricks,
    Dialect::Hive,
    Dialect::Trino,
];

/// Texts that break parsers: deep, long, or ambiguous at every step.
fn hostile(size: usize) -> Vec<String> {
    let repeat = |text: &str| text.repeat(size / text.len() + 1);
    vec![
        repeat("("),
        format!("SELECT * FROM {}", repeat("(")),
        format!("SELECT {}", repeat("1+")),
        format!("SELECT * FROM t WHERE {}1", repeat("a=1 OR ")),
        format!("SELECT {}1", repeat("NOT ")),
        format!("SELECT {}1", repeat("- ")),
        format!("SELECT 1{}", repeat("::int")),
        format!("SELECT 1{}", repeat("[1]")),
        format!("SELECT a{}", repeat(".a")),
        format!("SELECT 1{}", repeat(" IS NULL")),
        repeat("SELECT 1 UNION ALL "),
        repeat("SELECT 1;"),
        repeat("SELECT 1 "),
        repeat("SELECT a DELETE "),
        repeat("BEGIN "),
        repeat("BEGIN;"),
        repeat("CREATE TRIGGER a AFTER INSERT ON b FOR EACH ROW BEGIN SELECT 1;"),
        repeat("CASE WHEN "),
        format!("SELECT {}", repeat("CASE WHEN a THEN ")),
        format!("SELECT {}", repeat("f(")),
        format!("SELECT * FROM {}", repeat("a,")),
        format!("SELECT {} 1 FROM {} b", repeat("a,"), repeat("c,")),
        format!("WITH {} z AS (SELECT 1) SELECT 1", repeat("a AS (SELECT 1 FROM a),")),
        format!("SELECT * FROM a {}", repeat(" JOIN a ")),
        format!("SELECT * FROM a {}", repeat(" PIVOT(")),
        format!("CREATE TABLE t (a {}", repeat("ARRAY<")),
        format!("CREATE TABLE t (a {}", repeat("STRUCT<a ")),
        format!("CREATE TABLE t (a int{}", repeat("[]")),
        repeat("'"),
        repeat("\""),
        repeat("/*"),
        repeat("$a$"),
        repeat("$"),
        repeat("--\n"),
        repeat("\\'"),
        repeat("x'"),
        repeat("EXEC('"),
        repeat("é"),
        repeat("@"),
        repeat("DROP TABLE a;"),
        (0..size / 14).map(|i| format!("DROP TABLE t{i};")).collect(),
        (0..size / 20).map(|i| format!("INSERT INTO t{i} VALUES (1),")).collect(),
        format!("INSERT INTO t VALUES {}", repeat("(1,'a'),")),
        format!("SELECT * FROM t WHERE a IN ({}1)", repeat("1,")),
        repeat("INTO OUTFILE 'x' "),
        repeat("IF a THEN "),
        repeat("EXPLAIN "),
        repeat("PREPARE a AS "),
        repeat("WITH a AS ("),
        repeat("SELECT (SELECT "),
        repeat("SELECT * FROM (SELECT "),
    ]
}

#[test]
fn hostile_texts_end_on_a_small_stack() {
    let run = || {
        for size in [300, 3_000, 100_000, 1_000_000] {
            for text in hostile(size) {
                for dialect in [
                    Dialect::Generic,
                    Dialect::Postgresql,
                    Dialect::Mysql,
                    Dialect::Mssql,
                    Dialect::Snowflake,
                ] {
                    // The long ones are refused alike in every dialect.
                    if size > 3_000 && dialect != Dialect::Generic {
                        continue;
                    }
                    let found = effects(&text, dialect);
                    let start: String = text.chars().take(60).collect();
                    assert!(
                        size < 300_000 || !found.is_empty() || !text.is_ascii() || text.starts_with("--"),
                        "{start}"
                    );
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_brings_it_down(text in "\\PC{0,200}", at in 0..16_usize) {
        effects(&text, DIALECTS[at]);
    }

    #[test]
    fn no_row_of_words_is_taken_for_a_mere_read_where_it_drops(
        before in "(SELECT [a-z]{1,3}|SELECT '[a-z;]{0,5}'|VALUES \\(1\\)|SHOW x|BEGIN|SET a = 1|WITH q AS \\(SELECT 1\\) SELECT 2)",
        gap in "( |\n|/\\*[a-z]{0,3}\\*/|--[a-z ]{0,3}\n|;){0,4}",
        at in 0..16_usize,
    ) {
        let text = format!("{before};{gap} DROP {gap} TABLE users");
        let text = if gap.contains(';') { format!("{before};{gap} DROP TABLE users") } else { text };
        let found = effects(&text, DIALECTS[at]);
        prop_assert!(found.iter().any(|effect| effect.kind == "sql.schema" || effect.kind == "sql.unknown"), "{text}");
    }
}
