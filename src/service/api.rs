//! The service's rooms API: what is asked, and what an answer means. Pure, but for the port.
//!
//! Paths, methods and the 200 and 400 shapes are documented (update-room, create-room, delete-room); the
//! shape of a missing room and of a failed validation is observed in public clients only.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::disk::budget;
use crate::model::catalogue::{Attribute, Kind, attribute};
use crate::model::words::joined;
use crate::model::{Live, LiveRoom, RoomName, Scalar, Secret, Settings, Shown, Value};
use crate::planner::Gone;
use crate::service::end::{End, Try};
use crate::service::leaks::SecretFilter;
use crate::service::retry::Trouble;

/// A request about one room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    Get(&'a RoomName),
    /// Writes the full wanted set to a room that exists.
    Put(&'a RoomName, &'a Settings),
    /// Creates the room with the full wanted set.
    Post(&'a RoomName, &'a Settings),
    Delete(&'a RoomName),
    /// Lists all rooms. Only for discovery: a room missing from the list is not missing.
    List,
}

impl<'a> Request<'a> {
    /// The room it is about; `None` for the list.
    pub(crate) fn room(&self) -> Option<&'a RoomName> {
        match self {
            Self::Get(room) | Self::Put(room, _) | Self::Post(room, _) | Self::Delete(room) => {
                Some(room)
            }
            Self::List => None,
        }
    }

    /// The HTTP method.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Get(_) | Self::List => "GET",
            Self::Put(..) => "PUT",
            Self::Post(..) => "POST",
            Self::Delete(_) => "DELETE",
        }
    }

    /// Whether it may change anything.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::List)
    }

    /// What is sent, and may come back.
    fn settings(&self) -> Option<&'a Settings> {
        match self {
            Self::Get(_) | Self::Delete(_) | Self::List => None,
            Self::Put(_, settings) | Self::Post(_, settings) => Some(settings),
        }
    }

    /// The request's body with secrets in clear; `None` for a read.
    pub(crate) fn body(&self) -> Option<Secret> {
        let named = match self {
            Self::Post(room, _) => Some(room.as_str()),
            _ => None,
        };
        let body = serde_json::to_string(&Body(named, self.settings()?));
        Some(Secret::new(
            body.expect("a map with text keys always serialises"),
        ))
    }
}

/// What is sent. `roomName` is in the body of a POST only. In a PUT it reads like a rename.
struct Body<'a>(Option<&'a str>, &'a Settings);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        if let Some(room) = self.0 {
            body.serialize_entry("roomName", room)?;
        }
        for (name, value) in self.1 {
            match value {
                Value::Plain(value) => body.serialize_entry(name, value)?,
                Value::Secret(value) => body.serialize_entry(name, value.expose())?,
                // A run that would send it is refused before it begins.
                Value::Unset { .. } => {}
            }
        }
        body.end()
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// The wait that the service asks for.
    pub retry_after: Option<Duration>,
    /// Media type, without parameters.
    pub content_type: String,
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    /// The request never reached the service.
    #[error("the service could not be reached: {0}")]
    NotSent(String),
    /// The same, for a reason that stays, with what to do about it.
    #[error("{0}")]
    Unreachable(String),
    /// The request was sent; what became of it is not known.
    #[error("no answer came: {0}")]
    Unanswered(String),
    /// An answer came that is too large to be one.
    #[error("the answer is larger than 1 MiB")]
    TooLarge(u16),
}

/// The port to the service: one request, one answer.
pub(crate) trait Transport: Send + Sync + 'static {
    fn send(
        &self,
        request: &Request<'_>,
    ) -> impl Future<Output = Result<Answer, TransportError>> + Send;

    /// What to call it while it is waited for.
    fn host(&self) -> &str {
        "the service"
    }

    /// The key, so that an answer that repeats it can be recognised.
    fn key(&self) -> &Secret;
}

