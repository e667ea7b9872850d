//! `portcullis ledger`: verify, prove, export, read.
//!
//! Verifying needs the public key alone: an auditor runs these commands on a copy, offline.

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::ledger::Fault;
use ::ledger::checkpoint::Vkey;
use ::ledger::proof::Inclusion;
use ::ledger::verify::{self, Expect, Report};
use clap::{Args, Subcommand};
use serde::Serialize;
use verdict::{Command, Realm, Record};

use super::opening::{self, open_reader};
use super::person::{self, Need};
use super::print::{self, Hue, Progress, clean, paint};
use super::{Done, Failure, JsonArg, StoreArg, export, tail};
use crate::ink::record_of;
use crate::store::StorePath;
use crate::wire::parse_id;

/// `portcullis ledger`
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Read everything again and check it: hashes, chain, tree, signatures
    Verify(VerifyArgs),
    /// Print the newest records
    Tail(tail::TailArgs),
    /// Write the ledger as JSON Lines that `ledger verify` checks
    Export(export::ExportArgs),
    /// Write the proof that a record is in the ledger
    Proof(ProofArgs),
    /// Print the newest signed checkpoint, to be kept elsewhere
    #[command(after_help = "Examples:
  portcullis ledger checkpoint > checkpoint.txt      # on another machine, or printed
  portcullis ledger verify --checkpoint checkpoint.txt")]
    Checkpoint(StoreArg),
    /// Print the public key that the ledger is verified with
    #[command(
        after_help = "Examples:\n  portcullis ledger key > ledger.vkey      # note it down when the ledger is new"
    )]
    Key(StoreArg),
    /// Erase what lies beside a record (arguments, results); no proof changes
    Erase(EraseArgs),
}

/// `portcullis ledger verify`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis ledger verify
  portcullis ledger verify --key \"$(cat ledger.vkey)\" --checkpoint checkpoint.txt
  portcullis ledger verify export.jsonl --key \"$(cat ledger.vkey)\"
  portcullis ledger verify --proof dec_12.proof.json --key \"$(cat ledger.vkey)\"

