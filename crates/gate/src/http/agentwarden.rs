//! AgentWarden's clients, unmodified: `/agentwarden/*` on this gate's own engine.
//!
//! What a call means here is in `docs/agentwarden.md`. Its agents are the policy's, and go by name or by an id that
//! is made of the name; its permissions are rules of the policy.

pub(super) mod accounts;
pub(super) mod agents;
pub(super) mod approvals;
pub(super) mod checks;
pub(super) mod logs;
pub(super) mod permissions;
pub(super) mod webhooks;

use sha2::{Digest as _, Sha256};
use verdict::{Realm, hex};

use super::Call;
use super::problem::Problem;

/// The id under which AgentWarden's clients know an agent, beside its name: a UUID (RFC 9562, version 8) made of it.
fn uuid_of(kind: &str, name: &str) -> String {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(Sha256::digest(format!("agentwarden\0{kind}\0{name}").as_bytes()))
    {
        *to = from;
    }
    if let Some(version) = bytes.get_mut(6) {
        *version = *version & 0x0f | 0x80;
    }
    if let Some(variant) = bytes.get_mut(8) {
        *variant = *variant & 0x3f | 0x80;
    }
    let digits = hex(&bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The agent that a client means, by its name in the policy or by the id made of it. What is neither is itself.
fn agent_of(call: &Call, given: &str) -> String {
    let policy = call.app.gate.desk.policy();
    let is_uuid = given.len() == 36 && given.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if !is_uuid || policy.agent(given).is_some() {
        return given.to_owned();
    }
    let lower = given.to_ascii_lowercase();
    let named = policy.agents().find(|agent| uuid_of("agent", agent.id()) == lower);
    named.map_or_else(|| given.to_owned(), |agent| agent.id().to_owned())
}

/// There is one organization for each realm.
fn organization(realm: Realm) -> String {
    format!("org_{}", realm.as_str())
}

fn no_agent() -> Problem {
    Problem::not_found("Agent not found".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_is_a_uuid_of_the_name() {
        let id = super::uuid_of("agent", "support-bot");
        assert_eq!(id, super::uuid_of("agent", "support-bot"));
        assert_ne!(id, super::uuid_of("agent", "support-bot2"));
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((parts, id.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'8'));
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
