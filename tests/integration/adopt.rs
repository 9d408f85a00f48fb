//! `adopt`: a change in the dashboard becomes an edit of the line that owns it, and of nothing else.

use serde_json::{Value, json};

use crate::common::Ran;
use crate::explained::git;
use crate::harness::Site;
use crate::schemas::check;

const DEFAULTS: &str =
    "# for all\nprivacy: 'private'  # nobody else\nendMeetingAfterNoActivityInSec: 1h30m\n";

const TEA: &str = "# tea\nmaxParticipants: 5  # chairs\n\n# until spring\nexpireUnixSec: \"2029-03-31T10:00:00+01:00\"\n";

const BOARD: &str = "maxParticipants: 9\nexpireUnixSec: 1869642000  # 2029-03-31T09:00:00Z\n";

/// Rooms below defaults, applied.
fn site(quirks: &[&str]) -> Site {
    let site = Site::new(quirks, &[]);
    for (file, text) in [
        ("_defaults", DEFAULTS),
        ("tea", TEA),
        ("team/board", BOARD),
        ("team/plain", "# nothing of its own\n"),
    ] {
        site.scratch.write(&format!("rooms/{file}.yaml"), text);
    }
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    site
}

fn adopt(site: &Site, more: &[&str]) -> Ran {
    let before = site.writes();
    let ran = site.run(&[&["adopt", "--rate", "unlimited"], more].concat());
    assert_eq!(site.writes(), before, "it only reads the service");
    ran
}

fn report(site: &Site, code: i32, more: &[&str]) -> Value {
    let ran = adopt(site, &[&["--format", "json"], more].concat());
    assert_eq!(ran.code, code, "{}", ran.all());
    let report = ran.json();
    check("adopt", &report);
    report
}

fn read(site: &Site, file: &str) -> String {
    site.scratch.read(&format!("rooms/{file}.yaml"))
}

