//! What machines ask of the program itself: alive, ready, metrics, and what this is.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Command, Refusal};

use super::problem::Problem;
use super::reply::{self, Reply};
use super::{App, Call, halted};
use crate::metrics::Standings;

/// How a program is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

/// What this is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Index {
    /// The program.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// Where the interface is described.
    openapi: &'static str,
}

/// The last proof that the ledger accepts writes, or that it does not.
#[derive(Default)]
pub(super) struct Proof(Mutex<Option<(Instant, bool)>>);

/// A proof counts so long. Anyone may ask, so asking must cost nothing most of the time.
const FRESH: Duration = Duration::from_millis(500);
/// Less free space than this is as good as a full disk.
const ROOM: u64 = 8 << 20;

pub(super) async fn health(_: Call) -> Result<Reply, Problem> {
    reply::json(&Health { status: "ok" })
}

pub(super) async fn index(_: Call) -> Result<Reply, Problem> {
    reply::json(&Index { name: "portcullis", version: env!("CARGO_PKG_VERSION"), openapi: "/openapi.json" })
}

pub(super) async fn ready(call: Call) -> Result<Reply, Problem> {
    let known = call.app.proof.0.lock().ok().and_then(|proof| *proof);
    let ready = match known {
        // A gate that has halted since is not ready, however fresh the proof.
        Some((at, ready)) if at.elapsed() < FRESH && (!ready || call.app.gate.desk.halted().is_none()) => {
            ready
        }
        _ => {
            let ready = prove(&call.app).await;
            if let Ok(mut proof) = call.app.proof.0.lock() {
                *proof = Some((Instant::now(), ready));
            }
            ready
        }
    };
    if ready { reply::json(&Health { status: "ready" }) } else { Err(Problem::unavailable()) }
}

/// Takes the ledger's pen without writing, and looks at the disk. A command that is refused for certain takes the
/// pen like any other, and if the gate had halted, makes it read the ledger anew.
async fn prove(app: &App) -> bool {
    let nothing = Command::Close { of: u64::MAX, cancelled: false };
    let pen = matches!(app.gate.desk.obey(nothing).await, Ok(Err(Refusal::NotFound(_))));
    pen && app.gate.desk.halted().is_none() && has_room(app)
}

fn has_room(app: &App) -> bool {
    let folder = app.reading.path().parent().filter(|it| !it.as_os_str().is_empty());
    let Ok(disk) = rustix::fs::statvfs(folder.unwrap_or(std::path::Path::new("."))) else { return false };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    free >= ROOM && !disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)
}

pub(super) async fn metrics(call: Call) -> Result<Reply, Problem> {
    let desk = &call.app.gate.desk;
    let standings = desk.ask(|books| Standings {
        pending: books.awaited().filter(|(_, it)| it.ended.is_none()).count(),
        position: books.next(),
        entries: books.sizes().to_vec(),
        halted: false,
    });
    let standings = match standings.await {
        Ok(standings) => standings,
        Err(halt) => {
            let _logged = halted(&halt);
            Standings { halted: true, ..Standings::default() }
        }
    };
    let standings = Standings { halted: standings.halted || desk.halted().is_some(), ..standings };
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(reply::text(media, call.app.metrics.text(&standings)))
}
