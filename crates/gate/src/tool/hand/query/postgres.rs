//! A statement at a PostgreSQL server.
//!
//! Answerable for the statement being one statement (the server parses it alone, by the extended protocol), for reads
//! going through a cursor in a transaction that cannot write, and for the connection string and the server's own
//! circumstances being in no message.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Column, SimpleQueryMessage, SimpleQueryRow};
use verdict::{Json, SecretSource, Status};

use super::super::{Ended, Job, ended};
use super::stream::{Counted, Tls};
use super::{Answer, Statement, Taking, refused, told};
use crate::tool::fault::{Fault, Why};
use crate::tool::secret;

/// Rows that are fetched at once.
const AT_ONCE: usize = 200;
/// What a connection says besides rows, in bytes.
const BESIDES: usize = 256 * 1024;
/// How long ending a statement may take.
const ENDING: Duration = Duration::from_secs(2);

type Error = tokio_postgres::Error;

pub(super) async fn ask(job: &Job<'_>, source: &SecretSource, statement: &Statement) -> Result<Ended, Fault> {
    let deadline = Instant::now() + Duration::from_millis(statement.timeout_ms);
    let text = secret::find(job.tools.store(), source).await?;
    let config = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<Config>().ok());
    let config = config.ok_or_else(|| not_ready("the tool's connection string cannot be read"))?;
    let (client, door) = timeout_at(deadline, connect(job, config, statement.bytes))
        .await
        .map_err(|_| Fault::new(Why::Unreachable, "the database did not let the gate in in time"))??;
    let stop = client.cancel_token();
    let (done, sent) = match timeout_at(deadline, carried(&client, statement)).await {
        Ok(done) => done,
        Err(_) => {
            // The server would go on with it.
            let cancel =
                async { stop.cancel_query_raw(door.open(BESIDES).await.ok()?, door.tls()).await.ok() };
            let _gone = timeout(ENDING, cancel).await;
            return Ok(late(statement));
        }
    };
    Ok(match done {
        Ok(answer) => told(&answer),
        Err(error) => failed(&error, sent && !statement.reads),
    })
}

fn not_ready(why: &str) -> Fault {
    Fault::new(Why::NotReady, why)
}

fn late(statement: &Statement) -> Ended {
    let (status, message) = match statement.reads {
        true => (Status::Failed, "the statement took too long and was stopped"),
        false => (Status::Unknown, "the statement took too long; nobody knows whether it was carried out"),
    };
    ended(status, Why::Timeout, message.to_owned())
}

/// What went wrong, in the words of the database: the agent mends its statement by them. `lost`: what breaks now breaks
/// while changes are made to stay.
fn failed(error: &Error, lost: bool) -> Ended {
    match error.as_db_error() {
        Some(said) if said.code().code() == "57014" => {
            ended(Status::Failed, Why::Timeout, "the statement took too long and was stopped".to_owned())
        }
        Some(said) => refused(said.message(), Some(said.code().code())),
        None if lost => {
            let message = "the connection broke while changes were made; nobody knows whether they stay";
            ended(Status::Unknown, Why::NoAnswer, message.to_owned())
        }
        None => {
            let message =
                "the answer is too long, its values do not fit, or the connection broke; nothing was changed";
            ended(Status::Failed, Why::Unreadable, message.to_owned())
        }
    }
}

/// Where a server is.
struct Door {
    host: Host,
    port: u16,
    config: Option<Arc<ClientConfig>>,
}

impl Door {
    async fn open(&self, most: usize) -> std::io::Result<Counted> {
        match &self.host {
            Host::Tcp(host) => Counted::tcp(host, self.port, most).await,
            Host::Unix(folder) => Counted::unix(folder, self.port, most).await,
        }
    }

    fn tls(&self) -> Tls {
        let host = match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(_) => String::new(),
        };
        Tls { config: self.config.clone(), host }
    }
}

/// The first of its hosts that lets the gate in. Off this machine nothing goes out unencrypted, unless the connection
/// string says `sslmode=disable`.
async fn connect(job: &Job<'_>, mut config: Config, bytes: usize) -> Result<(Client, Door), Fault> {
    let (hosts, ports) = (config.get_hosts().to_vec(), config.get_ports().to_vec());
    let asked = config.get_ssl_mode();
    config.application_name("portcullis");
    let mut last = not_ready("the tool's connection string names no host");
    for (n, host) in hosts.into_iter().enumerate() {
        let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
        let here = match &host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            Host::Unix(_) => true,
        };
        let mode = match asked {
            SslMode::Prefer if here => SslMode::Disable,
            SslMode::Prefer => SslMode::Require,
            said => said,
        };
        let trust = match mode {
            SslMode::Disable => None,
            _ => Some(job.tools.0.lines.trust.config(job.hand.ca.as_deref())?),
        };
        let door = Door { host, port, config: trust };
        // All its rows as text, and what is around them.
        let most = bytes.saturating_mul(4).saturating_add(BESIDES);
        let unreachable = || Fault::new(Why::Unreachable, "no connection to the database could be made");
        let Ok(stream) = door.open(most).await else {
            last = unreachable();
            continue;
        };
        match config.ssl_mode(mode).connect_raw(stream, door.tls()).await {
            Ok((client, connection)) => {
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection to a database ended");
                    }
                });
                return Ok((client, door));
            }
            Err(error) => {
                tracing::error!(tool = job.names.0, %error, "a tool's database does not let the gate in");
                last = unreachable();
            }
        }
    }
    Err(last)
}

