//! Marks that are not words: borders that only a chat template or a tool protocol may draw, and links that
//! carry data.
//!
//! Answerable for their patterns, which words make it worth looking for them, and what a link gives away.
//! Looked for only in stretches that [`worth`] woke.

use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::meta::Regex;

/// A mark: what it is called, how sure it makes one, and where it is.
pub(super) type Mark = (&'static str, u8, Range<usize>);

/// Words that may be part of a mark.
pub(super) const WORDS: &[&str] = &[
    "system",
    "assistant",
    "user",
    "human",
    "im",
    "inst",
    "sys",
    "endoftext",
    "end",
    "start",
    "begin",
    "eot",
    "tool",
    "function",
    "document",
    "important",
    "information",
    "instructions",
    "instruction",
    "admin",
    "developer",
    "override",
    "http",
    "https",
    "antml",
    "role",
    "ai",
    "secret",
    "hidden",
    "reserved",
    "message",
    "channel",
    "observation",
    "invoke",
    "new",
    "query",
    "data",
    "context",
    "input",
    "prompt",
    "bos",
    "eos",
];

/// What a pattern finds.
#[derive(Clone, Copy)]
enum Sort {
    /// A border of a role or a tool's answer, and how sure it makes one.
    Role(u8),
    /// A frame in which tool descriptions give orders.
    Frame(u8),
    /// A picture, which is loaded unasked.
    Picture,
    /// A link, which somebody has to follow.
    Link,
}

const PATTERNS: &[(Sort, &str)] = &[
    (
        Sort::Role(92),
        r"(?i)<\|\s*(?:im_start|im_sep|start_header_id|system|user|assistant|begin_of_text|tool|developer|channel|message|start)\s*\|>\s*(?:system|developer|assistant|user|tool|ignore|you|new|analysis|final)?",
    ),
    (
        Sort::Role(70),
        r"(?i)<\|\s*(?:im_end|end_header_id|eot_id|eom_id|endoftext|end_of_text|end|return|call|endofprompt|fim_[a-z]+)\s*\|>",
    ),
    (Sort::Role(75), r"(?i)</?(?:start|end)_of_turn>|<s>\s*\[inst\]|\[/inst\]\s*</s>"),
    (Sort::Role(80), r"\[/?INST\]|<</?SYS>>|\[/?SYSTEM_PROMPT\]|\[/?AVAILABLE_TOOLS\]|\[/?TOOL_RESULTS\]"),
    (
        Sort::Role(82),
        r"(?i)</?\s*(?:tool_results?|tool_response|tool_outputs?|tool_calls?|function_results?|function_response|function_calls?|user_query|user_input|system_prompt|system_message|system-reminder|system_instructions?|assistant_response|antml:[a-z_]+|untrusted_(?:data|text|content|input)|retrieved_(?:documents?|context)|admin_(?:message|override|instructions?)|developer_(?:message|instructions?)|(?:secret|hidden|new|ai|llm|model|assistant|agent)_(?:instructions?|prompt|message|directive))\s*>",
    ),
    (Sort::Role(66), r"(?i)<\s*/?\s*(?:system|admin|instructions?|developer|override|assistant)\s*>\s*\S"),
    (
        Sort::Frame(74),
        r"</?\s*(?:IMPORTANT|INFORMATION|CRITICAL|SYSTEM|INSTRUCTIONS?|SECRET|HIDDEN|MANDATORY)\s*>",
    ),
    (
        Sort::Role(72),
        r"(?im)^[ \t>*]*#{1,6}[ \t]*\**(?:system|assistant|new instructions?|system (?:prompt|message|instructions?|override|note)|instructions? for (?:the )?(?:ai|assistant|llm)[a-z ]*|ai instructions?)\**[ \t]*:",
    ),
    (
        Sort::Role(74),
        r"(?i)\[\s*(?:system|admin|developer|assistant|ai|llm)[ _-]+(?:message|override|prompt|instructions?|note|notice|command|directive|alert|update)\s*\]|\[\s*(?:end|begin|start) (?:of )?(?:system|user|document|context|data|input|prompt|tool|conversation|instructions?)[a-z ]*\]",
    ),
    (
        Sort::Role(68),
        r"(?i)(?:-{2,}|={2,}|\*{2,}|#{2,}|<{2,}|~{2,}|_{2,})[ \t]*(?:end|begin|start|stop|new|beginning)[ \t](?:of[ \t])?(?:the[ \t])?(?:system|user|document|context|data|input|prompt|tool|conversation|instructions?|untrusted|email|message|search|web)[a-z \t]*(?:-{2,}|={2,}|\*{2,}|#{2,}|>{2,}|~{2,}|_{2,})",
    ),
    (
        Sort::Role(72),
        r"(?i)(?:^|\n)[ \t]*system[ \t]*:[ \t]*(?:you|ignore|new|the user|from now|disregard|override|forget|your|please|instruction|attention|do not)",
    ),
    (Sort::Role(64), r"\n\n(?:Human|H|User): [^\n]*\n+(?:Assistant|A|AI|System): "),
    (Sort::Role(64), r"\n\n(?:Assistant|AI): [^\n]*\n+(?:Human|User|System): "),
    (
        Sort::Role(60),
        r#"(?i)[\{,]\s*["']role["']\s*:\s*["'](?:system|developer)["']\s*,\s*["']content["']\s*:\s*["']\s*(?:ignore|you must|new|disregard|forget|override|from now)"#,
    ),
    (Sort::Picture, r"(?i)!\[[^\]\n]*\]\(\s*<?https?://[^)\n]*\)?|<img[^>\n]*src\s*=\s*[^>\n]*>"),
    (Sort::Link, r"(?i)\[[^\]\n]*\](?:\(\s*<?|:[ \t]*)https?://[^)\n]*\)?"),
];

static ALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let patterns: Vec<&str> = PATTERNS.iter().map(|(_, pattern)| *pattern).collect();
    Regex::new_many(&patterns).ok()
});

