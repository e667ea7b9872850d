//! One test binary for the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod attacks;
mod bubblewrap;
mod death;
mod defaults;
mod degraded;
mod faults;
mod guarded;
mod layers;
mod programs;
mod races;
mod rig;
mod starter;
