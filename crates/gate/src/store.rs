//! Which store a command means: `--store`, else `PORTCULLIS_STORE`, else the user's state folder.

use std::path::PathBuf;

/// Where the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePath(pub PathBuf);

impl StorePath {
    /// Reads `sqlite:PATH`. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err(format!(
                "store `{text}`: PostgreSQL is not supported by this version; use sqlite:PATH"
            ));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(PathBuf::from(path))),
            _ => Err(format!(
                "store `{text}` is not a store; write sqlite:PATH, for example sqlite:./ledger.db"
            )),
        }
    }

    /// The store that is meant when `given` was given on the command line. The error is a sentence.
    pub fn find(given: Option<&str>) -> Result<Self, String> {
        if let Some(text) = given {
            return Self::parse(text);
        }
        if let Some(text) = std::env::var("PORTCULLIS_STORE").ok().filter(|text| !text.is_empty()) {
            return Self::parse(&text);
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        let folder = state.ok_or("no store is named and HOME is not set; give --store sqlite:PATH")?;
        Ok(Self(folder.join("portcullis/ledger.db")))
    }
}
