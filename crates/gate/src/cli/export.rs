//! `portcullis ledger export`: the whole ledger as JSON Lines, to be verified with the public key alone.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::ledger::{Fault, Reader};
use clap::Args;

use super::opening::open_reader;
use super::print::{self, Progress, clean};
use super::{Done, Failure, StoreArg};

/// `portcullis ledger export`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis ledger export --out ledger.jsonl
  portcullis ledger export | gzip > ledger.jsonl.gz
  portcullis ledger verify ledger.jsonl --key \"$(cat ledger.vkey)\"

An export holds arguments and results that were not erased: keep it as safe as the ledger.")]
pub struct ExportArgs {
    /// Where to; a new file [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> Done {
    let reader = open_reader(&args.store.find()?)?;
    let Some(path) = &args.out else {
        let mut out = Watched { out: print::stream(), failed: None };
        return match write(&reader, &mut out) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(fault) => Err(out.failed.map_or_else(|| Failure::said(fault), print::unwritten)),
        };
    };
    let shown = clean(&path.display().to_string());
    let unwritten = |error: std::io::Error| {
        Failure::said(format!("`{shown}` cannot be written: {error}; name a new file"))
    };
    let file = new_file(path).map_err(unwritten)?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let records = write(&reader, &mut out).map_err(|fault| Failure::said(format!("`{shown}`: {fault}")))?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(unwritten)?;
    print::line(&format!("wrote {shown}: {records} records"))?;
    Ok(ExitCode::SUCCESS)
}

/// For its owner alone: payloads are in it.
fn new_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(reader: &Reader, out: &mut dyn Write) -> Result<u64, Fault> {
    let mut progress = Progress::of("exporting");
    let written = ::ledger::export::write(reader, out, &mut |done, all| progress.at(done, all));
    progress.end();
    written
}

/// Remembers why writing failed: a reader that went away is no fault of the ledger.
struct Watched<W> {
    out: W,
    failed: Option<std::io::Error>,
}

impl<W: Write> Watched<W> {
    fn note<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let result = self.out.write(bytes);
        self.note(result)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        let result = self.out.flush();
        self.note(result)
    }
}
