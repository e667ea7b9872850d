//! `portcullis serve` and `dev`: they start, follow their policy file, and stop in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ChildStdout;
use std::time::{Duration, Instant};

use crate::cli::{Desk, POLICY, Running};

/// Reads lines until the gate is ready: what was said, and the address.
pub fn ready(running: &mut Running) -> (String, String, BufReader<ChildStdout>) {
    let mut reader = BufReader::new(running.0.stdout.take().unwrap());
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            let mut err = String::new();
            running.0.stderr.as_mut().unwrap().read_to_string(&mut err).unwrap();
            panic!("it never got ready: {said}{err}");
        }
        said.push_str(&line);
        if let Some(address) = line.trim().strip_prefix("portcullis is ready at http://") {
            return (said.clone(), address.to_owned(), reader);
        }
    }
}

fn stop(running: &mut Running) -> i32 {
    let id = rustix::process::Pid::from_raw(i32::try_from(running.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    running.0.wait().unwrap().code().unwrap_or(-1)
}

fn get(address: &str, path: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits for something that another process does in its own time; far longer than it takes.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn in_force(desk: &Desk) -> String {
    desk.run(&["policy", "show", "--json"]).ok().json()["version"].as_str().unwrap().to_owned()
}

fn version_of(desk: &Desk, file: &str) -> String {
    desk.run(&["policy", "check", file, "--json"]).ok().json()["version"].as_str().unwrap().to_owned()
}

#[test]
fn an_edit_comes_into_force_and_a_mistake_does_not() {
    let desk = Desk::new();
    let included = "version: 1\ntools:\n  extra.read: {}\n";
    desk.write("extra.yaml", included);
    let with = |max: u32| {
        POLICY
            .replace("max: 5", &format!("max: {max}"))
            .replace("version: 1", "version: 1\ninclude: [extra.yaml]")
    };
    desk.write("policy.yaml", &with(5));
    let mut serving =
        desk.start(&["serve", "--policy", "policy.yaml", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let (_, _, _out) = ready(&mut serving);
    let first = version_of(&desk, "policy.yaml");
    assert_eq!(in_force(&desk), first);
    // Editors write a new file and rename it over the old one.
    desk.write("new.yaml", &with(6));
    let second = version_of(&desk, "new.yaml");
    std::fs::rename(desk.path("new.yaml"), desk.path("policy.yaml")).unwrap();
    until("the edit", || in_force(&desk) == second);
    // A mistake in an included file leaves everything as it was.
    desk.write("extra.yaml", "version: 1\ntools:\n  extra.read: {efects: [payment]}\n");
    let log = BufReader::new(serving.0.stderr.take().unwrap());
    let mut lines = log.lines();
    let said = lines.find(|line| line.as_ref().unwrap().contains("efects")).unwrap().unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["level"], "ERROR");
    assert!(said["message"].as_str().unwrap().contains("extra.yaml:3:"), "{said}");
    assert_eq!(in_force(&desk), second);
    // And the next edit mends it.
    desk.write("extra.yaml", "version: 1\ntools:\n  extra.read: {effects: [payment]}\n");
    let third = version_of(&desk, "policy.yaml");
    assert_ne!(third, second);
    until("the mended edit", || in_force(&desk) == third);
    assert_eq!(stop(&mut serving), 0);
    desk.run(&["ledger", "verify"]).ok();
}

#[test]
fn dev_can_be_used_as_it_says() {
    let desk = Desk::new();
    let key_of = |said: &str, name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let mut dev = desk.start(&["dev", "--listen", "127.0.0.1:0"]);
    let (said, address, _out) = ready(&mut dev);
    let (admin, test) = (key_of(&said, "admin key"), key_of(&said, "test key"));
    assert!(admin.starts_with("pk_live_") && test.starts_with("pk_test_"), "{said}");
    assert!(said.contains("curl "), "{said}");
    assert!(
        get(&address, "/v1/agents", &admin).starts_with("HTTP/1.1 200"),
        "{}",
        get(&address, "/v1/agents", &admin)
    );
    assert!(get(&address, "/v1/agents", &test).starts_with("HTTP/1.1 200"));
    // The sample is right, and its cases pass.
    desk.run(&["policy", "test", ".portcullis/policy.yaml"]).ok();
    assert_eq!(stop(&mut dev), 0);
    // The next start keeps an edited policy, and the keys of the last one are gone.
    let policy = std::fs::read_to_string(desk.path(".portcullis/policy.yaml")).unwrap();
    desk.write(".portcullis/policy.yaml", &format!("{policy}\n# mine\n"));
    let mut dev = desk.start(&["dev", "--listen", "127.0.0.1:0"]);
    let (said, address, _out) = ready(&mut dev);
    assert!(std::fs::read_to_string(desk.path(".portcullis/policy.yaml")).unwrap().ends_with("# mine\n"));
    assert!(get(&address, "/v1/agents", &admin).starts_with("HTTP/1.1 401"));
    assert!(get(&address, "/v1/agents", &key_of(&said, "admin key")).starts_with("HTTP/1.1 200"));
    assert_eq!(stop(&mut dev), 0);
}

#[test]
fn a_check_beside_a_server_leaves_its_policy_alone() {
    let desk = Desk::new();
    let mut serving = desk.start(&["serve", "--policy", "policy.yaml", "--listen", "127.0.0.1:0"]);
    let (_, address, _out) = ready(&mut serving);
    let before = in_force(&desk);
    desk.write("draft.yaml", &POLICY.replace("max: 5", "max: 500"));
    desk.run(&["check", "--policy", "draft.yaml", "--agent", "support-bot", "--tool", "crm.read"]).ok();
    assert_eq!(in_force(&desk), before);
    // Its kill switch works here as well.
    desk.run(&["agents", "disable", "support-bot"]).ok();
    let said = desk.run(&["check", "--policy", "draft.yaml", "--agent", "support-bot", "--tool", "crm.read"]);
    assert_eq!(said.code, 2);
    // A second server on the same address says so, and has changed nothing.
    desk.run(&["serve", "--policy", "draft.yaml", "--listen", &address]).refused("cannot be listened at");
    assert_eq!(in_force(&desk), before);
    assert_eq!(stop(&mut serving), 0);
}

/// What was put over the API stays in force when the next start begins at a snapshot, with no record after it.
#[test]
fn a_policy_from_the_api_outlives_a_start_from_a_snapshot() {
    use gate::ink::LedgerInk;
    use gate::policy_text;
    use std::sync::Arc;
    use verdict::{Command, Journal, Petition};
    let desk = Desk::new();
    let put = |journal: &mut Journal<LedgerInk>, name: &str, text: &str, file: bool| {
        let text = policy_text::of_text(name, text).unwrap();
        let policy = Arc::new(text.loaded.policy);
        let version = policy.version().clone();
        let line = "main".to_owned();
        let command = Command::Policy { line, policy, text: text.packed, file, by: None, only_after: None };
        journal.sit(1, vec![Petition::Obey(command)]).unwrap();
        version
    };
    let from_file = || Arc::new(policy_text::of_text("p", POLICY).unwrap().loaded.policy);
    let ink = LedgerInk::open(&desk.store()).unwrap();
    let mut journal = Journal::open(ink, "main", from_file()).unwrap();
    put(&mut journal, "p", POLICY, true);
    let second = put(&mut journal, "q", &POLICY.replace("max: 5", "max: 4"), false);
    journal.save_if_due(Some(0)).unwrap();
    drop(journal);
    let ink = LedgerInk::open(&desk.store()).unwrap();
    let mut journal = Journal::open(ink, "main", from_file()).unwrap();
    assert_eq!(*journal.policy().version(), second);
    // The file as it was before does not undo it.
    put(&mut journal, "p", POLICY, true);
    assert_eq!(*journal.policy().version(), second);
}
