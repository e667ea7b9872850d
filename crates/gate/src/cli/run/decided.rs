//! A run under a policy: decided, held, carried out, recorded, and only then shown.
//!
//! Answerable for the way through the gate: the run is one action, and its changes, where they are reviewed, are a
//! second one that a rule allows, denies, or asks people about.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox::{Change, Changes};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict::{Draft, Hold, Index, Json, Outcome, Receipt, Standing, Status};

use super::show;
use crate::cli::opening::{Opened, halted, open_gate_inline};
use crate::cli::print::{self, clean};
use crate::cli::{Done, Failure, person};
use crate::path::{Carried, Gate, World};
use crate::runs::{Ran, Run, quoted};
use crate::store::StorePath;
use crate::tool::takes_as_run;

/// The action by which changes are carried over after a review.
pub const COMMIT: &str = "workspace.commit";
/// How often a question is looked at while it is open.
const LOOK: Duration = Duration::from_millis(100);

/// A run under a policy, as the command line has it.
pub struct Wanted {
    pub policy: PathBuf,
    pub agent: String,
    pub tool: String,
    pub user: Option<String>,
    pub session: Option<String>,
    pub workspace: Option<PathBuf>,
    pub review: bool,
    pub argv: Vec<String>,
    pub store: StorePath,
}

/// Runs it.
pub fn run(wanted: Wanted) -> Done {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let threads = threads.map_err(|error| Failure::said(format!("the program cannot start: {error}")))?;
    let done = threads.block_on(decide(&wanted));
    threads.shutdown_background();
    done
}

async fn decide(wanted: &Wanted) -> Done {
    let Opened { gate, files, .. } =
        open_gate_inline(&wanted.store, &wanted.policy, &line(&wanted.policy)).await?;
    let mut own: Vec<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
    own.extend(wanted.store.0.canonicalize().ok());
    let errand = Errand { gate: gate.clone(), wanted, own, held: Mutex::default(), stop: Arc::default() };
    let by = Some(person::user_name());
    let args = json!({"command": quoted(&wanted.argv)});
    let draft = draft(wanted, &wanted.tool, &args, by.clone())?;
    let carried = call(&gate, draft, &errand, wanted).await?;
    let Carried::Out(closing) = carried else { return refused(&carried) };
    let outcome = closing.into_outcome();
    let code = tell(&outcome)?;
    let changes = errand.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(changes) = changes.filter(|it| !it.list.is_empty()) {
        review(&gate, wanted, changes, by).await?;
    }
    gate.desk.close();
    Ok(code)
}

async fn call<W: World>(gate: &Gate, draft: Draft, world: &W, wanted: &Wanted) -> Result<Carried, Failure> {
    let takes = gate.desk.with_policy(|policy| takes_as_run(policy, &draft));
    let called = gate.call(Draft { takes: Some(takes), ..draft }, world).await;
    called
        .map_err(|malformed| Failure::said(clean(&malformed.to_string())))?
        .map_err(|halt| halted(&wanted.store, &halt))
}

/// The second action: exactly these changes, bound by what is in the files.
async fn review(gate: &Gate, wanted: &Wanted, changes: Changes, by: Option<String>) -> Result<(), Failure> {
    let listed: Vec<Value> = changes.list.iter().map(|change| described(&changes, change)).collect();
    for change in &changes.list {
        show::say(&show::line(change))?;
    }
    let args = json!({"workspace": wanted.workspace, "changes": listed});
    let world = Carrying { gate: gate.clone(), changes };
    let carried = call(gate, draft(wanted, COMMIT, &args, by)?, &world, wanted).await?;
    match carried {
        Carried::Refused(_) => {
            refused(&carried)?;
            show::say("nothing was carried over")
        }
        Carried::Out(closing) => {
            let error = closing.into_outcome().error;
            error.map_or(Ok(()), |error| show::say(&clean(&error)))
        }
    }
}

fn described(changes: &Changes, change: &Change) -> Value {
    let digest = changes.open(change).ok().and_then(|mut file| {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            match file.read(&mut chunk).ok()? {
                0 => break,
                n => hasher.update(chunk.get(..n)?),
            }
        }
        Some(verdict::hex(&hasher.finalize()))
    });
    json!({"path": change.path, "kind": change.kind, "size": change.size, "held": change.held, "sha256": digest})
}

