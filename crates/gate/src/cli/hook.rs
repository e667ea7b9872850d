//! `portcullis hook`: decides what a coding agent is about to do, from within its own hooks.
//!
//! Whatever goes wrong here is a denial: exit code 2, which every agent obeys. Exit code 1 would let the tool run.

mod served;
mod watch;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use verdict::Draft;

use super::opening::{halted, open_gate_inline};
use super::{Done, Failure, StoreArg, person, print};
use crate::hook::answer::DENIED;
use crate::hook::word::{self, Wordless};
use crate::hook::{Event, Product, Say, When, settings};
use crate::store::StorePath;
use crate::views::Reading;
use served::{Heard, Question, Served};
use watch::Watch;

/// The largest event, in bytes.
const LARGEST: u64 = 8 << 20;
/// The policy where nobody names one.
const USUAL: &str = "portcullis.yaml";

/// `portcullis hook`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  portcullis hook install claude-code --policy ~/portcullis.yaml --project
  portcullis hook uninstall claude-code --project
  portcullis hook claude-code --policy ~/portcullis.yaml < event.json
  portcullis hook install cursor --gate http://127.0.0.1:8787 --key-file ~/.portcullis-key

The event is read from stdin and answered on stdout as the agent wants it. What the policy allows is left to the
agent's own permissions, unless --grant is given. What needs a person is denied with the question's id; once it is
approved, the same call passes. Any failure is a denial (exit code 2), and so is what takes 20 seconds."
)]
pub struct HookArgs {
    #[command(subcommand)]
    command: Option<HookCommand>,
    /// The coding agent that asks
    #[arg(required = true, value_name = "PRODUCT")]
    product: Option<Product>,
    #[command(flatten)]
    with: With,
}

#[derive(Debug, Subcommand)]
enum HookCommand {
    /// Add the hook to a coding agent's settings, after showing what changes
    Install(InstallArgs),
    /// Take the hook out of a coding agent's settings
    Uninstall(UninstallArgs),
}

/// What a hook decides by.
#[derive(Debug, Args)]
struct With {
    /// The policy [default: portcullis.yaml in the project]; beside --gate, the one to decide by while no gate is there
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A running gate that decides [default: `PORTCULLIS_URL`; without one, the hook opens the ledger itself]
    #[arg(long, value_name = "URL")]
    gate: Option<String>,
    /// A file with the key for that gate [default: the key in `PORTCULLIS_API_KEY`]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The agent of the policy [default: the product's name]
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Let what the policy allows run without asking the agent's user
    #[arg(long)]
    grant: bool,
    #[command(flatten)]
    store: StoreArg,
}

/// `portcullis hook install`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis hook install claude-code --policy ~/portcullis.yaml
  portcullis hook install cursor --project --yes")]
struct InstallArgs {
    /// The coding agent
    product: Product,
    /// In this folder's settings instead of the user's
    #[arg(long)]
    project: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    with: With,
}

/// `portcullis hook uninstall`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis hook uninstall claude-code --project --yes")]
struct UninstallArgs {
    /// The coding agent
    product: Product,
    /// In this folder's settings instead of the user's
    #[arg(long)]
    project: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub fn run(args: HookArgs) -> Done {
    match (args.command, args.product) {
        (Some(HookCommand::Install(args)), _) => install(&args),
        (Some(HookCommand::Uninstall(args)), _) => {
            let UninstallArgs { product, project, yes } = args;
            change(product, project, yes, None)
        }
        (None, Some(product)) => Ok(answer(product, &args.with)),
        (None, None) => {
            Err(Failure::said("which coding agent asks is missing; see `portcullis hook --help`"))
        }
    }
}

/// Answers one event. Nothing that goes wrong lets the tool run, nor does what takes too long.
fn answer(product: Product, with: &With) -> ExitCode {
    let watch = Watch::start(product);
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LARGEST.saturating_add(1)).read_to_end(&mut bytes);
    let event = match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LARGEST) => product.read(&bytes),
        Ok(_) => Err(format!("the event has more than {LARGEST} bytes")),
        Err(error) => Err(format!("stdin cannot be read: {error}")),
    };
    let say = match event {
        Err(why) => Say::Deny(format!("the hook's event is refused: {why}")),
        Ok(event) => {
            watch.event(&event.name);
            match decide(product, with, &bytes, &event) {
                Ok(say) => say,
                Err(Failure::Said(why)) => Say::Deny(format!("nothing is allowed: {why}")),
                Err(_) => Say::Deny("nothing is allowed: the policy or the store cannot be used".to_owned()),
            }
        }
    };
    watch.answer(&say)
}