/// Most that what is said of one room may become in memory, in bytes: many answers are looked at at once.
const MOST_OF_ROOM: u64 = 4 * 1024 * 1024;

/// What `answer` to `request` means. Nothing is shown of it that `filter` knows or that was sent.
pub(crate) fn interpret(request: &Request<'_>, answer: &Answer, filter: &SecretFilter) -> Try {
    let filter = filter.with(request.settings());
    // The usual form of the list, without building all that is in it.
    if let (Request::List, 200) = (request, answer.status)
        && let Ok(rooms) = serde_json::from_slice::<Vec<Listed>>(&answer.body)
    {
        return Try::Ended(names(rooms, &filter));
    }
    let most = match request {
        Request::List => budget::OF_LIST,
        _ => MOST_OF_ROOM,
    };
    let json =
        budget::fits(&answer.body, most).then(|| serde_json::from_slice::<Json>(&answer.body));
    let json = json.and_then(Result::ok);
    let said = json.as_ref().map(said).unwrap_or_default();
    let message = || message(answer, json.as_ref(), &said, &filter);
    let is_own = json.as_ref().is_some_and(Json::is_object);
    let may_be_bare = matches!(request, Request::Get(_) | Request::Put(..));
    // A page of something in between says nothing about what became of a write.
    let refused = |message| match request.writes() && !is_own {
        true => End::Unknown(message),
        false => End::Refused(message),
    };
    Try::Ended(match answer.status {
        200..=299 => match request.room() {
            None => list(json.as_ref(), message, &filter),
            Some(room) => match json {
                None if answer.body.is_empty() => not_shown(request, message()),
                // Accepted, changed on the way, a part of it, or of several answers: whatever it shows, a read decides.
                Some(_) if answer.status > 201 => not_shown(request, message()),
                // A page of something in between, or half an answer: nobody said that anything was done.
                None => End::Unknown(message()),
                Some(ref json) => {
                    let clean = filter.is_clean(&answer.body);
                    success(request, room, json, &said, message, &filter, clean)
                }
            },
        },
        300..=399 => refused(format!(
            "the service answered with a redirect ({}), and redirects are not followed",
            answer.status
        )),
        401 | 403 if is_own => return Try::Denied(message()),
        // Something in between refuses: that says nothing about the key.
        401 | 403 => return Try::Trouble(Trouble::Blocked, refused(message())),
        429 => {
            let end = refused("HTTP 429: too many requests".to_owned());
            return Try::Trouble(Trouble::TooMany(answer.retry_after), end);
        }
        // A 404 page of something that is not the service says nothing about the room. A PUT that ends so is followed
        // by a read.
        404 if is_own || (answer.body.is_empty() && may_be_bare) => End::Missing(Gone::Missing),
        400..=499 if is_missing(&said) => End::Missing(Gone::Missing),
        400..=499 if is_taken(&said) || (is_own && answer.status == 409) => End::Exists(message()),
        500..=599 => {
            // A server that breaks may have written before it did.
            let end = match request.writes() {
                true => End::Unknown(message()),
                false => End::Refused(message()),
            };
            return Try::Trouble(Trouble::Failed(answer.retry_after), end);
        }
        _ => refused(message()),
    })
}

/// Seen as a bare array only. An object with one array in it is taken too; anything else is no list.
fn list(json: Option<&Json>, message: impl Fn() -> String, filter: &SecretFilter) -> End {
    let Some(rooms) = json.and_then(only_array) else {
        return End::Unknown(message());
    };
    let rooms: Result<Vec<_>, _> = rooms.iter().map(Listed::deserialize).collect();
    match rooms {
        Ok(rooms) => names(rooms, filter),
        Err(_) => End::Unknown("the list holds something that is not a room".to_owned()),
    }
}

/// What is read of a room in the list: each room is read by itself before anything else is said of it.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "roomName")]
    name: String,
    #[serde(default)]
    archived: Option<Shown>,
}

