//! `portcullis run` and `sandbox doctor`, by the real program: what is printed, carried over, held back, decided and
//! put on record.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::cli::{Desk, Said};

/// Where nobody can enter, nobody's runs cannot work: tests that are not root need a folder of their own.
fn workspace(desk: &Desk) -> PathBuf {
    let path = desk.folder.join("ws");
    fs::create_dir_all(&path).unwrap();
    path
}

/// Only root has control groups everywhere; whoever else runs these tests waives what they keep.
fn is_root() -> bool {
    rustix_uid() == 0
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

fn run(desk: &Desk, options: &[&str], script: &str) -> Said {
    let mut args = vec!["run"];
    if !is_root() {
        args.extend(["--accept-missing", "memory"]);
    }
    args.extend(options);
    args.extend(["--", "sh", "-c", script]);
    desk.run(&args)
}

#[test]
fn the_programs_output_and_exit_code_are_its_own() {
    let desk = Desk::new();
    let said = run(&desk, &[], "echo out; echo err >&2; exit 7");
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "out\n", "err\n"));
    assert_eq!(run(&desk, &[], "kill -9 $$").code, 128 + 9);
    assert_eq!(run(&desk, &["--timeout", "1"], "sleep 30").code, 124);
    let said = run(&desk, &["--read", "/nowhere"], "true");
    assert_eq!(said.code, 1, "{}", said.err);
    let missing = desk.run(&["run", "--accept-missing", "memory", "--", "no-such-program"]);
    assert_eq!(missing.code, 125);
    assert!(missing.err.contains("nothing was executed: the program cannot be started"), "{}", missing.err);
}

#[test]
fn stdin_is_copied_and_a_reader_that_goes_away_ends_the_run() {
    let desk = Desk::new();
    let waive: &[&str] = if is_root() { &[] } else { &["--accept-missing", "memory"] };
    let mut cat = desk.command(&[&["run"][..], waive, &["--", "cat"]].concat());
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    cat.stdin.take().unwrap().write_all(b"data\0\xff").unwrap();
    assert_eq!(cat.wait_with_output().unwrap().stdout, b"data\0\xff");
}

#[test]
fn changes_are_carried_over_but_for_what_runs_later() {
    let desk = Desk::new();
    let ws = workspace(&desk);
    fs::create_dir_all(ws.join(".git/hooks")).unwrap();
    fs::write(ws.join("old"), "x").unwrap();
    fs::create_dir(ws.join("dir")).unwrap();
    fs::write(ws.join("dir/inner"), "x").unwrap();
    let script = "rm old; rm -r dir; mkdir dir; echo a > dir/other; echo b > new; chmod 4755 new; \
        echo evil > .git/hooks/pre-commit; echo evil > .bashrc; mkdir .vscode; echo evil > .vscode/tasks.json; \
        ln -s ../../etc/passwd link; ln -s new near; mkfifo pipe; printf x > \"$(printf 'a\\nb')\"; mkdir -p d/e; echo c > d/e/f";
    let said = run(&desk, &["--workspace", ws.to_str().unwrap()], script);
    assert_eq!(said.code, 0, "{}", said.err);
    let there = |path: &str| fs::symlink_metadata(ws.join(path)).is_ok();
    for gone in ["old", "dir/inner", ".git/hooks/pre-commit", ".bashrc", ".vscode", "link", "pipe", "a\nb"] {
        assert!(!there(gone), "{gone}: {}", said.err);
    }
    for made in ["dir/other", "near", "d/e/f"] {
        assert!(there(made), "{made}: {}", said.err);
    }
    // A file that would run with its owner's rights stays away, too.
    assert!(!there("new"));
    for held in [".git/hooks/pre-commit", ".bashrc", ".vscode", "link", "pipe", "new", r"a\nb"] {
        assert!(said.err.contains(&format!("held back: {held}: ")), "{held}: {}", said.err);
    }
}

#[test]
fn discarded_changes_leave_no_trace_and_in_place_there_is_no_layer() {
    let desk = Desk::new();
    let ws = workspace(&desk);
    run(&desk, &["--workspace", ws.to_str().unwrap(), "--discard"], "echo x > made").ok();
    assert_eq!(fs::read_dir(&ws).unwrap().count(), 0);
    run(&desk, &["--workspace", ws.to_str().unwrap(), "--in-place"], "echo x > made").ok();
    assert_eq!(fs::read_to_string(ws.join("made")).unwrap(), "x\n");
}

