//! What is seen while rooms are applied: a line for each, and on a terminal a bar below them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use super::args::Format;
use super::output::Output;
use crate::planner::Receipt;
use crate::report::text;
use crate::report::view::{self, Detail};

/// How often the bar is drawn at most.
const BETWEEN: Duration = Duration::from_millis(100);

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
    /// print the same.
    pub(crate) fn ended(&mut self, number: usize, receipt: &Receipt) {
        let line = text::item(&view::receipt(&receipt.into(), self.detail));
        self.waiting.insert(number, line);
        self.bar.clear();
        while let Some(line) = self.waiting.remove(&self.printed) {
            self.printed += 1;
            if self.to_result {
                self.output.result(&line);
            } else {
                self.output.note(&line);
            }
        }
        self.bar.inc();
    }
}

/// A bar over rooms on standard error, if that is a terminal. It is gone when it is dropped.
pub(crate) struct Bar {
    rooms: usize,
    done: Cell<usize>,
    began: Instant,
    drawn: Cell<Option<Instant>>,
    on_terminal: bool,
}

impl Bar {
    pub(crate) fn new(rooms: usize) -> Self {
        Self {
            rooms,
            done: Cell::new(0),
            began: Instant::now(),
            drawn: Cell::new(None),
            on_terminal: stderr().is_terminal(),
        }
    }

    pub(crate) fn inc(&self) {
        self.done.set(self.done.get() + 1);
        if self.drawn.get().is_none_or(|at| at.elapsed() >= BETWEEN) {
            self.draw();
        }
    }

    fn draw(&self) {
        self.drawn.set(Some(Instant::now()));
        let line = line(self.done.get(), self.rooms, self.began.elapsed());
        // A narrow terminal cuts the line and does not wrap it: only one line can be cleared.
        self.write(&format!("\r\x1b[?7l{line}\x1b[K\x1b[?7h"));
    }

    fn clear(&self) {
        if self.drawn.take().is_some() {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        if self.on_terminal {
            // A terminal that is gone is no reason to stop.
            let _ = stderr().write_all(text.as_bytes());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(done: usize, rooms: usize, took: Duration) -> String {
    let full = (WIDTH * done.min(rooms))
        .checked_div(rooms)
        .unwrap_or(WIDTH);
    let bar = "█".repeat(full) + &"░".repeat(WIDTH - full);
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let left = rooms.saturating_sub(done) as f64 / rate.max(0.001);
    format!("  {bar} {done}/{rooms} rooms  {rate:.1} rooms/s  {left:.0}s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_how_fast_and_how_long() {
        let after = |seconds, done, rooms| line(done, rooms, Duration::from_secs(seconds));
        let half = "█".repeat(15) + &"░".repeat(15);
        assert_eq!(
            after(4, 10, 20),
            format!("  {half} 10/20 rooms  2.5 rooms/s  4s left")
        );
        // More than was thought, and nothing at all, are full.
        for (done, rooms) in [(3, 2), (0, 0)] {
            assert!(after(0, done, rooms).starts_with(&format!("  {} ", "█".repeat(WIDTH))));
        }
    }
}
