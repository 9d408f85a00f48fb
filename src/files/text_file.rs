//! The texts of files that people write: read within a limit, with the reason when that fails.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files::discover::whole_file;
use crate::model::{Finding, Place, Rule};

/// Largest room file that is read, in bytes. A room with every attribute and a comment on each is about 4 KiB.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024;

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
    let wrong = |rule, message: &str, help| Box::new(whole_file(path, rule, message, help));
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that grows meanwhile is noticed too.
    let read =
        File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let message = format!("the file cannot be read: {error}");
        return Err(wrong(Rule::Unreadable, &message, "check its permissions"));
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let help = "a room file holds one room: a flat list of short keys";
        return Err(wrong(
            Rule::FileSize,
            "the file is larger than 256 KiB",
            help,
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let place = place_behind(&String::from_utf8_lossy(good));
        let (message, help) = ("the file is not valid UTF-8", "save the file as UTF-8");
        let mut finding = wrong(Rule::Encoding, message, help);
        finding.place = place;
        finding
    })
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
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
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
