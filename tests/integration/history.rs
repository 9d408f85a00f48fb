//! `state history` and `state pull --version-id`, against stores of our own that answer as each cloud documents it. `remote` asks servers of others.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::bucket::Listening;
use crate::common::{Ran, Scratch};
use crate::hostile_service::answer;
use crate::schemas::check;

/// A store that answers as it is told to, and what it was asked: first line and headers of each request.
struct Store {
    listening: Listening,
    asked: Arc<Mutex<Vec<String>>>,
    scratch: Scratch,
}

impl Store {
    fn new(answered: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let theirs = asked.clone();
        let listening = Listening::new(move |asked| {
            let answered = answered(asked.first_line());
            theirs.lock().unwrap().push(asked.head);
            answered
        });
        let scratch = Scratch::new();
        Self {
            listening,
            asked,
            scratch,
        }
    }

    fn run(&self, place: &str, args: &[&str]) -> Ran {
        self.run_by(
            &["AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5LWF6dXJl"],
            place,
            args,
        )
    }

    /// The same with this variable for Azure.
    fn run_by(&self, [name, value]: &[&str; 2], place: &str, args: &[&str]) -> Ran {
        let base = format!("http://127.0.0.1:{}", self.listening.port);
        let account = json!({"disable_oauth": true, "client_email": "", "private_key": "canary-key", "private_key_id": ""});
        let mut command = self
            .scratch
            .command(&[&["--state", place, "--app", "acme", "-vvv"], args].concat());
        command.envs([
            ("AWS_ACCESS_KEY_ID", "made-up"),
            ("AWS_SECRET_ACCESS_KEY", "canary-s3"),
            ("AWS_SESSION_TOKEN", "canary-session"),
            ("AWS_ENDPOINT_URL", &base),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            (*name, *value),
            ("AZURE_STORAGE_ENDPOINT", &format!("{base}/account")),
            ("GOOGLE_BASE_URL", &base),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", &account.to_string()),
        ]);
        let ran: Ran = command.output().unwrap().into();
        for secret in ["canary", "Y2FuYXJ5", "Signature", "SharedKey"] {
            assert!(
                !ran.all().contains(secret),
                "{place} {args:?}: {}",
                ran.all()
            );
        }
        ran
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }
}

fn state(serial: u64, rooms: &[&str]) -> Vec<u8> {
    let rooms = rooms
        .iter()
        .map(|room| (*room, json!({"settings": {"privacy": "private"}})));
    let rooms = rooms.collect::<std::collections::BTreeMap<_, _>>();
    let state =
        json!({"version": 2, "lineage": "7f0c", "serial": serial, "app": "acme", "rooms": rooms});
    object(&state.to_string())
}

fn object(text: &str) -> Vec<u8> {
    let headers = "ETag: \"x\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    answer(200, "application/json", headers, text)
}

fn xml(body: &str) -> Vec<u8> {
    answer(
        200,
        "application/xml",
        "",
        &format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"),
    )
}

fn missing() -> Vec<u8> {
    answer(
        404,
        "application/xml",
        "",
        "<Error><Code>NoSuchVersion</Code><Message>No.</Message></Error>",
    )
}

/// Two versions that can be read, one that cannot, and one of something else.
fn s3(asked: &str) -> Vec<u8> {
    let version = |key: &str, id: &str, hour: u8| {
        format!(
            "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>false</IsLatest><LastModified>2026-11-27T0{hour}:00:00.000Z</LastModified></Version>"
        )
    };
    if asked.contains("key-marker=rooms%2Fstate.json&version-id-marker=v2") {
        let (first, other) = (
            version("rooms/state.json", "v1", 6),
            version("rooms/state.json.lock", "v9", 9),
        );
        return xml(&format!(
            "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>rooms/state.json.lock</NextKeyMarker><NextVersionIdMarker>v9</NextVersionIdMarker>{first}{other}</ListVersionsResult>"
        ));
    }
    if asked.starts_with("GET /bucket/?versions=&prefix=rooms%2Fstate.json&") {
        let marker =
            "<DeleteMarker><Key>rooms/state.json</Key><VersionId>d1</VersionId></DeleteMarker>";
        let (third, second) = (
            version("rooms/state.json", "v3", 8),
            version("rooms/state.json", "v2", 7),
        );
        return xml(&format!(
            "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>rooms/state.json</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>{third}{marker}{second}</ListVersionsResult>"
        ));
    }
    read(
        asked,
        "/bucket/rooms/state.json?versionId=",
        ["v1", "v2", "v3"],
    )
}

