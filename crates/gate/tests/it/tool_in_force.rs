//! A policy that changes between the decision on a call and the call: what stands in another was not decided on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gate::metrics::Metrics;
use gate::path::{Carried, Gate, World};
use gate::tool::{Errand, Ground, Tools};
use gate::views::Reading;
use verdict::{Command, Draft, Hold, Index, Json, Outcome, Receipt, Status};

use crate::http_client::{Folder, block, open_gate};
use crate::upstream::{Deed, Upstream};

fn policy(tool: &str, limit: u32) -> String {
    format!(
        "version: 1\ntools:\n  t: {{url: 'http://{tool}/', allow_private: true}}\nagents:\n  bot:\n    rules: [{{name: may, allow: t}}]\n    limits: [{{meter: actions, max: {limit}, per: 1h}}]\n"
    )
}

/// Puts another policy in force after the decision, and then does what the errand does.
struct Meanwhile<'w> {
    errand: &'w Errand,
    text: String,
    changes: AtomicBool,
}

impl World for Meanwhile<'_> {
    async fn ask(&self, approval: Index, receipt: &Receipt) {
        self.errand.ask(approval, receipt).await;
    }

    async fn execute(&self, hold: &Hold) -> Outcome {
        if self.changes.swap(false, Ordering::Relaxed) {
            let text = gate::policy_text::of_text("policy.yaml", &self.text).unwrap();
            let (line, policy, text) = ("main".to_owned(), Arc::new(text.loaded.policy), text.packed);
            let command = Command::Policy { line, policy, text, file: true, by: None, only_after: None };
            self.errand.gate.desk.obey(command).await.unwrap().unwrap();
        }
        self.errand.execute(hold).await
    }
}

async fn called(gate: &Gate, world: &Meanwhile<'_>) -> Carried {
    let (agent, tool) = ("bot".to_owned(), "t".to_owned());
    let draft = Draft { agent, tool, args: Json::parse(b"{}").ok(), ..Draft::default() };
    gate.call(draft, world).await.unwrap().unwrap()
}

#[test]
fn a_call_that_another_policy_decided_is_not_sent_and_gives_back_what_it_held() {
    let upstream = Upstream::start(|_, _| Deed::json("\"done\""));
    let tool = upstream.address.to_string();
    let folder = Folder::new();
    let gate = open_gate(&folder, &policy(&tool, 1));
    let reading = Reading::open(folder.0.join("ledger.db")).unwrap();
    let (_closing, closed) = tokio::sync::watch::channel(false);
    let errand = Errand {
        gate: gate.clone(),
        tools: Tools::new(gate.desk.clone(), reading, None, Ground::default()),
        metrics: Arc::new(Metrics::default()),
        wait: Duration::ZERO,
        closing: closed,
        sink: None,
        told: std::sync::Mutex::default(),
    };
    // The limit is the same one and has the same name, so that what it held is seen to be given back.
    let text = format!("{}    purpose: Another policy\n", policy(&tool, 1));
    let world = Meanwhile { errand: &errand, text, changes: AtomicBool::new(true) };
    block(async {
        let Carried::Out(closing) = called(&gate, &world).await else { panic!("it was not held") };
        assert_eq!(closing.settled().status, Status::Cancelled);
        let fault = errand.told().fault.unwrap();
        assert!(fault.message.contains("the policy changed"), "{fault:?}");
        assert_eq!(upstream.count(), 0);
        // Asked again it is decided by the policy in force, and carried out.
        let Carried::Out(closing) = called(&gate, &world).await else {
            panic!("the limit was not given back")
        };
        assert_eq!((closing.settled().status, upstream.count()), (Status::Success, 1));
        let Carried::Refused(_) = called(&gate, &world).await else { panic!("the limit does not hold") };
    });
}
