//! Who holds the lock of a state.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::words::printable;

/// Whether anybody holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Free,
    /// Nobody; this one ended without taking its record away.
    Left(Holder),
    /// Somebody, with the record if it can be read.
    Held(Option<Holder>),
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// A user, or the URL of a CI run.
    pub holder: String,
    pub host: String,
    pub pid: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// When others may take the lock if this one died. `None`: at once, as of a file. Whoever looks at the lock knows it, nobody writes it.
    #[serde(skip)]
    pub until: Option<Timestamp>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Anybody who may write the lock may have written these.
        let [holder, host, since] = [&self.holder, &self.host, &self.since]
            .map(|text| printable(&text.replace(['\n', '\r'], " ")));
        let pid = self.pid;
        write!(f, "{holder} on {host} (process {pid}) since {since}")
    }
}

/// The holder of a lock that is in the way: also until when that may last, if it died.
pub(crate) fn in_the_way(holder: Option<&Holder>) -> String {
    let until = holder.and_then(|holder| holder.until);
    let until = until.map(|until| format!("; if that has died, until {until}"));
    format!("{}{}", describe(holder), until.unwrap_or_default())
}

/// The holder in words, also when the record cannot be read.
pub(crate) fn describe(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}
