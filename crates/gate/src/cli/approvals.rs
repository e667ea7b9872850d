//! `portcullis approvals`: what waits for a person, and their answers.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use ::ledger::Reader;
use clap::{Args, Subcommand, ValueEnum};
use verdict::{Command, Index, Json, Micro, Realm, Refusal, Standing};

use super::check::approval_index;
use super::explain::word;
use super::keys::minute;
use super::opening::{self, halted, open_reader};
use super::person::{self, Need};
use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg, StoreArg};
use crate::desk::Desk;
use crate::store::StorePath;
use crate::views::{self, ApprovalPage, ApprovalView};
use crate::wire::approval_id;

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(500);
/// The longest message, in characters.
const LONGEST: usize = 2_000;

/// `portcullis approvals`
#[derive(Debug, Subcommand)]
pub enum ApprovalsCommand {
    /// List what waits for an answer
    List(ListArgs),
    /// Show one question, with everything that is known of the action
    #[command(
        after_help = "Examples:\n  portcullis approvals show apr_12\n  portcullis approvals show 12 --json"
    )]
    Show(ShowArgs),
    /// Say yes
    #[command(after_help = "Examples:
  portcullis approvals approve apr_12
  portcullis approvals approve apr_12 -m 'called the customer'
  PORTCULLIS_API_KEY=pk_live_... portcullis approvals approve apr_12      # as the key's owner")]
    Approve(AnswerArgs),
    /// Say no
    #[command(after_help = "Examples:\n  portcullis approvals deny apr_12 -m 'not this account'")]
    Deny(AnswerArgs),
}

/// `portcullis approvals list`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis approvals list
  portcullis approvals list --status all
  portcullis approvals list --watch
  portcullis approvals list --json | jq -r '.approvals[].id'")]
