//! A simulator on a real socket, and a directory whose rooms are applied to it.

use std::process::{Child, Command, Stdio};

use roomctl::simulator::{Quirks, Record, Running, Settings, SimKey, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::common::{Ran, Scratch};

/// Marked, so that every output can be searched for it.
pub const KEY: &str = "canary-key-7f3a9c";

/// A simulator, and a directory whose rooms are applied to it.
pub struct Site {
    runtime: Runtime,
    simulator: Option<Running>,
    pub scratch: Scratch,
    pub url: String,
}

impl Site {
    pub fn new(quirks: &[&str], faults: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut settings = Settings::new("acme", SimKey::new(KEY));
        settings.log = true;
        for quirk in quirks {
            settings.quirks.parse(quirk).unwrap();
        }
        settings.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let options = SimulatorOptions::new(settings);
        let simulator = runtime.block_on(Simulator::start(options)).unwrap();
        Self {
            url: simulator.base_url(),
            runtime,
            simulator: Some(simulator),
            scratch: Scratch::new(),
        }
    }

    pub fn with_rooms(quirks: &[&str], faults: &[&str], count: usize) -> Self {
        let site = Self::new(quirks, faults);
        for number in 0..count {
            site.room(
                number,
                "privacy: private\nmaxParticipants: 5\nenableChat: true\n",
            );
        }
        site
    }

    /// Rooms that are applied.
    pub fn applied(quirks: &[&str], count: usize) -> Self {
        let site = Self::with_rooms(quirks, &[], count);
        let ran = site.apply(&[]);
        assert_eq!(ran.code, 0, "{quirks:?}: {}", ran.all());
        site
    }

    pub fn room(&self, number: usize, text: &str) {
        self.scratch
            .write(&format!("rooms/room-{number:02}.yaml"), text);
    }

    pub fn remove(&self, number: usize) {
        let path = self.scratch.path(&format!("rooms/room-{number:02}.yaml"));
        std::fs::remove_file(path).unwrap();
    }

    pub fn simulator(&self) -> &Running {
        self.simulator.as_ref().unwrap()
    }

    /// Rooms that somebody made by hand before.
    pub fn existing(&self, count: usize) {
        self.simulator().with_world(|world| {
            for number in 0..count {
                let attributes = [("privacy".to_owned(), json!("public"))].into();
                world.create(&format!("room-{number:02}"), attributes, 0);
            }
        });
    }

    /// Somebody moves an attribute by hand.
    pub fn edit(&self, room: &str, attribute: &str, value: Value) {
        self.simulator()
            .with_world(|world| world.edit(room, attribute, value).unwrap());
    }

    /// The service is another one from now on, with what it holds.
    pub fn becomes(&self, quirk: &str) {
        self.simulator().with_world(|world| {
            let mut quirks = Quirks::default();
            quirks.parse(quirk).unwrap();
            world.set_quirks(quirks);
        });
    }

    /// What goes wrong from here on, and nothing else.
    pub fn faults(&self, faults: &[&str]) {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        self.simulator()
            .with_world(|world| world.set_faults(faults));
    }

    /// The state as it is on the disk.
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.scratch.read(".roomctl/state.json")).unwrap()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(&[], args)
    }

    /// The program, about to run against the simulator.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut all = vec!["--app", "acme", "--base-url", &self.url];
        all.extend(args);
        let mut command = self.scratch.command(&all);
        command.env("METERED_SECRET_KEY", KEY).stdin(Stdio::null());
        command
    }

    /// Starts the program, and lets it run.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Starts the program, and lets it run with its output in pipes.
    pub fn start_piped(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the program with these variables set.
    pub fn run_with(&self, variables: &[(String, String)], args: &[&str]) -> Ran {
        let variables = variables.iter().map(|(name, value)| (name, value));
        let output = self.command(args).envs(variables).output().unwrap();
        let ran = Ran::from(output);
        assert!(
            !ran.all().contains("canary"),
            "a secret was printed: {}",
            ran.all()
        );
        ran
    }

    pub fn apply(&self, more: &[&str]) -> Ran {
        let mut args = vec![
            "apply",
            "--yes",
            "--rate",
            "unlimited",
            "--format",
            "json",
            "-vvv",
        ];
        args.extend(more);
        self.run(&args)
    }

    pub fn log(&self) -> Vec<Record> {
        self.simulator().log()
    }

    pub fn sent(&self, from: usize) -> Vec<(&'static str, String)> {
        let log = self.log();
        log[from..]
            .iter()
            .map(|r| (r.method.name(), r.path.clone()))
            .collect()
    }

    pub fn count(&self, method: &str) -> usize {
        self.log()
            .iter()
            .filter(|r| r.method.name() == method)
            .count()
    }

    /// How many requests were sent that write.
    pub fn writes(&self) -> usize {
        self.log().len() - self.count("GET")
    }

    /// No file may hold a secret.
    pub fn check_files(&self) {
        for (path, bytes) in self.scratch.files() {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("canary"), "{}", path.display());
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            let _ = self.runtime.block_on(simulator.close());
        }
    }
}
