//! Files that are no files: whatever lies where a file should be, a run ends at once with a code that is documented, and
//! nothing changes outside of the directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Ran, Scratch};
use crate::harness::Site;

/// Marked, so that nothing of it is ever shown.
const OUTSIDE: &str = "canary-outside: 1\n";

/// What may lie there.
const KINDS: [&str; 9] = [
    "link",
    "dangling",
    "to-device",
    "to-pipe",
    "directory",
    "pipe",
    "socket",
    "large",
    "hard-link",
];

/// Puts a thing of that kind at `path`, which holds `text` if it is one of the kinds that hold any.
fn put(kind: &str, path: &Path, text: &[u8], outside: &Scratch) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let victim = outside.path("victim");
    let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    match kind {
        "link" => symlink(victim, path).unwrap(),
        "dangling" => symlink(outside.path("made"), path).unwrap(),
        "to-device" => symlink("/dev/zero", path).unwrap(),
        "to-pipe" => {
            let target = outside.path("pipe");
            let _ = fs::remove_file(&target);
            pipe(&target);
            symlink(target, path).unwrap();
        }
        "directory" => fs::create_dir(path).unwrap(),
        "pipe" => pipe(path),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "large" => fs::File::create(path).unwrap().set_len(1 << 33).unwrap(),
        _ => {
            let twin = outside.path("twin");
            let _ = fs::remove_file(&twin);
            fs::write(&twin, text).unwrap();
            fs::hard_link(twin, path).unwrap();
        }
    }
}

/// What lies outside: names, and what the files hold.
fn all_of(outside: &Scratch) -> Vec<(PathBuf, Option<String>)> {
    let entries = fs::read_dir(outside.path("")).unwrap();
    let mut all: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.clone(),
                path.is_file().then(|| fs::read_to_string(&path).unwrap()),
            )
        })
        .collect();
    all.sort();
    all
}

/// Runs within 2 GiB of addresses, and not for ever.
fn bounded(mut command: Command) -> Ran {
    let program = command.get_program().to_owned();
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let script = "ulimit -v 2097152; exec timeout -s KILL 20 \"$0\" \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", script])
        .arg(program)
        .args(args)
        .stdin(Stdio::null());
    shell.env_clear().env("PATH", "/usr/bin:/bin");
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell.current_dir(command.get_current_dir().unwrap());
    command = shell;
    command.output().unwrap().into()
}

struct Role {
    path: &'static str,
    args: &'static [&'static str],
    /// How a run ends when nothing of use is there.
    code: i32,
    /// Whether another name of the file is no harm.
    shared: bool,
}

