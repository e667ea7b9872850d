//! Scheduled jobs: `crontab`, `at`, `batch`. What they will run counts as run.

use verdict::{Effect, Target};

use super::field::{Feed, Field};
use super::options::{self, Style};
use super::shells;
use super::walk::Walk;

/// `at` and `batch`: a script through a pipe, run later.
pub fn later(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    walk.effect(Effect::new("system.change", Target::Named("scheduled job".to_owned())));
    let args = options::split(fields, &["-f", "-q", "-t"], Style::default());
    let files = args.values(&["-f"]);
    files.iter().for_each(|it| walk.runs(it));
    if files.is_empty() {
        shells::fed(walk, feed.clone());
    }
}

/// `crontab`: a table of scripts, from a file or through a pipe.
pub fn crontab(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, &["-u"], Style::default());
    if args.has(&["-l"]) {
        return;
    }
    let effect = Effect::new("system.change", Target::Named("crontab".to_owned()));
    if args.has(&["-r"]) {
        return walk.effect(effect.destroying("removes every scheduled job of a user"));
    }
    walk.effect(effect);
    let content = match args.rest.first() {
        Some(file) if file.text != "-" => {
            walk.reads(file);
            walk.content(&file.text)
        }
        _ => Some(feed.clone()),
    };
    let text = match content {
        Some(Feed::Text(text)) => text,
        Some(Feed::Unknown | Feed::Downloaded | Feed::Decoded) => {
            return walk.unknown_exec("schedules what another program prints");
        }
        Some(Feed::Nothing) | None => return,
    };
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let skip = if line.starts_with('@') { 1 } else { 5 };
        let command = line.split_whitespace().skip(skip).collect::<Vec<_>>().join(" ");
        walk.apart(|walk| walk.text(&command, Feed::Nothing));
    }
}
