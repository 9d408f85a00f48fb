//! The room that `init` writes to try roomctl with, and that nobody needs who has rooms.

use std::path::Path;

use crate::disk::plain_file::{MAX_DATA, read_own};
use crate::disk::whole_file::remove;
use crate::files::text_file::text_from;

pub(crate) const TRIAL: &str = "rooms/roomctl-trial.yaml";

const TEXT: &str = include_str!("../../../templates/room.yaml");

/// Its text; it ends then.
pub(crate) fn trial(expires: &str) -> String {
    TEXT.replace("{{expires}}", expires)
}

/// Removes it from where the configuration is, as long as it is as it was made. Returns whether it was there.
pub(crate) fn remove_trial(base: &Path) -> bool {
    let path = base.join(TRIAL);
    let kept = |text: &str| -> Vec<String> {
        let lines = text.lines();
        let lines = lines.filter(|line| !line.starts_with("expireUnixSec:"));
        lines.map(str::to_owned).collect()
    };
    let text = read_own(&path, MAX_DATA).and_then(text_from);
    let text = text.unwrap_or_default();
    kept(&text).ends_with(&kept(TEXT)) && remove(&path).is_ok()
}
