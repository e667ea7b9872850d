//! What of a server's words reaches the client, and what a call carries back out.
//!
//! Answerable for a line being touched only where a screen says so: what holds nothing that is to be replaced
//! passes byte for byte, and of a line that is changed only the result or the error is written anew.

use serde_json::value::RawValue;
use verdict::{Finding, Hold, Json, Outcome, Realm, Screened};

use super::call::Errand;
use super::envelope::{self, Fields, Id, Message};
use super::reply;
use super::session::Session;
use crate::eyes::Shown;

/// The part of an answer that says something.
const PARTS: [&str; 2] = ["result", "error"];

/// The line with `part`, a piece of it, written anew. `None`: it is no piece of it.
pub(super) fn spliced(line: &str, part: &str, anew: &str) -> Option<String> {
    let start = (part.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    let (before, after) = (line.get(..start)?, line.get(start.checked_add(part.len())?..)?);
    Some(format!("{before}{anew}{after}"))
}

/// What a server says, as far as detectors can read it. What has no canonical form is read as one text.
fn said(raw: &RawValue) -> Json {
    Json::parse(raw.get().as_bytes()).unwrap_or_else(|_| Json::Str(raw.get().to_owned()))
}

/// A line of the server's after the screens.
enum Line {
    /// As it was.
    Same,
    /// With placeholders.
    Changed(String),
    /// Not at all, and why.
    Withheld(String),
}

impl Session {
    /// An answer to what the gate does not decide on (resources, prompts, ...), as the client may see it.
    pub(super) async fn screened(&self, line: &[u8], raw_id: &str) -> Option<Vec<u8>> {
        let (shown, _) = self.look(line, &PARTS, None).await?;
        match shown {
            Line::Same => None,
            Line::Changed(text) => Some(text.into_bytes()),
            Line::Withheld(why) => {
                Some(reply::error(Some(raw_id), -32603, &format!("kept back: {why}")).into_bytes())
            }
        }
    }

    /// What a server asks or tells of its own accord (sampling, elicitation, logging), as the client may see it.
    /// `about` is the client's request that it belongs to, where that is known.
    pub(super) async fn told(&self, line: &[u8], raw_id: Option<&str>, about: Option<&Id>) {
        match self.look(line, &["params"], None).await {
            None | Some((Line::Same, _)) => self.to_client(line, about),
            Some((Line::Changed(text), _)) => self.to_client(text.as_bytes(), about),
            Some((Line::Withheld(why), _)) => {
                tracing::warn!(server = %self.names.server, %why, "a message of the server's is kept back");
                if let Some(raw_id) = raw_id {
                    let answer = reply::error(Some(raw_id), -32603, &format!("kept back: {why}"));
                    let _gone = self.to_server(answer.as_bytes(), None);
                }
            }
        }
    }

    /// Why a message of the client's that is no call must not leave, if it must not.
    pub(super) fn kept_in(&self, raw: &RawValue) -> Option<String> {
        self.gate.eyes.refuse(&self.gate.desk.policy(), &self.names.agent, &said(raw))
    }

    /// What becomes of an answer's line, and what was seen in it. `None`: nothing is said in it.
    async fn look(&self, line: &[u8], parts: &[&str], session: Option<&str>) -> Option<(Line, Vec<Finding>)> {
        let text = envelope::text(line).ok()?;
        let fields = Fields::strict(text, parts).ok()?;
        let raw = parts.iter().find_map(|part| fields.raw(part))?;
        let policy = self.gate.desk.policy();
        let Shown { replaced, findings, withheld } =
            self.gate.eyes.show_to(&policy, &self.names.agent, (Realm::Live, session), &said(raw)).await;
        let kinds: Vec<String> = findings.iter().map(|it| format!("{}/{}", it.kind, it.name)).collect();
        if !kinds.is_empty() && session.is_none() {
            tracing::warn!(server = %self.names.server, seen = %kinds.join(" "), "seen in what the server says");
        }
        let line = match (withheld, replaced) {
            (Some(why), _) => Line::Withheld(why),
            (None, None) => Line::Same,
            // What was read as one text cannot be put back as an object.
            (None, Some(Json::Str(_))) if !raw.get().starts_with('"') => Line::Withheld(
                "it holds what must be replaced, and cannot be read well enough for that".to_owned(),
            ),
            (None, Some(json)) => match spliced(text, raw.get(), &json.canonical()) {
                Some(text) => Line::Changed(format!("{text}\n")),
                None => Line::Withheld("what must be replaced in it could not be".to_owned()),
            },
        };
        Some((line, findings))
    }
}

impl Errand {
    /// The server's answer as the client may see it, and the outcome with what was seen.
    pub(super) async fn held_back(
        &self,
        hold: &Hold,
        answer: Vec<u8>,
        outcome: Outcome,
    ) -> (Vec<u8>, Outcome) {
        let run = hold.case().action.session();
        let Some((line, findings)) = self.session.look(&answer, &PARTS, run.or(Some(""))).await else {
            return (answer, outcome);
        };
        let reported = outcome.digest();
        let (answer, result, withheld) = match line {
            Line::Same => (answer, outcome.result, None),
            Line::Withheld(why) => {
                let said = format!("the result was kept back: {why}");
                let reply = reply::without_result(&self.raw_id, Some(hold.receipt().at()), &said);
                (reply.into_bytes(), None, Some(why))
            }
            Line::Changed(text) => {
                let result = outcome.result.and_then(|_| result_of(&text));
                (text.into_bytes(), result, None)
            }
        };
        let screened = Some(Box::new(Screened { findings, withheld, reported }));
        (answer, Outcome { result, screened, ..outcome })
    }

    /// The request with what placeholders in its arguments stand for, if its tool may have that.
    pub(super) fn restored(&self, hold: &Hold) -> Option<Vec<u8>> {
        let policy = self.session.gate.desk.policy();
        let action = &hold.case().action;
        if !policy.tool_of(action.agent(), action.tool()).is_some_and(|tool| tool.restores) {
            return None;
        }
        let text = envelope::text(&self.line).ok()?;
        let Ok(Message::Request { params: Some(params), .. }) = envelope::read(text) else { return None };
        let arguments = Fields::strict(params.get(), &["arguments"]).ok()?.raw("arguments")?;
        let (run, mut any) = ((action.realm(), action.session()), false);
        let restored = rewritten(action.args(), &mut |text| {
            let restored = self.session.gate.eyes.restore(action.agent(), run, text)?;
            any = true;
            Some(restored)
        });
        let line = spliced(text, arguments.get(), &restored.canonical()).filter(|_| any)?;
        Some(format!("{line}\n").into_bytes())
    }
}

fn result_of(line: &str) -> Option<Json> {
    let fields = Fields::strict(line.trim_end(), &PARTS).ok()?;
    Json::parse(fields.raw("result")?.get().as_bytes()).ok()
}

/// `json` with every text that `change` has another for.
fn rewritten(json: &Json, change: &mut impl FnMut(&str) -> Option<String>) -> Json {
    match json {
        Json::Str(text) => Json::Str(change(text).unwrap_or_else(|| text.clone())),
        Json::List(items) => Json::List(items.iter().map(|item| rewritten(item, change)).collect()),
        Json::Map(map) => {
            let pairs = map.iter().map(|(key, value)| (key.to_owned(), rewritten(value, change))).collect();
            verdict::json::Map::from_pairs(pairs).map_or_else(|_| json.clone(), Json::Map)
        }
        other => other.clone(),
    }
}
