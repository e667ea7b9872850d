//! One decision, action already parsed and inspected: ours against cedar-policy and cel.

use verdict::{Case, Policy, Verdict, decide};

use crate::Effort;
use crate::cedar::{Cedar, Cel, request};
use crate::policies::{Rules, agent, case, compile, text};
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate, calls};

/// 2026-11-21, in microseconds; the time is an argument, and any will do.
pub const NOW: i64 = 1_795_000_000_000_000;

/// Ten rules of one agent.
pub fn few(effort: &Effort) -> Vec<Section> {
    let realistic = ten(
        effort,
        Rules::Realistic,
        "10 rules of a realistic policy (4 of the 10 speak of the tool, all 4 with a condition)",
    );
    let hard = ten(
        effort,
        Rules::Hard,
        "10 rules that all speak of the tool, each with a condition; the last allows",
    );
    vec![realistic, hard]
}

fn ten(effort: &Effort, rules: Rules, title: &str) -> Section {
    let plain = compile(&text(rules, 1, false));
    let limited = compile(&text(rules, 1, true));
    let one = case(&limited, &agent(0));
    let cedar = Cedar::ten_each(rules, 1);
    let request = request(&agent(0));
    let cel = Cel::new();
    let samples = samples(effort);
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new("portcullis decide", || ours(samples, &plain, || one.clone())),
            Contender::new("portcullis decide, with what it takes of 3 limits", || {
                ours(samples, &limited, || one.clone())
            }),
            Contender::new("cel alone, one condition, 5 variables bound", || {
                calls(samples, || (), |()| cel.bind_and_execute())
            }),
            Contender::new("cel alone, one condition, nothing bound", || {
                calls(samples, || (), |()| cel.borrow_and_execute())
            }),
            Contender::new("cedar-policy, 10 policies", || {
                calls(samples, || (), |()| cedar.decide(&request))
            }),
        ],
    );
    Section {
        title: format!("decide: {title}"),
        method: method(),
        aim: "p50 <= 0.5 us",
        notes: against(&results, &[(0, 2), (0, 3), (0, 4), (1, 4)]),
        rows: results.iter().map(Result::row).collect(),
    }
}

/// Ten thousand rules of a thousand agents.
pub fn many(effort: &Effort) -> Vec<Section> {
    const AGENTS: usize = 1_000;
    let single = compile(&text(Rules::Realistic, 1, false));
    let plain = compile(&text(Rules::Realistic, AGENTS, false));
    let limited = compile(&text(Rules::Realistic, AGENTS, true));
    let alone = case(&single, &agent(0));
    let cases: Vec<Case> = (0..AGENTS).map(|n| case(&plain, &agent(n))).collect();
    let requests: Vec<_> = (0..AGENTS).map(|n| request(&agent(n))).collect();
    let (one_each, ten_each) = (Cedar::one_each(AGENTS), Cedar::ten_each(Rules::Realistic, AGENTS));
    let samples = samples(effort);
    let (dice, dice_too, dice_three, dice_four) = (Dice::new(), Dice::new(), Dice::new(), Dice::new());
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new("portcullis decide, 10 rules, 1 agent", || {
                ours(samples, &single, || alone.clone())
            }),
            Contender::new("portcullis decide, 10,000 rules", || {
                ours(samples, &plain, || cases[dice.roll(AGENTS)].clone())
            }),
            Contender::new("portcullis decide, 10,000 rules, 3 limits each", || {
                ours(samples, &limited, || cases[dice_too.roll(AGENTS)].clone())
            }),
            Contender::new("cedar-policy, 1,000 policies (one each)", || {
                calls(samples / 250, || &requests[dice_three.roll(AGENTS)], |it| one_each.decide(it))
            }),
            Contender::new("cedar-policy, 10,000 policies (the same ten each)", || {
                calls(1, || &requests[dice_four.roll(AGENTS)], |it| ten_each.decide(it))
            }),
        ],
    );
    let mut notes = against(&results, &[(1, 0), (1, 3), (1, 4)]);
    notes.push(
        "the cases are cloned just before, so their memory is warm; the agent's rules are not".to_owned(),
    );
    vec![Section {
        title: "decide: 10,000 rules over 1,000 agents, a random agent each time".to_owned(),
        method: method(),
        aim: "<= 2x the decision with 10 rules",
        notes,
        rows: results.iter().map(Result::row).collect(),
    }]
}

fn method() -> String {
    "one thread; action parsed, digested and inspected before (cedar: request built, cel: values built); a sample is \
     the mean of 64 calls"
        .to_owned()
}

fn samples(effort: &Effort) -> usize {
    (effort.seconds * 2_500.0) as usize
}

fn ours(samples: usize, policy: &Policy, input: impl FnMut() -> Case) -> Round {
    calls(samples, input, |case| {
        let verdict = decide(policy, case, NOW);
        assert!(matches!(verdict, Verdict::Permit(_)), "we decide otherwise");
        verdict
    })
}

/// What some results are of others.
pub fn against(results: &[Result], pairs: &[(usize, usize)]) -> Vec<String> {
    let line = |(ours, peer): &(usize, usize)| {
        let (ours, peer) = (results.get(*ours)?, results.get(*peer)?);
        let times = match ours.times_of(peer) {
            times if times < 0.1 => format!("1/{:.0} of", 1.0 / times),
            times => format!("{times:.2} times"),
        };
        Some(format!("p50 of `{}` is {times} that of `{}`", ours.who, peer.who))
    };
    pairs.iter().filter_map(line).collect()
}

/// Enough randomness to spoil a cache, the same each time.
pub struct Dice(std::cell::Cell<u64>);

impl Dice {
    /// Seeded, always alike.
    pub fn new() -> Self {
        Self(std::cell::Cell::new(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `n`.
    pub fn roll(&self, n: usize) -> usize {
        let mut s = self.0.get();
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        self.0.set(s);
        ((s >> 11) % n as u64) as usize
    }
}
