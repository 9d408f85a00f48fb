//! One run of a command that compares files, state and service: its pace, and the service, opened when it is first
//! needed.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::args::{Global, NetworkArgs, PlanningArgs};
use super::configuration::{MUTES, settings};
use super::exit::{Exit, Failure};
use super::interrupt;
use super::output::Output;
use super::progress::Bar;
use super::rooms::{elsewhere, not_read};
use super::selection::{self, SelectionArgs};
use super::siblings::Siblings;
use super::workspace::Workspace;
use crate::files::cores::{all_cores, on_cores};
use crate::files::mutes;
use crate::files::room_files::Loaded;
use crate::model::words::count;
use crate::model::{RoomName, Secret};
use crate::planner::limits::{BaseGuard, Limits};
use crate::planner::mutes::Mute;
use crate::planner::{Considered, Doubt, Options, Plan, Rate, Scope, State, World, plan_with};
use crate::report::saved::Mode;
use crate::report::view::Detail;
use crate::report::{AllowedReport, PlanReport};
use crate::service::deadline::Deadline;
use crate::service::http::Http;
use crate::service::observe::{Sightings, observe};
use crate::service::pace::Pacer;
use crate::service::requests::Reader;
use crate::service::stop::StopReason;
use crate::simulator::{Running, Settings, SimKey, Simulator, SimulatorOptions};

pub(crate) struct Session {
    pub workspace: Workspace,
    verbose: bool,
    rate: Rate,
    burst: u32,
    pub parallelism: usize,
    timeout: Duration,
    deadline: Option<Deadline>,
    /// Drift that is accepted.
    pub mutes: Vec<Mute>,
    service: OnceCell<Service>,
    /// What the base of a change forbids, and how many of the guards are weaker here.
    base: OnceCell<(BaseGuard, usize)>,
    /// What guards would refuse and the run may do.
    pub allowed: Vec<AllowedReport>,
    /// Whether it is held to plans that others reviewed.
    pub is_reviewed: bool,
    /// What the run has looked at.
    seen: RefCell<World>,
}

/// The service that was opened: the account's, or the embedded simulator.
struct Service {
    client: Arc<Reader<Http>>,
    sandbox: Cell<Option<Running>>,
}

impl Session {
    /// Begins a run about the rooms of `selection` that has to be over after `time`.
    pub(crate) fn begin(
        global: &Global,
        network: &NetworkArgs,
        selection: &SelectionArgs,
        time: Option<Duration>,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut workspace = Workspace::new(global)?;
        workspace.scope.selection = selection.selection();
        let (rate, burst) = workspace.pace(&network.pace)?;
        Ok(Self {
            parallelism: workspace.parallelism(network.parallelism)?,
            workspace,
            verbose: global.verbose > 0,
            rate,
            burst,
            timeout: network.timeout,
            deadline: time.map(|time| Deadline::new(begun, time)),
            mutes: Vec::new(),
            service: OnceCell::new(),
            base: OnceCell::new(),
            allowed: Vec::new(),
            is_reviewed: false,
            seen: RefCell::default(),
        })
    }

    /// Reads the mutes: those that the user `named`, or the usual ones.
    pub(crate) fn with_mutes(self, named: Option<&Path>) -> Result<Self, Failure> {
        let usual = match named {
            Some(named) => named.to_owned(),
            None => self.workspace.configuration.place(Path::new(MUTES))?,
        };
        let mutes = settings(named, &usual, mutes::parse)?;
        Ok(Self { mutes, ..self })
    }

    /// The service of `app`, one for all requests of the run: looks and writes share the pace.
    pub(crate) fn service(&self, app: &str) -> Result<&Arc<Reader<Http>>, Failure> {
        if let Some(service) = self.service.get() {
            return Ok(&service.client);
        }
        let service = self.open(app)?;
        Ok(&self.service.get_or_init(|| service).client)
    }

    fn open(&self, app: &str) -> Result<Service, Failure> {
        let (base_url, key, sandbox) = self.reach(app)?;
        let http = self.http(&base_url, key)?;
        let mut client = Reader::new(http, self.pacer(), seed());
        client.deadline = self.deadline;
        self.workspace.runtime()?.spawn(interrupt::otherwise());
        Ok(Service {
            client: Arc::new(client),
            sandbox: Cell::new(sandbox),
        })
    }

    /// Where the service of `app` is, its key, and the simulator that it is in the sandbox.
    pub(crate) fn reach(&self, app: &str) -> Result<(String, Secret, Option<Running>), Failure> {
        if self.workspace.sandbox {
            let (running, key) = self.sandbox(app)?;
            return Ok((running.base_url(), key, Some(running)));
        }
        Ok((self.workspace.base_url(app), self.workspace.key()?, None))
    }

    pub(crate) fn http(&self, base_url: &str, key: Secret) -> Result<Http, Failure> {
        Ok(Http::new(base_url, key, self.timeout)?)
    }

    pub(crate) fn pacer(&self) -> Pacer {
        Pacer::new(&self.rate, self.burst)
    }

