//! The gate's parsers for Python: what a command, a statement, a path or an address would reach.
//!
//! Pure but for the working directory and home that the caller hands in.

use inspect::net::{Reached, reached};
use inspect::sql::Dialect;
use inspect::{Hit, Surroundings};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use verdict::{Effect, Target};

/// One effect: `(kind, what kind of target, target, destroys, note)`.
type Row = (String, &'static str, Option<String>, bool, Option<String>);

fn row(effect: &Effect) -> Row {
    let (sort, target) = match &effect.target {
        Target::None => ("none", None),
        Target::Unknown => ("unknown", None),
        Target::Path(it) => ("path", Some(it.path.clone())),
        Target::Host(it) => ("host", Some(it.to_string())),
        Target::Program(it) => ("program", Some(it.name.clone())),
        Target::Table(it) => ("table", Some(it.table.clone())),
        Target::Named(it) => ("named", Some(it.clone())),
    };
    (effect.kind.to_string(), sort, target, effect.destroys, effect.note.as_deref().map(str::to_owned))
}

fn around(cwd: Option<String>, home: Option<String>) -> Surroundings {
    Surroundings { cwd, home, ignores_case: false }
}

/// What a shell script would do.
#[pyfunction]
#[pyo3(signature = (text, cwd=None, home=None))]
pub fn shell(py: Python<'_>, text: &str, cwd: Option<String>, home: Option<String>) -> Vec<Row> {
    py.detach(|| inspect::shell::effects(text, &around(cwd, home)).iter().map(row).collect())
}

/// What SQL would do.
#[pyfunction]
pub fn sql(py: Python<'_>, text: &str) -> Vec<Row> {
    py.detach(|| inspect::sql::effects(text, Dialect::default()).iter().map(row).collect())
}

/// Every file that one program or another takes `text` for. Raises `ValueError` with a sentence if that cannot be
/// told.
#[pyfunction]
#[pyo3(signature = (text, cwd=None, home=None))]
pub fn paths(text: &str, cwd: Option<String>, home: Option<String>) -> PyResult<Vec<String>> {
    let found = inspect::path::targets(text, &around(cwd, home)).map_err(PyValueError::new_err)?;
    let mut all = Vec::with_capacity(found.len());
    for it in found {
        all.extend(it.spelled);
        all.push(it.path);
    }
    Ok(all)
}

/// One reading of an address: `(kind, host, port, address, scheme)`; kind is `host`, `file` or `inline`.
type Host = (&'static str, String, Option<u16>, Option<String>, Option<String>);

/// Every machine that one program or another takes `text` for. Raises `ValueError` with a sentence if that cannot
/// be told.
#[pyfunction]
pub fn hosts(text: &str) -> PyResult<Vec<Host>> {
    let found = reached(text).map_err(PyValueError::new_err)?;
    let one = |it: Reached| match it {
        Reached::Host(host) => {
            ("host", host.host, host.port, host.address.map(|it| it.to_string()), host.scheme)
        }
        Reached::File(path) => ("file", path, None, None, None),
        Reached::Inline => ("inline", String::new(), None, None, None),
    };
    Ok(found.into_iter().map(one).collect())
}

/// The text without the secrets that stand in it: each is replaced by what it was.
#[pyfunction]
pub fn redact(py: Python<'_>, text: &str) -> String {
    py.detach(|| {
        let mut hits: Vec<Hit> = Vec::new();
        inspect::secret::find(text, &mut hits);
        hits.sort_by_key(|hit| hit.span.start);
        let (mut out, mut at) = (String::with_capacity(text.len()), 0_usize);
        for hit in &hits {
            if hit.span.start < at {
                at = at.max(hit.span.end);
                continue;
            }
            out.push_str(text.get(at..hit.span.start).unwrap_or_default());
            out.push_str("[redacted ");
            out.push_str(&hit.name);
            out.push(']');
            at = hit.span.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    })
}

/// The canonical JSON text (RFC 8785) of a value. Raises `ValueError` for what is no JSON.
#[pyfunction]
pub fn canonical(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = crate::values::json_text(value).map_err(PyValueError::new_err)?;
    let json = verdict::Json::parse(&text).map_err(PyValueError::new_err)?;
    Ok(json.canonical())
}
