//! Patterns over room names: in flags, claims, policies and mutes.
//!
//! All patterns of a list are matched at once, a bit for each of their characters: what a room costs is bounded by the
//! list's length, whatever its patterns are. A regular expression for each, or for all, has no such bound.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::str::{Chars, FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over room names: `*`, `?`, `[a-z]`, `{one,other}`; `\` before a sign takes it as it is. Case does not count, also
/// not of two rooms whose names differ only by case: what is protected by a name stays so however the service writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Glob {
    text: String,
    ways: Vec<Way>,
}

/// Longest pattern, in bytes: a hundred names of usual length.
const MOST_TEXT: usize = 2048;

/// Most steps of the patterns of a list, with each way through their braces: so many that 20,000 names of 128
/// characters are matched in a second.
const MOST_STEPS: usize = 32 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("`{text}` is not a pattern for room names: {why}")]
    Pattern { text: String, why: String },
    #[error(
        "the patterns have more than {MOST_STEPS} characters together, or more than {MOST_LETTERS} different ones beyond \
         ASCII; one with a `*` may stand for many"
    )]
    List,
}

/// A pattern without braces: a step for each character that it takes, and the end, which takes none.
type Way = Vec<Step>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// Whether a `*` stands before it.
    waits: bool,
    /// The characters that it takes, a bit for each; `OTHER` stands for all beyond ASCII.
    takes: u128,
    /// The one beyond ASCII that it takes.
    letter: Option<char>,
}

const OTHER: u32 = 127;

/// Most different letters beyond ASCII in a list: each has a row of bits.
const MOST_LETTERS: usize = 1024;

/// A character in the case that is compared: where it has one letter for each, in lower case.
fn folded(c: char) -> char {
    let mut lower = c.to_lowercase();
    let one = lower.next().filter(|_| lower.next().is_none());
    one.filter(|one| one.is_ascii() == c.is_ascii())
        .unwrap_or(c)
}

/// The bit of a character that is folded.
fn bit(c: char) -> u32 {
    OTHER.min(c.into())
}

impl Step {
    /// Whether it takes a character that is folded; `None` is one beyond ASCII that no pattern names.
    fn takes(&self, c: Option<char>) -> bool {
        let is_named = c.is_some() && self.letter == c;
        is_named || self.takes >> c.map_or(OTHER, bit) & 1 == 1
    }
}

impl Glob {
    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Every name.
impl Default for Glob {
    fn default() -> Self {
        "*".parse().expect("a star is a pattern")
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let error = |text: String, why| GlobError::Pattern { text, why };
        if text.len() > MOST_TEXT {
            let begin = text.chars().take(30).collect::<String>();
            let why = format!("it has more than {MOST_TEXT} bytes");
            return Err(error(format!("{begin}…"), why));
        }
        let ways = ways(text).map_err(|why| error(text.to_owned(), why.to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            ways,
        })
    }
}

/// Each way through the braces of a pattern.
fn ways(text: &str) -> Result<Vec<Way>, &'static str> {
    let begin = || vec![vec![Step::default()]];
    let (mut ways, mut open) = (begin(), Vec::<(Vec<Way>, Vec<Way>)>::new());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut other = None;
        let takes = match (c, open.last_mut()) {
            ('{', _) => {
                open.push((mem::replace(&mut ways, begin()), Vec::new()));
                continue;
            }
            (',', Some((_, others))) => {
                others.append(&mut mem::replace(&mut ways, begin()));
                continue;
            }
            ('}', _) => {
                let (before, mut others) = open.pop().ok_or("a `}` has no `{`")?;
                others.append(&mut ways);
                ways = joined(before, others)?;
                continue;
            }
            ('*', _) => {
                let ends = ways.iter_mut().filter_map(|way| way.last_mut());
                ends.for_each(|end| end.waits = true);
                continue;
            }
            ('?', _) => u128::MAX,
            ('[', _) => class(&mut rest)?,
            (c, _) => {
                let c = match c {
                    '\\' => rest.next().ok_or("nothing follows its `\\`")?,
                    c => c,
                };
                let c = folded(c);
                other = Some(c).filter(|c| bit(*c) == OTHER);
                other.map_or_else(|| 1 << bit(c), |_| 0)
            }
        };
        for way in &mut ways {
            if let Some(end) = way.last_mut() {
                (end.takes, end.letter) = (takes, other);
            }
            way.push(Step::default());
        }
    }
    match open.is_empty() {
        true => Ok(ways),
        false => Err("a `{` has no `}`"),
    }
}

