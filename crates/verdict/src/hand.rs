//! What the gate does itself to carry a tool out, where the tool is not at a URL: run a command or code, ask a
//! database, or one of the gate's own tools.
//!
//! Answerable for which arguments each of these takes and what they mean to the parsers, so that a tool that the gate
//! carries out is never one that nobody looks at. Runs nothing and opens nothing.

use crate::endpoint::SecretSource;
use crate::policy::Role;

/// How a tool is carried out by the gate itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    /// What is done.
    pub work: Work,
    /// Milliseconds that it may take; a run has its `sandbox: {timeout: ...}` instead.
    pub timeout_ms: u64,
    /// The longest answer that is read, in bytes.
    pub max_response_bytes: u64,
    /// True if a request may go to this machine or a network of one's own.
    pub allow_private: bool,
    /// A file of certificates (PEM) that are trusted instead of the system's.
    pub ca: Option<String>,
    /// True if arguments that are not declared are passed on.
    pub open_args: bool,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A fixed command, in the sandbox.
    Exec(Exec),
    /// Code, in the sandbox.
    Code(Code),
    /// One statement at a database.
    Database(Database),
    /// One of the gate's own tools.
    Own(Own),
}

/// A command whose words are fixed, but for arguments in them. No shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program, then its words.
    pub words: Vec<Word>,
    /// The argument that it reads from its standard input.
    pub stdin: Option<String>,
}

/// One word of a command: texts and arguments by turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The argument of this name.
    Argument(String),
}

/// Code, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// In which language.
    pub language: Language,
    /// Its text.
    pub source: Source,
}

/// Where code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The policy; the arguments are what it reads, as a JSON object.
    Policy(String),
    /// The argument of this name.
    Argument(String),
}

/// The languages that code is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the languages")]
pub enum Language {
    Python,
    JavaScript,
    Shell,
}

/// A database, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Where it is.
    pub at: At,
    /// What statements may do.
    pub access: Access,
    /// The most rows of an answer.
    pub max_rows: u64,
}

/// Where a database is. Never something that an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// A file.
    Sqlite(String),
    /// A connection string of PostgreSQL, and where it is.
    Postgres(SecretSource),
}

/// What statements may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read tables, in a transaction that cannot write.
    Read,
    /// Change rows.
    Write,
    /// Make, change and drop tables and the like.
    Schema,
}

/// The gate's own tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the tools")]
pub enum Own {
    FsRead,
    FsWrite,
    FsList,
    FsDelete,
    ShellRun,
    CodeRun,
    HttpRequest,
}

impl Own {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::FsRead,
        Self::FsWrite,
        Self::FsList,
        Self::FsDelete,
        Self::ShellRun,
        Self::CodeRun,
        Self::HttpRequest,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FsRead => "fs.read",
            Self::FsWrite => "fs.write",
            Self::FsList => "fs.list",
            Self::FsDelete => "fs.delete",
            Self::ShellRun => "shell.run",
            Self::CodeRun => "code.run",
            Self::HttpRequest => "http.request",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    /// True if it works on a folder.
    pub fn needs_folder(self) -> bool {
        matches!(self, Self::FsRead | Self::FsWrite | Self::FsList | Self::FsDelete)
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::FsRead => &["path", "offset"],
            Self::FsWrite => &["path", "content"],
            Self::FsList | Self::FsDelete => &["path"],
            Self::ShellRun => &["command", "stdin"],
            Self::CodeRun => &["language", "code", "stdin"],
            Self::HttpRequest => &["method", "url", "headers", "body"],
        }
    }

    fn role(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::FsRead | Self::FsList => Some(("path", "fs.read")),
            Self::FsWrite => Some(("path", "fs.write")),
            Self::FsDelete => Some(("path", "fs.delete")),
            Self::ShellRun => Some(("command", "shell")),
            Self::HttpRequest => Some(("url", "url")),
            Self::CodeRun => None,
        }
    }
}

impl Language {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Shell => "shell",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Python, Self::JavaScript, Self::Shell].into_iter().find(|it| it.name() == name)
    }
}

impl Hand {
    /// One of the gate's own tools, as it is where nobody says more.
    pub fn own(own: Own) -> Self {
        Self::of(Work::Own(own))
    }

    /// This work, as it is done where nobody says more.
    pub fn of(work: Work) -> Self {
        Self {
            work,
            timeout_ms: 15_000,
            max_response_bytes: 1 << 20,
            allow_private: false,
            ca: None,
            open_args: false,
        }
    }

    /// The names of the arguments that it takes.
    pub fn arguments(&self) -> Vec<&str> {
        match &self.work {
            Work::Exec(exec) => exec.arguments().chain(exec.stdin.as_deref()).collect(),
            Work::Code(Code { source: Source::Argument(name), .. }) => vec![name],
            Work::Code(_) => Vec::new(),
            Work::Database(_) => vec!["sql", "params"],
            Work::Own(own) => own.arguments().to_vec(),
        }
    }

    /// What its arguments mean where the policy does not say.
    pub(crate) fn roles(&self) -> Vec<(Vec<String>, Role)> {
        let role = match &self.work {
            Work::Code(Code { language, source: Source::Argument(name) }) => {
                Some((name.as_str(), language.name()))
            }
            Work::Database(_) => Some(("sql", "sql")),
            Work::Own(own) => own.role(),
            Work::Exec(_) | Work::Code(_) => None,
        };
        role.into_iter().map(|(name, role)| (vec![name.to_owned()], Role::Named(role.into()))).collect()
    }

    /// The dialect of its SQL.
    pub(crate) fn dialect(&self) -> Option<&'static str> {
        match &self.work {
            Work::Database(Database { at: At::Sqlite(_), .. }) => Some("sqlite"),
            Work::Database(Database { at: At::Postgres(_), .. }) => Some("postgresql"),
            _ => None,
        }
    }

    /// True if paths in its arguments are relative to the folder that it works in.
    pub fn works_in_folder(&self) -> bool {
        self.runs() || matches!(self.work, Work::Own(own) if own.needs_folder())
    }

    /// True if it runs a program in the sandbox.
    pub fn runs(&self) -> bool {
        matches!(self.work, Work::Exec(_) | Work::Code(_) | Work::Own(Own::ShellRun | Own::CodeRun))
    }
}

impl Exec {
    /// The names of the arguments in its words.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().flat_map(|word| &word.0).filter_map(|part| match part {
            Part::Argument(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

impl Word {
    /// Reads a word: `{name}` is an argument, `{{` and `}}` are braces. The error is a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let odd = || {
            "has a brace that stands alone; write `{name}` for an argument, `{{` and `}}` for braces"
                .to_owned()
        };
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next().ok_or_else(odd)? {
                            '}' => break,
                            c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => name.push(c),
                            _ => return Err(odd()),
                        }
                    }
                    if name.is_empty() {
                        return Err(odd());
                    }
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Argument(name));
                }
                '}' => return Err(odd()),
                c => plain.push(c),
            }
        }
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Its text, if no argument is in it.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}
