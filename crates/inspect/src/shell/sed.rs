//! The scripts of `sed`: which files they read and write, and what they run (`e`, `w`, `W`, `r`, `R`, and the flags `e`
//! and `w` of `s`; GNU sed manual, 3.2 and 3.3).
//!
//! Reads the grammar, not the regular expressions. What cannot be read as a script counts as unknown where it has a
//! letter that could run or write.

use super::field::{Feed, Field, PIECE, UNKNOWN};
use super::walk::Walk;

/// What a script does besides changing lines.
#[derive(Debug, PartialEq, Eq)]
enum Act {
    /// Runs this text with a shell.
    Run(String),
    /// Runs what is known only when it runs.
    Unknown(&'static str),
    Write(String),
    Read(String),
}

/// All that the script does to files and programs.
pub fn apply(walk: &mut Walk<'_>, script: &str) {
    for act in acts(script) {
        match act {
            Act::Run(text) => {
                walk.apart(|walk| walk.text(&text, Feed::Nothing));
            }
            Act::Unknown(why) => walk.unknown_exec(why),
            Act::Write(file) => walk.writes(&Field::new(file)),
            Act::Read(file) => walk.reads(&Field::new(file)),
        }
    }
}

/// Whether a delimiter within `[..]` ends the expression differs from one sed to the next: either may be meant, if
/// either makes sense.
fn acts(script: &str) -> Vec<Act> {
    let by_set = Reader::new(script, true).acts();
    let plainly = if script.contains('[') { Reader::new(script, false).acts() } else { None };
    match (by_set, plainly) {
        (Some(mut acts), Some(others)) => {
            acts.extend(others.into_iter().filter(|it| !acts.contains(it)).collect::<Vec<_>>());
            acts
        }
        (Some(acts), None) | (None, Some(acts)) => acts,
        (None, None) if script.contains(['e', 'w', 'W', UNKNOWN]) => {
            vec![Act::Unknown("runs a sed script that cannot be read")]
        }
        (None, None) => Vec::new(),
    }
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    /// True if a delimiter within `[..]` is one of the set.
    sets: bool,
}

impl<'a> Reader<'a> {
    fn new(script: &'a str, sets: bool) -> Self {
        Self { rest: script.chars(), sets }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Goes past what `is` holds for; the first that is left.
    fn skip(&mut self, is: impl Fn(char) -> bool) -> Option<char> {
        while self.peek().is_some_and(&is) {
            self.rest.next();
        }
        self.peek()
    }

    /// `None` if it is no script.
    fn acts(mut self) -> Option<Vec<Act>> {
        let mut acts = Vec::new();
        while !self.rest.as_str().is_empty() {
            self.skip(|it| it.is_whitespace() || matches!(it, ';' | '{' | '}'));
            let before = self.rest.clone();
            self.address()?;
            if self.rest.as_str().is_empty() && before.as_str().contains(UNKNOWN) {
                acts.push(Act::Unknown("runs a sed script that is known only when it runs"));
            }
            self.command(&mut acts)?;
        }
        Some(acts)
    }

    /// Before a command: nothing, one address or two, and `!`.
    fn address(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some('/') => {
                    self.rest.next();
                    self.delimited('/', self.sets)?;
                    self.skip(|it| matches!(it, 'I' | 'M'));
                }
                Some('\\') => {
                    self.rest.next();
                    let mark = self.rest.next()?;
                    self.delimited(mark, self.sets)?;
                    self.skip(|it| matches!(it, 'I' | 'M'));
                }
                Some(it)
                    if it.is_ascii_digit()
                        || matches!(it, ',' | '$' | '!' | '+' | '~' | ' ' | '\t' | UNKNOWN | PIECE) =>
                {
                    self.rest.next();
                }
                _ => return Some(()),
            }
        }
    }

    /// Past an expression that ends with `mark`, or a text where there are no `sets`; `None` if it does not end.
    fn delimited(&mut self, mark: char, sets: bool) -> Option<()> {
        let mut in_set = false;
        loop {
            match self.rest.next()? {
                // `[[:alpha:]]`, `[[.x.]]`, `[[=x=]]`: a set within the set.
                '[' if in_set => {
                    if let Some(kind @ (':' | '.' | '=')) = self.peek() {
                        while !(self.rest.next()? == kind && self.peek() == Some(']')) {}
                        self.rest.next();
                    }
                }
                ']' if in_set => in_set = false,
                // A backslash is itself there.
                _ if in_set => {}
                '\\' => {
                    self.rest.next()?;
                }
                '[' if sets => {
                    in_set = true;
                    // `[]..]` and `[^]..]` hold the bracket.
                    self.skip_one('^');
                    self.skip_one(']');
                }
                it if it == mark => return Some(()),
                _ => {}
            }
        }
    }

    fn skip_one(&mut self, one: char) {
        if self.peek() == Some(one) {
            self.rest.next();
        }
    }

    fn line(&mut self) -> String {
        let text: String = self.rest.by_ref().take_while(|it| *it != '\n').collect();
        text.trim().to_owned()
    }

