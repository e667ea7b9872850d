//! What the gate adds to a call of a tool that it carries out: 1 KiB there and 1 KiB back, beside the tool called
//! directly.
//!
//! At a fixed rate, where latencies count from when a call was due; and as fast as it goes. Beside it nginx, which
//! forwards and does nothing else, and Portkey's gateway, which forwards calls of model servers: the same bytes there
//! and back, as one of those.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Effort;
use crate::disk::{Scratch, syncs};
use crate::echo::Echo;
use crate::load::{Requests, drive, once, pace, request};
use crate::peers::Peer;
use crate::portcullis::{Server, key};
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate, median};

/// Connections at once.
const CONNECTIONS: usize = 32;
/// Calls a second, where the rate is fixed.
const RATE: f64 = 3_000.0;
/// Calls a second that every peer can keep up with.
const SLOWLY: f64 = 300.0;
/// Agents that call.
const AGENTS: usize = 100;

fn policy(tool: &str) -> String {
    let mut text = format!(
        "version: 1\ntools:\n  crm.note:\n    url: http://{tool}/v1/check\n    allow_private: true\n    price_usd: 0.001\n    schema: {{properties: {{text: {{type: string, maxLength: 4096}}, n: {{type: integer}}}}, required: [text]}}\nagents:\n"
    );
    for n in 0..AGENTS {
        text.push_str(&format!(
            "  agent-{n}:\n    rules: [{{name: notes, allow: [crm.note], when: args.n >= 0}}]\n    limits: [{{meter: actions, max: 1000000000, per: 1h}}]\n"
        ));
    }
    text
}

/// 1 KiB of arguments.
fn args(n: usize) -> String {
    format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(1_000))
}

