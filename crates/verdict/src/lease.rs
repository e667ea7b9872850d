//! Leases: who holds a name, until when, and under which request.
//!
//! Two kinds. A lock is for whoever comes first, and no more: the second is told that there was a first. A task is
//! a lock with an end that others can read: completed, failed or given up. Both are decided by the one writer
//! against the books, like limits are, so that a name has one holder whatever the concurrency. A lease allows
//! nothing: what its holder then does is an action like any other.

use std::fmt;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::action::{Realm, hex};
use crate::books::{Books, short_digest};
use crate::command::Refusal;
use crate::limit::Micro;
use crate::record::{Index, Record};

/// The end of a task is remembered this long; so is a name whose holder let it run out.
pub const LEASE_MEMORY: Micro = 7 * 24 * 3600 * 1_000_000;
/// Of a name's refused requests, so many are remembered.
const REFUSED: usize = 64;

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseKind {
    /// First come, and nobody after for its time.
    Lock,
    /// Work with an end that others can read.
    Task,
}

/// What is leased. Names of different realms, spaces and kinds have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// Whose data.
    pub realm: Realm,
    /// The one agent it is for, if its key is bound to one; else it is everyone's.
    pub space: Option<String>,
    /// What it is for.
    pub kind: LeaseKind,
    /// The name.
    pub name: String,
}

/// What is asked of a lease.
#[derive(Clone, Debug)]
pub struct LeaseOrder {
    /// Of which.
    pub name: LeaseName,
    /// Who asks: the name their key was made with.
    pub by: String,
    /// What.
    pub wish: LeaseWish,
    /// What is to lie beside the record: metadata, or a result.
    pub payload: Option<String>,
}

/// The things that can be asked.
#[derive(Clone, Debug)]
pub enum LeaseWish {
    /// To hold it for some time.
    Take {
        /// How long, in microseconds.
        ttl: Micro,
        /// Names the attempt: the same again gets the same answer.
        request: Option<String>,
    },
    /// To hold it on, for some time from now.
    Extend {
        /// Which.
        proof: LeaseProof,
        /// How long, in microseconds.
        ttl: Micro,
    },
    /// To end it.
    End {
        /// Which.
        proof: LeaseProof,
        /// How it ends.
        how: LeaseEnd,
        /// Identifies the result.
        hash: Option<String>,
        /// What went wrong.
        error: Option<String>,
    },
}

/// What shows that a lease is meant that is still the asker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseProof {
    /// The record that took it.
    Id(Index),
    /// The request that took it.
    Request(String),
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseEnd {
    /// The work is done.
    Completed,
    /// It went wrong; the name can be taken again.
    Failed,
    /// It was given up; the name can be taken again.
    Cancelled,
}

/// What happened to a lease, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseNote {
    /// When.
    pub t: Micro,
    /// What it is for.
    pub kind: LeaseKind,
    /// Its name.
    pub name: String,
    /// The one agent it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Whose data.
    #[serde(default, skip_serializing_if = "is_live")]
    pub realm: Realm,
    /// Who asked.
    pub by: String,
    /// What happened.
    pub event: LeaseEvent,
}

