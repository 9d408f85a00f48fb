//! A finding with the lines it is about, the way rustc shows them.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::Severity;
use crate::report::excerpt::Excerpt;
use crate::report::validate::FindingReport;
use crate::report::values::printable;

/// The text of a file, for the lines that findings are about; nothing when it cannot be read any more.
pub(crate) type Sources<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A place in a file, and what is said about it.
struct Mark {
    line: u32,
    column: u32,
    end_column: Option<u32>,
    label: Option<String>,
    primary: bool,
}

/// The finding, ending in a blank line.
pub(super) fn finding(finding: &FindingReport, sources: Sources<'_>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = printable(&finding.message);
    let mut group = Group::with_title(level.primary_title(message).id(finding.rule.clone()));
    for (file, marks) in by_file(finding) {
        group = add_file(group, &file, &marks, sources);
    }
    if let Some(note) = &finding.note {
        group = group.element(Level::NOTE.message(printable(note)));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    format!("{}\n\n", Renderer::styled().render(&[group]))
}

/// The marks of each file, the finding's own file first.
fn by_file(finding: &FindingReport) -> Vec<(String, Vec<Mark>)> {
    let own = Mark {
        line: finding.line.unwrap_or_default(),
        column: finding.column.unwrap_or(1),
        end_column: finding.end_column,
        label: None,
        primary: true,
    };
    let mut files = vec![(finding.file.clone(), vec![own])];
    for related in &finding.related {
        let mark = Mark {
            line: related.line.unwrap_or_default(),
            column: related.column.unwrap_or(1),
            end_column: related.end_column,
            label: Some(printable(&related.label)),
            primary: false,
        };
        match files.iter_mut().find(|(file, _)| *file == related.file) {
            Some((_, marks)) => marks.push(mark),
            None => files.push((related.file.clone(), vec![mark])),
        }
    }
    files
}

fn add_file<'a>(group: Group<'a>, file: &str, marks: &[Mark], sources: Sources<'_>) -> Group<'a> {
    let first = marks.iter().map(|mark| mark.line).min().unwrap_or_default();
    let last = marks.iter().map(|mark| mark.line).max().unwrap_or_default();
    let (Some(own), Some(text)) = (marks.first(), lines(file, first, last, sources)) else {
        return group.element(place(file, marks));
    };
    let shown: Vec<&str> = text.iter().map(|line| line.text.as_str()).collect();
    let line = shown.get((own.line - first) as usize);
    if line.is_none_or(|line| line.trim().is_empty()) {
        // A line of which nothing can be shown would only look broken.
        return group.element(place(file, marks));
    }
    let mut snippet = Snippet::source(shown.join("\n"))
        .line_start(first as usize)
        .path(printable(file))
        .fold(true);
    for mark in marks {
        snippet = snippet.annotation(annotation(mark, first, &text));
    }
    group.element(snippet)
}

fn annotation<'a>(mark: &Mark, first: u32, lines: &[Excerpt]) -> Annotation<'a> {
    let index = (mark.line - first) as usize;
    let before = lines.iter().take(index).map(|line| line.text.len() + 1);
    let before: usize = before.sum();
    let from = mark.column.saturating_sub(1);
    let width = mark.end_column;
    let width = width.map_or(1, |end| end.saturating_sub(mark.column)) as usize;
    let line = lines.get(index);
    let span = line.map_or(0..0, |line| line.span(from as usize, width));
    let kind = match mark.primary {
        true => AnnotationKind::Primary,
        false => AnnotationKind::Context,
    };
    let annotation = kind.span(before + span.start..before + span.end);
    match &mark.label {
        Some(label) => annotation.label(label.clone()),
        None => annotation,
    }
}

/// The lines from `first` to `last`, in the form that may be shown.
fn lines(file: &str, first: u32, last: u32, sources: Sources<'_>) -> Option<Vec<Excerpt>> {
    if first == 0 {
        return None;
    }
    let text = sources(file)?;
    // The line breaks of YAML; files from old systems have carriage returns alone.
    let text = text.replace("\r\n", "\n");
    let lines: Vec<Excerpt> = text
        .split(['\n', '\r'])
        .skip(first as usize - 1)
        .take((last - first) as usize + 1)
        .map(Excerpt::new)
        .collect();
    (!lines.is_empty()).then_some(lines)
}

fn place<'a>(file: &str, marks: &[Mark]) -> Origin<'a> {
    let origin = Origin::path(printable(file));
    match marks.first() {
        Some(mark) if mark.line > 0 => origin
            .line(mark.line as usize)
            .char_column(mark.column as usize),
        _ => origin,
    }
}
