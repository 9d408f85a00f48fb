//! Flags over environment over configuration over defaults: what a command works with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use super::args::{Global, PaceArgs, Read};
use super::configuration::{self, Configuration};
use super::environment::{self, variable};
use super::exit::{Exit, Failure};
use super::judge;
use crate::files::config_search::NAMES;
use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::looked;
use crate::files::places::{LoopbackUrl, PathBelow, StateAt};
use crate::model::address::ObjectAddress;
use crate::model::given::Given;
use crate::model::policy::Ask;
use crate::model::reference::PrefixError;
use crate::model::{EnvPrefix, Run, Secret, Variables};
use crate::planner::limits::Limits;
use crate::planner::{Rate, Scope, State};
use crate::report::saved::Target;
use crate::service::http;
use crate::store::port::Contents;
use crate::store::{Found, Location, LocationError, Store};

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub configuration: Configuration,
    app: Option<String>,
    base_url: Option<String>,
    /// What the user named as holding the key, and the identity that reads the state.
    secret_files: [Option<PathBuf>; 2],
    /// `None`: it is in no file.
    state_file: Option<PathBuf>,
    pub env_prefix: EnvPrefix,
    given: Given,
    pub store: Store,
    /// Where the state is kept, from the configuration's directory.
    location: String,
    runtime: OnceLock<Runtime>,
    /// Directory of the room files: the configured one, or what `--rooms` names.
    pub rooms: PathBuf,
    /// The configured directory of the room files, from which on defaults hold.
    pub whole: PathBuf,
    /// What of it is looked at.
    pub scope: Scope,
    /// What was read of other stacks' rooms.
    pub read: Read,
    /// Whether the service is the embedded simulator.
    pub sandbox: bool,
    /// Now, in Unix seconds.
    pub now: i64,
    /// What is said of this run.
    pub run: Run,
}

