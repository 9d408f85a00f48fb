//! A site whose runs may die, and what must hold whenever one did: what was told, what is remembered and what
//! the service's own log shows agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};

use roomctl::simulator::Method;
use serde_json::{Map, Value as Json, json};

use crate::harness::Site;

/// How many rooms are in flight at most, and so how many writes a death may have to repeat.
const PARALLELISM: usize = 4;

/// Every exit code that the program has. A process that ends with none of them died.
const EXIT_CODES: [i32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 64, 130];

/// Where runs tell what is not a result.
const ERRORS: &str = "errors";

/// `apply` as fast as it goes, and without a question.
pub const APPLY: [&str; 6] = [
    "apply",
    "--yes",
    "--rate",
    "unlimited",
    "--max-changes",
    "100%",
];

const STATE: &str = ".roomctl/state.json";

/// One site, what its files want, and what its runs told so far.
pub struct CrashHarness {
    pub site: Site,
    args: Vec<&'static str>,
    /// `maxParticipants` of each room that has a file; `None` for a room whose file was removed.
    wanted: BTreeMap<String, Option<u64>>,
    /// Rooms that were told to be done since their file last moved.
    told: BTreeSet<String>,
    /// How many requests the service had seen when each run began.
    starts: Vec<usize>,
    /// How many writes the files call for.
    due: usize,
    pub deaths: usize,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Died,
    ByItself,
}

/// The lines that a run tells.
pub struct Lines(BufReader<ChildStdout>);

impl Lines {
    pub fn of(run: &mut Child) -> Self {
        Self(BufReader::new(run.stdout.take().unwrap()))
    }

    /// Lets `harness` hear all lines up to the first that is `enough`, or to the end of the run.
    pub fn until(&mut self, harness: &mut CrashHarness, mut enough: impl FnMut(&str) -> bool) {
        let mut line = String::new();
        while self.0.read_line(&mut line).unwrap() > 0 {
            harness.hear(&line);
            if enough(&line) {
                return;
            }
            line.clear();
        }
    }
}

/// What the service was made to do to one room.
#[derive(Clone, Debug, PartialEq)]
enum Write {
    Holds(Json),
    Archived,
}

