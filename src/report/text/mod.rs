//! Reports as text for people. Colours are always written; the edge takes them out where they do not belong.
//!
//! | File | Is |
//! |---|---|
//! | `page` | a view as a screen of text |
//! | `validate`, `snippet` | findings, with the lines they are about |
//! | `show`, `state`, `service`, `format` | what has no other form |

mod format;
mod page;
mod service;
mod show;
mod snippet;
mod state;
mod validate;

pub(crate) use format::{format_diff, format_line, format_summary, patch};
pub(crate) use page::{apply_end, item, page};
pub(crate) use service::{requests, service};
pub(crate) use show::show;
pub(crate) use snippet::Sources;
pub(crate) use state::{state_history, state_list, state_show};
pub(crate) use validate::findings;

use anstyle::{AnsiColor, Style};

use super::AnyReport;
use super::view::{Detail, View};

/// Most findings that are shown; JSON has all of them.
pub(crate) const MOST: usize = 100;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const BLUE: Style = AnsiColor::Blue.on_default();

fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Which state an apply led to.
pub(crate) fn saved(serial: u64) -> String {
    format!("{}: serial {serial}.\n", paint(BOLD, "State"))
}

pub(crate) fn text<'a>(
    report: &AnyReport,
    view: &'a View<'_>,
    detail: Detail,
    sources: Sources<'_>,
) -> Box<dyn Iterator<Item = String> + 'a> {
    let text = match report {
        AnyReport::Apply(report)
            if detail.rooms_shown
                && view.items.is_empty()
                && report.uncovered.is_empty()
                && report.undeclared.is_empty() =>
        {
            String::new()
        }
        AnyReport::Apply(report) if detail.rooms_shown => apply_end(report, view),
        AnyReport::Plan(_) | AnyReport::Apply(_) | AnyReport::Drift(_) | AnyReport::Stacks(_) => {
            return Box::new(page(view));
        }
        AnyReport::Validate(report) => {
            let findings = findings(report, sources, MOST);
            format!("{findings}{}.\n", view.summary())
        }
    };
    Box::new(std::iter::once(text))
}
