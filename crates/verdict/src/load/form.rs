//! What a scalar must look like, and what is read from it.
//!
//! Answerable for each [`Form`] of the table: whether a text is one, what to say if it is not, and its
//! value. Works on the text as written: `no` stays a word, `0.1` never becomes a binary float.

use super::table::{Form, METERS, WINDOWS};
use super::yaml::{Scalar, Style};
use crate::action::short;
use crate::endpoint::Address;
use crate::limit::{Meter, Window};
use crate::money::Micros;
use crate::near::{nearest, within};

/// What is wrong, and how to mend it.
pub(super) type Wrong = (String, Option<String>);

/// What YAML takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Nothing,
    Bool(bool),
    Number,
    Text,
}

/// What YAML 1.2 takes a scalar for.
pub(super) fn plain(scalar: &Scalar) -> Plain {
    if scalar.style != Style::Plain {
        return Plain::Text;
    }
    match scalar.text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Nothing,
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        text if is_number(text) => Plain::Number,
        _ => Plain::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && digits.parse::<f64>().is_ok()
}

/// Checks a scalar against a form.
pub(super) fn check(form: Form, scalar: &Scalar) -> Result<(), Wrong> {
    let text = scalar.text.as_str();
    match form {
        Form::Version => match number(scalar) {
            Ok("1") => Ok(()),
            _ => wrong(format!("version `{}` is not known", short(text)), "write `version: 1`"),
        },
        Form::Flag => match plain(scalar) {
            Plain::Bool(_) => Ok(()),
            _ => wrong(
                format!("`{}` is neither `true` nor `false`", short(text)),
                "write one of the two, without quotes",
            ),
        },
        Form::Quorum => quorum(scalar).map(drop),
        Form::Hundredth => between(scalar, 0, 100),
        Form::Whole => between(scalar, 1, i64::from(u32::MAX)),
        Form::Between(least, most) => between(scalar, least, most),
        Form::Dollars | Form::Maximum => dollars(scalar).map(drop),
        Form::Expression if matches!(plain(scalar), Plain::Bool(_)) => Ok(()),
        Form::Bytes => bytes(text).map(drop),
        Form::Percent => percent(text).map(drop),
        Form::Timeout | Form::Window if plain(scalar) == Plain::Number => {
            wrong(format!("`{}` has no unit", short(text)), LENGTH)
        }
        _ => {
            is_text(scalar)?;
            check_text(form, text)
        }
    }
}

fn check_text(form: Form, text: &str) -> Result<(), Wrong> {
    // They could rewrite what a terminal shows.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return wrong(format!("`{}` has a control character", short(text)), "remove it");
    }
    match form {
        Form::Id => name("name", text, 128, "._:@-"),
        Form::Tool => name("tool name", text, 256, "._:@-/"),
        Form::Pattern => name("tool name", text, 256, "._:@-/*"),
        Form::RuleName => match text.chars().count() {
            1..=128 if text.trim() == text && !text.contains('\n') => Ok(()),
            _ => {
                let help = "write one line of 1 to 128 characters, with no blank at either end";
                wrong(format!("`{}` is not a rule's name", short(text)), help)
            }
        },
        Form::Text if text.trim().is_empty() => {
            wrong("the text is empty".to_owned(), "write it, or remove the key")
        }
        Form::Glob | Form::Program if text.trim().is_empty() => {
            wrong("the text is empty".to_owned(), "write it, or remove the key")
        }
        Form::Regex => regex(text),
        Form::Url => Address::parse(text).map(drop).or_else(|why| {
            wrong(format!("`{}` {why}", short(text)), "write it as `https://api.example.com/items/{id}`")
        }),
        Form::Header => header(text),
        Form::Argument => argument(text).map(drop),
        Form::ArgumentPath => argument_path(text).map(drop),
        Form::Timeout => duration(text, 30).map(drop),
        Form::Window => window(text).map(drop),
        Form::Meter => meter(text, false).map(drop),
        Form::Choice(what, known) => choice(what, known, text),
        _ => Ok(()),
    }
}

fn wrong<T>(message: String, help: impl Into<String>) -> Result<T, Wrong> {
    Err((message, Some(help.into())))
}

fn is_text(scalar: &Scalar) -> Result<(), Wrong> {
    let text = short(&scalar.text);
    match plain(scalar) {
        Plain::Text => Ok(()),
        Plain::Nothing => wrong("nothing is written here".to_owned(), "write a value, or remove the key"),
        Plain::Bool(_) => wrong(
            format!("`{text}` is a boolean, and a text is wanted"),
            format!("write '{text}', with the quotes, if that is the text"),
        ),
        Plain::Number => wrong(
            format!("`{text}` is a number, and a text is wanted"),
            format!("write '{text}', with the quotes, if that is the text"),
        ),
    }
}

