//! `portcullis keys`: makes keys for the HTTP API, lists and revokes them.
//!
//! A secret is shown once, when it is made; the ledger keeps its hash alone.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use verdict::{Command, KeyMade, KeyRole, Micro, Realm};

use super::explain::word;
use super::opening::{self, halted};
use super::person::{self, Need};
use super::print::{self, Hue, Table, clean, hued, paint};
use super::{Done, Failure, JsonArg, StoreArg};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::desk::Desk;
use crate::keys::{hash, new_id, new_secret};
use crate::store::StorePath;
use crate::views::{self, KeyPage, KeyView};

/// `portcullis keys`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key; its secret is shown once
    Create(CreateArgs),
    /// List keys that count
    #[command(
        after_help = "Examples:\n  portcullis keys list\n  portcullis keys list --json | jq -r '.keys[].id'"
    )]
    List(ListArgs),
    /// Revoke a key, at once and everywhere
    #[command(after_help = "Examples:\n  portcullis keys revoke key_2fGx1bPq9ZkT")]
    Revoke(RevokeArgs),
}

/// `portcullis keys create`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  portcullis keys create --role agent --name support-bot --agent support-bot
  portcullis keys create --role approver --name alice@example.com --group finance
  portcullis keys create --role auditor --name audit --expires 30d --json
  portcullis keys create --role admin --name ci --test

Roles: agent checks actions and reports outcomes; approver answers questions; auditor reads everything; admin does all.
A key with --test sees only test data and touches no live counter.")]
pub struct CreateArgs {
    /// What it may do
    #[arg(long, value_enum)]
    role: Role,
    /// The person or program it is for; answers to questions carry this name
    #[arg(long)]
    name: String,
    /// The one agent it may act for
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// A group that its owner answers for; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// For test data alone
    #[arg(long)]
    test: bool,
    /// When it stops to count: a length of time such as 30d, or a time such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis keys list`
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// `portcullis keys revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The key's id, from `portcullis keys list`
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    store: StoreArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Agent,
    Approver,
    Auditor,
    Admin,
}

impl From<Role> for KeyRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Agent => Self::Agent,
            Role::Approver => Self::Approver,
            Role::Auditor => Self::Auditor,
            Role::Admin => Self::Admin,
        }
    }
}

/// Runs the command.
pub fn run(command: KeysCommand) -> Done {
    match command {
        KeysCommand::Create(args) => create(args),
        KeysCommand::List(args) => list(&args),
        KeysCommand::Revoke(args) => revoke(&args),
    }
}

/// A key that was made.
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// What its owner shows; kept nowhere.
    pub secret: String,
}

/// What a key is to be.
pub struct KeyPlan {
    /// The person or program it is for.
    pub name: String,
    /// What it may do.
    pub role: KeyRole,
    /// The one agent it may act for.
    pub agent: Option<String>,
    /// Groups that its owner answers for.
    pub groups: Vec<String>,
    /// Whose data it sees.
    pub realm: Realm,
    /// When it stops to count.
    pub expires: Option<Micro>,
}

/// Makes a key.
pub async fn make(desk: &Desk, store: &StorePath, plan: KeyPlan, by: String) -> Result<NewKey, Failure> {
    let KeyPlan { name, role, agent, groups, realm, expires } = plan;
    let secret = new_secret(realm).map_err(Failure::Said)?;
    let id = new_id().map_err(Failure::Said)?;
    // The time is set when the record is written.
    let key =
        KeyMade { t: 0, id: id.clone(), hash: hash(&secret), name, role, agent, groups, realm, expires, by };
    let made = desk.obey(Command::Key(key)).await.map_err(|halt| halted(store, &halt))?;
    made.map_err(Failure::said)?;
    Ok(NewKey { id, secret })
}

