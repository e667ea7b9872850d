//! The public sets: one folder each, `data.jsonl.gz`, one JSON object a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use serde_json::Value;

/// Where the sets lie.
pub struct Sets(PathBuf);

impl Sets {
    /// The sets in `folder`.
    pub fn at(folder: PathBuf) -> Result<Self, String> {
        if folder.is_dir() {
            return Ok(Self(folder));
        }
        Err(format!(
            "there are no sets in `{}`: set PORTCULLIS_CORPORA to the folder that holds them",
            folder.display()
        ))
    }

    /// Every row of one set; empty, with a line to stderr, if it is not there.
    pub fn rows(&self, name: &str) -> Vec<Value> {
        let path = self.0.join(name).join("data.jsonl.gz");
        let Ok(file) = File::open(&path) else {
            eprintln!("  the set {name} is not there");
            return Vec::new();
        };
        let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
        lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

/// A row's text under one of some keys.
pub fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A row's label: 1 for an attack, a secret, something dangerous.
pub fn label(row: &Value) -> Option<i64> {
    row.get("label").and_then(Value::as_i64)
}
