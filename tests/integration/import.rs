//! Rooms that exist already are taken over: what is written, what is left alone, and that nothing is to do then.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

/// Personalities under which an import is claimed to leave nothing to do.
const PERSONALITIES: [&[&str]; 15] = [
    &[],
    &["put=replace"],
    &["missing=400"],
    &["missing=404"],
    &["missing=200"],
    &["echo=full"],
    &["echo=sample"],
    &["lowercase-names=on"],
    &["auto-composition=on"],
    &["list-archived=on"],
    &["list-limit=2"],
    &["numbers=float"],
    &["numbers=string"],
    &["extra-fields=on"],
    &["layout=broadcaster"],
];

/// Rooms of every kind, the secrets marked.
fn populate(site: &Site) {
    let attributes =
        |value: Value| -> BTreeMap<String, Value> { serde_json::from_value(value).unwrap() };
    site.simulator().with_world(|world| {
        world.create("stand-up", attributes(json!({"privacy": "private"})), 0);
        let webinar = json!({
            "privacy": "public",
            "expireUnixSec": 1_869_642_000,
            "maxParticipants": 12,
            "enableComposition": true,
            "compositionLayout": "grid",
            "enableRTMPOut": true,
            "rtmpOutURL": "rtmps://live.example/app/canary-stream-key",
            "meetingJoinWebhook": "https://hooks.example/canary-$1${env:HOME}$$",
        });
        world.create("1-webinar", attributes(webinar.clone()), 0);
        world.create("1_webinar", attributes(webinar), 0);
        let odd = json!({
            "privacy": "private",
            "enableChat": null,
            "recordComposition": true,
            "meetingLeftWebhook": "",
            "deleteOnExp": true,
        });
        world.create("odd", attributes(odd), 0);
        world.create("_defaults", attributes(json!({"privacy": "private"})), 0);
        world.create("gone", attributes(json!({"privacy": "private"})), 0);
        world.archive("gone").unwrap();
    });
}

fn import(site: &Site, args: &[&str]) -> Ran {
    let mut all = vec!["import", "--rate", "unlimited", "--format", "json", "-vvv"];
    all.extend(args);
    let ran = site.run(&all);
    if !ran.stdout.is_empty() {
        check("import", &ran.json());
    }
    ran
}

fn outcomes(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let rooms = report["rooms"].as_array().unwrap().iter();
    rooms
        .map(|r| format!("{} {}", r["room"], r["outcome"]).replace('"', ""))
        .collect()
}

/// The variables that the files refer to, with the values that the service has.
fn variables(site: &Site, ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let mut variables = Vec::new();
    for room in report["rooms"].as_array().unwrap() {
        let Some(file) = room["file"].as_str() else {
            continue;
        };
        for line in site.scratch.read(file).lines() {
            if let Some((attribute, value)) = line.split_once(": ${env:") {
                let name = room["room"].as_str().unwrap();
                let live = site
                    .simulator()
                    .with_world(|world| world.room(name).unwrap().attributes[attribute].clone());
                let variable = value.trim_end_matches('}').to_owned();
                variables.push((variable, live.as_str().unwrap().to_owned()));
            }
        }
    }
    variables
}

#[test]
fn files_name_the_schema_that_holds_where_they_are() {
    let site = Site::new(&[], &[]);
    populate(&site);
    let first = |file: &str| site.scratch.read(file).lines().next().unwrap().to_owned();
    // Nothing to name yet.
    import(&site, &["odd"]);
    assert_eq!(first("rooms/odd.yaml"), "privacy: private");
    for schema in ["room", "room-with-defaults"] {
        let file = format!("schema/{schema}.schema.json");
        site.scratch.write(&file, "{}");
    }
    import(&site, &["stand-up"]);
    site.scratch
        .write("rooms/sales/_defaults.yml", "showInviteBox: false\n");
    let ran = import(&site, &["1-webinar", "--dir", "sales/north"]);
    assert!(
        ran.stdout.contains("defaults above it set more"),
        "{}",
        ran.all()
    );
    assert_eq!(
        first("rooms/stand-up.yaml"),
        "# yaml-language-server: $schema=../schema/room.schema.json"
    );
    assert_eq!(
        first("rooms/sales/north/1-webinar.yaml"),
        "# yaml-language-server: $schema=../../../schema/room-with-defaults.schema.json"
    );
}

