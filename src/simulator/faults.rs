//! Trouble on demand: what goes wrong, and for which requests. The same requests and the same seed meet the
//! same faults.
//!
//! A fault is written `KIND` or `KIND=ITEM,ITEM…`, as in `429=first:2,method:PUT,retry-after:1`. Items select
//! requests or set the parameter of the kind. `method` and `room` say which requests the fault looks at; the
//! other selectors count only those, and all of them have to agree. Without items every request meets it.
//! Faults are asked in the order given; one that fires hides the request from those after it, except that
//! `slow` adds up with any other.

use std::collections::BTreeMap;
use std::str::FromStr;

use thiserror::Error;

use super::request::Method;
use super::seed;

/// How a `Retry-After` header names the end of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds from now.
    Seconds(u32),
    /// As an HTTP date so many seconds from now.
    Date(u32),
}

/// What goes wrong. None of it is documented but the shape of the 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// 429, not carried out.
    TooMany(Option<RetryAfter>),
    /// 500 in the `eventCode` shape, not carried out.
    ServerError,
    /// 503 with a body of plain text, not carried out.
    Unavailable(Option<RetryAfter>),
    /// 200 with a web page, as from a proxy; not carried out.
    Html,
    /// 302 to another path, not carried out.
    Redirect,
    /// 400 whose message repeats the URL with its query, not carried out.
    ReflectKey,
    /// Closed without an answer, not carried out.
    DropBefore,
    /// Carried out, then closed without an answer.
    DropAfter,
    /// Carried out, then answered with the 500 of `ServerError`.
    FailAfter,
    /// Carried out; the body is cut in half, the length says so.
    Truncated,
    /// Carried out; closed after half of the announced bytes.
    Short,
    /// Carried out; the body has another MiB of white space.
    Oversized,
    /// Carried out; the room in the answer has another name.
    WrongName,
    /// Carried out; the answer waits so many milliseconds.
    Slow(u32),
}

/// A fault and the requests that meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    methods: Vec<Method>,
    rooms: Vec<String>,
    skip: u64,
    first: Option<u64>,
    first_per_room: Option<u64>,
    every: u64,
    share: u64,
}

/// One row of the table of kinds, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRow {
    /// What is written before the equals sign.
    pub name: &'static str,
    /// The parameter it takes; empty for none.
    pub parameter: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// One row of the table of selectors, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorRow {
    /// How it is written.
    pub form: &'static str,
    /// Which requests it selects.
    pub about: &'static str,
}

const RETRY_AFTER: &str = "retry-after:N or retry-after:date:N";

/// How long `slow` waits when it is not told, in milliseconds.
const SLOW_MS: u32 = 1000;

const fn row(name: &'static str, parameter: &'static str, about: &'static str) -> FaultRow {
    FaultRow {
        name,
        parameter,
        about,
    }
}

const fn selector(form: &'static str, about: &'static str) -> SelectorRow {
    SelectorRow { form, about }
}

impl FaultKind {
    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooMany(_) => "429",
            Self::ServerError => "500",
            Self::Unavailable(_) => "503",
            Self::Html => "html",
            Self::Redirect => "redirect",
            Self::ReflectKey => "reflect-key",
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::FailAfter => "500-after",
            Self::Truncated => "truncated",
            Self::Short => "short",
            Self::Oversized => "oversized",
            Self::WrongName => "wrong-name",
            Self::Slow(_) => "slow",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "429" => Self::TooMany(None),
            "500" => Self::ServerError,
            "503" => Self::Unavailable(None),
            "html" => Self::Html,
            "redirect" => Self::Redirect,
            "reflect-key" => Self::ReflectKey,
            "drop-before" => Self::DropBefore,
            "drop-after" => Self::DropAfter,
            "500-after" => Self::FailAfter,
            "truncated" => Self::Truncated,
            "short" => Self::Short,
            "oversized" => Self::Oversized,
            "wrong-name" => Self::WrongName,
            "slow" => Self::Slow(SLOW_MS),
            _ => return None,
        })
    }
}

/// Why a fault was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FaultError {
    /// No such kind.
    #[error("unknown fault {name:?}; there are {}", known_kinds())]
    Kind {
        /// What was given.
        name: String,
    },
    /// An item that is neither a selector nor a parameter.
    #[error("fault {kind}: unknown item {item:?}; items are {}", known_items())]
    Item {
        /// The fault.
        kind: &'static str,
        /// What was given.
        item: String,
    },
    /// A parameter of another kind of fault.
    #[error("fault {kind} does not take {item:?}")]
    Parameter {
        /// The fault.
        kind: &'static str,
        /// What was given.
        item: String,
    },
    /// An item with a value it cannot have.
    #[error("fault {kind}: {item:?} should be {form}")]
    Value {
        /// The fault.
        kind: &'static str,
        /// What was given.
        item: String,
        /// How it is written.
        form: &'static str,
    },
}

