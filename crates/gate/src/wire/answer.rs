//! The answer to a check as bytes, straight from the receipt: what [`super::CheckReply`] would be written as, without
//! being made first; the simulation compares them. Most of what the gate says is this.

use std::io::Write as _;

use verdict::{Answer, MeterKind, Micros, Receipt, Remaining, write_text};

use super::check::{Effect, Original, Seen, reason, seconds};
use super::code_word;

type Unwritten = serde_json::Error;

/// Appends the answer that a receipt gives. `original` is what became of the decision that it repeats.
pub fn write_answer(
    receipt: &Receipt,
    original: Option<&Original>,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let it = receipt.decided();
    let start: &[u8] = match it.decision {
        Answer::Allow => b"{\"decision\":\"allow\",\"decision_id\":\"dec_",
        Answer::Deny => b"{\"decision\":\"deny\",\"decision_id\":\"dec_",
        Answer::Pending => b"{\"decision\":\"pending\",\"decision_id\":\"dec_",
    };
    out.extend_from_slice(start);
    json(&receipt.at(), out)?;
    let may: &[u8] = match it.decision {
        Answer::Allow => b"\",\"allowed\":true,\"requires_approval\":false",
        Answer::Deny => b"\",\"allowed\":false,\"requires_approval\":false",
        Answer::Pending => b"\",\"allowed\":false,\"requires_approval\":true",
    };
    out.extend_from_slice(may);
    let approval = it.approval.or((it.decision == Answer::Pending).then_some(receipt.at()));
    id(",\"approval_id\":\"apr_", approval, out)?;
    if let Some(rule) = &it.rule {
        text(",\"rule\":", rule, out);
    }
    text(",\"reason\":", &reason(receipt), out);
    text(",\"code\":", code_word(it.code), out);
    list(",\"effects\":[", it.effects.iter().map(Effect::from), out)?;
    list(",\"findings\":[", it.findings.iter().map(Seen::from), out)?;
    out.extend_from_slice(b",\"risk\":");
    json(&it.risk, out)?;
    text(",\"policy_version\":", &it.policy.0, out);
    remaining(receipt.remaining(), out)?;
    if let Some(wait) = receipt.retry_after() {
        out.extend_from_slice(b",\"retry_after_s\":");
        json(&seconds(wait), out)?;
    }
    id(",\"duplicate_of\":\"dec_", it.duplicate_of, out)?;
    out.extend_from_slice(b",\"mode\":");
    json(&it.mode, out)?;
    if let Some(original) = original {
        out.extend_from_slice(b",\"original\":");
        json(original, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// What is left of each limit. Where two limits have one name, the lesser, where the first stands.
fn remaining(all: &[Remaining], out: &mut Vec<u8>) -> Result<(), Unwritten> {
    let mut before = ",\"remaining\":{";
    for (n, it) in all.iter().enumerate() {
        let of_this_name = |other: &&Remaining| other.label == it.label;
        if all.iter().take(n).any(|other| of_this_name(&other)) {
            continue;
        }
        let least = all.iter().skip(n).filter(of_this_name).map(|other| other.left).min().unwrap_or(it.left);
        text(before, &it.label, out);
        before = ",";
        out.push(b':');
        match it.meter {
            MeterKind::Usd | MeterKind::Argument if least % 1_000_000 != 0 => {
                write!(out, "{}", Micros(least)).map_err(serde_json::Error::io)?;
            }
            MeterKind::Usd | MeterKind::Argument => json(&(least / 1_000_000), out)?,
            _ => json(&least, out)?,
        }
    }
    out.extend_from_slice(if all.is_empty() { b",\"remaining\":{}".as_slice() } else { b"}" });
    Ok(())
}

fn id(name: &str, id: Option<u64>, out: &mut Vec<u8>) -> Result<(), Unwritten> {
    if let Some(id) = id {
        out.extend_from_slice(name.as_bytes());
        json(&id, out)?;
        out.push(b'"');
    }
    Ok(())
}

fn list<T: serde::Serialize>(
    start: &str,
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
) -> Result<(), Unwritten> {
    out.extend_from_slice(start.as_bytes());
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json(&item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn text(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    write_text(value, out);
}

fn json(value: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), Unwritten> {
    serde_json::to_writer(out, value)
}
