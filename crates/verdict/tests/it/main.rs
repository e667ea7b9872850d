//! One test binary for the whole of `verdict`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    reason = "a test fails by panicking, and its tables may be long"
)]

#[path = "../condition/mod.rs"]
mod condition;
#[path = "../load/mod.rs"]
mod load;

mod boundaries;
mod canonical;
mod decisions;
mod hands;
mod leases;
mod limits;
mod memory;
mod questions;
mod records;
mod strain;
