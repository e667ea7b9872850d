//! Brace expansion: `a/{b,c}` stands for two paths.
//!
//! Only lists. Ranges (`{1..3}`) make no separators and no dots, so they lead nowhere that their letters do not.

use super::MOST;

/// Every text that `text` expands to; only itself if it has no list in braces.
pub fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut done: Vec<String> = Vec::new();
    let mut open = vec![text.to_owned()];
    let mut rounds = 0;
    while let Some(next) = open.pop() {
        rounds += 1;
        if rounds > 4 * MOST || open.len() + done.len() > MOST {
            return Err(format!("the braces stand for more than {MOST} places"));
        }
        match list(&next) {
            None => done.push(next),
            Some((before, inside, after)) => {
                let parts: Vec<&str> = commas(inside).take(MOST + 1).collect();
                open.extend(parts.iter().rev().map(|part| format!("{before}{part}{after}")));
            }
        }
    }
    Ok(done)
}

/// The first list in braces: what is before it, inside, and after.
fn list(text: &str) -> Option<(&str, &str, &str)> {
    // One pass: for each brace that is open, where it opened and whether it has a comma of its own.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut best: Option<(usize, usize)> = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push((at, false)),
            b',' => open.iter_mut().next_back().map_or((), |(_, has_comma)| *has_comma = true),
            b'}' => {
                if let Some((from, true)) = open.pop() {
                    // An outer list is expanded before the lists inside it.
                    best = match best {
                        Some((first, _)) if first < from => best,
                        _ => Some((from, at)),
                    };
                }
            }
            _ => {}
        }
    }
    let (from, to) = best?;
    let (before, rest) = text.split_at_checked(from)?;
    let (inside, after) = rest.split_at_checked(to - from)?;
    Some((before, inside.strip_prefix('{')?, after.strip_prefix('}')?))
}

/// The parts between the commas that are not inside another brace.
fn commas(inside: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    inside.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}
