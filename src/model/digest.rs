//! Digests of values: what may be shown and kept of something to notice that it moved.

use ring::digest::{Context, SHA256, digest};
use serde::Serialize;

pub(crate) fn hex(bytes: &[u8]) -> String {
    named("", bytes)
}

/// The digits behind a `name`, in one piece: a plan of 10,000 rooms makes 30,000 digests.
pub(super) fn named(name: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    let mut text = Vec::with_capacity(name.len() + 2 * bytes.len());
    text.extend_from_slice(name.as_bytes());
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    String::from_utf8(text).expect("digits are text")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    named("sha256:", digest(&SHA256, bytes).as_ref())
}

/// The same of bytes that come piece by piece.
pub(crate) struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn end(self) -> String {
        named("sha256:", self.0.finish().as_ref())
    }
}

/// The same of a value made of plain values and sorted maps with text keys, which has one form in JSON.
pub(crate) fn of(value: &impl Serialize) -> String {
    sha256(&serde_json::to_vec(value).expect("sorted maps with text keys always serialise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits() {
        assert_eq!(hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
