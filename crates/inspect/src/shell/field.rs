//! A word after expansion, and what goes through a pipe, as far as they are known before they run.

use std::rc::Rc;

/// The longest text that is put together from several.
const LONGEST: usize = 1 << 15;

/// Stands in a text for whatever is not known. No script may hold it: see `shell.rs`.
pub const UNKNOWN: char = '\u{10ffff}';

/// Stands for what is not known but cannot be more than a piece of a name: a number, a date.
pub const PIECE: char = '\u{10fffe}';

/// A word after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its text, with [`UNKNOWN`] for the parts that are not known.
    pub text: String,
    /// True if it holds a pattern that the shell expands to file names.
    pub glob: bool,
}

impl Field {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), glob: false }
    }

    /// A word of which nothing is known.
    pub fn unknown() -> Self {
        Self::new(UNKNOWN.to_string())
    }

    pub fn is_known(&self) -> bool {
        !self.text.contains([UNKNOWN, PIECE])
    }

    /// The whole text, if all of it is known.
    pub fn known(&self) -> Option<&str> {
        self.is_known().then_some(self.text.as_str())
    }

    /// What comes after `prefix`, which is known to be there.
    pub fn after(&self, prefix: &str) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|rest| Self { text: rest.to_owned(), glob: self.glob })
    }
}

/// Several words as one text.
pub fn joined(fields: &[Field], between: &str) -> String {
    let mut text = String::new();
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(&field.text);
    }
    text
}

/// What a command reads or writes: the text that goes through a pipe, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// Nothing that the script put there.
    #[default]
    Nothing,
    /// This text; [`UNKNOWN`] where it is not known.
    Text(Rc<str>),
    /// Whatever the program makes of it.
    Unknown,
    /// What came from another machine.
    Downloaded,
    /// What was encoded, and cannot be told.
    Decoded,
}

impl Feed {
    /// What is fed when two things are written one after the other.
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Nothing, it) | (it, Self::Nothing) => it,
            (Self::Text(one), Self::Text(two)) if one.len() + two.len() > LONGEST => Self::Unknown,
            (Self::Text(one), Self::Text(two)) => Self::Text(format!("{one}{two}").into()),
            (Self::Downloaded, _) | (_, Self::Downloaded) => Self::Downloaded,
            (Self::Decoded, _) | (_, Self::Decoded) => Self::Decoded,
            _ => Self::Unknown,
        }
    }

    /// The same, where it may also not have been written: what is known of its kind, not of its text.
    pub fn maybe(self) -> Self {
        match self {
            Self::Text(_) => Self::Unknown,
            other => other,
        }
    }

    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// As a substitution sees it: without the line ends at the end.
    pub fn substituted(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text.trim_end_matches('\n').to_owned(),
            Self::Unknown | Self::Downloaded | Self::Decoded => UNKNOWN.to_string(),
        }
    }
}
