//! Questions to people: to read, to wait for, and to answer.

use std::time::Duration;

use tokio::time::Instant;
use verdict::{Command, Index, KeyRole, Standing, short};

use super::decisions::{cursor, unread};
use super::problem::Problem;
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted, outcome, refused};
use crate::views::{self, ApprovalView, Asked};
use crate::wire::{self, AnswerRequest, parse_id};

/// The longest that a caller may wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// While others are busy the ledger moves thousands of times a second; a waiter looks at it this often at most.
const BREATH: Duration = Duration::from_millis(20);

pub(super) async fn list(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["status", "limit", "cursor"])?;
    let caller = call.caller()?;
    let status = match query.text("status") {
        None => None,
        Some(text) => Some(views::parse_status(text).ok_or_else(|| {
            let detail = format!(
                "`status` is `{}`; it is pending, approved, denied, expired or cancelled",
                short(text)
            );
            Problem::request(detail)
        })?),
    };
    let by = (caller.agent.is_none() && caller.role == KeyRole::Agent).then(|| caller.name.clone());
    let (realm, agent, before, now) = (caller.realm, caller.agent.clone(), cursor(&query)?, call.now());
    let asked = Asked { realm, agent, by, status, before, now };
    let limit = query.limit(50, 500)?;
    let page = if status == Some(Standing::Pending) && before.is_none() {
        let open = call.app.gate.desk.ask(move |books| {
            let open = books
                .approvals()
                .filter(|(_, it)| it.realm == realm && it.standing(now) == Standing::Pending);
            open.map(|(at, _)| at).collect::<Vec<Index>>()
        });
        let open = open.await.map_err(|halt| halted(&halt))?;
        call.app.reading.ask(move |reader| views::approvals_at(reader, open, &asked)).await
    } else {
        call.app.reading.ask(move |reader| views::approvals(reader, &asked, limit)).await
    };
    reply::json(&page.map_err(unread)?)
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["wait_s"])?;
    let at = id(&call)?;
    let wait = query.number("wait_s")?.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_WAIT);
    let until = Instant::now() + wait;
    // Subscribed before the first look: what happens in between is not missed.
    let mut moved = call.app.gate.desk.moved();
    let mut closing = call.app.closing.subscribe();
    loop {
        moved.mark_unchanged();
        let view = read(&call, at).await?;
        if view.status != Standing::Pending || Instant::now() >= until {
            return reply::json(&view);
        }
        let expires =
            Duration::from_micros(u64::try_from(view.expires.saturating_sub(call.now())).unwrap_or(0));
        let over = until.min(Instant::now() + expires + Duration::from_millis(1));
        tokio::select! {
            changed = moved.changed() => match changed {
                Ok(()) => tokio::time::sleep(BREATH).await,
                Err(_) => return reply::json(&view),
            },
            // The server is stopping: whoever waits asks again, here or elsewhere.
            () = async { let _closed = closing.wait_for(|closing| *closing).await; } => return reply::json(&view),
            () = tokio::time::sleep_until(over) => (),
        }
    }
}

pub(super) async fn approve(call: Call) -> Result<Reply, Problem> {
    answer(call, true).await
}

pub(super) async fn deny(call: Call) -> Result<Reply, Problem> {
    answer(call, false).await
}

async fn answer(call: Call, approve: bool) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let of = id(&call)?;
    let AnswerRequest { message } = match call.body.is_empty() {
        true => AnswerRequest::default(),
        false => wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?,
    };
    let person = call.caller()?.person();
    // What is over for long is not on the books any more, and is still no mystery.
    let before = read(&call, of).await?;
    let command = Command::Answer { of, approve, person, message };
    let obeyed = call.app.gate.desk.obey(command).await.map_err(|halt| halted(&halt))?;
    if let Err(refusal) = obeyed {
        return Err(match (&refusal, before.status) {
            (verdict::Refusal::NotFound(_), status) if status != Standing::Pending => {
                Problem::conflict(format!("approval `apr_{of}` is over"))
            }
            _ => refused(&refusal),
        });
    }
    reply::json(&read(&call, of).await?)
}

/// The question as it stands, if the key may see it.
async fn read(call: &Call, at: Index) -> Result<ApprovalView, Problem> {
    let caller = call.caller()?.clone();
    let now = call.now();
    let found = call.app.reading.ask(move |reader| {
        let own = views::decided(reader, at)?.is_some_and(|(decided, _)| outcome::is_own(&caller, &decided));
        if own { views::approval(reader, caller.realm, at, now) } else { Ok(None) }
    });
    found.await.map_err(unread)?.ok_or_else(|| Problem::not_found(format!("there is no approval `apr_{at}`")))
}

fn id(call: &Call) -> Result<Index, Problem> {
    let text = call.param(0);
    parse_id("apr_", text)
        .ok_or_else(|| Problem::not_found(format!("there is no approval `{}`", short(text))))
}
