//! One room as a file declares it: the single catalogue of attributes.
//!
//! Parsing, schema, request body, diff and docs derive from [`Room`]. Wire names, meanings and units are
//! documented on the vendor's update-room page unless a comment says otherwise; defaults are given only
//! where that page states one.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;

use super::reference::Lookup;
use super::types::{
    CompositionLayout, Managed, People, Privacy, RtmpUrl, Seconds, UnixSeconds, WebhookUrl,
};
use super::value::{Settings, Value};
use super::wire_name::WireName;

/// One meeting room of a Metered.ca account. A key that is neither in its file nor in a `_defaults.yaml`
/// above is not managed: roomctl never sends, resets or compares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "roomctl room")]
pub(crate) struct Room {
    /// Name of the room and last part of its join URL, unique within the app. Lower-case letters,
    /// digits, `-` and `_`; with `names: url-safe` in roomctl.yaml also upper-case letters, `.` and `~`, with `names: as-is` any.
    /// Default: the file's name without its extension.
    #[schemars(title = "Room name", length(min = 1, max = 255), regex(pattern = "[^.]"), extend("patternErrorMessage" = "Write more than dots: the name becomes part of the join URL"), extend("examples" = ["stand-up", "sales_demo"]))]
    pub room_name: Managed<String>,

    /// Who can enter: `public` (anyone with the link) or `private` (a join token, or let in by an admin).
    /// Required, in the file or in a `_defaults.yaml` above it, and sent with every write.
    #[schemars(title = "Who can enter", extend("examples" = ["private"]))]
    pub privacy: Managed<Privacy>,

    /// Moment after which nobody can join, in Unix seconds or as a date and time with its offset from UTC.
    #[schemars(title = "Expires at")]
    pub expire_unix_sec: Managed<UnixSeconds>,

    /// Whether everyone is put out of the meeting at `expireUnixSec`; roomctl warns when there is none.
    #[schemars(title = "Eject everyone at expiry", extend("examples" = [true]))]
    pub eject_at_room_exp: Managed<bool>,

    /// Moment before which nobody can join, in Unix seconds or as a date and time with its offset from UTC.
    /// Must be earlier than `expireUnixSec`.
    #[schemars(title = "Opens at")]
    pub not_before_unix_sec: Managed<UnixSeconds>,

    /// Most people who can be in the room at once. What 0 means to the service is unknown.
    #[schemars(title = "Most participants", extend("examples" = [15]), extend("x-traits" = ["ejects"]))]
    pub max_participants: Managed<People>,

    /// Whether people enter without a lobby screen. The meaning is read off the name; the vendor's
    /// table only lists it.
    #[schemars(title = "Join without a lobby", extend("examples" = [true]))]
    pub auto_join: Managed<bool>,

    /// Whether the invite box is shown while nobody else is in the room. Service default: true.
    /// Affects only the embedded iframe.
    #[schemars(title = "Show the invite box", extend("x-iframe-only" = true), extend("examples" = [false]))]
    pub show_invite_box: Managed<bool>,

    /// Whether guests may ask to enter a private room, for an admin to approve. The vendor describes it
    /// for private rooms only.
    #[schemars(title = "Guests may ask to join", extend("examples" = [true]))]
    pub enable_request_to_join: Managed<bool>,

    /// Whether there is a text chat. Affects only the embedded iframe.
    #[schemars(title = "Chat", extend("x-iframe-only" = true), extend("examples" = [true]))]
    pub enable_chat: Managed<bool>,

    /// Whether each session starts with an empty chat; false keeps the history across sessions.
    /// Service default: true. Affects only the embedded iframe.
    #[schemars(title = "New chat for each session", extend("x-iframe-only" = true), extend("examples" = [false]))]
    pub new_chat_for_meeting_session: Managed<bool>,

    /// Whether people can share their screen. Affects only the embedded iframe.
    #[schemars(title = "Screen sharing", extend("x-iframe-only" = true), extend("examples" = [true]))]
    pub enable_screen_sharing: Managed<bool>,

    /// Whether the camera is on when someone joins. Affects only the embedded iframe.
    #[schemars(title = "Camera on at join", extend("x-iframe-only" = true), extend("examples" = [false]))]
    pub join_video_on: Managed<bool>,