#[test]
fn files_are_tidy() {
    let site = Site::new(&["layout=broadcaster"], &[]);
    populate(&site);
    site.scratch.write("schema/room.schema.json", "{}");
    let ran = import(&site, &["--all", "--dir", "taken/over"]);
    assert_eq!(
        site.scratch.read("rooms/taken/over/1-webinar.yaml"),
        "\
# yaml-language-server: $schema=../../../schema/room.schema.json

privacy: public
expireUnixSec: 1869642000  # 2029-03-31T09:00:00Z
ejectAtRoomExp: false
maxParticipants: 12
autoJoin: false
enableRequestToJoin: true
enableChat: true
enableScreenSharing: true
joinVideoOn: true
joinAudioOn: true
enableRecording: false
ownerOnlyBroadcast: false
meetingJoinWebhook: ${env:ROOM_1_WEBINAR_MEETING_JOIN_WEBHOOK}
enableComposition: true
enableRTMPOut: true
rtmpOutURL: ${env:ROOM_1_WEBINAR_RTMP_OUT_URL}

# not imported: compositionLayout (the service reports a value that is not documented)
"
    );
    let odd = site.scratch.read("rooms/taken/over/odd.yaml");
    for line in [
        "deleteOnExp: true",
        "# not imported: enableChat (the service reports no value)",
        "# not imported: meetingLeftWebhook (the service reports a value that is not documented)",
        "# not imported: recordComposition (`recordComposition: true` needs `enableComposition: true`)",
    ] {
        assert!(odd.lines().any(|l| l == line), "{line}: {odd}");
    }
    let defaults = site.scratch.read("rooms/taken/over/room-_defaults.yaml");
    assert!(defaults.contains("roomName: _defaults\n"), "{defaults}");
    assert_eq!(
        ran.json()["variables"],
        json!([
            "ROOM_1_WEBINAR_2_MEETING_JOIN_WEBHOOK",
            "ROOM_1_WEBINAR_2_RTMP_OUT_URL",
            "ROOM_1_WEBINAR_MEETING_JOIN_WEBHOOK",
            "ROOM_1_WEBINAR_RTMP_OUT_URL",
        ])
    );
}

