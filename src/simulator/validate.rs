//! What a body has to be, and what is wrong with it, said in the way a schema validator for Node does: one entry for each thing that is
//! wrong. That the service uses one is inferred from clients that read `error.details`; wording and strictness
//! are invented.

use std::collections::BTreeMap;

use serde_json::{Number, Value, json};

use super::quirks::{BodyRoomName, LowercaseNames, Privacy, Quirks, UnknownKeys, Zero};
use super::request::{Body, Method};
use super::response::Response;
use super::wire::{self, Kind};

/// The largest integer that JavaScript holds exactly.
const MAX_SAFE: i64 = 9_007_199_254_740_991;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Accepted {
    /// The `roomName` in it, where it has a meaning.
    pub(super) name: Option<String>,
    /// Everything else, by wire name.
    pub(super) attributes: BTreeMap<String, Value>,
}

/// One entry of `error.details`: what is wrong with one key.
struct Detail(Value);

impl Detail {
    fn new(key: &str, says: &str, rule: &str) -> Self {
        Self(json!({
            "message": format!("\"{key}\" {says}"),
            "path": [key],
            "type": rule,
            "context": {"label": key, "key": key},
        }))
    }
}

const INVALID: &str = "Invalid request";

/// 400 with the documented `success` and `message`, and the `error.details` that clients read.
fn refusal(details: Vec<Detail>) -> Response {
    let details: Vec<_> = details.into_iter().map(|detail| detail.0).collect();
    Response::json(
        400,
        &json!({"success": false, "message": INVALID, "error": {"details": details}}),
    )
}

/// Checks the body of a POST or PUT. No body counts as `{}`, since the vendor's quickstart creates rooms so.
pub(super) fn check(method: Method, body: &Body, quirks: &Quirks) -> Result<Accepted, Response> {
    let empty = serde_json::Map::new();
    let members = match body {
        Body::Empty => &empty,
        Body::Json(Value::Object(members)) => members,
        Body::Json(_) | Body::Unreadable => return Err(Response::refusal(400, INVALID)),
    };
    let mut accepted = Accepted::default();
    let mut details = Vec::new();
    for (key, value) in members {
        let checked = match wire::attribute(key) {
            _ if key == wire::ROOM_NAME => {
                room_name(method, value, quirks).map(|name| accepted.name = name)
            }
            Some(row) if is_known(key, quirks) => attribute(row, value, quirks).map(|value| {
                accepted.attributes.insert(key.clone(), value);
            }),
            _ => unknown(key, value, quirks, &mut accepted),
        };
        details.extend(checked.err());
    }
    let lacks_privacy = method == Method::Put && !members.contains_key("privacy");
    if quirks.privacy == Privacy::Required && lacks_privacy {
        details.push(Detail::new("privacy", "is required", "any.required"));
    }
    if details.is_empty() {
        Ok(accepted)
    } else {
        Err(refusal(details))
    }
}

/// Checks a room as it would be after the request. RTMP out wants a URL (documented); that composed features
/// want composition is documented too, but not that the service refuses them without.
pub(super) fn check_whole(attributes: &BTreeMap<String, Value>) -> Result<(), Response> {
    let wants_url = attributes.get("enableRTMPOut") == Some(&Value::Bool(true));
    let has_url = attributes
        .get("rtmpOutURL")
        .and_then(Value::as_str)
        .is_some_and(|url| !url.is_empty());
    if wants_url && !has_url {
        let missing = Detail::new("rtmpOutURL", "is required", "any.required");
        return Err(refusal(vec![missing]));
    }
    Ok(())
}

/// `deleteOnExp` is in samples and not in the table: a strict validator refuses it.
fn is_known(key: &str, quirks: &Quirks) -> bool {
    key != wire::DELETE_ON_EXP || quirks.unknown_keys != UnknownKeys::Refuse
}

fn unknown(
    key: &str,
    value: &Value,
    quirks: &Quirks,
    accepted: &mut Accepted,
) -> Result<(), Detail> {
    match quirks.unknown_keys {
        UnknownKeys::Refuse => Err(Detail::new(key, "is not allowed", "object.unknown")),
        UnknownKeys::Store if !wire::is_response_only(key) => {
            accepted.attributes.insert(key.to_owned(), value.clone());
            Ok(())
        }
        UnknownKeys::Store | UnknownKeys::Ignore => Ok(()),
    }
}

