//! The Windows reading of a path: drives, shares, device prefixes, streams, and the dots and spaces that the
//! system drops.
//!
//! Knows no disk: names in 8.3 form stand for another name, which only the disk can tell.

use verdict::PathTarget;

use crate::Surroundings;

/// Whether `text` is a path that only Windows has: a drive, a share, a device prefix; or any path at all if
/// the surroundings are Windows.
pub fn is_form(text: &str, around: &Surroundings) -> bool {
    has_drive(text)
        || ["\\\\", "\\??\\", "//?/", "//./"].iter().any(|start| text.starts_with(start))
        || around.cwd.as_deref().or(around.home.as_deref()).is_some_and(is_windows)
}

/// Whether the folder of a system says that the system is Windows.
fn is_windows(folder: &str) -> bool {
    has_drive(folder) || folder.starts_with("\\\\")
}

/// `C:\` and `C:/`; `C:` alone too.
pub fn has_drive(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.next() == Some(b':')
        && matches!(bytes.next(), None | Some(b'/' | b'\\'))
}

/// `C:x/y`: below wherever that drive was last. `a:b` alone is more often a name.
pub fn is_drive_relative(text: &str) -> bool {
    let below = text.split_once(':').filter(|(drive, _)| drive.len() == 1 && has_drive(&format!("{drive}:")));
    below.is_some_and(|(_, below)| !below.starts_with(['/', '\\']) && below.contains(['/', '\\']))
}

/// Spells it `C:/x` or `//server/share/x`.
pub fn settle(text: &str, around: &Surroundings) -> Result<PathTarget, String> {
    let text = text.replace('\\', "/");
    let bare = device(&text)?;
    let (root, rest) = root(bare.as_deref().unwrap_or(&text))?;
    let mut place = Place { root, below: String::new() };
    if let Some(cwd) = around.cwd.as_deref().filter(|cwd| place.root.is_empty() && is_windows(cwd)) {
        let cwd = cwd.replace('\\', "/");
        let (drive, below) = self::root(&cwd)?;
        place.root = drive;
        if !rest.starts_with('/') {
            place.walk(below)?;
        }
    } else if place.root.is_empty() && rest.starts_with('/') {
        return Err("it is not known on which drive the path is".to_owned());
    }
    place.walk(rest)?;
    Ok(PathTarget {
        path: place.spelled(),
        glob: rest.contains(['*', '?']),
        recursive: rest.split('/').any(|part| part == "**"),
        ..PathTarget::default()
    })
}

/// Takes off `\\?\`, `\\.\` and `\??\`.
fn device(text: &str) -> Result<Option<String>, String> {
    let Some(rest) = ["//?/", "//./", "/??/"].iter().find_map(|prefix| text.strip_prefix(prefix)) else {
        return Ok(None);
    };
    if has_drive(rest) {
        return Ok(Some(rest.to_owned()));
    }
    match rest.split_at_checked(4) {
        Some((unc, share)) if unc.eq_ignore_ascii_case("unc/") => Ok(Some(format!("//{share}"))),
        _ => Err("the path names a device, not a file".to_owned()),
    }
}

/// The drive (`C:`) or share (`//server/share`) that `text` starts with, if any, and what is below it.
fn root(text: &str) -> Result<(String, &str), String> {
    if let Some(share) = text.strip_prefix("//") {
        let share = share.trim_start_matches('/');
        let (server, rest) = share.split_once('/').unwrap_or((share, ""));
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return match (server, name) {
            _ if server.contains(':') => Err("the path names no server and share".to_owned()),
            ("" | "." | "..", _) | (_, "." | "..") => Err("the path names no server and share".to_owned()),
            (_, "") => Ok((format!("//{server}"), rest)),
            _ => Ok((format!("//{server}/{name}"), rest)),
        };
    }
    match text.split_once(':') {
        Some((drive, rest)) if drive.len() == 1 && drive.bytes().all(|b| b.is_ascii_alphabetic()) => {
            match rest.is_empty() || rest.starts_with('/') {
                true => Ok((format!("{}:", drive.to_ascii_uppercase()), rest)),
                false => Err("the working directory of that drive is not known".to_owned()),
            }
        }
        _ => Ok((String::new(), text)),
    }
}

/// A place that is being walked to: a drive or share, or none, and the folders below it.
struct Place {
    root: String,
    below: String,
}

impl Place {
    fn walk(&mut self, text: &str) -> Result<(), String> {
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => self.up(),
                _ => self.enter(part)?,
            }
        }
        Ok(())
    }

    fn up(&mut self) {
        let is_outside = self.below.is_empty() || self.below == ".." || self.below.ends_with("/..");
        match self.below.rfind('/') {
            _ if is_outside && !self.root.is_empty() => {}
            _ if self.below.is_empty() => self.below.push_str(".."),
            _ if is_outside => self.below.push_str("/.."),
            Some(at) => self.below.truncate(at),
            None => self.below.clear(),
        }
    }

    /// One component down, as the system spells it.
    fn enter(&mut self, part: &str) -> Result<(), String> {
        let name = part.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
        if name.is_empty() {
            // `.. ` and `...`: some versions go up, some stay.
            if part.starts_with("..") {
                self.up();
            }
            return Ok(());
        }
        if is_short_name(name) {
            return Err("the path holds a short 8.3 name, which stands for another".to_owned());
        }
        if !self.below.is_empty() {
            self.below.push('/');
        }
        self.below.push_str(name);
        Ok(())
    }

    fn spelled(self) -> String {
        match (self.root.is_empty(), self.below.is_empty()) {
            (true, true) => ".".to_owned(),
            (true, false) => self.below,
            (false, true) if self.root.ends_with(':') && !self.root.starts_with('/') => self.root + "/",
            (false, true) => self.root,
            (false, false) => format!("{}/{}", self.root, self.below),
        }
    }
}

/// `PROGRA~1`, `GIT~1`, `CONFIG~2.TXT`.
fn is_short_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let Some((before, digits)) = stem.rsplit_once('~') else { return false };
    stem.len() <= 8 && !before.is_empty() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
