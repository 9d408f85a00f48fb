//! Policies: what a company demands of its rooms beyond the rules of the service, as CEL expressions.
//!
//! Whoever may propose a change may write one. So each is limited in length before it is parsed, its names are checked
//! (`policy_names`), and its work and memory bounded (`policy_cost`), before anything is evaluated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::{Context, Env, ExecutionError, IdedExpr, Program, Value as Cel};
use regex::{Regex, RegexBuilder};

use super::catalogue::attributes;
use super::finding::Severity;
use super::policy_cost::{self, Sizes};
use super::policy_names::{self, Wrong};
use super::policy_source;
pub(crate) use super::policy_source::{PolicyConfig, PolicyError};
use super::reference::Template;
use super::rule::Rule;
use super::rules::Violation;
use super::secret::MASK;
use super::value::Scalar;
use super::{Globs, RoomName, Settings, Value};

/// Most policies, terms of all of them, breaches in all rooms, and attributes that a breach points at.
const MOST_POLICIES: usize = 500;
const MOST_TERMS: usize = 5_000;
const MOST_BREACHES: usize = 20_000;
const MOST_NAMED: usize = 8;

/// Largest pattern once it is compiled, in bytes, and all together.
const MOST_PATTERN: usize = 256 * 1024;
const MOST_PATTERNS: usize = 2 * 1024 * 1024;

/// Most work, in steps of about 0.1 µs: of one expression about a usual room, and of all of them about all rooms.
const MOST_WORK: u64 = 200_000;
const MOST_WORK_OF_ALL: u64 = 30_000_000;

/// What asking a policy takes besides.
const BASE: u64 = 10;

/// How much stack the thread needs that compiles policies or asks them.
pub(crate) const STACK: usize = 64 * 1024 * 1024;

/// The patterns of an expression, compiled, each with the number of its states at most.
type Patterns = BTreeMap<String, (Regex, u64)>;

#[derive(Debug)]
pub(crate) struct Policy {
    config: PolicyConfig,
    /// Those of all policies, in their order, once all are there: they are held against a room at once.
    rooms: Arc<Globs>,
    program: Program,
    /// Those of all policies, once all are there.
    patterns: Arc<Patterns>,
    /// The attributes to point at.
    attributes: Vec<&'static str>,
}

/// A room as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub room: &'a RoomName,
    pub file: &'a str,
    pub settings: &'a Settings,
    /// The secrets among them, of which it sees the outlines.
    pub secrets: &'a BTreeMap<&'static str, Template>,
    /// In Unix seconds.
    pub now: i64,
}

/// The same, for whoever asks in another thread.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    room: RoomName,
    file: String,
    values: HashMap<String, Cel>,
    now: i64,
    /// Most work that the answers may take.
    work: u64,
    /// Most answers that are given out.
    most: usize,
}

/// Asks policies about a room: what they have to say, nothing if it keeps to all of them.
pub(crate) trait Ask: Sync {
    fn ask(&self, question: Question) -> Vec<Violation>;

    /// Whether there is anything to ask.
    fn is_idle(&self) -> bool;
}

/// For whoever reads rooms and asks nothing about them.
pub(crate) const NOBODY: &dyn Ask = &Vec::<Policy>::new();

impl Ask for Vec<Policy> {
    fn ask(&self, question: Question) -> Vec<Violation> {
        let (sizes, mut left) = (question.sizes(), question.work);
        let mut violations = Vec::new();
        let mut context = None;
        let rooms = self.first().map(|policy| &policy.rooms);
        let about = rooms.map(|rooms| rooms.matching(question.room.as_str()));
        // Some more than once.
        let about: BTreeSet<usize> = about.into_iter().flatten().collect();
        for policy in about.into_iter().filter_map(|at| self.get(at)) {
            let answer = match policy.bound(sizes) {
                Ok(work) if work > left => {
                    let why = "all policies together would take more work than there is for a room";
                    violations.extend(policy.violation(Err(why.to_owned())));
                    break;
                }
                Ok(work) => {
                    left -= work;
                    let context = context.get_or_insert_with(|| policy.context(&question));
                    policy.answer(context)
                }
                Err(wrong) => Err(wrong.why),
            };
            violations.extend(policy.violation(answer));
            if violations.len() >= question.most {
                break;
            }
        }
        violations
    }

    fn is_idle(&self) -> bool {
        self.is_empty()
    }
}

impl Question {
    /// About one of so many rooms.
    pub(crate) fn new(subject: Subject<'_>, rooms: usize) -> Self {
        let share = MOST_WORK_OF_ALL / (rooms as u64).max(1);
        Self {
            room: subject.room.clone(),
            file: subject.file.to_owned(),
            values: values(subject),
            now: subject.now,
            work: share.clamp(MOST_WORK / 40, MOST_WORK * 10),
            most: (MOST_BREACHES / rooms.max(1)).max(3),
        }
    }

