//! What can be wrong with a state, its journal or its lock, wherever they are kept.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::store::holder::{Holder, in_the_way};

/// Can be cloned, since all who wait for a record to become durable get the same one.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The place did not do what it was asked.
    #[error("cannot {deed}")]
    Failed {
        /// Such as "read the state x.json".
        deed: String,
        /// What to do about it, which differs from place to place.
        advice: &'static str,
        source: Arc<io::Error>,
    },
    /// Nothing was asked of the place yet.
    #[error("the state {at} cannot be used: {why}")]
    Unusable { at: String, why: String },
    #[error("the encrypted state {at} cannot be used: {why}")]
    Encrypted {
        at: String,
        why: &'static str,
        advice: &'static str,
    },
    #[error("the state {at} is damaged; it is kept as it is")]
    DamagedState {
        at: String,
        source: Arc<serde_json::Error>,
    },
    /// A line other than the last is damaged. They are counted from 1.
    #[error("the journal {at} is damaged in line {line}; it is kept as it is")]
    DamagedJournal { at: String, line: usize },
    #[error(
        "the {what} has version {version}, and this program knows {known}; use a newer roomctl"
    )]
    Newer {
        what: String,
        version: String,
        known: u64,
    },
    #[error("the state {at} belongs to the app `{found}`, not to `{wanted}`")]
    OtherApp {
        at: String,
        found: String,
        wanted: String,
    },
    #[error("the journal {at} does not belong to the state beside it: {why}")]
    OtherJournal { at: String, why: &'static str },
    #[error("the state is locked by {}", in_the_way(.0.as_ref()))]
    Held(Option<Holder>),
    /// The lock was lost while it was held; how, in the words of the place.
    #[error("{0}")]
    Evicted(&'static str),
    #[error("the serial of the state is the highest there is, so nothing can be saved after it")]
    LastSerial,
    /// The state that was read is no longer there; another one is. With both serials in words, where they are known.
    #[error("the state was replaced while this run went on{0}; it is kept as it is")]
    Replaced(String),
    #[error("the journal stopped after an earlier error")]
    Stopped,
}

impl StoreError {
    /// Whether the place gives no such right, or no longer.
    #[cfg(feature = "remote-state")]
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// A file of this machine could not be used.
    pub(super) fn file(deed: &str, path: &Path, source: io::Error) -> Self {
        Self::Failed {
            deed: format!("{deed} {}", path.display()),
            advice: "the directory of the state must be writable, on a disk with room left",
            source: Arc::new(source),
        }
    }
}
