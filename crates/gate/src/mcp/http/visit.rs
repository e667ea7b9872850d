//! One client's session over HTTP: its servers, and which of them a message is for.
//!
//! Answerable for a client's request reaching the one server that it names and no other, for one `initialize` being
//! enough for all servers, and for what a server asks the client coming back to that server. What may pass is the
//! sessions' (one for each server), and what goes into which answer is the streams'.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::Instant;

use super::dial::Dialer;
use super::hub::{Principal, Shared};
use super::link::{Link, State, is_request, keep};
use super::many;
use super::modern::Known;
use super::streams::{Events, Streams, Wanted};
use crate::mcp::envelope::{Fields, Id, Message, Odd, id_of, read, text};
use crate::mcp::own::OwnTools;
use crate::mcp::pump::client_line;
use crate::mcp::screen::spliced;
use crate::mcp::servers::{Reach, Server};
use crate::mcp::session::{Names, Session};
use crate::mcp::{made_up, reply, request};
use crate::path::Gate;

/// Questions of servers that a client has not answered, at most.
const MOST_ASKED: usize = 1_024;

/// One client's session.
pub(super) struct Visit {
    /// Its id; whoever knows it and has the key speaks for the client.
    pub(super) id: String,
    /// Who the client acts for.
    pub(super) who: Principal,
    pub(super) streams: Arc<Streams>,
    shared: Arc<Shared>,
    links: Vec<Link>,
    /// The client's `initialize`, and its id as written there.
    hello: (String, String),
    /// The client's `notifications/initialized`.
    initialized: OnceLock<Vec<u8>>,
    /// Who hears what the servers say of their own accord, where that is not the one client.
    heard: OnceLock<broadcast::Sender<String>>,
    questions: Mutex<HashMap<String, (usize, String)>>,
    count: AtomicU64,
    run: String,
    secret: String,
    used: Mutex<Instant>,
    closing: watch::Sender<bool>,
}

/// What becomes of a message.
pub(super) enum Taken {
    /// There is nothing to say about it.
    Accepted,
    /// It is answered in this stream.
    Stream(u64, Events),
    /// It is no message, or none that may be sent now: the HTTP status and an error.
    Refused(u16, String),
}

impl Visit {
    /// A session that begins with `line`, an `initialize`, with the id `raw_id` in it.
    pub(super) fn begin(
        shared: Arc<Shared>,
        who: Principal,
        id: String,
        (line, raw_id): (String, String),
    ) -> Result<Arc<Self>, String> {
        let links = shared.servers.list.iter().map(|_| Link::new()).collect();
        let visit = Arc::new(Self {
            id,
            who,
            streams: Arc::default(),
            shared,
            links,
            hello: (line, raw_id),
            initialized: OnceLock::new(),
            heard: OnceLock::new(),
            questions: Mutex::default(),
            count: AtomicU64::new(0),
            run: made_up()?,
            secret: made_up()?,
            used: Mutex::new(Instant::now()),
            closing: watch::Sender::new(false),
        });
        for at in 0..visit.links.len() {
            let (visit, keeper) = (Arc::clone(&visit), Arc::clone(&visit.shared.keepers));
            tokio::spawn(async move {
                keep(visit, at).await;
                drop(keeper);
            });
        }
        Ok(visit)
    }

    /// A server of the client's, and its name.
    pub(super) fn link(&self, at: usize) -> Option<(&Link, &str)> {
        Some((self.links.get(at)?, &self.server(at)?.name))
    }

    /// What is known of server `at` beside this session.
    pub(super) fn known(&self, at: usize) -> Option<&Known> {
        self.shared.known.get(at)
    }

