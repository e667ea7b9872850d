//! Answerable for the closed list of what can go wrong with a ledger, in sentences that tell an operator what to do.
//! Does not know who holds a ledger or what its records mean.

use std::fmt;

/// Why the ledger could not do what was asked. Whoever gets one must not act as if the record were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The disk, or the size that was allowed for the ledger, is full.
    Full,
    /// The file or its disk may only be read.
    ReadOnly,
    /// What is stored is not what was appended.
    Corrupt {
        /// The first record known to be bad, where it can be named.
        index: Option<u64>,
        /// What does not fit, as a clause.
        what: String,
    },
    /// Another process kept the pen for too long.
    Busy,
    /// The operating system refused; its own words.
    Io(String),
    /// The file is something else; says what it is instead.
    NotALedger(String),
    /// The ledger was written by another version of the program.
    WrongVersion {
        /// The version of the file.
        found: i64,
        /// The version this program reads and writes.
        known: i64,
    },
    /// The signing key is missing, unreadable, open to others, or not the one of this ledger; says which.
    Key(String),
    /// What was handed in cannot be a record (or an index); says why.
    Unfit(String),
    /// No record has this index.
    NoSuchRecord {
        /// The index asked for.
        index: u64,
        /// How many records there are.
        size: u64,
    },
}

impl Fault {
    pub(crate) fn corrupt(index: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self::Corrupt { index: index.into(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(
                f,
                "the disk that holds the ledger is full, so nothing can be recorded: free some space, then try again"
            ),
            Self::ReadOnly => write!(
                f,
                "the ledger may only be read here, so nothing can be recorded: check the owner and mode of its file and folder, and that the disk is not mounted read-only"
            ),
            Self::Corrupt { index: Some(index), what } => write!(
                f,
                "the ledger is damaged or was edited at record {index} ({what}): stop writing to it, run `portcullis ledger verify`, and restore a backup"
            ),
            Self::Corrupt { index: None, what } => write!(
                f,
                "the ledger is damaged or was edited ({what}): stop writing to it, run `portcullis ledger verify`, and restore a backup"
            ),
            Self::Busy => write!(
                f,
                "another process has been writing to the ledger for too long: find it (it has the ledger's file open) and let it finish or stop it"
            ),
            Self::Io(what) => {
                write!(f, "the ledger's disk failed ({what}): check the disk and the path, then start again")
            }
            Self::NotALedger(what) => {
                write!(f, "this is not a ledger ({what}): name the right file, or a new one to start afresh")
            }
            Self::WrongVersion { found, known } => write!(
                f,
                "the ledger has format version {found} and this program knows version {known}: use the program version that wrote it, or export it there and import it here"
            ),
            Self::Key(what) => write!(f, "the ledger's signing key cannot be used: {what}"),
            Self::Unfit(what) => write!(f, "this cannot be recorded: {what}"),
            Self::NoSuchRecord { index, size } => {
                write!(f, "there is no record {index}: the ledger holds {size}, counted from 0")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Why an append did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// Somebody else was first: the ledger holds `size` records. Read what was missed, decide again, append again.
    Conflict {
        /// How many records the ledger holds now.
        size: u64,
    },
    /// The append failed for a reason that trying again at another index does not mend.
    Failed(Fault),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { size } => write!(f, "somebody else was first: the ledger holds {size} records"),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for AppendError {}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        let rusqlite::Error::SqliteFailure(code, said) = &error else {
            // Everything else that the library reports comes of a value of the wrong type or a missing row: the
            // file does not hold what we put there.
            return Self::corrupt(None, "a stored value has the wrong shape");
        };
        let said = said.clone().unwrap_or_else(|| code.to_string()).replace(['\n', '\r'], " ");
        match code.code {
            C::DiskFull => Self::Full,
            C::ReadOnly => Self::ReadOnly,
            C::DatabaseBusy | C::DatabaseLocked | C::FileLockingProtocolFailed => Self::Busy,
            C::DatabaseCorrupt | C::TypeMismatch | C::ConstraintViolation => Self::corrupt(None, said),
            C::NotADatabase => Self::NotALedger("its contents are not an SQLite database".into()),
            // A table or column that is not there: somebody else's database, or one that was taken apart.
            C::Unknown if said.contains("no such") => Self::corrupt(None, said),
            _ => Self::Io(said),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io(error.to_string()),
        }
    }
}
