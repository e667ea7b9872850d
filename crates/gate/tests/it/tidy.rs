//! Properties of the source itself: sizes, who may know whom, and what the pure crates may not touch.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_PER_FILE: usize = 500;
const ARROWS: [(&str, &str); 8] = [
    ("gate", "inspect"),
    ("gate", "ledger"),
    ("gate", "sandbox"),
    ("gate", "verdict"),
    ("inspect", "verdict"),
    ("python", "gate"),
    ("python", "inspect"),
    ("python", "verdict"),
];
/// Tables, which may be long.
const TABLES: [&str; 0] = [];
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helpers", "types", "core", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    let mut wrong = Vec::new();
    for file in sources(&root().join("crates")) {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root().canonicalize().unwrap()).unwrap_or(&file).display().to_string();
        if !text.starts_with("//!") {
            wrong.push(format!("{name} does not say what it is"));
        }
        let is_test = name.contains("/tests/");
        let is_table = TABLES.iter().any(|table| name.ends_with(table));
        if text.lines().count() > LINES_PER_FILE && !is_test && !is_table {
            wrong.push(format!("{name} has {} lines", text.lines().count()));
        }
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            wrong.push(format!("{name} has a name that says nothing"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_crates_point_only_where_they_should() {
    let mut arrows = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        let from = dir.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for to in ["gate", "inspect", "ledger", "sandbox", "verdict"] {
            if normal
                .lines()
                .any(|line| line.starts_with(&format!("{to} =")) || line.starts_with(&format!("{to}.")))
            {
                arrows.push((from.clone(), to.to_owned()));
            }
        }
    }
    arrows.sort();
    assert_eq!(arrows, ARROWS.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// `unsafe` is written in one crate; everywhere else the compiler forbids it.
#[test]
fn only_the_sandbox_may_be_unsafe() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        let inherits =
            fs::read_to_string(dir.join("Cargo.toml")).unwrap().contains("[lints]\nworkspace = true");
        if inherits == dir.ends_with("sandbox") {
            wrong.push(dir.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_pure_crates_touch_no_clock_disk_net_thread_or_dice() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "std::io",
        "SystemTime",
        "Instant::now",
        "getrandom",
        "tokio",
        "rand::",
    ];
    let mut wrong = Vec::new();
    for pure in ["verdict", "inspect"] {
        for file in sources(&root().join("crates").join(pure).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (n, line) in code.enumerate() {
                if let Some(word) = forbidden.iter().find(|word| line.contains(**word)) {
                    wrong.push(format!("{}: {word} near line {n}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What ARCHITECTURE.md names is there.
#[test]
fn the_architecture_names_what_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let names =
        text.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") || name.ends_with('/'));
    let missing: Vec<_> = names
        .map(str::trim)
        .filter(|name| name.contains('/') && !name.contains(' '))
        .filter(|name| !root().join("crates").join(name).exists() && !root().join(name).exists())
        .filter(|name| *name != "bench/" && !name.starts_with("target"))
        .collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !["wire/", "views/"].contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