    fn sandbox(&self, app: &str) -> Result<(Running, Secret), Failure> {
        // A key of its own for each run: the account's must not even get near the sandbox.
        let key = Uuid::new_v4().to_string();
        let mut options = SimulatorOptions::new(Settings {
            seed: seed(),
            ..Settings::new(app, SimKey::new(key.as_str()))
        });
        let data = self.workspace.sandbox_file()?;
        options.data = Some(data);
        let starting = Simulator::start(options);
        let running = self.workspace.runtime()?.block_on(starting)?;
        Ok((running, Secret::new(key)))
    }

    /// Waits for `work`, which only asks the service of `app`. An interrupt makes it end early.
    pub(crate) fn wait<T>(&self, app: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
        let stop = &self.service(app)?.stop;
        let work = interrupt::heeded(stop, work);
        Ok(self.workspace.runtime()?.block_on(work))
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.stopped() == Some(StopReason::Interrupted)
    }

    /// Why the run stops before its end, if it does.
    pub(crate) fn stopped(&self) -> Option<StopReason> {
        self.service.get()?.client.stop.reason()
    }

    pub(crate) fn close(&self) -> Result<(), Failure> {
        let service = self.service.get();
        match service.and_then(|service| service.sandbox.take()) {
            Some(running) => Ok(self.workspace.runtime()?.block_on(running.close())?),
            None => Ok(()),
        }
    }

    /// What the service shows of these rooms. One that was looked at in this run is not read again.
    pub(crate) fn look(&self, app: &str, mut names: Vec<RoomName>) -> Result<World, Failure> {
        names.retain(|name| !self.seen.borrow().contains_key(name));
        let service = self.service(app)?;
        let looking = async { self.begin_look(service, names).world().await };
        let world = self.wait(app, looking)?;
        self.seen.borrow_mut().extend(world);
        Ok(self.seen.borrow().clone())
    }

    /// Begins to read these rooms, below a bar.
    pub(crate) fn begin_look(
        &self,
        service: &Arc<Reader<Http>>,
        names: Vec<RoomName>,
    ) -> Sightings<impl FnMut() + use<>> {
        let bar = Bar::new(names.len());
        observe(service, names, self.parallelism, move || bar.ended(true))
    }

