//! The ledger over HTTP: records, the signed checkpoint, and proofs that anyone can check.

use ledger::Fault;
use schemars::JsonSchema;
use verdict::short;

use super::Call;
use super::decisions::unread;
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use crate::views;
use crate::wire::parse_id;

/// A proof file's fields, for the schema.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ProofShape {
    /// The form of the proof: 1.
    #[schemars(rename = "portcullis-proof")]
    version: u32,
    /// The ledger's name.
    origin: String,
    /// The record's place.
    index: u64,
    /// How many records the checkpoint covers.
    size: u64,
    /// The record's exact text.
    body: String,
    /// What the record holds of its payload: hex.
    commitment: Option<String>,
    /// The way to the root, leaf side first: hex.
    hashes: Vec<String>,
    /// The signed checkpoint.
    checkpoint: String,
}

pub(super) async fn records(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["from", "limit"])?;
    let (from, limit) = (query.number("from")?.unwrap_or(0), query.limit(100, 1_000)?);
    reply::json(
        &call.app.reading.ask(move |reader| views::records(reader, from, limit)).await.map_err(unread)?,
    )
}

pub(super) async fn checkpoint(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let note = call.app.reading.ask(|reader| reader.checkpoint()).await.map_err(unread)?;
    Ok(reply::text("text/plain; charset=utf-8", note))
}

pub(super) async fn proof(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let text = call.param(0);
    let no_such = || Problem::not_found(format!("there is no record `{}`", short(text)));
    let index = parse_id("", text).ok_or_else(no_such)?;
    match call.app.reading.ask(move |reader| reader.prove(index)).await {
        Ok(proof) => Ok(reply::text("application/json", proof.to_json())),
        Err(Fault::NoSuchRecord { .. }) => Err(no_such()),
        Err(fault) => Err(unread(fault)),
    }
}
