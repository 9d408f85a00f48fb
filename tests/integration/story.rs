//! Stories: people write files, click in the dashboard and start runs, of which some die, meet a service in trouble, or run beside each
//! other. After each step a small model says what must be true. A story that fails is told in as few steps as it takes.
//!
//! `ROOMCTL_STORIES=10000` tells so many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use roomctl::inside::CRASH_POINTS;
use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;

/// Rooms that files may be about, and rooms of others.
const OURS: usize = 3;
const THEIRS: usize = 2;

const STATE: &str = ".roomctl/state.json";

/// What may be wrong with the service while a run talks to it.
const TROUBLE: [&str; 6] = [
    "503=first:1",
    "drop-after=method:PUT|POST|DELETE,first:1",
    "500-after=method:PUT|POST|DELETE,first:1",
    "truncated=method:PUT|POST,first:2",
    "html=method:PUT|POST|DELETE,first:2",
    "wrong-name=method:PUT,first:1",
];

#[derive(Clone, Debug)]
enum Step {
    Writes(usize, u64),
    Removes(usize),
    /// In the dashboard.
    Moves(usize, u64),
    Archives(usize),
    Applies {
        live: bool,
        prune: bool,
        trouble: Option<&'static str>,
        dies: Option<(&'static str, u8)>,
    },
    /// Two runs at once.
    Both,
    Plans,
    Drifts,
}

struct Story(Vec<Step>);

fn name(room: usize) -> String {
    match room < OURS {
        true => format!("room-{room:02}"),
        false => format!("theirs-{}", room - OURS),
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, number) in self.0.iter().zip(1..) {
            write!(f, "\n{number:3}. ")?;
            match step {
                Step::Writes(room, people) => {
                    write!(f, "the file of {} says {people} people", name(*room))
                }
                Step::Removes(room) => write!(f, "the file of {} is removed", name(*room)),
                Step::Moves(room, people) => write!(
                    f,
                    "somebody sets {} to {people} people by hand",
                    name(*room)
                ),
                Step::Archives(room) => write!(f, "somebody archives {} by hand", name(*room)),
                Step::Applies {
                    live,
                    prune,
                    trouble,
                    dies,
                } => {
                    let flags = [(*live, " --live"), (*prune, " --prune")];
                    let flags: String = flags
                        .iter()
                        .filter(|(is, _)| *is)
                        .map(|(_, flag)| *flag)
                        .collect();
                    write!(f, "apply{flags}")?;
                    trouble.map_or(Ok(()), |trouble| {
                        write!(f, ", and the service does {trouble}")
                    })?;
                    dies.map_or(Ok(()), |(place, time)| {
                        write!(f, ", which dies at {place}, time {time}")
                    })
                }
                Step::Both => write!(f, "two applies at once"),
                Step::Plans => write!(f, "plan"),
                Step::Drifts => write!(f, "drift"),
            }?;
        }
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let ours = || 0..OURS;
    let all = || 0..OURS + THEIRS;
    let dies = (select(&CRASH_POINTS[..]), 1..4_u8);
    let applies = (
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.12, select(&TROUBLE[..])),
        prop::option::weighted(0.4, dies),
    );
    prop_oneof![
        6 => (ours(), 1..6_u64).prop_map(|(room, people)| Step::Writes(room, people)),
        4 => ours().prop_map(Step::Removes),
        3 => (all(), 11..16_u64).prop_map(|(room, people)| Step::Moves(room, people)),
        1 => all().prop_map(Step::Archives),
        6 => applies.prop_map(|(live, prune, trouble, dies)| Step::Applies { live, prune, trouble, dies }),
        1 => Just(Step::Both),
        1 => Just(Step::Plans),
        1 => Just(Step::Drifts),
    ]
}

/// What must be true.
struct Model {
    site: Site,
    files: BTreeMap<usize, u64>,
    /// What each room may hold: what a file said when a run began, and what somebody set by hand.
    possible: BTreeMap<usize, BTreeSet<u64>>,
    /// Rooms that somebody archived, or that a run may have.
    may_be_gone: BTreeSet<usize>,
    /// Rooms that a run may have made.
    may_be_made: BTreeSet<usize>,
    lineage: String,
    serial: u64,
}

