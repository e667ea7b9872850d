//! Patterns of paths: `**`, `*`, `?`, `[..]`, `{a,b}`, component by component, in any case.
//!
//! Time is bounded by the product of the lengths of pattern and path; nothing backtracks further than to the
//! last star of one component. Knows what matches, not what that means.

use std::borrow::Cow;

/// How many patterns the braces of one may stand for.
const MOST: usize = 64;

/// A pattern. What it matches, it matches with everything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// As it was written.
    text: String,
    /// One for each way through its braces.
    ways: Vec<Way>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    /// True if it starts at the root; else it matches at any depth.
    absolute: bool,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`: any number of components, none included.
    Depth,
    /// A name without wildcards, folded.
    Name(String),
    /// `*` and a plain ending, folded.
    Ending(String),
    /// A name with wildcards.
    Pattern(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Star,
    One,
    Is(char),
    In { ranges: Vec<(char, char)>, negated: bool },
}

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Glob {
    /// # Errors
    /// A sentence, for what is no pattern.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > 4096 {
            return Err("a pattern has between 1 and 4096 characters".to_owned());
        }
        let ways = braces(text)?.iter().map(|way| Way::new(way)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), ways })
    }

    /// Whether some of its ways start at the root.
    pub fn is_absolute(&self) -> bool {
        self.ways.iter().any(|way| way.absolute)
    }

    /// Whether `path` or a folder that it is in matches.
    pub fn covers(&self, path: &str) -> bool {
        self.ways.iter().any(|way| match way.alone() {
            // By far the most: one name, at any depth.
            Some(part) => part.is_in(path),
            None => way.follow(path, &|part, name| part.is(name)).0,
        })
    }

    /// Whether something that the pattern `path` stands for may match. `*` alone is not taken to name
    /// anything, and leaves out names that start with a dot, as shells do.
    pub fn meets(&self, path: &str, counts_any: bool) -> bool {
        self.ways.iter().any(|way| way.follow(path, &|part, name| part.meets(name, counts_any)).0)
    }

    /// Whether something below `path` may match.
    pub fn reaches_below(&self, path: &str) -> bool {
        self.ways.iter().any(|way| way.follow(path, &|part, name| part.meets(name, true)).1)
    }
}

impl Way {
    fn new(text: &str) -> Result<Self, String> {
        let text = text.replace('\\', "/");
        let drive = text.split('/').next().is_some_and(|first| first.len() == 2 && first.ends_with(':'));
        let absolute = text.starts_with('/') || drive;
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => return Err(format!("`{text}` must not hold `..`")),
                "**" if parts.last() == Some(&Part::Depth) => {}
                "**" => parts.push(Part::Depth),
                _ => parts.push(Part::new(part)?),
            }
        }
        // `.git/**` is `.git` with all below it, and everything that matches is meant with all below it.
        if parts.len() > 1 && parts.last() == Some(&Part::Depth) {
            parts.pop();
        }
        if parts.len() > 60 {
            return Err(format!("`{text}` has too many components"));
        }
        Ok(Self { absolute, parts })
    }

    /// The only name of a way that holds at any depth.
    fn alone(&self) -> Option<&Part> {
        match self.parts.as_slice() {
            [Part::Depth, part] | [part] if !self.absolute || self.parts.len() == 2 => {
                Some(part).filter(|part| **part != Part::Depth)
            }
            _ => None,
        }
    }

    /// Goes along the components of `path` with every state at once. Says whether the pattern was fulfilled on
    /// the way, and whether it could still be further down.
    fn follow(&self, path: &str, fits: &dyn Fn(&Part, &str) -> bool) -> (bool, bool) {
        let goal = 1_u64 << self.parts.len();
        let mut states = self.skip_depths(1);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let mut next = if self.absolute { 0 } else { 1 };
            for (at, part) in self.parts.iter().enumerate() {
                if states & (1 << at) == 0 {
                    continue;
                }
                if *part == Part::Depth {
                    next |= 1 << at;
                } else if name == "**" {
                    // Any number of folders: it may stay here or come to any later part.
                    next |= (1 << at) | if fits(part, name) { u64::MAX << (at + 1) } else { 0 };
                } else if fits(part, name) {
                    next |= 1 << (at + 1);
                }
            }
            states = self.skip_depths(next);
            if states & goal != 0 {
                return (true, true);
            }
        }
        (states & goal != 0, states & (goal - 1) != 0)
    }

    /// `**` also stands for nothing.
    fn skip_depths(&self, mut states: u64) -> u64 {
        for (at, part) in self.parts.iter().enumerate() {
            if *part == Part::Depth && states & (1 << at) != 0 {
                states |= 1 << (at + 1);
            }
        }
        states
    }
}

impl Part {
    fn new(text: &str) -> Result<Self, String> {
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Name(fold(text).into_owned()));
        }
        let tokens = tokens(text, true)?;
        Ok(match text.strip_prefix('*') {
            Some(ending) if !ending.contains(['*', '?', '[']) => Self::Ending(fold(ending).into_owned()),
            _ => Self::Pattern(tokens),
        })
    }

    /// As tokens, whatever it is.
    fn spelled(&self) -> Vec<Token> {
        match self {
            Self::Depth => vec![Token::Star],
            Self::Name(own) => own.chars().map(Token::Is).collect(),
            Self::Ending(own) => std::iter::once(Token::Star).chain(own.chars().map(Token::Is)).collect(),
            Self::Pattern(tokens) => tokens.clone(),
        }
    }

    /// Whether a component of `path` matches, in any case.
    fn is_in(&self, path: &str) -> bool {
        let bytes = path.as_bytes();
        match self {
            Self::Name(own) if bytes.is_ascii() => {
                let own = own.as_bytes();
                bytes
                    .split(|b| *b == b'/')
                    .any(|name| name.len() == own.len() && name.eq_ignore_ascii_case(own))
            }
            Self::Ending(own) if bytes.is_ascii() => bytes.split(|b| *b == b'/').any(|name| {
                let end = name.len().checked_sub(own.len()).and_then(|start| name.get(start..));
                end.is_some_and(|end| !name.is_empty() && end.eq_ignore_ascii_case(own.as_bytes()))
            }),
            _ => path.split('/').any(|name| !name.is_empty() && self.is(name)),
        }
    }

    /// Whether `name` matches, in any case.
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Depth => true,
            Self::Name(own) if name.is_ascii() => own.eq_ignore_ascii_case(name),
            Self::Name(own) => *own == fold(name),
            Self::Ending(own) if name.is_ascii() => {
                let end = name.len().checked_sub(own.len()).and_then(|start| name.as_bytes().get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(own.as_bytes()))
            }
            Self::Ending(own) => fold(name).ends_with(own.as_str()),
            Self::Pattern(tokens) => matches(tokens, &fold(name)),
        }
    }

    /// Whether something that the pattern `name` stands for may match.
    fn meets(&self, name: &str, counts_any: bool) -> bool {
        if !name.contains(['*', '?', '[']) {
            return self.is(name);
        }
        if matches!(name, "*" | "**") && !counts_any {
            return false;
        }
        let starts_with_dot = match self {
            Self::Depth => return true,
            Self::Name(own) => own.starts_with('.'),
            Self::Ending(_) => false,
            Self::Pattern(tokens) => tokens.first() == Some(&Token::Is('.')),
        };
        if starts_with_dot && name.starts_with(['*', '?']) && name != "**" {
            return false;
        }
        if name.len() > 1024 || name == "**" {
            return true;
        }
        tokens(name, false).map_or(true, |theirs| overlap(&self.spelled(), &theirs))
    }
}

/// Lower case, as file systems that ignore case have it: by way of upper case, so that the long s is an s.
fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}

/// The tokens of one component. `strict`: an open bracket without its end is an error, else a letter.
fn tokens(text: &str, strict: bool) -> Result<Vec<Token>, String> {
    let folded = fold(text);
    let mut out = Vec::new();
    let mut rest = folded.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if out.last() == Some(&Token::Star) => {}
            '*' => out.push(Token::Star),
            '?' => out.push(Token::One),
            '[' => match class(rest.as_str()) {
                Some((token, left)) => {
                    out.push(token);
                    rest = left.chars();
                }
                None if strict => return Err(format!("`{text}` opens a bracket and does not close it")),
                None => out.push(Token::Is('[')),
            },
            c => out.push(Token::Is(c)),
        }
    }
    Ok(out)
}

/// What is between brackets, and what follows them.
fn class(text: &str) -> Option<(Token, &str)> {
    let (negated, body) = match text.strip_prefix(['!', '^']) {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut rest = body.chars();
    while let Some(c) = rest.next() {
        if c == ']' && !ranges.is_empty() {
            return Some((Token::In { ranges, negated }, rest.as_str()));
        }
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(end)) if end != ']' => {
                ranges.push((c, end));
                rest = ahead;
            }
            _ => ranges.push((c, c)),
        }
    }
    None
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Star | Self::One => true,
            Self::Is(own) => *own == c,
            Self::In { ranges, negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Whether `text` matches; goes back to the last star only.
fn matches(tokens: &[Token], text: &str) -> bool {
    let (mut rest, mut of) = (text.chars(), tokens);
    // What comes behind the last star, and the text that the star has not taken yet.
    let mut star: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        let here = rest.clone();
        match (of.split_first(), rest.next()) {
            (Some((Token::Star, after)), _) => {
                star = Some((after, here.clone()));
                (rest, of) = (here, after);
            }
            (Some((token, after)), Some(c)) if token.takes(c) => of = after,
            (None, None) => return true,
            _ => {
                let Some((after, taken)) = &mut star else { return false };
                if taken.next().is_none() {
                    return false;
                }
                (rest, of) = (taken.clone(), *after);
            }
        }
    }
}

/// Whether two patterns have a text in common: each pair of positions is looked at once.
fn overlap(ours: &[Token], theirs: &[Token]) -> bool {
    let mut row = vec![false; theirs.len() + 1];
    mark(&mut row, 0);
    for at in 0..=ours.len() {
        let own = ours.get(at);
        // A star on either side passes over a letter of theirs; their star may also stand for nothing.
        for (to, other) in theirs.iter().enumerate() {
            if is_marked(&row, to) && (*other == Token::Star || own == Some(&Token::Star)) {
                mark(&mut row, to + 1);
            }
        }
        let Some(own) = own else { break };
        let mut next = vec![false; theirs.len() + 1];
        for to in (0..=theirs.len()).filter(|to| is_marked(&row, *to)) {
            match theirs.get(to) {
                _ if *own == Token::Star => mark(&mut next, to),
                Some(Token::Star) => mark(&mut next, to),
                Some(other) if common(own, other) => mark(&mut next, to + 1),
                _ => {}
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn is_marked(row: &[bool], at: usize) -> bool {
    row.get(at).copied().unwrap_or_default()
}

fn mark(row: &mut [bool], at: usize) {
    row.iter_mut().skip(at).take(1).for_each(|cell| *cell = true);
}

/// Whether two tokens that take one letter each can take the same.
fn common(ours: &Token, theirs: &Token) -> bool {
    match (ours, theirs) {
        (Token::Is(c), other) | (other, Token::Is(c)) => other.takes(*c),
        // Two sets: taken to meet.
        _ => true,
    }
}

/// Every way through the lists in braces.
fn braces(text: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(vec![text.to_owned()]) };
    let Some((inside, after)) = rest.split_once('}') else {
        return Err(format!("`{text}` opens a brace and does not close it"));
    };
    if inside.contains('{') {
        return Err(format!("`{text}` has braces inside of braces"));
    }
    let tails = braces(after)?;
    let mut ways = Vec::new();
    for part in inside.split(',') {
        for tail in &tails {
            ways.push(format!("{before}{part}{tail}"));
        }
    }
    if ways.len() > MOST {
        return Err(format!("`{text}` stands for more than {MOST} patterns"));
    }
    Ok(ways)
}
