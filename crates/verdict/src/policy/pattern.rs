//! Names of tools, and patterns of them.
//!
//! Answerable for what a star stands for. Knows no policy.

/// Which tools a rule or limit speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This one.
    Exact(String),
    /// `a.*`, `*.delete`, `*`: a star stands for one or more characters of any kind.
    Glob(String),
}

impl Pattern {
    /// Reads a tool name or pattern.
    pub fn new(text: &str) -> Self {
        if text.contains('*') { Self::Glob(text.to_owned()) } else { Self::Exact(text.to_owned()) }
    }
    /// True if the tool is meant.
    pub fn matches(&self, tool: &str) -> bool {
        match self {
            Self::Exact(name) => name == tool,
            Self::Glob(glob) => glob_matches(glob, tool),
        }
    }
    /// As written in the policy.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Glob(text) => text,
        }
    }
}

/// Leftmost-shortest matching of the pieces between stars; linear but for the search of each piece.
fn glob_matches(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        // Every star takes at least one character.
        let mut chars = rest.chars();
        if chars.next().is_none() {
            return false;
        }
        let after = chars.as_str();
        if pieces.peek().is_none() {
            return after.ends_with(piece);
        }
        match after.split_once(piece) {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    rest.is_empty()
}
