//! Whether a value is one: random enough for a key, no example, no reference to a value kept elsewhere.
//!
//! Answerable for telling a secret from what people write where a secret will be. Sees the value alone; what
//! it is called and where it stands is for the caller.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What a value is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Makeup {
    /// Its length in bytes.
    pub len: usize,
    /// How many digits.
    pub digits: usize,
    /// How many small letters.
    pub lower: usize,
    /// How many capitals.
    pub upper: usize,
    /// How many of anything else.
    pub signs: usize,
    /// How often the next character is of another sort.
    pub jumps: usize,
    /// How many different characters.
    pub different: usize,
    /// Bits per character, in tenths.
    pub entropy: u32,
    /// True if digits and `a` to `f` in one case make it up, dashes aside.
    pub is_hex: bool,
}

/// Looks at the first 256 bytes.
pub fn makeup(value: &[u8]) -> Makeup {
    let value = value.get(..256).unwrap_or(value);
    let mut made = tally(value);
    let mut counts = [0_u16; 256];
    // Which bytes there are: most values hold a few of all.
    let mut seen = [0_u128; 2];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
        let [low, high] = &mut seen;
        *(if *byte < 128 { low } else { high }) |= 1 << (byte & 127);
    }
    let [low, high] = seen;
    made.different = usize::try_from(low.count_ones() + high.count_ones()).unwrap_or_default();
    let above = bits(high).filter_map(|at| counts.get(at + 128));
    made.entropy = tenths(bits(low).filter_map(|at| counts.get(at)).chain(above), value.len());
    let hex = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    made.is_hex = made.lower.min(made.upper) == 0 && value.iter().all(hex);
    made
}

/// What can be said of the first 256 bytes without counting each: all but how different they are.
fn tally(value: &[u8]) -> Makeup {
    let value = value.get(..256).unwrap_or(value);
    let mut made = Makeup { len: value.len(), ..Makeup::default() };
    let mut before = 0;
    for byte in value {
        let sort = match byte {
            b'0'..=b'9' => {
                made.digits += 1;
                1
            }
            b'a'..=b'z' => {
                made.lower += 1;
                2
            }
            b'A'..=b'Z' => {
                made.upper += 1;
                3
            }
            _ => {
                made.signs += 1;
                4
            }
        };
        if before != 0 && sort != before && sort != 4 && before != 4 {
            made.jumps += 1;
        }
        before = sort;
    }
    made
}

/// Which bits of a number are set, the lowest first.
fn bits(mut number: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = usize::try_from(number.trailing_zeros()).ok().filter(|_| number != 0)?;
        number &= number - 1;
        Some(at)
    })
}

fn tenths<'c>(counts: impl Iterator<Item = &'c u16>, len: usize) -> u32 {
    let len = f32::from(u16::try_from(len.max(1)).unwrap_or(u16::MAX));
    let bits: f32 = counts
        .map(|count| {
            let share = f32::from(*count) / len;
            -share * share.log2()
        })
        .sum();
    (0..=80_u16).rev().find(|tenth| f32::from(*tenth) <= bits * 10.0).map_or(0, u32::from)
}

impl Makeup {
    /// True if it looks thrown together rather than written: characters of different sorts alternate.
    pub fn is_random(&self) -> bool {
        if self.is_hex {
            return self.len >= 16
                && self.digits * 8 >= self.len
                && self.digits < self.len
                && self.entropy >= 25;
        }
        let alnum = self.len - self.signs;
        // Words joined by capitals are none: without digits it must jump all the time.
        let mixed = self.digits > 0 && self.lower + self.upper > 0
            || self.upper * 3 >= self.len && self.lower * 3 >= self.len;
        // Words in one case with a number behind them jump once or twice; keys at nearly every other character.
        mixed && self.entropy >= least_entropy(self.len) && self.jumps * 100 >= alnum * 22 && self.jumps >= 3
    }
}

/// What a random string of this length has at least, in tenths of a bit.
fn least_entropy(len: usize) -> u32 {
    match len {
        0..12 => 24,
        12..16 => 29,
        16..24 => 32,
        _ => 35,
    }
}

/// Words that only examples have. In lower case; found anywhere.
const EXAMPLES: [&str; 29] = [
    "example",
    // The identifier that half of all documentation shows.
    "123e4567-e89b-12d3",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "changeit",
    "dummy",
    "redacted",
    "replace",
    "insert",
    "your-",
    "your_",
    "yourpass",
    "yourtoken",
    "yourkey",
    "yourapi",
    "yoursecret",
    "your ",
    "_here",
    "-here",
    "xxxx",
    "todo_",
    "fixme",
    "sample",
    "foobar",
    "notreal",
    "not-real",
    "not_real",
];

