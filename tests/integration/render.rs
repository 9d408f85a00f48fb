//! Reports in every form: the same from a run as from its JSON, and inert whatever is in them.

use serde_json::{Value, json};

use crate::common::{Ran, Scratch};
use crate::harness::Site;

const NOW: &str = "2026-11-24T09:00:00Z";
const FORMS: [&str; 8] = [
    "text", "json", "markdown", "html", "github", "gitlab", "sarif", "junit",
];

/// What somebody could write to get out of each form.
const HOSTILE: &str = "```\n::set-output name=x::y\r\n%0A::error::z</details></code></script><script>alert(1)</script><img src=x>\u{202e}@all #1 |--> [x](http://evil.example) **b** \u{1b}[31m";

fn render(scratch: &Scratch, file: &str, form: &str) -> Ran {
    scratch.run(&["render", file, "--format", form, "--now", NOW])
}

/// A plan and an apply whose every text is hostile.
fn hostile_reports() -> [Value; 2] {
    let attribute = json!({"name": HOSTILE, "before": HOSTILE, "after": HOSTILE, "live": HOSTILE,
        "unknown": false, "cause": "drift", "file": HOSTILE, "line": 1, "explanation": null,
        "sensitive": true, "secret": {"address": HOSTILE, "variables": [HOSTILE]}, "unconfirmed": false});
    let state = json!({"lineage": HOSTILE, "serial": 1});
    let counts = json!({"add": 0, "create": 0, "adopt": 0, "update": 1, "archive": 0, "orphan": 0,
        "unchanged": 0, "unreadable": 1});
    let plan = json!({"format_version": "1.0", "kind": "plan", "app": HOSTILE, "state": state,
        "summary": counts, "forecast": {"requests": 1, "seconds": 1.0, "rate": HOSTILE},
        "changes": [{"room": HOSTILE, "action": "update", "file": HOSTILE, "line": 1,
            "effects": ["privacy-widened"], "attributes": [attribute], "explanation": null, "digest": "x"}],
        "unreadable": [{"room": HOSTILE, "file": HOSTILE, "message": HOSTILE}],
        "undeclared": [], "guard": HOSTILE, "needs": [HOSTILE]});
    let receipt = json!({"room": HOSTILE, "action": "update", "outcome": "refused", "attempts": 1,
        "http_status": 400, "message": HOSTILE, "unobservable": [HOSTILE],
        "overridden": [{"name": HOSTILE, "sent": HOSTILE, "got": HOSTILE}]});
    let apply = json!({"format_version": "1.0", "kind": "apply", "app": HOSTILE, "state": state,
        "summary": {"confirmed": 0, "overridden": 0, "refused": 1, "unknown": 0, "skipped": 0},
        "stopped": HOSTILE, "receipts": [receipt]});
    [plan, apply]
}

#[test]
fn hostile_content_is_inert_in_every_form() {
    let scratch = Scratch::new();
    for report in hostile_reports() {
        scratch.write("report.json", &report.to_string());
        for form in ["markdown", "html", "github", "text"] {
            let ran = render(&scratch, "report.json", form);
            assert_eq!(ran.code, 0, "{}", ran.all());
            let text = ran.stdout;
            let told = format!("{form}: {text}");
            assert!(!text.contains(['\u{202e}', '\u{1b}', '\r']), "{told}");
            match form {
                "markdown" => markdown_is_inert(&text),
                "html" => {
                    assert_eq!(text.matches("<script").count(), 1, "{told}");
                    assert!(!text.contains("<img"), "{told}");
                }
                "github" => {
                    let ours = |line: &str| {
                        ["::error ", "::warning ", "::notice "]
                            .iter()
                            .any(|c| line.starts_with(c))
                    };
                    assert!(text.lines().all(ours), "{told}");
                }
                _ => assert!(!text.lines().any(|line| line.starts_with("::")), "{told}"),
            }
        }
    }
}

/// Looks at what is outside of fences, line by line.
fn markdown_is_inert(text: &str) {
    let mut fence: Option<String> = None;
    for line in text.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if line == *open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                let ours = line.replace("<!-- -->", "");
                for mark in [
                    "@all", " #1", "](", "<img", "<script", "http:", "**b**", "```",
                ] {
                    assert!(!ours.contains(mark), "{mark}: {line}");
                }
            }
        }
    }
    assert_eq!(fence, None, "a fence that is not closed: {text}");
    assert_eq!(
        text.matches("<details").count(),
        text.lines().filter(|l| *l == "</details>").count()
    );
}

#[test]
fn a_budget_is_kept_on_every_command() {
    let site = Site::with_rooms(&[], &[], 40);
    for most in [200, 2_000, 4_000, 60_000] {
        let number = most.to_string();
        let ran = site.run(&["plan", "--format", "markdown", "--max-bytes", &number]);
        // The names of all rooms, or no report.
        let fits = most > 200;
        assert_eq!(ran.code, if fits { 0 } else { 4 }, "{}", ran.all());
        assert!(ran.stdout.len() <= most, "{most}: {}", ran.stdout);
        assert_eq!(!ran.stdout.is_empty(), fits, "{most}: {}", ran.stdout);
    }
}

