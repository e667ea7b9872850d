//! Which statements lose what cannot be had back: dropped, emptied, changed without a condition.
//!
//! Looks at words only, comments and texts aside; what else a statement does is the parser's to say.

use verdict::{Effect, Target};

/// The statements of a text that lose something.
pub fn losses(text: &str) -> Vec<Effect> {
    let mut found = Vec::new();
    let plain = without_texts(text);
    for statement in plain.split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        let at = |offset: usize| words.get(offset).copied().unwrap_or_default();
        let name =
            |offset: usize| Target::Named(at(offset).trim_matches(['(', '"', '`', '[', ']']).to_lowercase());
        let has = |word: &str| words.contains(&word);
        match *first {
            "DROP"
                if !matches!(
                    at(1),
                    "INDEX" | "TRIGGER" | "VIEW" | "FUNCTION" | "PROCEDURE" | "RULE" | "POLICY"
                ) =>
            {
                let offset = if at(2) == "IF" { 4 } else { 2 };
                found.push(Effect::new("sql.schema", name(offset)).destroying("drops what holds data"));
            }
            "TRUNCATE" => {
                let offset = if at(1) == "TABLE" { 2 } else { 1 };
                found.push(Effect::new("sql.write", name(offset)).destroying("empties a table"));
            }
            "ALTER"
                if has("DROP")
                    && (has("COLUMN") || at(1) == "TABLE")
                    && !has("CONSTRAINT")
                    && !has("DEFAULT") =>
            {
                found.push(Effect::new("sql.schema", name(2)).destroying("drops a column"));
            }
            _ => {}
        }
        let deletes =
            words.iter().position(|it| *it == "DELETE").filter(|at| words.get(at + 1) == Some(&"FROM"));
        if let Some(delete) = deletes
            && !has("WHERE")
            && !has("LIMIT")
        {
            found.push(Effect::new("sql.write", name(delete + 2)).destroying("deletes every row of a table"));
        }
        if *first == "UPDATE" && has("SET") && !has("WHERE") {
            found.push(Effect::new("sql.write", name(1)).destroying("changes every row of a table"));
        }
    }
    found
}

/// In upper case, without comments and without what stands between quotes.
fn without_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\'' => {
                for inner in chars.by_ref() {
                    if inner == '\'' {
                        break;
                    }
                }
                out.push_str("''");
            }
            '-' if chars.peek() == Some(&'-') => {
                for inner in chars.by_ref() {
                    if inner == '\n' {
                        break;
                    }
                }
                out.push(' ');
            }
            '/' if chars.peek() == Some(&'*') => {
                chars.next();
                let is_versioned = chars.peek() == Some(&'!');
                if is_versioned {
                    // MySQL runs what stands in these.
                    chars.next();
                    while chars.peek().is_some_and(char::is_ascii_digit) {
                        chars.next();
                    }
                } else {
                    let mut last = ' ';
                    for inner in chars.by_ref() {
                        if last == '*' && inner == '/' {
                            break;
                        }
                        last = inner;
                    }
                }
                out.push(' ');
            }
            '*' if chars.peek() == Some(&'/') => {
                chars.next();
                out.push(' ');
            }
            '(' => out.push_str(" ( "),
            ')' => out.push_str(" ) "),
            other => out.extend(other.to_uppercase()),
        }
    }
    out
}
