//! A tool's breaker and its concurrency limit, against a model that counts by hand, whatever happens in whatever order
//! and across restarts.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use verdict::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<Record>>>);

impl Ink for Paper {
    fn turn(&mut self) -> Result<Index, Halt> {
        Ok(self.0.lock().unwrap().len() as Index)
    }
    fn pass(&mut self) {}
    fn read(&mut self, from: Index) -> Result<Vec<Record>, Halt> {
        Ok(self.0.lock().unwrap()[from as usize..].to_vec())
    }
    fn append(&mut self, _: Index, lines: &[Line], _: bool) -> Result<(), NotWritten> {
        self.0.lock().unwrap().extend(lines.iter().map(|line| line.record.clone()));
        Ok(())
    }
    fn load(&mut self) -> Result<Option<Books>, Halt> {
        Ok(None)
    }
    fn save(&mut self, _: &Books) -> Result<(), Halt> {
        Ok(())
    }
    fn policy(&mut self, _: Index) -> Result<Arc<Policy>, Halt> {
        panic!("no other policy comes into force here")
    }
    fn changed(&mut self) -> Result<bool, Halt> {
        Ok(false)
    }
}

const SECOND: Micro = 1_000_000;
const COOLDOWN: Micro = 10 * SECOND;
const FAILURES: usize = 3;
const AT_ONCE: usize = 4;
/// The time limit of a call, and what the books wait beyond it.
const RUNS: Micro = 30 * SECOND + 10 * SECOND;
/// How long a failure counts as one in a row.
const IN_A_ROW: Micro = 600 * SECOND;

fn policy() -> Arc<Policy> {
    let text = "version: 1
tools:
  t: {url: 'https://a/', timeout_ms: 30000, max_in_flight: 4, breaker: {failures: 3, cooldown: 10s}}
agents:
  a: {rules: [{name: may, allow: [t]}]}
  b: {rules: [{name: may, allow: [t]}]}
";
    Arc::new(load::load("p", text, &mut |_, _| Err(String::new())).unwrap().policy)
}

#[derive(Clone, Debug)]
enum Step {
    Begin(bool),
    End(usize, Status, bool),
    Wait(Micro),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop_oneof![
        2 => Just(Status::Success),
        4 => Just(Status::Failed),
        1 => Just(Status::Cancelled),
        2 => Just(Status::Unknown)
    ];
    let step = prop_oneof![
        6 => any::<bool>().prop_map(Step::Begin),
        6 => (0..8_usize, status, prop::bool::weighted(0.2)).prop_map(|(n, status, answered)| Step::End(n, status, answered)),
        3 => (0..12 * SECOND).prop_map(Step::Wait),
        1 => (30..700_i64).prop_map(|it| Step::Wait(it * SECOND)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..200)
}

/// What a person with a stop watch would write down.
#[derive(Default)]
struct Model {
    /// Calls that may still run: decision, when they began.
    running: Vec<(Index, Micro)>,
    failed: Vec<Micro>,
}

impl Model {
    fn may(&self, now: Micro) -> bool {
        let running = self.running.iter().filter(|(_, since)| since + RUNS >= now).count();
        let failed: Vec<Micro> = self.failed.iter().copied().filter(|at| at + IN_A_ROW >= now).collect();
        let calm = failed.len() < FAILURES || (failed.iter().all(|at| at + COOLDOWN <= now) && running == 0);
        running < AT_ONCE && calm
    }
    fn ends(&mut self, of: Index, now: Micro, status: Status, answered: bool) {
        if status != Status::Unknown {
            self.running.retain(|(it, _)| *it != of);
        }
        match status {
            Status::Success => self.failed.clear(),
            Status::Failed if answered => self.failed.clear(),
            Status::Failed | Status::Unknown => self.failed.push(now),
            Status::Cancelled => (),
        }
    }
}

fn asked(policy: &Policy, agent: &str, now: Micro) -> Petition {
    let draft = Draft { agent: agent.to_owned(), tool: "t".to_owned(), ..Draft::default() };
    let case = Case { action: Action::new(draft).unwrap(), facts: Facts::default() };
    Petition::Decide(decide(policy, case, now))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_tool_under_strain_is_called_when_a_person_counting_would_call_it(steps in steps()) {
        let (paper, policy) = (Paper::default(), policy());
        let open = || Journal::open(paper.clone(), "main", Arc::clone(&policy)).unwrap();
        let (mut journal, mut model, mut now) = (open(), Model::default(), 1_000 * SECOND);
        let mut begun: Vec<(Index, Decided)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Restart => journal = open(),
                Step::Begin(first) => {
                    let agent = if first { "a" } else { "b" };
                    let ruling = journal.sit(now, vec![asked(&policy, agent, now)]).unwrap().remove(0);
                    match ruling {
                        Ruling::Go(hold) => {
                            prop_assert!(model.may(now), "allowed at {now}");
                            let of = hold.receipt().at();
                            model.running.push((of, now));
                            begun.push((of, hold.receipt().decided().clone()));
                        }
                        Ruling::Stop(receipt) => {
                            prop_assert!(!model.may(now), "{:?}", receipt.decided().reason);
                            prop_assert!(receipt.retry_after().is_some_and(|it| it > 0));
                        }
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
                Step::End(n, status, answered) => {
                    let Some((of, decided)) = begun.get(n).cloned() else { continue };
                    let outcome = Outcome { answered, ..Outcome::plain(status) };
                    let settling = Settling::reported(of, decided, outcome, None);
                    match journal.sit(now, vec![Petition::Settle(settling)]).unwrap().remove(0) {
                        Ruling::Settled(_) => model.ends(of, now, status, answered),
                        // It had ended.
                        Ruling::Refused(_) => (),
                        other => prop_assert!(false, "{other:?}"),
                    }
                    if status != Status::Unknown {
                        begun.retain(|(it, _)| *it != of);
                    }
                }
            }
        }
    }
}
