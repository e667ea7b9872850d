//! The known name nearest to one that is not known.
//!
//! Answerable for a guess worth making, or none. Knows nothing of what the names stand for.

/// The candidate with the fewest edits to `name`, if they are few enough to be a slip.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let most = if name.chars().count() <= 3 { 1 } else { 2 };
    candidates
        .map(|candidate| (edits(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= most && *edits < candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, changed, or swapped with their neighbour.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (n, x) in a.chars().take(64).enumerate() {
        let mut next = vec![n + 1];
        for (m, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let change = get(&row, m) + usize::from(x != *y);
            let mut best = change.min(get(&row, m + 1) + 1).min(get(&next, m) + 1);
            let swapped = m > 0 && last == Some(*y) && b.get(m - 1) == Some(&x);
            if swapped {
                best = best.min(get(&before, m - 1).saturating_add(1));
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row.last().copied().unwrap_or(0)
}
