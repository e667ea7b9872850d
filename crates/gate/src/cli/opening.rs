//! How a command gets at the store: with a policy (a gate), or without one (a desk for people's commands).
//!
//! Answerable for the policy file being in force before anything is decided, and for never founding a ledger
//! where somebody only wanted to look: a switch thrown in a new, empty ledger stops nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verdict::{Command, Halt, Parts, Policy, PolicyVersion};

use super::{Failure, print, problems};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::eyes::Eyes;
use crate::ink::LedgerInk;
use crate::path::Gate;
use crate::policy_text;
use crate::store::StorePath;
use crate::tool::Ground;

/// A gate that is ready, and what it was made of.
pub struct Opened {
    /// The gate.
    pub gate: Gate,
    /// The policy file.
    pub policy: PathBuf,
    /// The files it was read from: itself, then what it includes.
    pub files: Vec<PathBuf>,
    /// The version of the file; another may be in force that was put over the API since.
    pub version: PolicyVersion,
    /// Which gates share the policy.
    pub line: String,
    /// The ledger's verifier key.
    pub vkey: String,
}

impl Opened {
    /// What the gate's own tools work on: `folder`, if there is one, and never the gate's own files.
    pub fn ground(&self, folder: Option<&Path>, store: &StorePath) -> Result<Ground, Failure> {
        let named = |path: &Path| {
            let folder = path.canonicalize().ok().filter(|it| it.is_dir());
            let shown = print::clean(&path.display().to_string());
            folder.ok_or_else(|| {
                Failure::said(format!("--builtin: `{shown}` is no folder that can be entered"))
            })
        };
        let folder = folder.map(named).transpose()?;
        let own = self.files.iter().chain([&self.policy, &store.0]);
        Ok(Ground { folder, own: own.filter_map(|file| file.canonicalize().ok()).collect(), helper: None })
    }
}

/// Opens the store, founding it if need be, and puts the policy file in force for the gates of `line`. Of a policy
/// with mistakes every mistake is printed on stderr.
pub async fn open_gate(store: &StorePath, policy: &Path, line: &str) -> Result<Opened, Failure> {
    open(store, policy, line, (Desk::open, Eyes::elsewhere())).await
}

/// The same with a desk that needs no thread: for commands that decide one thing after another.
pub async fn open_gate_inline(store: &StorePath, policy: &Path, line: &str) -> Result<Opened, Failure> {
    open(store, policy, line, (Desk::inline, Eyes::here())).await
}

type Furnish = fn(LedgerInk, &str, Arc<Policy>, Clock) -> Result<Desk, Halt>;

async fn open(
    store: &StorePath,
    policy: &Path,
    line: &str,
    (furnish, eyes): (Furnish, Eyes),
) -> Result<Opened, Failure> {
    let read = policy_text::read(policy).map_err(|mistakes| problems::refuse(policy, &mistakes))?;
    problems::warn(&read.loaded.warnings);
    let compiled = Arc::new(read.loaded.policy);
    let version = compiled.version().clone();
    let ink = open_ink(store)?;
    let vkey = ink.vkey();
    let desk =
        furnish(ink, line, Arc::clone(&compiled), Clock::start()).map_err(|halt| halted(store, &halt))?;
    let command = Command::Policy {
        line: line.to_owned(),
        policy: compiled,
        text: read.packed,
        file: true,
        by: None,
        only_after: None,
    };
    match desk.obey(command).await {
        Ok(Ok(_)) => (),
        Ok(Err(refusal)) => return Err(Failure::said(refusal)),
        Err(halt) => return Err(halted(store, &halt)),
    }
    if *desk.policy().version() != version {
        tracing::warn!(
            in_force = %desk.policy().version().0,
            file = %version.0,
            "the policy that was put over the API is in force, not the file; edit the file to replace it"
        );
    }
    let (policy, line) = (policy.to_owned(), line.to_owned());
    Ok(Opened { gate: Gate { desk, eyes }, policy, files: read.files, version, line, vkey })
}

/// Opens the store for a person's command, which needs no policy. `found`: start a ledger where there is none.
pub fn open_desk(store: &StorePath, found: bool) -> Result<Desk, Failure> {
    if !found {
        must_exist(store)?;
    }
    desk_on(store, "")
}

/// Opens an existing store with the policy in force for the gates of `line`; an empty one if there never was any.
pub fn open_desk_on(store: &StorePath, line: &str) -> Result<Desk, Failure> {
    must_exist(store)?;
    desk_on(store, line)
}

fn desk_on(store: &StorePath, line: &str) -> Result<Desk, Failure> {
    let nothing = Arc::new(Policy::compile(Parts::default(), PolicyVersion("".into())));
    Desk::inline(open_ink(store)?, line, nothing, Clock::start()).map_err(|halt| halted(store, &halt))
}

/// A reader of an existing ledger.
pub fn open_reader(store: &StorePath) -> Result<::ledger::Reader, Failure> {
    must_exist(store)?;
    ::ledger::Reader::open(&store.0).map_err(|fault| Failure::said(format!("{}: {fault}", shown(store))))
}

/// What a command says if the ledger does not take what it wants.
pub fn halted(store: &StorePath, halt: &Halt) -> Failure {
    Failure::said(format!("{}: {halt}", shown(store)))
}

fn must_exist(store: &StorePath) -> Result<(), Failure> {
    if store.0.exists() {
        return Ok(());
    }
    Err(Failure::said(format!(
        "there is no ledger at {}; name the one that is meant with --store sqlite:PATH or PORTCULLIS_STORE",
        shown(store)
    )))
}

fn open_ink(store: &StorePath) -> Result<LedgerInk, Failure> {
    LedgerInk::open(&store.0).map_err(|halt| halted(store, &halt))
}

fn shown(store: &StorePath) -> String {
    format!("`{}`", super::clean(&store.0.display().to_string()))
}
