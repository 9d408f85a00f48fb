//! What is kept of the last plan makes the next one faster, and nothing else: whatever moved in between, and whatever became of
//! what was kept, `plan` says the same with it and without.

use std::fs;
use std::sync::OnceLock;

use proptest::prelude::*;

use crate::common::{Ran, Scratch};
use crate::harness::Site;

const CACHE: &str = ".roomctl/state.json.cache";
const STATE: &str = ".roomctl/state.json";
const NOW: &str = "2026-11-24T09:00:00Z";

/// What the files of eight rooms say: of each some, beside what holds for all.
const TEXTS: [&str; 8] = [
    "maxParticipants: 5\n",
    "enableChat: true # all\n",
    "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TOKEN}\n",
    "expireUnixSec: 2026-11-25T09:00:00Z\nejectAtRoomExp: true\n",
    "meetingEndedWebhook: https://hooks.example.com/literal\n",
    "compositionLayout: grid\n",
    // The same reference, and no reader of the text alone would know.
    "meetingEndedWebhook: \"https://hooks.example.com/\\x24{env:ROOM_TOKEN}\"\n",
    "roomName: other\n",
];

/// A directory with everything applied, and a run with everything as it was then.
struct Place {
    scratch: Scratch,
    token: Option<&'static str>,
    flags: Vec<&'static str>,
}

fn file(room: usize) -> String {
    let dir = ["", "sales/", "sales/emea/"][room % 3];
    format!("rooms/{dir}room-{room}.yaml")
}

/// The state of the rooms as they are applied.
fn applied() -> &'static str {
    static STATE_TEXT: OnceLock<String> = OnceLock::new();
    STATE_TEXT.get_or_init(|| {
        let site = Site::new(&[], &[]);
        write_rooms(&site.scratch);
        let token = [("ROOM_TOKEN".to_owned(), "canary-one".to_owned())];
        let ran = site.run_with(
            &token,
            &["apply", "--yes", "--rate", "unlimited", "--now", NOW],
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
        site.scratch.read(STATE)
    })
}