impl Model {
    fn new() -> Self {
        let site = Site::new(&["archived-name=reusable"], &[]);
        site.scratch.write("rooms/notes.txt", "");
        site.simulator().with_world(|world| {
            for room in OURS..OURS + THEIRS {
                let attributes = [("maxParticipants".to_owned(), json!(1))].into();
                world.create(&name(room), attributes, 0);
            }
        });
        Self {
            site,
            files: BTreeMap::new(),
            possible: (OURS..OURS + THEIRS)
                .map(|room| (room, BTreeSet::from([1])))
                .collect(),
            may_be_gone: BTreeSet::new(),
            may_be_made: BTreeSet::new(),
            lineage: String::new(),
            serial: 0,
        }
    }

    /// How many people each room is for that is there.
    fn held(&self) -> BTreeMap<String, u64> {
        self.site.simulator().with_world(|world| {
            let rooms = world.rooms().filter(|room| !room.archived);
            let people = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or(0);
            rooms
                .map(|room| {
                    (
                        room.name.clone(),
                        people(room.attributes.get("maxParticipants")),
                    )
                })
                .collect()
        })
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Writes(room, people) => {
                self.files.insert(*room, *people);
                self.site.room(
                    *room,
                    &format!("privacy: private\nmaxParticipants: {people}\n"),
                );
            }
            Step::Removes(room) => {
                if self.files.remove(room).is_some() {
                    self.site.remove(*room);
                }
            }
            Step::Moves(room, people) => {
                if self.held().contains_key(&name(*room)) {
                    self.site
                        .edit(&name(*room), "maxParticipants", json!(people));
                    self.possible.entry(*room).or_default().insert(*people);
                    if *room >= OURS {
                        self.possible.insert(*room, BTreeSet::from([*people]));
                    }
                }
            }
            Step::Archives(room) => {
                if self.held().contains_key(&name(*room)) {
                    self.site.edit(&name(*room), "archived", json!(true));
                    self.may_be_gone.insert(*room);
                }
            }
            Step::Applies {
                live,
                prune,
                trouble,
                dies,
            } => {
                let flags = [(*live, "--live"), (*prune, "--prune")];
                let flags: Vec<&str> = flags
                    .into_iter()
                    .filter(|(is, _)| *is)
                    .map(|(_, flag)| flag)
                    .collect();
                self.site
                    .faults(&trouble.map(|trouble| vec![trouble]).unwrap_or_default());
                let ran = self.apply(&flags, *dies)?;
                self.site.faults(&[]);
                if ran.code == 0 {
                    self.check_done(*live)?;
                }
            }
            Step::Both => {
                self.expect(false);
                let apply = ["apply", "--yes", "--rate", "unlimited"];
                let runs = [(); 2].map(|()| self.site.start_piped(&apply));
                for run in runs {
                    let ran: Ran = run.wait_with_output().unwrap().into();
                    prop_assert!(
                        [0, 5, 6, 7].contains(&ran.code),
                        "{}: {}",
                        ran.code,
                        ran.all()
                    );
                }
            }
            Step::Plans => {
                let ran = self.site.run(&["plan"]);
                prop_assert_eq!(ran.code, 0, "{}", ran.all());
            }
            Step::Drifts => {
                let ran = self.site.run(&["drift", "--rate", "unlimited"]);
                prop_assert!([0, 2].contains(&ran.code), "{}: {}", ran.code, ran.all());
            }
        }
        self.check()
    }

    /// What a run that begins now may make of the service.
    fn expect(&mut self, prune: bool) {
        for (room, people) in &self.files {
            self.possible.entry(*room).or_default().insert(*people);
            self.may_be_made.insert(*room);
        }
        if prune {
            self.may_be_gone
                .extend((0..OURS).filter(|room| !self.files.contains_key(room)));
        }
    }

    fn apply(&mut self, flags: &[&str], dies: Option<(&str, u8)>) -> Result<Ran, TestCaseError> {
        self.expect(flags.contains(&"--prune"));
        let fixed = ["apply", "--yes", "--rate", "unlimited", "--allow-empty"];
        let place =
            dies.map(|(place, time)| ("ROOMCTL_CRASH_AT".to_owned(), format!("{place}#{time}")));
        let fixed = match flags.contains(&"--prune") {
            true => &fixed[..],
            false => &fixed[..4],
        };
        let ran = self
            .site
            .run_with(place.as_slice(), &[fixed, flags].concat());
        let is_documented = [0, 4, 5, 6, 7].contains(&ran.code);
        prop_assert!(
            is_documented || (dies.is_some() && ran.code != 1),
            "{}: {}",
            ran.code,
            ran.all()
        );
        prop_assert!(!ran.stderr.contains("panicked"), "{}", ran.all());
        Ok(ran)
    }

    /// A run that says that all is done did all: nothing is left to plan, and what it looked at is as the files say.
    fn check_done(&self, is_live: bool) -> Result<(), TestCaseError> {
        let plan = self.site.run(&["plan", "--detailed-exitcode"]);
        let orphans = plan.stdout.contains("orphan");
        prop_assert!(plan.code == 0 || orphans, "{}: {}", plan.code, plan.all());
        let held = self.held();
        // Nobody else makes these: what is there was made by a run, and no run forgets that.
        let is_kept = self.site.scratch.path(STATE).exists();
        let state = if is_kept {
            self.site.state()
        } else {
            Value::Null
        };
        let forgotten = held.keys().filter(|room| room.starts_with("room-"));
        let mut forgotten = forgotten.filter(|room| state["rooms"].get(room).is_none());
        prop_assert_eq!(forgotten.next(), None, "forgotten");
        for (room, people) in self.files.iter().filter(|_| is_live) {
            prop_assert_eq!(held.get(&name(*room)), Some(people), "{}", name(*room));
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let held = self.held();
        for (room, possible) in &self.possible {
            match held.get(&name(*room)) {
                Some(people) => prop_assert!(
                    possible.contains(people),
                    "{} is for {people} people",
                    name(*room)
                ),
                None => {
                    let is_ours = *room < OURS;
                    let may = self.may_be_gone.contains(room) || is_ours;
                    prop_assert!(may, "{} is gone", name(*room));
                }
            }
        }
        for room in held.keys() {
            let known = (0..OURS + THEIRS).find(|one| name(*one) == *room).unwrap();
            prop_assert!(
                known >= OURS || self.may_be_made.contains(&known),
                "{} was made",
                room
            );
        }
        let archived = self.site.simulator().with_world(|world| {
            let gone = world.rooms().filter(|room| room.archived);
            gone.map(|room| room.name.clone()).collect::<Vec<_>>()
        });
        for room in 0..OURS + THEIRS {
            let is_gone = archived.contains(&name(room)) && !held.contains_key(&name(room));
            prop_assert!(
                !is_gone || self.may_be_gone.contains(&room),
                "{} is archived",
                name(room)
            );
        }
        if self.site.scratch.path(STATE).exists() {
            let state = self.site.state();
            let (lineage, serial) = (
                state["lineage"].as_str().unwrap(),
                state["serial"].as_u64().unwrap(),
            );
            prop_assert!(
                self.lineage.is_empty() || self.lineage == lineage,
                "another lineage"
            );
            prop_assert!(
                serial >= self.serial,
                "serial {} after {}",
                serial,
                self.serial
            );
            (self.lineage, self.serial) = (lineage.to_owned(), serial);
        }
        Ok(())
    }

    /// Whatever happened, two runs without trouble make it what the files say.
    fn end(&mut self) -> Result<(), TestCaseError> {
        self.apply(&["--live"], None)?;
        let ran = self.apply(&["--live"], None)?;
        prop_assert_eq!(ran.code, 0, "{}", ran.all());
        self.check_done(true)?;
        self.check()
    }
}

fn tell(stories: u32, of: u32) {
    let asked = std::env::var("ROOMCTL_STORIES");
    let asked = asked.ok().and_then(|number| number.parse::<u32>().ok());
    let config = Config {
        cases: asked.map_or(stories, |number| number.div_ceil(of)),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let stories = prop::collection::vec(step(), 1..16).prop_map(Story);
    let told = TestRunner::new(config).run(&stories, |story| {
        let mut model = Model::new();
        story.0.iter().try_for_each(|step| model.take(step))?;
        model.end()
    });
    told.unwrap_or_else(|error| panic!("{error}"));
}

/// Four at once: they wait for a service in trouble most of the time.
mod stories {
    use super::tell;

    #[test]
    fn of_a_first_runner() {
        tell(50, 4);
    }

    #[test]
    fn of_a_second_runner() {
        tell(50, 4);
    }

    #[test]
    fn of_a_third_runner() {
        tell(50, 4);
    }

    #[test]
    fn of_a_fourth_runner() {
        tell(50, 4);
    }
}
