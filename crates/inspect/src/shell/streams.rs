//! Programs that are little languages over streams, or that copy whole devices: `sed`, `awk`, `dd`, `tee`.

use verdict::{Effect, Target};

use super::field::{Feed, Field};
use super::options::{self, Style};
use super::walk::Walk;
use super::{calls, judge, sed};

/// One of these programs, and what its words say.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) -> bool {
    match name {
        "sed" | "gsed" => sed(walk, fields),
        "awk" | "gawk" | "mawk" | "nawk" | "busybox-awk" => awk(walk, fields, feed),
        "dd" | "dcfldd" | "dc3dd" | "pv-dd" => dd(walk, fields),
        "tee" | "sponge" => tee(walk, fields, feed),
        "truncate" => truncate(walk, fields),
        "cp" | "mv" | "ln" | "install" | "gcp" | "gmv" => return copy(walk, name, fields),
        _ => return false,
    }
    true
}

fn sed(walk: &mut Walk<'_>, fields: &[Field]) {
    let values = ["-e", "-f", "-l", "--expression", "--file", "--line-length"];
    // `-i` takes its ending glued only.
    let args = options::split(fields, &values, Style { abbreviates: true, ..Style::default() });
    let mut rest = args.rest.as_slice();
    let mut scripts = args.values(&["-e", "--expression"]);
    for file in args.values(&["-f", "--file"]) {
        match walk.content(&file.text) {
            Some(Feed::Text(text)) => sed::apply(walk, &text),
            _ => walk.runs(&file),
        }
    }
    if scripts.is_empty()
        && !args.has(&["-f", "--file"])
        && let Some((first, after)) = rest.split_first()
    {
        scripts.push(first.clone());
        rest = after;
    }
    let in_place = args.has(&["-i", "--in-place"]) || fields.iter().any(|it| it.text.starts_with("-i"));
    for file in rest {
        walk.reads(file);
        if in_place {
            walk.writes(file);
        }
    }
    for script in scripts {
        sed::apply(walk, &script.text);
    }
}

fn awk(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let values = [
        "-F",
        "-v",
        "-f",
        "-e",
        "-i",
        "-E",
        "-l",
        "--field-separator",
        "--assign",
        "--file",
        "--source",
        "--include",
    ];
    let args = options::split(fields, &values, Style { first: true, ..Style::default() });
    let mut rest = args.rest.as_slice();
    let mut programs = args.values(&["-e", "--source"]);
    for file in args.values(&["-f", "--file", "-E"]) {
        match walk.content(&file.text) {
            Some(Feed::Text(text)) => programs.push(Field::new(&*text)),
            _ => walk.runs(&file),
        }
    }
    if programs.is_empty()
        && !args.has(&["-f", "--file", "-E"])
        && let Some((first, after)) = rest.split_first()
    {
        programs.push(first.clone());
        rest = after;
    }
    for file in rest.iter().filter(|it| !it.text.contains('=')) {
        walk.reads(file);
        if args.values(&["-i", "--include"]).iter().any(|it| it.text == "inplace") {
            walk.writes(file);
        }
    }
    for program in programs {
        awk_program(walk, &program.text, feed);
    }
}

/// True if the statement that these pieces end in prints: `print "x" > ` is in two of them.
fn is_printed(pieces: &[&str]) -> bool {
    for code in pieces.iter().rev().step_by(2) {
        let start = code.rfind(['{', '}', ';', '\n']).map_or(0, |at| at + 1);
        if code.get(start..).is_some_and(|it| it.contains("print")) {
            return true;
        }
        if start > 0 {
            return false;
        }
    }
    false
}

