//! One glance at a text: might it mean something else to a shell or a database than it says?
//!
//! Answerable for never passing over a word that runs, removes or hides, nor a sign that builds such a word out of
//! pieces; and for costing a nanosecond per byte. What the text means is `meaning`'s.

/// What runs, removes or hides: what a shell is asked about.
const COMMANDS: &[&str] = &[
    "rm",
    "find",
    "dd",
    "mkfs",
    "mke2fs",
    "shred",
    "unlink",
    "rmdir",
    "wipefs",
    "fdisk",
    "parted",
    "truncate",
    "chmod",
    "chown",
    "git",
    "eval",
    "exec",
    "source",
    "python",
    "python3",
    "perl",
    "ruby",
    "node",
    "php",
    "xargs",
    "mv",
    "del",
    "format",
    "kubectl",
    "docker",
    "terraform",
    "rsync",
];
/// What a database is asked about.
const STATEMENTS: &[&str] =
    &["drop", "truncate", "delete", "alter", "exec", "execute", "prepare", "update", "grant", "remove", "rm"];
/// What an apostrophe leaves behind it in English.
const ENDINGS: &[&str] = &["t", "s", "re", "ve", "ll", "d", "m"];

/// What may read it otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// A shell.
    pub command: bool,
    /// A database.
    pub statement: bool,
}

/// What a byte is.
const WORD: u8 = 1;
const SIGN: u8 = 2;
/// One entry a byte.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let it = byte as u8;
        #[expect(clippy::indexing_slicing, reason = "below 256, and the compiler runs it")]
        if it.is_ascii_alphanumeric() || it == b'_' {
            kinds[byte] = WORD;
        } else if matches!(it, b'$' | b'`' | b'\\' | b'{' | b'}' | b'\'' | b'"' | b'>' | b'/' | b'-' | b'|') {
            kinds[byte] = SIGN;
        }
        byte += 1;
    }
    kinds
};

/// For each length of a word, the letters that one of this length begins with: one bit each.
const BEGINNINGS: [u32; 16] = {
    let mut beginnings = [0; 16];
    let lists = [COMMANDS, STATEMENTS];
    let mut n = 0;
    #[expect(clippy::indexing_slicing, reason = "bounded by the lists, and the compiler runs it")]
    while n < lists.len() {
        let mut at = 0;
        while at < lists[n].len() {
            let word = lists[n][at].as_bytes();
            beginnings[word.len()] |= 1 << (word[0] & 31);
            at += 1;
        }
        n += 1;
    }
    beginnings
};

fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(SIGN)
}

/// Looks at the whole text, or until both are certain.
pub fn glance(text: &str) -> Glance {
    let bytes = text.as_bytes();
    let mut seen = Glance::default();
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match kind(*byte) {
            WORD => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().position(|byte| kind(*byte) != WORD).unwrap_or(rest.len());
                word(rest.get(..length).unwrap_or_default(), &mut seen);
                at = at.saturating_add(length);
                continue;
            }
            SIGN => sign(bytes, at, *byte, &mut seen),
            _ => (),
        }
        if seen.command && seen.statement {
            break;
        }
        at = at.saturating_add(1);
    }
    seen
}

#[inline]
fn word(word: &[u8], seen: &mut Glance) {
    let Some(beginnings) = BEGINNINGS.get(word.len()) else { return };
    if let [first, ..] = word
        && beginnings >> (first & 31) & 1 == 1
        && first.is_ascii_alphabetic()
    {
        let is = |list: &[&str]| list.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
        seen.command |= is(COMMANDS);
        seen.statement |= is(STATEMENTS);
    }
    // Shells: `sh`, `bash`, `zsh`, `dash`, `fish`, `pwsh`.
    if let [before @ .., s, h] = word
        && s | 0x20 == b's'
        && h | 0x20 == b'h'
        && before.len() <= 4
        && before.iter().all(u8::is_ascii_alphabetic)
    {
        seen.command = true;
    }
}

/// What a shell replaces or takes away, and what a database passes over.
fn sign(bytes: &[u8], at: usize, byte: u8, seen: &mut Glance) {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let behind = bytes.get(at.saturating_add(1)..).unwrap_or_default();
    let next = behind.first().copied().unwrap_or(b' ');
    match byte {
        b'$' | b'`' | b'\\' => seen.command = true,
        // Braces build words where they touch one.
        b'{' => seen.command |= !is_apart(before),
        b'}' => seen.command |= !is_apart(next),
        b'\'' | b'"' => seen.command |= before.is_ascii_alphabetic() && is_joint(bytes, at, behind),
        b'>' => {
            let to = behind.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
            seen.command |= to == Some(&b'/');
        }
        b'/' => seen.statement |= next == b'*',
        _ => seen.statement |= next == byte,
    }
}

/// True for what parts a brace from a word, in any text that has braces: JSON, code.
fn is_apart(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b':' | b';' | b'(' | b')' | b'[' | b']' | b'}')
}

/// True if quotes join letters, as in `r''m`, and are not the apostrophe of `don't`.
fn is_joint(bytes: &[u8], at: usize, behind: &[u8]) -> bool {
    let quotes = behind.iter().take_while(|byte| matches!(byte, b'\'' | b'"')).count();
    let rest = behind.get(quotes..).unwrap_or_default();
    if !rest.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (ending, rest) = rest.split_at_checked(letters).unwrap_or_default();
    let ends = ENDINGS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(ending));
    let blank = rest.iter().find(|byte| !matches!(byte, b'.' | b',' | b'!' | b'?'));
    let apart = blank.is_none_or(u8::is_ascii_whitespace);
    // A word that another quote is in may be put together of pieces.
    let start = bytes.get(..at).unwrap_or_default();
    let piece = start.iter().rev().take_while(|byte| !byte.is_ascii_whitespace());
    let alone = !piece.into_iter().any(|byte| matches!(byte, b'\'' | b'"'));
    !(quotes == 0 && ends && apart && alone && bytes.get(at) == Some(&b'\''))
}
