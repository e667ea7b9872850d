//! Files and machines that clients of databases reach by their own commands: `.read x`, `\o x`, `\copy`, connection
//! strings.
//!
//! Knows no statement of SQL; those are read elsewhere.

use super::field::{Feed, Field};
use super::walk::Walk;

/// `host=x port=y dbname=z`, as libpq has it.
pub fn keywords(walk: &mut Walk<'_>, text: &str) {
    let find = |key: &str| {
        text.split_whitespace().find_map(|it| it.strip_prefix(key)).map(|it| it.trim_matches('\''))
    };
    let port = find("port=").unwrap_or("5432");
    for host in [find("host="), find("hostaddr=")].into_iter().flatten().flat_map(|it| it.split(',')) {
        if host.starts_with('/') {
            walk.writes(&Field::new(host));
        } else {
            walk.connects(&format!("{host}:{port}"));
        }
    }
    for key in ["sslkey=", "sslcert=", "sslrootcert=", "passfile=", "service="] {
        if let Some(file) = find(key).filter(|it| it.contains('/')) {
            walk.reads(&Field::new(file));
        }
    }
}

const CLIENT_READS: &[&str] =
    &[".read", ".import", ".restore", ".load", ".archive", "\\i", "\\ir", "\\include", "source", "\\."];
const CLIENT_WRITES: &[&str] = &[
    ".output", ".once", ".backup", ".save", ".open", ".log", ".excel", ".dump", ".clone", ".trace", "\\o",
    "\\w", "\\out", "\\write", "\\g", "\\s", "\\T", "tee",
];

/// What a client's own commands do to files: `.read x`, `\o x`, `\copy t to 'x'`.
pub fn client_files(walk: &mut Walk<'_>, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some((verb, rest)) = words.split_first() else { return };
    let plain = |it: &&&str| !it.starts_with("--") && !matches!(**it, "-e" | "-x" | "-a" | "-f" | "main");
    let files: Vec<Field> = rest
        .iter()
        .filter(plain)
        .map(|it| Field::new(it.trim_matches(['\'', '"', ';']).trim_start_matches("file:")))
        .collect();
    match *verb {
        ".load" => walk.unknown_exec("loads code that it is given"),
        verb if CLIENT_READS.contains(&verb) => {
            files.iter().take(1).for_each(|it| match it.text.strip_prefix('|') {
                Some(command) => {
                    let command = command.to_owned();
                    walk.apart(|walk| walk.text(&command, Feed::Nothing));
                }
                None => walk.reads(it),
            });
        }
        verb if CLIENT_WRITES.contains(&verb) => {
            files.iter().for_each(|it| match it.text.strip_prefix('|') {
                Some(_) => {
                    let command = line.split_once('|').map_or("", |(_, it)| it).to_owned();
                    walk.apart(|walk| walk.text(&command, Feed::Nothing));
                }
                None => walk.writes(it),
            })
        }
        "\\copy" => {
            for (at, word) in words.iter().enumerate() {
                let Some(file) = words.get(at + 1).map(|it| Field::new(it.trim_matches(['\'', ';']))) else {
                    continue;
                };
                match word.to_ascii_lowercase().as_str() {
                    "from" if !matches!(file.text.as_str(), "stdin" | "pstdin" | "STDIN") => {
                        walk.reads(&file)
                    }
                    "to" if !matches!(file.text.as_str(), "stdout" | "pstdout" | "STDOUT") => {
                        walk.writes(&file)
                    }
                    _ => {}
                }
            }
        }
        "\\c" | "\\connect" => {
            rest.iter().skip(2).take(1).for_each(|it| walk.connects(it));
            keywords(walk, line);
        }
        _ => {}
    }
}

/// Files that SQLite opens by functions and statements of its own.
pub fn sqlite_files(walk: &mut Walk<'_>, text: &str) {
    let lower = text.to_ascii_lowercase();
    for (name, writes) in [("readfile(", false), ("writefile(", true), ("attach ", true), ("into ", true)] {
        for (at, _) in lower.match_indices(name) {
            let after = text.get(at + name.len()..).unwrap_or_default().trim_start();
            let after =
                after.strip_prefix("database ").or_else(|| after.strip_prefix("DATABASE ")).unwrap_or(after);
            let file = after.strip_prefix(['\'', '"']).and_then(|it| it.split(['\'', '"']).next());
            match file {
                Some(file) if writes => walk.writes(&Field::new(file)),
                Some(file) => walk.reads(&Field::new(file)),
                None if name != "into " => walk.touches(&Field::unknown()),
                None => {}
            }
        }
    }
}
