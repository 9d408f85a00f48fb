//! A request as a value: what came over the wire, and when.

use std::fmt;

use serde_json::Value;

/// The verbs that have a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read one room, or list them.
    Get,
    /// Create a room.
    Post,
    /// Update a room.
    Put,
    /// Archive a room.
    Delete,
    /// Any other verb; always answered 404.
    Other,
}

impl Method {
    /// The verb of this name, in capitals as on the wire; unknown verbs are [`Method::Other`].
    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    /// The name on the wire; `OTHER` for what has no meaning here.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Other => "OTHER",
        }
    }
}

/// One request. Prints without its query, which holds the key.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    /// As sent: still percent-encoded, without the query.
    pub(super) path: String,
    /// As sent, without the question mark. Holds the key: never print it.
    pub(super) query: String,
    pub(super) body: Vec<u8>,
    pub(super) at_ms: i64,
}

impl Request {
    /// A request for `path` (percent-encoded, without a query), without key or body, at the Unix epoch.
    pub fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: String::new(),
            body: Vec::new(),
            at_ms: 0,
        }
    }

    /// The same with `secretKey` in the query (documented).
    pub fn with_key(self, key: &str) -> Self {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("secretKey", key)
            .finish();
        self.with_query(query)
    }

    /// The same with this raw query string, without the question mark.
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// The same with a JSON body.
    pub fn with_body(self, body: &Value) -> Self {
        self.with_bytes(body.to_string())
    }

    /// The same with a body of any bytes.
    pub fn with_bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same, arriving at this moment, in Unix milliseconds.
    pub fn at(mut self, at_ms: i64) -> Self {
        self.at_ms = at_ms;
        self
    }

    /// The first value of a query parameter, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

/// A body, read once.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// No byte was sent, or only white space.
    Empty,
    Json(Value),
    Unreadable,
}

impl Body {
    pub(super) fn read(bytes: &[u8]) -> Self {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Empty;
        }
        serde_json::from_slice(bytes).map_or(Self::Unreadable, Self::Json)
    }

    /// The member of that name, when the body is an object that has it.
    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Json(value) => value.get(name),
            Self::Empty | Self::Unreadable => None,
        }
    }
}

/// Percent-decodes one path segment; `None` when an escape is cut off, not hex, or not UTF-8.
pub(super) fn decode_segment(segment: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_is_not_printed() {
        let request = Request::new(Method::Get, "/api/v1/rooms").with_key("planted-key");
        assert!(!format!("{request:?}").contains("planted"));
        assert_eq!(
            request.parameter("secretKey").as_deref(),
            Some("planted-key")
        );
    }

    #[test]
    fn keys_are_decoded() {
        let request = Request::new(Method::Get, "/").with_key("a&b=c d+%");
        assert_eq!(request.parameter("secretKey").as_deref(), Some("a&b=c d+%"));
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(decode_segment("a%2Fb%20c").as_deref(), Some("a/b c"));
        assert_eq!(decode_segment("%2525").as_deref(), Some("%25"));
        assert_eq!(decode_segment("caf%C3%A9").as_deref(), Some("café"));
        assert_eq!(decode_segment("a+b").as_deref(), Some("a+b"));
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decode_segment(broken), None, "{broken}");
        }
    }

    #[test]
    fn bodies_are_distinguished() {
        assert_eq!(Body::read(b" \n"), Body::Empty);
        assert_eq!(Body::read(b"{\"a\":"), Body::Unreadable);
        assert_eq!(Body::read(b"{\"a\":1}").member("a"), Some(&json!(1)));
        assert_eq!(Body::read(b"[1]").member("a"), None);
    }
}