impl CrashHarness {
    /// Nothing applied yet. `args` are passed to every `apply`.
    pub fn new(quirks: &[&str], args: &[&'static str]) -> Self {
        Self {
            site: Site::new(quirks, &[]),
            args: args.to_vec(),
            wanted: BTreeMap::new(),
            told: BTreeSet::new(),
            starts: Vec::new(),
            due: 0,
            deaths: 0,
        }
    }

    /// Moves the file of a room; `None` removes it.
    pub fn want(&mut self, number: usize, wanted: Option<u64>) {
        match wanted {
            Some(count) => self.site.room(number, &file(count)),
            None => self.site.remove(number),
        }
        let room = format!("room-{number:02}");
        if self.wanted.insert(room.clone(), wanted) != Some(wanted) {
            self.told.remove(&room);
            self.due += 1;
        }
    }

    /// The rooms of which the state does not claim to know what the service holds.
    pub fn in_doubt(&self) -> Vec<usize> {
        let rooms = self.rooms();
        let doubted = rooms
            .iter()
            .filter(|(_, room)| !unconfirmed(room).is_empty());
        doubted
            .map(|(name, _)| name["room-".len()..].parse().unwrap())
            .collect()
    }

    /// Starts `apply`, which dies at the crash point `at`.
    pub fn start(&mut self, at: Option<&str>) -> Child {
        let mut args = APPLY.to_vec();
        args.extend(["--color", "never", "--parallelism", "4"]);
        args.extend(&self.args);
        self.starts.push(self.site.log().len());
        let mut command = self.site.command(&args);
        let errors = File::create(self.site.scratch.path(ERRORS)).unwrap();
        command.stdout(Stdio::piped()).stderr(errors);
        command.envs(at.map(|at| (roomctl::inside::VARIABLE, at)));
        command.spawn().unwrap()
    }

    /// Waits for the end of a run, and checks everything that was promised for any moment.
    pub fn end(&mut self, mut run: Child, mut lines: Lines) -> Ended {
        // All of them: a line that waits in the pipe was told before the death.
        lines.until(self, |_| false);
        let ended = self.ended(run.wait().unwrap());
        self.deaths += usize::from(ended == Ended::Died);
        self.check();
        ended
    }

    /// Applies, with a death at the crash point `at`, if the run comes to it.
    pub fn apply(&mut self, at: Option<&str>) -> Ended {
        let mut run = self.start(at);
        let lines = Lines::of(&mut run);
        self.end(run, lines)
    }

    /// Whether a run died. Every way out that it chose itself has an exit code.
    fn ended(&self, status: ExitStatus) -> Ended {
        match status.code() {
            Some(0) => Ended::ByItself,
            Some(code) if EXIT_CODES.contains(&code) => {
                panic!("exit code {code}: {}", self.site.scratch.read(ERRORS))
            }
            _ => Ended::Died,
        }
    }

    /// Takes in a line that a run told. A line without its end was still being told.
    fn hear(&mut self, line: &str) {
        let done = line.strip_suffix('\n').and_then(|l| l.strip_prefix("  ✓ "));
        if let Some(room) = done.and_then(|done| done.split(' ').next()) {
            self.told.insert(room.to_owned());
        }
    }

    /// Applies without a death, after which there is nothing left to do.
    pub fn converge(&mut self) {
        assert_eq!(self.apply(None), Ended::ByItself);
        let ran = self.site.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let (rooms, writes) = (self.rooms(), self.writes());
        for (room, wanted) in &self.wanted {
            is_as_wanted(room, *wanted, &rooms, &writes);
        }
        self.nothing_lies_about();
    }

    /// The state as the next run finds it.
    pub fn rooms(&self) -> Rooms {
        let state = roomctl::inside::state(&self.site.scratch.path(STATE), "acme").unwrap();
        serde_json::from_value(state["rooms"].clone()).unwrap()
    }

    /// Checks everything that was promised for any moment.
    pub fn check(&self) {
        let (rooms, writes) = (self.rooms(), self.writes());
        nothing_is_made_up(&rooms, &writes);
        nothing_written_is_forgotten(&rooms, &writes);
        for room in &self.told {
            is_as_wanted(room, self.wanted[room], &rooms, &writes);
        }
        self.no_room_is_created_twice();
        self.no_write_is_repeated_without_a_death();
    }

    /// Deaths leave nothing behind that only ever gets more.
    fn nothing_lies_about(&self) {
        let dir = std::fs::read_dir(self.site.scratch.path(".roomctl")).unwrap();
        let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: BTreeSet<String> = names.collect();
        // What `plan` keeps is one file, however often it is written.
        names.remove("state.json.cache");
        assert_eq!(
            names,
            ["state.json", "state.json.lock"].map(str::to_owned).into()
        );
    }

    fn no_room_is_created_twice(&self) {
        let mut written: BTreeMap<String, usize> = BTreeMap::new();
        for (index, record) in self.site.log().iter().enumerate() {
            let Some(room) = room_of(&record.path, record.body.as_ref()) else {
                continue;
            };
            let run = self.starts.iter().filter(|start| **start <= index).count();
            if record.method == Method::Post
                && let Some(earlier) = written.get(&room)
            {
                assert!(
                    !record.wrote && *earlier == run,
                    "{room} was created although an earlier run had written it"
                );
            }
            if record.wrote {
                written.entry(room).or_insert(run);
            }
        }
    }

    fn no_write_is_repeated_without_a_death(&self) {
        let counts = self.site.simulator().requests();
        let sent = counts.put + counts.post + counts.delete;
        let most = self.due + self.deaths * PARALLELISM;
        assert!(sent <= most as u64, "{sent} writes, {most} at most");
    }

    /// What the service did, by room, in its order.
    fn writes(&self) -> BTreeMap<String, Vec<Write>> {
        let mut writes: BTreeMap<String, Vec<Write>> = BTreeMap::new();
        for mut record in self.site.log().into_iter().filter(|record| record.wrote) {
            let room = room_of(&record.path, record.body.as_ref()).unwrap();
            let write = match (record.method, &mut record.body) {
                (Method::Delete, _) => Write::Archived,
                (_, Some(Json::Object(body))) => {
                    body.shift_remove("roomName");
                    Write::Holds(record.body.unwrap())
                }
                other => panic!("a write without a body: {other:?}"),
            };
            writes.entry(room).or_default().push(write);
        }
        writes
    }
}

fn file(count: u64) -> String {
    format!("privacy: private\nmaxParticipants: {count}\nenableChat: true\n")
}

fn body(count: u64) -> Json {
    json!({"privacy": "private", "maxParticipants": count, "enableChat": true})
}

fn room_of(path: &str, body: Option<&Json>) -> Option<String> {
    let named = path.strip_prefix("/api/v1/room/").map(str::to_owned);
    named.or_else(|| Some(body?["roomName"].as_str()?.to_owned()))
}

/// The rooms of a state, each as it is remembered.
type Rooms = BTreeMap<String, Json>;

fn settings(applied: &Json) -> Json {
    applied["settings"].clone()
}

/// What a write without an answer may have set.
fn unconfirmed(applied: &Json) -> Map<String, Json> {
    let values = applied["unconfirmed"].as_object();
    values.cloned().unwrap_or_default()
}

/// Whether the memory claims to know what the service holds: no announced write could have changed it.
fn is_certain(applied: &Json) -> bool {
    let mut doubts = unconfirmed(applied).into_iter();
    doubts.all(|(name, sent)| sent == json!([applied["settings"][name]]))
}

/// Whatever is remembered as confirmed, the service once took.
fn nothing_is_made_up(rooms: &Rooms, writes: &BTreeMap<String, Vec<Write>>) {
    for (room, applied) in rooms.iter().filter(|(_, room)| settings(room) != json!({})) {
        let settings = settings(applied);
        let holds = Write::Holds(settings.clone());
        let taken = writes
            .get(room.as_str())
            .is_some_and(|w| w.contains(&holds));
        assert!(taken, "{room} was never written as {settings}");
    }
}

/// Whatever the service took last is what is remembered, or the memory says that it is not sure: otherwise
/// nobody would ever write the room again.
fn nothing_written_is_forgotten(rooms: &Rooms, writes: &BTreeMap<String, Vec<Write>>) {
    for (room, writes) in writes {
        let Some(Write::Holds(held)) = writes.last() else {
            // A DELETE is not announced: it is asked for again, and then found done.
            continue;
        };
        let applied = rooms.get_key_value(room);
        let (_, applied) = applied.unwrap_or_else(|| panic!("{room} was written and forgotten"));
        assert!(
            !is_certain(applied) || settings(applied) == *held,
            "{room} holds {held}, and the state is certain of {applied:?}"
        );
    }
}

/// A room that was done is remembered as its file wants it, and the service holds it.
fn is_as_wanted(
    room: &str,
    wanted: Option<u64>,
    rooms: &Rooms,
    writes: &BTreeMap<String, Vec<Write>>,
) {
    let applied = rooms.get_key_value(room);
    let last = writes.get(room).and_then(|writes| writes.last());
    let Some(wanted) = wanted.map(body) else {
        assert_eq!(applied, None, "{room} was archived");
        assert_eq!(last, Some(&Write::Archived), "{room}");
        return;
    };
    let (_, applied) = applied.unwrap_or_else(|| panic!("{room} was done and forgotten"));
    assert_eq!(settings(applied), wanted, "{room} was done");
    assert!(
        unconfirmed(applied).is_empty(),
        "{room} was done: {applied:?}"
    );
    assert_eq!(last, Some(&Write::Holds(wanted)), "{room} was done");
}
