//! Calls, compiled: functions, macros, and the patterns of `matches`.
//!
//! Answerable for every fault in how a function is called. Does not know what functions do.

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use regex::RegexBuilder;

use super::compile::{Compiler, Typed, below, folded};
use super::functions::{FUNCTIONS, Form, Function, Kinds, MACROS, Signature};
use super::moment;
use super::tree::{Const, Loop, Node, Pattern, Walk};
use crate::near::nearest;

impl Compiler<'_> {
    /// Compiles a call of a function or a macro.
    pub(super) fn function(&mut self, at: u64, call: &CallExpr) -> Typed {
        let name = call.func_name.as_str();
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("has", None, [of]) => return self.has(at, of),
            ("matches", Some(of), [pattern]) | ("matches", None, [of, pattern]) => {
                return self.matches(at, of, pattern);
            }
            _ => {}
        }
        let walk = match name {
            "all" => Some(Walk::All),
            "exists" => Some(Walk::Exists),
            "exists_one" | "existsOne" => Some(Walk::ExistsOne),
            "map" => Some(Walk::Map),
            "filter" => Some(Walk::Filter),
            _ => None,
        };
        if let (Some(walk), Some(range)) = (walk, call.target.as_deref()) {
            return self.walk(at, walk, range, &call.args);
        }
        let Some(signature) = FUNCTIONS.iter().find(|signature| signature.name == name) else {
            return self.unknown(at, call);
        };
        self.known(at, call, signature)
    }

    fn unknown(&mut self, at: u64, call: &CallExpr) -> Typed {
        let name = call.func_name.as_str();
        // What is wrong inside the call is worth knowing too.
        call.target.iter().for_each(|target| drop(self.node(target)));
        call.args.iter().for_each(|arg| drop(self.node(arg)));
        if MACROS.contains(&name) {
            let help = match name {
                "has" => "write `has(args.name)`",
                "matches" => "write `text.matches(\"...\")`",
                _ => "write it after a list, as in `args.list.all(item, item > 0)`",
            };
            self.fault(at, format!("`{name}` is not called like this"), Some(help.to_owned()));
            return Typed::nothing();
        }
        let known = FUNCTIONS.iter().map(|signature| signature.name).chain(MACROS.iter().copied());
        let help = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.fault(at, format!("function `{name}` is not known"), help);
        Typed::nothing()
    }

    fn known(&mut self, at: u64, call: &CallExpr, signature: &Signature) -> Typed {
        let name = signature.name;
        let exprs: Vec<&IdedExpr> = call.target.iter().map(Box::as_ref).chain(&call.args).collect();
        let args: Vec<Typed> = exprs.iter().map(|expr| self.node(expr)).collect();
        let fits = match signature.form {
            Form::Global => call.target.is_none(),
            Form::Member => call.target.is_some(),
            Form::Both => true,
        };
        if !fits {
            let right =
                if signature.form == Form::Global { format!("{name}(x)") } else { format!("x.{name}(...)") };
            self.fault(at, format!("`{name}` is not called like this"), Some(format!("write `{right}`")));
            return Typed::nothing();
        }
        if !(signature.least..=signature.takes.len()).contains(&args.len()) {
            let receiver = usize::from(call.target.is_some());
            let (least, most) =
                (signature.least - receiver.min(signature.least), signature.takes.len() - receiver);
            let count = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            let message = format!("`{name}` takes {count} arguments here, and {} are given", call.args.len());
            self.fault(at, message, None);
            return Typed::nothing();
        }
        for ((arg, expr), wanted) in args.iter().zip(&exprs).zip(signature.takes) {
            self.needs(expr.id, arg, *wanted, &format!("`{name}`"));
        }
        self.zone(signature.function, args.get(1), exprs.get(1).map(|expr| expr.id));
        let nodes: Vec<Node> = args.into_iter().map(|arg| arg.node).collect();
        let typed = folded(Node::Call(signature.function, nodes), signature.gives);
        if let (Node::Call(Function::ToTime | Function::ToSpan, parts), Some(expr)) =
            (&typed.node, exprs.first())
            && let Some(Node::Const(_)) = parts.first()
        {
            self.unreadable(expr.id, &typed.node);
        }
        // `dyn` says: do not check types here.
        if signature.function == Function::Dyn { Typed::new(typed.node, Kinds::ANY) } else { typed }
    }

    /// A time or a duration that is written out and cannot be read is a mistake, not an input.
    fn unreadable(&mut self, at: u64, node: &Node) {
        if let Err(failure) = super::Run::new(super::Scope(&[])).value(node) {
            self.fault(at, super::show::failure(&failure), None);
        }
    }

    /// Time zones have changing rules, which would make decisions depend on tables that change.
    fn zone(&mut self, function: Function, zone: Option<&Typed>, at: Option<u64>) {
        if let (Function::Part(_), Some(Typed { node: Node::Const(Const::Str(zone)), .. })) = (function, zone)
            && moment::offset(zone).is_none()
        {
            let message = format!("time zone `{}` is not supported", super::show::cut(zone, 40));
            let help = "write `UTC` or a fixed offset such as `+02:00`".to_owned();
            self.fault(at.unwrap_or(0), message, Some(help));
        }
    }

    fn has(&mut self, at: u64, of: &IdedExpr) -> Typed {
        let Expr::Select(select) = &of.expr else {
            drop(self.node(of));
            let help = "write `has(args.name)`; for a key that is no name, `\"the-key\" in args`".to_owned();
            self.fault(at, "`has` needs a field".to_owned(), Some(help));
            return Typed::nothing();
        };
        let operand = self.node(&select.operand);
        self.needs(at, &operand, Kinds::MAP, "`has`");
        let node = match below(operand.node, &select.field) {
            Node::Path(path) => Node::HasPath(path),
            Node::Select(of, key) => Node::Has(of, key),
            other => other,
        };
        folded(node, Kinds::BOOL)
    }

    fn matches(&mut self, at: u64, of: &IdedExpr, pattern: &IdedExpr) -> Typed {
        let of = self.node(of);
        self.needs(at, &of, Kinds::STR, "`matches`");
        let Node::Const(Const::Str(text)) = self.node(pattern).node else {
            let message = "the pattern of `matches` is not written out".to_owned();
            let help = "write it as a text: a pattern from input could be anyone's".to_owned();
            self.fault(pattern.id, message, Some(help));
            return Typed::nothing();
        };
        match compiled(&text) {
            Ok(pattern) => folded(Node::Matches(Box::new(of.node), Box::new(pattern)), Kinds::BOOL),
            Err(why) => {
                let help = "patterns are in RE2 syntax, without look-around and back-references".to_owned();
                self.fault(pattern.id, why, Some(help));
                Typed::nothing()
            }
        }
    }

    fn walk(&mut self, at: u64, kind: Walk, range: &IdedExpr, args: &[IdedExpr]) -> Typed {
        let range = self.node(range);
        self.needs(at, &range, Kinds::LIST.or(Kinds::MAP), &format!("`{}`", kind.name()));
        let (name, test, make) = match (kind, args) {
            (Walk::Map, [name, make]) => (name, None, Some(make)),
            (Walk::Map, [name, test, make]) => (name, Some(test), Some(make)),
            (Walk::All | Walk::Exists | Walk::ExistsOne | Walk::Filter, [name, test]) => {
                (name, Some(test), None)
            }
            _ => {
                let help = format!("write `list.{}(item, ...)`", kind.name());
                let message = format!("`{}` takes a name and what to do with it", kind.name());
                self.fault(at, message, Some(help));
                return Typed::nothing();
            }
        };
        let Expr::Ident(name) = &name.expr else {
            let help = format!("write `list.{}(item, ...)`", kind.name());
            self.fault(name.id, format!("`{}` needs a plain name first", kind.name()), Some(help));
            return Typed::nothing();
        };
        let slot = self.locals.len();
        self.locals.push(name.clone());
        let test = test.map(|test| self.boolean(test));
        let make = make.map(|make| self.node(make).node);
        self.locals.pop();
        let kinds = if matches!(kind, Walk::Map | Walk::Filter) { Kinds::LIST } else { Kinds::BOOL };
        let walk = Loop { kind, range: range.node, slot, name: name.as_str().into(), test, make };
        folded(Node::Loop(Box::new(walk)), kinds)
    }
}

/// Compiles a pattern, small enough to be searched for at a cost that is known.
fn compiled(text: &str) -> Result<Pattern, String> {
    // The crate does not tell how large a program came out: find out by how little room it fits in.
    let sizes = [(16, 1), (64, 4), (256, 16), (1024, 64)];
    let mut why = String::new();
    for (kilobytes, weight) in sizes {
        let built = RegexBuilder::new(text)
            .size_limit(kilobytes * 1024)
            .dfa_size_limit(1024 * 1024)
            .nest_limit(64)
            .build();
        match built {
            Ok(regex) => return Ok(Pattern { regex, weight }),
            Err(regex::Error::CompiledTooBig(_)) => why = "this pattern is too large".to_owned(),
            Err(error) => {
                let last = error.to_string();
                let last = last.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                return Err(format!("this pattern is no regular expression: {last}"));
            }
        }
    }
    Err(why)
}