impl Workspace {
    /// What the configuration forbids.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            require_allow: self.configuration.require_allow().to_vec(),
            protected: self.configuration.protected(),
            ..Limits::default()
        }
    }

    /// Puts flags, environment and configuration together.
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let configuration = Configuration::read(global)?;
        let config = &configuration.config;
        let app = if global.sandbox {
            // Its state refuses every other app, so that the two can never be mixed up.
            Some(Target::SANDBOX.to_owned())
        } else {
            let configured = config.app.get().cloned();
            let named = set(&global.app, configured.clone());
            // What is meant for one stack is not done in another.
            if let (Some(stack), Some(app)) = (&configuration.stack, &configured)
                && named != configured
            {
                let message = format!(
                    "the stack `{}` is of the app `{app}`, and --app or METERED_APP names another",
                    stack.as_str()
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            named
        };
        let app = app.as_deref().map(check_app).transpose()?;
        let app = app.map(str::to_owned);
        let variable = variable(&configuration.variable("METERED_BASE_URL"));
        let configured = config.base_url.get().map(LoopbackUrl::as_str);
        let base_url = variable.or_else(|| configured.map(str::to_owned));
        let (whole, is_said) = whole(global, &configuration)?;
        let rooms = global.rooms.clone().unwrap_or_else(|| whole.clone());
        let location = location(global, &configuration)?;
        let state_file = match &location {
            Location::File(path) => Some(path.clone()),
            Location::Object(_) => None,
        };
        let mut workspace = Self {
            app,
            base_url: set(&global.base_url, base_url),
            secret_files: [&global.secret_key_file, &global.state_identity_file].map(Clone::clone),
            env_prefix: env_prefix(global)?,
            given: configuration.config.given(configuration.stack.as_ref()),
            location: location.below(&configuration.base),
            store: Store::open(&location)?.with(environment::keys(global, &configuration)?),
            state_file,
            runtime: OnceLock::new(),
            scope: looked::scope(&configuration.base, &whole, &rooms),
            rooms,
            whole,
            read: global.read.clone(),
            sandbox: global.sandbox,
            now: global.now.map_or_else(clock, |now| now.0),
            run: Run::default(),
            configuration,
        };
        if global.rooms.is_some() && !is_said {
            workspace.ask_the_state();
        }
        let config = &workspace.configuration.config;
        workspace.scope.owns = config.owns.get().cloned();
        workspace.scope.unmanaged = config.unmanaged.get().cloned().unwrap_or_default();
        Ok(workspace)
    }

    /// Nobody says that there is more than the directory that the user named; but the state may know of rooms outside.
    fn ask_the_state(&mut self) {
        let base = &self.configuration.base;
        // What is wrong with it, the command says that needs it.
        let found = self.load_state().map(|found| found.state);
        let state = found.unwrap_or_else(|_| State::fresh(""));
        self.whole = looked::whole(base, &self.rooms, &state);
        self.scope = looked::scope(base, &self.whole, &self.rooms);
        self.scope.whole &= !self.scope.is_left(&state);
    }

    /// The files that no result may take the place of, be they there or not: what is read wherever it is found, and what
    /// is remembered, in the sandbox as well.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Configuration { file, base, .. } = &self.configuration;
        use configuration::{MUTES, SANDBOX, SANDBOX_STATE, STATE};
        let usual = [NAMES[0], NAMES[1], MUTES].map(|name| base.join(name));
        let kept = |file| base.join(self.configuration.kept(file));
        let named = file.iter().chain(self.secret_files.iter().flatten());
        let named = named.chain([&self.rooms]);
        let usual = usual
            .into_iter()
            .chain([kept(SANDBOX)])
            .chain(named.cloned());
        let states = [base.join(STATE), kept(SANDBOX_STATE)];
        let of_others = self.configuration.others().flat_map(|other| {
            let state = match other.config.state.get() {
                Some(StateAt::Below(below)) => Some(base.join(below.path())),
                _ => None,
            };
            let sandbox = [SANDBOX, SANDBOX_STATE].map(|file| base.join(other.kept(file)));
            state.into_iter().chain(sandbox)
        });
        let states = states
            .into_iter()
            .chain(of_others)
            .chain(self.state_file.clone());
        let states = states.flat_map(|state| {
            StateAt::ENDINGS.map(|ending| {
                let mut name = state.clone().into_os_string();
                name.push(ending);
                PathBuf::from(name)
            })
        });
        usual.chain(states).collect()
    }

    /// What the asynchronous work of a command runs on.
    pub(crate) fn runtime(&self) -> Result<&Runtime, Failure> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = runtime()?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// The state of the named app or, when none is named, of the app that the state is about.
    pub(crate) fn load_state(&self) -> Result<Found, Failure> {
        let loading = self.store.load(self.app.as_deref());
        self.named(self.runtime()?.block_on(loading)?)
    }

    /// The bytes of the state, as far as they can be read.
    pub(crate) fn state_bytes(&self) -> Option<Contents> {
        self.runtime().ok()?.block_on(self.store.contents()).ok()
    }

    /// The same of bytes that were read already.
    pub(crate) fn state_of(&self, contents: &Contents) -> Result<Found, Failure> {
        self.named(self.store.read(contents, self.app.as_deref())?)
    }

    fn named(&self, found: Option<Found>) -> Result<Found, Failure> {
        let found = found.ok_or_else(|| {
            Failure::new(Exit::Usage, "which app? none is named, and there is no state yet").hint(
                "pass --app NAME, set METERED_APP, or write `app:` into roomctl.yaml; `--sandbox` needs none",
            )
        })?;
        check_app(&found.state.app)?;
        Ok(found)
    }

    /// Whether a state of this app would be read.
    pub(crate) fn takes(&self, app: &str) -> bool {
        let named = self.app.as_deref();
        check_app(app).is_ok() && named.is_none_or(|named| named == app)
    }

    /// The file of the state, or one with this ending beside it; `None`: it is in no file.
    pub(crate) fn state_file(&self, ending: &str) -> Option<PathBuf> {
        let mut path = self.state_file.clone()?.into_os_string();
        path.push(ending);
        Some(path.into())
    }

    /// All that decides about rooms beside their files, the defaults, variables, the state and time.
    pub(crate) fn decides(&self) -> String {
        let program = std::env::current_exe().and_then(|program| program.metadata());
        let program = program.map(|found| (found.len(), found.modified().ok()));
        let version = env!("CARGO_PKG_VERSION");
        let places = (&self.rooms, &self.whole, &self.scope);
        let all = (
            version,
            program.ok(),
            &self.app,
            &self.env_prefix,
            self.sandbox,
            places,
        );
        format!("{all:?} {:?}", self.configuration)
    }

    /// All variables that files may refer to, with their values.
    pub(crate) fn variables(&self) -> String {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            self.env_prefix.permits(&name).then_some((name, value))
        });
        let all: BTreeMap<_, _> = all.filter(|_| !self.sandbox).collect();
        format!("{all:?}")
    }

    /// The object that the state is; `None`: it is in a file.
    pub(crate) fn object(&self) -> Option<ObjectAddress> {
        ObjectAddress::parse(&self.location)
    }

    /// The names of the rooms in the state, as far as it can be read.
    pub(crate) fn remembered_names(&self) -> BTreeSet<String> {
        let names = self
            .runtime()
            .map(|runtime| runtime.block_on(self.store.names()));
        names.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// The file of the simulator's rooms.
    pub(crate) fn sandbox_file(&self) -> Result<PathBuf, Failure> {
        let below = self.configuration.kept(configuration::SANDBOX);
        self.configuration.place(&below)
    }

    pub(crate) fn base_url(&self, app: &str) -> String {
        let default = || format!("https://{app}.metered.live");
        self.base_url.clone().unwrap_or_else(default)
    }

    /// What a plan of `app` is for.
    pub(crate) fn target(&self, app: &str) -> Result<Target, Failure> {
        let address = match self.sandbox {
            true => Target::SANDBOX.to_owned(),
            false => http::address(&self.base_url(app))?,
        };
        Ok(Target {
            address,
            location: self.location.clone(),
        })
    }

    /// The host of the service of `app`: of this machine, if it is the simulator.
    pub(crate) fn host(&self, app: &str) -> Result<String, Failure> {
        match self.sandbox {
            true => Ok(Target::SANDBOX.to_owned()),
            false => Ok(http::host(&self.base_url(app))?),
        }
    }

    /// What room files are read with. Who goes on with the rooms asks the policies about them.
    pub(crate) fn context<'a>(&'a self, ask: &'a dyn Ask) -> Context<'a> {
        Context {
            owns: self.scope.owns.as_ref(),
            unmanaged: Some(&self.scope.unmanaged),
            policies: Policies { ask, rooms: 0 },
            defaults: Defaults::NONE,
            sandbox: self.sandbox,
            names: self.configuration.names(),
            now: self.now,
            variables: Variables {
                prefix: &self.env_prefix,
                // What is in the sandbox is in a file, and made up.
                values: match self.sandbox {
                    true => &|_| None,
                    false => &variable,
                },
                given: &self.given,
            },
        }
    }

    pub(crate) fn pace(&self, args: &PaceArgs) -> Result<(Rate, u32), Failure> {
        let config = &self.configuration.config;
        let configured = config.rate.get().map(|text| text.parse::<Rate>());
        let configured = configured.transpose();
        let configured = configured.map_err(|error| Failure::because(Exit::Invalid, &error))?;
        let burst = args.burst.or(config.burst.get().copied()).unwrap_or(1);
        if burst == 0 {
            return Err(Failure::new(Exit::Invalid, "`burst` must be at least 1"));
        }
        Ok((args.rate.or(configured).unwrap_or_default(), burst))
    }

    /// Who is asked about the rooms.
    pub(crate) fn policies(&self) -> Result<Box<dyn Ask>, Failure> {
        judge::start(&self.configuration)
    }

    pub(crate) fn parallelism(&self, flag: Option<u32>) -> Result<usize, Failure> {
        let configured = self.configuration.config.parallelism.get();
        let number = flag.or(configured.copied()).unwrap_or(4);
        if !(1..=64).contains(&number) {
            let message = format!("`parallelism: {number}` is not between 1 and 64");
            return Err(Failure::new(Exit::Invalid, message));
        }
        Ok(number as usize)
    }

    /// The account's key.
    pub(crate) fn key(&self) -> Result<Secret, Failure> {
        // Of one stack never for another: they may be of different customers.
        let name = self.configuration.variable("METERED_SECRET_KEY");
        environment::key(&self.secret_files[0], &name)
    }
}

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because(Exit::Unexpected, &error))
}

