//! Files, addresses and programs that SQL and code name: the one door to the readers of paths and hosts.

use verdict::{Effect, HostTarget, PathTarget, Target, risk_of};

use crate::{Surroundings, net, path, shell};

/// How many effects one command line has at most.
const MOST: usize = 128;

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

/// A line that code gives to a shell: what the shell would do with it.
pub(crate) fn shell_at(line: &str, around: &Surroundings) -> Vec<Effect> {
    let found = shell::effects(line, around);
    let is_silent = !found.iter().any(|it| it.kind == "process.exec");
    let shell = is_silent.then(|| Effect::new("process.exec", Target::Unknown));
    shell.into_iter().chain(found).take(MOST).collect()
}

/// Reading this file is reading a secret, too.
pub(crate) fn secret(effect: &Effect) -> Option<Effect> {
    match &effect.target {
        Target::Path(path) if effect.kind == "fs.read" && is_secret(&path.path) => {
            Some(Effect { kind: "secret.read".into(), risk: risk_of("secret.read"), ..effect.clone() })
        }
        _ => None,
    }
}

/// True for files that hold keys, tokens and hashes of passwords.
fn is_secret(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_key = last.starts_with("id_") && !last.ends_with(".pub") && path.contains(".ssh/");
    is_key
        || matches!(path, "/etc/shadow" | "/etc/gshadow" | "/etc/shadow-" | "/etc/gshadow-")
        || matches!(
            last,
            ".env" | ".netrc" | ".pgpass" | ".npmrc" | ".pypirc" | ".git-credentials" | ".vault-token"
        )
        || path.ends_with(".aws/credentials")
        || path.ends_with(".kube/config")
        || path.ends_with(".docker/config.json")
        || (last.starts_with(".env.")
            && !last.ends_with("example")
            && !last.ends_with("sample")
            && !last.ends_with("template"))
        || (path.starts_with("/proc/") && last == "environ")
}

/// A program that code starts without a shell. Words that are not known are absent.
pub(crate) fn program_at(name: &str, words: &[Option<String>], around: &Surroundings) -> Vec<Effect> {
    let mut found = shell::program(name, words, around);
    found.truncate(MOST);
    found
}

/// Another machine, by URL, name, or `host=` of a connection string.
pub(crate) fn host(text: Option<&str>) -> Effect {
    let found = text.map(|text| in_connection(text).unwrap_or(text)).and_then(|text| host_target(text).ok());
    found.map_or_else(|| Effect::new("net.connect", Target::Unknown), net::connect)
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

/// A command line that the server runs: its own effects, on the server.
pub(crate) fn program(text: Option<&str>) -> Vec<Effect> {
    const NOTE: &str = "the database server runs it";
    let Some(line) = text else {
        return vec![Effect::new("process.exec", Target::Unknown).noting(NOTE)];
    };
    let noted = |effect: Effect| match effect.note.clone() {
        Some(note) => effect.noting(format!("{NOTE}: {note}")),
        None => effect.noting(NOTE),
    };
    shell_at(line, &Surroundings::default()).into_iter().map(noted).collect()
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

/// What a call opens: nobody expands it, but a `file:` URL is one.
fn path_at(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    if text.is_empty() {
        return Err("it names no file".to_owned());
    }
    let is_url = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
    if is_url { path::target(text, around) } else { path::literal(text, around) }
}

/// By the same reader as every other address; of a scheme that it leaves to others, what stands where a host does.
fn host_target(text: &str) -> Result<HostTarget, String> {
    net::target(text).or_else(|why| {
        let (scheme, rest) = text.split_once("://").ok_or(why)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let found = net::target(&format!("http://{authority}"))?;
        let is_told = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = found.port.filter(|_| is_told);
        Ok(HostTarget { scheme: Some(scheme.to_ascii_lowercase()), port, ..found })
    })
}
