//! The program `portcullis`: an allocator, and [`gate::cli::main`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else: as the sandbox's helper nothing of the gate may run in this process.
    sandbox::take_over();
    gate::cli::main()
}
