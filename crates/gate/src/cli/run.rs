//! `portcullis run`: a program with less than we have, and what it changed.
//!
//! Answerable for the options, for what is printed, and for the exit code being the program's own. What holds it
//! is the sandbox's; what it may do under a policy is the gate's.

mod decided;
mod show;

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use sandbox::{Backend, Guarantee, Mode, NotRun, Outcome, Spec, Stdin, Workspace};

use super::{Done, Failure, StoreArg, print};

/// `portcullis run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis run -- python3 -c 'print(6 * 7)'
  portcullis run --workspace . -- make test
  portcullis run --workspace . --review -- ./agent-made-script.sh
  portcullis run --policy portcullis.yaml --agent coder --workspace . -- make test
  portcullis run --read ~/.rustup --read ~/.cargo --env PATH --workspace . -- cargo build

The program has no network, an empty environment, the system's programs and libraries, 30 s and 512 MiB.
What it changes in the workspace is carried over when it is done; what would run later (git hooks, shell start-up
files, settings of editors and agents) is held back unless --review takes it.

Exit code: the program's own; 128 + N if signal N ended it, 124 if its time was over, 125 if it was not run.")]
pub struct RunArgs {
    /// Decide it by this policy, run it within the policy's bounds, and record it
    #[arg(long, value_name = "FILE", requires = "agent", conflicts_with_all = BOUNDS)]
    policy: Option<PathBuf>,
    /// With --policy: who wants to act
    #[arg(long, value_name = "ID", requires = "policy")]
    agent: Option<String>,
    /// With --policy: what the run is called in its rules
    #[arg(long, value_name = "NAME", default_value = "shell.run")]
    tool: String,
    /// With --policy: on whose behalf
    #[arg(long, value_name = "NAME", requires = "policy")]
    user: Option<String>,
    /// With --policy: in which run of the agent
    #[arg(long, value_name = "ID", requires = "policy")]
    session: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// The folder that it works in; without one it has only an empty /tmp
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Show the changes, and ask before they are carried over
    #[arg(long, requires = "workspace")]
    review: bool,
    /// Drop the changes
    #[arg(long, requires = "workspace", conflicts_with = "review")]
    discard: bool,
    /// Change the workspace at once, without limits on bytes and files; what runs later stays as it is
    #[arg(long, requires = "workspace", conflicts_with_all = ["review", "discard"])]
    in_place: bool,
    /// What it can read besides
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// What it can write besides, at once; in folders what runs later stays as it is
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Variables that it gets: NAME from our environment, or NAME=VALUE
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// How long it may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Memory of all its processes, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: u64,
    /// Share of one processor, in percent
    #[arg(long, value_name = "PERCENT")]
    cpu: Option<u32>,
    /// Processes and threads
    #[arg(long, value_name = "N", default_value_t = 64)]
    processes: u64,
    /// What it may print, in KiB; the rest is dropped
    #[arg(long, value_name = "KIB", default_value_t = 1024)]
    output: u64,
    /// What it may write in the workspace, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    disk: u64,
    /// Run even if this host cannot keep these guarantees (see `portcullis sandbox doctor`)
    #[arg(long, value_name = "GUARANTEE", value_delimiter = ',')]
    accept_missing: Vec<String>,
    /// Who makes namespaces and file tree: `own`, or `bubblewrap`
    #[arg(long, value_name = "NAME", default_value_t, value_parser = super::sandbox::backend)]
    backend: Backend,
    /// Say on stderr what held
    #[arg(long)]
    report: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What the policy says where there is one: nothing on a command line widens it.
const BOUNDS: [&str; 13] = [
    "discard",
    "in_place",
    "read",
    "write",
    "env",
    "timeout",
    "memory",
    "cpu",
    "processes",
    "output",
    "disk",
    "accept_missing",
    "backend",
];

/// The exit code of a run whose time was over, as `timeout` has it.
const LATE: u8 = 124;
/// The exit code of a run that did not take place.
const NOT_RUN: u8 = 125;

/// Runs the command.
pub fn run(args: RunArgs) -> Done {
    let args = match args {
        RunArgs {
            policy: Some(policy),
            agent: Some(agent),
            tool,
            user,
            session,
            workspace,
            review,
            command,
            store,
            ..
        } => {
            let argv = command;
            let store = store.find()?;
            return decided::run(decided::Wanted {
                policy,
                agent,
                tool,
                user,
                session,
                workspace,
                review,
                argv,
                store,
            });
        }
        args => args,
    };
    let spec = spec_of(&args)?;
    let ran = sandbox::run(&spec, None, stdin()?, &mut show::Printer::default());
    match ran {
        Ok(outcome) => finish(&args, &spec, outcome),
        Err(not_run) => {
            if let NotRun::Refused(report, _) = &not_run
                && args.report
            {
                show::report(report)?;
            }
            print::complain(&print::clean(&not_run.to_string()));
            Ok(ExitCode::from(NOT_RUN))
        }
    }
}

fn finish(args: &RunArgs, spec: &Spec, outcome: Outcome) -> Done {
    let Outcome { ended, report, cut, printed, undone, upper } = outcome;
    for (path, why) in &undone {
        show::say(&format!(
            "taken away: {}: {}",
            print::clean(&path.display().to_string()),
            print::clean(why)
        ))?;
    }
    if cut {
        let most = spec.limits.output;
        print::complain(&format!(
            "the output was cut: {printed} bytes were printed, and {most} may be; see --output"
        ));
    }
    if args.report {
        show::report(&report)?;
        show::used(&ended)?;
    }
    if ended.out_of_memory {
        print::complain("the memory was used up; see --memory");
    }
    if let (Some(upper), Some(workspace)) = (upper, &spec.workspace)
        && !args.discard
    {
        show::carry_over(upper, &workspace.path, &[], args.review)?;
    }
    if ended.timed_out {
        print::complain("the time was over; see --timeout");
        return Ok(ExitCode::from(LATE));
    }
    let code = ended.code.or(ended.signal.map(|signal| signal.saturating_add(128)));
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn spec_of(args: &RunArgs) -> Result<Spec, Failure> {
    const MIB: u64 = 1 << 20;
    let mut spec = Spec::new(args.command.clone());
    if let Some(path) = &args.workspace {
        let path = real(path)?;
        let mode = if args.in_place { Mode::Direct } else { Mode::Overlay };
        spec.cwd.clone_from(&path);
        spec.workspace = Some(Workspace { path, mode });
    }
    spec.read = args.read.iter().map(|it| real(it)).collect::<Result<_, _>>()?;
    spec.write = args.write.iter().map(|it| real(it)).collect::<Result<_, _>>()?;
    spec.env = args.env.iter().map(|it| variable(it)).collect::<Result<_, _>>()?;
    spec.backend = args.backend;
    spec.limits.wall_ms = args.timeout.saturating_mul(1000);
    spec.limits.memory = args.memory.saturating_mul(MIB);
    spec.limits.cpu = args.cpu;
    spec.limits.processes = args.processes;
    spec.limits.output = args.output.saturating_mul(1024);
    spec.limits.disk = args.disk.saturating_mul(MIB);
    spec.accept_missing = args.accept_missing.iter().map(|it| guarantee(it)).collect::<Result<_, _>>()?;
    if args.in_place || !args.write.is_empty() {
        // Whoever writes in place has asked for it.
        spec.accept_missing.push(Guarantee::Disk);
    }
    Ok(spec)
}

/// A path as the sandbox wants it: absolute, without links.
fn real(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::said(format!("`{}`: {error}", print::clean(&path.display().to_string()))))
}

fn variable(text: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match std::env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(_) => Err(Failure::said(format!("--env: there is no variable `{}`", print::clean(text)))),
    }
}

fn guarantee(name: &str) -> Result<Guarantee, Failure> {
    Guarantee::parse(name).ok_or_else(|| {
        let all = Guarantee::ALL.map(Guarantee::as_str).join(", ");
        Failure::said(format!(
            "--accept-missing: there is no guarantee `{}`; there are {all}",
            print::clean(name)
        ))
    })
}

/// What is typed at a terminal is for whoever started the command, not for the program.
fn stdin() -> Result<Stdin, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(Stdin::Empty);
    }
    let fd = stdin.as_fd().try_clone_to_owned();
    fd.map(Stdin::From).map_err(|error| Failure::said(format!("stdin cannot be read: {error}")))
}
