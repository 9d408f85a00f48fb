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
    let mut answer = String::new();
    let asked = write!(stderr(), "\n{what}? Only `yes` will do: ")
        .and_then(|()| stderr().flush())
        .and_then(|()| stdin().lock().read_line(&mut answer));
    if !answer.ends_with('\n') {
        // The end of the input ends no line.
        let _ = writeln!(stderr());
    }
    match asked {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        Ok(_) => Err(refused("not approved; nothing was done")),
        Err(error) => Err(Failure::because(Exit::Unexpected, &error)),
    }
}
