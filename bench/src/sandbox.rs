//! The start of a program in the sandbox, over a plain start; beside bubblewrap, which does less, and beside the
//! sandboxes of two coding agents where they are installed: `codex sandbox` and `srt`.
//!
//! The helper is the built `portcullis`, as it is for its users. Root has control groups; whoever else measures has
//! not, and the section says which it was.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ::sandbox::{Guarantee, Mode, Report, Sink, Spec, State, Stdin, Stream, Workspace};

use crate::Effort;
use crate::disk::{Scratch, folder};
use crate::peers::{installed, node};
use crate::portcullis::binary;
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

/// Starts in one round.
const STARTS: usize = 200;
/// Starts in one round of what takes a hundred times as long.
const FEW: usize = 10;
const TRUE: &str = "/bin/true";
const BUBBLEWRAP: &str = "bubblewrap, tight";
const CODEX: &str = "codex sandbox";
const SRT: &str = "srt";
const BWRAP: [&str; 21] = [
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    TRUE,
];

#[derive(Default)]
struct Silent {
    grouped: bool,
}

impl Sink for Silent {
    fn printed(&mut self, _: Stream, _: &[u8]) {}
    fn started(&mut self, report: &Report) {
        self.grouped = matches!(report.of(Guarantee::Memory), Some(State::Enforced { .. }));
    }
}

/// `/bin/true`, started and waited for.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("sandbox");
    let mut plain = Spec::new(vec![TRUE.to_owned()]);
    plain.accept_missing = vec![Guarantee::Memory];
    let mut overlay = plain.clone();
    let path = scratch.file("ws");
    std::fs::create_dir_all(&path).expect("a folder can be made");
    let path = path.canonicalize().expect("it is there");
    overlay.cwd.clone_from(&path);
    overlay.workspace = Some(Workspace { path, mode: Mode::Overlay });
    let mut grouped = false;
    start(&plain, &mut grouped);
    let bwrap = Path::new("/usr/bin/bwrap");
    let mut other = false;
    let (mut codex, mut srt) = (codex(&scratch), srt(&scratch));
    let mut contenders = vec![
        Contender::new("fork and exec, plain", || round(STARTS, || ended(Command::new(TRUE)))),
        Contender::new("portcullis, full isolation", || round(STARTS, || start(&plain, &mut grouped))),
        Contender::new("the same with an overlay workspace", || {
            round(STARTS, || start(&overlay, &mut other))
        }),
    ];
    if bwrap.exists() {
        contenders.push(Contender::new(BUBBLEWRAP, || {
            round(STARTS, || {
                let mut command = Command::new(bwrap);
                command.args(BWRAP).env_clear();
                ended(command);
            })
        }));
    }
    let lacking: Vec<String> =
        [codex.as_ref().err(), srt.as_ref().err()].into_iter().flatten().cloned().collect();
    if let Ok(command) = &mut codex {
        contenders.push(Contender::new(CODEX, || round(FEW, || quietly(command))));
    }
    if let Ok(command) = &mut srt {
        contenders.push(Contender::new(SRT, || round(FEW, || quietly(command))));
    }
    let results = alternate(effort.rounds, contenders);
    let mut notes = vec![if bwrap.exists() {
        "bubblewrap gives namespaces and a file tree; no landlock, no system call filter, no limits, no report".to_owned()
    } else {
        "bubblewrap is not installed: no peer".to_owned()
    }];
    if let [plain, ours, ..] = results.as_slice() {
        notes.push(format!("full isolation costs {:.2} ms over a plain start", ours.beyond(&[plain]) / 1e6));
        for peer in results.iter().filter(|it| [BUBBLEWRAP, CODEX, SRT].contains(&it.who.as_str())) {
            let (theirs, ours) = (peer.beyond(&[plain]), ours.beyond(&[plain]));
            notes.push(format!(
                "{} costs {:.2} ms over it: ours is {:.2} times that",
                peer.who,
                theirs / 1e6,
                ours / theirs
            ));
        }
    }
    notes.extend(lacking);
    vec![Section {
        title: "a program in the sandbox".to_owned(),
        method: format!(
            "{TRUE}, from before the start to after the end, {STARTS} a round ({FEW} of codex and srt), one after another, {}",
            if grouped { "with a control group for memory" } else { "without control groups" }
        ),
        aim: if grouped { "<= 2.0 ms over a plain start" } else { "<= 1.6 ms over a plain start" },
        rows: results.iter().map(Result::row).collect(),
        notes,
    }]
}

/// `codex sandbox`, in a home of its own: read-only but for the workspace, without network.
fn codex(scratch: &Scratch) -> std::result::Result<Command, String> {
    let script = installed("codex", "node_modules/@openai/codex/bin/codex.js")?;
    // The program itself and not the script that finds it; which of the packages it is in depends on the machine.
    let packages = script.ancestors().nth(3).map(std::fs::read_dir);
    let found = packages.into_iter().flatten().flatten().flatten().find_map(|package| {
        let mut triples = std::fs::read_dir(package.path().join("vendor")).ok()?.flatten();
        triples.find_map(|it| Some(it.path().join("bin/codex")).filter(|it| it.exists()))
    });
    let program = found.ok_or("codex has no program for this machine: no peer")?;
    // In a folder that stays: codex puts links to itself there.
    let home = folder().join("codex");
    std::fs::create_dir_all(&home).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.args(["sandbox", "--", TRUE]).env("CODEX_HOME", home).current_dir(scratch.file("ws"));
    works("codex sandbox", command)
}

/// `srt`: bubblewrap, a filter, and two proxies.
fn srt(scratch: &Scratch) -> std::result::Result<Command, String> {
    let script = installed("srt", "node_modules/@anthropic-ai/sandbox-runtime/dist/cli.js")?;
    let settings = r#"{"network":{"allowedDomains":[],"deniedDomains":[]},"filesystem":{"denyRead":[],"allowWrite":["."],"denyWrite":[]}}"#;
    let settings = scratch.write("srt.json", settings);
    let mut command = Command::new(node()?);
    command.arg(script).arg("--settings").arg(settings).args(["-c", TRUE]).current_dir(scratch.file("ws"));
    let path = std::env::var("PATH").unwrap_or_default();
    if let Ok(tools) = installed("ripgrep", "venv/bin") {
        command.env("PATH", format!("{}:{path}", tools.display()));
    }
    works("srt", command)
}

/// The command, if it does what it is for; else in one line what it says.
fn works(name: &str, mut command: Command) -> std::result::Result<Command, String> {
    let output = command.output().map_err(|why| format!("{name} does not run: {why}: no peer"))?;
    if output.status.success() {
        return Ok(command);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} does not run here ({}): no peer", said.trim().lines().last().unwrap_or_default()))
}

fn round(starts: usize, mut start: impl FnMut()) -> Round {
    let samples = (0..starts).map(|_| {
        let begun = Instant::now();
        start();
        begun.elapsed().as_nanos() as f64
    });
    Round { samples: samples.collect(), rate: None }
}

fn quietly(command: &mut Command) {
    assert!(command.output().expect("it starts").status.success());
}

fn ended(mut command: Command) {
    assert!(command.status().expect("it starts").success());
}

fn start(spec: &Spec, grouped: &mut bool) {
    let mut silent = Silent::default();
    let ran = ::sandbox::run(spec, Some(binary()), Stdin::Empty, &mut silent);
    let ran = ran.unwrap_or_else(|not_run| panic!("{not_run}"));
    assert_eq!(ran.ended.code, Some(0));
    *grouped = silent.grouped;
}
