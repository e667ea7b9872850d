//! stub
use crate::Hit;
/// s
pub struct Placeholders;
impl Placeholders {
    /// s
    pub fn new(_k: [u8; 32]) -> Self {
        Self
    }
}
/// s
pub fn redact(t: &str, _g: &[Hit], _k: &[Hit], _n: &mut Placeholders) -> String {
    t.to_owned()
}
/// s
pub fn restore(t: &str, _n: &Placeholders) -> String {
    t.to_owned()
}
