//! Taking turns, and what is kept of it: whatever slows the machine for a while slows every contender.

use std::time::Instant;

use crate::report::{Figure, Row, figure, time};

/// What one round of one contender brought.
pub struct Round {
    /// Nanoseconds of each sample.
    pub samples: Vec<f64>,
    /// Things done in a second, if that is asked.
    pub rate: Option<f64>,
}

/// One of those that take turns.
pub struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut() -> Round + 'a>,
}

impl<'a> Contender<'a> {
    /// `run` is called once to warm up, and then once a round.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Round + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// All rounds of one contender.
pub struct Result {
    /// Its name.
    pub who: String,
    /// Median of the rounds' p50, in nanoseconds.
    pub p50: f64,
    /// Median of the rounds' p99.
    pub p99: f64,
    /// Lowest and highest p50 of a round.
    pub spread: (f64, f64),
    /// Median of the rounds' rates.
    pub rate: Option<f64>,
    /// Samples in all.
    pub n: usize,
}

/// Lets the contenders take turns.
pub fn alternate(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Vec<Result> {
    for contender in &mut contenders {
        (contender.run)();
    }
    let mut all: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, rounds) in contenders.iter_mut().zip(&mut all) {
            rounds.push((contender.run)());
        }
    }
    contenders.into_iter().zip(all).map(|(contender, rounds)| summed(contender.name, rounds)).collect()
}

fn summed(who: String, rounds: Vec<Round>) -> Result {
    let n = rounds.iter().map(|round| round.samples.len()).sum();
    let rates: Vec<f64> = rounds.iter().filter_map(|round| round.rate).collect();
    let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
    for mut round in rounds {
        p50s.push(percentile(&mut round.samples, 50.0));
        p99s.push(percentile(&mut round.samples, 99.0));
    }
    let spread = (percentile(&mut p50s, 0.0), percentile(&mut p50s, 100.0));
    let rate = (!rates.is_empty()).then(|| median(rates));
    Result { who, p50: median(p50s), p99: median(p99s), spread, rate, n }
}

/// The sample that `percent` of all are not above.
pub fn percentile(samples: &mut [f64], percent: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = ((samples.len() as f64 - 1.0) * percent / 100.0).round() as usize;
    samples.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    percentile(&mut samples, 50.0)
}

impl Result {
    /// As a line of a table.
    pub fn row(&self) -> Row {
        Row { who: self.who.clone(), figures: self.figures() }
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        figures.extend(self.rate.map(|rate| figure("rate", rate, "/s")));
        figures.extend([time("p50", self.p50), time("p99", self.p99)]);
        figures.extend([time("low", self.spread.0), time("high", self.spread.1)]);
        figures.push(figure("n", self.n as f64, ""));
        figures
    }
}

/// Calls a sample is taken over, so that reading the clock (some 25 ns) does not count.
pub const BATCH: usize = 64;

/// One round of calls, each sample the mean of [`BATCH`] calls. `input` makes what the calls use up, and is not
/// timed; neither is dropping what they give.
pub fn calls<I, O>(samples: usize, mut input: impl FnMut() -> I, mut call: impl FnMut(I) -> O) -> Round {
    let mut taken = Vec::with_capacity(samples);
    let mut outputs = Vec::with_capacity(BATCH);
    for _ in 0..samples {
        let inputs: Vec<I> = (0..BATCH).map(|_| input()).collect();
        let start = Instant::now();
        for input in inputs {
            outputs.push(std::hint::black_box(call(input)));
        }
        taken.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
        outputs.clear();
    }
    Round { samples: taken, rate: None }
}
