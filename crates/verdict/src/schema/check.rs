//! A value held against a schema.

use std::cmp::Ordering;

use hashbrown::HashSet;

use super::{Node, Number, Object, Range, Schema, Type};
use crate::action::short;
use crate::json::{Json, Map};

/// How many schemas are looked at for one value: a schema of choices within choices must not take for ever.
const STEPS: u32 = 100_000;
/// References within each other that lead no deeper into the value.
const DEEPEST: u32 = 128;

pub(super) fn check(schema: &Schema, args: &Json) -> Result<(), String> {
    let mut checking = Checking { schema, place: "args".to_owned(), steps: STEPS, depth: 0 };
    checking.node(&schema.root, args)?;
    if checking.steps == 0 { checking.node(&schema.root, args) } else { Ok(()) }
}

/// Values as a schema has them, as many as a sentence can hold.
fn listed(values: &[Json]) -> String {
    let all: Vec<String> = values.iter().map(Json::canonical).collect();
    let text = all.join(", ");
    let cut: String = text.chars().take(120).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

struct Checking<'s> {
    schema: &'s Schema,
    place: String,
    steps: u32,
    depth: u32,
}

type Checked = Result<(), String>;

impl Checking<'_> {
    fn wrong(&self, what: &str) -> Checked {
        Err(format!("`{}` {what}", self.place))
    }

    fn at(&mut self, key: &str, work: impl FnOnce(&mut Self) -> Checked) -> Checked {
        let before = self.place.len();
        self.place.push('.');
        self.place.push_str(&short(key));
        let done = work(self);
        self.place.truncate(before);
        done
    }

    fn node(&mut self, node: &Node, value: &Json) -> Checked {
        self.steps = self.steps.saturating_sub(1);
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEEPEST {
            // For good: what was not looked at must not pass because an outer schema says `not`.
            self.steps = 0;
        }
        if self.steps == 0 {
            return Err(
                "the arguments take too long to be held against the schema; send simpler ones".to_owned()
            );
        }
        let checked = self.parts(node, value);
        self.depth = self.depth.saturating_sub(1);
        checked
    }

    fn parts(&mut self, node: &Node, value: &Json) -> Checked {
        if node.never {
            return self.wrong("may not be there");
        }
        if !node.types.is_empty() && !node.types.iter().any(|it| it.is_of(value)) {
            let wanted: Vec<&str> = node.types.iter().map(|it| it.described()).collect();
            return self.wrong(&format!("must be {}, and is {}", wanted.join(" or "), value.kind()));
        }
        if let Some(values) = &node.one_of_values
            && !values.iter().any(|it| equal(it, value))
        {
            return self.wrong(&format!("must be one of {}", listed(values)));
        }
        match value {
            Json::Map(map) => self.object(&node.object, map)?,
            Json::List(items) => self.list(node, items)?,
            Json::Str(text) => self.text(node, text)?,
            Json::Int(_) | Json::Float(_) => self.number(&node.number, value)?,
            Json::Null | Json::Bool(_) => (),
        }
        self.choices(node, value)
    }

    fn choices(&mut self, node: &Node, value: &Json) -> Checked {
        if let Some(name) = &node.refers {
            let schema = self.schema;
            let target = if name == "#" { Some(&schema.root) } else { schema.named.get(name) };
            match target {
                Some(target) => self.node(target, value)?,
                None => return self.wrong("is described nowhere"),
            }
        }
        for part in &node.all_of {
            self.node(part, value)?;
        }
        if !node.any_of.is_empty() {
            let mut first = None;
            let fits = node.any_of.iter().any(|part| match self.quietly(part, value) {
                Ok(()) => true,
                Err(why) => {
                    first.get_or_insert(why);
                    false
                }
            });
            if !fits {
                return Err(format!(
                    "none of what `{}` may be fits: {}",
                    self.place,
                    first.unwrap_or_default()
                ));
            }
        }
        if !node.one_of.is_empty() {
            let fits = node.one_of.iter().filter(|part| self.quietly(part, value).is_ok()).count();
            if fits != 1 {
                return self.wrong(&format!(
                    "must fit exactly one of {} descriptions, and fits {fits}",
                    node.one_of.len()
                ));
            }
        }
        if let Some(not) = &node.not
            && self.quietly(not, value).is_ok()
        {
            return self.wrong("is what it must not be");
        }
        if let Some(parts) = &node.when {
            let [condition, then, otherwise] = &**parts;
            let part = if self.quietly(condition, value).is_ok() { then } else { otherwise };
            self.node(part, value)?;
        }
        // A choice that was left for want of steps must not be taken for one that does not fit.
        if self.steps == 0 { self.node(node, value) } else { Ok(()) }
    }

    /// Looks without leaving a trace of how deep it got.
    fn quietly(&mut self, node: &Node, value: &Json) -> Checked {
        let depth = self.depth;
        let done = self.node(node, value);
        self.depth = depth;
        done
    }

    fn object(&mut self, object: &Object, map: &Map) -> Checked {
        if let Some(missing) = object.required.iter().find(|name| map.get(name).is_none()) {
            return Err(format!("`{}.{}` is missing", self.place, short(missing)));
        }
        for (name, needed) in object.needs.iter().filter(|(name, _)| map.get(name).is_some()) {
            if let Some(missing) = needed.iter().find(|name| map.get(name).is_none()) {
                return Err(format!(
                    "`{0}.{1}` is missing; `{0}.{2}` needs it",
                    self.place,
                    short(missing),
                    short(name)
                ));
            }
        }
        self.counted(object.count, map.len(), "properties")?;
        for (name, value) in map.iter() {
            if let Some(names) = &object.names {
                self.at(name, |it| it.node(names, &Json::Str(name.to_owned())))?;
            }
            let mut known = false;
            if let Some((_, node)) = object.properties.iter().find(|(it, _)| it == name) {
                known = true;
                self.at(name, |it| it.node(node, value))?;
            }
            for (_, node) in object.patterns.iter().filter(|(it, _)| it.is_match(name)) {
                known = true;
                self.at(name, |it| it.node(node, value))?;
            }
            if let Some(others) = object.others.as_ref().filter(|_| !known) {
                self.at(name, |it| it.node(others, value))?;
            }
        }
        Ok(())
    }

    fn list(&mut self, node: &Node, items: &[Json]) -> Checked {
        let list = &node.list;
        self.counted(list.count, items.len(), "items")?;
        for (n, item) in items.iter().enumerate() {
            let part = list.first.get(n).or(list.items.as_deref().filter(|_| n >= list.first.len()));
            if let Some(part) = part {
                self.at(&n.to_string(), |it| it.node(part, item))?;
            }
        }
        if let Some(wanted) = &list.contains
            && !items.iter().any(|item| self.quietly(wanted, item).is_ok())
        {
            return self.wrong("has no item of the kind that must be in it");
        }
        let mut seen = HashSet::new();
        if list.unique && !items.iter().all(|item| seen.insert(item.canonical())) {
            return self.wrong("has an item twice");
        }
        Ok(())
    }

    fn text(&mut self, node: &Node, text: &str) -> Checked {
        let range = node.text.count;
        if range.least.is_some() || range.most.is_some() {
            self.counted(range, text.chars().count(), "characters")?;
        }
        match &node.text.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                self.wrong(&format!("must match `{}`", short(pattern.as_str())))
            }
            _ => Ok(()),
        }
    }

    fn counted(&self, range: Range, count: usize, what: &str) -> Checked {
        if range.admits(count) {
            return Ok(());
        }
        let wanted = match (range.least, range.most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, most) => format!("at most {}", most.unwrap_or_default()),
        };
        self.wrong(&format!("must have {wanted} {what}, and has {count}"))
    }

    fn number(&self, number: &Number, value: &Json) -> Checked {
        let rules = [
            (&number.least, [Ordering::Greater, Ordering::Equal], "at least"),
            (&number.above, [Ordering::Greater; 2], "more than"),
            (&number.most, [Ordering::Less, Ordering::Equal], "at most"),
            (&number.below, [Ordering::Less; 2], "less than"),
        ];
        for (bound, good, words) in rules {
            if let Some(bound) = bound
                && !compare(value, bound).is_some_and(|order| good.contains(&order))
            {
                return self.wrong(&format!("must be {words} {}", bound.canonical()));
            }
        }
        match &number.multiple {
            Some(of) if !is_multiple(value, of) => {
                self.wrong(&format!("must be a multiple of {}", of.canonical()))
            }
            _ => Ok(()),
        }
    }
}

