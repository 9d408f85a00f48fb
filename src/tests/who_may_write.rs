//! Which rooms a run may read, count, write and archive: a table, and generated repositories, flags and failures that the
//! real engine runs through and that are held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::in_process::{Bench, options, quirks, wanted};
use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::{looked, room_files};
use crate::model::{Effect, Finding, NameRule, RoomName, Variables, Wanted};
use crate::planner::limits::{Limits, refusals};
use crate::planner::testing::globs as parsed;
use crate::planner::{Action, Options, Plan, Selection, State, plan};
use crate::service::observe::observe;

const ROOMS: [&str; 4] = ["board", "hr-a", "sales-a", "sales-b"];

/// Directories of room files, below the rooms directory.
const PLACES: [&str; 4] = ["", "hr/", "sales/", ".attic/"];

/// What `--rooms` names, and the part of the rooms directory that this is. `rooms` itself is a link.
const LOOKED: [(&str, &str); 7] = [
    ("rooms", ""),
    ("real/../rooms", ""),
    ("link", ""),
    ("rooms/sales", "sales/"),
    ("real/sales", "sales/"),
    ("rooms/hr", "hr/"),
    ("rooms/.attic", ".attic/"),
];

/// Where the file of a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Here,
    /// In another part of the rooms directory.
    Elsewhere,
    /// One in another part has an error, and may be it.
    Perhaps,
    Nowhere,
}

/// What may be done to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Not even be read.
    Nothing,
    /// Be read and counted.
    Look,
    Write,
    Archive,
}

const ANY: Option<bool> = None;
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// Owned; selected; where its file is; whether it was applied from where the run looks; pruning; only putting back;
/// protected. The first row that fits says what may be done.
type Row = (
    Option<bool>,
    Option<bool>,
    Option<File>,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    May,
);

#[rustfmt::skip]
const TABLE: [Row; 10] = [
    (NO,  ANY, None,                  ANY, ANY, ANY, ANY, May::Nothing),
    (ANY, NO,  None,                  ANY, ANY, ANY, ANY, May::Nothing),
    (YES, YES, Some(File::Here),      ANY, ANY, ANY, ANY, May::Write),
    (YES, YES, Some(File::Elsewhere), ANY, ANY, ANY, ANY, May::Nothing),
    (YES, YES, Some(File::Perhaps),   ANY, ANY, ANY, ANY, May::Nothing),
    (YES, YES, Some(File::Nowhere),   NO,  ANY, ANY, ANY, May::Nothing),
    (YES, YES, Some(File::Nowhere),   YES, ANY, YES, ANY, May::Look),
    (YES, YES, Some(File::Nowhere),   YES, NO,  NO,  ANY, May::Look),
    (YES, YES, Some(File::Nowhere),   YES, YES, NO,  YES, May::Look),
    (YES, YES, Some(File::Nowhere),   YES, YES, NO,  NO,  May::Archive),
];

/// What one run begins with.
#[derive(Clone, Debug)]
struct Turn {
    /// The place of the file of each room, and for how many people it is.
    files: BTreeMap<&'static str, (&'static str, u32)>,
    /// The place of a file with an error.
    broken: Option<&'static str>,
    looked: (&'static str, &'static str),
    owns: Option<Vec<&'static str>>,
    target: Vec<&'static str>,
    exclude: Vec<&'static str>,
    protected: Vec<&'static str>,
    prune: bool,
    allow_empty: bool,
    drift_only: bool,
    reassert: bool,
    live: bool,
    state_is_lost: bool,
    /// Rooms in which somebody moves something by hand.
    moved: Vec<&'static str>,
    faults: Vec<&'static str>,
}

fn globs(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    let globs = vec!["sales-*", "BOARD", "hr-?", "*-a", "{board,sales-b}", "*"];
    proptest::collection::vec(proptest::sample::select(globs), 0..=most)
}

