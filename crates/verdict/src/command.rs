//! Everything that changes the books and is no action of an agent: answers, switches, pins, keys, policies.
//!
//! A command is checked against the books at the instant it is written, like an action; the result is its
//! record or a closed set of refusals.

use std::fmt;
use std::sync::Arc;

use crate::action::Realm;
use crate::books::{Approval, Books, Standing};
use crate::event::{EventNote, note};
use crate::limit::Micro;
use crate::policy::{Policy, PolicyVersion};
use crate::record::{
    AgentSet, Answered, Closed, Erased, Index, KeyMade, KeyRevoked, PolicySet, Record, ToolSeen,
};

/// Who answers, switches or accepts, as the way in vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub name: String,
    /// Groups their key was made with.
    pub groups: Vec<String>,
    /// May answer for every group: whoever may change the policy could join any of them.
    pub admin: bool,
    /// Whose data they see.
    pub realm: Realm,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Answer a question.
    Answer {
        /// The question.
        of: Index,
        /// Yes or no.
        approve: bool,
        /// Who says so.
        person: Person,
        /// What else they say.
        message: Option<String>,
    },
    /// End a question: the asker withdraws it, or its time is over.
    Close {
        /// The question.
        of: Index,
        /// Withdrawn.
        cancelled: bool,
    },
    /// Switch an agent off or on, or describe it.
    Agent {
        /// Which.
        agent: String,
        /// `None`: as it was.
        enabled: Option<bool>,
        /// Why.
        reason: Option<String>,
        /// `None`: as they were.
        notes: Option<String>,
        /// Who says so.
        by: String,
    },
    /// A tool definition was seen, or is accepted.
    Tool {
        /// Whose.
        server: String,
        /// Which.
        tool: String,
        /// SHA-256 of the canonical definition, in hex.
        hash: String,
        /// The canonical definition.
        definition: String,
        /// Who accepts it; `None`: merely seen.
        accepted_by: Option<String>,
    },
    /// Make a key. `t` is set when it is written.
    Key(KeyMade),
    /// Revoke a key.
    Revoke {
        /// Its id.
        id: String,
        /// Who says so.
        by: String,
    },
    /// Put a policy in force.
    Policy {
        /// For which gates.
        line: String,
        /// Compiled.
        policy: Arc<Policy>,
        /// Its text, as it is kept.
        text: String,
        /// From the gate's policy file.
        file: bool,
        /// Who says so.
        by: Option<String>,
        /// Only if this one is in force.
        only_after: Option<PolicyVersion>,
    },
    /// Note what somebody says happened, and the whole of it. `t` and `of` are set when it is written.
    Event(EventNote, String),
    /// Store a tool's secret, replace it or drop it.
    Secret {
        /// Its name.
        name: String,
        /// It, sealed, as JSON; `None`: drop it.
        sealed: Option<String>,
        /// Who says so.
        by: String,
    },
    /// Note that a payload is being erased.
    Erase {
        /// The record whose payload goes.
        of: Index,
        /// Who says so.
        by: String,
    },
}

/// Why a command or an outcome is not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or not for this person.
    NotFound(String),
    /// It does not fit with how things stand.
    Conflict(String),
    /// This person may not.
    Forbidden(String),
    /// Another policy is in force than was expected.
    Moved(PolicyVersion),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(why) | Self::Conflict(why) | Self::Forbidden(why) => f.write_str(why),
            Self::Moved(version) => {
                write!(f, "policy `{}` is in force; read it again before replacing it", version.0)
            }
        }
    }
}

