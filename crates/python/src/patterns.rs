//! Many regular expressions over one text, in one pass.
//!
//! Answerable for time that grows with the text and not with the number of patterns, and never without bound: what
//! needs to go back (look-around, back-references) does so within a budget, and beyond it counts as found.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use regex::{RegexSet, RegexSetBuilder};

use crate::meaning::{is_apart, meanings};
use crate::needed::fold;
use crate::sieve::{Sieve, sieve};

/// How large one set may become, in bytes of compiled program.
const LARGEST: usize = 256 << 20;
/// How large the cache of its automaton may become.
const CACHE: usize = 64 << 20;
/// How many steps a pattern that goes back may take over one text.
const STEPS: usize = 100_000;
/// Texts longer than this are matched without the interpreter.
const LONG: usize = 2_048;

/// Compiled patterns. Immutable, usable from any thread.
#[pyclass(frozen, module = "portcullis._engine")]
pub struct Patterns {
    set: RegexSet,
    /// Which pattern each member of the set is.
    members: Vec<usize>,
    sifted: Option<Sifted>,
    /// Patterns that the set cannot hold.
    odd: Vec<(usize, fancy_regex::Regex)>,
}

/// What is asked before the set is.
struct Sifted {
    /// Speaks for all of the set but `rest`.
    sieve: Sieve,
    rest: RegexSet,
    /// True if it speaks for all of them, and looks for nothing that words could be parted by.
    of_words: bool,
    /// Which pattern each member of `rest` is.
    members: Vec<usize>,
}

#[pymethods]
impl Patterns {
    /// Compiles them. Raises `ValueError` for the first that is none: `(index, sentence)`.
    #[new]
    fn new(py: Python<'_>, patterns: Vec<String>) -> PyResult<Self> {
        py.detach(|| Self::compile(&patterns)).map_err(|(at, why)| PyValueError::new_err((at, why)))
    }

    /// The patterns that `text` has, in order. With `meaning`, also those that one of its meanings has: the text
    /// without what hides in it, and what a shell or a database would make of it.
    #[pyo3(signature = (text, meaning=false))]
    fn find(&self, py: Python<'_>, text: &str, meaning: bool) -> Vec<usize> {
        if text.len() > LONG { py.detach(|| self.search(text, meaning)) } else { self.search(text, meaning) }
    }

    /// Which of many texts have any pattern, in order.
    #[pyo3(signature = (texts, meaning=false))]
    fn find_many(&self, py: Python<'_>, texts: Vec<PyBackedStr>, meaning: bool) -> Vec<usize> {
        py.detach(|| {
            let has = |text: &str| {
                let passed = self.lets_through(text);
                self.has(text, passed)
                    || (meaning
                        && meanings(text, self.may_have_bare(passed))
                            .iter()
                            .any(|other| self.has(other, self.lets_through(other))))
            };
            texts.iter().enumerate().filter(|(_, text)| has(text)).map(|(n, _)| n).collect()
        })
    }

    fn __len__(&self) -> usize {
        self.members.len().saturating_add(self.odd.len())
    }
}

impl Patterns {
    fn compile(patterns: &[String]) -> Result<Self, (usize, String)> {
        if let Ok(set) = build(patterns) {
            let members: Vec<usize> = (0..patterns.len()).collect();
            let sifted = Sifted::new(patterns, &members);
            return Ok(Self { set, members, sifted, odd: Vec::new() });
        }
        // Some of them are not for the set: which, is asked one by one.
        let (mut plain, mut members, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        for (n, pattern) in patterns.iter().enumerate() {
            if regex::Regex::new(pattern).is_ok() {
                plain.push(pattern.clone());
                members.push(n);
                continue;
            }
            let built = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(STEPS).build();
            odd.push((n, built.map_err(|error| (n, error.to_string()))?));
        }
        let set = build(&plain);
        let set = set.map_err(|error| (0, format!("all patterns together are too large: {error}")))?;
        let sifted = Sifted::new(&plain, &members);
        Ok(Self { set, members, sifted, odd })
    }

    fn search(&self, text: &str, meaning: bool) -> Vec<usize> {
        let mut found = Vec::new();
        let passed = self.lets_through(text);
        self.one(text, passed, &mut found);
        if meaning {
            for other in meanings(text, self.may_have_bare(passed)) {
                self.one(&other, self.lets_through(&other), &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// False if the sieve keeps the text back.
    fn lets_through(&self, text: &str) -> bool {
        self.sifted.as_ref().is_none_or(|it| it.sieve.lets_through(text))
    }

    /// Whether a text may match without the quotes around its words though it does not with them: not where the sieve
    /// keeps it back and looks for whole words, as those are there with quotes and without.
    fn may_have_bare(&self, passed: bool) -> bool {
        passed || !self.odd.is_empty() || !self.sifted.as_ref().is_some_and(|it| it.of_words)
    }

    fn has(&self, text: &str, passed: bool) -> bool {
        let (set, _) = self.asked(passed);
        (!set.is_empty() && set.is_match(text))
            || self.odd.iter().any(|(_, pattern)| pattern.is_match(text).unwrap_or(true))
    }

    /// The patterns that may match, and which each of them is.
    fn asked(&self, passed: bool) -> (&RegexSet, &[usize]) {
        match &self.sifted {
            Some(it) if !passed => (&it.rest, &it.members),
            _ => (&self.set, &self.members),
        }
    }

    fn one(&self, text: &str, passed: bool, found: &mut Vec<usize>) {
        let (set, members) = self.asked(passed);
        if !set.is_empty() && set.is_match(text) {
            found.extend(set.matches(text).iter().filter_map(|at| members.get(at)));
        }
        for (n, pattern) in &self.odd {
            if pattern.is_match(text).unwrap_or(true) {
                found.push(*n);
            }
        }
    }
}

impl Sifted {
    fn new(patterns: &[String], members: &[usize]) -> Option<Self> {
        let (sieve, others) = sieve(patterns)?;
        let parting =
            |byte| (0..=u8::MAX).any(|it| fold(it) == byte && (is_apart(it) || matches!(it, b'\'' | b'"')));
        let of_words = others.is_empty() && !sieve.has(parting);
        let rest: Vec<String> = others.iter().filter_map(|at| patterns.get(*at)).cloned().collect();
        let members = others.iter().filter_map(|at| members.get(*at)).copied().collect();
        Some(Self { sieve, rest: build(&rest).ok()?, of_words, members })
    }
}

fn build(patterns: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns).size_limit(LARGEST).dfa_size_limit(CACHE).build()
}
