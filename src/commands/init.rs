//! `init`: a repository that is ready to go. Writes what is missing, and replaces nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

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
use crate::files::new_file::{NewFileError, create};
use crate::files::text_file::text_from;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  roomctl init --app acme
  roomctl init meeting-rooms --app acme")]
pub(crate) struct InitArgs {
    /// Where [default: here]
    pub dir: Option<PathBuf>,
}

const IGNORED: &str = include_str!("../../templates/gitignore");

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
    let has_rooms = has_rooms(&root.join("rooms"));
    let now = global.now.map_or_else(clock, |now| now.0);
    let mut text = String::new();
    for (file, content) in files(app, now)? {
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
            "note: .gitignore was there already; these lines belong in it:\n{IGNORED}"
        ));
    }
    if let Some(note) = room_secrets::hand_over(&root, &needed(global, args)) {
        output.note(&note);
    }
    let has_app = has_config || global.app.is_some();
    output.note(&next(has_app, args.dir.as_deref()));
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

fn files(app: Option<&str>, now: i64) -> Result<Vec<(&'static str, String)>, Failure> {
    let modeline = |schema: &str| format!("# yaml-language-server: $schema={schema}\n\n");
    let app = app.map_or_else(|| "# app: acme".to_owned(), |app| format!("app: {app}"));
    let config = include_str!("../../templates/roomctl.yaml").replace("{{app}}", &app);
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
    files.push((".gitignore", IGNORED.to_owned()));
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