/// The text of a plain decimal number.
fn number(scalar: &Scalar) -> Result<&str, Wrong> {
    let text = scalar.text.as_str();
    if plain(scalar) != Plain::Number {
        let help =
            if scalar.style == Style::Plain { "write a number" } else { "write the number without quotes" };
        return wrong(format!("`{}` is not a number", short(text)), help);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.starts_with('0')
        && digits.chars().nth(1).is_some_and(|c| c.is_alphanumeric() && !matches!(c, 'e' | 'E'))
    {
        return wrong(
            format!("`{}` could be read in more than one way", short(text)),
            "write a decimal number that does not begin with a zero",
        );
    }
    Ok(text)
}

/// An amount, exact to the millionth.
pub(super) fn dollars(scalar: &Scalar) -> Result<Micros, Wrong> {
    Micros::parse(number(scalar)?).map_err(|message| {
        (message, Some("write a decimal number that is not negative, such as `12.50`, with at most six decimal places".to_owned()))
    })
}

/// A whole number.
pub(super) fn count(scalar: &Scalar) -> Result<i64, Wrong> {
    let text = number(scalar)?;
    match text.parse::<i64>() {
        Ok(n) if n >= 0 => Ok(n),
        _ => wrong(format!("`{}` is not a whole number", short(text)), "write a whole number such as `100`"),
    }
}

/// How many people must agree.
pub(super) fn quorum(scalar: &Scalar) -> Result<u32, Wrong> {
    match count(scalar)?.try_into() {
        Ok(n @ 1..=100) => Ok(n),
        _ => wrong(
            format!("a quorum of `{}` is not possible", short(&scalar.text)),
            "write a number from 1 to 100",
        ),
    }
}

fn between(scalar: &Scalar, least: i64, most: i64) -> Result<(), Wrong> {
    match count(scalar)? {
        n if (least..=most).contains(&n) => Ok(()),
        n => {
            wrong(format!("`{n}` is not between {least} and {most}"), "write a whole number between the two")
        }
    }
}

/// A number of bytes with its unit: `512MiB`.
pub(super) fn bytes(text: &str) -> Result<u64, Wrong> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let parts = UNITS.iter().find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)));
    let read = parts.and_then(|(digits, unit)| whole(digits)?.checked_mul(unit));
    match read.filter(|n| *n <= 1 << 40) {
        Some(n) => Ok(n),
        None => wrong(
            format!("`{}` is no number of bytes", short(text)),
            "write a whole number and a unit, such as 64KiB, 512MiB or 2GiB; at most 1024GiB",
        ),
    }
}

/// A share of one processor: `50%`; more than 100 are several.
pub(super) fn percent(text: &str) -> Result<u32, Wrong> {
    let read = text.strip_suffix('%').and_then(whole).and_then(|n| u32::try_from(n).ok());
    match read.filter(|n| *n <= 6_400) {
        Some(n) => Ok(n),
        None => {
            wrong(format!("`{}` is no share", short(text)), "write a share of one processor, such as 50%")
        }
    }
}

/// Digits that start with none that is 0.
fn whole(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain)
}

/// The most memory that one compiled expression may take, in bytes.
const REGEX_MEMORY: usize = 1 << 20;

/// Checks a regular expression: its syntax, and that it does not grow out of bounds.
fn regex(text: &str) -> Result<(), Wrong> {
    let built = regex::RegexBuilder::new(text).size_limit(REGEX_MEMORY).build();
    match built {
        Ok(found) if found.is_match("") => {
            wrong(format!("`{}` matches every text", short(text)), "write what must stand there")
        }
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => {
            wrong(format!("`{}` takes too much memory", short(text)), "repeat less, or use smaller classes")
        }
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            wrong(
                format!("`{}` is no regular expression: {why}", short(text)),
                "look-around and back-references are not supported, because they cannot be matched in linear time",
            )
        }
    }
}

/// Headers that say how a request is sent, or that the gate writes itself.
const OUR_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "idempotency-key",
    "user-agent",
];

/// Checks the name of a header that carries a secret (RFC 9110, 5.1).
fn header(text: &str) -> Result<(), Wrong> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let lower = text.to_ascii_lowercase();
    if text.is_empty() || text.len() > 128 || !text.bytes().all(token) {
        return wrong(format!("`{}` is no name of a header", short(text)), "write one such as `X-API-Key`");
    }
    if OUR_HEADERS.contains(&lower.as_str()) || lower.starts_with("portcullis-") {
        return wrong(format!("the header `{}` is the gate's own", short(text)), "name another");
    }
    Ok(())
}