fn known_kinds() -> String {
    let names: Vec<_> = Fault::CATALOGUE.iter().map(|row| row.name).collect();
    names.join(", ")
}

fn known_items() -> String {
    let forms: Vec<_> = Fault::SELECTORS.iter().map(|row| row.form).collect();
    format!("{}, {RETRY_AFTER}, ms:N", forms.join(", "))
}

impl Fault {
    /// Every kind.
    pub const CATALOGUE: &'static [FaultRow] = &[
        row("429", RETRY_AFTER, "too many requests; not carried out"),
        row(
            "500",
            "",
            "server error in the eventCode shape; not carried out",
        ),
        row(
            "503",
            RETRY_AFTER,
            "unavailable, plain text; not carried out",
        ),
        row("html", "", "200 with a web page; not carried out"),
        row("redirect", "", "302 to another path; not carried out"),
        row(
            "reflect-key",
            "",
            "400 whose message repeats the URL with its query; not carried out",
        ),
        row("drop-before", "", "connection closed; not carried out"),
        row(
            "drop-after",
            "",
            "carried out, then the connection is closed",
        ),
        row("500-after", "", "carried out, then answered as by 500"),
        row(
            "truncated",
            "",
            "carried out; half of the JSON, with the length of that half",
        ),
        row(
            "short",
            "",
            "carried out; connection closed after half of the body",
        ),
        row("oversized", "", "carried out; more than 1 MiB of body"),
        row(
            "wrong-name",
            "",
            "carried out; the answer names another room",
        ),
        row("slow", "ms:N", "carried out; answered after N ms (1000)"),
    ];

    /// Every selector.
    pub const SELECTORS: &'static [SelectorRow] = &[
        selector(
            "method:PUT|GET|POST|DELETE",
            "looks only at these methods; joined with |",
        ),
        selector("room:NAME", "looks only at this room; may be repeated"),
        selector("skip:N", "not the first N"),
        selector("first:N", "the first N, after those skipped"),
        selector("first-per-room:N", "the first N of each room"),
        selector("every:N", "each N-th, after those skipped"),
        selector("share:P%", "about P in a hundred, chosen by the seed"),
    ];

    /// This fault for every request.
    pub fn always(kind: FaultKind) -> Self {
        Self {
            kind,
            methods: Vec::new(),
            rooms: Vec::new(),
            skip: 0,
            first: None,
            first_per_room: None,
            every: 1,
            share: 100,
        }
    }

    fn take(&mut self, item: &str) -> Result<(), FaultError> {
        let kind = self.kind.name();
        let (name, value) = item.split_once(':').unwrap_or((item, ""));
        let wrong = |form| FaultError::Value {
            kind,
            item: item.to_owned(),
            form,
        };
        let count = |form| {
            value
                .parse()
                .ok()
                .filter(|count| *count > 0)
                .ok_or_else(|| wrong(form))
        };
        match name {
            "method" => self
                .methods
                .extend(methods(value).ok_or_else(|| wrong("method:PUT|GET|POST|DELETE"))?),
            "room" if value.is_empty() => return Err(wrong("room:NAME")),
            "room" => self.rooms.push(value.to_owned()),
            "skip" => self.skip = count("skip:N with N above 0")?,
            "first" => self.first = Some(count("first:N with N above 0")?),
            "first-per-room" => {
                self.first_per_room = Some(count("first-per-room:N with N above 0")?)
            }
            "every" => self.every = count("every:N with N above 0")?,
            "share" => {
                self.share = percent(value).ok_or_else(|| wrong("share:P% with P from 1 to 100"))?
            }
            "retry-after" | "ms" => self.set_parameter(name, value, item)?,
            _ => {
                let item = item.to_owned();
                return Err(FaultError::Item { kind, item });
            }
        }
        Ok(())
    }

    fn set_parameter(&mut self, name: &str, value: &str, item: &str) -> Result<(), FaultError> {
        let kind = self.kind.name();
        let item = item.to_owned();
        match (&mut self.kind, name) {
            (FaultKind::TooMany(wait) | FaultKind::Unavailable(wait), "retry-after") => {
                let parsed = retry_after(value).ok_or(FaultError::Value {
                    kind,
                    item,
                    form: RETRY_AFTER,
                })?;
                *wait = Some(parsed);
            }
            (FaultKind::Slow(ms), "ms") => {
                *ms = value.parse().map_err(|_| FaultError::Value {
                    kind,
                    item,
                    form: "ms:N",
                })?;
            }
            _ => return Err(FaultError::Parameter { kind, item }),
        }
        Ok(())
    }

    fn looks_at(&self, method: Method, room: &str) -> bool {
        (self.methods.is_empty() || self.methods.contains(&method))
            && (self.rooms.is_empty() || self.rooms.iter().any(|wanted| wanted == room))
    }
}