/// The same, too short to mean anything within something random.
const FAKES: [&str; 12] = [
    "fakekey",
    "fake_",
    "fake-",
    "-fake",
    "_fake",
    "mocked",
    "mock_",
    "mock-",
    "lorem",
    "supersecret",
    "super_secret",
    "super-secret",
];

/// What stands for a value and is none. In lower case; the whole value.
const STAND_INS: [&str; 45] = [
    "password",
    "passwd",
    "pass",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "apikey",
    "api_key",
    "api-key",
    "api_token",
    "access_token",
    "auth_token",
    "test",
    "testing",
    "user",
    "username",
    "admin",
    "root",
    "default",
    "bar",
    "foo",
    "baz",
    "abc",
    "abc123",
    "mytoken",
    "my-token",
    "my_token",
    "mykey",
    "my-key",
    "my_key",
    "mysecret",
    "my-secret",
    "my_secret",
    "mypassword",
    "my-password",
    "my_password",
    "secretkey",
    "secret_key",
    "secret-key",
    "some-secret",
    "some-token",
    "postgres",
    "mysql",
];

/// True if the value is an example, or stands for one kept elsewhere.
pub fn is_stand_in(value: &str) -> bool {
    is_reference(value) || is_example(value) || is_default(value)
}

/// True for the words that people put where a password will be; and that some leave there.
pub fn is_default(value: &str) -> bool {
    let lower = value.get(..40).unwrap_or(value).to_ascii_lowercase();
    let word = lower.trim_matches(['_', '-', '.', '!', ':']);
    STAND_INS.contains(&word) || NO_PASSWORDS.contains(&word)
}

/// True for those of them that can be a password, and for what one is told to change: `changeit` opens every
/// key store that nobody did it for.
pub fn is_left(value: &str) -> bool {
    let lower = value.get(..40).unwrap_or(value).to_ascii_lowercase();
    matches!(lower.as_str(), "changeme" | "change_me" | "change-me" | "changeit")
        || lower.starts_with("yourpass")
        || is_default(value) && !NO_PASSWORDS.contains(&lower.as_str())
}

/// What stands for no value, for its type or for its absence.
const NO_PASSWORDS: [&str; 21] = [
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "string",
    "str",
    "text",
    "value",
    "hidden",
    "optional",
    "required",
    "yes",
    "no",
    "on",
    "off",
    "empty",
    "bearer",
    "basic",
    "uuid",
];

/// True if whoever wrote the value did not mean it.
pub fn is_example(value: &str) -> bool {
    let lower = value.get(..256).unwrap_or(value).to_ascii_lowercase();
    WORDS.fakes.as_ref().is_some_and(|finder| finder.is_match(&lower)) || is_blank(&lower)
}

/// The same for something long and random, in which a short word may stand by chance.
pub fn is_example_token(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    // `xoxa-2-511111111-31111111111-...`: the numbers before it may be dull where the last part is not.
    let random = |part: &str| {
        part.len() >= 16 && !is_monotonous(part.as_bytes()) && makeup(part.as_bytes()).is_random()
    };
    WORDS.examples.as_ref().is_some_and(|finder| finder.is_match(&lower))
        || is_blank(&lower) && !lower.split(['-', '_', '.']).any(random)
}

/// True if someone wrote words over parts of a token and left most of it: what remains is as long as a key, and random.
pub fn is_masked(token: &str) -> bool {
    let Some(finder) = WORDS.examples.as_ref() else { return false };
    let lower = token.to_ascii_lowercase();
    let (mut left, mut from) = (String::new(), 0);
    for word in finder.find_iter(&lower) {
        left.push_str(token.get(from..word.start()).unwrap_or_default());
        from = word.end();
    }
    left.push_str(token.get(from..).unwrap_or_default());
    from > 0
        && left.len() >= 40
        && !is_blank(&left.to_ascii_lowercase())
        && makeup(left.as_bytes()).is_random()
}

fn is_blank(lower: &str) -> bool {
    let odd = |byte: u8| matches!(byte, b'.' | b'*' | b'#') || byte >= 0x80;
    is_monotonous(lower.as_bytes())
        || lower.bytes().any(odd)
            && (lower.contains("...")
                || lower.contains('…')
                || lower.contains("***")
                || lower.contains("##")
                || lower.contains('•'))
}

/// The same again and again, or the alphabet.
pub fn is_monotonous(value: &[u8]) -> bool {
    let mut same = 1_usize;
    let mut rising = 1_usize;
    let mut rises = 0_usize;
    for pair in value.array_windows::<2>() {
        let [a, b] = *pair;
        same = if a == b { same + 1 } else { 1 };
        rising = if a.is_ascii_alphabetic() && b == a.wrapping_add(1) { rising + 1 } else { 1 };
        rises += usize::from(rising > 1);
        if same >= 8 || same * 2 >= value.len().max(8) || rising >= 20 {
            return true;
        }
    }
    let different = value.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 127)).count_ones();
    different <= 3 && value.len() >= 8 || rises * 10 >= value.len() * 8 && value.len() >= 10
}

