//! From syntax tree to compiled tree: names resolved, literals made, regexes compiled, types checked.
//!
//! Answerable for finding every fault that can be found without input. Does not decide anything for any
//! input.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::functions::Kinds;
use super::scan::Scan;
use super::tree::{Const, Kind, Node, Path, Relation, Sum};
use super::{Fault, Run, Scope, show};
use crate::near::nearest;

/// A compiled node and what types its value may have.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) kinds: Kinds,
}

impl Typed {
    pub(super) fn new(node: Node, kinds: Kinds) -> Self {
        Self { node, kinds }
    }

    /// Stands for a part that is at fault, so that the rest can still be checked.
    pub(super) fn nothing() -> Self {
        Self { node: Node::Const(Const::Null), kinds: Kinds::ANY }
    }
}

/// Compiles one expression.
pub(super) struct Compiler<'s> {
    pub(super) roots: &'s [&'s str],
    pub(super) info: &'s SourceInfo,
    pub(super) faults: Vec<Fault>,
    pub(super) locals: Vec<String>,
}

/// The parts of an expression that `&&` joins at the top, each with its place in the source.
pub(super) fn conjuncts<'e>(
    expr: &'e IdedExpr,
    place: Range<usize>,
    source: (&str, &Scan, &SourceInfo),
    out: &mut Vec<(&'e IdedExpr, Range<usize>)>,
) {
    let (text, scan, info) = source;
    let place = trimmed(text, place);
    let sides = match &expr.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND => call.args.split_first_chunk::<2>(),
        _ => None,
    };
    let (Some(([left, right], _)), Some((sign, _))) = (sides, info.offset_for(expr.id)) else {
        out.push((expr, place));
        return;
    };
    let sign = usize::try_from(sign).unwrap_or(place.end);
    let mut inner = place;
    // Brackets around the whole of an `&&` hold both of its sides.
    while text.get(inner.start..).is_some_and(|rest| rest.starts_with('('))
        && scan.close_of(inner.start) == Some(inner.end - 1)
    {
        inner = trimmed(text, inner.start + 1..inner.end - 1);
    }
    conjuncts(left, inner.start..sign.max(inner.start), source, out);
    conjuncts(right, (sign + 2).min(inner.end)..inner.end, source, out);
}

/// A place without the white space at its ends.
fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let part = text.get(place.clone()).unwrap_or("");
    let start = place.start + (part.len() - part.trim_start().len());
    start..(start + part.trim().len())
}

