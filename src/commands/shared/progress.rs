//! What is seen while rooms are applied: a line for each, and on a terminal a bar below them.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::Format;
use super::output::Output;
use crate::planner::Receipt;
use crate::report::text;
use crate::report::view::{self, Detail};

pub(crate) struct Progress<'a> {
    bar: ProgressBar,
    output: &'a mut Output,
    /// With JSON on standard output, the lines go to standard error.
    to_result: bool,
    detail: Detail,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        rooms: usize,
        format: Format,
        detail: Detail,
        output: &'a mut Output,
    ) -> Self {
        Self {
            bar: bar(rooms),
            output,
            to_result: format == Format::Text,
            detail,
        }
    }

    pub(crate) fn ended(&mut self, receipt: &Receipt) {
        let line = text::item(&view::receipt(&receipt.into(), self.detail));
        let (output, to_result) = (&mut *self.output, self.to_result);
        self.bar.suspend(|| {
            if to_result {
                output.result(&line);
            } else {
                output.note(&line);
            }
        });
        self.bar.inc(1);
    }

    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// A bar over `rooms` rooms on standard error, if that is a terminal.
pub(crate) fn bar(rooms: usize) -> ProgressBar {
    let target = if stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(rooms as u64), target);
    let template = "  {wide_bar} {pos}/{len} rooms  {rate}  {eta} left";
    // The template is fixed and right; the fallback only shows less.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar
}

/// Rooms a second, with no more digits than anyone reads.
fn rate(state: &ProgressState, text: &mut dyn Write) {
    // Writing into the bar's own text cannot fail.
    let _ = write!(text, "{:.1} rooms/s", state.per_sec());
}
