//! The command line, by the real program: what every command has in common, and the odd things people type.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, removed in the end, with a store and a policy in it.
pub struct Desk {
    pub folder: PathBuf,
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert!(!said.out.contains('\u{1b}'), "colour without a terminal: {}", said.out);
        said
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
    /// It worked.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
    /// It did not, and said why in one sentence that has `part` in it.
    pub fn refused(self, part: &str) -> Self {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("portcullis: "), "{}", self.err);
        assert!(last.contains(part), "{part:?} is not in: {}", self.err);
        assert!(!last.ends_with('.'), "{last}");
        self
    }
}

pub const POLICY: &str = "\
version: 1
tools:
  crm.read: {}
  stripe.refund: {args: {amount: money}, effects: [payment]}
groups:
  finance: [alice, bob]
agents:
  support-bot:
    owner: support@example.com
    rules:
      - {name: everyday, allow: [crm.read]}
      - {name: small, allow: [stripe.refund], when: args.amount <= 100}
      - {name: large, allow: [stripe.refund], when: args.amount <= 1000, approval: {from: [finance], quorum: 2, timeout: 15m}}
      - {name: never, deny: [users.delete], reason: Accounts are closed by people}
    limits:
      - {meter: actions, max: 5, per: 1h}
";

impl Desk {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("portcullis-cli-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("policy.yaml"), POLICY).unwrap();
        Self { folder }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
    pub fn store(&self) -> PathBuf {
        self.path("store/ledger.db")
    }
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
    /// The program, with nothing of our own environment that could steer it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", &self.folder).current_dir(&self.folder).args(args);
        command.env("PORTCULLIS_STORE", format!("sqlite:{}", self.store().display())).stdin(Stdio::null());
        command
    }
    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }
    pub fn run_as(&self, key: &str, args: &[&str]) -> Said {
        Said::of(self.command(args).env("PORTCULLIS_API_KEY", key).output().unwrap())
    }
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
    /// A check of support-bot's.
    pub fn check(&self, tool: &str, args: &str, more: &[&str]) -> Said {
        let mut all = vec![
            "check",
            "--policy",
            "policy.yaml",
            "--agent",
            "support-bot",
            "--tool",
            tool,
            "--args",
            args,
        ];
        all.extend(more);
        self.run(&all)
    }
    /// Makes a key and gives its secret.
    pub fn key(&self, role: &str, name: &str, more: &[&str]) -> String {
        let mut all = vec!["keys", "create", "--json", "--role", role, "--name", name];
        all.extend(more);
        self.run(&all).ok().json()["secret"].as_str().unwrap().to_owned()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

/// A program that goes on; ended with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Every command that people are told of, as the words that lead to it.
fn commands(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, clap::Command)>) {
    for sub in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let mut words = words.to_vec();
        words.push(sub.get_name().to_owned());
        commands(sub, &words, all);
        if sub.get_subcommands().next().is_none() {
            all.push((words, sub.clone()));
        }
    }
}

fn all_commands() -> Vec<(Vec<String>, clap::Command)> {
    let mut all = Vec::new();
    commands(&gate::cli::command(), &[], &mut all);
    all
}

#[test]
fn every_command_has_help_with_an_example() {
    let desk = Desk::new();
    let all = all_commands();
    assert!(all.len() >= 25, "{}", all.len());
    for (words, _) in all {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let said = desk.run(&args).ok();
        let line = format!("portcullis {}", words.join(" "));
        let (_, examples) = said.out.split_once("Examples:").unwrap_or_else(|| panic!("no examples: {line}"));
        assert!(examples.contains(&line), "the examples of `{line}` do not show it: {examples}");
    }
    assert!(desk.run(&["--help"]).ok().out.contains("Examples:"));
}

#[test]
fn options_have_the_same_names_everywhere() {
    gate::cli::command().debug_assert();
    let flagged =
        |command: &clap::Command, name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
    // What reads or writes state says where; what a program would read is there as JSON.
    let pure = [
        "init",
        "inspect",
        "scan",
        "policy check",
        "policy test",
        "policy schema",
        "policy explain",
        "hook uninstall",
        "sandbox doctor",
        "tools import openapi",
    ];
    let wordless = [
        "dev",
        "serve",
        "mcp",
        "policy schema",
        "agents disable",
        "agents enable",
        "keys revoke",
        "ledger export",
        "ledger proof",
        "ledger checkpoint",
        "ledger key",
        "ledger erase",
        "hook",
        "hook install",
        "hook uninstall",
        // What it prints is the program's.
        "run",
        // What it prints is a policy.
        "tools import openapi",
    ];
    for (words, command) in all_commands() {
        let line = words.join(" ");
        assert_eq!(flagged(&command, "store"), !pure.contains(&line.as_str()), "--store of {line}");
        assert_eq!(flagged(&command, "json"), !wordless.contains(&line.as_str()), "--json of {line}");
    }
}

