//! What stands before the patterns of the Python package passes nothing over: held to the plain way of telling it.
//!
//! The module itself is Python's and is tested from there; these parts know nothing of Python.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../src/glance.rs"]
mod glance;
mod glances;
#[path = "../../src/meaning.rs"]
mod meaning;
mod meanings;
#[path = "../../src/needed.rs"]
mod needed;
#[path = "../../src/sieve.rs"]
mod sieve;
mod sieves;
