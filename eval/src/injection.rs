//! How many texts that give orders are found, and how many others are taken for such: by phrases, by the
//! score, and by either.
//!
//! The score is the model's of the release: for the sources that it learned from, the figures of
//! `docs/injection-loso.md` are the ones that mean something.

pub mod sources;

use crate::Row;
use crate::set::Sets;

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let mut rows = Vec::new();
    if std::env::var_os("PORTCULLIS_TIME").is_some() {
        return time(sets);
    }
    for source in sources::all(sets) {
        for (texts, measure) in [(&source.attacks, "recall"), (&source.others, "false positives")] {
            if texts.is_empty() {
                continue;
            }
            let seen: Vec<(bool, bool)> = texts.iter().map(|text| judge(text)).collect();
            if std::env::var_os("PORTCULLIS_SHOW").is_some_and(|wanted| wanted == measure) {
                for (text, _) in
                    texts.iter().zip(&seen).filter(|(_, (phrase, _))| *phrase == (measure != "recall"))
                {
                    show(source.name, text);
                }
            }
            let mut add = |by: &str, hits: usize| {
                rows.push(Row::new("injection", source.name, &format!("{measure}, {by}"), hits, texts.len()));
            };
            add("phrases", seen.iter().filter(|(phrase, _)| *phrase).count());
            add("score", seen.iter().filter(|(_, score)| *score).count());
            add("either", seen.iter().filter(|(phrase, score)| *phrase || *score).count());
        }
    }
    rows
}

/// Whether phrases and marks, and whether the score, tell.
fn judge(text: &str) -> (bool, bool) {
    let mut hits = Vec::new();
    inspect::injection::find(text, &mut hits);
    let phrase = hits.iter().any(|hit| hit.name != "score" && hit.confidence >= inspect::injection::SPEAKS);
    (phrase, inspect::injection::score(text) >= inspect::injection::REPORTED)
}

/// Prints what the phrases say of a text that was judged wrong.
fn show(source: &str, text: &str) {
    let mut hits = Vec::new();
    inspect::injection::find(text, &mut hits);
    hits.retain(|hit| hit.confidence >= inspect::injection::SPEAKS && hit.name != "score");
    let seen: Vec<(&str, u8, &str)> = hits
        .iter()
        .map(|hit| (hit.name.as_ref(), hit.confidence, text.get(hit.span.clone()).unwrap_or("?")))
        .collect();
    let start: String = text.chars().take(if seen.is_empty() { 220 } else { 0 }).collect();
    eprintln!("  {source}: {seen:?} {start:?}");
}

/// Prints the least time of many runs for texts of 10 KB, in picoseconds a byte.
fn time(sets: &Sets) -> Vec<Row> {
    let wanted = std::env::var("PORTCULLIS_TIME").unwrap_or_default();
    for source in sources::all(sets).iter().filter(|it| !it.others.is_empty() && it.name.contains(&wanted)) {
        let whole = source.others.join("\n");
        let mut best = u128::MAX;
        for _ in 0..20 {
            let (mut nanos, mut bytes) = (0, 0);
            let mut rest = whole.as_str();
            while rest.len() > 10_000 && bytes < 400_000 {
                let cut = (10_000..).find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
                let (part, after) = rest.split_at(cut);
                let mut hits = Vec::new();
                let start = std::time::Instant::now();
                if std::env::var_os("SCORE").is_some() {
                    std::hint::black_box(inspect::injection::score(part));
                } else {
                    inspect::injection::find(part, &mut hits);
                }
                nanos += start.elapsed().as_nanos();
                bytes += part.len() as u128;
                rest = after;
            }
            best = best.min(if bytes == 0 { u128::MAX } else { nanos * 1_000 / bytes });
        }
        println!("{}: {best} ps a byte", source.name);
    }
    Vec::new()
}