#[test]
fn what_makes_no_sense_is_one_sentence_and_exit_1() {
    let desk = Desk::new();
    for (args, part) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["run"], "run"),
        (&["replay"], "replay"),
        (&[], "portcullis --help"),
        (&["check"], "--policy"),
        (&["check", "--polcy", "x"], "--polcy"),
        (&["keys", "create", "--role", "king", "--name", "x"], "king"),
        (&["keys"], "--help"),
        (&["serve", "--policy", "policy.yaml", "--listen", "nowhere"], "nowhere"),
        (&["serve", "--policy", "missing.yaml"], "missing.yaml"),
        (&["ledger", "tail", "--store", "postgres://localhost/x"], "PostgreSQL"),
        (&["ledger", "tail", "--store", "what"], "sqlite:PATH"),
        (&["ledger", "tail", "-n", "-1"], "-1"),
        (&["ledger", "proof", "dec_01"], "dec_01"),
        (&["approvals", "approve", "apr_x"], "apr_x"),
        (&["approvals", "show", "18446744073709551616"], "18446744073709551616"),
        (&["mcp", "--policy", "policy.yaml", "--agent", "a"], "COMMAND"),
        (&["policy", "check", "missing.yaml", "--wat"], "--wat"),
    ] {
        let said = desk.run(args).refused(part);
        assert_eq!(
            said.err.lines().filter(|line| line.starts_with("portcullis: ")).count(),
            1,
            "{}",
            said.err
        );
    }
}

#[test]
fn commands_that_look_do_not_found_a_ledger() {
    let desk = Desk::new();
    for args in [
        &["approvals", "list"][..],
        &["approvals", "approve", "apr_1"],
        &["agents", "disable", "support-bot"],
        &["agents", "list"],
        &["tools", "list"],
        &["keys", "list"],
        &["keys", "revoke", "key_1"],
        &["ledger", "tail"],
        &["ledger", "key"],
        &["ledger", "erase", "1"],
        &["policy", "show"],
    ] {
        desk.run(args).refused("there is no ledger at");
        assert!(!desk.store().exists(), "{args:?}");
    }
}

/// Odd texts in the place of every value of every command: refused or taken, and never a panic.
#[test]
fn odd_texts_never_panic() {
    let desk = Desk::new();
    desk.check("crm.read", "{}", &[]).ok();
    let long = "x".repeat(10_000);
    let odd = [
        "",
        " ",
        "-",
        "--",
        "\u{1b}[31m",
        "../..",
        "漢字🦀\u{202e}",
        "{",
        "-1",
        "1e400",
        "dec_",
        long.as_str(),
    ];
    // Those that go on until stopped, and those that read stdin for ever, are left out.
    let left_out = ["dev", "serve", "mcp"];
    for (words, command) in all_commands() {
        if left_out.contains(&words.join(" ").as_str()) {
            continue;
        }
        for text in odd {
            let mut args: Vec<String> = words.clone();
            for arg in command.get_arguments().filter(|arg| arg.is_required_set() || arg.get_id() == "args") {
                if let Some(long) = arg.get_long() {
                    args.push(format!("--{long}={text}"));
                } else {
                    args.push(text.to_owned());
                }
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let said = desk.run(&args);
            assert!((0..=3).contains(&said.code), "{args:?}: {} {}", said.code, said.err);
            assert!(!said.err.contains('\u{1b}') && !said.err.contains('\u{202e}'), "{args:?}: {}", said.err);
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_disaster() {
    let desk = Desk::new();
    desk.check("crm.read", "{}", &[]).ok();
    for args in [
        &["ledger", "tail"][..],
        &["ledger", "export"],
        &["policy", "schema"],
        &["--help"],
        &["agents", "list", "--json"],
    ] {
        // Gone before the first word is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = desk.command(args).stdout(writer).output().unwrap();
        assert_eq!(
            (said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()),
            (Some(141), ""),
            "{args:?}"
        );
    }
    // The exit code of a check is its answer, whoever reads the words.
    let mut running =
        desk.start(&["check", "--policy", "policy.yaml", "--agent", "support-bot", "--tool", "users.delete"]);
    drop(running.0.stdout.take());
    assert_eq!(running.0.wait().unwrap().code(), Some(2));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let desk = Desk::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = desk.command(&["policy", "schema"]);
    let output = command.stdout(Stdio::from(full)).stderr(Stdio::piped()).output().unwrap();
    Said::of(output).refused("the output cannot be written");
}
