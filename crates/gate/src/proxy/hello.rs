//! The first message of a TLS client: whom it wants to talk to (RFC 8446, RFC 6066).
//!
//! Answerable for telling the name, or that there is none that can be told. Reads no further.

/// What a first record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// The name it asks for, in lower case.
    Name(String),
    /// It asks for none.
    Nameless,
    /// The name is hidden (ECH): the one that can be read is not the one that is meant.
    Hidden,
    /// More bytes are needed.
    Short,
    /// It is no TLS, or none that can be read.
    Odd,
}

/// The most that is read before a client has said whom it wants, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
const SERVER_NAME: u16 = 0;
const ENCRYPTED: u16 = 0xfe0d;

/// Reads what a client sends first. A hello that is spread over several records is odd: no client does that unless
/// it wants to be misread.
pub(super) fn read(bytes: &[u8]) -> Hello {
    let mut all = Cut(bytes);
    match (all.number(1), all.number(2), all.number(2)) {
        (Some(22), Some(0x0301..=0x0304), Some(length)) => match all.take(length) {
            Some(record) => message(record).unwrap_or(Hello::Odd),
            None if bytes.len() < LONGEST => Hello::Short,
            None => Hello::Odd,
        },
        (Some(22) | None, _, None) => Hello::Short,
        _ => Hello::Odd,
    }
}

/// Bytes, read from the front.
struct Cut<'b>(&'b [u8]);

impl<'b> Cut<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    fn number(&mut self, width: usize) -> Option<usize> {
        let bytes = self.take(width)?;
        Some(bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    }
    /// A vector with its length before it.
    fn vector(&mut self, width: usize) -> Option<Cut<'b>> {
        let length = self.number(width)?;
        self.take(length).map(Cut)
    }
}

fn message(record: &[u8]) -> Option<Hello> {
    let mut record = Cut(record);
    if record.number(1)? != 1 {
        return None;
    }
    let mut hello = record.vector(3)?;
    hello.take(34)?;
    hello.vector(1)?;
    hello.vector(2)?;
    hello.vector(1)?;
    if hello.0.is_empty() {
        return Some(Hello::Nameless);
    }
    let mut extensions = hello.vector(2)?;
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let mut content = extensions.vector(2)?;
        if kind == usize::from(ENCRYPTED) {
            return Some(Hello::Hidden);
        }
        if kind == usize::from(SERVER_NAME) {
            if name.is_some() {
                return None;
            }
            name = Some(only_name(&mut content)?);
        }
    }
    Some(name.map_or(Hello::Nameless, Hello::Name))
}

/// The list holds one name, of the one kind there is.
fn only_name(content: &mut Cut<'_>) -> Option<String> {
    let mut list = content.vector(2)?;
    if list.number(1)? != 0 {
        return None;
    }
    let name = list.vector(2)?;
    if !list.0.is_empty() || !content.0.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(name.0).ok()?;
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Hello, read};

    /// A hello with these extensions: number, content.
    pub(in crate::proxy) fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut listed = Vec::new();
        for (kind, content) in extensions {
            listed.extend(kind.to_be_bytes());
            listed.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            listed.extend(content);
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(u16::try_from(listed.len()).unwrap().to_be_bytes());
        body.extend(listed);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let mut message = vec![1, length[1], length[2], length[3]];
        message.extend(body);
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        record.extend(message);
        record
    }

    /// The extension that asks for a name.
    pub(in crate::proxy) fn named(name: &str) -> (u16, Vec<u8>) {
        let length = u16::try_from(name.len()).unwrap();
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(0);
        content.extend(length.to_be_bytes());
        content.extend(name.bytes());
        (0, content)
    }

    #[test]
    fn the_name_is_told_or_that_there_is_none() {
        let plain = hello(&[(10, vec![0]), named("Example.com")]);
        assert_eq!(read(&plain), Hello::Name("example.com".to_owned()));
        assert_eq!(read(&hello(&[(10, vec![0])])), Hello::Nameless);
        assert_eq!(read(&hello(&[named("a.example"), (0xfe0d, vec![1])])), Hello::Hidden);
        assert_eq!(read(&hello(&[named("a.example"), named("b.example")])), Hello::Odd);
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Hello::Odd);
        for end in 0..plain.len() {
            assert_eq!(read(&plain[..end]), Hello::Short, "{end}");
        }
        for at in 5..plain.len() {
            let mut bent = plain.clone();
            bent[at] ^= 0xff;
            // Whatever it is now, it is read to its end and no further.
            let _told = read(&bent);
        }
    }
}
