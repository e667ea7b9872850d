//! Names that were encoded on their way: percent signs, `%u`, hexadecimal and octal escapes, HTML entities,
//! overlong UTF-8, base64; and the ways in which lenient decoders go wrong.
//!
//! Says what a text decodes to, not whether anybody would decode it.

/// How many layers we take off before we say that nobody means well.
const LAYERS: usize = 6;

/// Every layer below `text`, the outermost first; none if nothing in it is encoded.
pub fn all(text: &str) -> Result<Vec<String>, String> {
    let mut layers: Vec<String> = Vec::new();
    loop {
        let last = layers.last().map_or(text, String::as_str);
        let Some(next) = once(last) else { return Ok(layers) };
        if is_overlong(&next) {
            return Err("the path holds overlong characters: what programs make of them differs".to_owned());
        }
        let next = String::from_utf8_lossy(&next).into_owned();
        if next.contains('\0') {
            return Err("the path holds an encoded NUL: programs disagree on where it ends".to_owned());
        }
        if layers.len() == LAYERS {
            return Err(format!("the path is encoded more than {LAYERS} times over"));
        }
        layers.push(next);
    }
}

/// One layer off, if there is one.
fn once(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'\\' | b'&' | b'=' | b'x' | b'X' | b'2' | b'5')) {
        return None;
    }
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((&first, after)) = rest.split_first() {
        if let Some((bytes, left)) = escape(rest, &out) {
            changed = true;
            bytes.push_to(&mut out);
            rest = left;
        } else {
            out.push(first);
            rest = after;
        }
    }
    changed.then_some(out)
}

/// What an escape stands for: a byte of UTF-8, or a character.
enum Meant {
    Byte(u8),
    Char(char),
}

impl Meant {
    fn is_dot(&self) -> bool {
        matches!(self, Self::Byte(b'.'))
    }