/// What is in values that are filled in elsewhere.
const HOLES: [&str; 15] = [
    "${",
    "{{",
    "#{",
    "<%",
    "$(",
    "%(",
    "{0}",
    "{1}",
    "{}",
    "%s",
    "&lt;",
    "process.env",
    "os.environ",
    "getenv",
    "ENV[",
];

/// What finds the words above.
struct Words {
    examples: Option<AhoCorasick>,
    /// Examples, and what is too short to mean anything within something random.
    fakes: Option<AhoCorasick>,
    holes: Option<AhoCorasick>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    examples: AhoCorasick::new(EXAMPLES).ok(),
    fakes: AhoCorasick::new(EXAMPLES.iter().chain(&FAKES)).ok(),
    holes: AhoCorasick::new(HOLES).ok(),
});

/// A variable, a template's hole, a call: the value itself is elsewhere.
pub fn is_reference(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(b' '), bytes.last().copied().unwrap_or(b' '));
    let closed = matches!(
        (first, last),
        (b'<', b'>') | (b'[', b']') | (b'{', b'}') | (b'%', b'%') | (b'@', b'@') | (b'_', b'_')
    );
    // A `$` opens a variable where nothing but a name follows; `$2a$10$...` and `$ecret!1` are none.
    let named = |rest: &str| {
        rest.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'>' | b'-'))
    };
    let variable = value.strip_prefix('$').or_else(|| value.strip_prefix("@")).is_some_and(|rest| {
        !rest.is_empty()
            && named(rest)
            && !(rest.bytes().any(|byte| byte.is_ascii_digit())
                && rest.len() < 14
                && rest.bytes().any(|byte| byte.is_ascii_uppercase())
                && rest.bytes().any(|byte| byte.is_ascii_lowercase()))
    });
    // `$BASE/path`: a variable and more.
    let path = value.strip_prefix('$').is_some_and(|rest| {
        let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        name >= 3 && rest.as_bytes().get(name) == Some(&b'/')
    });
    closed
        || variable
        || path
        || matches!(first, b'<' | b'{' | b'(' | b'*')
        || WORDS.holes.as_ref().is_some_and(|finder| finder.is_match(value))
        || first == b'[' && !value.contains(']')
}

/// A name, path, address, version or date rather than something random.
pub fn is_named_thing(value: &str, made: &Makeup) -> bool {
    let bytes = value.as_bytes();
    if value.contains("://")
        || bytes.first() == Some(&b'/')
        || value.starts_with("./")
        || value.starts_with("~/")
    {
        return true;
    }
    if value.contains('\\')
        || value.starts_with("arn:")
        || value.starts_with("sha256:")
        || value.starts_with("sha512-")
    {
        return true;
    }
    let ending = value.rsplit_once('.').map_or("", |(_, end)| end);
    if ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
        return true;
    }
    // Parts that read like words, with signs between them.
    let parts = value.split(['-', '_', '.', ':', '/', ',', ' ']).filter(|part| !part.is_empty());
    let wordy = |part: &str| {
        let made = tally(part.as_bytes());
        made.len <= 4
            || made.digits == made.len
            || made.digits == 0 && made.upper * 4 <= made.len
            || made.jumps <= 2 && made.digits <= 5
    };
    let (mut words, mut all) = (0, 0);
    for part in parts {
        all += 1;
        words += usize::from(wordy(part));
    }
    !made.is_hex && all > 1 && words == all && !(all >= 4 && made.jumps * 4 > made.len)
}

/// How files end.
const ENDINGS: [&str; 48] = [
    "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "css", "js", "mjs", "ts", "tsx", "jsx", "json",
    "yaml", "yml", "toml", "xml", "html", "htm", "md", "txt", "pem", "crt", "cer", "key", "p12", "pfx",
    "jks", "keytab", "log", "csv", "tar", "gz", "zip", "tgz", "whl", "py", "rb", "go", "rs", "java", "php",
    "sh", "so", "dll", "com", "org",
];

/// True if what follows makes a file name of it.
pub fn is_file_name(text: &str, end: usize) -> bool {
    let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix('.')) else { return false };
    let len = rest.bytes().take(6).take_while(u8::is_ascii_alphanumeric).count();
    let ending = rest.get(..len).unwrap_or_default();
    ENDINGS.get(..19).is_some_and(|endings| endings.contains(&ending))
}

/// True for eight, four, four, four and twelve hexadecimal digits.
pub fn is_uuid(value: &str) -> bool {
    let mut lengths = value
        .split('-')
        .map(|part| if part.bytes().all(|byte| byte.is_ascii_hexdigit()) { part.len() } else { 0 });
    [8, 4, 4, 4, 12].iter().all(|len| lengths.next() == Some(*len)) && lengths.next().is_none()
}
