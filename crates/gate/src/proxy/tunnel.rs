//! One connection to the proxy: its head, the answer, and the bytes in both directions.
//!
//! Answerable for nothing going out before it is decided, and for a tunnel being TLS to the name it was made for.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::hello::{self, Hello};
use super::meter::Metered;
use super::request::{self, Head, Plain};
use super::socks::{self, Answer};
use super::{Request, Shared};

/// How long a client may take for its head, and for the first message of a tunnel.
const HEAD: Duration = Duration::from_secs(10);

/// Serves one connection to its end.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) {
    let mut first = [0];
    match timeout(HEAD, client.peek(&mut first)).await {
        Ok(Ok(1)) if first == [socks::VERSION] => return by_socks(client, shared).await,
        Ok(Ok(1)) => (),
        _ => return,
    }
    let Some((head, rest)) = timeout(HEAD, head(&mut client)).await.ok().flatten() else { return };
    let head = match request::read(&head) {
        Ok(head) => head,
        Err(why) => {
            shared.note(odd(&why));
            return refuse(&mut client, 400, &why).await;
        }
    };
    let mut noted = noted(&head);
    let upstream = match shared.admit(&head.host, head.port).await {
        Ok(address) => {
            noted.address = Some(address.ip());
            shared.dial(address).await
        }
        Err(why) => {
            noted.reason = Some(why.clone());
            shared.note(noted);
            return refuse(&mut client, 403, &why).await;
        }
    };
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(why) => {
            (noted.allowed, noted.reason) = (true, Some(why.clone()));
            shared.note(noted);
            return refuse(&mut client, 502, &why).await;
        }
    };
    noted.allowed = true;
    let at = shared.note(noted);
    let done = match head.plain {
        Some(plain) => exchange(metered(client, shared), upstream, &plain, rest).await,
        None => match client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await {
            Ok(()) => tunnel(metered(client, shared), upstream, &head.host, rest).await,
            Err(_) => Err(Broken::Lost),
        },
    };
    enter(shared, at, done);
}

fn enter(shared: &Shared, at: Option<usize>, done: Result<(u64, u64), Broken>) {
    shared.enter(at, |request| match done {
        Ok((sent, received)) => (request.sent, request.received) = (sent, received),
        Err(Broken::Refused(why)) => (request.allowed, request.reason) = (false, Some(why)),
        Err(Broken::Used) => {
            request.reason = Some("the run has used up the bytes that it may send or get".to_owned())
        }
        Err(Broken::Lost) => request.reason = Some("the connection broke".to_owned()),
    });
}

/// The same by SOCKS: what is decided, recorded and let through is no different.
async fn by_socks(mut client: TcpStream, shared: &Shared) {
    let Some((host, port)) = timeout(HEAD, socks::read(&mut client)).await.ok().flatten() else { return };
    let head = Head { method: "SOCKS".to_owned(), host, port, plain: None };
    let mut noted = noted(&head);
    let address = match shared.admit(&head.host, port).await {
        Ok(address) => address,
        Err(why) => {
            noted.reason = Some(why);
            shared.note(noted);
            let _gone = socks::answer(&mut client, Answer::NotAllowed).await;
            return;
        }
    };
    (noted.address, noted.allowed) = (Some(address.ip()), true);
    let upstream = match shared.dial(address).await {
        Ok(upstream) => upstream,
        Err(why) => {
            noted.reason = Some(why);
            shared.note(noted);
            let _gone = socks::answer(&mut client, Answer::Unreachable).await;
            return;
        }
    };
    let at = shared.note(noted);
    let done = match socks::answer(&mut client, Answer::Done).await {
        Some(()) => tunnel(metered(client, shared), upstream, &head.host, Vec::new()).await,
        None => Err(Broken::Lost),
    };
    enter(shared, at, done);
}

/// Why a connection ended early.
enum Broken {
    Refused(String),
    /// What a run may send or get is used up.
    Used,
    Lost,
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::QuotaExceeded { Self::Used } else { Self::Lost }
    }
}

/// A client whose bytes are counted from here on. (Its head was bounded by itself.)
fn metered(stream: TcpStream, shared: &Shared) -> Metered<'_, TcpStream> {
    Metered { stream, meter: &shared.meter }
}

fn odd(why: &str) -> Request {
    let (method, host) = (String::new(), String::new());
    let reason = Some(why.to_owned());
    Request { method, host, port: 0, path: None, allowed: false, reason, address: None, sent: 0, received: 0 }
}

