//! `fmt` on files: what it writes, what it leaves alone, and its exit codes.

use std::io::Write;
use std::process::Stdio;

use crate::common::{Ran, Scratch, root};
use crate::harness::Site;

const ODD: &str = "enableChat:   true  # why\nprivacy: 'private'\n";
const TIDY: &str = "privacy: private\nenableChat: true  # why\n";

#[test]
fn the_example_rooms_are_in_their_form() {
    let scratch = Scratch::new();
    scratch.copy(&root().join("rooms"), "rooms");
    let ran = scratch.run(&["fmt", "--check"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

#[test]
fn only_what_changes_is_written_and_a_broken_file_stays() {
    let scratch = Scratch::new();
    let broken = "privacy: [\n";
    scratch.write("rooms/odd.yaml", ODD);
    scratch.write("rooms/tidy.yaml", TIDY);
    scratch.write("rooms/broken.yaml", broken);
    scratch.write(
        "rooms/x/_defaults.yaml",
        "autoJoin: True\nprivacy: private\n",
    );
    let check = scratch.run(&["fmt", "--check"]);
    assert_eq!(check.code, 3, "{}", check.all());
    assert_eq!(scratch.read("rooms/odd.yaml"), ODD);
    let ran = scratch.run(&["fmt"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert_eq!(
        ran.stdout,
        "formatted rooms/odd.yaml\nformatted rooms/x/_defaults.yaml\n"
    );
    assert!(
        ran.stderr.contains("rooms/broken.yaml:1:10"),
        "{}",
        ran.stderr
    );
    assert_eq!(scratch.read("rooms/odd.yaml"), TIDY);
    assert_eq!(
        scratch.read("rooms/x/_defaults.yaml"),
        "privacy: private\nautoJoin: true\n"
    );
    assert_eq!(scratch.read("rooms/broken.yaml"), broken);
    let one = scratch.run(&["fmt", "--check", "rooms/odd.yaml", "rooms/x"]);
    assert_eq!(one.code, 0, "{}", one.all());
    scratch.write("rooms/odd.yaml", ODD);
    let one = scratch.run(&["fmt", "--check", "rooms/odd.yaml"]);
    assert_eq!(
        (one.code, one.stdout.as_str()),
        (2, "would format rooms/odd.yaml\n")
    );
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_permissions_and_a_link_is_not_written_through() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scratch = Scratch::new();
    scratch.write("rooms/a.yaml", ODD);
    scratch.write("outside.yaml", ODD);
    let path = scratch.path("rooms/a.yaml");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("../outside.yaml", scratch.path("rooms/link.yaml")).unwrap();
    let ran = scratch.run(&["fmt"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(scratch.read("outside.yaml"), ODD);
    // Named as well: `rooms/*.yaml` names it too.
    let ran = scratch.run(&["fmt", "rooms/link.yaml"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stderr.contains("error[link]"), "{}", ran.stderr);
    assert_eq!(scratch.read("outside.yaml"), ODD);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_keeps_no_other_from_its_form() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    scratch.write("rooms/a/odd.yaml", ODD);
    scratch.write("rooms/b/odd.yaml", ODD);
    let locked = scratch.path("rooms/a");
    let set = |mode| std::fs::set_permissions(&locked, PermissionsExt::from_mode(mode)).unwrap();
    set(0o500);
    let is_root = std::fs::write(locked.join("probe"), "").is_ok();
    let ran = scratch.run(&["fmt"]);
    set(0o700);
    // Whoever may write everywhere sees no difference.
    if !is_root {
        assert_eq!(ran.code, 1, "{}", ran.all());
        assert_eq!(ran.stdout, "formatted rooms/b/odd.yaml\n");
        assert!(ran.stderr.contains("cannot write rooms/a/odd.yaml"));
        assert_eq!(scratch.read("rooms/a/odd.yaml"), ODD);
    }
    assert_eq!(scratch.read("rooms/b/odd.yaml"), TIDY);
}

#[cfg(unix)]
#[test]
fn names_of_files_do_not_act_on_the_terminal() {
    let scratch = Scratch::new();
    scratch.write("rooms/a\u{1b}[31mb.yaml", ODD);
    let ran = scratch.run(&["--color", "always", "fmt", "--check", "--diff"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(!ran.all().contains("\u{1b}[31mb"), "{:?}", ran.all());
    assert!(
        ran.stdout
            .starts_with("would format rooms/a\\u{1b}[31mb.yaml\n")
    );
}

#[test]
fn a_file_that_is_named_and_not_read_is_reported() {
    let scratch = Scratch::new();
    scratch.write("rooms/_Defaults.yaml", ODD);
    let ran = scratch.run(&["fmt", "rooms/_Defaults.yaml"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stderr.contains("error[defaults-file-name]"));
}

#[test]
fn a_diff_shows_no_secret() {
    let scratch = Scratch::new();
    let secret = "# was rtmp://a/canary-1\nrtmpOutURL: 'rtmp://a/canary-2'  # canary-3\nrtmpOutUrl:  canary-4\nmeetingJoinWebhook: >-\n  https://canary-5\nprivacy: private\n";
    scratch.write("rooms/a.yaml", secret);
    for args in [&["fmt", "--check", "--diff"][..], &["fmt", "--diff"]] {
        let ran = scratch.run(args);
        assert!(
            ran.stdout.contains("+rtmpOutURL: ****  # …\n"),
            "{}",
            ran.all()
        );
        assert!(!ran.all().contains("canary"), "{}", ran.all());
    }
    let after = scratch.read("rooms/a.yaml");
    for number in 1..=5 {
        assert_eq!(after.matches(&format!("canary-{number}")).count(), 1);
    }
    assert_eq!(scratch.run(&["fmt", "--diff"]).stdout, "");
}

#[test]
fn standard_input_goes_to_standard_output() {
    let scratch = Scratch::new();
    let piped = |text: &str, args: &[&str]| -> Ran {
        let mut command = scratch.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Refused early, it does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    };
    let ran = piped(ODD, &["fmt", "-"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, TIDY, "")
    );
    assert_eq!(piped(ODD, &["fmt", "--check", "-"]).code, 2);
    let diff = piped(ODD, &["fmt", "--check", "--diff", "-"]);
    assert!(
        diff.stdout.contains("-privacy: 'private'\n"),
        "{}",
        diff.all()
    );
    assert_eq!(piped(ODD, &["fmt", "--diff", "-"]).code, 64);
    let long = piped(&"#\n".repeat(131_073), &["fmt", "-"]);
    assert_eq!(
        (long.code, long.stdout.as_str()),
        (3, ""),
        "{}",
        long.stderr
    );
    let broken = piped("rtmpOutURL: 'rtmp://a/canary\n", &["fmt", "-"]);
    assert_eq!((broken.code, broken.stdout.as_str()), (3, ""));
    assert!(
        broken.stderr.contains("standard input:1:13"),
        "{}",
        broken.stderr
    );
    assert!(!broken.stderr.contains("canary"));
}

#[test]
fn nothing_is_to_be_applied_after_formatting() {
    let site = Site::new(&[], &[]);
    site.room(
        0,
        "maxParticipants: 5\nejectAfterElapsedTimeInSec: '2h'\nprivacy: \"private\"\n",
    );
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.run(&["fmt"]).code, 0);
    let plan = site.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
}
