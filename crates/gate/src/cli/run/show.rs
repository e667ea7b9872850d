//! What a run shows: its output as it comes, what held, what it changed.
//!
//! Answerable for output that cannot steer a terminal, and for nothing being carried over that was not listed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sandbox::{Change, Changes, Kind, Report, Sink, State, Stream};

use crate::cli::Failure;
use crate::cli::print::clean;

/// Hands output on as it comes: bytes as they are, but to a terminal only what it shows.
#[derive(Default)]
pub struct Printer {
    unread: bool,
}

impl Sink for Printer {
    fn printed(&mut self, stream: Stream, bytes: &[u8]) {
        let written = match stream {
            Stream::Out => hand_on(&mut io::stdout().lock(), io::stdout().is_terminal(), bytes),
            Stream::Err => hand_on(&mut io::stderr().lock(), io::stderr().is_terminal(), bytes),
        };
        self.unread |= written.is_err();
    }

    fn cancelled(&mut self) -> bool {
        self.unread
    }
}

/// What a program printed, once it may be shown.
pub fn hand_over(out: &str, err: &str) -> Result<(), Failure> {
    let mut printer = Printer::default();
    printer.printed(Stream::Out, out.as_bytes());
    printer.printed(Stream::Err, err.as_bytes());
    if printer.unread { Err(Failure::Unread) } else { Ok(()) }
}

fn hand_on(to: &mut dyn io::Write, terminal: bool, bytes: &[u8]) -> io::Result<()> {
    if terminal {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<String> = text.split('\n').map(clean).collect();
        to.write_all(lines.join("\n").as_bytes())?;
    } else {
        to.write_all(bytes)?;
    }
    to.flush()
}

/// What held, one line for each guarantee.
pub fn report(report: &Report) -> Result<(), Failure> {
    if let Some(made_by) = &report.made_by {
        say(&format!("made by {}", clean(&made_by.to_string())))?;
    }
    for kept in &report.guarantees {
        let name = kept.guarantee.as_str();
        let line = match &kept.state {
            State::Enforced { by } => format!("{name:18} kept     {by}"),
            State::Partial { by, missing, remedy } => {
                format!("{name:18} in part  {by}; {missing} ({remedy})")
            }
            State::Absent { why, remedy } => format!("{name:18} absent   {why} ({remedy})"),
            State::NotAsked => format!("{name:18} not asked for"),
        };
        say(&line)?;
    }
    Ok(())
}

/// What the run took.
pub fn used(ended: &sandbox::Ended) -> Result<(), Failure> {
    say(&format!(
        "cpu {} ms, memory of the largest process {} KiB, written {} bytes",
        ended.cpu_ms, ended.max_rss_kib, ended.written
    ))
}

/// Carries the workspace's changes over: all but what is held back, or what a person agrees to.
pub fn carry_over(upper: OwnedFd, workspace: &Path, own: &[PathBuf], review: bool) -> Result<(), Failure> {
    let changes = Changes::read(upper, workspace, own).map_err(|error| {
        Failure::said(format!("the changes cannot be read, and none is carried over: {error}"))
    })?;
    if changes.list.is_empty() {
        return Ok(());
    }
    let all = if review { agreed(&changes)? } else { false };
    if review && !all {
        return say("nothing was carried over");
    }
    let left = changes.commit(&|change| change.held.is_none() || all);
    for (path, why) in left {
        say(&format!("held back: {}: {}", clean(&path.display().to_string()), clean(&why)))?;
    }
    Ok(())
}

/// Asks whoever sits at the terminal. Nobody there is a no.
fn agreed(changes: &Changes) -> Result<bool, Failure> {
    for change in &changes.list {
        say(&line(change))?;
    }
    if !io::stdin().is_terminal() {
        say("--review needs a terminal to answer at")?;
        return Ok(false);
    }
    say("Carry all of it over? Type yes to agree:")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::said(format!("stdin cannot be read: {error}")))?;
    Ok(answer.trim() == "yes")
}

/// A change as a person reads it.
pub fn line(change: &Change) -> String {
    let word = match change.kind {
        Kind::Created => "new",
        Kind::Changed => "changed",
        Kind::Folder => "folder",
        Kind::Link => "link",
        Kind::Deleted => "deleted",
        Kind::Special => "special",
    };
    let path = clean(&change.path.display().to_string());
    match &change.held {
        Some(why) => format!("{word:8} {path} ({} bytes)  ! {}", change.size, clean(why)),
        None => format!("{word:8} {path} ({} bytes)", change.size),
    }
}

/// A line on stderr: stdout is the program's.
pub fn say(line: &str) -> Result<(), Failure> {
    let mut err = io::stderr().lock();
    err.write_all(line.as_bytes()).and_then(|()| err.write_all(b"\n")).map_err(|_| Failure::Unread)
}
