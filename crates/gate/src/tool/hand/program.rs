//! Programs: a fixed command, code, a shell's command line. All of them run in the sandbox.
//!
//! Answerable for an argument staying the one word that it was put into, and for a run ending when nobody waits for it
//! any more. What a run may do is in its bounds; what keeps them is [`crate::runs`]'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use verdict::hand::{Code, Exec, Language, Part, Source, Word};
use verdict::{Bounds, Json, Status, short};

use super::{Ended, Job, bad};
use crate::runs::Run;
use crate::tool::fault::{Fault, Why};

pub(super) async fn exec(job: &Job<'_>, exec: &Exec) -> Result<Ended, Fault> {
    let (mut argv, mut after_dashes) = (Vec::with_capacity(exec.words.len()), false);
    for word in &exec.words {
        let text = filled(job, word)?;
        // What the policy did not write as an option is none.
        let begins = matches!(word.0.first(), Some(Part::Argument(_)));
        if begins && text.starts_with('-') && !after_dashes {
            let message =
                format!("`{}` would be read as an option; the policy may put `--` before it", short(&text));
            return Err(bad(message));
        }
        after_dashes |= word.fixed() == Some("--");
        argv.push(text);
    }
    let input = exec.stdin.as_deref().map(|name| job.text_if(name)).transpose()?.flatten();
    run(job, argv, input.unwrap_or_default().as_bytes()).await
}

pub(super) async fn code(job: &Job<'_>, code: &Code) -> Result<Ended, Fault> {
    match &code.source {
        Source::Policy(text) => {
            run(job, interpreter(code.language, text), job.args.canonical().as_bytes()).await
        }
        Source::Argument(name) => run(job, interpreter(code.language, job.text(name)?), &[]).await,
    }
}

pub(super) async fn shell(job: &Job<'_>) -> Result<Ended, Fault> {
    let argv = interpreter(Language::Shell, job.text("command")?);
    run(job, argv, job.text_if("stdin")?.unwrap_or_default().as_bytes()).await
}

pub(super) async fn any_code(job: &Job<'_>) -> Result<Ended, Fault> {
    let named = job.text("language")?;
    let unknown =
        || bad(format!("`{}` is no language that is known; write python, javascript or shell", short(named)));
    let language = Language::parse(named).ok_or_else(unknown)?;
    let argv = interpreter(language, job.text("code")?);
    run(job, argv, job.text_if("stdin")?.unwrap_or_default().as_bytes()).await
}

fn interpreter(language: Language, code: &str) -> Vec<String> {
    let words = match language {
        Language::Python => ["python3", "-c", code],
        Language::JavaScript => ["node", "-e", code],
        Language::Shell => ["/bin/sh", "-c", code],
    };
    words.map(str::to_owned).to_vec()
}

/// A word with its arguments in it.
fn filled(job: &Job<'_>, word: &Word) -> Result<String, Fault> {
    let mut text = String::new();
    for part in &word.0 {
        match part {
            Part::Text(fixed) => text.push_str(fixed),
            Part::Argument(name) => match job.args.at(std::slice::from_ref(name)) {
                Some(Json::Str(value)) => text.push_str(value),
                Some(value @ (Json::Int(_) | Json::Float(_) | Json::Bool(_))) => {
                    text.push_str(&value.canonical())
                }
                Some(Json::Null) | None => {
                    return Err(bad(format!(
                        "`args.{}` is missing, and is a part of the command",
                        short(name)
                    )));
                }
                Some(other) => {
                    let (name, kind) = (short(name), other.kind());
                    return Err(bad(format!("`args.{name}` is a part of the command, and {kind} cannot be")));
                }
            },
        }
    }
    Ok(text)
}

/// Whoever stops waiting ends the run.
struct Leash(Arc<AtomicBool>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn run(job: &Job<'_>, argv: Vec<String>, input: &[u8]) -> Result<Ended, Fault> {
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(bad("a word of a command has no NUL in it".to_owned()));
    }
    let ground = &job.tools.0.desktop.ground;
    let not_ready = |why: String| Fault::new(Why::NotReady, why);
    let folder = ground.folder.as_deref();
    let here = folder
        .map(|it| it.canonicalize().map_err(|error| not_ready(format!("the folder of --builtin: {error}"))));
    let here = here.transpose()?.map(|it| it.display().to_string());
    let bounds = job.bounds.clone().or(&Bounds { workspace: here, ..Bounds::default() });
    let run = Run::within(&bounds, argv, folder, ground.own.clone())
        .map_err(not_ready)?
        .reading(input.to_vec())
        .helped_by(ground.helper.clone());
    let leash = Leash(Arc::clone(&job.stop));
    let mut ran = run.carry_out(Arc::clone(&leash.0)).await;
    ran.carry_over();
    let outcome = ran.into_outcome();
    let fault = match (outcome.status, &outcome.error) {
        (Status::Cancelled, error) if leash.0.load(Ordering::Relaxed) => {
            let why = error.clone().unwrap_or_else(|| "the run was ended".to_owned());
            Some(Fault::new(Why::NotReady, why))
        }
        (Status::Cancelled, error) => {
            return Err(not_ready(error.clone().unwrap_or_else(|| "it was not run".to_owned())));
        }
        (Status::Unknown, error) => {
            Some(Fault::new(Why::NoAnswer, error.clone().unwrap_or_else(|| "the run was ended".to_owned())))
        }
        (Status::Failed, _) => Some(Fault::new(Why::ToolError, said(outcome.result.as_ref()))),
        _ => None,
    };
    Ok((outcome, fault))
}

/// Why a run did not end well.
fn said(result: Option<&Json>) -> String {
    let at = |key: &str| result.and_then(|it| it.at(&[key.to_owned()])).map(Json::canonical);
    let is = |key: &str| at(key).as_deref() == Some("true");
    match (at("exit_code"), at("signal")) {
        _ if is("timed_out") => "its time was over; see `sandbox: {timeout: ...}` in the policy".to_owned(),
        _ if is("out_of_memory") => {
            "its memory was used up; see `sandbox: {memory: ...}` in the policy".to_owned()
        }
        (Some(code), _) if code != "null" => format!("the program ended with exit code {code}"),
        (_, Some(signal)) => format!("signal {signal} ended the program"),
        _ => "the program did not end well".to_owned(),
    }
}
