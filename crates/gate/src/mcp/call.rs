//! One call of a tool: from the client's request to the answer it gets.
//!
//! Answerable for the request going to the server only while it is held, as the client wrote it, and for the
//! answer going to the client only after it is on record.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{Payload, Reader};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until};
use verdict::{
    Action, Code, Command, Definition, Draft, Hold, Index, Json, Outcome, Receipt, Record, Standing, Status,
};

use super::catalogue::Offer;
use super::envelope::{Fields, Id, Message};
use super::flight::Flight;
use super::lines::Lost;
use super::reply;
use super::request::{Call, misnamed};
use super::session::Session;
use crate::path::{Carried, World};
use crate::tool::takes_at_server;

/// How often a question is looked at while it is open: what other processes answer is noticed after this.
const LOOK: Duration = Duration::from_millis(40);
/// How often the client is told that a call still waits.
const TELL: Duration = Duration::from_secs(2);
/// How long the server may take to list its tools before a call is refused.
const LISTING: Duration = Duration::from_secs(10);
/// The largest result that is kept for whoever repeats a call with its key, in bytes.
const KEEP: usize = 256 * 1024;

/// A call, and all that its way needs.
pub(super) struct Errand {
    pub(super) session: Arc<Session>,
    pub(super) flight: Arc<Flight>,
    pub(super) call: Call,
    /// The request's id, by meaning and as written.
    pub(super) id: Id,
    pub(super) raw_id: String,
    /// The request as the client wrote it.
    pub(super) line: Vec<u8>,
    /// In which turn, if the client does not say.
    pub(super) step: u64,
    /// The server's answer, until it may leave.
    pub(super) answer: Mutex<Option<Vec<u8>>>,
}

impl Errand {
    /// Carries the call out, or refuses it, and answers.
    pub(super) async fn run(self) {
        let reply = self.reply().await;
        let Self { session, flight, id, line, .. } = self;
        session.landed(&id, &flight, line.len());
        if let Some(reply) = reply.filter(|_| !flight.is_cancelled()) {
            session.to_client(&reply, Some(&id));
        }
    }

