//! stand-in
use crate::effect::Effect;
/// x
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boundaries {}
/// x
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// x
    pub boundary: &'static str,
    /// x
    pub reason: String,
    /// x
    pub asks: bool,
}
impl Boundaries {
    /// x
    pub fn breach(&self, _effects: &[Effect]) -> Option<Breach> {
        None
    }
}
