//! The operator's own patterns: which of them match at all in one pass, and only then where.

use std::sync::OnceLock;

use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternSet};
use verdict::Risk;

use crate::Hit;

/// The most places at which one pattern is reported in one block.
const MOST: usize = 1_000;
/// What the automata may hold while they run.
const CACHE: usize = 16 << 20;

#[derive(Debug)]
struct One {
    name: String,
    pattern: String,
    regex: OnceLock<Option<Regex>>,
}

/// All patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    all: Option<Regex>,
    each: Vec<One>,
}

fn build(patterns: &[&str], kind: MatchKind) -> Result<Regex, Box<BuildError>> {
    let config = Regex::config().match_kind(kind).hybrid_cache_capacity(CACHE).nfa_size_limit(Some(64 << 20));
    Regex::builder().configure(config).build_many(patterns).map_err(Box::new)
}

impl Patterns {
    /// Reads them; the error names the one that is none.
    pub fn new(patterns: &[(String, String)]) -> Result<Self, String> {
        for (name, pattern) in patterns {
            if let Err(why) = syntax::parse(pattern) {
                let why = why.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return Err(format!("the pattern `{name}` is no regular expression: {why}"));
            }
        }
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let texts: Vec<&str> = patterns.iter().map(|(_, pattern)| pattern.as_str()).collect();
        let all =
            build(&texts, MatchKind::All).map_err(|_| "the patterns are too large together".to_owned())?;
        let one = |(name, pattern): &(String, String)| One {
            name: name.clone(),
            pattern: pattern.clone(),
            regex: OnceLock::new(),
        };
        Ok(Self { all: Some(all), each: patterns.iter().map(one).collect() })
    }

    /// Adds every place where one matches.
    pub fn find(&self, text: &str, hits: &mut Vec<Hit>) {
        let Some(all) = &self.all else { return };
        let mut which = PatternSet::new(self.each.len());
        all.which_overlapping_matches(&Input::new(text), &mut which);
        for one in which.iter().filter_map(|number| self.each.get(number.as_usize())) {
            let regex = one.regex.get_or_init(|| build(&[&one.pattern], MatchKind::LeftmostFirst).ok());
            let Some(regex) = regex else { continue };
            for found in regex.find_iter(text).filter(|found| !found.is_empty()).take(MOST) {
                hits.push(Hit {
                    kind: "pattern",
                    name: one.name.clone().into(),
                    span: found.range(),
                    severity: Risk::High,
                    confidence: 100,
                    verified: None,
                });
            }
        }
    }
}