impl Type {
    fn is_of(self, value: &Json) -> bool {
        match self {
            Self::Null => *value == Json::Null,
            Self::Boolean => matches!(value, Json::Bool(_)),
            Self::Integer => {
                matches!(value, Json::Int(_)) || matches!(value, Json::Float(x) if x.fract() == 0.0)
            }
            Self::Number => matches!(value, Json::Int(_) | Json::Float(_)),
            Self::Text => matches!(value, Json::Str(_)),
            Self::List => matches!(value, Json::List(_)),
            Self::Object => matches!(value, Json::Map(_)),
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// Whole numbers exactly; others as doubles.
fn compare(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Int(a), Json::Int(b)) => Some(a.cmp(b)),
        _ => double(a)?.partial_cmp(&double(b)?),
    }
}

fn equal(a: &Json, b: &Json) -> bool {
    a == b || compare(a, b) == Some(Ordering::Equal)
}

fn is_multiple(value: &Json, of: &Json) -> bool {
    match (value, of) {
        (Json::Int(n), Json::Int(of)) => n.checked_rem(*of) == Some(0),
        _ => match (double(value), double(of)) {
            (Some(n), Some(of)) => {
                let times = n / of;
                (times - times.round()).abs() < 1e-9
            }
            _ => false,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared with a fraction, which a double holds no better")]
fn double(value: &Json) -> Option<f64> {
    match value {
        Json::Int(n) => Some(*n as f64),
        Json::Float(x) => Some(*x),
        _ => None,
    }
}
