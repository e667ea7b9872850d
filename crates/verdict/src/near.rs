//! The known word that a mistaken one was probably meant to be.

/// Longer words are not compared: nobody mistypes them, and the cost grows with the square.
const LONGEST: usize = 64;

/// Of names that a file may have without end, so many are looked at.
pub(crate) const SUGGESTIONS: usize = 5_000;

/// The nearest of `known` to `word`, if it is near enough to be what was meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let reach = match word.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    within(word, known, reach)
}

/// The nearest of `known` to `word`, at most `reach` letters away.
pub(crate) fn within<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
    reach: usize,
) -> Option<&'k str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    known
        .into_iter()
        .filter(|other| other.len().abs_diff(word.len()) <= reach.saturating_mul(4))
        .map(|other| (distance(&word, other), other))
        // A word with nothing in common with what was written is no guess.
        .filter(|(far, other)| *far <= reach && *far < other.chars().count())
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

/// Letters to insert, delete, replace, or swap with their neighbour.
fn distance(word: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().take(LONGEST + 1).collect();
    if word.len() > LONGEST || other.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut above = None;
    for (row, &a) in word.iter().enumerate() {
        let mut line = vec![row + 1];
        let mut left = None;
        for (column, &b) in other.iter().enumerate() {
            let at = |line: &[usize], n: usize| line.get(n).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&line, column) + 1);
            if above == Some(b) && left == Some(a) {
                cost = cost.min(at(&before, column.saturating_sub(1)) + 1);
            }
            line.push(cost);
            left = Some(b);
        }
        before = std::mem::replace(&mut last, line);
        above = Some(a);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_if_it_is_near() {
        let known = ["allow", "deny", "name", "when", "approval"];
        for (word, meant) in [
            ("allwo", Some("allow")),
            ("alow", Some("allow")),
            ("Deny", Some("deny")),
            ("nam", Some("name")),
            ("aproval", Some("approval")),
            ("x", None),
            ("completely", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"a".repeat(10_000), known), None);
    }
}
