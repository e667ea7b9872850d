//! What `${name..}` makes of a value: defaults, cut ends, replacements, slices, case.

use super::field::{Field, PIECE, UNKNOWN, joined};
use super::tree::{Param, Part, Word};
use super::walk::Walk;

/// The longest value that a pattern is tried on.
const LONGEST: usize = 1024;

impl Walk<'_> {
    /// The value after what `param` says to do with it.
    pub fn changed(&mut self, name: &str, param: &Param, value: Option<Vec<Field>>) -> Vec<Field> {
        let is_set = value.as_ref().is_some_and(|it| it.iter().any(|it| !it.text.is_empty()));
        match param.op {
            ":-" | "-" | ":=" | "=" | ":?" | "?" => {
                let other = self.single(&param.word);
                if is_set || (value.is_some() && !param.op.starts_with(':')) {
                    return value.unwrap_or_default();
                }
                if param.op.ends_with('?') {
                    return vec![Field::unknown()];
                }
                if param.op.ends_with('=') {
                    self.scope.set(name, vec![other.clone()]);
                }
                if is_inherited(name) {
                    return vec![Field::unknown()];
                }
                // Not set by the script: the environment seldom is, and the script says what it expects.
                vec![other]
            }
            ":+" | "+" => {
                let other = self.single(&param.word);
                match value {
                    Some(_) if is_set => vec![other],
                    Some(_) => Vec::new(),
                    None => vec![Field::unknown()],
                }
            }
            "/" | "//" | "/#" | "/%" => {
                let (from, to) = self.pair(&param.word);
                each(value, |text| replaced(text, param.op, &from, &to))
            }
            "#" | "##" | "%" | "%%" => {
                let pattern = self.single(&param.word).text;
                each(value, |text| trimmed(text, param.op, &pattern))
            }
            ":" => {
                let range = self.single(&param.word).text;
                // Paths begin with a slash whatever else they are: `${HOME:0:1}`, `${PATH:0:1}`.
                if range.replace(' ', "") == "0:1"
                    && matches!(name, "HOME" | "PATH" | "PWD" | "SHELL" | "OLDPWD")
                {
                    return vec![Field::new("/")];
                }
                each(value, |text| sliced(text, &range))
            }
            // As a prompt, in which commands are substituted.
            "@" if self.single(&param.word).text == "P" => {
                for value in value.unwrap_or_else(|| vec![Field::unknown()]) {
                    if value.text.contains(['$', '`', '\\']) || !value.is_known() {
                        self.expanded_again(&value.text);
                    }
                }
                vec![Field::unknown()]
            }
            "^^" => each(value, |text| Some(text.to_uppercase())),
            ",," => each(value, |text| Some(text.to_lowercase())),
            "^" => each(value, |text| first(text, char::to_ascii_uppercase)),
            "," => each(value, |text| first(text, char::to_ascii_lowercase)),
            _ => {
                self.single(&param.word);
                vec![Field::unknown()]
            }
        }
    }

    fn pair(&mut self, word: &Word) -> (String, String) {
        match word.parts.as_slice() {
            [Part::Array(words)] => {
                let mut texts = words.iter().map(|word| self.single(word).text);
                (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
            }
            _ => (UNKNOWN.to_string(), String::new()),
        }
    }
}

/// True for a variable that the environment may well hold, and whose value nobody should get by naming another: where
/// credentials lie, and the folder before.
fn is_inherited(name: &str) -> bool {
    const NAMES: &[&str] =
        &["PATH", "OLDPWD", "KUBECONFIG", "SSH_AUTH_SOCK", "NETRC", "BASH_ENV", "ENV", "HISTFILE"];
    const ENDS: &[&str] = &[
        "_CREDENTIALS",
        "_CREDENTIALS_FILE",
        "_TOKEN",
        "_TOKEN_FILE",
        "_SECRET",
        "_KEY",
        "_KEY_FILE",
        "_PASSWORD",
    ];
    NAMES.contains(&name) || ENDS.iter().any(|end| name.ends_with(end))
}

