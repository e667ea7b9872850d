//! `portcullis hook`: decides what a coding agent is about to do, from within its own hooks.
//!
//! Whatever goes wrong here is a denial: exit code 2, which every agent obeys. Exit code 1 would let the tool run.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ledger::Reader;
use verdict::{Action, Answer, Draft, Index, Json, Outcome, Receipt, Settling, Standing, Status};

use super::opening::{halted, open_gate_inline};
use super::{Done, Failure, StoreArg, person, print};
use crate::hook::{DENIED, Event, Product, Say, When, settings};
use crate::path::Gate;
use crate::store::StorePath;
use crate::views;
use crate::wire::approval_id;

/// The largest event, in bytes.
const LARGEST: u64 = 8 << 20;
/// How many open decisions are looked through for the one that has ended.
const OPEN: usize = 256;

/// `portcullis hook`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  portcullis hook install claude-code --policy ~/portcullis.yaml --project
  portcullis hook uninstall claude-code --project
  portcullis hook claude-code --policy ~/portcullis.yaml < event.json

The event is read from stdin and answered on stdout as the agent wants it. What the policy allows is left to the
agent's own permissions, unless --grant is given. What needs a person is denied with the question's id; once it is
approved, the same call passes. Any failure is a denial (exit code 2)."
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
    /// The policy [default: portcullis.yaml in the project]
    #[arg(long, value_name = "FILE", default_value = "portcullis.yaml")]
    policy: PathBuf,
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
            change(product, project, yes, |text| settings::without_ours(product, text))
        }
        (None, Some(product)) => Ok(answer(product, &args.with)),
        (None, None) => {
            Err(Failure::said("which coding agent asks is missing; see `portcullis hook --help`"))
        }
    }
}

/// Answers one event. Nothing that goes wrong lets the tool run.
fn answer(product: Product, with: &With) -> ExitCode {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LARGEST.saturating_add(1)).read_to_end(&mut bytes);
    let event = match read {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LARGEST) => product.read(&bytes),
        Ok(_) => Err(format!("the event has more than {LARGEST} bytes")),
        Err(error) => Err(format!("stdin cannot be read: {error}")),
    };
    let (name, say) = match event {
        Err(why) => (String::new(), Say::Deny(format!("the hook's event is refused: {why}"))),
        Ok(event) => {
            let say = match decide(product, with, &event) {
                Ok(say) => say,
                Err(Failure::Said(why)) => Say::Deny(format!("nothing is allowed: {why}")),
                Err(_) => Say::Deny("nothing is allowed: the policy or the store cannot be used".to_owned()),
            };
            (event.name, say)
        }
    };
    let (said, code) = product.answer(&name, &say);
    if let Some(said) = said {
        // Where nobody reads it, the exit code is the answer.
        let _unread = print::line(&said);
    }
    if let Say::Deny(why) = &say {
        print::complain(why);
    }
    ExitCode::from(code)
}

fn decide(product: Product, with: &With, event: &Event) -> Result<Say, Failure> {
    let policy = std::path::absolute(&with.policy).map_err(Failure::said)?;
    let store = with.store.find()?;
    let store = StorePath(std::path::absolute(&store.0).map_err(Failure::said)?);
    // The tool will run there, and relative paths and links are those of that place.
    if let Some(cwd) = event.cwd.as_deref().filter(|cwd| !cwd.is_empty()) {
        std::env::set_current_dir(cwd)
            .map_err(|error| Failure::said(format!("`{}` cannot be entered: {error}", print::clean(cwd))))?;
    }
    let agent = with.agent.as_deref().unwrap_or(product.name());
    let draft = event.draft(agent, person::user_name(), product);
    super::wait(async {
        let line = format!("hook:{}", policy.display());
        let opened = open_gate_inline(&store, &policy, &line).await?;
        let said = match &event.when {
            When::Before => before(&opened.gate, &store, draft, with.grant).await,
            When::After(result) => after(&opened.gate, &store, &draft, result.clone()).await,
        };
        opened.gate.desk.close();
        said
    })?
}