fn write_rooms(scratch: &Scratch) {
    for (room, text) in TEXTS.iter().enumerate() {
        scratch.write(&file(room), text);
    }
    scratch.write("rooms/_defaults.yaml", "privacy: private\n");
    scratch.write("rooms/sales/_defaults.yaml", "autoJoin: false\n");
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        write_rooms(&scratch);
        scratch.write("roomctl.yaml", "app: acme\n");
        scratch.write(STATE, applied());
        let (token, flags) = (Some("canary-one"), Vec::new());
        Self {
            scratch,
            token,
            flags,
        }
    }

    fn run(&self, more: &[&str]) -> (Ran, Option<Vec<u8>>) {
        let mut args = vec!["plan", "--out", "plan.roomctl"];
        if !self.flags.contains(&"--now") {
            args.extend(["--now", NOW]);
        }
        let _ = fs::remove_file(self.scratch.path("plan.roomctl"));
        let mut command = self
            .scratch
            .command(&[&args, &self.flags[..], more].concat());
        command.envs(self.token.map(|token| ("ROOM_TOKEN", token)));
        let ran = command.output().unwrap().into();
        (ran, fs::read(self.scratch.path("plan.roomctl")).ok())
    }

    /// Plans with what is kept and without, and sees the same.
    fn agrees(&self) -> Result<(), TestCaseError> {
        let ((kept, out), (alone, out_alone)) = (self.run(&[]), self.run(&["--no-cache"]));
        prop_assert_eq!(&kept.stdout, &alone.stdout);
        prop_assert_eq!(&kept.stderr, &alone.stderr);
        prop_assert_eq!((kept.code, out), (alone.code, out_alone));
        Ok(())
    }

    fn change(&mut self, what: usize, which: usize, how: usize) {
        let scratch = &self.scratch;
        let (path, text) = (file(which % 8), TEXTS[which % 8]);
        let flip = |path: &str, to: &str| {
            if fs::remove_file(scratch.path(path)).is_err() {
                scratch.write(path, to);
            }
        };
        match what {
            0 => scratch.write(&path, &format!("{text}maxParticipants: {how}\n")),
            1 => scratch.write(&path, &format!("{text}# {how}\n")),
            2 => scratch.write(&path, text),
            3 => flip(&path, text),
            4 => flip("rooms/twin.yaml", &format!("roomName: room-{which}\n")),
            5 => flip("rooms/Twin.yaml", &format!("roomName: ROOM-{which}\n")),
            6 => flip("rooms/bad.yaml", "privacy: open\n"),
            7 => flip("rooms/.hidden.yaml", "privacy: open\n"),
            8 => {
                let more = [
                    "",
                    "enableChat: false\n",
                    "# Said.\n",
                    "meetingLeftWebhook: https://a.example/1\n",
                ];
                let dir = ["rooms", "rooms/sales", "rooms/sales/emea"][which % 3];
                let first = ["privacy: private\n", ""][usize::from(dir != "rooms")];
                scratch.write(
                    &format!("{dir}/_defaults.yaml"),
                    &format!("{first}{}", more[how % 4]),
                );
            }
            9 => self.token = [None, Some("canary-one"), Some("canary-two"), Some(" \n")][how % 4],
            10 => {
                let more = [
                    "",
                    "names: url-safe\n",
                    "owns: ['room-*']\n",
                    "unmanaged: [room-1]\n",
                    "guard: {require_allow: [privacy-widened]}\n",
                    "policies: [{id: few, rule: 'room.maxParticipants < 4', message: m, help: h}]\n",
                    "accept: [{room: '*', attribute: literal-secret, reason: r, until: 2027-01-01}]\n",
                    "names: as-is\n",
                ];
                scratch.write("roomctl.yaml", &format!("app: acme\n{}", more[how % 8]));
            }
            11 => {
                let flags: [&[&str]; 14] = [
                    &[],
                    &["--format", "json"],
                    &["--format", "markdown", "-v"],
                    &["--target", "room-1", "--target", "room-4"],
                    &["--exclude", "room-2"],
                    &["--prune"],
                    &["--prune", "--allow-empty", "--max-changes", "100%"],
                    &["--reassert"],
                    &["--now", "2026-11-26T09:00:00Z"],
                    &["--now", "2020-11-26T09:00:00Z"],
                    &["--env-prefix", "TEAM_"],
                    &["--drift-only"],
                    &["--rooms", "rooms/sales", "--format", "json"],
                    &["--detailed-exitcode", "--app", "other"],
                ];
                self.flags = flags[(which + 8 * how) % 14].to_vec();
            }
            12 => {
                let state = fs::read_to_string(scratch.path(STATE)).unwrap_or_default();
                let state = match how % 9 {
                    0 | 1 => applied().to_owned(),
                    2 => state.replacen("\"private\"", "\"public\"", which + 1),
                    3 => state.replace("\"room-1\"", "\"room-0\""),
                    4 => state.chars().take(state.len() * which / 9).collect(),
                    5 => state.replace("    \"room-1\"", " \t \"room-1\""),
                    6 => state.replace(
                        "\"settings\": {",
                        "\"unconfirmed\": {\"autoJoin\": true}, \"settings\": {",
                    ),
                    7 => state.replace("\"serial\": 1", "\"serial\": 2"),
                    _ => state.replacen("\"privacy\"", "\"privacyy\"", which),
                };
                scratch.write(STATE, &state);
            }
            13 => flip(&format!("{STATE}.journal"), ["", "no journal\n"][how % 2]),
            // Of the same size, and as if it were as old as before.
            15 => {
                let before = fs::metadata(scratch.path(&path)).and_then(|found| found.modified());
                scratch.write(&path, &text.replacen(": ", ":\t", 1).replace('5', "6"));
                let file = fs::File::options().write(true).open(scratch.path(&path));
                file.unwrap().set_modified(before.unwrap()).unwrap();
            }
            16 => {
                let other = file((which + 1 + how % 7) % 8);
                let [from, to, aside] = [&path, &other, "aside"].map(|path| scratch.path(path));
                fs::rename(&from, &aside).unwrap();
                fs::rename(&to, &from).unwrap();
                fs::rename(&aside, &to).unwrap();
            }
            17 => {
                let [path, aside] = [&path, "aside"].map(|path| scratch.path(path));
                fs::rename(&path, &aside).unwrap();
                match how % 3 {
                    0 => fs::create_dir(&path).unwrap(),
                    1 => std::os::unix::fs::symlink(&aside, &path).unwrap(),
                    _ => drop(fs::copy(&aside, &path).unwrap()),
                }
            }
            _ => {
                let mut kept = fs::read(scratch.path(CACHE)).unwrap_or_default();
                let at = kept.len() * which / 9;
                match how % 5 {
                    0 => kept.truncate(at),
                    1 => kept.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1),
                    2 => kept = b"[[[[[[".to_vec(),
                    3 => kept.extend(kept.clone()),
                    _ => kept.clear(),
                }
                fs::write(scratch.path(CACHE), kept).unwrap();
            }
        }
    }
}

