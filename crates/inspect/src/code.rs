//! What a piece of Python or JavaScript plainly does.
use crate::Surroundings;
/// s
#[derive(Clone, Copy)]
pub enum Language {
    /// s
    Python,
    /// s
    JavaScript,
}
/// s
pub fn effects(_t: &str, _l: Language, _a: &Surroundings) -> Vec<verdict::Effect> {
    Vec::new()
}
