//! A change that brings with it that the guard goes which it would meet: said first, and held to the guards of the base.

use serde_json::{Value, json};

use crate::common::Ran;
use crate::explained::{git, looks_like_a_repository};
use crate::harness::Site;
use crate::schemas::check;

const BASE: &str = "\
app: acme
guard:
  require_allow: [privacy-widened, guard-weakened]
protected: [room-01]
policies:
  - {id: small, expression: room.maxParticipants < 10, message: small rooms only}
";

fn commit(site: &Site, message: &str) {
    git(site, &["add", "-A"]);
    git(site, &["commit", "-q", "-m", message]);
}

/// Two rooms that are applied, under `config`; then a branch.
fn branch(config: &str) -> Site {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.scratch.write(".gitignore", ".roomctl/\n*.roomctl\n");
    site.scratch.write("roomctl.yaml", config);
    for number in 0..2 {
        site.room(number, "privacy: private\nmaxParticipants: 5\n");
    }
    commit(&site, "rooms");
    assert_eq!(site.apply(&[]).code, 0);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site
}

fn plan(site: &Site, args: &[&str]) -> Ran {
    let fixed = ["plan", "--base", "main", "--out", "plan.roomctl"];
    site.run(&[&fixed[..], args].concat())
}

fn apply(site: &Site, args: &[&str]) -> Ran {
    let fixed = ["apply", "--yes", "--rate", "unlimited", "plan.roomctl"];
    site.run(&[&fixed[..], args].concat())
}

fn weakened(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    check("plan", &report);
    let all = report["weakened"].as_array().cloned().unwrap_or_default();
    let one = |one: &Value| format!("{} {}", one["what"], one["explanation"]).replace('"', "");
    all.iter().map(one).collect()
}

/// Mutes of rooms that nobody has do not push the one out that matters.
#[test]
fn each_weaker_guard_is_in_a_short_plan_the_widest_first() {
    let site = branch(BASE);
    let mute = |room: &str, attribute: &str| {
        format!(
            "  - {{room: \"{room}\", attribute: \"{attribute}\", until: 2027-01-31, reason: trial}}\n"
        )
    };
    let decoys = (0..100).map(|n| mute(&format!("trial-{n}"), "enableChat"));
    let mutes: String = decoys.chain([mute("board", "*")]).collect();
    site.scratch
        .write("mutes.yaml", &format!("mutes:\n{mutes}"));
    commit(&site, "mutes");
    let short = |most: &str| plan(&site, &["--format", "markdown", "--max-bytes", most]);
    let ran = short("60000");
    assert_eq!(ran.code, 0, "{}", ran.all());
    let first = "mutes &#40;101, first&#58; drift of";
    let board = "in &#96;board&#96;";
    assert!(
        ran.stdout.replace('(', "&#40;").contains(first),
        "{}",
        ran.stdout
    );
    let head = ran.stdout.split("weaker").next().unwrap_or_default();
    assert!(head.contains(board), "{head}");
    for n in 0..100 {
        assert!(ran.stdout.contains(&format!("trial-{n}&#96;")), "{n}");
    }
    assert_eq!(short("9000").code, 4);
}

#[test]
fn a_change_that_only_weakens_the_guards_has_to_be_allowed_too() {
    let site = branch(BASE);
    site.scratch.write("roomctl.yaml", "app: acme\n");
    commit(&site, "weaken");
    assert_eq!(plan(&site, &[]).code, 0);
    for (allowed, code) in [(&[][..], 4), (&["--allow", "guard-weakened"], 0)] {
        let ran = apply(&site, allowed);
        assert_eq!((ran.code, site.count("PUT")), (code, 0), "{}", ran.all());
    }
}

/// The configuration is in a directory below the repository's, which the change makes look like a repository of its own.
#[test]
fn a_directory_that_looks_like_a_repository_hides_no_weaker_guard() {
    let site = branch("app: acme\n");
    let config = "team/roomctl.yaml";
    git(&site, &["checkout", "-q", "main"]);
    site.scratch.write(config, BASE);
    site.scratch
        .write("team/rooms/tea.yaml", "privacy: private\n");
    commit(&site, "team");
    git(&site, &["checkout", "-q", "-b", "weaker"]);
    site.scratch.write(config, "app: acme\n");
    looks_like_a_repository(&site, "team");
    looks_like_a_repository(&site, "team/rooms");
    commit(&site, "weaker");
    let ran = plan(&site, &["--config", config, "--format", "json"]);
    let expected = ["guard.require_allow", "protected", "policies"];
    let found = weakened(&ran);
    for one in expected {
        let is_told = |line: &String| line.starts_with(one) && line.ends_with("this-change");
        assert!(found.iter().any(is_told), "{one}: {found:?}");
    }
}

