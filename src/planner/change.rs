//! The nouns of a plan: what is done to which room, why, and exactly what would be sent.

use std::collections::{BTreeMap, BTreeSet};

use super::doubts::Doubts;
use super::forecast::Forecast;
use super::mutes::Muted;
use super::scope::LeftOut;
use super::undeclared::Undeclared;
use super::world::Sighting;
use crate::model::reference::Outline;
use crate::model::words::words;
use crate::model::{
    Effect, LiveRoom, RoomName, Secrets, Settings, Stored, StoredSettings, Value, WireName,
};

words! {
    /// What is done to a room.
    Action {
        /// New to the state: read first, then adopted or created.
        Add = "add",
        /// New to the state and not on the service: POST.
        Create = "create",
        /// New to the state, but already on the service: PUT.
        Adopt = "adopt",
        /// In the state, and wanted differently: PUT.
        Update = "update",
        /// In the state, and wanted by no file: DELETE, which archives.
        Archive = "archive",
        /// In the state, but no file wants it: left alone.
        Orphan = "orphan",
    }
}

impl Action {
    /// Its place in a plan: what is new, what changes, what goes, what is left alone.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Add | Self::Create | Self::Adopt => 0,
            Self::Update => 1,
            Self::Archive => 2,
            Self::Orphan => 3,
        }
    }
}

words! {
    /// Why an attribute is in a change.
    Cause {
        /// The file moved.
        Change = "change",
        /// The service moved, and the file did not.
        Drift = "drift",
        /// Both moved, to different values.
        Conflict = "conflict",
        /// The service already holds what the file newly wants: recorded, nothing is sent for it.
        Converged = "converged",
        /// Applied as wanted, and the service does not report it.
        Unobservable = "unobservable",
        /// The key is no longer in the file: no longer managed, and not touched.
        Released = "released",
        /// Nothing moved as far as can be seen, and it is sent again: somebody asked for that, or nobody can say what became of a
        /// write.
        Reassert = "reassert",
    }
}

impl Cause {
    /// Whether the service moved.
    pub(crate) fn is_a_move_of_the_service(self) -> bool {
        matches!(self, Self::Drift | Self::Conflict)
    }

    /// Whether something has to be sent for it.
    pub(crate) fn needs_a_write(self) -> bool {
        matches!(self, Self::Change | Self::Reassert) || self.is_a_move_of_the_service()
    }
}

/// One attribute of a change. Values are in the form that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeChange {
    pub name: WireName,
    /// The applied value; `None`: not managed before.
    pub before: Option<Stored>,
    /// The wanted value; `None`: no longer managed, or unknown.
    pub after: Option<Stored>,
    /// What the service reports; `None`: it does not, or was not looked at.
    pub live: Option<Stored>,
    /// Whether the wanted value is a secret whose variable is not set here, or makes no URL of it.
    pub unknown: bool,
    pub cause: Cause,
    /// Whether `before` was sent without an answer, so that the service may or may not hold it.
    pub unconfirmed: bool,
    /// What may be seen of the wanted value, if it is a secret of a file.
    pub outline: Option<Box<Outline>>,
}

/// Whether a room is public, recorded by itself, and without an end: each 1 or 0. A room that does not count is nothing of it.
pub(crate) type Open = [u64; 3];

/// What a change makes of its room, as it is remembered, as it was seen, and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    pub known: Open,
    pub before: Open,
    pub after: Open,
}

/// One room, one action, the attributes before and after, and exactly what will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub room: RoomName,
    /// What is done to it.
    pub action: Action,
    /// Whether it was applied before, and so counts among the managed rooms, whatever is to be done to it.
    pub is_managed: bool,
    /// What had been sent until then without an answer: what a look shows, that may have made.
    pub in_doubt: Doubts,
    /// When a write under this name was last confirmed, in Unix seconds.
    pub asserted: Option<i64>,
    /// Whether nobody looked yet whether it is this room that has the name, or whether it is there after an archive.
    pub is_claimed: bool,
    /// The file that wants it; `None` for an orphan.
    pub file: Option<String>,
    /// Why it is left alone, if there is more to say of that.
    pub message: Option<String>,
    /// What it does to people.
    pub effects: Vec<Effect>,
    /// What it makes of how open the room is.
    pub opening: Opening,
    /// The attributes that move, by name.
    pub attributes: Vec<AttributeChange>,
    /// The attributes that a mute is about, by name.
    pub muted: Vec<Muted>,
    /// The full wanted set; empty for an orphan. What is sent holds what a mute accepts as it is.
    pub settings: Settings,
    /// The secrets among them that the file gives and that are known here, as they are written.
    pub secrets: Secrets,
    /// What is remembered as applied in place of what is sent, of attributes that are sent only to stay as they are.
    pub keeps: StoredSettings,
    /// Whether anything is sent. False for an orphan, and when attributes are only released: sending the
    /// rest would change nothing on a merging service, and reset the released ones on a replacing one.
    pub sends: bool,
    /// The variables that sending it takes, whether they are set here or not.
    pub needs: BTreeSet<String>,
    /// The file that it will be remembered to be applied from.
    pub place: Option<String>,
    /// Digest over room, action, body and applied settings: the identity of a change in a saved plan.
    pub digest: String,
    /// What the service showed when this was planned; `None`: it was not looked at. `apply` looks again,
    /// and refuses what moved.
    pub seen: Option<Sighting>,
}

