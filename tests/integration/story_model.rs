//! What must be true in a story, whatever happens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use roomctl::inside::VARIABLE;
use serde_json::{Value, json};

use crate::common::Ran;
use crate::harness::Site;
use crate::story::{Apply, Step};
use crate::story_place::Place;

/// Rooms that files may be about, and rooms of others.
pub const OURS: usize = 3;
pub const THEIRS: usize = 2;

/// For how many people the first room is once another run came between.
const MERGED: u64 = 9;

fn file(people: u64) -> String {
    format!("privacy: private\nmaxParticipants: {people}\n")
}

pub fn name(room: usize) -> String {
    match room < OURS {
        true => format!("room-{room:02}"),
        false => format!("theirs-{}", room - OURS),
    }
}

const APPLY: [&str; 4] = ["apply", "--yes", "--rate", "unlimited"];

/// What must be true.
pub struct Model {
    site: Site,
    place: Place,
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
    pub fn new(is_in_store: bool) -> Self {
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
            place: Place::new(is_in_store),
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

    pub fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Writes(room, people) => {
                self.files.insert(*room, *people);
                self.site.room(*room, &file(*people));
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
            Step::Applies(how) => {
                self.come_after(how.waits)?;
                self.site.faults(how.fault.as_slice());
                self.apply(how)?;
                self.site.faults(&[]);
            }
            Step::Both => {
                self.come_after(false)?;
                self.expect(false);
                let runs = [(); 2].map(|()| {
                    let mut run = self.command(&APPLY);
                    run.stdout(Stdio::piped()).stderr(Stdio::piped());
                    run.spawn().unwrap()
                });
                for run in runs {
                    check_ended(&run.wait_with_output().unwrap().into())?;
                }
            }
            Step::Plans => {
                let ran = self.run(&["plan"]);
                prop_assert_eq!(ran.code, 0, "{}", ran.all());
            }
            Step::Drifts => {
                let ran = self.run(&["drift", "--rate", "unlimited"]);
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

    fn command(&self, args: &[&str]) -> Command {
        self.place.command(&self.site, args)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Whoever comes after a run that left its lock is refused, and has the lock when its time is over, or somebody took it away.
    fn come_after(&self, waits: bool) -> Result<(), TestCaseError> {
        if !self.place.is_locked() {
            return Ok(());
        }
        let now = || (self.site.writes(), self.place.state(&self.site));
        let before = now();
        let refused = self.run(&APPLY);
        prop_assert_eq!(refused.code, 7, "{}", refused.all());
        prop_assert_eq!(now(), before, "refused, and yet: {}", refused.all());
        if waits {
            self.place.end_lease();
            return Ok(());
        }
        let unlocked = self.run(&["state", "unlock", "--yes"]);
        prop_assert_eq!(unlocked.code, 0, "{}", unlocked.all());
        Ok(())
    }

    fn apply(&mut self, how: &Apply) -> Result<Ran, TestCaseError> {
        self.expect(how.prune);
        let args = [&APPLY[..], &how.flags()].concat();
        let mut run = self.command(&args);
        if let Some((place, time)) = how.dies {
            run.env(VARIABLE, format!("{place}#{time}"));
        }
        // Somebody merged something before the other run.
        let path = self.site.scratch.path("rooms/room-00.yaml");
        let mut other = self.command(&args);
        let other = move || {
            std::fs::write(path, file(MERGED)).unwrap();
            other.output().unwrap().into()
        };
        let (ran, between) = self.place.run(run, how.trouble, other);
        if between.is_some() {
            self.files.insert(0, MERGED);
            self.expect(false);
        }
        let other = between.as_ref().map(|other| &other.ran);
        for ran in other.into_iter().chain([&ran]) {
            prop_assert!(!ran.all().contains("panicked"), "{}", ran.all());
            prop_assert!(!ran.all().contains("canary"), "{}", ran.all());
        }
        other.map_or(Ok(()), check_ended)?;
        // What one that lost its lock says to be done was so before the other came.
        if ran.code == 0 && between.is_none() {
            self.check_done(how.live)?;
        }
        // And it saves nothing.
        let saved = between.and_then(|other| other.saved);
        prop_assert!(
            saved.is_none() || saved == self.place.state(&self.site),
            "written over: {}",
            ran.all()
        );
        if ran.code == 1 || !how.is_deadly() {
            check_ended(&ran)?;
        }
        Ok(ran)
    }

    /// A run that says that all is done did all: nothing is left to plan, and what it looked at is as the files say.
    fn check_done(&self, is_live: bool) -> Result<(), TestCaseError> {
        let plan = self.run(&["plan", "--detailed-exitcode"]);
        let orphans = plan.stdout.contains("orphan");
        prop_assert!(plan.code == 0 || orphans, "{}: {}", plan.code, plan.all());
        let held = self.held();
        // Nobody else makes these: what is there was made by a run, and no run forgets that.
        let state = self.place.state(&self.site).unwrap_or_default();
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
        if let Some(state) = self.place.state(&self.site) {
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
    pub fn end(&mut self) -> Result<(), TestCaseError> {
        self.come_after(true)?;
        let live = Apply {
            live: true,
            ..Apply::default()
        };
        self.apply(&live)?;
        let ran = self.apply(&live)?;
        prop_assert_eq!(ran.code, 0, "{}", ran.all());
        self.check()
    }
}

/// A run that nothing killed ends with a code that is documented.
fn check_ended(ran: &Ran) -> Result<(), TestCaseError> {
    prop_assert!(
        [0, 4, 5, 6, 7].contains(&ran.code),
        "{}: {}",
        ran.code,
        ran.all()
    );
    Ok(())
}