    async fn reply(&self) -> Option<Vec<u8>> {
        let id = &self.raw_id;
        let offer = self.offer().await;
        if self.flight.is_cancelled() {
            return None;
        }
        let misnamed = self.call.args.as_ref().zip(offer.as_ref());
        if let Some((key, meant)) = misnamed.and_then(|(args, offer)| misnamed_of(args, offer)) {
            let why = format!("argument `{}` is almost `{meant}`; write it exactly", verdict::short(key));
            return Some(reply::error(Some(id), -32602, &why).into_bytes());
        }
        let draft = self.asked_before(self.draft(offer)).await;
        let reply = match self.session.gate.call(draft, self).await {
            Err(malformed) => reply::malformed(id, &malformed),
            Ok(Err(halt)) if self.flight.is_sent() => {
                let why =
                    format!("the call was sent to the server, but its end could not be recorded: {halt}");
                reply::without_result(id, None, &why)
            }
            Ok(Err(halt)) => reply::unavailable(
                id,
                &format!("nothing is allowed while the ledger cannot be written: {halt}"),
            ),
            Ok(Ok(Carried::Refused(receipt))) => self.refused(&receipt).await,
            Ok(Ok(Carried::Out(closing))) => {
                match self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    Some(answer) => return Some(answer),
                    None => {
                        let why = match closing.settled().status {
                            Status::Cancelled => "the server has ended, and the call was not sent",
                            _ => {
                                "the server ended before it answered; nobody knows whether the call was carried out"
                            }
                        };
                        reply::without_result(id, Some(closing.settled().of), why)
                    }
                }
            }
        };
        Some(reply.into_bytes())
    }

    /// What the server says of the tool, if it can be read: from the catalogue, listed anew where it is not there.
    async fn offer(&self) -> Option<Offer> {
        let tool = &self.call.tool;
        if let Some(offer) = self.session.find(tool) {
            return offer;
        }
        let mut ended = self.session.list();
        let mut cancelled = self.flight.cancellation();
        let limit = sleep(LISTING);
        tokio::select! {
            _ = ended.changed() => (),
            _ = cancelled.changed() => (),
            () = limit => tracing::warn!(server = %self.session.names.server, "the server does not list its tools"),
        }
        self.session.find(tool).flatten()
    }

    fn draft(&self, offer: Option<Offer>) -> Draft {
        let (session, call) = (&self.session, &self.call);
        let fixed = session.names.run.clone();
        let draft = Draft {
            agent: session.names.agent.clone(),
            tool: call.tool.clone(),
            args: call.args.clone(),
            user: session.names.user.clone(),
            session: fixed.or_else(|| call.session.clone()).or_else(|| Some(session.names.made_up.clone())),
            step: Some(call.step.clone().unwrap_or_else(|| self.step.to_string())),
            environment: session.names.environment.clone(),
            key: call.key.clone(),
            by: session.names.by.clone(),
            definition: session.names.own.is_none().then(|| Definition {
                server: session.names.server.clone(),
                hash: offer.as_ref().map(|offer| offer.hash),
                text: offer.map(|offer| offer.text),
            }),
            ..Draft::default()
        };
        let own = session.names.own.is_some();
        let takes = session.gate.desk.with_policy(|policy| takes_at_server(policy, &draft, own));
        Draft { takes: Some(takes), ..draft }
    }

    /// Where nobody waits for people, the same call made again is the one that was asked about.
    async fn asked_before(&self, draft: Draft) -> Draft {
        if self.session.names.waits {
            return draft;
        }
        let Ok(action) = Action::new(draft.clone()) else { return draft };
        let asked = self.session.gate.desk.question_about(action);
        // What cannot be looked at is decided as if it were new, and then refused for the same reason.
        let approval = asked.await.ok().flatten().map(|(at, _)| at);
        Draft { approval, ..draft }
    }

    async fn refused(&self, receipt: &Receipt) -> String {
        self.session.counted(receipt);
        let decided = receipt.decided();
        if decided.code == Code::Duplicate
            && !receipt.is_conflict()
            && let Some(result) = decided.duplicate_of.and_then(|of| self.kept(of))
        {
            return reply::result(&self.raw_id, &result);
        }
        // A question that was asked anew because the policy changed: nobody waits for its answer.
        if decided.asks.is_some() && self.session.names.waits {
            self.withdraw(receipt.at()).await;
        }
        reply::refused(&self.raw_id, receipt)
    }

    /// The result that the decision `of` ended with, if it was kept.
    fn kept(&self, of: Index) -> Option<String> {
        let reader = Reader::open(&self.session.names.store).ok()?;
        let done = |body: &[u8]| matches!(serde_json::from_slice(body), Ok(Record::Settled(settled)) if settled.status == Status::Success);
        let entry = reader.referring(of).ok()?.into_iter().rfind(|entry| done(&entry.body))?;
        let Payload::Here(payload) = entry.payload else { return None };
        let payload = String::from_utf8(payload).ok()?;
        let fields = Fields::strict(&payload, &[]).ok()?;
        let raw = fields.raw("result")?.get();
        Some(if self.session.names.own.is_some() { super::own::again(raw) } else { raw.to_owned() })
    }

    async fn withdraw(&self, approval: Index) {
        if let Err(halt) = self.session.gate.desk.obey(Command::Close { of: approval, cancelled: true }).await
        {
            tracing::error!(approval, reason = %halt, "a question could not be withdrawn");
        }
    }

    fn tell(&self, step: u32, waits: &str) {
        if let Some(token) = &self.call.progress {
            self.session.to_client(reply::progress(token, step, waits).as_bytes(), Some(&self.id));
        }
    }

    /// True once the question needs no more waiting.
    async fn is_over(&self, approval: Index) -> bool {
        let now = self.session.gate.desk.clock().now();
        let look = self
            .session
            .gate
            .desk
            .ask(move |books| books.approval(approval).map(|it| it.standing(now)))
            .await;
        match look {
            Ok(standing) => standing != Some(Standing::Pending),
            // It cannot be looked at now; the call waits, and is not carried out.
            Err(_) => false,
        }
    }
}