fn methods(value: &str) -> Option<Vec<Method>> {
    value
        .split('|')
        .map(|name| match Method::of(name) {
            Method::Other => None,
            method => Some(method),
        })
        .collect()
}

fn percent(value: &str) -> Option<u64> {
    let percent = value.strip_suffix('%')?.parse().ok()?;
    (1..=100).contains(&percent).then_some(percent)
}

fn retry_after(value: &str) -> Option<RetryAfter> {
    match value.strip_prefix("date:") {
        Some(seconds) => seconds.parse().ok().map(RetryAfter::Date),
        None => value.parse().ok().map(RetryAfter::Seconds),
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, items) = text.split_once('=').unwrap_or((text, ""));
        let kind = FaultKind::of(name.trim()).ok_or_else(|| FaultError::Kind {
            name: name.trim().to_owned(),
        })?;
        let mut fault = Self::always(kind);
        if !items.trim().is_empty() {
            for item in items.split(',') {
                fault.take(item.trim())?;
            }
        }
        Ok(fault)
    }
}

/// What befalls one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// The fault it meets, other than `slow`.
    pub(super) fault: Option<FaultKind>,
    /// How long its answer waits, in milliseconds; `None` when no `slow` fired.
    pub(super) delay_ms: Option<u64>,
}

impl Fate {
    /// The name of the fault for the log.
    pub(super) fn name(self) -> Option<&'static str> {
        self.fault
            .map(FaultKind::name)
            .or(self.delay_ms.map(|_| "slow"))
    }
}

/// A fault with what it has seen so far.
struct Armed {
    fault: Fault,
    seen: u64,
    seen_by_room: BTreeMap<String, u64>,
}

impl Armed {
    /// Counts a request it looks at; true when the fault fires.
    fn fires(&mut self, room: &str, seed: u64) -> bool {
        self.seen += 1;
        let fault = &self.fault;
        let of_room = fault.first_per_room.is_none_or(|first| {
            let seen = self.seen_by_room.entry(room.to_owned()).or_default();
            *seen += 1;
            *seen <= first
        });
        let Some(turn) = self.seen.checked_sub(fault.skip).filter(|turn| *turn > 0) else {
            return false;
        };
        of_room
            && fault.first.is_none_or(|first| turn <= first)
            && turn % fault.every == 0
            && seed::mix(seed.wrapping_add(turn)) % 100 < fault.share
    }
}