#[test]
fn a_plan_that_says_less_of_it_is_refused() {
    let site = branch(BASE);
    site.scratch.write("roomctl.yaml", "app: acme\n");
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    commit(&site, "change");
    assert_eq!(plan(&site, &[]).code, 0);
    let saved: Value = serde_json::from_str(&site.scratch.read("plan.roomctl")).unwrap();
    check("saved-plan", &saved);
    for (path, key) in [("/report", "weakened"), ("/terms", "base")] {
        let mut edited = saved.clone();
        let fields = edited.pointer_mut(path).unwrap().as_object_mut().unwrap();
        assert!(fields.remove(key).is_some(), "{key}");
        let text = serde_json::to_string_pretty(&edited).unwrap() + "\n";
        site.scratch.write("plan.roomctl", &text);
        let ran = apply(&site, &["--allow", "guard-weakened"]);
        assert_eq!((ran.code, site.count("PUT")), (4, 0), "{}", ran.all());
    }
}

#[test]
fn what_others_did_since_or_nobody_can_read_is_not_of_this_change() {
    let site = branch("app: acme\n");
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    commit(&site, "change");
    git(&site, &["checkout", "-q", "main"]);
    site.scratch
        .write("roomctl.yaml", "app: acme\nprotected: [a]\n");
    commit(&site, "protect");
    git(&site, &["checkout", "-q", "change"]);
    let behind = plan(&site, &["--format", "json", "--deny", "unexplained"]);
    assert_eq!(behind.code, 4, "{}", behind.all());
    assert_eq!(weakened(&behind), ["protected behind"]);
    git(&site, &["checkout", "-q", "main"]);
    site.scratch.write("roomctl.yaml", "app: [\n");
    commit(&site, "break");
    git(&site, &["checkout", "-q", "change"]);
    let unread = plan(&site, &["--format", "json"]);
    assert_eq!(weakened(&unread), ["configuration unread"]);
    let guard = unread.json()["guard"].to_string();
    assert!(guard.contains("guard-weakened"), "{guard}");
}

#[test]
fn what_is_as_strict_is_not_said() {
    let site = branch(BASE);
    let stricter = BASE.replace("[room-01]", "[room-01, room-00]");
    site.scratch
        .write("roomctl.yaml", &format!("# why\n{stricter}rate: 9/s\n"));
    commit(&site, "stricter");
    let ran = plan(&site, &["--format", "json"]);
    assert_eq!(ran.json().get("weakened"), None);
    assert_eq!(ran.json()["guard"], json!(null));
}

/// Who plans for a stranger takes the rooms, and of the configuration nothing; what it takes away is said all the same.
#[test]
fn what_is_only_proposed_is_said_and_decides_nothing() {
    let site = branch(BASE);
    let proposed = "app: acme\nbase_url: http://127.0.0.1:1\nrooms: elsewhere\n";
    site.scratch.write("roomctl.yaml", proposed);
    site.room(0, "privacy: public\nmaxParticipants: 5\n");
    commit(&site, "propose");
    git(&site, &["checkout", "-q", "main", "--", "roomctl.yaml"]);
    let args = ["--proposed", "HEAD", "--format", "json"];
    let ran = plan(&site, &args);
    let all = [
        "base_url",
        "rooms",
        "guard.require_allow",
        "guard.require_allow",
        "protected",
        "policies.small",
    ];
    assert_eq!(
        weakened(&ran),
        all.map(|what| format!("{what} this-change"))
    );
    assert_eq!(ran.json()["weakened"][1]["line"], 3);
    let guard = ran.json()["guard"].to_string();
    assert!(guard.contains("--allow guard-weakened"), "{guard}");
    assert_eq!(ran.json()["changes"][0]["room"], "room-00");
    for allowed in [
        &[][..],
        &["--allow", "privacy-widened"],
        &["--allow", "guard-weakened"],
    ] {
        assert_eq!(apply(&site, allowed).code, 4);
    }
    // What nobody can read could be anything; what is not there at all forbids nothing.
    for (text, expected) in [(Some("app: [\n"), "configuration"), (None, "app")] {
        match text {
            Some(text) => site.scratch.write("roomctl.yaml", text),
            None => std::fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap(),
        }
        commit(&site, "further");
        git(&site, &["checkout", "-q", "main", "--", "roomctl.yaml"]);
        assert_eq!(
            weakened(&plan(&site, &args))[0],
            format!("{expected} this-change")
        );
    }
    // The room that only the proposed configuration lets through is refused, as on the default branch.
    site.room(0, "privacy: private\nmaxParticipants: 50\n");
    assert_eq!(plan(&site, &args).code, 3);
    assert_eq!(site.run(&["plan", "--proposed", "HEAD"]).code, 64);
    let unknown = plan(&site, &["--proposed", "--output=x"]);
    assert_eq!(unknown.code, 64, "{}", unknown.all());
}

