//! What is shown: tables for people, one JSON document for programs. Measures nothing.

use serde_json::{Value, json};

use crate::Effort;
use crate::machine::Machine;

/// One aim, and everything measured for it in one run.
pub struct Section {
    /// What was measured.
    pub title: String,
    /// How.
    pub method: String,
    /// What the issue asks for.
    pub aim: &'static str,
    /// A line for each contender.
    pub rows: Vec<Row>,
    /// What the rows say of each other, and what else must be known to read them.
    pub notes: Vec<String>,
}

/// One contender.
pub struct Row {
    /// Its name.
    pub who: String,
    /// What was found.
    pub figures: Vec<Figure>,
}

/// One number.
pub struct Figure {
    /// `p50`, `rate`, ...
    pub label: &'static str,
    /// In `unit`.
    pub value: f64,
    /// `ns`, `us`, `ms`, `s`, `/s`, `MB`, `` (a count).
    pub unit: &'static str,
}

/// A figure.
pub fn figure(label: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { label, value, unit }
}

/// Nanoseconds in the unit that reads best.
pub fn time(label: &'static str, ns: f64) -> Figure {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    figure(label, value, unit)
}

/// What stands above all figures.
pub fn print_header(machine: &Machine, effort: &Effort) {
    println!("# portcullis bench");
    for (what, found) in machine.lines() {
        println!("{what:<12} {found}");
    }
    println!("{:<12} {}", "method", method(effort));
}

fn method(effort: &Effort) -> String {
    format!(
        "contenders take turns (A B C A B C ...), {} rounds (mcp: ten times as many, of a tenth); p50 and \
         p99 are of the samples of all rounds, low and high the lowest and highest p50 of a round; one figure is \
         compared with another round by round, and the median taken",
        effort.rounds
    )
}

/// A section as a table.
pub fn print(section: &Section) {
    println!("\n## {}\n{}\naim: {}", section.title, section.method, section.aim);
    let widest = section.rows.iter().map(|row| row.who.chars().count()).max().unwrap_or(0);
    for row in &section.rows {
        let cells: Vec<String> = row.figures.iter().map(cell).collect();
        println!("  {:<widest$}  {}", row.who, cells.join("  "));
    }
    for note in &section.notes {
        println!("  - {note}");
    }
}

fn cell(figure: &Figure) -> String {
    let Figure { label, value, unit } = figure;
    let number = match value.abs() {
        v if unit.is_empty() && v < 1e4 => format!("{value:.0}"),
        v if v >= 1e4 => grouped(value.round()),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    format!(
        "{label} {:>9}",
        format!("{number}{}{unit}", if unit.is_empty() || *unit == "/s" { "" } else { " " })
    )
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Everything, for programs.
pub fn json(machine: &Machine, effort: &Effort, sections: &[Section]) -> Value {
    let manifest: serde_json::Map<String, Value> =
        machine.lines().into_iter().map(|(what, found)| (what.to_owned(), Value::String(found))).collect();
    let figures = |row: &Row| -> Vec<Value> {
        row.figures.iter().map(|it| json!({"label": it.label, "value": it.value, "unit": it.unit})).collect()
    };
    let rows = |section: &Section| -> Vec<Value> {
        section.rows.iter().map(|row| json!({"who": row.who, "figures": figures(row)})).collect()
    };
    let sections: Vec<Value> = sections
        .iter()
        .map(|it| {
            json!({"title": it.title, "method": it.method, "aim": it.aim, "rows": rows(it), "notes": it.notes})
        })
        .collect();
    json!({"machine": manifest, "method": method(effort), "sections": sections})
}