    fn sizes(&self) -> Sizes {
        let texts = self.values.values().map(|value| match value {
            Cel::String(text) => text.len() as u64,
            _ => 0,
        });
        Sizes {
            keys: self.values.len() as u64,
            name: self.room.as_str().len() as u64,
            text: texts.max().unwrap_or_default(),
            file: self.file.len() as u64,
        }
    }
}

/// Reads all policies. What they are made of is deep: this needs a stack of `STACK`.
pub(crate) fn compile(configs: &[PolicyConfig]) -> Result<Vec<Policy>, PolicyError> {
    let mut policies: Vec<Policy> = Vec::with_capacity(configs.len());
    let (mut terms, mut states) = (0, 0);
    let mut patterns = Patterns::new();
    if let Some(last) = configs
        .last()
        .filter(|_| !Globs::fit(configs.iter().map(|one| &one.rooms)))
    {
        let why = "the patterns for rooms of all policies together are too long";
        return Err(last.error(last.at, why, "name fewer rooms in each"));
    }
    for config in configs {
        let refuse = |why: &str, help: &str| config.error(config.at, why, help);
        if policies.len() == MOST_POLICIES {
            return Err(refuse(
                "there are more than 500 policies",
                "join those that say the same",
            ));
        }
        if policies.iter().any(|other| other.config.id == config.id) {
            return Err(refuse(
                "there are two policies of this name",
                "rename one of them",
            ));
        }
        terms += policy_source::terms(&config.expression);
        if terms > MOST_TERMS {
            let why = format!("all policies together have more than {MOST_TERMS} terms");
            return Err(refuse(
                &why,
                "take out those that the rules of the service cover",
            ));
        }
        let policy = Policy::new(config)?;
        states += policy
            .patterns
            .values()
            .map(|(_, states)| *states as usize)
            .sum::<usize>();
        if states > MOST_PATTERNS / STATE {
            let help = "write `[a-z]` instead of `\\w`, and smaller numbers between braces";
            return Err(refuse(
                "the patterns of all policies together are too large",
                help,
            ));
        }
        patterns.extend((*policy.patterns).clone());
        policies.push(policy);
    }
    Ok(together(policies, patterns))
}

/// All of them, each with the rooms and patterns of all. Errors come first: so many breaches of a room are told of, and no
/// number of warnings may take the place of one.
fn together(mut policies: Vec<Policy>, patterns: Patterns) -> Vec<Policy> {
    policies.sort_by_key(|policy| policy.config.severity != Severity::Error);
    let rooms = policies.iter().map(|policy| policy.config.rooms.clone());
    let (rooms, patterns) = (Arc::new(rooms.collect::<Globs>()), Arc::new(patterns));
    for policy in &mut policies {
        policy.rooms = rooms.clone();
        policy.patterns = patterns.clone();
    }
    policies
}

impl Policy {
    fn new(config: &PolicyConfig) -> Result<Self, PolicyError> {
        config.check_length()?;
        let program = config.parse()?;
        let wrong = |wrong: Wrong| {
            let at = place_of(&program, wrong.at).unwrap_or((1, 1));
            config.error(config.place(at.0, at.1), wrong.why, wrong.help)
        };
        let patterns = patterns(program.expression()).map_err(wrong)?;
        let policy = Self {
            config: config.clone(),
            rooms: Arc::default(),
            patterns: Arc::new(patterns),
            attributes: named(&config.expression),
            program,
        };
        let work = policy.bound(Sizes::USUAL).map_err(|found| {
            let at = place_of(&policy.program, found.at).unwrap_or((1, 1));
            config.error(config.place(at.0, at.1), found.why, found.help)
        })?;
        if work > MOST_WORK {
            let why = format!(
                "the expression can take {} times the work that is accepted",
                work / MOST_WORK + 1
            );
            let help = "nest fewer loops, over shorter lists and with smaller patterns";
            return Err(config.error(config.at, why, help));
        }
        Ok(policy)
    }

    fn bound(&self, sizes: Sizes) -> Result<u64, Wrong> {
        let states = |pattern: &str| {
            self.patterns
                .get(pattern)
                .map_or(u64::MAX, |(_, states)| *states)
        };
        let work = policy_cost::work(self.program.expression(), sizes, &states)?;
        Ok(work.saturating_add(BASE))
    }

