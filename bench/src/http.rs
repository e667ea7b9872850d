//! Durable checks over HTTP: the release binary against a bare axum echo of the same bytes, under the same load.

use std::cell::Cell;
use std::sync::Arc;

use crate::Effort;
use crate::decide::against;
use crate::disk::{Scratch, syncs};
use crate::echo::Echo;
use crate::load::{Requests, drive, once, request};
use crate::policies::{ARGS, Rules, agent, text};
use crate::portcullis::{Server, cpu_seconds, key};
use crate::report::Section;
use crate::rounds::{Contender, Result, alternate, median};

const AGENTS: usize = 100;
/// Checks in a batch.
const MANY: usize = 100;

/// The body of one check of the refund.
fn check(n: usize) -> String {
    let id = agent(n);
    format!(
        r#"{{"agent_id":"{id}","tool":"stripe.refund","args":{ARGS},"user":"u-{n}","session_id":"s-{n}","step":"3","environment":"production"}}"#
    )
}

/// Requests that each ask for the refund by another agent.
fn singles(key: &str) -> Requests {
    Arc::new((0..AGENTS).map(|n| request("/v1/check", key, &check(n))).collect())
}

/// Requests with so many checks each, over so many agents.
pub fn batches(key: &str, agents: usize, size: usize) -> Requests {
    let bodies = (0..agents.div_ceil(size)).map(|batch| {
        let checks: Vec<String> = (0..size).map(|n| check((batch * size + n) % agents)).collect();
        request("/v1/check/batch", key, &format!(r#"{{"checks":[{}]}}"#, checks.join(",")))
    });
    Arc::new(bodies.collect())
}

/// Single checks on 64 connections, then batches of 100 on 8.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("http");
    let policy = scratch.write("policy.yaml", &text(Rules::Realistic, AGENTS, true));
    let store = scratch.file("ledger.db");
    let key = key(&store, "agent");
    let server = Server::start(&policy, &store);
    let singles = singles(&key);
    let batches = batches(&key, AGENTS, MANY);
    let allowed = |requests: &Requests, checks: usize| {
        let body = String::from_utf8_lossy(&once(&server.address, &requests[..1])).into_owned();
        assert_eq!(body.matches(r#""decision":"allow""#).count(), checks, "a refund is not allowed: {body}");
        body
    };
    let echo = Echo::start(&scratch.write("single.json", &allowed(&singles, 1)));
    let echo_many = Echo::start(&scratch.write("batch.json", &allowed(&batches, MANY)));
    let (one, mut one_notes) = run(effort, (&server, &echo, &scratch), &singles, (64, 1));
    let (many, mut many_notes) = run(effort, (&server, &echo_many, &scratch), &batches, (8, MANY));
    one_notes.extend(rates(&one));
    many_notes.push("the echo decides nothing and stands here as the ceiling of the wire".to_owned());
    // What was quick because it was refused, or never written, is no figure.
    allowed(&singles, 1);
    allowed(&batches, MANY);
    let written = ledger::Reader::open(&store).and_then(|it| it.size()).expect("the ledger can be read");
    let answered = one[0].n + many[0].n * MANY;
    assert!(written >= answered as u64, "{answered} checks were answered and {written} records written");
    let method = |connections: usize, what: &str| {
        format!(
            "`portcullis serve`, {AGENTS} agents with 10 rules and 3 limits; {connections} keep-alive connections, closed \
             loop, {what}; the load runs on the same machine, one thread; the echo is a process of the same kind that \
             answers the same bytes"
        )
    };
    vec![
        Section {
            title: "durable checks over HTTP, POST /v1/check".to_owned(),
            method: method(64, "one check a request"),
            aim: ">= 60 % of the bare echo's requests/s; p99 <= 20 ms",
            notes: one_notes,
            rows: one.iter().map(Result::row).collect(),
        },
        Section {
            title: format!("durable checks over HTTP, POST /v1/check/batch of {MANY}"),
            method: method(8, "rates are checks, latencies are of whole requests"),
            aim: ">= 100,000 decisions/s",
            notes: many_notes,
            rows: many.iter().map(Result::row).collect(),
        },
    ]
}

/// The gate and the echo in turns; and what processor time each took, which a busy machine does not change.
fn run(
    effort: &Effort,
    (server, echo, scratch): (&Server, &Echo, &Scratch),
    requests: &Requests,
    (connections, weight): (usize, usize),
) -> (Vec<Result>, Vec<String>) {
    let spent = [Cell::new((0.0, 0.0)), Cell::new((0.0, 0.0))];
    let drive = |address: &str, pid: u32, spent: &Cell<(f64, f64)>| {
        let before = cpu_seconds(pid);
        let round = drive(address, requests, connections, effort.seconds, weight);
        let (time, done) = spent.get();
        spent.set((time + cpu_seconds(pid) - before, done + (round.samples.len() * weight) as f64));
        round
    };
    let results = alternate(
        effort.rounds,
        vec![
            Contender::new("portcullis", || drive(&server.address, server.pid(), &spent[0])),
            Contender::new("bare axum echo", || drive(&echo.address, echo.pid(), &spent[1])),
            Contender::new("4 KiB and fdatasync, alone", || syncs(scratch, 200)),
        ],
    );
    let each = spent.map(|it| it.get().0 / it.get().1 * 1e6);
    let note = format!(
        "processor time a check, all threads of the server: {:.2} us; the echo's: {:.2} us",
        each[0], each[1]
    );
    (results, vec![note])
}

fn rates(results: &[Result]) -> Vec<String> {
    let mut notes = against(results, &[(0, 1)]);
    if let [ours, echo, ..] = results {
        let shares = ours.rates.iter().zip(&echo.rates).map(|(ours, echo)| ours / echo * 100.0).collect();
        notes.insert(0, format!("{:.0} % of the echo's rate", median(shares)));
    }
    notes
}
