//! `portcullis check`: one action, decided through the gate and on record, without a server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use verdict::{Answer, Draft, Json, KeyRole, Micros};

use super::opening::{halted, open_gate_inline};
use super::print::{self, Hue, paint};
use super::{Done, Failure, JsonArg, StoreArg, explain, person, problems};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::policy_text;
use crate::wire::{CheckReply, parse_id};

/// The exit code of a denied action.
const DENIED: u8 = 2;
/// The exit code of an action that a person must agree to first.
const PENDING: u8 = 3;

/// `portcullis check`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis check --policy portcullis.yaml --agent support-bot --tool crm.read
  portcullis check --policy portcullis.yaml --agent support-bot --tool stripe.refund --args '{\"amount\": 120}' --json
  portcullis check --policy portcullis.yaml --agent support-bot --tool stripe.refund --args '{\"amount\": 500}' --approval-id apr_12
  if portcullis check --policy portcullis.yaml --agent ci --tool deploy.production; then ./deploy; fi

Exit code: 0 allowed, 2 denied, 3 a person must agree first, 1 anything else.
The decision is recorded, and an allowed action counts against its limits.")]
pub struct CheckArgs {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    action: ActionArgs,
    /// Names the intent: the same key is carried out once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The approval that an earlier check asked for
    #[arg(long, value_name = "ID")]
    approval_id: Option<String>,
    /// Say what every rule made of it, too
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// The action, as it is given on a command line.
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// Who wants to act
    #[arg(long, value_name = "ID")]
    agent: String,
    /// What it calls
    #[arg(long, value_name = "NAME")]
    tool: String,
    /// The call's arguments, an object; - reads them from stdin
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// What else rules may want to know, an object
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    context: Option<String>,
    /// On whose behalf
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// In which run
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// In which turn of the run
    #[arg(long, value_name = "ID")]
    step: Option<String>,
    /// Where: production, staging, ...
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// What it is expected to cost, in dollars
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    estimated_cost_usd: Option<String>,
    /// How many tokens it is expected to take
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    estimated_tokens: Option<i64>,
}

/// The most that is read from stdin, in bytes.
const LARGEST: u64 = 1 << 20;

impl ActionArgs {
    /// The action that is meant, not yet checked.
    pub fn draft(self) -> Result<Draft, Failure> {
        let Self {
            agent,
            tool,
            args,
            context,
            user,
            session,
            step,
            environment,
            estimated_cost_usd,
            estimated_tokens,
        } = self;
        let args = match args.as_deref() {
            Some("-") => Some(stdin()?),
            _ => args,
        };
        let estimate = estimated_cost_usd.as_deref().map(Micros::parse).transpose();
        Ok(Draft {
            agent,
            tool,
            args: args.as_deref().map(|text| object("--args", text)).transpose()?,
            context: context.as_deref().map(|text| object("--context", text)).transpose()?,
            user,
            session,
            step,
            environment,
            estimate: estimate
                .map_err(|why| Failure::said(format!("--estimated-cost-usd: {}", print::clean(&why))))?,
            tokens: estimated_tokens,
            ..Draft::default()
        })
    }
}

fn stdin() -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LARGEST.saturating_add(1)).read_to_string(&mut text);
    read.map_err(|error| Failure::said(format!("--args: stdin cannot be read: {error}")))?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LARGEST) {
        return Ok(text);
    }
    Err(Failure::said(format!("--args: stdin has more than {LARGEST} bytes; send a smaller object")))
}

fn object(option: &str, text: &str) -> Result<Json, Failure> {
    let json = Json::parse(text.as_bytes()).map_err(|why| {
        Failure::said(format!(
            "{option}: `{}` is not JSON: {}; write an object such as '{{\"amount\": 120}}'",
            verdict::short(text),
            print::clean(&why)
        ))
    })?;
    match json {
        Json::Map(_) => Ok(json),
        other => Err(Failure::said(format!("{option}: an object is wanted, not {}", other.kind()))),
    }
}

/// Reads an approval's id: `apr_12`, or 12.
pub fn approval_index(text: &str) -> Result<u64, Failure> {
    parse_id("apr_", text).or_else(|| parse_id("", text)).ok_or_else(|| {
        Failure::said(format!(
            "`{}` is not the id of an approval; write one such as apr_12",
            verdict::short(text)
        ))
    })
}

