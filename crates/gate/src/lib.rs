//! The gate: where the pure half meets the world. [`path`] is the place to start reading.
#![forbid(unsafe_code)]

pub mod clock;
pub mod desk;
pub mod ink;
pub mod keys;
pub mod mcp;
pub mod path;
pub mod policy_text;
pub mod store;
pub mod wire;
