//! Files, addresses and programs that SQL and code name: the one door to the readers of paths and hosts.

use verdict::{Effect, HostTarget, PathTarget, ProgramTarget, Target};

use crate::Surroundings;

/// An effect on a file of the machine where the database runs; `None` where the text is not known.
pub(crate) fn file(kind: &'static str, text: Option<&str>) -> Effect {
    let found = text.and_then(|text| path_at(text, &Surroundings::default()).ok());
    Effect::new(kind, found.map_or(Target::Unknown, Target::Path))
}

/// The same, of the machine where code runs.
pub(crate) fn file_at(kind: &'static str, text: Option<&str>, around: &Surroundings) -> Effect {
    let found = text.and_then(|text| path_at(text, around).ok());
    Effect::new(kind, found.map_or(Target::Unknown, Target::Path))
}

/// The same, with everything below it.
pub(crate) fn tree_at(kind: &'static str, text: Option<&str>, around: &Surroundings) -> Effect {
    let found = text.and_then(|text| path_at(text, around).ok());
    let target = found.map(|path| Target::Path(PathTarget { recursive: true, ..path }));
    Effect::new(kind, target.unwrap_or(Target::Unknown))
}

/// What is read by URL or by path, where code runs.
pub(crate) fn read_at(text: Option<&str>, around: &Surroundings) -> Effect {
    match text {
        Some(url) if is_remote(url) => host(Some(url)),
        other => file_at("fs.read", other, around),
    }
}

/// A line that code gives to a shell.
pub(crate) fn shell_at(line: &str, _around: &Surroundings) -> Vec<Effect> {
    vec![Effect { note: None, ..program(Some(line)) }]
}

/// A program that code starts without a shell. Words that are not known are absent.
pub(crate) fn program_at(name: &str, words: &[Option<String>], _around: &Surroundings) -> Vec<Effect> {
    let target = ProgramTarget { name: name.to_owned(), words: words.to_vec() };
    vec![Effect::new("process.exec", Target::Program(target))]
}

/// Another machine, by URL, name, or `host=` of a connection string.
pub(crate) fn host(text: Option<&str>) -> Effect {
    let found = text.map(|text| in_connection(text).unwrap_or(text)).and_then(|text| host_target(text).ok());
    Effect::new("net.connect", found.map_or(Target::Unknown, Target::Host))
}

/// What is read by URL or by path, as the text has it.
pub(crate) fn read(text: Option<&str>) -> Effect {
    match text {
        Some(url) if is_remote(url) => host(Some(url)),
        Some(stage) if stage.starts_with('@') => Effect::new("fs.read", Target::Named(stage.to_owned())),
        other => file("fs.read", other),
    }
}

/// What is written by URL or by path, as the text has it.
pub(crate) fn write(text: Option<&str>) -> Effect {
    match text {
        Some(url) if is_remote(url) => host(Some(url)),
        Some(stage) if stage.starts_with('@') => Effect::new("fs.write", Target::Named(stage.to_owned())),
        other => file("fs.write", other),
    }
}

/// A `\\server\share` that makes the server connect, or else a file.
pub(crate) fn share(text: Option<&str>) -> Vec<Effect> {
    let mut found = vec![file("fs.read", text)];
    if let Some(rest) = text.and_then(|text| text.strip_prefix("\\\\").or_else(|| text.strip_prefix("//"))) {
        let name = rest.split(['\\', '/']).next().unwrap_or_default();
        found.push(host(Some(name)).noting("the server signs in there"));
    }
    found
}

/// A command line that the server runs.
pub(crate) fn program(text: Option<&str>) -> Effect {
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

fn path_at(text: &str, _around: &Surroundings) -> Result<PathTarget, String> {
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