fn azure(asked: &str) -> Vec<u8> {
    if asked.contains(
        "/account/bucket?restype=container&comp=list&include=versions&prefix=rooms%2Fstate.json",
    ) {
        let blob = |name: &str, id: &str, hour: u8| {
            format!(
                "<Blob><Name>{name}</Name><VersionId>{id}</VersionId><Properties><Last-Modified>Fri, 27 Nov 2026 0{hour}:00:00 GMT</Last-Modified><Etag>x</Etag></Properties></Blob>"
            )
        };
        let blobs = [1, 2, 3]
            .map(|n| blob("rooms/state.json", AZURE[n - 1], n as u8 + 5))
            .concat();
        let other = blob("rooms/state.json.lock", "2026-11-27T09:00:00.0000000Z", 9);
        return xml(&format!(
            "<EnumerationResults><Blobs>{blobs}{other}</Blobs><NextMarker /></EnumerationResults>"
        ));
    }
    read(
        asked,
        "/account/bucket/rooms/state.json?versionid=",
        AZURE.map(|id| id.replace(':', "%3A")),
    )
}

const AZURE: [&str; 3] = [
    "2026-11-27T06:00:00.0000000Z",
    "2026-11-27T07:00:00.0000000Z",
    "2026-11-27T08:00:00.0000000Z",
];

fn google(asked: &str) -> Vec<u8> {
    if asked.starts_with("GET /storage/v1/b/bucket/o?versions=true&prefix=rooms%2Fstate.json&") {
        let object = |name: &str, id: &str, hour: u8| json!({"name": name, "generation": id, "timeCreated": format!("2026-11-27T0{hour}:00:00.000Z")});
        let page = match asked.contains("pageToken=there") {
            false => {
                json!({"nextPageToken": "there", "items": [object("rooms/state.json", "998", 6), object("rooms/state.json", "999", 7)]})
            }
            true => {
                json!({"nextPageToken": "further", "items": [object("rooms/state.json", "1000", 8), object("rooms/state.json.lock", "1001", 9)]})
            }
        };
        return answer(200, "application/json", "", &page.to_string());
    }
    read(
        asked,
        "/bucket/rooms%2Fstate%2Ejson?generation=",
        ["998", "999", "1000"],
    )
}

