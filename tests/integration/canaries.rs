//! Every secret that a run is given is marked, and every byte that it leaves is searched for the marks: of every command, in every form, with
//! all that can be logged, against a service that repeats what it was asked, or breaks.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use serde_json::json;

use crate::common::{Ran, root};
use crate::explained::git;
use crate::harness::{KEY, Site};
use crate::hostile_service::answer;
use crate::interrupts::signal;

/// Variables with a secret each, beside the account's key and what an encrypted state is read with.
const SECRETS: [(&str, &str); 7] = [
    (
        "ROOM_STREAM",
        "rtmp://live.example/app/canary-stream-5d81c0",
    ),
    ("ROOM_HOOK", "canary-hook-77b2e9"),
    ("AWS_SECRET_ACCESS_KEY", "canary-aws-1c40da"),
    // As long as those of the cloud, which are known by that.
    (
        "AWS_SESSION_TOKEN",
        "canary-session-9be712-FwoGZXIvYXdzEBYaDHh0b2tlbi1vZi1hLXNlc3Npb24",
    ),
    ("AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5LWF6dXJlLTMxZjBhYw=="),
    (
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        r#"{"disable_oauth": true, "client_email": "", "private_key_id": "", "private_key": "canary-google-e05b6f"}"#,
    ),
    ("METERED_SECRET_KEY_OTHER", "canary-stack-2a9f3e"),
];

/// What somebody set on the service, and none of our files or variables holds.
const MOVED: &str = "canary-moved-8e41d2";

/// What would give each of them away.
const MARKS: [&str; 10] = [
    KEY,
    MOVED,
    "canary-stream-5d81c0",
    "canary-hook-77b2e9",
    "canary-aws-1c40da",
    "canary-session-9be712",
    "Y2FuYXJ5LWF6dXJlLTMxZjBhYw",
    "canary-azure-31f0ac",
    "canary-google-e05b6f",
    "canary-stack-2a9f3e",
];

const FORMS: [&str; 8] = [
    "text", "json", "github", "markdown", "html", "sarif", "junit", "gitlab",
];

/// What the service does, beside answering.
const SERVICES: [&[&str]; 8] = [
    &[],
    &["reflect-key=method:PUT|POST"],
    &["reflect-key=method:GET"],
    &["redirect=share:50%"],
    &["html=share:50%"],
    &["500=room:tea,first:2"],
    &["truncated=share:50%", "wrong-name=share:20%"],
    &["drop-after=method:PUT|POST,first:1"],
];

/// Command lines, with the code of each where nothing goes wrong. `FORM` stands for each form in turn, `PLAIN` for those of
/// commands that have two, `TLS` for an address that promises TLS and has none.
const LINES: [(i32, &str); 48] = [
    (0, "init --app acme"),
    (0, "validate --format FORM"),
    (3, "validate --rooms broken --format FORM"),
    (0, "plan --format FORM"),
    (0, "plan --base HEAD --format FORM"),
    (0, "apply --yes --format json --audit-file audit.jsonl"),
    (0, "apply --yes --live --reassert --format FORM"),
    (0, "plan --live --format FORM --report-file report.json"),
    (0, "render report.json --format FORM"),
    (0, "plan --reassert --out plan.roomctl"),
    (0, "apply plan.roomctl --yes"),
    (0, "MOVE"),
    (0, "plan --live --format FORM"),
    (2, "drift --format FORM --metrics-file out.prom"),
    (2, "drift --seen-file seen.json --report-file drift.json"),
    (0, "render drift.json --format FORM"),
    (4, "adopt --all-drift --patch -"),
    (4, "adopt --all-drift --format PLAIN"),
    (0, "import --all --force --trace-file trace.json"),
    (0, "import --all --force --format PLAIN"),
    (0, "show stage --format PLAIN"),
    (0, "fmt --check"),
    (0, "fmt --diff"),
    (0, "state list --format PLAIN"),
    (0, "state show stage --format PLAIN"),
    (0, "state pull"),
    (0, "state push pulled.json"),
    (0, "state mv tea coffee"),
    (0, "state mv coffee tea"),
    (0, "state migrate elsewhere.json"),
    (0, "state forget tea --yes"),
    (64, "state history"),
    (0, "state unlock --if-stale"),
    (REKEYED, "state rekey"),
    (
        0,
        "probe --room probe-PLAIN --out service.json --format PLAIN",
    ),
    (0, "schema room"),
    (0, "completions bash"),
    (0, "man"),
    (0, "simulate --listen 127.0.0.1:0"),
    (64, "simulate --listen 192.0.2.1:1"),
    (6, "drift --base-url TLS"),
    (6, "apply --yes --live --base-url TLS --format json"),
    (6, "import --all --base-url TLS"),
    (6, "plan --config stacks.yaml --stack other --live"),
    (6, "apply --config stacks.yaml --stack other --yes --live"),
    (64, "plan --no-such-flag"),
    (0, "plan --sandbox"),
    (0, "apply --sandbox --yes"),
];