pub struct ListArgs {
    /// Which; those that are over are listed for a day
    #[arg(long, value_enum, default_value = "pending")]
    status: Which,
    /// Print questions as they come, until stopped
    #[arg(long, short = 'w')]
    watch: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis approvals show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The question: apr_12, or 12
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis approvals approve` and `deny`
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The question: apr_12, or 12
    #[arg(value_name = "ID")]
    id: String,
    /// What else to say; the agent is told when the answer is no
    #[arg(long, short = 'm')]
    message: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Pending,
    Approved,
    Denied,
    Expired,
    Cancelled,
    All,
}

impl Which {
    fn takes(self, standing: Standing) -> bool {
        match self {
            Self::All => true,
            Self::Pending => standing == Standing::Pending,
            Self::Approved => standing == Standing::Approved,
            Self::Denied => standing == Standing::Denied,
            Self::Expired => standing == Standing::Expired,
            Self::Cancelled => standing == Standing::Cancelled,
        }
    }
}

/// Runs the command.
pub fn run(command: ApprovalsCommand) -> Done {
    match command {
        ApprovalsCommand::List(args) => list(&args),
        ApprovalsCommand::Show(args) => show(&args),
        ApprovalsCommand::Approve(args) => answer(args, true),
        ApprovalsCommand::Deny(args) => answer(args, false),
    }
}

fn list(args: &ListArgs) -> Done {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let reader = open_reader(&store)?;
    let mut questions = find(&desk, &store, &reader, args.status)?;
    if args.watch {
        return watch(args, &desk, &store, &reader);
    }
    desk.close();
    if args.json.json {
        print::json(&ApprovalPage { approvals: questions, next_cursor: None })?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = desk.clock().now();
    questions.reverse();
    let mut table = Table::new(&["ID", "STATUS", "AGENT", "TOOL", "ARGS", "RULE", "RISK", "ANSWERS", "LEFT"]);
    for it in &questions {
        let args = it.args.as_ref().map(|args| cut(&args.canonical(), 48)).unwrap_or_default();
        table.row([
            it.id.as_str().into(),
            hued(word(&it.status), hue(it.status)),
            it.agent_id.as_str().into(),
            it.tool.as_str().into(),
            args.into(),
            it.rule.as_deref().unwrap_or_default().into(),
            word(&it.risk).into(),
            format!("{} of {}", it.answers.iter().filter(|said| said.answer == "approve").count(), it.quorum)
                .into(),
            left(it, now).into(),
        ]);
    }
    table.print("nothing waits for an answer")?;
    if std::io::stdout().is_terminal() && !questions.is_empty() {
        print::line(&paint("\nSee one with `portcullis approvals show ID`.", Hue::Dim))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The question at `id`, live or test: whoever reads the store's file sees both.
fn read(reader: &Reader, id: Index, now: Micro) -> Result<Option<ApprovalView>, Failure> {
    let live = views::approval(reader, Realm::Live, id, now).map_err(Failure::said)?;
    match live {
        Some(view) => Ok(Some(view)),
        None => views::approval(reader, Realm::Test, id, now).map_err(Failure::said),
    }
}

/// Newest first.
fn find(desk: &Desk, store: &StorePath, reader: &Reader, which: Which) -> Result<Vec<ApprovalView>, Failure> {
    let now = desk.clock().now();
    let ids = super::wait(desk.ask(move |books| {
        let wanted = books.approvals().filter(|(_, it)| which.takes(it.standing(now)));
        wanted.map(|(id, _)| id).collect::<Vec<Index>>()
    }))?;
    let mut ids = ids.map_err(|halt| halted(store, &halt))?;
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let read = ids.into_iter().map(|id| read(reader, id, now));
    read.filter_map(Result::transpose).collect()
}

/// Prints each question once, when it is first seen.
fn watch(args: &ListArgs, desk: &Desk, store: &StorePath, reader: &Reader) -> Done {
    let mut seen = std::collections::HashSet::new();
    loop {
        let mut questions = find(desk, store, reader, args.status)?;
        questions.reverse();
        for it in questions {
            if !seen.insert(it.id.clone()) {
                continue;
            }
            if args.json.json {
                print::json_line(&it)?;
            } else {
                describe(&it, desk.clock().now())?;
                print::line("")?;
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn show(args: &ShowArgs) -> Done {
    let id = approval_index(&args.id)?;
    let store = args.store.find()?;
    let now = crate::clock::Clock::start().now();
    let it = read(&open_reader(&store)?, id, now)?.ok_or_else(|| unknown(id))?;
    if args.json.json {
        print::json(&it)?
    } else {
        describe(&it, now)?
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: Index) -> Failure {
    Failure::said(format!(
        "there is no approval `{}`; `portcullis approvals list --status all` lists them",
        approval_id(id)
    ))
}

fn describe(it: &ApprovalView, now: Micro) -> Result<(), Failure> {
    let status = paint(&word(&it.status), hue(it.status));
    let test = if it.test { "  [test data]" } else { "" };
    print::line(&format!("{}  {status}{test}", paint(&it.id, Hue::Strong)))?;
    print::field("agent", &it.agent_id)?;
    print::field("tool", &it.tool)?;
    let whole = |value: &Option<Json>| value.as_ref().map(Json::canonical).unwrap_or_default();
    print::field("args", &whole(&it.args))?;
    print::field("context", &whole(&it.context))?;
    print::field("user", it.user.as_deref().unwrap_or_default())?;
    print::field("risk", &word(&it.risk))?;
    print::field("rule", it.rule.as_deref().unwrap_or_default())?;
    print::field("reason", &it.reason)?;
    print::field("digest", &it.digest)?;
    let from = if it.from.is_empty() { "any approver".to_owned() } else { it.from.join(" or ") };
    let yes = it.answers.iter().filter(|said| said.answer == "approve").count();
    print::field("needs", &format!("{yes} of {} from {from}", it.quorum))?;
    for said in &it.answers {
        let message = said.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        print::field(said.answer, &format!("{} at {}{message}", said.by, minute(&said.at)))?;
    }
    print::field("asked", &minute(&it.requested_at))?;
    print::field("expires", &format!("{} ({})", minute(&it.expires_at), left(it, now)))?;
    print::field("used by", it.used_by.as_deref().unwrap_or_default())
}

fn answer(args: AnswerArgs, approve: bool) -> Done {
    let AnswerArgs { id, message, store, json } = args;
    let of = approval_index(&id)?;
    if message.as_deref().is_some_and(|text| text.chars().count() > LONGEST) {
        return Err(Failure::said(format!("--message has more than {LONGEST} characters; say it shorter")));
    }
    let store = store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let answered = super::wait(async {
        let realm = desk.ask(move |books| books.approval(of).map(|it| it.realm)).await;
        let realm = realm.map_err(|halt| halted(&store, &halt))?.unwrap_or(Realm::Live);
        let person = person::find(&desk, Need::Answer, realm).await?;
        let name = person.name.clone();
        let command = Command::Answer { of, approve, person, message };
        let done = desk.obey(command).await.map_err(|halt| halted(&store, &halt))?;
        done.map_err(|refusal| refused(&refusal, &name))?;
        Ok(name)
    })?;
    desk.close();
    let name = answered?;
    let it = read(&open_reader(&store)?, of, desk.clock().now())?.ok_or_else(|| unknown(of))?;
    if json.json {
        print::json(&it)?;
        return Ok(ExitCode::SUCCESS);
    }
    let yes = it.answers.iter().filter(|said| said.answer == "approve").count();
    let said = if approve { paint("approved", Hue::Good) } else { paint("denied", Hue::Bad) };
    let waits = if approve && it.status == Standing::Pending {
        format!("; {yes} of {} have agreed, it still waits", it.quorum)
    } else {
        String::new()
    };
    print::line(&format!(
        "{} {said} by {}: {} {}{waits}",
        it.id,
        clean(&name),
        clean(&it.agent_id),
        clean(&it.tool)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Why an answer is not taken, and what to do where that is not plain.
fn refused(refusal: &Refusal, name: &str) -> Failure {
    let why = clean(&refusal.to_string());
    match refusal {
        // Two people at one terminal are one user of the system.
        Refusal::Conflict(_) if why.starts_with(&format!("`{}`", clean(name))) => {
            Failure::said(format!("{why}; another person answers with their own key in PORTCULLIS_API_KEY"))
        }
        _ => Failure::Said(why),
    }
}

fn hue(standing: Standing) -> Hue {
    match standing {
        Standing::Pending => Hue::Care,
        Standing::Approved => Hue::Good,
        Standing::Denied => Hue::Bad,
        Standing::Expired | Standing::Cancelled => Hue::Dim,
    }
}

/// How long there is to answer, or to use the answer.
fn left(it: &ApprovalView, now: Micro) -> String {
    let seconds = it.expires.saturating_sub(now).max(0) / 1_000_000;
    match it.status {
        Standing::Pending | Standing::Approved if it.used_by.is_none() => {
            match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
                (0, 0, s) => format!("{s} s left"),
                (0, m, s) => format!("{m} min {s} s left"),
                (h, m, _) => format!("{h} h {m} min left"),
            }
        }
        _ => "over".to_owned(),
    }
}

/// The beginning of a text.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
