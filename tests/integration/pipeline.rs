//! What a pipeline says of its run: remembered of each room that it writes, told by drift, at the foot of reports.

use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::saved::sealed;
use crate::schemas::check;

const COMMIT: &str = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d";

/// What each of the usual services says of the same run.
fn services() -> [Vec<(String, String)>; 3] {
    let github = [
        ("GITHUB_SHA", COMMIT),
        ("GITHUB_SERVER_URL", "https://github.example.com"),
        ("GITHUB_REPOSITORY", "acme/rooms"),
        ("GITHUB_RUN_ID", "7"),
    ];
    let gitlab = [
        ("CI_COMMIT_SHA", COMMIT),
        (
            "CI_JOB_URL",
            "https://gitlab.example.com/acme/rooms/-/jobs/7",
        ),
        ("CI_JOB_STARTED_AT", "2026-11-24T09:00:00Z"),
    ];
    let jenkins = [
        ("GIT_COMMIT", COMMIT),
        ("BUILD_URL", "https://ci.example.com/job/rooms/7/"),
    ];
    [&github[..], &gitlab, &jenkins].map(|said| {
        let said = said.iter();
        said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    })
}

fn apply(site: &Site, variables: &[(String, String)], now: &str) -> Ran {
    let args = ["apply", "--yes", "--rate", "unlimited", "--now", now];
    let ran = site.run_with(variables, &args);
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran
}

fn drift(site: &Site, more: &[&str]) -> Ran {
    site.run(&[&["drift", "--rate", "unlimited"], more].concat())
}

