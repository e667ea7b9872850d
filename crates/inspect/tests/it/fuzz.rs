//! Every reader of hostile text, given texts that nobody wrote: none may panic, run away or overflow the stack.
//!
//! Answerable for making the texts, for running a target over them and for naming the smallest text that breaks
//! one. Deterministic: each target has its own dice, seeded by its name and FUZZ_DICE, and seeds from `corpus/`. A
//! short run is part of the unit tests; `make test` gives each a minute, with the same dice every time, so that what
//! passed passes again; `make fuzz` gives FUZZ_SECONDS with new dice, and measures time (FUZZ_TIMED). To add a target,
//! add a line to `targets.rs`. What broke one belongs into `corpus/fuzz/NAME.txt`.

mod dice;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dice::Dice;
use targets::{TARGETS, Target};
use verdict::Json;

/// How many texts a target is given in a short run.
const SHORT: usize = 400;

/// The longest text.
const LONGEST: usize = 1 << 20;

#[test]
fn no_text_breaks_a_reader() {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let salt = number("FUZZ_DICE").unwrap_or_default();
    let only = std::env::var("FUZZ_TARGET").ok();
    let wanted: Vec<&Target> =
        TARGETS.iter().filter(|it| only.as_deref().is_none_or(|only| only == it.name)).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut broken = Vec::new();
        while let Some(target) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            broken.extend(run(target, seconds, salt));
        }
        broken
    };
    let broken: Vec<String> = std::thread::scope(|scope| {
        let count = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(broken.is_empty(), "with FUZZ_DICE={salt}:\n{}", broken.join("\n\n"));
}

/// Runs one target; says what broke it.
fn run(target: &Target, seconds: Option<Duration>, salt: u64) -> Option<String> {
    let seeds = seeds(target);
    let timed = std::env::var_os("FUZZ_TIMED").is_some();
    let mut dice = Dice::new(target.name, salt);
    let start = Instant::now();
    let share = |done: usize| match seconds {
        Some(seconds) => start.elapsed() < seconds,
        None => done < SHORT / target.cost,
    };
    let mut done = 0;
    while share(done) {
        // First the seeds as they are.
        let text = match seeds.get(done) {
            Some(seed) => seed.clone(),
            None => dice.text(&seeds, if done % 97 == 96 { LONGEST / target.cost } else { 2_000 }),
        };
        done += 1;
        if let Some(why) = breaks(target, &text, timed) {
            println!("{:>10}: broken after {done} texts: {why}", target.name);
            let small = shrink(target, text, timed);
            return Some(format!("{}, after {done} texts: {why}\n{small:?}", target.name));
        }
    }
    if let Some(seconds) = seconds {
        println!("{:>10}: nothing in {done} texts, {} s", target.name, seconds.as_secs());
    }
    None
}

/// Why the text breaks the target, if it does.
fn breaks(target: &Target, text: &str, timed: bool) -> Option<String> {
    let (told, mut took) = match read(target, text) {
        Ok(ended) => ended,
        Err(said) => return Some(said),
    };
    if told > 64 + 4 * text.len() {
        return Some(format!("{told} findings in {} bytes", text.len()));
    }
    // A megabyte has fifty milliseconds. Sixty times that counts, and only if it takes so long every time: the machine
    // may have more to do, and what grows faster than the text is far beyond that.
    let most = Duration::from_millis(200) + Duration::from_nanos(3_000) * u32::try_from(text.len()).unwrap();
    for _ in 0..3 {
        if !timed || took <= most {
            return None;
        }
        took = took.min(read(target, text).ok()?.1);
    }
    (took > most).then(|| format!("took {took:?} for {} bytes", text.len()))
}

/// How much the target told of the text, and how long this thread worked on it; or why it panicked.
fn read(target: &Target, text: &str) -> Result<(usize, Duration), String> {
    let (start, worked) = (Instant::now(), worked());
    let ended = catch_unwind(AssertUnwindSafe(|| (target.read)(text)));
    let took = match (worked, self::worked()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    };
    let told = ended.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        said.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
    })?;
    Ok((told, took))
}

/// How long this thread has been on a processor, where the kernel says so: what else the machine does is not in it.
fn worked() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// A smaller text that breaks the target, too; whatever there is after a minute.
fn shrink(target: &Target, mut text: String, timed: bool) -> String {
    let start = Instant::now();
    let mut piece = text.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < text.len() && text.len() < 200_000 && start.elapsed() < Duration::from_secs(60) {
            let from = (at..).find(|at| text.is_char_boundary(*at)).unwrap();
            let to = (at + piece..)
                .find(|at| *at >= text.len() || text.is_char_boundary(*at))
                .unwrap()
                .min(text.len());
            let less = format!("{}{}", &text[..from.min(to)], &text[to..]);
            if less.len() < text.len() && breaks(target, &less, timed).is_some() {
                text = less;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    text
}

/// What there is in `corpus/` for a target, and what broke it before.
fn seeds(target: &Target) -> Vec<String> {
    let corpus = format!("{}/../../corpus", env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<String> = target.seeds.iter().map(|seed| (*seed).to_owned()).collect();
    for folder in target.folders {
        let mut files: Vec<_> =
            std::fs::read_dir(format!("{corpus}/{folder}")).into_iter().flatten().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::path);
        for file in files {
            let lines = std::fs::read_to_string(file.path()).unwrap_or_default();
            for row in lines.lines().filter_map(|line| Json::parse(line.as_bytes()).ok()) {
                match row.at(&["given".to_owned()]) {
                    Some(Json::Str(text)) => seeds.push(text.clone()),
                    Some(other) => seeds.push(other.canonical()),
                    None => {}
                }
            }
        }
    }
    seeds.extend(std::fs::read_to_string(format!("{corpus}/fuzz/{}.txt", target.name)));
    // Many small cases of one kind teach little: some of each.
    let step = seeds.len().div_ceil(SHORT / target.cost / 2).max(1);
    seeds.into_iter().step_by(step).collect()
}
