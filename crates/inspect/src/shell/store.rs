//! Clients of databases: the statements and commands that they are given.

use verdict::{Effect, Target};

use super::field::{Feed, Field, UNKNOWN, joined};
use super::options::{self, Args, Style};
use super::store_files::{client_files, keywords, sqlite_files};
use super::walk::Walk;
use super::{calls, reach};

/// Client, dialect, options whose value is a statement, options whose value is a file of them, other options that
/// take a value, and whether words that are no options are statements.
type Client = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    bool,
);

const CLIENTS: &[Client] = &[
    (
        "psql",
        "postgres",
        &["-c", "--command"],
        &["-f", "--file"],
        &[
            "-h",
            "-p",
            "-U",
            "-d",
            "-v",
            "-o",
            "-L",
            "-P",
            "-F",
            "-R",
            "-T",
            "--host",
            "--port",
            "--username",
            "--dbname",
            "--set",
            "--output",
            "--log-file",
            "--variable",
            "--pset",
            "--field-separator",
            "--record-separator",
            "--table-attr",
        ],
        false,
    ),
    ("pgcli", "postgres", &["-c", "--command"], &[], &["-h", "-p", "-U", "-u", "-d"], false),
    (
        "mysql",
        "mysql",
        &["-e", "--execute", "--init-command"],
        &[],
        &[
            "-h",
            "-P",
            "-u",
            "-D",
            "-S",
            "--host",
            "--port",
            "--user",
            "--database",
            "--socket",
            "--tee",
            "--defaults-file",
            "--defaults-extra-file",
            "--ssl-ca",
            "--ssl-cert",
            "--ssl-key",
            "--plugin-dir",
        ],
        false,
    ),
    (
        "mariadb",
        "mysql",
        &["-e", "--execute", "--init-command"],
        &[],
        &[
            "-h",
            "-P",
            "-u",
            "-D",
            "-S",
            "--host",
            "--port",
            "--user",
            "--database",
            "--tee",
            "--defaults-file",
        ],
        false,
    ),
    ("mycli", "mysql", &["-e", "--execute"], &[], &["-h", "-P", "-u", "-D"], false),
    ("sqlite3", "sqlite", &["-cmd"], &["-init"], &["-separator", "-nullvalue", "-newline"], true),
    ("sqlite", "sqlite", &["-cmd"], &["-init"], &["-separator"], true),
    ("duckdb", "duckdb", &["-c", "-s", "-cmd"], &["-f", "-init"], &["-separator"], true),
    ("sqlcmd", "mssql", &["-Q", "-q"], &["-i"], &["-S", "-U", "-P", "-d", "-o"], false),
    (
        "clickhouse-client",
        "clickhouse",
        &["-q", "--query"],
        &["--queries-file"],
        &["-h", "-u", "-d", "--host", "--port", "--user", "--password", "--database"],
        false,
    ),
    (
        "clickhouse",
        "clickhouse",
        &["-q", "--query"],
        &["--queries-file"],
        &["-h", "-u", "-d", "--host", "--port"],
        false,
    ),
    (
        "cockroach",
        "postgres",
        &["-e", "--execute"],
        &["-f", "--file"],
        &["--url", "--host", "-d", "--database"],
        false,
    ),
    ("bq", "bigquery", &[], &[], &["--project_id", "--format", "--location"], false),
    (
        "snowsql",
        "snowflake",
        &["-q", "--query"],
        &["-f", "--filename"],
        &["-a", "-u", "-d", "-s", "-w", "-r", "-c"],
        false,
    ),
    ("snow", "snowflake", &["-q", "--query"], &["-f", "--filename"], &["-c", "--connection"], false),
    ("cqlsh", "ansi", &["-e", "--execute"], &["-f", "--file"], &["-u", "-p", "-k", "--keyspace"], false),
    ("trino", "ansi", &["--execute"], &["-f", "--file"], &["--server", "--catalog", "--schema"], false),
    ("presto", "ansi", &["--execute"], &["-f", "--file"], &["--server", "--catalog", "--schema"], false),
    ("hive", "hive", &["-e"], &["-f", "-i"], &["--database"], false),
    ("beeline", "hive", &["-e"], &["-f", "-i"], &["-u", "-n", "-p", "-d"], false),
    ("spark-sql", "spark", &["-e"], &["-f"], &["--master"], false),
    ("usql", "ansi", &["-c", "--command"], &["-f", "--file"], &["-o"], false),
    ("influx", "influx", &["-execute"], &[], &["-host", "-port", "-database"], false),
    ("osqueryi", "sqlite", &[], &[], &[], true),
];

