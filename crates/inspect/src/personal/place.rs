//! Where people live: streets with numbers, boxes at post offices, and what stands behind such a label.
//!
//! Answerable for addresses that are written as such. Names of towns and countries alone are nobody's address.

use super::Reader;
use super::judge::Found;

/// How streets end in English, and what follows a house.
const STREETS: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "av",
    "road",
    "rd",
    "lane",
    "ln",
    "drive",
    "dr",
    "boulevard",
    "blvd",
    "court",
    "ct",
    "place",
    "pl",
    "terrace",
    "ter",
    "way",
    "circle",
    "cir",
    "square",
    "sq",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "trail",
    "trl",
    "close",
    "crescent",
    "cres",
    "grove",
    "gardens",
    "mews",
    "row",
    "hill",
    "loop",
    "alley",
    "plaza",
    "esplanade",
    "parade",
    "quay",
    "turnpike",
    "expressway",
    "freeway",
    "broadway",
    "route",
];
/// How streets begin in other languages.
const BEFORE: &[&str] = &[
    "rue",
    "via",
    "calle",
    "rua",
    "avenida",
    "avenue",
    "boulevard",
    "place",
    "piazza",
    "plaza",
    "viale",
    "corso",
    "camino",
    "carrera",
    "calle",
    "paseo",
    "travessa",
    "chemin",
    "allée",
    "quai",
    "impasse",
    "ul.",
    "ulica",
    "ulitsa",
    "улица",
    "ул.",
    "jalan",
    "jl.",
    "c/",
    "av.",
    "avda.",
    "largo",
    "praça",
    "strada",
    "str.",
    "os.",
    "aleja",
    "al.",
];
/// How the names of streets end where they are one word.
const ENDS: &[&str] = &[
    "straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "damm", "ufer", "ring", "chaussee",
    "straat", "laan", "plein", "gracht", "kade", "dreef", "steenweg", "gata", "gatan", "gate", "vägen",
    "väg", "veien", "vegen", "vej", "gade", "allé", "katu", "tie", "kuja", "polku", "utca", "út", "tér",
    "körút", "iela", "gatvė", "ulice", "ulica", "stræde",
];
const UNITS: &[&str] =
    &["apt", "suite", "unit", "flat", "floor", "#", "ste", "apartment", "room", "office", "building"];
const REGIONS: &[&str] = &[
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS",
    "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC",
    "ND", "OH", "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI",
    "WY", "ON", "QC", "BC", "AB", "MB", "SK", "NS", "NB", "NL", "PE", "NSW", "VIC", "QLD", "TAS", "ACT",
];

impl Reader<'_, '_> {
    /// The address that has the number at `start..end` for its house or its box.
    pub(super) fn place(&self, start: usize, end: usize) -> Option<Found> {
        let house = end - start <= 6 && self.byte(start).is_ascii_digit() && !self.joined(start, end);
        if !house {
            return None;
        }
        let found = self.number_first(start, end).or_else(|| self.number_last(start, end));
        let (from, to, confidence) = found.or_else(|| self.boxed(start, end))?;
        let to = self.rest_of_place(to);
        Some(Found { name: "postal_address", start: from, end: to, confidence, verified: None })
    }

    /// `123 Oak Street`, `12 rue de la Paix`.
    fn number_first(&self, start: usize, end: usize) -> Option<(usize, usize, u8)> {
        let first = self.byte(end + 1);
        // `1 29th St`, or a word that a street's name may begin with.
        let ordinal = first.is_ascii_digit()
            && (2..5).any(|at| self.byte(end + at).is_ascii_alphabetic() && self.byte(end + at + 1) != b' ');
        let street = first.is_ascii_uppercase() || !first.is_ascii() || b"rvcapqsiltuojd".contains(&first);
        if self.byte(end) != b' ' || !(ordinal || street) {
            return None;
        }
        let rest = self.line(end + 1, 80)?;
        let mut at = end + 1;
        if begins_street(rest.split(' ').next()?) && rest.split(' ').nth(1).is_some_and(is_name_or_particle) {
            let words: Vec<&str> = rest.split([',', '\n']).next()?.split(' ').take(6).collect();
            let count = words.iter().rposition(|word| word.chars().next().is_some_and(char::is_uppercase))?;
            let length: usize = words.iter().take(count + 1).map(|word| word.len() + 1).sum();
            return Some((start, at + length - 1, 66));
        }
        for (n, word) in rest.split(' ').take(6).enumerate() {
            let bare = word.trim_end_matches([',', '.', ';', '"', '\'']);
            let capital = bare.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
            let small =
                if n > 0 && capital && bare.len() < 14 { bare.to_ascii_lowercase() } else { String::new() };
            let device = small == "drive" && rest.split(' ').nth(n.wrapping_sub(1)).is_some_and(is_device);
            if n > 0 && capital && !device && STREETS.contains(&small.as_str()) {
                let long = small.len() > 3 || matches!(small.as_str(), "st" | "ave" | "rd");
                return Some((start, at + bare.len(), if long { 76 } else { 68 }));
            }
            if !capital || bare.len() != word.len() && !word.ends_with('.') {
                return None;
            }
            at += word.len() + 1;
        }
        None
    }

