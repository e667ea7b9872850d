//! One test binary for the whole gate.
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

mod agentwarden;
mod authzen;
mod chaos;
mod cli;
mod cli_ledger;
mod cli_people;
mod cli_policy;
mod cli_serve;
mod desk;
mod hands;
mod hook;
mod http_client;
mod http_contract;
mod http_hostile;
mod http_races;
mod http_roles;
mod inspection;
mod mcp;
mod mcp_eras;
mod mcp_http;
mod mcp_killed;
mod mcp_rig;
mod mcp_tls;
mod model;
mod onceonly;
mod onceonly_work;
mod policy_edit;
mod proxy;
mod run;
mod sim;
mod tidy;
mod tool_call;
mod tool_faults;
mod tool_import;
mod tool_in_force;
mod tool_killed;
mod tool_signing;
mod upstream;
mod ways;
