//! The time, as data for everything that takes it as an argument.
//!
//! The wall clock is read once. From then on time goes by the kernel's boot clock, which nobody sets: a
//! wall clock that jumps ahead must not empty a limit's window, and one that jumps back must not hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustix::time::{ClockId, Timespec, clock_gettime};
use verdict::Micro;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The kernel: a clock that only goes forward, at the pace of real time (sleep of the machine included).
    Kernel {
        /// Wall time minus boot time when the clock was made, in microseconds.
        offset: Micro,
    },
    /// A number that a simulation sets.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// Reads the wall clock, once.
    pub fn start() -> Self {
        let offset = micros(clock_gettime(ClockId::Realtime)) - micros(clock_gettime(ClockId::Boottime));
        Self::Kernel { offset }
    }

    /// Microseconds since the epoch, UTC.
    pub fn now(&self) -> Micro {
        match self {
            Self::Kernel { offset } => offset.saturating_add(micros(clock_gettime(ClockId::Boottime))),
            Self::Set(time) => time.load(Ordering::Relaxed),
        }
    }
}

fn micros(time: Timespec) -> Micro {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

/// A time as people and programs read it: RFC 3339, UTC, microseconds.
pub fn rfc3339(at: Micro) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => at.to_string(),
    }
}

/// Reads a time: RFC 3339.
pub fn parse_rfc3339(text: &str) -> Option<Micro> {
    text.parse::<jiff::Timestamp>().ok().map(|time| time.as_microsecond())
}
