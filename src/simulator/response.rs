//! An answer as a value: status, headers, body, and how it is delivered.

use serde_json::{Value, json};

/// How an answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Whole.
    Whole,
    /// The head announces the whole body; the connection is closed after this many bytes of it.
    Short(usize),
    /// The connection is closed without a single byte.
    Dropped,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names (lower case) and values, without `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body, also when less of it is delivered.
    pub body: Vec<u8>,
    /// Milliseconds to wait before the answer goes out; its effect is there already.
    pub delay_ms: u64,
    /// How it goes out.
    pub delivery: Delivery,
}

/// Content type of everything that is meant to be JSON.
const JSON: &str = "application/json; charset=utf-8";

impl Response {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, JSON, body.to_string())
    }

    pub(super) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            delay_ms: 0,
            delivery: Delivery::Whole,
        }
    }

    /// `{success: false, message}`: the documented shape of a 400, used here for other statuses by analogy.
    pub(super) fn refusal(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"success": false, "message": message}))
    }

    /// `{eventCode, message}`: the documented shape of a 500. The code itself is invented.
    pub(super) fn server_error(message: &str) -> Self {
        Self::json(500, &json!({"eventCode": "SIM-500", "message": message}))
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| *header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `None` when it is something else.
    pub fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_errors() {
        let refused = Response::refusal(400, "Invalid request");
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.value(),
            Some(json!({"success": false, "message": "Invalid request"}))
        );
        let broken = Response::server_error("x").value().unwrap();
        assert!(broken["eventCode"].is_string());
        assert!(broken.get("success").is_none());
    }
}