#[test]
fn a_look_in_between_is_when_it_was_last_seen_so() {
    let site = Site::applied(&[], 2);
    let look = |now: &str| {
        let ran = drift(
            &site,
            &["--seen-file", "seen.json", "--format", "json", "--now", now],
        );
        ran.json()["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["seen"].clone())
            .collect::<Vec<_>>()
    };
    let state = site.scratch.read(".roomctl/state.json");
    assert_eq!(look("2100000000"), [Value::Null, Value::Null]);
    site.edit("room-00", "maxParticipants", json!(9));
    assert_eq!(look("2100000100"), [json!(2_100_000_000), Value::Null]);
    site.edit("room-01", "enableChat", json!(false));
    assert_eq!(
        look("2100000200"),
        [2_100_000_000_u64, 2_100_000_100].map(|at| json!(at))
    );
    assert_eq!(
        site.scratch.read(".roomctl/state.json"),
        state,
        "beside the state, not in it"
    );

    // Clocks differ: what was seen is never in the future.
    let text = drift(&site, &["--now", "1790000000"]).stdout;
    assert!(
        text.contains(", 0 seconds ago") && !text.contains(", in "),
        "{text}"
    );

    // It is about one state, and takes the place of none.
    let ran = drift(&site, &["--seen-file", ".roomctl/state.json"]);
    assert_eq!(ran.code, 64, "{}", ran.all());
    site.scratch.write("seen.json", "{}");
    assert_eq!(drift(&site, &["--seen-file", "seen.json"]).code, 3);
}

#[test]
fn the_foot_of_a_report_says_of_which_run_it_is() {
    let [github, ..] = services();
    let site = Site::applied(&[], 12);
    site.scratch.write(
        "roomctl.yaml",
        "guard:\n  require_allow: [privacy-widened]\n",
    );
    let open = "privacy: public\nmaxParticipants: 5\nenableChat: true\n";
    (0..5).for_each(|number| site.room(number, open));
    let plan = |variables: &[(String, String)], more: &[&str]| {
        let args = [&["plan", "--now", "1790000000"], more].concat();
        site.run_with(variables, &args)
    };
    let report = plan(&github, &["--format", "json"]).json();
    check("plan", &report);
    let link = "https://github.example.com/acme/rooms/actions/runs/7";
    assert_eq!(
        report["run"],
        json!({"commit": COMMIT, "link": link, "at": 1_790_000_000})
    );
    let text = plan(&github, &[]).stdout;
    let end = "On merge: apply stops and changes nothing, as long as something is refused.\n\
        To allow: the label roomctl:allow/privacy-widened on the pull request; apply.yml started by hand with max-changes 5.\n\
        Run: commit 1a2b3c4, 2026-09-21 14:13 UTC, https://github.example.com/acme/rooms/actions/runs/7.\n";
    assert!(text.ends_with(end), "{text}");
    for form in ["markdown", "html"] {
        let page = plan(&github, &["--format", form]).stdout;
        assert!(
            page.contains("To allow:") && page.contains("On merge:"),
            "{page}"
        );
        assert!(
            page.contains(">log</a>") && page.contains("commit 1a2b3c4"),
            "{page}"
        );
    }
    let allowed = ["--allow", "privacy-widened", "--max-changes", "5"];
    let text = plan(&github, &allowed).stdout;
    assert!(
        text.contains(
            "On merge: apply does what is shown here to 5 rooms, and stops before anything else."
        ),
        "{text}"
    );

    // Flags come first, and where nobody says anything, nothing is said, not even the time.
    let flags = [
        "--commit",
        "7777777",
        "--run-url",
        "https://ci.example.com/9",
    ];
    let text = plan(&github, &flags).stdout;
    assert!(text.ends_with("To allow: --allow privacy-widened; --max-changes 5.\nRun: commit 7777777, 2026-09-21 14:13 UTC, https://ci.example.com/9.\n"), "{text}");
    let bare = plan(&[], &["--format", "json"]).json();
    assert_eq!(bare["run"], Value::Null);
    assert_eq!(
        site.run(&["plan", "--format", "json"]).stdout,
        site.run(&["plan", "--format", "json"]).stdout
    );

    // What could act on a reader, or holds a password, is no address of a run.
    for url in [
        "javascript:alert(1)",
        "https://u:canary@x/",
        "https://x/\"onclick=",
        "https://x/#a",
        "https://",
    ] {
        let ran = plan(&[], &["--run-url", url]);
        assert_eq!(ran.code, 64, "{url}");
        let build = [("BUILD_URL".to_owned(), url.to_owned())];
        assert_eq!(
            plan(&build, &["--format", "json"]).json()["run"],
            Value::Null,
            "{url}"
        );
    }
    assert_eq!(plan(&[], &["--commit", "main"]).code, 64);
}

#[test]
fn a_plan_says_how_open_all_rooms_are_before_and_after() {
    let site = Site::applied(&[], 13);
    let open = "privacy: public\nrecordRoom: true\nmaxParticipants: 5\nenableChat: true\n";
    (0..3).for_each(|number| site.room(number, open));
    site.room(
        3,
        "privacy: private\nexpireUnixSec: 2000000000\nmaxParticipants: 5\nenableChat: true\n",
    );
    site.room(13, "privacy: private\n");
    let plan = |more: &[&str]| site.run(&[&["plan", "--now", "1790000000"], more].concat());
    let report = plan(&["--format", "json"]).json();
    check("plan", &report);
    let moved = |before: u64, after: u64| json!({"before": before, "after": after});
    let posture =
        json!({"public": moved(0, 3), "recording": moved(0, 3), "endless": moved(13, 13)});
    assert_eq!(report["posture"], posture);
    for form in [
        "text", "markdown", "html", "github", "gitlab", "sarif", "junit",
    ] {
        let said = plan(&["--format", form]).stdout.replace("\\u2192", "→");
        assert!(
            said.contains("public 0 → 3, recording by itself 0 → 3"),
            "{form}: {said}"
        );
        assert!(
            !said.contains("never expiring"),
            "only what moves: {form}: {said}"
        );
    }

    // A saved plan carries it, and whoever makes it look better is found out.
    assert_eq!(
        plan(&["--out", "plan.roomctl", "--max-changes", "9"]).code,
        0
    );
    let saved = site.scratch.read("plan.roomctl");
    for (from, to) in [
        ("\"after\": 3", "\"after\": 0"),
        ("\"before\": 13", "\"before\": 12"),
    ] {
        let edited = sealed(&saved.replacen(from, to, 1));
        assert_ne!(edited, saved);
        site.scratch.write("plan.roomctl", &edited);
        let apply = [
            "apply",
            "plan.roomctl",
            "--yes",
            "--max-changes",
            "9",
            "--now",
            "1790000000",
        ];
        let ran = site.run(&apply);
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(
            ran.stderr.contains("how open the rooms are"),
            "{}",
            ran.stderr
        );
    }

    // What somebody opened by hand and a plan closes again counts, too.
    let site = Site::applied(&[], 2);
    site.edit("room-00", "privacy", json!("public"));
    let report = site.run(&["plan", "--live", "--format", "json"]).json();
    assert_eq!(report["posture"]["public"], moved(1, 0));
    let report = site.run(&["plan", "--format", "json"]).json();
    assert_eq!(report["posture"], Value::Null, "nothing moves");
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn who_wrote_a_room_is_remembered_and_told() {
        for variables in services() {
            let site = Site::with_rooms(&[], &[], 2);
            apply(&site, &variables, "1790000000");
            let written = site.state()["rooms"]["room-00"]["run"].clone();
            assert_eq!(written["commit"], COMMIT, "{variables:?}");
            assert!(written["link"].as_str().unwrap().contains('7'), "{written}");
            assert_eq!(
                written["at"],
                Value::Null,
                "beside `asserted` it would be there twice"
            );
            let shown = site
                .run(&["state", "show", "room-00", "--now", "1790090000"])
                .stdout;
            assert!(
                shown.contains(
                    "last written 2026-09-21 14:13 UTC, 25 hours ago, by 1a2b3c4 (https://"
                ),
                "{shown}"
            );

            // Another run writes one of them; the other keeps who wrote it.
            site.room(
                1,
                "privacy: private\nmaxParticipants: 6\nenableChat: true\n",
            );
            apply(&site, &[], "1790000100");
            assert_eq!(site.state()["rooms"]["room-00"]["run"], written);
            assert_eq!(site.state()["rooms"]["room-01"]["run"], Value::Null);

            site.edit("room-00", "maxParticipants", json!(9));
            site.edit("room-01", "maxParticipants", json!(9));
            for form in ["text", "markdown", "html", "github"] {
                let ran = drift(&site, &["--format", form, "--now", "1790090000"]);
                let said = ran
                    .stdout
                    .replace("&#46;", ".")
                    .replace("&#58;", ":")
                    .replace("&#47;", "/")
                    .replace("&#x2f;", "/");
                let by = "set by 1a2b3c4 (https://";
                assert!(said.contains(by), "{form}: {said}");
                assert!(
                    said.contains("last seen as applied 2026-09-21 14:13 UTC, 25 hours ago"),
                    "{form}: {said}"
                );
                assert_eq!(
                    said.matches(by).count(),
                    1,
                    "only of the one: {form}: {said}"
                );
            }
            let report = drift(&site, &["--format", "json"]).json();
            check("drift", &report);
            assert_eq!(report["rooms"][0]["run"], written);
            assert_eq!(report["rooms"][0]["seen"], 1_790_000_000);
        }
    }
}
