//! Rooms that exist already: what of them a file will say, and what the file is called.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::memory::Record;
use super::state::AppliedRoom;
use crate::model::catalogue::{Attribute, Kind, attributes};
use crate::model::digest::sha256;
use crate::model::live::is_placeholder;
use crate::model::name::MAX_LENGTH;
use crate::model::reference::{Template, variable};
use crate::model::value::stored;
use crate::model::words;
use crate::model::{
    EnvPrefix, Live, LiveRoom, NameRule, Room, RoomName, RoomOrigins, Scalar, Settings, Severity,
    StoredSettings, Value, Wanted, WantedRoom, rules,
};

/// What of a room becomes its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The settings, with secrets as the service reports them.
    pub settings: Settings,
    /// Those of them that the service does not show, and that stay as the file has them: a secret as it is written there.
    pub kept: BTreeMap<&'static str, Option<Template>>,
    /// What defaults set and the service does not show.
    pub inherited: BTreeSet<&'static str>,
    /// Settable attributes that the service reports and that are not taken over, and why.
    pub left_out: BTreeMap<String, String>,
}

/// What is known of a room before it is imported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Its file, which is replaced.
    pub file: Option<&'a WantedRoom>,
    /// Where the settings of the file come from.
    pub origins: Option<&'a RoomOrigins>,
    pub applied: &'a AppliedRoom,
}

impl Known<'_> {
    #[cfg(test)]
    pub(crate) fn nothing() -> Self {
        Self {
            file: None,
            origins: None,
            applied: AppliedRoom::never(),
        }
    }

    fn is_inherited(&self, name: &str) -> bool {
        let origin = self.origins.and_then(|origins| origins.get(name));
        origin.is_some_and(|origin| origin.file().is_some())
    }
}

/// Whether the service shows a value of an attribute: nothing and masks are none.
fn is_shown(attribute: &Attribute, live: Option<&Live>) -> bool {
    let text = live.and_then(Live::text);
    text.is_some_and(|text| !attribute.is_secret() || !is_placeholder(&text))
}

/// What becomes of one attribute.
enum Part {
    /// As the service shows it.
    Shown(Json),
    /// As the file has it.
    Kept(Json, Option<Template>),
    /// As defaults have it.
    Inherited,
    LeftOut(&'static str),
    Nothing,
}

impl Known<'_> {
    fn part(&self, attribute: &Attribute, live: Option<&Live>) -> Part {
        let wanted = self.file.and_then(|file| file.settings.get(attribute.name));
        if let Some(wanted) = wanted.filter(|_| !is_shown(attribute, live)) {
            if self.is_inherited(attribute.name) {
                return Part::Inherited;
            }
            let secret = self.file.and_then(|file| file.secrets.get(attribute.name));
            return Part::Kept(as_written(wanted, secret), secret.cloned());
        }
        let Some(live) = live else {
            let is_lost = self.file.is_none() && self.applied.settings.contains_key(attribute.name);
            return match is_lost {
                true => Part::LeftOut("it was applied, and the service does not show it"),
                false => Part::Nothing,
            };
        };
        // A strict service might refuse it, so it is taken over only where somebody has switched it on, or manages it.
        let is_off = live.read(&attribute.kind) == Some(false.into());
        if attribute.undocumented && is_off && wanted.is_none() {
            return Part::Nothing;
        }
        match accept(attribute, live) {
            Ok(value) => Part::Shown(value),
            Err(why) => Part::LeftOut(why),
        }
    }
}

/// What a file can say of `live`; what is not shown stays as it is `known`. `now` is in Unix seconds, for the rules of
/// rooms.
pub(crate) fn draft(live: &LiveRoom, known: &Known<'_>, now: i64) -> Result<Draft, String> {
    let mut accepted = Map::new();
    let mut draft = Draft::default();
    for attribute in attributes().iter().filter(|a| a.name != "roomName") {
        let name = attribute.name;
        match known.part(attribute, live.settings.get(name)) {
            Part::Shown(value) => {
                accepted.insert(name.to_owned(), value);
            }
            Part::Kept(value, secret) => {
                accepted.insert(name.to_owned(), value);
                draft.kept.insert(name, secret);
            }
            Part::Inherited => {
                draft.inherited.insert(name);
            }
            Part::LeftOut(why) => {
                draft.left_out.insert(name.to_owned(), why.to_owned());
            }
            Part::Nothing => {}
        }
    }
    draft.settings = lawful(accepted, &mut draft.left_out, now)?.settings();
    let Draft { settings, kept, .. } = &mut draft;
    kept.retain(|name, _| settings.contains_key(name));
    Ok(draft)
}

