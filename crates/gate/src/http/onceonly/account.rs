//! `/me`, `/usage`, `/metrics`: who calls, and how much was asked for. There is no plan here and nothing to pay.

use hyper::header::{HeaderName, HeaderValue};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use verdict::{Command, DayCount, EventNote, Micro, Micros, PREFERENCES};

use super::read;
use crate::http::dialect::invalid;
use crate::http::problem::{Problem, role_word};
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, decisions, halted, refused};
use crate::wire::Dollars;
use crate::wire::onceonly::Notify;

/// What clients that ask for a plan are told.
const PLAN: &str = "self-hosted";
const X_PLAN: HeaderName = HeaderName::from_static("x-onceonly-plan");
const X_MONTH: HeaderName = HeaderName::from_static("x-onceonly-month");

pub(in crate::http) async fn me(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    reply::json(&of_caller(&call, preferences(&call).await?)?)
}

fn of_caller(call: &Call, preferences: Notify) -> Result<Value, Problem> {
    let caller = call.caller()?;
    Ok(json!({
        "plan": PLAN,
        "name": caller.name,
        "role": role_word(caller.role),
        "agent_id": caller.agent,
        "key_id": caller.key,
        "test": caller.realm == verdict::Realm::Test,
        "email_notifications_enabled": preferences.email_notifications_enabled.unwrap_or(false),
        "tool_error_notifications_enabled": preferences.tool_error_notifications_enabled.unwrap_or(false),
        "run_failure_notifications_enabled": preferences.run_failure_notifications_enabled.unwrap_or(false),
    }))
}

pub(in crate::http) async fn notify(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let wanted = read(&call, Notify::of)?;
    let before = preferences(&call).await?;
    let merged = Notify {
        email_notifications_enabled: wanted
            .email_notifications_enabled
            .or(before.email_notifications_enabled),
        tool_error_notifications_enabled: wanted
            .tool_error_notifications_enabled
            .or(before.tool_error_notifications_enabled),
        run_failure_notifications_enabled: wanted
            .run_failure_notifications_enabled
            .or(before.run_failure_notifications_enabled),
    };
    let text = json!({
        "email_notifications_enabled": merged.email_notifications_enabled,
        "tool_error_notifications_enabled": merged.tool_error_notifications_enabled,
        "run_failure_notifications_enabled": merged.run_failure_notifications_enabled,
    });
    let caller = call.caller()?;
    let note = EventNote {
        t: 0,
        kind: PREFERENCES.to_owned(),
        status: None,
        run: None,
        agent: None,
        tool: None,
        realm: caller.realm,
        by: caller.name.clone(),
        of: None,
    };
    let obeyed = call.app.gate.desk.obey(Command::Event(note, text.to_string())).await;
    obeyed.map_err(|halt| halted(&halt))?.map_err(|refusal| refused(&refusal))?;
    reply::json(&of_caller(&call, merged)?)
}

/// What the caller last said of notifications.
async fn preferences(call: &Call) -> Result<Notify, Problem> {
    let none = Notify {
        email_notifications_enabled: None,
        tool_error_notifications_enabled: None,
        run_failure_notifications_enabled: None,
    };
    let (realm, by) = (call.realm()?, call.caller()?.name.clone());
    let at = call.app.gate.desk.ask(move |books| books.preferences(realm, &by)).await;
    let Some(at) = at.map_err(|halt| halted(&halt))? else { return Ok(none) };
    let read = call.app.reading.ask(move |reader| crate::views::payload_at(reader, at));
    let kept = read.await.map_err(decisions::unread)?.unwrap_or_default();
    let flag = |name: &str| kept.get(name).and_then(Value::as_bool);
    Ok(Notify {
        email_notifications_enabled: flag("email_notifications_enabled"),
        tool_error_notifications_enabled: flag("tool_error_notifications_enabled"),
        run_failure_notifications_enabled: flag("run_failure_notifications_enabled"),
    })
}

pub(in crate::http) async fn usage(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["kind"])?;
    let (month, count) = this_month(&call).await?;
    let mut counts = match query.text("kind").unwrap_or("make") {
        "make" => locks(&count),
        "ai" => tasks(&count),
        _ => return Err(invalid("query", "kind", "must be make or ai")),
    };
    counts.insert("plan".to_owned(), PLAN.into());
    counts.insert("month".to_owned(), month.into());
    reply::json(&counts)
}

