//! Bytes that nobody means well by, over a real socket: each gets a clear refusal, nothing is allowed, nothing is lost,
//! and the next caller is served.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use super::client::{Client, Reply, connect};
use super::rig::{Gate, Store};

const POLICY: &str = "
version: 1
tools:
  pay: {args: {amount: money}, effects: [payment]}
agents:
  bot:
    rules:
      - {name: notes, allow: note}
      - {name: small, allow: pay, when: args.amount > 0 && args.amount <= 20}
    limits: [{meter: usd, max: 5, per: 1h}, {meter: args.amount, tools: [pay], max: 50, per: 1h}]
";

/// What must come of a body.
enum Due {
    /// A problem document with one of these statuses. Nothing is recorded.
    Refused(&'static [u16]),
    /// It is an action, and it is denied; on record.
    Denied,
}
use Due::{Denied, Refused};

/// The body is no JSON.
const SYNTAX: Due = Refused(&[400]);
/// The body is JSON, and no action.
const SHAPE: Due = Refused(&[400, 422]);

/// Bodies for `POST /v1/check`.
fn bodies() -> Vec<(&'static str, Vec<u8>, Due)> {
    let with = |more: &str| format!(r#"{{"agent_id":"bot","tool":"note",{more}}}"#).into_bytes();
    let pay = |amount: &str| {
        format!(r#"{{"agent_id":"bot","tool":"pay","args":{{"amount":{amount}}}}}"#).into_bytes()
    };
    let named = |agent: &str, tool: &str| json!({"agent_id": agent, "tool": tool}).to_string().into_bytes();
    let long = "n".repeat(10_000);
    let nested = |n: usize, open: &str, close: &str| {
        with(&format!("\"args\":{{\"a\":{}1{}}}", open.repeat(n), close.repeat(n)))
    };
    let bytes = |before: &str, odd: &[u8], after: &str| [before.as_bytes(), odd, after.as_bytes()].concat();
    let many = |n: usize| (0..n).map(|i| format!("\"f{i}\":1")).collect::<Vec<_>>().join(",");
    vec![
        ("nothing", Vec::new(), SYNTAX),
        ("a space", b" ".to_vec(), SYNTAX),
        ("null", b"null".to_vec(), SHAPE),
        ("a list", b"[]".to_vec(), SHAPE),
        ("a number", b"1".to_vec(), SHAPE),
        ("an empty object", b"{}".to_vec(), SHAPE),
        ("half an object", br#"{"agent_id":"bot","tool":"#.to_vec(), SYNTAX),
        ("something after the end", br#"{"agent_id":"bot","tool":"note"} x"#.to_vec(), SYNTAX),
        (
            "two objects",
            br#"{"agent_id":"bot","tool":"note"}{"agent_id":"bot","tool":"note"}"#.to_vec(),
            SYNTAX,
        ),
        ("a zero byte after the end", b"{\"agent_id\":\"bot\",\"tool\":\"note\"}\0".to_vec(), SYNTAX),
        ("a byte order mark", b"\xef\xbb\xbf{\"agent_id\":\"bot\",\"tool\":\"note\"}".to_vec(), SYNTAX),
        (
            "UTF-16",
            "{\"agent_id\":\"bot\",\"tool\":\"note\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
            SYNTAX,
        ),
        ("no JSON", b"agent_id=bot&tool=note".to_vec(), SYNTAX),
        ("a comment", b"{/* hm */\"agent_id\":\"bot\",\"tool\":\"note\"}".to_vec(), SYNTAX),
        ("a trailing comma", br#"{"agent_id":"bot","tool":"note",}"#.to_vec(), SYNTAX),
        ("single quotes", b"{'agent_id':'bot','tool':'note'}".to_vec(), SYNTAX),
        ("a field twice", with(r#""tool":"pay""#), SHAPE),
        ("a field twice, once escaped", with(r#""\u0074ool":"pay""#), SHAPE),
        ("an argument twice", with(r#""args":{"a":1,"a":2}"#), SHAPE),
        ("an argument twice, deep down", with(r#""args":{"a":[{"b":1,"b":1}]}"#), SHAPE),
        ("a context twice within", with(r#""context":{"a":{"a":1,"a":1}}"#), SHAPE),
        (
            "invalid UTF-8 in a value",
            bytes(r#"{"agent_id":"bot","tool":"note","user":""#, b"\xff\xfe", "\"}"),
            SHAPE,
        ),
        (
            "invalid UTF-8 in a key",
            bytes(r#"{"agent_id":"bot","tool":"note","args":{""#, b"\xc3\x28", "\":1}}"),
            SHAPE,
        ),
        (
            "a surrogate in UTF-8",
            bytes(r#"{"agent_id":"bot","tool":"note","user":""#, b"\xed\xa0\x80", "\"}"),
            SHAPE,
        ),
        (
            "an overlong slash",
            bytes(r#"{"agent_id":"bot","tool":"note","user":""#, b"\xc0\xaf", "\"}"),
            SHAPE,
        ),
        ("a lone surrogate", with(r#""user":"\ud800""#), SHAPE),
        ("a lone low surrogate in an argument", with(r#""args":{"a":"x\udc00y"}"#), SHAPE),
        ("surrogates the wrong way round", with(r#""args":{"a":"\udc00\ud800"}"#), SHAPE),
        ("a raw line feed in a text", with("\"user\":\"a\nb\""), SHAPE),
        ("a bad escape", with(r#""user":"\x41""#), SHAPE),
        ("a control character in a name", with(r#""user":"a\u0000b""#), SHAPE),
        ("65 lists deep", nested(65, "[", "]"), SHAPE),
        ("1,000 lists deep", nested(1_000, "[", "]"), SHAPE),
        ("100,000 lists deep", nested(100_000, "[", "]"), SHAPE),
        ("1,000 objects deep", nested(1_000, "{\"a\":", "}"), SHAPE),
        ("1,000 lists deep and never closed", vec![b'['; 1_000], SHAPE),
        ("a million brackets", vec![b'['; 1_000_000], SHAPE),
        ("1e400 as an argument", pay("1e400"), SHAPE),
        ("-1e400 as an argument", pay("-1e400"), SHAPE),
        ("1e400 as an estimate", with(r#""estimated_cost_usd":1e400"#), SHAPE),
        ("2^63 as an estimate", with(r#""estimated_cost_usd":9223372036854775808"#), SHAPE),
        ("2^63 micro-dollars and one", with(r#""estimated_cost_usd":9223372036854.775808"#), Denied),
        ("a negative estimate", with(r#""estimated_cost_usd":-0.01"#), SHAPE),
        ("an estimate finer than money", with(r#""estimated_cost_usd":0.0000001"#), SHAPE),
        ("an estimate in words", with(r#""estimated_cost_usd":"1""#), SHAPE),
        ("NaN", pay("NaN"), SHAPE),
        ("Infinity", pay("Infinity"), SHAPE),
        ("-Infinity as an estimate", with(r#""estimated_cost_usd":-Infinity"#), SHAPE),
        ("a hex number", pay("0x10"), SHAPE),
        ("a number that begins with zero", pay("007"), SHAPE),
        ("a number that begins with a plus", pay("+1"), SHAPE),
        ("half a number", pay("1."), SHAPE),
        ("2^63 as an amount", pay("9223372036854775808"), SHAPE),
        ("2^64 as an amount", pay("18446744073709551616"), SHAPE),
        ("9e18 as an amount", pay("9e18"), Denied),
        ("a negative amount", pay("-1"), Denied),
        ("minus nothing", pay("-0.0"), Denied),
        ("a text as an amount", pay("\"5\""), Denied),
        ("a list as an amount", pay("[5]"), Denied),
        ("null as an amount", pay("null"), Denied),
        ("true as an amount", pay("true"), Denied),
        ("no amount", br#"{"agent_id":"bot","tool":"pay"}"#.to_vec(), Denied),
        (
            "an amount under another name",
            br#"{"agent_id":"bot","tool":"pay","args":{"Amount":5}}"#.to_vec(),
            Denied,
        ),
        ("an empty agent", named("", "note"), SHAPE),
        ("an empty tool", named("bot", ""), SHAPE),
        ("a tool of 10,000 characters", named("bot", &long), SHAPE),
        ("an agent of 10,000 characters", named(&long, "note"), SHAPE),
        ("a key of 10,000 characters", with(&format!("\"idempotency_key\":\"{long}\"")), SHAPE),
        ("a user of 10,000 characters", with(&format!("\"user\":\"{long}\"")), SHAPE),
        ("an empty key", with(r#""idempotency_key":"""#), SHAPE),
        ("a path as an agent", named("../bot", "note"), SHAPE),
        ("a path as a tool", named("bot", "../../etc/passwd"), SHAPE),
        ("spaces around an agent", named(" bot ", "note"), SHAPE),
        ("an agent in other letters", named("BOT", "note"), Denied),
        ("an agent with a look-alike letter", named("b\u{043e}t", "note"), SHAPE),
        ("a tool with a zero-width space", named("bot", "note\u{200b}"), SHAPE),
        ("a star as a tool", named("bot", "*"), SHAPE),
        ("an unknown field", with(r#""admin":true"#), SHAPE),
        ("a field in other letters", with(r#""Tool":"note""#), SHAPE),
        ("a prototype", with(r#""__proto__":{"allowed":true}"#), SHAPE),
        ("a decision of one's own", with(r#""decision":"allow""#), SHAPE),
        ("63 unknown fields", with(&many(63)), SHAPE),
        ("10,000 unknown fields", with(&many(10_000)), SHAPE),
        ("a number as an agent", br#"{"agent_id":1,"tool":"note"}"#.to_vec(), SHAPE),
        ("a list as a tool", br#"{"agent_id":"bot","tool":["note"]}"#.to_vec(), SHAPE),
        ("a null tool", br#"{"agent_id":"bot","tool":null}"#.to_vec(), SHAPE),
        ("a text as arguments", with(r#""args":"{}""#), SHAPE),
        ("a list as arguments", with(r#""args":[1]"#), SHAPE),
        ("a number as context", with(r#""context":7"#), SHAPE),
        ("an approval that is none", with(r#""approval_id":"apr_x""#), SHAPE),
        ("an approval with a path", with(r#""approval_id":"apr_1/../2""#), SHAPE),
        ("an approval beyond numbers", with(r#""approval_id":"apr_99999999999999999999""#), SHAPE),
        ("half a step", with(r#""step":1.5"#), SHAPE),
        ("negative tokens", with(r#""estimated_tokens":-1"#), SHAPE),
        ("2^63 tokens", with(r#""estimated_tokens":9223372036854775808"#), SHAPE),
        (
            "just over a megabyte",
            with(&format!("\"args\":{{\"a\":\"{}\"}}", "x".repeat(1 << 20))),
            Refused(&[413]),
        ),
        ("10 megabytes", with(&format!("\"args\":{{\"a\":\"{}\"}}", "x".repeat(10 << 20))), Refused(&[413])),
        ("10 megabytes of spaces", vec![b' '; 10 << 20], Refused(&[413])),
    ]
}

/// An answer that is a problem document, and clear.
fn is_clear(name: &str, reply: &Reply, statuses: &[u16]) {
    let shown = format!("{name}: {} {}", reply.status, reply.text().chars().take(300).collect::<String>());
    assert!(statuses.contains(&reply.status), "{shown}; expected {statuses:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json", "{shown}");
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status, "{shown}");
    for member in ["code", "detail", "type", "title"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {shown}");
    }
    // What was sent comes back in part at most.
    assert!(reply.body.len() < 2_000, "{shown}");
    assert!(problem["allowed"] != true && problem["decision"] != "allow", "{shown}");
}

/// How many records there are.
fn size(client: &mut Client) -> u64 {
    client.get("/v1/ledger?limit=1").ok()["size"].as_u64().unwrap()
}

#[test]
fn hostile_bodies_are_refused_clearly_and_change_nothing() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let mut gate = Gate::start(&store);
    let mut client = gate.client(&key);
    let mut expected = size(&mut client);
    for (name, body, due) in bodies() {
        let head = format!(
            "POST /v1/check HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let reply = client
            .send_raw(&[head.as_bytes(), &body].concat())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        match due {
            Refused(statuses) => is_clear(name, &reply, statuses),
            Denied => {
                let decided = reply.ok();
                assert_eq!(
                    (&decided["decision"], &decided["allowed"]),
                    (&json!("deny"), &json!(false)),
                    "{name}: {decided}"
                );
                expected += 1;
            }
        }
        assert_eq!(size(&mut client), expected, "{name}: records");
        // The same as one of a batch does not spoil the others, or is refused with them.
        if body.len() < 1 << 18 {
            let fine = r#"{"agent_id":"nobody","tool":"note"}"#.as_bytes();
            let batch = [br#"{"checks":["#, fine, b",", &body, b"]}"].concat();
            let head = format!(
                "POST /v1/check/batch HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n",
                batch.len()
            );
            let reply = client
                .send_raw(&[head.as_bytes(), &batch].concat())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!reply.text().contains("\"allow\""), "{name}: {}", reply.text());
            if reply.status == 200 {
                let results = reply.json()["results"].as_array().unwrap().clone();
                expected += results.iter().filter(|it| it["decision_id"].is_string()).count() as u64;
                assert_eq!(results[0]["code"], "unknown_agent", "{name}");
            } else {
                is_clear(name, &reply, &[400, 413, 422]);
            }
        }
    }
    let reply = client.check(&json!({"agent_id": "bot", "tool": "note"}));
    assert_eq!(reply["decision"], "allow", "the next caller is served");
    assert!(gate.is_running());
    drop(client);
    assert!(gate.stop().success());
    assert!(!store.log().contains("panic") && !store.log().contains(&key), "{}", store.log());
    store.verify();
    assert_eq!(store.records().iter().filter(|it| it.is_allow()).count(), 1);
}

/// Whole requests that are odd in another place than a check's body, and the statuses that they may get.
fn requests(key: &str) -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let fine = r#"{"agent_id":"bot","tool":"note"}"#;
    let with = |line: &str, headers: &str, body: &str| {
        format!("{line} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n{headers}\r\n{body}")
            .into_bytes()
    };
    let get = |path: &str| with(&format!("GET {path}"), "", "");
    let post = |path: &str, body: &str| {
        with(&format!("POST {path}"), &format!("content-length: {}\r\n", body.len()), body)
    };
    let check =
        |headers: &str| with("POST /v1/check", &format!("{headers}content-length: {}\r\n", fine.len()), fine);
    vec![
        ("gzip", check("content-encoding: gzip\r\n"), &[415]),
        ("another kind of body", check("content-type: text/html\r\n"), &[415]),
        ("a form", check("content-type: multipart/form-data\r\n"), &[415]),
        ("a wrong method", with("DELETE /v1/check", "", ""), &[405]),
        ("a method nobody knows", with("FROB /v1/check", "", ""), &[405]),
        ("reading what is written", get("/v1/check"), &[405]),
        ("a path nobody knows", get("/v1/nothing"), &[404]),
        ("another case", get("/V1/decisions"), &[404]),
        ("a slash too many", get("/v1//decisions"), &[404]),
        ("dots in an id", get("/v1/decisions/../keys"), &[400, 404]),
        ("escaped dots in an id", get("/v1/decisions/%2e%2e%2fkeys"), &[400, 404]),
        ("dots twice escaped", get("/v1/decisions/%252e%252e%252f"), &[400, 404]),
        ("an id that is none", get("/v1/decisions/1"), &[400, 404]),
        ("an id of another kind", get("/v1/decisions/apr_1"), &[400, 404]),
        ("an id with a sign", get("/v1/decisions/dec_+1"), &[400, 404]),
        ("an id beyond numbers", get("/v1/decisions/dec_99999999999999999999999"), &[400, 404]),
        ("a record that is no decision", get("/v1/decisions/dec_0"), &[404]),
        ("an id with a zero byte", get("/v1/decisions/dec_1%00"), &[400, 404]),
        ("an id that is not UTF-8", get("/v1/decisions/%ff"), &[400, 404]),
        ("an escape that is none", get("/v1/decisions/%zz"), &[400, 404]),
        ("a long id", get(&format!("/v1/decisions/dec_{}", "1".repeat(10_000))), &[400, 404, 414]),
        ("a long agent", get(&format!("/v1/agents/{}", "a".repeat(10_000))), &[400, 404, 414]),
        ("a query nobody knows", get("/v1/decisions?admin=1"), &[400]),
        ("a query twice", get("/v1/decisions?limit=1&limit=2"), &[400]),
        ("a cursor of one's own", get("/v1/decisions?cursor=%27%20OR%201=1"), &[400]),
        ("a negative limit", get("/v1/decisions?limit=-1"), &[400]),
        ("a wait in words", get("/v1/approvals/apr_1?wait_s=soon"), &[400, 404]),
        ("a time that is none", get("/v1/decisions?since=yesterday"), &[400]),
        ("a proof beyond the end", get("/v1/ledger/proof/18446744073709551615"), &[400, 404]),
        ("a proof of dots", get("/v1/ledger/proof/../checkpoint"), &[400, 404]),
        (
            "an outcome of nothing",
            post("/v1/decisions/dec_0/outcome", r#"{"status":"success"}"#),
            &[404, 409],
        ),
        (
            "an outcome in the future",
            post("/v1/decisions/dec_999999/outcome", r#"{"status":"success"}"#),
            &[404],
        ),
        (
            "an unknown outcome",
            post("/v1/decisions/dec_0/outcome", r#"{"status":"unknown"}"#),
            &[400, 422, 404],
        ),
        ("an approval of nothing", post("/v1/approvals/apr_999999/approve", "{}"), &[404]),
        (
            "an approval with a field",
            post("/v1/approvals/apr_0/approve", r#"{"by":"ann"}"#),
            &[400, 422, 404],
        ),
        ("a switch without a reason", post("/v1/agents/bot/disable", "{}"), &[400, 422]),
        ("a role nobody knows", post("/v1/keys", r#"{"name":"x","role":"root"}"#), &[400, 422]),
        ("a batch of nothing", post("/v1/check/batch", r#"{"checks":[]}"#), &[400, 422]),
        ("a batch of no checks", post("/v1/check/batch", r#"{"checks":7}"#), &[400, 422]),
        (
            "a batch of 1,001",
            post("/v1/check/batch", &format!(r#"{{"checks":[{}]}}"#, vec![fine; 1001].join(","))),
            &[400, 413, 422],
        ),
        ("a policy that is none", with("PUT /v1/policy", "content-length: 3\r\n", "{{{"), &[422]),
        ("a policy of 10,000 anchors", with("PUT /v1/policy", "content-length: 5\r\n", "&a *a"), &[422]),
    ]
}

#[test]
fn hostile_requests_are_refused_clearly_and_change_nothing() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let gate = Gate::start(&store);
    let mut client = gate.client(&key);
    let before = size(&mut client);
    for (name, bytes, statuses) in requests(&key) {
        let reply = client.send_raw(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        is_clear(name, &reply, statuses);
        assert_eq!(size(&mut client), before, "{name}: records");
    }
    let fine = r#"{"agent_id":"bot","tool":"note"}"#;
    let open = [("no key", String::new()), ("an empty key", "authorization: Bearer \r\n".to_owned())];
    let odd = [
        ("a long key", format!("authorization: Bearer {}\r\n", "k".repeat(5_000))),
        ("a part of a key", format!("authorization: Bearer {}\r\n", key.split_at(40).0)),
    ];
    let two =
        [("two keys", format!("authorization: Bearer {key}\r\nx-api-key: pk_live_{}\r\n", "a".repeat(40)))];
    let twice = [
        ("a key twice", format!("x-api-key: {key}\r\nx-api-key: {key}\r\n")),
        ("another scheme", format!("authorization: Basic {key}\r\n")),
    ];
    for (name, headers) in open.into_iter().chain(odd).chain(two).chain(twice) {
        let bytes = format!(
            "POST /v1/check HTTP/1.1\r\nhost: gate\r\n{headers}content-length: {}\r\n\r\n{fine}",
            fine.len()
        );
        let reply = client.send_raw(bytes.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        is_clear(name, &reply, &[401]);
        assert_eq!(size(&mut client), before, "{name}: records");
    }
}

/// What breaks the rules of HTTP itself. The connection is refused or ends; there may be no one to write a document to.
fn breaches(key: &str) -> Vec<(&'static str, Vec<u8>)> {
    let fine = r#"{"agent_id":"bot","tool":"note"}"#;
    let check = |headers: &str, body: &str| {
        format!("POST /v1/check HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n{headers}\r\n{body}")
            .into_bytes()
    };
    let flood = |n: usize, length: usize| {
        (0..n).map(|i| format!("x-{i}: {}\r\n", "v".repeat(length))).collect::<String>()
    };
    vec![
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello hello hello\r\n\r\n".to_vec()),
        ("zeros", vec![0; 4096]),
        ("an older protocol", b"GET /healthz\r\n\r\n".to_vec()),
        ("a later protocol", b"GET /healthz HTTP/9.9\r\n\r\n".to_vec()),
        ("a flood of headers", check(&flood(5_000, 10), "")),
        ("a header of a megabyte", check(&flood(1, 1 << 20), "")),
        (
            "a path of a megabyte",
            format!("GET /{} HTTP/1.1\r\nhost: gate\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        ),
        ("a space before the colon", check("content-length : 10\r\n", fine)),
        ("a header without a colon", check("nonsense\r\n", fine)),
        ("a length in words", check("content-length: many\r\n", fine)),
        ("a negative length", check("content-length: -1\r\n", fine)),
        ("a length beyond numbers", check("content-length: 99999999999999999999999\r\n", fine)),
        ("two lengths", check("content-length: 32\r\ncontent-length: 31\r\n", fine)),
        (
            "chunks of an odd size",
            check("transfer-encoding: chunked\r\n", &format!("zz\r\n{fine}\r\n0\r\n\r\n")),
        ),
        (
            "chunks of a negative size",
            check("transfer-encoding: chunked\r\n", &format!("-20\r\n{fine}\r\n0\r\n\r\n")),
        ),
        (
            "chunks of a size beyond numbers",
            check("transfer-encoding: chunked\r\n", &format!("fffffffffffffffff\r\n{fine}\r\n0\r\n\r\n")),
        ),
        (
            "chunks that are longer than they say",
            check("transfer-encoding: chunked\r\n", &format!("5\r\n{fine}\r\n0\r\n\r\n")),
        ),
        ("an encoding nobody knows", check("transfer-encoding: gzip\r\n", fine)),
        (
            "chunks that are not last",
            check("transfer-encoding: chunked, gzip\r\n", &format!("20\r\n{fine}\r\n0\r\n\r\n")),
        ),
        ("a line feed in a header", check("x-odd: a\nauthorization: Bearer x\r\n", fine)),
        ("a zero byte in a header", check("x-odd: a\0b\r\n", fine)),
    ]
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let mut gate = Gate::start(&store);
    let mut client = gate.client(&key);
    let before = size(&mut client);
    for (name, bytes) in breaches(&key) {
        let mut stream = connect(gate.address).unwrap();
        // It may close while we still send, and then with a reset.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply);
        let status: Option<u16> = reply.split(' ').nth(1).and_then(|code| code.parse().ok());
        assert!(
            status.is_none_or(|status| (400..=505).contains(&status) && status != 500),
            "{name}: {reply}"
        );
        assert!(!reply.contains("\"allow\""), "{name}: {reply}");
        assert_eq!(size(&mut client), before, "{name}: records");
        assert_eq!(client.get("/healthz").status, 200, "{name}");
    }
    // A request smuggled behind another is one of two, or none; with both lengths it is none.
    let fine = r#"{"agent_id":"bot","tool":"note"}"#;
    let inner = format!(
        "POST /v1/check HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{fine}",
        fine.len()
    );
    let outer = format!(
        "POST /v1/check HTTP/1.1\r\nhost: gate\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    let mut stream = connect(gate.address).unwrap();
    stream.write_all(outer.as_bytes()).unwrap();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(!reply.contains("\"allowed\":true"), "{reply}");
    assert!(gate.is_running() && !store.log().contains("panic"), "{}", store.log());
}

#[test]
fn silent_clients_hold_nobody_up() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let gate = Gate::start(&store);
    let silent: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = connect(gate.address).unwrap();
            let head = format!("POST /v1/check HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\ncontent-length: 1000\r\n\r\n");
            stream.write_all(&head.as_bytes()[..head.len() - number % 2 * 10]).unwrap();
            stream
        })
        .collect();
    let mut client = gate.client(&key);
    let answers: Vec<Value> =
        (0..50).map(|_| client.check(&json!({"agent_id": "bot", "tool": "note"}))).collect();
    assert!(answers.iter().all(|it| it["decision"] == "allow"));
    drop(silent);
}
