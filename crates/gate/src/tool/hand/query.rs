//! `sql.query`: one statement at a database that the policy names.
//!
//! Answerable for a statement doing no more than `access` says, twice over: by what the parser makes of it here, and by
//! what the database itself is told to let through (a transaction that cannot write, an authorizer). Each statement has
//! a connection of its own, so that nothing it sets is there for the next.

mod postgres;
mod sqlite;
mod stream;

use serde_json::{Value, json};
use verdict::hand::{Access, At, Database};
use verdict::{Effect, Json, Outcome, Status};

use super::{Ended, Job, bad, done};
use crate::tool::fault::{Fault, Why};

/// The longest statement, in bytes: a longer one is not parsed.
const LONGEST: usize = inspect::sql::LONGEST;
/// The most values for a statement.
const VALUES: usize = 1_000;

/// One statement with its values, and how much may come back.
struct Statement {
    sql: String,
    /// Null, boolean, number or text.
    values: Vec<Json>,
    access: Access,
    /// True if it only reads, by what the parser says.
    reads: bool,
    rows: usize,
    bytes: usize,
    timeout_ms: u64,
}

/// What came back.
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    /// True if there was more.
    cut: bool,
    /// Rows that were changed.
    changed: Option<u64>,
}

pub(super) async fn ask(job: &Job<'_>, database: &Database) -> Result<Ended, Fault> {
    let dialect = match database.at {
        At::Sqlite(_) => inspect::sql::Dialect::from_name("sqlite"),
        At::Postgres(_) => inspect::sql::Dialect::from_name("postgresql"),
    };
    let sql = job.text("sql")?.to_owned();
    if sql.len() > LONGEST {
        return Err(bad(format!("`args.sql` is longer than {LONGEST} bytes")));
    }
    let reads = within(&inspect::sql::effects(&sql, dialect.unwrap_or_default()), database.access)?;
    let statement = Statement {
        sql,
        values: values(job)?,
        access: database.access,
        reads,
        rows: usize::try_from(database.max_rows).unwrap_or(usize::MAX),
        bytes: usize::try_from(job.hand.max_response_bytes).unwrap_or(usize::MAX),
        timeout_ms: job.hand.timeout_ms,
    };
    match &database.at {
        At::Sqlite(path) => sqlite::ask(job, path, statement).await,
        At::Postgres(source) => postgres::ask(job, source, &statement).await,
    }
}

/// True if it only reads. The error says what it would do beyond what it may.
fn within(effects: &[Effect], access: Access) -> Result<bool, Fault> {
    let mut reads = true;
    for effect in effects {
        let needed = match effect.kind.as_ref() {
            "sql.read" => continue,
            "sql.write" => Some(Access::Write),
            "sql.schema" => Some(Access::Schema),
            _ => None,
        };
        reads = false;
        if needed.is_none_or(|needed| needed > access) {
            let known = verdict::KINDS.iter().find(|(kind, ..)| *kind == effect.kind);
            let what = known.map_or("does what nobody can tell", |(_, _, what)| what);
            let why =
                format!("the statement {what}, and `access` in the tool's declaration does not go so far");
            return Err(bad(why));
        }
    }
    Ok(reads)
}

fn values(job: &Job<'_>) -> Result<Vec<Json>, Fault> {
    let list = match job.args.at(&["params".to_owned()]) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::List(list)) if list.len() <= VALUES => list,
        Some(_) => return Err(bad(format!("`args.params` is a list of at most {VALUES} values"))),
    };
    match list.iter().find(|it| matches!(it, Json::List(_) | Json::Map(_))) {
        Some(odd) => {
            Err(bad(format!("`args.params` has {}; write null, booleans, numbers and texts", odd.kind())))
        }
        None => Ok(list.clone()),
    }
}

/// Takes rows in until there are too many, or too many bytes of them.
struct Taking<'s> {
    statement: &'s Statement,
    answer: Answer,
    bytes: usize,
}

impl<'s> Taking<'s> {
    fn new(statement: &'s Statement, columns: Vec<String>) -> Self {
        let answer = Answer { columns, rows: Vec::new(), cut: false, changed: None };
        Self { statement, answer, bytes: 0 }
    }

    /// Takes a row in; false if that was one too many.
    fn take(&mut self, row: Vec<Value>) -> bool {
        let size = |value: &Value| match value {
            Value::String(text) => text.len(),
            Value::Array(_) | Value::Object(_) => value.to_string().len(),
            _ => 8,
        };
        self.bytes = self.bytes.saturating_add(row.iter().map(size).sum());
        if self.answer.rows.len() >= self.statement.rows || self.bytes > self.statement.bytes {
            self.answer.cut = true;
            return false;
        }
        self.answer.rows.push(row);
        true
    }
}

fn told(answer: &Answer) -> Ended {
    done(&match answer.changed {
        Some(changed) => json!({"changed": changed}),
        None => json!({"columns": answer.columns, "rows": answer.rows, "cut": answer.cut}),
    })
}

/// The database refuses the statement, in its own words: the agent mends it by them, and the screens look at them as at
/// any other result. Its transaction was given up: nothing of it stays.
fn refused(words: &str, code: Option<&str>) -> Ended {
    let (outcome, _) = done(&json!({"error": words, "code": code}));
    let message = "the database refuses the statement; its own words are in `result`";
    let outcome = Outcome { status: Status::Failed, error: Some(message.to_owned()), ..outcome };
    (outcome, Some(Fault::new(Why::Rejected, message)))
}
