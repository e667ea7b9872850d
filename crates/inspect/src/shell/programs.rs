//! The table of programs: what they do by their words and options. The rules are data, in
//! `data/programs.txt`, whose head says how they are written; this finds and applies them.

mod read;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use verdict::{Effect, Target, risk_of};

use self::read::read;
use super::field::{Field, joined};
use super::options::{self, Args, Style};
use super::unsaid::Words;
use super::verbs;
use super::walk::Walk;

static TEXT: &str = include_str!("../../data/programs.txt");
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of(TEXT));

/// Which lines are about which program. They are read when somebody asks: most commands name one or two of the
/// many programs, and a process may live for one command.
struct Table {
    sections: Vec<Section>,
    names: HashMap<&'static str, usize>,
}

struct Section {
    lines: &'static str,
    read: OnceLock<Program>,
}

/// What is known of a program.
#[derive(Clone, Debug)]
pub struct Program {
    values: Vec<&'static str>,
    style: Style,
    /// Falls back to what its words say: `list`, `create`, `delete`.
    verbs: bool,
    /// Runs code of its own: asked for help, it may run it all the same.
    runs: bool,
    /// What its words may be, where no rule speaks of them; nothing: neither files nor addresses.
    pub words: Option<Words>,
    rules: Vec<Rule>,
}

impl Default for Program {
    fn default() -> Self {
        let (values, style, rules) = (Vec::new(), Style::default(), Vec::new());
        Self { values, style, verbs: false, runs: false, words: Some(Words::Any), rules }
    }
}

#[derive(Clone, Debug)]
struct Rule {
    also: bool,
    when: Vec<Cond>,
    does: Vec<Does>,
    note: &'static str,
}

