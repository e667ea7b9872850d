//! Paths as arguments spell them, and the one spelling that boundaries compare.
//!
//! Answerable for saying which file or folder a text means: to an ordinary program ([`target`]), to one that
//! takes every character as it stands ([`literal`]), and to all the programs that decode, fold or clean a name
//! before they open it ([`targets`]). Never looks at a disk: where links lead is filled in by who can look,
//! from the argument as it was spelled. Knows no boundary.

mod braces;
mod decode;
mod lenient;
mod settle;
mod windows;

use verdict::PathTarget;

use crate::Surroundings;
use settle::settle;

/// The longest path that is read, in bytes. Systems stop at 4,096 (Linux) or 32,767 characters (Windows).
pub const LONGEST: usize = 32 * 1024;
/// How many places one text may stand for before we stop counting.
const MOST: usize = 64;

/// The file or folder that `text` means to an ordinary program on this system, once a shell has had its way
/// with `~` and patterns.
///
/// # Errors
/// A sentence, if that cannot be told: the target is then unknown. Somebody else's home folder, a NUL, an open
/// file's number, a URL of another machine.
pub fn target(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    check(text)?;
    if is_reference(text) {
        return match file_url(text, around)?.into_iter().next() {
            Some(first) => Ok(first),
            None => Err(refer(text)),
        };
    }
    plain(text, around)
}

/// The same for a text that nobody expands: `~`, `*` and braces are letters.
///
/// # Errors
/// As [`target`].
pub fn literal(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    check(text)?;
    let mut found =
        if windows::is_form(text, around) { windows::settle(text, around)? } else { settle(text, around)? };
    (found.glob, found.recursive) = (false, false);
    Ok(found)
}

/// Every file or folder that `text` may mean to one program or another, the plain reading first: percent signs
/// kept and decoded, backslashes as letters and as separators, `~` as a name and as a home, braces as letters
/// and expanded, dots and spaces that Windows drops, wide and overlong characters folded. A boundary has to
/// hold all of them. A text without any of these has one reading.
///
/// # Errors
/// As [`target`], if any reading cannot be told.
pub fn targets(text: &str, around: &Surroundings) -> Result<Vec<PathTarget>, String> {
    check(text)?;
    if lenient::is_plain(text) {
        return plain(text, around).map(|one| vec![one]);
    }
    let mut found = Vec::new();
    if is_reference(text) {
        found = file_url(text, around)?;
        if found.is_empty() {
            return Err(refer(text));
        }
    }
    lenient::readings(text, around, &mut found)?;
    Ok(found)
}

/// What an ordinary program on a system of this kind opens.
fn plain(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    if windows::is_form(text, around) {
        return windows::settle(text, around);
    }
    match home_in(text, around)? {
        Some(there) => settle(&there, around),
        None => settle(text, around),
    }
}

fn check(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the path is longer than {LONGEST} bytes"));
    }
    if text.contains('\0') {
        return Err("the path holds a NUL: programs disagree on where it ends".to_owned());
    }
    Ok(())
}

/// `~` and `~/x` with the home folder put in; nothing if the text starts otherwise.
fn home_in(text: &str, around: &Surroundings) -> Result<Option<String>, String> {
    let text = match text.strip_prefix('$') {
        Some(rest) => return variable(rest, around),
        None => text,
    };
    let Some(rest) = text.strip_prefix('~') else { return Ok(None) };
    let end = rest.find(['/', '\\']).unwrap_or(rest.len());
    let (name, below) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match name {
        "" => home(below, around).map(Some),
        "+" => match &around.cwd {
            Some(cwd) => Ok(Some(format!("{cwd}{below}"))),
            None => Err("the working directory is not known".to_owned()),
        },
        _ if is_user(name, below) => Err(format!("`~{}` is a home folder that is not known", short(name))),
        _ => Ok(None),
    }
}

fn home(below: &str, around: &Surroundings) -> Result<String, String> {
    match &around.home {
        Some(home) => Ok(format!("{home}{below}")),
        None => Err("`~` is a home folder, and it is not known whose".to_owned()),
    }
}

