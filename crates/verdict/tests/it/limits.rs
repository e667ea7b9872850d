//! Counters against a slow model: never more than the maximum in any window, and exact while there is room.

use proptest::prelude::*;
use verdict::{Counter, Limit, Meter, Pattern, Scope, Who, Window};

const WINDOW: i64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Take(i64),
    TakeBack(usize),
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..WINDOW / 2).prop_map(Step::Wait),
        (0_i64..2_000).prop_map(Step::Wait),
        (0_i64..50).prop_map(Step::Take),
        (0_i64..50).prop_map(Step::Take),
        (0_usize..40).prop_map(Step::TakeBack),
    ];
    prop::collection::vec(step, 1..most)
}

/// Plays steps under a maximum of 300; gives each amount that was let through with its time and, each time
/// that one was refused, whether the model would have had room.
fn play(steps: &[Step]) -> (Vec<(i64, i64)>, bool) {
    let (mut counter, mut now, max) = (Counter::new(WINDOW), 5_000_000, 300);
    let mut taken: Vec<(i64, i64)> = Vec::new();
    let mut too_strict = false;
    for step in steps {
        match step {
            Step::Wait(micros) => now += micros,
            Step::TakeBack(back) => {
                if let Some(at) = taken.len().checked_sub(back + 1) {
                    let (when, amount) = taken[at];
                    counter.take_back(now, when, amount);
                    if when + WINDOW >= now {
                        taken[at].1 = 0;
                    }
                }
            }
            Step::Take(amount) => {
                let counted: i64 = taken.iter().filter(|(at, _)| at + WINDOW >= now).map(|(_, n)| n).sum();
                assert!(
                    counter.total(now) >= counted,
                    "counted too little: {} of {counted}",
                    counter.total(now)
                );
                if counter.total(now) + amount <= max {
                    counter.add(now, *amount);
                    taken.push((now, *amount));
                } else {
                    too_strict |= counted + amount <= max;
                    let wait = counter.free_in(now, *amount, max).expect("it fits an empty window");
                    assert!(
                        wait > 0 && counter.total(now + wait) + amount <= max,
                        "told to come back in {wait}"
                    );
                }
            }
        }
    }
    (taken, too_strict)
}

proptest! {
    #[test]
    fn a_maximum_holds_in_every_window(steps in steps(900)) {
        let (taken, _) = play(&steps);
        for (start, _) in &taken {
            let within = taken.iter().filter(|(at, _)| (*start..=start + WINDOW).contains(at));
            let sum: i64 = within.map(|(_, n)| n).sum();
            prop_assert!(sum <= 300, "{sum} from {start}");
        }
    }

    #[test]
    fn nothing_is_refused_for_good_measure_while_entries_are_few(steps in steps(100)) {
        let (_, too_strict) = play(&steps);
        prop_assert!(!too_strict);
    }
}

#[test]
fn many_entries_cost_bounded_memory_and_at_most_a_64th_of_the_window() {
    let mut counter = Counter::new(WINDOW);
    let mut now = 0;
    for _ in 0..100_000 {
        now += 37;
        counter.add(now, 1);
    }
    let exact = WINDOW / 37 + 1;
    let total = counter.total(now);
    assert!(total >= exact && total <= exact + exact / 64 + 1, "{total} where {exact} are in the window");
    let bytes = format!("{counter:?}").len();
    assert!(bytes < 10_000, "{bytes} bytes");
    assert_eq!(counter.total(now + WINDOW + WINDOW / 64 + 1), 0);
}

#[test]
fn a_session_counts_until_it_ends() {
    let mut counter = Counter::new(0);
    counter.add(10, 3);
    counter.add(20, 4);
    counter.take_back(30, 10, 3);
    assert_eq!(counter.total(i64::MAX / 2), 4);
    assert_eq!(counter.free_in(30, 2, 5), None);
    assert!(!counter.is_spent(20 + verdict::SESSION_IDLE) && counter.is_spent(21 + verdict::SESSION_IDLE));
    counter.reset(40);
    assert_eq!(counter.total(40), 0);
}

#[test]
fn amounts_at_the_edge_of_an_integer_do_not_wrap() {
    let mut counter = Counter::new(WINDOW);
    counter.add(1, i64::MAX);
    counter.add(2, i64::MAX);
    assert_eq!(counter.total(2), i64::MAX);
    assert_eq!(counter.free_in(2, i64::MAX, i64::MAX - 1), None);
}

#[test]
fn no_choice_of_names_reaches_anothers_counter() {
    let limit = |scope, window| Limit::new(Meter::Actions, vec![Pattern::new("pay")], window, scope, 1);
    let who = |agent, user, session, step| Who { agent, user, session, step, tool: "pay" };
    let names = [
        limit(Scope::User, Window::Sliding(1)).counter("live", &who("a", Some("b|c"), None, None)),
        limit(Scope::User, Window::Sliding(1)).counter("live", &who("a", Some("b%7Cc"), None, None)),
        limit(Scope::User, Window::Sliding(1)).counter("live", &who("a", Some("b"), None, None)),
        limit(Scope::User, Window::Sliding(1)).counter("live", &who("a", None, None, None)),
        limit(Scope::User, Window::Sliding(1)).counter("test", &who("a", None, None, None)),
        limit(Scope::Agent, Window::Step).counter("live", &who("a", None, Some("s|1"), Some("2"))),
        limit(Scope::Agent, Window::Step).counter("live", &who("a", None, Some("s"), Some("1|2"))),
        limit(Scope::Agent, Window::Session).counter("live", &who("a", None, Some("s"), Some("1"))),
        limit(Scope::Session, Window::Sliding(1)).counter("live", &who("a", None, Some("s"), None)),
        limit(Scope::Tenant, Window::Sliding(1)).counter("live", &who("a", None, None, None)),
        limit(Scope::Tool, Window::Sliding(1)).counter("live", &who("a", None, None, None)),
    ];
    let apart: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(apart.len(), names.len(), "{names:#?}");
}
