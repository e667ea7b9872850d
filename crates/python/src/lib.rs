//! The Python module `portcullis._engine`: the gate's own decisions inside a Python process.
//!
//! Answerable for crossing the border between Python and Rust: values of any shape in, answers out, the interpreter
//! let go while the engine works. Decides nothing: actions go through [`gate::path::Gate`], as everywhere.

mod decision;
mod ends;
mod engine;
mod glance;
mod look;
mod meaning;
mod memory;
mod needed;
mod patterns;
mod sieve;
mod values;

use pyo3::prelude::*;

/// What Python sees. Works without the interpreter's lock: classes are frozen, and what is behind them is the gate's
/// own, which is made for threads. No borrow of an object of Python's outlives the call it came with.
#[pymodule(gil_used = false)]
mod _engine {
    #[pymodule_export]
    use super::decision::Decision;
    #[pymodule_export]
    use super::engine::{Engine, Halted};
    #[pymodule_export]
    use super::look::{canonical, hosts, paths, redact, shell, sql};
    #[pymodule_export]
    use super::patterns::Patterns;
}
