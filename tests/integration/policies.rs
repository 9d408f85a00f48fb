//! The policies in the documentation work as they are told to.

use crate::common::{Scratch, root};

#[test]
fn the_documented_policies_hold_and_are_broken() {
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let scratch = Scratch::new();
    scratch.write("roomctl.yaml", example);
    scratch.write(
        "rooms/_defaults.yaml",
        "privacy: private\nendMeetingAfterNoActivityInSec: 30m\n",
    );
    for (file, text) in [
        ("public-tea", "privacy: public\n"),
        ("recorded/board", "recordRoom: true\n"),
        (
            "show",
            "enableComposition: true\nexpireUnixSec: 2027-01-01T00:00:00Z\n",
        ),
        ("customer-a", "maxParticipants: 12\n"),
        ("trial-a", "expireUnixSec: 2027-01-01T00:00:00Z\n"),
    ] {
        scratch.write(&format!("rooms/{file}.yaml"), text);
    }
    let kept = scratch.validate();
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert_eq!(
        kept.json()["findings"].as_array().unwrap().len(),
        0,
        "{}",
        kept.stdout
    );
    for (file, text, id) in [
        ("tea", "privacy: public\n", "public-rooms-are-named-so"),
        ("meeting", "recordRoom: true\n", "no-silent-recording"),
        ("show", "enableComposition: true\n", "composition-ends"),
        (
            "idle",
            "endMeetingAfterNoActivityInSec: 2h\n",
            "idle-meetings-end",
        ),
        (
            "customer-b",
            "maxParticipants: 13\n",
            "customer-rooms-are-small",
        ),
        ("customer-b", "autoJoin: true\n", "customer-rooms-are-small"),
        (
            "trial-b",
            "expireUnixSec: 2027-06-01T00:00:00Z\n",
            "trials-end",
        ),
    ] {
        let name = format!("rooms/{file}.yaml");
        scratch.write(&name, text);
        let broken = scratch.validate().json();
        let findings = broken["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{file}: {broken}");
        let message = findings[0]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("[{id}]")), "{message}");
        assert!(findings[0]["line"].is_number(), "{broken}");
        scratch.write(
            &name,
            "maxParticipants: 2\nexpireUnixSec: 2027-01-01T00:00:00Z\n",
        );
    }
}