/// Command lines for a service, and stores, that answer everything with what they were asked.
const ECHOED: [&str; 12] = [
    "apply --yes --format PLAIN",
    "apply --yes --live",
    "drift --format PLAIN",
    "adopt --all-drift",
    "import --all",
    "plan --live",
    "probe --room probe-2 --out probed.json",
    "state list --state STORE",
    "state history --state STORE",
    "state pull --state STORE",
    "plan --state STORE",
    "apply --yes --state STORE",
];

#[cfg(feature = "remote-state")]
const STORES: [&str; 3] = [
    "s3://b/state.json",
    "az://b/state.json",
    "gs://b/state.json",
];
#[cfg(not(feature = "remote-state"))]
const STORES: [&str; 0] = [];

#[cfg(feature = "state-encryption")]
const REKEYED: i32 = 0;
#[cfg(not(feature = "state-encryption"))]
const REKEYED: i32 = 64;

/// A directory, what reads its state, and where everything that is asked is repeated.
struct Place {
    site: Site,
    identity: String,
    echo: String,
}

/// A text as it is, percent-encoded, and in base64 wherever it begins: without the digits that what is around it has a part in.
fn disguises(mark: &str) -> Vec<String> {
    let percent = |form: fn(u8) -> String| mark.bytes().map(form).collect();
    let base64 = (0..3).map(|before| {
        let digits = STANDARD.encode([" ".repeat(before).as_str(), mark].concat());
        digits[(before * 8).div_ceil(6)..(before + mark.len()) * 8 / 6].to_owned()
    });
    let plain = [
        mark.to_owned(),
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
    ];
    plain.into_iter().chain(base64).collect()
}

impl Place {
    /// A repository with rooms, and a git that notes what it is given.
    fn new(faults: &[&str], echo: String) -> Self {
        let site = Site::new(&[], faults);
        let (identity, encryption) = identity();
        let stage = "privacy: private\nenableComposition: true\nenableRTMPOut: true\nrtmpOutURL: ${env:ROOM_STREAM}\n\
             meetingEndedWebhook: https://hooks.example/${env:ROOM_HOOK}\n";
        let noting = format!(
            "#!/bin/sh\n{{ env; echo \"$@\"; }} >> '{}'\nPATH=${{PATH#*:}} exec git \"$@\"\n",
            site.scratch.path("children").display()
        );
        for (file, text) in [
            ("rooms/tea.yaml", "privacy: private\nmaxParticipants: 5\n"),
            ("rooms/stage.yaml", stage),
            (
                "broken/a.yaml",
                "privacy: ${env:ROOM_HOOK}\nmaxParticipants: ${env:ROOM_STREAM}\n",
            ),
            ("roomctl.yaml", &format!("app: acme\n{encryption}")),
            ("stacks.yaml", "app: acme\nstacks:\n  - name: other\n"),
            ("bin/git", &noting),
        ] {
            site.scratch.write(file, text);
        }
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(site.scratch.path("bin/git"), runs).unwrap();
        git(&site, &["init", "-q"]);
        git(&site, &["add", "rooms"]);
        git(&site, &["commit", "-qm", "rooms"]);
        Self {
            site,
            identity,
            echo,
        }
    }