/// The name to give the room, if the request can give one.
fn room_name(method: Method, value: &Value, quirks: &Quirks) -> Result<Option<String>, Detail> {
    let wrong = |says, rule| Err(Detail::new(wire::ROOM_NAME, says, rule));
    if method == Method::Put {
        match quirks.body_room_name {
            BodyRoomName::Ignore => return Ok(None),
            BodyRoomName::Refuse => {
                return wrong("is not allowed", "any.unknown");
            }
            BodyRoomName::Rename => {}
        }
    }
    match value.as_str() {
        None => wrong("must be a string", "string.base"),
        Some("") => wrong("is not allowed to be empty", "string.empty"),
        // "URL friendly, no spaces" (documented); the exact alphabet is unknown, so only the certain is refused.
        Some(name) if name.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            wrong("fails to match the required pattern", "string.pattern.base")
        }
        Some(name) if quirks.lowercase_names != LowercaseNames::Off => {
            Ok(Some(name.to_lowercase()))
        }
        Some(name) => Ok(Some(name.to_owned())),
    }
}

fn attribute(row: &wire::Attribute, value: &Value, quirks: &Quirks) -> Result<Value, Detail> {
    let wrong = |says: &str, rule| Err(Detail::new(row.name, says, rule));
    match (row.kind, value) {
        (Kind::Flag, Value::Bool(_)) | (Kind::Text, Value::String(_)) => Ok(value.clone()),
        (Kind::Flag, _) => wrong("must be a boolean", "boolean.base"),
        (Kind::Text, _) => wrong("must be a string", "string.base"),
        (Kind::Choice(allowed), value) => {
            if value.as_str().is_some_and(|word| allowed.contains(&word)) {
                return Ok(value.clone());
            }
            wrong(
                &format!("must be one of [{}]", allowed.join(", ")),
                "any.only",
            )
        }
        (Kind::Whole, Value::Number(number)) => {
            let Some(whole) = whole(number) else {
                return wrong("must be an integer", "number.integer");
            };
            if !(-MAX_SAFE..=MAX_SAFE).contains(&whole) {
                return wrong("must be a safe number", "number.unsafe");
            }
            if quirks.zero == Zero::Refuse && whole <= 0 {
                return wrong("must be a positive number", "number.positive");
            }
            Ok(Value::from(whole))
        }
        (Kind::Whole, _) => wrong("must be a number", "number.base"),
    }
}

