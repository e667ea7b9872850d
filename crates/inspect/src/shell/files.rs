//! Files and hosts that commands touch: words to targets, redirections, and what they add to the effects.

use verdict::{Effect, PathTarget, Target};

use super::field::{Feed, Field, PIECE, UNKNOWN};
use super::tree::{Op, Redirect};
use super::walk::Walk;
use super::{judge, reach};
use crate::place;

/// What the redirections of a command make of its input and output.
#[derive(Default)]
pub struct Plumbing {
    pub feed: Feed,
    /// The file that takes its output.
    pub sink: Option<String>,
    /// True if it has an input of its own.
    pub reads: bool,
}

impl Walk<'_> {
    /// The file or folder that a word means. `Err`: a device that leads nowhere, and is nobody's concern.
    pub fn path(&self, field: &Field) -> Result<Target, ()> {
        if judge::is_nowhere(&field.text) {
            return Err(());
        }
        let text = self.scope.below(&field.text.replace(PIECE, "*"));
        if text.contains(UNKNOWN) {
            return Ok(Target::Unknown);
        }
        let is_pattern = field.glob || field.text.contains(PIECE);
        let found = reach::path(&text, is_pattern, self.around);
        Ok(found.map_or(Target::Unknown, Target::Path))
    }

    /// The file or folder, where it is known.
    pub fn settled(&self, field: &Field) -> Option<PathTarget> {
        match self.path(field) {
            Ok(Target::Path(path)) => Some(path),
            _ => None,
        }
    }

    pub fn reads(&mut self, field: &Field) {
        if field.text.starts_with("/dev/tcp/") || field.text.starts_with("/dev/udp/") {
            return self.socket(field);
        }
        let Ok(target) = self.path(field) else { return };
        let read = Effect::new("fs.read", target);
        if let Some(secret) = place::secret(&read) {
            self.effect(secret);
        }
        self.effect(read);
    }

    /// A file with code in it that is run, and that the script did not put there as far as is known.
    pub fn runs(&mut self, field: &Field) {
        match self.content(&field.text) {
            Some(Feed::Downloaded) => self.unknown_exec("runs what it downloads"),
            Some(Feed::Decoded) => self.unknown_exec("runs what it decodes"),
            _ if !field.is_known() || field.glob => {
                self.unknown_exec("runs a file that is known only when it runs");
            }
            _ => {
                self.reads(field);
                if let Ok(target @ Target::Path(_)) = self.path(field) {
                    self.effect(Effect::new("code.run", target));
                }
            }
        }
    }

    pub fn writes(&mut self, field: &Field) {
        self.written(field, None, false);
    }

    fn written(&mut self, field: &Field, note: Option<&'static str>, appends: bool) {
        if field.text.starts_with("/dev/tcp/") || field.text.starts_with("/dev/udp/") {
            return self.socket(field);
        }
        let Ok(target) = self.path(field) else { return };
        let why = match &target {
            Target::Path(path) if appends => judge::appends(path),
            Target::Path(path) => judge::overwrites(path),
            _ => None,
        };
        let mut effect = Effect::new("fs.write", target);
        if let Some(why) = why {
            effect = effect.destroying(why);
        }
        if let Some(note) = note {
            // Where it comes from is what rules look for; that it destroys is said by the flag.
            effect = effect.noting(note);
        }
        self.effect(effect);
    }

    /// A deletion, with a judgement of what it loses.
    pub fn deletes(&mut self, field: &Field, is_recursive: bool) {
        let Ok(mut target) = self.path(field) else { return };
        let why = match &mut target {
            Target::Path(path) => {
                path.recursive = is_recursive;
                judge::deletes(path, is_recursive, self.around)
            }
            _ if is_recursive && !self.is_certainly_temporary(field) => {
                Some("removes folders that cannot be told")
            }
            _ => None,
        };
        let effect = Effect::new("fs.delete", target);
        self.effect(match why {
            Some(why) => effect.destroying(why),
            None => effect,
        });
    }

    /// True if whatever is unknown of it comes after a folder for temporary files.
    fn is_certainly_temporary(&self, field: &Field) -> bool {
        let text = self.scope.below(&field.text);
        let Some((start, rest)) = text.split_once(UNKNOWN) else { return false };
        let Some(folder) = start.rsplit_once('/').map(|(folder, _)| folder) else { return false };
        let plain = Field::new(format!("{folder}/x"));
        !rest.contains("..")
            && matches!(self.path(&plain), Ok(Target::Path(path)) if judge::is_temporary(&path.path))
    }

    pub fn connects(&mut self, text: &str) {
        let target = if text.contains([UNKNOWN, PIECE]) { None } else { reach::host(text) };
        let unknown = || Effect::new("net.connect", Target::Unknown);
        self.effect(target.map_or_else(unknown, crate::net::connect));
    }

    fn socket(&mut self, field: &Field) {
        let mut parts = field.text.split('/').skip(3);
        let (host, port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.connects(&format!("{host}:{port}"));
    }

    /// What redirections do, and what they make of input and output.
    pub fn redirected(&mut self, redirects: &[Redirect], feed: Feed) -> Plumbing {
        let mut plumbing = Plumbing { feed, ..Plumbing::default() };
        for redirect in redirects {
            if let Some(here) = &redirect.here {
                let text = here.get().map(|word| self.single(word).text).unwrap_or_default();
                plumbing.feed = Feed::text(text);
                plumbing.reads = true;
                continue;
            }
            let fields = self.fields(std::slice::from_ref(&redirect.to));
            let field = match fields.as_slice() {
                [only] => only.clone(),
                [] => Field::default(),
                _ => Field::unknown(),
            };
            self.redirect(redirect, field, &mut plumbing);
        }
        plumbing
    }

    fn redirect(&mut self, redirect: &Redirect, field: Field, plumbing: &mut Plumbing) {
        let from = redirect.from.as_deref();
        match redirect.op {
            Op::HereWord => {
                plumbing.feed = Feed::text(format!("{}\n", field.text));
                plumbing.reads = true;
            }
            Op::Read | Op::Both => {
                let before = self.out.len();
                self.reads(&field);
                self.note_since(before);
                if from.is_none() || from == Some("0") {
                    let is_socket =
                        field.text.starts_with("/dev/tcp/") || field.text.starts_with("/dev/udp/");
                    let unknown = if is_socket { Feed::Downloaded } else { Feed::Unknown };
                    plumbing.feed = self.content(&field.text).unwrap_or(unknown);
                    plumbing.reads = true;
                }
                if redirect.op == Op::Both {
                    self.written(&field, Some("by redirection"), true);
                }
            }
            Op::ReadCopy | Op::WriteCopy
                if from.unwrap_or("0") == "0" && is_copied(&redirect.op, from, &field) =>
            {
                plumbing.feed = Feed::Unknown;
                plumbing.reads = true;
            }
            Op::ReadCopy => {}
            Op::WriteCopy if field.text.bytes().all(|it| it.is_ascii_digit() || it == b'-') => {}
            Op::WriteCopy if from.is_some() => {}
            op => {
                let appends = matches!(op, Op::Append | Op::AppendAll);
                self.written(&field, Some("by redirection"), appends);
                if from.is_none() || from == Some("1") {
                    plumbing.sink = field.known().map(|it| it.trim_start_matches("./").to_owned());
                }
            }
        }
    }

    fn note_since(&mut self, before: usize) {
        for effect in self.out.iter_mut().skip(before) {
            if effect.kind == "fs.read" {
                effect.note = Some("by redirection".into());
            }
        }
    }
}

/// Whether standard input becomes a copy of what was opened before: `<&3`, `0>&1`.
fn is_copied(op: &Op, from: Option<&str>, field: &Field) -> bool {
    let is_input = *op == Op::ReadCopy || from == Some("0");
    is_input && !matches!(field.text.as_str(), "" | "-" | "0")
}