    fn command(&self, line: &str, log: &[&str]) -> Command {
        let paths = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{paths}", self.site.scratch.path("bin").display());
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = self.site.command(&[&words, log].concat());
        let home = self.site.scratch.path("").display().to_string();
        command.envs(SECRETS).envs([
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("PATH", &path),
            ("HOME", &home),
            ("TMPDIR", &home),
            ("METERED_BASE_URL_OTHER", self.site.url()),
            ("ROOMCTL_STATE_IDENTITY", &self.identity),
            ("AWS_ACCESS_KEY_ID", "made-up"),
            ("AWS_ENDPOINT_URL", &self.echo),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ENDPOINT", &format!("{}/account", self.echo)),
            ("GOOGLE_BASE_URL", &self.echo),
        ]);
        command
    }

    fn run(&self, line: &str, number: usize) -> i32 {
        let log = match number % 2 {
            0 => &["-vvv"][..],
            _ => &["-vvv", "--log-format", "json"],
        };
        let ran: Ran = if line.starts_with("simulate --listen 127") {
            let mut command = self.command(line, log);
            let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = pipes.spawn().unwrap();
            let mut first = [0];
            child
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut first)
                .unwrap();
            // It listens to signals from a moment after this: one that comes before only ends it.
            std::thread::sleep(std::time::Duration::from_millis(50));
            signal(&child, "INT");
            child.wait_with_output().unwrap().into()
        } else {
            self.command(line, log).output().unwrap().into()
        };
        assert!(!ran.stderr.contains("panicked"), "{line}: {}", ran.all());
        self.search(&ran.all(), &format!("what `{line}` prints"));
        if line == "state pull" {
            let later = ran.stdout.replace("\"serial\": ", "\"serial\": 9");
            self.site.scratch.write("pulled.json", &later);
        }
        ran.code
    }

    /// The line in each of its forms.
    fn lines(&self, line: &str) -> Vec<String> {
        let mut all = vec![line.replace("TLS", &self.site.url().replace("http:", "https:"))];
        for (word, forms) in [
            ("FORM", &FORMS[..]),
            ("PLAIN", &FORMS[..2]),
            ("STORE", &STORES),
        ] {
            if line.contains(word) {
                let each = |line: &String| {
                    forms
                        .iter()
                        .map(|form| line.replace(word, form))
                        .collect::<Vec<_>>()
                };
                all = all.iter().flat_map(each).collect();
            }
        }
        let paced = ["apply", "drift", "adopt", "import", "probe"];
        if paced.iter().any(|command| line.starts_with(command)) {
            all.iter_mut()
                .for_each(|line| line.push_str(" --rate unlimited"));
        }
        all
    }

    fn search(&self, text: &str, whence: &str) {
        for mark in MARKS.into_iter().chain([&*self.identity]) {
            for disguised in disguises(mark) {
                assert!(!text.contains(&disguised), "{mark} is in {whence}:\n{text}");
            }
        }
    }

    fn search_files(&self) {
        for (path, bytes) in self.site.scratch.files() {
            self.search(
                &String::from_utf8_lossy(&bytes),
                &path.display().to_string(),
            );
        }
    }
}

#[cfg(feature = "state-encryption")]
fn identity() -> (String, String) {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let encryption = format!("state_encryption:\n  recipients: [\"{recipient}\"]\n");
    (identity.to_string().expose_secret().to_owned(), encryption)
}

#[cfg(not(feature = "state-encryption"))]
fn identity() -> (String, String) {
    ("AGE-SECRET-KEY-1CANARY4K2".to_owned(), String::new())
}

fn every_line(faults: &[&str]) {
    let place = Place::new(faults, "http://127.0.0.1:9".to_owned());
    for (number, (code, line)) in LINES.into_iter().enumerate() {
        if line == "MOVE" {
            // Where trouble kept the room from being made, nobody can move it.
            let moved = json!(format!("rtmp://live.example/app/{MOVED}"));
            let simulator = place.site.simulator();
            let _ = simulator.with_world(|world| world.edit("stage", "rtmpOutURL", moved));
            continue;
        }
        for line in place.lines(line) {
            let ended = place.run(&line, number);
            let fits = ended == code || ended == -1 && line.starts_with("simulate");
            assert!(fits || !faults.is_empty(), "{line}: {ended}");
        }
    }
    assert!(
        place.site.scratch.path("children").exists(),
        "a git was started"
    );
    place.search_files();
}