fn name(what: &str, text: &str, longest: usize, marks: &str) -> Result<(), Wrong> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    if text.is_empty() || text.len() > longest {
        return wrong(format!("a {what} has 1 to {longest} characters"), "write a shorter name");
    }
    let spelt: Vec<String> = marks.chars().map(|c| format!("`{c}`")).collect();
    if !text.chars().all(allowed) {
        return wrong(
            format!("`{}` is not a {what}", short(text)),
            format!("use letters, digits and {}", spelt.join(" ")),
        );
    }
    if text.contains("..") {
        return wrong(format!("`{}` is not a {what}", short(text)), "two dots in a row are not allowed");
    }
    Ok(())
}

/// Checks that a word is one of `known`.
pub(super) fn choice(what: &str, known: &[&str], text: &str) -> Result<(), Wrong> {
    if known.contains(&text) {
        return Ok(());
    }
    let mut message = format!("unknown {what} `{}`", short(text));
    if let Some(near) = nearest(text, known.iter().copied()) {
        message.push_str(&format!("; did you mean `{near}`?"));
    }
    wrong(message, format!("known: {}", known.join(", ")))
}

/// An argument's path of keys: `amount`, `customer.amount`, or as a JSON pointer `/customer/amount`.
pub(super) fn argument(text: &str) -> Result<Vec<String>, Wrong> {
    let keys: Vec<String> = match text.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect(),
        None => text.split('.').map(str::to_owned).collect(),
    };
    if text.len() > 256 || keys.iter().any(|key| key.trim().is_empty()) {
        let help = "write a key, keys joined by dots such as `customer.amount`, or a JSON pointer such as `/customer/amount`";
        return wrong(format!("`{}` names no argument", short(text)), help);
    }
    Ok(keys)
}

/// The path of keys below `args` of a text such as `args.amount`.
pub(super) fn argument_path(text: &str) -> Result<Vec<String>, Wrong> {
    let keys =
        text.strip_prefix("args.").filter(|rest| !rest.starts_with('/')).and_then(|rest| argument(rest).ok());
    match keys {
        Some(keys) => Ok(keys),
        None => wrong(
            format!("`{}` names no argument", short(text)),
            "write `args.` and the argument's name, such as `args.amount`",
        ),
    }
}

/// What a limit counts.
pub(super) fn meter(text: &str, consecutive: bool) -> Result<Meter, Wrong> {
    match text {
        "actions" => Ok(Meter::Actions),
        "usd" => Ok(Meter::Usd),
        "tokens" => Ok(Meter::Tokens),
        "failures" => Ok(Meter::Failures { consecutive }),
        _ if text.starts_with("args.") => argument_path(text).map(Meter::Argument),
        _ => {
            let mut message = format!("unknown meter `{}`", short(text));
            if let Some(near) = nearest(text, METERS.iter().copied()) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            wrong(message, format!("known: {}, args.NAME", METERS.join(", ")))
        }
    }
}

/// How long a limit counts.
pub(super) fn window(text: &str) -> Result<Window, Wrong> {
    match text {
        "call" => Ok(Window::Call),
        "step" => Ok(Window::Step),
        "session" => Ok(Window::Session),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            duration(text, 366).map(|ms| Window::Sliding(ms.saturating_mul(1000)))
        }
        _ => {
            let mut message = format!("`{}` is no window", short(text));
            if let Some(near) = within(text, WINDOWS.iter().copied(), 2) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            wrong(message, "write call, step, session, or a length of time such as 30s, 15m, 1h, 1d or 2w")
        }
    }
}

const LENGTH: &str = "write a whole number and a unit, such as 30s, 15m, 1h, 1d or 2w";

/// A length of time in milliseconds, at most `days` long.
pub(super) fn duration(text: &str, days: i64) -> Result<i64, Wrong> {
    const UNITS: [(char, i64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
    let help = LENGTH;
    let parts =
        UNITS.iter().find_map(|(name, seconds)| text.strip_suffix(*name).map(|digits| (digits, *seconds)));
    let Some((digits, unit)) = parts else {
        return wrong(format!("`{}` is no length of time", short(text)), help);
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || digits.is_empty() || digits.starts_with('0') {
        return wrong(format!("`{}` is no length of time", short(text)), help);
    }
    let seconds = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(unit));
    match seconds.filter(|seconds| *seconds <= days * 86_400) {
        Some(seconds) => Ok(seconds * 1000),
        None => wrong(format!("`{}` is too long", short(text)), format!("write at most {days}d")),
    }
}
