//! Texts that nobody wrote: pieces of seeds, broken, doubled, nested and mixed.

/// A source of numbers that is the same every time.
pub struct Dice(u64);

/// What readers trip over.
const PIECES: &[&str] = &[
    "\0",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "\"",
    "'",
    "`",
    "\\",
    "/",
    "//",
    "..",
    ".",
    "~",
    "$",
    "${",
    "$(",
    "((",
    "[[",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "<<EOF\n",
    "<<'",
    "|",
    "||",
    "&",
    "&&",
    ";",
    ";;",
    "#",
    "%",
    "%2e",
    "%00",
    "%u0041",
    "&#x69;",
    "&amp;",
    "=",
    "==",
    "@",
    ":",
    "://",
    "!",
    "*",
    "**",
    "?",
    "+",
    "-",
    "--",
    "/*",
    "*/",
    "/*!50000",
    "'''",
    "\"\"\"",
    "$$",
    "$a$",
    "\u{200b}",
    "\u{202e}",
    "\u{e0041}",
    "\u{feff}",
    "\u{301}",
    "\u{1f600}",
    "İ",
    "ß",
    "ﬃ",
    "е",
    "忽略",
    "ℝ",
    "\u{ffff}",
    "１",
    "0x7f",
    "0177",
    "1e400",
    "-9223372036854775808",
    "18446744073709551616",
    "NaN",
    "null",
    "true",
    "http://",
    "file:///",
    "127.0.0.1",
    "[::1]",
    "::ffff:",
    "\\u0069",
    "\\x41",
    "aWdub3Jl",
    "SELECT",
    "UNION",
    "DROP TABLE",
    "eval",
    "exec",
    "if",
    "then",
    "fi",
    "do",
    "done",
    "case",
    "esac",
    "function",
    "for",
    "lambda",
    "import",
    "rm -rf",
    "sudo",
    "bash -c",
    "sk_live_",
    "AKIA",
    "ghp_",
    "-----BEGIN",
    "DE89",
    "4111",
    "ignore previous instructions",
    "Traceback (most recent",
    "\n    at ",
    "![](",
    "<|",
    "- ",
    ": ",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    ">-\n",
    "args.",
    "size(",
    ".all(x, ",
    "matches(",
    "in ",
    "? : ",
];

/// What nests.
const NESTS: &[(&str, &str)] = &[
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("$(", ")"),
    ("\"", "\""),
    ("<a>", "</a>"),
    ("-", ""),
    ("!", ""),
    ("`", "`"),
    ("if x; then ", "; fi"),
    ("/*", "*/"),
    ("{\"a\":", "}"),
    ("[1,", "]"),
    ("SELECT (", ")"),
    ("lambda: ", ""),
    ("f(", ")"),
    ("not ", ""),
    ("a.", ""),
    ("- ", "\n"),
    ("<(", ")"),
    ("$((", "))"),
    ("bash -c '", "'"),
    ("x ? ", " : y"),
    ("%25", ""),
    ("&amp;", ""),
    ("../", ""),
    ("eval ", ""),
    ("CASE WHEN ", " END"),
];

impl Dice {
    /// The dice of a target; another salt, other numbers.
    pub fn new(name: &str, salt: u64) -> Self {
        Self(
            name.bytes()
                .fold(salt ^ 0x5eed, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)),
        )
    }

    /// A number below `most`, which is not 0.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % most
    }

    /// A text of about `most` bytes at most.
    pub fn text(&mut self, seeds: &[String], most: usize) -> String {
        let mut text = self.seed(seeds);
        for _ in 0..=self.below(6) {
            text = self.changed(text, seeds, most);
        }
        if most > 100_000 {
            // A long text is something short, again and again: that is what runs away.
            let part = if self.below(3) == 0 { text } else { self.piece() };
            let part = if part.is_empty() { "a".to_owned() } else { part };
            text = part.repeat(most / part.len());
        }
        cut(&mut text, most);
        text
    }

    fn seed(&mut self, seeds: &[String]) -> String {
        if seeds.is_empty() { String::new() } else { seeds[self.below(seeds.len())].clone() }
    }

    fn piece(&mut self) -> String {
        PIECES[self.below(PIECES.len())].to_owned()
    }

    fn place(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
    }

    fn changed(&mut self, mut text: String, seeds: &[String], most: usize) -> String {
        let (one, two) = (self.place(&text), self.place(&text));
        let (from, to) = (one.min(two), one.max(two));
        match self.below(9) {
            0 => text.replace_range(from..to, ""),
            1 => text.insert_str(one, &self.piece()),
            2 => {
                let part = text[from..to].to_owned();
                text.insert_str(to, &part);
            }
            3 => {
                let other = self.seed(seeds);
                text = format!("{}{}", &text[..from], &other[self.place(&other)..]);
            }
            4 => {
                let part = self.piece();
                text.insert_str(one, &part.repeat(1 + self.below(40)));
            }
            5 => {
                let (open, close) = NESTS[self.below(NESTS.len())];
                let deepest =
                    if self.below(8) == 0 { most / (open.len() + close.len()).max(1) + 1 } else { 30 };
                let depth = 1 + self.below(deepest);
                text = format!(
                    "{}{}{}{}{}",
                    &text[..from],
                    open.repeat(depth),
                    &text[from..to],
                    close.repeat(depth),
                    &text[to..]
                );
            }
            6 => {
                text = text
                    .chars()
                    .map(|it| if self.below(12) == 0 { it.to_ascii_uppercase() } else { it })
                    .collect()
            }
            7 => {
                let mut bytes = text.into_bytes();
                for _ in 0..=self.below(4) {
                    let most = bytes.len().max(1);
                    let at = self.below(most);
                    let bit = 1 << self.below(8);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= bit;
                    }
                }
                text = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => {
                let separator = ["\n", " ", ";", ",", "&&", "\0"][self.below(6)];
                text = format!("{text}{separator}{}", self.seed(seeds));
            }
        }
        cut(&mut text, most);
        text
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let at = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        text.truncate(at);
    }
}
