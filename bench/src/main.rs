//! The figures the README quotes: each aim beside its peer, in one run, on this machine.
//!
//! Answerable for which parts there are and how they are asked for. Asserts nothing about time: a figure is
//! printed, never judged. Wrong answers are judged: a part whose requests fail panics.

mod cedar;
mod decide;
mod disk;
mod echo;
mod fold;
mod http;
mod inspect;
mod load;
mod machine;
mod mcp;
mod mcp_http;
mod memory;
mod peers;
mod policies;
mod portcullis;
mod proxy;
mod report;
mod rounds;
mod sandbox;
mod start;
mod tools;

use report::Section;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A name to ask for it by, and what it measures.
type Part = (&'static str, fn(&Effort) -> Vec<Section>, &'static str);

const PARTS: [Part; 12] = [
    ("decide", decide::few, "one decision, 10 rules, against cel and cedar-policy"),
    ("many", decide::many, "one decision, 10,000 rules over 1,000 agents, against cedar-policy"),
    ("fold", fold::measure, "check, reserve and fold in memory; and onto the ledger"),
    (
        "inspect",
        inspect::measure,
        "texts, commands, queries, paths; against sqlparser and two peers from PyPI",
    ),
    ("http", http::measure, "durable checks over HTTP, against a bare axum echo"),
    ("mcp", mcp::measure, "what the gate adds to an MCP tool call over stdio"),
    (
        "tools",
        tools::measure,
        "what the gate adds to a tool call that it carries out, against the tool itself, nginx and Portkey",
    ),
    ("mcp-http", mcp_http::measure, "what the gate adds to an MCP tool call over HTTP, against ContextForge"),
    ("start", start::measure, "start over 1,000,000 records"),
    (
        "sandbox",
        sandbox::measure,
        "start of a program in the sandbox, against a plain one, bubblewrap, codex and srt",
    ),
    ("proxy", proxy::measure, "what the proxy of a run adds to a request"),
    ("memory", memory::measure, "memory idle and after 1,000,000 decisions over 10,000 agents"),
];

/// How long to look.
pub struct Effort {
    /// Rounds of each contender, alternating.
    pub rounds: usize,
    /// Seconds of one round under load.
    pub seconds: f64,
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let before = args.len();
        args.retain(|arg| arg != name);
        args.len() < before
    };
    let (json, quick) = (flag("--json"), flag("--quick"));
    match args.first().map(String::as_str) {
        Some("echo") => return echo::serve(args.get(1).expect("echo needs a file with the body to answer")),
        Some("mcp-echo") => return mcp::echo(),
        Some("mcp-http-echo") => return mcp_http::echo(),
        Some("--help" | "-h" | "help") => return help(),
        _ => (),
    }
    let asked: Vec<&Part> = match args.first().map(String::as_str) {
        None | Some("all") => PARTS.iter().collect(),
        Some(_) => args.iter().map(|name| part(name)).collect(),
    };
    let effort = if quick { Effort { rounds: 3, seconds: 1.0 } } else { Effort { rounds: 7, seconds: 2.0 } };
    let machine = machine::look();
    if !json {
        report::print_header(&machine, &effort);
    }
    let mut sections = Vec::new();
    for (name, measure, _) in asked {
        eprintln!("measuring {name} ...");
        let measured = measure(&effort);
        let busy = machine::busy();
        for mut section in measured {
            if busy > machine::QUIET {
                section.notes.push(format!("just after, {busy:.1} cores were busy with something else"));
            }
            if !json {
                report::print(&section);
            }
            sections.push(section);
        }
    }
    if json {
        println!("{}", report::json(&machine, &effort, &sections));
    }
}

fn part(name: &str) -> &'static Part {
    PARTS.iter().find(|(it, ..)| *it == name).unwrap_or_else(|| {
        eprintln!("bench: there is no part `{name}`; `bench help` lists them");
        std::process::exit(1)
    })
}

fn help() {
    println!("bench [PART...] [--json] [--quick]\n\nParts (all of them, if none is named or with `all`):");
    for (name, _, what) in PARTS {
        println!("  {name:<8} {what}");
    }
    println!(
        "\nThe parts http, mcp, mcp-http, tools, start and memory run the release binary: ../target/release/portcullis,"
    );
    println!(
        "or what PORTCULLIS_BIN names. Files are kept in BENCH_FOLDER, or beside the built bench in bench-data;"
    );
    println!(
        "on a folder in memory (/dev/shm) they show what is left without the disk. The peers of tools, mcp-http and"
    );
    println!(
        "sandbox that are no crates are those that bench/install has installed; what is not there is said."
    );
}
