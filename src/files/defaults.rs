//! `_defaults.yaml`: settings for every room below its directory. Nearer ones win, and a room's own file
//! wins over all. `_defaults.STACK.yaml` is laid over the one beside it for that stack alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::entries::{self, Findings, SettingsFile};
use crate::files::yaml::Entry;
use crate::model::digest::sha256;
use crate::model::reference::named;
use crate::model::{Finding, Rule, Variables};

pub(crate) const STEM: &str = "_defaults";

/// The files of one directory that hold defaults.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub for_all: Option<PathBuf>,
    pub by_stack: BTreeMap<String, PathBuf>,
}

impl Beside {
    /// Those that hold for a stack, the one that wins last.
    pub(crate) fn of(&self, stack: Option<&str>) -> impl Iterator<Item = &PathBuf> {
        let of_stack = stack.and_then(|stack| self.by_stack.get(stack));
        self.for_all.iter().chain(of_stack)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.for_all.iter().chain(self.by_stack.values())
    }
}

/// Where the defaults of a directory may be.
pub(crate) fn paths_in(dir: &Path) -> [PathBuf; 2] {
    ["yaml", "yml"].map(|extension| dir.join(STEM).with_extension(extension))
}

/// What one file of defaults says.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub file: Arc<str>,
    /// Its keys, in the order of the file.
    pub entries: Vec<Entry>,
    /// How many bytes of the file their values are.
    size: u64,
    /// The digest of its text.
    pub digest: String,
    /// The names that its text refers to.
    pub variables: Vec<String>,
    /// Whether anything is wrong with it, so that no room below it can be made.
    broken: bool,
}

/// Reads a file of defaults, with everything that is wrong with it.
pub(crate) fn parse(file: &str, text: &str, variables: &Variables<'_>) -> (Layer, Vec<Finding>) {
    let mut findings = Findings::new(file);
    let read = entries::parse(text, "default", variables, &mut findings);
    let (entries, mut broken) = match read {
        Some(SettingsFile { entries, room }) => (entries, room.is_none()),
        None => (Vec::new(), true),
    };
    if let Some(entry) = entries.iter().find(|entry| entry.key == "roomName") {
        let message = "defaults are for many rooms, and a name is for one";
        let help = "take `roomName` out";
        findings.add(Finding {
            attribute: Some("roomName"),
            ..Finding::new(file, entry.key_at, Rule::DefaultsName, message, help)
        });
        broken = true;
    }
    let layer = Layer {
        file: file.into(),
        size: entries.iter().map(size).sum(),
        entries,
        digest: sha256(text.as_bytes()),
        variables: named(text).map(str::to_owned).collect(),
        broken,
    };
    (layer, findings.list)
}

/// How many bytes a room has from an entry: of its text, or of what became of that.
fn size(entry: &Entry) -> u64 {
    let filled = entry.value.as_str().map_or(0, str::len);
    entry.span.len().max(filled) as u64
}

impl Layer {
    /// In place of a file that cannot be read.
    pub(crate) fn unreadable(file: &str) -> Self {
        Self {
            file: file.into(),
            broken: true,
            ..Self::default()
        }
    }
}

/// The defaults that hold in one directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    layers: Vec<Arc<Layer>>,
}

impl Defaults {
    pub(crate) const NONE: &'static Self = &Self { layers: Vec::new() };

    /// These, and in front of them a nearer file.
    pub(crate) fn below(&self, nearer: Arc<Layer>) -> Self {
        let mut layers = vec![nearer];
        layers.extend(self.layers.iter().cloned());
        Self { layers }
    }

    /// The files, nearest first.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().map(Arc::as_ref)
    }

    pub(crate) fn broken(&self) -> bool {
        self.layers().any(|layer| layer.broken)
    }

    /// How many bytes of files a room has from them.
    pub(crate) fn size(&self) -> u64 {
        self.layers().map(|layer| layer.size).sum()
    }

    /// The file that most of it is from.
    pub(crate) fn largest(&self) -> Option<&Layer> {
        self.layers().max_by_key(|layer| layer.size)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}
