//! Files, addresses and programs that SQL names: the one door to the readers of paths and hosts.

use verdict::{Effect, HostTarget, PathTarget, ProgramTarget, Target};

/// An effect on a file of the machine where the database runs; `None` where the text is not known.
pub(super) fn file(kind: &'static str, text: Option<&str>) -> Effect {
    let found = text.and_then(|text| path_target(text).ok());
    Effect::new(kind, found.map_or(Target::Unknown, Target::Path))
}

/// Another machine, by URL, name, or `host=` of a connection string.
pub(super) fn host(text: Option<&str>) -> Effect {
    let found = text.map(|text| in_connection(text).unwrap_or(text)).and_then(|text| host_target(text).ok());
    Effect::new("net.connect", found.map_or(Target::Unknown, Target::Host))
}

/// What is read by URL or by path, as the text has it.
pub(super) fn read(text: Option<&str>) -> Effect {
    match text {
        Some(url) if is_remote(url) => host(Some(url)),
        Some(stage) if stage.starts_with('@') => Effect::new("fs.read", Target::Named(stage.to_owned())),
        other => file("fs.read", other),
    }
}

/// What is written by URL or by path, as the text has it.
pub(super) fn write(text: Option<&str>) -> Effect {
    match text {
        Some(url) if is_remote(url) => host(Some(url)),
        Some(stage) if stage.starts_with('@') => Effect::new("fs.write", Target::Named(stage.to_owned())),
        other => file("fs.write", other),
    }
}

/// A `\\server\share` that makes the server connect, or else a file.
pub(super) fn share(text: Option<&str>) -> Vec<Effect> {
    let mut found = vec![file("fs.read", text)];
    if let Some(rest) = text.and_then(|text| text.strip_prefix("\\\\").or_else(|| text.strip_prefix("//"))) {
        let name = rest.split(['\\', '/']).next().unwrap_or_default();
        found.push(host(Some(name)).noting("the server signs in there"));
    }
    found
}

/// A command line that the server runs.
pub(super) fn program(text: Option<&str>) -> Effect {
    let plain = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:,=@+%\\".contains(&byte))
    };
    let target = text.and_then(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, rest) = words.split_first()?;
        words.iter().all(plain).then(|| ProgramTarget {
            name: (*name).to_owned(),
            words: rest.iter().map(|word| Some((*word).to_owned())).collect(),
        })
    });
    Effect::new("process.exec", target.map_or(Target::Unknown, Target::Program))
        .noting("the database server runs it")
}

fn is_remote(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.eq_ignore_ascii_case("file")
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// `host=`, `hostaddr=`, `server=` or `data source=` of a connection string.
fn in_connection(text: &str) -> Option<&str> {
    text.split([' ', ';']).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        matches!(key.as_str(), "host" | "hostaddr" | "server" | "source" | "address" | "addr")
            .then(|| value.trim().trim_matches('\''))
    })
}

fn path_target(text: &str) -> Result<PathTarget, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("it names no file".to_owned());
    }
    Ok(PathTarget { path: text.to_owned(), ..PathTarget::default() })
}

fn host_target(text: &str) -> Result<HostTarget, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, text),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    Ok(HostTarget { host: host.to_ascii_lowercase(), port, scheme, ..HostTarget::default() })
}
