//! `init`: a repository that is ready to go. Writes what is missing, and replaces nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::shared::approval::ask;
use super::shared::args::Global;
use super::shared::configuration;
use super::shared::exit::{Exit, Failure};
use super::shared::output::Output;
use super::shared::room_secrets;
use super::shared::rooms::load_any;
use super::shared::schemas::{self, SchemaName};
use super::shared::trial::{TRIAL, trial};
use super::shared::workspace::{Workspace, check_app, clock};
use crate::disk::plain_file::{MAX_DATA, read_own};
use crate::disk::whole_file::sweep;
use crate::files::config_search::NAMES;
use crate::files::new_file::{NewFileError, create};
use crate::files::text_file::{read_text, text_from};
use crate::store::{Location, LocationError};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl init --app acme
  roomctl init meeting-rooms --app acme
  roomctl init --app acme --state s3://company-rooms/state.json
  roomctl init --app acme --state .roomctl/state.json      committed: for one person without a pipeline")]
pub(crate) struct InitArgs {
    /// Where [default: here]
    pub dir: Option<PathBuf>,
}

/// The one home of the state, by which all goes that is written.
enum Home {
    /// The branch that the workflows keep it on.
    Branch,
    /// An object that roomctl.yaml names, by its address.
    Object(String),
    /// A file that is committed beside the rooms.
    Committed,
}

const QUESTION: &str = "
Where is the state kept between runs?
  Enter                      on a branch, by the workflows
  s3://BUCKET/KEY            in an object store; or az://CONTAINER/KEY, gs://BUCKET/KEY
  .roomctl/state.json        committed beside the rooms, for one person without a pipeline
: ";

impl Home {
    /// What the user says, what is there already, or what somebody who can be asked answers.
    fn find(global: &Global, root: &Path, has_config: bool) -> Result<Self, Failure> {
        let is_committed = read_own(&root.join(".gitignore"), MAX_DATA).and_then(text_from);
        let text = match &global.state {
            Some(text) => text.clone(),
            None if is_committed.is_ok_and(|text| text.contains("!/.roomctl/state.json")) => {
                configuration::STATE.to_owned()
            }
            None if has_config => String::new(),
            None => ask(QUESTION)?.unwrap_or_default(),
        };
        if text.is_empty() {
            return Ok(Self::Branch);
        }
        let location = text.parse();
        match location.map_err(|error: LocationError| Failure::because(Exit::Usage, &error))? {
            Location::Object(address) => Ok(Self::Object(address.to_string())),
            Location::File(file) if file == Path::new(configuration::STATE) => Ok(Self::Committed),
            Location::File(file) => {
                let message = format!("init makes no home for a state in {}", file.display());
                Err(Failure::new(Exit::Usage, message)
                    .hint("it is .roomctl/state.json, an object, or, without --state, a branch"))
            }
        }
    }

    /// What git leaves alone of what roomctl keeps.
    fn ignored(&self) -> &'static str {
        match self {
            Self::Committed => include_str!("../../templates/gitignore-committed"),
            Self::Branch | Self::Object(_) => include_str!("../../templates/gitignore"),
        }
    }

    /// The lines of roomctl.yaml that name it.
    fn line(&self) -> String {
        match self {
            Self::Object(address) => format!("state: {address}\n"),
            Self::Branch | Self::Committed => String::new(),
        }
    }

    /// What is to be done for it.
    fn next(&self) -> &'static str {
        match self {
            Self::Branch => {
                "  roomctl state pull --branch origin/roomctl-state     what the workflows applied, when they did\n"
            }
            Self::Object(_) => {
                "  set the secret ROOMCTL_STATE_CREDENTIALS for the workflows: variables for the object store, a line NAME=VALUE each\n"
            }
            Self::Committed => "  commit .roomctl/state.json after each apply\n",
        }
    }
}

/// Files that this repository has itself, each with its text.
macro_rules! own {
    ($($file:literal,)*) => { [$(($file, include_str!(concat!("../../", $file)))),*] };
}

/// The workflows and the action that they use, as this repository has them: its tests run them.
const WORKFLOWS: [(&str, &str); 14] = own![
    ".github/workflows/plan.yml",
    ".github/workflows/comment.yml",
    ".github/workflows/apply.yml",
    ".github/workflows/drift.yml",
    ".github/actions/roomctl/action.yml",
    ".github/actions/roomctl/adopt.sh",
    ".github/actions/roomctl/alone.sh",
    ".github/actions/roomctl/install.sh",
    ".github/actions/roomctl/release.sha256",
    ".github/actions/roomctl/run.sh",
    ".github/actions/roomctl/state.sh",
    ".github/actions/roomctl/github.py",
    ".github/actions/roomctl/proposed.py",
    ".github/actions/roomctl/reviewed.py",
];

const SCHEMAS: [(&str, SchemaName); 4] = [
    ("schema/room.schema.json", SchemaName::Room),
    (
        "schema/room-with-defaults.schema.json",
        SchemaName::RoomWithDefaults,
    ),
    ("schema/defaults.schema.json", SchemaName::Defaults),
    ("schema/config.schema.json", SchemaName::Config),
];

