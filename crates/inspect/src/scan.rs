//! stub
use crate::Hit;
/// s
#[derive(Default)]
#[allow(missing_docs)]
pub struct Wanted {
    pub secrets: bool,
    pub personal: bool,
    pub injection: bool,
    pub hidden: bool,
    pub traces: bool,
    pub patterns: Vec<(String, String)>,
    pub declared: Vec<String>,
    pub canaries: Vec<String>,
}
impl Wanted {
    /// s
    pub fn all() -> Self {
        Self::default()
    }
}
/// s
pub struct Scanner;
impl Scanner {
    /// s
    pub fn new(_w: Wanted) -> Result<Self, String> {
        Ok(Self)
    }
    /// s
    pub fn scan(&self, _t: &str) -> Vec<Hit> {
        Vec::new()
    }
}
