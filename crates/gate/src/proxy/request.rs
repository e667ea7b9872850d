//! The head of a request to the proxy: `CONNECT host:port`, or a method with an absolute `http://` URL.
//!
//! Answerable for refusing every head that two programs could read differently. Knows nothing of what is allowed.

/// The longest head, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// For a plain request: what is sent on, but for the body.
    pub(super) plain: Option<Plain>,
}

/// A plain request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    /// Without query, for the record.
    pub(super) path: String,
    /// Request line and headers in the form that servers want.
    pub(super) bytes: Vec<u8>,
    /// Bytes of the body.
    pub(super) body: u64,
}

/// Reads a head, without the empty line that ends it. The error is a sentence for the record.
pub(super) fn read(head: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(head).map_err(|_| "the request is not ASCII".to_owned())?;
    if !text.bytes().all(|b| b == b'\r' || b == b'\n' || b == b'\t' || (b' '..=b'~').contains(&b)) {
        return Err("the request is not printable ASCII".to_owned());
    }
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    if text.replace("\r\n", "").contains(['\r', '\n']) {
        return Err("a line of the request ends oddly".to_owned());
    }
    let mut words = line.split(' ');
    let (Some(method), Some(to), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("the request line cannot be read".to_owned());
    };
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("the method cannot be read".to_owned());
    }
    if method == "CONNECT" {
        let (host, port) = split(to, None)?;
        return Ok(Head { method: method.to_owned(), host, port, plain: None });
    }
    if matches!(method, "TRACE" | "TRACK") {
        return Err(format!("`{method}` is not sent on"));
    }
    let rest = to
        .strip_prefix("http://")
        .ok_or_else(|| "a request to the proxy is CONNECT, or has an http:// URL".to_owned())?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (host, port) = split(authority, Some(80))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let (headers, body) = headers(&lines, authority)?;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    headers.iter().for_each(|line| bytes.extend(format!("{line}\r\n").bytes()));
    bytes.extend(b"Connection: close\r\n\r\n");
    let path = path.split('?').next().unwrap_or_default().chars().take(512).collect();
    Ok(Head { method: method.to_owned(), host, port, plain: Some(Plain { path, bytes, body }) })
}

/// `host:port`, or `host` where there is a default.
fn split(authority: &str, default: Option<u16>) -> Result<(String, u16), String> {
    let odd = || "the host of the request cannot be read".to_owned();
    let after = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    let port_at = authority.get(after..).and_then(|rest| rest.rfind(':')).map(|at| at.saturating_add(after));
    let (host, port) = match port_at {
        Some(at) => {
            let (host, port) = authority.split_at_checked(at).ok_or_else(odd)?;
            let digits = port.trim_start_matches(':');
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let port = digits.parse::<u16>().ok().filter(|port| plain && *port > 0);
            (host, port.ok_or_else(|| "the port of the request cannot be read".to_owned())?)
        }
        None => (authority, default.ok_or_else(odd)?),
    };
    if host.is_empty() { Err(odd()) } else { Ok((host.to_owned(), port)) }
}

/// The headers that go on, and the length of the body.
fn headers(lines: &[&str], authority: &str) -> Result<(Vec<String>, u64), String> {
    let mut kept = Vec::new();
    let mut length: Option<u64> = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return Err("a header cannot be read".to_owned());
        };
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        // A line that starts with a blank would go on with the one before it.
        if name.is_empty() || !name.bytes().all(token) {
            return Err("a header's name cannot be read".to_owned());
        }
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "host" if !value.eq_ignore_ascii_case(authority) => {
                return Err("`Host` is another host than that of the URL".to_owned());
            }
            "host"
            | "connection"
            | "proxy-connection"
            | "proxy-authorization"
            | "keep-alive"
            | "te"
            | "trailer" => (),
            "transfer-encoding" => return Err("a body without a length is not sent on".to_owned()),
            "upgrade" => return Err("a connection is not turned into another protocol".to_owned()),
            "content-length" => {
                let plain = value.bytes().all(|b| b.is_ascii_digit());
                let read = value.parse::<u64>().ok().filter(|_| plain);
                if read.is_none() || length.is_some() {
                    return Err("`Content-Length` cannot be read".to_owned());
                }
                length = read;
                kept.push(format!("Content-Length: {value}"));
            }
            _ => kept.push(format!("{name}: {value}")),
        }
    }
    Ok((kept, length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_plain_request_is_sent_on_in_the_form_of_servers() {
        let head = read(b"GET http://a.example:8080/x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\nProxy-Connection: keep-alive\r\nAccept: */*\r\n").unwrap();
        assert_eq!((head.host.as_str(), head.port), ("a.example", 8080));
        let plain = head.plain.unwrap();
        assert_eq!(plain.path, "/x");
        let wanted =
            "GET /x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(plain.bytes).unwrap(), wanted);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for head in [
            "GET /x HTTP/1.1\r\nHost: a",
            "GET https://a/ HTTP/1.1",
            "get http://a/ HTTP/1.1",
            "GET http://a/ HTTP/2",
            "GET  http://a/ HTTP/1.1",
            "CONNECT a HTTP/1.1",
            "CONNECT a:0 HTTP/1.1",
            "CONNECT a:+80 HTTP/1.1",
            "CONNECT a:99999 HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "TRACE http://a/ HTTP/1.1",
            "GET http://a/ HTTP/1.1\r\nHost: b",
            "GET http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
            "GET http://a/ HTTP/1.1\r\nContent-Length: +1",
            "GET http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            "GET http://a/ HTTP/1.1\r\nUpgrade: websocket",
            "GET http://a/ HTTP/1.1\r\nX: a\r\n folded",
            "GET http://a/ HTTP/1.1\r\nX: a\nHost: b",
            "GET http://a/ HTTP/1.1\r\nX\0: a",
        ] {
            assert!(read(head.as_bytes()).is_err(), "{head}");
        }
    }
}
