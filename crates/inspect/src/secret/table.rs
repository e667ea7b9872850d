//! The formats, read once from `data/`.
//!
//! Answerable for what a line of the tables means. A line that cannot be read is left out; a test holds that
//! there is none.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use aho_corasick::AhoCorasick;

use super::shape::Shape;

const FORMATS: &str = include_str!("../../data/secrets.formats.tsv");
const NAMED: &str = include_str!("../../data/secrets.keys.tsv");

/// A format that tells itself by a fixed part.
pub struct Format {
    /// `github_token`: the provider first.
    pub name: String,
    /// What it looks like.
    pub shape: Shape,
    /// How many bytes at its beginning are always the same, roughly.
    pub fixed: usize,
    /// The check that it carries; empty if none.
    pub checksum: String,
    /// What it must end with.
    pub tail: String,
    /// The least entropy, in tenths of a bit per character.
    pub entropy: u32,
    /// Which words must be nearby, as numbers of [`Table::near`].
    pub near: Vec<u8>,
    /// True if it names something rather than opening it.
    pub identifier: bool,
}

/// A format that tells itself only by the name it goes by.
pub struct Named {
    /// `heroku_api_key`
    pub name: String,
    /// One of these is in the key.
    pub words: Vec<String>,
    /// What the whole value looks like.
    pub shape: Shape,
}

/// All formats.
pub struct Table {
    /// Those with a fixed part.
    pub formats: Vec<Format>,
    /// Those that go by a name.
    pub named: Vec<Named>,
    /// Words that formats want nearby.
    pub near: Vec<String>,
    /// Words of the keys, each once.
    pub words: BTreeSet<String>,
    /// Names of what opens everything.
    pub critical: BTreeSet<String>,
    names: HashMap<String, &'static str>,
    /// The words that formats go by, and whose each is.
    finder: Option<AhoCorasick>,
    of: Vec<u16>,
}

impl Table {
    /// Reads the tables.
    pub fn read() -> Self {
        let mut table = Self {
            formats: Vec::new(),
            named: Vec::new(),
            near: Vec::new(),
            words: BTreeSet::new(),
            critical: ["private_key", "private_key_encoded"].map(str::to_owned).into(),
            names: HashMap::new(),
            finder: None,
            of: Vec::new(),
        };
        FORMATS.lines().for_each(|line| table.format(line));
        for line in NAMED.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let (Some(name), Some(words), Some(shape)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let Some(shape) = Shape::read(shape) else { continue };
            let words: Vec<String> = words.split(',').map(str::to_owned).collect();
            // Words without a provider in them are among the usual ones.
            table.words.extend(words.iter().filter(|word| word.len() > 3).cloned());
            table.named.push(Named { name: name.to_owned(), words, shape });
        }
        let numbered = (0_u16..).zip(&table.named);
        table.of = numbered.flat_map(|(number, named)| named.words.iter().map(move |_| number)).collect();
        table.finder = AhoCorasick::new(table.named.iter().flat_map(|named| &named.words)).ok();
        table
    }

    /// The first format that has a word in this name, without its separators, and fits.
    pub fn going_by(&self, flat: &str, fits: impl Fn(&Named) -> bool) -> Option<&Named> {
        let found = self.finder.as_ref()?.find_overlapping_iter(flat);
        let mut formats: Vec<u16> =
            found.filter_map(|found| self.of.get(found.pattern().as_usize()).copied()).collect();
        formats.sort_unstable();
        formats.dedup();
        formats.iter().filter_map(|at| self.named.get(usize::from(*at))).find(|named| fits(named))
    }

    fn format(&mut self, line: &str) {
        let mut fields = line.split('\t');
        let (Some(name), Some(text)) = (fields.next().filter(|name| !name.starts_with('#')), fields.next())
        else {
            return;
        };
        let Some(shape) = Shape::read(text) else { return };
        let mut format = Format {
            name: name.to_owned(),
            fixed: text.bytes().take_while(|byte| !matches!(byte, b'\\' | b'[' | b'(' | b'^')).count(),
            shape,
            checksum: String::new(),
            tail: String::new(),
            entropy: 0,
            near: Vec::new(),
            identifier: false,
        };
        for option in fields.next().unwrap_or_default().split(' ') {
            match option.split_once('=') {
                Some(("sum", sum)) => sum.clone_into(&mut format.checksum),
                Some(("tail", tail)) => tail.clone_into(&mut format.tail),
                Some(("ent", tenths)) => format.entropy = tenths.parse().unwrap_or_default(),
                Some(("near", words)) => format.near = words.split(',').map(|word| self.near(word)).collect(),
                _ if option == "id" => format.identifier = true,
                _ if option == "critical" => {
                    self.critical.insert(name.to_owned());
                }
                _ => {}
            }
        }
        self.formats.push(format);
    }

    fn near(&mut self, word: &str) -> u8 {
        let at = self.near.iter().position(|known| known == word).unwrap_or_else(|| {
            self.near.push(word.to_owned());
            self.near.len() - 1
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    /// The name as it lives in findings.
    pub fn interned(&self, name: &str) -> Cow<'static, str> {
        match self.names.get(name) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FORMATS, NAMED, Table};

    #[test]
    fn every_line_is_read() {
        let table = Table::read();
        let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(table.formats.len(), lines(FORMATS));
        assert_eq!(table.named.len(), lines(NAMED));
        assert!(table.near.len() <= 64, "{}", table.near.len());
        for format in &table.formats {
            assert!(format.shape.anchor().len() >= 2, "{} has too little to be searched for", format.name);
        }
        for name in
            table.formats.iter().map(|format| &format.name).chain(table.named.iter().map(|named| &named.name))
        {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
        }
        let providers: std::collections::BTreeSet<&str> = table
            .formats
            .iter()
            .map(|format| format.name.as_str())
            .chain(table.named.iter().map(|named| named.name.as_str()))
            .collect();
        assert!(providers.len() >= 250, "{}", providers.len());
    }
}