    /// All that sessions share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What requests to server `at` are made with.
    pub(super) fn client(&self, at: usize) -> Dialer {
        self.shared.dialer(at)
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(super) fn server(&self, at: usize) -> Option<&Server> {
        self.shared.servers.list.get(at)
    }

    /// The server, where there is one only and its names are its own: then nothing is changed on its way.
    pub(super) fn is_sole(&self) -> bool {
        self.links.len() == 1
    }

    /// The gate, with eyes for where the server's tools act.
    pub(super) fn gate(&self, at: usize) -> Gate {
        match self.server(at).map(|server| &server.reach) {
            Some(Reach::Url { .. }) => self.shared.elsewhere.clone(),
            _ => self.shared.here.clone(),
        }
    }

    /// The gate's own tools, for who calls.
    pub(super) fn own_tools(&self) -> OwnTools {
        let Shared { here, tools, .. } = &*self.shared;
        OwnTools::new(here.desk.clone(), tools.clone(), self.who.agent.clone())
    }

    /// Who calls, for the session with server `at`.
    pub(super) fn names(&self, at: usize) -> Names {
        names(&self.shared, &self.who, at, self.run.clone(), self.secret.clone())
    }

    /// A number that no other request of the gate's to this client's servers has.
    pub(super) fn own_id(&self) -> String {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{}-http-{n}", self.secret)
    }

    /// The client's `initialize` under an id of the gate's own, and where its answer comes.
    pub(super) fn hello(&self) -> (String, oneshot::Receiver<Vec<u8>>) {
        let (line, raw_id) = &self.hello;
        self.with_own_id(line, raw_id)
    }

    /// A request of the client's under an id of the gate's own, and where its answer comes.
    pub(super) fn with_own_id(&self, line: &str, raw_id: &str) -> (String, oneshot::Receiver<Vec<u8>>) {
        let id = self.own_id();
        let answer = self.streams.own(Id::Text(id.clone()));
        (with_id(line, raw_id, &format!("\"{id}\"")).unwrap_or_default(), answer)
    }

    /// Server `at` has answered `initialize`; `again`: not for the first time.
    pub(super) fn came(self: &Arc<Self>, at: usize, again: bool) {
        if let (Some(line), Some((link, _))) = (self.initialized.get(), self.link(at)) {
            link.meet(line);
            // What was listed before it came lacks what it has, or has what it had.
            if again || !self.is_sole() {
                many::changed(self, at);
            }
        }
    }

    /// The request for the next page of a list, under an id of the gate's own, and where its answer comes.
    pub(super) fn next_page(
        &self,
        whole: &str,
        cursor: &str,
    ) -> Result<(String, oneshot::Receiver<Vec<u8>>), String> {
        let Ok(Message::Request { method, .. }) = read(whole) else {
            return Err("it is no request".to_owned());
        };
        let id = self.own_id();
        let answer = self.streams.own(Id::Text(id.clone()));
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"{method}\",\"params\":{{\"cursor\":{cursor}}}}}\n"
        );
        Ok((line, answer))
    }

    /// The revision that was agreed on with the client.
    pub(super) fn agreed(&self, version: &str) {
        // Older clients take an event without data for a broken message.
        if version >= "2025-11-25" {
            self.streams.primed();
        }
    }

    /// True once the client is gone.
    pub(super) fn is_over(&self) -> bool {
        *self.closing.borrow()
    }

    /// Ends with the session.
    pub(super) async fn over(&self) {
        let mut closing = self.closing.subscribe();
        // It cannot fail while we are here.
        let _over = closing.wait_for(|over| *over).await;
    }

    /// Ends the session.
    pub(super) fn end(&self) {
        self.closing.send_replace(true);
        self.streams.close();
    }

    /// What the servers say of their own accord is heard by many from now on, see [`Visit::hear`].
    pub(super) fn heard_by_many(self: &Arc<Self>) {
        let heard = self.heard.get_or_init(|| broadcast::Sender::new(64)).clone();
        let Some(mut standing) = self.streams.stand() else { return };
        tokio::spawn(async move {
            while let Some(event) = standing.recv().await {
                if let Ok(Message::Notification { method, .. }) = text(&event.message).and_then(read) {
                    // Nobody may be listening.
                    let _unheard = heard.send(method);
                }
            }
        });
    }