fn draft(wanted: &Wanted, tool: &str, args: &Value, by: Option<String>) -> Result<Draft, Failure> {
    let args = Json::parse(args.to_string().as_bytes()).map_err(Failure::said)?;
    Ok(Draft {
        agent: wanted.agent.clone(),
        tool: tool.to_owned(),
        args: Some(args),
        user: wanted.user.clone(),
        session: wanted.session.clone(),
        by,
        ..Draft::default()
    })
}

fn refused(carried: &Carried) -> Done {
    if let Carried::Refused(receipt) = carried {
        let decided = receipt.decided();
        let reason = decided.reason.as_deref().unwrap_or("it is not allowed");
        print::complain(&format!("dec_{}: {}", receipt.at(), clean(reason)));
    }
    Ok(ExitCode::from(super::NOT_RUN))
}

/// Prints what the screens let through, and gives the program's exit code.
fn tell(outcome: &Outcome) -> Done {
    if let Some(why) = outcome.screened.as_ref().and_then(|it| it.withheld.as_deref()) {
        print::complain(&format!("the output is held back: {}", clean(why)));
    }
    if let Some(error) = &outcome.error {
        print::complain(&clean(error));
    }
    let Some(result) = &outcome.result else {
        return Ok(ExitCode::from(super::NOT_RUN));
    };
    let Json::Map(result) = result else { return Ok(ExitCode::FAILURE) };
    let text = |key: &str| match result.get(key) {
        Some(Json::Str(text)) => text.as_str(),
        _ => "",
    };
    show::hand_over(text("stdout"), text("stderr"))?;
    let number = |key: &str| result.get(key).map(Json::canonical).and_then(|text| text.parse::<i32>().ok());
    if result.get("timed_out") == Some(&Json::Bool(true)) {
        print::complain("the time was over; see `sandbox: {timeout: ...}` in the policy");
        return Ok(ExitCode::from(super::LATE));
    }
    let code = number("exit_code").or(number("signal").map(|signal| signal.saturating_add(128)));
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs that were started with one policy file share what is in force.
fn line(policy: &Path) -> String {
    let path = policy.canonicalize().unwrap_or_else(|_| policy.to_owned());
    format!("run:{}", path.display())
}

/// Waits for people. Whoever ends the command withdraws nothing: the question stays, and its answer is for nobody.
async fn wait_for_people(gate: &Gate, approval: Index) {
    let said = show::say(&format!("this waits for a person: portcullis approvals approve apr_{approval}"));
    if said.is_err() {
        return;
    }
    loop {
        let now = gate.desk.clock().now();
        let look = gate.desk.ask(move |books| books.approval(approval).map(|it| it.standing(now))).await;
        if matches!(look, Ok(standing) if standing != Some(Standing::Pending)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The run itself.
struct Errand<'w> {
    gate: Gate,
    wanted: &'w Wanted,
    own: Vec<PathBuf>,
    held: Mutex<Option<Changes>>,
    stop: Arc<AtomicBool>,
}

impl World for Errand<'_> {
    async fn ask(&self, approval: Index, _: &Receipt) {
        wait_for_people(&self.gate, approval).await;
    }

    async fn execute(&self, hold: &Hold) -> Outcome {
        let action = &hold.case().action;
        let bounds = self.gate.desk.with_policy(|policy| policy.bounds(action.agent(), action.tool()));
        let workspace = self.wanted.workspace.as_deref();
        let run = Run::within(&bounds, self.wanted.argv.clone(), workspace, self.own.clone());
        let mut ran: Ran = match run {
            Ok(run) => run.carry_out(Arc::clone(&self.stop)).await,
            Err(why) => return Outcome { error: Some(why), ..Outcome::plain(Status::Cancelled) },
        };
        if self.wanted.review {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = ran.hold_changes();
        } else {
            ran.carry_over();
        }
        ran.into_outcome()
    }
}

/// Carrying changes over.
struct Carrying {
    gate: Gate,
    changes: Changes,
}

impl World for Carrying {
    async fn ask(&self, approval: Index, _: &Receipt) {
        wait_for_people(&self.gate, approval).await;
    }

    async fn execute(&self, _: &Hold) -> Outcome {
        let left = self.changes.commit(&|_| true);
        if left.is_empty() {
            return Outcome::plain(Status::Success);
        }
        let left: Vec<String> = left.iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
        Outcome {
            error: Some(format!("not carried over: {}", left.join("; "))),
            ..Outcome::plain(Status::Failed)
        }
    }
}
