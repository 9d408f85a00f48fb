//! What an expression may name: the keys of a room, functions that there are, and its own loop variables. A name that
//! is wrong would else be an error about some room some day, or nothing at all behind `has(…)`.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use super::catalogue::attributes;
use super::suggest::nearest;

/// What every expression can name.
pub(crate) const VARIABLES: [&str; 3] = ["room", "file", "now"];

const TYPES: &str = "bool bytes double dyn int list map null_type string type uint";

const FUNCTIONS: &str = "bool bytes contains double dyn endsWith hasValue int matches none of ofNonZeroValue or orValue \
    size startsWith string type uint";

/// The calls that read as functions but are loops, once they have the right arguments.
const MACROS: &str = "all exists existsOne exists_one filter has map";

/// What is wrong with an expression, where in it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The node of the expression.
    pub at: u64,
    pub why: String,
    pub help: String,
}

impl Wrong {
    pub(crate) fn new(at: u64, why: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            at,
            why: why.into(),
            help: help.into(),
        }
    }

    fn unknown(at: u64, what: &str, name: &str, known: &[&str], otherwise: &str) -> Self {
        let help = match nearest(name, known.iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => otherwise.to_owned(),
        };
        Self::new(at, format!("there is no {what} `{name}`"), help)
    }
}

/// The patterns of an expression, each written out in it, with its node.
pub(crate) type Patterns<'a> = Vec<(u64, &'a str)>;

/// Checks every name in `expression`, and gives its patterns out.
pub(crate) fn check(expression: &IdedExpr) -> Result<Patterns<'_>, Wrong> {
    let mut names = Names {
        loops: Vec::new(),
        patterns: Vec::new(),
    };
    names.visit(expression)?;
    Ok(names.patterns)
}

struct Names<'a> {
    /// The variables of the loops around.
    loops: Vec<&'a str>,
    patterns: Patterns<'a>,
}

impl<'a> Names<'a> {
    fn visit(&mut self, expression: &'a IdedExpr) -> Result<(), Wrong> {
        let wrong = |why, help: &str| Wrong::new(expression.id, why, help);
        match &expression.expr {
            Expr::Ident(name) => self.variable(expression.id, name),
            Expr::Select(select) if is_room(&select.operand) => {
                key(select.operand.id, &select.field)
            }
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::List(list) => list.elements.iter().try_for_each(|one| self.visit(one)),
            Expr::Map(map) => map.entries.iter().try_for_each(|one| self.entry(&one.expr)),
            Expr::Comprehension(comprehension) => self.looped(expression.id, comprehension),
            Expr::Struct(_) => {
                let help = "write a map as `{\"key\": value}`";
                Err(wrong("there are no messages to make here", help))
            }
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified => Err(wrong("a part of it is missing", "complete it")),
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) -> Result<(), Wrong> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key)?;
                self.visit(&entry.value)
            }
        }
    }

    fn variable(&self, at: u64, name: &str) -> Result<(), Wrong> {
        // A dot in front means: not one of a loop.
        let name = name.trim_start_matches('.');
        if name == "room" {
            let help = "ask for one of its keys, as in `room.privacy`, or whether there is one, as in `has(room.privacy)`";
            let why = "a room as a whole is compared with nothing";
            return Err(Wrong::new(at, why, help));
        }
        let known = VARIABLES.into_iter().chain(TYPES.split(' '));
        let known: Vec<&str> = known.chain(self.loops.iter().copied()).collect();
        // What the parser itself makes of a loop.
        if known.contains(&name) || name.starts_with('@') {
            return Ok(());
        }
        let otherwise = "there are `room`, with the keys of the room, `file` and `now`; a text stands in quotes";
        Err(Wrong::unknown(at, "variable", name, &known, otherwise))
    }

    fn call(&mut self, at: u64, call: &'a CallExpr) -> Result<(), Wrong> {
        let name = call.func_name.as_str();
        let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_operator && !FUNCTIONS.split(' ').any(|known| known == name) {
            if MACROS.split(' ').any(|known| known == name) {
                let help = "write it as in `has(room.privacy)` or `[\"a\", \"b\"].exists(one, room.roomName == one)`";
                let why = format!("`{name}` takes other arguments");
                return Err(Wrong::new(at, why, help));
            }
            let known: Vec<&str> = FUNCTIONS.split(' ').chain(MACROS.split(' ')).collect();
            let otherwise = "docs/policies.md lists those that there are";
            return Err(Wrong::unknown(at, "function", name, &known, otherwise));
        }
        if name == "matches" {
            self.pattern(at, call)?;
        }
        let target = call.target.as_deref();
        // The functions of `optional` are called by that name.
        let target = target.filter(|target| !is_named(target, "optional"));
        let asked: Vec<&IdedExpr> = target.into_iter().chain(&call.args).collect();
        match (name, &asked[..]) {
            (operators::INDEX, [room, index]) if is_room(room) => self.index(index),
            (operators::IN, [index, room]) if is_room(room) => self.index(index),
            ("size", [room]) if is_room(room) => Ok(()),
            _ => asked.into_iter().try_for_each(|one| self.visit(one)),
        }
    }

    /// A key of the room, which can only be checked where it is written out.
    fn index(&mut self, index: &'a IdedExpr) -> Result<(), Wrong> {
        match text(index) {
            Some(name) => key(index.id, name),
            None => self.visit(index),
        }
    }

    fn pattern(&mut self, at: u64, call: &'a CallExpr) -> Result<(), Wrong> {
        let Some(pattern) = call.args.last() else {
            let help = "write `text.matches(\"^a-\")`";
            return Err(Wrong::new(at, "`matches` takes a pattern", help));
        };
        let Some(written) = text(pattern) else {
            let help = "write it as one text, as in `room.roomName.matches(\"^(a|b)-\")`";
            let why = "the pattern of `matches` is computed";
            return Err(Wrong::new(pattern.id, why, help));
        };
        self.patterns.push((pattern.id, written));
        Ok(())
    }

    fn looped(&mut self, at: u64, looped: &'a ComprehensionExpr) -> Result<(), Wrong> {
        let name = looped.iter_var.as_str();
        if VARIABLES.contains(&name) || name.starts_with('@') {
            let why = format!("a loop cannot call its variable `{name}`");
            return Err(Wrong::new(at, why, "choose another name"));
        }
        if !is_room(&looped.iter_range) {
            self.visit(&looped.iter_range)?;
        }
        self.visit(&looped.accu_init)?;
        self.loops.push(name);
        let parts = [&looped.loop_cond, &looped.loop_step, &looped.result];
        let all = parts.into_iter().try_for_each(|part| self.visit(part));
        self.loops.pop();
        all
    }
}

fn is_room(expression: &IdedExpr) -> bool {
    is_named(expression, "room") || is_named(expression, ".room")
}

fn is_named(expression: &IdedExpr, name: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(ident) if ident == name)
}

/// The text that an expression is, written out.
pub(crate) fn text(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn key(at: u64, name: &str) -> Result<(), Wrong> {
    let keys = attributes().iter().map(|attribute| attribute.name);
    let keys: Vec<&str> = keys.chain(["roomName"]).collect();
    if keys.contains(&name) {
        return Ok(());
    }
    let otherwise = "`roomctl schema room` lists the keys of a room";
    Err(Wrong::unknown(at, "key of a room", name, &keys, otherwise))
}
