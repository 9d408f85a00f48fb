//! The rooms that other stacks have in the same app: no two stacks write one room, and none archives another's.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::configuration::Configuration;
use super::environment::variable;
use super::exit::{Exit, Failure};
use super::rooms::not_read;
use super::workspace::{Workspace, check_app};
use crate::files::context::Context;
use crate::files::places::LoopbackUrl;
use crate::files::room_files;
use crate::model::policy::NOBODY;
use crate::model::{Finding, Variables};
use crate::service::http;

/// Whose each room of the same app is, beside ours.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    pub rooms: BTreeMap<String, String>,
    /// A stack whose files could not all be read.
    pub unread: Option<String>,
}

impl Siblings {
    pub(crate) fn of(workspace: &Workspace, app: &str) -> Self {
        let mut siblings = Self::default();
        let here = &workspace.configuration;
        // In the sandbox each stack has an account of its own.
        if workspace.sandbox {
            return siblings;
        }
        let url = workspace.base_url(app);
        // What neither the configuration nor the environment says was typed, and may be typed for any of them.
        let typed = Some(&url).filter(|url| said(here).as_ref() != Some(url));
        let ours = account(app, &url);
        for other in here.others() {
            let theirs = other.config.app.get().map_or(app, String::as_str);
            let url = said(&other).or_else(|| typed.cloned());
            let theirs = check_app(theirs).ok().and_then(|app| {
                let usual = || format!("https://{app}.metered.live");
                account(app, &url.unwrap_or_else(usual))
            });
            // Where nobody knows whose account it is, it may be ours.
            if ours.is_some() && theirs.is_some() && ours != theirs {
                continue;
            }
            let name = other
                .stack
                .as_ref()
                .map_or("", |stack| stack.as_str())
                .to_owned();
            let (rooms, is_whole) = rooms_of(workspace, &other, &name);
            siblings
                .rooms
                .extend(rooms.iter().map(|room| (room.clone(), name.clone())));
            if !is_whole {
                siblings.unread.get_or_insert(name);
            }
        }
        siblings
    }

    /// Refuses a room that another stack has as well.
    pub(crate) fn check<'a>(&self, mut ours: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        let Some((room, other)) = ours.find_map(|room| self.rooms.get_key_value(room)) else {
            return Ok(());
        };
        let message = format!(
            "the stack `{other}` has the room `{room}` of this app as well: each would put back what the other wrote"
        );
        Err(Failure::new(Exit::Invalid, message)
            .hint("give the stacks apps or rooms directories of their own, or other names: `roomName: ${var:stack}-…`"))
    }

    /// Refuses to archive what another stack has, or may have.
    pub(crate) fn check_prune<'a>(
        &self,
        mut orphans: impl Iterator<Item = &'a str>,
    ) -> Result<(), Failure> {
        let mut all = orphans.by_ref().peekable();
        let Some(first) = all.peek().copied() else {
            return Ok(());
        };
        let refused =
            |why: String| Failure::new(Exit::Refused, format!("--prune is refused: {why}"));
        if let Some(unread) = &self.unread {
            let why = format!(
                "files of the stack `{unread}` have errors or are not here, and may be about `{first}`, which it would archive"
            );
            return Err(refused(why).hint(format!(
                "`roomctl validate --stack {unread}` shows errors, `git status` what is not checked out"
            )));
        }
        let Some((room, other)) = all.find_map(|room| self.rooms.get_key_value(room)) else {
            return Ok(());
        };
        let why = format!("the stack `{other}` has a file of `{room}`, which it would archive");
        Err(refused(why).hint(format!(
            "`roomctl state forget {room}` leaves it to that stack"
        )))
    }
}

/// An account, however its app and its address are written.
fn account(app: &str, url: &str) -> Option<(String, String)> {
    Some((app.to_lowercase(), http::account(url).ok()?))
}

/// The address that a stack says itself, as its own run takes it.
fn said(of: &Configuration) -> Option<String> {
    let configured = of.config.base_url.get().map(LoopbackUrl::as_str);
    let named = variable(&of.variable("METERED_BASE_URL"));
    named.or_else(|| configured.map(str::to_owned))
}

fn rooms_of(here: &Workspace, other: &Configuration, name: &str) -> (Arc<Vec<String>>, bool) {
    let mut read = here.read.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read.get(name) {
        return known.clone();
    }
    let whole = other.rooms();
    let given = other.config.given(other.stack.as_ref());
    let context = here.context(NOBODY);
    let context = Context {
        names: other.names(),
        owns: None,
        unmanaged: None,
        variables: Variables {
            values: &|_| None,
            given: &given,
            ..context.variables
        },
        ..context
    };
    let loaded = room_files::load(&whole, std::slice::from_ref(&whole), &context);
    let names = loaded.wanted.keys().map(|room| room.as_str().to_owned());
    // What is not on this disk, or not read, may be about any room.
    let is_whole = !Finding::any_error(&loaded.findings)
        && !loaded.wanted.is_empty()
        && not_read(&whole).is_ok_and(|not_read| not_read.is_empty());
    let found = (Arc::new(names.collect()), is_whole);
    read.entry(name.to_owned()).or_insert(found).clone()
}