fn misnamed_of<'a>(args: &'a Json, offer: &Offer) -> Option<(&'a str, String)> {
    misnamed(args, &offer.properties)
}

impl World for Errand {
    fn waits(&self) -> bool {
        self.session.names.waits
    }

    async fn ask(&self, approval: Index, receipt: &Receipt) {
        self.session.counted(receipt);
        let waits = reply::waits(approval);
        self.session.log(&waits, &self.id);
        let (mut cancelled, mut closing) = (self.flight.cancellation(), self.session.closing());
        let (mut told, mut tell_at) = (0, Instant::now());
        while !self.is_over(approval).await {
            if *cancelled.borrow() || *closing.borrow() {
                // Only who asked may withdraw; a repetition of the call leaves the question to the first.
                if receipt.decided().asks.is_some() {
                    self.withdraw(approval).await;
                }
                return;
            }
            if tell_at <= Instant::now() {
                told += 1;
                self.tell(told, &waits);
                tell_at = Instant::now() + TELL;
            }
            tokio::select! {
                () = sleep_until((Instant::now() + LOOK).min(tell_at)) => (),
                _ = cancelled.changed() => (),
                _ = closing.changed() => (),
            }
        }
    }

    async fn execute(&self, hold: &Hold) -> Outcome {
        self.session.counted(hold.receipt());
        if self.flight.is_cancelled() {
            return Outcome::plain(Status::Cancelled);
        }
        if let Some(own) = &self.session.names.own {
            own.expect(&self.raw_id, &hold.receipt().decided().policy);
        }
        let wait = self.flight.depart();
        let restored = self.restored(hold);
        match self.session.to_server(restored.as_deref().unwrap_or(&self.line), Some(&self.id)) {
            Ok(()) => (),
            Err(Lost::Whole) => return Outcome::plain(Status::Cancelled),
            Err(Lost::InPart) => return Outcome::plain(Status::Unknown),
        }
        let Ok(answer) = wait.await else { return Outcome::plain(Status::Unknown) };
        let own = self.session.names.own.as_ref().and_then(|ends| ends.take(&self.raw_id));
        let outcome = own.unwrap_or_else(|| outcome_of(&answer, &self.call));
        let (answer, outcome) = self.held_back(hold, answer, outcome).await;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        outcome
    }
}

/// True if the server asks for something before it does anything (revision 2026-07-28).
fn is_question(fields: &Fields<'_>) -> bool {
    fields.text("resultType").ok().flatten().as_deref() == Some("input_required")
}

/// How the call ended, as the server's answer tells.
fn outcome_of(answer: &[u8], call: &Call) -> Outcome {
    let unknown = Outcome::plain(Status::Unknown);
    let Ok(Message::Answer { result, .. }) = super::envelope::text(answer).and_then(super::envelope::read)
    else {
        return unknown;
    };
    let Some(result) = result else { return Outcome::plain(Status::Failed) };
    let Ok(fields) = Fields::strict(result.get(), &["isError", "task", "resultType"]) else { return unknown };
    let said = |key: &str| fields.raw(key).map(RawValue::get);
    match said("isError") {
        // Nothing is done yet: the client calls again with what was asked for, and that is decided anew.
        _ if is_question(&fields) => Outcome::plain(Status::Cancelled),
        Some("true") => Outcome::plain(Status::Failed),
        // It runs on, and its end is told in an answer to another request.
        None | Some("false" | "null") if call.is_task && said("task").is_some() => unknown,
        None | Some("false" | "null") => {
            let small = Some(result.get()).filter(|text| call.key.is_some() && text.len() <= KEEP);
            let result = small.and_then(|text| Json::parse(text.as_bytes()).ok());
            Outcome { result, ..Outcome::plain(Status::Success) }
        }
        Some(_) => unknown,
    }
}
