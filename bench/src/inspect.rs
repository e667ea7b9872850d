//! Inspection: what is found in clean texts, and what commands, queries, paths and addresses come to.
//!
//! Peers are sqlparser in process, and detect-secrets and agent-safety-layer from PyPI, which get a virtual
//! environment of their own and are asked over a pipe in the same rounds. Without Python the rest is measured.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ::inspect::scan::{Scanner, Wanted};
use ::inspect::sql::Dialect;
use ::inspect::{Surroundings, net, path, shell, sql};
use verdict::{Verdict, decide};

use crate::Effort;
use crate::decide::{NOW, against};
use crate::disk::folder;
use crate::policies::{Rules, agent, case, compile, text};
use crate::report::{Section, figure};
use crate::rounds::{Contender, Result, Round, alternate, calls};

const COMMAND: &str = "cd /srv/app && grep -rn 'error' logs/*.log | sort -u > /tmp/out.txt; git commit -qam \"fix it\" && ls -la src";
const QUERY: &str = "SELECT u.id, u.name, count(o.id) AS orders FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.created_at > '2026-01-01' AND u.status IN ('active', 'trial') GROUP BY u.id, u.name LIMIT 100";
const PATH: &str = "/srv/app/../app/data/report-2026.csv";
const URL: &str = "https://api.example.com:8443/v1/items?q=a%20b&n=1";

/// Everything that is looked at before a decision.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let peers = match Peers::start() {
        Ok(peers) => Ok(RefCell::new(peers)),
        Err(why) => Err(format!("the peers from PyPI are not measured: {why}")),
    };
    let mut sections =
        vec![texts(effort, peers.as_ref().ok()), small(effort, peers.as_ref().ok()), whole(effort)];
    if let Err(why) = peers {
        sections[0].notes.push(why);
    }
    sections
}

/// Ordinary prose with names, numbers and addresses of pages in it, and nothing to find.
fn clean(length: usize) -> String {
    let words = [
        "the report of the second quarter",
        "shows that deliveries",
        "were late in three of twelve weeks;",
        "the team",
        "moved the warehouse to a larger place",
        "and agreed on a new plan.",
        "Nobody was surprised, as",
        "the weather",
        "had been bad since March.",
        "See the notes of the meeting",
        "(page 14)",
        "for what was said about prices,",
        "routes and drivers.\n",
    ];
    let dice = crate::decide::Dice::new();
    let mut text = String::new();
    while text.len() < length {
        text.push_str(words[dice.roll(words.len())]);
        text.push(' ');
    }
    text.truncate(length);
    text
}

fn scanner() -> Scanner {
    let patterns =
        [("table", r"(?i)drop\s+table"), ("ticket", r"ACME-\d{6}"), ("host", r"\bintranet\.example\b")];
    let patterns = patterns.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Scanner::new(Wanted { patterns, ..Wanted::all() }).expect("the bench's own patterns")
}

fn texts(effort: &Effort, peers: Option<&RefCell<Peers>>) -> Section {
    let scanner = scanner();
    let texts = [clean(1 << 20), clean(10_000), clean(2_000)];
    for text in &texts {
        assert_eq!(scanner.scan(text), [], "the clean text is not clean");
    }
    let scan = |text: &str, samples: usize| {
        let mut taken = Vec::with_capacity(samples);
        for _ in 0..samples {
            let start = std::time::Instant::now();
            std::hint::black_box(scanner.scan(std::hint::black_box(text)));
            taken.push(start.elapsed().as_nanos() as f64);
        }
        Round { samples: taken, rate: None }
    };
    let samples = (effort.seconds * 100.0) as usize;
    let mut contenders = vec![
        Contender::new("portcullis scan, 1 MiB", || scan(&texts[0], samples / 10)),
        Contender::new("portcullis scan, 10 KB", || scan(&texts[1], samples * 10)),
        Contender::new("portcullis scan, 2 KB", || scan(&texts[2], samples * 50)),
    ];
    if let Some(peers) = peers {
        contenders.push(peer(peers, "detect-secrets, 2 KB", "detect_secrets", &texts[2], (5, 1)));
        contenders.push(peer(
            peers,
            "agent-safety-layer, 1,000 patterns, 2 KB",
            "patterns",
            &texts[2],
            (5, 1),
        ));
    }
    let results = alternate(effort.rounds, contenders);
    let mut rows: Vec<_> = results.iter().map(Result::row).collect();
    for ((row, result), text) in rows.iter_mut().zip(&results).zip(&texts) {
        row.figures.insert(0, figure("rate", text.len() as f64 / result.p50 * 1e3, "MB/s"));
    }
    Section {
        title: "inspect: secrets, personal data, injection, hidden text, traces and three patterns in a clean text".to_owned(),
        method: "one thread; a sample is one call; the peers look for less: secrets by line, or patterns one by one".to_owned(),
        aim: ">= 300 MB/s; 10 KB <= 50 us; 2 KB <= 15 us",
        notes: against(&results, &[(2, 3), (2, 4)]),
        rows,
    }
}

