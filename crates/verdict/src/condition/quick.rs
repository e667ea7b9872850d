//! What almost every rule asks of its input, answered without making values.
//!
//! Answerable for being worth and costing the same as the long way round, only faster. Knows inputs of one
//! plain type against literals, and leaves all else to the evaluation proper.

use std::cmp::Ordering;

use super::Root;
use super::functions::Function;
use super::run::{Failure, Meter, Run};
use super::tree::{Const, Node};
use crate::json::Json;

impl<'v> Run<'v> {
    /// A test of an input string against a literal, answered without making values; none for all else.
    #[inline(never)]
    pub(super) fn plain_test(
        &mut self,
        function: Function,
        args: &'v [Node],
    ) -> Result<Option<bool>, Failure<'v>> {
        let [Node::Path(path), Node::Const(Const::Str(part))] = args else { return Ok(None) };
        if !matches!(function, Function::Contains | Function::StartsWith | Function::EndsWith) {
            return Ok(None);
        }
        let Some(text) = plain_text(self.reach(path, path.keys.len())?) else { return Ok(None) };
        self.meter.spend(3)?;
        self.meter.spend_bytes(text.len())?;
        Ok(match function {
            Function::Contains => Some(text.contains(part.as_str())),
            Function::StartsWith => Some(text.starts_with(part.as_str())),
            Function::EndsWith => Some(text.ends_with(part.as_str())),
            _ => None,
        })
    }

    /// Whether a text is one of a list of literals.
    pub(super) fn named(&mut self, items: &[Const], text: &str) -> Result<bool, Failure<'v>> {
        for item in items {
            self.meter.spend(1)?;
            if let Const::Str(item) = item {
                self.meter.spend_bytes(item.len().min(text.len()))?;
                if item == text {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// An input that is a string.
#[inline]
pub(super) fn plain_text(at: Root<'_>) -> Option<&str> {
    match at {
        Root::Str(text) => Some(text),
        Root::Json(Json::Str(text)) => Some(text),
        _ => None,
    }
}

/// The order of an input and a constant of one plain type; none where it takes more to tell.
#[inline]
pub(super) fn plain_order<'e>(
    at: Root<'_>,
    constant: &Const,
    meter: &mut Meter,
) -> Result<Option<Ordering>, Failure<'e>> {
    meter.spend(2)?;
    Ok(Some(match (at, constant) {
        (Root::Json(Json::Int(n)), Const::Int(m)) => n.cmp(m),
        (Root::Int(n), Const::Int(m)) => n.cmp(m),
        (Root::Json(Json::Str(text)), Const::Str(other)) => {
            meter.spend_bytes(text.len().min(other.len()))?;
            text.cmp(other)
        }
        (Root::Str(text), Const::Str(other)) => {
            meter.spend_bytes(text.len().min(other.len()))?;
            text.cmp(other.as_str())
        }
        (Root::Json(Json::Bool(a)), Const::Bool(b)) => a.cmp(b),
        (Root::Bool(a), Const::Bool(b)) => a.cmp(b),
        _ => return Ok(None),
    }))
}
