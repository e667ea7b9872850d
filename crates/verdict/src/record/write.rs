//! A record as the text that goes into the ledger: what `serde` would write, byte for byte, without its detours for
//! the kind of record that there are most of.
//!
//! Knows the form and nothing else.

use serde::Serialize;

use super::{Answer, Decided, Record};
use crate::action::Realm;
use crate::decide::Code;
use crate::json::write_text;
use crate::limit::Charge;
use crate::money::Micros;
use crate::policy::{Mode, Risk};

/// How long most decisions are, in bytes.
const USUAL: usize = 1024;

impl Record {
    /// The record's text: one line of JSON. The error is a sentence; no record is known that causes one.
    pub fn text(&self) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(USUAL);
        let written = match self {
            Self::Decided(decided) => decided_text(decided, &mut out),
            other => json(other, &mut out),
        };
        written.map(|()| out).map_err(|error| error.to_string())
    }
}

type Written = Result<(), serde_json::Error>;

fn decided_text(decided: &Decided, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"{\"decided\":");
    said(decided, out)?;
    asked(decided, out);
    found(decided, out)?;
    out.extend_from_slice(b"}}");
    Ok(())
}

/// What was answered, and why.
fn said(decided: &Decided, out: &mut Vec<u8>) -> Written {
    field("{\"t\":", &decided.t, out)?;
    out.extend_from_slice(match decided.decision {
        Answer::Allow => b",\"decision\":\"allow\"".as_slice(),
        Answer::Deny => b",\"decision\":\"deny\"",
        Answer::Pending => b",\"decision\":\"pending\"",
    });
    match decided.code {
        Code::Allowed => out.extend_from_slice(b",\"code\":\"allowed\""),
        other => field(",\"code\":", &other, out)?,
    }
    text(",\"agent\":", &decided.agent, out);
    text(",\"tool\":", &decided.tool, out);
    maybe(",\"rule\":", decided.rule.as_deref(), out);
    maybe(",\"reason\":", decided.reason.as_deref(), out);
    text(",\"policy\":", &decided.policy.0, out);
    unless(decided.risk == Risk::default(), ",\"risk\":", &decided.risk, out)?;
    unless(decided.mode == Mode::default(), ",\"mode\":", &decided.mode, out)?;
    unless(decided.would.is_none(), ",\"would\":", &decided.would, out)?;
    unless(decided.realm == Realm::default(), ",\"realm\":", &decided.realm, out)
}

/// For whom, and about what.
fn asked(decided: &Decided, out: &mut Vec<u8>) {
    maybe(",\"user\":", decided.user.as_deref(), out);
    maybe(",\"session\":", decided.session.as_deref(), out);
    maybe(",\"step\":", decided.step.as_deref(), out);
    maybe(",\"environment\":", decided.environment.as_deref(), out);
    maybe(",\"key\":", decided.key.as_deref(), out);
    text(",\"digest\":", &decided.digest, out);
}

/// What inspection found, what was taken of limits, and what it is tied to.
fn found(decided: &Decided, out: &mut Vec<u8>) -> Written {
    unless(decided.effects.is_empty(), ",\"effects\":", &decided.effects, out)?;
    unless(decided.findings.is_empty(), ",\"findings\":", &decided.findings, out)?;
    charges_text(&decided.charges, out)?;
    unless(decided.cost == Micros::default(), ",\"cost\":", &decided.cost, out)?;
    unless(decided.yields.is_empty(), ",\"yields\":", &decided.yields, out)?;
    unless(decided.asks.is_none(), ",\"asks\":", &decided.asks, out)?;
    unless(decided.approval.is_none(), ",\"approval\":", &decided.approval, out)?;
    unless(decided.until.is_none(), ",\"until\":", &decided.until, out)?;
    unless(decided.duplicate_of.is_none(), ",\"duplicate_of\":", &decided.duplicate_of, out)?;
    maybe(",\"by\":", decided.by.as_deref(), out);
    Ok(())
}

fn charges_text(charges: &[Charge], out: &mut Vec<u8>) -> Written {
    let mut before = ",\"charges\":[{\"c\":";
    for Charge { counter, amount, window, meter } in charges {
        text(before, counter, out);
        field(",\"n\":", amount, out)?;
        unless(*window == 0, ",\"w\":", window, out)?;
        field(",\"m\":", meter, out)?;
        out.push(b'}');
        before = ",{\"c\":";
    }
    if !charges.is_empty() {
        out.push(b']');
    }
    Ok(())
}

fn json(value: &impl Serialize, out: &mut Vec<u8>) -> Written {
    serde_json::to_writer(out, value)
}

fn field(name: &str, value: &impl Serialize, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(name.as_bytes());
    json(value, out)
}

fn unless(absent: bool, name: &str, value: &impl Serialize, out: &mut Vec<u8>) -> Written {
    if absent { Ok(()) } else { field(name, value, out) }
}

fn maybe(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        text(name, value, out);
    }
}

fn text(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    write_text(value, out);
}
