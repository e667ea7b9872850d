//! Splits the words after a program into options, their values and the rest, as `getopt` would.

use super::field::Field;

/// How a program reads its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// One dash begins a whole name: `-delete`, `-auto-approve`.
    pub single: bool,
    /// Long names may be cut short: `--recurs`.
    pub abbreviates: bool,
    /// Options end at the first word that is none.
    pub first: bool,
}

/// What was found among the words.
#[derive(Debug, Default)]
pub struct Args {
    pub options: Vec<(String, Option<Field>)>,
    pub rest: Vec<Field>,
    abbreviates: bool,
}

/// Splits. `values` are the options that take one.
pub fn split(fields: &[Field], values: &[&str], style: Style) -> Args {
    let mut args = Args { abbreviates: style.abbreviates, ..Args::default() };
    let mut fields = fields.iter();
    while let Some(field) = fields.next() {
        let text = field.text.as_str();
        if text == "--" {
            args.rest.extend(fields.cloned());
            break;
        }
        if text.len() < 2 || !text.starts_with('-') {
            args.rest.push(field.clone());
            if style.first {
                args.rest.extend(fields.cloned());
                break;
            }
            continue;
        }
        if text.starts_with("--") || style.single {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(Field { text: value.to_owned(), glob: field.glob })),
                None => (text, None),
            };
            // `-I/usr/include` where whole names follow one dash, too.
            let (name, value) = match glued(text, values, style) {
                Some((name, glued)) => (name, Some(Field { text: glued.to_owned(), glob: field.glob })),
                None => (name, value),
            };
            let is_cut = value.is_none() && style.abbreviates && is_cut(name, values, style);
            // What starts another program has few options, and refuses a name that is short for two.
            let takes = value.is_none() && (values.contains(&name) || is_cut && style.first);
            let value = if takes {
                fields.next().cloned()
            } else if is_cut {
                // Its value if it is cut short, a word of its own if it is another option: both count.
                fields.clone().next().cloned()
            } else {
                value
            };
            args.options.push((name.to_owned(), value));
        } else {
            args.cluster(field, values, &mut fields);
        }
    }
    args
}

/// The value that follows a one-letter option at once, where it is plainly a path.
fn glued<'t>(text: &'t str, values: &[&str], style: Style) -> Option<(&'t str, &'t str)> {
    if !style.single || text.starts_with("--") {
        return None;
    }
    let (name, rest) = text.split_at_checked(2)?;
    (values.contains(&name) && rest.starts_with(['/', '~', '.'])).then_some((name, rest))
}

/// True for `--outp` where `--output` takes a value; not for `--backup` beside `--backup-dir`, which is another.
fn is_cut(name: &str, values: &[&str], style: Style) -> bool {
    name.len() > if style.first { 2 } else { 4 }
        && values.iter().any(|it| it.strip_prefix(name).is_some_and(|rest| !rest.starts_with('-')))
}

impl Args {
    fn cluster<'f>(&mut self, field: &Field, values: &[&str], fields: &mut impl Iterator<Item = &'f Field>) {
        let mut chars = field.text.chars().skip(1);
        while let Some(next) = chars.next() {
            let name = format!("-{next}");
            if !values.contains(&name.as_str()) {
                self.options.push((name, None));
                continue;
            }
            let glued: String = chars.collect();
            let value = if glued.is_empty() {
                fields.next().cloned()
            } else {
                Some(Field { text: glued, glob: field.glob })
            };
            self.options.push((name, value));
            return;
        }
    }

    /// True if one of these was given.
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.options.iter().any(|(given, _)| self.means(given, name)))
    }

    fn means(&self, given: &str, name: &str) -> bool {
        given == name
            || (self.abbreviates && given.len() > 2 && given.starts_with("--") && name.starts_with(given))
    }

    /// The values given to one of these.
    pub fn values(&self, names: &[&str]) -> Vec<Field> {
        let wanted = |given: &str| names.iter().any(|name| self.means(given, name));
        self.options
            .iter()
            .filter(|(given, _)| wanted(given))
            .filter_map(|(_, value)| value.clone())
            .collect()
    }
}
