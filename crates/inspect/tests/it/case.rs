//! Cases of the repository's `corpus/`: one JSON object a line, with what is given, what is expected, and why.

use verdict::Json;

/// One line of a file of cases.
pub struct Case {
    /// The text.
    pub given: String,
    /// What is to come of it.
    pub expect: Json,
    /// Why it matters.
    pub why: String,
}

impl Case {
    /// The names that are expected, where a list of names is.
    pub fn names(&self) -> Vec<&str> {
        let Json::List(names) = &self.expect else { return Vec::new() };
        names
            .iter()
            .map(|name| if let Json::Str(name) = name { name.as_str() } else { panic!("{}", self.why) })
            .collect()
    }

    /// Whether an order is expected, where a truth is.
    pub fn is_order(&self) -> bool {
        self.expect == Json::Bool(true)
    }
}

/// The cases of a file below `corpus/`.
pub fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/../../corpus/{file}", env!("CARGO_MANIFEST_DIR"));
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
    let part = |row: &Json, name: &str| {
        row.at(&[name.to_owned()]).cloned().unwrap_or_else(|| panic!("{path}: no {name}"))
    };
    let text =
        |json: Json| if let Json::Str(text) = json { text } else { panic!("{path}: {json:?} is no text") };
    let read = |line: &str| {
        let row: Json = Json::parse(line.as_bytes()).unwrap();
        Case { given: text(part(&row, "given")), expect: part(&row, "expect"), why: text(part(&row, "why")) }
    };
    let cases: Vec<Case> = lines.lines().map(read).collect();
    assert!(!cases.is_empty(), "{path} is empty");
    cases
}
