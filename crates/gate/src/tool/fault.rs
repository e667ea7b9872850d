//! Why a call gave no result: a word to branch on, and a sentence that is ours.
//!
//! What a tool itself says when it fails is never in here: an agent is told the status, and no stack trace.

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The address leads where the tool may not be.
    RefusedAddress,
    /// No connection was made.
    Unreachable,
    /// Who answers cannot show that it is the tool.
    Untrusted,
    /// The gate lacks what the call needs: a secret, a certificate, a test address.
    NotReady,
    /// The arguments cannot be sent to it.
    BadArguments,
    /// It took too long.
    Timeout,
    /// It was sent, and no whole answer came.
    NoAnswer,
    /// The answer is longer than the tool may send, or in a form that cannot be read.
    Unreadable,
    /// The answer is not signed as it must be.
    Unsigned,
    /// The tool sends elsewhere.
    Redirect,
    /// The tool refused the request (4xx).
    Rejected,
    /// The tool failed (5xx).
    ToolError,
}

impl Why {
    /// The word that answers carry.
    pub fn word(self) -> &'static str {
        match self {
            Self::RefusedAddress => "refused_address",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::NotReady => "not_ready",
            Self::BadArguments => "bad_arguments",
            Self::Timeout => "timeout",
            Self::NoAnswer => "no_answer",
            Self::Unreadable => "unreadable",
            Self::Unsigned => "unsigned",
            Self::Redirect => "redirect",
            Self::Rejected => "rejected",
            Self::ToolError => "tool_error",
        }
    }
}

/// Why a call gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind.
    pub why: Why,
    /// A sentence for the agent.
    pub message: String,
    /// The status that the tool answered with, if it did.
    pub status: Option<u16>,
}

impl Fault {
    /// One without a status.
    pub fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into(), status: None }
    }
}
