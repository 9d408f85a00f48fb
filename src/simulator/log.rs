//! What was asked: counts always, the requests themselves when wanted.

use std::collections::VecDeque;

use serde_json::Value;

use super::request::Method;

/// How many requests are remembered at most; the oldest go first.
pub(super) const LOG_LIMIT: usize = 100_000;

/// How often what happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub get: u64,
    pub post: u64,
    pub put: u64,
    pub delete: u64,
    pub other: u64,
    /// Requests that changed a room.
    pub written: u64,
    /// Requests that met a fault.
    pub faults: u64,
    /// Requests above the rate limit.
    pub over_limit: u64,
}

impl Counts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.get + self.post + self.put + self.delete + self.other
    }

    pub(super) fn count(&mut self, method: Method) {
        let counter = match method {
            Method::Get => &mut self.get,
            Method::Post => &mut self.post,
            Method::Put => &mut self.put,
            Method::Delete => &mut self.delete,
            Method::Other => &mut self.other,
        };
        *counter += 1;
    }
}

/// One request and its end. The query is left out: it holds the key.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Counts from 1 over all requests.
    pub sequence: u64,
    /// When it arrived, in Unix milliseconds.
    pub at_ms: i64,
    /// Its method.
    pub method: Method,
    /// Its path as sent, without the query.
    pub path: String,
    /// Its body, if that was JSON.
    pub body: Option<Value>,
    /// The status answered; `None` when the connection was closed without an answer.
    pub status: Option<u16>,
    /// Whether it changed a room.
    pub wrote: bool,
    /// The fault it met, by its name in the table.
    pub fault: Option<&'static str>,
}

/// The last requests, up to [`LOG_LIMIT`].
#[derive(Debug, Default)]
pub(super) struct Log {
    records: VecDeque<Record>,
}

impl Log {
    pub(super) fn push(&mut self, record: Record) {
        if self.records.len() == LOG_LIMIT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.records.iter().cloned().collect()
    }
}

/// The arrivals that a rate limit looks at. Refused requests count too: the limit is on what is sent.
#[derive(Debug, Default)]
pub(super) struct Window {
    arrivals: VecDeque<i64>,
}

impl Window {
    /// Notes an arrival; true when `limit` others came within the second before it.
    pub(super) fn is_over(&mut self, limit: usize, at_ms: i64) -> bool {
        while self
            .arrivals
            .front()
            .is_some_and(|first| at_ms - first >= 1000)
        {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(at_ms);
        self.arrivals.len() > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut window = Window::default();
        let over: Vec<_> = [0, 999, 999, 1000, 1998, 2998]
            .into_iter()
            .map(|at| window.is_over(2, at))
            .collect();
        assert_eq!(over, [false, false, true, true, true, false]);
    }

    #[test]
    fn the_log_is_bounded() {
        let mut log = Log::default();
        for sequence in 1..=LOG_LIMIT as u64 + 2 {
            log.push(Record {
                sequence,
                at_ms: 0,
                method: Method::Get,
                path: String::new(),
                body: None,
                status: Some(200),
                wrote: false,
                fault: None,
            });
        }
        let records = log.records();
        assert_eq!(records.len(), LOG_LIMIT);
        assert_eq!(records[0].sequence, 3);
    }
}
