//! Figures for urls.

use crate::Row;
use crate::set::Sets;

/// Measures.
pub fn run(_sets: &Sets) -> Vec<Row> {
    Vec::new()
}
