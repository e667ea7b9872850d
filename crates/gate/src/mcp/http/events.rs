//! Server-sent events, read within a bound.
//!
//! Answerable for memory, and for what is no event (comments, other fields) being passed over. Source: the HTML
//! standard, "Server-sent events", interpreting an event stream.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::mcp::LONGEST_MESSAGE;

/// What happens in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A message came.
    Message(Vec<u8>),
    /// The stream ended, or broke, or is none.
    End,
}

/// A stream that is read.
pub(super) struct Reading<B> {
    from: B,
    buffer: BytesMut,
    data: Vec<u8>,
    has_data: bool,
    id: Option<String>,
    /// The id of the last event that was whole.
    pub(super) last: Option<String>,
    /// After which time it is to be taken up again.
    pub(super) again: Option<Duration>,
}

impl<B: Body<Data = Bytes> + Unpin> Reading<B> {
    /// A stream from its start.
    pub(super) fn new(from: B) -> Self {
        let (data, buffer) = (Vec::new(), BytesMut::new());
        Self { from, buffer, data, has_data: false, id: None, last: None, again: None }
    }

    /// The same stream, which goes on in another body.
    pub(super) fn then(self, from: B) -> Self {
        Self { last: self.last, again: self.again, ..Self::new(from) }
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> Happening {
        loop {
            while let Some(line) = self.line() {
                if line.is_empty() {
                    self.last = self.id.take().or(self.last.take());
                    let data = std::mem::take(&mut self.data);
                    if std::mem::take(&mut self.has_data) && !data.is_empty() {
                        return Happening::Message(data);
                    }
                } else {
                    self.field(&line);
                }
            }
            if self.buffer.len().saturating_add(self.data.len()) > LONGEST_MESSAGE {
                return Happening::End;
            }
            match self.from.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.buffer.extend_from_slice(&piece);
                    }
                }
                Some(Err(_)) | None => return Happening::End,
            }
        }
    }

    /// The next line that is whole, without its end.
    fn line(&mut self) -> Option<Bytes> {
        let end = self.buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let is_return = self.buffer.get(end) == Some(&b'\r');
        let skip = match self.buffer.get(end.saturating_add(1)) {
            Some(b'\n') if is_return => 2,
            // It may be the first half of an end.
            None if is_return => return None,
            _ => 1,
        };
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(skip);
        Some(line)
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon.saturating_add(1)..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match line.get(..colon).unwrap_or_default() {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"id" => {
                self.id = std::str::from_utf8(value).ok().filter(|id| !id.contains('\0')).map(str::to_owned)
            }
            b"retry" => {
                let millis = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.again = millis.map(Duration::from_millis).or(self.again);
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use http_body_util::Full;

    use super::*;

    fn read(text: &str) -> (Vec<String>, Option<String>, Option<Duration>) {
        let mut reading = Reading::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut messages = Vec::new();
        while let Happening::Message(message) = runtime.block_on(reading.next()) {
            messages.push(String::from_utf8(message).unwrap());
        }
        (messages, reading.last, reading.again)
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let said = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let text = "id: 1\ndata: \n\n: comment\nevent: message\r\nid:2\r\ndata: a\r\ndata:b\r\n\r\nretry: 50\ndata: c\n\n";
        assert_eq!(read(text), (said(&["a\nb", "c"]), Some("2".to_owned()), Some(Duration::from_millis(50))));
        // What is not whole is no event, and its id does not count.
        assert_eq!(read("id: 1\ndata: a\n\nid: 2\ndata: b\n"), (said(&["a"]), Some("1".to_owned()), None));
    }
}