/// Whoever wrote the report chose its numbers, and no sum of them is another one.
#[test]
fn numbers_are_as_large_as_they_can_be() {
    let scratch = Scratch::new();
    let most = u64::MAX;
    let report = |kind: &str, rest: Value| {
        let mut report = json!({"format_version": "1.0", "kind": kind});
        report
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        report
    };
    let summary = json!({"files": most, "errors": most, "warnings": most, "notes": most});
    let validated = report("validate", json!({"summary": summary, "findings": []}));
    let summary = json!({"confirmed": most, "overridden": most, "refused": most, "unknown": most, "skipped": most});
    let state = json!({"lineage": null, "serial": most});
    let applied = report(
        "apply",
        json!({"app": "a", "state": state, "summary": summary, "stopped": null, "receipts": []}),
    );
    for one in [validated, applied] {
        let stack = |name: &str| json!({"stack": name, "exit": 0, "error": null, "report": one});
        let stacks = json!({"command": "apply", "stacks": [stack("a"), stack("b")]});
        for report in [one.clone(), report("stacks", stacks)] {
            scratch.write("report.json", &report.to_string());
            for form in FORMS {
                let ran = render(&scratch, "report.json", form);
                assert_eq!(ran.code, 0, "{form} of {report}: {}", ran.all());
            }
        }
    }
}

#[test]
fn what_is_no_report_is_refused() {
    let scratch = Scratch::new();
    for (text, code) in [
        ("", 3),
        ("{}", 3),
        (r#"{"format_version":"2.0","kind":"plan"}"#, 3),
    ] {
        scratch.write("report.json", text);
        let ran = render(&scratch, "report.json", "html");
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.all());
    }
    assert_eq!(render(&scratch, "nowhere.json", "html").code, 64);
}

#[test]
fn invalid_files_are_reported_in_the_form_that_was_asked_for() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: open\n");
    let args = [
        "plan",
        "--app",
        "acme",
        "--format",
        "github",
        "--report-file",
        "plan.json",
    ];
    let ran = scratch.run(&args);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(
        ran.stdout
            .starts_with("::error file=rooms/a.yaml,line=1,col=10,"),
        "{}",
        ran.stdout
    );
    assert!(scratch.read("plan.json").contains(r#""kind": "validate""#));
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn the_kept_json_gives_the_same_bytes() {
        let site = Site::new(&[], &[]);
        site.room(0, "privacy: private\nmaxParticipants: 5\n");
        site.room(
            1,
            "privacy: private\nrecordRoom: true\nexpireUnixSec: 2029-01-01T00:00:00Z\n",
        );
        for command in ["validate", "plan", "drift"] {
            if command == "drift" {
                assert_eq!(site.apply(&["--report-file", "apply.json"]).code, 0);
                site.edit("room-00", "maxParticipants", json!(9));
            }
            let detail: [&[&str]; 2] = [&["-v"], &[]];
            let forms = FORMS
                .iter()
                .flat_map(|form| detail.map(|detail| (*form, detail)));
            for (form, detail) in forms {
                let file = format!("{command}.json");
                let how = [&["--format", form, "--now", NOW], detail].concat();
                let direct = [&[command, "--report-file", &file], &how[..]].concat();
                let direct = site.run(&direct);
                let kept = site.scratch.run(&[&["render", &file], &how[..]].concat());
                assert_eq!(kept.code, 0, "{}", kept.all());
                assert_eq!(direct.stdout, kept.stdout, "{command} {form}");
                assert!(
                    // Code quality of nothing is an empty list.
                    direct.stdout.len() > 20 || form == "gitlab",
                    "{command} {form}: {}",
                    direct.stdout
                );
            }
        }
        for (people, form) in FORMS.into_iter().enumerate() {
            site.room(
                0,
                &format!("privacy: private\nmaxParticipants: {}\n", 20 + people),
            );
            let args = [
                "apply",
                "--yes",
                "--rate",
                "unlimited",
                "--now",
                NOW,
                "--format",
                form,
            ];
            let direct = site.run(&[&args[..], &["--report-file", "applied.json"]].concat());
            assert_eq!(direct.code, 0, "{}", direct.all());
            let kept = render(&site.scratch, "applied.json", form);
            if form == "text" {
                // It begins with the plan, and each room is shown when it ends: the end is the same.
                let end = kept.stdout.split_once("\nApply: ").unwrap().1;
                assert!(
                    direct.stdout.ends_with(&format!("\nApply: {end}")),
                    "{}",
                    direct.stdout
                );
            } else {
                assert_eq!(direct.stdout, kept.stdout, "apply {form}");
            }
        }
        let applied = render(&site.scratch, "apply.json", "markdown");
        assert!(
            applied.stdout.contains("**2** confirmed"),
            "{}",
            applied.all()
        );
        let outputs = site.scratch.run(&["render", "drift.json", "--outputs"]);
        assert_eq!(
            outputs.stdout,
            "changes=0\ndrift=1\npending=0\neffects=\n",
            "{}",
            outputs.all()
        );
        let outputs = site.scratch.run(&["render", "plan.json", "--outputs"]);
        let told = "changes=2\ndrift=0\npending=0\neffects=recording-on billing-changed\n";
        assert_eq!(outputs.stdout, told, "{}", outputs.all());
        site.run(&["plan", "--out", "plan.roomctl"]);
        let saved = render(&site.scratch, "plan.roomctl", "markdown");
        assert!(
            saved.stdout.starts_with("<!-- roomctl:plan -->\n"),
            "{}",
            saved.all()
        );
    }
}
