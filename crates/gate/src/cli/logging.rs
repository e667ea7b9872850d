//! Logs: structured, on stderr, so that stdout holds results alone.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// What to log: error, warn, info, debug, or a filter such as gate=debug [default: info for dev and serve, else warn]
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_LOG",
        value_name = "FILTER",
        hide_env_values = true,
        help_heading = "Logs"
    )]
    log: Option<String>,
    /// How logs look: lines for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value = "text", help_heading = "Logs")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Starts logging. A filter that makes no sense is said on stderr and replaced by the usual one: it protects nothing.
pub fn start(args: &LogArgs, runs_long: bool) {
    let usual = if runs_long { "info" } else { "warn" };
    let wanted = args.log.as_deref().filter(|text| !text.is_empty()).unwrap_or(usual);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        super::print::complain(&format!(
            "log filter `{}` is not one ({error}); using {usual}",
            super::clean(wanted)
        ));
        EnvFilter::new(usual)
    });
    let plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let colour = std::io::stderr().is_terminal() && !plain;
    // A log that cannot be written, on a full disk say, must stop nothing: the complaint about it would go to
    // stderr as well, and end the thread that made it.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    // Whoever started logging before us keeps it.
    let _started = match args.log_format {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