/// Runs the command.
pub fn run(args: CheckArgs) -> Done {
    let CheckArgs { policy, action, idempotency_key, approval_id, explain, store, json } = args;
    let store = store.find()?;
    let approval = approval_id.as_deref().map(approval_index).transpose()?;
    let draft = Draft { key: idempotency_key, approval, ..action.draft()? };
    let examined = explain.then(|| rules(&policy, &draft)).transpose()?;
    let (decision, reply) = super::wait(async {
        let opened = open_gate_inline(&store, &policy, &line(&policy)).await?;
        let draft = vouched(&opened.gate.desk, draft).await?;
        let checked = opened.gate.check(draft).await;
        opened.gate.desk.close();
        let receipt = checked
            .map_err(|malformed| Failure::said(print::clean(&malformed.to_string())))?
            .map_err(|halt| halted(&store, &halt))?;
        Ok((receipt.decided().decision, CheckReply::of(&receipt, None)))
    })??;
    let code = match decision {
        Answer::Allow => ExitCode::SUCCESS,
        Answer::Deny => ExitCode::from(DENIED),
        Answer::Pending => ExitCode::from(PENDING),
    };
    let printed = if json.json { print::json(&reply) } else { show(&reply, decision, examined.as_deref()) };
    match printed {
        // The exit code is the answer, whether or not anybody reads the words.
        Ok(()) | Err(Failure::Unread) => Ok(code),
        Err(other) => Err(other),
    }
}

/// The action as the key in `PORTCULLIS_API_KEY` vouches for it, else as the system's user asks for it. Whoever asks
/// may not answer as well.
async fn vouched(desk: &Desk, draft: Draft) -> Result<Draft, Failure> {
    let Some(caller) = person::caller(desk).await? else {
        return Ok(Draft { by: Some(person::user_name()), ..draft });
    };
    if !matches!(caller.role, KeyRole::Agent | KeyRole::Admin) {
        return Err(Failure::said(
            "the key in PORTCULLIS_API_KEY may not check actions; use an agent's or admin's",
        ));
    }
    if caller.agent.as_ref().is_some_and(|bound| *bound != draft.agent) {
        return Err(Failure::said(format!(
            "the key in PORTCULLIS_API_KEY can not act for `{}`; use the key of that agent",
            verdict::short(&draft.agent)
        )));
    }
    Ok(Draft { by: Some(caller.name), realm: caller.realm, ..draft })
}

/// Checks from the command line follow their own file: they must not replace the policy of a gate that serves from
/// the same store.
fn line(policy: &Path) -> String {
    let path = policy.canonicalize().unwrap_or_else(|_| policy.to_owned());
    format!("check:{}", path.display())
}

fn rules(policy: &Path, draft: &Draft) -> Result<Vec<String>, Failure> {
    let text = policy_text::read(policy).map_err(|mistakes| problems::refuse(policy, &mistakes))?;
    let examined = explain::consider(&text.loaded.policy, draft.clone(), Clock::start().now());
    Ok(explain::findings(&examined.rules))
}

fn show(reply: &CheckReply, decision: Answer, rules: Option<&[String]>) -> Result<(), Failure> {
    let (word, hue) = match decision {
        Answer::Allow => ("allow", Hue::Good),
        Answer::Deny => ("deny", Hue::Bad),
        Answer::Pending => ("pending", Hue::Care),
    };
    print::line(&format!("{} ({})", paint(word, hue), reply.code))?;
    print::field("id", &reply.decision_id)?;
    print::field("rule", reply.rule.as_deref().unwrap_or_default())?;
    print::field("reason", &reply.reason)?;
    if let Some(seconds) = reply.retry_after_s {
        print::field("retry after", &format!("{seconds} s"))?;
    }
    if let Some(original) = &reply.duplicate_of {
        print::field("repeats", original)?;
    }
    if let (Answer::Pending, Some(approval)) = (decision, &reply.approval_id) {
        print::field("answer it", &format!("portcullis approvals approve {approval}"))?;
        print::field("then", &format!("repeat the check with --approval-id {approval}"))?;
    }
    let Some(rules) = rules else { return Ok(()) };
    print::line("\nRules, in the order in which they count:")?;
    rules.iter().try_for_each(|rule| print::line(&format!("  {}", print::clean(rule))))
}