fn calls(key: &str) -> Requests {
    let body = |n: usize| format!(r#"{{"agent_id":"agent-{n}","args":{}}}"#, args(n));
    Arc::new((0..AGENTS).map(|n| request("/v1/tools/crm.note/call", key, &body(n))).collect())
}

fn directly() -> Requests {
    Arc::new((0..AGENTS).map(|n| request("/v1/check", "none", &args(n))).collect())
}

/// A call of a model server, as large as the others.
fn completions(tool: &str) -> Requests {
    let call = |n: usize| {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{n} {}"}}]}}"#, "x".repeat(950));
        let head = format!("none\r\nx-portkey-provider: openai\r\nx-portkey-custom-host: http://{tool}/v1");
        request("/v1/chat/completions", &head, &body)
    };
    Arc::new((0..AGENTS).map(call).collect())
}

/// A gate in front of the tool, with its ledger in a folder.
struct Front {
    server: Server,
    requests: Requests,
    store: PathBuf,
}

impl Front {
    fn start(scratch: &Scratch, store: PathBuf, tool: &Echo) -> Self {
        let policy = scratch.write("policy.yaml", &policy(&tool.address));
        let key = key(&store, "agent");
        let front = Self { server: Server::start(&policy, &store), requests: calls(&key), store };
        front.proves();
        front
    }

    /// What was quick because it was refused is no figure.
    fn proves(&self) {
        let body = String::from_utf8_lossy(&once(&self.server.address, &self.requests[..1])).into_owned();
        assert!(body.contains(r#""status":"success""#), "a call is not carried out: {body}");
    }

    /// Each call has left a decision and an outcome.
    fn recorded(&self, calls: usize) {
        let written =
            ledger::Reader::open(&self.store).and_then(|it| it.size()).expect("the ledger can be read");
        assert!(written >= 2 * calls as u64, "{calls} calls were answered and {written} records written");
    }
}

const DIRECT: &str = "the tool, called directly";
const GATE: &str = "through the gate";
const MEMORY: &str = "the same, ledger in memory";
const NGINX: &str = "through nginx";
const PORTKEY: &str = "through Portkey's gateway";

/// The parts at a fixed rate, and as fast as it goes.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("tools");
    let tool = Echo::start(&scratch.write("note.json", &args(7)));
    let front = Front::start(&scratch, scratch.file("ledger.db"), &tool);
    // Without waiting for a disk: what is left is the gate's own work.
    let memory = std::path::Path::new("/dev/shm").join(format!("portcullis-bench-{}", std::process::id()));
    std::fs::create_dir_all(&memory).expect("a folder in memory can be made");
    let quick = Front::start(&scratch, memory.join("ledger.db"), &tool);
    let direct = directly();
    let nginx = Peer::nginx(&scratch, &tool.address);
    let portkey = Peer::portkey();
    let completions = completions(&tool.address);
    if let Ok(portkey) = &portkey {
        drop(once(&portkey.address, &completions[..1]));
    }
    let at = |address: &str, requests: &Requests| pace(address, requests, CONNECTIONS, RATE, effort.seconds);
    let slowly =
        |address: &str, requests: &Requests| pace(address, requests, CONNECTIONS, SLOWLY, effort.seconds);
    let full = |address: &str, requests: &Requests| drive(address, requests, CONNECTIONS, effort.seconds, 1);
    let run = |load: &dyn Fn(&str, &Requests) -> Round, all: bool| {
        let mut contenders = vec![
            Contender::new(DIRECT, || load(&tool.address, &direct)),
            Contender::new(GATE, || load(&front.server.address, &front.requests)),
            Contender::new(MEMORY, || load(&quick.server.address, &quick.requests)),
            Contender::new("4 KiB and fdatasync, alone", || syncs(&scratch, 200)),
        ];
        if let Ok(nginx) = &nginx {
            contenders.push(Contender::new(NGINX, || load(&nginx.address, &direct)));
        }
        if let (Ok(portkey), true) = (&portkey, all) {
            contenders.push(Contender::new(PORTKEY, || load(&portkey.address, &completions)));
        }
        alternate(effort.rounds, contenders)
    };
    let paced = run(&at, false);
    let slow = run(&slowly, true);
    let fast = run(&full, true);
    let lacking = [nginx.as_ref().err(), portkey.as_ref().err()];
    let lacking: Vec<String> = lacking.into_iter().flatten().cloned().collect();
    front.recorded(paced[1].n + slow[1].n + fast[1].n);
    quick.recorded(paced[2].n + slow[2].n + fast[2].n);
    front.proves();
    drop(quick);
    drop(std::fs::remove_dir_all(&memory));
    let method = |how: &str| {
        format!(
            "POST /v1/tools/crm.note/call with 1 KiB of arguments, checked against a schema, a condition and a limit; decision and \
             outcome recorded; the tool answers 1 KiB from a process beside; {CONNECTIONS} keep-alive connections, {how}; load and \
             tool share the machine with the gate"
        )
    };
    vec![
        Section {
            title: format!("added to a tool call by the gate, at {RATE} a second"),
            method: method("each call sent when it is due, its latency counted from then"),
            aim: "added: p50 <= 0.25 ms, p99 <= 1 ms; without the disk p50 <= 0.10 ms, p99 <= 0.3 ms",
            notes: [added(&paced), lacking.clone()].concat(),
            rows: paced.iter().map(Result::row).collect(),
        },
        Section {
            title: format!("the same at {SLOWLY} a second, with which every peer keeps up"),
            method: method("each call sent when it is due, its latency counted from then"),
            aim: "less than what Portkey's gateway adds",
            notes: [added(&slow), lacking.clone()].concat(),
            rows: slow.iter().map(Result::row).collect(),
        },
        Section {
            title: "tool calls through the gate, as fast as it goes".to_owned(),
            method: method("closed loop"),
            aim: ">= 8,000 calls/s on 2 cores shared with load and tool",
            notes: [rates(&fast), lacking].concat(),
            rows: fast.iter().map(Result::row).collect(),
        },
    ]
}

/// What each of those between adds, and ours to each peer's.
fn added(results: &[Result]) -> Vec<String> {
    let [direct, rest @ ..] = results else { return Vec::new() };
    let between = || rest.iter().filter(|it| [GATE, MEMORY, NGINX, PORTKEY].contains(&it.who.as_str()));
    let note = |it: &Result| {
        let (p50, p99) = (it.beyond(&[direct]) / 1e6, (it.p99 - direct.p99) / 1e6);
        format!("{}: p50 {p50:.3} ms and p99 {p99:.3} ms more than directly", it.who)
    };
    let mut notes: Vec<String> = between().map(note).collect();
    if let Some(gate) = between().find(|it| it.who == GATE) {
        let ratio = |it: &Result| gate.beyond(&[direct]) / it.beyond(&[direct]);
        let peers = between().filter(|it| [NGINX, PORTKEY].contains(&it.who.as_str()));
        notes
            .extend(peers.map(|it| format!("the gate adds {:.2} times what is added {}", ratio(it), it.who)));
    }
    notes
}

/// Our rate to each peer's, round by round.
fn rates(results: &[Result]) -> Vec<String> {
    let find = |who: &str| results.iter().find(|it| it.who == who);
    let Some(gate) = find(GATE) else { return Vec::new() };
    let ratio = |peer: &Result| {
        median(gate.rates.iter().zip(&peer.rates).map(|(ours, theirs)| ours / theirs).collect())
    };
    let peers = [NGINX, PORTKEY].into_iter().filter_map(find);
    peers
        .map(|it| format!("the gate carries {:.2} times as many calls as go {}", ratio(it), it.who))
        .collect()
}