    /// `Hauptstraße 12`, `Calle Mayor 5`, `Keizersgracht 174`.
    fn number_last(&self, start: usize, end: usize) -> Option<(usize, usize, u8)> {
        let gap = start.checked_sub(1).filter(|at| self.byte(*at) == b' ')?;
        let near = self.before(gap);
        if !(near.is_ascii_alphabetic() || !near.is_ascii() || near == b'.') {
            return None;
        }
        let floor = self.boundary(gap.saturating_sub(60).max(self.floor));
        let before = self.text.get(floor..gap)?;
        let last = before.rsplit([' ', '\n', ',', '"', ':', ';']).next()?;
        if !last.chars().next()?.is_uppercase() {
            return None;
        }
        if ends_street(last) {
            return Some((gap - last.len(), end, 72));
        }
        let line = before.rsplit(['\n', ',', '"', ':', ';']).next()?.trim_start();
        // From the last word back to where the street begins, over names and what joins them.
        let mut length = 0;
        for (n, word) in line.rsplit(' ').take(6).enumerate() {
            length += word.len() + usize::from(n > 0);
            if n > 0 && begins_street(word) && word.chars().next().is_some_and(char::is_uppercase) {
                return Some((gap - length, end, 66));
            }
            if !is_name_or_particle(word) {
                return None;
            }
        }
        None
    }

    /// `P.O. Box 123`.
    fn boxed(&self, start: usize, end: usize) -> Option<(usize, usize, u8)> {
        // The last letter of each.
        let near = start.checked_sub(2).map_or(0, |at| self.byte(at));
        if !matches!(near, b'x' | b'X' | b'h' | b'e' | b'E' | b'o' | b'O' | b' ') {
            return None;
        }
        let floor = self.boundary(start.saturating_sub(14).max(self.floor));
        let before = self.text.get(floor..start)?.to_ascii_lowercase();
        let boxes = [
            "p.o. box ",
            "po box ",
            "p.o.box ",
            "p.o. box #",
            "postfach ",
            "boîte postale ",
            "bp ",
            "apartado ",
        ];
        let label = boxes.iter().find(|it| before.ends_with(*it) && it.len() > 3)?;
        Some((start - label.len(), end, 75))
    }

    /// Where an address ends that goes on behind its street: flat, town, region, code, on lines of their own too.
    fn rest_of_place(&self, end: usize) -> usize {
        let to = self.boundary((end + 130).min(self.text.len()));
        let Some(rest) = self.text.get(end..to) else { return end };
        let (mut best, mut at) = (end, end);
        for (n, part) in rest.split([',', '\n']).take(8).enumerate() {
            let own_line = self.before(at) == b'\n' && n > 0;
            let trimmed = part.trim_matches([' ', '>', '\r', '?', '"', '\'', '.', '}', ')']);
            let kept = at + part.find(trimmed).unwrap_or(0) + trimmed.len();
            match piece(trimmed) {
                Piece::Known => best = kept,
                // A name on a line of its own may be anybody's: it counts if a code follows.
                Piece::Town if n > 0 && own_line => {}
                Piece::Town if n > 0 => best = kept,
                Piece::Empty => {}
                Piece::Coded(length) if n > 0 => return kept - trimmed.len() + length,
                _ => break,
            }
            at += part.len() + 1;
        }
        best
    }

