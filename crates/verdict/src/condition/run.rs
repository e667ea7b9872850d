//! Deciding an expression for one input, within a budget.
//!
//! Answerable for the meaning of every node and for what it costs. Does not know how functions and
//! arithmetic work, only that they are charged for.

use std::cmp::Ordering;
use std::rc::Rc;

use super::functions::Function;
use super::quick::{plain_order, plain_text};
use super::show;
use super::tree::{Const, Kind, Loop, Node, Path, Pattern, Relation, Walk};
use super::value::{Dict, List, Value, equal, field, order};
use super::{Root, Scope};
use super::{arithmetic, calls};
use crate::json::Json;

/// Steps that one evaluation may take.
pub(super) const STEPS: u32 = 10_000;
/// Bytes of text that one evaluation may build.
pub(super) const TEXT: usize = 64 * 1024;

/// Why a node has no value.
#[derive(Debug)]
pub(super) enum Failure<'v> {
    /// The budget is spent. Nothing decides over this: `||` and `&&` pass it on.
    GaveUp(&'static str),
    /// The path has nothing at this depth.
    Missing(&'v Path, usize),
    /// What is wrong, as a sentence.
    Said(String),
}

/// What is left of the budget.
#[derive(Debug)]
pub(super) struct Meter {
    steps: u32,
    text: usize,
}

impl Meter {
    /// A full budget.
    pub(super) fn new() -> Self {
        Self { steps: STEPS, text: TEXT }
    }

    /// Charges for `steps` steps.
    #[inline]
    pub(super) fn spend<'e>(&mut self, steps: u32) -> Result<(), Failure<'e>> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                // Nothing that is tried afterwards may find budget left.
                self.steps = 0;
                Err(Failure::GaveUp("gave up after 10,000 steps"))
            }
        }
    }

    /// Charges for going through `bytes` bytes.
    #[inline]
    pub(super) fn spend_bytes<'e>(&mut self, bytes: usize) -> Result<(), Failure<'e>> {
        if bytes < 16 { Ok(()) } else { self.spend(u32::try_from(bytes / 16).unwrap_or(u32::MAX)) }
    }

    /// Charges for `bytes` bytes that are about to be built.
    pub(super) fn build<'e>(&mut self, bytes: usize) -> Result<(), Failure<'e>> {
        match self.text.checked_sub(bytes) {
            Some(left) => {
                self.text = left;
                self.spend_bytes(bytes)
            }
            None => {
                self.steps = 0;
                Err(Failure::GaveUp("gave up after building 64 KiB of text"))
            }
        }
    }
}

/// One evaluation.
pub(super) struct Run<'v> {
    scope: Scope<'v>,
    pub(super) meter: Meter,
    locals: Vec<Value<'v>>,
}

type Outcome<'v> = Result<Value<'v>, Failure<'v>>;

impl<'v> Run<'v> {
    /// An evaluation over these values.
    pub(super) fn new(scope: Scope<'v>) -> Self {
        Self { scope, meter: Meter::new(), locals: Vec::new() }
    }