/// A client, and the statements that it is given.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "redis-cli" | "valkey-cli" | "keydb-cli" => redis(walk, fields, feed),
        "mongosh" | "mongo" => mongo(walk, fields, feed),
        "dropdb" | "dropuser" | "createdb" | "createuser" => pg_tools(walk, name, fields),
        "mysqladmin" | "mariadb-admin" => admin(walk, fields),
        _ => {
            let Some(client) = CLIENTS.iter().find(|(known, ..)| *known == name) else { return false };
            sql(walk, client, fields, feed);
        }
    }
    true
}

fn sql(walk: &mut Walk<'_>, client: &Client, fields: &[Field], feed: &Feed) {
    let (name, dialect, statements, files, others, words) = client;
    let values: Vec<&str> = statements.iter().chain(*files).chain(*others).copied().collect();
    let style = Style {
        single: matches!(*name, "sqlite3" | "sqlite" | "duckdb" | "influx"),
        abbreviates: !*words,
        ..Style::default()
    };
    let args = options::split(fields, &values, style);
    if args.has(&["--help", "--version", "-V", "-?", "-version", "-help"]) {
        return;
    }
    places(walk, client, &args);
    for url in args.rest.iter().chain(&args.values(&["-d", "--dbname", "--url", "-u"])) {
        if !url.is_known() || super::http::is_url(&url.text) {
            walk.connects(&url.text.clone());
        }
    }
    let mut texts = args.values(statements);
    if *words {
        args.rest
            .iter()
            .take(1)
            .filter(|it| !it.text.is_empty() && it.text != ":memory:")
            .for_each(|it| walk.writes(it));
        texts.extend(args.rest.iter().skip(1).cloned());
    } else if *name == "bq" {
        texts.extend(args.rest.iter().skip_while(|it| it.text != "query").skip(1).cloned());
    }
    for file in args.values(files) {
        match walk.content(&file.text) {
            Some(Feed::Text(text)) => texts.push(Field::new(&*text)),
            _ => {
                walk.reads(&file);
                walk.effect(Effect::new("sql.unknown", Target::Unknown).noting("the statements of a file"));
            }
        }
    }
    match feed {
        Feed::Text(text) if texts.is_empty() => texts.push(Field::new(&**text)),
        Feed::Unknown | Feed::Downloaded | Feed::Decoded
            if texts.is_empty() && !args.has(&["-l", "--list"]) =>
        {
            walk.effect(
                Effect::new("sql.unknown", Target::Unknown).noting("statements that come through a pipe"),
            );
        }
        _ => {}
    }
    for text in texts {
        statement(walk, dialect, &text.text);
    }
}

/// The machine and the files that options name.
fn places(walk: &mut Walk<'_>, client: &Client, args: &Args) {
    let (name, dialect, ..) = client;
    let is_mysql = matches!(*name, "mysql" | "mariadb" | "mycli");
    let ports: &[&str] = if is_mysql { &["-P", "--port"] } else { &["-p", "--port"] };
    let port = args.values(ports).pop().filter(|_| !matches!(*name, "sqlcmd" | "snowsql")).map(|it| it.text);
    let port = port.unwrap_or_else(|| usual_port(dialect).to_owned());
    for host in args.values(&["-h", "--host", "-S", "--server", "-a"]) {
        if host.text.starts_with('/') {
            walk.writes(&host);
        } else if *name == "sqlcmd" {
            // `tcp:host,port`, `host\instance`.
            let host = host.text.trim_start_matches("tcp:").split('\\').next().unwrap_or_default();
            walk.connects(&host.replace(',', ":"));
        } else if host.text.contains(':') || port.is_empty() {
            walk.connects(&host.text.clone());
        } else {
            walk.connects(&format!("{}:{port}", host.text));
        }
    }
    let outputs = ["-o", "--output", "-L", "--log-file", "--tee", "--pager-log"];
    args.values(&outputs).iter().for_each(|it| walk.writes(it));
    let configs =
        ["--defaults-file", "--defaults-extra-file", "--init-file", "-C", "--config", "--config-file"];
    args.values(&configs).iter().for_each(|it| walk.reads(it));
    for words in args.rest.iter().chain(&args.values(&["-d", "--dbname"])) {
        keywords(walk, &words.text);
    }
}

fn usual_port(dialect: &str) -> &'static str {
    match dialect {
        "postgres" => "5432",
        "mysql" => "3306",
        "clickhouse" => "9000",
        _ => "",
    }
}