    /// Whether the microphone is on when someone joins. Affects only the embedded iframe.
    #[schemars(title = "Microphone on at join", extend("x-iframe-only" = true), extend("examples" = [false]))]
    pub join_audio_on: Managed<bool>,

    /// Whether participants *may* record the meeting. For recording that starts by itself see `recordRoom`.
    #[schemars(title = "Participants may record", extend("examples" = [true]), extend("x-traits" = ["billed", "records"]))]
    pub enable_recording: Managed<bool>,

    /// Whether only admins may share camera, microphone and screen. Admins are people whose join token
    /// says `isAdmin`. Service default: false.
    #[schemars(title = "Only admins broadcast", extend("examples" = [true]))]
    pub owner_only_broadcast: Managed<bool>,

    /// Whether recording starts *by itself* when a meeting starts.
    #[schemars(title = "Record by itself", extend("examples" = [true]), extend("x-traits" = ["billed", "records"]))]
    pub record_room: Managed<bool>,

    /// Time after which each participant is put out of the meeting, counted from when they joined:
    /// seconds, or a duration such as `2h`.
    #[schemars(title = "Longest stay of a participant", extend("x-traits" = ["ejects"]))]
    pub eject_after_elapsed_time_in_sec: Managed<Seconds>,

    /// URL that the service calls when a participant joins. Secret: it may hold a token.
    #[schemars(title = "Webhook: participant joined", extend("examples" = ["${env:ROOM_JOIN_WEBHOOK}", "https://hooks.example.com/joined?token=${env:ROOM_HOOK_TOKEN}"]))]
    pub meeting_join_webhook: Managed<WebhookUrl>,

    /// URL that the service calls when a participant leaves. Secret: it may hold a token.
    #[schemars(title = "Webhook: participant left", extend("examples" = ["${env:ROOM_LEFT_WEBHOOK}", "https://hooks.example.com/left?token=${env:ROOM_HOOK_TOKEN}"]))]
    pub meeting_left_webhook: Managed<WebhookUrl>,

    /// URL that the service calls when a meeting starts. Secret: it may hold a token.
    #[schemars(title = "Webhook: meeting started", extend("examples" = ["${env:ROOM_STARTED_WEBHOOK}", "https://hooks.example.com/started?token=${env:ROOM_HOOK_TOKEN}"]))]
    pub meeting_started_webhook: Managed<WebhookUrl>,

    /// URL that the service calls when a meeting ends. Secret: it may hold a token.
    #[schemars(title = "Webhook: meeting ended", extend("examples" = ["${env:ROOM_ENDED_WEBHOOK}", "https://hooks.example.com/ended?token=${env:ROOM_HOOK_TOKEN}"]))]
    pub meeting_ended_webhook: Managed<WebhookUrl>,

    /// Time without any shared microphone, camera or screen after which the meeting ends: seconds, or a
    /// duration such as `15m`.
    #[schemars(title = "Idle time until the meeting ends", extend("examples" = [900, "15m"]), extend("x-traits" = ["ejects"]))]
    pub end_meeting_after_no_activity_in_sec: Managed<Seconds>,

    /// Whether the room is microphone only. Billed at the audio price. roomctl warns when `joinVideoOn` or
    /// `enableScreenSharing` is true with it.
    #[schemars(title = "Audio only", extend("examples" = [true]), extend("x-traits" = ["billed"]))]
    pub audio_only_room: Managed<bool>,

    /// Whether the service mixes everyone into one picture. Needed for `recordComposition`,
    /// `enableRTMPOut` and `enableLiveStreaming`. Billed.
    #[schemars(title = "Composition", extend("examples" = [true]), extend("x-traits" = ["billed"]))]
    pub enable_composition: Managed<bool>,

    /// How the mixed picture is laid out: `grid` or `active_speaker`. roomctl warns when
    /// `enableComposition` is not true.
    #[schemars(title = "Layout of the composition", extend("examples" = ["grid"]))]
    pub composition_layout: Managed<CompositionLayout>,

    /// Whether the mixed picture is recorded. Needs `enableComposition: true`, here or in a `_defaults.yaml`
    /// above. Billed.
    #[schemars(title = "Record the composition", extend("examples" = [true]), extend("x-traits" = ["billed", "records", "needs-composition"]))]
    pub record_composition: Managed<bool>,

