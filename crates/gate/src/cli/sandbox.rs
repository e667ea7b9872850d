//! `portcullis sandbox doctor`: what this host can keep of what a run is promised, tried by attacks.

use std::process::ExitCode;

use ::sandbox::doctor::{Diagnosis, examine};
use ::sandbox::{Backend, Guarantee, State};
use clap::{Args, Subcommand};

use super::print::{self, Hue, clean, paint};
use super::{Done, FAILED, Failure, JsonArg};

/// `portcullis sandbox`
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Attack this host's sandbox from within, and say what holds
    Doctor(DoctorArgs),
}

/// `portcullis sandbox doctor`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis sandbox doctor
  portcullis sandbox doctor --json | jq '.broken'
  portcullis sandbox doctor --backend bubblewrap

Every attempt works for a program without a sandbox; here it is made within one. Run it as the user that the gate
will run as.

Exit code: 0 if every guarantee is kept and nothing got in, else 1.")]
pub struct DoctorArgs {
    /// Who makes the inside: `own`, or `bubblewrap`
    #[arg(long, value_name = "NAME", default_value_t, value_parser = backend)]
    backend: Backend,
    #[command(flatten)]
    json: JsonArg,
}

/// Runs the command.
pub fn run(command: SandboxCommand) -> Done {
    let SandboxCommand::Doctor(DoctorArgs { backend, json }) = command;
    let found = examine(None, backend).map_err(|why| Failure::said(clean(&why.to_string())))?;
    if json.json {
        print::json(&found)?;
    } else {
        show(&found)?;
    }
    Ok(if found.is_well() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A backend as it is named on the command line.
pub(super) fn backend(name: &str) -> Result<Backend, String> {
    Backend::parse(name).ok_or_else(|| {
        let all = Backend::ALL.map(Backend::as_str).join(", ");
        format!("there is no backend `{}`; there are {all}", clean(name))
    })
}

fn show(found: &Diagnosis) -> Result<(), Failure> {
    if let Some(made_by) = &found.report.made_by {
        print::line(&format!("made by {}", clean(&made_by.to_string())))?;
    }
    for guarantee in Guarantee::ALL {
        let (count, got_in) = found.tried(guarantee);
        let tried = match (count, got_in.as_slice()) {
            (0, _) => String::new(),
            (1, []) => " · 1 attempt failed".to_owned(),
            (count, []) => format!(" · {count} attempts failed"),
            (_, got_in) => format!(" · got in: {}", got_in.join(", ")),
        };
        let (word, hue, by) = match found.report.of(guarantee) {
            Some(State::Enforced { by }) if got_in.is_empty() => ("kept", Hue::Good, by.clone()),
            Some(State::Enforced { by }) => ("BROKEN", Hue::Bad, by.clone()),
            Some(State::Partial { by, missing, remedy }) => {
                ("in part", Hue::Care, format!("{by}; {missing}. Remedy: {remedy}"))
            }
            Some(State::Absent { why, remedy }) => ("absent", Hue::Bad, format!("{why}. Remedy: {remedy}")),
            Some(State::NotAsked) | None => ("unknown", Hue::Care, String::new()),
        };
        let name = format!("{:17}", guarantee.as_str());
        let word = paint(&format!("{word:8}"), hue);
        print::line(&format!("{name} {word} {} ({}){tried}", guarantee.says(), clean(&by)))?;
    }
    if found.broken.is_empty() {
        return print::line("\nNothing got in that is said to be kept out.");
    }
    print::line(&format!(
        "\nGot in though it is said to be kept out: {}. Do not run programs here.",
        found.broken.join(", ")
    ))
}
