//! Asks before something is done. Elsewhere than on a terminal only `--yes` is an answer.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use super::exit::{Exit, Failure};

/// Whether somebody sits there. A pipeline is where nobody does, whatever its variables are called.
pub(crate) fn can_be_asked() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks for approval of `what`, a sentence without its end, unless `yes` gives it.
pub(crate) fn approve(yes: bool, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let refused = |message: &str| Failure::new(Exit::Refused, message);
    if !can_be_asked() {
        let message = format!("not approved, and nobody can be asked: {what}?");
        return Err(refused(&message).hint("pass --yes to go on without asking"));
    }
    let answer = answer_to(&format!("\n{what}? Only `yes` will do: "))?;
    match answer.trim() == "yes" {
        true => Ok(()),
        false => Err(refused("not approved; nothing was done")),
    }
}

/// The line that somebody answers; `None`: nobody can be asked.
pub(crate) fn ask(question: &str) -> Result<Option<String>, Failure> {
    let answer = can_be_asked().then(|| answer_to(question)).transpose()?;
    Ok(answer.map(|answer| answer.trim().to_owned()))
}

fn answer_to(question: &str) -> Result<String, Failure> {
    let mut answer = String::new();
    let asked = write!(stderr(), "{question}")
        .and_then(|()| stderr().flush())
        .and_then(|()| stdin().lock().read_line(&mut answer));
    if !answer.ends_with('\n') {
        // The end of the input ends no line.
        let _ = writeln!(stderr());
    }
    asked.map_err(|error| Failure::because(Exit::Unexpected, &error))?;
    Ok(answer)
}
