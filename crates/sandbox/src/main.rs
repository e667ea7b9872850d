//! The sandbox without the gate, for this crate's tests: the helper, and one run described in JSON.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use sandbox::{Sink, Spec, Stdin, Stream};
use serde_json::json;

#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Sink for Kept {
    fn printed(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.extend(bytes),
            Stream::Err => self.err.extend(bytes),
        }
    }
}

fn main() -> ExitCode {
    sandbox::take_over();
    let Some(spec) = std::env::args().nth(1).and_then(|text| serde_json::from_str::<Spec>(&text).ok()) else {
        return ExitCode::FAILURE;
    };
    let mut kept = Kept::default();
    let ran = sandbox::run(&spec, None, Stdin::Empty, &mut kept);
    let (out, err) = (String::from_utf8_lossy(&kept.out), String::from_utf8_lossy(&kept.err));
    let told = match ran {
        Ok(ran) => json!({
            "ended": ran.ended, "report": ran.report, "cut": ran.cut, "printed": ran.printed, "undone": ran.undone, "out": out, "err": err,
        }),
        Err(not) => json!({"not_run": not.to_string(), "out": out, "err": err}),
    };
    match writeln!(std::io::stdout(), "{told}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
