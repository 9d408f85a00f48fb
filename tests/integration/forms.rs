//! The forms that others define: what is printed is what their readers take, and the same in every run.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::common::{Ran, Scratch, root};
use crate::harness::Site;

const CANARY: &str = "canary-stream-key-41";

fn check(name: &str, text: &str) -> Value {
    let path = root().join(format!("tests/schema/forms/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let value: Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{name}: {text}");
    value
}

/// An element of XML that was read strictly.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    inside: Vec<Element>,
    text: String,
}

impl Element {
    fn get(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        &found.unwrap_or_else(|| panic!("{name} of {self:?}")).1
    }

    fn has_only(&self, attributes: &[&str], inside: &[&str]) {
        for (name, _) in &self.attributes {
            assert!(
                attributes.contains(&name.as_str()),
                "{name} in {}",
                self.name
            );
        }
        for element in &self.inside {
            assert!(
                inside.contains(&element.name.as_str()),
                "{} in {}",
                element.name,
                self.name
            );
        }
    }
}

fn plain(text: &str) -> String {
    assert!(!text.contains(['<', '>']), "{text}");
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, after) = behind.split_once(';').unwrap();
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => char::from_u32(number.strip_prefix('#').unwrap().parse().unwrap()).unwrap(),
        });
        rest = after;
    }
    plain + rest
}

/// Reads an element at the beginning of `text`, and gives out what is behind it.
fn element(text: &str) -> (Element, &str) {
    let (tag, mut rest) = text.strip_prefix('<').unwrap().split_once('>').unwrap();
    let (name, mut written) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    while !written.is_empty() {
        let (attribute, behind) = written.split_once("=\"").unwrap();
        let (value, behind) = behind.split_once('"').unwrap();
        attributes.push((attribute.trim().to_owned(), plain(value)));
        written = behind;
    }
    let mut one = Element {
        name: name.to_owned(),
        attributes,
        inside: Vec::new(),
        text: String::new(),
    };
    loop {
        let (before, behind) = rest.split_once('<').unwrap();
        one.text.push_str(&plain(before));
        if let Some(behind) = behind.strip_prefix(&format!("/{name}>")) {
            return (one, behind);
        }
        let (inner, behind) = element(&rest[before.len()..]);
        one.inside.push(inner);
        rest = behind;
    }
}

/// JUnit XML as `junit-10.xsd` of Jenkins has it. Gives out the test cases.
fn check_junit(text: &str) -> Vec<Element> {
    let text = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap();
    let may_not =
        |c: char| c < ' ' && !"\t\n\r".contains(c) || ['\u{fffe}', '\u{ffff}'].contains(&c);
    assert!(!text.contains(may_not), "{text}");
    let (suites, end) = element(text);
    assert_eq!((suites.name.as_str(), end), ("testsuites", "\n"));
    suites.has_only(&["name", "tests", "failures", "errors"], &["testsuite"]);
    let [suite] = <[Element; 1]>::try_from(suites.inside).unwrap();
    suite.has_only(
        &["name", "tests", "failures", "errors", "skipped"],
        &["testcase"],
    );
    assert_eq!(suite.get("tests"), suite.inside.len().to_string());
    let failed = |case: &&Element| case.inside.iter().any(|one| one.name == "failure");
    let failures = suite.inside.iter().filter(failed).count();
    assert_eq!(suite.get("failures"), failures.to_string());
    for case in &suite.inside {
        case.has_only(&["name", "classname"], &["failure", "system-out"]);
        assert!(!case.get("name").is_empty() && !case.get("classname").is_empty());
        for outcome in &case.inside {
            outcome.has_only(&["type", "message"], &[]);
            assert!(!outcome.text.is_empty());
        }
    }
    suite.inside
}

/// Each form of what `run` gives, checked, the same twice, and without a secret. Gives out the issues of GitLab.
fn every_form(run: impl Fn(&str) -> Ran) -> Vec<Value> {
    let text = |form: &str| {
        let (first, second) = (run(form), run(form));
        assert_eq!(first.stdout, second.stdout, "{form}");
        assert!(!first.all().contains(CANARY), "{form}: {}", first.all());
        first.stdout
    };
    let issues = check("gitlab", &text("gitlab")).as_array().unwrap().clone();
    let fingerprints: BTreeSet<&str> = issues
        .iter()
        .map(|one| one["fingerprint"].as_str().unwrap())
        .collect();
    assert_eq!(fingerprints.len(), issues.len(), "{issues:?}");
    let sarif = check("sarif", &text("sarif"));
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), issues.len());
    for (result, issue) in results.iter().zip(&issues) {
        assert_eq!(result["ruleId"], issue["check_name"]);
        assert_eq!(
            result["partialFingerprints"]["roomctl/v1"],
            issue["fingerprint"]
        );
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(
            run["tool"]["driver"]["rules"][index]["id"],
            result["ruleId"]
        );
    }
    let cases = check_junit(&text("junit"));
    assert_eq!(cases.len(), issues.len() + 1);
    issues
}