fn names(rooms: Vec<Listed>, filter: &SecretFilter) -> End {
    let is_archived = |room: &Listed| room.archived.iter().any(|flag| is_on(&flag.clone().into()));
    let shown = |room: &Listed| {
        !is_archived(room) && !room.name.is_empty() && !filter.gives_away(&room.name)
    };
    let shown = rooms.into_iter().filter(shown);
    End::Rooms(shown.map(|room| room.name).collect())
}

/// The array that `json` is, or the only one that it holds.
fn only_array(json: &Json) -> Option<&Vec<Json>> {
    let Json::Object(object) = json else {
        return json.as_array();
    };
    let mut arrays = object.values().filter_map(Json::as_array);
    arrays.next().filter(|_| arrays.next().is_none())
}

fn is_archived(object: &Map<String, Json>) -> bool {
    object.get("archived").is_some_and(is_on)
}

/// Whether a flag is set, in any form that counts as one in an attribute.
fn is_on(flag: &Json) -> bool {
    flag_of(flag) == Some(true)
}

fn flag_of(json: &Json) -> Option<bool> {
    match live(json, false, &|_| false).read(&Kind::Flag)? {
        Scalar::Bool(flag) => Some(flag),
        _ => None,
    }
}

/// A success by its status. Only what shows the room, and says nothing to the contrary, is one.
fn success(
    request: &Request<'_>,
    room: &RoomName,
    json: &Json,
    said: &[String],
    message: impl Fn() -> String,
    filter: &SecretFilter,
    clean: bool,
) -> End {
    let nothing = Map::new();
    let object = json.as_object().unwrap_or(&nothing);
    let named = object.get("roomName").and_then(Json::as_str);
    let named = named.filter(|named| !named.is_empty());
    match named {
        None if is_missing(said) => return End::Missing(Gone::Missing),
        None if is_taken(said) => return End::Exists(message()),
        _ if fails(object) || is_missing(said) => return End::Unknown(message()),
        _ if matches!(request, Request::Delete(_)) => {
            return match object.get("success") {
                Some(success) if is_on(success) => End::Archived,
                _ => not_shown(request, message()),
            };
        }
        None => return not_shown(request, message()),
        Some(named) if named == room.as_str() => {}
        Some(named) if named.to_lowercase() == room.folded() => {
            return End::Named(filter.message(named));
        }
        Some(named) => {
            let other = filter.message(named);
            return End::Unknown(format!("the answer is about another room, `{other}`"));
        }
    }
    // Also after a write: whatever became of it, nobody can join an archived room.
    if is_archived(object) {
        return End::Missing(Gone::Archived);
    }
    End::Room(live_room(object, filter, clean))
}

/// A success that does not show the room. After a write, the room has to be read.
fn not_shown(request: &Request<'_>, message: String) -> End {
    match request.writes() {
        true => End::NotShown(message),
        false => End::Unknown(message),
    }
}

/// `clean` says that nothing in the answer gives a secret away.
fn live_room(object: &Map<String, Json>, filter: &SecretFilter, clean: bool) -> LiveRoom {
    let gives_away = |text: &str| !clean && filter.gives_away(text);
    let id = object.get("_id").and_then(Json::as_str);
    let id = id.filter(|id| is_id(id) && !filter.gives_away(id));
    let settings = object.iter().filter_map(|(name, value)| {
        let known = attribute(name);
        let is_shown = known.is_some() || !gives_away(name);
        let secret = known.is_some_and(Attribute::is_secret);
        is_shown.then(|| (name, live(value, secret, &gives_away)))
    });
    LiveRoom {
        id: id.map(str::to_owned),
        settings: settings.collect(),
    }
}

