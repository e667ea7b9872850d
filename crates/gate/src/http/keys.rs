//! Keys: made, listed, revoked.

use schemars::JsonSchema;
use serde::Serialize;
use verdict::{Command, KeyMade, Realm};

use super::problem::{Problem, role_word};
use super::query::Query;
use super::reply::{self, Reply};
use super::{Call, halted, refused};
use crate::keys::{hash, new_id, new_secret};
use crate::views::{self, KeyPage, KeyView};
use crate::wire::{self, KeyRequest};

/// A key's end.
#[derive(Serialize, JsonSchema)]
pub(super) struct Revoked {
    /// Its id.
    id: String,
    /// Always true.
    revoked: bool,
}

/// What a key may do.
#[derive(Serialize, JsonSchema)]
pub(super) struct Own {
    /// Its id.
    id: String,
    /// The person or program it was made for.
    name: String,
    /// What it may do.
    #[schemars(with = "wire::RoleWord")]
    role: &'static str,
    /// The one agent it may act for.
    agent_id: Option<String>,
    /// Groups it answers for.
    groups: Vec<String>,
    /// True: it sees only test data.
    test: bool,
}

pub(super) async fn make(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let request: KeyRequest =
        wire::read(&call.body).map_err(|why| Problem::unreadable("invalid_request", why))?;
    let KeyRequest { name, role, agent_id, groups, test, expires_at } = request;
    let caller = call.caller()?;
    if caller.realm == Realm::Test && !test {
        return Err(Problem::forbidden("a test key can make test keys only".to_owned()));
    }
    let now = call.now();
    if expires_at.is_some_and(|expires| expires <= now) {
        return Err(Problem::request("`expires_at` is over already".to_owned()));
    }
    let realm = if test { Realm::Test } else { Realm::Live };
    let random = |result: Result<String, String>| {
        result.map_err(|why| {
            tracing::error!(reason = why, "no key could be made");
            Problem::internal()
        })
    };
    let (id, secret) = (random(new_id())?, random(new_secret(realm))?);
    let by = caller.name.clone();
    let hash = hash(&secret);
    let key = KeyMade {
        t: now,
        id: id.clone(),
        hash,
        name,
        role,
        agent: agent_id,
        groups,
        realm,
        expires: expires_at,
        by,
    };
    let view = KeyView { secret: Some(secret), ..views::key(&key) };
    obey(&call, Command::Key(key)).await?;
    reply::json_with(hyper::StatusCode::CREATED, &view)
}

pub(super) async fn list(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    reply::json(&KeyPage { keys: visible(&call).await? })
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    reply::json(&find(&call).await?)
}

pub(super) async fn revoke(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let KeyView { id, .. } = find(&call).await?;
    let by = call.caller()?.name.clone();
    obey(&call, Command::Revoke { id: id.clone(), by }).await?;
    reply::json(&Revoked { id, revoked: true })
}

pub(super) async fn own(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let caller = call.caller()?;
    reply::json(&Own {
        id: caller.key.clone(),
        name: caller.name.clone(),
        role: role_word(caller.role),
        agent_id: caller.agent.clone(),
        groups: caller.groups.clone(),
        test: caller.realm == Realm::Test,
    })
}

/// Does it, and lets it count before the answer leaves.
async fn obey(call: &Call, command: Command) -> Result<(), Problem> {
    let desk = &call.app.gate.desk;
    let obeyed = desk.obey(command).await.map_err(|halt| halted(&halt))?;
    call.app.ring.refresh(desk).await.map_err(|halt| halted(&halt))?;
    obeyed.map(|_| ()).map_err(|refusal| refused(&refusal))
}

async fn find(call: &Call) -> Result<KeyView, Problem> {
    let id = call.param(0);
    let found = visible(call).await?.into_iter().find(|key| key.id == id);
    found.ok_or_else(|| Problem::not_found(format!("there is no key `{id}`")))
}

/// The keys that the caller may know of: a test key knows test keys only.
async fn visible(call: &Call) -> Result<Vec<KeyView>, Problem> {
    let realm = (call.realm()? == Realm::Test).then_some(Realm::Test);
    call.app.gate.desk.ask(move |books| views::keys(books, realm)).await.map_err(|halt| halted(&halt))
}
