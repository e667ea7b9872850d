//! What goes to one client over HTTP: which message goes into which answer.
//!
//! A POST waits for the answers to the requests in it; what belongs to them goes into the same stream before that, and
//! all else into the standing stream that the client may have open (GET). Events have numbers, so that a client whose
//! connection broke goes on where it was. Answerable for every message going into one stream only, for answers going
//! where they were asked for, and for a client that does not read keeping no more than a bound of memory. Reads
//! nothing but the envelopes. Source: MCP 2025-11-25, transports, "Streamable HTTP".

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::lines::Lost;

/// Events that wait for a connection to take them.
const MOST_WAITING: usize = 1_024;
/// And bytes, over all streams of a client.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Events of a stream that are kept for a client that comes back, and their bytes.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 1024 * 1024;
/// Streams that are over and kept.
const MOST_OVER: usize = 16;
/// The standing stream.
const STANDING: u64 = 0;

/// One message in a stream.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Names it to a client that comes back: the stream, and its place there.
    pub(super) id: (u64, u64),
    /// The message, without an end of line; empty where there is only something to come back to.
    pub(super) message: Bytes,
    /// Nothing comes after it.
    pub(super) last: bool,
    /// The HTTP status, should this be the whole answer.
    pub(super) status: u16,
    /// The server sent it in a stream, and so it is passed on.
    pub(super) as_stream: bool,
    _queued: Option<Arc<Queued>>,
}

impl Event {
    /// One that is in no client's streams.
    pub(super) fn plain(message: String, last: bool) -> Self {
        Self { id: (0, 1), message: message.into(), last, status: 200, as_stream: true, _queued: None }
    }

    /// The same event with another message.
    pub(super) fn with(self, message: Vec<u8>, status: u16) -> Self {
        Self { message: message.into(), status, ..self }
    }

    /// True if it is the whole answer, and need not be a stream.
    pub(super) fn is_whole(&self) -> bool {
        self.last && self.id.1 == 0 && !self.as_stream
    }

    /// True if the HTTP status says that something is wrong.
    pub(super) fn is_error(&self) -> bool {
        self.last && self.id.1 == 0 && self.status >= 400
    }
}