    /// What any policy reads of a room.
    fn context(&self, question: &Question) -> Context<'static, 'static> {
        let mut context = Context::with_env(LIBRARY.clone());
        context.add_variable_from_value("room", question.values.clone());
        context.add_variable_from_value("file", question.file.clone());
        context.add_variable_from_value("now", question.now);
        let patterns = self.patterns.clone();
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
            let pattern = patterns.get(&*pattern);
            let pattern = pattern.ok_or_else(|| {
                ExecutionError::function_error("matches", "its pattern is computed")
            });
            pattern.map(|(pattern, _)| pattern.is_match(&text))
        };
        // Fails only where the library has the function itself; then that one counts.
        let _ = context.add_function("matches", matches);
        context
    }

    fn answer(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        let answer = catch_unwind(AssertUnwindSafe(|| self.program.execute(context)));
        match answer {
            Ok(Ok(Cel::Bool(answer))) => Ok(answer),
            Ok(Ok(_)) => Err("the expression is neither true nor false".to_owned()),
            Ok(Err(error)) => Err(error.to_string().chars().take(300).collect()),
            Err(_) => Err("the expression could not be evaluated".to_owned()),
        }
    }

    /// What an answer is as a violation; nothing if the room keeps to the policy.
    fn violation(&self, answer: Result<bool, String>) -> Option<Violation> {
        let PolicyConfig { id, message, .. } = &self.config;
        let (severity, message, help) = match answer {
            Ok(true) => return None,
            Ok(false) => (
                self.config.severity,
                message.clone(),
                format!("keep to the policy `{id}`, or change it in roomctl.yaml"),
            ),
            Err(why) => (
                Severity::Error,
                format!("the policy `{id}` cannot be asked about this room: {why}"),
                "a key that a room need not have is asked for with `has(room.KEY)`; the policy is in roomctl.yaml"
                    .to_owned(),
            ),
        };
        Some(Violation {
            rule: Rule::Policy,
            severity,
            message: format!("{message} [{id}]"),
            attributes: self.attributes.clone(),
            help,
        })
    }
}

/// The first of the attributes that an expression names.
fn named(expression: &str) -> Vec<&'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<&str> = expression.split(|c| !is_word(c)).collect();
    let names = attributes().iter().map(|attribute| attribute.name);
    names
        .filter(|name| words.contains(name))
        .take(MOST_NAMED)
        .collect()
}

/// The functions of expressions. All but `matches`, which is ours: theirs compiles its pattern at every call.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What a state of a pattern takes, in bytes.
const STATE: usize = 16;

/// Checks the names of an expression, and compiles its patterns.
fn patterns(expression: &IdedExpr) -> Result<Patterns, Wrong> {
    let mut compiled = Patterns::new();
    for (at, pattern) in policy_names::check(expression)? {
        let one = compile_pattern(pattern).map_err(|why| {
            Wrong::new(
                at,
                why,
                "the syntax is that of https://docs.rs/regex; `[a-z]` is much smaller than `\\w`",
            )
        })?;
        compiled.insert(pattern.to_owned(), one);
    }
    Ok(compiled)
}

/// Compiles a pattern into the smallest size that it fits into. That it has so many states, nobody says otherwise.
fn compile_pattern(pattern: &str) -> Result<(Regex, u64), String> {
    let mut size = 1024;
    loop {
        let mut builder = RegexBuilder::new(pattern);
        builder
            .size_limit(size)
            .dfa_size_limit(MOST_PATTERN / 2)
            .nest_limit(50);
        match builder.build() {
            Ok(regex) => return Ok((regex, (size / STATE) as u64)),
            Err(regex::Error::CompiledTooBig(_)) if size < MOST_PATTERN => size *= 2,
            Err(regex::Error::CompiledTooBig(_)) => {
                return Err("the pattern is too large".to_owned());
            }
            Err(error) => {
                let error = error.to_string();
                let last = error
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                return Err(format!("the pattern cannot be read: {last}"));
            }
        }
    }
}

/// Line and column, from 1, of a node of an expression.
fn place_of(program: &Program, node: u64) -> Option<(usize, usize)> {
    let source = program.source_info();
    let (start, _) = source.offset_for(node)?;
    let before: String = source.source.chars().take(start as usize).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some((line, column))
}

fn values(subject: Subject<'_>) -> HashMap<String, Cel> {
    let settings = subject.settings.iter().map(|(name, value)| {
        let value = match value {
            Value::Plain(Scalar::Bool(value)) => Cel::from(*value),
            Value::Plain(Scalar::Integer(value)) => Cel::from(*value),
            Value::Plain(Scalar::Text(text)) => Cel::from(&***text),
            Value::Secret(_) | Value::Unset { .. } => {
                let outline = subject.secrets.get(name.as_str()).map(Template::outline);
                Cel::from(outline.map_or_else(|| MASK.to_owned(), |outline| outline.to_string()))
            }
        };
        (name.as_str().to_owned(), value)
    });
    let name = ("roomName".to_owned(), Cel::from(subject.room.as_str()));
    settings.chain([name]).collect()
}
