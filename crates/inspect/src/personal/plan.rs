//! The world's numbering plans: which numbers a country has.
//!
//! Answerable for the first three digits and the length of a national number, and for nothing finer.

use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/personal_phones.tsv");

struct Country {
    code: u32,
    trunk: &'static str,
    // First and last beginning of three digits, and the lengths allowed: bit n for n digits.
    spans: Vec<(u16, u16, u16)>,
}

struct Plans {
    countries: Vec<Country>,
    /// For each beginning of a number that is dialled with a 0 before it: the lengths that some country allows.
    national: Vec<u16>,
}

static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut countries: Vec<Country> = lines.filter_map(country).collect();
    countries.sort_by_key(|country| country.code);
    let mut national = vec![0_u16; 1000];
    for country in countries.iter().filter(|country| country.trunk == "0") {
        for (from, to, lengths) in &country.spans {
            for slot in national.iter_mut().take(usize::from(*to) + 1).skip(usize::from(*from)) {
                *slot |= lengths;
            }
        }
    }
    Plans { countries, national }
});

fn country(line: &'static str) -> Option<Country> {
    let mut fields = line.split('\t');
    let (code, trunk, spans) = (fields.next()?.parse().ok()?, fields.next()?, fields.next()?);
    let spans = spans.split(' ').filter_map(|span| {
        let (begins, lengths) = span.split_once('=')?;
        let (from, to) = begins.split_once('-').unwrap_or((begins, begins));
        let bits = lengths.split(',').filter_map(|it| it.parse::<u32>().ok()).filter(|it| *it < 16);
        Some((from.parse().ok()?, to.parse().ok()?, bits.fold(0, |all, it| all | 1 << it)))
    });
    Some(Country { code, trunk, spans: spans.collect() })
}

fn begin(digits: &[u8]) -> u16 {
    digits.iter().take(3).fold(0, |sum, digit| sum * 10 + u16::from(*digit % 10))
}

fn has(lengths: u16, length: usize) -> bool {
    length < 16 && lengths >> length & 1 == 1
}

/// What is known of a number that begins with a country's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// No country has this code.
    No,
    /// There is such a country, and no such number that we know of.
    Country,
    /// The country has such numbers.
    Number,
}

/// Looks at digits (0 to 9 each) that begin with a country's code.
pub(super) fn international(digits: &[u8]) -> Known {
    for length in 1..=3 {
        let Some((code, rest)) = digits.split_at_checked(length) else { break };
        let code = code.iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit));
        let Ok(at) = PLANS.countries.binary_search_by_key(&code, |country| country.code) else { continue };
        let Some(country) = PLANS.countries.get(at) else { continue };
        let trunk: Vec<u8> = country.trunk.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
        let bare = rest.strip_prefix(trunk.as_slice()).filter(|_| country.trunk != "-");
        if country.has(rest) || bare.is_some_and(|it| country.has(it)) {
            return Known::Number;
        }
        return Known::Country;
    }
    Known::No
}

/// Whether the country of this code has this national number.
pub(super) fn national(code: u32, digits: &[u8]) -> bool {
    let at = PLANS.countries.binary_search_by_key(&code, |country| country.code).ok();
    at.and_then(|at| PLANS.countries.get(at)).is_some_and(|country| country.has(digits))
}

/// Whether some country that dials a 0 first has this number; Italy's numbers hold theirs.
pub(super) fn trunk(digits: &[u8]) -> bool {
    let Some((0, rest)) = digits.split_first() else { return false };
    let lengths = PLANS.national.get(usize::from(begin(rest))).copied().unwrap_or(0);
    has(lengths, rest.len()) || national(39, digits)
}

impl Country {
    fn has(&self, digits: &[u8]) -> bool {
        let begin = begin(digits);
        let at = self.spans.partition_point(|(_, to, _)| *to < begin);
        let span = self.spans.get(at).filter(|(from, ..)| *from <= begin);
        span.is_some_and(|(.., lengths)| has(*lengths, digits.len()))
    }
}
