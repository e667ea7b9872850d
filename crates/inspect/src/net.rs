//! Addresses, hosts and URLs as arguments spell them, and the one spelling that boundaries compare.
//!
//! Answerable for saying which machine a text reaches: to a program that keeps the URL standard ([`target`]),
//! and to those that read the same text another way ([`targets`], [`reached`]). Resolves no name: what a name
//! leads to is filled in by who can look. Knows no boundary.

mod address;
mod authority;
mod name;
mod scheme;

use verdict::{Effect, HostTarget, Target};

/// The longest URL that is read, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// What a URL leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Another machine, or this one by the network.
    Host(HostTarget),
    /// A file: the text to give to [`crate::path::targets`], a `file:` URL or a path.
    File(String),
    /// Nothing: the text itself is all there is (`data:`), or it waits for a person (`mailto:`).
    Inline,
}

/// The host that `text` means by the URL standard: a URL, `host`, `host:port`, `[v6]:port`, `user@host:path`.
///
/// # Errors
/// A sentence, if that cannot be told or it is no host: the target is then unknown.
pub fn target(text: &str) -> Result<HostTarget, String> {
    match reached(text)?.into_iter().next() {
        Some(Reached::Host(host)) => Ok(host),
        Some(Reached::File(_)) => Err("it leads to a file, not to a host".to_owned()),
        Some(Reached::Inline) => Err("it leads to no host".to_owned()),
        None => Err("it names no host".to_owned()),
    }
}

/// Talking to this host, with what is odd about its spelling: letters that look like others.
pub(crate) fn connect(host: HostTarget) -> Effect {
    let odd = host.odd.clone();
    let effect = Effect::new("net.connect", Target::Host(host));
    match odd {
        Some(odd) => effect.noting(odd),
        None => effect,
    }
}

/// Every host that one program or another takes `text` for, the standard's reading first. A boundary has to
/// admit all of them.
///
/// # Errors
/// As [`target`], if any reading is no host.
pub fn targets(text: &str) -> Result<Vec<HostTarget>, String> {
    let readings = reached(text)?.into_iter().map(|one| match one {
        Reached::Host(host) => Ok(host),
        Reached::File(_) => Err("it leads to a file, not to a host".to_owned()),
        Reached::Inline => Err("it leads to no host".to_owned()),
    });
    readings.collect()
}

/// Everything that one program or another takes `text` for, the standard's reading first.
///
/// # Errors
/// A sentence, if the standard's reading cannot be told: the target is then unknown.
pub fn reached(text: &str) -> Result<Vec<Reached>, String> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if scheme::is_inline(text) {
        return Ok(vec![Reached::Inline]);
    }
    if text.len() > LONGEST {
        return Err(format!("the address is longer than {LONGEST} bytes"));
    }
    scheme::read(text, 0)
}
