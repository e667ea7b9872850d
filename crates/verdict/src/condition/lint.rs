//! What can be said of an expression for every input at once.
//!
//! Answerable for being right whenever it says something: whatever is not certain is not said. Does not
//! know what becomes of a rule whose condition is never true.

use super::run::{Meter, holds};
use super::show;
use super::tree::{Const, Node, Path, Relation, Walk};
use super::value::{Value, equal, order};
use super::{Run, Scope};

/// Why a node can never be `wanted`, if that is certain. A failure is neither true nor false.
pub(super) fn never(node: &Node, wanted: bool) -> Option<String> {
    if let Some(worth) = settled(node) {
        return match worth {
            Ok(b) if b == wanted => None,
            Ok(b) => Some(format!("{} is {b} for every input", show::quoted(node))),
            Err(why) => Some(why),
        };
    }
    match node {
        Node::Not(of) => never(of, !wanted),
        Node::And(parts) if wanted => {
            parts.iter().find_map(|part| never(part, true)).or_else(|| contradiction(node, true))
        }
        Node::Or(parts) if !wanted => {
            parts.iter().find_map(|part| never(part, false)).or_else(|| contradiction(node, false))
        }
        Node::And(parts) | Node::Or(parts) => every(parts.iter().map(|part| never(part, wanted))),
        Node::Choose(three) => {
            let yes = never(&three.0, true).or_else(|| never(&three.1, wanted))?;
            never(&three.0, false).or_else(|| never(&three.2, wanted))?;
            Some(yes)
        }
        Node::Within(two) if wanted && empty(&two.1) => {
            Some(format!("{} has nothing in it", show::quoted(&two.1)))
        }
        Node::Loop(walk) if empty(&walk.range) => match walk.kind {
            Walk::All if !wanted => Some(format!("{} goes through nothing", show::quoted(node))),
            Walk::Exists | Walk::ExistsOne if wanted => {
                Some(format!("{} goes through nothing", show::quoted(node)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a node is `wanted` for every input and never fails.
pub(super) fn always(node: &Node, wanted: bool) -> bool {
    if let Some(worth) = settled(node) {
        return worth == Ok(wanted);
    }
    match node {
        Node::Not(of) => always(of, !wanted),
        Node::And(parts) if wanted => parts.iter().all(|part| always(part, true)),
        Node::Or(parts) if !wanted => parts.iter().all(|part| always(part, false)),
        // One part that decides absorbs the failures of all others, but for a budget that runs out before it.
        Node::And(parts) | Node::Or(parts) => parts.first().is_some_and(|part| always(part, wanted)),
        Node::Choose(three) => {
            (always(&three.0, true) && always(&three.1, wanted))
                || (always(&three.0, false) && always(&three.2, wanted))
        }
        _ => false,
    }
}

/// The one worth of a node that reads nothing, or why it has none.
fn settled(node: &Node) -> Option<Result<bool, String>> {
    if !closed(node, 0) {
        return None;
    }
    Some(Run::new(Scope(&[])).truth(node).map_err(|failure| show::failure(&failure)))
}

/// True if a node reads no root and no name from outside itself.
fn closed(node: &Node, names: usize) -> bool {
    match node {
        Node::Path(_) | Node::HasPath(_) => false,
        Node::Local { slot, .. } => *slot < names,
        Node::Loop(walk) => {
            // The names of a loop that stands in others would begin above 0: such a node is not asked about.
            closed(&walk.range, names)
                && walk.slot == names
                && [walk.test.as_ref(), walk.make.as_ref()]
                    .into_iter()
                    .flatten()
                    .all(|of| closed(of, names + 1))
        }
        _ => node.children().into_iter().all(|child| closed(child, names)),
    }
}

fn empty(node: &Node) -> bool {
    match node {
        Node::Const(Const::List(items)) => items.is_empty(),
        Node::Const(Const::Map(entries)) => entries.is_empty(),
        _ => false,
    }
}

/// The first of the reasons, if all are there.
fn every(mut reasons: impl Iterator<Item = Option<String>>) -> Option<String> {
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

/// One thing that must hold of a part of the expression.
#[derive(Debug)]
struct Demand<'n> {
    of: &'n Node,
    must: Must<'n>,
    /// The part of the expression that says so, and whether it must be true.
    said: (&'n Node, bool),
}

#[derive(Debug)]
enum Must<'n> {
    Relate(Relation, &'n Const),
    OneOf(Vec<&'n Const>),
    NoneOf(Vec<&'n Const>),
}

/// Why the parts of a node cannot all hold at once.
fn contradiction(node: &Node, wanted: bool) -> Option<String> {
    let mut atoms = Vec::new();
    atomic(node, wanted, &mut atoms);
    for (n, (node, wanted)) in atoms.iter().enumerate() {
        let rest = atoms.iter().skip(n + 1);
        if rest.clone().any(|(other, opposite)| other == node && opposite != wanted) {
            return Some(format!("{} cannot be both true and false", show::quoted(node)));
        }
        if let (Node::HasPath(path), false) = (node, wanted)
            && let Some((reader, _)) = atoms.iter().find(|(other, _)| compares(other, path))
        {
            let (path, reader) = (path.text(path.keys.len()), show::quoted(reader));
            return Some(format!("{reader} needs `{path}`, which `!has({path})` says is missing"));
        }
    }
    let demands: Vec<Demand<'_>> = atoms.iter().filter_map(|(node, wanted)| demand(node, *wanted)).collect();
    demands.iter().enumerate().find_map(|(n, first)| {
        let others: Vec<&Demand<'_>> = demands.iter().skip(n).filter(|other| other.of == first.of).collect();
        clash(&others)
    })
}

/// The parts that must all be as wanted for the whole to be.
fn atomic<'n>(node: &'n Node, wanted: bool, out: &mut Vec<(&'n Node, bool)>) {
    match (node, wanted) {
        (Node::And(parts), true) | (Node::Or(parts), false) => {
            parts.iter().for_each(|part| atomic(part, wanted, out));
        }
        (Node::Not(of), _) => atomic(of, !wanted, out),
        _ => out.push((node, wanted)),
    }
}

/// True if a node is a comparison that fails where this path is missing.
fn compares(node: &Node, path: &Path) -> bool {
    let below = |side: &Node| matches!(side, Node::Path(read) if read.root == path.root && read.keys.starts_with(&path.keys));
    match node {
        Node::Compare(_, two) | Node::Within(two) => below(&two.0) || below(&two.1),
        Node::Matches(of, _) => below(of),
        _ => false,
    }
}

/// What a part says of a value that other parts may speak of too.
fn demand<'n>(node: &'n Node, wanted: bool) -> Option<Demand<'n>> {
    let said = (node, wanted);
    match node {
        Node::Compare(relation, two) => {
            let (of, relation, constant) = match (&two.0, &two.1) {
                (of, Node::Const(constant)) => (of, *relation, constant),
                (Node::Const(constant), of) => (of, relation.turned(), constant),
                _ => return None,
            };
            let ordered = !matches!(relation, Relation::Equal | Relation::Differs);
            // What is not a number is neither below nor above. Input never is such a value; a sum could be.
            if ordered && !wanted && !matches!(of, Node::Path(_)) {
                return None;
            }
            let relation = if wanted { relation } else { relation.opposite() };
            Some(Demand { of, must: Must::Relate(relation, constant), said })
        }
        Node::Within(two) => match &two.1 {
            Node::Const(Const::List(items)) if wanted => {
                Some(Demand { of: &two.0, must: Must::OneOf(items.iter().collect()), said })
            }
            Node::Const(Const::List(items)) => {
                Some(Demand { of: &two.0, must: Must::NoneOf(items.iter().collect()), said })
            }
            _ => None,
        },
        // `x == "a" || x == "b"` says what `x in ["a", "b"]` says.
        Node::Or(parts) if wanted => {
            let parts: Vec<Demand<'n>> =
                parts.iter().map(|part| demand(part, true)).collect::<Option<_>>()?;
            let of = parts.first()?.of;
            let mut all = Vec::new();
            for part in &parts {
                match &part.must {
                    Must::Relate(Relation::Equal, constant) if part.of == of => all.push(*constant),
                    Must::OneOf(constants) if part.of == of => all.extend(constants),
                    _ => return None,
                }
            }
            Some(Demand { of, must: Must::OneOf(all), said })
        }
        _ => None,
    }
}

/// Why demands on one value cannot all be met.
fn clash(demands: &[&Demand<'_>]) -> Option<String> {
    let candidates = demands.iter().find_map(|demand| match &demand.must {
        Must::Relate(Relation::Equal, constant) => Some((demand, vec![*constant])),
        Must::OneOf(constants) => Some((demand, constants.clone())),
        _ => None,
    });
    if let Some((named, candidates)) = candidates {
        let met =
            |candidate: &Const| demands.iter().all(|demand| meets(candidate, &demand.must) != Some(false));
        if candidates.into_iter().any(met) {
            return None;
        }
        let other = demands.iter().find(|demand| !std::ptr::eq(**demand, *named))?;
        return Some(at_odds(named, other));
    }
    demands.iter().enumerate().find_map(|(n, first)| {
        let other = demands.iter().skip(n + 1).find(|other| apart(&first.must, &other.must))?;
        Some(at_odds(first, other))
    })
}

fn at_odds(a: &Demand<'_>, b: &Demand<'_>) -> String {
    let said = |demand: &Demand<'_>| match demand.said {
        (node, true) => show::quoted(node),
        (node, false) => show::quoted(&Node::Not(Box::new(node.clone()))),
    };
    format!("{} and {} cannot both hold", said(a), said(b))
}

/// Whether a value meets a demand; none if that could not be worked out.
fn meets(candidate: &Const, must: &Must<'_>) -> Option<bool> {
    let mut meter = Meter::new();
    let value = Value::of_const(candidate);
    let mut is = |other: &Const| equal(&value, &Value::of_const(other), &mut meter).ok();
    match must {
        Must::Relate(Relation::Equal, other) => is(other),
        Must::Relate(Relation::Differs, other) => is(other).map(|same| !same),
        // Values without an order between them make the comparison fail, which is not true either.
        Must::Relate(relation, other) => {
            let order = order(&value, &Value::of_const(other), &mut Meter::new()).ok()?;
            Some(order.is_some_and(|order| holds(*relation, order)))
        }
        Must::OneOf(others) => {
            let found: Option<Vec<bool>> = others.iter().map(|other| is(other)).collect();
            found.map(|found| found.contains(&true))
        }
        Must::NoneOf(others) => {
            let found: Option<Vec<bool>> = others.iter().map(|other| is(other)).collect();
            found.map(|found| !found.contains(&true))
        }
    }
}

/// Whether two bounds leave no value between them.
fn apart(a: &Must<'_>, b: &Must<'_>) -> bool {
    let (Must::Relate(x, low), Must::Relate(y, high)) = (a, b) else { return false };
    let bound = |relation: Relation| !matches!(relation, Relation::Equal | Relation::Differs);
    if !bound(*x) || !bound(*y) {
        return false;
    }
    let Ok(order) = order(&Value::of_const(low), &Value::of_const(high), &mut Meter::new()) else {
        return false;
    };
    // Bounds of types that have no order between them: no value is on the right side of both.
    let Some(order) = order else { return true };
    let Some(order) = order else { return false };
    let above = |relation| matches!(relation, Relation::Greater | Relation::AtLeast);
    let strict =
        matches!(x, Relation::Greater | Relation::Less) || matches!(y, Relation::Greater | Relation::Less);
    let order = match (above(*x), above(*y)) {
        (true, false) => order,
        (false, true) => order.reverse(),
        _ => return false,
    };
    order.is_gt() || (order.is_eq() && strict)
}
