//! What was seen of the service: one sighting a room. A failed read is a sighting of its own, never absence.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::model::catalogue::attributes;
use crate::model::words::{printable, quoted};
use crate::model::{LiveRoom, RoomName};

/// Why a room is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The service says that there is no such room.
    Missing,
    /// The service still shows it, marked as archived.
    Archived,
}

/// What reading one room showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    Present(LiveRoom),
    /// It is not there.
    Absent(Gone),
    /// Nobody knows, for this reason.
    Unreadable(String),
}

/// What was seen, by room.
pub(crate) type World = BTreeMap<RoomName, Sighting>;

/// What was seen of a room. A room that was left out is as good as unreadable.
pub(super) fn sighting<'a>(world: &'a World, name: &RoomName) -> &'a Sighting {
    static LEFT_OUT: LazyLock<Sighting> =
        LazyLock::new(|| Sighting::Unreadable("it was not looked at".to_owned()));
    world.get(name).unwrap_or(&LEFT_OUT)
}

/// What to do about a room that the service names otherwise than a file, by case: it is not known to keep the
/// case of a name.
pub(crate) fn named_otherwise(theirs: &str) -> String {
    let (shown, quoted) = (printable(theirs), quoted(theirs));
    format!(
        "the service names this room `{shown}`: call its file `{shown}.yaml`, or write `roomName: {quoted}` \
         into it; then `roomctl apply` adopts the room"
    )
}

impl Sighting {
    pub(crate) fn present(&self) -> Option<&LiveRoom> {
        match self {
            Self::Present(live) => Some(live),
            _ => None,
        }
    }

    /// What changed until `now`: the names of the attributes, or what else. `None`: nothing.
    pub(crate) fn moved_until(&self, now: &Self) -> Option<String> {
        match (self, now) {
            (Self::Absent(_), Self::Absent(_)) => None,
            (Self::Absent(_), Self::Present(_)) => Some("the room is there now".to_owned()),
            (Self::Present(_), Self::Absent(_)) => Some("the room is gone".to_owned()),
            (Self::Present(then), Self::Present(now)) => {
                if now.is_another(then.id.as_deref()) {
                    return Some("the room was recreated".to_owned());
                }
                let names = attributes().iter().map(|attribute| attribute.name);
                let moved = names.filter(|name| then.settings.get(name) != now.settings.get(name));
                let moved: Vec<&str> = moved.collect();
                (!moved.is_empty()).then(|| moved.join(", "))
            }
            (_, Self::Unreadable(why)) | (Self::Unreadable(why), _) => Some(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::testing::{file, live_of, shown};

    #[test]
    fn moves_between_two_looks() {
        let seen = |people| Sighting::Present(live_of(&mut shown(&file(people))).clone());
        let absent = Sighting::Absent(Gone::Missing);
        assert_eq!(seen(5).moved_until(&seen(5)), None);
        assert_eq!(seen(5).moved_until(&seen(6)).unwrap(), "maxParticipants");
        assert_eq!(absent.moved_until(&Sighting::Absent(Gone::Archived)), None);
        assert!(absent.moved_until(&seen(5)).is_some());
        assert!(seen(5).moved_until(&absent).is_some());
    }
}
