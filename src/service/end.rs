//! How a request ends, and what one try of it leads to. Pure.

use crate::model::LiveRoom;
use crate::planner::Gone;
use crate::service::retry::Trouble;

/// What one try led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    Ended(End),
    /// 401 or 403: the key is not accepted, and will not be for any other room.
    Denied(String),
    /// Perhaps again; otherwise it ends like this.
    Trouble(Trouble, End),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The service answered with the room.
    Room(LiveRoom),
    /// The names of all rooms that the service lists.
    Rooms(Vec<String>),
    /// DELETE: the room was archived.
    Archived,
    /// The service says that there is no such room.
    Missing(Gone),
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
            | Self::Unknown(text)
            | Self::ReadFirst(text) => text,
            Self::Room(_) | Self::Rooms(_) | Self::Archived | Self::Missing(_) | Self::Stopped => {
                String::new()
            }
        }
    }
}
