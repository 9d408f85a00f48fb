//! The texts of files that people write: read within a limit, with the reason when that fails.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::disk::plain_file::{MAX_TEXT, read, read_here, read_stamped};
use crate::disk::stamp::Stamp;
use crate::files::discover::whole_file;
use crate::model::{Finding, Place, Rule};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}:{}:{}: {message}", .path.display(), .place.line, .place.column)]
    Invalid {
        path: PathBuf,
        place: Place,
        message: String,
    },
}

/// The text of a file that a finding is about, to show its lines; nothing when it is no text, or gone.
pub(crate) fn text_of(file: &str) -> Option<String> {
    read_text(Path::new(file)).ok()
}

pub(crate) fn read_text(path: &Path) -> Result<String, Box<Finding>> {
    text_in(path, read_here(path, MAX_TEXT))
}

/// The same, with the stamp that the file had before it was read.
pub(crate) fn read_text_stamped(path: &Path) -> Result<(String, Option<Stamp>), Box<Finding>> {
    let mut stamp = None;
    let read = read_stamped(path, MAX_TEXT).map(|(bytes, of)| {
        stamp = of;
        bytes
    });
    text_in(path, read).map(|text| (text, stamp))
}

/// The text that was `read` from `path`, or what is wrong with it.
pub(crate) fn text_in(path: &Path, read: io::Result<Vec<u8>>) -> Result<String, Box<Finding>> {
    let wrong = |rule, message: &str, help| Box::new(whole_file(path, rule, message, help));
    let bytes = read.map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => {
            let help = "a room file holds one room: a flat list of short keys";
            wrong(Rule::FileSize, "the file is larger than 256 KiB", help)
        }
        _ => {
            let message = format!("the file cannot be read: {error}");
            wrong(Rule::Unreadable, &message, "check its permissions")
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let place = place_behind(&String::from_utf8_lossy(good));
        let (message, help) = ("the file is not valid UTF-8", "save the file as UTF-8");
        let mut finding = wrong(Rule::Encoding, message, help);
        finding.place = place;
        finding
    })
}

/// The bytes as text.
pub(crate) fn text_from(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not valid UTF-8"))
}

fn place_behind(text: &str) -> Place {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::new(line, column, 1)
}

/// A file of ours, such as the configuration, as `parse` reads it. `None`: there is no such file.
pub(crate) fn load<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, (Place, String)>,
) -> Result<Option<T>, ConfigError> {
    let path_of = || path.to_owned();
    let read = read(path, MAX_TEXT).and_then(text_from);
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path_of();
            return Err(ConfigError::Io { path, source });
        }
    };
    let invalid = |(place, message)| ConfigError::Invalid {
        path: path_of(),
        place,
        message,
    };
    parse(&text).map(Some).map_err(invalid)
}