/// The things that happen to leases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEvent {
    /// It was taken.
    Taken {
        /// For how long.
        ttl: Micro,
        /// The first 16 bytes of the SHA-256 of the request's name, in hex.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
    /// Somebody else was first.
    Refused {
        /// The record that took it.
        of: Index,
        /// As above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
    /// It is held on.
    Extended {
        /// The record that took it.
        of: Index,
        /// For how long from now.
        ttl: Micro,
    },
    /// It is over.
    Ended {
        /// The record that took it.
        of: Index,
        /// How.
        how: LeaseEnd,
        /// Identifies the result, which is the payload.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

fn is_live(realm: &Realm) -> bool {
    *realm == Realm::Live
}

/// A lease as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The record that took it.
    pub of: Index,
    /// When it was taken.
    pub taken: Micro,
    /// For how long it was last taken or extended.
    pub ttl: Micro,
    /// Until when it is held.
    pub until: Micro,
    /// Counts how often the name was taken and extended.
    pub version: u32,
    /// Who holds it.
    pub by: String,
    /// How it ended, if it was ended.
    pub end: Option<LeaseOver>,
    request: Option<[u8; 16]>,
    refused: Vec<[u8; 16]>,
}

/// The end of a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseOver {
    /// How.
    pub how: LeaseEnd,
    /// When.
    pub t: Micro,
    /// The record of it; a result lies beside it.
    pub at: Index,
    /// Identifies the result.
    pub hash: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// How a wish was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseWord {
    /// The asker holds it.
    Taken,
    /// Somebody holds it, and was first.
    Held,
    /// It is over already, and stands as it ended.
    Over,
    /// It is held on.
    Extended,
    /// It is over now.
    Ended,
}

/// An answered wish. Made by the journal once what it says is on record, and by nothing else.
#[derive(Clone, Debug)]
pub struct Leased {
    pub(crate) word: LeaseWord,
    pub(crate) lease: Lease,
}

impl Leased {
    /// How the wish was answered.
    pub fn word(&self) -> LeaseWord {
        self.word
    }
    /// The lease as it stands now.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// How a lease stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStanding {
    /// Somebody holds it.
    Held,
    /// Its time is over, and nobody said how it ended.
    Expired,
    /// It was ended.
    Over(LeaseEnd),
}

impl Lease {
    /// How it stands at `now`.
    pub fn standing(&self, now: Micro) -> LeaseStanding {
        match &self.end {
            Some(over) => LeaseStanding::Over(over.how),
            None if now < self.until => LeaseStanding::Held,
            None => LeaseStanding::Expired,
        }
    }

    /// When it can no longer matter.
    fn forgotten(&self) -> Micro {
        let last = self.end.as_ref().map_or(self.until, |over| over.t.max(self.taken));
        last.saturating_add(LEASE_MEMORY)
    }
}

/// A wish held against the books: the answer, and the record it takes, if any.
pub(crate) fn answer(books: &Books, order: &LeaseOrder, now: Micro) -> Result<Answered, Refusal> {
    let name = &order.name;
    if let Some(agent) = name.space.as_deref().and_then(|agent| books.agent(agent)).filter(|it| !it.enabled) {
        return Err(Refusal::Forbidden(format!("agent `{}` is disabled", agent.agent)));
    }
    let before = books.lease(name, now);
    match &order.wish {
        LeaseWish::Take { ttl, request } => Ok(take(before, order, *ttl, request.as_deref().map(half))),
        LeaseWish::Extend { proof, ttl } => {
            let lease = own(before, proof, order)?;
            if lease.end.is_some() {
                return Ok((LeaseWord::Over, None));
            }
            let event = LeaseEvent::Extended { of: lease.of, ttl: *ttl };
            Ok((LeaseWord::Extended, Some(event)))
        }
        LeaseWish::End { proof, how, hash, error } => {
            let lease = own(before, proof, order)?;
            match &lease.end {
                // The same again, because the first answer got lost: the same answer.
                Some(over) if over.how == *how && over.hash == *hash && over.error == *error => {
                    Ok((LeaseWord::Ended, None))
                }
                Some(over) => {
                    Err(Refusal::Conflict(format!("the lease is over already: it was {}", over.how)))
                }
                None => {
                    let (hash, error) = (hash.clone(), error.clone());
                    let event = LeaseEvent::Ended { of: lease.of, how: *how, hash, error };
                    Ok((LeaseWord::Ended, Some(event)))
                }
            }
        }
    }
}

/// The word, and what happened, if something did.
pub(crate) type Answered = (LeaseWord, Option<LeaseEvent>);

fn take(
    before: Option<(&Lease, LeaseStanding)>,
    order: &LeaseOrder,
    ttl: Micro,
    request: Option<[u8; 16]>,
) -> Answered {
    let shown = request.as_ref().map(|request| hex(request));
    let taken = (LeaseWord::Taken, Some(LeaseEvent::Taken { ttl, request: shown.clone() }));
    let Some((lease, standing)) = before else { return taken };
    let is_known = request.is_some_and(|request| lease.refused.contains(&request));
    match standing {
        LeaseStanding::Held if request.is_some() && request == lease.request && order.by == lease.by => {
            (LeaseWord::Taken, None)
        }
        LeaseStanding::Held => {
            // Locks are asked for once: that somebody came second is worth a record. Tasks are asked about by the
            // second, and what is told then changes nothing.
            let refused = LeaseEvent::Refused { of: lease.of, request: shown };
            let note = order.name.kind == LeaseKind::Lock && !is_known;
            (LeaseWord::Held, note.then_some(refused))
        }
        LeaseStanding::Over(LeaseEnd::Completed) => (LeaseWord::Over, None),
        LeaseStanding::Expired if is_known => (LeaseWord::Held, None),
        LeaseStanding::Expired | LeaseStanding::Over(LeaseEnd::Failed | LeaseEnd::Cancelled) => taken,
    }
}

fn own<'b>(
    before: Option<(&'b Lease, LeaseStanding)>,
    proof: &LeaseProof,
    order: &LeaseOrder,
) -> Result<&'b Lease, Refusal> {
    let lease = before.map(|(lease, _)| lease).filter(|lease| {
        let same = match proof {
            LeaseProof::Id(of) => *of == lease.of,
            LeaseProof::Request(request) => lease.request == Some(half(request)),
        };
        same && lease.by == order.by
    });
    lease.ok_or_else(|| Refusal::Conflict("the lease is not yours, or not any more".to_owned()))
}

