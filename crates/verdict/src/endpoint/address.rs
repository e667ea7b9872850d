//! The address of a tool: an `http` or `https` URL in which parts of the path may be arguments.
//!
//! Answerable for an address meaning one thing to everyone who reads it: names in plain letters, no user, no
//! fragment, nothing of the host left to an argument. Resolves nothing.

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `https`.
    pub tls: bool,
    /// A name in lower case, or an address; of IPv6 without the brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, as they are sent.
    pub pieces: Vec<Piece>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is written.
    Text(String),
    /// The value of an argument, escaped.
    Argument(String),
}

/// The longest address, in bytes.
const LONGEST: usize = 4_096;

impl Address {
    /// Reads `https://host[:port]/path/{argument}?query`. The error is what is wrong, without the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        if let Some(odd) =
            text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '\\' | '"' | '<' | '>' | '`'))
        {
            return Err(format!(
                "has the character `{}`; escape it, and write names in their ASCII form",
                odd.escape_debug()
            ));
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("begins with neither `https://` nor `http://`".to_owned()),
        };
        let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("names a user; use `auth`".to_owned());
        }
        if path.contains('#') {
            return Err("has a fragment, which is never sent".to_owned());
        }
        let (host, port) = host_and_port(authority, tls)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host, port, pieces: pieces(&path)? })
    }

    /// The names of arguments in it, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// True if `name` is an argument in it.
    pub fn names(&self, name: &str) -> bool {
        self.arguments().any(|argument| argument == name)
    }

    /// As it was written, in one spelling.
    pub fn text(&self) -> String {
        let mut text = format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority());
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Argument(name) => text.push_str(&format!("{{{name}}}")),
            }
        }
        text
    }

    /// As the `Host` header has it: the port only where it is not the usual one.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

fn host_and_port(authority: &str, tls: bool) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has a bracket that is not closed")?;
            host.parse::<core::net::Ipv6Addr>()
                .map_err(|_| "has no IPv6 address in its brackets".to_owned())?;
            let port = if after.is_empty() {
                None
            } else {
                Some(after.strip_prefix(':').ok_or("has something odd after its host")?)
            };
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty()
        || host.len() > 253
        || !host.chars().all(plain)
        || host.contains("..")
        || host.starts_with('.')
    {
        return Err(
            "has no host, or one that is not a name or an address; arguments can stand in the path only"
                .to_owned(),
        );
    }
    let port = match port {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or("has no port after the colon; write a number up to 65535")?,
    };
    Ok((host.trim_end_matches('.').to_ascii_lowercase(), port))
}

fn pieces(path: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), path);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("has a `{` that is not closed")?;
        if before.contains('?')
            || pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('?')))
        {
            return Err("has an argument in its query; name it under `query`".to_owned());
        }
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        {
            return Err("has braces without the name of an argument in them".to_owned());
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Argument(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err("has a `}` without a `{`".to_owned());
    }
    let names: Vec<&Piece> = pieces.iter().filter(|it| matches!(it, Piece::Argument(_))).collect();
    let twice = names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|other| other == name));
    if twice {
        return Err("names an argument twice".to_owned());
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_one_thing() {
        let address = Address::parse("https://API.example.com/v1/items/{id}/x?a=1").unwrap();
        assert_eq!((address.tls, address.host.as_str(), address.port), (true, "api.example.com", 443));
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(address.pieces, [text("/v1/items/"), Piece::Argument("id".to_owned()), text("/x?a=1")]);
        assert_eq!(address.authority(), "api.example.com");
        assert_eq!(Address::parse("http://[::1]:8080").unwrap().authority(), "[::1]:8080");
        assert_eq!(Address::parse("http://a?x").unwrap().pieces, [text("/?x")]);
        for odd in [
            "",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://user@a/",
            "https://a/#x",
            "https://a:0/",
            "https://a:99999/",
            "https://{host}/",
            "https://a/{",
            "https://a/}",
            "https://a/{}",
            "https://a/{x}{x}",
            "https://a/?q={x}",
            "https://a b/",
            "https://exämple.com/",
            "https://a\\b/",
            "https://[::g]/",
            "https://[::1]x/",
            "https://a/\n",
        ] {
            assert!(Address::parse(odd).is_err(), "{odd:?}");
        }
    }
}
