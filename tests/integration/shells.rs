//! Completion and manual: what the program tells about itself.

use crate::common::Scratch;

/// What the program offers bash for the last of `words`.
fn completed(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let mut args = vec!["--"];
    args.extend(words);
    let mut command = scratch.command(&args);
    command.env("ROOMCTL_COMPLETE", "bash");
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    command.env("_CLAP_IFS", "\n");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn rooms_are_completed_from_the_files_and_the_state() {
    let scratch = Scratch::new();
    scratch.write("rooms/stand-up.yaml", "privacy: private\n");
    scratch.write(
        "rooms/sales/demo.yaml",
        "privacy: public\nroomName: start-here\n",
    );
    scratch.write("rooms/other.yaml", "privacy: public\n");
    scratch.write("roomctl.yaml", "app: acme\n");
    let state =
        r#"{"version": 1, "lineage": "x", "serial": 1, "app": "acme", "rooms": {"status": {}}}"#;
    scratch.write(".roomctl/state.json", state);
    for command in [
        &["state", "show"] as &[&str],
        &["state", "mv"],
        &["state", "forget"],
        &["import"],
        &["adopt"],
    ] {
        let words = [&["roomctl"], command, &["sta"]].concat();
        assert_eq!(
            completed(&scratch, &words),
            ["stand-up", "start-here", "status"],
            "{command:?}"
        );
    }
    assert_eq!(completed(&scratch, &["roomctl", "appl"]), ["apply"]);
    assert_eq!(
        completed(&scratch, &["roomctl", "apply", "--dead"]),
        ["--deadline"]
    );
    // Nothing is said of what is wrong here to somebody who only pressed a key.
    scratch.write("roomctl.yaml", "no: such\n");
    assert_eq!(
        completed(&scratch, &["roomctl", "state", "show", "sta"]),
        Vec::<String>::new()
    );
}

#[test]
fn each_shell_has_a_script_and_each_command_a_page() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = scratch.run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(
            ran.stdout.contains("ROOMCTL_COMPLETE"),
            "{shell}: {}",
            ran.stdout
        );
    }
    assert!(scratch.run(&["man"]).stdout.contains(".TH roomctl 1"));
    assert_eq!(scratch.run(&["man", "--dir", "pages"]).code, 0);
    let help = scratch.run(&["help"]).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let mut pages = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        if command != "help" {
            assert!(
                scratch
                    .read(&format!("pages/roomctl-{command}.1"))
                    .contains(".TH")
            );
            pages += 1;
        }
    }
    assert!(pages >= 10, "{help}");
}
