//! Every switch of the simulator, under each of its values: import, plan, apply and drift, one after the other.

use roomctl::simulator::Quirks;
use serde_json::json;

use crate::harness::Site;

/// Every `NAME=VALUE` that the catalogue offers; open values are filled in.
fn settings() -> Vec<String> {
    let mut settings = Vec::new();
    for row in Quirks::CATALOGUE {
        let values = match row.name {
            "list-limit" => vec!["1"],
            // More than the whole test sends in a second: the switch is on and not in the way.
            "rate-limit" => vec!["1000"],
            "override" => vec!["autoJoin:true", "maxParticipants:4"],
            "override-writes" => vec!["1"],
            "hide" => vec!["maxParticipants", "autoJoin", "_id"],
            _ => row.values.split('|').collect(),
        };
        settings.extend(
            values
                .into_iter()
                .map(|value| format!("{}={value}", row.name)),
        );
    }
    settings
}

fn under(setting: &str) {
    let site = Site::new(&[setting], &[]);
    site.existing(2);
    let ok = |args: &[&str]| {
        let ran = site.run(args);
        assert_eq!(ran.code, 0, "{setting}: {args:?}: {}", ran.all());
        ran
    };
    let fast = ["--rate", "unlimited"];
    // By name: what the list leaves out is no reason to leave it out here.
    ok(&["import", "room-00", "room-01", "--rate", "unlimited"]);
    ok(&["plan", "--detailed-exitcode"]);
    assert_eq!(site.writes(), 0, "{setting}: import and plan only read");

    site.room(1, "privacy: private\nmaxParticipants: 7\nautoJoin: false\n");
    site.room(2, "privacy: private\nmaxParticipants: 7\n");
    let plan = ok(&["plan", "--format", "json"]).json();
    assert_eq!(
        (&plan["summary"]["update"], &plan["summary"]["add"]),
        (&json!(1), &json!(1)),
        "{setting}"
    );
    assert_eq!(site.apply(&[]).code, 0, "{setting}");
    let written = site.writes();
    assert_eq!(written, 2, "{setting}");
    assert_eq!(site.apply(&[]).code, 0, "{setting}");
    assert_eq!(site.apply(&["--live"]).code, 0, "{setting}");
    assert_eq!(
        site.writes(),
        written,
        "{setting}: nothing was left to write"
    );
    ok(&["plan", "--live", "--detailed-exitcode", fast[0], fast[1]]);
    ok(&["drift", fast[0], fast[1]]);

    // Somebody moves an attribute that this switch neither hides nor forces.
    site.edit("room-01", "privacy", json!("public"));
    assert_eq!(site.run(&["drift", fast[0], fast[1]]).code, 2, "{setting}");
    assert_eq!(site.apply(&["--drift-only"]).code, 0, "{setting}");
    ok(&["drift", fast[0], fast[1]]);
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn import_plan_apply_and_drift_under_every_switch() {
        let settings = settings();
        assert!(settings.len() > 40, "{}", settings.len());
        // Each has a site of its own, so they may run side by side.
        std::thread::scope(|threads| {
            for part in settings.chunks(settings.len().div_ceil(4)) {
                threads.spawn(|| part.iter().for_each(|setting| under(setting)));
            }
        });
    }
}