    /// Leaves out of the files, of `state` and of the names that the service lists all rooms that the run is not about.
    pub(crate) fn consider<'a>(
        &self,
        scope: &Scope,
        files: &mut Loaded,
        state: &'a State,
        listed: &BTreeSet<String>,
        output: &Output,
    ) -> Result<Considered<'a>, Failure> {
        let siblings = Siblings::of(&self.workspace, &state.app);
        let settled = files.settled.iter().map(|room| &*room.name);
        siblings.check(files.wanted.keys().map(RoomName::as_str).chain(settled))?;
        let elsewhere = elsewhere(&self.workspace, &files.wanted);
        let mut known = state.rooms.keys();
        let mut scope = scope.clone();
        if known.any(|name| !files.wanted.contains_key(name)) {
            scope.not_here = self.not_read(output);
        }
        let mut considered = scope.consider(&mut files.wanted, state, listed, elsewhere.as_ref());
        considered
            .unmanaged
            .retain(|room| !siblings.rooms.contains_key(room));
        if scope.selection.is_empty() {
            return Ok(considered);
        }
        let managed = files.wanted.keys().chain(considered.state.rooms.keys());
        let others = considered.unmanaged.iter().chain(considered.others.keys());
        let others = others.map(String::as_str);
        let known = managed.map(RoomName::as_str).chain(others);
        // Of a saved plan only its own rooms can be meant.
        let known = known.filter(|name| scope.planned.takes(name)).collect();
        selection::check(&scope.selection, &known, &considered.others, output)?;
        Ok(considered)
    }

    /// The files and directories below the one that is looked at that nobody read: a room of theirs is not missed.
    fn not_read(&self, output: &Output) -> BTreeSet<String> {
        let rooms = &self.workspace.rooms;
        not_read(rooms).unwrap_or_else(|(repository, error)| {
            let (rooms, cause) = (repository.display(), error.source());
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            let doubt = "is missed, since nothing says which files belong there";
            output.note(&format!(
                "warning: no room of {rooms} {doubt}: {error}{cause}\n"
            ));
            BTreeSet::from([String::new()])
        })
    }

    /// Refuses to take the absence of files for a wish unless it is said to be one, and says what may look like it.
    fn check_absence(
        &self,
        args: &PlanningArgs,
        considered: &Considered<'_>,
        is_empty: bool,
        output: &Output,
    ) -> Result<(), Failure> {
        if is_empty && considered.doubt.is_none() && considered.left_out().is_none() {
            output.note("note: there is no room yet: `roomctl init` writes a first one, `roomctl import --all` those of the account\n");
        }
        let listed = |name: &&RoomName| self.workspace.scope.unmanaged.contains(name.as_str());
        if args.prune
            && let Some(room) = considered.state.rooms.keys().find(listed)
        {
            let why = format!("`unmanaged` in roomctl.yaml lists `{room}`, which it would archive");
            let failure = Failure::new(Exit::Refused, format!("--prune is refused: {why}"));
            let forget = format!("`roomctl state forget {}`", room.quoted());
            return Err(failure.hint(format!("{forget} leaves the room alone")));
        }
        let elsewhere = considered.left_out().elsewhere;
        if elsewhere > 0 {
            let (rooms, why) = (count(elsewhere, "room"), "since applied from elsewhere");
            output.note(&format!(
                "note: not considered, {why}: {rooms} of the state\n"
            ));
        }
        let Workspace { rooms, whole, .. } = &self.workspace;
        let is_alone = rooms == whole;
        let (rooms, whole) = (rooms.display(), whole.display());
        let why = match considered.doubt {
            None => return Ok(()),
            Some(Doubt::Part) if is_alone => {
                format!("nothing says that {rooms} is all of the rooms directory")
            }
            Some(Doubt::Part) => format!("{rooms} is only a part of {whole}"),
            Some(Doubt::Empty) => {
                let known = count(considered.state.rooms.len() as u64, "room");
                format!("{rooms} holds no room, and the state knows {known}")
            }
        };
        if args.prune && !args.allow_empty {
            let failure = Failure::new(Exit::Refused, format!("--prune is refused: {why}"));
            return Err(failure.hint("if that is right, pass --allow-empty as well"));
        }
        if considered.doubt == Some(Doubt::Empty) {
            output.note(&format!("warning: {why}: all of them are orphans\n"));
        }
        Ok(())
    }

    /// What is to be done about the rooms that the run is about, after a look at each if `mode` asks for one. Leaves
    /// the others out of `files`. `planned` are the names in a saved plan.
    pub(crate) fn plan(
        &self,
        mode: Mode,
        args: &PlanningArgs,
        files: &mut Loaded,
        state: &State,
        planned: &BTreeSet<String>,
        output: &Output,
    ) -> Result<Plan, Failure> {
        let mut considered = self.consider(&self.workspace.scope, files, state, planned, output)?;
        let mut is_empty = files.wanted.is_empty() && state.rooms.is_empty();
        if files.quiet.rooms > 0 {
            (considered.doubt, is_empty) = (None, false);
        }
        self.check_absence(args, &considered, is_empty, output)?;
        if args.prune {
            let known = considered.state.rooms.keys();
            let orphans = known.filter(|room| !files.wanted.contains_key(*room));
            Siblings::of(&self.workspace, &state.app).check_prune(orphans.map(RoomName::as_str))?;
        }
        self.plan_of(mode, args, files, &considered)
    }

    /// What is to be done about the rooms that are considered.
    pub(crate) fn plan_of(
        &self,
        mode: Mode,
        args: &PlanningArgs,
        files: &Loaded,
        considered: &Considered<'_>,
    ) -> Result<Plan, Failure> {
        let (wanted, state) = (&files.wanted, &*considered.state);
        let mut world = None;
        if mode.live || mode.drift_only {
            let names: BTreeSet<&RoomName> = wanted.keys().chain(state.rooms.keys()).collect();
            world = Some(self.look(&state.app, names.into_iter().cloned().collect())?);
        }
        let limits = self.limits(args);
        let sides = (wanted, state, world.as_ref());
        let options = self.options(mode, &limits);
        let plan = plan_with(
            &|rooms, find| on_cores(all_cores(), rooms, find),
            sides,
            &options,
        );
        let left_out = considered.left_out();
        Ok(Plan { left_out, ..plan }.with(files.quiet))
    }

    /// What a plan depends on besides files, state and service.
    pub(crate) fn options<'a>(&'a self, mode: Mode, limits: &'a Limits) -> Options<'a> {
        Options {
            rate: self.rate,
            burst: self.burst,
            now: self.workspace.now,
            prune: mode.prune,
            drift_only: mode.drift_only,
            mutes: &self.mutes,
            reassert: mode.reassert,
            limits,
        }
    }

    /// How reports of the run are shown.
    pub(crate) fn detail(&self) -> Detail {
        Detail {
            now: self.workspace.now,
            verbose: self.verbose,
            ..Detail::default()
        }
    }

    /// The report of a plan, with what is known of this run.
    pub(crate) fn report(&self, plan: PlanReport) -> PlanReport {
        PlanReport {
            sandbox: self.workspace.sandbox,
            run: self.workspace.run.clone(),
            ..plan
        }
    }

    /// Keeps also to what the base of a change forbids, of which so many guards are weaker here.
    pub(crate) fn keep_to(&self, base: BaseGuard, weakened: usize) {
        self.base.get_or_init(|| (base, weakened));
    }

    /// How far a plan may go.
    pub(crate) fn limits(&self, args: &PlanningArgs) -> Limits {
        let none = (BaseGuard::default(), 0);
        let base = self.base.get().unwrap_or(&none);
        Limits {
            max_changes: args.max_changes,
            allowed: args.allow.clone(),
            only_named: self.is_reviewed,
            ..self.workspace.limits()
        }
        .and_of_base(&base.0, base.1)
    }
}

pub(crate) fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
