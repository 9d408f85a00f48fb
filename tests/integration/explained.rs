//! `plan --base`: which lines a change to the files explains. With the `git` program.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Site;
#[cfg(unix)]
use crate::interrupts::signal;
use crate::schemas::check;

pub fn git(site: &Site, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(args)
        .current_dir(site.scratch.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

fn commit(site: &Site) {
    git(site, &["add", "-A", "rooms"]);
    git(site, &["commit", "-q", "-m", "rooms"]);
}

/// Two rooms applied; a third and a move merged since; then a change on top.
fn site() -> Site {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    site.room(1, "privacy: private\n");
    site.scratch
        .write("rooms/team/_defaults.yaml", "autoJoin: true\n");
    commit(&site);
    assert_eq!(site.apply(&[]).code, 0);
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    site.room(2, "privacy: private\n");
    commit(&site);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site.room(0, "privacy: public\nmaxParticipants: 6\n");
    site.room(1, "privacy: public\n");
    commit(&site);
    site
}

/// A pipe among what git reads, whose writer never comes.
#[cfg(unix)]
fn with_a_pipe() -> (Site, std::path::PathBuf) {
    let site = site();
    let pipe = site.scratch.path(".git/pipe");
    git(&site, &["config", "include.path", "pipe"]);
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    (site, pipe)
}

#[cfg(unix)]
#[test]
fn a_git_that_waits_does_not_outlive_the_run() {
    use std::os::unix::fs::OpenOptionsExt;
    // O_NONBLOCK here: without a reader, opening fails.
    const AT_ONCE: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };
    for name in ["KILL", "TERM", "INT", "HUP"] {
        let (site, pipe) = with_a_pipe();
        let mut run = site.start(&["plan", "--base", "main"]);
        let mut options = std::fs::OpenOptions::new();
        // As soon as git is there.
        let writer = options.write(true).open(&pipe).unwrap();
        signal(&run, name);
        run.wait().unwrap();
        // Nobody can wait for another's child: it is looked for, until it has had all the time there is.
        let is_gone = |_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            options.custom_flags(AT_ONCE).open(&pipe).is_err()
        };
        assert!((0..1_000).any(is_gone), "git stayed behind after {name}");
        drop(writer);
    }
}

#[cfg(unix)]
mod slow {
    use super::*;

    /// A few lines of defaults, and rooms of one line each.
    #[test]
    fn a_proposal_that_moves_too_much_is_refused_before_it_takes_the_memory() {
        let site = site();
        let flags = "autoJoin enableChat joinVideoOn joinAudioOn enableRecording showInviteBox \
                     enableScreenSharing enableRequestToJoin newChatForMeetingSession";
        let flags = flags
            .split_whitespace()
            .map(|flag| format!("{flag}: true\n"));
        let defaults = "privacy: private\n".to_owned() + &flags.collect::<String>();
        site.scratch.write("rooms/many/_defaults.yaml", &defaults);
        for room in 0..5_000 {
            site.scratch
                .write(&format!("rooms/many/r-{room}.yaml"), "{}\n");
        }
        commit(&site);
        let plan = || site.run(&["plan", "--base", "main", "--proposed", "HEAD"]);
        let ran = plan();
        assert_eq!(ran.code, 4, "{}", ran.all());
        assert!(ran.stderr.contains("at most 50000"), "{}", ran.all());
        site.scratch
            .write("rooms/many/_defaults.yaml", "privacy: private\n");
        assert_eq!(plan().code, 0);
    }