/// Documented as 24 hex digits; anything short and plain is taken, since we only compare it.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `secret` says that the attribute is one: then its text is, too, whatever it is.
fn live(value: &Json, secret: bool, gives_away: &impl Fn(&str) -> bool) -> Live {
    match value {
        Json::Null => Live::Null,
        Json::Bool(value) => Live::from(*value),
        // A key of digits only may come back as a number.
        Json::Number(number) if gives_away(&number.to_string()) => {
            Live::Secret(Secret::new(number.to_string()))
        }
        Json::Number(number) => match whole(number) {
            Some(whole) => Live::from(whole),
            None => Live::from(number.to_string()),
        },
        Json::String(text) if secret || gives_away(text) => {
            Live::Secret(Secret::new(text.as_str()))
        }
        Json::String(text) => Live::from(text.as_str()),
        other => match other.to_string() {
            text if gives_away(&text) => Live::Secret(Secret::new(text)),
            text => Live::from(text),
        },
    }
}

/// A whole number, also when it is written as a float: some JSON writers know only those.
fn whole(number: &serde_json::Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

/// Whether it says itself that something was not done, whatever its status and whatever else it shows.
fn fails(object: &Map<String, Json>) -> bool {
    let is_error = |error: &Json| match error {
        Json::Null => false,
        Json::Array(errors) => !errors.is_empty(),
        error => error != "" && flag_of(error) != Some(false),
    };
    let is_no = |success: &Json| !success.is_null() && !is_on(success);
    let is_failure = |status: &Json| match status {
        Json::String(text) => ["error", "fail"]
            .iter()
            .any(|no| text.to_lowercase().starts_with(no)),
        status => status.as_u64().is_some_and(|status| status >= 400),
    };
    let any = |names: &[&str], says_no: &dyn Fn(&Json) -> bool| {
        names
            .iter()
            .any(|name| object.get(*name).is_some_and(says_no))
    };
    any(&["success", "ok"], &is_no)
        || any(&["error", "errors"], &is_error)
        || any(&["status", "statusCode"], &is_failure)
}

fn is_missing(said: &[String]) -> bool {
    says(said, "room not found")
}

fn is_taken(said: &[String]) -> bool {
    says(said, "already exist")
}

fn says(said: &[String], words: &str) -> bool {
    said.iter().any(|text| text.to_lowercase().contains(words))
}

/// What the service says, in each of the places where it is known to say something; what says most is first.
fn said(json: &Json) -> Vec<String> {
    let places = "/message /error /error/message /error/details /reason".split(' ');
    let texts = places.filter_map(|path| json.pointer(path)?.as_str().map(str::to_owned));
    details(json).into_iter().chain(texts).collect()
}

fn message(answer: &Answer, json: Option<&Json>, said: &[String], filter: &SecretFilter) -> String {
    match said.first() {
        Some(said) => format!("HTTP {}: {}", answer.status, filter.message(said)),
        None => {
            let what = what_came(answer, json, filter);
            format!("HTTP {} with {what} instead of a room", answer.status)
        }
    }
}

/// The list of a schema validator: what is wrong, and where.
fn details(json: &Json) -> Option<String> {
    let list = json.pointer("/error/details")?.as_array()?;
    let said = |entry: &'_ Json| -> Option<String> {
        let message = entry.get("message").and_then(Json::as_str);
        message.or(entry.as_str()).map(str::to_owned)
    };
    joined(list.iter().filter_map(said), "; ")
}