/// A value as its file gives it.
fn as_written(value: &Value, secret: Option<&Template>) -> Json {
    match (value, secret) {
        (_, Some(secret)) => Json::from(secret.written().expose()),
        (Value::Plain(value), None) => Json::from(value),
        (Value::Secret(_) | Value::Unset { .. }, None) => Json::Null,
    }
}

/// The value as a file would give it, if the attribute's own type takes it.
pub(super) fn accept(attribute: &Attribute, live: &Live) -> Result<Json, &'static str> {
    let undocumented = "the service reports a value that is not documented";
    let text = live.text().ok_or("the service reports no value")?;
    let value = match live.read(&attribute.kind) {
        _ if attribute.is_secret() => escaped(text.expose()),
        // A file may say `2h` or a date; nothing else reads an answer like that.
        Some(Scalar::Text(_)) if !matches!(attribute.kind, Kind::Words(_) | Kind::Text) => {
            return Err(undocumented);
        }
        Some(value) => Json::from(&value),
        None => return Err(undocumented),
    };
    let alone: Map<String, Json> = [(attribute.name.to_owned(), value.clone())]
        .into_iter()
        .collect();
    match serde_json::from_value::<Room>(Json::Object(alone)) {
        Ok(_) => Ok(value),
        Err(_) => Err(undocumented),
    }
}

/// A text of the service stands for itself: a dollar in it begins no reference.
fn escaped(text: &str) -> Json {
    Json::from(text.replace('$', "$$"))
}

/// Leaves out what breaks a rule of rooms, until nothing does. That happens when the service does not report
/// the other half of a pair, such as the URL of a stream.
fn lawful(
    mut accepted: Map<String, Json>,
    left_out: &mut BTreeMap<String, String>,
    now: i64,
) -> Result<Room, String> {
    loop {
        let room: Room = serde_json::from_value(Json::Object(accepted.clone()))
            .map_err(|_| "its settings do not fit together".to_owned())?;
        let broken = rules::check(&room.settings(), now);
        let Some(broken) = broken.into_iter().find(|v| v.severity == Severity::Error) else {
            return Ok(room);
        };
        let attribute = broken.attributes.first().copied().unwrap_or_default();
        if accepted.remove(attribute).is_none() {
            return Err(format!(
                "the service does not report `{attribute}` in a form that a file can hold, and every file needs it"
            ));
        }
        left_out.insert(attribute.to_owned(), broken.message);
    }
}

impl Draft {
    /// What is remembered of the room that was read as `live` and became the `file` at `place`. Of what the service does not
    /// show, that is what was remembered `before`.
    pub(crate) fn applied(
        &self,
        live: &LiveRoom,
        before: &AppliedRoom,
        place: &str,
        file: WantedRoom,
        salt: &str,
    ) -> AppliedRoom {
        let before = match before.is_only_claimed(live) {
            true => AppliedRoom::never(),
            false => before.about(live),
        };
        let is_hidden = |name: &str| self.kept.contains_key(name) || self.inherited.contains(name);
        let mut settings = stored(&self.settings, salt, &StoredSettings::new());
        settings.retain(|name, _| !is_hidden(name));
        let hidden = before.settings.iter().filter(|(name, _)| is_hidden(name));
        settings.extend(hidden.map(|(name, value)| (*name, value.clone())));
        let mut secrets = file.known_secrets();
        secrets.retain(|name, _| !is_hidden(name));
        let record = Record {
            settings,
            secrets,
            live: Some(live),
            shown: before.shown(live, salt),
            ..Record::default()
        };
        AppliedRoom {
            file: Some(place.to_owned()),
            id: live.id.clone().or_else(|| before.id.clone()),
            ..before.recorded(record, salt)
        }
    }

    /// All variables that its file refers to: those of its secrets, and those in what is kept.
    pub(crate) fn refers_to(&self, variables: BTreeMap<&'static str, String>) -> BTreeSet<String> {
        let kept = self.kept.values().flatten();
        let kept = kept.flat_map(Template::variables);
        variables.into_values().chain(kept).collect()
    }