#[test]
fn a_room_that_is_listed_as_unmanaged_is_a_change_of_the_configuration_that_is_said() {
    let config = "app: acme\nguard: {require_allow: [guard-weakened]}\nunmanaged: [old, room-09]\n";
    let site = branch(config);
    let config = config.replace("old, room-09", "old, \"Secret\\u202e Room\"");
    site.scratch.write("roomctl.yaml", &config);
    site.room(9, "privacy: private\n");
    commit(&site, "list");
    let json = plan(&site, &["--format", "json"]);
    assert_eq!(weakened(&json), ["unmanaged this-change"]);
    let one = &json.json()["weakened"][0];
    assert_eq!(one["line"], 3);
    let message = one["message"].as_str().unwrap();
    for words in [
        "reported as unmanaged any more: \"Secret\\u202e Room\"",
        "may be written: room-09",
        "the base refuses rooms/room-09.yaml:1",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let ran = apply(&site, &[]);
    assert_eq!((ran.code, site.count("POST")), (4, 2), "{}", ran.all());
}

/// What takes seconds.
mod slow {
    use super::*;

    /// Nobody has to name `guard-weakened` anywhere for that: a change takes no guard away from what it brings itself.
    #[test]
    fn what_only_the_base_refuses_has_to_be_allowed() {
        const POLICY: &str =
            "policies: [{id: p, expression: room.maxParticipants < 10, message: m}]\n";
        let (five, fifty) = (
            "privacy: private\nmaxParticipants: 5\n",
            "privacy: private\nmaxParticipants: 50\n",
        );
        let milder = &POLICY.replace("message: m", "message: m, severity: warning");
        let renamed = &POLICY.replace("id: p", "id: q").replace("< 10", "< 100");
        for (base, now, (file, text)) in [
            (POLICY, "", ("room-00", fifty)),
            (POLICY, milder, ("room-00", fifty)),
            (POLICY, renamed, ("room-00", fifty)),
            ("owns: [room-*]\n", "owns: [\"*\"]\n", ("other", five)),
            ("names: lowercase\n", "names: url-safe\n", ("Other", five)),
        ] {
            let site = branch(&format!("app: acme\n{base}"));
            let change = |now: &str, file: &str, text: &str| {
                site.scratch
                    .write("roomctl.yaml", &format!("app: acme\n{now}"));
                site.scratch.write(&format!("rooms/{file}.yaml"), text);
                commit(&site, "change");
            };
            // Without anything to refuse, the configuration is all that moves.
            change(now, "room-00", "privacy: private\nmaxParticipants: 6\n");
            assert_eq!(
                plan(&site, &["--format", "json"]).json()["guard"],
                json!(null)
            );
            assert_eq!(apply(&site, &[]).code, 0);
            change(now, file, text);
            let json = plan(&site, &["--format", "json"]);
            let said = json.json()["weakened"][0]["message"].to_string();
            let words = format!("; the base refuses rooms/{file}.yaml:");
            assert!(said.contains(&words), "{now}: {}", json.all());
            let guard = json.json()["guard"].to_string();
            assert!(guard.contains("--allow guard-weakened"), "{now}: {guard}");
            let sent = site.count("PUT") + site.count("POST");
            for (allowed, code) in [(&[][..], 4), (&["--allow", "guard-weakened"], 0)] {
                let ran = apply(&site, allowed);
                let now_sent = site.count("PUT") + site.count("POST");
                assert_eq!(
                    (ran.code, now_sent == sent),
                    (code, code == 4),
                    "{now}: {}",
                    ran.all()
                );
            }
        }
    }

    /// However the configuration comes to be another one.
    #[test]
    fn no_way_around_the_comparison() {
        let nearer = "app: acme\nrooms: rooms\n";
        let config = &format!("{BASE}rooms: rooms\n");
        for (number, from) in ["", "", "below", "", "below", ""].into_iter().enumerate() {
            let site = branch(config);
            match number {
                // It goes; it is called otherwise; a nearer one is there; mutes come; a nearer one says the same, of other
                // rooms and another state; another one is named.
                0 => std::fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap(),
                1 => {
                    std::fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap();
                    site.scratch.write("roomctl.yml", "app: acme\n");
                }
                2 => site.scratch.write("below/roomctl.yaml", nearer),
                4 => site.scratch.write("below/roomctl.yaml", config),
                5 => site.scratch.write("named.yaml", "app: acme\n"),
                _ => {
                    let mute = "mutes:\n  - {room: \"*\", attribute: privacy, reason: r, until: 2099-01-01}\n";
                    site.scratch.write("mutes.yaml", mute);
                }
            }
            std::fs::create_dir_all(site.scratch.path("below/rooms")).unwrap();
            site.scratch.write(
                "below/rooms/room-00.yaml",
                "privacy: private\nmaxParticipants: 5\n",
            );
            commit(&site, "around");
            let args = [
                "-C",
                if from.is_empty() { "." } else { from },
                "plan",
                "--base",
                "main",
            ];
            let named: &[&str] = if number == 5 {
                &["--config", "named.yaml"]
            } else {
                &[]
            };
            let ran = site.run(&[&args[..], &["--format", "json"], named].concat());
            assert_eq!(ran.code, 0, "{number}: {}", ran.all());
            assert_ne!(weakened(&ran), [""; 0], "{number}: {}", ran.all());
            let guard = ran.json()["guard"].to_string();
            assert!(guard.contains("guard-weakened"), "{number}: {guard}");
        }
    }

    #[test]
    fn a_guard_that_goes_with_the_change_is_said_first_and_still_counts() {
        let site = branch(BASE);
        site.scratch
            .write("roomctl.yaml", "app: acme\nnames: url-safe\n");
        site.room(0, "privacy: public\nmaxParticipants: 50\n");
        commit(&site, "widen");
        let json = plan(&site, &["--format", "json"]);
        let all = [
            "guard.require_allow",
            "guard.require_allow",
            "protected",
            "policies.small",
            "names",
        ];
        assert_eq!(
            weakened(&json),
            all.map(|what| format!("{what} this-change"))
        );
        assert_eq!(json.json()["weakened"][4]["line"], 2);
        let guard = json.json()["guard"].to_string();
        assert!(guard.contains("--allow guard-weakened"), "{guard}");
        assert!(guard.contains("--allow privacy-widened"), "{guard}");
        for form in ["text", "markdown", "html"] {
            let ran = plan(&site, &["--format", form]);
            let at = |words: &str| {
                ran.stdout
                    .find(words)
                    .unwrap_or_else(|| panic!("{form} {words}: {}", ran.stdout))
            };
            assert!(at("guard-weakened") < at("privacy-widened"), "{form}");
            assert!(
                at("the policy") < at("maxParticipants"),
                "{form}: {}",
                ran.stdout
            );
        }
        let github = plan(&site, &["--format", "github"]);
        let annotated = "::warning file=roomctl.yaml,line=2,title=names";
        assert!(github.stdout.contains(annotated), "{}", github.stdout);
        let puts = site.count("PUT");
        for allowed in [
            &[][..],
            &["--allow", "privacy-widened"],
            &["--allow", "guard-weakened"],
        ] {
            let ran = apply(&site, allowed);
            assert_eq!((ran.code, site.count("PUT")), (4, puts), "{}", ran.all());
        }
        let covered = ["apply", "--yes", "--covered-by", "plan.roomctl"];
        assert_eq!(site.run(&covered).code, 4);
        let ran = apply(
            &site,
            &["--allow", "privacy-widened", "--allow", "guard-weakened"],
        );
        assert_eq!(
            (ran.code, site.count("PUT")),
            (0, puts + 1),
            "{}",
            ran.all()
        );
    }
}