impl Compiler<'_> {
    /// Notes a fault at a node.
    pub(super) fn fault(&mut self, at: u64, message: String, help: Option<String>) {
        let offset = self.info.offset_for(at).map_or(0, |(start, _)| usize::try_from(start).unwrap_or(0));
        self.faults.push(Fault { offset, message, help });
    }

    /// Compiles a part that must be able to be true or false.
    pub(super) fn boolean(&mut self, expr: &IdedExpr) -> Node {
        let typed = self.node(expr);
        if !typed.kinds.meets(Kinds::BOOL) {
            let message = format!(
                "{} is {} and neither true nor false",
                show::quoted(&typed.node),
                typed.kinds.words()
            );
            self.fault(expr.id, message, Some("compare it with something, such as `... == 1`".to_owned()));
        }
        typed.node
    }

    /// Compiles a part.
    pub(super) fn node(&mut self, expr: &IdedExpr) -> Typed {
        match &expr.expr {
            Expr::Literal(literal) => literal_node(literal),
            Expr::Ident(name) => self.name(expr.id, name),
            Expr::Select(select) => match qualified(expr) {
                Some(kind) if !self.roots.contains(&"google") => {
                    Typed::new(Node::Const(Const::Type(kind)), Kinds::TYPE)
                }
                _ => {
                    let of = self.node(&select.operand);
                    self.needs(expr.id, &of, Kinds::MAP, &format!("`.{}`", select.field));
                    Typed::new(below(of.node, &select.field), Kinds::ANY)
                }
            },
            Expr::Call(call) => self.operator(expr.id, call),
            Expr::List(list) => {
                let items: Vec<Node> = list.elements.iter().map(|item| self.node(item).node).collect();
                folded(Node::List(items), Kinds::LIST)
            }
            Expr::Map(map) => {
                let mut entries = Vec::new();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let key = self.node(&entry.key);
                        let keys = Kinds::STR.or(Kinds::INT).or(Kinds::UINT).or(Kinds::BOOL);
                        self.needs(entry.key.id, &key, keys, "the key of an object");
                        entries.push((key.node, self.node(&entry.value).node));
                    }
                }
                folded(Node::Map(entries), Kinds::MAP)
            }
            Expr::Struct(of) => {
                let message = format!("`{}{{...}}` makes a message, which is not supported", of.type_name);
                self.fault(expr.id, message, Some("write an object: `{\"name\": value}`".to_owned()));
                Typed::nothing()
            }
            Expr::Comprehension(_) | Expr::Unspecified => {
                self.fault(expr.id, "this is no CEL expression".to_owned(), None);
                Typed::nothing()
            }
        }
    }

    /// Faults a part that can be of none of these types.
    pub(super) fn needs(&mut self, at: u64, typed: &Typed, kinds: Kinds, what: &str) {
        if !typed.kinds.meets(kinds) {
            let found = show::quoted(&typed.node);
            let message = format!("{found} is {}, and {what} needs {}", typed.kinds.words(), kinds.words());
            self.fault(at, message, None);
        }
    }

    fn name(&mut self, at: u64, name: &str) -> Typed {
        if let Some(slot) = self.locals.iter().rposition(|local| local == name) {
            return Typed::new(Node::Local { slot, name: name.into() }, Kinds::ANY);
        }
        let plain = name.strip_prefix('.').unwrap_or(name);
        if let Some(root) = self.roots.iter().position(|root| *root == plain) {
            let path = Path { root, name: plain.into(), keys: Vec::new() };
            return Typed::new(Node::Path(Arc::new(path)), Kinds::ANY);
        }
        if let Some(kind) = type_name(plain) {
            return Typed::new(Node::Const(Const::Type(kind)), Kinds::TYPE);
        }
        let known = self.roots.iter().copied().chain(self.locals.iter().map(String::as_str));
        let help = match nearest(plain, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known names: `{}`; put texts in quotes", self.roots.join("`, `")),
        };
        self.fault(at, format!("`{plain}` is not known"), Some(help));
        Typed::nothing()
    }

    fn operator(&mut self, at: u64, call: &CallExpr) -> Typed {
        use operators as op;
        if call.target.is_some() {
            return self.function(at, call);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_AND, args) => {
                let mut parts = Vec::new();
                args.iter().for_each(|arg| self.chain(arg, op::LOGICAL_AND, &mut parts));
                folded(Node::And(parts), Kinds::BOOL)
            }
            (op::LOGICAL_OR, args) => {
                let mut parts = Vec::new();
                args.iter().for_each(|arg| self.chain(arg, op::LOGICAL_OR, &mut parts));
                folded(Node::Or(parts), Kinds::BOOL)
            }
            (op::LOGICAL_NOT, [of]) => folded(Node::Not(Box::new(self.boolean(of))), Kinds::BOOL),
            (op::NEGATE, [of]) => {
                let typed = self.node(of);
                self.needs(at, &typed, Kinds::INT.or(Kinds::DOUBLE), "`-`");
                let kinds = typed.kinds.and(Kinds::INT.or(Kinds::DOUBLE));
                folded(Node::Negate(Box::new(typed.node)), kinds)
            }
            (op::CONDITIONAL, [test, yes, no]) => {
                let test = self.boolean(test);
                let (yes, no) = (self.node(yes), self.node(no));
                let kinds = yes.kinds.or(no.kinds);
                folded(Node::Choose(Box::new((test, yes.node, no.node))), kinds)
            }
            (op::INDEX, [of, key]) => self.index(at, of, key),
            (op::IN, [item, of]) => {
                let (item, of) = (self.node(item), self.node(of));
                self.needs(at, &of, Kinds::LIST.or(Kinds::MAP), "`in`");
                folded(Node::Within(Box::new((item.node, of.node))), Kinds::BOOL)
            }
            (name, [a, b]) => match (relation(name), sum(name)) {
                (Some(relation), _) => self.compare(at, relation, (a, b)),
                (_, Some(sum)) => self.arithmetic(at, sum, (a, b)),
                _ => self.function(at, call),
            },
            _ => self.function(at, call),
        }
    }

    /// The parts that the same operator joins, however they were grouped.
    fn chain(&mut self, expr: &IdedExpr, sign: &str, out: &mut Vec<Node>) {
        match &expr.expr {
            Expr::Call(call) if call.func_name == sign && call.target.is_none() => {
                call.args.iter().for_each(|arg| self.chain(arg, sign, out));
            }
            _ => {
                let part = self.boolean(expr);
                out.push(part);
            }
        }
    }

    fn index(&mut self, at: u64, of: &IdedExpr, key: &IdedExpr) -> Typed {
        let (of, key) = (self.node(of), self.node(key));
        self.needs(at, &of, Kinds::LIST.or(Kinds::MAP), "`[...]`");
        match (of.node, key.node) {
            (
                node @ (Node::Path(_) | Node::Select(..) | Node::Local { .. }),
                Node::Const(Const::Str(key)),
            ) => Typed::new(below(node, &key), Kinds::ANY),
            (of, key) => folded(Node::Index(Box::new((of, key))), Kinds::ANY),
        }
    }

    fn compare(&mut self, at: u64, relation: Relation, (a, b): (&IdedExpr, &IdedExpr)) -> Typed {
        let (a, b) = (self.node(a), self.node(b));
        if !matches!(relation, Relation::Equal | Relation::Differs) {
            let ordered = |kinds: Kinds| {
                let same = [Kinds::BOOL, Kinds::STR, Kinds::BYTES, Kinds::TIME, Kinds::SPAN];
                let same = same.into_iter().filter(|one| kinds.meets(*one)).fold(Kinds::NONE, Kinds::or);
                if kinds.meets(Kinds::NUMBER) { same.or(Kinds::NUMBER) } else { same }
            };
            if !ordered(a.kinds).meets(ordered(b.kinds)) {
                let (x, y) = (show::quoted(&a.node), show::quoted(&b.node));
                let message = format!(
                    "{x} is {} and cannot be compared with {y}, which is {}",
                    a.kinds.words(),
                    b.kinds.words()
                );
                self.fault(at, message, None);
            }
        }
        folded(Node::Compare(relation, Box::new((a.node, b.node))), Kinds::BOOL)
    }

    fn arithmetic(&mut self, at: u64, sum: Sum, (a, b): (&IdedExpr, &IdedExpr)) -> Typed {
        let (a, b) = (self.node(a), self.node(b));
        let kinds = sum_kinds(sum, a.kinds, b.kinds);
        if kinds == Kinds::NONE {
            let (x, y) = (show::quoted(&a.node), show::quoted(&b.node));
            let (left, right) = (a.kinds.words(), b.kinds.words());
            let message = format!("{x} is {left} and cannot be {} {y}, which is {right}", sum.done());
            let mixed = a.kinds.meets(Kinds::NUMBER) && b.kinds.meets(Kinds::NUMBER);
            let help =
                mixed.then(|| "write both as integers or both with a fraction, such as `2.0`".to_owned());
            self.fault(at, message, help);
            return Typed::nothing();
        }
        folded(Node::Arithmetic(sum, Box::new((a.node, b.node))), kinds)
    }
}