/// `$HOME/x` and `${PWD}/x`, for tools that expand variables. Others that look like variables of the
/// environment are not known; anything else is a name that starts with `$`.
fn variable(rest: &str, around: &Surroundings) -> Result<Option<String>, String> {
    let (name, below) = match rest.strip_prefix('{') {
        Some(inner) => inner.split_once('}').unwrap_or(("", "")),
        None => {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest.split_at_checked(end).unwrap_or((rest, ""))
        }
    };
    let folder = match name {
        "HOME" => &around.home,
        "PWD" => &around.cwd,
        _ if is_variable(name) && (below.is_empty() || below.starts_with(['/', '\\'])) => &None,
        _ => return Ok(None),
    };
    match folder {
        Some(folder) => Ok(Some(format!("{folder}{below}"))),
        None => Err(format!("the path starts with the variable `{}`, which is not known", short(name))),
    }
}

fn is_variable(name: &str) -> bool {
    name.len() > 1
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether `~name` is a user's home rather than a file's name: `~root`, `~ann/x`, but not `~tmp.txt`.
fn is_user(name: &str, below: &str) -> bool {
    name == "-"
        || name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
            && (!below.is_empty() || !name.contains('.'))
}

/// Whether it starts as a URL does: `file:` in any case, or a scheme with `//`.
fn is_reference(text: &str) -> bool {
    let Some((scheme, rest)) = text.trim_start().split_once(':') else { return false };
    let named = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    named
        && (rest.starts_with("//")
            || rest.starts_with("\\\\")
            || FILE_SCHEMES.iter().any(|it| scheme.eq_ignore_ascii_case(it))
            // `jar:file:/x`, `view-source:file:///x`: one that wraps another.
            || rest.split_once(':').is_some_and(|(inner, _)| {
                FILE_SCHEMES.iter().any(|it| inner.eq_ignore_ascii_case(it))
            }))
}

/// Schemes that open files without saying `//`: the standard one, Python's, Java's.
const FILE_SCHEMES: [&str; 4] = ["file", "local_file", "netdoc", "local-file"];

fn refer(text: &str) -> String {
    let scheme = text.trim_start().split(':').next().unwrap_or_default();
    format!("`{}:` is the start of a URL, not of a path", short(scheme))
}

/// Where a `file:` URL leads, read by the standard and as it stands; empty if it is a URL of another kind.
fn file_url(text: &str, around: &Surroundings) -> Result<Vec<PathTarget>, String> {
    let Some((scheme, rest)) = text.trim_start().split_once(':') else { return Ok(Vec::new()) };
    if !FILE_SCHEMES.iter().any(|it| scheme.eq_ignore_ascii_case(it)) {
        return Ok(Vec::new());
    }
    let rest: String = rest.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let rest = rest.replace('\\', "/");
    let uncut = rest.split(['?', '#']).next().unwrap_or_default();
    let mut found = Vec::new();
    for rest in [uncut, &rest] {
        let decoded = decode::all(rest)?.pop().unwrap_or_else(|| rest.to_owned());
        for path in [decoded.as_str(), rest] {
            let there = file_place(path);
            let one = match windows::is_form(there.trim_start_matches('/'), around) {
                true if !there.starts_with("//") => windows::settle(there.trim_start_matches('/'), around)?,
                _ if there.starts_with("//") => windows::settle(&there, around)?,
                _ => settle(&there, around)?,
            };
            push(&mut found, one)?;
        }
    }
    Ok(found)
}

/// The path of a file URL after its scheme: `///etc/x`, `//localhost/etc/x`, `//server/share/x`, `etc/x`.
fn file_place(rest: &str) -> String {
    match rest.strip_prefix("//") {
        Some(after) if after.starts_with('/') => format!("/{}", after.trim_start_matches('/')),
        Some(after) => match after.split_once('/') {
            Some((host, path)) if is_here(host) => format!("/{}", path.trim_start_matches('/')),
            _ if after.as_bytes().get(1) == Some(&b':') => format!("/{after}"),
            _ => rest.to_owned(),
        },
        None => format!("/{}", rest.trim_start_matches('/')),
    }
}

fn is_here(host: &str) -> bool {
    host.is_empty()
        || host.eq_ignore_ascii_case("localhost")
        || host == "127.0.0.1"
        || host == "."
        || host == "~"
}

/// Adds a reading that is not there yet.
fn push(found: &mut Vec<PathTarget>, one: PathTarget) -> Result<(), String> {
    if !found.contains(&one) {
        if found.len() >= MOST {
            return Err(format!("the path stands for more than {MOST} places"));
        }
        found.push(one);
    }
    Ok(())
}

/// As much of a name as a sentence has room for.
fn short(text: &str) -> String {
    text.chars().take(32).collect()
}