fn each(values: Option<Vec<Field>>, change: impl Fn(&str) -> Option<String>) -> Vec<Field> {
    let Some(values) = values else { return vec![Field::unknown()] };
    let changed = |field: &Field| match field.known().filter(|it| it.len() <= LONGEST) {
        Some(text) => change(text).map_or_else(Field::unknown, Field::new),
        None => Field::unknown(),
    };
    if values.is_empty() {
        return vec![Field::new(joined(&values, ""))];
    }
    values.iter().map(changed).collect()
}

fn first(text: &str, change: fn(&char) -> char) -> Option<String> {
    let mut chars = text.chars();
    Some(chars.next().iter().map(change).chain(chars).collect())
}

fn sliced(text: &str, range: &str) -> Option<String> {
    let (from, length) = range.split_once(':').map_or((range, None), |(from, length)| (from, Some(length)));
    let total = i64::try_from(text.chars().count()).ok()?;
    let from: i64 = from.trim().parse().ok()?;
    let from = if from < 0 { total + from } else { from };
    let end = match length.map(|it| it.trim().parse::<i64>()) {
        None => total,
        Some(Ok(length)) if length < 0 => total + length,
        Some(Ok(length)) => from.saturating_add(length),
        Some(Err(_)) => return None,
    };
    let (from, end) = (usize::try_from(from).ok()?, usize::try_from(end).ok()?);
    Some(text.chars().skip(from).take(end.saturating_sub(from)).collect())
}

fn replaced(text: &str, op: &str, from: &str, to: &str) -> Option<String> {
    if from.contains([UNKNOWN, PIECE]) || to.contains([UNKNOWN, PIECE]) || from.is_empty() {
        return (from.is_empty()).then(|| text.to_owned());
    }
    if !from.contains(['*', '?', '[']) {
        return Some(match op {
            "//" => text.replace(from, to),
            "/#" => text.strip_prefix(from).map_or_else(|| text.to_owned(), |rest| format!("{to}{rest}")),
            "/%" => text.strip_suffix(from).map_or_else(|| text.to_owned(), |rest| format!("{rest}{to}")),
            _ => text.replacen(from, to, 1),
        });
    }
    // `?` is one character, which is all that the usual tricks need: `${g//hh??hm/}`.
    if from.contains(['*', '[']) || !matches!(op, "/" | "//") {
        return None;
    }
    let (chars, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), from.chars().collect());
    let mut out = String::new();
    let mut at = 0;
    let mut left = if op == "//" { usize::MAX } else { 1 };
    while let Some(next) = chars.get(at) {
        let window = chars.get(at..at + pattern.len());
        if left > 0 && window.is_some_and(|it| it.iter().zip(&pattern).all(|(a, b)| *b == '?' || a == b)) {
            out.push_str(to);
            at += pattern.len();
            left -= 1;
        } else {
            out.push(*next);
            at += 1;
        }
    }
    Some(out)
}

fn trimmed(text: &str, op: &str, pattern: &str) -> Option<String> {
    if pattern.contains([UNKNOWN, PIECE]) || pattern.len() > 64 {
        return None;
    }
    let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let fits = |cut: &&usize| {
        let (head, tail) = text.split_at_checked(**cut).unwrap_or_default();
        matches(if op.starts_with('#') { head } else { tail }, pattern)
    };
    // The shortest from the front is the first cut that fits, the shortest from the end is the last.
    let cut = match op {
        "#" | "%%" => cuts.iter().find(fits),
        _ => cuts.iter().rev().find(fits),
    };
    let Some((head, tail)) = cut.and_then(|cut| text.split_at_checked(*cut)) else {
        return Some(text.to_owned());
    };
    Some(if op.starts_with('#') { tail } else { head }.to_owned())
}

/// True if the whole text fits a pattern of `*`, `?` and plain characters; sets never fit.
pub fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(it) if *it == '?' || text.get(t) == Some(it) => {
                t += 1;
                p += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|it| *it == '*')
}
