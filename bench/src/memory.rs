//! Memory of the server: idle, and after a million decisions over ten thousand agents.

use crate::Effort;
use crate::disk::Scratch;
use crate::http::batches;
use crate::load::once;
use crate::policies::text_by_role;
use crate::portcullis::{Server, key};
use crate::report::{Figure, Row, Section, figure};

const AGENTS: usize = 10_000;
const DECISIONS: usize = 1_000_000;
/// Checks in a batch: the most there may be.
const BATCH: usize = 1_000;

/// Idle with a small policy, idle with the large one, and after the decisions.
pub fn measure(_: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("memory");
    let small = scratch.write("small.yaml", &text_by_role(1));
    let large = scratch.write("large.yaml", &text_by_role(AGENTS));
    let idle = {
        let server = Server::start(&small, &scratch.file("small.db"));
        row("idle, 1 agent of 10 rules", &server)
    };
    let store = scratch.file("large.db");
    let key = key(&store, "agent");
    let server = Server::start(&large, &store);
    let before = row("idle, 10,000 agents of 10 rules", &server);
    let requests = batches(&key, AGENTS, BATCH);
    let mut rows = vec![idle, before];
    for step in 1..=4 {
        for _ in 0..DECISIONS / (AGENTS * 4) {
            once(&server.address, &requests);
        }
        rows.push(row(&format!("after {} decisions", step * DECISIONS / 4), &server));
    }
    vec![Section {
        title: "memory of `portcullis serve`".to_owned(),
        method: format!(
            "resident set from /proc, in MB of 10^6 bytes; {DECISIONS} allowed decisions over {AGENTS} agents in batches of \
             {BATCH}, 3 limits each, no outcome reported, so that every action stays open"
        ),
        aim: "<= 40 MB idle; bounded and stated after",
        rows,
        notes: Vec::new(),
    }]
}

fn row(who: &str, server: &Server) -> Row {
    let figures: Vec<Figure> =
        vec![figure("rss", server.megabytes("VmRSS"), "MB"), figure("peak", server.megabytes("VmHWM"), "MB")];
    Row { who: who.to_owned(), figures }
}
