//! A statement at an SQLite file.
//!
//! Answerable for the file being opened to be read where that is all that may be done, for the authorizer refusing
//! whatever is not listed (other files, settings, extensions), and for a statement that goes on for too long ending.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use verdict::hand::Access;
use verdict::{Json, Status};

use super::super::{Ended, Job, blocking, ended};
use super::{Answer, Statement, Taking, refused, told};
use crate::tool::fault::{Fault, Why};

/// How long another writer is waited for.
const BUSY: Duration = Duration::from_secs(3);
/// The clock is looked at after so many steps of SQLite's machine.
const STEPS: i32 = 5_000;
/// Functions that reach out of the database, where a build has them.
const OUTSIDE: [&str; 7] =
    ["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zipfile", "lsdir"];

pub(super) async fn ask(job: &Job<'_>, path: &str, statement: Statement) -> Result<Ended, Fault> {
    let not_there =
        || Fault::new(Why::NotReady, "the tool's database file is not there, or cannot be opened");
    let path = Path::new(path).canonicalize().map_err(|_| not_there())?;
    let own = job.tools.0.desktop.ground.own.iter().filter_map(|own| own.canonicalize().ok());
    if own.into_iter().any(|own| path.starts_with(own)) {
        return Err(Fault::new(
            Why::NotReady,
            "the tool's database is the gate's own ledger, which no tool reads",
        ));
    }
    Ok(blocking(move || match asked(&path, &statement) {
        Ok(answer) => told(&answer),
        Err(error) => failed(&error),
    })
    .await)
}

/// What went wrong, in the words of the database: the agent mends its statement by them.
fn failed(error: &rusqlite::Error) -> Ended {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::OperationInterrupted) => {
            ended(Status::Failed, Why::Timeout, "the statement took too long and was stopped".to_owned())
        }
        _ => refused(&error.to_string(), None),
    }
}

fn asked(path: &Path, statement: &Statement) -> rusqlite::Result<Answer> {
    let mut connection = open(path, statement)?;
    let deadline = Instant::now() + Duration::from_millis(statement.timeout_ms);
    connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))?;
    // A write takes its lock at once: it waits here, and not in the middle.
    connection.execute_batch(if statement.reads { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
    let access = if statement.reads { Access::Read } else { statement.access };
    connection.authorizer(Some(move |asks: AuthContext<'_>| judged(&asks.action, access)))?;
    let answer = carried(&connection, statement);
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    let kept = answer.is_ok() && !statement.reads;
    connection.execute_batch(if kept { "COMMIT" } else { "ROLLBACK" })?;
    answer
}

fn open(path: &Path, statement: &Statement) -> rusqlite::Result<Connection> {
    let mode = match statement.reads {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY.min(Duration::from_millis(statement.timeout_ms)))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let length = i32::try_from(statement.bytes).unwrap_or(i32::MAX).max(1 << 20);
    let limits = [
        (Limit::SQLITE_LIMIT_LENGTH, length),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, i32::try_from(super::LONGEST).unwrap_or(1 << 17)),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ];
    for (limit, most) in limits {
        connection.set_limit(limit, most)?;
    }
    if statement.reads {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(connection)
}

/// What SQLite asks about while it compiles a statement. What is not listed is refused.
fn judged(action: &AuthAction<'_>, access: Access) -> Authorization {
    let allowed = match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !OUTSIDE.iter().any(|name| name.eq_ignore_ascii_case(function_name))
        }
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
            access >= Access::Write
        }
        AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => access >= Access::Schema,
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn carried(connection: &Connection, statement: &Statement) -> rusqlite::Result<Answer> {
    let mut prepared = connection.prepare(&statement.sql)?;
    if statement.reads && !prepared.readonly() {
        return Err(rusqlite::Error::InvalidQuery);
    }
    let values = rusqlite::params_from_iter(statement.values.iter().map(Bound));
    if prepared.column_count() == 0 {
        let changed = u64::try_from(prepared.execute(values)?).unwrap_or(u64::MAX);
        return Ok(Answer { columns: Vec::new(), rows: Vec::new(), cut: false, changed: Some(changed) });
    }
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let (mut taking, mut rows) = (Taking::new(statement, columns), prepared.query(values)?);
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|n| row.get_ref(n).map(shown)).collect::<rusqlite::Result<_>>()?;
        // What changes rows is carried through, though not all of what it gives is told.
        if !taking.take(values) && statement.reads {
            break;
        }
    }
    Ok(taking.answer)
}

/// A value as SQLite takes it.
struct Bound<'v>(&'v Json);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Json::Bool(flag) => i64::from(*flag).into(),
            Json::Str(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Json::Int(_) | Json::Float(_) => {
                let text = self.0.canonical();
                match (text.parse::<i64>(), text.parse::<f64>()) {
                    (Ok(n), _) => n.into(),
                    (_, Ok(n)) => n.into(),
                    _ => ToSqlOutput::Borrowed(ValueRef::Null),
                }
            }
            _ => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

fn shown(value: ValueRef<'_>) -> Value {
    use base64::Engine as _;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => json!(n),
        ValueRef::Real(n) => json!(n),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}),
    }
}
