//! `POST /v1/inspect`: what a text would do or holds, without an agent, a policy or a record.

use super::problem::Problem;
use super::reply::{self, Reply};
use super::{Call, query::Query};
use crate::examine::{InspectRequest, examine};
use crate::wire;

pub(super) async fn one(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let request: InspectRequest =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    let found = examine(&request)
        .map_err(|why| Problem::unreadable("invalid_request", wire::Unreadable::Shape(why)))?;
    reply::json(&found)
}
