//! Hostile room files: each is a finding, none a panic, none slow, whatever the bytes.

use serde_json::Value;

use crate::common::{Scratch, root};

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
        let ran = scratch.validate();
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
