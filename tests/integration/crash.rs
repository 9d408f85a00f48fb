//! `apply` dies at any moment, and the next run knows everything that was told before.

// Helpers outside of `#[test]` functions count as tests too.
#![allow(clippy::unwrap_used)]
// One program: nothing is public beyond it.
#![allow(unreachable_pub)]

#[allow(dead_code, reason = "the other programs of this folder use the rest")]
mod common;
#[cfg(debug_assertions)]
mod crash_files;
mod crash_harness;
#[cfg(debug_assertions)]
mod crash_points;
#[allow(dead_code, reason = "the other programs of this folder use the rest")]
mod harness;

use std::process::{Child, Stdio};

use crate::common::Ran;
use crate::crash_harness::{APPLY, CrashHarness, Ended, Lines};
use crate::harness::Site;

/// Repeatable randomness: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }

    /// One of three numbers of participants.
    fn count(&mut self) -> u64 {
        5 + self.below(3) as u64
    }
}

#[test]
fn killed_a_hundred_times_while_the_service_merges() {
    killed_a_hundred_times(1, "put=merge");
}

#[test]
fn killed_a_hundred_times_while_the_service_replaces() {
    killed_a_hundred_times(2, "put=replace");
}

/// 150 rooms, half of them missing, that are killed until they are applied; then twenty more, and all
/// others moved; and so on.
fn killed_a_hundred_times(seed: u64, quirk: &str) {
    let mut random = Random(seed);
    let mut harness = CrashHarness::new(&[quirk], &[]);
    harness.site.existing(75);
    let mut rooms = 150;
    (0..rooms).for_each(|number| harness.want(number, Some(5)));
    while harness.deaths < 100 {
        match killed(&mut harness, &mut random) {
            Ended::Died => move_what_is_in_doubt(&mut harness, &mut random),
            Ended::ByItself => {
                rooms += 20;
                (0..rooms).for_each(|number| harness.want(number, Some(random.count())));
            }
        }
    }
    harness.converge();
}

/// Files move while nobody knows what arrived. With so few values, many move back to what was applied.
fn move_what_is_in_doubt(harness: &mut CrashHarness, random: &mut Random) {
    for number in harness.in_doubt() {
        if random.below(3) == 0 {
            harness.want(number, Some(random.count()));
        }
    }
}

/// One run that is killed once it has sent so many requests, or told so many rooms.
fn killed(harness: &mut CrashHarness, random: &mut Random) -> Ended {
    let mut run = harness.start(None);
    let mut lines = Lines::of(&mut run);
    // Reading and planning change nothing.
    lines.until(harness, |line| line.starts_with("Forecast: "));
    let mut more = random.below(25);
    if random.below(2) == 0 {
        wait_for_requests(&harness.site, &mut run, more);
    } else {
        lines.until(harness, |_| {
            more = more.saturating_sub(1);
            more == 0
        });
    }
    run.kill().unwrap();
    harness.end(run, lines)
}

fn wait_for_requests(site: &Site, run: &mut Child, more: usize) {
    let seen = || site.simulator().requests().total();
    let enough = seen() + more as u64;
    while seen() < enough && run.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn of_two_at_once_only_one_writes() {
    let mut harness = CrashHarness::new(&[], &[]);
    let mut refused = 0;
    for round in 0..50 {
        (0..8).for_each(|number| harness.want(number, Some(5 + round % 2)));
        refused += two_at_once(&harness.site);
        harness.check();
    }
    assert!(refused > 0, "they never met");
    harness.converge();
}

/// Applies twice at the same time. Returns how many were refused, at most one.
fn two_at_once(site: &Site) -> usize {
    let start = || {
        let mut command = site.command(&APPLY);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let runs = [start(), start()];
    let ids = runs.each_ref().map(Child::id);
    let ends = runs.map(|run| Ran::from(run.wait_with_output().unwrap()));
    let codes = ends.each_ref().map(|end| end.code);
    let (refused, holder) = match codes {
        [0, 0] => return 0,
        [7, 0] => (&ends[0], ids[1]),
        [0, 7] => (&ends[1], ids[0]),
        _ => panic!("{codes:?}"),
    };
    let named = format!(
        "locked by tester on {}",
        gethostname::gethostname().display()
    );
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    let process = format!("(process {holder})");
    assert!(refused.stderr.contains(&process), "{}", refused.stderr);
    1
}
