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
    /// Over the samples of all rounds, in nanoseconds.
    pub p50: f64,
    /// Over the samples of all rounds.
    pub p99: f64,
    /// The p50 of each round, to be compared with those of another contender, round by round.
    pub p50s: Vec<f64>,
    /// The rate of each round.
    pub rates: Vec<f64>,
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

fn summed(who: String, mut rounds: Vec<Round>) -> Result {
    let rates: Vec<f64> = rounds.iter().filter_map(|round| round.rate).collect();
    let p50s = rounds.iter_mut().map(|round| percentile(&mut round.samples, 50.0)).collect();
    let mut samples: Vec<f64> = rounds.into_iter().flat_map(|round| round.samples).collect();
    let (p50, p99) = (percentile(&mut samples, 50.0), percentile(&mut samples, 99.0));
    Result { who, p50, p99, p50s, rates, n: samples.len() }
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
        let mut p50s = self.p50s.clone();
        let (low, high) = (percentile(&mut p50s, 0.0), percentile(&mut p50s, 100.0));
        let mut figures: Vec<Figure> =
            self.rate().map(|rate| figure("rate", rate, "/s")).into_iter().collect();
        figures.extend([time("p50", self.p50), time("p99", self.p99), time("low", low), time("high", high)]);
        figures.push(figure("n", self.n as f64, ""));
        Row { who: self.who.clone(), figures }
    }

    /// The median of the rounds' rates.
    pub fn rate(&self) -> Option<f64> {
        (!self.rates.is_empty()).then(|| median(self.rates.clone()))
    }

    /// The median, over the rounds, of our p50 to the peer's in the same round.
    pub fn times_of(&self, peer: &Self) -> f64 {
        median(self.p50s.iter().zip(&peer.p50s).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The median, over the rounds, of our p50 less what the peers' take together in the same round.
    pub fn beyond(&self, peers: &[&Self]) -> f64 {
        let theirs = |round: usize| peers.iter().filter_map(|peer| peer.p50s.get(round)).sum::<f64>();
        median(self.p50s.iter().enumerate().map(|(round, ours)| ours - theirs(round)).collect())
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
