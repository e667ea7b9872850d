//! The start of a program in the sandbox, over a plain start; beside bubblewrap, which does less.
//!
//! The helper is the built `portcullis`, as it is for its users. Root has control groups; whoever else measures has
//! not, and the section says which it was.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ::sandbox::{Guarantee, Mode, Report, Sink, Spec, State, Stdin, Stream, Workspace};

use crate::Effort;
use crate::disk::Scratch;
use crate::portcullis::binary;
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

/// Starts in one round.
const STARTS: usize = 200;
const TRUE: &str = "/bin/true";
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
    let mut contenders = vec![
        Contender::new("fork and exec, plain", || round(|| ended(Command::new(TRUE)))),
        Contender::new("portcullis, full isolation", || round(|| start(&plain, &mut grouped))),
        Contender::new("the same with an overlay workspace", || round(|| start(&overlay, &mut other))),
    ];
    if bwrap.exists() {
        contenders.push(Contender::new("bubblewrap, tight", || {
            round(|| {
                let mut command = Command::new(bwrap);
                command.args(BWRAP).env_clear();
                ended(command);
            })
        }));
    }
    let results = alternate(effort.rounds, contenders);
    let mut notes = vec![if bwrap.exists() {
        "bubblewrap gives namespaces and a file tree; no landlock, no system call filter, no limits, no report".to_owned()
    } else {
        "bubblewrap is not installed: no peer".to_owned()
    }];
    if let [plain, ours, ..] = results.as_slice() {
        notes.push(format!("full isolation costs {:.2} ms over a plain start", ours.beyond(&[plain]) / 1e6));
    }
    vec![Section {
        title: "a program in the sandbox".to_owned(),
        method: format!(
            "{TRUE}, from before the start to after the end, {STARTS} a round, one after another, {}",
            if grouped { "with a control group for memory" } else { "without control groups" }
        ),
        aim: if grouped { "<= 2.0 ms over a plain start" } else { "<= 1.6 ms over a plain start" },
        rows: results.iter().map(Result::row).collect(),
        notes,
    }]
}

fn round(mut start: impl FnMut()) -> Round {
    let samples = (0..STARTS).map(|_| {
        let begun = Instant::now();
        start();
        begun.elapsed().as_nanos() as f64
    });
    Round { samples: samples.collect(), rate: None }
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