fn noted(head: &Head) -> Request {
    Request {
        method: head.method.chars().take(16).collect(),
        host: verdict::short(&head.host),
        port: head.port,
        path: head.plain.as_ref().map(|plain| plain.path.clone()),
        ..odd("")
    }
    .without_reason()
}

impl Request {
    fn without_reason(mut self) -> Self {
        self.reason = None;
        self
    }
}

/// The head, and what came after it. None if there is none.
async fn head(client: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end.saturating_add(4));
            bytes.truncate(end);
            return Some((bytes, rest));
        }
        if bytes.len() > request::LONGEST || client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn refuse(client: &mut TcpStream, code: u16, why: &str) {
    let reason = match code {
        400 => "Bad Request",
        403 => "Forbidden",
        _ => "Bad Gateway",
    };
    let body = format!("the gate's proxy refuses this: {why}\n");
    let answer = format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _gone = client.write_all(answer.as_bytes()).await;
    let _gone = client.shutdown().await;
}

/// A plain request: its body, of the length it said, and everything that comes back. Nothing that follows the body
/// goes out: it could be a request to another host of the same server.
async fn exchange(
    client: Metered<'_, TcpStream>,
    mut upstream: TcpStream,
    plain: &Plain,
    rest: Vec<u8>,
) -> Result<(u64, u64), Broken> {
    upstream.write_all(&plain.bytes).await?;
    let first = usize::try_from(plain.body).unwrap_or(usize::MAX).min(rest.len());
    upstream.write_all(rest.get(..first).unwrap_or_default()).await?;
    let left = plain.body.saturating_sub(u64::try_from(first).unwrap_or(0));
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = upstream.split();
    let out = async {
        let mut body = (&mut from_client).take(left);
        tokio::io::copy(&mut body, &mut to_server).await
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::pin!(out, back);
    // A server may answer before it has read everything, and an answer ends the exchange.
    let mut sent = None;
    let received = loop {
        tokio::select! {
            done = &mut out, if sent.is_none() => sent = Some(done?),
            done = &mut back => break done?,
        }
    };
    let head = u64::try_from(plain.bytes.len().saturating_add(first)).unwrap_or(0);
    Ok((sent.unwrap_or(0).saturating_add(head), received))
}

/// A tunnel: the client's first message must be TLS for the name that the tunnel was made for.
async fn tunnel(
    mut client: Metered<'_, TcpStream>,
    mut upstream: TcpStream,
    host: &str,
    rest: Vec<u8>,
) -> Result<(u64, u64), Broken> {
    let mut first = rest;
    let told = timeout(HEAD, async {
        loop {
            match hello::read(&first) {
                Hello::Short if first.len() <= hello::LONGEST => {
                    if client.read_buf(&mut first).await? == 0 {
                        return Ok(Hello::Odd);
                    }
                }
                told => return Ok(told),
            }
        }
    });
    let told: std::io::Result<Hello> = told.await.unwrap_or(Ok(Hello::Odd));
    fits(told?, host).map_err(Broken::Refused)?;
    upstream.write_all(&first).await?;
    let (sent, received) = copy_bidirectional(&mut client, &mut upstream).await?;
    Ok((sent.saturating_add(u64::try_from(first.len()).unwrap_or(0)), received))
}

fn fits(told: Hello, host: &str) -> Result<(), String> {
    let wanted = host.trim_end_matches('.').to_ascii_lowercase();
    let literal = wanted.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    match told {
        Hello::Name(name) if name == wanted => Ok(()),
        Hello::Name(name) => {
            Err(format!("the tunnel is for `{wanted}`, and TLS asks for `{}`", verdict::short(&name)))
        }
        // A client gives no name to an address.
        Hello::Nameless if literal => Ok(()),
        Hello::Nameless => Err("TLS does not say which name it wants".to_owned()),
        Hello::Hidden => Err("TLS hides which name it wants (ECH)".to_owned()),
        Hello::Short | Hello::Odd => Err("a tunnel carries TLS, and this is none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hello::tests::{hello, named};
    use super::super::hello::{Hello, read};
    use super::fits;

    #[test]
    fn a_tunnel_goes_to_the_name_it_was_made_for() {
        let told = |name: &str| read(&hello(&[named(name)]));
        assert!(fits(told("a.example"), "A.example.").is_ok());
        assert!(fits(told("b.example"), "a.example").is_err());
        assert!(fits(Hello::Nameless, "a.example").is_err());
        assert!(fits(Hello::Nameless, "[::1]").is_ok());
        assert!(fits(Hello::Hidden, "a.example").is_err());
        assert!(fits(Hello::Odd, "a.example").is_err());
    }
}