/// Bytes that wait; given back when the event is gone.
#[derive(Debug)]
struct Queued(usize, Arc<AtomicUsize>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The events of a stream, as they come.
pub(super) type Events = mpsc::Receiver<Event>;

/// All streams of one client.
#[derive(Debug, Default)]
pub(super) struct Streams {
    all: Mutex<All>,
    waiting: Arc<AtomicUsize>,
    primes: AtomicBool,
}

#[derive(Debug, Default)]
struct All {
    made: u64,
    streams: HashMap<u64, Stream>,
    over: VecDeque<u64>,
    asked: HashMap<Id, Asked>,
    own: HashMap<Id, oneshot::Sender<Vec<u8>>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Stream {
    to: Option<mpsc::Sender<Event>>,
    awaits: usize,
    next: u64,
    /// The first event that no connection has taken.
    untaken: u64,
    kept: VecDeque<Event>,
    bytes: usize,
}

/// A request of the client's under way.
#[derive(Debug)]
struct Asked {
    stream: u64,
    /// Of which server.
    link: usize,
    /// Where its progress is told, as written.
    token: Option<String>,
    status: u16,
    as_stream: bool,
}

/// How an event is passed on.
#[derive(Clone, Copy)]
struct Kind {
    last: bool,
    status: u16,
    as_stream: bool,
}

impl Kind {
    /// One of several.
    const SOME: Self = Self { last: false, status: 200, as_stream: true };
}

/// A request of the client's, as far as streams must know it.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Its id.
    pub(super) id: Id,
    /// Where its progress is told, as written.
    pub(super) token: Option<String>,
}

impl Streams {
    fn all(&self) -> MutexGuard<'_, All> {
        // Nothing in here is left half changed by a panic.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the stream of a POST with these requests. The error is a sentence.
    pub(super) fn open(&self, wanted: Vec<Wanted>) -> Result<(u64, Events), &'static str> {
        let mut all = self.all();
        if all.closed {
            return Err("the session is over");
        }
        let twice = |at: usize, it: &Wanted| wanted.iter().take(at).any(|before| before.id == it.id);
        if wanted.iter().enumerate().any(|(at, it)| all.asked.contains_key(&it.id) || twice(at, it)) {
            return Err("a request with this id is under way");
        }
        all.made = all.made.saturating_add(1);
        let (number, (to, events)) = (all.made, mpsc::channel(MOST_WAITING));
        all.streams.insert(number, Stream { to: Some(to), awaits: wanted.len(), ..Stream::default() });
        for Wanted { id, token } in wanted {
            all.asked
                .insert(id, Asked { stream: number, link: usize::MAX, token, status: 200, as_stream: false });
        }
        Ok((number, events))
    }

    /// Notes to which server a request went.
    pub(super) fn sent_to(&self, id: &Id, link: usize) {
        if let Some(asked) = self.all().asked.get_mut(id) {
            asked.link = link;
        }
    }

    /// To which server a request went that is under way.
    pub(super) fn link_of(&self, id: &Id) -> Option<usize> {
        self.all().asked.get(id).map(|asked| asked.link)
    }

    /// The HTTP status that a server gave with its answer.
    pub(super) fn status(&self, id: &Id, status: u16) {
        if let Some(asked) = self.all().asked.get_mut(id) {
            asked.status = status;
        }
    }

    /// The answer to a request of the gate's own comes out of here.
    pub(super) fn own(&self, id: Id) -> oneshot::Receiver<Vec<u8>> {
        let (to, answer) = oneshot::channel();
        self.all().own.insert(id, to);
        answer
    }

    /// The standing stream, for this connection alone: what waited for it comes first.
    pub(super) fn stand(&self) -> Option<Events> {
        let mut all = self.all();
        let untaken = all.streams.get(&STANDING).map_or(0, |stream| stream.untaken);
        all.attach(STANDING, untaken)
    }

    /// The stream of an event, from what came after it.
    pub(super) fn resume(&self, last: &str) -> Option<Events> {
        let (stream, place) = last.split_once('-')?;
        let (stream, place): (u64, u64) = (stream.parse().ok()?, place.parse().ok()?);
        let mut all = self.all();
        all.streams.contains_key(&stream).then(|| all.attach(stream, place.saturating_add(1))).flatten()
    }

    /// The client has taken a request back: nothing will be said about it.
    pub(super) fn cancelled(&self, id: &Id) {
        let mut all = self.all();
        let Some(Asked { stream, .. }) = all.asked.remove(id) else { return };
        if let Some(it) = all.streams.get_mut(&stream) {
            it.awaits = it.awaits.saturating_sub(1);
            if it.awaits == 0 {
                all.streams.remove(&stream);
            }
        }
    }

    /// The client may be sent events without data.
    pub(super) fn primed(&self) {
        self.primes.store(true, Ordering::Relaxed);
    }

    /// An event to come back to, before there is anything to say.
    pub(super) fn prime(&self, stream: u64) {
        if !self.primes.load(Ordering::Relaxed) {
            return;
        }
        self.all().push(stream, Bytes::new(), Kind::SOME, &self.waiting);
    }

    /// The server answers a request in a stream, and so it is passed on.
    pub(super) fn streamed(&self, id: &Id) {
        let mut all = self.all();
        let Some(asked) = all.asked.get_mut(id) else { return };
        let (stream, first) = (asked.stream, !std::mem::replace(&mut asked.as_stream, true));
        if first && self.primes.load(Ordering::Relaxed) {
            all.push(stream, Bytes::new(), Kind::SOME, &self.waiting);
        }
    }

    /// Requests under way.
    pub(super) fn under_way(&self) -> usize {
        self.all().asked.len()
    }

    /// True if any connection is open.
    pub(super) fn is_watched(&self) -> bool {
        self.all().streams.values().any(|stream| stream.to.as_ref().is_some_and(|to| !to.is_closed()))
    }

    /// Ends every stream.
    pub(super) fn close(&self) {
        let mut all = self.all();
        *all = All { closed: true, ..All::default() };
    }

    /// Sends one message, where it belongs. `link` is the server that it comes from.
    pub(super) fn send(&self, message: &[u8], about: Option<&Id>, link: usize) -> Result<(), Lost> {
        let message = message.strip_suffix(b"\n").unwrap_or(message);
        let message = message.strip_suffix(b"\r").unwrap_or(message);
        let Ok(read) = text(message).and_then(read) else { return Ok(()) };
        let mut all = self.all();
        if all.closed {
            return Err(Lost::Whole);
        }
        let bytes = || Bytes::copy_from_slice(message);
        match read {
            Message::Answer { id: Some(id), .. } => {
                if let Some(own) = all.own.remove(&id) {
                    // Whoever asked may have gone.
                    let _gone = own.send(message.to_vec());
                } else {
                    all.answer(&id, bytes(), &self.waiting);
                }
            }
            Message::Notification { .. } if about.is_some_and(|id| !all.asked.contains_key(id)) => (),
            Message::Request { method, params, .. } | Message::Notification { method, params } => {
                let stream = about
                    .and_then(|id| all.asked.get(id))
                    .map(|asked| asked.stream)
                    .or_else(|| all.belongs(&method, params.map(|it| it.get()), link))
                    .unwrap_or(STANDING);
                all.push(stream, bytes(), Kind::SOME, &self.waiting);
            }
            // Nobody could tell what they are for.
            Message::Answer { id: None, .. } | Message::Batch(_) => (),
        }
        Ok(())
    }
}