/// Calls `found` for every mark in a stretch of the text.
pub(super) fn find(text: &str, stretch: Range<usize>, mut found: impl FnMut(Mark)) {
    let Some(regex) = ALL.as_ref() else { return };
    let input = regex_automata::Input::new(text).span(stretch);
    for mark in regex.find_iter(input) {
        let Some((sort, _)) = PATTERNS.get(mark.pattern().as_usize()) else { continue };
        let written = text.get(mark.range()).unwrap_or_default();
        match sort {
            Sort::Role(confidence) => found(("role_spoof", *confidence, mark.range())),
            Sort::Frame(confidence) => found(("tool_poisoning", *confidence, mark.range())),
            Sort::Picture => {
                if let Some(confidence) = carries(written) {
                    found(("exfiltration", confidence, mark.range()));
                }
            }
            Sort::Link => {
                if let Some(confidence) = carries(written).filter(|it| *it > 60) {
                    found(("exfiltration", confidence - 12, mark.range()));
                }
            }
        }
    }
}

/// Whether a word of [`WORDS`] stands where a mark could be.
pub(super) fn worth(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let before = |back: usize| at.checked_sub(back).and_then(|at| bytes.get(at)).copied();
    let rest = bytes.get(at..).unwrap_or_default();
    let says = |words: &[&str]| {
        let is =
            |word: &&str| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes()));
        words.iter().any(is)
    };
    if says(&["http"]) {
        let picture = || (2..8).any(|back| before(back) == Some(b'=')) && !says(&["https://img.shields.io"]);
        let placed = match before(1) {
            Some(b'(' | b'<') => true,
            Some(b' ') => before(2) == Some(b':') && before(3) == Some(b']'),
            Some(b'"' | b'\'' | b'=') => picture() || before(2) == Some(b'='),
            _ => false,
        };
        let ends = |byte: &&u8| !matches!(byte, b'\n' | b')' | b'"' | b'>');
        return placed && rest.iter().take(2_000).take_while(ends).any(|byte| matches!(byte, b'?' | b'{'));
    }
    let colon = || rest.iter().take(24).any(|byte| *byte == b':');
    let speaks = || says(&["system", "human", "assistant", "ai:", "h:"]) && colon();
    match before(1) {
        Some(b'<' | b'|' | b'[' | b'/') => true,
        Some(b'_') => matches!(before(2), Some(b'<' | b'|' | b'/' | b'[')) || before(8) == Some(b'<'),
        Some(b'-' | b'=' | b'*' | b'~') => before(2) == before(1),
        Some(b'"' | b'\'') => says(&["role"]),
        Some(b'#') => colon(),
        Some(b'\n' | b'>') | None => speaks(),
        Some(b' ' | b'\t') => match before(2) {
            Some(b'#') => colon(),
            Some(b'\n') => speaks(),
            Some(b'[' | b'<' | b'|') => true,
            Some(b'-' | b'=' | b'*' | b'~') => before(3) == before(2),
            _ => false,
        },
        _ => false,
    }
}

/// What a model would fill in: `{history}`, `<the secret>`, `[DATA]`, `${x}`, `%7Bx%7D`.
static BLANK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)[?&/=](?:[^&\s]*=)?[^&\s]{0,40}?(?:\{+|%7b|\$\{|<|%3c|\[|%5b)[ a-z_.-]{2,60}(?:\}+|%7d|>|%3e|\]|%5d)").ok()
});

/// How sure one may be that this link is there to carry something away.
fn carries(link: &str) -> Option<u8> {
    let url = link.get(link.find("http")?..)?;
    let path = url.splitn(4, '/').nth(3)?;
    let tail = url.get(url.len() - path.len() - 1..)?;
    if let Some(blank) = BLANK.as_ref().and_then(|regex| regex.find(tail)) {
        let asked = tail.get(..blank.end()).is_some_and(|part| part.contains('?') || part.contains('='));
        let named = tail.get(blank.range()).is_some_and(|part| {
            let part = part.to_ascii_lowercase();
            GIVEN_AWAY.iter().any(|word| part.contains(word))
        });
        return match (asked, named) {
            (true, true) => Some(86),
            (true, false) => Some(56),
            (false, true) => Some(66),
            (false, false) => None,
        };
    }
    let (_, query) = tail.split_once('?')?;
    let long = query.split('&').filter_map(|pair| pair.split_once('=')).any(|(_, value)| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_%=".contains(byte);
        value.bytes().take_while(|byte| plain(byte)).count() >= 120
    });
    long.then_some(55)
}

const GIVEN_AWAY: &[&str] = &[
    "conversation",
    "history",
    "secret",
    "password",
    "token",
    "data",
    "summary",
    "prompt",
    "message",
    "email",
    "user",
    "key",
    "credential",
    "context",
    "chat",
    "content",
    "info",
    "answer",
    "encoded",
    "base64",
    "exfil",
];