proptest! {
    // Each case is a dozen runs of the program, and waits for the disk.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: ProptestConfig::default().cases / 4,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_plan_says_the_same_without_what_is_kept(
        changes in proptest::collection::vec((0_usize..15, 0_usize..9, 0_usize..16), 1..6),
    ) {
        let mut place = Place::new();
        place.agrees()?;
        for (what, which, how) in changes {
            place.change(what, which, how);
            place.agrees()?;
        }
    }
}

fn kept(place: &Place) -> String {
    said(place, "left them: ")
}

/// What a plan says in its log behind some words.
fn said(place: &Place, words: &str) -> String {
    let (ran, _) = place.run(&["-vv"]);
    let mut lines = ran.stderr.lines().filter_map(|line| line.split_once(words));
    lines
        .next()
        .map(|(_, number)| number.to_owned())
        .unwrap_or_default()
}

#[test]
fn only_what_there_is_nothing_to_say_of_is_kept() {
    let mut place = Place::new();
    assert_eq!(kept(&place), "", "there is nothing yet");
    // Not the one whose reference cannot be seen.
    assert_eq!(kept(&place), "7");
    place.change(0, 0, 7);
    assert_eq!(kept(&place), "6");
    place.change(9, 0, 2);
    assert_eq!(kept(&place), "5");
    place.flags = vec!["--now", "2026-11-25T09:00:00Z"];
    assert_eq!(kept(&place), "4");
    place.flags.clear();
    place.change(9, 0, 1);
    place.change(2, 0, 0);
    assert_eq!(kept(&place), "7", "it is as it was");
    // As `apply` would: the state is another one.
    place.change(12, 0, 7);
    assert_eq!(
        (kept(&place), kept(&place)),
        (String::new(), "7".to_owned())
    );
    let text = place.scratch.read(CACHE);
    assert!(
        !text.contains("canary") && !text.contains("hooks.example.com"),
        "{text}"
    );
}

/// Whoever can write beside the state can hide a change from `plan`, as with the state itself; but nothing breaks.
#[test]
fn what_is_made_up_is_no_harm() {
    let place = Place::new();
    place.run(&[]);
    let (good, _) = place.run(&[]);
    let text = place.scratch.read(CACHE);
    let mut lines = text.lines().skip(1);
    let all: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let rooms: Vec<&str> = lines.collect();
    assert!(rooms.len() == 7 && all["others"].as_array().unwrap().len() == 1);
    for lie in 0..5 {
        let (mut lines, mut all) = (rooms.clone(), all.clone());
        let piece = &mut all["others"][0][1];
        match lie {
            // A settled room twice, places beyond the end and of nothing, one place often, and no room at all.
            0 => lines[0] = rooms[1],
            1 => *piece = serde_json::json!([9, u64::MAX]),
            2 => *piece = serde_json::json!([5, 2]),
            3 => {
                let piece = piece.clone();
                let many = (0..1000).map(|room| serde_json::json!([format!("r-{room}"), piece]));
                all["others"] = many.collect();
            }
            _ => {
                lines.clear();
                all["others"] = serde_json::json!([]);
            }
        }
        let lines = lines.iter().map(|room| format!("\n{room}"));
        let body = all.to_string() + &lines.collect::<String>();
        let digest = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
        let digest: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        place
            .scratch
            .write(CACHE, &format!("sha256:{digest}\n{body}"));
        let (ran, _) = place.run(&[]);
        assert_eq!(ran.code, 0, "{lie}: {}", ran.all());
        if lie < 4 {
            assert_eq!(ran.all(), good.all(), "{lie}");
        }
    }
}

