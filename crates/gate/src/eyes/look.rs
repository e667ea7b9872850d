//! What only a machine can tell: where links lead, what names resolve to, what a model server thinks.
//!
//! Everything here only ever adds to what counts against an action. What cannot be found out in time is left
//! out, and boundaries count what is missing as they see fit.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use verdict::{Classifier, Effect, Finding, Json, PathTarget, Reaction, Risk, Target};

/// Where the files of these effects really are, links followed.
pub(super) fn follow(effects: &mut [Effect]) {
    for effect in effects {
        if let Target::Path(target) = &mut effect.target {
            follow_one(target);
        }
    }
}

/// The most links on the way to one file: the kernel's own limit.
const LINKS: usize = 40;

fn follow_one(target: &mut PathTarget) {
    let spelled = target.spelled.as_deref().unwrap_or(&target.path);
    if !spelled.starts_with('/') {
        return;
    }
    // Of a pattern only the part before it is one place.
    let fixed = if target.glob { spelled.split(['*', '?', '[']).next().unwrap_or("/") } else { spelled };
    match real(Path::new(fixed)) {
        Some(real) => match real.to_str() {
            Some(real) => target.real.push(real.to_owned()),
            None => target.real.push(target.path.clone() + "\u{fffd}"),
        },
        // A circle of links leads nowhere that a boundary could hold.
        None => target.real.push("/proc/self/root".to_owned()),
    }
}

/// As the kernel would walk it: each link is followed where it stands, so that `..` after a link leaves the
/// place the link leads to. What does not exist yet is taken as it is written.
fn real(path: &Path) -> Option<PathBuf> {
    let mut rest: Vec<std::ffi::OsString> = parts(path);
    let (mut at, mut links) = (PathBuf::from("/"), 0_usize);
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match std::fs::read_link(&next) {
            Ok(to) => {
                links = links.saturating_add(1);
                if links > LINKS {
                    return None;
                }
                if to.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(parts(&to));
            }
            Err(_) => at = next,
        }
    }
    Some(at)
}

/// The names on the way, the last one first.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect::<Vec<_>>().into_iter().rev().collect()
}

/// How long a name may take to be resolved.
const RESOLVING: Duration = Duration::from_secs(2);
/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// The most names that are remembered.
const MOST: usize = 4_096;

/// Names that were resolved lately.
#[derive(Default)]
pub(super) struct Resolved(Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>);

impl Resolved {
    /// Fills in what the names of hosts resolve to.
    pub(super) async fn resolve(&self, effects: &mut [Effect]) {
        for effect in effects {
            if let Target::Host(host) = &mut effect.target
                && host.address.is_none()
                && host.resolved.is_empty()
            {
                host.resolved = self.addresses(&host.host).await;
            }
        }
    }

    async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let now = Instant::now();
        if let Some((at, found)) = self.map().get(name)
            && now.duration_since(*at) < GOOD_FOR
        {
            return found.clone();
        }
        let found = match timeout(RESOLVING, tokio::net::lookup_host((name, 0))).await {
            Ok(Ok(found)) => found.map(|it| it.ip()).collect(),
            _ => Vec::new(),
        };
        let mut map = self.map();
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(name.to_owned(), (now, found.clone()));
        found
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Vec<IpAddr>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most bytes of text that a model server is given at once, and the most it may answer.
const ASKED: usize = 64 * 1024;
const ANSWERED: usize = 64 * 1024;

#[derive(Deserialize)]
struct Scores {
    scores: Vec<f64>,
}

/// Asks the model server about all texts of `json` at once. Its silence is a finding, too, where the policy
/// says that it means something.
pub(super) async fn classify(classifier: &Classifier, json: &Json, findings: &mut Vec<Finding>) {
    let mut texts = Vec::new();
    gather(json, "", &mut texts);
    if texts.is_empty() {
        return;
    }
    let body: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let limit = Duration::from_millis(classifier.timeout_ms);
    let answer = match serde_json::to_vec(&serde_json::json!({ "texts": body })) {
        Ok(body) => timeout(limit, ask(&classifier.url, body))
            .await
            .unwrap_or_else(|_| Err("it took too long".to_owned())),
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(scores) if scores.len() == texts.len() => {
            for ((place, _), score) in texts.iter().zip(scores) {
                let confidence = hundredths(score);
                if confidence >= classifier.threshold {
                    findings.push(finding(place, "injection", confidence));
                }
            }
        }
        other => {
            let why = other
                .err()
                .unwrap_or_else(|| "it answers another number of scores than it was asked for".to_owned());
            tracing::warn!(url = %classifier.url, %why, "the classifier cannot be asked");
            if classifier.on_error > Reaction::Flag {
                findings.push(finding("", "silence", 100));
            }
        }
    }
}

/// Anything but a number from 0 to 1 is the worst score.
fn hundredths(score: f64) -> u8 {
    if !(0.0..=1.0).contains(&score) {
        return 100;
    }
    (0..=100_u8).rev().find(|n| f64::from(*n) <= score * 100.0).unwrap_or(0)
}

fn finding(place: &str, name: &'static str, confidence: u8) -> Finding {
    Finding {
        kind: "classifier".into(),
        name: name.into(),
        place: place.to_owned(),
        span: None,
        severity: Risk::High,
        confidence,
        verified: None,
    }
}

/// The texts worth a question, with their places, up to what is asked at once.
fn gather(json: &Json, place: &str, texts: &mut Vec<(String, String)>) {
    let used: usize = texts.iter().map(|(_, text)| text.len()).sum();
    match json {
        Json::Str(text) if used < ASKED && text.len() > 8 => {
            let cut = text.chars().take(ASKED.saturating_sub(used)).collect();
            texts.push((place.to_owned(), cut));
        }
        Json::List(items) => {
            for (n, item) in items.iter().enumerate() {
                gather(item, &format!("{place}/{n}"), texts);
            }
        }
        Json::Map(map) => {
            for (key, item) in map.iter() {
                gather(item, &format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), texts);
            }
        }
        _ => (),
    }
}

async fn ask(url: &str, body: Vec<u8>) -> Result<Vec<f64>, String> {
    let uri: hyper::Uri = url.parse().map_err(|_| "its address cannot be read".to_owned())?;
    let host = uri.host().ok_or("its address has no host")?.to_owned();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let driven = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let request = Request::post(path)
        .header("host", host)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let reply = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if !reply.status().is_success() {
        return Err(format!("it answers {}", reply.status()));
    }
    let body =
        Limited::new(reply.into_body(), ANSWERED).collect().await.map_err(|error| error.to_string())?;
    driven.abort();
    let scores: Scores = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())?;
    Ok(scores.scores)
}
