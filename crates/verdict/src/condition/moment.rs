//! Points in time and lengths of time: their text, their parts, their arithmetic.
//!
//! Answerable for the calendar (proleptic Gregorian, UTC or a fixed offset) between the years 1 and 9999.
//! Knows no time zones by name and reads no clock.

/// A point in time: seconds since 1970-01-01T00:00:00Z and the nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    pub(super) secs: i64,
    /// Less than 1,000,000,000.
    pub(super) nanos: u32,
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// A part of a point in time, in the numbering of CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    /// 0 to 11.
    Month,
    /// The day of the month, 1 to 31.
    Date,
    /// The day of the month, 0 to 30.
    DayOfMonth,
    /// 0 is Sunday.
    DayOfWeek,
    /// 0 to 365.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Time {
    /// A point in time, if it lies between the years 1 and 9999.
    fn within(secs: i64, nanos: u32) -> Option<Self> {
        (FIRST..=LAST).contains(&secs).then_some(Self { secs, nanos })
    }

    /// `micros` since the epoch, whatever the year.
    pub(super) fn from_micros(micros: i64) -> Self {
        let nanos = u32::try_from(micros.rem_euclid(1_000_000).saturating_mul(1_000)).unwrap_or(0);
        Self { secs: micros.div_euclid(1_000_000), nanos }
    }

    /// Whole seconds since the epoch.
    pub(super) fn from_secs(secs: i64) -> Option<Self> {
        Self::within(secs, 0)
    }

    /// This point moved by `span` nanoseconds.
    pub(super) fn moved(self, span: i64) -> Option<Self> {
        let total = i128::from(self.secs) * i128::from(SECOND) + i128::from(self.nanos) + i128::from(span);
        let secs = i64::try_from(total.div_euclid(i128::from(SECOND))).ok()?;
        Self::within(secs, u32::try_from(total.rem_euclid(i128::from(SECOND))).ok()?)
    }

    /// Nanoseconds from `earlier` to this point.
    pub(super) fn since(self, earlier: Self) -> Option<i64> {
        let secs = i128::from(self.secs) - i128::from(earlier.secs);
        let nanos = i128::from(self.nanos) - i128::from(earlier.nanos);
        i64::try_from(secs * i128::from(SECOND) + nanos).ok()
    }

    /// Reads RFC 3339 text such as `2026-01-31T09:30:00.5+02:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let mut date = date.split('-');
        let (year, month, day) =
            (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
        let split = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at_checked(split)?;
        let offset = if zone.eq_ignore_ascii_case("z") { 0 } else { offset(zone)? };
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, nanos(fraction)?),
            None => (clock, 0),
        };
        let mut clock = clock.split(':');
        let (h, m, s) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
        let odd = date.next().is_some() || clock.next().is_some();
        let real = (1..=12).contains(&month) && day >= 1 && day <= month_length(year, month);
        if odd || !real || year < 1 || h > 23 || m > 59 || s > 59 {
            return None;
        }
        let secs = days_before(year, month, day) * DAY + h * 3_600 + m * 60 + s - offset;
        Self::within(secs, fraction)
    }

    /// RFC 3339 text in UTC.
    pub(super) fn text(self) -> String {
        let (year, month, day) = civil(self.secs.div_euclid(DAY));
        let clock = self.secs.rem_euclid(DAY);
        let (h, m, s) = (clock / 3_600, clock / 60 % 60, clock % 60);
        let fraction = match self.nanos {
            0 => String::new(),
            nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
        };
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{fraction}Z")
    }

    /// A part of this point, seen `offset` seconds east of UTC.
    pub(super) fn part(self, part: Part, offset: i64) -> i64 {
        let secs = self.secs.saturating_add(offset);
        let (days, clock) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        match part {
            Part::Year => year,
            Part::Month => month - 1,
            Part::Date => day,
            Part::DayOfMonth => day - 1,
            // 1970-01-01 was a Thursday.
            Part::DayOfWeek => days.saturating_add(4).rem_euclid(7),
            Part::DayOfYear => days - days_before(year, 1, 1),
            Part::Hours => clock / 3_600,
            Part::Minutes => clock / 60 % 60,
            Part::Seconds => clock % 60,
            Part::Milliseconds => i64::from(self.nanos / 1_000_000),
        }
    }
}

/// Reads a fixed offset from UTC, such as `+02:00`, `-0:30` or `UTC`, in seconds.
pub(super) fn offset(text: &str) -> Option<i64> {
    if text == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (h, m) = rest.split_once(':')?;
    let (h, m) = (digits(h, h.len().clamp(1, 2))?, digits(m, 2)?);
    (h <= 23 && m <= 59).then_some(sign * (h * 3_600 + m * 60))
}

/// Reads a length of time such as `1h30m`, `-1.5s` or `250ms`, in nanoseconds.
pub(super) fn parse_span(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    loop {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(number)?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let unit: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        total += scaled(number, unit)?;
        if total > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    i64::try_from(total * sign).ok()
}

/// A length of time as text: seconds, with a fraction if there is one.
pub(super) fn span_text(span: i64) -> String {
    let sign = if span < 0 { "-" } else { "" };
    let (secs, nanos) = (span.unsigned_abs() / 1_000_000_000, span.unsigned_abs() % 1_000_000_000);
    match nanos {
        0 => format!("{sign}{secs}s"),
        nanos => format!("{sign}{secs}{}s", format!(".{nanos:09}").trim_end_matches('0')),
    }
}

/// A part of a length of time: the whole of it counted in that unit.
pub(super) fn span_part(span: i64, part: Part) -> Option<i64> {
    match part {
        Part::Hours => Some(span / (3_600 * SECOND)),
        Part::Minutes => Some(span / (60 * SECOND)),
        Part::Seconds => Some(span / SECOND),
        Part::Milliseconds => Some(span / 1_000_000),
        _ => None,
    }
}

/// A decimal number of `unit`s, in nanoseconds; digits below a nanosecond are dropped.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) || whole.len() > 20 {
        return None;
    }
    let mut total = if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()?.checked_mul(unit)? };
    let mut place = unit;
    for digit in fraction.bytes().take(15) {
        total += i128::from(digit - b'0') * place / 10;
        place /= 10;
    }
    Some(total)
}

/// Exactly `count` decimal digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The digits after a decimal point, as nanoseconds.
fn nanos(fraction: &str) -> Option<u32> {
    let plain = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if plain { format!("{fraction:0<9}").parse().ok() } else { None }
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date (Hinnant's `days_from_civil`: years counted from March, in eras of 400).
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that lies `days` after 1970-01-01 (Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
