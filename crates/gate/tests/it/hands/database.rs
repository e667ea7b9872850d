//! `sql.query` on SQLite: what reads, what may write, and what no statement does.

use serde_json::{Value, json};

use super::{call, gate_on, workspace};

fn refused(answer: &Value) -> bool {
    answer["decision"] == "deny" || answer["status"] == "failed" || answer["status"] == "cancelled"
}

#[test]
fn sqlite_statements_do_what_access_says_and_no_more() {
    let ws = workspace("sqlite");
    let file = ws.join("shop.db");
    let made = rusqlite_file(&file);
    let place = file.display();
    let served = gate_on(
        &format!(
            "  sql.query: {{database: {{sqlite: {place}, max_rows: 3}}, timeout_ms: 2000}}\n  \
             sql.change: {{database: {{sqlite: {place}, access: write}}}}\n  \
             sql.build: {{database: {{sqlite: {place}, access: schema}}}}\n"
        ),
        "",
        None,
    );
    let read = call(
        &served,
        "sql.query",
        &json!({"sql": "SELECT id, name, price, NULL AS n FROM items WHERE id > ? ORDER BY id", "params": [1]}),
    );
    assert_eq!(
        read["result"],
        json!({"columns": ["id", "name", "price", "n"], "rows": [[2, "b", 2.5, null], [3, "c", 3.5, null]], "cut": false}),
        "{read}"
    );
    let cut = call(
        &served,
        "sql.query",
        &json!({"sql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) SELECT i FROM n"}),
    );
    assert_eq!(
        (&cut["result"]["cut"], cut["result"]["rows"].as_array().unwrap().len()),
        (&json!(true), 3),
        "{cut}"
    );
    let outside = ws.join("out.db");
    for sql in [
        "DELETE FROM items".to_owned(),
        "INSERT INTO items VALUES (9, 'x', 1)".to_owned(),
        "SELECT 1; DELETE FROM items".to_owned(),
        "DROP TABLE items".to_owned(),
        format!("ATTACH '{}' AS o", outside.display()),
        format!("VACUUM INTO '{}'", outside.display()),
        "PRAGMA writable_schema = 1".to_owned(),
        "PRAGMA query_only = OFF".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "COMMIT".to_owned(),
        "nonsense".to_owned(),
        String::new(),
    ] {
        let answer = call(&served, "sql.query", &json!({"sql": sql}));
        assert!(refused(&answer), "{sql}: {answer}");
    }
    for sql in ["DROP TABLE items", "ATTACH ':memory:' AS o", "PRAGMA writable_schema = 1", "COMMIT"] {
        let answer = call(&served, "sql.change", &json!({"sql": sql}));
        assert!(refused(&answer), "{sql}: {answer}");
    }
    let late = call(
        &served,
        "sql.query",
        &json!({"sql": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"}),
    );
    assert_eq!((&late["status"], &late["error"]["code"]), (&json!("failed"), &json!("timeout")), "{late}");
    let changed =
        call(&served, "sql.change", &json!({"sql": "UPDATE items SET price = price + 1 WHERE id < 3"}));
    assert_eq!(changed["result"]["changed"], 2, "{changed}");
    let given = call(&served, "sql.change", &json!({"sql": "DELETE FROM items WHERE id = 3 RETURNING name"}));
    assert_eq!(given["result"]["rows"], json!([["c"]]), "{given}");
    let odd = call(&served, "sql.change", &json!({"sql": "INSERT INTO items VALUES (1, 'x', 1)"}));
    assert!(odd["result"]["error"].as_str().unwrap().contains("UNIQUE"), "{odd}");
    assert_eq!(call(&served, "sql.build", &json!({"sql": "CREATE TABLE more (x)"}))["status"], "success");
    let left: i64 = made.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).unwrap();
    assert!(left == 2 && !outside.exists());
}

/// No tool reads the gate's own ledger, whatever the policy says.
#[test]
fn the_gates_own_ledger_is_no_database() {
    let ws = workspace("ledger");
    let file = ws.join("ledger.db");
    let _made = rusqlite_file(&file);
    let place = std::sync::Arc::new(crate::http_client::Folder::new());
    let policy = format!(
        "version: 1\ntools:\n  sql.query: {{database: {{sqlite: {}}}}}\nagents:\n  bot:\n    rules: [{{name: may, allow: '*'}}]\n",
        file.display()
    );
    let ground = gate::tool::Ground { folder: None, own: vec![file], helper: None };
    let served = crate::http_client::Served::start_on(place, &policy, None, ground);
    let answer = call(&served, "sql.query", &json!({"sql": "SELECT * FROM items"}));
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!("cancelled"), &json!("not_ready")),
        "{answer}"
    );
}

fn rusqlite_file(path: &std::path::Path) -> rusqlite::Connection {
    let _old = std::fs::remove_file(path);
    let made = rusqlite::Connection::open(path).unwrap();
    made.execute_batch(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price REAL);
         INSERT INTO items VALUES (1, 'a', 1.5), (2, 'b', 2.5), (3, 'c', 3.5);",
    )
    .unwrap();
    made
}