fn small(effort: &Effort, peers: Option<&RefCell<Peers>>) -> Section {
    let around = Surroundings {
        cwd: Some("/srv/app".to_owned()),
        home: Some("/home/ann".to_owned()),
        ignores_case: false,
    };
    let samples = (effort.seconds * 200.0) as usize;
    let speak = sqlparser::dialect::PostgreSqlDialect {};
    let mut contenders = vec![
        Contender::new(format!("portcullis shell, {} characters", COMMAND.len()), || {
            calls(samples / 4, || (), |()| shell::effects(COMMAND, &around))
        }),
        Contender::new(format!("portcullis sql, {} characters", QUERY.len()), || {
            calls(samples / 4, || (), |()| sql::effects(QUERY, Dialect::Postgresql))
        }),
        Contender::new("sqlparser alone, the same", || {
            calls(
                samples / 4,
                || (),
                |()| sqlparser::parser::Parser::parse_sql(&speak, QUERY).expect("it is SQL"),
            )
        }),
        Contender::new("portcullis path", || {
            calls(samples, || (), |()| path::targets(PATH, &around).expect("it is a path"))
        }),
        Contender::new("portcullis url", || {
            calls(samples, || (), |()| net::targets(URL).expect("it is an address"))
        }),
    ];
    if let Some(peers) = peers {
        contenders.push(peer(peers, "agent-safety-layer PathBoundary", "path", PATH, (20, 64)));
        contenders.push(peer(peers, "agent-safety-layer NetworkBoundary", "url", URL, (20, 64)));
    }
    let results = alternate(effort.rounds, contenders);
    Section {
        title: "inspect: effects of a command and a query, the resource of a path and an address".to_owned(),
        method: "one thread; a sample is the mean of 64 calls".to_owned(),
        aim: "shell <= 20 us; sql <= 30 us; path and url <= 2 us",
        notes: against(&results, &[(1, 2), (3, 5), (4, 6)]),
        rows: results.iter().map(Result::row).collect(),
    }
}

fn whole(effort: &Effort) -> Section {
    let policy = compile(&text(Rules::Realistic, 1, true));
    let one = case(&policy, &agent(0));
    let around = Surroundings::default();
    let samples = (effort.seconds * 2_500.0) as usize;
    let results = alternate(
        effort.rounds,
        vec![Contender::new("portcullis inspect and decide, 10 rules, 3 limits", || {
            calls(
                samples,
                || one.action.clone(),
                |action| {
                    let facts = ::inspect::inspect(&action, policy.tool(action.tool()), &around);
                    let verdict = decide(&policy, verdict::Case { action, facts }, NOW);
                    assert!(matches!(verdict, Verdict::Permit(_)), "we decide otherwise");
                    verdict
                },
            )
        })],
    );
    Section {
        title: "inspect: an action without a long text, inspected and decided".to_owned(),
        method: "one thread; action parsed and digested before; a sample is the mean of 64 calls".to_owned(),
        aim: "p50 <= 5 us",
        notes: Vec::new(),
        rows: results.iter().map(Result::row).collect(),
    }
}

/// A peer from PyPI as one that takes turns: so many samples of so many calls.
fn peer<'a>(
    peers: &'a RefCell<Peers>,
    name: &str,
    what: &'a str,
    text: &'a str,
    many: (usize, usize),
) -> Contender<'a> {
    Contender::new(name, move || {
        let asked = serde_json::json!({"what": what, "text": text, "samples": many.0, "batch": many.1});
        Round { samples: peers.borrow_mut().ask(&asked), rate: None }
    })
}

/// Python with the peers in it.
struct Peers {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peers {
    fn start() -> std::result::Result<Self, String> {
        let home = folder().join("peers");
        let python = home.join("bin/python");
        let run = |command: &mut Command| {
            let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            match done {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("`{}` ended with {status}", command.get_program().display())),
                Err(why) => Err(format!("`{}` does not run: {why}", command.get_program().display())),
            }
        };
        if !home.join("ready").exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
            let packages = ["agent-safety-layer==0.1.0", "detect-secrets==1.5.0"];
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
            std::fs::write(home.join("ready"), "").map_err(|why| why.to_string())?;
        }
        let mut child = Command::new(&python)
            .args(["-c", include_str!("inspect_peers.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| why.to_string())?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("there is no pipe".to_owned()) };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Nanoseconds of each sample.
    fn ask(&mut self, asked: &serde_json::Value) -> Vec<f64> {
        writeln!(self.input, "{asked}").expect("the peers listen");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peers answer");
        serde_json::from_str(&line).expect("the peers answer with numbers")
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
