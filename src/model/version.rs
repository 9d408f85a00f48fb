//! The version of a format, which is looked at before the rest: a newer file is newer, not damaged, however odd the
//! rest of it looks.

use serde::Deserialize;

use super::value::Shown;
use super::words::shortened;

/// The version that a JSON text names, if it is not one that this program can read: a number up to `known`, or
/// `known` with any minor version, as in "1.7". Each format has its own word for it.
pub(crate) fn newer(json: &[u8], known: u64) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(alias = "format_version", alias = "journal")]
        version: Shown,
    }
    match serde_json::from_slice::<Head>(json).ok()?.version {
        Shown::Number(version) => (version.as_u64()? > known).then(|| version.to_string()),
        Shown::Text(version) => {
            let major = version.split('.').next();
            (major != Some(&known.to_string())).then(|| shortened(&version))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_that_cannot_be_read_is_named() {
        let cases = [
            (r#"{"version":2,"new":[{}]}"#, Some("2")),
            (r#"{"new":1,"journal":3}"#, Some("3")),
            (r#"{"format_version":"2.0"}"#, Some("2.0")),
            (r#"{"format_version":"10.0"}"#, Some("10.0")),
            (r#"{"version":1,"new":[{}]}"#, None),
            (r#"{"version":0}"#, None),
            (r#"{"format_version":"1.7"}"#, None),
            (r#"{"version":[2]}"#, None),
            ("{}", None),
            (r#"{"version":2"#, None),
        ];
        let endless = format!(r#"{{"version":"{}"}}"#, "9".repeat(100));
        assert!(newer(endless.as_bytes(), 1).is_some_and(|version| version.len() < 70));
        for (json, version) in cases {
            assert_eq!(newer(json.as_bytes(), 1).as_deref(), version, "{json}");
        }
    }
}
