//! Edits of the policy for whoever registers things over HTTP, and what comes of them as answers.

use hyper::StatusCode;
use verdict::Halt;

use super::problem::Problem;
use super::{Call, halted};
use crate::policy_edit::{self, Document, Edited, Editing, Unedited, Unread};

/// Edits the policy in force as the caller.
pub(super) async fn edit<T>(
    call: &Call,
    change: impl FnMut(&mut Document) -> Result<T, Problem>,
) -> Result<Edited<T>, Problem> {
    let caller = call.caller()?;
    if caller.realm == verdict::Realm::Test {
        let why = "a test key sees and changes test data only, and the policy is shared by both";
        return Err(Problem::forbidden(why.to_owned()));
    }
    let app = &call.app;
    let editing = Editing { desk: &app.gate.desk, reading: &app.reading, line: &app.line, by: &caller.name };
    policy_edit::edit(&editing, change).await.map_err(|why| match why {
        Unedited::Refused(problem) => problem,
        Unedited::Mistakes(mistakes) => {
            let first = mistakes.first().map(|first| first.message.clone()).unwrap_or_default();
            let help = mistakes.first().and_then(|first| first.help.clone()).unwrap_or_default();
            let why =
                format!("the policy would not be right with this, and nothing has changed: {first}; {help}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy", why)
        }
        Unedited::NoPolicy(why) => Problem::conflict(why),
        Unedited::Busy => busy(),
        Unedited::Halt(halt) => stopped(&halt),
    })
}

/// The policy in force, to be read.
pub(super) async fn current(call: &Call) -> Result<Document, Problem> {
    let app = &call.app;
    let editing = Editing { desk: &app.gate.desk, reading: &app.reading, line: &app.line, by: "" };
    match policy_edit::current(&editing).await {
        Ok((document, _)) => Ok(document),
        Err(Unread::NoPolicy(why)) => Err(Problem::conflict(why)),
        Err(Unread::Halt(halt)) => Err(stopped(&halt)),
    }
}

fn busy() -> Problem {
    let why = "the policy is being changed by others all the time; try again";
    Problem { retry_after: Some(1), ..Problem::conflict(why.to_owned()) }
}

fn stopped(halt: &Halt) -> Problem {
    halted(halt)
}
