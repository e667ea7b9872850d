//! x
pub fn serve(_: &str) {}
