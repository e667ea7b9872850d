//! The end of a hook's patience. Coding agents kill a hook that takes long, and then most of them go on as if it had
//! not been there: before that, we have denied.
//!
//! Answerable for one answer and no more, whoever gives it. Does not know what takes so long.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::print;
use crate::hook::{Product, Say};

/// How long a hook may take as a whole. The shortest that a coding agent waits by itself is 30 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever speaks first answers the event.
pub(super) struct Watch {
    product: Product,
    event: OnceLock<String>,
    spoken: AtomicBool,
}

impl Watch {
    /// Starts to count.
    pub(super) fn start(product: Product) -> Arc<Self> {
        let watch = Arc::new(Self { product, event: OnceLock::new(), spoken: AtomicBool::new(false) });
        let other = Arc::clone(&watch);
        let started = thread::Builder::new().name("hook-patience".to_owned()).spawn(move || {
            thread::sleep(PATIENCE);
            let seconds = PATIENCE.as_secs();
            let why = format!("nothing is allowed: it could not be decided within {seconds} seconds");
            let code = other.say(&Say::Deny(why));
            std::process::exit(code);
        });
        // A host that has no thread left has other worries; the hook then takes as long as it takes.
        drop(started);
        watch
    }

    /// The event that the answer is about, once it has been read.
    pub(super) fn event(&self, name: &str) {
        let _once = self.event.set(name.to_owned());
    }

    /// Answers the event.
    pub(super) fn answer(&self, say: &Say) -> ExitCode {
        let code = self.say(say);
        ExitCode::from(u8::try_from(code).unwrap_or(crate::hook::answer::DENIED))
    }

    fn say(&self, say: &Say) -> i32 {
        if self.spoken.swap(true, Ordering::AcqRel) {
            // The other one is speaking, and ends the program.
            loop {
                thread::park();
            }
        }
        let name = self.event.get().map_or("", String::as_str);
        let (said, code) = self.product.answer(name, say);
        if let Some(said) = said {
            // Where nobody reads it, the exit code is the answer.
            let _unread = print::line(&said);
        }
        if let Say::Deny(why) = say {
            print::complain(why);
        }
        i32::from(code)
    }
}