impl LeaseOrder {
    /// The record of what happened.
    pub(crate) fn note(&self, event: LeaseEvent, t: Micro) -> Record {
        let LeaseName { realm, space, kind, name } = self.name.clone();
        Record::Lease(LeaseNote { t, kind, name, space, realm, by: self.by.clone(), event })
    }
}

impl fmt::Display for LeaseEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl LeaseNote {
    /// The record that it is about.
    pub fn of(&self) -> Option<Index> {
        match self.event {
            LeaseEvent::Taken { .. } => None,
            LeaseEvent::Refused { of, .. }
            | LeaseEvent::Extended { of, .. }
            | LeaseEvent::Ended { of, .. } => Some(of),
        }
    }
}

/// All leases that still matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leases(HashMap<[u8; 16], Lease>);

impl Leases {
    /// Takes in the record at `index`.
    pub(crate) fn apply(&mut self, index: Index, note: &LeaseNote) {
        let id = id(note.realm, note.space.as_deref(), note.kind, &note.name);
        let lease = self.0.get_mut(&id).filter(|lease| note.of().is_none_or(|of| of == lease.of));
        match (&note.event, lease) {
            (LeaseEvent::Taken { ttl, request }, before) => {
                let version = before.as_ref().map_or(0, |lease| lease.version).saturating_add(1);
                let refused = before.map(|lease| std::mem::take(&mut lease.refused)).unwrap_or_default();
                let (of, taken, ttl, by) = (index, note.t, *ttl, note.by.clone());
                let until = taken.saturating_add(ttl);
                let request = request.as_deref().map(short_digest);
                let lease = Lease { of, taken, ttl, until, version, by, end: None, request, refused };
                self.0.insert(id, lease);
            }
            (LeaseEvent::Refused { request: Some(request), .. }, Some(lease)) => {
                if lease.refused.len() >= REFUSED {
                    lease.refused.remove(0);
                }
                lease.refused.push(short_digest(request));
            }
            (LeaseEvent::Extended { ttl, .. }, Some(lease)) => {
                lease.ttl = *ttl;
                lease.until = note.t.saturating_add(*ttl);
                lease.version = lease.version.saturating_add(1);
            }
            (LeaseEvent::Ended { how, hash, error, .. }, Some(lease)) => {
                let (hash, error) = (hash.clone(), error.clone());
                lease.end = Some(LeaseOver { how: *how, t: note.t, at: index, hash, error });
                // It can be taken again: whoever was told otherwise may ask again.
                lease.refused.clear();
            }
            (LeaseEvent::Refused { .. } | LeaseEvent::Extended { .. } | LeaseEvent::Ended { .. }, _) => (),
        }
    }

    /// A lease, whether it still matters or not.
    pub(crate) fn get(&self, name: &LeaseName) -> Option<&Lease> {
        self.0.get(&id(name.realm, name.space.as_deref(), name.kind, &name.name))
    }

    /// Drops what can no longer matter.
    pub(crate) fn sweep(&mut self, now: Micro) {
        self.0.retain(|_, lease| lease.forgotten() >= now);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Books {
    /// A lease and how it stands, unless that can no longer matter.
    pub fn lease(&self, name: &LeaseName, now: Micro) -> Option<(&Lease, LeaseStanding)> {
        let lease = self.leases.get(name)?;
        (lease.forgotten() >= now).then(|| (lease, lease.standing(now)))
    }
}

/// The first 16 bytes of the SHA-256 of what names a lease. Only a name may hold a zero byte, and it comes last.
fn id(realm: Realm, space: Option<&str>, kind: LeaseKind, name: &str) -> [u8; 16] {
    let kind = match kind {
        LeaseKind::Lock => "lock",
        LeaseKind::Task => "task",
    };
    half(&format!("{}\0{kind}\0{}\0{name}", realm.as_str(), space.unwrap_or("")))
}

fn half(text: &str) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(Sha256::digest(text.as_bytes())) {
        *to = from;
    }
    half
}
