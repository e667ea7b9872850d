//! Expands words as far as it can be told before they run; what they substitute is run on the way.

use std::rc::Rc;

use super::braces;
use super::field::{Feed, Field, PIECE, UNKNOWN, joined};
use super::tree::{Param, Part, Word};
use super::walk::Walk;

/// The longest text that expansion builds; anything longer is unknown.
const LONGEST: usize = 1 << 17;

/// Fields as they grow.
#[derive(Default)]
struct Growing {
    done: Vec<Field>,
    now: Field,
    /// True if there is a word even if it stays empty.
    begun: bool,
}

impl Growing {
    fn push(&mut self, text: &str) {
        if self.now.text.len() + text.len() > LONGEST {
            self.now.text = UNKNOWN.to_string();
        } else {
            self.now.text.push_str(text);
        }
        self.begun = true;
    }

    fn cut(&mut self) {
        if self.begun {
            self.done.push(std::mem::take(&mut self.now));
            self.begun = false;
        }
    }

    /// An unquoted value: split at `ifs`, patterns alive.
    fn split(&mut self, value: &Field, ifs: &str) {
        if value.text.is_empty() {
            return;
        }
        self.now.glob |= value.glob;
        if !value.text.contains(|it| ifs.contains(it)) {
            self.push(&value.text);
            self.now.glob |= is_pattern(&value.text);
            return;
        }
        let mut first = true;
        for piece in value.text.split(|it| ifs.contains(it)) {
            if !first {
                self.cut();
            }
            first = false;
            if !piece.is_empty() {
                self.push(piece);
                self.now.glob |= is_pattern(piece);
            }
        }
    }
}

/// True if the shell would look for file names that match.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
        || text.find('[').is_some_and(|at| text.get(at..).is_some_and(|it| it.contains(']')))
}

