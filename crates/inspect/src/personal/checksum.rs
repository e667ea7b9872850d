//! The arithmetic of check digits, and what is asked of a number besides.
//!
//! Answerable for Luhn, Verhoeff, ISO 7064 and weighted sums over digits and letters. Knows no country.
//! All of it reads compact numbers: ASCII digits and upper-case letters without separators.

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Not of this form: a part is out of range.
    No,
    /// Of this form, with a check digit that is wrong.
    Bad,
    /// Of this form, which has no check digit.
    Plain,
    /// Of this form, and the check digit is right.
    Good,
}

/// A form that has a check digit.
pub(super) fn summed(form: bool, sum: bool) -> Held {
    match (form, sum) {
        (false, _) => Held::No,
        (true, false) => Held::Bad,
        (true, true) => Held::Good,
    }
}

/// A form that has none.
pub(super) fn formed(form: bool) -> Held {
    if form { Held::Plain } else { Held::No }
}

/// The digit at `at`; letters count 10 to 35, what is not there 0.
pub(super) fn digit(number: &[u8], at: usize) -> u32 {
    number.get(at).map_or(0, |byte| value(*byte))
}

/// What a digit or an upper-case letter counts.
pub(super) fn value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    }
}

/// The decimal number in `from..to`; at most 18 digits, and what is no digit counts 0.
pub(super) fn number(text: &[u8], from: usize, to: usize) -> u64 {
    let part = text.get(from..to).unwrap_or_default().iter().take(18);
    part.fold(0, |sum, byte| sum * 10 + if byte.is_ascii_digit() { u64::from(byte - b'0') } else { 0 })
}

/// The byte at `at`, or 0.
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The sum of digits times weights, as far as both go.
pub(super) fn weighted(text: &[u8], weights: &[u32]) -> u32 {
    text.iter().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum()
}

/// Luhn over all digits; letters count as their two-digit values would not, so there must be none.
pub(super) fn luhn(text: &[u8]) -> bool {
    luhn_sum(text).is_multiple_of(10)
}

/// The sum that Luhn wants to be divisible by ten.
pub(super) fn luhn_sum(text: &[u8]) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let digits = text.iter().rev().map(|byte| value(*byte) % 10);
    digits.enumerate().map(|(n, digit)| if n % 2 == 1 { doubled(digit) } else { digit }).sum()
}

const TIMES: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const TURN: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// Verhoeff's dihedral check over all digits.
pub(super) fn verhoeff(text: &[u8]) -> bool {
    let mut sum: u8 = 0;
    for (n, byte) in text.iter().rev().enumerate() {
        let mut digit = byte.wrapping_sub(b'0');
        for _ in 0..n % 8 {
            digit = TURN.get(usize::from(digit)).copied().unwrap_or(0);
        }
        let row = TIMES.get(usize::from(sum));
        sum = row.and_then(|row| row.get(usize::from(digit))).copied().unwrap_or(0);
    }
    sum == 0
}

/// ISO 7064 mod 97-10 over digits and letters: the remainder.
pub(super) fn mod97<'a>(text: impl Iterator<Item = &'a u8>) -> u32 {
    text.fold(0, |rest, byte| {
        let value = value(*byte);
        if value > 9 { (rest * 100 + value) % 97 } else { (rest * 10 + value) % 97 }
    })
}

/// ISO 7064 mod 11,10: German tax numbers, Croatian OIB.
pub(super) fn mod11_10(text: &[u8]) -> bool {
    let Some((last, rest)) = text.split_last() else { return false };
    let mut product = 10;
    for byte in rest {
        let sum = (value(*byte) + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    (11 - product) % 10 == value(*last)
}

/// ISO 7064 mod 11-2, whose last character may be X: Chinese resident ids.
pub(super) fn mod11_2(text: &[u8]) -> bool {
    let Some((last, rest)) = text.split_last() else { return false };
    let sum = rest.iter().fold(0, |sum, byte| (sum + value(*byte)) * 2 % 11);
    let check = (12 - sum) % 11;
    if check == 10 { *last == b'X' } else { last.is_ascii_digit() && value(*last) == check }
}

/// The weights 7, 3, 1 over digits and letters, as on travel documents.
pub(super) fn icao(text: &[u8]) -> bool {
    let Some((last, rest)) = text.split_last() else { return false };
    let sum: u32 = rest.iter().zip([7, 3, 1].iter().cycle()).map(|(b, w)| value(*b) * w).sum();
    last.is_ascii_digit() && sum % 10 == value(*last)
}

/// Whether there is such a day. Years are full.
pub(super) fn day(year: u64, month: u64, day: u64) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1800..=2099).contains(&year) && (1..=last).contains(&day)
}

/// Whether `month` and `day` exist in the year of some century that ends in these two digits.
pub(super) fn short_day(year: u64, month: u64, day_of_month: u64) -> bool {
    day(1900 + year, month, day_of_month) || day(2000 + year, month, day_of_month)
}

/// Whether six digits at `at` are a day written YYMMDD.
pub(super) fn yymmdd(text: &[u8], at: usize) -> bool {
    short_day(number(text, at, at + 2), number(text, at + 2, at + 4), number(text, at + 4, at + 6))
}

/// Whether six digits at `at` are a day written DDMMYY.
pub(super) fn ddmmyy(text: &[u8], at: usize) -> bool {
    short_day(number(text, at + 4, at + 6), number(text, at + 2, at + 4), number(text, at, at + 2))
}

/// Whether all characters are the same: nobody's number.
pub(super) fn same(text: &[u8]) -> bool {
    text.windows(2).all(|pair| pair.first() == pair.last())
}

/// Whether every character of `text` from `from` on is one of `allowed`, for `count` characters.
pub(super) fn among(text: &[u8], from: usize, count: usize, allowed: &[u8]) -> bool {
    text.get(from..from + count).is_some_and(|part| part.iter().all(|byte| allowed.contains(byte)))
}
