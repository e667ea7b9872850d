//! `portcullis inspect` and `portcullis scan`: what a text would do, and what stands in it.
//!
//! Decides nothing and records nothing; shows what a rule would see.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use inspect::scan::Scanner;
use serde::Serialize;
use verdict::{Finding, Risk};

use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg};
use crate::examine::{self, InspectReply, InspectRequest, Kind};
use crate::wire::Seen;

/// The exit code when something was found.
const FOUND: u8 = 3;
/// The most that is read of one file, in bytes.
const LARGEST: u64 = 64 << 20;

/// `portcullis inspect`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis inspect shell 'find . -name \"*.log\" -delete'
  portcullis inspect sql --dialect postgresql 'WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone'
  portcullis inspect path '~/../../etc/passwd' --home /home/agent
  portcullis inspect url http://0x7f.1:8080/ --json
  portcullis inspect text - < mail.txt")]
pub struct InspectArgs {
    /// What the text is
    #[arg(value_enum)]
    kind: Kind,
    /// The text; - reads it from stdin
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// For sql: the dialect
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The folder that paths are relative to [default: this one]
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// The home folder [default: yours]
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis scan`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis scan notes.md mail.txt
  git diff | portcullis scan -
  portcullis scan --json $(git ls-files) | jq .

Exit code: 0 nothing found, 3 something found, 1 anything else. What was found is never shown, only where it is.")]
pub struct ScanArgs {
    /// The files; - reads stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Show findings from this confidence on, in hundredths
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    confidence: u8,
    #[command(flatten)]
    json: JsonArg,
}

/// Runs `portcullis inspect`.
pub fn run(args: InspectArgs) -> Done {
    let InspectArgs { kind, text, dialect, cwd, home, json } = args;
    let text = if text == "-" { read(Path::new("-"))? } else { text };
    // As a tool that is started here would see it.
    let here = std::env::current_dir().ok().and_then(|path| path.to_str().map(str::to_owned));
    let (cwd, home) = (cwd.or(here), home.or_else(|| std::env::var("HOME").ok()));
    let found =
        examine::examine(&InspectRequest { kind, text, dialect, cwd, home }).map_err(Failure::Said)?;
    if json.json {
        print::json(&found)?;
    } else {
        show(kind, &found)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(kind: Kind, found: &InspectReply) -> Result<(), Failure> {
    if kind == Kind::Text {
        return show_findings(found, "nothing is found in it");
    }
    let mut table = Table::new(&["EFFECT", "ON", "NOTE"]);
    for effect in &found.effects {
        let hue = if effect.destroys { Hue::Bad } else { Hue::Dim };
        let note = effect.note.as_deref().unwrap_or_default();
        table.row([
            hued(effect.kind.to_string(), hue),
            clean(effect.resource.as_deref().unwrap_or_default()).into(),
            clean(note).into(),
        ]);
    }
    table.print("it does nothing that is known")?;
    if !found.findings.is_empty() {
        print::line("")?;
        show_findings(found, "")?;
    }
    print::line(&format!("\nrisk: {}", paint(found.risk.as_str(), hue(found.risk))))
}

fn show_findings(found: &InspectReply, none: &str) -> Result<(), Failure> {
    let mut table = Table::new(&["FINDING", "WHICH", "BYTES", "CONFIDENCE"]);
    for it in &found.findings {
        table.row([
            hued(it.kind.to_string(), hue(it.severity)),
            clean(&it.name).into(),
            bytes(it.span).into(),
            sure(it.confidence).into(),
        ]);
    }
    table.print(none)
}

fn hue(risk: Risk) -> Hue {
    match risk {
        Risk::Low => Hue::Dim,
        Risk::Medium | Risk::High => Hue::Care,
        Risk::Critical => Hue::Bad,
    }
}

fn bytes(span: Option<(usize, usize)>) -> String {
    span.map(|(start, end)| format!("{start}..{end}")).unwrap_or_default()
}

fn sure(confidence: u8) -> String {
    format!("{confidence} %")
}

#[derive(Serialize)]
struct Scanned {
    file: String,
    findings: Vec<Placed>,
}

#[derive(Serialize)]
struct Placed {
    line: usize,
    column: usize,
    #[serde(flatten)]
    seen: Seen,
}

/// Runs `portcullis scan`.
pub fn scan(args: &ScanArgs) -> Done {
    let scanner = examine::scanner().map_err(Failure::Said)?;
    let mut all = Vec::new();
    let mut unread = Vec::new();
    for file in &args.files {
        match read(file) {
            Ok(text) => all.push(scanned(&scanner, file, &text, args.confidence)),
            Err(Failure::Said(why)) => unread.push(why),
            Err(other) => return Err(other),
        }
    }
    let found = all.iter().any(|it| !it.findings.is_empty());
    if args.json.json {
        print::json(&serde_json::json!({ "files": all, "unread": unread }))?;
    } else {
        let mut table = Table::new(&["PLACE", "FINDING", "WHICH", "CONFIDENCE"]);
        for it in &all {
            for placed in &it.findings {
                let place = format!("{}:{}:{}", clean(&it.file), placed.line, placed.column);
                let kind = hued(placed.seen.kind.to_string(), hue(placed.seen.severity));
                table.row([
                    place.into(),
                    kind,
                    clean(&placed.seen.name).into(),
                    sure(placed.seen.confidence).into(),
                ]);
            }
        }
        table.print("nothing found")?;
    }
    // A file that was not looked at is not a file without findings.
    if let Some(why) = unread.into_iter().next() {
        return Err(Failure::Said(why));
    }
    Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn scanned(scanner: &Scanner, file: &Path, text: &str, least: u8) -> Scanned {
    let findings: Vec<Finding> = scanner.scan(text).iter().map(|hit| hit.finding("")).collect();
    let mut lines = Lines::of(text);
    let placed = findings.iter().filter(|it| it.confidence >= least).map(|it| {
        let (line, column) = lines.place(it.span.map_or(0, |(start, _)| start));
        Placed { line, column, seen: Seen::from(it) }
    });
    Scanned { findings: placed.collect(), file: file.display().to_string() }
}

/// Where lines start.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let breaks =
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at.saturating_add(1));
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line and the column of a byte, both counted from 1, columns in characters.
    fn place(&mut self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        (line, column.saturating_add(1))
    }
}

/// The text of a file; bytes that are no text are replaced, so that the rest can be looked at.
pub fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let shown = clean(&path.display().to_string());
    let done = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST.saturating_add(1)).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes))
    };
    done.map_err(|error| {
        Failure::said(format!("`{shown}` cannot be read: {error}; name a file, or - for stdin"))
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(Failure::said(format!("`{shown}` has more than {LARGEST} bytes; look at parts of it")));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(odd) => String::from_utf8_lossy(odd.as_bytes()).into_owned(),
    })
}
