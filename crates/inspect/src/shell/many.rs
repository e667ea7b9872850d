//! `xargs` and `parallel`: a program whose words come through a pipe or from a file.

use super::dollar::unescaped;
use super::field::{Feed, Field, joined};
use super::options;
use super::walk::Walk;
use super::wrappers::FIRST;

const XARGS: &[&str] = &[
    "-I",
    "-i",
    "-n",
    "-P",
    "-d",
    "-a",
    "-E",
    "-L",
    "-s",
    "--max-args",
    "--max-procs",
    "--delimiter",
    "--arg-file",
    "--max-chars",
];
const PARALLEL: &[&str] = &[
    "-j",
    "-a",
    "-S",
    "-I",
    "-n",
    "-N",
    "-L",
    "-d",
    "-C",
    "--jobs",
    "--arg-file",
    "--sshlogin",
    "--colsep",
    "--delay",
    "--timeout",
    "--joblog",
    "--results",
    "--retries",
    "--wd",
    "--workdir",
    "--basefile",
    "--sshloginfile",
    "--max-args",
    "--delimiter",
];

/// A program with words that come from elsewhere.
pub fn apply(walk: &mut Walk<'_>, name: &str, fields: &[Field], feed: &Feed) {
    let values: Vec<&str> =
        if name == "xargs" { XARGS } else { PARALLEL }.iter().copied().filter(|it| *it != "-i").collect();
    let args = options::split(fields, &values, FIRST);
    for file in args.values(&["-a", "--arg-file"]) {
        walk.reads(&file);
    }
    let cut = args.rest.iter().position(|it| it.text.starts_with(":::")).unwrap_or(args.rest.len());
    let (command, given) = args.rest.split_at_checked(cut).unwrap_or_default();
    let more: Vec<Field> = if given.is_empty() {
        match feed {
            Feed::Text(text) => {
                let mark = match args.values(&["-d", "--delimiter"]).first() {
                    Some(mark) => Some(unescaped(&mark.text, false)),
                    None => args.has(&["-0", "--null"]).then(|| "\0".to_owned()),
                };
                let mut words = given_words(text, mark.as_deref(), name == "parallel");
                if words.len() > MOST_WORDS {
                    words.truncate(MOST_WORDS);
                    words.push(Field::unknown());
                }
                words
            }
            _ => vec![Field::unknown()],
        }
    } else {
        given.iter().filter(|it| !it.text.starts_with(":::")).cloned().collect()
    };
    // `--replace` takes its value only behind an `=`, and does without one.
    let places = args.values(&["-I", "--replace"]);
    let place =
        places.first().filter(|it| !it.text.is_empty()).map_or_else(|| "{}".to_owned(), |it| it.text.clone());
    if name == "parallel" {
        return in_parallel(walk, command, &more);
    }
    let words = filled(command, &more, &place, args.has(&["-I", "--replace", "-i"]));
    if command.is_empty() {
        return;
    }
    walk.program(&words, Feed::Nothing);
}

/// So many words of a stream are looked at one by one.
const MOST_WORDS: usize = 64;

/// The words of a stream, as `xargs` takes them: at blanks, with quotes and backslashes taken away; or at `mark`.
fn given_words(text: &str, mark: Option<&str>, lines: bool) -> Vec<Field> {
    if let Some(mark) = mark.or_else(|| lines.then_some("\n")) {
        return text.split(mark).filter(|it| !it.is_empty()).map(Field::new).collect();
    }
    let (mut words, mut word, mut begun) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        match next {
            it if it.is_whitespace() => {
                if std::mem::take(&mut begun) {
                    words.push(Field::new(std::mem::take(&mut word)));
                }
                continue;
            }
            '"' | '\'' => word.extend(chars.by_ref().take_while(|it| *it != next)),
            '\\' => word.extend(chars.next()),
            it => word.push(it),
        }
        begun = true;
    }
    if begun {
        words.push(Field::new(word));
    }
    words
}

/// The words of a command with a place filled in, or more words at its end.
pub fn filled(command: &[Field], more: &[Field], place: &str, replaces: bool) -> Vec<Field> {
    if !replaces {
        return command.iter().chain(more).cloned().collect();
    }
    let one = match more {
        [only] => only.clone(),
        _ => Field::unknown(),
    };
    let fill = |it: &Field| {
        let has_place = it.text.contains(place);
        Field { text: it.text.replace(place, &one.text), glob: it.glob || (has_place && one.glob) }
    };
    command.iter().map(fill).collect()
}

/// GNU parallel gives its words to a shell, one more at a time.
fn in_parallel(walk: &mut Walk<'_>, command: &[Field], more: &[Field]) {
    if command.is_empty() {
        for line in more {
            walk.text(&line.text.clone(), Feed::Nothing);
        }
        return;
    }
    let has_place = command.iter().any(|it| it.text.contains("{}"));
    let words = filled(command, more, "{}", has_place);
    let is_plain = command.iter().all(|it| !it.text.contains([' ', ';', '|', '&', '$', '`', '>', '<']));
    if is_plain {
        walk.program(&words, Feed::Nothing);
    } else {
        walk.text(&joined(&words, " "), Feed::Nothing);
    }
}
