//! Every secret that a run is given is marked, and every byte that it leaves is searched for the marks: of every command, in every form, with
//! all that can be logged, against a service that repeats what it was asked, or breaks.

use std::collections::BTreeSet;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::{Ran, root};
use crate::harness::{KEY, Site};

/// Variables with a secret each, beside the account's key.
const SECRETS: [(&str, &str); 8] = [
    (
        "ROOM_STREAM",
        "rtmp://live.example/app/canary-stream-5d81c0",
    ),
    ("ROOM_HOOK", "canary-hook-77b2e9"),
    ("AWS_SECRET_ACCESS_KEY", "canary-aws-1c40da"),
    ("AWS_SESSION_TOKEN", "canary-session-9be712"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5LWF6dXJlLTMxZjBhYw=="),
    (
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "{\"private_key\": \"canary-google-e05b6f\"}",
    ),
    ("ROOMCTL_STATE_IDENTITY", "AGE-SECRET-KEY-1CANARY4K2"),
    ("METERED_SECRET_KEY_OTHER", "canary-stack-2a9f3e"),
];

/// What would give each of them away.
const MARKS: [&str; 9] = [
    KEY,
    "canary-stream-5d81c0",
    "canary-hook-77b2e9",
    "canary-aws-1c40da",
    "canary-session-9be712",
    "Y2FuYXJ5LWF6dXJlLTMxZjBhYw",
    "canary-google-e05b6f",
    "AGE-SECRET-KEY-1CANARY4K2",
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

/// The command lines; `FORM` stands for each form in turn.
const LINES: [&[&str]; 32] = [
    &["init", "--app", "acme"],
    &["validate", "--format", "FORM"],
    &["plan", "--format", "FORM"],
    &["plan", "--base", "HEAD"],
    &[
        "apply",
        "--yes",
        "--format",
        "json",
        "--audit-file",
        "audit.jsonl",
    ],
    &[
        "plan",
        "--live",
        "--format",
        "FORM",
        "--report-file",
        "report.json",
    ],
    &["render", "report.json", "--format", "FORM"],
    &["plan", "--reassert", "--out", "plan.roomctl"],
    &["apply", "plan.roomctl", "--yes"],
    &["apply", "--yes", "--live", "--reassert"],
    &[
        "drift",
        "--format",
        "FORM",
        "--metrics-file",
        "out.prom",
        "--seen-file",
        "seen.json",
    ],
    &["adopt", "--all-drift", "--patch", "-"],
    &["import", "--all", "--force", "--trace-file", "trace.json"],
    &["show", "stage"],
    &["show", "stage", "--format", "json"],
    &["fmt", "--check"],
    &["fmt", "--diff"],
    &["state", "list"],
    &["state", "show", "stage"],
    &["state", "show", "stage", "--format", "json"],
    &["state", "pull"],
    &["state", "mv", "tea", "coffee"],
    &["state", "mv", "coffee", "tea"],
    &["state", "history"],
    &["state", "unlock", "--if-stale"],
    &["probe", "--room", "probe-1", "--out", "service.json"],
    &["schema", "room"],
    &["completions", "bash"],
    &["man"],
    &["simulate", "--listen", "192.0.2.1:1"],
    &["drift", "--base-url", "https://127.0.0.1:9"],
    &[
        "plan",
        "--state",
        "s3://bucket/state.json",
        "--no-such-flag",
    ],
];

/// A mark as it is, percent-encoded, and in base64.
fn disguises(mark: &str) -> [String; 3] {
    let percent: String = mark.bytes().map(|byte| format!("%{byte:02X}")).collect();
    [
        mark.to_owned(),
        percent,
        STANDARD.encode(mark).trim_end_matches('=').to_owned(),
    ]
}

fn search(text: &str, whence: &str) {
    for mark in MARKS {
        for disguised in disguises(mark) {
            assert!(!text.contains(&disguised), "{mark} is in {whence}:\n{text}");
        }
    }
}

/// A repository with rooms, and a git that notes what it is given.
fn site(faults: &[&str]) -> Site {
    let site = Site::new(&[], faults);
    site.scratch
        .write("rooms/tea.yaml", "privacy: private\nmaxParticipants: 5\n");
    site.scratch.write(
        "rooms/stage.yaml",
        "privacy: private\nenableComposition: true\nenableRTMPOut: true\nrtmpOutURL: ${env:ROOM_STREAM}\n\
         meetingEndedWebhook: https://hooks.example/${env:ROOM_HOOK}\n",
    );
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t.example"]);
        let done = command
            .args(args)
            .current_dir(site.scratch.path(""))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    git(&["init", "-q"]);
    git(&["add", "rooms"]);
    git(&["commit", "-qm", "rooms"]);
    let noting = format!(
        "#!/bin/sh\n{{ env; echo \"$@\"; }} >> '{}'\nPATH=${{PATH#*:}} exec git \"$@\"\n",
        site.scratch.path("children").display()
    );
    site.scratch.write("bin/git", &noting);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(site.scratch.path("bin/git"), runs).unwrap();
    }
    site
}

fn run(site: &Site, line: &[&str], log: &[&str]) {
    let paths = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{paths}", site.scratch.path("bin").display());
    let mut command = site.command(&[line, log].concat());
    command
        .envs(SECRETS)
        .env("RUST_LOG", "trace")
        .env("PATH", path)
        .env("METERED_SECRET_KEY", KEY);
    let ran: Ran = command.output().unwrap().into();
    assert!(!ran.stderr.contains("panicked"), "{line:?}: {}", ran.all());
    search(&ran.all(), &format!("what {line:?} prints"));
}

fn every_line(faults: &[&str]) {
    let site = site(faults);
    let rated = ["apply", "drift", "adopt", "import", "probe"];
    for (number, line) in LINES.iter().enumerate() {
        let forms = if line.contains(&"FORM") {
            &FORMS[..]
        } else {
            &FORMS[..1]
        };
        for form in forms {
            let mut line: Vec<&str> = line
                .iter()
                .map(|word| if *word == "FORM" { *form } else { *word })
                .collect();
            if rated.contains(&line[0]) {
                line.extend(["--rate", "unlimited"]);
            }
            let log: &[&str] = match number % 2 {
                0 => &["-vvv"],
                _ => &["-vvv", "--log-format", "json"],
            };
            run(&site, &line, log);
        }
    }
    assert!(site.scratch.path("children").exists(), "a git was started");
    for (path, bytes) in site.scratch.files() {
        search(
            &String::from_utf8_lossy(&bytes),
            &path.display().to_string(),
        );
    }
}

#[test]
fn a_service_that_answers_is_given_no_secret_away() {
    SERVICES[..3].iter().for_each(|faults| every_line(faults));
}

#[test]
fn nor_is_one_in_trouble() {
    SERVICES[3..].iter().for_each(|faults| every_line(faults));
}

/// A command that is new is driven, too.
#[test]
fn every_command_is_driven() {
    let help = Command::new(env!("CARGO_BIN_EXE_roomctl"))
        .arg("--help")
        .current_dir(root())
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let commands = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let commands = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let commands: BTreeSet<&str> = commands.filter(|name| *name != "help").collect();
    let driven: BTreeSet<&str> = LINES.iter().map(|line| line[0]).collect();
    assert_eq!(driven, commands);
}
