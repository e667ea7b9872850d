//! `portcullis ledger tail`: the newest records, and those that come.

use std::process::ExitCode;
use std::time::Duration;

use ::ledger::{Entry, Reader};
use clap::Args;
use verdict::{Answer, Decided, LeaseEvent, LeaseNote, Record, Settled};

use super::explain::word;
use super::opening::open_reader;
use super::print::{self, Hue, clean, paint};
use super::{Done, Failure, JsonArg, StoreArg};
use crate::clock::rfc3339;
use crate::ink::record_of;
use crate::views;

/// How often to look for new records.
const LOOK: Duration = Duration::from_millis(200);
/// How many records one read takes in.
const AT_ONCE: usize = 1_000;

/// `portcullis ledger tail`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis ledger tail
  portcullis ledger tail -n 100 --json | jq 'select(.record.decided.decision == \"deny\")'
  portcullis ledger tail -f")]
pub struct TailArgs {
    /// How many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    lines: u32,
    /// Go on with those that come
    #[arg(short = 'f', long)]
    follow: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Runs the command.
pub fn run(args: &TailArgs) -> Done {
    let reader = open_reader(&args.store.find()?)?;
    let size = reader.size().map_err(Failure::said)?;
    let mut next = size.saturating_sub(u64::from(args.lines));
    next = print_from(&reader, next, args.json.json)?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::sleep(LOOK);
        if reader.changed() || reader.size().map_err(Failure::said)? > next {
            next = print_from(&reader, next, args.json.json)?;
        }
    }
}

/// Prints the records from `next` on; the index after the last.
fn print_from(reader: &Reader, mut next: u64, json: bool) -> Result<u64, Failure> {
    loop {
        if json {
            let page = views::records(reader, next, AT_ONCE).map_err(Failure::said)?;
            if page.records.is_empty() {
                return Ok(next);
            }
            next = page.next;
            page.records.iter().try_for_each(print::json_line)?;
        } else {
            let entries = reader.read(next, AT_ONCE).map_err(Failure::said)?;
            let Some(last) = entries.last() else { return Ok(next) };
            next = last.index.saturating_add(1);
            entries.iter().try_for_each(show)?;
        }
    }
}

fn show(entry: &Entry) -> Result<(), Failure> {
    let Ok(record) = record_of(entry.index, &entry.body) else {
        return print::line(&format!("{:>8}  {}", entry.index, clean(&String::from_utf8_lossy(&entry.body))));
    };
    let (kind, hue, text) = described(&record);
    let kind = format!("{kind:<9}");
    let kind = hue.map_or_else(|| kind.clone(), |hue| paint(&kind, hue));
    let time = paint(&rfc3339(record.at()), Hue::Dim);
    print::line(&format!("{:>8}  {time}  {kind}  {}", entry.index, clean(&text)))
}

/// What happened, in a word, a colour and a line.
fn described(record: &Record) -> (&'static str, Option<Hue>, String) {
    match record {
        Record::Decided(it) => {
            let (kind, hue) = match it.decision {
                Answer::Allow => ("allow", Hue::Good),
                Answer::Deny => ("deny", Hue::Bad),
                Answer::Pending => ("pending", Hue::Care),
            };
            (kind, Some(hue), decided(it))
        }
        Record::Settled(it) => ("outcome", None, settled(it)),
        Record::Answered(it) => {
            let said = it.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
            let answer = if it.approve { "approved" } else { "denied" };
            ("answer", Some(Hue::Care), format!("apr_{} {answer} by {}{said}", it.of, it.by))
        }
        Record::Closed(it) => {
            let how = if it.cancelled { "was withdrawn" } else { "has expired" };
            ("closed", None, format!("apr_{} {how}", it.of))
        }
        Record::Policy(it) => {
            let from = if it.file {
                "its file".to_owned()
            } else {
                it.by.clone().unwrap_or_else(|| "the API".to_owned())
            };
            ("policy", Some(Hue::Strong), format!("{} in force for {}, from {from}", it.version.0, it.line))
        }
        Record::Agent(it) => {
            let how = if it.enabled { "enabled" } else { "disabled" };
            let why = it.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            ("agent", Some(Hue::Strong), format!("{} {how} by {}{why}", it.agent, it.by))
        }
        Record::Tool(it) => {
            let how =
                it.accepted_by.as_deref().map_or_else(|| "seen".to_owned(), |by| format!("accepted by {by}"));
            ("tool", Some(Hue::Strong), format!("{} of {} {how}", it.tool, it.server))
        }
        Record::Key(it) => {
            ("key", Some(Hue::Strong), format!("{} for {} ({}) by {}", it.id, it.name, word(&it.role), it.by))
        }
        Record::KeyRevoked(it) => ("key", Some(Hue::Strong), format!("{} revoked by {}", it.id, it.by)),
        Record::Lease(it) => ("lease", None, leased(it)),
        Record::Event(it) => {
            let of = [it.run.as_deref(), it.agent.as_deref(), it.tool.as_deref(), it.status.as_deref()];
            let of: Vec<&str> = of.into_iter().flatten().collect();
            ("event", None, format!("{} by {} {}", it.kind, it.by, of.join(" ")))
        }
        Record::Secret(it) => {
            let how = if it.dropped { "dropped" } else { "stored" };
            ("secret", Some(Hue::Strong), format!("{} {how} by {}", it.name, it.by))
        }
        Record::Erased(it) => {
            ("erased", Some(Hue::Strong), format!("what lay beside record {}, by {}", it.of, it.by))
        }
    }
}

fn leased(it: &LeaseNote) -> String {
    let event = match &it.event {
        LeaseEvent::Taken { .. } => "taken".to_owned(),
        LeaseEvent::Refused { of, .. } => format!("refused: record {of} has it"),
        LeaseEvent::Extended { of, .. } => format!("of record {of} extended"),
        LeaseEvent::Ended { of, how, .. } => format!("of record {of} {how}"),
    };
    format!("{} {} {event}, by {}", word(&it.kind), it.name, it.by)
}

fn decided(it: &Decided) -> String {
    let rule = it.rule.as_deref().map(|rule| format!(" by rule {rule}")).unwrap_or_default();
    let test = if it.realm == verdict::Realm::Test { " [test]" } else { "" };
    let reason = it.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {} ({}{rule}){test}{reason}", it.agent, it.tool, crate::wire::code_word(it.code))
}

fn settled(it: &Settled) -> String {
    let cost = it.cost.map(|cost| format!(", ${cost}")).unwrap_or_default();
    format!("dec_{} {}{cost} ({})", it.of, word(&it.status), it.agent)
}