impl Walk<'_> {
    /// The fields that some words become.
    pub fn fields(&mut self, words: &[Word]) -> Vec<Field> {
        let mut fields = Vec::with_capacity(words.len());
        for word in words {
            match braces::expand(word) {
                None => self.one(word, &mut fields),
                Some(words) if self.spend(words.len() * 64) => {
                    words.iter().for_each(|word| self.one(word, &mut fields))
                }
                Some(_) => fields.push(Field::unknown()),
            }
        }
        fields
    }

    fn one(&mut self, word: &Word, fields: &mut Vec<Field>) {
        let mut growing = Growing::default();
        let whole = matches!(word.parts.as_slice(), [_]);
        for (at, part) in word.parts.iter().enumerate() {
            match part {
                Part::Bare(text) => {
                    growing.now.glob |= is_pattern(text);
                    if at == 0 && text.starts_with('~') {
                        let text = self.tilde(text, whole);
                        growing.push(&text);
                    } else {
                        growing.push(text);
                    }
                }
                Part::Quoted(text) => growing.push(text),
                Part::Double(parts) => self.quoted(parts, &mut growing),
                Part::Param(param) => {
                    let values = self.param(param, whole);
                    let ifs = self.ifs();
                    for (at, value) in values.iter().enumerate() {
                        if at > 0 {
                            growing.cut();
                        }
                        growing.split(value, &ifs);
                    }
                }
                Part::Command(script) => {
                    let text = self.substituted(script);
                    let ifs = self.ifs();
                    growing.split(&Field::new(text), &ifs);
                }
                other => {
                    let text = self.plain(other);
                    growing.push(&text);
                }
            }
        }
        growing.cut();
        fields.append(&mut growing.done);
    }

    /// A word where nothing is split: an assignment, a here-document, what `case` looks at.
    pub fn single(&mut self, word: &Word) -> Field {
        let mut all = Field::default();
        for (at, part) in word.parts.iter().enumerate() {
            match part {
                Part::Bare(text) if at == 0 && text.starts_with('~') => {
                    all.text.push_str(&self.tilde(text, word.parts.len() == 1));
                }
                part => {
                    if let Part::Bare(text) = part {
                        all.glob |= is_pattern(text);
                    }
                    all.text.push_str(&self.plain(part));
                }
            }
            if all.text.len() > LONGEST {
                return Field::unknown();
            }
        }
        all
    }

    fn ifs(&self) -> String {
        self.scope.get("IFS", self.around).map_or_else(String::new, |it| joined(&it, ""))
    }

    /// What a tilde stands for at the start of a word. `whole`: nothing comes after this text.
    fn tilde(&self, text: &str, whole: bool) -> String {
        let (name, rest) = text.split_once('/').map_or((text, None), |(name, rest)| (name, Some(rest)));
        if rest.is_none() && !whole {
            // `~"/etc"`, `~$USER`: shells differ in whether it still means a folder.
            return UNKNOWN.to_string();
        }
        let home = match name {
            "~" => self.scope.get("HOME", self.around).map_or_else(|| "~".to_owned(), |it| joined(&it, "")),
            "~+" => self.scope.get("PWD", self.around).map_or_else(|| ".".to_owned(), |it| joined(&it, "")),
            "~root" => "/root".to_owned(),
            // Another user's home, the folder before, one of the stack, or a name that is no user's.
            _ => UNKNOWN.to_string(),
        };
        rest.map_or_else(|| home.clone(), |rest| format!("{home}/{rest}"))
    }

    fn quoted(&mut self, parts: &[Part], growing: &mut Growing) {
        let whole = matches!(parts, [_]);
        growing.begun = true;
        for part in parts {
            match part {
                Part::Param(param) => {
                    let is_list = param.name == "@" || param.index.as_ref().and_then(Word::bare) == Some("@");
                    let values = self.param(param, whole);
                    growing.begun &= !(is_list && whole && values.is_empty());
                    for (at, value) in values.iter().enumerate() {
                        if at > 0 && is_list {
                            growing.cut();
                        } else if at > 0 {
                            growing.push(" ");
                        }
                        growing.push(&value.text);
                        growing.now.glob |= value.glob;
                    }
                }
                other => {
                    let text = self.plain(other);
                    growing.push(&text);
                }
            }
        }
    }

    /// The text of a part where nothing is split.
    fn plain(&mut self, part: &Part) -> String {
        match part {
            Part::Bare(text) | Part::Quoted(text) => text.clone(),
            Part::Double(parts) => {
                let mut all = String::new();
                for part in parts {
                    all.push_str(&self.plain(part));
                }
                all
            }
            Part::Param(param) => joined(&self.param(param, false), " "),
            Part::Command(script) => self.substituted(script),
            Part::Process(script, is_sink) => {
                let fed = self.within(script, Feed::Unknown);
                if *is_sink { UNKNOWN.to_string() } else { self.descriptor(fed) }
            }
            Part::Arith(word) => {
                let value = self.single(word).text;
                self.arithmetic(&value);
                let value = value.trim();
                let is_number = !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit());
                if is_number { value.to_owned() } else { PIECE.to_string() }
            }
            Part::Array(words) => {
                let words = Rc::clone(words);
                self.fields(&words);
                UNKNOWN.to_string()
            }
        }
    }

    /// What a parameter stands for. `whole`: nothing else is in the word.
    fn param(&mut self, param: &Param, whole: bool) -> Vec<Field> {
        if let Some(index) = &param.index {
            let text = self.single(index).text;
            self.arithmetic(&text);
        }
        let name = if param.indirect {
            let pointer = self.value(&param.name, param, true).map(|it| joined(&it, " "));
            match pointer {
                Some(name) if !name.contains(UNKNOWN) && param.op.is_empty() => name,
                _ => {
                    self.single(&param.word);
                    return vec![Field::unknown()];
                }
            }
        } else {
            param.name.clone()
        };
        let value = self.value(&name, param, whole);
        if param.length {
            return vec![
                value.filter(|it| it.iter().all(Field::is_known)).map_or_else(Field::unknown, |it| {
                    Field::new(joined(&it, "").chars().count().to_string())
                }),
            ];
        }
        let size: usize = value.iter().flatten().map(|it| 16 + it.text.len()).sum();
        if !self.spend(size) {
            return vec![Field::unknown()];
        }
        if param.op.is_empty() {
            return value.unwrap_or_else(|| vec![Field::unknown()]);
        }
        self.changed(&name, param, value)
    }

    /// The values of a name, positions included; `None` where nobody knows.
    fn value(&self, name: &str, param: &Param, whole: bool) -> Option<Vec<Field>> {
        match name {
            "@" | "*" => match &self.scope.args {
                Some(args) => Some(args.to_vec()),
                // Outside of functions there are hardly ever any, and `w$@hoami` relies on it.
                None if !whole => Some(Vec::new()),
                None => None,
            },
            name if name.bytes().all(|it| it.is_ascii_digit()) && name != "0" && !name.is_empty() => {
                let args = self.scope.args.as_ref()?;
                let at = name.parse::<usize>().ok()?.checked_sub(1)?;
                Some(args.get(at).map_or_else(Vec::new, |it| vec![it.clone()]))
            }
            "$" | "!" | "?" | "#" | "RANDOM" | "UID" | "EUID" | "PPID" | "SECONDS" | "LINENO"
            | "EPOCHSECONDS" => Some(vec![Field::new(PIECE)]),
            name => {
                let mut values = self.scope.get(name, self.around)?;
                match param.index.as_ref().and_then(Word::bare_or_quoted) {
                    None if param.index.is_some() => return None,
                    None => values.truncate(1),
                    Some("@" | "*") => {}
                    Some(index) => {
                        let at = index.parse::<usize>().ok()?;
                        values = values.into_iter().nth(at).into_iter().collect();
                    }
                }
                Some(values)
            }
        }
    }
}