    /// The methods of what the servers say of their own accord.
    pub(super) fn hear(&self) -> broadcast::Receiver<String> {
        self.heard.get_or_init(|| broadcast::Sender::new(64)).subscribe()
    }

    /// When it was used last; now, if somebody listens.
    pub(super) fn last_used(&self) -> Instant {
        let watched = || match self.heard.get() {
            Some(heard) => heard.receiver_count() > 0,
            None => self.streams.is_watched(),
        };
        if watched() {
            return Instant::now();
        }
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question of server `at` under an id that no other server uses; `None`: it is none, or needs no other.
    pub(super) fn renumbered(&self, message: &[u8], at: usize) -> Option<Vec<u8>> {
        if self.is_sole() {
            return None;
        }
        let raw_id = is_request(message)?;
        let id = self.own_id();
        let anew = with_id(text(message).ok()?, &raw_id, &format!("\"{id}\""))?;
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() < MOST_ASKED {
            questions.insert(id, (at, raw_id));
        }
        Some(anew.into_bytes())
    }

    /// Takes one message of the client's.
    pub(super) fn take(self: &Arc<Self>, body: &[u8]) -> Taken {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let line = one_line(body);
        let message = match text(&line).and_then(read) {
            Ok(message) => message,
            Err(odd) => return Taken::Refused(400, reply::odd(&odd)),
        };
        match message {
            Message::Batch(parts) => self.batch(&parts),
            Message::Request { id, raw_id, method, params } => {
                let wanted = Wanted { id, token: token(params.map(|it| it.get())) };
                match self.streams.open(vec![wanted]) {
                    Err(why) => Taken::Refused(400, reply::error(Some(raw_id), -32600, why)),
                    Ok((stream, events)) => {
                        self.request(line.clone(), &method);
                        Taken::Stream(stream, events)
                    }
                }
            }
            Message::Notification { method, params } => {
                self.notification(&line, &method, params.and_then(|it| request::cancelled(Some(it))));
                Taken::Accepted
            }
            Message::Answer { id, .. } => {
                self.answer(&line, id.as_ref());
                Taken::Accepted
            }
        }
    }

    /// Several messages in one, as revision 2025-03-26 has them.
    fn batch(self: &Arc<Self>, parts: &[&serde_json::value::RawValue]) -> Taken {
        let refused = |why: &str| Taken::Refused(400, reply::error(None, -32600, why));
        let mut requests = Vec::new();
        for part in parts {
            match read(part.get()) {
                Ok(Message::Batch(_)) => return refused("a batch within a batch is no message"),
                Err(Odd { why, .. }) => return refused(&why),
                Ok(Message::Request { method, .. }) if method == "initialize" => {
                    return refused("`initialize` must be sent by itself");
                }
                Ok(Message::Request { id, params, .. }) => {
                    requests.push(Wanted { id, token: token(params.map(|it| it.get())) });
                }
                Ok(_) => (),
            }
        }
        let stream = match requests.is_empty() {
            true => None,
            false => match self.streams.open(requests) {
                Ok(stream) => Some(stream),
                Err(why) => return refused(why),
            },
        };
        for part in parts {
            let line = format!("{}\n", part.get()).into_bytes();
            match read(part.get()) {
                Ok(Message::Request { method, .. }) => self.request(line, &method),
                Ok(Message::Notification { method, params }) => {
                    self.notification(&line, &method, params.and_then(|it| request::cancelled(Some(it))));
                }
                Ok(Message::Answer { id, .. }) => self.answer(&line, id.as_ref()),
                _ => (),
            }
        }
        stream.map_or(Taken::Accepted, |(number, events)| Taken::Stream(number, events))
    }

    /// A request whose stream is open.
    fn request(self: &Arc<Self>, line: Vec<u8>, method: &str) {
        if self.is_sole()
            && method != "initialize"
            && let Some(State::Ready(session, _)) = self.links.first().map(Link::state)
        {
            if let Some(id) = id_in(&line) {
                self.streams.sent_to(&id, 0);
            }
            return client_line(&session, &line);
        }
        let visit = Arc::clone(self);
        tokio::spawn(async move { many::request(&visit, &line).await });
    }

    fn notification(self: &Arc<Self>, line: &[u8], method: &str, cancelled: Option<Id>) {
        match method {
            "notifications/initialized" => {
                let line = self.initialized.get_or_init(|| line.to_vec());
                self.links.iter().for_each(|link| link.meet(line));
            }
            "notifications/cancelled" => {
                let Some(id) = cancelled else { return };
                if let Some(session) = self.streams.link_of(&id).and_then(|at| self.ready(at)) {
                    client_line(&session, line);
                }
                self.streams.cancelled(&id);
            }
            _ => (0..self.links.len()).filter_map(|at| self.ready(at)).for_each(|it| client_line(&it, line)),
        }
    }

    /// An answer to what a server asked.
    fn answer(&self, line: &[u8], id: Option<&Id>) {
        if self.is_sole() {
            return self.ready(0).iter().for_each(|session| client_line(session, line));
        }
        let Some(Id::Text(id)) = id else { return };
        let asked = self.questions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let Some((at, raw_id)) = asked else { return };
        let Some(anew) = text(line).ok().and_then(|line| {
            let written = Fields::strict(line, &[]).ok()?.raw("id")?.get();
            with_id(line, written, &raw_id)
        }) else {
            return;
        };
        if let Some(session) = self.ready(at) {
            client_line(&session, anew.as_bytes());
        }
    }

    /// The session with server `at`, if that runs.
    pub(super) fn ready(&self, at: usize) -> Option<Arc<Session>> {
        match self.links.get(at)?.state() {
            State::Ready(session, _) => Some(session),
            State::Starting | State::Down(_) => None,
        }
    }

    /// Answers a request of the client's with an error.
    pub(super) fn fail(&self, id: &Id, raw_id: &str, (code, why): (i32, &str)) {
        let error = reply::error(Some(raw_id), code, why);
        // A client that is gone misses nothing.
        let _gone = self.streams.send(error.as_bytes(), Some(id), usize::MAX);
    }
}

/// Who calls server `at`, in which run if nobody says; `secret` is nobody else's to know.
pub(super) fn names(shared: &Shared, who: &Principal, at: usize, made_up: String, secret: String) -> Names {
    let server = shared.servers.list.get(at);
    Names {
        store: shared.store.clone(),
        agent: who.agent.clone(),
        user: who.user.clone(),
        run: who.run.clone(),
        made_up,
        secret,
        environment: server.and_then(|it| it.environment.clone()),
        server: server.map(|it| it.name.clone()).unwrap_or_default(),
        by: Some(who.by.clone()),
        waits: shared.servers.waits,
        meta: None,
        metrics: Some(Arc::clone(&shared.metrics)),
        own: None,
    }
}

fn id_in(line: &[u8]) -> Option<Id> {
    match text(line).and_then(read) {
        Ok(Message::Request { id, .. }) => Some(id),
        _ => None,
    }
}

/// The message with another id in place of `raw_id`, which is a piece of it or written as one.
pub(super) fn with_id(line: &str, raw_id: &str, anew: &str) -> Option<String> {
    let line = line.trim_end_matches('\n');
    let fields = Fields::strict(line, &["id"]).ok()?;
    let written = fields.raw("id")?.get();
    if id_of(written) != id_of(raw_id) {
        return None;
    }
    spliced(line, written, anew).map(|text| format!("{text}\n"))
}

/// Where the progress of a request is told, as written.
pub(super) fn token(params: Option<&str>) -> Option<String> {
    let fields = Fields::strict(params?, &["_meta"]).ok()?;
    let meta = Fields::strict(fields.raw("_meta")?.get(), &["progressToken"]).ok()?;
    Some(meta.raw("progressToken")?.get().to_owned())
}

/// The message as one line. A line feed can only stand between the parts of a JSON text, never in them.
pub(super) fn one_line(body: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    let mut line: Vec<u8> = body.iter().map(blank).collect();
    line.push(b'\n');
    line
}
