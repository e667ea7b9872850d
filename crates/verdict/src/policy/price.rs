//! What calls cost an agent, where that is not what they cost everyone.

use super::Agent;
use crate::money::Micros;

impl Agent {
    /// What a call of a tool costs it, if that is not the tool's own price.
    pub fn price(&self, tool: &str) -> Option<Micros> {
        self.parts.prices.iter().find(|(name, _)| name == tool).map(|(_, price)| *price)
    }
}
