//! Tests of `verdict::load`: what is accepted, every mistake with its place, hostile text, the schema.

mod accepted;
mod cases;
mod hostile;
mod mistakes;
mod schema;

use verdict::load::{Loaded, Problem, load};

const INIT: &str = include_str!("../../../gate/assets/init.yaml");
const SAMPLE: &str = include_str!("../../../gate/assets/sample.yaml");
const SAMPLE_TESTS: &str = include_str!("../../../gate/assets/sample.test.yaml");

/// Reads one text that includes nothing.
fn read(text: &str) -> Result<Loaded, Vec<Problem>> {
    load("policy.yaml", text, &mut |path, _| Err(format!("there is no file `{path}`")))
}

/// Reads the first of some files, which may include the others.
fn read_files(files: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let (name, text) = files[0];
    load(name, text, &mut |path, _| {
        let found = files.iter().find(|(name, _)| *name == path);
        found
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .ok_or_else(|| "there is no such file".to_owned())
    })
}

/// `line:column message`, then the help behind a bar.
fn brief(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|p| {
            let help = p.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
            format!("{}:{} {}{help}", p.line, p.column, p.message)
        })
        .collect()
}

/// What is wrong with one text.
fn mistakes(text: &str) -> Vec<String> {
    read(text).map_or_else(|problems| brief(&problems), |_| Vec::new())
}
