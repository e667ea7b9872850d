//! Money, exactly: integer micro-dollars, read from decimal text.
//!
//! No binary float ever holds an amount that is compared with a limit. An amount that micro-dollars
//! cannot hold exactly is no amount.

use std::fmt;

use crate::json::Json;

/// An amount in micro-dollars (one millionth of a US dollar).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// Micro-dollars in a dollar.
const PER_DOLLAR: i64 = 1_000_000;

impl Micros {
    /// Reads an amount from a JSON number. The error says what is wrong with it, and quotes it.
    pub fn from_json(json: &Json) -> Result<Self, String> {
        match json {
            Json::Int(n) => n
                .checked_mul(PER_DOLLAR)
                .ok_or_else(|| format!("`{n}` is larger than any amount"))
                .and_then(|micros| not_negative(micros, &n.to_string())),
            // The shortest text that reads back as this double is what the sender wrote.
            Json::Float(x) => Self::parse(ryu_js::Buffer::new().format_finite(*x)),
            Json::Str(text) => Err(format!("{} is a string, and an amount is a number", quoted(text))),
            other => Err(format!("{} is not an amount", other.kind())),
        }
    }

    /// Reads an amount from decimal text such as `12.50` or `1e3`: not negative, at most six decimal
    /// places, no more than 9,223,372,036,854.775807.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| odd(text))?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || mantissa.ends_with('.') {
            return Err(odd(text));
        }
        let places = i64::try_from(fraction.len()).map_err(|_| odd(text))? - i64::from(exponent);
        let micros = scale(digits.trim_start_matches('0'), 6 - places, text)?;
        if negative && micros != 0 {
            return Err(format!("`{text}` is negative"));
        }
        Ok(Self(micros))
    }
}

/// `digits` times ten to the `shift`, exactly.
fn scale(digits: &str, shift: i64, text: &str) -> Result<i64, String> {
    if digits.is_empty() {
        return Ok(0);
    }
    let too_fine = || format!("{} has more than six decimal places", quoted(text));
    let too_large = || format!("{} is larger than any amount", quoted(text));
    let kept = match usize::try_from(-shift) {
        Ok(drop) if drop > 0 => {
            let (kept, rest) =
                digits.split_at_checked(digits.len().saturating_sub(drop)).ok_or_else(too_fine)?;
            if rest.len() < drop || rest.bytes().any(|b| b != b'0') {
                return Err(too_fine());
            }
            kept.to_owned()
        }
        _ if shift > 19 => return Err(too_large()),
        _ => format!("{digits}{}", "0".repeat(usize::try_from(shift).unwrap_or(0))),
    };
    if kept.is_empty() { Ok(0) } else { kept.parse().map_err(|_| too_large()) }
}

fn not_negative(micros: i64, text: &str) -> Result<Micros, String> {
    if micros < 0 { Err(format!("`{text}` is negative")) } else { Ok(Micros(micros)) }
}

fn odd(text: &str) -> String {
    format!("{} is not an amount", quoted(text))
}

/// User input, short enough to read.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / PER_DOLLAR, (self.0 % PER_DOLLAR).abs());
        let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
        match rest {
            0 => write!(f, "{sign}{whole}"),
            rest if rest % 10_000 == 0 => write!(f, "{sign}{whole}.{:02}", rest / 10_000),
            rest => write!(f, "{}", format!("{sign}{whole}.{rest:06}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        let read =
            |text: &str| Json::parse(text.as_bytes()).and_then(|json| Micros::from_json(&json)).map(|m| m.0);
        let good = [
            ("0", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("0.1", 100_000),
            ("200", 200_000_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("1.50", 1_500_000),
            ("1e3", 1_000_000_000),
            ("9223372036854", 9_223_372_036_854_000_000),
            ("100.10", 100_100_000),
        ];
        for (text, micros) in good {
            assert_eq!(read(text), Ok(micros), "{text}");
        }
        for text in [
            "-1",
            "0.0000001",
            "1e-7",
            "9223372036855",
            "9223372036854775807",
            "1e18",
            "\"5\"",
            "null",
            "true",
            "[]",
            "{}",
            "1e400",
            "NaN",
            "9223372036854775808",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
        for (micros, text) in [
            (0, "0"),
            (1, "0.000001"),
            (1_500_000, "1.50"),
            (2_000_000, "2"),
            (-500_000, "-0.50"),
            (1_234_567, "1.234567"),
        ] {
            assert_eq!(Micros(micros).to_string(), text);
        }
    }
}
