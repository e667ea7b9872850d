//! Recall, precision and false positives of every parser and detector over public data: `make eval`.
//!
//! Answerable for reading the sets, for the table, and for what changed since the last run. Each part decides
//! in its own file what right means there; none chooses a threshold on the set that it reports.

mod injection;
mod paths;
mod personal;
mod report;
mod secrets;
mod set;
mod shell;
mod sql;
mod urls;

use std::path::PathBuf;
use std::process::ExitCode;

/// One measured figure.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// The parser or detector.
    pub part: String,
    /// The set, as its folder is called.
    pub set: String,
    /// What is measured: `recall`, `false positives`, `parsed`, `precision`, `f1`.
    pub measure: String,
    /// How many rows count.
    pub of: usize,
    /// How many of them fulfil the measure.
    pub hits: usize,
    /// What we mean to reach, in words: `>= 97 %`.
    pub aim: Option<String>,
}

impl Row {
    /// A figure without an aim.
    pub fn new(part: &str, set: &str, measure: &str, hits: usize, of: usize) -> Self {
        Self { part: part.into(), set: set.into(), measure: measure.into(), of, hits, aim: None }
    }

    /// The same, with what we mean to reach.
    #[must_use]
    pub fn aiming(mut self, aim: &str) -> Self {
        self.aim = Some(aim.to_owned());
        self
    }
}

type Part = fn(&set::Sets) -> Vec<Row>;

const PARTS: [(&str, Part); 7] = [
    ("paths", paths::run),
    ("urls", urls::run),
    ("shell", shell::run),
    ("sql", sql::run),
    ("secrets", secrets::run),
    ("personal", personal::run),
    ("injection", injection::run),
];

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let keep = words.iter().position(|word| word == "--write").map(|at| words.remove(at)).is_some();
    let folder = std::env::var_os("PORTCULLIS_CORPORA")
        .map_or_else(|| PathBuf::from("../shared/corpora"), PathBuf::from);
    let sets = match set::Sets::at(folder) {
        Ok(sets) => sets,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut rows = Vec::new();
    for (name, run) in PARTS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            eprintln!("measuring {name} ...");
            rows.extend(run(&sets));
        }
    }
    report::show(&rows, words.is_empty() && keep)
}