fn turn() -> impl Strategy<Value = Turn> {
    let place = || proptest::sample::select(PLACES.to_vec());
    let files = proptest::sample::subsequence(ROOMS.to_vec(), 0..=4).prop_flat_map(move |names| {
        let files = proptest::collection::vec((place(), 5..7_u32), names.len());
        files.prop_map(move |files| names.iter().copied().zip(files).collect())
    });
    let faults = [
        "500-after=method:PUT|POST",
        "drop-after=method:PUT,first:1",
        "500=method:GET,share:30%",
        "500=method:DELETE",
    ];
    let flags = (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    (
        files,
        proptest::option::weighted(0.3, proptest::sample::select(PLACES.to_vec())),
        proptest::sample::select(LOOKED.to_vec()),
        (
            proptest::option::weighted(0.2, globs(3)),
            globs(1),
            globs(1),
            globs(1),
        ),
        flags,
        proptest::sample::subsequence(ROOMS.to_vec(), 0..=2),
        proptest::collection::vec(proptest::sample::select(faults.to_vec()), 0..2),
    )
        .prop_map(|(files, broken, looked, globs, flags, moved, faults)| {
            let (owns, target, exclude, protected) = globs;
            let (prune, allow_empty, drift_only, reassert, live, state_is_lost) = flags;
            Turn {
                files,
                broken,
                looked,
                owns,
                target,
                exclude,
                protected,
                prune: prune && !drift_only,
                allow_empty,
                drift_only,
                reassert: reassert && !drift_only,
                live,
                state_is_lost,
                moved,
                faults,
            }
        })
}

/// Another reading of the patterns above.
fn fits(globs: &[&str], room: &str) -> bool {
    globs.iter().any(|glob| match *glob {
        "sales-*" => room.starts_with("sales-"),
        "BOARD" => room == "board",
        "hr-?" => room == "hr-a",
        "*-a" => room.ends_with("-a"),
        "{board,sales-b}" => room == "board" || room == "sales-b",
        _ => true,
    })
}

impl Turn {
    fn is_below(&self, place: &str) -> bool {
        let part = self.looked.1;
        place.starts_with(part) && (part == ".attic/" || place != ".attic/")
    }

    fn is_owned(&self, room: &str) -> bool {
        self.owns.as_ref().is_none_or(|owns| fits(owns, room))
    }

    fn file(&self, room: &str) -> File {
        let is_elsewhere = |place: &str| place != ".attic/" && !self.looked.1.is_empty();
        match (self.files.get(room), self.broken) {
            (Some((place, _)), _) if self.is_below(place) => File::Here,
            (_, Some(broken)) if is_elsewhere(broken) => File::Perhaps,
            (Some((place, _)), _) if is_elsewhere(place) => File::Elsewhere,
            _ => File::Nowhere,
        }
    }

    /// Whether nobody could say that files are absent because somebody wants it so.
    fn is_doubtful(&self) -> bool {
        let any_file = self.files.values().any(|(place, _)| self.is_below(place));
        !self.allow_empty && (!self.looked.1.is_empty() || !any_file)
    }

    /// Whether the run ends before anything is planned.
    fn is_in_error(&self) -> bool {
        let of_others = |(room, (place, _)): (&&str, &(&str, u32))| {
            self.is_below(place) && !self.is_owned(room)
        };
        self.broken.is_some_and(|place| self.is_below(place)) || self.files.iter().any(of_others)
    }

    fn was_applied_here(&self, room: &str, state: &State) -> bool {
        let Some(file) = &state.applied(&name(room)).file else {
            return self.looked.1.is_empty();
        };
        let file = file.strip_prefix("rooms/").unwrap();
        let place = file.rfind('/').map_or("", |end| &file[..=end]);
        self.is_below(place)
    }

    fn may(&self, room: &str, state: &State) -> May {
        if self.is_in_error() || (self.prune && self.is_doubtful()) {
            return May::Nothing;
        }
        let is_selected =
            (self.target.is_empty() || fits(&self.target, room)) && !fits(&self.exclude, room);
        let applied_here = state.rooms.contains_key(room) && self.was_applied_here(room, state);
        let facts = [
            self.is_owned(room),
            is_selected,
            applied_here,
            self.prune,
            self.drift_only,
            fits(&self.protected, room),
        ];
        let file = self.file(room);
        let fits = |row: &&Row| {
            let flags = [row.0, row.1, row.3, row.4, row.5, row.6];
            let mut both = flags.iter().zip(facts);
            row.2.is_none_or(|known| known == file)
                && both.all(|(flag, fact)| flag.is_none_or(|flag| flag == fact))
        };
        TABLE.iter().find(fits).unwrap().7
    }

    fn write(&self, root: &Path) {
        let real = root.join("real");
        let _ = fs::remove_dir_all(&real);
        for place in PLACES {
            fs::create_dir_all(real.join(place)).unwrap();
        }
        for (room, (place, people)) in &self.files {
            let text = format!("privacy: private\nmaxParticipants: {people}\n");
            fs::write(real.join(place).join(format!("{room}.yaml")), text).unwrap();
        }
        if let Some(place) = self.broken {
            fs::write(real.join(place).join("board-x.yaml"), "privacy: [").unwrap();
        }
    }
}

fn name(text: &str) -> RoomName {
    RoomName::try_from(text.to_owned()).unwrap()
}

/// One run as the commands make it. Returns the plan if it comes to one.
fn run(bench: &mut Bench, root: &Path, turn: &Turn) -> Option<Plan> {
    let (whole, looked) = (root.join("rooms"), root.join(turn.looked.0));
    let owns = turn.owns.as_ref().map(|owns| parsed(owns));
    let context = Context {
        names: NameRule::Lowercase,
        unmanaged: None,
        now: options().now,
        variables: Variables::NONE,
        defaults: Defaults::NONE,
        sandbox: false,
        owns: owns.as_ref(),
        policies: Policies::NONE,
    };
    let mut scope = looked::scope(root, &whole, &looked);
    scope.owns.clone_from(&owns);
    scope.selection = Selection {
        target: parsed(&turn.target),
        exclude: parsed(&turn.exclude),
    };
    let mut loaded = room_files::load(&whole, std::slice::from_ref(&looked), &context);
    if Finding::any_error(&loaded.findings) {
        return None;
    }
    for room in loaded.wanted.values_mut() {
        room.place = scope.place_of(&room.file).into_owned();
    }
    let elsewhere = looked::elsewhere(&scope, &whole, &loaded.wanted, &context);
    let state = bench.state.clone();
    let nobody = BTreeSet::new();
    let considered = scope.consider(&mut loaded.wanted, &state, &nobody, elsewhere.as_ref());
    if turn.prune && !turn.allow_empty && considered.doubt.is_some() {
        return None;
    }
    let options = Options {
        prune: turn.prune,
        drift_only: turn.drift_only,
        reassert: turn.reassert,
        ..options()
    };
    let world = (turn.live || turn.drift_only).then(|| {
        let names = loaded.wanted.keys().chain(considered.state.rooms.keys());
        let names: BTreeSet<&RoomName> = names.collect();
        let service = bench.service();
        let names = names.into_iter().cloned().collect();
        bench
            .runtime
            .block_on(async { observe(&service, names, 1, || {}).world().await })
    });
    let plan = plan(&loaded.wanted, &considered.state, world.as_ref(), &options);
    bench.limits = Limits {
        // Whatever is allowed.
        allowed: Effect::ALL.to_vec(),
        protected: parsed(&turn.protected),
        ..Limits::default()
    };
    if refusals(&plan, &bench.limits).is_empty() {
        // In the order of the command: what a look showed names the place of before.
        bench.state.remember_look(&plan.looked);
        bench.state.follow_files(&loaded.wanted);
        bench.carry_out(&Plan {
            looked: BTreeMap::new(),
            ..plan.clone()
        });
        // Wherever its file is by now: only there can it be missed.
        for (room, file) in &loaded.wanted {
            let known = bench.state.rooms.get(room);
            let place = known.filter(|known| known.is_confirmed());
            let place = place.map(|known| known.file.as_ref());
            assert!(
                place.is_none_or(|place| place == Some(&file.place)),
                "{room}"
            );
        }
    }
    Some(plan)
}

/// The requests about rooms since the one at `from`.
fn requests(bench: &Bench, from: usize) -> Vec<(&'static str, String)> {
    let log = bench.world().log();
    let requests = log[from..].iter().map(|record| {
        let room = match record.path.strip_prefix("/api/v1/room/") {
            Some(room) => room.to_owned(),
            None => record.body.as_ref().map_or_else(String::new, |body| {
                body["roomName"].as_str().unwrap().to_owned()
            }),
        };
        (record.method.name(), room)
    });
    requests.collect()
}

proptest! {
    #![proptest_config(super::cases(200))]

    /// What `state mv` claims is no proof: as long as the service shows no id, the room under that name is written by no
    /// run, however it looks, until the claim is given up; and if it shows another id, only as an adoption.
    #[test]
    fn a_claim_writes_nothing(
        (ours, theirs, file) in (4_i64..8, 4_i64..8, 4_i64..8),
        has_drifted in any::<bool>(),
        is_hidden in any::<bool>(),
        (live, drift_only, reassert) in proptest::sample::select(vec![
            (false, false, false), (true, false, false), (true, true, false), (false, false, true), (true, false, true),
        ]),
    ) {
        let mut bench = Bench::new(quirks(&[]));
        let of = |room: &str, people: i64| -> Wanted {
            let settings = json!({"privacy": "private", "maxParticipants": people});
            [(name(room), wanted(room, settings))].into()
        };
        bench.apply(&of("hr-a", ours));
        let others = [("privacy", json!(if has_drifted { "public" } else { "private" })), ("maxParticipants", json!(theirs))];
        let others: BTreeMap<String, Value> = others.map(|(name, value)| (name.to_owned(), value)).into();
        bench.world().create("board", others.clone(), 0);
        bench.state.rename(&name("hr-a"), &name("board"), NameRule::UrlSafe).unwrap();
        if is_hidden {
            bench.world().set_quirks(quirks(&["hide=_id"]));
        }
        let look = |bench: &Bench| {
            let service = bench.service();
            bench.runtime.block_on(async { observe(&service, vec![name("board")], 1, || {}).world().await })
        };
        let world = live.then(|| look(&bench));
        let options = Options { drift_only, reassert, ..options() };
        let files = of("board", file);
        let made = plan(&files, &bench.state, world.as_ref(), &options);
        let is_adopted = made.changes.iter().any(|change| change.action == Action::Adopt);
        prop_assert!(!(is_adopted && is_hidden), "{made:#?}");
        bench.carry_out(&made);
        let held = bench.world().room("board").unwrap().attributes.clone();
        prop_assert!(is_adopted || held == others, "{held:?}\n{made:#?}");
        prop_assert!(is_adopted || bench.state.rooms[&name("board")].claimed);
        // Whoever gives it up has what the file says.
        if !is_adopted {
            bench.state.forget(&name("board"));
            bench.apply(&files);
            let held = bench.world().room("board").unwrap().attributes.clone();
            prop_assert_eq!(&held["maxParticipants"], &json!(file));
        }
    }

    #[test]
    fn only_what_the_table_says(turns in proptest::collection::vec(turn(), 2..8)) {
        let root = tempfile::tempdir().unwrap();
        symlink("real", root.path().join("rooms")).unwrap();
        symlink("real", root.path().join("link")).unwrap();
        let mut bench = Bench::new(quirks(&[]));
        for turn in &turns {
            if turn.state_is_lost {
                bench.state = State { lineage: "lineage".to_owned(), ..State::fresh("acme") };
            }
            turn.write(root.path());
            for room in &turn.moved {
                let mut world = bench.world();
                if world.room(room).is_some_and(|room| !room.archived) {
                    world.edit(room, "maxParticipants", 99.into()).unwrap();
                }
            }
            bench.faults(&turn.faults);
            let before = bench.state.clone();
            let from = bench.world().log().len();
            let plan = run(&mut bench, root.path(), turn);
            bench.faults(&[]);
            for (method, room) in requests(&bench, from) {
                let may = match turn.may(&room, &before) {
                    May::Nothing => &[][..],
                    May::Look => &["GET"],
                    May::Write => &["GET", "PUT", "POST"],
                    May::Archive => &["GET", "DELETE"],
                };
                prop_assert!(may.contains(&method), "{method} {room}: {may:?}\n{turn:#?}\n{before:#?}");
            }
            let Some(plan) = plan else { continue };
            let is_considered = |room: &str| turn.may(room, &before) != May::Nothing;
            for change in &plan.changes {
                prop_assert!(is_considered(change.room.as_str()), "{change:#?}\n{turn:#?}");
            }
            let managed = before.rooms.iter().filter(|(name, room)| room.is_confirmed() && is_considered(name.as_str()));
            prop_assert_eq!(plan.managed, managed.count() as u64, "{:#?}", turn);
        }
    }
}
