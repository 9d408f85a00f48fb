//! Numbers that look random and are not: the same seed gives the same ids and the same faults.

/// One step of SplitMix64: every bit of the answer depends on every bit of `value`.
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// FNV-1a of a text, so that an app name always gives the same app id.
pub(super) fn of_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A document id: 24 hex digits, of which the first 8 are seconds, as document stores do it.
pub(super) fn document_id(seconds: u32, entropy: u64) -> String {
    format!("{seconds:08x}{:016x}", mix(entropy))
}

/// A room name as the service makes them: 10 letters and digits of either case (seen in a vendor sample).
pub(super) fn room_name(entropy: u64) -> String {
    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..10)
        .map(|place| {
            let at = mix(entropy.wrapping_add(mix(place))) % ALPHABET.len() as u64;
            char::from(ALPHABET[at as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_24_hex_digits_and_differ() {
        let first = document_id(1, 1);
        assert_eq!(first.len(), 24);
        assert!(first.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(first, document_id(1, 1));
        assert_ne!(first, document_id(1, 2));
    }

    #[test]
    fn names_are_ten_alphanumerics_and_differ() {
        let name = room_name(7);
        assert_eq!(name.len(), 10);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(name, room_name(8));
    }
}