/// Carries it out in a transaction of its own. True beside it: changes were sent, so that a connection that breaks
/// leaves it open whether they stay.
async fn carried(client: &Client, statement: &Statement) -> (Result<Answer, Error>, bool) {
    let timeout = format!("SET LOCAL statement_timeout = {}", statement.timeout_ms);
    let begin = match statement.reads {
        // Once something was asked, a transaction cannot be made one that writes.
        true => format!("BEGIN READ ONLY; {timeout}; SELECT 1"),
        false => format!("BEGIN READ WRITE; {timeout}"),
    };
    if let Err(error) = client.batch_execute(&begin).await {
        return (Err(error), false);
    }
    if statement.reads {
        let answer = read(client, statement).await;
        let _ended = client.batch_execute("ROLLBACK").await;
        return (answer, false);
    }
    match changed(client, statement).await {
        Ok(answer) => (client.batch_execute("COMMIT").await.map(|()| answer), true),
        Err(error) => {
            // Nothing stays of a transaction that was not committed.
            let _ended = client.batch_execute("ROLLBACK").await;
            (Err(error), false)
        }
    }
}

async fn read(client: &Client, statement: &Statement) -> Result<Answer, Error> {
    // Alone first: the server refuses a text with two statements in it.
    let prepared = client.prepare(&statement.sql).await?;
    let columns = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = prepared.columns().iter().map(|column| column.type_().clone()).collect();
    if statement.values.is_empty() && !has_cursor(&statement.sql) {
        return told_at_once(client, statement, (columns, &types)).await;
    }
    let declare = format!("DECLARE portcullis NO SCROLL CURSOR FOR {}", statement.sql);
    let values: Vec<Given<'_>> = statement.values.iter().map(Given).collect();
    client.execute_raw(&declare, &values).await?;
    let mut taking = Taking::new(statement, columns);
    loop {
        let fetch = format!("FETCH FORWARD {AT_ONCE} FROM portcullis");
        let mut came = 0_usize;
        for message in client.simple_query(&fetch).await? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            came = came.saturating_add(1);
            if !taking.take(shown(&row, &types)) {
                return Ok(taking.answer);
            }
        }
        if came < AT_ONCE {
            return Ok(taking.answer);
        }
    }
}

/// True unless it is one of the statements that tell something and that no cursor can be declared for.
fn has_cursor(sql: &str) -> bool {
    let first: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    !["show", "explain"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// What `SHOW` and `EXPLAIN` tell, in the same transaction that cannot write. The server has taken the text for one
/// statement; it takes no values.
async fn told_at_once(
    client: &Client,
    statement: &Statement,
    (columns, types): (Vec<String>, &[Type]),
) -> Result<Answer, Error> {
    let mut taking = Taking::new(statement, columns);
    for message in client.simple_query(&statement.sql).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        if !taking.take(shown(&row, types)) {
            break;
        }
    }
    Ok(taking.answer)
}

async fn changed(client: &Client, statement: &Statement) -> Result<Answer, Error> {
    // Alone first, as with reads.
    let prepared = client.prepare(&statement.sql).await?;
    if !prepared.columns().is_empty() && has_cursor(&statement.sql) {
        return returned(client, statement, prepared.columns()).await;
    }
    let values: Vec<Given<'_>> = statement.values.iter().map(Given).collect();
    let changed = client.execute_raw(&prepared, &values).await?;
    Ok(Answer { columns: Vec::new(), rows: Vec::new(), cut: false, changed: Some(changed) })
}

/// Carries out what changes rows and gives some back (`RETURNING`). A cursor changes nothing, so that the server keeps the
/// statement under a name, and is told the values in a second one: only then do rows come as text. All that it changes is
/// changed, though not all of what it gives may be told.
async fn returned(client: &Client, statement: &Statement, columns: &[Column]) -> Result<Answer, Error> {
    let types: Vec<Type> = columns.iter().map(|column| column.type_().clone()).collect();
    let names = columns.iter().map(|column| column.name().to_owned()).collect();
    client.batch_execute(&format!("PREPARE portcullis AS {}", statement.sql)).await?;
    let values: Vec<String> = statement.values.iter().map(literal).collect();
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let mut taking = Taking::new(statement, names);
    for message in client.simple_query(&format!("EXECUTE portcullis{values}")).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        if !taking.take(shown(&row, &types)) {
            break;
        }
    }
    // Somebody in between may hand the connection to another.
    client.batch_execute("DEALLOCATE portcullis").await?;
    Ok(taking.answer)
}

/// A value as it stands in a statement: text without a type, which the server reads as whatever stands in its place. Of
/// this form quotes and backslashes mean the same whatever the server's settings are.
fn literal(value: &Json) -> String {
    let text = match value {
        Json::Null => return "NULL".to_owned(),
        Json::Str(text) => text.to_string(),
        other => other.canonical(),
    };
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A row that came as text, as JSON where JSON has the type.
fn shown(row: &SimpleQueryRow, types: &[Type]) -> Vec<Value> {
    let value = |(n, kind): (usize, &Type)| {
        let Ok(Some(text)) = row.try_get(n) else { return Value::Null };
        let plain = || Value::String(text.to_owned());
        match *kind {
            Type::BOOL => Value::Bool(text == "t"),
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 => {
                text.parse::<serde_json::Number>().map_or_else(|_| plain(), Value::Number)
            }
            Type::JSON | Type::JSONB => serde_json::from_str(text).unwrap_or_else(|_| plain()),
            _ => plain(),
        }
    };
    types.iter().enumerate().map(value).collect()
}

/// A value as PostgreSQL takes it: as text, which the server reads as whatever stands in its place.
#[derive(Debug)]
struct Given<'v>(&'v Json);

impl ToSql for Given<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Json::Null => return Ok(IsNull::Yes),
            Json::Str(text) => out.extend_from_slice(text.as_bytes()),
            other => out.extend_from_slice(other.canonical().as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
