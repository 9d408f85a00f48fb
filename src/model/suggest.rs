//! "Did you mean": the name that is most like another one.

/// The one of `names` that `name` was probably meant to be, if one is like it at all. Case and the marks
/// between words do not count.
pub(crate) fn nearest<T: AsRef<str>>(name: &str, names: impl Iterator<Item = T>) -> Option<T> {
    /// Less than this, and it is no help.
    const ENOUGH: f64 = 0.85;
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(name);
    names
        .map(|other| (strsim::jaro_winkler(&wanted, &plain(other.as_ref())), other))
        .filter(|(likeness, _)| *likeness > ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn what_was_probably_meant() {
        let of = |name| nearest(name, ["stand-up", "all-hands", "standby"].into_iter());
        assert_eq!(of("standup"), Some("stand-up"));
        assert_eq!(of("Stand_Up"), Some("stand-up"));
        assert_eq!(of("all-hand"), Some("all-hands"));
        assert_eq!(of("retro"), None);
    }
}
