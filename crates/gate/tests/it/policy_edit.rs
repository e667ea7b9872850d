//! Edits of the policy in force: many at once, and those that must not come into force.

use std::sync::Arc;

use gate::policy_edit::{self, Editing, Tree, Unedited};
use gate::views::Reading;
use serde_json::json;
use verdict::KeyRole;

use crate::http_client::{Folder, POLICY, Served, open_gate};

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn edits_at_the_same_time_all_come_into_force() {
    let folder = Folder::new();
    let gate = open_gate(&folder, POLICY);
    let reading = Reading::open(folder.0.join("ledger.db")).unwrap();
    let edits = (0..8).map(|n| {
        let (gate, reading) = (gate.clone(), reading.clone());
        async move {
            let editing = Editing { desk: &gate.desk, reading: &reading, line: "main", by: "test" };
            let name = format!("bot-{n}");
            let edited = policy_edit::edit(&editing, |it| it.set(&["agents", &name], Tree::empty())).await;
            edited.map(|edited| edited.version)
        }
    });
    let versions = block(async {
        let tasks: Vec<_> = edits.map(tokio::spawn).collect();
        let mut versions = Vec::new();
        for task in tasks {
            versions.push(task.await.unwrap().unwrap());
        }
        versions
    });
    assert!(versions.contains(gate.desk.policy().version()));
    let editing = Editing { desk: &gate.desk, reading: &reading, line: "main", by: "test" };
    let (document, version) = block(policy_edit::current(&editing)).unwrap();
    assert_eq!(version, *gate.desk.policy().version());
    for n in 0..8 {
        assert!(document.get(&["agents", &format!("bot-{n}")]).is_some(), "bot-{n}");
    }
    let text = document.texts().unwrap().remove(0).1;
    assert!(text.starts_with(POLICY), "what was there is as it was: {text}");
    gate.desk.close();
}

#[test]
fn an_edit_with_mistakes_changes_nothing() {
    let folder = Folder::new();
    let gate = open_gate(&folder, POLICY);
    let reading = Reading::open(folder.0.join("ledger.db")).unwrap();
    let before = gate.desk.policy();
    let editing = Editing { desk: &gate.desk, reading: &reading, line: "main", by: "test" };
    let odd = block(policy_edit::edit(&editing, |it| {
        it.set(&["agents", "bot", "rules"], Tree::List(vec![Tree::map([("name", Tree::text("r"))])]))
    }));
    match odd {
        Err(Unedited::Mistakes(mistakes)) => assert!(mistakes[0].line > 1, "{mistakes:?}"),
        other => panic!("{other:?}"),
    }
    let refused = block(policy_edit::edit(&editing, |_| Err::<(), _>("no")));
    assert!(matches!(refused, Err(Unedited::Refused("no"))));
    assert!(Arc::ptr_eq(&before, &gate.desk.policy()));
    gate.desk.close();
}

#[test]
fn an_edit_is_a_version_like_any_other() {
    let served = Served::start();
    let admin = served.key("root", KeyRole::Admin);
    let reading = Reading::open(served.folder.0.join("ledger.db")).unwrap();
    let editing = Editing { desk: &served.gate.desk, reading: &reading, line: "main", by: "root" };
    let rules = Tree::from(&json!([{"name": "r", "allow": ["crm.read"]}]));
    let edited =
        block(policy_edit::edit(&editing, |it| it.set(&["agents", "new-bot", "rules"], rules.clone())));
    let version = edited.unwrap().version.0.to_string();
    let versions = served.get("/v1/policy/versions", &admin).json();
    assert_eq!(versions["versions"][0]["version"], version);
    assert_eq!(
        (&versions["versions"][0]["source"], &versions["versions"][0]["by"]),
        (&json!("api"), &json!("root"))
    );
    assert_eq!(served.read(&admin, "new-bot")["allowed"], true);
}