/// What a file may say in other words, an answer may not: nothing else would read it so, and the first check would find drift.
#[test]
fn answers_are_read_as_every_other_command_reads_them() {
    for (name, value, is_taken) in [
        ("ejectAfterElapsedTimeInSec", "7200", true),
        ("ejectAfterElapsedTimeInSec", "2h", false),
        ("expireUnixSec", "2033-05-18T03:33:20Z", false),
        ("maxParticipants", "many", false),
        ("enableChat", "true", true),
    ] {
        let site = Site::new(&[], &[]);
        site.existing(1);
        site.edit("room-00", name, json!(value));
        let ran = import(&site, &["--all"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let file = site.scratch.read("rooms/room-00.yaml");
        assert_eq!(
            !file.contains(&format!("not imported: {name}")),
            is_taken,
            "{file}"
        );
        let drift = site.run(&["drift"]);
        assert_eq!(drift.code, 0, "{name} {value}: {}", drift.all());
    }
}

#[test]
fn only_reads_and_one_get_for_each_room() {
    let site = Site::new(&["list-archived=on"], &[]);
    populate(&site);
    assert_eq!(import(&site, &["--all", "--parallelism", "1"]).code, 0);
    let sent: Vec<String> = site.sent(0).into_iter().map(|(_, path)| path).collect();
    assert_eq!(sent[0], "/api/v1/rooms");
    assert_eq!(sent.len(), 6, "{sent:?}");
}

#[test]
fn names_that_cannot_be_managed_are_reported() {
    let site = Site::new(&[], &[]);
    let room = || [("privacy".to_owned(), json!("private"))].into();
    site.simulator().with_world(|world| {
        for name in ["Upper", "twin", "Twin", "good", "a b"] {
            world.create(name, room(), 0);
        }
    });
    let ran = import(&site, &["--all"]);
    assert_eq!(ran.code, 5);
    assert_eq!(
        outcomes(&ran),
        [
            "Twin refused",
            "Upper refused",
            "a b refused",
            "good imported",
            "twin refused"
        ]
    );
    let ran = import(&site, &["missing", "../good"]);
    assert_eq!(
        (ran.code, outcomes(&ran)),
        (4, vec!["../good refused".into(), "missing refused".into()])
    );
    site.simulator()
        .with_world(|world| world.archive("twin").unwrap());
    assert_eq!(import(&site, &["twin"]).code, 4);
    assert_eq!(site.run(&["import"]).code, 64);
    assert_eq!(site.run(&["import", "--all", "good"]).code, 64);
}

#[test]
fn what_is_managed_is_left_alone_unless_forced() {
    let site = Site::new(&[], &[]);
    populate(&site);
    let mine = "privacy: public\nroomName: stand-up\n";
    site.scratch.write("rooms/team/mine.yaml", mine);
    let ran = import(&site, &["stand-up", "odd"]);
    assert_eq!(
        (ran.code, outcomes(&ran)),
        (0, vec!["odd imported".into(), "stand-up skipped".into()])
    );
    assert_eq!(site.scratch.read("rooms/team/mine.yaml"), mine);

    // The file of the room itself is replaced, wherever it is; a file of another room never is.
    assert_eq!(import(&site, &["stand-up", "--force"]).code, 0);
    let replaced = site.scratch.read("rooms/team/mine.yaml");
    assert!(
        replaced.starts_with("roomName: stand-up\nprivacy: private\n"),
        "{replaced}"
    );
    assert_eq!(site.run(&["plan", "--detailed-exitcode"]).code, 0);
    let other = "privacy: public\nroomName: other\n";
    site.scratch.write("rooms/1-webinar.yaml", other);
    let ran = import(&site, &["1-webinar", "--force"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert_eq!(site.scratch.read("rooms/1-webinar.yaml"), other);
    for dir in ["../out", "/tmp", ".hidden", "a/../../out"] {
        let ran = import(&site, &["1_webinar", "--dir", dir]);
        assert_eq!(
            (ran.code, outcomes(&ran)),
            (4, vec!["1_webinar refused".into()]),
            "{dir}"
        );
    }

    // In the state, without a file: told, and written when forced.
    std::fs::remove_file(site.scratch.path("rooms/odd.yaml")).unwrap();
    assert_eq!(outcomes(&import(&site, &["odd"])), ["odd skipped"]);
    assert_eq!(
        outcomes(&import(&site, &["odd", "--force"])),
        ["odd imported"]
    );
}

/// What a service hides of a room stays in its file as it is written, and in the state as it was applied.
#[test]
fn a_replaced_file_keeps_what_the_service_does_not_show() {
    let hidden = [
        "maxParticipants",
        "meetingJoinWebhook",
        "endMeetingAfterNoActivityInSec",
    ];
    let hide = hidden.map(|name| format!("hide={name}"));
    let site = Site::new(&hide.each_ref().map(String::as_str), &[]);
    let defaults = "endMeetingAfterNoActivityInSec: 600\n";
    site.scratch.write("rooms/_defaults.yaml", defaults);
    let hook = "meetingJoinWebhook: https://hooks.example/${env:ROOM_KEY}/x\n";
    let file = format!("privacy: private\nmaxParticipants: 5\n{hook}");
    site.scratch.write("rooms/a.yaml", &file);
    let variables = [("ROOM_KEY".to_owned(), "canary-key".to_owned())];
    let plan = [
        "plan",
        "--detailed-exitcode",
        "--live",
        "--rate",
        "unlimited",
    ];
    let drift = || {
        let args = ["drift", "--format", "json", "--rate", "unlimited"];
        let ran = site.run_with(&variables, &args);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let attributes = ran.json()["summary"]["attributes"].clone();
        attributes["managed"].as_u64().unwrap() - attributes["visible"].as_u64().unwrap()
    };
    let apply = ["apply", "--yes", "--rate", "unlimited"];
    assert_eq!(site.run_with(&variables, &apply).code, 0);
    assert_eq!(drift(), 3);
    for _ in 0..2 {
        let ran = import(&site, &["a", "--force"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let report = &ran.json()["rooms"][0];
        let message = report["message"].as_str().unwrap();
        assert!(
            message.contains("does not show it: maxParticipants, meetingJoinWebhook"),
            "{message}"
        );
        assert_eq!(report["variables"], serde_json::json!(["ROOM_KEY"]));
        let text = site.scratch.read("rooms/a.yaml");
        assert!(
            text.contains("maxParticipants: 5\n") && text.contains(hook),
            "{text}"
        );
        assert!(
            text.contains("# kept as it was: maxParticipants (the service does not show it)\n")
        );
        assert!(!text.contains("endMeeting"), "{text}");
        assert_eq!(drift(), 3);
        let ran = site.run_with(&variables, &plan);
        assert_eq!(ran.code, 0, "{}", ran.all());
    }

    // Without a file, what is lost is named.
    std::fs::remove_file(site.scratch.path("rooms/a.yaml")).unwrap();
    assert_eq!(import(&site, &["a", "--force"]).code, 0);
    let text = site.scratch.read("rooms/a.yaml");
    let why = "(it was applied, and the service does not show it)";
    assert!(
        text.contains(&format!("# not imported: maxParticipants {why}\n")),
        "{text}"
    );
}

#[test]
fn rooms_that_cannot_be_read_leave_nothing() {
    let site = Site::new(&[], &["redirect=method:GET,room:odd"]);
    populate(&site);
    let ran = import(&site, &["odd"]);
    assert_eq!(
        (ran.code, outcomes(&ran)),
        (6, vec!["odd unreadable".into()])
    );
    assert!(!site.scratch.path("rooms").exists());
    assert!(!site.scratch.path(".roomctl/state.json").exists());
    let ran = import(&site, &["odd", "stand-up"]);
    assert_eq!(ran.code, 5);
    assert!(!site.scratch.path("rooms/odd.yaml").exists());
    assert!(!site.scratch.read(".roomctl/state.json").contains("odd"));

    let site = Site::new(&["hide=privacy"], &[]);
    populate(&site);
    let ran = import(&site, &["stand-up"]);
    assert_eq!(
        (ran.code, outcomes(&ran)),
        (4, vec!["stand-up refused".into()])
    );
    assert!(ran.stdout.contains("`privacy`"), "{}", ran.stdout);
    assert!(!site.scratch.path("rooms").exists());
}

#[test]
fn a_crash_between_file_and_state_is_mended_by_the_next_run() {
    let site = Site::new(&[], &[]);
    populate(&site);
    assert_eq!(import(&site, &["stand-up", "odd"]).code, 0);
    std::fs::remove_file(site.scratch.path(".roomctl/state.json")).unwrap();
    let plan = site.run(&["plan", "--format", "json"]).json();
    assert_eq!(plan["summary"]["add"], 2);
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(ran.json()["receipts"][0]["action"], "adopt");
}

#[test]
fn a_list_of_a_round_length_is_doubted() {
    let site = Site::with_rooms(&[], &[], 0);
    site.existing(10);
    let ran = import(&site, &["--all"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.json()["warning"]
            .as_str()
            .unwrap()
            .contains("exactly 10 rooms")
    );
    let text = site.run(&["import", "--all", "--force", "--rate", "unlimited"]);
    assert!(
        text.stdout.contains("Import: 10 rooms imported."),
        "{}",
        text.stdout
    );
}

#[cfg(unix)]
#[test]
fn links_are_not_written_through() {
    let site = Site::new(&[], &[]);
    populate(&site);
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(site.scratch.path("rooms")).unwrap();
    std::os::unix::fs::symlink(outside.path(), site.scratch.path("rooms/team")).unwrap();
    let ran = site.run(&["import", "odd", "--dir", "team", "--format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    // A program that asked for a report gets one: of what is wrong with the files.
    check("validate", &ran.json());
    assert_eq!(ran.json()["findings"][0]["rule"], "link");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn the_workflow_that_applies_gets_the_secrets_of_imported_rooms() {
    let site = Site::new(&[], &[]);
    populate(&site);
    let workflow = ".github/workflows/apply.yml";
    site.scratch.run(&["init"]);
    let ran = import(&site, &["--all"]);
    let text = site.scratch.read(workflow);
    let variables = ran.json()["variables"].clone();
    let variables = variables.as_array().unwrap();
    assert!(variables.len() > 3, "{}", ran.all());
    for variable in variables {
        let name = variable.as_str().unwrap();
        let line = format!("{name}: ${{{{ secrets.{name} }}}}\n");
        assert!(text.contains(&line), "{text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn after_an_import_there_is_nothing_to_do() {
        for personality in PERSONALITIES {
            let site = Site::new(personality, &[]);
            populate(&site);
            let ran = import(&site, &["--all"]);
            assert_eq!(ran.code, 0, "{personality:?}: {}", ran.all());
            let count = ran.json()["summary"]["imported"].as_u64().unwrap();
            let expected = if personality.contains(&"list-limit=2") {
                2
            } else {
                5
            };
            assert_eq!(count, expected, "{personality:?}: {}", ran.all());

            let known = variables(&site, &ran);
            for variables in [&known[..], &[]] {
                let plan = site.run_with(variables, &["plan", "--detailed-exitcode"]);
                assert_eq!(plan.code, 0, "{personality:?}: {}", plan.all());
                let live = [
                    "plan",
                    "--live",
                    "--rate",
                    "unlimited",
                    "--detailed-exitcode",
                ];
                let plan = site.run_with(variables, &live);
                assert_eq!(plan.code, 0, "{personality:?}: {}", plan.all());
                let applied = site.run_with(variables, &["apply", "--yes", "--rate", "unlimited"]);
                assert_eq!(applied.code, 0, "{personality:?}: {}", applied.all());
                let drift = site.run_with(variables, &["drift", "--rate", "unlimited"]);
                assert_eq!(drift.code, 0, "{personality:?}: {}", drift.all());
            }
            assert_eq!(site.writes(), 0, "{personality:?}");
            site.check_files();

            // Again: everything is managed, and nothing moves.
            let files = site.scratch.files();
            let again = import(&site, &["--all"]);
            assert_eq!(again.code, 0);
            assert_eq!(again.json()["summary"]["skipped"], count);
            for (path, bytes) in files {
                assert!(std::fs::read(&path).unwrap() == bytes, "{}", path.display());
            }
        }
    }
}