fn statement(walk: &mut Walk<'_>, dialect: &str, text: &str) {
    // What a client's own commands run: `\! command`, `.shell command`, `system command`.
    for line in text.lines() {
        let line = line.trim();
        let shell =
            ["\\!", ".shell ", ".system ", "system ", "! "].iter().find_map(|it| line.strip_prefix(it));
        if let Some(command) = shell {
            walk.apart(|walk| walk.text(command.trim_end_matches(';'), Feed::Nothing));
        }
        client_files(walk, line);
        if let Some((_, command)) = line.split_once("PROGRAM '").or_else(|| line.split_once("program '")) {
            let command = command.split('\'').next().unwrap_or_default().to_owned();
            walk.apart(|walk| walk.text(&command, Feed::Nothing));
        }
    }
    if matches!(dialect, "sqlite" | "duckdb") {
        sqlite_files(walk, text);
    }
    if text.contains(UNKNOWN) {
        walk.effect(
            Effect::new("sql.unknown", Target::Unknown)
                .noting("a statement that is put together only when it runs"),
        );
    }
    for effect in reach::sql(text, dialect) {
        walk.effect(effect);
    }
}

const REDIS_LOSES: &[&str] = &["FLUSHALL", "FLUSHDB"];
const REDIS_READS: &[&str] = &[
    "GET", "MGET", "KEYS", "SCAN", "INFO", "PING", "TTL", "TYPE", "EXISTS", "LRANGE", "SMEMBERS", "HGETALL",
    "HGET", "ZRANGE", "DBSIZE", "LLEN", "SCARD", "MONITOR", "TIME", "CLIENT", "SLOWLOG", "MEMORY", "STRLEN",
    "HKEYS", "HVALS", "ZCARD", "PTTL", "OBJECT", "COMMAND", "ROLE", "LASTSAVE", "XRANGE", "XLEN", "XINFO",
];

fn redis(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = [
        "-h",
        "-p",
        "-s",
        "-a",
        "-u",
        "-r",
        "-i",
        "-n",
        "-d",
        "-D",
        "--user",
        "--pass",
        "--cacert",
        "--cert",
        "--key",
        "--eval",
        "--pattern",
        "--rdb",
        "--functions-rdb",
        "--cacertdir",
        "--sni",
        "--askpass-command",
    ];
    let args = options::split(fields, &values, Style { first: true, ..Style::default() });
    let port = args.values(&["-p"]).pop().map_or_else(|| "6379".to_owned(), |it| it.text);
    let hosts = args.values(&["-h"]);
    args.values(&["-u"]).iter().for_each(|it| walk.connects(&it.text));
    hosts.iter().for_each(|it| walk.connects(&format!("{}:{port}", it.text)));
    args.values(&["-s"]).iter().for_each(|it| walk.writes(it));
    if hosts.is_empty() && !args.has(&["-u", "-s"]) {
        walk.connects(&format!("127.0.0.1:{port}"));
    }
    args.values(&["--cacert", "--cert", "--key", "--eval"]).iter().for_each(|it| walk.reads(it));
    args.values(&["--rdb", "--functions-rdb"]).iter().for_each(|it| walk.writes(it));
    if !args.rest.is_empty() {
        return redis_command(walk, &args.rest);
    }
    if let Feed::Text(text) = feed {
        for line in text.lines() {
            let words: Vec<Field> = line.split_whitespace().map(Field::new).collect();
            redis_command(walk, &words);
        }
    }
}

fn redis_command(walk: &mut Walk<'_>, words: &[Field]) {
    let Some(first) = words.first() else { return };
    let verb = first.text.to_ascii_uppercase();
    let second = words.get(1).map_or_else(String::new, |it| it.text.to_ascii_uppercase());
    let name = Target::Named(joined(words.get(..2).unwrap_or(words), " "));
    let is_loss = REDIS_LOSES.contains(&verb.as_str())
        || matches!(
            (verb.as_str(), second.as_str()),
            ("SCRIPT" | "FUNCTION", "FLUSH") | ("DEBUG", "SEGFAULT" | "FLUSHALL") | ("CLUSTER", "RESET")
        )
        || verb == "SHUTDOWN";
    if is_loss {
        walk.effect(Effect::new("cloud.delete", name).destroying("empties or stops a database"));
    } else if matches!(
        (verb.as_str(), second.as_str()),
        ("CONFIG", "SET") | ("SLAVEOF" | "REPLICAOF" | "MODULE", _)
    ) {
        walk.effect(Effect::new("cloud.change", name).noting("changes how a database works"));
    } else if !REDIS_READS.contains(&verb.as_str()) {
        walk.effect(Effect::new("cloud.change", name));
    }
}

