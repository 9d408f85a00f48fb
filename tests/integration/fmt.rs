//! `fmt` on files: what it writes, what it leaves alone, and its exit codes.

use std::io::Write;
use std::process::Stdio;

use crate::common::{Ran, Scratch, root};
use crate::site::Site;

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
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Ran::from(child.wait_with_output().unwrap())
    };
    let ran = piped(ODD, &["fmt", "-"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, TIDY, "")
    );
    assert_eq!(piped(ODD, &["fmt", "--check", "-"]).code, 2);
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
