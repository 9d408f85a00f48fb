//! How an attribute stands: exactly one of five. Drift, plans, counts and laws read the same.

use super::change::Cause;

/// How one attribute of a room that was read stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// As it was applied, and as it is wanted.
    InSync,
    /// The service moved.
    Drifted,
    /// The file is ahead of what was applied.
    Pending,
    /// The service moved, and a mute accepts it.
    Muted,
    /// Applied as wanted, and the service does not report it: nobody can tell.
    NotVisible,
}

impl Status {
    /// Of who moved it, and whether a mute is about it. A mute accepts what moved on the service, not an edit of the file:
    /// what that newly wants is written all the same.
    pub(crate) fn of(cause: Option<Cause>, is_muted: bool) -> Self {
        match cause {
            None => Self::InSync,
            Some(Cause::Unobservable) => Self::NotVisible,
            Some(Cause::Drift) if is_muted => Self::Muted,
            Some(Cause::Conflict) if is_muted => Self::Pending,
            Some(Cause::Drift | Cause::Conflict) => Self::Drifted,
            Some(Cause::Change | Cause::Converged | Cause::Released) => Self::Pending,
        }
    }
}