const MONGO_LOSES: &[&str] = &[
    "dropDatabase(",
    ".drop()",
    ".drop({",
    "deleteMany({})",
    ".remove({})",
    "dropAllUsers(",
    "dropUser(",
    "dropIndexes(",
    "dropCollection(",
];
const MONGO_WRITES: &[&str] = &[
    "insert",
    "update",
    "replaceOne",
    "deleteOne",
    "deleteMany",
    "remove(",
    "createIndex",
    "renameCollection",
    "bulkWrite",
];

fn mongo(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = [
        "--eval",
        "--host",
        "--port",
        "-u",
        "-p",
        "--username",
        "--password",
        "--authenticationDatabase",
        "-f",
        "--file",
    ];
    let args = options::split(fields, &values, Style::default());
    let port = args.values(&["--port"]).pop().map_or_else(|| "27017".to_owned(), |it| it.text);
    let hosts = args.values(&["--host"]);
    for host in hosts.iter().flat_map(|it| it.text.rsplit('/').next().unwrap_or_default().split(',')) {
        walk.connects(&if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") });
    }
    for word in &args.rest {
        match word.text.split_once('/') {
            _ if word.text.contains("://") => walk.connects(&word.text),
            _ if word.text.ends_with(".js") || word.text.ends_with(".mongodb") => walk.reads(word),
            Some((host, _)) => walk.connects(host),
            None => {}
        }
    }
    if hosts.is_empty() && !args.rest.iter().any(|it| it.text.contains('/')) && !args.has(&["--nodb"]) {
        walk.connects(&format!("127.0.0.1:{port}"));
    }
    args.values(&["-f", "--file", "--tlsCAFile", "--tlsCertificateKeyFile"])
        .iter()
        .for_each(|it| walk.reads(it));
    let mut texts = args.values(&["--eval"]);
    if let Feed::Text(text) = feed {
        texts.push(Field::new(&**text));
    }
    for text in texts {
        let flat: String = text.text.split_whitespace().collect();
        if MONGO_LOSES.iter().any(|it| flat.contains(it)) {
            walk.effect(
                Effect::new("cloud.delete", Target::Named("mongodb".to_owned()))
                    .destroying("drops or empties what a database holds"),
            );
        } else if flat.contains("shutdownServer") || flat.contains("fsync") {
            walk.effect(
                Effect::new("cloud.change", Target::Named("mongodb".to_owned()))
                    .destroying("stops a database"),
            );
        } else if MONGO_WRITES.iter().any(|it| flat.contains(it)) {
            walk.effect(Effect::new("cloud.change", Target::Named("mongodb".to_owned())));
        } else {
            walk.effect(Effect::new("cloud.read", Target::Named("mongodb".to_owned())));
        }
        calls::scan(walk, &text.text);
    }
}

fn pg_tools(walk: &mut Walk<'_>, name: &str, fields: &[Field]) {
    let args = options::split(
        fields,
        &["-h", "-p", "-U", "-O", "-E", "-T", "--host", "--port", "--username", "--maintenance-db"],
        Style::default(),
    );
    if args.has(&["--help", "--version", "-V", "-?"]) {
        return;
    }
    let port = args.values(&["-p", "--port"]).pop().map_or_else(|| "5432".to_owned(), |it| it.text);
    for host in args.values(&["-h", "--host"]) {
        if host.text.starts_with('/') {
            walk.writes(&host)
        } else {
            walk.connects(&format!("{}:{port}", host.text))
        }
    }
    let target = args
        .rest
        .first()
        .map_or(Target::None, |it| it.known().map_or(Target::Unknown, |it| Target::Named(it.to_owned())));
    walk.effect(match name {
        "dropdb" => Effect::new("sql.schema", target).destroying("drops a database"),
        "dropuser" => Effect::new("sql.admin", target).destroying("drops a user of a database"),
        "createdb" => Effect::new("sql.schema", target),
        _ => Effect::new("sql.admin", target),
    });
}

fn admin(walk: &mut Walk<'_>, fields: &[Field]) {
    let args =
        options::split(fields, &["-h", "-P", "-u", "-S", "--host", "--user", "--port"], Style::default());
    let port = args.values(&["-P", "--port"]).pop().map_or_else(|| "3306".to_owned(), |it| it.text);
    args.values(&["-h", "--host"]).iter().for_each(|it| walk.connects(&format!("{}:{port}", it.text)));
    let verb = args.rest.first().map_or("", |it| it.text.as_str());
    let target = Target::Named(joined(&args.rest, " "));
    match verb {
        "drop" => walk.effect(Effect::new("sql.schema", target).destroying("drops a database")),
        "shutdown" => walk.effect(Effect::new("sql.admin", target).destroying("stops a database")),
        "ping" | "status" | "version" | "processlist" | "variables" | "extended-status" => {}
        _ => walk.effect(Effect::new("sql.admin", target)),
    }
}
