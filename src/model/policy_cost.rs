//! How much work and memory an expression can take at most, before it is evaluated: a running evaluation cannot be
//! stopped, and a loop in a loop over what itself grows takes hours and gigabytes.
//!
//! Bounds, not estimates: a loop is counted as running for every element that its range can have, a text as long as it
//! can become. Kubernetes bounds the same language in the same way.

use std::rc::Rc;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr, StructExpr, operators,
};

use super::policy_names::{self, Wrong};

/// Most memory, in bytes, that any value may take.
pub(crate) const MOST_MEMORY: u64 = 256 * 1024;

/// What a value takes besides its text.
const NODE: u64 = 64;

/// How many bytes are looked at, or copied, in a unit of work; one is about as much as reading a variable.
const BYTES: u64 = 64;

/// How many states of a pattern are tried in a unit of work.
const STATES: u64 = 16;

/// How large what an expression reads is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// How many keys the room has.
    pub keys: u64,
    pub name: u64,
    /// The longest text of the room.
    pub text: u64,
    pub file: u64,
}

impl Sizes {
    /// A room that has everything, in the lengths that are usual. What does not fit even this is wrong for every room.
    pub(crate) const USUAL: Self = Self {
        keys: 64,
        name: 64,
        text: 256,
        file: 128,
    };
}

/// A value that is at most so large, with all that is in it.
#[derive(Clone, Debug, Default)]
struct Shape {
    bytes: u64,
    /// How many elements it has.
    elements: u64,
    /// Each of them.
    each: Option<Rc<Shape>>,
}

impl Shape {
    /// A number, or true or false.
    fn scalar() -> Self {
        Self::text(0)
    }

    fn text(bytes: u64) -> Self {
        Self {
            bytes: bytes.saturating_add(NODE),
            ..Self::default()
        }
    }

    /// So many elements.
    fn list(each: Self, elements: u64) -> Self {
        Self {
            bytes: each.bytes.saturating_mul(elements).saturating_add(NODE),
            elements,
            each: Some(Rc::new(each)),
        }
    }

    /// What an element is; of what has none, there is none to be had.
    fn element(&self) -> Self {
        self.each.as_deref().cloned().unwrap_or_else(Self::scalar)
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            elements: self.elements.saturating_add(other.elements),
            each: either(&self.each, &other.each),
        }
    }

    fn or(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            elements: self.elements.max(other.elements),
            each: either(&self.each, &other.each),
        }
    }

    /// What it takes to copy it, or to compare it with another.
    fn work(&self) -> u64 {
        1 + self.bytes / BYTES
    }
}

fn either(one: &Option<Rc<Shape>>, other: &Option<Rc<Shape>>) -> Option<Rc<Shape>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Rc::new(one.or(other))),
        (one, other) => one.clone().or_else(|| other.clone()),
    }
}

/// The work that `expression` takes at most; an error where a value could become too large.
pub(crate) fn work(
    expression: &IdedExpr,
    sizes: Sizes,
    states: &dyn Fn(&str) -> u64,
) -> Result<u64, Wrong> {
    let mut bounds = Bounds {
        sizes,
        states,
        loops: Vec::new(),
        work: 0,
    };
    bounds.shape(expression)?;
    Ok(bounds.work)
}

struct Bounds<'a> {
    sizes: Sizes,
    /// How many states a pattern has.
    states: &'a dyn Fn(&str) -> u64,
    loops: Vec<(&'a str, Shape)>,
    work: u64,
}

impl<'a> Bounds<'a> {
    fn spend(&mut self, work: u64) {
        self.work = self.work.saturating_add(work);
    }

