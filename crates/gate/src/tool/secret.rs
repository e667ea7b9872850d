//! Secrets of tools, where they are needed and nowhere else.
//!
//! Answerable for a secret being in no message, record or log: what goes wrong is said by the name of the place.

use verdict::SecretSource;

use super::fault::{Fault, Why};
use super::sealed::Store;

/// The longest secret, in bytes.
const LONGEST: u64 = 8 * 1024;

/// The secret that `source` names.
pub(super) async fn find(store: &Store, source: &SecretSource) -> Result<Vec<u8>, Fault> {
    let found = match source {
        SecretSource::Env(name) => std::env::var(name).ok().map(String::into_bytes),
        SecretSource::File(path) => of_file(path),
        SecretSource::Stored(name) => store.get(name).await,
    };
    found.filter(|it| !it.is_empty()).ok_or_else(|| missing(source))
}

fn of_file(path: &str) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut secret = Vec::new();
    let read =
        std::fs::File::open(path).ok()?.take(LONGEST.saturating_add(1)).read_to_end(&mut secret).ok()?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LONGEST {
        return None;
    }
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    Some(secret)
}

fn missing(source: &SecretSource) -> Fault {
    // Names of places are for the operator; the agent learns that something is amiss, and not what.
    let place = match source {
        SecretSource::Env(name) => format!("the environment variable `{name}`"),
        SecretSource::File(path) => format!("the file `{path}`"),
        SecretSource::Stored(name) => format!("the stored secret `{name}`"),
    };
    tracing::error!(%place, "a tool's secret is missing or empty, so it is not called");
    Fault::new(
        Why::NotReady,
        "the gate lacks the tool's secret; whoever runs the gate finds in its log which",
    )
}
