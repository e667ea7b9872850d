//! SOCKS 5 (RFC 1928) at the same listener, for programs that know no HTTP proxy: no authentication, CONNECT alone.
//!
//! Answerable for reading the request, and for the answer's code. Where it may go is the proxy's, and that its
//! tunnel carries TLS the tunnel's.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The first byte of a SOCKS 5 client.
pub(super) const VERSION: u8 = 5;

/// Answers, by their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    NotAllowed,
    Unreachable,
    NoSuchCommand,
    NoSuchAddress,
}

/// Reads greeting and request: where the client wants to go. None if it speaks no SOCKS 5 that we do; it has then been
/// answered.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(client: &mut S) -> Option<(String, u16)> {
    let [version, methods] = take(client).await?;
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).await.ok()?;
    let open = version == VERSION && offered.contains(&0);
    client.write_all(&[VERSION, if open { 0 } else { 0xff }]).await.ok()?;
    if !open {
        return None;
    }
    let [version, command, _, kind] = take(client).await?;
    if version != VERSION || command != 1 {
        answer(client, Answer::NoSuchCommand).await?;
        return None;
    }
    let host = match kind {
        1 => Ipv4Addr::from(take::<4, _>(client).await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(take::<16, _>(client).await?)),
        3 => {
            let [length] = take(client).await?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await.ok()?;
            // What is no ASCII stays visible as what it is not: a host.
            String::from_utf8_lossy(&name).into_owned()
        }
        _ => {
            answer(client, Answer::NoSuchAddress).await?;
            return None;
        }
    };
    Some((host, u16::from_be_bytes(take(client).await?)))
}

/// Answers a request.
pub(super) async fn answer<S: AsyncWrite + Unpin>(client: &mut S, answer: Answer) -> Option<()> {
    client.write_all(&[VERSION, answer.code(), 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()
}

impl Answer {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotAllowed => 2,
            Self::Unreachable => 4,
            Self::NoSuchCommand => 7,
            Self::NoSuchAddress => 8,
        }
    }
}

async fn take<const N: usize, S: AsyncRead + Unpin>(client: &mut S) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Answer, answer, read};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn told(bytes: &[u8]) -> (Option<(String, u16)>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        let read = read(&mut ours).await;
        drop(ours);
        let mut answered = Vec::new();
        theirs.read_to_end(&mut answered).await.unwrap();
        (read, answered)
    }

    #[tokio::test]
    async fn a_request_is_read_and_what_is_none_is_answered() {
        let name = [&[5, 1, 0, 5, 1, 0, 3, 9][..], b"a.example", &[1, 187]].concat();
        assert_eq!(told(&name).await, (Some(("a.example".to_owned(), 443)), vec![5, 0]));
        let v4 = [5, 2, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80];
        assert_eq!(told(&v4).await.0, Some(("127.0.0.1".to_owned(), 80)));
        let v6 = [&[5, 1, 0, 5, 1, 0, 4][..], &[0; 15], &[1, 0, 22]].concat();
        assert_eq!(told(&v6).await.0, Some(("[::1]".to_owned(), 22)));
        // A name that a text comparison would take for another one stays what it is: no host.
        let nul = [&[5, 1, 0, 5, 1, 0, 3, 16][..], b"evil\0a.example.x", &[1, 187]].concat();
        assert!(crate::proxy::read(&told(&nul).await.0.unwrap().0, 443).is_err());
        assert_eq!(told(&[5, 1, 2]).await, (None, vec![5, 0xff]));
        assert_eq!(told(&[5, 1, 0, 5, 2, 0, 1]).await.1.get(..4), Some(&[5, 0, 5, 7][..]));
        assert_eq!(told(&[5, 1, 0, 5, 1, 0, 9]).await.1.get(..4), Some(&[5, 0, 5, 8][..]));
        for end in 0..name.len() {
            assert_eq!(told(&name[..end]).await.0, None, "{end}");
        }
        let mut out = Vec::new();
        answer(&mut out, Answer::NotAllowed).await.unwrap();
        assert_eq!(out, [5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
}
