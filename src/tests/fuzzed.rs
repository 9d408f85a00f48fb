//! A bounded number of inputs for every target of `crate::fuzz`: the files of its corpus, and what a seed makes of them.
//!
//! `ROOMCTL_FUZZ=1000000` is so many for each, `ROOMCTL_FUZZ_SEED` another seed, `ROOMCTL_FUZZ_TARGET` one of them alone.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use crate::fuzz::TARGETS;

/// Inputs of each target, beside its corpus, when nobody says.
const USUAL: u64 = 500;

/// Longest input that is made.
const LONGEST: usize = 16 * 1024;

/// What stands for nothing in any format, or for too much.
const TOKENS: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[31m",
    "\u{2028}",
    "\r\n",
    "\n",
    "\t",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    ",",
    ":",
    ": ",
    "- ",
    "# ",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "!!binary ",
    "|\n",
    ">-\n",
    "<<: ",
    "null",
    "true",
    "false",
    "~",
    "${env:ROOM_X}",
    "${var:x}",
    "$$",
    "${",
    "privacy: public\n",
    "expireUnixSec: ",
    "enableChat: true\n",
    "maxParticipants: ",
    "roomName: ",
    "rtmpOutURL: ",
    "rtmp://a/b",
    "PT5M",
    "1h30m",
    "2027-01-31T09:00:00+01:00",
    "**",
    "?",
    "[!a-z]",
    "{a,b}",
    "canary-4Uq7pLz9XwVb",
    "canary-4Uq7\\u0070Lz9XwVb",
    "Qn8RtYk2Mc5H",
    "room.",
    "has(room.privacy)",
    " && ",
    ".matches('a+')",
    ".all(x, x)",
    "size(",
    "\"secret\":",
    "\"rooms\":",
    "\"room\":",
    "\"settings\":",
    "\"summary\":",
    "\"roomName\":",
    "\"archived\":true",
    "\"_id\":",
    "ä",
    "𝄞",
    "ﬀ",
    "İ",
];

/// Numbers at which something ends.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "127",
    "255",
    "256",
    "65535",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
    "1e308",
    "1e-320",
    "0.1",
    "253402300799",
    "253402300800",
    "8640000000000001",
    "007",
    "0x1f",
    "1_000",
    ".5",
    "NaN",
];

/// SplitMix64: the same inputs for a seed wherever and with whatever it is built.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// A part of so many bytes: mostly a short one.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        start..(start + self.below(most + 1)).min(length)
    }
}

/// What one step makes of an input.
fn mutate(chance: &mut Chance, input: &mut Vec<u8>, corpus: &[&[u8]]) {
    let at = chance.below(input.len() + 1);
    match chance.below(12) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = chance.next() as u8,
        2 => drop(input.drain(chance.part(input.len()))),
        3 => input.truncate(at),
        // One and another: what stands there, and whole lines.
        4 => {
            let other = chance.of(corpus);
            input.truncate(at);
            input.extend_from_slice(&other[chance.below(other.len() + 1)..]);
        }
        5 => {
            let other = chance.of(corpus);
            let lines: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
            let line = lines
                .get(chance.below(lines.len()))
                .copied()
                .unwrap_or_default();
            let starts = input.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            let starts: Vec<usize> = starts.map(|(at, _)| at + 1).collect();
            let at = starts.get(chance.below(starts.len())).copied().unwrap_or(0);
            input.splice(at..at, line.iter().copied());
        }
        6 => {
            let part = input[chance.part(input.len())].to_vec();
            input.splice(at..at, part);
        }
        7 => {
            let token = chance.of(TOKENS);
            let end = if chance.below(2) == 0 {
                at
            } else {
                (at + token.len()).min(input.len())
            };
            input.splice(at..end, token.bytes());
        }
        8 | 9 => word(chance, input, corpus),
        _ => number(chance, input),
    }
    input.truncate(LONGEST);
}

/// Where the words of an input are.
fn words(input: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_word = |at: usize| {
        let byte = input.get(at);
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
    };
    let starts = (0..input.len()).filter(|at| is_word(*at) && !(*at > 0 && is_word(*at - 1)));
    starts
        .map(|start| start..(start..).find(|at| !is_word(*at)).unwrap_or(start))
        .collect()
}

/// Puts a word of the corpus in the place of another: what has a form keeps it.
fn word(chance: &mut Chance, input: &mut Vec<u8>, corpus: &[&[u8]]) {
    let other = chance.of(corpus);
    let (here, there) = (words(input), words(other));
    if !here.is_empty() && !there.is_empty() {
        let (here, there) = (
            &here[chance.below(here.len())],
            &there[chance.below(there.len())],
        );
        input.splice(here.clone(), other[there.clone()].iter().copied());
    }
}

/// Puts an extreme in the place of a number.
fn number(chance: &mut Chance, input: &mut Vec<u8>) {
    let is_digit = |at: usize| input.get(at).is_some_and(u8::is_ascii_digit);
    let starts: Vec<usize> = (0..input.len())
        .filter(|at| is_digit(*at) && !(*at > 0 && is_digit(*at - 1)))
        .collect();
    let Some(start) = starts.get(chance.below(starts.len())) else {
        return;
    };
    let end = (*start..).find(|at| !is_digit(*at)).unwrap_or(*start);
    let other = chance.of(NUMBERS);
    input.splice(*start..end, other.bytes());
}

fn asked<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a target, and says with which input it failed, with the escapes of a byte string.
fn run(name: &str, target: fn(&[u8]), seed: u64, input: &[u8]) {
    if catch_unwind(|| target(input)).is_err() {
        let escaped = input.escape_ascii();
        panic!(
            "the target `{name}` failed with seed {seed}; its input, for fuzz/corpus/{name}:\n{escaped}"
        );
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how many inputs a long run tried, and how fast"
)]
fn fuzz(folder: &Path, name: &str, target: fn(&[u8])) {
    let corpus = corpus(folder, name);
    assert!(corpus.len() > 1, "fuzz/corpus/{name} has files");
    let seed = asked("ROOMCTL_FUZZ_SEED").unwrap_or(0);
    let begun = Instant::now();
    for input in &corpus {
        run(name, target, seed, input);
    }
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    let number = asked("ROOMCTL_FUZZ").unwrap_or(USUAL);
    let mut chance = Chance(seed);
    for _ in 0..number {
        let mut input = chance.of(&corpus).to_vec();
        for _ in 0..=chance.below(6) {
            mutate(&mut chance, &mut input, &corpus);
        }
        run(name, target, seed, &input);
    }
    println!(
        "{name}: {number} inputs in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

/// Where the corpora are; in a package there are none.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    folder.is_dir().then_some(folder)
}

fn corpus(folder: &Path, name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder.join("corpus").join(name)).unwrap();
    let paths: BTreeSet<_> = files.map(|file| file.unwrap().path()).collect();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn what_strangers_wrote_is_read_or_refused() {
    let Some(folder) = folder() else { return };
    let only: Option<String> = asked("ROOMCTL_FUZZ_TARGET");
    for (name, target) in TARGETS {
        if only.as_deref().is_none_or(|only| only == *name) {
            fuzz(&folder, name, *target);
        }
    }
}

/// Each target has its program for libFuzzer, and no program is without a target.
#[test]
fn every_target_is_one_for_libfuzzer() {
    let Some(folder) = folder() else { return };
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let named = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""));
    let named = named.map(|name| name.trim_end_matches('"'));
    let named = named.filter(|name| *name != "roomctl-fuzz");
    assert!(named.eq(TARGETS.iter().map(|(name, _)| *name)));
}