pub(crate) fn run(global: &Global, args: &InitArgs, output: &mut Output) -> Result<Exit, Failure> {
    let app = global.app.as_deref().map(check_app).transpose()?;
    let root = args.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let has_config = configuration::is_in(&root);
    let home = Home::find(global, &root, has_config)?;
    let has_rooms = has_rooms(&root.join("rooms"));
    let now = global.now.map_or_else(clock, |now| now.0);
    let mut text = String::new();
    for (file, content) in files(app, &home, now)? {
        // Examples among rooms that are there would only be in the way.
        if has_rooms && file.starts_with("rooms/") {
            continue;
        }
        // It may have its other name.
        if let Some(there) = configuration::other_in(&root, file) {
            text += &format!("kept     {there}\n");
            continue;
        }
        text += &make(&root, file, &content)?;
    }
    output.result(&text);
    if !ignores(&root) {
        output.note(&format!(
            "note: .gitignore was there already; these lines belong in it:\n{}",
            home.ignored()
        ));
    }
    let line = home.line();
    if has_config && !is_in_configuration(&root, &line) {
        output.note(&format!(
            "note: the configuration was there already; this line belongs in it:\n{line}"
        ));
    }
    if let Some(note) = room_secrets::hand_over(&root, &needed(global, args)) {
        output.note(&note);
    }
    let has_app = has_config || global.app.is_some();
    output.note(&(next(has_app, args.dir.as_deref()) + home.next()));
    Ok(Exit::Done)
}

/// The variables that room files refer to that are there already. What is wrong with those, other commands say.
fn needed(global: &Global, args: &InitArgs) -> BTreeSet<String> {
    let here = args.dir.is_none().then(|| Workspace::new(global).ok());
    let Some(workspace) = here.flatten() else {
        return BTreeSet::new();
    };
    let rooms = load_any(&workspace).wanted.into_values();
    let secrets = rooms.flat_map(|room| room.secrets.into_values());
    let variables = secrets.flat_map(|secret| secret.outline().variables);
    variables.collect()
}

/// Whether the directory holds anything but what an earlier try that died left.
fn has_rooms(directory: &Path) -> bool {
    sweep(directory);
    let is_empty = std::fs::read_dir(directory).is_ok_and(|mut there| there.next().is_none());
    directory.exists() && !is_empty
}

fn files(app: Option<&str>, home: &Home, now: i64) -> Result<Vec<(&'static str, String)>, Failure> {
    let modeline = |schema: &str| format!("# yaml-language-server: $schema={schema}\n\n");
    let app = app.map_or_else(|| "# app: acme".to_owned(), |app| format!("app: {app}"));
    let config = include_str!("../../templates/roomctl.yaml");
    let config = config
        .replace("{{app}}", &app)
        .replace("{{state}}", &home.line());
    // A trial that is forgotten ends by itself.
    let expires = Timestamp::from_second(now - now.rem_euclid(86_400) + 90 * 86_400);
    let expires = expires.map(|moment| moment.to_string());
    let room = trial(&expires.unwrap_or_else(|_| (now + 7_776_000).to_string()));
    let defaults = include_str!("../../templates/defaults.yaml");
    let config = modeline("schema/config.schema.json") + &config;
    let defaults = modeline("../schema/defaults.schema.json") + defaults;
    let room = modeline("../schema/room-with-defaults.schema.json") + &room;
    let mut files = vec![
        ("roomctl.yaml", config),
        ("rooms/_defaults.yaml", defaults),
        (TRIAL, room),
    ];
    for (file, schema) in SCHEMAS {
        files.push((file, schemas::text(schema)?));
    }
    files.push((".gitignore", home.ignored().to_owned()));
    if matches!(home, Home::Committed) {
        return Ok(files);
    }
    let none = BTreeSet::new();
    files.extend(WORKFLOWS.iter().map(|(file, text)| {
        // The rooms of this repository are not those of another.
        let without = room_secrets::with(text, &none);
        (*file, without.unwrap_or_else(|| (*text).to_owned()))
    }));
    Ok(files)
}

/// Makes the file if it is not there, and says what came of it.
fn make(root: &Path, file: &str, content: &str) -> Result<String, Failure> {
    match create(root, Path::new(file), content) {
        Ok(()) => Ok(format!("created  {file}\n")),
        Err(NewFileError::Exists(path)) => {
            let same = read_own(&path, MAX_DATA).is_ok_and(|bytes| bytes == content.as_bytes());
            let schema = file.strip_prefix("schema/");
            Ok(
                match schema.and_then(|name| name.strip_suffix(".schema.json")) {
                    Some(name) if !same => format!(
                        "kept     {file}, of another version: `roomctl schema {name} > {file}` renews it\n"
                    ),
                    _ => format!("kept     {file}\n"),
                },
            )
        }
        Err(error) => Err(Failure::because(Exit::Refused, &error)
            .hint("init writes plain files only; nothing that was there has been changed")),
    }
}

/// Whether one of the configurations that may be there has this line.
fn is_in_configuration(root: &Path, line: &str) -> bool {
    let mut texts = NAMES
        .iter()
        .filter_map(|name| read_text(&root.join(name)).ok());
    texts.any(|text| text.contains(line.trim_end()))
}

/// Whether git leaves the lock and the journal alone.
fn ignores(root: &Path) -> bool {
    let text = read_own(&root.join(".gitignore"), MAX_DATA).and_then(text_from);
    text.is_ok_and(|text| text.contains(".roomctl"))
}

fn next(has_app: bool, dir: Option<&Path>) -> String {
    let dir = dir.map_or_else(String::new, |dir| format!("  cd {}\n", dir.display()));
    let app = match has_app {
        true => "",
        false => "  name the app in roomctl.yaml, the first part of https://<app>.metered.live\n",
    };
    format!(
        "\nNext:\n{dir}{app}  roomctl plan                     what would be created; needs no key\n  \
         roomctl apply --sandbox          the whole job, without an account\n  \
         roomctl import --all             a file for each room that the account has; needs the key\n"
    )
}
