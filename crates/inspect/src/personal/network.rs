//! Addresses of machines: IPv4, IPv6, MAC.
//!
//! Answerable for telling them from versions, times and names with double colons. An address that only the
//! machine itself can mean is nobody's.

use core::net::Ipv6Addr;

use super::Reader;
use super::clues::{Classes, Told, class};
use super::judge::Found;

const LONGEST: usize = 48;

impl Reader<'_, '_> {
    /// The address that the word at `start..end` begins.
    pub(super) fn address_of_machine(&mut self, start: usize, end: usize) -> Option<Found> {
        match (self.byte(end), end - start) {
            (b'.', 1..=3) => self.ipv4(start),
            (b':', 2) => self.mac(start).or_else(|| self.ipv6(start)),
            (b':', 1 | 3 | 4) => self.ipv6(start),
            (b'-', 2) => self.mac(start),
            (b'.', 4) => self.mac(start),
            _ => None,
        }
    }

    /// The address around the colon at `at`, where no digit came before: `::1`, `fe:dc::`, `AA:BB:..`.
    pub(super) fn colons(&mut self, at: usize) -> Option<Found> {
        let before = self.bytes.get(self.floor.max(at.saturating_sub(4))..at).unwrap_or_default();
        let hex = before.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (next, far) = (self.byte(at + 1), self.byte(at + 2));
        if hex == 2 && next.is_ascii_hexdigit() && self.byte(at + 3) == b':' {
            return self.mac(at - hex).or_else(|| self.ipv6(at - hex));
        }
        let double = next == b':' && (far.is_ascii_hexdigit() || hex > 0);
        let single = hex > 0 && next.is_ascii_hexdigit();
        if double || single { self.ipv6(at - hex) } else { None }
    }

    fn ipv4(&mut self, start: usize) -> Option<Found> {
        let (octets, end) = self.octets(start)?;
        let joined = matches!(self.before(start), b'.' | b'-' | b'_')
            || self.before(start).is_ascii_alphanumeric()
            || (self.byte(end) == b'.' && self.byte(end + 1).is_ascii_alphanumeric())
            || matches!(self.byte(end), b'_' | b'@')
            || (self.byte(end) == b'-' && self.byte(end + 1).is_ascii_alphabetic());
        if joined {
            return None;
        }
        let field = self.field;
        let told = self.clues.around(start, end).in_field(field);
        let confidence = match octets {
            [0 | 127 | 255, ..] => 30,
            _ if self.byte(end) == b'/' && octets.last() == Some(&0) => 40,
            _ if named(&told, class("not_ip")) && !named(&told, class("ip_address")) => 35,
            _ if named(&told, class("ip_address")) => 95,
            // Versions are made of small numbers.
            [a, b, c, d] if a < 20 && b < 20 && c < 50 && d < 50 && (a, b) != (10, 0) => 45,
            _ => 85,
        };
        Some(Found { name: "ip_address", start, end, confidence, verified: None })
    }

    fn octets(&self, start: usize) -> Option<([u8; 4], usize)> {
        let mut octets = [0_u8; 4];
        let mut at = start;
        for (n, slot) in octets.iter_mut().enumerate() {
            if n > 0 {
                if self.byte(at) != b'.' {
                    return None;
                }
                at += 1;
            }
            let digits =
                self.bytes.get(at..)?.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
            let text = self.text.get(at..at + digits)?;
            *slot = text.parse().ok().filter(|_| digits == 1 || !text.starts_with('0'))?;
            at += digits;
        }
        (!self.byte(at).is_ascii_alphanumeric()).then_some((octets, at))
    }

    fn ipv6(&mut self, start: usize) -> Option<Found> {
        // `a::b` at the very beginning: colons that stand before belong to it.
        let rest = self.bytes.get(start..)?;
        let length = rest
            .iter()
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
            .count();
        let mut end = start + length;
        while end > start
            && (self.before(end) == b'.'
                || (self.before(end) == b':' && self.byte(end.saturating_sub(2)) != b':'))
        {
            end -= 1;
        }
        let left = self.before(start);
        if length >= LONGEST
            || self.byte(end).is_ascii_alphanumeric()
            || left.is_ascii_alphanumeric()
            || matches!(left, b':' | b'.' | b'_')
        {
            return None;
        }
        let text = self.text.get(start..end)?;
        let address: Ipv6Addr = text.parse().ok()?;
        let groups = text.split(':').filter(|part| !part.is_empty()).count();
        let field = self.field;
        let told = self.clues.around(start, end).in_field(field);
        let wide = matches!(address.segments(), [0x2000..=0x3fff | 0x64 | 0xfc00..=0xfe8f, ..]);
        let pairs = groups == 8 && text.split(':').all(|part| part.len() == 2);
        let confidence = match () {
            () if address.is_loopback() || address.is_unspecified() => 30,
            () if !text.bytes().any(|byte| byte.is_ascii_digit()) && groups < 4 => 20,
            () if pairs => 45,
            () if named(&told, class("ip_address")) => 92,
            () if wide || groups > 2 || text.contains('.') => 85,
            () => 40,
        };
        let zone = if self.byte(end) == b'%' { 1 + self.word_end(end + 1) - (end + 1) } else { 0 };
        let end = end + if (2..=16).contains(&zone) { zone } else { 0 };
        Some(Found { name: "ip_address", start, end, confidence, verified: None })
    }

    fn mac(&mut self, start: usize) -> Option<Found> {
        let by_pair = |separator: u8| -> Option<usize> {
            let text = self.bytes.get(start..start + 17)?;
            let right = text
                .iter()
                .enumerate()
                .all(|(n, byte)| if n % 3 == 2 { *byte == separator } else { byte.is_ascii_hexdigit() });
            right.then_some(start + 17)
        };
        let by_four = || -> Option<usize> {
            let text = self.bytes.get(start..start + 14)?;
            let right = text
                .iter()
                .enumerate()
                .all(|(n, byte)| if n % 5 == 4 { *byte == b'.' } else { byte.is_ascii_hexdigit() });
            right.then_some(start + 14)
        };
        let end = by_pair(b':').or_else(|| by_pair(b'-')).or_else(by_four)?;
        let sides = [self.before(start), self.byte(end)];
        let next = self.byte(end + 1).is_ascii_hexdigit();
        let joined = sides.iter().any(u8::is_ascii_alphanumeric)
            || (matches!(sides, [_, b':' | b'-' | b'.']) && next)
            || matches!(sides, [b':' | b'-' | b'.' | b'_', _]);
        let hex: Vec<u8> =
            self.bytes.get(start..end)?.iter().filter(|it| it.is_ascii_hexdigit()).copied().collect();
        let first = hex.first().copied().unwrap_or(0);
        if joined || hex.iter().all(|byte| *byte == first) {
            return None;
        }
        let field = self.field;
        let told = self.clues.around(start, end).in_field(field);
        let letters = hex.iter().any(u8::is_ascii_alphabetic);
        let confidence = match self.byte(start + 2) {
            _ if named(&told, class("mac_address")) => 95,
            b':' => 88,
            b'-' if letters => 80,
            b'-' => 50,
            _ if letters => 62,
            _ => 25,
        };
        Some(Found { name: "mac_address", start, end, confidence, verified: None })
    }
}

fn named(told: &Told, classes: Classes) -> bool {
    told.label.meets(classes) || told.nearest.meets(classes)
}