    /// Whether the mixed picture is pushed to `rtmpOutURL` (YouTube, Twitch and the like).
    /// Needs `rtmpOutURL` and `enableComposition: true`, here or in a `_defaults.yaml` above. Billed.
    #[schemars(title = "RTMP output", extend("examples" = [true]), extend("x-traits" = ["billed", "needs-composition"]))]
    #[serde(rename = "enableRTMPOut")]
    pub enable_rtmp_out: Managed<bool>,

    /// Where the mixed picture is pushed. Required with `enableRTMPOut: true`, here or in a `_defaults.yaml`
    /// above. Secret: the stream key is part of it. That it must be an rtmp or rtmps URL is our conclusion, not documented.
    #[schemars(title = "RTMP address", extend("examples" = ["${env:ROOM_RTMP_OUT_URL}", "rtmps://live.example.com/app/${env:ROOM_STREAM_KEY}"]))]
    #[serde(rename = "rtmpOutURL")]
    pub rtmp_out_url: Managed<RtmpUrl>,

    /// Whether the mixed picture is streamed over HLS. Needs `enableComposition: true`, here or in a
    /// `_defaults.yaml` above. Billed.
    #[schemars(title = "Live streaming (HLS)", extend("examples" = [true]), extend("x-traits" = ["billed", "needs-composition"]))]
    pub enable_live_streaming: Managed<bool>,

    /// Whether the room is archived when it expires. Undocumented: it appears in the vendor's samples
    /// but not in its table, so a strict service might refuse it. Opt-in. roomctl warns when there is no
    /// `expireUnixSec`.
    #[schemars(title = "Archive at expiry", extend("x-undocumented" = true), extend("examples" = [false]))]
    pub delete_on_exp: Managed<bool>,
}

/// The settings of a room, from the wire name of each field.
macro_rules! settings_of {
    ($room:expr, { $($field:ident: $name:literal,)* }) => {{
        // Without `..`, so that a new attribute cannot be forgotten.
        let Room { room_name: _, $($field),* } = $room;
        let settings = [$((WireName::kept(&$name), $field.get().cloned().map(Value::from))),*];
        let managed = settings.into_iter().filter_map(|(name, value)| Some((name, value?)));
        managed.collect()
    }};
}

impl Room {
    /// Puts the values of variables into the secret attributes, made up ones where asked for, and says which
    /// attributes come out wrong.
    pub(crate) fn resolve(
        &mut self,
        lookup: Lookup<'_>,
        made_up: bool,
    ) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (name, hook) in [
            ("meetingJoinWebhook", &mut self.meeting_join_webhook),
            ("meetingLeftWebhook", &mut self.meeting_left_webhook),
            ("meetingStartedWebhook", &mut self.meeting_started_webhook),
            ("meetingEndedWebhook", &mut self.meeting_ended_webhook),
        ] {
            if let Managed::Set(url) = hook
                && let Err(why) = url.resolve(lookup, made_up)
            {
                wrong.push((name, why));
            }
        }
        if let Managed::Set(url) = &mut self.rtmp_out_url
            && let Err(why) = url.resolve(lookup, made_up)
        {
            wrong.push(("rtmpOutURL", why));
        }
        wrong
    }

    /// The managed settings by wire name: the body of every write, and what is compared.
    ///
    /// `roomName` is not among them: it is the room's address. In a PUT body it reads like a rename,
    /// and the vendor's samples contradict each other about it.
    pub(crate) fn settings(&self) -> Settings {
        settings_of!(self, {
            privacy: "privacy",
            expire_unix_sec: "expireUnixSec",
            eject_at_room_exp: "ejectAtRoomExp",
            not_before_unix_sec: "notBeforeUnixSec",
            max_participants: "maxParticipants",
            auto_join: "autoJoin",
            show_invite_box: "showInviteBox",
            enable_request_to_join: "enableRequestToJoin",
            enable_chat: "enableChat",
            new_chat_for_meeting_session: "newChatForMeetingSession",
            enable_screen_sharing: "enableScreenSharing",
            join_video_on: "joinVideoOn",
            join_audio_on: "joinAudioOn",
            enable_recording: "enableRecording",
            owner_only_broadcast: "ownerOnlyBroadcast",
            record_room: "recordRoom",
            eject_after_elapsed_time_in_sec: "ejectAfterElapsedTimeInSec",
            meeting_join_webhook: "meetingJoinWebhook",
            meeting_left_webhook: "meetingLeftWebhook",
            meeting_started_webhook: "meetingStartedWebhook",
            meeting_ended_webhook: "meetingEndedWebhook",
            end_meeting_after_no_activity_in_sec: "endMeetingAfterNoActivityInSec",
            audio_only_room: "audioOnlyRoom",
            enable_composition: "enableComposition",
            composition_layout: "compositionLayout",
            record_composition: "recordComposition",
            enable_rtmp_out: "enableRTMPOut",
            rtmp_out_url: "rtmpOutURL",
            enable_live_streaming: "enableLiveStreaming",
            delete_on_exp: "deleteOnExp",
        })
    }
}

