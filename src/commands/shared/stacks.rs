//! A command about several stacks: the same for one after the other, and one report of all.

use super::args::Global;
use super::configuration::Configuration;
use super::exit::{Exit, Failure};
use super::interrupt::unheeded_from_here;
use super::output::{Output, Parts};
use crate::report::stacks::{Command, StackReport};
use crate::report::view::Detail;
use crate::report::{AnyReport, StacksReport};

/// The stacks that a command is about that can be about several, in the order of the configuration; none if it is about one, which is
/// then named in `global`.
pub(crate) fn several(global: &mut Global) -> Result<Vec<String>, Failure> {
    let all = Configuration::stacks(global)?;
    let is_named = |name: &String| global.stack.is_empty() || global.stack.contains(name);
    let named: Vec<String> = all.iter().filter(|name| is_named(name)).cloned().collect();
    if let Some(unknown) = global.stack.iter().find(|name| !all.contains(name)) {
        // Where it is looked for says so.
        global.stack = vec![unknown.clone()];
        return Ok(Vec::new());
    }
    if named.len() == 1 {
        global.stack = named;
        return Ok(Vec::new());
    }
    Ok(named)
}

/// What is of one stack is not given to several.
pub(crate) fn check(global: &Global, of_command: &[(&str, bool)]) -> Result<(), Failure> {
    let of_all = [
        ("--rooms", global.rooms.is_some()),
        ("--secret-key-file", global.secret_key_file.is_some()),
        ("--state", global.state.is_some()),
        ("--base-url", global.base_url.is_some()),
    ];
    let mut flags = of_all.iter().chain(of_command);
    let Some((flag, _)) = flags.find(|(_, is_set)| *is_set) else {
        return Ok(());
    };
    let message = format!("{flag} is of one stack, and this run is about several");
    Err(Failure::new(Exit::Usage, message).hint("name the one with --stack"))
}

/// Runs a command for each, and makes one report of all. One that writes stops at the first that does not end well: what comes after it
/// may be what people depend on. So does any once somebody `asked` it to end.
pub(crate) fn each(
    names: Vec<String>,
    what: Option<Command>,
    asked: impl Fn() -> bool,
    output: &mut Output,
    mut run: impl FnMut(&str, &mut Output) -> Result<Exit, Failure>,
) -> (AnyReport, Detail, Exit) {
    let (mut ends, mut done, mut shown) = (Vec::new(), Vec::new(), Detail::default());
    for stack in names {
        // One that was recording what it did when somebody asked it to end had ended well.
        if asked() && !ends.contains(&Exit::Interrupted) {
            ends.push(Exit::Interrupted);
        }
        let is_over = ends.iter().any(|end| match end {
            Exit::Interrupted => true,
            end => what == Some(Command::Apply) && ![Exit::Done, Exit::Differences].contains(end),
        });
        if is_over {
            let error = match ends.contains(&Exit::Interrupted) {
                true => "the run was interrupted before",
                false => "another stack before it did not end well",
            };
            done.push(StackReport::without(stack, error));
            continue;
        }
        unheeded_from_here();
        output.note(&format!("Stack {stack}:\n"));
        output.parts = Some(Parts {
            what,
            done: std::mem::take(&mut done),
            stack: stack.clone(),
            report: None,
        });
        let ended = run(&stack, output);
        let Some(parts) = output.parts.take() else {
            break;
        };
        done = parts.done;
        let (report, detail) = parts.report.unzip();
        shown = detail.unwrap_or(shown);
        let (exit, error) = match ended {
            Ok(exit) => (exit, None),
            Err(failure) => {
                output.error(&failure);
                (failure.exit, Some(failure.message))
            }
        };
        ends.push(exit);
        done.push(StackReport {
            exit: Some(exit as u8),
            error,
            report,
            ..StackReport::without(parts.stack, "")
        });
    }
    let wrote = done.iter().any(|stack| matches!(&stack.report, Some(AnyReport::Apply(report)) if report.summary.done() > 0));
    (
        StacksReport::joined(what, done),
        shown,
        Exit::joined(&ends, wrote),
    )
}

#[cfg(test)]
mod tests {
    use clap::ColorChoice;

    use super::*;

    #[test]
    fn none_is_begun_once_somebody_asked_for_the_end() {
        for what in [None, Some(Command::Plan), Some(Command::Apply)] {
            let begun = std::cell::Cell::new(0);
            let run = |_: &str, _: &mut Output| {
                begun.set(begun.get() + 1);
                // It was saving what it had done, and says that it did.
                Ok(Exit::Done)
            };
            let names = ["a", "b", "c"].map(str::to_owned).to_vec();
            let mut output = Output::new(ColorChoice::Never);
            let asked = || begun.get() == 2;
            let (_, _, exit) = each(names, what, asked, &mut output, run);
            assert_eq!((begun.get(), exit), (2, Exit::Interrupted));
        }
    }
}
