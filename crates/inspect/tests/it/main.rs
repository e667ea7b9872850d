//! Tests of what an action would do, and of what a text contains.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod actions;
mod case;
mod code;
mod fuzz;
mod injection;
mod paths;
mod personal;
mod redact;
mod scan;
mod secrets;
mod shell;
mod sql;
mod text;
mod trace;
mod urls;