/// What a sum may be, given what its sides may be.
fn sum_kinds(sum: Sum, a: Kinds, b: Kinds) -> Kinds {
    let same = |kinds: &[Kinds]| {
        kinds.iter().filter(|one| a.meets(**one) && b.meets(**one)).fold(Kinds::NONE, |all, one| all.or(*one))
    };
    let when = |left: Kinds, right: Kinds, gives: Kinds| {
        if a.meets(left) && b.meets(right) { gives } else { Kinds::NONE }
    };
    match sum {
        Sum::Add => same(&[
            Kinds::INT,
            Kinds::UINT,
            Kinds::DOUBLE,
            Kinds::STR,
            Kinds::BYTES,
            Kinds::LIST,
            Kinds::SPAN,
        ])
        .or(when(Kinds::TIME, Kinds::SPAN, Kinds::TIME))
        .or(when(Kinds::SPAN, Kinds::TIME, Kinds::TIME)),
        Sum::Subtract => same(&[Kinds::INT, Kinds::UINT, Kinds::DOUBLE, Kinds::SPAN])
            .or(when(Kinds::TIME, Kinds::SPAN, Kinds::TIME))
            .or(when(Kinds::TIME, Kinds::TIME, Kinds::SPAN)),
        Sum::Multiply | Sum::Divide => same(&[Kinds::INT, Kinds::UINT, Kinds::DOUBLE]),
        Sum::Remainder => same(&[Kinds::INT, Kinds::UINT]),
    }
}

