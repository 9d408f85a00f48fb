//! Room files that need not be parsed again: each in one digest with all that it is read with. Pure.

use std::collections::{BTreeMap, HashMap};

use ring::digest::{Context as Hash, SHA256};

use crate::files::context::Context;
use crate::files::defaults::Defaults;
use crate::model::Finding;
use crate::model::digest::hex;
use crate::model::reference::{Template, named};

/// The rooms in which nothing had to be changed, nor was wrong.
#[derive(Debug, Default)]
pub(crate) struct Settled<'a> {
    /// Goes into each digest: values of variables do, too, and nobody is to find one by a table made beforehand.
    pub salt: &'a str,
    /// Their numbers and what was found in them, by digest.
    pub rooms: HashMap<&'a str, (usize, &'a [Finding])>,
}

impl Settled<'_> {
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
