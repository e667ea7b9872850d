//! Answers that come in pieces: server-sent events and lines of JSON, passed on one by one.
//!
//! Answerable for where one piece ends and the next begins. Whether a stream may be passed on at all is not decided
//! here: an agent whose screens could keep something back gets the answer whole, because what they look for could be
//! spread over several pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use verdict::Json;
use verdict::json::Map;

use super::hush::Hush;

/// Where pieces go. A listener who has gone stops nothing: the call goes on, and its end is recorded.
#[derive(Clone, Debug)]
pub struct Sink {
    to: mpsc::Sender<Json>,
    passed: Arc<AtomicU64>,
}

/// So many pieces wait for a slow listener; then the tool waits, too.
const WAITING: usize = 16;

impl Sink {
    /// A sink, and where what goes into it comes out.
    pub fn new() -> (Self, mpsc::Receiver<Json>) {
        let (to, from) = mpsc::channel(WAITING);
        (Self { to, passed: Arc::default() }, from)
    }

    /// How many pieces went into it.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    async fn pass(&self, piece: Json) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        let _gone = self.to.send(piece).await;
    }
}

/// An answer that was passed on as it came.
pub(super) enum Passed {
    /// All of its pieces.
    Whole(Vec<Json>),
    /// It is longer than it may be.
    TooLong,
    /// It broke off.
    Broken,
}

/// Reads an answer of at most `limit` bytes, and passes its pieces on without the tool's secret.
pub(super) async fn pass(mut body: Incoming, limit: usize, cut: Cut, to: (&Sink, &Hush)) -> Passed {
    let (sink, hush) = to;
    let (mut cutter, mut pieces, mut length) = (Cutter::new(cut), Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Passed::Broken };
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            return Passed::TooLong;
        }
        for piece in cutter.take(&data) {
            let piece = hush.clean(piece);
            sink.pass(piece.clone()).await;
            pieces.push(piece);
        }
    }
    if let Some(last) = cutter.finish() {
        let last = hush.clean(last);
        sink.pass(last.clone()).await;
        pieces.push(last);
    }
    Passed::Whole(pieces)
}

/// How an answer is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// `text/event-stream`, by the HTML standard.
    Events,
    /// One JSON text a line.
    Lines,
}

impl Cut {
    /// How an answer of this media type is cut, if it is.
    pub(super) fn of(media: &str) -> Option<Self> {
        match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(Self::Events),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// An answer that is cut while it comes.
pub(super) struct Cutter {
    cut: Cut,
    /// Bytes of a line whose end has not come.
    line: Vec<u8>,
    /// Of the event whose end has not come: its name, and its lines of data.
    name: Option<String>,
    data: Vec<String>,
}

impl Cutter {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, line: Vec::new(), name: None, data: Vec::new() }
    }

    /// The pieces that end in these bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Json> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.line.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            pieces.extend(self.line_ends(&String::from_utf8_lossy(&line)));
        }
        self.line.extend_from_slice(rest);
        pieces
    }

    /// What is left when the answer has ended. By the standard an event that nothing ends is none.
    pub(super) fn finish(mut self) -> Option<Json> {
        let line = std::mem::take(&mut self.line);
        match self.cut {
            Cut::Events => None,
            Cut::Lines => self.line_ends(&String::from_utf8_lossy(&line)),
        }
    }

    fn line_ends(&mut self, line: &str) -> Option<Json> {
        if self.cut == Cut::Lines {
            let line = line.trim();
            return (!line.is_empty()).then(|| value(line));
        }
        if line.is_empty() {
            return self.event_ends();
        }
        let (field, text) = line.split_once(':').unwrap_or((line, ""));
        let text = text.strip_prefix(' ').unwrap_or(text);
        match field {
            "data" => self.data.push(text.to_owned()),
            "event" => self.name = Some(text.to_owned()),
            // Comments, ids and pauses are between the tool and the gate.
            _ => (),
        }
        None
    }

    fn event_ends(&mut self) -> Option<Json> {
        let (name, data) = (self.name.take(), std::mem::take(&mut self.data));
        if data.is_empty() {
            return None;
        }
        let data = value(&data.join("\n"));
        let Some(name) = name.filter(|it| it != "message") else { return Some(data) };
        let pairs = vec![("event".to_owned(), Json::Str(name)), ("data".to_owned(), data)];
        Map::from_pairs(pairs).ok().map(Json::Map)
    }
}

fn value(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_else(|_| Json::Str(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(cut: Cut, text: &str, size: usize) -> String {
        let mut cutter = Cutter::new(cut);
        let mut pieces: Vec<Json> =
            text.as_bytes().chunks(size).flat_map(|bytes| cutter.take(bytes)).collect();
        pieces.extend(cutter.finish());
        Json::List(pieces).canonical()
    }

    #[test]
    fn pieces_are_the_same_however_the_bytes_arrive() {
        let events = ": hello\r\nid: 1\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nevent: end\ndata: ä\n\ndata\n\nretry: 5\n\ndata: lost";
        let lines = "{\"a\":1}\n\n  \"ä\" \r\nno json\n[2]";
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(cut(Cut::Events, events, size), r#"[{"a":1},{"data":"ä","event":"end"},""]"#);
            assert_eq!(cut(Cut::Lines, lines, size), r#"[{"a":1},"ä","no json",[2]]"#);
        }
        assert_eq!(Cut::of("Text/Event-Stream; charset=utf-8"), Some(Cut::Events));
        assert_eq!(Cut::of("application/json"), None);
    }
}
