//! What the environment says, and secrets, which files bring as well.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::args::Global;
use super::configuration::Configuration;
use super::exit::{Exit, Failure};
use crate::disk::plain_file::{MAX_TEXT, read_given};
use crate::files::text_file::text_from;
use crate::model::Secret;
use crate::store::encryption::Keys;

/// How long a pipe may take that brings the key.
const KEY_PATIENCE: Duration = Duration::from_secs(4);

/// A variable of the environment. An empty one counts as not set: that is what a pipeline makes of a secret
/// that it withholds.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A secret, from the file that the user named or from a variable.
fn secret(file: &Option<PathBuf>, (what, name): (&str, &str)) -> Result<Option<String>, Failure> {
    let Some(path) = file else {
        return Ok(variable(name));
    };
    let text = read_given(path, MAX_TEXT, Some(KEY_PATIENCE)).and_then(text_from);
    text.map(Some).map_err(|error| {
        let message = format!("cannot read the {what} file {}: {error}", path.display());
        let failure = Failure::new(Exit::Usage, message);
        match error.kind() {
            ErrorKind::TimedOut => failure.hint(format!(
                "where a program asks somebody for the {what}, use {name}=\"$(…)\""
            )),
            _ => failure,
        }
    })
}

/// The account's key, from a file or the environment. There is no flag for it: arguments are seen by
/// every process of the machine.
pub(crate) fn key(file: &Option<PathBuf>, name: &str) -> Result<Secret, Failure> {
    let text = secret(file, ("key", name))?.unwrap_or_default();
    let key = text.trim();
    if key.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no key for the account").hint(format!(
            "set {name}, or pass --secret-key-file FILE; the key is in the dashboard under Developers"
        )));
    }
    if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = "the key holds spaces or control characters, so it cannot be one";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(Secret::new(key))
}

/// What the state is encrypted with. What is in the sandbox is made up.
pub(crate) fn keys(global: &Global, configuration: &Configuration) -> Result<Keys, Failure> {
    let encryption = configuration.config.state_encryption.get();
    let encryption = encryption.filter(|_| !global.sandbox);
    let identity = secret(
        &global.state_identity_file,
        ("identity", "ROOMCTL_STATE_IDENTITY"),
    );
    Ok(Keys {
        recipients: encryption.map_or_else(BTreeSet::new, |one| one.recipients.0.clone()),
        identity: identity?.map(Secret::new),
        ..Keys::default()
    })
}
