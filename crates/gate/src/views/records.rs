//! The ledger's records as they are, and the policies among them.

use ledger::{Fault, Payload, Reader};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use verdict::{Index, Record};

use super::{look_back, record_of};
use crate::clock::rfc3339;

/// One record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordView {
    /// Its place, counted from 0.
    pub index: Index,
    /// When: RFC 3339.
    pub at: String,
    /// Its exact text, which is JSON: one object with one key, the kind of record.
    #[schemars(with = "serde_json::Value")]
    pub record: Box<RawValue>,
    /// The earlier record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refers: Option<Index>,
    /// What lies beside it: `none`, `here` or `erased`.
    pub payload: &'static str,
}

/// Records, oldest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<RecordView>,
    /// Ask from here for those that follow.
    pub next: Index,
    /// How many records there are.
    pub size: Index,
}

/// A page of records stops growing at so many bytes.
const PAGE_BYTES: usize = 4 << 20;

/// Records from `from`, at most `limit`.
pub fn records(reader: &Reader, from: Index, limit: usize) -> Result<RecordPage, Fault> {
    let size = reader.size()?;
    let (mut records, mut next, mut bytes) = (Vec::new(), from.min(size), 0_usize);
    while records.len() < limit && bytes < PAGE_BYTES {
        let entries = reader.read(next, limit.saturating_sub(records.len()).min(64))?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            let at = rfc3339(record_of(&entry)?.at());
            next = entry.index.saturating_add(1);
            bytes = bytes.saturating_add(entry.body.len());
            let payload = match entry.payload {
                Payload::None => "none",
                Payload::Here(_) => "here",
                Payload::Erased => "erased",
            };
            let odd = || Fault::Corrupt { index: Some(entry.index), what: "its text is not JSON".to_owned() };
            let record = String::from_utf8(entry.body).ok().and_then(|text| RawValue::from_string(text).ok());
            let record = record.ok_or_else(odd)?;
            records.push(RecordView { index: entry.index, at, record, refers: entry.refers, payload });
        }
    }
    Ok(RecordPage { records, next, size: size.max(next) })
}

/// One version of the policy.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PolicyVersionView {
    /// Which.
    pub version: String,
    /// When it came into force: RFC 3339.
    pub at: String,
    /// `file` or `api`.
    pub source: &'static str,
    /// Who put it, if a key or person did.
    pub by: Option<String>,
    /// Its record.
    pub index: Index,
}

/// Versions of the policy, newest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PolicyPage {
    /// The versions.
    pub versions: Vec<PolicyVersionView>,
    /// Hand this back as `cursor` for older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The versions that were in force for a line of gates, newest first.
pub fn policy_versions(
    reader: &Reader,
    line: &str,
    before: Option<Index>,
    limit: usize,
) -> Result<PolicyPage, Fault> {
    let mut versions = Vec::new();
    let next = look_back(reader, before, &mut |entry, record| {
        if let Record::Policy(it) = record
            && it.line == line
        {
            let source = if it.file { "file" } else { "api" };
            let (version, at) = (it.version.0.to_string(), rfc3339(it.t));
            versions.push(PolicyVersionView { version, at, source, by: it.by, index: entry.index });
        }
        Ok(versions.len() >= limit)
    })?;
    Ok(PolicyPage { versions, next_cursor: next.map(super::cursor) })
}

/// The main text of the policy in the record at `at`; `None` if it is not there any more.
pub fn policy_text(reader: &Reader, at: Index) -> Result<Option<String>, Fault> {
    Ok(reader.get(at)?.and_then(|entry| match entry.payload {
        Payload::Here(bytes) => crate::policy_text::main_text(&bytes),
        Payload::None | Payload::Erased => None,
    }))
}

/// The texts of the policy in the record at `at`, each with its name; `None` if they are not there any more.
pub fn policy_files(reader: &Reader, at: Index) -> Result<Option<Vec<(String, String)>>, Fault> {
    Ok(reader.get(at)?.and_then(|entry| match entry.payload {
        Payload::Here(bytes) => crate::policy_text::files_of(&bytes),
        Payload::None | Payload::Erased => None,
    }))
}
