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
pub(super) enum RetryAfter {
    Seconds(u32),
    /// As an HTTP date so many seconds from now.
    Date(u32),
}

/// A fault and the requests that meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    retry_after: Option<RetryAfter>,
    ms: u32,
    methods: Vec<Method>,
    rooms: Vec<String>,
    skip: u64,
    first: Option<u64>,
    first_per_room: Option<u64>,
    every: u64,
    share: u64,
}

/// One row of the table of kinds, for help texts.
#[derive(Clone, Copy, Debug)]
pub struct FaultRow {
    kind: FaultKind,
    /// What is written before the equals sign.
    pub name: &'static str,
    /// The parameter it takes, if any.
    pub parameter: Option<&'static FaultItem>,
    /// What it does.
    pub about: &'static str,
}

/// What may be written after the equals sign, for help texts.
#[derive(Clone, Copy, Debug)]
pub struct FaultItem {
    /// How it is written.
    pub form: &'static str,
    /// Which requests it selects.
    pub about: &'static str,
    take: Take,
}

#[derive(Clone, Copy, Debug)]
enum Take {
    Count(fn(&mut Fault, u64)),
    Percent(fn(&mut Fault, u64)),
    /// `None` when it cannot have the value.
    Text(fn(&mut Fault, &str) -> Option<()>),
}

const fn item(form: &'static str, about: &'static str, take: Take) -> FaultItem {
    FaultItem { form, about, take }
}

impl FaultItem {
    fn name(&self) -> &'static str {
        self.form.split(':').next().unwrap_or_default()
    }

    /// Takes a value; `None` when it cannot have that.
    fn take(&self, fault: &mut Fault, value: &str) -> Option<()> {
        let count = |text: &str| text.parse().ok().filter(|count| *count > 0);
        match self.take {
            Take::Text(take) => return take(fault, value),
            Take::Count(set) => set(fault, count(value)?),
            Take::Percent(set) => {
                let percent = value.strip_suffix('%').and_then(count);
                set(fault, percent.filter(|percent| *percent <= 100)?);
            }
        }
        Some(())
    }

    fn wanted(&self) -> String {
        let form = self.form;
        match self.take {
            Take::Text(_) => form.to_owned(),
            Take::Count(_) => format!("{form} with N above 0"),
            Take::Percent(_) => format!("{form} with P from 1 to 100"),
        }
    }
}

/// Makes of the table the kinds and their catalogue.
macro_rules! faults {
    ($($kind:ident = $name:literal, $parameter:expr, $about:literal;)+) => {
        /// What goes wrong. None of it is documented but the shape of the 500.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum FaultKind { $(#[doc = $about] $kind,)+ }

        impl Fault {
            /// Every kind.
            pub const CATALOGUE: &'static [FaultRow] = &[$(FaultRow {
                kind: FaultKind::$kind,
                name: $name,
                parameter: $parameter,
                about: $about,
            },)+];
        }
    };
}

faults! {
    TooMany = "429", Some(&RETRY_AFTER), "too many requests; not carried out";
    ServerError = "500", None, "server error in the eventCode shape; not carried out";
    Unavailable = "503", Some(&RETRY_AFTER), "unavailable, plain text; not carried out";
    Html = "html", None, "200 with a web page; not carried out";
    Redirect = "redirect", None, "302 to another path; not carried out";
    ReflectKey = "reflect-key", None,
        "400 whose message repeats the URL with its query; not carried out";
    DropBefore = "drop-before", None, "connection closed; not carried out";
    DropAfter = "drop-after", None, "carried out, then the connection is closed";
    FailAfter = "500-after", None, "carried out, then answered as by 500";
    Truncated = "truncated", None,
        "carried out; half of the JSON, with the length of that half";
    Short = "short", None, "carried out; connection closed after half of the body";
    Oversized = "oversized", None, "carried out; more than 1 MiB of body";
    WrongName = "wrong-name", None, "carried out; the answer names another room";
    Slow = "slow", Some(&MS), "carried out; answered after N ms (1000)";
}