pub(in crate::http) async fn usage_all(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let (month, count) = this_month(&call).await?;
    let body = json!({"plan": PLAN, "month": month, "make": locks(&count), "ai": tasks(&count)});
    let mut reply = reply::json(&body)?;
    reply.headers_mut().insert(X_PLAN, HeaderValue::from_static(PLAN));
    if let Ok(month) = HeaderValue::from_str(&month) {
        reply.headers_mut().insert(X_MONTH, month);
    }
    Ok(reply)
}

fn locks(count: &DayCount) -> Map<String, Value> {
    let charged = count.locks.saturating_sub(count.blocked);
    counted(charged, count.locks, count.blocked, charged)
}

fn tasks(count: &DayCount) -> Map<String, Value> {
    counted(count.tasks, count.tasks.saturating_add(count.actions), count.denied, count.tasks)
}

/// Asking after a task changes nothing and is not counted, so how often that was is not known.
fn counted(usage: u64, requests: u64, blocked: u64, charged: u64) -> Map<String, Value> {
    let numbers = [
        ("usage", Value::from(usage)),
        ("limit", Value::Null),
        ("requests_total_month", requests.into()),
        ("blocked_total_month", blocked.into()),
        ("charged_total_month", charged.into()),
        ("polling_total_month", Value::Null),
    ];
    numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect()
}

pub(in crate::http) async fn metrics(call: Call) -> Result<Reply, Problem> {
    let query = Query::read(&call.query, &["from_day", "to_day"])?;
    let day = |name: &str| match query.text(name) {
        None => Ok(None),
        Some(text) => text.parse::<Date>().map(|date| Some(number_of(date))).map_err(|_| {
            let shown = verdict::short(text);
            invalid("query", name, &format!("is `{shown}`; write a day such as 2030-01-31"))
        }),
    };
    let (from, to) = (day("from_day")?.unwrap_or(i64::MIN), day("to_day")?.unwrap_or(i64::MAX));
    let realm = call.realm()?;
    let days = call.app.gate.desk.ask(move |books| {
        let days = books.days(realm).filter(|(day, _)| (from..=to).contains(day));
        days.map(|(day, count)| (day, *count)).collect::<Vec<(i64, DayCount)>>()
    });
    let days = days.await.map_err(|halt| halted(&halt))?;
    let shown = days.into_iter().map(|(day, it)| {
        json!({
            "day": date_of(day).map(|date| date.to_string()),
            "requests": it.locks.saturating_add(it.tasks).saturating_add(it.actions),
            "blocked": it.blocked.saturating_add(it.denied),
            "locks": it.locks,
            "duplicates": it.blocked,
            "leases": it.tasks,
            "actions": it.actions,
            "denied": it.denied,
            "spend_usd": Dollars(it.spent),
        })
    });
    reply::json(&shown.collect::<Vec<Value>>())
}

/// How many tasks were taken this month.
pub(super) async fn tasks_this_month(call: &Call) -> Result<u64, Problem> {
    this_month(call).await.map(|(_, count)| count.tasks)
}

/// The month, UTC, and what happened in it so far.
async fn this_month(call: &Call) -> Result<(String, DayCount), Problem> {
    let today = date_of(call.now().div_euclid(24 * 3_600 * 1_000_000)).ok_or_else(Problem::internal)?;
    let (first, realm) = (number_of(today.first_of_month()), call.realm()?);
    let sum = call.app.gate.desk.ask(move |books| {
        books.days(realm).filter(|(day, _)| *day >= first).fold(DayCount::default(), |sum, (_, day)| {
            DayCount {
                locks: sum.locks.saturating_add(day.locks),
                blocked: sum.blocked.saturating_add(day.blocked),
                tasks: sum.tasks.saturating_add(day.tasks),
                actions: sum.actions.saturating_add(day.actions),
                denied: sum.denied.saturating_add(day.denied),
                spent: Micros(sum.spent.0.saturating_add(day.spent.0)),
            }
        })
    });
    let sum = sum.await.map_err(|halt| halted(&halt))?;
    Ok((format!("{:04}-{:02}", today.year(), today.month()), sum))
}

/// The day that is so many days after 1970-01-01.
fn date_of(day: i64) -> Option<Date> {
    let at: Micro = day.checked_mul(24 * 3_600 * 1_000_000)?;
    let time = jiff::Timestamp::from_microsecond(at).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(time).date())
}

fn number_of(date: Date) -> i64 {
    let midnight = date.at(0, 0, 0, 0);
    let time = jiff::tz::Offset::UTC.to_timestamp(midnight).map_or(0, |time| time.as_second());
    time.div_euclid(24 * 3_600)
}
