//! How mistakes in a policy are shown: place, message, the line itself, and how to mend it.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::Path;

use verdict::load::{Problem, Severity};

use super::Failure;
use super::print::{Hue, aside, clean, is_coloured, line, paint};

/// Prints problems on stdout, each with its line and a caret where that can be looked at.
pub fn print(problems: &[Problem]) -> Result<(), Failure> {
    let drawn = std::io::stdout().is_terminal();
    let mut texts: HashMap<&str, String> = HashMap::new();
    for problem in problems {
        let text = texts.entry(&problem.file).or_insert_with(|| {
            // Without the text the place and the message say enough.
            if drawn { std::fs::read_to_string(&problem.file).unwrap_or_default() } else { String::new() }
        });
        line(&heading(problem, is_coloured()))?;
        if let Some(drawing) = drawing(problem, text) {
            line(&drawing)?;
        }
        if let Some(help) = &problem.help {
            line(&format!("  help: {}", clean(help)))?;
        }
    }
    Ok(())
}

/// Says every mistake on stderr; the failure sums them up.
pub fn refuse(policy: &Path, mistakes: &[Problem]) -> Failure {
    warn(mistakes);
    let file = clean(&policy.display().to_string());
    Failure::said(format!("policy `{file}` is not taken: {}; mend it and try again", counted(mistakes)))
}

/// Says problems on stderr.
pub fn warn(problems: &[Problem]) {
    for problem in problems {
        aside(&heading(problem, false));
        if let Some(help) = &problem.help {
            aside(&format!("  help: {}", clean(help)));
        }
    }
}

/// `2 errors, 1 warning`
pub fn counted(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|it| it.severity == Severity::Error).count();
    let warnings = problems.len().saturating_sub(errors);
    match (errors, warnings) {
        (errors, 0) => some(errors, "error"),
        (0, warnings) => some(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", some(errors, "error"), some(warnings, "warning")),
    }
}

/// `1 error`, `2 errors`
pub fn some(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// `file:line:column: error: message`
fn heading(problem: &Problem, coloured: bool) -> String {
    let Problem { severity, file, line, column, message, .. } = problem;
    let (word, hue) = match severity {
        Severity::Error => ("error", Hue::Bad),
        Severity::Warning => ("warning", Hue::Care),
    };
    let word = if coloured { paint(word, hue) } else { word.to_owned() };
    format!("{}:{line}:{column}: {word}: {}", clean(file), clean(message))
}

/// The line that is meant, and a caret under the place.
fn drawing(problem: &Problem, text: &str) -> Option<String> {
    let source = text.lines().nth(problem.line.checked_sub(1)?)?;
    let number = problem.line.to_string();
    let before: String = source.chars().take(problem.column.saturating_sub(1)).collect();
    // What is shown escaped is wider than it was.
    let room = " ".repeat(clean(&before).chars().count());
    let margin = " ".repeat(number.len());
    Some(format!("  {number} | {}\n  {margin} | {room}^", clean(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Problem {
        let (file, message) = ("p.yaml".to_owned(), "odd".to_owned());
        Problem { severity: Severity::Error, file, line, column, message, help: None }
    }

    #[test]
    fn carets_stand_under_the_place() {
        assert_eq!(drawing(&at(2, 3), "a: 1\nb: x\n").unwrap(), "  2 | b: x\n    |   ^");
        assert_eq!(drawing(&at(1, 2), "\tx").unwrap(), "  1 | \\tx\n    |   ^");
        assert_eq!(drawing(&at(9, 1), "a"), None);
    }

    #[test]
    fn problems_are_counted() {
        let warning = Problem { severity: Severity::Warning, ..at(1, 1) };
        assert_eq!(counted(&[at(1, 1)]), "1 error");
        assert_eq!(counted(&[at(1, 1), at(2, 2), warning]), "2 errors, 1 warning");
    }
}