impl FaultKind {
    fn row(self) -> &'static FaultRow {
        &Fault::CATALOGUE[self as usize]
    }
}

const RETRY_AFTER: FaultItem = item(
    "retry-after:N or retry-after:date:N",
    "",
    Take::Text(|fault, value| {
        let wait = match value.strip_prefix("date:") {
            Some(seconds) => seconds.parse().map(RetryAfter::Date),
            None => value.parse().map(RetryAfter::Seconds),
        };
        fault.retry_after = Some(wait.ok()?);
        Some(())
    }),
);

const MS: FaultItem = item(
    "ms:N",
    "",
    Take::Text(|fault, value| {
        fault.ms = value.parse().ok()?;
        Some(())
    }),
);

/// Why a fault was not understood.
#[derive(Debug, Error)]
pub enum FaultError {
    #[error("unknown fault {name:?}; there are {}", known_kinds())]
    Kind { name: String },
    #[error("fault {kind}: unknown item {item:?}; items are {}", known_items())]
    Item { kind: &'static str, item: String },
    #[error("fault {kind} does not take {item:?}")]
    Parameter { kind: &'static str, item: String },
    #[error("fault {kind}: {item:?} should be {wanted}")]
    Value {
        kind: &'static str,
        item: String,
        wanted: String,
    },
}

fn known_kinds() -> String {
    listed(Fault::CATALOGUE.iter().map(|row| row.name))
}

fn known_items() -> String {
    let items = Fault::SELECTORS.iter().chain([&RETRY_AFTER, &MS]);
    listed(items.map(|item| item.form))
}

pub(super) fn listed(names: impl Iterator<Item = &'static str>) -> String {
    Vec::from_iter(names).join(", ")
}

impl Fault {
    /// Every selector.
    pub const SELECTORS: &'static [FaultItem] = &[
        item(
            "method:PUT|GET|POST|DELETE",
            "looks only at these methods; joined with |",
            Take::Text(|fault, value| {
                fault.methods.extend(methods(value)?);
                Some(())
            }),
        ),
        item(
            "room:NAME",
            "looks only at this room; may be repeated",
            Take::Text(|fault, value| {
                (!value.is_empty()).then(|| fault.rooms.push(value.to_owned()))
            }),
        ),
        item(
            "skip:N",
            "not the first N",
            Take::Count(|fault, n| fault.skip = n),
        ),
        item(
            "first:N",
            "the first N, after those skipped",
            Take::Count(|fault, n| fault.first = Some(n)),
        ),
        item(
            "first-per-room:N",
            "the first N of each room",
            Take::Count(|fault, n| fault.first_per_room = Some(n)),
        ),
        item(
            "every:N",
            "each N-th, after those skipped",
            Take::Count(|fault, n| fault.every = n),
        ),
        item(
            "share:P%",
            "about P in a hundred, chosen by the seed",
            Take::Percent(|fault, percent| fault.share = percent),
        ),
    ];

    fn always(kind: FaultKind) -> Self {
        Self {
            kind,
            retry_after: None,
            ms: 1000,
            methods: Vec::new(),
            rooms: Vec::new(),
            skip: 0,
            first: None,
            first_per_room: None,
            every: 1,
            share: 100,
        }
    }

    fn take(&mut self, text: &str) -> Result<(), FaultError> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let row = self.kind.row();
        let (kind, item) = (row.name, text.to_owned());
        let named = |item: &&FaultItem| item.name() == name;
        let Some(wanted) = Self::SELECTORS.iter().chain(row.parameter).find(named) else {
            return Err(match [&RETRY_AFTER, &MS].iter().find(|item| named(item)) {
                Some(_) => FaultError::Parameter { kind, item },
                None => FaultError::Item { kind, item },
            });
        };
        wanted.take(self, value).ok_or_else(|| FaultError::Value {
            kind,
            item,
            wanted: wanted.wanted(),
        })
    }