#[derive(Clone, Debug)]
enum Cond {
    Word(Vec<&'static str>),
    Any,
    Somewhere(Vec<&'static str>),
    Has(Vec<&'static str>),
    Lacks(Vec<&'static str>),
    Value(Vec<&'static str>, &'static str),
    AtLeast(usize),
}

#[derive(Clone, Debug)]
struct Does {
    kind: &'static str,
    destroys: bool,
    to: To,
    port: Option<Port>,
}

/// The port of a host that comes without one: the usual one, or what a word or an option says.
#[derive(Clone, Debug)]
struct Port {
    usual: &'static str,
    from: &'static str,
}

#[derive(Clone, Debug)]
enum To {
    Nothing,
    All,
    At(usize),
    From(usize),
    Last,
    Init,
    Value(Vec<&'static str>),
    Here,
    /// This, whatever the words are.
    This(&'static str),
    /// Something, and it cannot be told what.
    Something,
}

/// What is known of the program of this name, version numbers and endings such as `mkfs.ext4` minded.
pub fn find(name: &str) -> Option<&'static Program> {
    if let Some(found) = TABLE.find(name) {
        return Some(found);
    }
    let stem = name.split_once('.').map(|(stem, _)| stem)?;
    TABLE.find(format!("{stem}.*").as_str())
}

impl Table {
    fn of(text: &'static str) -> Self {
        let mut table = Self { sections: Vec::new(), names: HashMap::new() };
        // A section begins with its names, at the beginning of a line.
        for part in text.split("\n@").skip(1) {
            let (names, lines) = part.split_once('\n').unwrap_or((part, ""));
            table.names.extend(names.split_whitespace().map(|name| (name, table.sections.len())));
            table.sections.push(Section { lines, read: OnceLock::new() });
        }
        table
    }

    fn find(&'static self, name: &str) -> Option<&'static Program> {
        let section = self.names.get(name).and_then(|at| self.sections.get(*at))?;
        Some(section.read.get_or_init(|| read(section.lines)))
    }
}

impl Rule {
    fn takes_words(&self) -> bool {
        self.when.iter().any(|it| matches!(it, Cond::Word(_)))
    }

    /// How many of the words it takes as its own, if it applies.
    fn fits(&self, args: &Args) -> Option<usize> {
        let mut taken = 0;
        for cond in &self.when {
            let fits = match cond {
                Cond::Word(words) => {
                    let found = args.rest.get(taken).and_then(Field::known);
                    taken += 1;
                    found.is_some_and(|it| words.contains(&it))
                }
                Cond::Any => {
                    taken += 1;
                    args.rest.len() >= taken
                }
                Cond::Somewhere(words) => args.rest.iter().any(|it| words.contains(&it.text.as_str())),
                Cond::Has(names) => args.has(names),
                Cond::Lacks(names) => !args.has(names),
                Cond::Value(names, value) => {
                    args.values(names).iter().any(|it| it.text.eq_ignore_ascii_case(value))
                }
                Cond::AtLeast(count) => args.rest.len().saturating_sub(taken) >= *count,
            };
            if !fits {
                return None;
            }
        }
        Some(taken)
    }
}

impl Program {
    pub fn args(&self, fields: &[Field]) -> Args {
        options::split(fields, &self.values, self.style)
    }
}

impl Walk<'_> {
    /// What a program of the table does with these words.
    pub fn tabled(&mut self, program: &'static Program, fields: &[Field]) {
        let args = program.args(fields);
        let is_first = |it: &Field| matches!(it.text.as_str(), "--help" | "--version");
        if is_question(&args) && (!program.runs || fields.first().is_some_and(is_first)) {
            return;
        }
        let takes_verbs = || program.verbs || program.rules.iter().any(Rule::takes_words);
        if args.rest.first().is_some_and(|it| it.text == "help") && takes_verbs() {
            return;
        }
        let mut decided = false;
        for rule in &program.rules {
            if decided && !rule.also {
                continue;
            }
            if let Some(taken) = rule.fits(&args) {
                decided |= !rule.also;
                let rest = args.rest.get(taken..).unwrap_or_default();
                for does in &rule.does {
                    self.does(does, rest, &args, rule.note);
                }
            }
        }
        if !decided && program.verbs {
            verbs::apply(self, &args);
        }
    }

    fn does(&mut self, does: &Does, rest: &[Field], args: &Args, note: &'static str) {
        let count = rest.len();
        let fields: Vec<Field> = match &does.to {
            To::Nothing => {
                let name = joined(rest, " ");
                let target = if name.is_empty() {
                    Target::None
                } else {
                    Target::Named(name.chars().take(200).collect())
                };
                return self.done(does, target, note);
            }
            To::Here => vec![Field::new(".")],
            To::This(text) => vec![Field::new(*text)],
            To::Something => vec![Field::unknown()],
            To::All => rest.to_vec(),
            To::At(at) => rest.iter().skip(at.saturating_sub(1)).take(1).cloned().collect(),
            To::From(at) => rest.iter().skip(at.saturating_sub(1)).cloned().collect(),
            To::Last => rest.last().cloned().into_iter().collect(),
            To::Init => rest.iter().take(count.saturating_sub(1)).cloned().collect(),
            To::Value(names) => args.values(names),
        };
        for field in fields {
            let is_url = matches!(does.kind, "fs.read" | "fs.write") && field.text.contains("://");
            match (does.kind, does.destroys) {
                // Whatever takes a file takes an address, too, where it knows what to do with one.
                ("fs.read", _) if is_url => self.visits(&field, false),
                ("fs.write", _) if is_url => self.visits(&field, true),
                ("fs.read", _) => self.reads(&field),
                ("fs.write", false) => self.writes(&field),
                ("fs.delete", false) => self.deletes(&field, false),
                ("fs.write" | "fs.delete", true) => {
                    if let Ok(target) = self.path(&field) {
                        self.done(does, target, note);
                    }
                }
                ("net.connect", false) => self.connects(&at_port(&field, does, args)),
                ("touch", _) if field.text.contains("://") => self.visits(&field, true),
                ("touch", _) => self.touches(&field),
                _ if field.is_known() => self.done(does, Target::Named(field.text), note),
                _ => self.done(does, Target::Unknown, note),
            }
        }
    }

    fn done(&mut self, does: &Does, target: Target, note: &'static str) {
        let mut effect = Effect::new(does.kind, target);
        effect.risk = risk_of(does.kind);
        if does.destroys {
            effect = effect.destroying(if note.is_empty() { "cannot be undone" } else { note });
        } else if !note.is_empty() {
            effect = effect.noting(note);
        }
        self.effect(effect);
    }
}

/// A host with its port, if it comes without one.
fn at_port(field: &Field, does: &Does, args: &Args) -> String {
    let host = field.text.rsplit('@').next().unwrap_or_default();
    let is_path = |it: &str| !it.is_empty() && !it.bytes().all(|it| it.is_ascii_digit());
    let host = match host.split_once(':') {
        // `host:folder`, as those have it that speak with `ssh`.
        Some((host, rest)) if is_path(rest) && !rest.contains(':') => host,
        _ => host,
    };
    let has_port = field.text.contains("://") || host.trim_start_matches('[').contains(':');
    let Some(port) = does.port.as_ref().filter(|_| !has_port) else { return field.text.clone() };
    let given = match port.from.parse::<usize>() {
        Ok(at) => args.rest.get(at.saturating_sub(1)).cloned(),
        Err(_) => args.values(&port.from.split('|').collect::<Vec<_>>()).pop(),
    };
    let port = given.map_or_else(|| port.usual.to_owned(), |it| it.text);
    if port.is_empty() { host.to_owned() } else { format!("{host}:{port}") }
}

/// True if the program only says how it is used.
pub fn is_question(args: &Args) -> bool {
    args.options
        .iter()
        .any(|(name, value)| matches!(name.as_str(), "--help" | "--version" | "-help") && value.is_none())
}

#[cfg(test)]
mod tests {
    use super::read::{is_comment, rule};
    use super::*;

    #[test]
    fn every_line_of_the_table_is_well_formed() {
        let mut names = std::collections::BTreeSet::new();
        let mut inside = false;
        for (at, line) in TEXT.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            match line.chars().next() {
                None => {}
                Some(_) if is_comment(line) => {}
                Some('@') => {
                    inside = true;
                    for name in line.get(1..).unwrap_or_default().split_whitespace() {
                        assert!(names.insert(name.to_owned()), "line {at}: `{name}` is there twice");
                    }
                }
                Some('~') => {
                    for word in line.get(1..).unwrap_or_default().split_whitespace() {
                        assert!(
                            ["single", "abbreviates", "first", "verbs", "runs", "names", "silent"]
                                .contains(&word),
                            "line {at}: `{word}`"
                        );
                    }
                }
                Some('=') if !line.starts_with("=>") => {
                    assert!(
                        line.get(1..).unwrap_or_default().split_whitespace().all(|it| it.starts_with('-')),
                        "line {at}: no option"
                    );
                }
                Some(_) => {
                    assert!(inside, "line {at}: a rule of no program");
                    let rule = rule(line).unwrap_or_else(|| panic!("line {at}: no rule"));
                    assert!(!rule.does.is_empty() || line.contains("=> -"), "line {at}: does nothing");
                    for does in &rule.does {
                        let known = does.kind == "touch"
                            || verdict::KINDS.iter().any(|(kind, ..)| *kind == does.kind);
                        assert!(known, "line {at}: `{}` is no kind of effect", does.kind);
                        assert!(
                            !does.destroys || !rule.note.is_empty(),
                            "line {at}: says not what it destroys"
                        );
                    }
                }
            }
        }
        assert!(TABLE.names.len() > 300, "only {} programs", TABLE.names.len());
    }

    /// Programs that take words and say nothing of files, machines or anything else.
    const QUIET: &[&str] = &[
        ":",
        "basename",
        "btop",
        "cal",
        "clear",
        "cmatrix",
        "cnpm",
        "cowsay",
        "dirname",
        "echo",
        "expr",
        "factor",
        "false",
        "figlet",
        "fortune",
        "free",
        "getconf",
        "groups",
        "history",
        "htop",
        "id",
        "iostat",
        "locale",
        "locate",
        "logname",
        "lscpu",
        "lsmod",
        "lspci",
        "lsusb",
        "mlocate",
        "mpstat",
        "npm",
        "nproc",
        "numfmt",
        "pgrep",
        "pidof",
        "plocate",
        "printenv",
        "printf",
        "ps",
        "pstree",
        "reset",
        "screenfetch",
        "seq",
        "sl",
        "sleep",
        "stty",
        "test",
        "top",
        "tput",
        "tr",
        "true",
        "tty",
        "uname",
        "uptime",
        "users",
        "uuidgen",
        "vmstat",
        "w",
        "who",
        "whoami",
        "yes",
    ];

    #[test]
    fn no_program_is_silent_of_the_files_it_is_given() {
        let around = crate::Surroundings::default();
        let silent: Vec<&str> = TABLE
            .names
            .keys()
            .copied()
            .filter(|name| {
                let name =
                    if *name == "[" || *name == "[[" { return false } else { name.replace(".*", ".x") };
                let found = crate::shell::effects(&format!("{name} /q/one /q/two"), &around);
                found.len() < 2
            })
            .collect();
        let more: Vec<&&str> = silent.iter().filter(|it| !QUIET.contains(it)).collect();
        assert!(more.is_empty(), "silent: {more:?}");
        let spoken: Vec<&&str> =
            QUIET.iter().filter(|it| !silent.contains(it) && TABLE.names.contains_key(**it)).collect();
        assert!(spoken.is_empty(), "not silent: {spoken:?}");
    }
}
