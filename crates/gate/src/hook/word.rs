//! The word that a coding agent is given about an event: what the gate decided, or what became of what it let happen.
//!
//! The same for a hook that opens the ledger itself and for one that asks a running gate.

use verdict::{
    Action, Answer, Draft, Halt, Index, Json, Malformed, Outcome, Receipt, Refusal, Settling, Standing,
    Status,
};

use super::Say;
use crate::path::Gate;
use crate::views::{self, Reading};
use crate::wire::{CheckReply, approval_id};
use ledger::Fault;

/// How many open decisions are looked through for the one that has ended.
const OPEN: usize = 256;

/// Why there is none.
#[derive(Debug)]
pub enum Wordless {
    /// It is no action.
    Malformed(Malformed),
    /// The ledger does not take it.
    Halt(Halt),
    /// The ledger cannot be read.
    Unread(Fault),
    /// The end cannot be recorded.
    Refused(Refusal),
}

impl From<Malformed> for Wordless {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Halt> for Wordless {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// A word, and what is on record for it.
#[derive(Debug)]
pub struct Word {
    /// The word.
    pub say: Say,
    /// The decision, if one was made for it.
    pub receipt: Option<Receipt>,
}

/// Before a tool is used. `grant`: what is allowed is not left to the agent's own permissions.
pub async fn before(gate: &Gate, draft: Draft, grant: bool) -> Result<Word, Wordless> {
    let action = Action::new(draft.clone())?;
    // The same call again, after somebody has agreed; or before, and then nobody is asked twice.
    let asked = gate.desk.question_about(action).await?;
    if let Some((at, Standing::Pending)) = asked {
        return Ok(Word { say: Say::Deny(waits(at, "a person must agree first")), receipt: None });
    }
    let draft = Draft { approval: asked.map(|(at, _)| at), ..draft };
    let receipt = gate.check(draft).await??;
    let why = CheckReply::of(&receipt, None).reason;
    let say = match receipt.decided().decision {
        Answer::Allow if grant => Say::Allow(why),
        Answer::Allow => Say::Nothing,
        Answer::Deny => Say::Deny(why),
        Answer::Pending => Say::Deny(waits(receipt.decided().approval.unwrap_or(receipt.at()), &why)),
    };
    Ok(Word { say, receipt: Some(receipt) })
}

fn waits(at: Index, why: &str) -> String {
    let id = approval_id(at);
    format!("{why}; `portcullis approvals approve {id}` answers {id}, and the same call then passes")
}

/// After a tool was used: settles the decision that let it run, and says if what came back should not be used.
pub async fn after(
    gate: &Gate,
    reading: &Reading,
    draft: &Draft,
    (status, said): (Status, Json),
) -> Result<Word, Wordless> {
    let action = Action::new(draft.clone())?;
    let (digest, agent, session) = (action.digest().hex(), draft.agent.clone(), draft.session.clone());
    let realm = draft.realm;
    let open = gate.desk.ask(|books| {
        let mut open: Vec<Index> = books.open().map(|(at, _)| at).collect();
        let spare = open.len().saturating_sub(OPEN);
        open.drain(..spare);
        open
    });
    let open = open.await?;
    let found = reading.ask(move |reader| {
        Ok(open.into_iter().rev().find_map(|at| {
            let (it, _) = views::decided(reader, at).ok().flatten()?;
            let mine = it.digest == digest && it.agent == agent && it.session == session && it.realm == realm;
            mine.then_some((at, it))
        }))
    });
    // What was not decided here has no limits to settle.
    let Some((at, decided)) = found.await.map_err(Wordless::Unread)? else {
        return Ok(Word { say: Say::Nothing, receipt: None });
    };
    let outcome = match status {
        Status::Success => Outcome { result: Some(said), ..Outcome::plain(status) },
        _ => Outcome { error: Some(text_of(said)), ..Outcome::plain(status) },
    };
    let outcome = gate.screen(&decided, outcome).await;
    let withheld = outcome.screened.as_ref().and_then(|it| it.withheld.clone());
    let settling = Settling::reported(at, decided, outcome, draft.by.clone());
    let _closing = gate.desk.settle(settling).await?.map_err(Wordless::Refused)?;
    let say = withheld.map_or(Say::Nothing, |why| Say::Deny(format!("do not use this result: {why}")));
    Ok(Word { say, receipt: None })
}

/// What went wrong, as a text.
fn text_of(said: Json) -> String {
    match said {
        Json::Str(text) => text,
        Json::Null => "it did not work".to_owned(),
        other => other.canonical(),
    }
}
