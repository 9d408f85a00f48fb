//! Stories: people write files, click in the dashboard and start runs, of which some die, meet a service or a store in trouble, or run
//! beside each other. The state is in a file, or in an object store. After each step a small model says what must be true, wherever the
//! state is. A story that fails is told in as few steps as it takes.
//!
//! `ROOMCTL_STORIES=10000` tells so many.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use roomctl::inside::CRASH_POINTS;

use crate::story_model::{Model, OURS, THEIRS, name};
use crate::story_place::{TROUBLES, Trouble};

/// What may be wrong with the service while a run talks to it.
const FAULTS: [&str; 6] = [
    "503=first:1",
    "drop-after=method:PUT|POST|DELETE,first:1",
    "500-after=method:PUT|POST|DELETE,first:1",
    "truncated=method:PUT|POST,first:2",
    "html=method:PUT|POST|DELETE,first:2",
    "wrong-name=method:PUT,first:1",
];

#[derive(Clone, Debug)]
pub enum Step {
    Writes(usize, u64),
    Removes(usize),
    /// In the dashboard.
    Moves(usize, u64),
    Archives(usize),
    Applies(Apply),
    /// Two runs at once.
    Both,
    Plans,
    Drifts,
}

/// How a run is started, and what happens to it.
#[derive(Clone, Debug, Default)]
pub struct Apply {
    pub live: bool,
    pub prune: bool,
    /// Whether it waits until the lock of one that died is over, or takes that away.
    pub waits: bool,
    pub fault: Option<&'static str>,
    /// Which place, and at which time of coming to it.
    pub dies: Option<(&'static str, u8)>,
    /// What becomes of which of its writes, where the state is in a store.
    pub trouble: Option<(Trouble, usize)>,
}

impl Apply {
    pub fn flags(&self) -> Vec<&'static str> {
        let flags = [
            (self.live, "--live"),
            (self.prune, "--prune"),
            (self.prune, "--allow-empty"),
        ];
        let given = flags.into_iter().filter(|(is_given, _)| *is_given);
        given.map(|(_, flag)| flag).collect()
    }

    /// Whether it may die.
    pub fn is_deadly(&self) -> bool {
        self.dies.is_some() || self.trouble.is_some_and(|(trouble, _)| trouble.is_deadly())
    }
}

struct Story {
    is_in_store: bool,
    steps: Vec<Step>,
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = ["a file", "an object store"][usize::from(self.is_in_store)];
        write!(f, "\nthe state is in {place}")?;
        for (step, number) in self.steps.iter().zip(1..) {
            write!(f, "\n{number:3}. {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writes(room, people) => {
                write!(f, "the file of {} says {people} people", name(*room))
            }
            Self::Removes(room) => write!(f, "the file of {} is removed", name(*room)),
            Self::Moves(room, people) => {
                let room = name(*room);
                write!(f, "somebody sets {room} to {people} people by hand")
            }
            Self::Archives(room) => write!(f, "somebody archives {} by hand", name(*room)),
            Self::Applies(apply) => write!(f, "{apply}"),
            Self::Both => write!(f, "two applies at once"),
            Self::Plans => write!(f, "plan"),
            Self::Drifts => write!(f, "drift"),
        }
    }
}

impl fmt::Display for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "apply {}", self.flags().join(" "))?;
        if self.waits {
            write!(f, ", which waits for the lock of one that died")?;
        }
        if let Some(fault) = self.fault {
            write!(f, ", and the service does {fault}")?;
        }
        if let Some((trouble, write)) = self.trouble {
            write!(
                f,
                ", and of its writes to a store number {write} is {trouble:?}"
            )?;
        }
        if let Some((place, time)) = self.dies {
            write!(f, ", which dies at {place}, time {time}")?;
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
        any::<bool>(),
        prop::option::weighted(0.12, select(&FAULTS[..])),
        prop::option::weighted(0.3, dies),
        prop::option::weighted(0.5, (select(&TROUBLES[..]), 1..11_usize)),
    );
    let apply = |(live, prune, waits, fault, dies, trouble)| Apply {
        live,
        prune,
        waits,
        fault,
        dies,
        trouble,
    };
    prop_oneof![
        6 => (ours(), 1..6_u64).prop_map(|(room, people)| Step::Writes(room, people)),
        4 => ours().prop_map(Step::Removes),
        3 => (all(), 11..16_u64).prop_map(|(room, people)| Step::Moves(room, people)),
        1 => all().prop_map(Step::Archives),
        6 => applies.prop_map(apply).prop_map(Step::Applies),
        1 => Just(Step::Both),
        1 => Just(Step::Plans),
        1 => Just(Step::Drifts),
    ]
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
    // First: what fails with a file, too, is told with one.
    let is_in_store = prop::bool::weighted(if cfg!(feature = "remote-state") {
        0.5
    } else {
        0.0
    });
    let stories = (is_in_store, prop::collection::vec(step(), 1..16));
    let stories = stories.prop_map(|(is_in_store, steps)| Story { is_in_store, steps });
    let told = TestRunner::new(config).run(&stories, |story| {
        let mut model = Model::new(story.is_in_store);
        story.steps.iter().try_for_each(|step| model.take(step))?;
        model.end()
    });
    told.unwrap_or_else(|error| panic!("{error}"));
}

/// Four at once: they wait for a service in trouble most of the time.
mod stories {
    use super::tell;

    #[test]
    fn of_a_first_runner() {
        tell(40, 4);
    }

    #[test]
    fn of_a_second_runner() {
        tell(40, 4);
    }

    #[test]
    fn of_a_third_runner() {
        tell(40, 4);
    }

    #[test]
    fn of_a_fourth_runner() {
        tell(40, 4);
    }
}