/// What was asked, up to its end.
fn asked(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    while !text.ends_with("\r\n\r\n") && reader.read_line(&mut text).is_ok_and(|read| read > 0) {
        let last = text.lines().last().unwrap_or_default().to_lowercase();
        let value = last.strip_prefix("content-length: ");
        length = value.map_or(length, |value| value.parse().unwrap());
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    text + &String::from_utf8_lossy(&body)
}

/// Repeats everything that it is asked, each time in another way.
fn repeated(number: usize, asked: &str) -> Vec<u8> {
    let url = asked.split(' ').nth(1).unwrap_or_default();
    let percent: String = asked.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let base64 = STANDARD.encode(asked);
    let room = json!({"roomName": "stage", "privacy": asked, "lang": url, "rtmpOutURL": base64, "_id": asked});
    let error = |text: &str| json!({"success": false, "message": text}).to_string();
    // A store's message is cut: the token begins before that, and ends after it.
    let token = asked.find("canary-session").unwrap_or(0);
    let said = asked.replace(['\r', '\n'], " ");
    let said = format!("{}{}", "so ".repeat(120), &said[token..]);
    let refusal = format!("<Error><Code>No</Code><Message>{said}</Message></Error>");
    let json = "application/json";
    match number % 8 {
        0 => answer(200, json, "", &json!([room]).to_string()),
        1 => answer(200, json, "", &room.to_string()),
        2 => answer(400, json, "", &error(asked)),
        3 => answer(400, json, "", &error(&base64)),
        4 => answer(403, "application/xml", "", &refusal),
        5 => answer(404, "text/plain", "", &percent),
        6 => answer(200, "text/html", "", &format!("<title>{asked}</title>")),
        _ => answer(
            302,
            json,
            &format!("Location: {url}&again=1\r\nX-Request-Id: {base64}\r\n"),
            asked,
        ),
    }
}

/// `from`: which of its answers comes first.
fn every_echo(from: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let echo = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            // The client may leave at any moment.
            let _ = stream.write_all(&repeated(from + number, &asked(&stream)));
        }
    });
    let place = Place::new(&[], echo.clone());
    for (number, line) in ECHOED.into_iter().enumerate() {
        for (form, line) in place.lines(line).into_iter().enumerate() {
            place.run(&format!("{line} --base-url {echo}"), number + form);
        }
    }
    place.search_files();
}

#[test]
fn a_service_that_answers_is_given_no_secret_away() {
    SERVICES[..2].iter().for_each(|faults| every_line(faults));
}

#[test]
fn nor_is_what_is_repeated_shown() {
    (0..2).for_each(every_echo);
}

/// The rest of both, which takes half a minute.
mod slow {
    use super::*;

    #[test]
    fn nor_does_trouble_bring_one_out() {
        SERVICES[2..].iter().for_each(|faults| every_line(faults));
    }

    #[test]
    fn nor_any_other_order_of_repeated_answers() {
        (2..8).for_each(every_echo);
    }
}

/// The commands below `command`, as its help has them.
fn commands(command: &[&str]) -> BTreeSet<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_roomctl"));
    let help = program
        .args(command)
        .arg("--help")
        .current_dir(root())
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let listed = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next();
    let lines = listed
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names
        .map(|name| [command, &[name]].concat().join(" "))
        .collect()
}

/// A command that is new is driven, too.
#[test]
fn every_command_is_driven() {
    for name in commands(&[]).into_iter().chain(commands(&["state"])) {
        let driven = LINES
            .iter()
            .any(|(_, line)| line.starts_with(&format!("{name} ")) || *line == name);
        assert!(driven || name == "state", "`{name}` is not driven");
    }
}