/// Each of `before`, and behind it each of `others` that is not empty.
fn joined(before: Vec<Way>, mut others: Vec<Way>) -> Result<Vec<Way>, &'static str> {
    others.retain(|other| other[..] != [Step::default()]);
    if others.is_empty() {
        return Ok(before);
    }
    let steps = |ways: &[Way]| ways.iter().map(Vec::len).sum::<usize>();
    if steps(&before) * others.len() + steps(&others) * before.len() > MOST_STEPS {
        return Err("its braces stand for too much");
    }
    let behind = |one: &Way, other: &Way| {
        let mut way = one.clone();
        let waits = way.pop().is_some_and(|end| end.waits);
        way.extend(other);
        way[one.len() - 1].waits |= waits;
        way
    };
    let pairs = before
        .iter()
        .flat_map(|one| others.iter().map(move |other| behind(one, other)));
    Ok(pairs.collect())
}

/// What the brackets take whose `[` was just read.
fn class(rest: &mut Chars<'_>) -> Result<u128, &'static str> {
    let is_not = rest.as_str().starts_with(['!', '^']);
    if is_not {
        rest.next();
    }
    let (mut ranges, mut is_range) = (Vec::<(char, char)>::new(), false);
    loop {
        match (rest.next().ok_or("a `[` has no `]`")?, ranges.last_mut()) {
            (']', Some(_)) => break,
            ('-', Some(_)) if !is_range => is_range = true,
            (c, Some((_, to))) if mem::take(&mut is_range) => *to = c,
            (c, _) => ranges.push((c, c)),
        }
    }
    let dash = is_range.then_some(('-', '-'));
    let mut takes = 0;
    for (from, to) in ranges.into_iter().chain(dash) {
        if [from, to].iter().any(|c| bit(*c) == OTHER) {
            return Err("brackets take ASCII only; write `{é,è}` for one of several letters");
        }
        if from > to {
            return Err("a range in its brackets ends before it begins");
        }
        takes |= (from..=to).fold(0, |takes, c| takes | 1 << bit(folded(c)));
    }
    Ok(if is_not { !takes } else { takes })
}

impl TryFrom<String> for Glob {
    type Error = GlobError;

    fn try_from(text: String) -> Result<Self, GlobError> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

/// Patterns of which one has to match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Glob>", into = "Vec<Glob>")]
#[schemars(with = "Vec<Glob>", inline)]
pub(crate) struct Globs {
    globs: Vec<Glob>,
    /// The steps of all ways, one behind the other: those that take a character; `None` is one that no pattern names.
    takes: BTreeMap<Option<char>, Bits>,
    /// Those that a match begins with, and those that a `*` stands before.
    marks: Vec<(u64, u64)>,
    /// The pattern of each way, by the step at its end.
    ends: BTreeMap<usize, usize>,
}

/// A bit for each step.
type Bits = Vec<u64>;

const WORD: usize = u64::BITS as usize;

impl Globs {
    /// Whether one of them matches.
    pub(crate) fn match_any(&self, name: &str) -> bool {
        self.matching(name).next().is_some()
    }

    /// Where in the list the patterns are that match, some more than once.
    pub(crate) fn matching(&self, name: &str) -> impl Iterator<Item = usize> {
        let mut at: Bits = self.marks.iter().map(|(begins, _)| *begins).collect();
        for c in name.chars() {
            let takes = self.takes.get(&Some(folded(c)));
            let Some(takes) = takes.or_else(|| self.takes.get(&None)) else {
                break;
            };
            let (mut carry, mut left) = (0, 0);
            let rows = self.marks.iter().zip(takes);
            for (at, ((_, waits), takes)) in at.iter_mut().zip(rows) {
                let on = *at & takes;
                *at = *at & waits | on << 1 | carry;
                carry = on >> (WORD - 1);
                left |= *at;
            }
            if left == 0 {
                break;
            }
        }
        let is_reached = move |end: usize| at[end / WORD] >> (end % WORD) & 1 == 1;
        let ends = self.ends.iter();
        ends.filter_map(move |(end, glob)| is_reached(*end).then_some(*glob))
    }

    /// Whether so many may be matched with each of many rooms.
    pub(crate) fn fit<'g>(globs: impl IntoIterator<Item = &'g Glob>) -> bool {
        let steps = globs
            .into_iter()
            .flat_map(|glob| glob.ways.iter().flatten());
        let (mut letters, mut count) = (BTreeSet::new(), 0);
        for step in steps {
            count += 1;
            letters.extend(step.letter);
        }
        count <= MOST_STEPS && letters.len() <= MOST_LETTERS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Glob> {
        self.globs.iter()
    }

    /// These and those, each once.
    pub(crate) fn extend(&mut self, others: &Self) {
        let mut known: BTreeSet<&str> = self.iter().map(Glob::as_str).collect();
        let new = others.iter().filter(|other| known.insert(other.as_str()));
        *self = self.iter().chain(new).cloned().collect();
    }
}

/// However many: a list that somebody else wrote goes through `TryFrom`.
impl FromIterator<Glob> for Globs {
    fn from_iter<T: IntoIterator<Item = Glob>>(globs: T) -> Self {
        let globs = Vec::from_iter(globs);
        let ways = globs.iter().flat_map(|glob| &glob.ways);
        let steps: Vec<Step> = ways.flatten().copied().collect();
        let (mut ends, mut end) = (BTreeMap::new(), 0);
        for (number, glob) in globs.iter().enumerate() {
            for way in &glob.ways {
                end += way.len();
                ends.insert(end - 1, number);
            }
        }
        let bits = |has: &dyn Fn(usize) -> bool| {
            let mut bits = vec![0; steps.len().div_ceil(WORD)];
            let with = (0..steps.len()).filter(|at| has(*at));
            with.for_each(|at| bits[at / WORD] |= 1 << (at % WORD));
            bits
        };
        let begins = bits(&|at| at == 0 || ends.contains_key(&(at - 1)));
        let named: BTreeSet<Option<char>> = steps.iter().map(|step| step.letter).collect();
        let ours = ('\0'..char::MAX).take(OTHER as usize).map(Some);
        let all = ours.chain(named).chain([None]);
        Self {
            takes: all.map(|c| (c, bits(&|at| steps[at].takes(c)))).collect(),
            marks: begins
                .into_iter()
                .zip(bits(&|at| steps[at].waits))
                .collect(),
            ends,
            globs,
        }
    }
}

impl TryFrom<Vec<Glob>> for Globs {
    type Error = GlobError;

    fn try_from(globs: Vec<Glob>) -> Result<Self, GlobError> {
        let fit = Self::fit(&globs);
        let globs = fit.then(|| globs.into_iter().collect());
        globs.ok_or(GlobError::List)
    }
}

impl From<Globs> for Vec<Glob> {
    fn from(globs: Globs) -> Self {
        globs.globs
    }
}

#[cfg(test)]
mod tests {
    use globset::{GlobBuilder, GlobSet};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::model::name::MAX_AS_IS;

    fn globs(texts: &[&str]) -> Globs {
        texts
            .iter()
            .map(|text| text.parse::<Glob>().unwrap())
            .collect()
    }

    #[test]
    fn names_are_matched_whole_and_by_any_case() {
        let cases = [
            ("sales-*", "sales-emea", true),
            ("sales-*", "presales-emea", false),
            ("sales", "sales-emea", false),
            ("Board", "board", true),
            ("board", "BOARD", true),
            ("room-0?", "room-07", true),
            ("{tea,coffee}", "coffee", true),
            ("[!a-m]*", "tea", true),
            ("?*", "été", true),
            ("été", "été", true),
            ("ÉTÉ", "été", true),
            ("été", "ete", false),
            ("été", "êté", false),
            ("[!a]t?", "ÉTÉ", true),
            ("{à,é}*", "été", true),
            ("été", "e\u{301}te\u{301}", false),
            ("My \\[R]oom", "my [room", false),
            ("My \\[room", "My [Room", true),
            ("*", "a.b~c", true),
            ("", "a", false),
            ("[aa]", "a", true),
            ("[+--]", ",", true),
            ("[+--]", "-", true),
            ("**a*a*", "aaa", true),
        ];
        for (glob, name, expected) in cases {
            assert_eq!(globs(&[glob]).match_any(name), expected, "{glob} {name}");
        }
    }

    /// Longer than a machine word is wide, which it goes through in pieces.
    #[test]
    fn long_names_are_matched_as_short_ones_are() {
        for length in [60, 64, 65, 127, 128, 129, 255] {
            let name = "a".repeat(length);
            assert!(globs(&[&name]).match_any(&name), "{length}");
            assert!(globs(&["b*", &name, "c*"]).match_any(&name), "{length}");
            assert!(!globs(&[&name]).match_any(&name[1..]), "{length}");
            assert!(!globs(&[&name[1..]]).match_any(&name), "{length}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_text() {
        for bad in ["[", "{a", "a}", "a[", "[z-a]", "\\", "[à-é]"] {
            let error = bad.parse::<Glob>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{bad}` is not a pattern")),
                "{error}"
            );
        }
    }

    const PATTERN: &str =
        "([a-cA-C.*?,\\\\]|\\{[a-b,*?]{0,3}[,}]|[{}]|\\[[!^]?[a-cA-C\\-\\]]{1,4}\\]){0,8}";

    proptest! {
        /// Whatever the parts, and however often and deeply: an answer in few words, and no panic.
        #[test]
        fn every_text_is_a_pattern_or_is_refused(
            before in "[{}\\[\\]!*?,a-cé/\\\\-]{0,6}", behind in "[{}\\[\\]!*?,a-cé/\\\\-]{0,6}",
            times in 0..1500usize,
        ) {
            let text = before.repeat(times) + "a" + &behind.repeat(times);
            match text.parse::<Glob>() {
                Ok(glob) => prop_assert!(glob.ways.concat().len() <= MOST_STEPS),
                Err(error) => prop_assert!(error.to_string().len() < MOST_TEXT + 300),
            }
        }

        /// A second opinion: the library that most tools take, one pattern after the other.
        #[test]
        fn a_list_matches_what_one_of_its_patterns_does(
            texts in vec(PATTERN, 0..12), names in vec("[a-cA-C.,-]{0,9}", 1..9),
        ) {
            let read: Vec<_> = texts.iter().map(|text| GlobBuilder::new(text).case_insensitive(true).build()).collect();
            for (text, read) in texts.iter().zip(&read) {
                prop_assert_eq!(text.parse::<Glob>().is_ok(), read.is_ok(), "{}", text);
            }
            let texts: Vec<&str> = texts.iter().zip(&read).filter_map(|(text, read)| read.is_ok().then_some(&**text)).collect();
            let read: Vec<_> = read.into_iter().flatten().map(|one| GlobSet::new([one]).unwrap()).collect();
            let list = globs(&texts);
            for name in &names {
                let alone: BTreeSet<usize> = (0..read.len()).filter(|at| read[*at].is_match(name)).collect();
                prop_assert_eq!(list.matching(name).collect::<BTreeSet<_>>(), alone, "{:?} {}", texts, name);
            }
        }

        /// A letter beyond ASCII is one like any other.
        #[test]
        fn any_letter_is_like_one_of_ours(
            texts in vec("([a-cqQ.*?,]|\\{[a-bq,*?]{0,3}[,}]|\\[[!^]?[a-c]{1,3}\\]){0,8}", 0..6),
            names in vec("[a-cqQ.]{0,9}", 1..9),
        ) {
            let other = |text: &str| text.replace('q', "é").replace('Q', "É");
            let texts: Vec<&str> = texts.iter().filter(|text| text.parse::<Glob>().is_ok()).map(|text| &**text).collect();
            let others: Vec<String> = texts.iter().map(|text| other(text)).collect();
            let others: Vec<&str> = others.iter().map(|text| &**text).collect();
            let (list, others) = (globs(&texts), globs(&others));
            for name in &names {
                let matching = |list: &Globs, name: &str| list.matching(name).collect::<Vec<_>>();
                prop_assert_eq!(matching(&list, name), matching(&others, &other(name)), "{:?} {}", texts, name);
            }
        }

        /// Counted in words of 64 steps, whatever the patterns are: for each character of a name one, and at its end.
        #[test]
        fn what_a_room_costs_is_bounded(one in PATTERN, times in 1..MOST_STEPS) {
            let Ok(one) = one.parse::<Glob>() else { return Ok(()) };
            let steps = one.ways.concat().len() * times;
            match Globs::try_from(vec![one; times]) {
                Ok(list) => {
                    prop_assert_eq!(list.marks.len(), steps.div_ceil(WORD));
                    prop_assert!(list.marks.len() * MAX_AS_IS + list.ends.len() < 200_000);
                }
                Err(error) => prop_assert!(error == GlobError::List && steps > MOST_STEPS),
            }
        }
    }
}