const POLICY: &str = "\
version: 1
tools:
  shell.run: {args: {command: shell}, sandbox: {workspace: WS, timeout: 10s, require: REQUIRE}}
  net.run: {args: {command: shell}, sandbox: {network: [\"127.0.0.1:PORT\"], require: REQUIRE}}
  workspace.commit: {}
agents:
  bot:
    rules:
      - {name: running, allow: [shell.run, net.run], when: \"!args.command.contains('forbidden')\"}
      - {name: taking, allow: workspace.commit, approval: true}
";

fn policy(desk: &Desk, ws: &Path, port: u16) -> String {
    let require = if is_root() { "all" } else { "[files.read, files.write, network, privileges, time]" };
    let text = POLICY.replace("WS", ws.to_str().unwrap()).replace("PORT", &port.to_string());
    desk.write("run.yaml", &text.replace("REQUIRE", require));
    desk.path("run.yaml").to_str().unwrap().to_owned()
}

fn under(desk: &Desk, policy: &str, options: &[&str], script: &str) -> Said {
    let fixed = ["run", "--policy", policy, "--agent", "bot"];
    desk.run(&[&fixed[..], options, &["--", "sh", "-c", script]].concat())
}

#[test]
fn a_run_is_decided_bounded_by_the_policy_and_on_record_with_what_held() {
    let desk = Desk::new();
    let ws = workspace(&desk);
    let policy = policy(&desk, &ws, 9);
    let said = under(&desk, &policy, &["--workspace", ws.to_str().unwrap()], "pwd; echo x > made; exit 3");
    assert_eq!(
        (said.code, said.out.trim()),
        (3, ws.canonicalize().unwrap().to_str().unwrap()),
        "{}",
        said.err
    );
    assert!(ws.join("made").exists());
    let said = under(&desk, &policy, &[], "echo forbidden > made2");
    assert_eq!(said.code, 125, "{}", said.err);
    assert!(said.err.contains("dec_") && !ws.join("made2").exists(), "{}", said.err);
    // Nothing on the command line widens what the policy says.
    for option in
        [["--read", "/root"], ["--env", "HOME"], ["--accept-missing", "memory"], ["--memory", "4096"]]
    {
        let said = under(&desk, &policy, &option, "true");
        assert_eq!(said.code, 1, "{option:?}: {}{}", said.out, said.err);
    }
    let said = under(&desk, &policy, &["--workspace", "/usr"], "true");
    assert!(said.code == 125 && said.err.contains("is not in it"), "{}", said.err);
    let end = first_end(&desk);
    assert_eq!((&end["exit_code"], &end["changes"][0]["path"]), (&3.into(), &"made".into()), "{end}");
    assert!(end["sandbox"]["files.read"].as_str().unwrap().starts_with("enforced: "), "{end}");
    assert_eq!(end["sandbox"].as_object().unwrap().len(), sandbox::Guarantee::ALL.len());
    assert!(end["cpu_ms"].is_u64() && end["max_rss_kib"].is_u64() && end["written_bytes"].is_u64(), "{end}");
}

#[test]
fn bubblewrap_makes_the_inside_if_the_operator_says_so() {
    let desk = Desk::new();
    let unknown = run(&desk, &["--backend", "docker"], "true");
    assert!(unknown.code != 0 && unknown.err.contains("own, bubblewrap"), "{}", unknown.err);
    if !Path::new("/usr/bin/bwrap").exists() {
        println!("NOT TRIED: bubblewrap, because it is not installed");
        return;
    }
    let refused = run(&desk, &["--backend", "bubblewrap"], "true");
    assert!(refused.code == 125 && refused.err.contains("`disk`"), "{}", refused.err);
    let waived = ["--backend", "bubblewrap", "--accept-missing", "disk", "--report"];
    let said = run(&desk, &waived, "echo out; exit 7");
    assert_eq!((said.code, said.out.as_str()), (7, "out\n"), "{}", said.err);
    assert!(said.err.contains("made by bubblewrap "), "{}", said.err);
    let memory = if is_root() { "" } else { ", memory, cpu" };
    let all = sandbox::Guarantee::ALL.map(|it| it.as_str());
    let kept: Vec<&str> = all.into_iter().filter(|it| *it != "disk" && !memory.contains(it)).collect();
    desk.write(
        "bwrap.yaml",
        &format!(
            "version: 1\ntools:\n  shell.run: {{args: {{command: shell}}, sandbox: {{backend: bubblewrap, require: [{}]}}}}\n\
             agents:\n  bot: {{rules: [{{name: run, allow: shell.run}}]}}\n",
            kept.join(", ")
        ),
    );
    let said = under(&desk, "bwrap.yaml", &[], "echo 42; exit 3");
    assert_eq!((said.code, said.out.as_str()), (3, "42\n"), "{}", said.err);
    // What is exported is what a checkpoint covers: the next run's.
    under(&desk, "bwrap.yaml", &[], "true").ok();
    let end = first_end(&desk);
    assert!(end["sandbox"]["made_by"].as_str().unwrap().starts_with("bubblewrap "), "{end}");
    assert!(end["sandbox"]["disk"].as_str().unwrap().starts_with("partial: "), "{end}");
}

/// What lies beside the first outcome on record.
fn first_end(desk: &Desk) -> serde_json::Value {
    use base64::Engine as _;
    let exported = desk.run(&["ledger", "export"]).ok();
    let mut lines = exported.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let settled =
        lines.find(|line| line["body"].as_str().is_some_and(|body| body.starts_with("{\"settled\"")));
    let payload = settled.unwrap_or_else(|| panic!("no outcome in {}", exported.out))["payload"].clone();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload.as_str().unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["result"].clone()
}

#[test]
fn a_review_is_a_second_action_that_a_person_agrees_to() {
    let desk = Desk::new();
    let ws = workspace(&desk);
    let policy = policy(&desk, &ws, 9);
    let key = desk.key("approver", "alice", &[]);
    for (answer, carried) in [("approve", true), ("deny", false)] {
        let name = format!("made-{answer}");
        let script = format!("echo x > {name}");
        let args = [
            "run",
            "--policy",
            &policy,
            "--agent",
            "bot",
            "--review",
            "--workspace",
            ws.to_str().unwrap(),
            "--",
            "sh",
            "-c",
            &script,
        ];
        let mut command = desk.command(&args);
        let running =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = std::time::Instant::now();
        let id = loop {
            let listed = desk.run_as(&key, &["approvals", "list", "--json"]);
            if let Some(id) = listed.out.split('"').find(|text| text.starts_with("apr_")) {
                break id.to_owned();
            }
            assert!(start.elapsed().as_secs() < 20, "{}", listed.out);
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        assert!(!ws.join(&name).exists(), "before anybody agreed");
        desk.run_as(&key, &["approvals", answer, &id]).ok();
        let ended = running.wait_with_output().unwrap();
        assert_eq!(ws.join(&name).exists(), carried, "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// A server that answers what it was asked.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut head = Vec::new();
            let mut chunk = [0; 1024];
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(n) if n > 0 => head.extend(&chunk[..n]),
                    _ => break,
                }
            }
            let body = String::from_utf8_lossy(&head).lines().take(2).collect::<Vec<_>>().join(" | ");
            let _gone = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

#[test]
fn the_proxy_is_the_only_way_out_and_lets_through_what_is_listed() {
    if !Path::new("/usr/bin/python3").exists() {
        println!("SKIPPED: the proxy from inside, because /usr/bin/python3 is not installed");
        return;
    }
    let desk = Desk::new();
    let port = server();
    let other = server();
    let policy = policy(&desk, &workspace(&desk), port);
    let script = r#"cat > /tmp/t.py <<'EOF'
import os, socket, sys, urllib.request, urllib.error
port, other = sys.argv[1], sys.argv[2]
def get(url):
    try: return urllib.request.urlopen(url, timeout=5).read().decode()
    except urllib.error.HTTPError as e: return e.code
    except Exception as e: return type(e).__name__
print(get(f"http://127.0.0.1:{port}/path?q=1"))
print(get(f"http://127.0.0.1:{other}/"), get("http://localhost:%s/" % port), get("http://169.254.169.254/"), get("http://2130706433:%s/" % port))
def raw(data):
    s = socket.create_connection(("127.0.0.1", 3128), 5); s.sendall(data); s.settimeout(5)
    out = b""
    try:
        while chunk := s.recv(4096): out += chunk
    except Exception: pass
    return out.split(b"\r\n")[0].decode(), len(out)
print(raw(b"CONNECT 127.0.0.1:%s HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n" % port.encode()))
print(raw(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n")[0])
print(raw(b"GET http://127.0.0.1:%s/ HTTP/1.1\r\nHost: evil\r\n\r\n" % port.encode())[0])
def socks(port):
    s = socket.create_connection(("127.0.0.1", 3128), 5); s.sendall(b"\x05\x01\x00"); s.recv(2)
    s.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    return s.recv(10)[1]
print(socks(int(port)), socks(22))
for kind in [(2, 2), (1, 1), (40, 1), (16, 3, 9)]:
    try: socket.socket(*kind); print("made", kind)
    except OSError as e: print(e.errno, end=" ")
try: socket.create_connection(("127.0.0.1", int(port)), 2); print("direct")
except OSError as e: print(e.errno)
EOF
python3 /tmp/t.py "#;
    let said = under(&desk, &policy, &["--tool", "net.run"], &format!("{script}{port} {other}"));
    let wanted = format!(
        "GET /path?q=1 HTTP/1.1 | Host: 127.0.0.1:{port}\n403 403 403 403\n\
         ('HTTP/1.1 200 Connection established', 39)\nHTTP/1.1 403 Forbidden\nHTTP/1.1 400 Bad Request\n0 2\n1 1 1 1 13\n"
    );
    assert_eq!(said.out, wanted, "{}", said.err);
    // Each request stands in the record of the run's end as an effect of it, refused ones too.
    under(&desk, &policy, &[], "true").ok();
    let effects = ends(&desk)[0]["effects"].clone();
    let noted: Vec<(&str, &str)> = effects
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["resource"].as_str().unwrap(), it["note"].as_str().unwrap()))
        .collect();
    let (here, there) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{other}"));
    assert_eq!(noted[0], (here.as_str(), "GET /path"), "{effects}");
    assert!(noted[1].0 == there && noted[1].1.starts_with("GET /: refused: "), "{effects}");
    assert!(noted.iter().any(|it| it.0 == here && it.1.starts_with("CONNECT")), "{effects}");
    assert!(
        noted.iter().any(|it| it.0 == "127.0.0.1:22" && it.1.starts_with("SOCKS: refused: ")),
        "{effects}"
    );
    assert!(effects.as_array().unwrap().iter().all(|it| it["kind"] == "net.connect"), "{effects}");
}

/// The outcomes on record, as they are written there.
fn ends(desk: &Desk) -> Vec<serde_json::Value> {
    let exported = desk.run(&["ledger", "export"]).ok();
    let lines = exported.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let bodies = lines.filter_map(|line| line["body"].as_str().map(str::to_owned));
    bodies
        .filter_map(|body| serde_json::from_str::<serde_json::Value>(&body).unwrap().get("settled").cloned())
        .collect()
}

#[test]
fn the_doctor_prints_the_matrix() {
    let desk = Desk::new();
    let said = desk.run(&["sandbox", "doctor", "--json"]);
    let found = said.json();
    assert_eq!(found["broken"], serde_json::json!([]), "{found}");
    assert!(found["attempts"].as_array().unwrap().len() > 80);
    assert_eq!(said.code, i32::from(!is_root()));
    let said = desk.run(&["sandbox", "doctor"]);
    assert!(said.out.contains("files.read") && said.out.contains("attempts failed"), "{}", said.out);
}

/// The tools behind `mcp --builtin`, asked by a client that knows nothing of us.
#[test]
fn builtin_tools_are_decided_and_stay_in_the_workspace() {
    let desk = Desk::new();
    let ws = workspace(&desk);
    let require = if is_root() { "all" } else { "[files.read, files.write, network, privileges, time]" };
    let shop = desk.path("shop.db");
    let made = rusqlite::Connection::open(&shop).unwrap();
    made.execute_batch("CREATE TABLE items (id INTEGER); INSERT INTO items VALUES (7)").unwrap();
    desk.write(
        "tools.yaml",
        &format!(
            "version: 1\n\
             tools:\n  fs.read: {{args: {{path: fs.read}}}}\n  fs.write: {{args: {{path: fs.write}}}}\n  fs.list: {{args: {{path: fs.read}}}}\n  \
             fs.delete: {{args: {{path: fs.delete}}}}\n  \
             sql.query: {{database: {{sqlite: {}}}}}\n  add: {{exec: [/bin/echo, '{{a}}-{{b}}'], description: Adds}}\n  shell.run: {{args: {{command: shell}}}}\n  code.run: {{effects: [code.run]}}\n\
             agents:\n  bot:\n    sandbox: {{timeout: 20s, require: {require}}}\n    \
             rules: [{{name: r, allow: [fs.read, fs.write, fs.list, shell.run, code.run, sql.query, add]}}]\n    \
             boundaries: {{commands: {{unknown: allow}}}}\n",
            shop.display()
        ),
    );
    let policy = desk.path("tools.yaml");
    let args =
        ["mcp", "--policy", policy.to_str().unwrap(), "--agent", "bot", "--builtin", ws.to_str().unwrap()];
    let mut server = desk.command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to = server.stdin.take().unwrap();
    let mut from = std::io::BufReader::new(server.stdout.take().unwrap());
    let mut id = 0;
    let mut ask = |method: &str, params: serde_json::Value| {
        use std::io::BufRead as _;
        id += 1;
        writeln!(
            to,
            "{}",
            serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        )
        .unwrap();
        loop {
            let mut line = String::new();
            assert!(from.read_line(&mut line).unwrap() > 0, "the server ended");
            let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    };
    let hello = serde_json::json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    assert_eq!(ask("initialize", hello)["result"]["protocolVersion"], "2025-06-18");
    let listed = ask("tools/list", serde_json::json!({}));
    assert!(listed["result"]["tools"].as_array().unwrap().len() >= 5, "{listed}");
    let mut call = |name: &str, given: serde_json::Value| {
        let answer = ask("tools/call", serde_json::json!({"name": name, "arguments": given}));
        answer["result"].clone()
    };
    let written = call("fs.write", serde_json::json!({"path": "a/b.txt", "content": "hello"}));
    assert_eq!(written["structuredContent"]["written"], 5, "{written}");
    assert_eq!(fs::read_to_string(ws.join("a/b.txt")).unwrap(), "hello");
    let ran =
        call("shell.run", serde_json::json!({"command": "cat a/b.txt; cat; echo more > c", "stdin": " in"}));
    assert_eq!(ran["structuredContent"]["stdout"], "hello in", "{ran}");
    assert!(
        ran["structuredContent"]["sandbox"]["network"].as_str().unwrap().starts_with("enforced"),
        "{ran}"
    );
    assert_eq!(fs::read_to_string(ws.join("c")).unwrap(), "more\n");
    if Path::new("/usr/bin/python3").exists() {
        let ran = call("code.run", serde_json::json!({"language": "python", "code": "print(6 * 7)"}));
        assert_eq!(ran["structuredContent"]["stdout"], "42\n", "{ran}");
    }
    let failed = call("shell.run", serde_json::json!({"command": "echo out; exit 4"}));
    assert!(failed["isError"] == true && failed["structuredContent"]["exit_code"] == 4, "{failed}");
    // What the policy declares is offered beside them.
    assert_eq!(
        call("add", serde_json::json!({"a": "x y", "b": "$HOME"}))["structuredContent"]["stdout"],
        "x y-$HOME\n"
    );
    let rows = call("sql.query", serde_json::json!({"sql": "SELECT id FROM items"}));
    assert_eq!(rows["structuredContent"]["rows"], serde_json::json!([[7]]), "{rows}");
    let write = call("sql.query", serde_json::json!({"sql": "DELETE FROM items"}));
    assert_eq!(write["isError"], true, "{write}");
    // What no rule allows, and what leads out, is not done.
    let denied = call("fs.delete", serde_json::json!({"path": "c"}));
    assert!(denied["isError"] == true && ws.join("c").exists(), "{denied}");
    std::os::unix::fs::symlink("/etc/hostname", ws.join("link")).unwrap();
    for path in ["../run.yaml", "link", "/etc/hostname"] {
        let read = call("fs.read", serde_json::json!({"path": path}));
        assert_eq!(read["isError"], true, "{path}: {read}");
    }
    let held = call("fs.write", serde_json::json!({"path": ".git/hooks/pre-commit", "content": "x"}));
    assert_eq!(held["isError"], true, "{held}");
    drop(to);
    assert!(server.wait().unwrap().success());
    let settled = ends(&desk);
    assert!(settled.iter().any(|it| it["status"] == "failed"), "{settled:?}");
}