/// The attributes as a schema, each by itself, without any rule across them. What editors get is made from
/// it ([`super::room_schema`]). Draft 7: several editors know newer drafts only in part.
pub(crate) fn schema() -> schemars::Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Room>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::model::catalogue;

    fn full() -> Room {
        serde_json::from_value(json!({
            "roomName": "r", "privacy": "public", "expireUnixSec": 7_832_947_982_i64,
            "ejectAtRoomExp": true, "notBeforeUnixSec": 1, "maxParticipants": 2, "autoJoin": true,
            "showInviteBox": true, "enableRequestToJoin": true, "enableChat": true,
            "newChatForMeetingSession": true, "enableScreenSharing": true, "joinVideoOn": true,
            "joinAudioOn": true, "enableRecording": true, "ownerOnlyBroadcast": true,
            "recordRoom": true, "ejectAfterElapsedTimeInSec": 3,
            "meetingJoinWebhook": "https://h.example/1", "meetingLeftWebhook": "https://h.example/2",
            "meetingStartedWebhook": "https://h.example/3",
            "meetingEndedWebhook": "https://h.example/4", "endMeetingAfterNoActivityInSec": 4,
            "audioOnlyRoom": true, "enableComposition": true, "compositionLayout": "active_speaker",
            "recordComposition": true, "enableRTMPOut": true, "rtmpOutURL": "rtmp://r.example/k",
            "enableLiveStreaming": true, "deleteOnExp": true
        }))
        .unwrap()
    }

    #[test]
    fn every_schema_property_but_the_name_is_a_setting() {
        let schema = schema();
        let properties: BTreeSet<&str> = schema.as_value()["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let room = full();
        let settings = room.settings().into_keys();
        let mut settings: BTreeSet<&str> = settings.map(WireName::as_str).collect();
        settings.insert("roomName");
        assert_eq!(settings, properties);
    }

    #[test]
    fn five_attributes_are_secret_in_type_and_schema() {
        let secrets: Vec<&str> = full()
            .settings()
            .into_iter()
            .filter(|(_, value)| matches!(value, Value::Secret(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            secrets,
            [
                "meetingEndedWebhook",
                "meetingJoinWebhook",
                "meetingLeftWebhook",
                "meetingStartedWebhook",
                "rtmpOutURL"
            ]
        );
        let schema = schema();
        for (name, property) in schema.as_value()["properties"].as_object().unwrap() {
            let marked = property["x-secret"] == json!(true);
            assert_eq!(marked, secrets.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn every_secret_can_be_a_reference() {
        for attribute in catalogue::attributes().iter().filter(|a| a.is_secret()) {
            let reference = json!({attribute.name: "${env:ROOM_CANARY}"});
            let mut room: Room = serde_json::from_value(reference).unwrap();
            assert_eq!(room.resolve(&|_| None, false), []);
            let unset = Value::Unset {
                variables: vec!["ROOM_CANARY".to_owned()],
                no_url: false,
            };
            assert_eq!(room.settings()[attribute.name], unset);
            let reference = json!({attribute.name: "${env:ROOM_CANARY}"});
            let mut room: Room = serde_json::from_value(reference).unwrap();
            let wrong = room.resolve(&|_| Some("not a URL".to_owned()), false);
            assert_eq!(wrong[0].0, attribute.name);
            // It is never sent, as if nobody had set it.
            let unsent = Value::Unset {
                variables: vec!["ROOM_CANARY".to_owned()],
                no_url: true,
            };
            assert_eq!(room.settings()[attribute.name], unsent);
        }
    }

    #[test]
    fn an_empty_room_manages_nothing() {
        assert!(Room::default().settings().is_empty());
    }
}
