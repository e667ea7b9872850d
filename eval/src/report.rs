//! The table, the file it is kept in, and what changed since the last time.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::Row;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/eval.json");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/eval.md");

/// Prints the table with what changed; keeps it if `keep`.
pub fn show(rows: &[Row], keep: bool) -> ExitCode {
    let before: Vec<Row> =
        std::fs::read(KEPT).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut table =
        String::from("| part | set | measure | found | of | % | aim |\n|---|---|---|---:|---:|---:|---|\n");
    for row in rows {
        let aim = row.aim.as_deref().unwrap_or("");
        let line = format!(
            "| {} | {} | {} | {} | {} | {:.2} | {aim} |",
            row.part,
            row.set,
            row.measure,
            row.hits,
            row.of,
            percent(row)
        );
        let _ = writeln!(table, "{line}");
        println!("{line}{}", change(row, &before));
    }
    if keep {
        let json = serde_json::to_string_pretty(rows).unwrap_or_default() + "\n";
        if let Err(why) = std::fs::write(KEPT, json).and_then(|()| std::fs::write(TABLE, heading() + &table))
        {
            eprintln!("the figures could not be kept: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn heading() -> String {
    "# What inspection finds, and what it takes for something else\n\nMade by `make eval`. Development figures: the rules were written with these sets at hand.\n\n".to_owned()
}

fn percent(row: &Row) -> f64 {
    if row.of == 0 { 0.0 } else { 100.0 * row.hits as f64 / row.of as f64 }
}

fn change(row: &Row, before: &[Row]) -> String {
    let same = |old: &&Row| (&old.part, &old.set, &old.measure) == (&row.part, &row.set, &row.measure);
    match before.iter().find(same) {
        None => "  new".to_owned(),
        Some(old) if (old.hits, old.of) == (row.hits, row.of) => String::new(),
        Some(old) => format!("  was {} of {} ({:.2} %)", old.hits, old.of, percent(old)),
    }
}
