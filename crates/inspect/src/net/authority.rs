//! The part of a URL that says whom to ask: user, host and port, in every way that parsers cut it out.
//!
//! The standard's cut comes first; the others matter where a text was made so that a filter and a client
//! disagree: `http://a\@b`, `http://a#@b`, `http://a@b@c`.

use verdict::HostTarget;

use super::{Reached, address, name};

/// How many slashes of either kind `text` starts with; tabs and line breaks between them do not count.
pub fn slashes(text: &str) -> usize {
    text.chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .take_while(|c| matches!(c, '/' | '\\'))
        .take(2)
        .count()
}

/// Every reading of what follows `scheme:`. `port` is the scheme's own.
pub fn read(rest: &str, scheme: Option<&str>, port: Option<u16>) -> Result<Vec<Reached>, String> {
    let mut found = Vec::new();
    let is_broken = rest.contains(['\t', '\n', '\r']);
    let joined: String;
    let whole = if is_broken {
        joined = rest.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        joined.as_str()
    } else {
        rest
    };
    let whole = whole.trim_start_matches(['/', '\\']);
    let standard = cut(whole, &['/', '\\', '?', '#']);
    let mut pieces = vec![(standard, last_at(standard))];
    if whole.contains(['@', '\\', ' ']) || is_broken {
        others(rest, whole, standard, &mut pieces);
    }
    if standard.rsplit_once('@').is_some_and(|(user, _)| wraps_host(user)) {
        return Err("what stands before the `@` is a host with its end percent-encoded".to_owned());
    }
    for (at, (_, (user, host))) in pieces.iter().enumerate() {
        match hosts(user, host, scheme, port) {
            Ok(hosts) => hosts.into_iter().for_each(|host| push(&mut found, host)),
            // What the standard refuses is unknown; a careless parser that refuses it, too, reaches nothing.
            Err(why) if at == 0 => return Err(why),
            Err(_) => {}
        }
    }
    Ok(found)
}

type Cut<'a> = (&'a str, (&'a str, &'a str));

/// The cuts of parsers that keep to another standard, or to none.
fn others<'a>(rest: &'a str, whole: &'a str, standard: &'a str, pieces: &mut Vec<Cut<'a>>) {
    // RFC 3986: a backslash is a letter.
    let rfc = cut(whole, &['/', '?', '#']);
    // The host ends at a slash and nowhere else.
    let loose = cut(whole, &['/']);
    // It ends where the line or the word does.
    let word = cut(rest.trim_start_matches(['/', '\\']), &['/', '\\', '?', '#', ' ', '\t', '\n', '\r']);
    for one in [standard, rfc, loose, word] {
        for split in [last_at(one), first_at(one)] {
            if !pieces.iter().any(|(_, known)| *known == split) {
                pieces.push((one, split));
            }
        }
    }
}

/// Whether who decodes first finds a host before the `@`: `127.0.0.1%2f`, but not `name:pass%2fword`.
fn wraps_host(user: &str) -> bool {
    let user = user.to_ascii_lowercase();
    let Some(end) = ["%2f", "%5c", "%23", "%3f"].iter().filter_map(|end| user.find(end)).min() else {
        return false;
    };
    let before = user.get(..end).unwrap_or_default();
    let (host, port) = before.rsplit_once(':').unwrap_or((before, ""));
    port.bytes().all(|b| b.is_ascii_digit())
        && (host.contains(['.', '[']) || host == "localhost" || host.bytes().all(|b| b.is_ascii_digit()))
}

fn cut<'a>(text: &'a str, ends: &[char]) -> &'a str {
    text.split(ends).next().unwrap_or_default()
}

/// User and host, where the host is what follows the last `@`.
fn last_at(text: &str) -> (&str, &str) {
    text.rsplit_once('@').unwrap_or(("", text))
}

/// User and host, where the host is between the first `@` and the next.
fn first_at(text: &str) -> (&str, &str) {
    let Some((user, rest)) = text.split_once('@') else { return ("", text) };
    (user, rest.split('@').next().unwrap_or_default())
}

/// A host without a scheme.
pub fn read_bare(text: &str) -> Result<Vec<Reached>, String> {
    let whole = cut(text, &['/', '\\', '?', '#']);
    if let Some(address) = address::bare_v6(whole) {
        return Ok(vec![Reached::Host(HostTarget {
            host: address.to_string(),
            address: Some(address::unwrapped(address.into())),
            ..HostTarget::default()
        })]);
    }
    let (user, rest) = last_at(whole);
    // `git@host:path` and `host:path`, as scp, rsync and git have it.
    let after_host = rest.rsplit_once(']').map_or(rest, |(_, after)| after);
    if let Some((_, path)) = after_host.split_once(':') {
        let is_port = path.bytes().all(|b| b.is_ascii_digit());
        if !is_port && !path.contains(':') {
            let host = rest.strip_suffix(path).and_then(|host| host.strip_suffix(':')).unwrap_or(rest);
            let found = hosts(user, host, Some("ssh"), Some(22))?;
            return Ok(found.into_iter().map(Reached::Host).collect());
        }
    }
    read(text, None, None)
}

/// The readings of `host:port`.
fn hosts(user: &str, host: &str, scheme: Option<&str>, port: Option<u16>) -> Result<Vec<HostTarget>, String> {
    let (host, port) = split_port(host, port)?;
    if host.is_empty() {
        return Err("the address names no host".to_owned());
    }
    let odd = name::host_like(user).then_some("the user information looks like a host");
    let mut found = name::read(host)?;
    for one in &mut found {
        one.port = port;
        one.scheme = scheme.map(str::to_owned);
        one.odd = one.odd.take().or(odd.map(Into::into));
    }
    Ok(found)
}

/// Takes the port off. Two ports are none: some would take the first, some the last.
fn split_port(text: &str, default: Option<u16>) -> Result<(&str, Option<u16>), String> {
    let end = match text.starts_with('[') {
        true => text.find(']').map(|at| at + 1).ok_or("the address opens a bracket and does not close it")?,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => default,
        None => return Err("there is something between the address and its port".to_owned()),
        Some("") => default,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(number(digits)?),
        Some(_) => return Err("the port is not a number".to_owned()),
    };
    Ok((host, port))
}

fn number(digits: &str) -> Result<u16, String> {
    let digits = digits.trim_start_matches('0');
    match digits.is_empty() {
        true => Ok(0),
        false => digits.parse().map_err(|_| "the port is larger than 65535".to_owned()),
    }
}

fn push(found: &mut Vec<Reached>, host: HostTarget) {
    let one = Reached::Host(host);
    if !found.contains(&one) {
        found.push(one);
    }
}