    fn push_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => out.push(byte),
            Self::Char(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The escape that `rest` starts with, and what follows it. `done` is what came before, decoded.
fn escape<'a>(rest: &'a [u8], done: &[u8]) -> Option<(Meant, &'a [u8])> {
    match rest {
        [b'%', b'u' | b'U', a, b, c, d, left @ ..] => {
            let code = [a, b, c, d].iter().try_fold(0_u32, |sum, byte| Some(sum * 16 + hex(**byte)?))?;
            Some((Meant::Char(char::from_u32(code)?), left))
        }
        // The two digits of an escape, each of them an escape: `%%32%%66` for `%2f`.
        [b'%', b'%', a, b, b'%', b'%', c, d, left @ ..] => {
            let digit = |high: &u8, low: &u8| hex(u8::try_from(hex(*high)? * 16 + hex(*low)?).ok()?);
            Some((Meant::Byte(low_byte(digit(a, b)? * 16 + digit(c, d)?)), left))
        }
        [b'%', a, b, left @ ..] => match (hex(*a), hex(*b)) {
            (Some(high), Some(low)) => Some((Meant::Byte(low_byte(high * 16 + low)), left)),
            // Old decoders took any letter for a digit; it matters for overlong characters.
            _ => {
                let byte = low_byte(loose_hex(*a)? * 16 + loose_hex(*b)?);
                let is_lead = matches!(byte, 0xC0 | 0xC1) && left.first() == Some(&b'%');
                (is_lead || done.last().is_some_and(|lead| *lead >= 0xC0))
                    .then_some((Meant::Byte(byte), left))
            }
        },
        // `0x2f` is where an address starts, too: a separator only behind two dots.
        [b'0', b'x' | b'X', a, b, left @ ..] => {
            structural(hex(*a)? * 16 + hex(*b)?, left).filter(|(meant, _)| meant.is_dot() || after_dots(done))
        }
        [b'\\', b'x' | b'X', a, b, left @ ..] => structural(hex(*a)? * 16 + hex(*b)?, left),
        [b'\\', b'u' | b'U', b'0', b'0', a, b, left @ ..] => structural(hex(*a)? * 16 + hex(*b)?, left),
        [b'\\', b'0', a @ b'0'..=b'7', b @ b'0'..=b'7', left @ ..]
        | [b'\\', b'1', a @ b'0'..=b'7', b @ b'0'..=b'7', left @ ..] => {
            let top = if rest.get(1) == Some(&b'1') { 64 } else { 0 };
            structural(top + u32::from(a - b'0') * 8 + u32::from(b - b'0'), left)
        }
        [b'&', b'#', left @ ..] => entity(left),
        [b'&', left @ ..] => NAMED.iter().find_map(|(name, meant)| {
            let left = left.strip_prefix(name.as_bytes())?;
            Some((Meant::Byte(*meant), left))
        }),
        [b'=', a, b, left @ ..] => structural(hex(*a)? * 16 + hex(*b)?, left),
        // `..2f`: percent signs got lost on the way.
        [b'2', b'f' | b'F', left @ ..] if after_dots(done) => Some((Meant::Byte(b'/'), left)),
        [b'5', b'c' | b'C', left @ ..] if after_dots(done) => Some((Meant::Byte(b'\\'), left)),
        _ => None,
    }
}

const NAMED: [(&str, u8); 5] =
    [("period;", b'.'), ("sol;", b'/'), ("bsol;", b'\\'), ("colon;", b':'), ("percnt;", b'%')];

/// Decimal and hexadecimal character references of the characters that steer a path.
fn entity(rest: &[u8]) -> Option<(Meant, &[u8])> {
    let (base, digits) = match rest {
        [b'x' | b'X', digits @ ..] => (16, digits),
        digits => (10, digits),
    };
    let mut code = 0_u32;
    let mut left = digits;
    while let Some((byte, after)) = left.split_first() {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        code = code.saturating_mul(base).saturating_add(digit);
        left = after;
    }
    if left.len() == digits.len() {
        return None;
    }
    structural(code, left.strip_prefix(b";").unwrap_or(left))
}

/// Escapes that only count where they hide a character that steers a path: `0x41` is more often a name.
fn structural(code: u32, left: &[u8]) -> Option<(Meant, &[u8])> {
    let byte = u8::try_from(code)
        .ok()
        .filter(|byte| matches!(byte, 0 | b'.' | b'/' | b'\\' | b':' | b'%' | b'~'))?;
    Some((Meant::Byte(byte), left))
}

/// Whether a component starts with two dots, or with what may be read as two, and ends there.
fn after_dots(done: &[u8]) -> bool {
    let mut rest = done;
    while let [before @ .., 0x01..=0x1F] = rest {
        rest = before;
    }
    for _ in 0..2 {
        rest = match rest {
            [before @ .., b'.' | b'?'] | [before @ .., 0xEF, 0xBC, 0x8E] => before,
            _ => return false,
        };
    }
    rest.last().is_none_or(|b| matches!(b, b'/' | b'\\'))
}

fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// A digit as decoders read it that subtract and do not look: `g` is 16, `z` is 35.
fn loose_hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(36)
}

fn low_byte(code: u32) -> u8 {
    u8::try_from(code & 0xFF).unwrap_or_default()
}

/// Whether the bytes hold a character in more bytes than it needs, or the start of one: what decoders make of
/// that differs, and nobody writes it who means well.
fn is_overlong(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| match pair {
        [0xC0 | 0xC1, next] => *next < 0xC0 || *next >= 0xFE || (next & 0x3F) == b'.',
        [0xE0, next] => (0x80..0xA0).contains(next),
        [0xF0, next] => (0x80..0x90).contains(next),
        [0xF8..=0xFD, next] => (0x80..0xC0).contains(next),
        _ => false,
    })
}

/// What the whole text is in base64, if that is a path that leads away: names travel so in query strings.
pub fn base64(text: &str) -> Option<String> {
    let body = text.trim_end_matches('=');
    if body.len() < 6 || text.len() > 4096 || !body.bytes().all(|b| sextet(b).is_some()) {
        return None;
    }
    let mut out = String::with_capacity(body.len());
    for group in body.as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0_u32, |sum, byte| Some(sum * 64 + sextet(*byte)?))?;
        let bits = bits << (6 * (4 - group.len()));
        for shift in [16_u32, 8, 0].into_iter().take(group.len().saturating_sub(1)) {
            let byte = low_byte(bits >> shift);
            if !(b' '..=b'~').contains(&byte) {
                return None;
            }
            out.push(char::from(byte));
        }
    }
    (out.starts_with('/') || out.contains("../") || out.contains("..\\")).then_some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
