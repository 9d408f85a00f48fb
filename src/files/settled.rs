//! Room files that need not be parsed again: each in one digest with all that it is read with. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ring::digest::{Context as Hash, SHA256};

use crate::disk::stamp::Stamp;
use crate::files::context::Context;
use crate::files::defaults::{Defaults, Layer};
use crate::model::Finding;
use crate::model::digest::{hex, sha256};
use crate::model::reference::{Template, named};
use crate::planner::change::Open;

/// The rooms in which nothing had to be changed, nor was wrong.
pub(crate) struct Settled<'a> {
    /// Goes into each digest: values of variables do, too, and nobody is to find one by a table made beforehand.
    pub salt: &'a str,
    /// The one of a file.
    pub room: &'a (dyn Fn(&str) -> Option<SettledRoom> + Sync),
    /// All variables that files may refer to.
    pub variables: &'a str,
    /// The digest of what is above the files that have stamps.
    pub above: &'a str,
}

#[derive(Debug)]
pub(crate) struct SettledRoom {
    pub number: usize,
    pub name: Cow<'static, str>,
    pub digest: &'static str,
    /// Of its file, which need not even be read as long as it has that, and nothing above it moved.
    pub stamp: Option<Stamp>,
    /// Whether the file had to be read.
    pub is_read: bool,
    /// What was found in it.
    pub findings: Vec<Finding>,
    /// What a plan counts.
    pub open: Open,
}

impl Settled<'_> {
    /// The digest of all defaults, and of every variable that there is.
    pub(crate) fn above<'l>(&self, layers: impl Iterator<Item = &'l Layer>) -> String {
        let layers: Vec<_> = layers.map(|layer| (&layer.file, &layer.digest)).collect();
        sha256(format!("{:?}", (self.salt, layers, self.variables)).as_bytes())
    }

    /// The digest of a file with the defaults above it and the variables that they name. What else a room is read with is
    /// the same for all of them.
    pub(crate) fn digest(&self, file: &str, text: &str, context: &Context<'_>) -> String {
        // Lengths first: otherwise what ends one part could begin the next.
        let mut parts = String::with_capacity(512);
        let mut add = |part: &str| {
            parts.extend([&part.len().to_string(), ":", part]);
        };
        [self.salt, file].into_iter().for_each(&mut add);
        for layer in context.defaults.layers() {
            add(&layer.file);
            add(&layer.digest);
        }
        add("");
        for name in names(text, context.defaults) {
            add(name);
            match context.variables.get(name) {
                Some(value) => add(&format!("={value}")),
                None => add(""),
            }
        }
        add("");
        let mut hash = Hash::new(&SHA256);
        hash.update(parts.as_bytes());
        hash.update(text.as_bytes());
        hex(hash.finish().as_ref())
    }
}

/// Whether every variable that `secrets` refer to is named as such in the texts: YAML can write one in other ways.
pub(crate) fn holds_all(
    secrets: &BTreeMap<&'static str, Template>,
    text: &str,
    defaults: &Defaults,
) -> bool {
    let mut referred = secrets.values().flat_map(Template::variables);
    referred.all(|name| names(text, defaults).any(|named| named == name))
}

/// The variables that a text and its defaults name.
fn names<'a>(text: &'a str, defaults: &'a Defaults) -> impl Iterator<Item = &'a str> {
    let above = defaults.layers().flat_map(|layer| &layer.variables);
    named(text).chain(above.map(String::as_str))
}
