//! MCP over HTTP: the sessions of many clients, each with its own servers behind.
//!
//! [`hub`] is where requests come in; [`visit`] is one client, [`link`] one of its servers, [`streams`] what goes back.
//! What is decided, filtered, pinned and screened is so by the same session as over stdio. Knows no sockets.

mod border;
mod bridge;
mod dial;
mod events;
mod feed;
mod hub;
mod link;
mod many;
mod modern;
mod once;
mod pipes;
mod remote;
mod sessionless;
mod streams;
mod turned;
mod visit;

pub use feed::Feed;
pub use hub::{Answer, Heads, Hub, Principal};

pub(super) use border::scheme;