fn create(args: CreateArgs) -> Done {
    let CreateArgs { role, name, agent, groups, test, expires, store, json } = args;
    let store = store.find()?;
    let role = KeyRole::from(role);
    check_texts(&name, agent.as_deref(), &groups)?;
    if agent.is_some() && role != KeyRole::Agent {
        return Err(Failure::said(format!(
            "--agent binds a key of role agent, and this one is {}; leave it out",
            word(&role)
        )));
    }
    let desk = opening::open_desk(&store, true)?;
    let expires = expires.as_deref().map(|text| expiry(text, desk.clock().now())).transpose()?;
    let realm = if test { Realm::Test } else { Realm::Live };
    let expires_at = expires.map(rfc3339);
    let shown = (name.clone(), agent.clone(), groups.clone());
    let made = super::wait(async {
        let by = person::find(&desk, Need::Rule, Realm::Live).await?.name;
        let made =
            make(&desk, &store, KeyPlan { name, role, agent, groups, realm, expires }, by.clone()).await?;
        Ok((made, by))
    })?;
    desk.close();
    let (NewKey { id, secret }, created_by) = made?;
    let (name, agent_id, groups) = shown;
    if json.json {
        let created_at = rfc3339(desk.clock().now());
        let secret = Some(secret);
        print::json(&KeyView {
            id,
            secret,
            name,
            role,
            agent_id,
            groups,
            test,
            expires_at,
            created_at,
            created_by,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    print::field("id", &id)?;
    print::field("secret", &secret)?;
    print::line(&paint(
        "The secret is not shown again. Send it as `Authorization: Bearer SECRET`.",
        Hue::Care,
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Names as they may stand in a record and in a message.
fn check_texts(name: &str, agent: Option<&str>, groups: &[String]) -> Result<(), Failure> {
    let fine = |text: &str| {
        !text.trim().is_empty() && text.chars().count() <= 256 && !text.chars().any(char::is_control)
    };
    let odd = std::iter::once(name).chain(groups.iter().map(String::as_str)).find(|text| !fine(text));
    if let Some(odd) = odd {
        let odd = verdict::short(odd);
        return Err(Failure::said(format!(
            "`{odd}` is not a name; use 1 to 256 characters, none of them a control character"
        )));
    }
    match agent.map(|agent| verdict::check_name("--agent", agent, "._-:@")) {
        Some(Err(malformed)) => Err(Failure::said(malformed)),
        _ => Ok(()),
    }
}

/// When a key stops to count, from a length of time or a time.
fn expiry(text: &str, now: Micro) -> Result<Micro, Failure> {
    let odd = || {
        let text = verdict::short(text);
        Failure::said(format!(
            "--expires: `{text}` is neither a length of time such as 30d nor a time such as 2030-01-31T00:00:00Z"
        ))
    };
    let at = match parse_rfc3339(text) {
        Some(at) => at,
        None => length(text).and_then(|length| now.checked_add(length)).ok_or_else(odd)?,
    };
    if at <= now {
        return Err(Failure::said(format!(
            "--expires: `{}` is past; name a later time",
            verdict::short(text)
        )));
    }
    Ok(at)
}

/// A length of time such as `30d`, in microseconds.
fn length(text: &str) -> Option<Micro> {
    let at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(at)?;
    let unit: Micro = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: Micro = plain.then(|| number.parse().ok())??;
    number.checked_mul(unit)?.checked_mul(1_000_000)
}

fn list(args: &ListArgs) -> Done {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let keys = super::wait(desk.ask(|books| views::keys(books, None)))?;
    desk.close();
    let keys = keys.map_err(|halt| halted(&store, &halt))?;
    if args.json.json {
        print::json(&KeyPage { keys })?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = desk.clock().now();
    let mut table = Table::new(&["ID", "NAME", "ROLE", "AGENT", "GROUPS", "DATA", "MADE", "EXPIRES"]);
    for key in &keys {
        let over = |at: &str| parse_rfc3339(at).is_none_or(|at| now > at);
        let expires = match &key.expires_at {
            Some(at) if over(at) => hued(format!("{} (over)", minute(at)), Hue::Bad),
            Some(at) => minute(at).into(),
            None => "never".into(),
        };
        table.row([
            key.id.as_str().into(),
            key.name.as_str().into(),
            word(&key.role).into(),
            key.agent_id.as_deref().unwrap_or("any").into(),
            key.groups.join(",").into(),
            if key.test { "test" } else { "live" }.into(),
            minute(&key.created_at).into(),
            expires,
        ]);
    }
    table.print("no keys; make one with `portcullis keys create`")?;
    Ok(ExitCode::SUCCESS)
}

/// `2026-11-21T08:00:00.000000Z` as `2026-11-21 08:00`.
pub fn minute(time: &str) -> String {
    time.get(..16).map_or_else(|| time.to_owned(), |time| time.replace('T', " "))
}

fn revoke(args: &RevokeArgs) -> Done {
    let store = args.store.find()?;
    let desk = opening::open_desk(&store, false)?;
    let id = args.id.clone();
    let done = super::wait(async {
        let by = person::find(&desk, Need::Rule, Realm::Live).await?.name;
        let revoked = desk.obey(Command::Revoke { id, by }).await.map_err(|halt| halted(&store, &halt))?;
        revoked.map_err(|refusal| {
            Failure::said(format!("{}; `portcullis keys list` lists them", clean(&refusal.to_string())))
        })
    })?;
    desk.close();
    done?;
    print::line(&format!("key {} is revoked", clean(&args.id)))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_strictly() {
        assert_eq!(length("30d"), Some(30 * 86_400 * 1_000_000));
        assert_eq!(length("1s"), Some(1_000_000));
        for odd in
            ["", "d", "-1d", "+1d", "1.5h", "1y", "99999999999999999999d", "9223372036854775807w", "1é"]
        {
            assert_eq!(length(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_key_does_not_expire_in_the_past() {
        assert!(expiry("2000-01-01T00:00:00Z", 10_i64.pow(15)).is_err());
        assert_eq!(expiry("1m", 5).unwrap(), 60_000_005);
        assert!(expiry("0s", 5).is_err());
    }
}