/// What was saved first, then, and now; the one in between is of a newer program or, in Azure's, encrypted for somebody else.
fn read<T: AsRef<str>>(asked: &str, path: &str, ids: [T; 3]) -> Vec<u8> {
    let is = |id: &T| asked.contains(&format!("{path}{} ", id.as_ref()));
    match ids.iter().position(is) {
        Some(0) => state(40, &["all-hands", "stand-up"]),
        Some(1) if asked.contains("versionid=") => object("-----BEGIN AGE ENCRYPTED FILE-----\n"),
        Some(1) => object(r#"{"version": 99}"#),
        Some(2) => state(42, &["stand-up"]),
        _ => missing(),
    }
}

type Answers = fn(&str) -> Vec<u8>;
const STORES: [(&str, Answers, [&str; 3], &str); 3] = [
    (
        "s3://bucket/rooms/state.json",
        s3,
        ["v3", "v2", "v1"],
        "X-Amz-Signature=",
    ),
    (
        "az://bucket/rooms/state.json",
        azure,
        [AZURE[2], AZURE[1], AZURE[0]],
        "authorization: SharedKey account:",
    ),
    (
        "gs://bucket/rooms/state.json",
        google,
        ["1000", "999", "998"],
        "authorization: Bearer",
    ),
];

#[test]
fn versions_are_listed_newest_first_and_each_can_be_pulled() {
    for (place, answers, [third, second, first], authorized) in STORES {
        let store = Store::new(answers);
        let ran = store.run(place, &["state", "history", "--format", "json"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
        let report = ran.json();
        check("state-history", &report);
        assert_eq!(report["kept"], 3, "{place}: {report}");
        let versions = json!([
            {"version": third, "saved": "2026-11-27T08:00:00Z", "serial": 42, "rooms": 1},
            {"version": second, "saved": "2026-11-27T07:00:00Z", "serial": null, "rooms": null,
             "unreadable": report["versions"][1]["unreadable"]},
            {"version": first, "saved": "2026-11-27T06:00:00Z", "serial": 40, "rooms": 2},
        ]);
        assert_eq!(report["versions"], versions, "{place}");
        let why = report["versions"][1]["unreadable"].as_str().unwrap();
        let expected =
            ["use a newer roomctl", "the encrypted state"][usize::from(place.starts_with("az:"))];
        assert!(why.contains(expected), "{place}: {why}");
        assert!(
            store.asked().contains(authorized),
            "{place}: {}",
            store.asked()
        );

        let ran = store.run(place, &["state", "history", "--limit", "1"]);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{place}: {}", ran.all());
        assert!(
            lines[0].starts_with("  serial 42  1 room  2026-11-27 08:00 UTC, ")
                && lines[0].ends_with(third),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with("1 of 3 versions, newest first."),
            "{}",
            lines[1]
        );

        let ran = store.run(place, &["state", "pull", "--version-id", first]);
        assert_eq!(
            (ran.code, &ran.json()["serial"]),
            (0, &json!(40)),
            "{place}: {}",
            ran.all()
        );
        let ran = store.run(place, &["state", "pull", "--version-id", second]);
        assert_eq!((ran.code, &*ran.stdout), (7, ""), "{place}: {}", ran.all());
        let ran = store.run(place, &["state", "pull", "--version-id", "none-such"]);
        assert_eq!(ran.code, 7, "{place}: {}", ran.all());
        assert!(
            ran.stderr.contains("there is no version `none-such`"),
            "{place}: {}",
            ran.all()
        );
    }
}

#[test]
fn a_store_that_keeps_none_is_told_how_it_would() {
    let s3: Answers = |asked| match asked.contains("versions=") {
        true => xml(
            "<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>rooms/state.json</Key><VersionId>null</VersionId><LastModified>2026-11-27T06:00:00.000Z</LastModified></Version></ListVersionsResult>",
        ),
        false if asked.contains(".lock") => missing(),
        false => state(1, &[]),
    };
    let azure: Answers = |asked| match asked.contains("comp=list") {
        true => xml(
            "<EnumerationResults><Blobs><Blob><Name>rooms/state.json</Name><Properties><Last-Modified>Fri, 27 Nov 2026 06:00:00 GMT</Last-Modified></Properties></Blob></Blobs><NextMarker /></EnumerationResults>",
        ),
        false if asked.contains(".lock") => missing(),
        false => state(1, &[]),
    };
    for (place, answers, how) in [
        (
            STORES[0].0,
            s3,
            "aws s3api put-bucket-versioning --bucket bucket",
        ),
        (STORES[1].0, azure, "--enable-versioning true"),
    ] {
        let ran = Store::new(answers).run(place, &["state", "history"]);
        assert_eq!((ran.code, &*ran.stdout), (7, ""), "{place}: {}", ran.all());
        assert!(
            ran.stderr.contains("no versions are kept") && ran.stderr.contains(how),
            "{}",
            ran.all()
        );
    }
    // Of Google's, that cannot be told from a state that was saved once.
    let google: Answers = |asked| match asked.contains("versions=true") {
        true => answer(
            200,
            "application/json",
            "",
            r#"{"items": [{"name": "rooms/state.json", "generation": "7", "timeCreated": "2026-11-27T06:00:00Z"}]}"#,
        ),
        false if asked.contains(".lock") => missing(),
        false => state(1, &[]),
    };
    let ran = Store::new(google).run(STORES[2].0, &["state", "history"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains("note: either the state was saved once")
            && ran.stderr.contains("gs://bucket --versioning"),
        "{}",
        ran.all()
    );
}

#[test]
fn what_a_store_answers_instead_of_a_list_is_not_repeated() {
    for (place, ..) in STORES {
        for (status, body, words) in [
            (
                403,
                "<Error><Code>AccessDenied</Code><Message>No.\ncanary</Message><Token>canary</Token></Error>",
                "AccessDenied: No.",
            ),
            (403, r#"{"error": {"message": "canary"}}"#, "403"),
            (302, "canary", "302"),
            (200, "canary", "none that is documented"),
            (200, "<canary>", "none that is documented"),
        ] {
            let location = "Location: http://127.0.0.1:1/canary\r\n";
            let ran = Store::new(move |_| answer(status, "x", location, body))
                .run(place, &["state", "history"]);
            assert_eq!(
                (ran.code, &*ran.stdout),
                (7, ""),
                "{place} {status}: {}",
                ran.all()
            );
            assert!(
                ran.stderr.contains(words),
                "{place} {status}: {}",
                ran.all()
            );
        }
    }
}

#[test]
fn a_file_has_none_and_is_told_where_git_does() {
    let scratch = Scratch::new();
    for args in [
        &["state", "history"][..],
        &["state", "pull", "--version-id", "x"],
    ] {
        let ran = scratch.run(args);
        assert_eq!(
            (ran.code, &*ran.stdout),
            (64, ""),
            "{args:?}: {}",
            ran.all()
        );
        assert!(
            ran.stderr.contains("git log origin/roomctl-state"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn without_an_account_it_is_said_what_to_set() {
    let ran = Scratch::new().run(&["--state", STORES[1].0, "state", "list"]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    let words = "set AZURE_STORAGE_ACCOUNT_NAME";
    assert!(ran.stderr.contains(words), "{}", ran.all());
}

mod slow {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    /// A machine that takes connections, and never answers; and one that has no account.
    #[test]
    fn without_credentials_the_run_ends_soon_and_says_what_to_set() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = silent.local_addr().unwrap().to_string();
        let refusing = Store::new(|_| answer(404, "text/html", "", "canary"));
        let refusing = format!("127.0.0.1:{}", refusing.listening.port);
        for (place, variable) in [
            ("s3://bucket/state.json", "AWS_ACCESS_KEY_ID"),
            ("az://bucket/state.json", "AZURE_STORAGE_ACCOUNT_KEY"),
            ("gs://bucket/state.json", "GOOGLE_SERVICE_ACCOUNT"),
        ] {
            for machine in [&silent, &refusing] {
                let scratch = Scratch::new();
                let begun = Instant::now();
                let mut command =
                    scratch.command(&["--state", place, "--app", "acme", "state", "list"]);
                command.envs([
                    ("AWS_METADATA_ENDPOINT", format!("http://{machine}")),
                    ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
                    ("AZURE_MSI_ENDPOINT", format!("http://{machine}/token")),
                    ("GCE_METADATA_HOST", machine.clone()),
                    ("GCE_METADATA_IP", machine.clone()),
                ]);
                let ran: Ran = command.output().unwrap().into();
                let waited = begun.elapsed();
                assert_eq!(ran.code, 7, "{place}: {}", ran.all());
                assert!(
                    ran.stderr.contains(&format!("set {variable}")),
                    "{place}: {}",
                    ran.all()
                );
                assert!(!ran.all().contains("canary"), "{place}: {}", ran.all());
                assert!(waited < Duration::from_secs(12), "{place}: {waited:?}");
            }
        }
    }
}

/// It is a part of each address, and a server may repeat that.
#[test]
fn a_sas_token_is_in_nothing_that_is_printed() {
    let refusing = |asked: &str| {
        let said = asked.replace('&', "&amp;");
        let error = format!("<Error><Code>Denied</Code><Message>{said}</Message></Error>");
        answer(403, "application/xml", "", &error)
    };
    let token = [
        "AZURE_STORAGE_SAS_KEY",
        "sv=2022-11-02&sp=rw&sig=canary%2Bsas",
    ];
    for args in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["apply", "--yes"],
        &["state", "list"],
        &["state", "pull"],
        &["state", "history"],
        &["state", "pull", "--version-id", "v1"],
        &["state", "unlock", "--if-stale"],
    ] {
        let store = Store::new(refusing);
        store.scratch.write("rooms/tea.yaml", "privacy: private\n");
        let ran = store.run_by(&token, "az://bucket/rooms/state.json", args);
        assert_eq!(ran.code, 7, "{args:?}: {}", ran.all());
        assert!(
            store.asked().contains("sig=canary"),
            "{args:?}: {}",
            store.asked()
        );
    }
}