fn decide(product: Product, with: &With, bytes: &[u8], event: &Event) -> Result<Say, Failure> {
    let agent = with.agent.as_deref().unwrap_or(product.name());
    let served = Served::find(with.gate.as_deref(), with.key_file.as_deref())?;
    let policy = with.policy.clone().unwrap_or_else(|| PathBuf::from(USUAL));
    let policy = std::path::absolute(policy).map_err(Failure::said)?;
    let store = with.store.find()?;
    let store = StorePath(std::path::absolute(&store.0).map_err(Failure::said)?);
    // The tool will run there, and relative paths and links are those of that place.
    if let Some(cwd) = event.cwd.as_deref().filter(|cwd| !cwd.is_empty()) {
        std::env::set_current_dir(cwd)
            .map_err(|error| Failure::said(format!("`{}` cannot be entered: {error}", print::clean(cwd))))?;
    }
    super::wait(async {
        if let Some(served) = &served {
            let question = Question { product, agent, grant: with.grant, event: bytes };
            match served.ask(&question).await? {
                Heard::Said(say) => return Ok(say),
                Heard::Nobody(_) if with.policy.is_some() => (),
                Heard::Nobody(why) => {
                    return Err(Failure::said(format!(
                        "{why}; start it, or name a policy to decide by while it is away with --policy"
                    )));
                }
            }
        }
        let draft = event.draft(agent, person::user_name(), product);
        embedded((&policy, &store), draft, event, with.grant).await
    })?
}

/// Decides here, on the ledger itself.
async fn embedded(
    (policy, store): (&Path, &StorePath),
    draft: Draft,
    event: &Event,
    grant: bool,
) -> Result<Say, Failure> {
    let line = format!("hook:{}", policy.display());
    let opened = open_gate_inline(store, policy, &line).await?;
    let word = match &event.when {
        When::Before => word::before(&opened.gate, draft, grant).await,
        When::After(status, said) => {
            let reading = Reading::open(store.0.clone()).map_err(Failure::said)?;
            word::after(&opened.gate, &reading, &draft, (*status, said.clone())).await
        }
    };
    opened.gate.desk.close();
    word.map(|word| word.say).map_err(|why| match why {
        Wordless::Malformed(malformed) => Failure::said(print::clean(&malformed.to_string())),
        Wordless::Halt(halt) => halted(store, &halt),
        Wordless::Unread(fault) => Failure::said(fault),
        Wordless::Refused(refusal) => Failure::said(print::clean(&refusal.to_string())),
    })
}

