//! Where the state of a story is: in a file, or in an object store that may be in trouble while a run goes on.

use std::io::Read;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::bucket::{Bucket, Deed, Shelf, error};
use crate::common::Ran;
use crate::harness::Site;

/// What becomes of one write to the store.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Answered as one that may be tried again.
    PutOff,
    CarriedOutAndPutOff,
    /// Answered as one that may not.
    Refused,
    CarriedOutAndRefused,
    /// Not answered at all.
    CarriedOutAndLost,
    /// The last that the runner sends before it dies.
    LostWithTheRunner,
    CarriedOutAndTheRunnerDies,
    /// The same, but it comes when the next run is over.
    LateAndTheRunnerDies,
    /// It comes when the lease is over.
    SentAfterTheLease,
    /// It comes when another runner has taken the lock over, and applied.
    SentAfterAnotherRun,
}

pub const TROUBLES: [Trouble; 10] = [
    Trouble::PutOff,
    Trouble::CarriedOutAndPutOff,
    Trouble::Refused,
    Trouble::CarriedOutAndRefused,
    Trouble::CarriedOutAndLost,
    Trouble::LostWithTheRunner,
    Trouble::CarriedOutAndTheRunnerDies,
    Trouble::LateAndTheRunnerDies,
    Trouble::SentAfterTheLease,
    Trouble::SentAfterAnotherRun,
];

impl Trouble {
    pub fn is_deadly(self) -> bool {
        matches!(
            self,
            Self::LostWithTheRunner | Self::CarriedOutAndTheRunnerDies | Self::LateAndTheRunnerDies
        )
    }

    /// `end`s the runner, or has the `other` run.
    fn deed(
        self,
        end: impl FnOnce() + Send + 'static,
        other: impl FnOnce(&Shelf) + Send + 'static,
    ) -> Deed {
        let busy = || error(503, "SlowDown");
        let refused = || error(403, "AccessDenied");
        Box::new(move |shelf, asked| match self {
            Self::PutOff => busy(),
            Self::Refused => refused(),
            Self::CarriedOutAndPutOff => {
                shelf.carry_out(&asked);
                busy()
            }
            Self::CarriedOutAndRefused => {
                shelf.carry_out(&asked);
                refused()
            }
            Self::CarriedOutAndLost => {
                shelf.carry_out(&asked);
                Vec::new()
            }
            Self::LostWithTheRunner => {
                end();
                Vec::new()
            }
            Self::CarriedOutAndTheRunnerDies => {
                end();
                shelf.carry_out(&asked)
            }
            Self::LateAndTheRunnerDies => {
                end();
                shelf.keep_for_later(asked);
                Vec::new()
            }
            Self::SentAfterTheLease => {
                shelf.change(LOCK, end_lease);
                shelf.carry_out(&asked)
            }
            Self::SentAfterAnotherRun => {
                shelf.change(LOCK, end_lease);
                other(shelf);
                shelf.carry_out(&asked)
            }
        })
    }
}

const FILE: &str = ".roomctl/state.json";
const STATE: &str = "state.json";
const LOCK: &str = "state.json.lock";

fn end_lease(claim: &mut Value) {
    claim["until"] = json!(0);
}

/// A run that came between two writes of another.
pub struct Between {
    pub ran: Ran,
    /// What it saved, if it did.
    pub saved: Option<Value>,
}

pub enum Place {
    File,
    Store(Bucket),
}

impl Place {
    pub fn new(is_in_store: bool) -> Self {
        match is_in_store {
            true => Self::Store(Bucket::new()),
            false => Self::File,
        }
    }

    pub fn command(&self, site: &Site, args: &[&str]) -> Command {
        match self {
            Self::File => site.command(args),
            Self::Store(bucket) => {
                let place = ["--state", "s3://rooms/state.json"];
                let mut command = site.command(&[&place, args].concat());
                command.envs(bucket.variables());
                command
            }
        }
    }

    /// As it is kept; `None`: none is.
    pub fn state(&self, site: &Site) -> Option<Value> {
        match self {
            Self::File => site.scratch.path(FILE).exists().then(|| site.state()),
            Self::Store(bucket) => bucket.shelf.object(STATE),
        }
    }

    /// Whether a run left its lock, which nobody else has before its time is over.
    pub fn is_locked(&self) -> bool {
        let Self::Store(bucket) = self else {
            return false;
        };
        let claim = bucket.shelf.object(LOCK);
        claim.is_some_and(|claim| claim["owner"] != "" && claim["until"] != 0)
    }

    /// The time of a lock that was left is over.
    pub fn end_lease(&self) {
        if let Self::Store(bucket) = self {
            bucket.shelf.change(LOCK, end_lease);
        }
    }

    /// Runs `command`, with the `other` between two of its writes if that is the trouble. What earlier runs had sent comes after it.
    pub fn run(
        &self,
        mut command: Command,
        trouble: Option<(Trouble, usize)>,
        other: impl FnOnce() -> Ran + Send + 'static,
    ) -> (Ran, Option<Between>) {
        let Self::Store(bucket) = self else {
            return (command.output().unwrap().into(), None);
        };
        let late = bucket.late();
        let runner: Arc<Mutex<Option<Child>>> = Arc::default();
        let (tell, told) = mpsc::channel();
        let theirs = runner.clone();
        let end = move || theirs.lock().unwrap().as_mut().unwrap().kill().unwrap();
        let run = move |shelf: &Shelf| {
            let before = shelf.object(STATE);
            let ran = other();
            let saved = shelf
                .object(STATE)
                .filter(|now| before.as_ref() != Some(now));
            tell.send(Between { ran, saved }).unwrap();
        };
        bucket.await_write(trouble.map(|(trouble, write)| (write, trouble.deed(end, run))));

        let (mut printed, end) = std::io::pipe().unwrap();
        command.stdout(end.try_clone().unwrap()).stderr(end);
        {
            // Who is to end it waits until it is known.
            let mut runner = runner.lock().unwrap();
            *runner = Some(command.spawn().unwrap());
        }
        drop(command);
        let mut stdout = String::new();
        printed.read_to_string(&mut stdout).unwrap();
        let status = runner.lock().unwrap().as_mut().unwrap().wait().unwrap();
        bucket.await_write(None);
        let between = told.recv().ok();
        bucket.arrive(&late);
        let ran = Ran {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: String::new(),
        };
        (ran, between)
    }
}
