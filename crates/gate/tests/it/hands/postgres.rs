//! `sql.query` on a real PostgreSQL server, which this starts; where none is installed it says so.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Workspace, call, gate_on, is_root, workspace};

/// A server, for as long as this lives.
struct Server {
    /// Goes away when the server has been stopped.
    _place: Workspace,
    data: PathBuf,
    port: u16,
    /// Its certificate, in PEM.
    certificate: PathBuf,
}

/// PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

fn program(name: &str) -> Option<Command> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&places).collect();
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    places.extend(packaged.map(|version| version.path().join("bin")));
    let found = places.into_iter().map(|place| place.join(name)).find(|path| path.exists())?;
    let mut command = Command::new(found);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Some(command)
}

fn owned(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {what}-----\n{text}\n-----END {what}-----\n")
}

impl Server {
    fn start() -> Option<Self> {
        let mut initdb = program("initdb")?;
        let place = workspace("postgres-server");
        let data = place.join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        owned(&data);
        let pw = place.join("pw");
        fs::write(&pw, "pass word").unwrap();
        let made = initdb.arg("-D").arg(&data).args(["-U", "owner", "-A", "scram-sha-256", "--no-sync"]);
        let made = made.arg("--pwfile").arg(&pw).status().unwrap();
        assert!(made.success());
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = data.join("server.crt");
        fs::write(&certificate, pem("CERTIFICATE", signed.cert.der())).unwrap();
        fs::write(data.join("server.key"), pem("PRIVATE KEY", &signed.signing_key.serialize_der())).unwrap();
        fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        owned(&certificate);
        owned(&data.join("server.key"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c ssl=on -c fsync=off -p {port}",
            data.display()
        );
        // From here on it is stopped, whatever comes.
        let server = Self { _place: place, data: data.clone(), port, certificate };
        let mut start = program("pg_ctl").unwrap();
        let start =
            start.arg("-D").arg(&data).args(["-w", "-l"]).arg(data.join("log")).arg("-o").arg(options);
        assert!(start.arg("start").status().unwrap().success(), "{:?}", fs::read_to_string(data.join("log")));
        Some(server)
    }

    fn url(&self, rest: &str) -> String {
        format!("postgresql://owner:pass%20word@localhost:{}/postgres{rest}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut stop) = program("pg_ctl") {
            let _stopped = stop.arg("-D").arg(&self.data).args(["-m", "immediate", "stop"]).status();
        }
    }
}

fn refused(answer: &Value) -> bool {
    answer["decision"] == "deny" || answer["status"] == "failed" || answer["status"] == "cancelled"
}

/// What a change gives back is told as for reads; values are values, whatever is in them.
fn what_is_returned(ask: &dyn Fn(&str, &str, Value) -> Value) {
    ask("sql.build", "CREATE TABLE notes (id serial PRIMARY KEY, text text, ok bool, more jsonb)", json!([]));
    let odd = "it's \\' $$ '); DELETE FROM items; --\n\u{e9}";
    let sql = "INSERT INTO notes (text, ok, more) VALUES ($1, $2, $3), ('b', NULL, NULL) RETURNING id, text, ok, more";
    let given = ask("sql.change", sql, json!([odd, true, "{\"a\": [1.5]}"]));
    let rows = json!([[1, odd, true, {"a": [1.5]}], [2, "b", null, null]]);
    assert_eq!(
        given["result"],
        json!({"columns": ["id", "text", "ok", "more"], "rows": rows, "cut": false}),
        "{given}"
    );
    let given =
        ask("sql.change", "UPDATE notes SET text = $1 WHERE id = $2 RETURNING text, text;", json!(["c", 2]));
    assert_eq!(given["result"]["rows"], json!([["c", "c"]]), "{given}");
    let given = ask("sql.change", "DELETE FROM notes WHERE id = 2 RETURNING id -- the last", json!([]));
    assert_eq!(given["result"]["rows"], json!([[2]]), "{given}");
    let with = "WITH made AS (INSERT INTO notes (text) VALUES ($1) RETURNING id) SELECT count(*) FROM made";
    let given = ask("sql.change", with, json!([null]));
    assert_eq!(given["result"]["rows"], json!([[1]]), "{given}");
    for (sql, params) in [
        ("INSERT INTO notes (id) VALUES (1) RETURNING id", json!([])),
        ("INSERT INTO notes (id) VALUES ($1) RETURNING id", json!(["x"])),
        ("INSERT INTO notes (id) VALUES (7) RETURNING id; DELETE FROM items", json!([])),
        ("INSERT INTO notes (text) VALUES ('x') RETURNING repeat('x', 50000000)", json!([])),
    ] {
        let answer = ask("sql.change", sql, params);
        assert!(refused(&answer), "{sql}: {answer}");
    }
    let many = "INSERT INTO notes (text) SELECT 'many' FROM generate_series(1, 20000) RETURNING id";
    let many = ask("sql.change", many, json!([]));
    assert_eq!(many["result"]["cut"], true, "{many}");
    let count = ask("sql.query", "SELECT count(*) FROM notes", json!([]));
    assert_eq!(count["result"]["rows"], json!([[20002]]), "all is changed, and not all is told: {count}");
}

#[test]
fn postgresql_statements_do_what_access_says_and_no_more() {
    let Some(server) = Server::start() else {
        println!("SKIPPED: PostgreSQL, because no initdb is installed");
        return;
    };
    let ws = workspace("postgres");
    let place = |name: &str, text: &str| {
        fs::write(ws.join(name), text).unwrap();
        format!("postgresql: {{file: {}}}", ws.join(name).display())
    };
    let (plain, secured) = (place("plain", &server.url("")), place("tls", &server.url("?sslmode=require")));
    let wrong = place("wrong", &server.url("").replace("pass", "other"));
    let odd = place("odd", "postgresql://no such:thing");
    let ca = server.certificate.display();
    let served = gate_on(
        &format!(
            "  sql.query: {{database: {{{plain}, max_rows: 300}}, timeout_ms: 2000, max_response_bytes: 100000}}\n  \
             sql.change: {{database: {{{plain}, access: write}}}}\n  sql.build: {{database: {{{plain}, access: schema}}}}\n  \
             sql.tls: {{database: {{{secured}}}, ca: {ca}}}\n  sql.untrusted: {{database: {{{secured}}}}}\n  \
             sql.wrong: {{database: {{{wrong}}}}}\n  sql.odd: {{database: {{{odd}}}}}\n"
        ),
        "",
        None,
    );
    let ask =
        |tool: &str, sql: &str, params: Value| call(&served, tool, &json!({"sql": sql, "params": params}));
    let made = ask(
        "sql.build",
        "CREATE TABLE items (id int PRIMARY KEY, name text, ok bool, more jsonb, at date)",
        json!([]),
    );
    assert_eq!(made["status"], "success", "{made}");
    let row = "INSERT INTO items VALUES ($1, $2, $3, $4, $5), (2, NULL, false, '[1]', NULL)";
    let put = ask("sql.change", row, json!([1, "it's", true, "{\"a\": 1.5}", "2024-02-29"]));
    assert_eq!(put["result"]["changed"], 2, "{put}");
    let read = ask(
        "sql.query",
        "SELECT id, name, ok, more, at, 1.5::float8 AS f FROM items WHERE id <= $1 ORDER BY id",
        json!([2]),
    );
    assert_eq!(
        read["result"],
        json!({"columns": ["id", "name", "ok", "more", "at", "f"], "cut": false, "rows": [
            [1, "it's", true, {"a": 1.5}, "2024-02-29", 1.5],
            [2, null, false, [1], null, 1.5],
        ]}),
        "{read}"
    );
    what_is_returned(&ask);
    let shown = ask("sql.query", "SHOW transaction_read_only", json!([]));
    assert_eq!(shown["result"]["rows"], json!([["on"]]), "{shown}");
    let plan = ask("sql.query", " EXPLAIN (COSTS off) SELECT * FROM items WHERE id = 1", json!([]));
    assert!(plan["result"]["rows"][0][0].as_str().is_some_and(|it| it.contains("items")), "{plan}");
    let cut = ask("sql.query", "SELECT i FROM generate_series(1, 100000) AS i", json!([]));
    assert_eq!(
        (&cut["result"]["cut"], cut["result"]["rows"].as_array().map(Vec::len)),
        (&json!(true), Some(300)),
        "{cut}"
    );
    let heavy = ask("sql.query", "SELECT repeat('x', 50000000)", json!([]));
    assert!(heavy["error"]["code"] == "unreadable" || heavy["result"]["cut"] == true, "{heavy}");
    let late = ask("sql.query", "SELECT count(*) FROM generate_series(1, 100000000000)", json!([]));
    assert_eq!((&late["status"], &late["error"]["code"]), (&json!("failed"), &json!("timeout")), "{late}");
    for sql in [
        "DELETE FROM items",
        "SELECT 1; DELETE FROM items",
        "SELECT 1) UNION ALL (SELECT 2; DELETE FROM items",
        "WITH gone AS (DELETE FROM items RETURNING 1) SELECT * FROM gone",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "COPY items TO PROGRAM 'cat > /tmp/x'",
        "COPY items TO '/tmp/x'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "DO $$ BEGIN DELETE FROM items; END $$",
        "CREATE TABLE more (x int)",
        "SELECT nextval('x')",
        "SELECT * INTO copied FROM items",
        "SELECT * FROM items FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM items",
        "EXPLAIN SELECT 1; DELETE FROM items",
        "SHOW all; DELETE FROM items",
        "nonsense",
    ] {
        let answer = ask("sql.query", sql, json!([]));
        assert!(refused(&answer), "{sql}: {answer}");
    }
    for sql in ["DROP TABLE items", "ALTER ROLE owner PASSWORD 'x'", "COPY items TO PROGRAM 'id'", "COMMIT"] {
        let answer = ask("sql.change", sql, json!([]));
        assert!(refused(&answer), "{sql}: {answer}");
    }
    assert_eq!(ask("sql.query", "SELECT count(*) FROM items", json!([]))["result"]["rows"], json!([[2]]));
    // The database's own words come as a result, past the screens; the gate's own sentence has none of them.
    let clash = ask("sql.change", "INSERT INTO items (id) VALUES (1)", json!([]));
    assert!(clash["result"]["error"].as_str().unwrap().contains("items_pkey"), "{clash}");
    assert_eq!(clash["result"]["code"], "23505");
    assert_eq!(
        ask("sql.tls", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", json!([]))["result"]["rows"],
        json!([[true]])
    );
    for tool in ["sql.untrusted", "sql.wrong", "sql.odd"] {
        let answer = ask(tool, "SELECT 1", json!([]));
        assert!(refused(&answer) && !answer.to_string().contains("word"), "{tool}: {answer}");
    }
}
