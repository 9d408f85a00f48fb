//! Results to standard output, everything else to standard error, colours only where they belong.

use std::io::{self, BufWriter, ErrorKind, Write};

use anstream::AutoStream;
use anstream::adapter::StripBytes;
use anstream::stream::{AsLockedWrite, RawStream};
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;

use super::args::PlainFormat;
use super::exit::{Exit, Failure};
use super::terminal::{self, above};
use crate::disk::whole_file::PIECE;
use crate::model::words::{joined, printable};
use crate::report::stacks::{Command, StackReport};
use crate::report::view::Detail;
use crate::report::{AnyReport, Report, StacksReport, json};

pub(crate) struct Output {
    color: ColorChoice,
    failed: Option<io::Error>,
    /// What is printed as a part of one report about several stacks, when all of them are done; `None`: each is printed at once.
    pub parts: Option<Parts>,
}

/// The reports of several stacks.
pub(crate) struct Parts {
    /// What the one of all of them is called.
    pub what: Option<Command>,
    /// Those that ended.
    pub done: Vec<StackReport>,
    /// The one that goes on.
    pub stack: String,
    /// Its report, and how that is shown.
    pub report: Option<(AnyReport, Detail)>,
}

impl Parts {
    /// As far as it is known by now.
    pub(crate) fn so_far(&self) -> AnyReport {
        let goes_on = StackReport {
            report: self.report.as_ref().map(|(report, _)| report.clone()),
            ..StackReport::without(self.stack.clone(), "it had not ended when this was written")
        };
        let all = self.done.iter().cloned().chain([goes_on]);
        StacksReport::joined(self.what, all.collect())
    }
}

impl Output {
    pub(crate) fn new(color: ColorChoice) -> Self {
        Self {
            color,
            failed: None,
            parts: None,
        }
    }

    /// Writes a part of the result. A failure is kept and reported at the end: a reader that went away
    /// must not stop a run half-way.
    pub(crate) fn result(&mut self, text: &str) {
        self.result_by(|to| to.write_all(text.as_bytes()));
    }

    /// The same with all that `write` writes.
    pub(crate) fn result_by(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        self.failed = self.write(io::stdout().lock(), write).err();
    }

    /// Writes a part of the result that is for people, and breaks at words on a terminal.
    pub(crate) fn page(&mut self, text: &str) {
        self.result(&terminal::for_result(text));
    }

    /// The same in parts, each of whole lines.
    pub(crate) fn pages(&mut self, mut parts: impl Iterator<Item = String>) {
        self.result_by(|to| {
            parts.try_for_each(|part| to.write_all(terminal::for_result(&part).as_bytes()))
        });
    }

    /// Writes a result that has only two forms. `text` is its form for people.
    pub(crate) fn plain(
        &mut self,
        report: &impl Report,
        format: PlainFormat,
        text: &str,
    ) -> Result<(), Failure> {
        match format {
            PlainFormat::Text => self.page(text),
            PlainFormat::Json => self.result(&json(report)?),
        }
        Ok(())
    }

    pub(crate) fn note(&self, text: &str) {
        // There is nowhere left to complain.
        let text = terminal::for_note(text);
        let _ = self.write(io::stderr().lock(), |to| to.write_all(text.as_bytes()));
    }

    fn write(
        &self,
        to: impl RawStream + AsLockedWrite,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let written = |mut to: BufWriter<&mut dyn Write>| {
            write(&mut to)?;
            to.flush()
        };
        above(|| match choice(self.color, to.is_terminal()) {
            anstream::ColorChoice::Never => {
                let mut bare = Bare(BufWriter::with_capacity(PIECE, to), StripBytes::new());
                written(BufWriter::with_capacity(PIECE, &mut bare))
            }
            choice => {
                let mut stream = AutoStream::new(to, choice);
                written(BufWriter::with_capacity(PIECE, &mut stream))
            }
        })
    }

    pub(crate) fn error(&self, failure: &Failure) {
        const RED: Style = AnsiColor::Red.on_default().bold();
        const DIM: Style = Style::new().dimmed();
        // Whatever it quotes; its line ends are ours.
        let calm = |text: &str| joined(text.split('\n').map(printable), "\n").unwrap_or_default();
        let mut text = format!("{RED}error:{RED:#} {}\n", calm(&failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("  {DIM}because:{DIM:#} {}\n", calm(cause)));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("  {DIM}help:{DIM:#} {}\n", calm(hint)));
        }
        self.note(&text);
    }

    /// Whether everything could be written. That its reader went away is no error: `| head` is enough.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        match self.failed.take() {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(&error)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn unwritten(error: &io::Error) -> Failure {
    let message = format!("cannot write to standard output: {error}");
    Failure::new(Exit::Unexpected, message)
}

/// What is written without colours. The library's own would write each piece between two of them by itself.
struct Bare<W: Write>(BufWriter<W>, StripBytes);

impl<W: Write> Write for Bare<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pieces = self.1.strip_next(bytes);
        pieces.try_for_each(|piece| self.0.write_all(piece))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Our own rule instead of the library's, which also colours pipes when other variables ask for it.
fn choice(color: ColorChoice, terminal: bool) -> anstream::ColorChoice {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match color {
        ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
        ColorChoice::Auto if terminal && !set("NO_COLOR") && !dumb() => {
            anstream::ColorChoice::Always
        }
        ColorChoice::Auto | ColorChoice::Never => anstream::ColorChoice::Never,
    }
}