    /// The variable for each of the secrets: the one that stands for it in the room's file already and nowhere else, so
    /// that no value changes hands, or one that is named after room and attribute.
    pub(crate) fn variables(
        &self,
        room: &RoomName,
        names: &mut VariableNames<'_>,
    ) -> BTreeMap<&'static str, String> {
        let settings = self.settings.iter();
        let is_new = |name: &str| !self.kept.contains_key(name);
        let secrets =
            settings.filter(|(name, value)| is_new(name) && matches!(value, Value::Secret(_)));
        let mut variables = names.of(room);
        variables.retain(|name, _| is_new(name) && self.settings.contains_key(name));
        let new: Vec<&'static str> = secrets
            .map(|(name, _)| name.as_str())
            .filter(|name| !variables.contains_key(name))
            .collect();
        variables.extend(names.take(room, &new));
        variables
    }
}

/// The variables that rooms have already, so that no two rooms ever share one by accident: `a-b` and `a_b` would both
/// be `A_B`.
#[derive(Debug)]
pub(crate) struct VariableNames<'a> {
    prefix: &'a EnvPrefix,
    files: [&'a Wanted; 2],
    /// With how often they are referred to.
    taken: BTreeMap<String, usize>,
}

impl<'a> VariableNames<'a> {
    /// With those that `files` refer to, here and elsewhere.
    pub(crate) fn new(prefix: &'a EnvPrefix, files: [&'a Wanted; 2]) -> Self {
        let mut taken = BTreeMap::new();
        let rooms = files.into_iter().flat_map(Wanted::values);
        for (_, secret) in rooms.flat_map(WantedRoom::references) {
            for name in secret.variables() {
                *taken.entry(name).or_default() += 1;
            }
        }
        Self {
            prefix,
            files,
            taken,
        }
    }

    /// Those that stand for a whole secret in the room's file, and nowhere else.
    fn of(&self, room: &RoomName) -> BTreeMap<&'static str, String> {
        let files = self.files.into_iter().filter_map(|files| files.get(room));
        let alone = files
            .flat_map(WantedRoom::references)
            .filter_map(|(name, secret)| {
                let variable = secret.alone()?;
                (self.taken.get(variable) == Some(&1)).then(|| (name, variable.to_owned()))
            });
        alone.collect()
    }

    /// New ones for these attributes of a room. When one is taken, all have a number.
    fn take(
        &mut self,
        room: &RoomName,
        attributes: &[&'static str],
    ) -> BTreeMap<&'static str, String> {
        let base = self.prefix.of(room.as_str());
        let mut of_room = base.clone();
        let mut number = 2;
        let is_taken = |of_room: &str| {
            let mut names = attributes.iter().map(|name| variable(of_room, name));
            names.any(|name| self.taken.contains_key(&name))
        };
        while is_taken(&of_room) {
            of_room = format!("{base}_{number}");
            number += 1;
        }
        let named = attributes
            .iter()
            .map(|name| (*name, variable(&of_room, name)));
        let named: BTreeMap<_, _> = named.collect();
        self.taken
            .extend(named.values().map(|name| (name.clone(), 1)));
        named
    }
}

