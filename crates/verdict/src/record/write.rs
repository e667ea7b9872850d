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
    let Decided {
        t,
        decision,
        code,
        agent,
        tool,
        rule,
        reason,
        policy,
        risk,
        mode,
        would,
        realm,
        user,
        session,
        step,
        environment,
        key,
        digest,
        effects,
        findings,
        charges,
        cost,
        yields,
        asks,
        approval,
        duplicate_of,
        by,
    } = decided;
    out.extend_from_slice(b"{\"decided\":{\"t\":");
    json(t, out)?;
    out.extend_from_slice(match decision {
        Answer::Allow => b",\"decision\":\"allow\"".as_slice(),
        Answer::Deny => b",\"decision\":\"deny\"",
        Answer::Pending => b",\"decision\":\"pending\"",
    });
    match code {
        Code::Allowed => out.extend_from_slice(b",\"code\":\"allowed\""),
        other => field(",\"code\":", other, out)?,
    }
    text(",\"agent\":", agent, out);
    text(",\"tool\":", tool, out);
    maybe(",\"rule\":", rule.as_deref(), out);
    maybe(",\"reason\":", reason.as_deref(), out);
    text(",\"policy\":", &policy.0, out);
    unless(*risk == Risk::default(), ",\"risk\":", risk, out)?;
    unless(*mode == Mode::default(), ",\"mode\":", mode, out)?;
    unless(would.is_none(), ",\"would\":", would, out)?;
    unless(*realm == Realm::default(), ",\"realm\":", realm, out)?;
    maybe(",\"user\":", user.as_deref(), out);
    maybe(",\"session\":", session.as_deref(), out);
    maybe(",\"step\":", step.as_deref(), out);
    maybe(",\"environment\":", environment.as_deref(), out);
    maybe(",\"key\":", key.as_deref(), out);
    text(",\"digest\":", digest, out);
    unless(effects.is_empty(), ",\"effects\":", effects, out)?;
    unless(findings.is_empty(), ",\"findings\":", findings, out)?;
    charges_text(charges, out)?;
    unless(*cost == Micros::default(), ",\"cost\":", cost, out)?;
    unless(yields.is_empty(), ",\"yields\":", yields, out)?;
    unless(asks.is_none(), ",\"asks\":", asks, out)?;
    unless(approval.is_none(), ",\"approval\":", approval, out)?;
    unless(duplicate_of.is_none(), ",\"duplicate_of\":", duplicate_of, out)?;
    maybe(",\"by\":", by.as_deref(), out);
    out.extend_from_slice(b"}}");
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