/// All faults, in the order given.
pub(super) struct Faults {
    armed: Vec<Armed>,
    seed: u64,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let armed = faults
            .into_iter()
            .map(|fault| Armed {
                fault,
                seen: 0,
                seen_by_room: BTreeMap::new(),
            })
            .collect();
        Self { armed, seed }
    }

    /// What befalls the next request. `room` is empty when it names none.
    pub(super) fn next(&mut self, method: Method, room: &str) -> Fate {
        let mut fate = Fate::default();
        for (armed, index) in self.armed.iter_mut().zip(0u64..) {
            let is_slow = matches!(armed.fault.kind, FaultKind::Slow(_));
            if fate.fault.is_some() && !is_slow || !armed.fault.looks_at(method, room) {
                continue;
            }
            // Each fault draws its own numbers, or two with the same share would always coincide.
            if armed.fires(room, seed::mix(self.seed ^ seed::mix(index))) {
                match armed.fault.kind {
                    FaultKind::Slow(ms) => *fate.delay_ms.get_or_insert(0) += u64::from(ms),
                    kind => fate.fault = Some(kind),
                }
            }
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        Faults::new(texts.iter().map(|text| text.parse().unwrap()).collect(), 1)
    }

    /// Which of `count` PUTs to one room meet a fault, as 1 and 0.
    fn pattern(text: &str, count: usize) -> String {
        let mut faults = faults(&[text]);
        (0..count)
            .map(|_| {
                if faults.next(Method::Put, "a").fault.is_some() {
                    '1'
                } else {
                    '0'
                }
            })
            .collect()
    }

    #[test]
    fn every_row_parses_to_its_kind() {
        for row in Fault::CATALOGUE {
            let fault: Fault = row.name.parse().unwrap();
            assert_eq!(fault.kind.name(), row.name);
            assert_eq!(fault, Fault::always(fault.kind));
        }
    }

    #[test]
    fn parameters_reach_the_kind() {
        let kind = |text: &str| text.parse::<Fault>().unwrap().kind;
        assert_eq!(
            kind("429=retry-after:2"),
            FaultKind::TooMany(Some(RetryAfter::Seconds(2)))
        );
        assert_eq!(
            kind("503=retry-after:date:9"),
            FaultKind::Unavailable(Some(RetryAfter::Date(9)))
        );
        assert_eq!(kind("slow=ms:5"), FaultKind::Slow(5));
    }

    #[test]
    fn counting_selectors() {
        assert_eq!(pattern("500", 3), "111");
        assert_eq!(pattern("500=first:2", 4), "1100");
        assert_eq!(pattern("500=every:3", 7), "0010010");
        assert_eq!(pattern("500=skip:2,first:1", 5), "00100");
        assert_eq!(pattern("500=skip:1,every:2", 6), "001010");
    }

    #[test]
    fn filters_come_before_counting() {
        let mut faults = faults(&["500=first:1,method:PUT|DELETE,room:b"]);
        let mut met = |method, room| faults.next(method, room).fault.is_some();
        assert!(!met(Method::Get, "b"));
        assert!(!met(Method::Put, "a"));
        assert!(met(Method::Delete, "b"));
        assert!(!met(Method::Put, "b"));
    }

    #[test]
    fn rooms_are_counted_apart() {
        let mut faults = faults(&["500=first-per-room:1"]);
        let met: Vec<_> = ["a", "b", "a", "b", "c"]
            .map(|room| faults.next(Method::Put, room).fault.is_some())
            .into();
        assert_eq!(met, [true, true, false, false, true]);
    }

    #[test]
    fn shares_are_repeatable_and_about_right() {
        let drawn = pattern("500=share:20%", 1000);
        assert_eq!(drawn, pattern("500=share:20%", 1000));
        let hits = drawn.bytes().filter(|hit| *hit == b'1').count();
        assert!((150..250).contains(&hits), "{hits}");
        let mut other = Faults::new(vec!["500=share:20%".parse().unwrap()], 2);
        let redrawn: String = (0..1000)
            .map(|_| {
                if other.next(Method::Put, "a").fault.is_some() {
                    '1'
                } else {
                    '0'
                }
            })
            .collect();
        assert_ne!(drawn, redrawn);
    }

    #[test]
    fn a_later_fault_waits_for_its_turn() {
        let mut faults = faults(&["429=first:2", "500=first:1"]);
        let kinds: Vec<_> = (0..4)
            .map(|_| faults.next(Method::Put, "a").name())
            .collect();
        assert_eq!(kinds, [Some("429"), Some("429"), Some("500"), None]);
    }

    #[test]
    fn slow_adds_up() {
        let mut faults = faults(&["drop-after", "slow=ms:5", "slow=ms:6"]);
        let fate = faults.next(Method::Put, "a");
        assert_eq!(fate.fault, Some(FaultKind::DropAfter));
        assert_eq!(fate.delay_ms, Some(11));
        assert_eq!(fate.name(), Some("drop-after"));
    }

    #[test]
    fn errors_say_what_can_be_given() {
        let error = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        assert!(error("499").contains("there are 429, 500"));
        assert!(error("500=often").contains("first-per-room:N"));
        assert_eq!(
            error("500=retry-after:1"),
            "fault 500 does not take \"retry-after:1\""
        );
        assert_eq!(error("429=ms:1"), "fault 429 does not take \"ms:1\"");
        assert_eq!(
            error("429=first:0"),
            "fault 429: \"first:0\" should be first:N with N above 0"
        );
        assert!(error("429=share:101%").contains("from 1 to 100"));
        assert!(error("429=share:5").contains("share:P%"));
        assert!(error("429=method:PATCH").contains("method:"));
        assert!(error("429=retry-after:soon").contains("date:N"));
        assert!(error("429=room:").contains("room:NAME"));
    }
}
