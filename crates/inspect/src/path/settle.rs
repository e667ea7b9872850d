//! The POSIX reading of a path: one absolute spelling, with the magic links of `/proc` and `/dev/fd` followed.
//!
//! Knows that `..` may leave by another door than it came in where a link is in the way; that is for who can
//! look at the disk.

use verdict::PathTarget;

use crate::Surroundings;

/// Makes `text` absolute with the working directory, if that is known, and takes out `.`, `..` and repeated
/// separators. A relative path that stays relative keeps the `..` that lead out of where it starts.
pub fn settle(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    let mut out = String::with_capacity(text.len() + around.cwd.as_ref().map_or(1, |cwd| cwd.len() + 2));
    let mut target = PathTarget::default();
    match &around.cwd {
        _ if text.starts_with('/') => out.push('/'),
        Some(cwd) if cwd.starts_with('/') => {
            out.push('/');
            walk(cwd, &mut out, around)?;
        }
        _ => {}
    }
    if text.bytes().any(|b| matches!(b, b'*' | b'?' | b'[')) {
        target.glob = has_pattern(text);
        target.recursive = text.split('/').any(|part| part == "**");
    }
    walk(text, &mut out, around)?;
    if text.split('/').any(|part| part == "..") {
        target.spelled = match &around.cwd {
            _ if text.starts_with('/') => Some(text.to_owned()),
            Some(cwd) if cwd.starts_with('/') => Some(format!("{cwd}/{text}")),
            _ => None,
        };
    }
    target.path = match out.is_empty() {
        true => ".".to_owned(),
        false => out,
    };
    Ok(target)
}

/// Whether a pattern's letters make a pattern: `?` and `*` always, `[` only with its `]`.
fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?']) || text.split_once('[').is_some_and(|(_, rest)| rest.contains(']'))
}

/// Goes along the components of `text`, starting where `out` is.
fn walk(text: &str, out: &mut String, around: &Surroundings) -> Result<(), String> {
    let mut parts = text.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
    while let Some(part) = parts.next() {
        if part == ".." {
            up(out);
            continue;
        }
        if !out.is_empty() && !out.ends_with('/') {
            out.push('/');
        }
        out.push_str(part);
        if out.starts_with("/proc/") || out.starts_with("/dev/fd") || out.starts_with("/.") {
            magic(out, parts.peek().is_none(), around)?;
        }
    }
    Ok(())
}

/// One folder up; above the root is the root, above an unknown start is further up.
fn up(out: &mut String) {
    match out.rfind('/') {
        _ if out.is_empty() => out.push_str(".."),
        _ if out.as_str() == ".." || out.ends_with("/..") => out.push_str("/.."),
        Some(0) => out.truncate(1),
        Some(at) => out.truncate(at),
        None => out.clear(),
    }
}

/// Links that every system follows and that no string comparison sees: `/proc/self/root` is `/`,
/// `/proc/self/cwd` the working directory, `/dev/fd/7` whatever is open as 7.
fn magic(out: &mut String, is_last: bool, around: &Surroundings) -> Result<(), String> {
    if let Some(number) = out.strip_prefix("/dev/fd/") {
        let stream = match number {
            "0" if is_last => "/dev/stdin",
            "1" if is_last => "/dev/stdout",
            "2" if is_last => "/dev/stderr",
            _ => return Err(OPEN.to_owned()),
        };
        stream.clone_into(out);
        return Ok(());
    }
    // macOS: a file by its volume and number; and two prefixes that only say how links are treated.
    if out.as_str() == "/.vol" {
        return Err("`/.vol` names files by number".to_owned());
    }
    if out.as_str() == "/.nofollow" {
        out.truncate(1);
        return Ok(());
    }
    let Some(rest) = out.strip_prefix("/proc/") else { return Ok(()) };
    let mut parts = rest.split('/');
    let owner = parts.next().unwrap_or_default();
    let mut link = parts.next();
    if link == Some("task") {
        let _thread = parts.next();
        link = parts.next();
    }
    let number = parts.next();
    let is_own = matches!(owner, "self" | "thread-self");
    let is_process = is_own || owner.bytes().all(|b| b.is_ascii_digit()) || owner.contains(['*', '?', '[']);
    match link {
        Some("root" | "cwd") if is_process && !is_own => {
            Err("the root or working directory of another process is not known".to_owned())
        }
        Some("root") if is_own => {
            out.truncate(1);
            Ok(())
        }
        Some("cwd") if is_own => match &around.cwd {
            Some(cwd) => {
                out.truncate(1);
                walk(cwd, out, &Surroundings::default())
            }
            None => Err("the working directory is not known".to_owned()),
        },
        Some("fd" | "map_files") if is_process && number.is_some() => Err(OPEN.to_owned()),
        _ => Ok(()),
    }
}

const OPEN: &str = "the path goes through a file that is open already, and not known";
