//! Which files may be read and changed: folders compared component by component, and patterns that are out of
//! bounds wherever they match.
//!
//! Knows canonical paths only. Where links lead stands in the target, if somebody looked.

use std::fmt;

use super::glob::Glob;
use super::{Breach, Ground, listed};
use crate::action::short;
use crate::effect::{Effect, PathTarget, Target};

/// The `paths:` of a boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    read: Vec<Folder>,
    write: Vec<Folder>,
    deny: Vec<Glob>,
}

/// A folder with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    /// Canonical, without a separator at its end: nothing for the root of the file system or the working
    /// directory.
    path: String,
    /// How paths below it start.
    base: Base,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// At the root.
    Root,
    /// At a drive or share: in any case.
    Windows,
    /// At the working directory.
    Relative,
}

/// What everything may touch: nothing lies there.
const STREAMS: [&str; 5] = ["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty"];
/// What may be read without learning anything.
const SOURCES: [&str; 4] = ["/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

impl Paths {
    /// `read` and `write` are folders: absolute, or relative to the working directory. What may be written may
    /// be read. A list that is empty admits nothing. `deny` are patterns; one that does not start at the root
    /// matches at any depth, and whatever matches is meant with everything below it.
    ///
    /// # Errors
    /// A sentence, for a folder with `..` or wildcards and for what is no pattern.
    pub fn new<S: AsRef<str>>(read: &[S], write: &[S], deny: &[S]) -> Result<Self, String> {
        let folders =
            |list: &[S]| list.iter().map(|text| Folder::new(text.as_ref())).collect::<Result<_, _>>();
        Ok(Self {
            read: folders(read)?,
            write: folders(write)?,
            deny: deny.iter().map(|text| Glob::new(text.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn breach(&self, effect: &Effect, ground: &Ground<'_>) -> Option<Breach> {
        let writes = match effect.kind.as_ref() {
            "fs.read" => false,
            "fs.write" | "fs.delete" => true,
            // A secret that is a file is read.
            "secret.read" if matches!(effect.target, Target::Path(_)) => false,
            _ => return None,
        };
        let key = if writes { "paths.write" } else { "paths.read" };
        let Target::Path(target) = &effect.target else {
            let reason =
                format!("it is not known which file it would {}; {}", verb(effect), self.inside(writes));
            return Some(Breach::new(key, reason));
        };
        if STREAMS.contains(&target.path.as_str()) || !writes && SOURCES.contains(&target.path.as_str()) {
            return None;
        }
        let places = || std::iter::once(&target.path).chain(&target.real);
        if let Some(place) = places().find(|place| !self.admits(place, target, writes, ground)) {
            let mut reason = self.outside(place, target, effect);
            reason.push_str(&format!("; {}", self.inside(writes)));
            return Some(Breach::new(key, reason));
        }
        let glob = self.deny.iter().find(|glob| places().any(|place| denies(glob, place, target, writes)))?;
        let reason = match glob.covers(&target.path) || target.real.iter().any(|real| glob.covers(real)) {
            true => format!("`{}` matches `{glob}`, which is out of bounds", short(&target.path)),
            false => {
                format!("`{}` may take in what matches `{glob}`, which is out of bounds", short(&target.path))
            }
        };
        Some(Breach::new("paths.deny", reason))
    }

    /// Whether a folder holds `place`; of a pattern, the part before its first wildcard.
    fn admits(&self, place: &str, target: &PathTarget, writes: bool, ground: &Ground<'_>) -> bool {
        let fixed = if target.glob { fixed(place) } else { place };
        let folders = self.write.iter().chain(self.read.iter().filter(|_| !writes));
        // A path that is relative to nobody knows what could be what an absolute pattern means.
        let is_told = is_absolute(place) || !self.deny.iter().any(Glob::is_absolute);
        folders.into_iter().any(|folder| folder.holds(fixed, ground)) && is_told
    }

    fn outside(&self, place: &str, target: &PathTarget, effect: &Effect) -> String {
        let verb = verb(effect);
        if *place != target.path {
            return format!("`{}` leads to `{}`, which it may not {verb}", short(&target.path), short(place));
        }
        match is_absolute(place) {
            true => format!("it may not {verb} `{}`", short(place)),
            false => format!("it may not {verb} `{}`, and where that is, is not known", short(place)),
        }
    }

    fn inside(&self, writes: bool) -> String {
        let folders: Vec<&Folder> = self.write.iter().chain(self.read.iter().filter(|_| !writes)).collect();
        format!("what it may {} is below {}", if writes { "change" } else { "read" }, listed(&folders))
    }
}

fn verb(effect: &Effect) -> &'static str {
    match effect.kind.as_ref() {
        "fs.write" => "change",
        "fs.delete" => "delete",
        _ => "read",
    }
}

/// Whether `place` is what `glob` means. A whole folder is only read for what it names itself; but it is not
/// changed or deleted as long as something out of bounds may be in it.
fn denies(glob: &Glob, place: &str, target: &PathTarget, writes: bool) -> bool {
    glob.covers(place)
        || target.glob && glob.meets(place, writes)
        || writes && target.recursive && glob.reaches_below(place)
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || is_drive(path)
}

fn is_drive(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) && bytes.next() == Some(b':')
}

/// The folder that every match of a pattern is in.
fn fixed(path: &str) -> &str {
    let Some(at) = path.find(['*', '?', '[']) else { return path };
    let (before, _) = path.split_at_checked(at).unwrap_or((path, ""));
    match before.rfind('/') {
        Some(0) => "/",
        Some(end) => before.split_at_checked(end).map_or(before, |(folder, _)| folder),
        None => ".",
    }
}

impl Folder {
    fn new(text: &str) -> Result<Self, String> {
        let slashed = text.trim().replace('\\', "/");
        let bare = slashed.strip_suffix("/**").unwrap_or(&slashed);
        if text.trim().is_empty() {
            return Err("a folder is empty; write `.` for the working directory".to_owned());
        }
        if bare.contains(['*', '?']) {
            return Err(format!("`{text}` is a pattern; folders are plain, and hold all that is below them"));
        }
        if bare.starts_with('~') || bare.contains('$') {
            return Err(format!("`{text}` depends on who runs it; write the folder out"));
        }
        if bare.split('/').any(|part| part == "..") {
            return Err(format!("`{text}` must not hold `..`"));
        }
        let parts: Vec<&str> = bare.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let joined = parts.join("/");
        Ok(if is_drive(bare) {
            Self { path: joined, base: Base::Windows }
        } else if bare.starts_with("//") {
            Self { path: format!("//{joined}"), base: Base::Windows }
        } else if bare.starts_with('/') || slashed == "/**" {
            Self { path: if joined.is_empty() { joined } else { format!("/{joined}") }, base: Base::Root }
        } else {
            Self { path: joined, base: Base::Relative }
        })
    }

    /// Whether `path` is this folder or below it.
    fn holds(&self, path: &str, ground: &Ground<'_>) -> bool {
        let is_relative = !is_absolute(path);
        match self.base {
            Base::Root if is_relative => self.path.is_empty(),
            Base::Root => {
                !path.starts_with("//") && !is_drive(path) && below(&self.path, path, ground.ignores_case)
            }
            Base::Windows => !is_relative && below(&self.path, path, true),
            Base::Relative if is_relative => {
                let climbs = path == ".." || path.starts_with("../");
                !climbs && (self.path.is_empty() || below(&self.path, path, ground.ignores_case))
            }
            Base::Relative => ground.cwd.is_some_and(|cwd| {
                let cwd = cwd.replace('\\', "/");
                let cwd = cwd.trim_end_matches('/');
                let ignores_case = ground.ignores_case || is_drive(cwd) || cwd.starts_with("//");
                match without(cwd, path, ignores_case) {
                    Some(_) if self.path.is_empty() => true,
                    Some(rest) => below(&self.path, rest.trim_start_matches('/'), ignores_case),
                    None => false,
                }
            }),
        }
    }
}

fn below(folder: &str, path: &str, ignores_case: bool) -> bool {
    without(folder, path, ignores_case).is_some()
}

/// What is left of `path` behind `folder`: nothing, or what starts with a separator.
fn without<'a>(folder: &str, path: &'a str, ignores_case: bool) -> Option<&'a str> {
    let rest = match path.strip_prefix(folder) {
        Some(rest) => rest,
        None if ignores_case => folded_rest(folder, path)?,
        None => return None,
    };
    (rest.is_empty() || rest.starts_with('/') || folder.ends_with('/')).then_some(rest)
}

/// The same in any case.
fn folded_rest<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let mut rest = path.chars();
    for own in folder.chars() {
        let other = rest.next()?;
        if own != other && !own.to_uppercase().eq(other.to_uppercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.is_empty(), self.base) {
            (true, Base::Relative) => f.write_str("."),
            (true, _) => f.write_str("/"),
            _ => f.write_str(&self.path),
        }
    }
}