/// What was not adopted, each with why.
fn left(report: &Value) -> Vec<String> {
    let left = report["left"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("*").to_owned();
    left.map(|one| {
        let parts = ["room", "attribute", "why", "message"].map(|key| text(&one[key]));
        parts.join(" ")
    })
    .collect()
}

fn is_empty(site: &Site) {
    let ran = site.run(&[
        "plan",
        "--live",
        "--detailed-exitcode",
        "--rate",
        "unlimited",
    ]);
    let drift = site.run(&["drift", "--rate", "unlimited"]);
    assert_eq!(
        (ran.code, drift.code),
        (0, 0),
        "{}{}",
        ran.all(),
        drift.all()
    );
}

#[test]
fn the_line_that_owns_it_is_edited_and_the_rest_stays() {
    let site = site(&[]);
    for (room, attribute, value) in [
        ("tea", "maxParticipants", json!(8)),
        ("tea", "expireUnixSec", json!(1_900_000_000)),
        ("board", "expireUnixSec", json!(1_900_000_000)),
        ("board", "privacy", json!("public")),
        ("plain", "endMeetingAfterNoActivityInSec", json!(7200)),
    ] {
        site.edit(room, attribute, value);
    }
    let ran = adopt(&site, &["--all-drift"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("Adopt: 5 adopted."), "{}", ran.stdout);
    assert_eq!(read(&site, "_defaults"), DEFAULTS);
    let tea = TEA
        .replace(": 5 ", ": 8 ")
        .replace("2029-03-31T10:00:00+01:00", "2030-03-17T18:46:40+01:00");
    assert_eq!(read(&site, "tea"), tea);
    assert_eq!(
        read(&site, "team/board"),
        "privacy: public\nmaxParticipants: 9\nexpireUnixSec: 1900000000  # 2030-03-17T17:46:40Z\n"
    );
    assert_eq!(
        read(&site, "team/plain"),
        "# nothing of its own\nendMeetingAfterNoActivityInSec: 7200\n"
    );
    let ran = site.run(&["plan", "--live", "--rate", "unlimited", "--format", "json"]);
    let changes = ran.json()["changes"].clone();
    let attributes = changes
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["attributes"].as_array().unwrap());
    let causes: Vec<&Value> = attributes.map(|one| &one["cause"]).collect();
    assert!(
        causes.iter().all(|cause| **cause == "converged"),
        "{}",
        ran.stdout
    );

    // A second time there is nothing to adopt, and the state learns of it without a write.
    let again = report(&site, 0, &["--all-drift"]);
    assert_eq!((&again["edits"], &again["left"]), (&json!([]), &json!([])));
    let again = report(&site, 0, &["tea.maxParticipants"]);
    assert_eq!(
        left(&again),
        ["tea maxParticipants left_alone its file says so already"]
    );
    let before = site.writes();
    assert_eq!(site.apply(&["--live"]).code, 0);
    assert_eq!(site.writes(), before);
    is_empty(&site);
    let again = report(&site, 0, &["tea.maxParticipants"]);
    assert_eq!(
        left(&again),
        ["tea maxParticipants left_alone it did not move on the service"]
    );
}

#[test]
fn a_default_is_edited_when_it_moves_no_other_room_or_when_that_is_asked_for() {
    let site = site(&[]);
    site.edit("tea", "privacy", json!("public"));
    let one = report(
        &site,
        0,
        &["tea", "--into", "default", "--patch", "a.patch"],
    );
    let edit = &one["edits"][0];
    assert_eq!(
        (&edit["file"], &edit["line"]),
        (&json!("rooms/_defaults.yaml"), &json!(2))
    );
    assert_eq!(
        (&edit["adopted"], &edit["moved"]),
        (&json!(["tea"]), &json!(["board", "plain"]))
    );
    let ran = adopt(&site, &["tea", "--into", "default", "--patch", "a.patch"]);
    assert!(
        ran.stdout
            .contains("privacy moves 2 other rooms: board, plain"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("no file was edited; `git apply a.patch` does that"),
        "{}",
        ran.stdout
    );
    assert_eq!(read(&site, "_defaults"), DEFAULTS);

    // A part of the rooms is looked at, and the defaults are for all.
    site.edit("board", "privacy", json!("public"));
    let part = report(
        &site,
        0,
        &[
            "--rooms",
            "rooms/team",
            "board",
            "--into",
            "default",
            "--patch",
            "a.patch",
        ],
    );
    assert_eq!(part["edits"][0]["moved"], json!(["plain", "tea"]));

    // Whoever else was moved to something else keeps it.
    site.edit("plain", "endMeetingAfterNoActivityInSec", json!(60));
    site.edit("tea", "endMeetingAfterNoActivityInSec", json!(120));
    let args = ["--all-drift", "--into", "default", "--patch", "a.patch"];
    let many = report(&site, 5, &args);
    assert_eq!(many["summary"]["refused"], 2, "{many}");
    assert!(
        left(&many)[0].contains("were moved to different values: --into room"),
        "{many}"
    );

    // All that have it from there were moved alike.
    for room in ["board", "plain", "tea"] {
        site.edit(room, "privacy", json!("public"));
        site.edit(room, "endMeetingAfterNoActivityInSec", json!(3600));
    }
    assert_eq!(report(&site, 0, &["--all-drift"])["summary"]["adopted"], 6);
    let expected = DEFAULTS.replace("private", "public").replace("1h30m", "1h");
    assert_eq!(read(&site, "_defaults"), expected);
    assert_eq!(read(&site, "tea"), TEA);
}

#[test]
fn git_makes_the_same_bytes_of_the_patch_from_wherever_it_was_written() {
    let patched = |here: &str, apply: bool| {
        let site = site(&[]);
        site.scratch
            .write("rooms/two words/odd.yaml", &TEA.replace('\n', "\r\n"));
        site.scratch
            .write("rooms/two words/end.yaml", "enableChat: true");
        assert_eq!(site.apply(&[]).code, 0);
        site.scratch.write("roomctl.yaml", "app: acme\n");
        git(&site, &["init", "-q"]);
        for room in ["tea", "odd"] {
            site.edit(room, "maxParticipants", json!(6));
        }
        site.edit("end", "maxParticipants", json!(6));
        site.edit("end", "enableChat", json!(false));
        let here = site.scratch.path(here);
        let here = here.to_str().unwrap();
        match apply {
            false => assert_eq!(adopt(&site, &["-C", here, "--all-drift"]).code, 0),
            true => {
                let ran = adopt(&site, &["-C", here, "--all-drift", "--patch", "-"]);
                assert_eq!(ran.code, 0, "{}", ran.all());
                assert!(ran.stderr.contains("3 adopted"), "{}", ran.stderr);
                site.scratch.write("a.patch", &ran.stdout);
                git(&site, &["apply", "a.patch"]);
            }
        }
        let files = ["tea", "two words/odd", "two words/end"];
        files.map(|file| read(&site, file))
    };
    let edited = patched("", false);
    assert_ne!(edited[1], TEA);
    assert_eq!(patched("", true), edited);
    assert_eq!(patched("rooms/team", true), edited);
}

#[test]
fn what_no_file_can_say_is_told() {
    let site = site(&["hide=enableChat"]);
    let hook = "meetingEndedWebhook: ${env:ROOM_HOOK}\nenableChat: true\ncompositionLayout: grid\nenableComposition: true\njoinAudioOn: true\njoinVideoOn: true\n";
    site.scratch.write("rooms/odd.yaml", hook);
    let hook = [(
        "ROOM_HOOK".to_owned(),
        "https://a.example/canary".to_owned(),
    )];
    let args = ["apply", "--yes", "--rate", "unlimited"];
    assert_eq!(site.run_with(&hook, &args).code, 0);
    site.scratch.write(
        "mutes.yaml",
        "mutes:\n  - {room: odd, attribute: joinAudioOn, reason: fair, until: 2100-01-01}\n",
    );
    site.edit(
        "odd",
        "meetingEndedWebhook",
        json!("https://b.example/canary"),
    );
    site.edit("odd", "compositionLayout", json!("broadcaster"));
    site.edit("odd", "maxParticipants", json!(3));
    for flag in ["joinAudioOn", "joinVideoOn"] {
        site.edit("odd", flag, json!(false));
    }
    let odd = site.scratch.read("rooms/odd.yaml");
    site.scratch.write(
        "rooms/odd.yaml",
        &odd.replace("joinVideoOn: true", "joinVideoOn: true\nautoJoin: true"),
    );
    let told = report(&site, 5, &["odd"]);
    assert_eq!(
        told["summary"],
        json!({"adopted": 1, "moved": 0, "left_alone": 1, "refused": 2, "unreadable": 0})
    );
    let ran = adopt(&site, &["odd", "odd.enableChat", "odd.autoJoin"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    let told = report(
        &site,
        4,
        &[
            "odd.meetingEndedWebhook",
            "odd.compositionLayout",
            "odd.enableChat",
            "odd.joinAudioOn",
            "odd.autoJoin",
        ],
    );
    assert_eq!(
        left(&told),
        [
            "odd joinAudioOn left_alone a mute accepts it as it is; take the mute out to adopt it",
            "odd autoJoin refused the file moved, and not the service: `roomctl apply` sends it",
            "odd compositionLayout refused no file can say so: the service reports a value that is not documented",
            "odd enableChat refused the service does not show it",
            "odd meetingEndedWebhook refused it is a secret, and a file only names the variable that holds it: change that one",
        ]
    );
    // Nobody declared it; by name it gets a line.
    assert_eq!(
        report(&site, 0, &["odd.maxParticipants"])["edits"][0]["line"],
        Value::Null
    );
    assert!(
        read(&site, "odd").starts_with("meetingEndedWebhook"),
        "{}",
        read(&site, "odd")
    );
}

#[test]
fn a_file_that_moved_too_gives_way_only_by_name() {
    let site = site(&[]);
    site.edit("tea", "maxParticipants", json!(8));
    site.scratch.write("rooms/tea.yaml", &TEA.replace('5', "7"));
    let told = report(&site, 4, &["--all-drift"]);
    assert_eq!(
        left(&told),
        [
            "tea maxParticipants refused the file moved, too: `roomctl adopt tea.maxParticipants` takes what the service shows"
        ]
    );
    assert_eq!(
        report(&site, 0, &["tea.maxParticipants"])["edits"][0]["before"],
        7
    );
    assert!(read(&site, "tea").contains("maxParticipants: 8  # chairs"));
}

#[test]
fn rooms_that_are_not_what_they_were_are_told() {
    let site = site(&[]);
    site.edit("board", "maxParticipants", json!(3));
    std::fs::remove_file(site.scratch.path("rooms/team/board.yaml")).unwrap();
    site.simulator().with_world(|world| {
        world.archive("plain").unwrap();
        world.create(
            "theirs",
            [("privacy".to_owned(), json!("public"))].into(),
            0,
        );
    });
    let told = report(&site, 4, &["--all-drift"]);
    assert_eq!(
        left(&told),
        [
            "board * refused no file declares it; `roomctl import board --force` takes it over as it is",
            "plain * refused the service says that there is no such room; `roomctl apply` creates it again, or take its file out",
        ]
    );
    let ran = adopt(&site, &["theirs"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert!(
        ran.stderr.contains("`roomctl import theirs` takes it over"),
        "{}",
        ran.stderr
    );
    let ran = adopt(&site, &["tea.maxParticipant"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert!(
        ran.stderr.contains("did you mean `maxParticipants`?"),
        "{}",
        ran.stderr
    );
    site.simulator().with_world(|world| {
        world.archive("tea").unwrap();
        world.create("tea", [("privacy".to_owned(), json!("public"))].into(), 0);
    });
    let told = left(&report(&site, 4, &["tea"]));
    assert!(
        told[0].contains("recreated under its name; `roomctl import tea --force`"),
        "{told:?}"
    );
}

#[test]
fn what_breaks_a_rule_or_a_policy_is_left_out_and_the_rest_is_adopted() {
    let site = site(&[]);
    site.scratch.write(
        "roomctl.yaml",
        "policies:\n  - {id: small, rooms: tea, expression: 'room.maxParticipants <= 10', message: too large}\n",
    );
    site.edit("tea", "maxParticipants", json!(80));
    site.edit("tea", "expireUnixSec", json!(1_900_000_000));
    let told = report(&site, 5, &["tea"]);
    assert!(
        left(&told)[0].contains("not possible in rooms/tea.yaml: "),
        "{told}"
    );
    assert!(read(&site, "tea").contains("maxParticipants: 5 "));
    assert!(read(&site, "tea").contains("2030-03-17T18:46:40+01:00"));
}

#[test]
fn a_patch_shows_no_secret() {
    let site = site(&[]);
    let text = "privacy: private\nmaxParticipants: 5\nenableComposition: true\nenableRTMPOut: true\nrtmpOutURL: rtmp://a.example/canary\n";
    site.scratch.write("rooms/live.yaml", text);
    assert_eq!(site.apply(&[]).code, 0);
    site.edit("live", "maxParticipants", json!(6));
    let ran = adopt(&site, &["live", "--patch", "-"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("@@ -1,4 +1,4 @@"), "{}", ran.stdout);
    site.edit("live", "enableRTMPOut", json!(false));
    site.scratch.write("a.patch", "");
    let told = report(&site, 4, &["live", "--patch", "a.patch"]);
    assert!(
        left(&told)[0].contains("adopt it without --patch"),
        "{told}"
    );
    assert_eq!(site.scratch.read("a.patch"), "");
    assert_eq!(adopt(&site, &["live"]).code, 0);
    assert_eq!(
        read(&site, "live"),
        text.replace(": 5", ": 6")
            .replace("Out: true", "Out: false")
    );
    let refused = adopt(&site, &["live", "--patch", "rooms/tea.yaml"]);
    assert_eq!(refused.code, 64, "{}", refused.all());
}

/// A name of the state that leads to a room of which nothing shows that it is the one: what differs is nobody's move.
#[test]
fn nothing_is_adopted_from_a_room_that_is_only_claimed() {
    let site = Site::applied(&[], 1);
    let theirs = [("privacy".to_owned(), json!("public"))];
    site.simulator()
        .with_world(|world| world.create("others", theirs.into(), 1));
    assert_eq!(site.run(&["state", "mv", "room-00", "others"]).code, 0);
    let file = site.scratch.read("rooms/room-00.yaml");
    site.remove(0);
    site.scratch.write("rooms/others.yaml", &file);
    site.becomes("hide=_id");
    let why = "nothing shows that it is the room";
    for asked in ["others", "others.privacy", "--all-drift"] {
        let report = report(&site, 4, &[asked]);
        assert!(left(&report)[0].contains(why), "{report}");
    }
    assert_eq!(read(&site, "others"), file);
    let drift = site.run(&["drift", "--rate", "unlimited"]);
    assert_eq!(drift.code, 0, "{}", drift.all());
    assert!(drift.stdout.contains("pending") && drift.stdout.contains(why));
}
