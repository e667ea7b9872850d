//! The commands of the sandbox on systems that are not Linux: each refuses, with one sentence.

use clap::{Args, Subcommand};

use super::{Done, Failure};

/// Whatever is written behind the command.
#[derive(Debug, Args)]
pub struct Refused {
    /// Not looked at
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// `portcullis run`
pub type RunArgs = Refused;

/// `portcullis sandbox`
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Needs Linux
    Doctor(Refused),
}

/// Refuses.
pub fn refuse() -> Done {
    Err(Failure::said("the sandbox needs Linux; run the gate in a Linux machine or container"))
}