    #[test]
    fn a_git_that_waits_is_ended() {
        let (site, _) = with_a_pipe();
        let ran = site.run(&["plan", "--base", "main"]);
        assert_eq!(ran.code, 64, "{}", ran.all());
        assert!(
            ran.stderr.contains("git said nothing for 4 s"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn each_line_says_where_it_comes_from() {
    let site = site();
    let ran = site.run(&["plan", "--base", "main", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    check("plan", &report);
    let lines: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| {
            let room = change["room"].clone();
            let attributes = change["attributes"].as_array().unwrap().iter();
            attributes.map(move |a| json!([room, a["name"], a["explanation"]]))
        })
        .collect();
    assert_eq!(
        lines,
        [
            json!(["room-02", "privacy", "merged-earlier"]),
            json!(["room-00", "maxParticipants", "merged-earlier"]),
            json!(["room-00", "privacy", "this-change"]),
            json!(["room-01", "privacy", "this-change"]),
        ]
    );
    let text = site.run(&["plan", "--base", "main"]).stdout;
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(place("~ room-00") < place("~ room-01"));
    assert!(place("[merged earlier, not applied]") < place("[this change]"));
    assert!(
        text.contains("Unexplained: 2 lines in 2 rooms not from this change."),
        "{text}"
    );
}

#[test]
fn unexplained_lines_can_be_denied() {
    let site = site();
    let denied = ["plan", "--base", "main", "--deny", "unexplained"];
    let ran = site.run(&denied);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(
        ran.stdout.contains("~ room-01"),
        "the plan is shown: {}",
        ran.stdout
    );
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.run(&denied).code, 0);
    // Somebody moves a room on the service.
    site.edit("room-00", "maxParticipants", json!(9));
    let ran = site.run(&["plan", "--live", "--base", "main", "--deny", "unexplained"]);
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stdout.contains("[drift]"), "{}", ran.stdout);
}

#[test]
fn a_revision_that_is_not_there_is_wrong_usage() {
    let site = site();
    for revision in ["nowhere", "--all", "HEAD:rooms", ""] {
        let ran = site.run(&["plan", &format!("--base={revision}")]);
        assert_eq!(ran.code, 64, "{revision}: {}", ran.all());
    }
}

/// Each line of a plan against `main` with where it comes from; a room without lines by its action.
fn lines(site: &Site, more: &[&str]) -> Vec<String> {
    let ran = site.run(&[more, &["plan", "--base", "main", "--format", "json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    let report = ran.json();
    check("plan", &report);
    let mut lines = Vec::new();
    for change in report["changes"].as_array().unwrap() {
        let attributes = change["attributes"].as_array().unwrap();
        let mut line = |what: &Value, explanation: &Value| {
            let text = |json: &Value| json.as_str().unwrap().to_owned();
            let (room, what) = (text(&change["room"]), text(what));
            lines.push(format!("{room} {what}: {}", text(explanation)));
        };
        if attributes.is_empty() {
            line(&change["action"], &change["explanation"]);
        }
        for attribute in attributes {
            line(&attribute["name"], &attribute["explanation"]);
        }
    }
    lines
}

/// Asserts that `room` is said not to be readable at `main`, with this reason, and that the plan is denied for it.
fn check_unread(site: &Site, more: &[&str], room: &str, reason: &str) {
    let lines = lines(site, more);
    let of_room: Vec<&String> = lines.iter().filter(|line| line.starts_with(room)).collect();
    assert!(!of_room.is_empty(), "{lines:?}");
    assert!(
        of_room.iter().all(|line| line.ends_with(": unread")),
        "{lines:?}"
    );
    let denied = ["plan", "--base", "main", "--deny", "unexplained"];
    let ran = site.run(&[more, &denied].concat());
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("[not read at the base]"),
        "{}",
        ran.stdout
    );
}

#[test]
fn errors_in_the_files_of_then_make_nothing_look_new() {
    let site = site();
    git(&site, &["checkout", "-q", "main"]);
    site.room(1, "privacy: open\n");
    commit(&site);
    git(&site, &["checkout", "-q", "change"]);
    check_unread(
        &site,
        &[],
        "room-01",
        "read at the base `main`: 1, the first rooms/room-01.yaml: ",
    );
    // The others were read.
    assert_eq!(lines(&site, &[])[2], "room-00 privacy: this-change");
}

/// A branch that moved a room, and that others went on without: they moved another room, made one, and applied both.
fn left_behind() -> Site {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    site.room(1, "privacy: private\n");
    commit(&site);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site.room(1, "privacy: public\n");
    commit(&site);
    git(&site, &["checkout", "-q", "main"]);
    site.room(0, "privacy: private\nmaxParticipants: 6\n");
    site.room(2, "privacy: private\n");
    commit(&site);
    assert_eq!(site.apply(&[]).code, 0);
    git(&site, &["checkout", "-q", "change"]);
    site
}

#[test]
fn what_a_branch_behind_the_base_would_revert_is_not_its_change() {
    let site = left_behind();
    assert_eq!(
        lines(&site, &[]),
        [
            "room-00 maxParticipants: behind",
            "room-01 privacy: this-change",
            "room-02 orphan: behind",
        ]
    );
    for form in ["text", "markdown", "html", "github"] {
        let denied = ["--format", form, "--base", "main", "--deny", "unexplained"];
        let ran = site.run(&[&["plan"], &denied[..]].concat());
        assert_eq!(ran.code, 4, "{form}: {}", ran.all());
        assert!(
            ran.stdout.contains("behind the base"),
            "{form}: {}",
            ran.all()
        );
    }
    git(&site, &["merge", "-q", "--no-edit", "main"]);
    assert_eq!(lines(&site, &[]), ["room-01 privacy: this-change"]);
    let ran = site.run(&["plan", "--base", "main", "--deny", "unexplained"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
}

#[test]
fn what_was_merged_into_the_branch_and_taken_back_since_is_not_its_change() {
    let site = left_behind();
    // Each side has merged the other's first commit, so that they have two bests in common.
    git(&site, &["branch", "theirs", "main"]);
    git(&site, &["checkout", "-q", "main"]);
    git(&site, &["merge", "-q", "--no-edit", "change"]);
    site.room(0, "privacy: private\nmaxParticipants: 5\n");
    site.room(1, "privacy: private\n");
    commit(&site);
    assert_eq!(site.apply(&[]).code, 0);
    git(&site, &["checkout", "-q", "change"]);
    git(&site, &["merge", "-q", "--no-edit", "theirs"]);
    // Each was in one of the two.
    assert_eq!(
        lines(&site, &[]),
        ["room-00 maxParticipants: behind", "room-01 privacy: behind"]
    );
}

#[test]
fn without_a_commit_in_common_there_is_no_plan() {
    let site = left_behind();
    let parent = site.scratch.path("");
    let from = format!("file://{}", parent.display());
    let depth = ["--depth", "1", "--no-single-branch"];
    git(
        &site,
        &[&["clone", "-q"], &depth[..], &[&from, "shallow"]].concat(),
    );
    let shallow = ["--rooms", "shallow/rooms", "plan", "--base", "origin/main"];
    git(&site, &["checkout", "-q", "--orphan", "alone"]);
    git(&site, &["commit", "-q", "-m", "alone"]);
    for args in [&shallow[..], &["plan", "--base", "main"]] {
        let ran = site.run(args);
        assert_eq!(ran.code, 64, "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains("no commit in common"), "{}", ran.stderr);
        assert!(ran.stderr.contains("fetch-depth: 0"), "{}", ran.stderr);
    }
}

#[test]
fn what_a_submodule_held_is_not_known_to_be_new() {
    let site = site();
    git(&site, &["checkout", "-q", "main"]);
    let link = "160000,1111111111111111111111111111111111111111,rooms/sales";
    git(&site, &["update-index", "--add", "--cacheinfo", link]);
    git(&site, &["commit", "-q", "-m", "a submodule"]);
    git(&site, &["checkout", "-q", "change"]);
    site.scratch
        .write("rooms/sales/fair.yaml", "privacy: private\n");
    check_unread(&site, &[], "fair", "rooms/sales: it is a submodule");
    assert!(lines(&site, &[]).contains(&"room-00 privacy: this-change".to_owned()));
}

#[test]
fn a_rooms_directory_that_was_a_submodule_is_not_known() {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    let link = "160000,1111111111111111111111111111111111111111,rooms";
    git(&site, &["update-index", "--add", "--cacheinfo", link]);
    git(&site, &["commit", "-q", "-m", "a submodule"]);
    git(&site, &["checkout", "-q", "-b", "change"]);
    git(&site, &["update-index", "--force-remove", "rooms"]);
    site.room(0, "privacy: private\n");
    commit(&site);
    check_unread(&site, &[], "room-00", "the first rooms: it is a submodule");
}

#[cfg(unix)]
#[test]
fn rooms_below_defaults_that_were_a_link_are_not_known() {
    let site = site();
    git(&site, &["checkout", "-q", "main"]);
    site.scratch
        .write("rooms/sales/fair.yaml", "privacy: private\n");
    let defaults = site.scratch.path("rooms/sales/_defaults.yaml");
    std::os::unix::fs::symlink("../team/_defaults.yaml", &defaults).unwrap();
    commit(&site);
    git(&site, &["checkout", "-q", "-B", "change"]);
    std::fs::remove_file(&defaults).unwrap();
    site.scratch
        .write("rooms/sales/_defaults.yaml", "autoJoin: true\n");
    commit(&site);
    check_unread(
        &site,
        &[],
        "fair",
        "rooms/sales/_defaults.yaml: it is a link",
    );
}

// Elsewhere no file can have such a name.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_not_known() {
    use std::os::unix::ffi::OsStrExt;

    let site = site();
    git(&site, &["checkout", "-q", "main"]);
    let directory = site
        .scratch
        .path("rooms")
        .join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("fair.yaml"), "privacy: private\n").unwrap();
    commit(&site);
    git(&site, &["checkout", "-q", "-B", "change"]);
    check_unread(&site, &[], "fair", "its path is not UTF-8");
}

#[test]
fn content_that_is_not_here_is_not_known() {
    let site = site();
    let blob = "main:rooms/room-00.yaml";
    let id = git(&site, &["rev-parse", blob]);
    let (folder, file) = id.trim().split_at(2);
    std::fs::remove_file(site.scratch.path(&format!(".git/objects/{folder}/{file}"))).unwrap();
    check_unread(
        &site,
        &[],
        "room-00",
        "rooms/room-00.yaml: its content is not here",
    );
}

#[test]
fn rooms_in_a_directory_of_another_name_are_not_known_to_be_new() {
    let site = site();
    git(&site, &["mv", "rooms", "meetings"]);
    let more = ["--rooms", "meetings"];
    check_unread(
        &site,
        &more,
        "room-00",
        "meetings: it is not there, and rooms/room-00.yaml",
    );
    assert!(
        lines(&site, &more)
            .iter()
            .all(|line| line.ends_with(": unread"))
    );
}

#[test]
fn the_first_rooms_of_a_repository_are_its_change() {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.scratch
        .write(".github/workflows/plan.yml", "on: push\n");
    site.scratch.write("roomctl.yaml", "app: acme\n");
    git(&site, &["add", "-A", ".github", "roomctl.yaml"]);
    git(&site, &["commit", "-q", "-m", "no rooms yet"]);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site.room(0, "privacy: private\n");
    commit(&site);
    assert_eq!(lines(&site, &[]), ["room-00 privacy: this-change"]);
}

#[test]
fn variables_of_git_change_nothing() {
    let site = site();
    let text = |path: &str| site.scratch.path(path).display().to_string();
    git(&site, &["init", "-q", "-b", "main", "other"]);
    site.scratch
        .write("other/rooms/room-02.yaml", "privacy: public\n");
    git(&site, &["-C", "other", "add", "-A"]);
    git(&site, &["-C", "other", "commit", "-q", "-m", "other"]);
    let other = ("GIT_DIR", text("other/.git"));
    let counted = |key: &str, value: &str| {
        let one = [
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", key),
            ("GIT_CONFIG_VALUE_0", value),
        ];
        one.map(|(name, value)| (name, value.to_owned())).to_vec()
    };
    let plan = ["plan", "--base", "main"];
    let plain = site.run(&plan).all();
    for variables in [
        vec![other.clone()],
        vec![other, ("GIT_WORK_TREE", text("other"))],
        // As git sets them for a hook, here of a commit of some files only.
        vec![
            ("GIT_DIR", ".git".to_owned()),
            ("GIT_INDEX_FILE", ".git/next-index-1.lock".to_owned()),
            ("GIT_PREFIX", String::new()),
        ],
        vec![("GIT_WORK_TREE", text("other"))],
        vec![("GIT_OBJECT_DIRECTORY", text("other/.git/objects"))],
        vec![("GIT_CEILING_DIRECTORIES", text(""))],
        vec![("GIT_SHALLOW_FILE", text("nowhere"))],
        counted("core.worktree", &text("other")),
        counted("core.bare", "true"),
    ] {
        let set: Vec<_> = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.clone()))
            .collect();
        assert_eq!(site.run_with(&set, &plan).all(), plain, "{variables:?}");
    }
}

/// What a directory of the checkout has to hold, so that git takes it for a repository without files: whoever sends a change
/// can bring that.
pub fn looks_like_a_repository(site: &Site, directory: &str) {
    for (name, text) in [
        ("HEAD", "ref: refs/heads/main\n"),
        ("config", "[core]\n\tbare = true\n"),
        ("objects/info/alternates", "/dev/zero\n"),
        ("refs/heads/x.txt", ""),
    ] {
        site.scratch.write(&format!("{directory}/{name}"), text);
    }
}

#[test]
fn a_directory_that_looks_like_a_repository_is_explained_as_any_other() {
    let site = site();
    let plan = ["plan", "--base", "main"];
    let plain = site.run(&plan);
    assert!(plain.all().contains("[this change]"), "{}", plain.all());
    looks_like_a_repository(&site, "rooms");
    assert_eq!(site.run(&plan).all(), plain.all());
    commit(&site);
    assert_eq!(site.run(&plan).all(), plain.all());
}

#[cfg(unix)]
#[test]
fn git_is_not_given_the_key() {
    use std::os::unix::fs::PermissionsExt;

    let site = site();
    let record =
        "#!/bin/sh\nenv >> environment.txt\nPATH=/usr/local/bin:/usr/bin:/bin exec git \"$@\"\n";
    site.scratch.write("bin/git", record);
    let program = site.scratch.path("bin/git");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", site.scratch.path("bin").display());
    let ran = site.run_with(&[("PATH".to_owned(), path)], &["plan", "--base", "main"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(site.scratch.read("environment.txt").contains("PATH="));
    site.check_files();
}

#[test]
fn a_part_of_the_rooms_has_its_defaults_at_the_base_too() {
    let site = Site::new(&[], &[]);
    git(&site, &["init", "-q", "-b", "main"]);
    site.scratch
        .write("rooms/_defaults.yaml", "privacy: private\n");
    site.scratch
        .write("rooms/team/a.yaml", "enableChat: true\n");
    site.scratch.write("rooms/b.yaml", "enableChat: true\n");
    commit(&site);
    git(&site, &["checkout", "-q", "-b", "change"]);
    site.scratch
        .write("rooms/team/a.yaml", "enableChat: false\n");
    commit(&site);
    let part = ["--rooms", "rooms/team"];
    let selected = ["--target", "a"];
    for args in [&part[..], &selected, &[]] {
        let base = [&["plan", "--base", "main", "--format", "json"], args].concat();
        let report = site.run(&base).json();
        let change = &report["changes"][0];
        let lines = change["attributes"].as_array().unwrap().iter();
        let lines: Vec<_> = lines
            .map(|a| json!([change["room"], a["name"], a["explanation"]]))
            .collect();
        let expected = [
            json!(["a", "enableChat", "this-change"]),
            json!(["a", "privacy", "merged-earlier"]),
        ];
        assert_eq!(lines, expected, "{args:?}");
        let rooms = report["changes"].as_array().unwrap().len();
        assert_eq!(rooms, if args.is_empty() { 2 } else { 1 });
    }
}

/// What `git` knows of us, and what the checkout makes it do.
#[cfg(unix)]
#[test]
fn git_gets_no_secret_and_runs_nothing_of_the_checkout() {
    use std::os::unix::fs::PermissionsExt;
    let site = site();
    let run = || {
        let path = format!("{}:/usr/bin:/bin", site.scratch.path("bin").display());
        let variables = [
            ("PATH".to_owned(), path),
            ("ROOM_X".to_owned(), "canary-x".to_owned()),
        ];
        site.run_with(&variables, &["plan", "--base", "main", "--format", "json"])
    };
    let bin = site.scratch.path("bin/git");
    let real = Command::new("sh")
        .args(["-c", "command -v git"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let seen = site.scratch.path("seen");
    let script = format!(
        "#!/bin/sh\nenv >> {}\nexec {} \"$@\"\n",
        seen.display(),
        real.trim()
    );
    site.scratch.write("bin/git", &script);
    std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let before = run();
    assert_eq!(before.code, 0, "{}", before.all());
    assert!(site.scratch.read("seen").contains("GIT_TERMINAL_PROMPT=0"));
    assert!(!site.scratch.read("seen").contains("canary"));
    // A repository with settings of its own, and another history, in the place of the rooms directory.
    let marked = format!("touch {}", site.scratch.path("started").display());
    let hostile = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = \"{marked}\"\n\tsshCommand = \"{marked}\"\n\
         \tpager = \"{marked}\"\n\thooksPath = bin\n\talternateRefsCommand = \"{marked}\"\n\
         [diff]\n\texternal = \"{marked}\"\n[credential]\n\thelper = \"!{marked}\"\n\
         [remote \"origin\"]\n\turl = \"ext::{marked}\"\n\tpromisor = true\n\
         [extensions]\n\tpartialClone = origin\n[protocol]\n\tallow = always\n"
    );
    git(&site, &["init", "-q", "--bare", "rooms"]);
    site.scratch
        .write("rooms/config", &format!("{hostile}[core]\n\tbare = true\n"));
    let bare = run();
    let (expected, found) = (&before.stdout, &bare.stdout);
    assert_eq!((bare.code, found), (0, expected), "{}", bare.stderr);
    for made in ["HEAD", "config", "description"] {
        std::fs::remove_file(site.scratch.path("rooms").join(made)).unwrap();
    }
    let config = site
        .scratch
        .read(".git/config")
        .replace("[core]\n", "[core]\n\tx = y\n");
    site.scratch.write(".git/config", &(config + &hostile));
    let own = run();
    assert_eq!(
        (own.code, &own.stdout),
        (before.code, &before.stdout),
        "{}",
        own.stderr
    );
    // A commit that only the remote would have.
    let asked = site.run(&["plan", "--base", &"1".repeat(40)]);
    assert_eq!(asked.code, 64, "{}", asked.all());
    assert!(!site.scratch.path("started").exists());
}