/// The node for a key below another.
pub(super) fn below(of: Node, key: &str) -> Node {
    match of {
        Node::Path(mut path) => {
            Arc::make_mut(&mut path).keys.push(key.into());
            Node::Path(path)
        }
        of => Node::Select(Box::new(of), key.into()),
    }
}

/// Works a node out now if all below it is constant. What fails now fails again when it is decided.
pub(super) fn folded(node: Node, kinds: Kinds) -> Typed {
    let constant = !matches!(node, Node::Const(_))
        && node.children().iter().all(|child| matches!(child, Node::Const(_)));
    if !constant {
        return Typed::new(node, kinds);
    }
    let value =
        Run::new(Scope(&[])).value(&node).ok().map(|value| (value.to_const(), Kinds::of(value.kind())));
    match value {
        Some((constant, kinds)) => Typed::new(Node::Const(constant), kinds),
        None => Typed::new(node, kinds),
    }
}

fn literal_node(literal: &LiteralValue) -> Typed {
    let (constant, kind) = match literal {
        LiteralValue::Boolean(b) => (Const::Bool(*b.inner()), Kind::Bool),
        LiteralValue::Bytes(bytes) => (Const::Bytes(bytes.inner().to_vec()), Kind::Bytes),
        LiteralValue::Double(x) => (Const::Double(*x.inner()), Kind::Double),
        LiteralValue::Int(n) => (Const::Int(*n.inner()), Kind::Int),
        LiteralValue::Null => (Const::Null, Kind::Null),
        LiteralValue::String(text) => (Const::Str(text.inner().to_owned()), Kind::Str),
        LiteralValue::UInt(n) => (Const::Uint(*n.inner()), Kind::Uint),
    };
    Typed::new(Node::Const(constant), Kinds::of(kind))
}

/// The types that are known by a qualified name.
fn qualified(expr: &IdedExpr) -> Option<Kind> {
    let mut names = Vec::new();
    let mut at = expr;
    loop {
        match &at.expr {
            Expr::Select(select) if names.len() < 3 => {
                names.push(select.field.as_str());
                at = &select.operand;
            }
            Expr::Ident(name) => {
                names.push(name);
                break;
            }
            _ => return None,
        }
    }
    match names.as_slice() {
        ["Timestamp", "protobuf", "google"] => Some(Kind::Time),
        ["Duration", "protobuf", "google"] => Some(Kind::Span),
        _ => None,
    }
}

fn type_name(name: &str) -> Option<Kind> {
    let plain = [
        Kind::Null,
        Kind::Bool,
        Kind::Int,
        Kind::Uint,
        Kind::Double,
        Kind::Str,
        Kind::Bytes,
        Kind::List,
        Kind::Map,
        Kind::Type,
    ];
    plain.into_iter().find(|kind| kind.name() == name)
}

fn relation(name: &str) -> Option<Relation> {
    Some(match name {
        operators::EQUALS => Relation::Equal,
        operators::NOT_EQUALS => Relation::Differs,
        operators::LESS => Relation::Less,
        operators::LESS_EQUALS => Relation::AtMost,
        operators::GREATER => Relation::Greater,
        operators::GREATER_EQUALS => Relation::AtLeast,
        _ => return None,
    })
}

fn sum(name: &str) -> Option<Sum> {
    Some(match name {
        operators::ADD => Sum::Add,
        operators::SUBSTRACT => Sum::Subtract,
        operators::MULTIPLY => Sum::Multiply,
        operators::DIVIDE => Sum::Divide,
        operators::MODULO => Sum::Remainder,
        _ => return None,
    })
}