    /// One command; `None` if it is none.
    fn command(&mut self, acts: &mut Vec<Act>) -> Option<()> {
        let Some(command) = self.rest.next() else { return Some(()) };
        match command {
            's' => return self.substitution(acts),
            'y' => {
                let mark = self.mark()?;
                self.delimited(mark, false)?;
                self.delimited(mark, false)?;
            }
            'e' => {
                let text = self.line();
                acts.push(if text.is_empty() || text.starts_with([';', '}']) {
                    Act::Unknown("runs lines of its input")
                } else {
                    Act::Run(text)
                });
            }
            'w' | 'W' => acts.push(Act::Write(self.line())),
            'r' | 'R' => acts.push(Act::Read(self.line())),
            'a' | 'i' | 'c' => self.text(),
            ':' | '#' => {
                self.line();
            }
            'b' | 't' | 'T' | 'v' => {
                self.skip(|it| !matches!(it, ';' | '\n' | '}'));
            }
            'q' | 'Q' | 'l' | 'L' => {
                self.skip(|it| it.is_ascii_digit() || matches!(it, ' ' | UNKNOWN | PIECE));
            }
            'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' | 'F' | '=' | '{' | '}'
            | ';' | '\n' => {}
            _ => return None,
        }
        Some(())
    }

    fn mark(&mut self) -> Option<char> {
        self.rest.next().filter(|it| !matches!(it, '\\' | '\n'))
    }

    fn substitution(&mut self, acts: &mut Vec<Act>) -> Option<()> {
        let mark = self.mark()?;
        self.delimited(mark, self.sets)?;
        self.delimited(mark, false)?;
        loop {
            match self.peek() {
                Some('e') => acts.push(Act::Unknown("runs what a replacement makes")),
                Some('w') => {
                    self.rest.next();
                    acts.push(Act::Write(self.line()));
                    return Some(());
                }
                Some('g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' | PIECE) => {}
                Some(UNKNOWN) => acts.push(Act::Unknown("takes flags that are known only when it runs")),
                Some(it) if it.is_whitespace() || matches!(it, ';' | '}' | '#') => return Some(()),
                None => return Some(()),
                Some(_) => return None,
            }
            self.rest.next();
        }
    }

    /// The text of `a`, `i` and `c`: to the end of the line, and further lines while one ends with a backslash.
    fn text(&mut self) {
        while let Some(it) = self.rest.next() {
            match it {
                '\\' => {
                    self.rest.next();
                }
                '\n' => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_lines_is_all_that_most_scripts_do() {
        for script in [
            "s/a/b/g",
            "s|/usr|/opt|",
            "1,10p",
            "$!N;P;D",
            "/^$/d",
            "/a/,/b/{s/x/y/;p}",
            "y/abc/xye/",
            "y/[a/]e/",
            "2q",
            "a\\\ntext we",
            "i text with e and w",
            ":a;N;$!ba;s/\\n/ /g",
            "\\,x,d",
            "s/we/ew/",
            "s/a\\/e/b\\/w/",
            "# write\np",
            "1~2d",
            "/x/!d",
            "s/[0-9]*//2gI",
            "",
            "=",
            "n;d",
            "/a/I,+3d",
            "\u{10ffff}p",
        ] {
            assert_eq!(acts(script), [], "{script}");
        }
    }

    #[test]
    fn what_runs_writes_and_reads_is_found_wherever_it_stands() {
        let write = |it: &str| Act::Write(it.to_owned());
        for (script, act) in [
            ("s/a/b/w /etc/passwd", write("/etc/passwd")),
            ("p;s/a/b/gw/etc/passwd", write("/etc/passwd")),
            ("/x/{p;w /etc/passwd\n}", write("/etc/passwd")),
            ("1!w out", write("out")),
            ("y/[/x/;w out", write("out")),
            ("s/a\nb/c/;W out", write("out")),
            ("r /etc/shadow", Act::Read("/etc/shadow".to_owned())),
            ("1e rm -rf /", Act::Run("rm -rf /".to_owned())),
            ("a\\\ntext\ne id", Act::Run("id".to_owned())),
            ("i x\ne id", Act::Run("id".to_owned())),
        ] {
            assert_eq!(acts(script), [act], "{script}");
        }
        for script in [
            "s/x/rm -rf \\//e",
            "s/a/b/;s/c/d/e",
            "$e",
            "/a/{s,x,y,ge}",
            "\u{10ffff}",
            "s/a/b/\u{10ffff}",
            "sabaae",
        ] {
            assert!(matches!(acts(script).as_slice(), [Act::Unknown(_)]), "{script}: {:?}", acts(script));
        }
    }

    #[test]
    fn a_delimiter_in_a_set_may_or_may_not_end_the_expression() {
        let write = |it: &str| Act::Write(it.to_owned());
        for script in ["s/[/]/x/w out", "s/[^]/]/x/w out", "s/[[:alpha:]/]/x/w out", "s/[\\]/x/w out"] {
            assert!(acts(script).contains(&write("out")), "{script}: {:?}", acts(script));
        }
        for script in ["s/[^/]*e//", "s/[^/]*\\.exe$//", "s|[we]|x|", "/[/]/d"] {
            assert_eq!(acts(script), [], "{script}");
        }
    }
}
