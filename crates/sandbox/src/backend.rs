//! What makes the inside of a run: the seam between what is promised and who keeps it.
//!
//! Answerable for the names of the backends, and for one being called verified only in a version on which all attempts
//! of the suite were made. What a backend is told is the [`Spec`](crate::Spec); what it answers is a
//! [`Report`](crate::Report), before anything is executed, and then an [`Ended`](crate::Ended) or a
//! [`Failed`](crate::Failed). Clock, control group, limits, landlock, system call filter, output and proxy are ours
//! whatever makes the inside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who makes namespaces and file tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The gate's own helper.
    #[default]
    Own,
    /// bubblewrap (`bwrap`), of version 0.8.0 with `--bind-fd`, or later.
    Bubblewrap,
}

/// The versions of bubblewrap on which the attack suite has passed.
const BUBBLEWRAP: [&str; 1] = ["0.8.0"];

impl Backend {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Own, Self::Bubblewrap];

    /// As it is called on the command line and in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Bubblewrap => "bubblewrap",
        }
    }

    /// The backend of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who made the inside of a run, where it was not the gate's own helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// Which.
    pub backend: Backend,
    /// Its version, as it says itself.
    pub version: String,
    /// True if the attack suite has passed on this version.
    pub verified: bool,
}

impl MadeBy {
    /// bubblewrap, of a version.
    pub fn bubblewrap(version: &str) -> Self {
        let verified = BUBBLEWRAP.contains(&version);
        Self { backend: Backend::Bubblewrap, version: version.to_owned(), verified }
    }
}

impl fmt::Display for MadeBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, version, verified } = self;
        let how = if *verified { "verified" } else { "unverified: the attack suite has not passed on it" };
        write!(f, "{backend} {version} ({how})")
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, MadeBy};

    #[test]
    fn a_version_that_was_not_attacked_is_said_to_be_unverified() {
        assert!(MadeBy::bubblewrap("0.8.0").verified);
        let other = MadeBy::bubblewrap("0.99.0");
        assert!(!other.verified && other.to_string().contains("unverified"), "{other}");
    }

    #[test]
    fn backends_are_known_by_their_names() {
        for backend in Backend::ALL {
            assert_eq!(Backend::parse(backend.as_str()), Some(backend));
        }
        assert_eq!(Backend::parse("docker"), None);
    }
}
