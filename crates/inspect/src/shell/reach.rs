//! Where the other parts of inspection are asked: paths, hosts, queries, code.
//!
//! The one seam: shell analysis names nothing outside of this file.

use verdict::{HostTarget, PathTarget};

use crate::Surroundings;

/// The file or folder that a word means. `is_pattern`: the shell expands it to file names.
pub fn path(text: &str, is_pattern: bool, around: &Surroundings) -> Option<PathTarget> {
    if text.contains('\0') || text.len() > 8192 {
        return None;
    }
    let home = around.home.as_deref();
    let text = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => text.to_owned(),
    };
    let whole = match around.cwd.as_deref() {
        Some(cwd) if !text.starts_with(['/', '~']) => format!("{cwd}/{text}"),
        _ => text,
    };
    let rooted = whole.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if rooted || parts.last().is_some_and(|it| *it != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let path = format!("{}{}", if rooted { "/" } else { "" }, parts.join("/"));
    Some(PathTarget { path: if path.is_empty() { ".".into() } else { path }, glob: is_pattern, ..PathTarget::default() })
}

/// The machine that a word means: a URL, `host`, `host:port`.
pub fn host(text: &str) -> Option<HostTarget> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse().ok();
    (!host.is_empty()).then(|| HostTarget {
        host,
        port,
        scheme: scheme.map(str::to_ascii_lowercase),
        address,
        ..HostTarget::default()
    })
}
