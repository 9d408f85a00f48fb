//! Hostile room files: each is a finding, none a panic, none slow, whatever the bytes.

use proptest::prelude::*;
use roomctl::files::defaults::Defaults;
use roomctl::files::room_file::{Context, parse};
use roomctl::model::{NameRule, Severity};
use serde_json::Value;

use crate::common::{Scratch, root};

const CONTEXT: Context = Context {
    names: NameRule::Lowercase,
    now: 1_790_000_000,
    variables: &|_| None,
    defaults: Defaults::NONE,
    sandbox: false,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_room_or_a_finding(text in "(?s).{0,200}") {
        let (room, findings) = parse("rooms/a.yaml", "a", &text, &CONTEXT);
        prop_assert!(room.is_some() || findings.iter().any(|f| f.severity == Severity::Error), "{text:?}");
    }

    #[test]
    fn anything_that_looks_like_yaml_is_a_room_or_a_finding(
        text in "((privacy|enableChat|maxParticipants|x|roomName|rtmpOutURL)(: ?)(private|true|yes|0x1|\"|'|&a|\\*a|\\[|\\{|!!str|- |\\||>|1e3|~|rtmp://a/b)?\n? ?){0,8}"
    ) {
        let (room, findings) = parse("rooms/a.yaml", "a", &text, &CONTEXT);
        prop_assert!(room.is_some() || findings.iter().any(|f| f.severity == Severity::Error), "{text:?}");
    }
}

#[test]
fn bombs_are_refused() {
    let billion =
        "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nprivacy: private\n".to_owned();
    let bombs = [
        billion,
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        format!("privacy: {}", "[".repeat(200_000)),
        "? ".repeat(100_000),
        "privacy: private\n".repeat(10_000),
        format!("privacy: \"{}\"", "x".repeat(250_000)),
        (0..20_000).map(|n| format!("k{n}: 1\n")).collect(),
        "a:\n".to_owned()
            + &(1..2_000)
                .map(|n| " ".repeat(n) + "a:\n")
                .collect::<String>()[..200_000],
    ];
    for bomb in bombs {
        let scratch = Scratch::new();
        scratch.write("rooms/bomb.yaml", &bomb);
        scratch.write("rooms/fine.yaml", "privacy: private\n");
        let ran = scratch.run(&["validate", "--format", "json"]);
        let start: String = bomb.chars().take(30).collect();
        assert_eq!(ran.code, 3, "{start}: {}", ran.stderr);
        assert!(
            ran.stdout.len() < 4_000_000,
            "{start}: {} bytes",
            ran.stdout.len()
        );
    }
}

#[test]
fn a_byte_order_mark_and_crlf_are_accepted() {
    let scratch = Scratch::new();
    scratch.write(
        "rooms/a.yaml",
        "\u{feff}privacy: private\r\nenableChat: true\r\n",
    );
    assert_eq!(scratch.run(&["validate"]).code, 0);
}

/// The messages themselves are snapshots under `tests/cases`, for people to read.
#[test]
fn every_hostile_file_is_a_finding_that_says_what_to_do() {
    // The first of two files for one room.
    const FINE: [&str; 3] = ["-.yaml", "x.YAML", "Twin.yaml"];
    let mut files = 0;
    for case in [
        "yaml",
        "values",
        "times-and-secrets",
        "keys",
        "names",
        "rules",
    ] {
        let scratch = Scratch::new();
        scratch.copy(&root().join(format!("tests/cases/hostile-{case}")), "");
        let args = [
            "validate",
            "--format",
            "json",
            "--now",
            "2026-11-24T09:00:00Z",
        ];
        let ran = scratch.run(&args);
        assert_eq!(ran.code, 3, "{case}: {}", ran.stderr);
        assert!(!ran.all().contains("canary"), "{case}");
        let report = ran.json();
        let findings = report["findings"].as_array().unwrap();
        for finding in findings {
            assert!(finding["help"].is_string(), "{finding}");
        }
        for (path, _) in scratch.files() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let shown = path.strip_prefix(scratch.path("")).unwrap();
            if shown.starts_with("rooms") && !FINE.contains(&name) {
                files += 1;
                let told = |finding: &Value| finding["file"] == *shown.to_str().unwrap();
                assert!(findings.iter().any(told), "{case}: {name}");
            }
        }
    }
    assert!(files >= 100, "{files}");
}