    fn looks_at(&self, method: Method, room: &str) -> bool {
        (self.methods.is_empty() || self.methods.contains(&method))
            && (self.rooms.is_empty() || self.rooms.iter().any(|wanted| wanted == room))
    }
}

fn methods(value: &str) -> Option<Vec<Method>> {
    let methods = value.split('|').map(Method::of);
    methods
        .map(|one| Some(one).filter(|one| *one != Method::Other))
        .collect()
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, items) = text.split_once('=').unwrap_or((text, ""));
        let name = name.trim();
        let row = Self::CATALOGUE.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| FaultError::Kind {
            name: name.to_owned(),
        })?;
        let mut fault = Self::always(row.kind);
        if !items.trim().is_empty() {
            for item in items.split(',') {
                fault.take(item.trim())?;
            }
        }
        Ok(fault)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// What goes wrong, other than `slow`.
    pub(super) kind: Option<FaultKind>,
    pub(super) retry_after: Option<RetryAfter>,
    /// How long its answer waits, in milliseconds; `None` when no `slow` fired.
    pub(super) delay_ms: Option<u64>,
}

impl Fate {
    /// The name of the fault for the log.
    pub(super) fn name(self) -> Option<&'static str> {
        let slow = self.delay_ms.map(|_| FaultKind::Slow);
        self.kind.or(slow).map(|kind| kind.row().name)
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

pub(super) struct Faults {
    armed: Vec<Armed>,
    seed: u64,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let armed = faults.into_iter().map(|fault| Armed {
            fault,
            seen: 0,
            seen_by_room: BTreeMap::new(),
        });
        let armed = armed.collect();
        Self { armed, seed }
    }

    /// What befalls the next request. `room` is empty when it names none.
    pub(super) fn next(&mut self, method: Method, room: &str) -> Fate {
        let mut fate = Fate::default();
        for (armed, index) in self.armed.iter_mut().zip(0u64..) {
            let is_slow = armed.fault.kind == FaultKind::Slow;
            if fate.kind.is_some() && !is_slow || !armed.fault.looks_at(method, room) {
                continue;
            }
            // Each fault draws its own numbers, or two with the same share would always coincide.
            if !armed.fires(room, seed::mix(self.seed ^ seed::mix(index))) {
                continue;
            }
            if is_slow {
                *fate.delay_ms.get_or_insert(0) += u64::from(armed.fault.ms);
            } else {
                fate.kind = Some(armed.fault.kind);
                fate.retry_after = armed.fault.retry_after;
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
                if faults.next(Method::Put, "a").kind.is_some() {
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
            assert_eq!(fault.kind.row().name, row.name);
            assert_eq!(fault, Fault::always(fault.kind));
        }
    }

    #[test]
    fn parameters_are_kept() {
        let fault = |text: &str| text.parse::<Fault>().unwrap();
        assert_eq!(fault("429").retry_after, None);
        assert_eq!(
            fault("429=retry-after:2").retry_after,
            Some(RetryAfter::Seconds(2))
        );
        assert_eq!(
            fault("503=retry-after:date:9").retry_after,
            Some(RetryAfter::Date(9))
        );
        assert_eq!((fault("slow").ms, fault("slow=ms:5").ms), (1000, 5));
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
        let mut met = |method, room| faults.next(method, room).kind.is_some();
        assert!(!met(Method::Get, "b"));
        assert!(!met(Method::Put, "a"));
        assert!(met(Method::Delete, "b"));
        assert!(!met(Method::Put, "b"));
    }

    #[test]
    fn rooms_are_counted_apart() {
        let mut faults = faults(&["500=first-per-room:1"]);
        let met: Vec<_> = ["a", "b", "a", "b", "c"]
            .map(|room| faults.next(Method::Put, room).kind.is_some())
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
                if other.next(Method::Put, "a").kind.is_some() {
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
        assert_eq!(fate.kind, Some(FaultKind::DropAfter));
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
