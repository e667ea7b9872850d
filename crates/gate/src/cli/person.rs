//! Who is at the terminal: the owner of the key in `PORTCULLIS_API_KEY`, else the operating system's user.
//!
//! The user is taken for an operator who may do everything: whoever may write the store's file could make any
//! key. The name comes from the system's user table and not from the environment, so that one person does not
//! count as two by setting a variable.

use verdict::{KeyRole, Person, Realm};

use super::Failure;
use crate::desk::Desk;
use crate::keys::{Caller, KeyRing};

/// What a command needs of the person who gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To answer questions.
    Answer,
    /// To change how things stand.
    Rule,
}

/// Who gives the command. `realm` is the one that an operator acts in; a key's own realm counts for its owner.
pub async fn find(desk: &Desk, need: Need, realm: Realm) -> Result<Person, Failure> {
    let Some(caller) = caller(desk).await? else {
        return Ok(Person { name: user_name(), groups: Vec::new(), admin: true, realm });
    };
    let may = match need {
        Need::Answer => matches!(caller.role, KeyRole::Approver | KeyRole::Admin),
        Need::Rule => caller.role == KeyRole::Admin && caller.realm == Realm::Live,
    };
    if may {
        return Ok(caller.person());
    }
    let needed = if need == Need::Answer { "an approver's or admin's" } else { "a live admin's" };
    let name = super::clean(&caller.name);
    Err(Failure::said(format!("the key of `{name}` in PORTCULLIS_API_KEY may not do this; use {needed}")))
}

/// Whose key is in `PORTCULLIS_API_KEY`; `None` if there is none. One that does not count is an error: it was meant
/// to count.
pub async fn caller(desk: &Desk) -> Result<Option<Caller>, Failure> {
    let Some(secret) = std::env::var_os("PORTCULLIS_API_KEY").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let now = desk.clock().now();
    let secret = secret.to_string_lossy().into_owned();
    let found =
        desk.ask(move |books| KeyRing::of(books).find(&secret, now).cloned()).await.map_err(Failure::said)?;
    found.map(|caller| Some(Caller::clone(&caller))).ok_or_else(|| {
        Failure::said(
            "the key in PORTCULLIS_API_KEY is not in this store, or does not count any more; unset it or set another",
        )
    })
}

/// The name of the user that this process runs as.
pub fn user_name() -> String {
    let id = rustix::process::getuid().as_raw();
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&table, id).unwrap_or_else(|| format!("uid-{id}"))
}

/// The name of user `id` in the text of a user table.
fn name_in(table: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(id.as_str())).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn users_are_found_by_their_number() {
        let table =
            "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n:x:7:7::/:\nodd";
        assert_eq!(name_in(table, 0).as_deref(), Some("root"));
        assert_eq!(name_in(table, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(table, 7), None);
        assert_eq!(name_in(table, 100), None);
    }
}