    /// Whether a node is true. A value that is no boolean is a failure.
    pub(super) fn truth(&mut self, node: &'v Node) -> Result<bool, Failure<'v>> {
        match node {
            Node::Compare(relation, two) => {
                self.meter.spend(1)?;
                self.compare(node, *relation, (&two.0, &two.1))
            }
            Node::And(parts) => self.decided(parts, false),
            Node::Or(parts) => self.decided(parts, true),
            Node::Not(of) => {
                self.meter.spend(1)?;
                self.truth(of).map(|b| !b)
            }
            Node::HasPath(path) => {
                self.meter.spend(1)?;
                self.has_path(path)
            }
            Node::Matches(of, pattern) => {
                self.meter.spend(1)?;
                self.matches(node, of, pattern)
            }
            Node::Within(two) => {
                self.meter.spend(1)?;
                self.within(&two.0, &two.1)
            }
            Node::Call(function, args) => match self.plain_test(*function, args)? {
                Some(holds) => Ok(holds),
                None => self.valued_truth(node),
            },
            _ => self.valued_truth(node),
        }
    }

    #[inline(never)]
    fn valued_truth(&mut self, node: &'v Node) -> Result<bool, Failure<'v>> {
        match self.value(node)? {
            Value::Bool(b) => Ok(b),
            other => Err(Failure::Said(show::not_boolean(node, other.kind()))),
        }
    }

    /// The value of a node.
    #[inline(never)]
    pub(super) fn value(&mut self, node: &'v Node) -> Outcome<'v> {
        if let Node::Compare(..) | Node::And(_) | Node::Or(_) | Node::Not(_) = node {
            return self.truth(node).map(Value::Bool);
        }
        self.meter.spend(1)?;
        match node {
            Node::Const(constant) => Ok(Value::of_const(constant)),
            Node::Path(path) => self.path(path),
            Node::Local { slot, name } => {
                let value = self.locals.get(*slot).cloned();
                value.ok_or_else(|| Failure::Said(format!("`{name}` is missing")))
            }
            Node::Select(of, key) => self.select(node, of, key),
            Node::Has(of, key) => self.has(node, of, key).map(Value::Bool),
            Node::HasPath(path) => self.has_path(path).map(Value::Bool),
            Node::Index(two) => self.index(node, &two.0, &two.1),
            Node::Negate(of) => {
                let value = self.value(of)?;
                arithmetic::negated(&value, of)
            }
            Node::Choose(three) => {
                let chosen = if self.truth(&three.0)? { &three.1 } else { &three.2 };
                self.value(chosen)
            }
            Node::Within(two) => self.within(&two.0, &two.1).map(Value::Bool),
            Node::Arithmetic(sum, two) => {
                let (a, b) = (self.value(&two.0)?, self.value(&two.1)?);
                arithmetic::apply(*sum, (&a, &b), (&two.0, &two.1), &mut self.meter)
            }
            Node::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Rc<[_]>, _>>()?;
                Ok(Value::List(List::Built(items)))
            }
            Node::Map(entries) => self.map(entries),
            Node::Call(function, args) => self.call(node, *function, args),
            Node::Matches(of, pattern) => self.matches(node, of, pattern).map(Value::Bool),
            Node::Loop(walk) => self.walk(walk),
            Node::Compare(..) | Node::And(_) | Node::Or(_) | Node::Not(_) => Ok(Value::Null),
        }
    }

    /// `&&` (`decisive` is false) and `||` (`decisive` is true): a part that decides the whole absorbs the
    /// failures of the others, before or after it.
    #[inline(never)]
    fn decided(&mut self, parts: &'v [Node], decisive: bool) -> Result<bool, Failure<'v>> {
        self.meter.spend(1)?;
        let mut failed = None;
        for part in parts {
            match self.truth(part) {
                Ok(b) if b == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(failure @ Failure::GaveUp(_)) => return Err(failure),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    }

    #[inline(never)]
    fn compare(
        &mut self,
        node: &'v Node,
        relation: Relation,
        sides: (&'v Node, &'v Node),
    ) -> Result<bool, Failure<'v>> {
        if let (Node::Path(path), Node::Const(constant)) = sides {
            // What almost every rule asks, answered without making values.
            let at = self.reach(path, path.keys.len())?;
            if let Some(order) = plain_order(at, constant, &mut self.meter)? {
                return Ok(holds(relation, Some(order)));
            }
        }
        self.compare_values(node, relation, sides)
    }

    #[inline(never)]
    fn compare_values(
        &mut self,
        node: &'v Node,
        relation: Relation,
        sides: (&'v Node, &'v Node),
    ) -> Result<bool, Failure<'v>> {
        let (a, b) = (self.value(sides.0)?, self.value(sides.1)?);
        if let Relation::Equal | Relation::Differs = relation {
            return equal(&a, &b, &mut self.meter).map(|same| same == (relation == Relation::Equal));
        }
        match order(&a, &b, &mut self.meter)? {
            Some(order) => Ok(holds(relation, order)),
            None => Err(Failure::Said(show::incomparable(node, sides, (a.kind(), b.kind())))),
        }
    }

    /// Goes down a path from its root.
    fn path(&mut self, path: &'v Path) -> Outcome<'v> {
        let at = self.reach(path, path.keys.len())?;
        Value::of_root(at).ok_or(Failure::Missing(path, path.keys.len()))
    }

    #[inline]
    pub(super) fn reach(&mut self, path: &'v Path, depth: usize) -> Result<Root<'v>, Failure<'v>> {
        let mut at = self.scope.0.get(path.root).copied().unwrap_or(Root::Absent);
        for (n, key) in path.keys.iter().take(depth).enumerate() {
            let below = match at {
                Root::Json(Json::Map(map)) | Root::Map(map) => map.get(key).map(Root::Json),
                Root::Fields(fields) => field(fields, key),
                Root::Absent => return Err(Failure::Missing(path, n)),
                other => return Err(no_object(path, n, other)),
            };
            at = match below {
                Some(Root::Absent) | None => return Err(Failure::Missing(path, n + 1)),
                Some(below) => below,
            };
        }
        Ok(at)
    }

    #[inline(never)]
    fn has_path(&mut self, path: &'v Path) -> Result<bool, Failure<'v>> {
        let Some((key, above)) = path.keys.split_last() else {
            return Err(Failure::Missing(path, 0));
        };
        match self.reach(path, above.len())? {
            Root::Json(Json::Map(map)) | Root::Map(map) => Ok(map.get(key).is_some()),
            Root::Fields(fields) => Ok(field(fields, key).is_some_and(|root| !matches!(root, Root::Absent))),
            Root::Absent => Err(Failure::Missing(path, above.len())),
            other => Err(no_object(path, above.len(), other)),
        }
    }

    fn select(&mut self, node: &'v Node, of: &'v Node, key: &str) -> Outcome<'v> {
        match self.value(of)? {
            Value::Map(map) => {
                map.field(key, &mut self.meter)?.ok_or_else(|| Failure::Said(show::missing(node)))
            }
            other => Err(Failure::Said(show::no_field(of, other.kind(), key))),
        }
    }

    fn has(&mut self, _node: &'v Node, of: &'v Node, key: &str) -> Result<bool, Failure<'v>> {
        match self.value(of)? {
            Value::Map(map) => Ok(map.field(key, &mut self.meter)?.is_some()),
            other => Err(Failure::Said(show::no_field(of, other.kind(), key))),
        }
    }

    fn index(&mut self, node: &'v Node, of: &'v Node, key: &'v Node) -> Outcome<'v> {
        let (of_value, key_value) = (self.value(of)?, self.value(key)?);
        match &of_value {
            Value::List(list) => match arithmetic::position(&key_value) {
                Some(at) => usize::try_from(at).ok().and_then(|at| list.get(at)).ok_or_else(|| {
                    Failure::Said(format!(
                        "{} has {} elements and none at {at}",
                        show::quoted(of),
                        list.len()
                    ))
                }),
                None => Err(Failure::Said(show::odd_index(of, key, key_value.kind()))),
            },
            Value::Map(map) => {
                map.get(&key_value, &mut self.meter)?.ok_or_else(|| Failure::Said(show::missing(node)))
            }
            other => Err(Failure::Said(show::not_indexed(of, other.kind()))),
        }
    }

    #[inline(never)]
    fn within(&mut self, item: &'v Node, of: &'v Node) -> Result<bool, Failure<'v>> {
        if let (Node::Path(path), Node::Const(Const::List(items))) = (item, of)
            && let Some(text) = plain_text(self.reach(path, path.keys.len())?)
        {
            return self.named(items, text);
        }
        let wanted = self.value(item)?;
        match self.value(of)? {
            Value::List(list) => {
                for item in list.iter() {
                    self.meter.spend(1)?;
                    if equal(&item, &wanted, &mut self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => match wanted.kind() {
                Kind::Str | Kind::Int | Kind::Uint | Kind::Double | Kind::Bool => {
                    Ok(map.get(&wanted, &mut self.meter)?.is_some())
                }
                other => Err(Failure::Said(show::odd_key(item, other))),
            },
            other => Err(Failure::Said(show::holds_nothing(of, other.kind()))),
        }
    }

    fn map(&mut self, entries: &'v [(Node, Node)]) -> Outcome<'v> {
        let mut made: Vec<(Value<'v>, Value<'v>)> = Vec::with_capacity(entries.len());
        for (key_node, value) in entries {
            let key = self.value(key_node)?;
            if !matches!(key.kind(), Kind::Str | Kind::Int | Kind::Uint | Kind::Bool) {
                return Err(Failure::Said(show::odd_key(key_node, key.kind())));
            }
            for (other, _) in &made {
                self.meter.spend(1)?;
                if equal(other, &key, &mut self.meter)? {
                    return Err(Failure::Said(format!("key {} is given twice", show::quoted(key_node))));
                }
            }
            let value = self.value(value)?;
            made.push((key, value));
        }
        Ok(Value::Map(Dict::Built(made.into())))
    }

    fn call(&mut self, node: &'v Node, function: Function, args: &'v [Node]) -> Outcome<'v> {
        // No function takes more than four, the receiver counted.
        let mut values = [Value::Null, Value::Null, Value::Null, Value::Null];
        for (slot, arg) in values.iter_mut().zip(args) {
            *slot = self.value(arg)?;
        }
        let given = values.get(..args.len()).unwrap_or(&[]);
        calls::call(function, given, node, &mut self.meter)
    }

    #[inline(never)]
    fn matches(&mut self, node: &'v Node, of: &'v Node, pattern: &Pattern) -> Result<bool, Failure<'v>> {
        if let Node::Path(path) = of
            && let Some(text) = plain_text(self.reach(path, path.keys.len())?)
        {
            return self.searched(text, pattern);
        }
        let value = self.value(of)?;
        match value.text() {
            Some(text) => self.searched(text, pattern),
            None => Err(Failure::Said(show::not_taken(node, "matches", of, value.kind()))),
        }
    }

    fn searched(&mut self, text: &str, pattern: &Pattern) -> Result<bool, Failure<'v>> {
        let blocks = u32::try_from(text.len() / 16 + 1).unwrap_or(u32::MAX);
        self.meter.spend(blocks.saturating_mul(pattern.weight))?;
        Ok(pattern.regex.is_match(text))
    }

    fn walk(&mut self, walk: &'v Loop) -> Outcome<'v> {
        let list = match self.value(&walk.range)? {
            Value::List(list) => list,
            Value::Map(map) => {
                self.meter.spend(u32::try_from(map.len()).unwrap_or(u32::MAX))?;
                List::Built(map.entries().map(|(key, _)| key).collect())
            }
            other => return Err(Failure::Said(show::not_walked(&walk.range, walk.kind, other.kind()))),
        };
        let floor = self.locals.len();
        let outcome = self.walk_over(walk, &list);
        self.locals.truncate(floor);
        outcome
    }

    fn walk_over(&mut self, walk: &'v Loop, list: &List<'v>) -> Outcome<'v> {
        let (mut made, mut found, mut failed) = (Vec::new(), 0_u32, None);
        for item in list.iter() {
            self.meter.spend(1)?;
            self.locals.truncate(walk.slot);
            self.locals.push(item.clone());
            let holds = walk.test.as_ref().map_or(Ok(true), |test| self.truth(test));
            match (walk.kind, holds) {
                (_, Err(failure @ Failure::GaveUp(_))) => return Err(failure),
                (Walk::All, Ok(false)) => return Ok(Value::Bool(false)),
                (Walk::Exists, Ok(true)) => return Ok(Value::Bool(true)),
                (Walk::All | Walk::Exists, Err(failure)) => failed = failed.or(Some(failure)),
                (_, Err(failure)) => return Err(failure),
                (Walk::ExistsOne, Ok(true)) => found = found.saturating_add(1),
                (Walk::Map | Walk::Filter, Ok(true)) => made.push(match &walk.make {
                    Some(make) => self.value(make)?,
                    None => item,
                }),
                (_, Ok(_)) => {}
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        Ok(match walk.kind {
            Walk::All => Value::Bool(true),
            Walk::Exists => Value::Bool(false),
            Walk::ExistsOne => Value::Bool(found == 1),
            Walk::Map | Walk::Filter => Value::List(List::Built(made.into())),
        })
    }
}

/// Whether a relation holds for two values in this order; none of them holds for what is not a number.
pub(super) fn holds(relation: Relation, order: Option<Ordering>) -> bool {
    let Some(order) = order else {
        return relation == Relation::Differs;
    };
    match relation {
        Relation::Equal => order.is_eq(),
        Relation::Differs => order.is_ne(),
        Relation::Less => order.is_lt(),
        Relation::AtMost => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::AtLeast => order.is_ge(),
    }
}

fn no_object<'v>(path: &'v Path, depth: usize, at: Root<'v>) -> Failure<'v> {
    let kind = Value::of_root(at).map_or(Kind::Null, |value| value.kind());
    let key = path.keys.get(depth).map_or("", |key| key);
    Failure::Said(format!("`{}` is {} and has no `{key}`", path.text(depth), kind.words()))
}
