//! A `tools/call` request, read as strictly as what is decided on must be.
//!
//! Knows the shape of the request; not whether it may be carried out.

use serde_json::value::RawValue;
use std::collections::HashSet;
use verdict::Json;

use super::envelope::{Fields, folded, id_of};

/// What the client answers to what an earlier answer asked for (revision 2026-07-28).
const RESPONSES: &str = "inputResponses";
/// What a client may say about its call beside the call.
const KEY: &str = "portcullis/idempotencyKey";
const STEP: &str = "portcullis/step";
const SESSION: &str = "portcullis/session";

/// A call that can be decided on.
#[derive(Debug)]
pub(super) struct Call {
    /// The tool.
    pub(super) tool: String,
    /// Its arguments: an object, or nothing.
    pub(super) args: Option<Json>,
    /// Names the intent.
    pub(super) key: Option<String>,
    /// In which turn.
    pub(super) step: Option<String>,
    /// In which run.
    pub(super) session: Option<String>,
    /// Where progress is wanted; as written.
    pub(super) progress: Option<String>,
    /// Whether it is to run on after the server has answered.
    pub(super) is_task: bool,
}

/// Reads the parameters of a call. The error is a sentence.
pub(super) fn read(params: Option<&RawValue>) -> Result<Call, String> {
    let params = params.ok_or("the call has no `params`")?;
    let fields = Fields::strict(params.get(), &["name", "arguments", "_meta", "task", RESPONSES])?;
    let tool = fields.text("name")?.ok_or("the call has no `name`")?;
    let args = match fields.raw("arguments") {
        None => None,
        Some(raw) => Some(Json::parse(raw.get().as_bytes()).map_err(|why| format!("`arguments`: {why}"))?),
    };
    if let Some(key) = args.as_ref().and_then(twin) {
        return Err(format!(
            "`arguments`: key `{}` is given twice, in letters that differ in case",
            verdict::short(key)
        ));
    }
    let is_task = fields.raw("task").is_some_and(|raw| raw.get() != "null");
    let call = Call { tool, args, key: None, step: None, session: None, progress: None, is_task };
    match fields.raw("_meta").filter(|raw| raw.get() != "null") {
        None => Ok(call),
        Some(meta) => with_meta(call, meta).map_err(|why| format!("`_meta`: {why}")),
    }
}

fn with_meta(call: Call, meta: &RawValue) -> Result<Call, String> {
    let meta = Fields::strict(meta.get(), &[KEY, STEP, SESSION, "progressToken"])?;
    let token = meta.raw("progressToken").map(RawValue::get).filter(|raw| id_of(raw).is_some());
    Ok(Call {
        key: meta.text(KEY)?,
        step: meta.text(STEP)?,
        session: meta.text(SESSION)?,
        progress: token.map(str::to_owned),
        ..call
    })
}

/// A key that is one with another of its object to a parser that does not mind case.
fn twin(json: &Json) -> Option<&str> {
    match json {
        Json::List(items) => items.iter().find_map(twin),
        Json::Map(map) => {
            let keys = || map.iter().map(|(key, _)| key);
            let lower = |key: &str| key.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
            if !keys().all(lower) {
                let mut seen = HashSet::with_capacity(map.len());
                if let Some(key) = keys().find(|key| !seen.insert(folded(key))) {
                    return Some(key);
                }
            }
            map.iter().find_map(|(_, value)| twin(value))
        }
        _ => None,
    }
}

/// An argument whose name is almost that of one the tool has: the tool could take it for that, and the policy
/// would have looked elsewhere.
pub(super) fn misnamed<'a>(args: &'a Json, properties: &[String]) -> Option<(&'a str, String)> {
    let Json::Map(map) = args else { return None };
    map.iter().map(|(key, _)| key).filter(|key| !properties.iter().any(|name| name == key)).find_map(|key| {
        let meant = properties.iter().find(|name| folded(name) == folded(key))?;
        Some((key, meant.clone()))
    })
}

/// What goes to the server beside the arguments and is the client's own words.
pub(super) fn responses(params: Option<&RawValue>) -> Option<&RawValue> {
    Fields::strict(params?.get(), &[RESPONSES]).ok()?.raw(RESPONSES)
}

/// The request that a cancellation is about, if it says so in one way only.
pub(super) fn cancelled(params: Option<&RawValue>) -> Option<super::envelope::Id> {
    let fields = Fields::strict(params?.get(), &["requestId"]).ok()?;
    id_of(fields.raw("requestId")?.get())
}
