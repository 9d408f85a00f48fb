//! `mutes.yaml`: drift that is accepted for a reason, until a day. Pure.

use serde::Deserialize;

use crate::files::yaml;
use crate::model::{Globs, Place, catalogue};
use crate::planner::mutes::Mute;

/// One entry of the list, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    room: String,
    attribute: String,
    reason: String,
    until: String,
}

/// Most mutes: each may be about every room.
const MOST: usize = 1_000;

/// The mutes that `text` lists; otherwise what is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<Vec<Mute>, (Place, String)> {
    let entries = yaml::strict_mapping(text).map_err(|error| (error.place, error.message))?;
    let mut mutes = Vec::new();
    for entry in &entries {
        if entry.key != "mutes" {
            return Err((
                entry.key_at,
                format!(
                    "`{}` is not known here; write `mutes:` and a list",
                    entry.key
                ),
            ));
        }
        let list: Vec<Entry> = serde_json::from_value(entry.value.clone()).map_err(|error| {
            (
                entry.value_at,
                format!("`mutes` is a list of room, attribute, reason and until: {error}"),
            )
        })?;
        for (number, mute) in list.iter().enumerate() {
            mutes.push(
                check(mute)
                    .map_err(|why| (entry.value_at, format!("mute {}: {why}", number + 1)))?,
            );
        }
    }
    match mutes.len() <= MOST && Globs::fit(mutes.iter().map(|mute| &mute.room)) {
        true => Ok(mutes),
        false => Err((
            Place::START,
            format!("there are more than {MOST} mutes, or their patterns are too long together"),
        )),
    }
}

fn check(entry: &Entry) -> Result<Mute, String> {
    if entry.attribute != "*" && catalogue::attribute(&entry.attribute).is_none() {
        return Err(format!(
            "`{}` is not an attribute of a room",
            entry.attribute
        ));
    }
    Mute::new(&entry.room, &entry.attribute, &entry.reason, &entry.until)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::mutes::is_muted;

    #[test]
    fn a_list_of_mutes() {
        let text = "mutes:\n  - {room: \"sales-*\", attribute: enableChat, reason: \"trial\", until: 2027-01-31}\n";
        let mutes = parse(text).unwrap();
        assert_eq!(mutes.len(), 1);
        assert!(is_muted(&mutes, "sales-emea", "enableChat"));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_reported() {
        for (text, words) in [
            ("mute: []", "write `mutes:`"),
            ("mutes: 3", "is a list of"),
            (
                "mutes:\n  - {room: a, attribute: privacy, reason: x}",
                "missing field `until`",
            ),
            (
                "mutes:\n  - {room: a, attribute: chat, reason: x, until: 2027-01-01}",
                "`chat` is not an attribute",
            ),
            (
                "mutes:\n  - {room: a, attribute: privacy, reason: x, until: soon}",
                "mute 1",
            ),
        ] {
            let (_, message) = parse(text).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }
}