fn awk_program(walk: &mut Walk<'_>, text: &str, _feed: &Feed) {
    if text.contains("system") {
        calls::scan(walk, text);
    }
    // `"command" | getline`, `print | "command"`, `print > "file"`.
    let pieces: Vec<&str> = text.split('"').collect();
    for (at, piece) in pieces.iter().enumerate().filter(|(at, _)| at % 2 == 1) {
        let before = pieces.get(at - 1).map_or("", |it| it.trim_end());
        let after = pieces.get(at + 1).map_or("", |it| it.trim_start());
        let is_piped = before.ends_with('|') && !before.ends_with("||") || before.ends_with("|&");
        if is_piped || (after.starts_with('|') && !after.starts_with("||")) {
            walk.apart(|walk| walk.text(piece, Feed::Unknown));
        } else if before.ends_with('>') && is_printed(pieces.get(..at).unwrap_or_default()) {
            walk.writes(&Field::new(*piece));
        } else if before.ends_with('<') && before.contains("getline") {
            walk.reads(&Field::new(*piece));
        } else if piece.starts_with("/inet") {
            let mut parts = piece.split('/').skip(4);
            let (host, port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            walk.connects(&format!("{host}:{port}"));
        }
    }
    let flat: String = text.split_whitespace().collect();
    // `getline line < name`, `print > name`: which file is known only when it runs.
    let named = |at: usize, mark: &str| {
        let rest = flat.get(at + mark.len()..).unwrap_or_default();
        let end = rest.find([';', '}', ')', '|', '"']).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    };
    let reads_named = flat
        .match_indices("getline")
        .take(64)
        .any(|(at, mark)| named(at, mark).split_once('<').is_some_and(|(_, file)| !file.is_empty()));
    let writes_named = flat.match_indices("print").take(64).any(|(at, mark)| {
        let text = named(at, mark);
        !text.contains('(')
            && text.split_once('>').is_some_and(|(_, file)| !file.trim_matches('>').is_empty())
    });
    if reads_named {
        walk.reads(&Field::unknown());
    }
    if writes_named {
        walk.writes(&Field::unknown());
    }
    let is_dynamic = flat.contains("|getline") && !flat.contains("\"|getline");
    if is_dynamic || flat.contains("system($") || flat.contains("|$") {
        walk.unknown_exec("runs lines of its input");
    }
}

fn dd(walk: &mut Walk<'_>, fields: &[Field]) {
    for field in fields {
        if let Some(source) = field.after("if=") {
            walk.reads(&source);
        } else if let Some(sink) = field.after("of=") {
            if sink.is_known() || sink.text.starts_with('/') && !sink.text.starts_with("/dev") {
                walk.writes(&sink);
            } else {
                walk.effect(
                    Effect::new("fs.write", Target::Unknown).destroying("writes over what cannot be told"),
                );
            }
        }
    }
}

fn tee(walk: &mut Walk<'_>, fields: &[Field], feed: &Feed) {
    let args = options::split(fields, &[], Style::default());
    for file in &args.rest {
        if args.has(&["-a", "--append"]) && walk.settled(file).is_some_and(|it| judge::appends(&it).is_none())
        {
            let Ok(target) = walk.path(file) else { continue };
            walk.effect(Effect::new("fs.write", target));
        } else {
            walk.writes(file);
        }
        if let Some(path) = file.known() {
            walk.files.insert(path.trim_start_matches("./").to_owned(), feed.clone());
        }
    }
}

fn truncate(walk: &mut Walk<'_>, fields: &[Field]) {
    let args = options::split(
        fields,
        &["-s", "-r", "--size", "--reference"],
        Style { abbreviates: true, ..Style::default() },
    );
    let empties = args
        .values(&["-s", "--size"])
        .iter()
        .any(|it| it.text.trim_start_matches('-').trim_start_matches('0').is_empty());
    for file in &args.rest {
        let path = walk.settled(file);
        let is_loss = empties
            && path.as_ref().is_none_or(|it| !judge::is_temporary(&it.path) && !it.path.ends_with(".log"));
        if is_loss && let Ok(target) = walk.path(file) {
            walk.effect(Effect::new("fs.write", target).destroying("empties a file"));
        } else {
            walk.writes(file);
        }
    }
}

/// Copies and moves: what is read, what is written, and what is gone afterwards.
fn copy(walk: &mut Walk<'_>, name: &str, fields: &[Field]) -> bool {
    let values = [
        "-t",
        "-S",
        "-m",
        "-o",
        "-g",
        "--target-directory",
        "--target",
        "--suffix",
        "--mode",
        "--owner",
        "--group",
    ];
    let single = ["-t", "-S", "--target-directory", "--target", "--suffix"];
    let values: &[&str] = if name == "install" { &values } else { &single };
    let args = options::split(fields, values, Style { abbreviates: true, ..Style::default() });
    if super::programs::is_question(&args) {
        return true;
    }
    let mut to = args.values(&["-t", "--target-directory", "--target"]);
    let mut from = args.rest.clone();
    if name == "install" && args.has(&["-d", "--directory"]) {
        from.iter().for_each(|it| walk.writes(it));
        return true;
    }
    if to.is_empty() && name == "ln" && from.len() == 1 {
        to.extend(from.first().map(same_name));
    } else if to.is_empty() {
        to.extend(from.pop());
    }
    let is_tree = args.has(&["-r", "-R", "-a", "--recursive", "--archive"]);
    let is_void = to.iter().any(|it| it.text == "/dev/null");
    for source in &from {
        match name {
            "mv" | "gmv" => moved(walk, source, is_void),
            // Through the link, what it leads to can be read.
            "ln" if args.has(&["-s", "--symbolic"]) && !source.text.starts_with(['/', '~']) => {}
            "cp" | "gcp" if is_tree => walk.reads_tree(source),
            _ => walk.reads(source),
        }
    }
    for target in &to {
        let empties = from.iter().any(|it| it.text == "/dev/null") && name != "ln";
        let path = walk.settled(target);
        if empties
            && path.as_ref().is_none_or(|it| !judge::is_temporary(&it.path))
            && let Ok(target) = walk.path(target)
        {
            walk.effect(Effect::new("fs.write", target).destroying("empties a file"));
        } else {
            walk.writes(target);
        }
        if let ([source], Some(path)) = (from.as_slice(), target.known())
            && let Some(content) = walk.content(&source.text)
        {
            walk.files.insert(path.trim_start_matches("./").to_owned(), content);
        }
    }
    true
}

/// A link of the same name, here.
fn same_name(source: &Field) -> Field {
    let last = source.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Field { text: format!("./{last}"), glob: source.glob }
}

fn moved(walk: &mut Walk<'_>, source: &Field, is_void: bool) {
    let Ok(target) = walk.path(source) else { return };
    let is_root = matches!(&target, Target::Path(it) if {
        let depth = it.path.matches('/').count();
        (it.path.starts_with('/') && depth <= 1) || judge::deletes(it, false, walk.around).is_some()
    });
    let effect = Effect::new("fs.delete", target).noting("moves it elsewhere");
    walk.effect(if is_void || is_root {
        effect.destroying("moves away what is not to be moved")
    } else {
        effect
    });
}