Without --key the ledger's own claim of its key is taken, which shows only that it agrees with itself.
Without --checkpoint nobody sees that a ledger was rolled back to an older state of itself.")]
pub struct VerifyArgs {
    /// A ledger's file or an export [default: the store]
    #[arg(value_name = "FILE", conflicts_with = "store")]
    file: Option<PathBuf>,
    /// The public key, from `portcullis ledger key`
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// A checkpoint that was kept elsewhere, and that the ledger must contain
    #[arg(long, value_name = "FILE", conflicts_with = "proof")]
    checkpoint: Option<PathBuf>,
    /// Check a proof instead
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    proof: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis ledger proof`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis ledger proof dec_12 --out dec_12.proof.json
  portcullis ledger proof 12 | portcullis ledger verify --proof /dev/stdin --key \"$(cat ledger.vkey)\"")]
pub struct ProofArgs {
    /// A record's index, or the id of a decision or approval
    #[arg(value_name = "RECORD")]
    record: String,
    /// Where to [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
}

/// `portcullis ledger erase`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis ledger erase dec_12           # its arguments and context are gone for good
  portcullis ledger verify                 # and every proof still holds")]
pub struct EraseArgs {
    /// A record's index, or the id of a decision
    #[arg(value_name = "RECORD")]
    record: String,
    #[command(flatten)]
    store: StoreArg,
}

/// Runs the command.
pub fn run(command: LedgerCommand) -> Done {
    match command {
        LedgerCommand::Verify(args) => match &args.proof {
            Some(proof) => verify_proof(&args, proof),
            None => verify_all(&args),
        },
        LedgerCommand::Tail(args) => tail::run(&args),
        LedgerCommand::Export(args) => export::run(&args),
        LedgerCommand::Proof(args) => prove(&args),
        LedgerCommand::Checkpoint(store) => {
            print::text(&open_reader(&store.find()?)?.checkpoint().map_err(Failure::said)?)?;
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Key(store) => {
            print::line(&open_reader(&store.find()?)?.vkey())?;
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Erase(args) => erase(&args),
    }
}

/// Reads the name of a record: 12, `dec_12`, `apr_12`.
pub fn record_index(text: &str) -> Result<u64, Failure> {
    ["", "dec_", "apr_"].iter().find_map(|prefix| parse_id(prefix, text)).ok_or_else(|| {
        Failure::said(format!(
            "`{}` is not the name of a record; write its index, or an id such as dec_12",
            verdict::short(text)
        ))
    })
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    origin: String,
    key: String,
    key_given: bool,
    records: u64,
    root: String,
    checkpoints: u64,
    unsigned: u64,
    erased: u64,
    failure: Option<String>,
}

fn verify_all(args: &VerifyArgs) -> Done {
    let path = match &args.file {
        Some(file) => file.clone(),
        None => args.store.find()?.0,
    };
    let trusted = args.checkpoint.as_deref().map(read_text).transpose()?;
    let key = args.key.as_deref().map(str::trim);
    let expect = Expect { vkey: key, trusted: trusted.as_deref() };
    let mut progress = Progress::of("verifying");
    let report = judge(&path, &expect, &mut progress);
    progress.end();
    let report = report
        .map_err(|fault| Failure::said(format!("`{}`: {fault}", clean(&path.display().to_string()))))?;
    let Report { origin, vkey, size, root, checkpoints, unsigned, erased, failure } = report;
    let verified = Verified {
        ok: failure.is_none(),
        origin,
        key: vkey,
        key_given: key.is_some(),
        records: size,
        root: verdict::hex(&root),
        checkpoints,
        unsigned,
        erased,
        failure: failure.map(|it| it.to_string()),
    };
    if args.json.json {
        print::json(&verified)?
    } else {
        show(&verified)?
    }
    match (verified.failure, args.json.json) {
        (None, _) => Ok(ExitCode::SUCCESS),
        (Some(_), true) => Err(Failure::Told),
        (Some(what), false) => Err(Failure::said(format!(
            "the ledger does not hold: {}; keep it as it is, and compare it with a backup",
            clean(&what)
        ))),
    }
}

/// A store is known by how its file begins; anything else is taken for an export, and says so if it is none.
fn judge(path: &Path, expect: &Expect<'_>, progress: &mut Progress) -> Result<Report, Fault> {
    let io = |error: std::io::Error| Fault::Io(error.to_string());
    let mut file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    std::io::Read::by_ref(&mut file).take(16).read_to_end(&mut start).map_err(io)?;
    let mut tell = |done, all| progress.at(done, all);
    if start.starts_with(b"SQLite format 3\0") {
        return verify::store(path, expect, &mut tell);
    }
    let mut rest = BufReader::new(start.chain(file));
    verify::export(&mut rest, expect, &mut tell)
}

fn show(it: &Verified) -> Result<(), Failure> {
    let (word, hue) = if it.ok { ("ok", Hue::Good) } else { ("failed", Hue::Bad) };
    print::line(&format!("{}: {} records of {}", paint(word, hue), it.records, clean(&it.origin)))?;
    print::field("root", &it.root)?;
    print::field(
        "checkpoints",
        &format!("{} signed, {} records after the last", it.checkpoints, it.unsigned),
    )?;
    print::field("erased", &format!("{} payloads", it.erased))?;
    print::field("key", &it.key)?;
    if !it.key_given {
        print::field(
            "note",
            "the key is the ledger's own claim; compare it with the one you noted, or pass that with --key",
        )?;
    }
    Ok(())
}

fn verify_proof(args: &VerifyArgs, path: &Path) -> Done {
    let key = match &args.key {
        Some(key) => key.trim().to_owned(),
        None => open_reader(&args.store.find()?)
            .map_err(|_| Failure::said("a proof is checked with a public key; pass it with --key"))?
            .vkey(),
    };
    let vkey = Vkey::parse(&key)
        .map_err(|flaw| Failure::said(format!("--key: {flaw}; pass what `portcullis ledger key` prints")))?;
    let proof = Inclusion::from_json(&read_text(path)?).map_err(Failure::said)?;
    let checkpoint = proof.verify(&vkey).map_err(Failure::said)?;
    if args.json.json {
        print::json(&serde_json::json!({
            "ok": true, "origin": proof.origin, "index": proof.index, "size": checkpoint.size,
            "root": verdict::hex(&checkpoint.root), "body": proof.body,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!(
        "{}: record {} is in {}",
        paint("ok", Hue::Good),
        proof.index,
        clean(&proof.origin)
    ))?;
    print::field("checkpoint", &format!("over {} records", checkpoint.size))?;
    print::field("root", &verdict::hex(&checkpoint.root))?;
    print::field("record", &proof.body)?;
    Ok(ExitCode::SUCCESS)
}

fn prove(args: &ProofArgs) -> Done {
    let index = record_index(&args.record)?;
    let proof = open_reader(&args.store.find()?)?.prove(index).map_err(Failure::said)?;
    let mut text = proof.to_json();
    text.push('\n');
    match &args.out {
        None => print::text(&text)?,
        Some(path) => {
            let shown = clean(&path.display().to_string());
            fs::write(path, &text)
                .map_err(|error| Failure::said(format!("`{shown}` cannot be written: {error}")))?;
            print::line(&format!(
                "wrote {shown}: record {index} is under the checkpoint over {} records",
                proof.size
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn erase(args: &EraseArgs) -> Done {
    let of = record_index(&args.record)?;
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let done = super::wait(async {
        let size = desk.ask(|books| books.next()).await.map_err(|halt| opening::halted(&store, &halt))?;
        may_be_erased(&store, of, size)?;
        let by = person::find(&desk, Need::Rule, Realm::Live).await?.name;
        // First the record, so that nothing is ever gone without a word.
        let recorded =
            desk.obey(Command::Erase { of, by }).await.map_err(|halt| opening::halted(&store, &halt))?;
        recorded.map_err(Failure::said)
    })?;
    desk.close();
    done?;
    let there = ::ledger::erase(&store.0, of).map_err(Failure::said)?;
    let text = if there { "what lay beside it is erased" } else { "nothing lay beside it" };
    print::line(&format!("record {of}: {text}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Policies and tool definitions stay: the gate starts from the one, and compares with the other.
fn may_be_erased(store: &StorePath, of: u64, size: u64) -> Result<(), Failure> {
    let entry = open_reader(store)?.get(of).map_err(Failure::said)?.ok_or_else(|| {
        Failure::said(format!("there is no record {of}: the ledger holds {size}, counted from 0"))
    })?;
    match record_of(of, &entry.body).map_err(Failure::said)? {
        Record::Decided(_) | Record::Settled(_) | Record::Lease(_) | Record::Event(_) | Record::Secret(_) => {
            Ok(())
        }
        _ => Err(Failure::said(format!(
            "record {of} is no decision, outcome, lease, event or secret; nothing personal lies beside it, and it stays"
        ))),
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let shown = clean(&path.display().to_string());
    fs::read_to_string(path)
        .map_err(|error| Failure::said(format!("`{shown}` cannot be read: {error}; name a file that can be")))
}
