//! `find`: a language of its own, that deletes, writes and runs.

use super::field::{Feed, Field};
use super::many;
use super::walk::Walk;

/// Tests that choose which files: without one of these, everything is meant.
const FILTERS: &[&str] = &[
    "-name",
    "-iname",
    "-path",
    "-ipath",
    "-regex",
    "-iregex",
    "-wholename",
    "-mtime",
    "-atime",
    "-ctime",
    "-mmin",
    "-amin",
    "-cmin",
    "-newer",
    "-size",
    "-empty",
    "-user",
    "-group",
    "-perm",
    "-uid",
    "-gid",
    "-inum",
    "-lname",
    "-samefile",
    "-nouser",
    "-newermt",
    "-links",
    "-xtype",
    "-cnewer",
    "-anewer",
    "-used",
    "-nogroup",
];

/// For how many folders a command is gone through one by one.
const MOST: usize = 8;

/// `find`, its folders and its actions.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], _feed: &Feed) -> bool {
    if !matches!(name, "find" | "gfind" | "bfs") {
        return false;
    }
    let is_start = |it: &&Field| !it.text.starts_with(['-', '(', '!']);
    let lead = fields
        .iter()
        .take_while(|it| matches!(it.text.as_str(), "-H" | "-L" | "-P") || it.text.starts_with("-O"))
        .count();
    let mut starts: Vec<Field> = fields.iter().skip(lead).take_while(is_start).cloned().collect();
    if starts.is_empty() {
        starts.push(Field::new("."));
    }
    for start in &starts {
        walk.reads(start);
    }
    if fields.iter().any(|it| matches!(it.text.as_str(), "-help" | "--help" | "--version")) {
        return true;
    }
    let filter = filter(fields);
    let mut rest = fields;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first.text.as_str() {
            "-delete" => starts.iter().for_each(|it| deleted(walk, it, filter.as_ref())),
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let end = after.iter().position(|it| it.text == ";" || it.text == "+").unwrap_or(after.len());
                let (command, more) = after.split_at_checked(end).unwrap_or_default();
                rest = more;
                run(walk, command, &starts, filter.as_ref());
            }
            "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                if let Some(file) = after.first() {
                    walk.writes(file);
                }
            }
            "-files0-from" | "-newer" | "-anewer" | "-cnewer" | "-samefile" => {
                if let Some(file) = after.first() {
                    walk.reads(file);
                }
                if first.text == "-files0-from" {
                    walk.reads(&Field::unknown());
                }
            }
            _ => {}
        }
    }
    true
}

/// What the files are chosen by: the pattern of names if there is one.
fn filter(fields: &[Field]) -> Option<String> {
    let mut found: Option<String> = None;
    for (at, field) in fields.iter().enumerate() {
        if !FILTERS.contains(&field.text.as_str()) {
            continue;
        }
        let negated = at
            .checked_sub(1)
            .and_then(|it| fields.get(it))
            .is_some_and(|it| matches!(it.text.as_str(), "!" | "-not"));
        let value = fields.get(at + 1).map_or("", |it| it.text.as_str());
        if negated || matches!(value, "*" | ".*" | "**" | "*/*") {
            continue;
        }
        let is_name = field.text.ends_with("name");
        if is_name || found.is_none() {
            found = Some(if is_name { value.to_owned() } else { String::new() });
        }
    }
    found
}

/// The place of a file below a folder, chosen by a pattern or not.
fn place(start: &Field, filter: Option<&String>) -> (Field, bool) {
    let folder = start.text.trim_end_matches('/');
    match filter {
        None => (start.clone(), true),
        Some(pattern) => {
            // A name that says nothing else stands for one that does not stand alone.
            let name = if pattern.is_empty() { "some*" } else { pattern.as_str() };
            (Field { text: format!("{folder}/{name}"), glob: true }, false)
        }
    }
}

fn deleted(walk: &mut Walk<'_>, start: &Field, filter: Option<&String>) {
    let (field, is_whole) = place(start, filter);
    if filter.is_some()
        && matches!(start.text.trim_end_matches('/'), "" | "~" | "/home" | "/usr" | "/etc" | "/var" | "/root")
    {
        walk.deletes(start, true);
    } else {
        walk.deletes(&field, is_whole);
    }
}

fn run(walk: &mut Walk<'_>, command: &[Field], starts: &[Field], filter: Option<&String>) {
    // Of many folders, the first few stand for themselves.
    let rest = (starts.len() > MOST).then(Field::unknown);
    for start in starts.iter().take(MOST).chain(&rest) {
        let (field, _) = place(start, filter);
        let has_place = command.iter().any(|it| it.text.contains("{}"));
        let words = many::filled(command, &[field], "{}", has_place);
        walk.program(&words, Feed::Nothing);
        let is_system = matches!(
            start.text.trim_end_matches('/'),
            "" | "~" | "/home" | "/usr" | "/etc" | "/var" | "/root"
        );
        let removes = command
            .first()
            .is_some_and(|it| matches!(super::call::base(&it.text), "rm" | "shred" | "unlink"));
        if removes && (is_system || filter.is_none()) {
            walk.deletes(start, true);
        }
    }
}
