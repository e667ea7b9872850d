//! Clients that hang up in the middle: the gate lives, the records are whole, nothing is left open.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use super::client::connect;
use super::count::audit;
use super::fleet::until;
use super::load::{CEILINGS, Keys, POLICY};
use super::rig::{Dice, Gate, Store};

/// Hang-ups of each kind.
const TIMES: usize = 40;

#[test]
fn clients_that_hang_up_leave_nothing_behind() {
    let seed = Dice::seed(5);
    println!("CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let store = Store::new(POLICY);
    let keys = Keys::make(&store);
    let mut gate = Gate::start(&store);
    let mut client = gate.client(&keys.admin);
    let pending = gate.client(&keys.agent).check(&json!({"agent_id": "w0", "tool": "wipe"}));
    let approval = pending["approval_id"].as_str().unwrap();
    client.get("/healthz");
    let before = gate.sockets();
    let body = json!({"agent_id": "w1", "tool": "pay", "args": {"amount": 2}, "idempotency_key": "hung up"})
        .to_string();
    let key = &keys.agent;
    let head = |length: usize| {
        format!(
            "POST /v1/check HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let whole = format!("{}{body}", head(body.len()));
    let poll = format!(
        "GET /v1/approvals/{approval}?wait_s=60 HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n\r\n"
    );
    let mut held = Vec::new();
    for round in 0..TIMES {
        let part =
            |text: &str, dice: &mut Dice| text.as_bytes()[..dice.below(text.len() as u64) as usize].to_vec();
        let sent: [Vec<u8>; 5] = [
            // Part of a request, wherever it ends.
            part(&whole, &mut dice),
            // More announced than ever comes.
            format!("{}{body}", head(body.len() + 10)).into_bytes(),
            // Whole, and gone before the answer.
            whole.clone().into_bytes(),
            // Many at once, and gone.
            whole.repeat(3).into_bytes(),
            // Waiting for an answer, and gone.
            poll.clone().into_bytes(),
        ];
        for bytes in sent {
            let mut stream = connect(gate.address).unwrap();
            stream.write_all(&bytes).unwrap();
            match dice.below(4) {
                0 => drop(stream),
                1 => stream.shutdown(Shutdown::Both).unwrap(),
                2 => reset(stream),
                _ => held.push(stream),
            }
        }
        if round % 8 == 7 {
            // Others are served all the while.
            assert_eq!(client.get("/healthz").status, 200);
            let reply = client.check(&json!({"agent_id": "w2", "tool": "note"}));
            assert!(reply["decision"] == "allow" || reply["code"] == "limit", "{reply}");
        }
    }
    drop(held);
    until("what was left open is closed", || gate.sockets() <= before);
    assert!(gate.is_running());
    assert_eq!(client.get("/readyz").status, 200);
    // The question that so many waited for can still be answered.
    let path = format!("/v1/approvals/{approval}/approve");
    assert_eq!(gate.client(&keys.ann).post(&path, &json!({})).ok()["status"], "pending");
    assert_eq!(gate.client(&keys.bob).post(&path, &json!({})).ok()["status"], "approved");
    drop(client);
    assert!(gate.stop().success(), "{}", store.log());
    assert!(!store.log().contains("panic"), "{}", store.log());
    store.verify();
    let records = store.records();
    audit(&records, &CEILINGS, &[]);
    let winners = records.iter().filter(|it| it.is_allow() && it.text("key") == "hung up").count();
    assert_eq!(winners, 1, "of all that hung up, one has the key");
}

/// Closes so that the other side sees a reset.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
}