/// What may move behind files that are not even read, once every write shows in their times.
#[cfg(unix)]
mod slow {
    use super::*;

    /// Until what was written a moment ago is old enough to be known by its times, where they are gone by.
    fn wait(place: &Place) {
        let begun = std::time::Instant::now();
        while said(place, "were not read: ") != "7" {
            let is_long = begun.elapsed() > std::time::Duration::from_secs(20);
            let (ran, _) = place.run(&["-vv"]);
            if is_long && ran.stderr.contains("times of files are not gone by here") {
                return;
            }
            assert!(!is_long, "{}", ran.all());
        }
    }

    /// A directory is put in the place of another while somebody reads what the plan says; nothing in it is newer than that.
    #[test]
    fn a_file_that_moves_during_the_run_is_not_taken_for_the_one_that_was_read() {
        use std::io::Read;
        let place = Place::new();
        for (room, text) in TEXTS.iter().enumerate() {
            let text = text.replace("maxParticipants: 5", "maxParticipants: 6");
            place.scratch.write(&format!("later/{}", file(room)), &text);
        }
        place
            .scratch
            .write("later/rooms/_defaults.yaml", "privacy: private\n");
        place
            .scratch
            .write("later/rooms/sales/_defaults.yaml", "autoJoin: false\n");
        wait(&place);
        // More than a pipe holds: the run ends no sooner than it is read.
        for room in 0..400 {
            place
                .scratch
                .write(&format!("rooms/new/n-{room}.yaml"), "{}\n");
            place
                .scratch
                .write(&format!("later/rooms/new/n-{room}.yaml"), "{}\n");
        }
        fs::remove_file(place.scratch.path(CACHE)).unwrap();
        let mut command = place
            .scratch
            .command(&["plan", "--now", NOW, "--format", "json"]);
        command.env("ROOM_TOKEN", "canary-one");
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut said = child.stdout.take().unwrap();
        said.read_exact(&mut [0; 1]).unwrap();
        fs::rename(place.scratch.path("rooms"), place.scratch.path("before")).unwrap();
        fs::rename(
            place.scratch.path("later/rooms"),
            place.scratch.path("rooms"),
        )
        .unwrap();
        said.read_to_end(&mut Vec::new()).unwrap();
        assert!(child.wait().unwrap().success());
        place.agrees().unwrap();
    }

    #[test]
    fn a_file_that_moved_is_read_however_it_looks() {
        moved(0);
    }

    /// The other half of them: they wait for the disk, and so do both at the same time.
    #[test]
    fn a_file_that_moved_otherwise_is_read() {
        moved(1);
    }

    fn moved(half: usize) {
        let numbers = (half..18 * 8).step_by(2);
        let places: Vec<(usize, Place)> = numbers.map(|number| (number, Place::new())).collect();
        for (_, place) in &places {
            place.run(&[]);
        }
        for (_, place) in &places {
            wait(place);
        }
        for (number, mut place) in places {
            let (what, which, how) = (number % 18, number * 5 % 8, number / 18 + number * 3);
            place.change(what, which, how);
            for _ in 0..2 {
                place
                    .agrees()
                    .unwrap_or_else(|error| panic!("{what} {which} {how}: {error}"));
            }
        }
    }

    #[test]
    fn what_is_written_just_now_is_read_again() {
        let place = Place::new();
        place.run(&[]);
        wait(&place);
        // Times that are those of another clock, or set.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let cache = fs::File::options()
            .write(true)
            .open(place.scratch.path(CACHE));
        cache.unwrap().set_modified(later).unwrap();
        assert_eq!(said(&place, "were not read: "), "0");
        assert_eq!(kept(&place), "7");
    }
}
