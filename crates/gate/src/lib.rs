//! The gate: where the pure half meets the world. [`path`] is the place to start reading.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod desk;
pub mod dev;
pub mod examine;
pub mod eyes;
pub mod hook;
pub mod http;
pub mod ink;
pub mod keys;
pub mod mcp;
pub mod metrics;
pub mod path;
mod patience;
pub mod policy_edit;
pub mod policy_text;
pub mod policy_watch;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod runs;
pub mod serve;
pub mod store;
pub mod tool;
pub mod views;
pub mod webhooks;
pub mod wire;