/// The record that a command makes, and what lies beside it. `Ok(None)`: things already stand so.
pub(crate) fn obey(
    books: &Books,
    command: &Command,
    now: Micro,
) -> Result<Option<(Record, Option<String>)>, Refusal> {
    let t = now;
    let plain = |record| Ok(Some((record, None)));
    match command {
        Command::Answer { of, approve, person, message } => {
            may_answer(books, *of, person, now)?;
            let (by, message) = (person.name.clone(), message.clone());
            plain(Record::Answered(Answered { t, of: *of, approve: *approve, by, message }))
        }
        Command::Close { of, cancelled } => close(books, *of, *cancelled, now),
        Command::Agent { agent, enabled, reason, notes, by } => {
            let before = books.agent(agent);
            let enabled = enabled.or(before.map(|it| it.enabled)).unwrap_or(true);
            let notes = notes.clone().or_else(|| before.and_then(|it| it.notes.clone()));
            let (agent, reason, by) = (agent.clone(), reason.clone(), by.clone());
            plain(Record::Agent(AgentSet { t, agent, enabled, reason, notes, by }))
        }
        Command::Tool { server, tool, hash, definition, accepted_by } => {
            let pin = books.pin(server, tool);
            let known =
                pin.is_some_and(|pin| pin.seen == *hash && (accepted_by.is_none() || pin.accepted == *hash));
            if known {
                return Ok(None);
            }
            let (server, tool, hash, accepted_by) =
                (server.clone(), tool.clone(), hash.clone(), accepted_by.clone());
            let seen = ToolSeen { t, server, tool, hash, accepted_by };
            Ok(Some((Record::Tool(seen), Some(definition.clone()))))
        }
        Command::Key(key) => plain(Record::Key(KeyMade { t, ..key.clone() })),
        Command::Revoke { id, by } => match books.keys().any(|key| key.id == *id) {
            true => plain(Record::KeyRevoked(KeyRevoked { t, id: id.clone(), by: by.clone() })),
            false => Err(Refusal::NotFound(format!("there is no key `{id}`"))),
        },
        Command::Policy { line, policy, text, file, by, only_after } => {
            let in_force = books.policy(line);
            if let (Some(expected), Some(found)) = (only_after, in_force)
                && found.version != *expected
            {
                return Err(Refusal::Moved(found.version.clone()));
            }
            let version = policy.version().clone();
            // The same file again, or one that a later answer over the API has replaced, changes nothing.
            let stale = |it: &crate::books::InForce| {
                if *file { it.file.as_ref() == Some(&version) } else { it.version == version }
            };
            if in_force.is_some_and(stale) {
                return Ok(None);
            }
            let set = PolicySet { t, line: line.clone(), version, file: *file, by: by.clone() };
            Ok(Some((Record::Policy(set), Some(text.clone()))))
        }
        Command::Secret { name, sealed, by } => crate::secret::set(books, (name, sealed.as_ref(), by), t),
        Command::Event(event, text) => Ok(Some((note(books, event, t)?, Some(text.clone())))),
        Command::Erase { of, by } => plain(Record::Erased(Erased { t, of: *of, by: by.clone() })),
    }
}

fn may_answer(books: &Books, of: Index, person: &Person, now: Micro) -> Result<(), Refusal> {
    let found = books.approval(of).filter(|it| it.realm == person.realm);
    let approval = found.ok_or_else(|| Refusal::NotFound(format!("there is no open approval `apr_{of}`")))?;
    match approval.standing(now) {
        Standing::Pending => (),
        Standing::Expired => return Err(Refusal::Conflict(format!("approval `apr_{of}` has expired"))),
        Standing::Cancelled => return Err(Refusal::Conflict(format!("approval `apr_{of}` was withdrawn"))),
        Standing::Approved | Standing::Denied => {
            return Err(Refusal::Conflict(format!("approval `apr_{of}` has already been answered")));
        }
    }
    let name = &person.name;
    let asked_for = [Some(&approval.agent), approval.user.as_ref(), approval.by.as_ref()];
    if asked_for.contains(&Some(name)) {
        return Err(Refusal::Conflict(format!("`{name}` asked for it, and cannot answer it as well")));
    }
    if approval.answers.iter().any(|answer| answer.by == *name) {
        return Err(Refusal::Conflict(format!("`{name}` has already answered")));
    }
    if is_asked(approval, person) {
        return Ok(());
    }
    let from = approval.terms.from.join(" or ");
    Err(Refusal::Forbidden(format!(
        "`{name}` is not in {from}; add them to the group in the policy, or make their key with `--group`"
    )))
}

fn is_asked(approval: &Approval, person: &Person) -> bool {
    let from = &approval.terms.from;
    from.is_empty()
        || person.admin
        || from.contains(&person.name)
        || approval.people.contains(&person.name)
        || person.groups.iter().any(|group| from.contains(group))
}

fn close(
    books: &Books,
    of: Index,
    cancelled: bool,
    now: Micro,
) -> Result<Option<(Record, Option<String>)>, Refusal> {
    let approval = books
        .approval(of)
        .ok_or_else(|| Refusal::NotFound(format!("there is no open approval `apr_{of}`")))?;
    let due = approval.ended.is_none() && (cancelled || approval.standing(now) == Standing::Expired);
    Ok(due.then_some((Record::Closed(Closed { t: now, of, cancelled }), None)))
}