    /// The value of a field that is called an address, if it may be one.
    pub(super) fn whole_place(&self, from: usize) -> Option<Found> {
        let line = self.line(from, 160)?;
        let quoted = matches!(self.before(from), b'"' | b'\'').then(|| char::from(self.before(from)));
        let value = match quoted {
            Some(quote) => line.split(quote).next()?,
            None => line.split(['|', ';', '<', '{']).next()?,
        };
        let value = value.split("\\n").next()?.trim_end();
        let words = value.split([' ', ',']).filter(|word| !word.is_empty()).count();
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let letters = value.chars().filter(|c| c.is_alphabetic()).count();
        let foreign =
            value.contains("://") || value.contains('@') || value.contains('/') && !value.contains(' ');
        let whole = (1..=12).contains(&digits) && letters > digits && (3..=18).contains(&words) && !foreign;
        let capital =
            value.split(' ').filter(|word| word.chars().next().is_some_and(char::is_uppercase)).count() >= 2;
        (whole && capital).then_some(Found {
            name: "postal_address",
            start: from,
            end: from + value.len(),
            confidence: 68,
            verified: None,
        })
    }

    /// The text from `from`, `most` bytes of it at most.
    pub(super) fn window(&self, from: usize, most: usize) -> Option<&str> {
        self.text.get(from..self.boundary((from + most).min(self.text.len())))
    }

    /// The text from `from` to the end of the line, `most` bytes of it at most.
    fn line(&self, from: usize, most: usize) -> Option<&str> {
        self.window(from, most)?.split(['\n', '\r']).next()
    }

    fn boundary(&self, at: usize) -> usize {
        (0..4).map(|back| at.saturating_sub(back)).find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

/// A part of an address between commas.
enum Piece {
    Empty,
    /// A flat, a region, something that ends with a postal code.
    Known,
    /// Words with capitals.
    Town,
    /// A postal code, then something else: so many bytes up to the code's end.
    Coded(usize),
    Other,
}

fn piece(text: &str) -> Piece {
    let words: Vec<&str> = text.split(' ').collect();
    let capital = |word: &&str| word.chars().next().is_some_and(char::is_uppercase);
    let unit = words.first().is_some_and(|word| {
        let word = word.trim_end_matches('.').to_ascii_lowercase();
        UNITS.contains(&word.as_str()) && words.len() > 1
    });
    let code = words.iter().take(5).position(|word| is_code(word));
    if text.is_empty() {
        Piece::Empty
    } else if unit || REGIONS.contains(&text) || (code == words.len().checked_sub(1) && text.len() < 48) {
        Piece::Known
    } else if words.len() <= 4 && words.iter().all(&capital) {
        Piece::Town
    } else if let Some(code) = code.filter(|_| words.first().is_some_and(capital)) {
        Piece::Coded(words.iter().take(code + 1).map(|word| word.len() + 1).sum::<usize>() - 1)
    } else {
        Piece::Other
    }
}

/// What a drive is that nobody lives in.
fn is_device(word: &str) -> bool {
    ["hard", "flash", "disk", "thumb", "google", "state", "usb", "shared", "tape", "network"]
        .contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a word begins the name of a street, as in Romance and Slavic languages.
fn begins_street(word: &str) -> bool {
    let word = word.trim_end_matches(',');
    (2..=12).contains(&word.len()) && BEFORE.iter().any(|it| it.len() == word.len() && same(it, word))
}

/// Whether a word ends as names of streets do that are one word.
fn ends_street(word: &str) -> bool {
    ENDS.iter().any(|end| {
        let tail =
            word.len().checked_sub(end.len()).filter(|head| *head > 2).and_then(|head| word.get(head..));
        tail.is_some_and(|tail| same(end, tail))
    })
}

/// Whether two words are the same but for capitals.
fn same(small: &str, word: &str) -> bool {
    small.eq_ignore_ascii_case(word) || (!word.is_ascii() && word.to_lowercase() == small)
}

fn is_name_or_particle(word: &str) -> bool {
    let capital = word.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
    capital
        || [
            "de", "del", "della", "la", "le", "du", "des", "di", "da", "do", "dos", "las", "los", "el",
            "van", "der", "den",
        ]
        .contains(&word)
}

/// Five digits, or four, or letters and digits as in Britain, Canada and the Netherlands.
fn is_code(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ')', '"', '\'', '}', ';', '?', '!']);
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_uppercase).count();
    let zip = matches!(word.len(), 5 | 10)
        && digits == word.len() - usize::from(word.len() == 10)
        && digits + letters + usize::from(word.contains('-')) == word.len();
    zip || (word.len() == 3 && digits == 1 && letters == 2)
}