    fn shape(&mut self, expression: &'a IdedExpr) -> Result<Shape, Wrong> {
        self.spend(1);
        let shape = match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => Shape::text(text.inner().len() as u64),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Shape::text(bytes.inner().len() as u64),
            Expr::Literal(_) | Expr::Unspecified => Shape::scalar(),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let of = self.shape(&select.operand)?;
                self.selected(&select.operand, &select.field, &of)
            }
            Expr::List(list) => self.collection(list.elements.iter())?,
            Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
                self.collection(entries.iter().flat_map(|entry| parts(&entry.expr)))?
            }
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(looped) => self.looped(looped)?,
        };
        if shape.bytes > MOST_MEMORY {
            let why = format!("this can grow beyond {} KiB", MOST_MEMORY / 1024);
            let help = "build texts and lists outside of loops, and write values out instead of computing them";
            return Err(Wrong::new(expression.id, why, help));
        }
        Ok(shape)
    }

    fn variable(&self, name: &str) -> Shape {
        let of_loop = self.loops.iter().rev().find(|(own, _)| *own == name);
        match (of_loop, name.trim_start_matches('.')) {
            (Some((_, shape)), _) => shape.clone(),
            (None, "room") => Shape::list(Shape::text(self.sizes.text), self.sizes.keys),
            (None, "file") => Shape::text(self.sizes.file),
            (None, _) => Shape::scalar(),
        }
    }

    /// A value of `of`. What variables hold is borrowed.
    fn selected(&mut self, operand: &IdedExpr, field: &str, of: &Shape) -> Shape {
        match &operand.expr {
            Expr::Ident(name) if name.trim_start_matches('.') == "room" && field == "roomName" => {
                Shape::text(self.sizes.name)
            }
            Expr::Ident(_) => of.element(),
            _ => {
                self.spend(of.work());
                of.element()
            }
        }
    }

    /// A list or a map of `parts`, each of which is copied into it.
    fn collection(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Result<Shape, Wrong> {
        let mut all = Shape::text(0);
        for part in parts {
            let shape = self.shape(part)?;
            self.spend(shape.work());
            all = all.plus(&Shape::list(shape, 1));
        }
        Ok(all)
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Shape, Wrong> {
        let mut shapes = Vec::with_capacity(3);
        for one in call.target.as_deref().into_iter().chain(&call.args) {
            shapes.push(self.shape(one)?);
        }
        let all = shapes.iter();
        let all = all.fold(Shape::default(), |all, one| all.plus(one));
        self.spend(all.work());
        Ok(match call.func_name.as_str() {
            operators::CONDITIONAL => shapes.iter().skip(1).fold(Shape::default(), |a, b| a.or(b)),
            operators::INDEX => match &call.args[..] {
                [operand, _] => self.selected(operand, "", &shapes[0]),
                _ => all,
            },
            // Numbers become texts of at most this length.
            "string" | "bytes" => all.plus(&Shape::text(400)),
            operators::ADD | "dyn" | "of" | "ofNonZeroValue" | "value" | "or" | "orValue" => all,
            "matches" => {
                let pattern = call.args.last().and_then(policy_names::text);
                let states = pattern.map_or(u64::MAX, |pattern| (self.states)(pattern));
                let text = shapes.first().map_or(0, |shape| shape.bytes);
                self.spend(text.saturating_mul(states) / STATES);
                Shape::scalar()
            }
            _ => Shape::scalar(),
        })
    }

    fn looped(&mut self, looped: &'a ComprehensionExpr) -> Result<Shape, Wrong> {
        let range = self.shape(&looped.iter_range)?;
        let first = self.shape(&looped.accu_init)?;
        let before = self.work;
        self.loops.push((&looped.accu_var, first.clone()));
        self.loops.push((&looped.iter_var, range.element()));
        self.shape(&looped.loop_cond)?;
        let step = self.shape(&looped.loop_step)?;
        self.loops.truncate(self.loops.len() - 2);
        let once = (self.work - before).saturating_add(range.element().work());
        self.work = before.saturating_add(once.saturating_mul(range.elements));
        // Of what the parser makes of loops, only lists grow, by one element each time.
        let grown = match &looped.accu_init.expr {
            Expr::List(_) => Shape::list(step.element(), range.elements),
            _ => first,
        };
        self.loops.push((&looped.accu_var, grown));
        let result = self.shape(&looped.result);
        self.loops.pop();
        result
    }
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}
