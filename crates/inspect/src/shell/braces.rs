//! Brace expansion: `{a,b}` and `{1..3}`.

use super::field::UNKNOWN;
use super::tree::{Part, Word};

/// The longest word that is looked into, in characters and parts.
const LONGEST: usize = 512;
/// How many words one may become before the rest is left unknown.
const MOST: usize = 64;

/// What stands before the first braces, what they may be, and what comes after.
type Choice<'p> = (&'p [Piece], Vec<Vec<Piece>>, &'p [Piece]);

#[derive(Clone)]
enum Piece {
    Char(char),
    Part(Part),
}

/// The words that a word becomes; `None` if there is nothing to expand.
pub fn expand(word: &Word) -> Option<Vec<Word>> {
    let has_open = word.parts.iter().any(|part| matches!(part, Part::Bare(text) if text.contains('{')));
    let has_close = word.parts.iter().any(|part| matches!(part, Part::Bare(text) if text.contains('}')));
    if !has_open || !has_close {
        return None;
    }
    let mut pieces = Vec::new();
    for part in &word.parts {
        match part {
            Part::Bare(text) => pieces.extend(text.chars().take(LONGEST + 1).map(Piece::Char)),
            other => pieces.push(Piece::Part(other.clone())),
        }
        if pieces.len() > LONGEST {
            return Some(vec![unknown()]);
        }
    }
    let mut room = MOST;
    let mut words: Vec<Word> = spread(&pieces, &mut room).into_iter().map(whole).collect();
    if room == 0 {
        words.push(unknown());
    }
    Some(words)
}

fn unknown() -> Word {
    Word { parts: vec![Part::Quoted(UNKNOWN.to_string())] }
}

fn whole(pieces: Vec<Piece>) -> Word {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        match (piece, parts.last_mut()) {
            (Piece::Char(it), Some(Part::Bare(text))) => text.push(it),
            (Piece::Char(it), _) => parts.push(Part::Bare(it.to_string())),
            (Piece::Part(part), _) => parts.push(part),
        }
    }
    Word { parts }
}

fn is(piece: &Piece, what: char) -> bool {
    matches!(piece, Piece::Char(it) if *it == what)
}

fn spread(pieces: &[Piece], room: &mut usize) -> Vec<Vec<Piece>> {
    let Some((open, choices, after)) = first_choice(pieces) else { return vec![pieces.to_vec()] };
    let ends = spread(after, room);
    let mut all = Vec::new();
    for choice in choices {
        for middle in spread(&choice, room) {
            for end in &ends {
                if *room == 0 {
                    return all;
                }
                *room -= 1;
                all.push([open, &middle, end].concat());
            }
        }
    }
    all
}

/// What stands before the first braces that mean something, what they may be, and what comes after.
fn first_choice(pieces: &[Piece]) -> Option<Choice<'_>> {
    let opens = pieces.iter().enumerate().filter(|(_, it)| is(it, '{'));
    for (start, _) in opens {
        let mut level = 0usize;
        let mut commas = Vec::new();
        for (at, piece) in pieces.iter().enumerate().skip(start) {
            match piece {
                Piece::Char('{') => level += 1,
                Piece::Char(',') if level == 1 => commas.push(at),
                Piece::Char('}') => level -= 1,
                _ => {}
            }
            if level == 0 {
                let inside = pieces.get(start + 1..at)?;
                let choices = if commas.is_empty() {
                    sequence(inside)
                } else {
                    Some(parted(pieces, start, &commas, at))
                };
                match choices {
                    Some(choices) => return Some((pieces.get(..start)?, choices, pieces.get(at + 1..)?)),
                    None => break,
                }
            }
        }
    }
    None
}

fn parted(pieces: &[Piece], start: usize, commas: &[usize], end: usize) -> Vec<Vec<Piece>> {
    let mut from = start + 1;
    let cuts = commas.iter().copied().chain([end]);
    cuts.map(|cut| {
        let part = pieces.get(from..cut).unwrap_or_default().to_vec();
        from = cut + 1;
        part
    })
    .collect()
}

/// `1..3` and `a..e`.
fn sequence(inside: &[Piece]) -> Option<Vec<Vec<Piece>>> {
    let text: Option<String> =
        inside.iter().map(|it| if let Piece::Char(it) = it { Some(*it) } else { None }).collect();
    let text = text?;
    let mut ends = text.splitn(3, "..");
    let (first, last) = (ends.next()?, ends.next()?);
    let letters = |one: &str| one.chars().next().filter(|it| one.len() == 1 && it.is_ascii_alphabetic());
    let as_pieces = |it: String| it.chars().map(Piece::Char).collect();
    if let (Ok(a), Ok(b)) = (first.parse::<i32>(), last.parse::<i32>()) {
        let (low, high) = (a.min(b), a.max(b));
        return Some((low..=high).take(MOST).map(|it| as_pieces(it.to_string())).collect());
    }
    let (a, b) = (letters(first)?, letters(last)?);
    Some((a.min(b)..=a.max(b)).map(|it| as_pieces(it.to_string())).collect())
}