/// The number as an integer. `300.0` is one, since JavaScript sees no difference from `300`.
fn whole(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let float = number.as_f64()?;
    // Floats beyond the range saturate, and are refused as unsafe after that.
    (float.fract() == 0.0).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, body: Value, switches: &[&str]) -> Result<Accepted, Vec<String>> {
        let mut quirks = Quirks::default();
        for switch in switches {
            quirks.parse(switch).unwrap();
        }
        check(method, &Body::Json(body), &quirks).map_err(|response| {
            assert_eq!(response.status, 400);
            let value = response.value().unwrap();
            assert_eq!(value["success"], false);
            let details = value["error"]["details"].as_array().unwrap();
            details
                .iter()
                .map(|detail| {
                    let message = detail["message"].as_str().unwrap();
                    assert!(
                        message.starts_with(&format!("{} ", detail["path"][0])),
                        "{message}"
                    );
                    assert!(detail["type"].is_string());
                    message.to_owned()
                })
                .collect()
        })
    }

    fn put(body: Value, switches: &[&str]) -> Result<Accepted, Vec<String>> {
        checked(Method::Put, body, switches)
    }

    fn post(body: Value, switches: &[&str]) -> Result<Accepted, Vec<String>> {
        checked(Method::Post, body, switches)
    }

    #[test]
    fn every_attribute_takes_its_own_kind_only() {
        for row in wire::SETTABLE
            .iter()
            .filter(|row| row.name != wire::ROOM_NAME)
        {
            let (right, wrong) = match row.kind {
                Kind::Flag => (json!(true), json!("true")),
                Kind::Text => (json!("x"), json!(1)),
                Kind::Whole => (json!(1), json!("1")),
                Kind::Choice(allowed) => (json!(allowed[0]), json!("other")),
            };
            assert_eq!(
                put(json!({row.name: right}), &[]).unwrap().attributes[row.name],
                right
            );
            for value in [wrong, Value::Null] {
                assert_eq!(
                    put(json!({row.name: value}), &[]).unwrap_err().len(),
                    1,
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let details = put(
            json!({"privacy": "open", "enableChat": 1, "maxParticipants": 1.5}),
            &[],
        )
        .unwrap_err();
        assert_eq!(
            details,
            [
                "\"privacy\" must be one of [public, private]",
                "\"enableChat\" must be a boolean",
                "\"maxParticipants\" must be an integer"
            ]
        );
    }

    #[test]
    fn integers_are_those_of_javascript() {
        let kept = |value| {
            put(json!({"expireUnixSec": value}), &[])
                .map(|body| body.attributes["expireUnixSec"].clone())
        };
        assert_eq!(
            kept(json!(7_832_947_982_i64)).unwrap(),
            json!(7_832_947_982_i64)
        );
        assert_eq!(kept(json!(300.0)).unwrap(), json!(300));
        assert!(kept(json!(MAX_SAFE)).is_ok());
        for unsafe_number in [json!(MAX_SAFE + 1), json!(u64::MAX), json!(1e300)] {
            assert_eq!(
                kept(unsafe_number).unwrap_err(),
                ["\"expireUnixSec\" must be a safe number"]
            );
        }
    }

    #[test]
    fn zero_depends() {
        let body = json!({"maxParticipants": 0});
        assert!(put(body.clone(), &[]).is_ok());
        assert_eq!(
            put(body, &["zero=refuse"]).unwrap_err(),
            ["\"maxParticipants\" must be a positive number"]
        );
    }

    #[test]
    fn privacy_depends_and_only_on_put() {
        assert!(put(json!({"enableChat": true}), &[]).is_ok());
        assert_eq!(
            put(json!({"enableChat": true}), &["privacy=required"]).unwrap_err(),
            ["\"privacy\" is required"]
        );
        assert!(put(json!({"privacy": "public"}), &["privacy=required"]).is_ok());
        assert!(post(json!({}), &["privacy=required"]).is_ok());
    }

    #[test]
    fn unknown_keys_depend() {
        let body = json!({"enableCamera": true, "_id": "x", "privacy": "public"});
        let kept = |switch| {
            put(body.clone(), &[switch]).map(|body| body.attributes.into_keys().collect::<Vec<_>>())
        };
        assert_eq!(kept("unknown-keys=ignore").unwrap(), ["privacy"]);
        assert_eq!(
            kept("unknown-keys=store").unwrap(),
            ["enableCamera", "privacy"]
        );
        assert_eq!(
            kept("unknown-keys=refuse").unwrap_err(),
            ["\"enableCamera\" is not allowed", "\"_id\" is not allowed"]
        );
    }

    #[test]
    fn delete_on_exp_is_taken_unless_strict() {
        let body = json!({"deleteOnExp": true});
        assert_eq!(
            put(body.clone(), &[]).unwrap().attributes["deleteOnExp"],
            true
        );
        assert_eq!(
            put(json!({"deleteOnExp": 1}), &[]).unwrap_err(),
            ["\"deleteOnExp\" must be a boolean"]
        );
        assert!(put(body, &["unknown-keys=refuse"]).is_err());
    }

    #[test]
    fn a_name_in_the_body() {
        let name = |result: Result<Accepted, Vec<String>>| result.map(|body| body.name);
        let body = json!({"roomName": "B"});
        assert_eq!(name(post(body.clone(), &[])), Ok(Some("B".into())));
        assert_eq!(
            name(post(body.clone(), &["lowercase-names=on"])),
            Ok(Some("b".into()))
        );
        assert_eq!(name(put(body.clone(), &[])), Ok(None));
        assert_eq!(
            name(put(body.clone(), &["body-room-name=rename"])),
            Ok(Some("B".into()))
        );
        assert_eq!(
            name(put(body, &["body-room-name=refuse"])),
            Err(vec!["\"roomName\" is not allowed".into()])
        );
        for bad in [json!(""), json!("a b"), json!(1), json!("a\u{7}")] {
            assert!(post(json!({"roomName": bad}), &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn bodies_that_are_no_object() {
        let quirks = Quirks::default();
        assert_eq!(
            check(Method::Post, &Body::Empty, &quirks),
            Ok(Accepted::default())
        );
        for body in [Body::Unreadable, Body::Json(json!([]))] {
            let refused = check(Method::Put, &body, &quirks).unwrap_err();
            assert_eq!(refused.status, 400);
            assert_eq!(
                refused.value(),
                Some(json!({"success": false, "message": "Invalid request"}))
            );
        }
    }

    #[test]
    fn rtmp_out_wants_a_url() {
        let whole = |value: Value| check_whole(&serde_json::from_value(value).unwrap());
        assert!(whole(json!({"enableRTMPOut": true})).is_err());
        assert!(whole(json!({"enableRTMPOut": true, "rtmpOutURL": ""})).is_err());
        assert!(
            whole(json!({"enableRTMPOut": true, "rtmpOutURL": "rtmp://example.test/x"})).is_ok()
        );
        assert!(whole(json!({"enableRTMPOut": false})).is_ok());
    }
}