fn install(args: &InstallArgs) -> Done {
    let InstallArgs { product, project, yes, with } = args;
    let program = std::env::current_exe()
        .map_err(|error| Failure::said(format!("this program cannot be found: {error}")))?;
    let mut words = vec![quoted(&program.display().to_string()), format!("hook {}", product.name())];
    let usual = with.gate.is_none().then(|| PathBuf::from(USUAL));
    if let Some(policy) = with.policy.clone().or(usual) {
        let policy = std::path::absolute(policy).map_err(Failure::said)?;
        if !policy.exists() {
            return Err(Failure::said(format!(
                "there is no policy at `{}`; `portcullis init` writes one, and --policy names another",
                print::clean(&policy.display().to_string())
            )));
        }
        words.push(format!("--policy {}", quoted(&policy.display().to_string())));
    }
    words.extend(with.gate.as_deref().map(|url| format!("--gate {}", quoted(url))));
    if let Some(file) = &with.key_file {
        let file = std::path::absolute(file).map_err(Failure::said)?;
        words.push(format!("--key-file {}", quoted(&file.display().to_string())));
    }
    words.extend(with.agent.as_deref().map(|agent| format!("--agent {}", quoted(agent))));
    words.extend(with.grant.then(|| "--grant".to_owned()));
    if with.store.is_given() {
        words.push(format!("--store {}", quoted(&format!("sqlite:{}", with.store.find()?.0.display()))));
    }
    let command = words.join(" ");
    change(*product, *project, *yes, Some(&command))
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Shows what would change in the settings, asks, and writes them whole or not at all. `command`: what the hook runs;
/// without it, the hook goes.
fn change(product: Product, project: bool, yes: bool, command: Option<&str>) -> Done {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home =
        home.ok_or_else(|| Failure::said("HOME is not set; say --project to use this folder's settings"))?;
    let here = std::env::current_dir().map_err(Failure::said)?;
    let file = settings::file(product, &home, project.then_some(here.as_path()));
    let named = print::clean(&file.display().to_string());
    let now = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::said(format!("`{named}` cannot be read: {error}"))),
    };
    let odd = |why: String| Failure::said(format!("`{named}`: {}", print::clean(&why)));
    let without = settings::without_ours(product, &now).map_err(odd)?;
    // As it was before, to the byte, if nothing else has changed since.
    let kept = file.with_extension("portcullis-before");
    let before = std::fs::read_to_string(&kept).unwrap_or_default();
    let is_as_before =
        !before.is_empty() && settings::undone(product, &before).is_ok_and(|undone| undone == without);
    let then = match command {
        Some(command) => settings::with_ours(product, &now, command).map_err(odd)?,
        None if is_as_before => before,
        None => without.clone(),
    };
    if then == now || (now.is_empty() && then == "{}\n") {
        print::line(&format!("{named} is as it should be"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!("{named}:"))?;
    for line in difference(&now, &then) {
        print::line(&print::clean(&line))?;
    }
    if !yes && !agreed()? {
        return Err(Failure::said("nothing was changed; say --yes to change it"));
    }
    let unwritten = |error| Failure::said(format!("`{named}` cannot be written: {error}"));
    if command.is_none() {
        // It has served, or says what nobody wants back.
        let _gone = std::fs::remove_file(&kept);
    } else if !now.is_empty() && settings::is_without_ours(product, &now) {
        std::fs::copy(&file, &kept).map_err(unwritten)?;
    }
    write(&file, &then).map_err(unwritten)?;
    print::line("written")?;
    if let Some(besides) = settings::besides(product).filter(|_| command.is_some()) {
        print::line(besides)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the person at the terminal says yes. Without a terminal nobody does.
fn agreed() -> Result<bool, Failure> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print::text("Write it? [y/N] ")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::said)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Beside the old file first, so that it is there whole at any time.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    // Settings that are a link are changed where they are.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension("portcullis-new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, &file)
}

/// The lines that go, and those that come, where the two differ.
fn difference(now: &str, then: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (now.lines().collect(), then.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()).saturating_sub(start);
    let end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&str], sign: &str| -> Vec<String> {
        let middle = lines.get(start..lines.len().saturating_sub(end)).unwrap_or_default();
        middle.iter().map(|line| format!("{sign} {line}")).collect()
    };
    let mut lines = part(&old, "-");
    lines.extend(part(&new, "+"));
    lines
}

/// Whether a command line was meant to be a hook, and if so whether one that wants words.
#[derive(Clone, Copy)]
pub struct Meant {
    product: Option<Product>,
}

impl Meant {
    /// Looks at a command line that nobody has read yet.
    pub fn by(args: &[std::ffi::OsString]) -> Option<Self> {
        args.get(1).filter(|word| *word == "hook")?;
        let product = args.get(2).and_then(|word| word.to_str());
        Some(Self {
            product: product.and_then(|word| <Product as clap::ValueEnum>::from_str(word, false).ok()),
        })
    }

    /// A command line that makes no sense is a denial.
    pub fn denied(self, why: &str) -> ExitCode {
        print::complain(why);
        let say = Say::Deny(format!("nothing is allowed: {why}"));
        let Some((said, code)) = self.product.map(|product| product.answer("", &say)) else {
            return ExitCode::from(DENIED);
        };
        let _unread = said.map(|said| print::line(&said));
        ExitCode::from(code)
    }
}
