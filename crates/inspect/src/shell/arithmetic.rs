//! What the shell runs while it counts: a subscript is expanded again wherever a name or a number is taken, so
//! `test -v 'a[$(id)]'`, `read 'a[$(id)]'` and `x='a[$(id)]'; echo $((x))` run `id` (Bash manual, 6.5 and 6.7).

use super::field::{Feed, Field};
use super::walk::Walk;

/// The operators of `test` and `[[` that count.
const COUNTS: &[&str] = &["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
/// Those that take the name of a variable.
const NAMES: &[&str] = &["-v", "-R"];

impl Walk<'_> {
    /// A text that is counted, after it was expanded once.
    pub fn arithmetic(&mut self, text: &str) {
        if substitutes(text) {
            self.expanded_again(text);
        }
        if !self.enter() {
            return;
        }
        for name in text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_')) {
            if name.is_empty() || name.starts_with(|it: char| it.is_ascii_digit()) || !self.scope.has(name) {
                continue;
            }
            let values = self.scope.get(name, self.around).unwrap_or_default();
            for value in values {
                // What counts is what a value refers to in turn.
                if value.text.contains(['$', '`', '[']) {
                    self.arithmetic(&value.text);
                }
            }
        }
        self.leave();
    }

    /// The name of a variable, which may have a subscript.
    pub fn subscript(&mut self, name: &Field) {
        if name.text.contains('[') {
            self.arithmetic(&name.text);
        }
    }

    /// The words of `test`, `[` and `[[`.
    pub fn tested(&mut self, words: &[Field]) {
        for (at, word) in words.iter().enumerate() {
            let operand = |step: usize| words.get(step).cloned().unwrap_or_default();
            if NAMES.contains(&word.text.as_str()) {
                self.subscript(&operand(at + 1));
            } else if COUNTS.contains(&word.text.as_str()) {
                self.arithmetic(&operand(at.saturating_sub(1)).text);
                self.arithmetic(&operand(at + 1).text);
            }
        }
    }

    /// Runs what a text substitutes when the shell reads it a second time.
    pub fn expanded_again(&mut self, text: &str) {
        if text.contains('"') {
            return self.unknown_exec("runs what a text substitutes");
        }
        self.apart(|walk| walk.text(&format!(": \"{text}\""), Feed::Nothing));
    }
}

fn substitutes(text: &str) -> bool {
    text.contains("$(") || text.contains('`')
}