/// Now, in Unix seconds.
pub(crate) fn clock() -> i64 {
    Timestamp::now().as_second()
}

/// What a flag says or, without it, something else. An empty text says nothing: that is what a pipeline makes of a
/// variable that it does not have.
fn set(flag: &Option<String>, otherwise: Option<String>) -> Option<String> {
    let said = flag.clone().or(otherwise);
    said.filter(|text| !text.is_empty())
}

/// The whole rooms directory, beside the configuration; and whether somebody says so: it is configured, or it is the usual
/// one and no other is named. What is kept elsewhere is no part of it, though it is there.
fn whole(global: &Global, configuration: &Configuration) -> Result<(PathBuf, bool), Failure> {
    let configured = configuration.config.rooms.get().map(PathBelow::path);
    let below = configured.unwrap_or(Path::new(configuration::ROOMS));
    // The usual one does not matter where the user names another.
    if let (None, Some(named)) = (configured, &global.rooms) {
        let usual = configuration.base.join(below);
        let is_within = |inner: &Path, outer: &Path| looked::surroundings(outer, inner) == outer;
        let is_said = is_within(named, &usual) || is_within(&usual, named);
        return Ok((usual, is_said));
    }
    let whole = configuration.place(below)?;
    let is_said = configured.is_some() || whole.exists();
    Ok((whole, is_said))
}

