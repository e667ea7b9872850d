//! `http.request`: where it goes, what it carries, and that both are on record.

use serde_json::json;

use super::{call, gate_on, recorded};
use crate::upstream::{Deed, Upstream};

#[test]
fn a_request_goes_where_it_may_and_is_on_record_with_method_and_path() {
    let site = Upstream::start(|_, it| match it.path.as_str() {
        "/moved" => Deed::Answer(302, "Location: http://169.254.169.254/\r\n".to_owned(), Vec::new()),
        "/gone" => Deed::Answer(404, String::new(), b"no".to_vec()),
        "/long" => Deed::Answer(200, String::new(), vec![b'x'; 5_000]),
        "/hangup" => Deed::Hangup,
        _ => Deed::Answer(201, "X-Seen: 1\r\nX-Seen: 2\r\n".to_owned(), b"made".to_vec()),
    });
    let served = gate_on(
        "  web: {builtin: http.request, allow_private: true, max_response_bytes: 4000}\n  shy: {builtin: http.request}\n",
        "",
        None,
    );
    let url = |path: &str| format!("http://{}{path}", site.address);
    let body = json!({"method": "POST", "url": url("/items?token=s3cret#here"), "headers": {"X-A": "b"}, "body": "{\"n\":1}"});
    let made = call(&served, "web", &body);
    assert_eq!(
        (&made["status"], &made["result"]["status"], &made["result"]["body"]),
        (&json!("success"), &json!(201), &json!("made")),
        "{made}"
    );
    assert_eq!(made["result"]["headers"]["x-seen"], "1, 2");
    let arrived = site.arrived();
    assert_eq!((arrived[0].method.as_str(), arrived[0].path.as_str()), ("POST", "/items?token=s3cret"));
    assert_eq!((arrived[0].header("x-a"), arrived[0].body.as_slice()), (Some("b"), b"{\"n\":1}".as_slice()));
    let seen = recorded(&served, &made);
    assert_eq!(seen["outcome"]["effects"][0]["kind"], "net.connect", "{seen}");
    assert_eq!(seen["outcome"]["effects"][0]["resource"], site.address.to_string());
    assert_eq!(seen["outcome"]["effects"][0]["note"], "POST /items", "{seen}");
    // What an answer says is the agent's to read; where it sends is not followed.
    assert_eq!(call(&served, "web", &json!({"url": url("/moved")}))["result"]["status"], 302);
    assert_eq!(call(&served, "web", &json!({"url": url("/gone")}))["result"]["status"], 404);
    assert_eq!(call(&served, "web", &json!({"url": url("/long")}))["error"]["code"], "unreadable");
    assert_eq!(call(&served, "web", &json!({"url": url("/hangup")}))["status"], "failed");
    let lost = call(&served, "web", &json!({"url": url("/hangup"), "method": "DELETE"}));
    assert_eq!(lost["status"], "unknown", "{lost}");
    let count = site.arrived().len();
    for (odd, code) in [
        (json!({"url": url("/"), "headers": {"Host": "other"}}), "bad_arguments"),
        (json!({"url": url("/"), "headers": {"Transfer-Encoding": "chunked"}}), "bad_arguments"),
        (json!({"url": url("/"), "headers": {"x": "a\r\nb: c"}}), "bad_arguments"),
        (json!({"url": url("/"), "method": "TRACE"}), "bad_arguments"),
        (json!({"url": url("/"), "body": "x"}), "bad_arguments"),
        (json!({"url": "http://user:pw@127.0.0.1/"}), "bad_arguments"),
        (json!({"url": "http://169.254.169.254/latest"}), "refused_address"),
    ] {
        let refused = call(&served, "web", &odd);
        assert!(refused["error"]["code"] == code || refused["decision"] == "deny", "{odd}: {refused}");
    }
    let private = call(&served, "shy", &json!({"url": url("/")}));
    assert!(private["error"]["code"] == "refused_address" || private["decision"] == "deny", "{private}");
    assert_eq!(site.arrived().len(), count);
}
