//! `init` makes a repository that works at once, and changes nothing that is there.

use std::fs;

use crate::common::Scratch;

#[test]
fn a_new_repository_is_valid_and_applies() {
    let scratch = Scratch::new();
    let made = scratch.run(&["init", "--app", "acme"]);
    assert_eq!(made.code, 0, "{}", made.all());
    let checked = scratch.run(&["validate", "--format", "json"]);
    assert_eq!(checked.code, 0, "{}", checked.all());
    assert_eq!(checked.json()["findings"].as_array().unwrap().len(), 0);
    for file in [
        "roomctl.yaml",
        "rooms/_defaults.yaml",
        "rooms/roomctl-trial.yaml",
    ] {
        let text = scratch.read(file);
        let first = text.lines().next().unwrap();
        let schema = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap();
        let dir = scratch.path(file).parent().unwrap().to_owned();
        // What an editor would underline in a file that nobody has touched yet.
        let schema = fs::read_to_string(dir.join(schema)).unwrap();
        let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        let settings: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let underlined: Vec<_> = schema.iter_errors(&settings).collect();
        assert!(underlined.is_empty(), "{file}: {underlined:?}");
    }
    assert_eq!(scratch.run(&["fmt", "--check"]).code, 0);
    let plan = scratch.run(&["plan"]);
    assert!(plan.stdout.starts_with("Plan for acme"), "{}", plan.all());
    let applied = scratch.run(&["apply", "--sandbox", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.all());
}

#[test]
fn what_is_there_stays() {
    let scratch = Scratch::new();
    for (file, text) in [
        ("roomctl.yaml", "app: mine\n"),
        ("rooms/a.yaml", "privacy: private\n"),
        (".gitignore", "/target\n"),
        ("schema/room.schema.json", "{}\n"),
    ] {
        scratch.write(file, text);
    }
    let before = scratch.files();
    let made = scratch.run(&["init", "--app", "acme"]);
    assert_eq!(made.code, 0, "{}", made.all());
    let after = scratch.files();
    assert!(before.iter().all(|file| after.contains(file)));
    assert!(!scratch.path("rooms/roomctl-trial.yaml").exists());
    assert!(
        made.stdout.contains("roomctl schema room > "),
        "{}",
        made.stdout
    );
    assert!(made.stderr.contains("\n/.roomctl/\n"), "{}", made.stderr);
    let again = scratch.run(&["init"]);
    assert!(!again.stdout.contains("created"), "{}", again.stdout);
    assert_eq!(scratch.files(), after);
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let scratch = Scratch::new();
    let outside = Scratch::new();
    std::os::unix::fs::symlink(outside.path(""), scratch.path("schema")).unwrap();
    let made = scratch.run(&["init"]);
    assert_eq!(made.code, 4, "{}", made.all());
    assert!(outside.files().is_empty());
}

#[test]
fn the_workflow_that_applies_gets_the_secrets_that_rooms_need() {
    let workflow = ".github/workflows/apply.yml";
    let line = |name: &str| format!("          {name}: ${{{{ secrets.{name} }}}}\n");
    let scratch = Scratch::new();
    scratch.run(&["init", "--app", "acme"]);
    let text = scratch.read(workflow);
    assert!(!text.contains("secrets.ROOM_"), "{text}");

    let room = "privacy: private\nmeetingEndedWebhook: https://hooks.example/${env:ROOM_HOOK}\n";
    scratch.write("rooms/a.yaml", room);
    let again = scratch.run(&["init"]);
    assert!(again.stderr.contains(workflow), "{}", again.all());
    let text = scratch.read(workflow);
    let block = format!("        env:\n{}        #", line("ROOM_HOOK"));
    assert!(text.contains(&block), "{text}");
    let third = scratch.run(&["init"]);
    assert!(!third.stderr.contains(workflow), "{}", third.all());

    // Somebody's own workflow is theirs: what it needs is only said.
    let own = text.replace("# roomctl: secrets of rooms end", "");
    scratch.write(workflow, &own);
    let said = scratch.run(&["init"]);
    let needs = "ROOM_HOOK: ${{ secrets.ROOM_HOOK }}";
    assert!(said.stderr.contains(needs), "{}", said.all());
    assert_eq!(scratch.read(workflow), own);
}

/// All that is written goes by one home of the state, and nothing of the others is there.
#[test]
fn the_state_has_one_home() {
    let object = "s3://company-rooms/state.json";
    let committed = ".roomctl/state.json";
    for (args, state, ignored, has_workflows) in [
        (&[][..], None, "/.roomctl/\n", true),
        (&["--state", object], Some(object), "/.roomctl/\n", true),
        (
            &["--state", committed],
            None,
            "!/.roomctl/state.json\n",
            false,
        ),
    ] {
        let scratch = Scratch::new();
        let made = scratch.run(&[&["init", "--app", "acme"], args].concat());
        assert_eq!(made.code, 0, "{}", made.all());
        let config: serde_json::Value =
            serde_yaml::from_str(&scratch.read("roomctl.yaml")).unwrap();
        assert_eq!(config["state"].as_str(), state, "{args:?}");
        assert!(scratch.read(".gitignore").ends_with(ignored), "{args:?}");
        let workflows = scratch.path(".github").exists();
        assert_eq!(workflows, has_workflows, "{args:?}");
        // Asked again without it, another home is made nowhere.
        let files = scratch.files();
        let again = scratch.run(&["init"]);
        assert_eq!((again.code, scratch.files()), (0, files), "{args:?}");
    }
    let scratch = Scratch::new();
    let refused = scratch.run(&["init", "--state", "elsewhere.json"]);
    assert_eq!(
        (refused.code, scratch.files().len()),
        (64, 0),
        "{}",
        refused.all()
    );
    scratch.write("roomctl.yaml", "app: acme\n");
    let said = scratch.run(&["init", "--state", object]);
    assert!(
        said.stderr.contains(&format!("\nstate: {object}\n")),
        "{}",
        said.all()
    );
}