/// What the variables begin with that files may refer to. Never from a file: whoever may propose one would choose.
fn env_prefix(global: &Global) -> Result<EnvPrefix, Failure> {
    let named = global.env_prefix.clone();
    let Some(text) = named.or_else(|| variable("ROOMCTL_ENV_PREFIX")) else {
        return Ok(EnvPrefix::ROOM.clone());
    };
    text.parse().map_err(|error: PrefixError| {
        // Whatever was set by mistake is not repeated.
        let message = "that is no prefix for the variables of rooms";
        Failure::new(Exit::Usage, message).hint(error.to_string())
    })
}

fn location(global: &Global, configuration: &Configuration) -> Result<Location, Failure> {
    if let Some(typed) = &global.state {
        let location = typed.parse();
        return location.map_err(|error: LocationError| Failure::because(Exit::Usage, &error));
    }
    let sandbox = configuration.kept(configuration::SANDBOX_STATE);
    let below = match configuration.config.state.get() {
        _ if global.sandbox => &sandbox,
        Some(StateAt::Object(address)) => return Ok(Location::Object(address.clone())),
        Some(StateAt::Below(below)) => below.path(),
        None => Path::new(configuration::STATE),
    };
    Ok(Location::File(configuration.place(below)?))
}

/// The app of a name as people have it: its whole address is one, too. It becomes part of the address that the key is sent
/// to, so it must be one label of a host name.
pub(crate) fn check_app(app: &str) -> Result<&str, Failure> {
    let host = app.strip_prefix("https://").unwrap_or(app);
    let host = host.trim_end_matches('/');
    let app = host.strip_suffix(".metered.live").unwrap_or(host);
    let plain = app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain && (1..=63).contains(&app.len()) {
        return Ok(app);
    }
    let message = format!("`{}` is not an app name", app.escape_debug());
    Err(Failure::new(Exit::Usage, message)
        .hint("it is the first part of https://<app>.metered.live: letters, digits and hyphens"))
}