async fn before(gate: &Gate, store: &StorePath, draft: Draft, grant: bool) -> Result<Say, Failure> {
    let refused = |malformed: verdict::Malformed| Failure::said(print::clean(&malformed.to_string()));
    let action = Action::new(draft.clone()).map_err(refused)?;
    // The same call again, after somebody has agreed; or before, and then nobody is asked twice.
    let asked = gate.desk.question_about(action).await.map_err(|halt| halted(store, &halt))?;
    if let Some((at, Standing::Pending)) = asked {
        return Ok(Say::Deny(waits(at, "a person must agree first")));
    }
    let draft = Draft { approval: asked.map(|(at, _)| at), ..draft };
    let receipt = gate.check(draft).await.map_err(refused)?.map_err(|halt| halted(store, &halt))?;
    let why = crate::wire::CheckReply::of(&receipt, None).reason;
    Ok(match receipt.decided().decision {
        Answer::Allow if grant => Say::Allow(why),
        Answer::Allow => Say::Nothing,
        Answer::Deny => Say::Deny(why),
        Answer::Pending => Say::Deny(waits(question(&receipt), &why)),
    })
}

fn question(receipt: &Receipt) -> Index {
    receipt.decided().approval.unwrap_or(receipt.at())
}

fn waits(at: Index, why: &str) -> String {
    let id = approval_id(at);
    format!("{why}; `portcullis approvals approve {id}` answers {id}, and the same call then passes")
}

/// Settles the decision that let the tool run, and says if what came back should not be used.
async fn after(gate: &Gate, store: &StorePath, draft: &Draft, result: Json) -> Result<Say, Failure> {
    let action = Action::new(draft.clone()).map_err(|it| Failure::said(print::clean(&it.to_string())))?;
    let digest = action.digest().hex();
    let open = gate.desk.ask(|books| {
        let mut open: Vec<Index> = books.open().map(|(at, _)| at).collect();
        let spare = open.len().saturating_sub(OPEN);
        open.drain(..spare);
        open
    });
    let open = open.await.map_err(|halt| halted(store, &halt))?;
    let reader = Reader::open(&store.0).map_err(Failure::said)?;
    let found = open.into_iter().rev().find_map(|at| {
        let (decided, _) = views::decided(&reader, at).ok().flatten()?;
        let mine =
            decided.digest == digest && decided.agent == draft.agent && decided.session == draft.session;
        mine.then_some((at, decided))
    });
    // What was not decided here has no limits to settle.
    let Some((at, decided)) = found else { return Ok(Say::Nothing) };
    let outcome = Outcome { result: Some(result), ..Outcome::plain(Status::Success) };
    let outcome = gate.screen(&decided, outcome).await;
    let withheld = outcome.screened.as_ref().and_then(|it| it.withheld.clone());
    let settling = Settling::reported(at, decided, outcome, draft.by.clone());
    let settled = gate.desk.settle(settling).await.map_err(|halt| halted(store, &halt))?;
    if let Err(refusal) = settled {
        return Err(Failure::said(print::clean(&refusal.to_string())));
    }
    Ok(withheld.map_or(Say::Nothing, |why| Say::Deny(format!("do not use this result: {why}"))))
}

fn install(args: &InstallArgs) -> Done {
    let InstallArgs { product, project, yes, with } = args;
    let program = std::env::current_exe()
        .map_err(|error| Failure::said(format!("this program cannot be found: {error}")))?;
    let policy = std::path::absolute(&with.policy).map_err(Failure::said)?;
    if !policy.exists() {
        return Err(Failure::said(format!(
            "there is no policy at `{}`; `portcullis init` writes one, and --policy names another",
            print::clean(&policy.display().to_string())
        )));
    }
    let mut words = vec![
        quoted(&program.display().to_string()),
        format!("hook {}", product.name()),
        format!("--policy {}", quoted(&policy.display().to_string())),
    ];
    words.extend(with.agent.as_deref().map(|agent| format!("--agent {}", quoted(agent))));
    words.extend(with.grant.then(|| "--grant".to_owned()));
    if with.store.is_given() {
        words.push(format!("--store {}", quoted(&format!("sqlite:{}", with.store.find()?.0.display()))));
    }
    let command = words.join(" ");
    change(*product, *project, *yes, |text| settings::with_ours(*product, text, &command))
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

/// Shows what would change in the settings, asks, and writes them whole or not at all.
fn change(
    product: Product,
    project: bool,
    yes: bool,
    change: impl Fn(&str) -> Result<String, String>,
) -> Done {
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
    let then = change(&now).map_err(|why| Failure::said(format!("`{named}`: {}", print::clean(&why))))?;
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
    write(&file, &then).map_err(|error| Failure::said(format!("`{named}` cannot be written: {error}")))?;
    print::line("written")?;
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

/// The exit code of a command line that makes no sense, where it was meant to be a hook: a denial.
pub fn misused_code(args: &[std::ffi::OsString]) -> Option<ExitCode> {
    let is_hook = args.get(1).is_some_and(|word| word == "hook");
    is_hook.then(|| ExitCode::from(DENIED))
}
