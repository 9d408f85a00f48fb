//! Why a run stops before its end, which everyone who works on it learns once.

use std::time::Duration;

use tokio::sync::watch;

/// Why no further room is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The user or the runner asked for it.
    Interrupted,
    /// The service does not accept the key.
    Denied(String),
    /// Nothing reaches the service, for this reason, which stays.
    Unreachable(String),
    /// The service asks for a wait that is not worth waiting for, or that would end after the deadline.
    TooLong(Duration),
    /// The deadline is near.
    Deadline,
    /// So many rooms in a row met nothing but 5xx and silence, each to the end of its tries.
    Failing(u32),
    /// A write had an effect that was not allowed, for what it did not send: the next ones may as well.
    NotAllowed(String),
    /// Nothing can be recorded any more, so nothing more may be written.
    Unrecorded(String),
}

impl StopReason {
    /// The reason in words that fit after "not tried: ".
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Interrupted => "the run was interrupted".to_owned(),
            Self::Denied(_) => "the service does not accept the key".to_owned(),
            Self::Unreachable(why) | Self::NotAllowed(why) => why.clone(),
            Self::TooLong(wait) => format!(
                "the service asked for a pause of {} s, longer than this run waits",
                wait.as_secs()
            ),
            Self::Deadline => "the deadline came first".to_owned(),
            Self::Failing(rooms) => {
                format!("the service failed {rooms} rooms in a row, each to the end of its tries")
            }
            Self::Unrecorded(why) => format!("receipts can no longer be recorded ({why})"),
        }
    }
}

/// The switch that stops a run. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    reason: watch::Sender<Option<StopReason>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            reason: watch::Sender::new(None),
        }
    }
}

impl Stop {
    /// Stops the run. The first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.reason.send_if_modified(|set| {
            let first = set.is_none();
            if first {
                *set = Some(reason);
            }
            first
        });
    }

    /// Why the run stops, if it does.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.borrow().clone()
    }

    /// Returns when the run stops.
    pub(crate) async fn stopped(&self) {
        let mut reason = self.reason.subscribe();
        // The sender lives as long as `self`.
        let _ = reason.wait_for(Option::is_some).await;
    }
}