#[test]
fn a_finding_keeps_its_fingerprint_when_its_line_moves() {
    let scratch = Scratch::new();
    let issues = |text: &str| {
        scratch.write("rooms/a.yaml", text);
        every_form(|form| scratch.run(&["validate", "--format", form]))
    };
    let before = issues("privacy: open\nmaxParticipants: many\n");
    let after = issues("# a line\nmaxParticipants: many\nprivacy: open\n");
    assert_eq!(before.len(), 2);
    let fingerprints = |issues: &[Value]| -> BTreeSet<String> {
        issues
            .iter()
            .map(|one| one["fingerprint"].to_string())
            .collect()
    };
    assert_eq!(fingerprints(&before), fingerprints(&after));
    assert_ne!(before[0]["location"], after[0]["location"]);
}

/// What keeps a command from its report is a report of its own.
#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", "privacy: private\n");
    let wrong = [
        ("roomctl.yaml", "app: acme\nappp: b\n", 2),
        (
            "roomctl.yaml",
            "app: acme\npolicies:\n  - {id: a, message: m, expression: \"room.x\"}\n",
            3,
        ),
        ("mutes.yaml", "mutes: []\n\nmute: []\n", 3),
    ];
    for (file, text, line) in wrong {
        scratch.write("roomctl.yaml", "app: acme\n");
        scratch.write(file, text);
        for command in ["validate", "plan", "apply"] {
            if (command, file) == ("validate", "mutes.yaml") {
                continue;
            }
            let issues = every_form(|form| {
                let ran = scratch.run(&[command, "--format", form]);
                assert_eq!(ran.code, 3, "{command} {form}: {}", ran.all());
                ran
            });
            let [issue] = issues.try_into().unwrap();
            let place = &issue["location"];
            assert_eq!(
                (&place["path"], &place["lines"]["begin"]),
                (&json!(file), &json!(line))
            );
            let kept = scratch.path("report.json");
            let ran = scratch.run(&[command, "--report-file", "report.json"]);
            assert_eq!(ran.stdout, "", "people read it once");
            let shown = scratch.run(&["render", "report.json", "--format", "gitlab"]);
            assert_eq!(shown.json()[0]["location"], *place, "{}", shown.all());
            // Nobody knows what else may not be replaced, or become a room.
            let before = fs::read(&kept).unwrap();
            for taken in ["report.json", "rooms/b.yaml"] {
                let ran = scratch.run(&[command, "--report-file", taken]);
                assert!([3, 64].contains(&ran.code), "{}", ran.all());
            }
            assert_eq!(fs::read(&kept).unwrap(), before);
            assert!(!scratch.path("rooms/b.yaml").exists());
            fs::remove_file(kept).unwrap();
        }
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let scratch = Scratch::new();
    let hostile = "]]></system-out></testcase><failure message=\"&#0;\u{1}\u{fffe}\u{202e}'&amp;[x](http://evil.example)\"";
    let finding = json!({"file": format!("rooms/{hostile} #?%.yaml"), "line": 3, "column": 2, "end_column": 3,
        "severity": "error", "rule": hostile, "room": hostile, "message": hostile, "help": hostile, "note": hostile,
        "related": [], "attribute": null});
    let report = json!({"format_version": "1.0", "kind": "validate", "findings": [finding, finding],
        "summary": {"files": 1, "errors": 2, "warnings": 0, "notes": 0}});
    scratch.write("report.json", &report.to_string());
    let issues = every_form(|form| scratch.run(&["render", "report.json", "--format", form]));
    assert_eq!(issues.len(), 2);
    let sarif = scratch
        .run(&["render", "report.json", "--format", "sarif"])
        .stdout;
    assert!(!sarif.contains("[x](http"), "{sarif}");
    assert!(!sarif.contains(['\u{202e}']), "{sarif}");
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn findings_plans_and_drift_are_what_their_readers_take() {
        let site = Site::new(&[], &[]);
        site.room(0, "privacy: private\nmaxParticipants: 5\n");
        site.room(
        1,
        "privacy: public\nenableRTMPOut: true\nenableComposition: true\nrtmpOutURL: rtmp://live.example/${env:ROOM_LIVE}\n",
    );
        let secret = [("ROOM_LIVE".to_owned(), CANARY.to_owned())];
        let run = |args: &'static [&'static str]| {
            let (site, secret) = (&site, &secret);
            move |form: &str| {
                let args = [args, &["--format", form, "--now", "2026-11-24T09:00:00Z"]].concat();
                site.run_with(secret, &args)
            }
        };
        let planned = every_form(run(&["plan"]));
        assert!(
            planned
                .iter()
                .any(|one| one["check_name"] == "plan-add" || one["check_name"] == "plan-create"),
            "{planned:?}"
        );
        let applied = site.run_with(&secret, &["apply", "--yes", "--rate", "unlimited"]);
        assert_eq!(applied.code, 0, "{}", applied.all());
        assert_eq!(every_form(run(&["plan"])), Vec::<Value>::new());
        site.edit("room-00", "maxParticipants", json!(9));
        let drifted = every_form(run(&["drift"]));
        assert_eq!(drifted[0]["check_name"], "drift-drifted", "{drifted:?}");
        assert_eq!(drifted[0]["severity"], "minor");
        site.edit("room-00", "maxParticipants", json!(11));
        let later = every_form(run(&["drift"]));
        assert_eq!(
            later[0]["fingerprint"], drifted[0]["fingerprint"],
            "the same doubt with another value"
        );
        site.room(0, "# moved down\n\nprivacy: private\nmaxParticipants: 0\n");
        site.room(2, "privcy: private\n");
        let found = every_form(run(&["validate"]));
        assert!(
            found.iter().any(|one| one["severity"] == "major"),
            "{found:?}"
        );
    }
}
