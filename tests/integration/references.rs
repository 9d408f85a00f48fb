//! `${env:NAME}` in secret attributes: known, not known, and wrong.

use serde_json::json;

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

const ROOM: &str =
    "privacy: private\nmeetingJoinWebhook: https://hooks.example/${env:HOOK_TOKEN}\n";

fn token(value: &str) -> Vec<(String, String)> {
    vec![("HOOK_TOKEN".to_owned(), value.to_owned())]
}

fn apply(site: &Site, variables: &[(String, String)]) -> Ran {
    site.run_with(
        variables,
        &["apply", "--yes", "--rate", "unlimited", "-vvv"],
    )
}

fn site() -> Site {
    let site = Site::new(&[], &[]);
    site.room(0, ROOM);
    site
}

#[test]
fn a_set_variable_is_sent_and_never_shown() {
    let site = site();
    let canary = token("canary-token-1");
    assert_eq!(apply(&site, &canary).code, 0);
    let body = site.log().pop().unwrap().body.unwrap();
    assert_eq!(
        body["meetingJoinWebhook"],
        "https://hooks.example/canary-token-1"
    );
    let plan = |variables: &[_]| {
        let ran = site.run_with(variables, &["plan", "--detailed-exitcode"]);
        (ran.code, ran.all())
    };
    assert_eq!(plan(&canary).0, 0);
    assert_eq!(plan(&[]).0, 0, "not known here is taken for unchanged");
    assert_eq!(plan(&token("")).0, 0, "empty is not set");
    let (code, moved) = plan(&token("canary-token-2"));
    assert_eq!(code, 2);
    assert!(
        moved.contains("meetingJoinWebhook  ****  changed"),
        "{moved}"
    );
    site.check_files();

    // Nothing is to be sent, so nothing needs to be known.
    let before = site.log().len();
    assert_eq!(apply(&site, &[]).code, 0);
    assert_eq!(site.log().len(), before);
    assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 0);
}

#[test]
fn an_unset_variable_is_unknown_to_plan_and_refused_by_apply() {
    let site = site();
    assert_eq!(site.run(&["validate"]).code, 0);
    let plan = site.run(&["plan", "--format", "json"]);
    assert_eq!(plan.code, 0);
    let report = plan.json();
    check("plan", &report);
    let attribute = &report["changes"][0]["attributes"][0];
    assert_eq!(attribute["name"], "meetingJoinWebhook");
    assert_eq!(
        (
            &attribute["after"],
            &attribute["unknown"],
            &attribute["sensitive"]
        ),
        (&json!("****"), &json!(true), &json!(true))
    );

    site.room(1, "privacy: public\n");
    let ran = apply(&site, &[]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(
        ran.stderr
            .contains("room-00, meetingJoinWebhook: HOOK_TOKEN is not set"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.log().len(), 0, "something was sent");

    // A room that changes for another reason needs its secrets too: a write is the full set.
    assert_eq!(apply(&site, &token("canary-token")).code, 0);
    site.room(0, &ROOM.replace("private", "public"));
    let before = site.log().len();
    assert_eq!(apply(&site, &[]).code, 3);
    assert_eq!(site.log().len(), before);

    // Releasing a key sends nothing, and forgets nothing of the secret beside it.
    site.room(0, &format!("{ROOM}enableChat: true\n"));
    assert_eq!(apply(&site, &token("canary-token")).code, 0);
    site.room(0, ROOM);
    assert_eq!(apply(&site, &[]).code, 0);
    assert!(
        site.scratch
            .read(".roomctl/state.json")
            .contains("meetingJoinWebhook")
    );
    let plan = site.run_with(&token("canary-token"), &["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
}

#[test]
fn a_look_at_the_service_needs_no_variables_and_a_write_does() {
    let site = site();
    let plan = |variables: &[_]| {
        let ran = site.run_with(
            variables,
            &[
                "plan",
                "--live",
                "--rate",
                "unlimited",
                "--detailed-exitcode",
            ],
        );
        (ran.code, ran.all())
    };
    let (code, told) = plan(&[]);
    assert_eq!(code, 2);
    assert!(told.contains("unknown until apply"), "{told}");
    let canary = token("canary-token");
    assert_eq!(apply(&site, &canary).code, 0);
    assert_eq!(plan(&[]).0, 0);
    assert_eq!(plan(&canary).0, 0);

    site.simulator().with_world(|world| {
        let moved = json!("https://hooks.example/canary-other");
        world.edit("room-00", "meetingJoinWebhook", moved).unwrap();
    });
    assert_eq!(plan(&[]).0, 2);
    let puts = site.count("PUT");
    for how in ["--live", "--drift-only"] {
        let ran = site.run(&["apply", "--yes", "--rate", "unlimited", how]);
        assert_eq!(ran.code, 3, "{how}: {}", ran.all());
        assert!(
            ran.stderr.contains("HOOK_TOKEN is not set"),
            "{how}: {}",
            ran.stderr
        );
    }
    assert_eq!(site.count("PUT"), puts);
    let args = ["apply", "--yes", "--rate", "unlimited", "--drift-only"];
    let ran = site.run_with(&canary, &args);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(plan(&[]).0, 0);
}

#[test]
fn wrong_values_and_references_are_findings() {
    let site = site();
    let ran = site.run_with(&token("canary token"), &["plan"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stderr.contains("error[variable]") && ran.stderr.contains("room-00.yaml:2:21"),
        "{}",
        ran.stderr
    );
    site.room(0, "privacy: private\nrtmpOutURL: ${KEY}\n");
    let ran = site.run(&["validate"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout.contains("which reads `${env:NAME}`"),
        "{}",
        ran.stdout
    );
}
