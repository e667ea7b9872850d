//! Days on which somebody was born.
//!
//! Answerable for dates that a word calls a birthday. Other dates are nobody's.

use std::sync::LazyLock;

use super::Reader;
use super::checksum::{day, short_day};
use super::clues::{Classes, class};
use super::judge::Found;

static BORN: LazyLock<Classes> = LazyLock::new(|| class("date_of_birth"));

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mai", "mär", "okt",
    "dez", "fév", "avr", "juin", "juil", "aoû", "déc", "ene", "abr", "ago", "dic", "gen", "mag", "giu",
    "lug", "set", "ott", "fev", "out", "mrt", "mei", "maj", "янв", "фев", "мар", "апр", "мая", "июн", "июл",
    "авг", "сен", "окт", "ноя", "дек", "sty", "lut", "kwi", "cze", "lip", "sie", "wrz", "paź", "lis", "gru",
    "oca", "şub", "nis", "haz", "tem", "ağu", "eyl", "eki", "kas", "ara",
];

impl Reader<'_, '_> {
    /// The birthday whose first digit is at `start`.
    pub(super) fn birthday(&mut self, start: usize) -> Option<Found> {
        let (from, end) = self.date(start)?;
        let field = self.field;
        let told = self.clues.around(from, end).in_field(field);
        let born = *BORN;
        let confidence = if told.label.meets(born) { 90 } else { 75 };
        if !(told.label | told.behind).meets(born) {
            return None;
        }
        Some(Found { name: "date_of_birth", start: from, end, confidence, verified: None })
    }

    /// A date in figures, or with the month's name before or behind the day.
    fn date(&self, start: usize) -> Option<(usize, usize)> {
        let (first, at) = self.figure(start)?;
        if self.byte(at).is_ascii_alphabetic()
            && !matches!(self.text.get(at..at + 2), Some("st" | "nd" | "rd" | "th"))
        {
            return None;
        }
        let mark = self.byte(at);
        if matches!(mark, b'-' | b'/' | b'.') && self.byte(at + 1).is_ascii_digit() {
            let (second, next) = self.figure(at + 1)?;
            if self.byte(next) == mark {
                let (third, end) = self.figure(next + 1)?;
                let right = in_figures([first, second, third], at - start);
                return (right && !self.byte(end).is_ascii_alphanumeric()).then_some((start, end));
            }
        }
        if let Some(end) = self.east(start, at) {
            return Some((start, end));
        }
        self.spelled(start, at, first)
    }

    fn figure(&self, at: usize) -> Option<(u64, usize)> {
        let rest = self.text.get(at..)?;
        let count = rest.bytes().take(5).take_while(u8::is_ascii_digit).count();
        let number = rest.get(..count)?.parse().ok().filter(|_| count <= 4)?;
        Some((number, at + count))
    }

    /// `1990年5月21日`.
    fn east(&self, start: usize, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let month = rest
            .strip_prefix('年')
            .or_else(|| rest.strip_prefix("년 ").or_else(|| rest.strip_prefix('년')))?;
        let window: String = month.chars().take(8).collect();
        let end = window.find(['日', '일'])?;
        (at - start == 4).then_some(at + (rest.len() - month.len()) + end + '日'.len_utf8())
    }

    /// `21 May 1990`, `May 21, 1990`, `21. Mai 1990`, `21 de mayo de 1990`.
    fn spelled(&self, start: usize, at: usize, first: u64) -> Option<(usize, usize)> {
        if !(1..=31).contains(&first) || at - start > 2 {
            return None;
        }
        // Most figures have no year behind them.
        let ahead = self.bytes.get(at..(at + 40).min(self.bytes.len())).unwrap_or_default();
        if !has_year(ahead) {
            return None;
        }
        let behind = self.text.get(at..)?;
        let window: String = behind.chars().take(30).collect();
        let words = || window.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let year = words().find(|word| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit()))?;
        let whole: u64 = year.parse().ok().filter(|it| (1900..2100).contains(it))?;
        let end = at + window.find(year)? + year.len();
        let right = day(whole, 1, first);
        let between = window.get(..window.find(year)?)?;
        if between.contains('\n') || !right {
            return None;
        }
        if words().any(is_month) && words().take_while(|word| *word != year).count() <= 4 {
            let only = words().take_while(|word| *word != year).all(|word| is_month(word) || word.len() <= 2);
            return only.then_some((start, end));
        }
        let before = self.text.get(self.floor..start)?;
        let word = before.trim_end().rsplit(|c: char| !c.is_alphabetic()).next()?;
        let from = self.floor + before.trim_end().len() - word.len();
        (is_month(word) && start - from < 16 && between.len() <= 4).then_some((from, end))
    }
}

/// Whether there are four digits in a row.
fn has_year(bytes: &[u8]) -> bool {
    let mut row = 0_u8;
    for byte in bytes {
        row = if byte.is_ascii_digit() { row + 1 } else { 0 };
        if row == 4 {
            return true;
        }
    }
    false
}

fn is_month(word: &str) -> bool {
    let small: String = word.chars().take(12).flat_map(char::to_lowercase).collect();
    small.chars().count() >= 3 && MONTHS.iter().any(|month| small.starts_with(month))
}

fn in_figures([a, b, c]: [u64; 3], first: usize) -> bool {
    if first == 4 {
        return day(a, b, c) || day(a, c, b);
    }
    let right = |d, m| if c > 99 { day(c, m, d) } else { short_day(c, m, d) };
    right(a, b) || right(b, a)
}