impl Change {
    /// The attributes that would be sent and are not known here.
    pub(crate) fn unset(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let sent = self.sends.then_some(&self.settings);
        sent.into_iter()
            .flatten()
            .filter(|(name, value)| !self.leaves_alone(name) && value.is_unset())
            .map(|(name, value)| (name.as_str(), value))
    }

    /// `reassert`, if nothing else is the reason to send it.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let mut causes = self.attributes.iter().map(|attribute| attribute.cause);
        causes.find(|cause| *cause == Cause::Reassert)
    }

    /// Whether somebody asked that it is sent again, and it is not only sent since nobody knows what became of a write.
    pub(crate) fn is_asked_again(&self) -> bool {
        let is_in_doubt = self.attributes.iter().any(|line| line.unconfirmed);
        self.cause() == Some(Cause::Reassert) && !is_in_doubt
    }

    /// Whether `apply` has anything to do for it.
    pub(crate) fn is_actionable(&self) -> bool {
        self.action != Action::Orphan
    }
}

/// The changes of one run, in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub app: String,
    /// Lineage of the state that the plan was made against; empty: there was none.
    pub lineage: String,
    /// Serial of that state.
    pub serial: u64,
    /// Adds, then updates, then orphans; each by name.
    pub changes: Vec<Change>,
    /// How many of the rooms considered were applied as open in which way.
    pub open: Open,
    /// Rooms that are wanted as they were applied.
    pub unchanged: u64,
    /// Rooms of which the file is ahead, when only what the service moved is put back.
    pub pending: u64,
    /// What it will cost.
    pub forecast: Forecast,
    /// Rooms that could not be read, so that nothing is planned for them.
    pub unreadable: Vec<Unreadable>,
    /// How many of the rooms considered were applied before: what shares are measured against.
    pub managed: u64,
    /// What a mute accepts in rooms that nothing is done to, as far as it was looked at.
    pub muted: BTreeMap<RoomName, Vec<Muted>>,
    /// The rooms that were not considered.
    pub left_out: LeftOut,
    /// The rooms of which a look showed something new: it is remembered.
    pub looked: BTreeMap<RoomName, LiveRoom>,
    /// Attributes that no file declares and that moved on the service, as far as it was looked at.
    pub undeclared: BTreeMap<RoomName, Vec<Undeclared>>,
    /// When it was made, in Unix seconds: whether a moment has passed decides over effects.
    pub now: i64,
}

/// A room that nothing is planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Whether it was read after all, and only cannot be put back, or is not ours to archive.
    pub was_read: bool,
    pub room: RoomName,
    /// The file that wants it.
    pub file: Option<String>,
    pub message: String,
}

/// Rooms that are wanted as they were applied, and were only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quiet {
    pub rooms: u64,
    /// How many of them were applied as open in which way.
    pub open: Open,
}

impl Quiet {
    pub(crate) fn add(&mut self, open: Open) {
        self.rooms += 1;
        self.open = [0, 1, 2].map(|way| self.open[way].saturating_add(open[way]));
    }
}

impl Plan {
    /// The same with rooms of which it was known before that there is nothing to do.
    #[must_use]
    pub(crate) fn with(mut self, quiet: Quiet) -> Self {
        self.unchanged += quiet.rooms;
        self.managed += quiet.rooms;
        self.open = [0, 1, 2].map(|way| self.open[way].saturating_add(quiet.open[way]));
        self
    }

    /// The changes that `apply` carries out.
    pub(crate) fn actionable(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.is_actionable())
    }

    /// Whether the service failed for one of the rooms.
    pub(crate) fn any_unread(&self) -> bool {
        self.unreadable.iter().any(|room| !room.was_read)
    }

    /// Whether `apply` has nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.actionable().next().is_none()
    }
}