const fn role(path: &'static str, args: &'static [&'static str], code: i32, shared: bool) -> Role {
    Role {
        path,
        args,
        code,
        shared,
    }
}

const APPLY: &[&str] = &["apply", "--yes", "--rate", "unlimited"];

const DRIFT: &[&str] = &["drift"];
const IMPORT: &[&str] = &["import", "--all"];
const FORGET: &[&str] = &["state", "forget", "room-00", "--yes"];

/// Every file that a run reads or writes, with the commands that do, how they end when nothing of use is there, and whether
/// another name of the file is no harm.
const PLACES: [(&str, &[&[&str]], i32, bool); 13] = [
    (
        "roomctl.yaml",
        &[
            APPLY,
            &["plan"],
            DRIFT,
            IMPORT,
            &["validate"],
            &["state", "list"],
        ],
        3,
        true,
    ),
    ("mutes.yaml", &[APPLY, &["plan"], DRIFT], 3, true),
    ("ci.yaml", &[&["validate", "--config", "ci.yaml"]], 3, true),
    (
        "rooms/room-00.yaml",
        &[APPLY, &["plan"], &["validate"], &["fmt"]],
        3,
        true,
    ),
    (
        "rooms/_defaults.yaml",
        &[APPLY, &["plan"], &["validate"]],
        3,
        true,
    ),
    (
        ".roomctl/state.json",
        &[APPLY, &["plan"], DRIFT, IMPORT, &["state", "list"]],
        7,
        true,
    ),
    (
        ".roomctl/state.json.journal",
        &[APPLY, &["plan"], DRIFT, IMPORT, &["state", "list"]],
        7,
        true,
    ),
    (
        ".roomctl/state.json.lock",
        &[APPLY, IMPORT, FORGET, &["state", "unlock", "--yes"]],
        7,
        false,
    ),
    (".roomctl/state.json.cache", &[&["plan"]], 0, true),
    (
        ".roomctl/sandbox.json",
        &[
            &["apply", "--sandbox", "--yes"],
            &["plan", "--live", "--sandbox"],
        ],
        7,
        false,
    ),
    ("key", &[&["drift", "--secret-key-file", "key"]], 64, true),
    (
        "saved.roomctl",
        &[
            &["apply", "saved.roomctl", "--yes"],
            &["render", "saved.roomctl"],
        ],
        64,
        true,
    ),
    ("report.json", &[&["render", "report.json"]], 64, true),
];

/// Every way to write a result.
const OUT: [&[&str]; 4] = [
    &["plan", "--out", "out"],
    &["plan", "--report-file", "out"],
    &["validate", "--report-file", "out"],
    &["drift", "--metrics-file", "out"],
];

fn roles() -> Vec<Role> {
    let of = |&(path, commands, code, shared): &(
        &'static str,
        &'static [&'static [&'static str]],
        i32,
        bool,
    )| {
        commands
            .iter()
            .map(move |args| role(path, args, code, shared))
    };
    let results = OUT.iter().map(|args| role("out", args, 64, false));
    PLACES.iter().flat_map(of).chain(results).collect()
}

/// Two rooms that are applied, and every file that there may be.
fn site() -> Site {
    let site = Site::applied(&[], 2);
    site.scratch.write("roomctl.yaml", "app: acme\n");
    site.scratch.write("ci.yaml", "app: acme\n");
    site.scratch.write("mutes.yaml", "mutes: []\n");
    site.scratch.write("key", crate::harness::KEY);
    for made in ["saved.roomctl", "report.json"] {
        let flag = if made == "report.json" {
            "--report-file"
        } else {
            "--out"
        };
        assert_eq!(site.run(&["plan", flag, made]).code, 0);
    }
    site
}

/// A directory on the way is a link out of the checkout.
#[test]
fn no_link_of_the_checkout_leads_out_of_it() {
    for (dir, args, code) in [
        (".roomctl", APPLY, 3),
        (".roomctl", &["plan"], 3),
        (".roomctl", &["import", "--all", "--force"], 3),
        (".roomctl", &["apply", "--sandbox", "--yes"], 3),
        (
            ".roomctl",
            &["apply", "--yes", "--state", ".roomctl/state.json"],
            7,
        ),
        ("rooms", APPLY, 3),
        ("rooms", &["validate", "--rooms", "rooms"], 3),
        ("rooms", &["import", "--all", "--force"], 3),
        ("out", &["plan", "--out", "out/x"], 64),
        ("out", &["plan", "--report-file", "./out/../out/x"], 64),
    ] {
        let site = Site::applied(&[], 1);
        let outside = Scratch::new();
        outside.write("victim", OUTSIDE);
        for made in ["state.json", "sandbox.json", "room-00.yaml"] {
            outside.write(made, "privacy:    public\n");
        }
        let path = site.scratch.path(dir);
        let _ = fs::remove_dir_all(&path);
        symlink(outside.path(""), &path).unwrap();
        let untouched = all_of(&outside);
        let ran = bounded(site.command(args));
        assert_eq!(ran.code, code, "{dir}, {args:?}: {}", ran.all());
        assert_eq!(all_of(&outside), untouched, "{dir}, {args:?}");
        assert!(ran.all().contains("is a link"), "{}", ran.all());
    }
}

#[test]
fn a_lock_of_something_else_is_kept() {
    let site = Site::with_rooms(&[], &[], 1);
    site.scratch.write("Cargo.lock", "version = 4\n");
    for args in [
        &["--state", "Cargo", "apply", "--yes"][..],
        &["--state", "Cargo", "state", "unlock"],
    ] {
        let ran = site.run(args);
        assert_eq!(ran.code, 7, "{}", ran.all());
    }
    assert_eq!(site.scratch.read("Cargo.lock"), "version = 4\n");
}

/// Whoever writes the checkout may write a journal or a state, too.
#[test]
fn what_nobody_can_prove_to_be_ours_is_not_archived() {
    let line = |json: &str| {
        let sum = ring::digest::digest(&ring::digest::SHA256, json.as_bytes());
        let sum: String = sum
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{sum} {json}\n")
    };
    let header = r#"{"journal":2,"app":"acme","lineage":"made-up","serial":0}"#;
    for id in ["", r#""id":"made-up","#] {
        let room = format!(r#"{{{id}"settings":{{"privacy":"public"}}}}"#);
        let event = format!(r#"{{"applied":{{"room":"room-00","applied":{room}}}}}"#);
        let state = format!(
            r#"{{"version":2,"lineage":"made-up","serial":1,"app":"acme","rooms":{{"room-00":{room}}}}}"#
        );
        for (file, text) in [
            (".roomctl/state.json.journal", line(header) + &line(&event)),
            (".roomctl/state.json", state),
        ] {
            let site = Site::new(&[], &[]);
            site.existing(1);
            site.scratch.write("rooms/.keep", "");
            site.scratch.write(file, &text);
            for more in [&[][..], &["--live"]] {
                let prune = ["--prune", "--allow-empty", "--max-changes", "100%"];
                let ran = site.apply(&[&prune[..], more].concat());
                assert_eq!(site.count("DELETE"), 0, "{file} {id}: {}", ran.all());
                let shown = site.run(&["plan", "--prune", "--allow-empty"]).all() + &ran.all();
                assert!(shown.contains("ours"), "{file} {id}: {shown}");
            }
        }
    }
}

/// The sandbox keeps its rooms in a file of the checkout.
#[test]
fn the_sandbox_resolves_no_variable() {
    let scratch = Scratch::new();
    scratch.write(
        "rooms/a.yaml",
        "privacy: private\nmeetingEndedWebhook: ${env:ROOM_HOOK}\n\
         meetingStartedWebhook: https://hooks.example/${env:ROOM_TOKEN}\n",
    );
    for args in [
        &["apply", "--yes"][..],
        &["plan", "--live", "--out", "p"],
        &["drift"],
    ] {
        let mut command = scratch.command(&[&["--sandbox"], args].concat());
        for name in ["ROOM_TOKEN", "METERED_SECRET_KEY", "GITHUB_TOKEN"] {
            command.env(name, "canary-0123456789");
        }
        command.env("ROOM_HOOK", "https://hooks.example/canary-0123456789");
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(!ran.all().contains("canary"), "{}", ran.all());
    }
    for (path, bytes) in scratch.files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary"), "{}", path.display());
    }
}

/// What takes seconds.
mod slow {
    use super::*;

    /// What a shell hands down is read, unless it is a device.
    #[test]
    fn pipes_of_the_shell_bring_a_key_a_plan_or_a_report() {
        let site = site();
        let run = |script: &str| -> Ran {
            let command = site.command(&[]);
            let mut shell = Command::new("bash");
            shell
                .args(["-c", script])
                .arg(command.get_program())
                .args(command.get_args());
            shell
                .current_dir(site.scratch.path(""))
                .env_clear()
                .env("PATH", "/usr/bin:/bin");
            shell.output().unwrap().into()
        };
        for (script, code) in [
            ("\"$0\" \"$@\" drift --secret-key-file <(cat key)", 0),
            ("\"$0\" \"$@\" drift --secret-key-file /dev/stdin < key", 0),
            (
                "cat key | \"$0\" \"$@\" drift --secret-key-file /dev/stdin",
                0,
            ),
            (
                "\"$0\" \"$@\" drift --secret-key-file /dev/stdin < /dev/zero",
                64,
            ),
            ("\"$0\" \"$@\" drift --secret-key-file <(cat /dev/zero)", 64),
            (
                "\"$0\" \"$@\" drift --secret-key-file <(sleep 60 2> /dev/null)",
                64,
            ),
            (
                "cat saved.roomctl | METERED_SECRET_KEY=x \"$0\" \"$@\" apply /dev/stdin --yes",
                0,
            ),
            ("\"$0\" \"$@\" render <(cat report.json)", 0),
            ("\"$0\" \"$@\" render - < report.json", 0),
            ("\"$0\" \"$@\" render /dev/stdin < /dev/zero", 64),
            ("\"$0\" \"$@\" render /dev/zero", 64),
            ("\"$0\" \"$@\" plan --config /dev/zero", 3),
        ] {
            let ran = run(script);
            assert_eq!(ran.code, code, "{script}: {}", ran.all());
        }
    }

    #[test]
    fn whatever_lies_where_a_file_should_be_ends_the_run_and_nothing_else() {
        let site = site();
        let mut wrong = Vec::new();
        for role in &roles() {
            let path = site.scratch.path(role.path);
            let before = fs::read(&path).unwrap_or_default();
            let there = path.exists();
            for kind in KINDS {
                let outside = Scratch::new();
                outside.write("victim", OUTSIDE);
                put(kind, &path, &before, &outside);
                let untouched = all_of(&outside);
                let ran = bounded(site.command(role.args));
                let what = format!("{} as {kind}, {}", role.path, role.args.join(" "));
                let all = ran.all();
                let is_output = role.path == "out";
                let fine = match kind {
                    "hard-link" if role.shared => ran.code == 0,
                    // A usual place that is a link is no place.
                    "link" | "dangling" | "to-device" | "to-pipe" if role.code == 7 => {
                        [3, 7].contains(&ran.code)
                    }
                    // What is not read is not formatted.
                    _ if role.args == ["fmt"] => [0, 3].contains(&ran.code),
                    "large" if is_output => ran.code == 0,
                    "large" if role.code == 64 && role.path != "key" => ran.code == 3,
                    _ => ran.code == role.code,
                };
                if !fine {
                    wrong.push(format!("{what}: exit {}: {all}", ran.code));
                }
                if all_of(&outside) != untouched {
                    wrong.push(format!("{what}: wrote outside"));
                }
                if all.contains("canary") {
                    wrong.push(format!("{what}: shows {all}"));
                }
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
                if there {
                    fs::write(&path, &before).unwrap();
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of them:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    /// However it is spelled.
    #[test]
    fn no_result_takes_the_place_of_what_is_read() {
        let site = site();
        let absolute = site.scratch.path(".roomctl/state.json");
        let outside = Scratch::new();
        symlink(site.scratch.path(""), outside.path("link")).unwrap();
        let linked = outside.path("link/.roomctl/state.json");
        let before = site.scratch.files();
        for place in [
            ".roomctl/state.json",
            "./rooms/../.roomctl//state.json",
            absolute.to_str().unwrap(),
            linked.to_str().unwrap(),
            ".roomctl/state.json.journal",
            ".roomctl/state.json.lock",
            ".roomctl/State.JSON.journal",
            ".roomctl/sandbox-state.json",
            ".roomctl/sandbox.json",
            "roomctl.yaml",
            "roomctl.yml",
            "mutes.yaml",
            "ci.yaml",
            "key",
            "rooms",
            "rooms/room-00.yaml",
            "rooms/new.yaml",
            "rooms/deep/new.YML",
            "rooms/_defaults.yaml",
            "rooms/../rooms/room-01.yaml",
            "/dev/null",
            "/dev/stdout",
        ] {
            for command in [
                &["plan", "--out", place][..],
                &["plan", "--report-file", place],
                &["validate", "--report-file", place],
                &["drift", "--report-file", place],
                &["drift", "--metrics-file", place],
                &["apply", "--yes", "--report-file", place],
            ] {
                let named = ["--config", "ci.yaml", "--secret-key-file", "key"];
                let ran = site.run(&[&named[..], command].concat());
                assert_eq!(ran.code, 64, "{command:?}: {}", ran.all());
                assert!(ran.stderr.contains("nothing was done"), "{}", ran.stderr);
            }
        }
        assert_eq!(site.scratch.files(), before);
        let both = ["plan", "--out", "x", "--report-file", "./x"];
        assert_eq!(site.run(&both).code, 64);
        let itself = [
            "apply",
            "saved.roomctl",
            "--yes",
            "--report-file",
            "saved.roomctl",
        ];
        assert_eq!(site.run(&itself).code, 64);
        let fine = [
            "plan",
            "--out",
            ".roomctl/plan",
            "--report-file",
            "reports/plan.json",
        ];
        assert_eq!(site.run(&fine).code, 0);
    }
}
