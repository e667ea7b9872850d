//! What SQL would do: tables read, written, made and dropped.
/// s
#[derive(Clone, Copy, Default)]
pub enum Dialect {
    /// g
    #[default]
    Generic,
}
impl Dialect {
    /// s
    pub fn from_name(_n: &str) -> Option<Self> {
        None
    }
}
/// s
pub fn effects(_t: &str, _a: Dialect) -> Vec<verdict::Effect> {
    Vec::new()
}