/// What kind of thing came, and how much of it. Nothing of a body that does not parse is repeated: it is
/// somebody's error page, in no language that could be searched for a secret with certainty.
fn what_came(answer: &Answer, json: Option<&Json>, filter: &SecretFilter) -> String {
    let bytes = answer.body.len();
    if bytes == 0 {
        return "an empty body".to_owned();
    }
    let Some(json) = json else {
        return match answer.content_type.as_str() {
            "application/json" => format!("JSON that does not parse ({bytes} bytes)"),
            "" => format!("data of no named type ({bytes} bytes)"),
            other => format!("{} ({bytes} bytes)", filter.message(other)),
        };
    };
    let shown = filter.message(&json.to_string());
    let shown: String = shown.chars().take(80).collect();
    format!("other JSON ({bytes} bytes: {shown})")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const KEY: &str = "canary-key-0123456789";

    fn name() -> RoomName {
        RoomName::try_from("stand-up".to_owned()).unwrap()
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            content_type: "application/json".to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn read(request: &Request<'_>, answer: &Answer) -> Try {
        static FILTER: LazyLock<SecretFilter> =
            LazyLock::new(|| SecretFilter::new(&Secret::new(KEY)));
        interpret(request, answer, &FILTER)
    }

    fn get(status: u16, body: &str) -> Try {
        let name = name();
        read(&Request::Get(&name), &answer(status, body))
    }

    fn put(status: u16, body: &str) -> Try {
        let (name, settings) = (name(), Settings::new());
        read(&Request::Put(&name, &settings), &answer(status, body))
    }

    #[test]
    fn a_put_body_names_no_room_and_a_post_body_does() {
        let name = name();
        let settings: Settings = [
            ("privacy", Value::from("private")),
            ("maxParticipants", Value::from(7_832_947_982)),
            ("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/k"))),
        ]
        .into();
        let body = |request: Request<'_>| request.body().map(|b| b.expose().to_owned());
        assert_eq!(
            body(Request::Put(&name, &settings)).unwrap(),
            r#"{"maxParticipants":7832947982,"privacy":"private","rtmpOutURL":"rtmp://a/k"}"#
        );
        assert!(
            body(Request::Post(&name, &settings))
                .unwrap()
                .starts_with(r#"{"roomName":"stand-up","#)
        );
        assert_eq!(body(Request::Get(&name)), None);
    }

    #[test]
    fn a_missing_room_in_each_of_its_three_ways() {
        assert_eq!(
            get(400, r#"{"message":"room not found"}"#),
            Try::Ended(End::Missing(Gone::Missing))
        );
        assert_eq!(
            get(404, r#"{"message":"Not Found"}"#),
            Try::Ended(End::Missing(Gone::Missing))
        );
        assert_eq!(get(404, ""), Try::Ended(End::Missing(Gone::Missing)));
        assert_eq!(
            get(200, r#"{"message":"room not found"}"#),
            Try::Ended(End::Missing(Gone::Missing))
        );
        assert_eq!(
            get(200, r#"{"roomName":"stand-up","archived":true}"#),
            Try::Ended(End::Missing(Gone::Archived))
        );
    }

    #[test]
    fn a_failure_is_never_absence() {
        for (status, body) in [
            (400, r#"{"success":false,"message":"Invalid request"}"#),
            (404, "<html>nginx</html>"),
            (500, r#"{"message":"room not found"}"#),
            (200, "<html>log in</html>"),
            (200, "{}"),
            (200, "[]"),
            (200, r#"{"roomName":"#),
            (302, ""),
        ] {
            let reply = get(status, body);
            assert!(
                !matches!(reply, Try::Ended(End::Missing(_))),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn only_the_room_itself_is_success() {
        for body in [
            r#"{"roomName":"stand-up"}"#,
            r#"{"roomName":"stand-up","errors":[],"error":null,"status":"ok","ok":true,"statusCode":200}"#,
        ] {
            assert!(matches!(put(200, body), Try::Ended(End::Room(_))), "{body}");
        }
        for body in [
            "<html>ok</html>",
            r#"{"roomName":"stand-"#,
            r#"{"roomName":"other"}"#,
        ] {
            let end = put(200, body);
            assert!(matches!(end, Try::Ended(End::Unknown(_))), "{body}");
        }
        assert_eq!(
            put(200, r#"{"roomName":"Stand-Up"}"#),
            Try::Ended(End::Named("Stand-Up".to_owned()))
        );
        assert!(matches!(
            get(302, r#"{"roomName":"stand-up"}"#),
            Try::Ended(End::Refused(_))
        ));
    }

    #[test]
    fn a_write_that_is_answered_without_the_room_has_to_be_read_and_a_read_is_no_answer() {
        for (status, body) in [
            (204, ""),
            (200, ""),
            (200, "{}"),
            (200, "[]"),
            (200, "null"),
            (200, r#"{"success":true}"#),
            (200, r#"{"success":true,"error":null}"#),
            (201, r#"{"roomName":7}"#),
            (202, r#"{"roomName":"stand-up"}"#),
            (206, r#"{"roomName":"stand-up"}"#),
            (207, r#"{"roomName":"stand-up"}"#),
            (200, r#"[{"roomName":"stand-up"}]"#),
        ] {
            let end = put(status, body);
            assert!(
                matches!(end, Try::Ended(End::NotShown(_))),
                "{body}: {end:?}"
            );
            let end = get(status, body);
            assert!(
                matches!(end, Try::Ended(End::Unknown(_))),
                "{body}: {end:?}"
            );
        }
    }

    #[test]
    fn a_success_that_says_no_is_none() {
        for no in [
            r#""success":false"#,
            r#""success":"false""#,
            r#""success":0"#,
            r#""success":"no""#,
            r#""error":"text""#,
            r#""error":"true""#,
            r#""error":{}"#,
            r#""error":true"#,
            r#""errors":["text"]"#,
            r#""errors":[{"message":"text"}],"data":null"#,
            r#""errors":{"privacy":"text"}"#,
            r#""status":"Error""#,
            r#""status":"failed""#,
            r#""status":422"#,
            r#""statusCode":"fail""#,
            r#""ok":false"#,
            r#""message":"Room not found","success":true"#,
        ] {
            let body = format!(r#"{{{no},"roomName":"stand-up"}}"#);
            for end in [put(200, &body), get(200, &body)] {
                assert!(
                    matches!(end, Try::Ended(End::Unknown(_))),
                    "{body}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn what_the_service_says_is_read_wherever_it_says_it() {
        let places = |text: &str| {
            [
                format!(r#"{{"message":"{text}"}}"#),
                format!(r#"{{"error":"{text}"}}"#),
                format!(r#"{{"error":{{"message":"{text}"}}}}"#),
                format!(r#"{{"error":{{"details":[{{"message":"{text}"}}]}}}}"#),
                format!(r#"{{"error":{{"details":"{text}"}}}}"#),
                format!(r#"{{"reason":"{text}"}}"#),
                format!(r#"{{"message":"Invalid request","reason":"{text}"}}"#),
            ]
        };
        for status in [200, 400, 422] {
            for body in places("Room not found") {
                let end = get(status, &body);
                assert_eq!(
                    end,
                    Try::Ended(End::Missing(Gone::Missing)),
                    "{status} {body}"
                );
            }
            for body in places("room a already exists") {
                let end = put(status, &body);
                assert!(matches!(end, Try::Ended(End::Exists(_))), "{status} {body}");
            }
        }
        assert!(matches!(put(409, "{}"), Try::Ended(End::Exists(_))));
    }

    #[test]
    fn only_the_service_itself_says_that_a_key_is_not_accepted() {
        for status in [401, 403] {
            assert!(matches!(get(status, "{}"), Try::Denied(_)));
            for page in ["<html>Forbidden</html>", "", "[]", r#"{"message":"cut"#] {
                let read = get(status, page);
                let blocked = matches!(read, Try::Trouble(Trouble::Blocked, End::Refused(_)));
                assert!(blocked, "{status} {page}: {read:?}");
            }
        }
    }

    #[test]
    fn a_page_says_nothing_about_a_write() {
        let (name, settings) = (name(), Settings::new());
        let writes = [
            Request::Put(&name, &settings),
            Request::Post(&name, &settings),
            Request::Delete(&name),
        ];
        let pages = [
            "<html>Forbidden</html>",
            "",
            "[]",
            "null",
            r#"{"message":"cut"#,
        ];
        for (request, status) in writes.iter().flat_map(|r| (300..600).map(move |s| (r, s))) {
            for page in pages {
                let read = read(request, &answer(status, page));
                let (Try::Ended(end) | Try::Trouble(_, end)) = read else {
                    panic!("{request:?} {status} {page}: {read:?}");
                };
                // A read follows before anything is made of it.
                let is_bare =
                    matches!(request, Request::Put(..)) && status == 404 && page.is_empty();
                let is_read = is_bare && matches!(end, End::Missing(_));
                assert!(
                    end.may_have_written() || is_read,
                    "{request:?} {status} {page}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn flags_of_an_answer_are_read_as_those_of_attributes() {
        for archived in ["true", r#""true""#] {
            let body = format!(r#"{{"roomName":"stand-up","archived":{archived}}}"#);
            for end in [get(200, &body), put(200, &body)] {
                assert_eq!(end, Try::Ended(End::Missing(Gone::Archived)), "{body}");
            }
            let list = read(&Request::List, &answer(200, &format!("[{body}]")));
            assert_eq!(list, Try::Ended(End::Rooms(Vec::new())), "{body}");
        }
        for no in ["false", r#""false""#, "null"] {
            let body = format!(r#"{{"roomName":"stand-up","archived":{no},"error":{no}}}"#);
            assert!(
                matches!(get(200, &body), Try::Ended(End::Room(_))),
                "{body}"
            );
        }
        let name = name();
        let deleted = answer(200, r#"{"success":"true"}"#);
        let deleted = read(&Request::Delete(&name), &deleted);
        assert_eq!(deleted, Try::Ended(End::Archived));
    }

    #[test]
    fn errors_in_every_known_shape_are_reported() {
        let cases = [
            (
                400,
                r#"{"success":false,"message":"Invalid request"}"#,
                "HTTP 400: Invalid request",
            ),
            (
                400,
                r#"{"error":{"details":[{"message":"\"x\" is not allowed","path":["x"]}]}}"#,
                "HTTP 400: \"x\" is not allowed",
            ),
            (422, r#"{"error":"text"}"#, "HTTP 422: text"),
            (
                418,
                r#"{"teapot":1}"#,
                r#"HTTP 418 with other JSON (12 bytes: {"teapot":1}) instead of a room"#,
            ),
        ];
        for (status, body, message) in cases {
            assert_eq!(
                put(status, body),
                Try::Ended(End::Refused(message.to_owned()))
            );
        }
        assert_eq!(
            put(500, r#"{"eventCode":"E1","message":"broken"}"#),
            Try::Trouble(
                Trouble::Failed(None),
                End::Unknown("HTTP 500: broken".to_owned())
            )
        );
        assert!(matches!(put(401, "{}"), Try::Denied(_)));
        assert!(matches!(
            put(400, r#"{"message":"room with the name x already exists"}"#),
            Try::Ended(End::Exists(_))
        ));
    }

    /// The key in forms that services, proxies and error pages are known to use.
    fn disguises() -> Vec<String> {
        let each = |form: fn(u8) -> String| KEY.bytes().map(form).collect::<String>();
        vec![
            KEY.to_owned(),
            KEY.to_uppercase(),
            KEY[3..].to_owned(),
            KEY.chars().rev().collect(),
            each(|b| format!("%{b:02X}")),
            each(|b| format!("&#{b};")),
            each(|b| format!("&#x{b:x};")),
            each(|b| format!("\\u{b:04x}")),
            each(|b| format!("\\\\u{b:04x}")),
            STANDARD.encode(KEY),
            STANDARD.encode(format!("?secretKey={KEY}")),
        ]
    }

    #[test]
    fn the_key_is_not_repeated_from_any_part_of_an_answer() {
        for key in disguises() {
            let bodies = [
                format!(r#"{{"message":"bad key {key}"}}"#),
                format!(r#"{{"error":"{key}"}}"#),
                format!(r#"{{"error":{{"details":[{{"message":"{key}"}}]}}}}"#),
                format!(r#"{{"roomName":"{key}"}}"#),
                format!(r#"{{"other":"{key}"}}"#),
                format!("<html>{key}</html>"),
                format!(r#"{{"cut":"{key}"#),
                format!(
                    r#"{{"roomName":"stand-up","_id":"{key}","{key}":1,"lang":"{key}","x":["{key}"],"y":{{"{key}":2}}}}"#
                ),
            ];
            for body in &bodies {
                for status in [200, 302, 400, 401, 404, 409, 429, 500] {
                    let reply = format!("{:?}", put(status, body));
                    // Debug output escapes once more, so the forms that could be decoded are looked for by
                    // a piece that has nothing to escape.
                    let piece: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
                    let letters: String =
                        reply.chars().filter(char::is_ascii_alphanumeric).collect();
                    assert!(!letters.contains(&piece[4..16]), "{status} {body}: {reply}");
                }
            }
        }
    }

    #[test]
    fn a_key_of_digits_is_not_read_as_a_number() {
        let key = Secret::new("1234567890123");
        let room = name();
        let answer = answer(200, r#"{"roomName":"stand-up","x":1234567890123,"y":5}"#);
        let Try::Ended(End::Room(live)) =
            interpret(&Request::Get(&room), &answer, &SecretFilter::new(&key))
        else {
            panic!("not a room");
        };
        assert!(matches!(live.settings["x"], Live::Secret(_)));
        assert_eq!(live.settings["y"], Live::from(5));
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        let Try::Ended(End::Room(room)) = put(
            200,
            r#"{"roomName":"stand-up","a":5,"b":5.0,"c":5.5,"d":"5","e":null,"f":{}}"#,
        ) else {
            panic!("not a room");
        };
        assert_eq!(room.settings["a"], Live::from(5));
        assert_eq!(room.settings["b"], Live::from(5));
        assert_eq!(room.settings["c"], Live::from("5.5"));
        assert_eq!(room.settings["d"], Live::from("5"));
        assert_eq!(room.settings["e"], Live::Null);
        assert_eq!(room.settings["f"], Live::from("{}"));
    }

    #[test]
    fn a_list_is_an_array_or_holds_exactly_one() {
        let list = |body: &str| read(&Request::List, &answer(200, body));
        let names = |reply: Try| match reply {
            Try::Ended(End::Rooms(rooms)) => Some(rooms),
            _ => None,
        };
        let two = r#"[{"roomName":"a"},{"roomName":"b","archived":true},{"roomName":"c"}]"#;
        assert_eq!(names(list(two)).unwrap(), ["a", "c"]);
        assert_eq!(
            names(list(&format!(r#"{{"rooms":{two},"total":3}}"#))).unwrap(),
            ["a", "c"]
        );
        assert_eq!(names(list("[]")).unwrap(), Vec::<String>::new());
        for bad in [
            "{}",
            r#"{"a":[],"b":[]}"#,
            "null",
            "<html>",
            r#"[{"name":"a"}]"#,
            "[1]",
        ] {
            assert_eq!(names(list(bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_archived_room_is_confirmed_in_words() {
        let name = name();
        let delete = |status, body: &str| read(&Request::Delete(&name), &answer(status, body));
        assert_eq!(
            delete(
                200,
                r#"{"success":true,"message":"Room successfully archived"}"#
            ),
            Try::Ended(End::Archived)
        );
        assert!(matches!(
            delete(200, r#"{"success":false}"#),
            Try::Ended(End::Unknown(_))
        ));
        assert!(matches!(delete(200, "<html>"), Try::Ended(End::Unknown(_))));
        assert_eq!(
            delete(400, r#"{"message":"room not found"}"#),
            Try::Ended(End::Missing(Gone::Missing))
        );
    }
}
