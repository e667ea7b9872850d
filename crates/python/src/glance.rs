//! One glance at a text: might it mean something else to a shell or a database than it says?
//!
//! Answerable for never passing over a word that runs, removes or hides, nor a sign that builds such a word out of
//! pieces; and for costing about a nanosecond per byte. What the text means is `meaning`'s.

use inspect::bits::{WIDTH, blocks, mask, rest};

/// What runs, removes or hides, and what must not be written over: what a shell is asked about.
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
    "bfs",
    "bun",
    "chattr",
    "chgrp",
    "deno",
    "erase",
    "gchmod",
    "gchown",
    "gfind",
    "gmv",
    "grm",
    "pypy",
    "pypy3",
    "rd",
    "rename",
    "rimraf",
    "setfacl",
    "srm",
    "wipe",
    "zip",
    // Programs that run code of their own, and what code removes trees with.
    "elixir",
    "groovy",
    "guile",
    "ipython",
    "jruby",
    "julia",
    "lua",
    "luajit",
    "nodejs",
    "osascript",
    "racket",
    "removesync",
    "rmdirsync",
    "rmsync",
    "rmtree",
    "rscript",
    "shutil",
    "tsx",
    // Where a machine keeps what it needs to start and to let people in, and its disks: any program may write there.
    "boot",
    "dev",
    "etc",
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

/// The numbers of all words, in sixteen times sixty-four bits: most others are not among them.
const NUMBERS: [u64; 16] = {
    let mut numbers = [0; 16];
    let lists = [COMMANDS, STATEMENTS];
    let mut n = 0;
    #[expect(clippy::indexing_slicing, reason = "bounded by the lists, and the compiler runs it")]
    while n < lists.len() {
        let mut at = 0;
        while at < lists[n].len() {
            let place = place(lists[n][at].as_bytes());
            numbers[place >> 6] |= 1 << (place & 63);
            at += 1;
        }
        n += 1;
    }
    numbers
};

/// Which of the bits is a word's, by its ends and its length, in any case.
#[expect(clippy::cast_possible_truncation, reason = "a few bits of a number")]
const fn place(word: &[u8]) -> usize {
    let [a, b, ..] = word else { return 0 };
    let [.., y, z] = word else { return 0 };
    let ends = u32::from_le_bytes([*a, *b, *y, *z]) | 0x2020_2020;
    (ends.wrapping_mul(0x9E37_79B1).wrapping_add((word.len() as u32).wrapping_mul(0x85EB_CA6B)) >> 22)
        as usize
}

const fn is_word(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'_')
}

/// What a shell or a database may not take for what it is. Braces and `|` stand in a row,
/// and `-` and `/` differ in one bit.
const fn is_sign(byte: u8) -> bool {
    (byte.wrapping_sub(b'{') < 3)
        | (byte & !2 == b'-')
        | (byte == b'$')
        | (byte == b'`')
        | (byte == b'\\')
        | (byte == b'\'')
        | (byte == b'"')
        | (byte == b'>')
}

/// Looks at the whole text, or until both are certain.
pub fn glance(text: &str) -> Glance {
    let bytes = text.as_bytes();
    // A shell leaves NULs out: `r\0m` is a word that is put together, like `r''m`.
    let mut seen = Glance { command: bytes.contains(&0), ..Glance::default() };
    let rest = rest(bytes);
    let (mut from, mut inside) = (0_usize, 0);
    for block in blocks(bytes, &rest) {
        let words = mask(block, is_word);
        let signs = mask(block, is_sign);
        let behind = bytes.get(from.saturating_add(WIDTH)..).unwrap_or_default();
        each(words & !(words << 1 | inside), |at| {
            let start = from.saturating_add(at);
            let end = start.saturating_add(length(words, at, behind));
            word(bytes.get(start..end).unwrap_or_default(), &mut seen);
        });
        each(signs, |at| sign(bytes, from.saturating_add(at), &mut seen));
        if seen.command && seen.statement {
            break;
        }
        inside = words >> 63;
        from = from.saturating_add(WIDTH);
    }
    seen
}

/// Calls with each bit that is set.
#[inline]
fn each(mut bits: u64, mut call: impl FnMut(usize)) {
    while bits != 0 {
        call(bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
    }
}

/// Whether a word is of the lists.
#[inline]
fn word(word: &[u8], seen: &mut Glance) {
    let place = place(word);
    if NUMBERS.get(place >> 6).is_some_and(|bits| bits >> (place & 63) & 1 == 1) {
        known(word, seen);
    }
    // Shells: `sh`, `bash`, `zsh`, `dash`, `fish`, `pwsh`.
    if let [before @ .., b's' | b'S', b'h' | b'H'] = word
        && before.len() <= 4
    {
        seen.command |= before.iter().all(u8::is_ascii_alphabetic);
    }
}

#[cold]
fn known(word: &[u8], seen: &mut Glance) {
    let is = |list: &[&str]| list.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
    seen.command |= is(COMMANDS);
    seen.statement |= is(STATEMENTS);
}

/// How many bytes a word at `at` of a block has, whose bytes of words these are, and how many behind the block.
#[inline]
fn length(words: u64, at: usize, behind: &[u8]) -> usize {
    let length = (!(words >> at)).trailing_zeros() as usize;
    if at.saturating_add(length) < WIDTH {
        return length;
    }
    length.saturating_add(behind.iter().take_while(|byte| is_word(**byte)).count())
}

/// What a shell replaces or takes away, and what a database passes over.
fn sign(bytes: &[u8], at: usize, seen: &mut Glance) {
    let byte = bytes.get(at).copied().unwrap_or(b' ');
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
        b'-' | b'|' => seen.statement |= next == byte,
        _ => (),
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