/// Names that are devices on some systems, with a digit behind them or not, and whatever ends them.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The stem of the file for a room: its name, unless a file of that name would be taken for something else.
///
/// Of a name that is taken as it is, what no file system takes for anything else: no two names have one stem, also where
/// case does not count, and `~~` begins the digest of a long one, since an escape goes on with a digit or letter.
pub(crate) fn stem(room: &RoomName, rule: NameRule) -> String {
    let name = room.as_str();
    if rule != NameRule::AsIs {
        let is_odd = name.starts_with("_default") || name.starts_with('.');
        return format!("{}{name}", if is_odd { "room-" } else { "" });
    }
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_taken = DEVICES.contains(&kind) || name.starts_with("_default");
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let stem = words::escaped(name, '~', |at, byte| {
        is_plain(byte) && !(is_taken && at == 0)
    });
    if stem.len() <= MAX_LENGTH {
        return stem;
    }
    let digest = sha256(name.as_bytes());
    let digest = digest.trim_start_matches("sha256:");
    format!("{}~~{}", &stem[..64], &digest[..32])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Secret;
    use crate::planner::testing::name;

    fn live(settings: &[(&str, Live)]) -> LiveRoom {
        LiveRoom {
            id: Some("c0ffee".into()),
            settings: settings
                .iter()
                .map(|(name, value)| (*name, value.clone()))
                .collect(),
        }
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_named() {
        let live = live(&[
            ("privacy", "private".into()),
            ("roomName", "a".into()),
            ("lang", "en".into()),
            ("maxParticipants", "12".into()),
            ("expireUnixSec", 1_869_642_000.into()),
            ("compositionLayout", "broadcaster".into()),
            ("enableChat", Live::Null),
            ("autoJoin", "yes".into()),
            ("showInviteBox", "false".into()),
            ("deleteOnExp", false.into()),
            ("rtmpOutURL", "rtmp://a.example/k$1${env:X}".into()),
            ("meetingJoinWebhook", "".into()),
            ("recordComposition", true.into()),
        ]);
        let draft = draft(&live, &Known::nothing(), 0).unwrap();
        let expected: Settings = [
            ("privacy", "private".into()),
            ("maxParticipants", 12.into()),
            ("showInviteBox", false.into()),
            ("expireUnixSec", 1_869_642_000.into()),
            (
                "rtmpOutURL",
                Value::Secret(Secret::new("rtmp://a.example/k$1${env:X}")),
            ),
        ]
        .into();
        assert_eq!(draft.settings, expected);
        let left: Vec<&String> = draft.left_out.keys().collect();
        assert_eq!(
            left,
            [
                "autoJoin",
                "compositionLayout",
                "enableChat",
                "meetingJoinWebhook",
                "recordComposition"
            ]
        );
        let nothing = Wanted::new();
        let mut names = VariableNames::new(EnvPrefix::ROOM, [&nothing; 2]);
        assert_eq!(
            draft
                .variables(&name("a"), &mut names)
                .into_iter()
                .collect::<Vec<_>>(),
            [("rtmpOutURL", "ROOM_A_RTMP_OUT_URL".to_owned())]
        );
        let applied = draft.applied(
            &live,
            AppliedRoom::never(),
            "rooms/a.yaml",
            WantedRoom::default(),
            "lineage",
        );
        assert_eq!(applied.settings.len(), 5);
        assert!(applied.observed.contains_key("deleteOnExp"));
    }

    #[test]
    fn nothing_of_a_room_that_is_only_claimed_is_taken_for_what_is_there() {
        let claimed = AppliedRoom {
            claimed: true,
            id: Some("0ther".into()),
            settings: [("recordRoom", true.into())].into(),
            ..AppliedRoom::default()
        };
        let draft = Draft {
            kept: [("recordRoom", None)].into(),
            ..Draft::default()
        };
        let live = LiveRoom {
            id: None,
            ..live(&[("enableChat", true.into())])
        };
        let applied = draft.applied(
            &live,
            &claimed,
            "rooms/a.yaml",
            WantedRoom::default(),
            "lineage",
        );
        let expected = AppliedRoom {
            file: Some("rooms/a.yaml".to_owned()),
            observed: [("enableChat", true.into())].into(),
            ..AppliedRoom::default()
        };
        assert_eq!(applied, expected);
    }

    #[test]
    fn without_privacy_there_is_no_file() {
        let draft = |live: &LiveRoom| draft(live, &Known::nothing(), 0);
        assert!(draft(&live(&[])).unwrap_err().contains("`privacy`"));
        let odd = live(&[("privacy", "secret".into())]);
        assert!(draft(&odd).is_err());
    }

    /// A draft with an address for its stream.
    fn streaming() -> Draft {
        let url = Value::Secret(Secret::new("rtmp://a.example/canary"));
        Draft {
            settings: [("rtmpOutURL", url)].into(),
            ..Draft::default()
        }
    }

    /// A file of `room` that refers to `variable`.
    fn referring(room: &str, written: &str) -> (RoomName, WantedRoom) {
        let secrets = [("rtmpOutURL", Template::parse(written).unwrap())].into();
        let file = WantedRoom {
            secrets,
            ..WantedRoom::default()
        };
        (name(room), file)
    }

    #[test]
    fn no_two_rooms_share_a_variable() {
        let files = [
            referring("a-b", "${env:ROOM_A_B_2_RTMP_OUT_URL}"),
            referring("c", "rtmp://x/${env:ROOM_KEY}"),
            referring("d", "${env:ROOM_SHARED}"),
            referring("e", "${env:ROOM_SHARED}"),
            referring("other", "${env:ROOM_C_RTMP_OUT_URL}"),
        ];
        let (files, nothing) = (files.into(), Wanted::new());
        let mut names = VariableNames::new(EnvPrefix::ROOM, [&files, &nothing]);
        let mut of =
            |room: &str| streaming().variables(&name(room), &mut names)["rtmpOutURL"].clone();
        // Its own stays its own.
        assert_eq!(of("a-b"), "ROOM_A_B_2_RTMP_OUT_URL");
        assert_eq!(of("a.b"), "ROOM_A_B_RTMP_OUT_URL");
        assert_eq!(of("a_b"), "ROOM_A_B_3_RTMP_OUT_URL");
        assert_eq!(of("c"), "ROOM_C_2_RTMP_OUT_URL");
        assert_eq!(of("d"), "ROOM_D_RTMP_OUT_URL");
        assert_eq!(of("1a"), "ROOM_1A_RTMP_OUT_URL");
        assert_eq!(of("room-1a"), "ROOM_ROOM_1A_RTMP_OUT_URL");
        let cut = "A".repeat(128);
        assert_eq!(of(&"a".repeat(255)), format!("ROOM_{cut}_RTMP_OUT_URL"));
        assert_eq!(of(&"a".repeat(254)), format!("ROOM_{cut}_2_RTMP_OUT_URL"));
    }

    /// Names that are alike, and names of any characters.
    fn any_name() -> impl Strategy<Value = RoomName> {
        let alike =
            "[aAbB~C%.0-9 _-]{1,6}|[aA~]{60,140}|[é\u{e9}e\u{301}\u{130}iI\u{131}\u{212a}kK]{1,90}";
        let special = "(?i)con|prn|aux|nul|com[0-9]|lpt[0-9]|_defaults?|\\.[a-z]|~[0-9A-F]{2}[a-z]";
        let any = prop_oneof![alike, special, ".{1,255}", "a{126,130}"];
        any.prop_filter_map("a path", |text| RoomName::try_from(text).ok())
    }

    proptest! {
        #[test]
        fn no_two_names_have_one_file_and_each_file_is_safe_everywhere(one in any_name(), other in any_name()) {
            let stem = |name: &RoomName| stem(name, NameRule::AsIs);
            let (file, others) = (stem(&one), stem(&other));
            prop_assert_eq!(one == other, file.to_lowercase() == others.to_lowercase());
            prop_assert_eq!(&file, &stem(&one));
            prop_assert!(!file.is_empty() && file.len() <= MAX_LENGTH, "{}", file);
            prop_assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)), "{}", file);
            let lower = file.to_lowercase();
            let device = ["con", "prn", "aux", "nul"].contains(&&*lower)
                || (lower.len() == 4 && (lower.starts_with("com") || lower.starts_with("lpt")) && lower.ends_with(|c: char| c.is_ascii_digit()));
            prop_assert!(!device && !lower.starts_with("_default"), "{}", file);
        }

        /// A name that was accepted so far has the file that it had.
        #[test]
        fn plain_names_are_their_files(name in "[a-z0-9_-]{1,128}") {
            let room = RoomName::try_from(name.clone()).unwrap();
            let is_odd = stem(&room, NameRule::AsIs) != name;
            prop_assert!(!is_odd || stem(&room, NameRule::AsIs).starts_with('~'));
        }
    }

    #[test]
    fn names_that_mean_something_else_as_files() {
        let of = |name: &str| {
            stem(
                &RoomName::try_from(name.to_owned()).unwrap(),
                NameRule::UrlSafe,
            )
        };
        assert_eq!(of("stand-up"), "stand-up");
        assert_eq!(of("_defaults"), "room-_defaults");
        assert_eq!(of(".a"), "room-.a");
        let of = |name: &str| {
            stem(
                &RoomName::try_from(name.to_owned()).unwrap(),
                NameRule::AsIs,
            )
        };
        assert_eq!(of("board"), "board");
        assert_eq!(of("Board"), "~42oard");
        assert_eq!(of("My Room"), "~4Dy~20~52oom");
        assert_eq!(of("café"), "caf~C3~A9");
        assert_eq!(of("con"), "~63on");
        assert_eq!(of("com5"), "~63om5");
        assert_eq!(of("come"), "come");
        assert_eq!(of("_defaults"), "~5Fdefaults");
        assert_eq!(of(".a"), "~2Ea");
        assert_eq!(of(&"a".repeat(128)), "a".repeat(128));
        assert!(of(&"a".repeat(129)).starts_with(&format!("{}~~", "a".repeat(64))));
    }
}
