//! The catalogue of attributes as a table, read off the schema of [`Room`](super::Room): for messages,
//! suggestions and lists. There is no second list of names.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::room;

/// One attribute of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub name: String,
    /// What can be written, in words that fit after "expected".
    pub expects: String,
    /// Whether its values are never shown.
    pub secret: bool,
}

/// Every key a room file may have, in the order of the vendor's table.
pub(crate) fn attributes() -> &'static [Attribute] {
    static TABLE: OnceLock<Vec<Attribute>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let schema = room::schema();
        let properties = schema.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, property)| Attribute {
                name: name.clone(),
                expects: expects(property),
                secret: property.get("x-secret").is_some(),
            })
            .collect()
    })
}

/// The attribute of that wire name.
pub(crate) fn attribute(name: &str) -> Option<&'static Attribute> {
    // Asked for every key of every file.
    static BY_NAME: OnceLock<HashMap<&'static str, &'static Attribute>> = OnceLock::new();
    let by_name =
        || -> HashMap<_, _> { attributes().iter().map(|a| (a.name.as_str(), a)).collect() };
    BY_NAME.get_or_init(by_name).get(name).copied()
}

fn expects(property: &Value) -> String {
    let unit = property.get("x-unit").and_then(Value::as_str);
    if unit == Some("Unix seconds") {
        return "Unix seconds, or a time such as `2027-01-01T09:00:00+01:00`".to_owned();
    }
    if property.get("type").is_some_and(Value::is_array) {
        return "seconds, or a duration such as `2h` or `1h30m`".to_owned();
    }
    match (property.get("type").and_then(Value::as_str), unit) {
        (Some("boolean"), _) => "`true` or `false`".to_owned(),
        (Some("integer"), Some(unit)) => format!("a whole number ({unit}), 0 or more"),
        (Some("integer"), None) => "a whole number, 0 or more".to_owned(),
        (Some("string"), _) if property.get("x-secret").is_some() => "a URL".to_owned(),
        (Some("string"), _) if property.get("enum").is_none() => "text".to_owned(),
        _ => words(property).join(" or "),
    }
}

/// The words of an enum, whether the schema lists them plainly or one by one with a description.
fn words(property: &Value) -> Vec<String> {
    let list = |key: &str| property.get(key).and_then(Value::as_array);
    let plain = list("enum").into_iter().flatten();
    let described = list("oneOf")
        .into_iter()
        .flatten()
        .filter_map(|v| v.get("const"));
    plain
        .chain(described)
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_described() {
        let expects = |name: &str| attribute(name).unwrap().expects.as_str();
        assert_eq!(expects("privacy"), "`public` or `private`");
        assert_eq!(expects("compositionLayout"), "`grid` or `active_speaker`");
        assert_eq!(expects("enableChat"), "`true` or `false`");
        assert_eq!(
            expects("maxParticipants"),
            "a whole number (people), 0 or more"
        );
        assert_eq!(
            expects("expireUnixSec"),
            "Unix seconds, or a time such as `2027-01-01T09:00:00+01:00`"
        );
        assert_eq!(
            expects("ejectAfterElapsedTimeInSec"),
            "seconds, or a duration such as `2h` or `1h30m`"
        );
        assert_eq!(expects("rtmpOutURL"), "a URL");
        assert_eq!(expects("roomName"), "text");
        assert_eq!(attributes().len(), 31);
    }
}