impl All {
    /// Where a message goes of which nobody says what it belongs to.
    fn belongs(&self, method: &str, params: Option<&str>, link: usize) -> Option<u64> {
        if method.ends_with("/list_changed") || method == "notifications/resources/updated" {
            return None;
        }
        let token = params.and_then(|params| {
            let fields = Fields::strict(params, &["progressToken"]).ok()?;
            fields.raw("progressToken").map(|raw| raw.get().to_owned())
        });
        let of_link = || self.asked.values().filter(|asked| asked.link == link);
        match &token {
            Some(token) => of_link().find(|asked| asked.token.as_ref() == Some(token)).map(|it| it.stream),
            None => of_link().map(|asked| asked.stream).max(),
        }
    }

    fn answer(&mut self, id: &Id, message: Bytes, waiting: &Arc<AtomicUsize>) {
        let Some(Asked { stream, status, as_stream, .. }) = self.asked.remove(id) else { return };
        let Some(it) = self.streams.get_mut(&stream) else { return };
        it.awaits = it.awaits.saturating_sub(1);
        let last = it.awaits == 0;
        self.push(stream, message, Kind { last, status, as_stream }, waiting);
        if !last {
            return;
        }
        self.over.push_back(stream);
        if let Some(it) = self.streams.get_mut(&stream) {
            it.to = None;
        }
        while self.over.len() > MOST_OVER {
            if let Some(old) = self.over.pop_front() {
                self.streams.remove(&old);
            }
        }
    }

    fn push(&mut self, number: u64, message: Bytes, kind: Kind, waiting: &Arc<AtomicUsize>) {
        let Kind { last, status, as_stream } = kind;
        let stream = match self.streams.get_mut(&number) {
            Some(stream) => stream,
            None if number == STANDING => self.streams.entry(STANDING).or_default(),
            None => return,
        };
        let length = message.len();
        let before = waiting.fetch_add(length, Ordering::Relaxed);
        let queued = Arc::new(Queued(length, Arc::clone(waiting)));
        let event =
            Event { id: (number, stream.next), message, last, status, as_stream, _queued: Some(queued) };
        stream.next = stream.next.saturating_add(1);
        stream.keep(Event { _queued: None, ..event.clone() });
        let full = before.saturating_add(length) > MOST_BYTES;
        match stream.to.as_ref().map(|to| !full && to.try_send(event).is_ok()) {
            Some(true) => stream.untaken = stream.next,
            // A client that does not read, or is gone: it may come back for what is kept.
            Some(false) => stream.to = None,
            None => (),
        }
    }

    fn attach(&mut self, number: u64, from: u64) -> Option<Events> {
        if self.closed {
            return None;
        }
        let is_over = self.over.contains(&number);
        let stream = self.streams.entry(number).or_default();
        let (to, events) = mpsc::channel(MOST_WAITING);
        for event in stream.kept.iter().filter(|event| event.id.1 >= from) {
            to.try_send(event.clone()).ok()?;
        }
        stream.untaken = stream.next;
        stream.to = Some(to).filter(|_| !is_over);
        Some(events)
    }
}

impl Stream {
    fn keep(&mut self, event: Event) {
        self.bytes = self.bytes.saturating_add(event.message.len());
        self.kept.push_back(event);
        while self.kept.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(old) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(old.message.len());
        }
    }
}
