//! How a request ends, and what one try of it leads to. Pure.

use crate::model::LiveRoom;
use crate::planner::{Gone, named_otherwise};
use crate::service::retry::Trouble;

/// What one try led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    Ended(End),
    /// 401 or 403 in the service's own JSON: the key is not accepted, and will not be for any other room.
    Denied(String),
    /// Perhaps again; otherwise it ends like this.
    Trouble(Trouble, End),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The service answered with the room.
    Room(LiveRoom),
    /// The names of all rooms that the service lists.
    Rooms(Vec<String>),
    /// DELETE: the room was archived.
    Archived,
    /// The service says that there is no such room.
    Missing(Gone),
    /// The service answered with the room under a name that differs by case: it keeps no room of the name that
    /// was asked for.
    Named(String),
    /// A write was answered with a success that does not show the room: a read says what became of it.
    NotShown(String),
    /// POST: the service says that the name is taken.
    Exists(String),
    /// The last try was not carried out. [`Tally::perhaps_written`](super::requests::Tally::perhaps_written) says whether an earlier one may have been.
    Refused(String),
    /// It may or may not have been carried out.
    Unknown(String),
    /// POST, DELETE: it may or may not have been carried out; the room has to be read before another try.
    ReadFirst(String),
    /// The run stopped before it could be sent again.
    Stopped,
}

impl End {
    /// What the service, or the network, said about it.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Exists(text)
            | Self::Refused(text)
            | Self::NotShown(text)
            | Self::Unknown(text)
            | Self::ReadFirst(text) => text,
            Self::Named(name) => named_otherwise(&name),
            Self::Missing(_) => "the service says that there is no such room".to_owned(),
            Self::Room(_) | Self::Rooms(_) | Self::Archived | Self::Stopped => String::new(),
        }
    }

    /// Whether only a request with a key that is accepted ends like this.
    pub(super) fn takes_the_key(&self) -> bool {
        match self {
            Self::Room(_)
            | Self::Rooms(_)
            | Self::Archived
            | Self::Missing(_)
            | Self::Named(_)
            | Self::Exists(_) => true,
            Self::NotShown(_)
            | Self::Refused(_)
            | Self::Unknown(_)
            | Self::ReadFirst(_)
            | Self::Stopped => false,
        }
    }

    /// Whether the write that ended like this may have been carried out.
    pub(super) fn may_have_written(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::NotShown(_) | Self::Named(_) => true,
            // The service showed the room, so it may have taken the write, even though the room is archived.
            Self::Missing(gone) => *gone == Gone::Archived,
            _ => false,
        }
    }
}
