//! Everything the ledger promises, held from outside through its public API (and, where somebody tampers, through SQLite
//! itself).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod conformance;
mod damage;
mod erasing;
mod exporting;
mod founding;
mod hostile;
mod notes;
mod rig;
mod sharing;
mod tampering;
mod trees;
