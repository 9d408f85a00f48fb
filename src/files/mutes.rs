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
            let key = &entry.key;
            let why = format!("`{key}` is not known here; write `mutes:` and a list");
            return Err((entry.key_at, why));
        }
        let wrong = |why: String| (entry.value_at, why);
        let list: Result<Vec<Entry>, _> = serde_json::from_value(entry.value.clone());
        let kind = "`mutes` is a list of room, attribute, reason and until";
        let list = list.map_err(|error| wrong(format!("{kind}: {error}")))?;
        for (mute, number) in list.iter().zip(1..) {
            let mute = check(mute).map_err(|why| wrong(format!("mute {number}: {why}")))?;
            mutes.push(mute);
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
        let name = &entry.attribute;
        return Err(format!("`{name}` is not an attribute of a room"));
    }
    let mute = Mute::new(&entry.room, &entry.attribute, &entry.reason, &entry.until);
    mute.map_err(|error| error.to_string())
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
