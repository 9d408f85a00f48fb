//! What is seen while rooms are applied: a line for each, and on a terminal a bar below them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::args::Format;
use super::output::Output;
use super::terminal::{columns, set_below};
use crate::planner::{Outcome, Receipt};
use crate::report::text;
use crate::report::view::{self, Detail};

/// Columns of the bar itself.
const WIDTH: usize = 30;

pub(crate) struct Progress<'a> {
    bar: Bar,
    output: &'a mut Output,
    /// With JSON on standard output, the lines go to standard error.
    to_result: bool,
    detail: Detail,
    /// Lines of rooms that ended before others that come first in the plan.
    waiting: BTreeMap<usize, String>,
    printed: usize,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        rooms: usize,
        format: Format,
        detail: Detail,
        output: &'a mut Output,
    ) -> Self {
        Self {
            bar: Bar::new(rooms),
            output,
            to_result: format == Format::Text,
            detail,
            waiting: BTreeMap::new(),
            printed: 0,
        }
    }

    /// A room ended that is the one with this number in the plan. Its line waits for those before it, so that two runs
    /// print the same. What was not done has none where the end of the report names it with its reason.
    pub(crate) fn ended(&mut self, number: usize, receipt: &Receipt) {
        let is_done = matches!(receipt.outcome, Outcome::Confirmed | Outcome::Overridden);
        let line = match is_done || !self.to_result {
            true => text::item(&view::receipt(&receipt.into(), self.detail)),
            false => String::new(),
        };
        self.waiting.insert(number, line);
        while let Some(line) = self.waiting.remove(&self.printed) {
            self.printed += 1;
            if self.to_result {
                self.output.page(&line);
            } else {
                self.output.note(&line);
            }
        }
        self.bar.ended(is_done);
    }
}

/// How long bars were shown, all together: how long the run was about the service and not about its user.
static TOOK: Mutex<Duration> = Mutex::new(Duration::ZERO);

/// How long the run took, for people who waited for it.
pub(crate) fn took() -> Option<String> {
    let took = *TOOK.lock().ok()?;
    let seconds = took.as_secs();
    match (took.is_zero(), seconds) {
        (true, _) => None,
        (false, ..60) => Some(format!("{:.1} s", took.as_secs_f64())),
        (false, 60..) => Some(format!("{} min {} s", seconds / 60, seconds % 60)),
    }
}

/// A bar over rooms, if standard error is a terminal. It is gone when it is dropped.
pub(crate) struct Bar {
    rooms: usize,
    done: Cell<usize>,
    not_done: Cell<usize>,
    began: Instant,
}

impl Bar {
    pub(crate) fn new(rooms: usize) -> Self {
        let bar = Self {
            rooms,
            done: Cell::new(0),
            not_done: Cell::new(0),
            began: Instant::now(),
        };
        if rooms > 0 {
            bar.draw();
        }
        bar
    }

    pub(crate) fn ended(&self, is_done: bool) {
        self.done.set(self.done.get() + 1);
        self.not_done
            .set(self.not_done.get() + usize::from(!is_done));
        self.draw();
    }

    fn draw(&self) {
        let Some(columns) = columns() else {
            return;
        };
        let (done, not_done) = (self.done.get(), self.not_done.get());
        let line = line(done, not_done, self.rooms, self.began.elapsed());
        // Room for the `^C` that the terminal writes when the user interrupts.
        set_below(line.chars().take(columns.saturating_sub(3)).collect());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        set_below(String::new());
        if let Ok(mut took) = TOOK.lock()
            && self.rooms > 0
        {
            *took += self.began.elapsed();
        }
    }
}

fn line(done: usize, not_done: usize, rooms: usize, took: Duration) -> String {
    let full = (WIDTH * done.min(rooms)).checked_div(rooms);
    let full = full.unwrap_or(WIDTH);
    let bar = "█".repeat(full) + &"░".repeat(WIDTH - full);
    let mut line = format!("  {bar} {done}/{rooms} rooms");
    if not_done > 0 {
        line.push_str(&format!(", {not_done} not done"));
    }
    if done > 0 {
        let rate = done as f64 / took.as_secs_f64().max(0.001);
        let left = rooms.saturating_sub(done) as f64 / rate.max(0.001);
        line.push_str(&format!("  {rate:.1} rooms/s  {left:.0}s left"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_how_fast_and_how_long() {
        let after = |seconds, done, rooms| line(done, 0, rooms, Duration::from_secs(seconds));
        let half = "█".repeat(15) + &"░".repeat(15);
        assert_eq!(
            after(4, 10, 20),
            format!("  {half} 10/20 rooms  2.5 rooms/s  4s left")
        );
        let two = line(10, 2, 20, Duration::from_secs(4));
        assert!(
            two.ends_with("10/20 rooms, 2 not done  2.5 rooms/s  4s left"),
            "{two}"
        );
        // Nobody knows how fast it is before the first.
        assert!(after(4, 0, 20).ends_with("░ 0/20 rooms"));
        // More than was thought, and nothing at all, are full.
        for (done, rooms) in [(3, 2), (0, 0)] {
            assert!(after(0, done, rooms).starts_with(&format!("  {} ", "█".repeat(WIDTH))));
        }
    }
}
