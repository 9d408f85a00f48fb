//! Compares what the files want with what was applied and, where it was looked at, with what the service shows:
//! what would change, why, and exactly what would be sent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::change::{Action, Change, Opening, Plan, Unreadable};
use super::doubts::{self, Doubts};
use super::forecast::{Forecast, Rate, forecast};
use super::limits::Limits;
use super::muted;
use super::mutes::{Mute, Muted, Mutes};
use super::posture;
use super::scope::LeftOut;
use super::state::{AppliedRoom, State};
use super::three_way::RoomSides;
use super::undeclared::{self, Undeclared};
use super::world::{Sighting, World, sighting};
use crate::model::effect::{effects, effects_of_creating};
use crate::model::{
    Effect, LiveRoom, RoomName, Secrets, Settings, StoredSettings, Wanted, WantedRoom, digest,
};

/// What a plan depends on besides files, state and service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// The rate of requests, for the forecast.
    pub rate: Rate,
    /// How many may start at once.
    pub burst: u32,
    /// Now, in Unix seconds, for effects that depend on a moment having passed.
    pub now: i64,
    /// Whether rooms that no file wants are archived.
    pub prune: bool,
    /// Whether only what the service moved is put back, and newer files wait.
    pub drift_only: bool,
    /// Drift that is accepted.
    pub mutes: &'a [Mute],
    /// Whether rooms are sent again in which nothing has to be.
    pub reassert: bool,
    /// How far it may go, for the forecast: rooms are read before what may be forbidden is done to them.
    pub limits: &'a Limits,
}

impl Options<'_> {
    /// What carrying out `changes` will cost.
    pub(crate) fn forecast<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) -> Forecast {
        let requests = changes.into_iter();
        let requests = requests.map(|change| change.requests(self.limits));
        let requests = requests.sum();
        forecast(requests, &self.rate, self.burst)
    }
}

/// What is found out about each of some rooms, in their order.
pub(crate) type Each<'a> =
    &'a dyn Fn(&[&RoomName], &(dyn Fn(&&RoomName) -> Found + Sync)) -> Vec<Found>;

/// How many rooms are looked into at once: what is found out about them is in memory twice.
const BLOCK: usize = 2_000;

/// Plans what makes the service what the files want, with the rooms looked into by `each`, which may do so on several
/// threads. Without a `world`, nothing was looked at; with one, a room that could not be read is planned nothing for.
pub(crate) fn plan_with(
    each: Each<'_>,
    (wanted, state, world): (&Wanted, &State, Option<&World>),
    options: &Options<'_>,
) -> Plan {
    let mut plan = Plan::empty(state, options);
    let mutes = Mutes::at(options.now, options.mutes);
    // Names that differ only by case may be one room, of which a file only changed the spelling; not if each has its id.
    let id = |name: &RoomName| state.applied(name).id.clone();
    let pruning = wanted.keys().filter(|_| options.prune);
    let mut spelled: HashMap<String, HashSet<Option<String>>> = HashMap::new();
    for name in pruning {
        spelled.entry(name.folded()).or_default().insert(id(name));
    }
    let is_spelled = |name: &RoomName| {
        let (ids, own) = (spelled.get(&name.folded()), id(name));
        ids.is_some_and(|ids| own.is_none() || ids.contains(&None) || ids.contains(&own))
    };
    let leftover = state
        .rooms
        .keys()
        .filter(|name| !wanted.contains_key(*name));
    let names: Vec<&RoomName> = wanted.keys().chain(leftover).collect();
    for names in names.chunks(BLOCK) {
        let found = each(names, &|name| {
            let room = Room::new(name, wanted, state, world, &mutes);
            let options = Options {
                prune: options.prune && !is_spelled(name),
                ..*options
            };
            room.found(&options)
        });
        for (name, found) in names.iter().zip(found) {
            plan.add(name, found, state);
        }
    }
    let changes = &mut plan.changes;
    changes.sort_unstable_by(|a, b| (a.action.rank(), &a.room).cmp(&(b.action.rank(), &b.room)));
    name_renamed(changes, wanted, state);
    for change in changes {
        change.opening = posture::opening(change, state);
    }
    plan.forecast = options.forecast(&plan.changes);
    plan
}

#[cfg(test)]
pub(crate) fn plan(
    wanted: &Wanted,
    state: &State,
    world: Option<&World>,
    options: &Options<'_>,
) -> Plan {
    let one_by_one: Each<'_> = &|rooms, find| rooms.iter().map(find).collect();
    plan_with(one_by_one, (wanted, state, world), options)
}

/// Says of an orphan which new file may be its own, under another name.
fn name_renamed(changes: &mut [Change], wanted: &Wanted, state: &State) {
    // A hint for somebody who renamed a few; each pair is compared.
    const MOST: usize = 100;
    let new = changes.iter().filter(|change| change.action.rank() == 0);
    let new = new.filter_map(|change| wanted.get(&change.room));
    let mut new: Vec<&WantedRoom> = new.take(MOST).collect();
    let orphans = changes
        .iter_mut()
        .filter(|change| change.action == Action::Orphan && change.message.is_none());
    for orphan in orphans.take(MOST) {
        let (room, known) = (&orphan.room, state.applied(&orphan.room));
        let mut alike = new.iter();
        let at = alike.position(|file| known.is_as(file, state.salt()));
        orphan.message = at.map(|at| {
            let file = &new.remove(at).file;
            format!(
                "in the state, but no file wants it, and {file} says the same: if that is its file under another name, \
                 write `roomName: {}` into it",
                room.quoted()
            )
        });
    }
}

impl Plan {
    fn empty(state: &State, options: &Options<'_>) -> Self {
        let managed = state.rooms.values().filter(|room| room.is_confirmed());
        Self {
            app: state.app.clone(),
            lineage: state.lineage.clone(),
            serial: state.serial,
            forecast: options.forecast([]),
            changes: Vec::new(),
            open: posture::open(state),
            unchanged: 0,
            pending: 0,
            unreadable: Vec::new(),
            managed: managed.count() as u64,
            muted: BTreeMap::new(),
            undeclared: BTreeMap::new(),
            left_out: LeftOut::default(),
            looked: BTreeMap::new(),
            now: options.now,
        }
    }

    fn add(&mut self, name: &RoomName, found: Found, state: &State) {
        match found.step {
            Step::Change(change) => self.changes.push(*change),
            Step::Nothing { is_pending, muted } => {
                match is_pending {
                    true => self.pending += 1,
                    false => self.unchanged += 1,
                }
                if !muted.is_empty() {
                    posture::stays(&mut self.open, state.applied(name), &muted);
                    self.muted.insert(name.clone(), muted);
                }
            }
            Step::Unreadable(room) => self.unreadable.push(room),
        }
        if let Some(live) = found.looked {
            self.looked.insert(name.clone(), live);
        }
        if !found.undeclared.is_empty() {
            self.undeclared.insert(name.clone(), found.undeclared);
        }
    }
}

/// What is found out about one room.
pub(crate) struct Found {
    step: Step,
    /// The room as it was seen, if that is to be remembered.
    looked: Option<LiveRoom>,
    undeclared: Vec<Undeclared>,
}

enum Step {
    Change(Box<Change>),
    Nothing { is_pending: bool, muted: Vec<Muted> },
    Unreadable(Unreadable),
}

/// Why a room of the state that no file wants is not archived.
pub(crate) const NOT_OURS: &str =
    "somebody recreated it under its name, so it is not ours to archive";

/// Why a room of the state that no file wants is not archived: whoever wrote the state or its journal may have made up
/// that it was ours.
pub(crate) const UNPROVEN: &str =
    "nothing proves that it is ours: the service and the state do not show the same id of it";

/// Why a room is not written while nothing shows that it is there, and not another.
pub(crate) fn only_claimed(room: &RoomName) -> String {
    format!(
        "nothing shows that it is the room that is remembered under this name: the service does not show its id; \
         `roomctl state forget {}` forgets it, and the next apply adopts what is there",
        room.quoted()
    )
}

/// One room as its file wants it, as it was applied, and as it was seen.
pub(super) struct Room<'a> {
    pub name: &'a RoomName,
    pub wanted: Option<&'a WantedRoom>,
    /// All that is remembered under its name.
    pub remembered: &'a AppliedRoom,
    /// What of that holds for what is there.
    pub applied: &'a AppliedRoom,
    /// `None`: nothing was looked at.
    pub seen: Option<&'a Sighting>,
    /// What the service shows of it, in the form that is compared.
    pub live: StoredSettings,
    pub salt: &'a str,
    pub mutes: &'a Mutes<'a>,
}

impl<'a> Room<'a> {
    fn new(
        name: &'a RoomName,
        wanted: &'a Wanted,
        state: &'a State,
        world: Option<&'a World>,
        mutes: &'a Mutes<'a>,
    ) -> Self {
        let seen = world.map(|world| sighting(world, name));
        let (salt, remembered) = (state.salt(), state.applied(name));
        let (applied, live) = match seen {
            Some(Sighting::Present(live)) => {
                let applied = remembered.about(live);
                (applied, applied.shown(live, salt))
            }
            Some(Sighting::Absent(_)) => (AppliedRoom::never(), StoredSettings::new()),
            Some(Sighting::Unreadable(_)) | None => (remembered, StoredSettings::new()),
        };
        Self {
            name,
            wanted: wanted.get(name),
            remembered,
            applied,
            seen,
            live,
            salt,
            mutes,
        }
    }

    fn found(&self, options: &Options<'_>) -> Found {
        let step = match self.step(options) {
            Ok(Some(change)) => Step::Change(change.into()),
            Ok(None) => Step::Nothing {
                is_pending: options.drift_only && self.is_pending(),
                muted: self.muted(options),
            },
            Err(message) => Step::Unreadable(Unreadable {
                was_read: !matches!(self.seen, Some(Sighting::Unreadable(_))),
                room: self.name.clone(),
                file: self.wanted.map(|wanted| wanted.file.clone()),
                message,
            }),
        };
        let live = self.present();
        let looked = live.filter(|live| self.remembered.looked(live, self.salt).is_some());
        Found {
            step,
            looked: looked.cloned(),
            undeclared: self.undeclared(),
        }
    }

    /// What is to be done about it, if anything; or why nothing can be planned.
    fn step(&self, options: &Options<'_>) -> Result<Option<Change>, String> {
        let is_left_alone = match self.wanted {
            Some(_) => options.drift_only && !self.remembered.is_confirmed(),
            None => !options.prune,
        };
        if let Some(Sighting::Unreadable(why)) = self.seen
            && !is_left_alone
        {
            return Err(why.clone());
        }
        if self.is_only_claimed() && self.wanted.is_some() && !is_left_alone {
            return Err(only_claimed(self.name));
        }
        match self.wanted {
            Some(file) if options.drift_only => self.put_back(file, options.now),
            Some(file) => Ok(self.follow(file, options)),
            None => self.left_over(options.prune).map(Some),
        }
    }

    /// What makes it as its file says.
    fn follow(&self, file: &WantedRoom, options: &Options) -> Option<Change> {
        let applied = self.applied;
        // Most rooms of a plan without a look end here, so nothing is copied before.
        if self.seen.is_none() && !options.reassert && applied.is_settled(file, self.salt) {
            return None;
        }
        let sides = self.toward(file);
        let action = self.action();
        let mut attributes = sides.changes();
        let has_to_be_sent = attributes.iter().any(|a| a.cause.needs_a_write());
        let mut sends = has_to_be_sent || action == Action::Create;
        let is_asked = options.reassert || sides.is_in_doubt();
        let again = is_asked && applied.is_confirmed() && !sends;
        if again {
            attributes = sides.reassertion(options.reassert);
            sends = true;
        }
        if attributes.is_empty() && matches!(action, Action::Update | Action::Add) {
            return None;
        }
        let muted = sides.muted(sends, self.seen);
        let body = sends.then_some(&*sides.wanted);
        let is_asked = again && options.reassert;
        let effects = self.effects(action, body, &muted, is_asked, options.now);
        let sending = sides.wanted.into_owned();
        let identity = file.identity(sending.clone());
        let change = self.change(action, &identity, &sending, muted);
        Some(Change {
            effects,
            sends,
            needs: self.variables(|name| sends && !change.leaves_alone(name)),
            attributes,
            settings: file.settings.clone(),
            secrets: file.known_secrets(),
            place: Some(file.place.clone()),
            ..change
        })
    }

    /// What is done to a room that a file wants.
    fn action(&self) -> Action {
        let is_ours = self.applied.is_confirmed();
        match self.seen {
            Some(Sighting::Absent(_)) => Action::Create,
            Some(Sighting::Present(_)) if !is_ours => Action::Adopt,
            None if !is_ours => Action::Add,
            _ => Action::Update,
        }
    }

    /// The variables in those of the file's secrets that are sent from it.
    pub(super) fn variables(&self, is_sent: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let secrets = self.wanted.into_iter().flat_map(|file| &file.secrets);
        let sent = secrets.filter(|(name, _)| is_sent(name));
        sent.flat_map(|(_, secret)| secret.variables()).collect()
    }

    /// The room as it was seen, if it is there.
    pub(super) fn present(&self) -> Option<&'a LiveRoom> {
        self.seen.and_then(Sighting::present)
    }

    /// Whether another room is there under its name.
    pub(super) fn is_recreated(&self) -> bool {
        let live = self.present();
        live.is_some_and(|live| self.remembered.is_recreated(live))
    }

    fn is_only_claimed(&self) -> bool {
        let live = self.present();
        live.is_some_and(|live| self.remembered.is_only_claimed(live))
    }

    pub(super) fn toward<'s>(&'s self, file: &'s WantedRoom) -> RoomSides<'s> {
        let mutes = self.mutes.of(self.name);
        RoomSides::toward(file, self.applied, &self.live, self.salt, mutes)
    }

    /// What a mute accepts of a room that nothing is done to.
    fn muted(&self, options: &Options<'_>) -> Vec<Muted> {
        if self.present().is_none() || options.mutes.is_empty() {
            return Vec::new();
        }
        let file = self.wanted.into_iter();
        file.flat_map(|file| self.toward(file).muted(false, self.seen))
            .collect()
    }

    /// What sending `body` may do to people.
    pub(super) fn effects(
        &self,
        action: Action,
        body: Option<&StoredSettings>,
        muted: &[Muted],
        again: bool,
        now: i64,
    ) -> Vec<Effect> {
        let Some(body) = body else { return Vec::new() };
        // What a room that is there would be put through, `apply` judges when it has read it.
        if matches!(action, Action::Add | Action::Create) {
            return self.effects_of_creating(body, now);
        }
        let held = self
            .applied
            .held(self.present().map(|_| &self.live), muted, again);
        effects(&held, &muted::moving(body, muted, self.applied), now)
    }

    /// What is new with the room; and, since people have the name, what moving it there from all that is remembered does.
    fn effects_of_creating(&self, body: &StoredSettings, now: i64) -> Vec<Effect> {
        let held = self.remembered.possible();
        let mut moving = body.clone();
        moving.retain(|name, _| held.contains_key(name));
        let mut all: BTreeSet<Effect> = effects_of_creating(body).into_iter().collect();
        all.extend(effects(&held, &moving, now));
        all.into_iter().collect()
    }

    /// A room in the state that no file wants: left alone, or archived.
    ///
    /// A room whose first write was never answered is left alone in any case: it may have been there before,
    /// made by somebody else, and no id is known that could show it.
    fn left_over(&self, prune: bool) -> Result<Change, String> {
        let nothing = StoredSettings::new();
        if prune && self.is_recreated() {
            return Err(NOT_OURS.to_owned());
        }
        let is_unproven = match self.present() {
            Some(live) => !self.remembered.is_proven_by(live),
            None => self.remembered.id.is_none(),
        };
        let doubt = self.remembered.doubt_as_orphan(self.name, self.seen);
        let doubt = doubt.or_else(|| (prune && is_unproven).then(|| UNPROVEN.to_owned()));
        if !prune || doubt.is_some() {
            return Ok(Change {
                message: doubt,
                ..self.change(Action::Orphan, &nothing, &nothing, Vec::new())
            });
        }
        Ok(Change {
            effects: vec![Effect::Archived],
            sends: true,
            ..self.change(Action::Archive, &nothing, &nothing, Vec::new())
        })
    }

    /// A change that sends nothing yet. `body` is what will be sent, for the digest, but for what is muted; `sending` is the
    /// same as it is stored: that an earlier run may have sent it already makes it no other change.
    pub(super) fn change(
        &self,
        action: Action,
        body: &StoredSettings,
        sending: &StoredSettings,
        muted: Vec<Muted>,
    ) -> Change {
        let settings = &self.remembered.settings;
        let unconfirmed = match action {
            // All of it goes, whatever it holds; that an earlier run may have sent as much makes no difference.
            Action::Archive => Doubts::new(),
            _ => doubts::without(&self.remembered.unconfirmed, sending),
        };
        Change {
            room: self.name.clone(),
            action,
            is_managed: self.remembered.is_confirmed(),
            in_doubt: self.remembered.unconfirmed.clone(),
            asserted: self.remembered.asserted,
            is_claimed: self.remembered.claimed || self.remembered.is_perhaps_archived(),
            file: self.wanted.map(|wanted| wanted.file.clone()),
            message: None,
            effects: Vec::new(),
            opening: Opening::default(),
            attributes: Vec::new(),
            settings: Settings::new(),
            secrets: Secrets::new(),
            keeps: StoredSettings::new(),
            sends: false,
            needs: BTreeSet::new(),
            place: None,
            digest: muted::identity(
                digest::of(&(self.name, action, body, settings, unconfirmed)),
                &muted,
            ),
            muted,
            seen: self.seen.cloned(),
        }
    }

    /// What moved on the service that nothing is planned for, since no file declares it.
    fn undeclared(&self) -> Vec<Undeclared> {
        match self.present() {
            Some(_) if !self.is_only_claimed() => {
                undeclared::moved(self.wanted, self.applied, &self.live)
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Stored, Value};
    use crate::planner::testing::{
        applied, file, files, live_of, name, options, pruning, referring, room_of, secret, sent,
        shown, unset,
    };
    use crate::planner::{AttributeChange, Cause, Gone};

    fn offline(wanted: &Wanted, state: &State) -> Plan {
        plan(wanted, state, None, &options())
    }

    fn online(wanted: &Wanted, state: &State, world: &World) -> Plan {
        plan(wanted, state, Some(world), &options())
    }

    fn actions(plan: &Plan) -> Vec<(Action, &str)> {
        let changes = plan.changes.iter();
        changes.map(|c| (c.action, c.room.as_str())).collect()
    }

    fn causes(plan: &Plan) -> Vec<(&str, Cause)> {
        assert!(!format!("{plan:?}").contains("canary"));
        let attributes = plan.changes.iter().flat_map(|c| &c.attributes);
        attributes.map(|a| (&*a.name, a.cause)).collect()
    }

    /// A room `a` with these settings.
    fn a(settings: &[(&'static str, Value)]) -> Wanted {
        files(&[("a", settings)])
    }

    #[test]
    fn what_was_applied_as_wanted_needs_nothing() {
        let plan = offline(&file(5), &applied(&file(5)));
        assert_eq!(plan.changes, []);
        assert_eq!((plan.unchanged, plan.forecast.requests), (1, 0));
    }

    #[test]
    fn order_is_add_update_orphan_then_name() {
        let room = |name, privacy: &str| (name, vec![("privacy", privacy.into())]);
        let rooms = |rooms: &[(&'static str, Vec<(&'static str, Value)>)]| {
            let rooms: Vec<_> = rooms.iter().map(|(name, s)| (*name, &**s)).collect();
            files(&rooms)
        };
        let before = rooms(&[room("m-gone", "private"), room("b-update", "private")]);
        let after = rooms(&[
            room("z-add", "public"),
            room("a-add", "public"),
            room("b-update", "public"),
        ]);
        let plan = offline(&after, &applied(&before));
        assert_eq!(
            actions(&plan),
            [
                (Action::Add, "a-add"),
                (Action::Add, "z-add"),
                (Action::Update, "b-update"),
                (Action::Orphan, "m-gone"),
            ]
        );
        // Two requests an add, one an update, none for the orphan.
        assert_eq!(plan.forecast.requests, 5);
        assert_eq!(plan.changes[2].effects, [Effect::PrivacyWidened]);
    }

    #[test]
    fn the_body_is_the_full_wanted_set() {
        let plan = offline(&file(6), &applied(&file(5)));
        let change = &plan.changes[0];
        assert_eq!(change.settings, file(6)[&name("a")].settings);
        let [people] = &*change.attributes else {
            panic!("{change:?}")
        };
        assert_eq!(
            (&people.before, &people.after),
            (&Some(5.into()), &Some(6.into()))
        );
    }

    /// A state or a journal may be made up; the service's own id of a room is hard to guess.
    #[test]
    fn only_what_the_same_id_proves_to_be_ours_is_archived() {
        let ids = [None, Some("c0ffee".to_owned()), Some("f00d".to_owned())];
        for (known, seen) in ids
            .iter()
            .flat_map(|known| ids.iter().map(move |seen| (known, seen)))
        {
            let mut state = applied(&file(5));
            room_of(&mut state).id.clone_from(known);
            let mut world = shown(&file(5));
            live_of(&mut world).id.clone_from(seen);
            let archived = |world| {
                let plan = plan(&Wanted::new(), &state, world, &pruning());
                plan.changes
                    .iter()
                    .any(|change| change.action == Action::Archive)
            };
            assert_eq!(archived(Some(&world)), known.is_some() && known == seen);
            // What the service shows is read before it is archived.
            assert_eq!(archived(None), known.is_some());
        }
    }

    #[test]
    fn a_room_that_was_never_confirmed_is_not_archived() {
        let gone = files(&[("ours", &[("privacy", "private".into())])]);
        let mut state = applied(&gone);
        // A first write that was not answered: the room may be one that somebody made by hand.
        let doubtful = AppliedRoom {
            unconfirmed: [("privacy", "public".into())].into(),
            ..AppliedRoom::default()
        };
        state.rooms.insert(name("doubtful"), doubtful.into());
        let live = LiveRoom {
            id: Some("c0ffee".to_owned()),
            ..LiveRoom::default()
        };
        let world = ["ours", "doubtful"].map(|room| (name(room), Sighting::Present(live.clone())));
        for world in [None, Some(&world.into())] {
            let plan = plan(&Wanted::new(), &state, world, &pruning());
            assert_eq!(
                actions(&plan),
                [(Action::Archive, "ours"), (Action::Orphan, "doubtful")]
            );
            assert!(!plan.changes[1].sends && plan.changes[1].effects.is_empty());
        }
    }

    #[test]
    fn a_removed_key_is_released_and_nothing_is_sent() {
        let before = a(&[("privacy", "private".into()), ("enableChat", false.into())]);
        let plan = offline(&a(&[("privacy", "private".into())]), &applied(&before));
        let change = &plan.changes[0];
        assert_eq!(causes(&plan), [("enableChat", Cause::Released)]);
        assert_eq!(change.attributes[0].after, None);
        assert!(!change.sends);
        assert_eq!(plan.forecast.requests, 0);
        assert!(!plan.is_empty(), "the release has to be recorded");
    }

    #[test]
    fn an_unanswered_write_is_planned_again_even_if_the_file_moved_back() {
        let wanted = a(&[("privacy", "private".into())]);
        let mut state = applied(&wanted);
        room_of(&mut state).unconfirmed = [("privacy", "public".into())].into();
        let plan = offline(&wanted, &state);
        let attribute = &plan.changes[0].attributes[0];
        assert_eq!(attribute.before, Some(Stored::from("public")));
        assert!(attribute.unconfirmed);
        assert!(plan.changes[0].sends);
    }

    #[test]
    fn a_key_that_was_new_in_an_unanswered_write_is_written_again() {
        let wanted = a(&[("privacy", "private".into()), ("enableChat", true.into())]);
        let mut state = applied(&a(&[("privacy", "private".into())]));
        let room = room_of(&mut state);
        room.unconfirmed = sent(&wanted);
        let plan = offline(&wanted, &state);
        assert_eq!(causes(&plan), [("enableChat", Cause::Change)]);
        assert!(plan.changes[0].attributes[0].unconfirmed && plan.changes[0].sends);
    }

    #[test]
    fn an_unanswered_first_write_is_added_again() {
        let mut state = applied(&file(5));
        let room = room_of(&mut state);
        room.settings.clear();
        room.unconfirmed = sent(&file(5));
        let plan = offline(&file(5), &state);
        assert_eq!(actions(&plan), [(Action::Add, "a")]);
        assert_eq!(plan.changes[0].attributes.len(), 3);
    }

    #[test]
    fn an_unanswered_write_that_arrived_is_recorded_and_not_sent() {
        let mut state = applied(&file(5));
        room_of(&mut state).unconfirmed = sent(&file(6));
        let plan = online(&file(6), &state, &shown(&file(6)));
        assert!(
            causes(&plan)
                .iter()
                .all(|(_, cause)| *cause == Cause::Converged)
        );
        assert_eq!(actions(&plan), [(Action::Update, "a")]);
        assert!(!plan.changes[0].sends);
    }

    #[test]
    fn the_digest_moves_with_body_and_applied_settings() {
        let private = a(&[("privacy", "private".into())]);
        let public = a(&[("privacy", "public".into())]);
        let chatty = a(&[("privacy", "public".into()), ("enableChat", true.into())]);
        let digest = |wanted, before| offline(wanted, &applied(before)).changes[0].digest.clone();
        let base = digest(&public, &private);
        assert_eq!(base, digest(&public, &private));
        assert_ne!(base, digest(&chatty, &private));
        assert_ne!(digest(&private, &public), digest(&private, &chatty));
    }

    #[test]
    fn an_unset_secret_alone_is_no_change() {
        let room = |people: i64, secret: Value| {
            referring(a(&[
                ("maxParticipants", people.into()),
                ("rtmpOutURL", secret),
            ]))
        };
        let state = applied(&room(5, secret("key")));
        assert_eq!(offline(&room(5, unset()), &state).changes, []);

        // The room changes for another reason: the secret is taken for the applied one, as if it were known.
        let plan = offline(&room(6, unset()), &state);
        assert_eq!(causes(&plan), [("maxParticipants", Cause::Change)]);
        let known = offline(&room(6, secret("key")), &state);
        assert_eq!(plan.changes[0].digest, known.changes[0].digest);
        let found: Vec<_> = plan.changes[0].unset().collect();
        assert_eq!(found, [("rtmpOutURL", &unset())]);
    }

    #[test]
    fn a_newly_managed_unset_secret_is_unknown() {
        let without = a(&[("privacy", "private".into())]);
        let with = a(&[("privacy", "private".into()), ("rtmpOutURL", unset())]);
        for state in [applied(&without), State::fresh("acme")] {
            let plan = offline(&with, &state);
            let change = &plan.changes[0];
            let secret = change.attributes.last().unwrap();
            assert_eq!((&*secret.name, secret.unknown), ("rtmpOutURL", true));
            assert_eq!((&secret.after, secret.cause), (&None, Cause::Change));
            assert!(change.sends);
            // What is not known is not the same as what is not wanted.
            let other = offline(&without, &State::fresh("acme"));
            assert_ne!(change.digest, other.changes[0].digest);
        }
    }

    #[test]
    fn a_release_beside_an_unset_secret_sends_nothing() {
        let before = a(&[("privacy", "private".into()), ("rtmpOutURL", secret("key"))]);
        let without = referring(a(&[("rtmpOutURL", unset())]));
        let plan = offline(&without, &applied(&referring(before)));
        assert!(!plan.changes[0].sends);
        assert_eq!(plan.changes[0].unset().count(), 0);
    }

    #[test]
    fn a_secret_moves_without_being_shown() {
        let before = a(&[("rtmpOutURL", secret("1"))]);
        let plan = offline(&a(&[("rtmpOutURL", secret("2"))]), &applied(&before));
        assert_eq!(causes(&plan), [("rtmpOutURL", Cause::Change)]);
    }

    #[test]
    fn add_becomes_create_or_adopt() {
        let new = State::fresh("acme");
        let absent: World = [(name("a"), Sighting::Absent(Gone::Missing))].into();
        let plan = online(&file(5), &new, &absent);
        assert_eq!(actions(&plan), [(Action::Create, "a")]);
        assert_eq!((plan.changes[0].sends, causes(&plan).len()), (true, 3));

        let plan = online(&file(5), &new, &shown(&file(7)));
        assert_eq!(actions(&plan), [(Action::Adopt, "a")]);
        assert!(plan.changes[0].sends);
        assert_eq!(
            causes(&plan),
            [
                ("maxParticipants", Cause::Change),
                ("meetingJoinWebhook", Cause::Converged),
                ("privacy", Cause::Converged),
            ]
        );
        // Already as wanted: recorded, nothing is sent.
        let plan = online(&file(5), &new, &shown(&file(5)));
        assert!(!plan.changes[0].sends);
    }

    #[test]
    fn what_was_recreated_is_not_archived() {
        let mut world = shown(&file(5));
        live_of(&mut world).id = Some("other".to_owned());
        let prune = plan(&Wanted::new(), &applied(&file(5)), Some(&world), &pruning());
        assert_eq!(prune.changes, []);
        assert!(prune.unreadable[0].message.contains("recreated"));
        assert!(prune.unreadable[0].was_read);
        let orphan = online(&Wanted::new(), &applied(&file(5)), &world);
        assert_eq!(actions(&orphan), [(Action::Orphan, "a")]);
    }

    #[test]
    fn a_room_that_is_gone_is_created_with_everything() {
        let gone: World = [(name("a"), Sighting::Absent(Gone::Missing))].into();
        let plan = online(&file(6), &applied(&file(5)), &gone);
        assert_eq!(actions(&plan), [(Action::Create, "a")]);
        let attributes = &plan.changes[0].attributes;
        assert_eq!(attributes.len(), 3);
        let is_new = |a: &AttributeChange| a.before.is_none() && a.cause == Cause::Change;
        assert!(attributes.iter().all(is_new));
    }

    proptest! {
        /// People have the name of a room that is gone: made again, it does to them what writing it would, and what is new
        /// with any room. Only where nobody knows what had the name, creating it opens nothing.
        #[test]
        fn what_is_created_again_has_the_effects_of_the_way_there(
            (before, after) in any::<([bool; 4], [bool; 4])>(),
            (sent, is_confirmed) in any::<(Option<bool>, bool)>(),
        ) {
            let room = |[open, records, small, audio]: [bool; 4]| a(&[
                ("privacy", if open { "public" } else { "private" }.into()),
                ("recordRoom", records.into()),
                ("maxParticipants", if small { 5 } else { 50 }.into()),
                ("audioOnlyRoom", audio.into()),
            ]);
            let mut state = applied(&room(before));
            let remembered = room_of(&mut state);
            let privacy = |open: bool| Stored::from(if open { "public" } else { "private" });
            remembered.unconfirmed.extend(sent.map(|open| ("privacy", privacy(open).into())));
            let wanted = room(after);
            let effects = |state: &State, world: Option<&World>| {
                let plan = plan(&wanted, state, world, &options());
                plan.changes.into_iter().next().map(|change| (change.action, change.effects)).unwrap()
            };
            let gone: World = [(name("a"), Sighting::Absent(Gone::Archived))].into();
            let (_, new) = effects(&State::fresh("acme"), Some(&gone));
            prop_assert!(!new.contains(&Effect::PrivacyWidened), "{new:?}");
            let (action, again) = effects(&state, Some(&gone));
            prop_assert_eq!(action, Action::Create);
            let mut all: BTreeSet<Effect> = new.iter().copied().collect();
            if room(before) != wanted || sent.is_some() {
                let plan = plan(&wanted, &state, None, &options());
                all.extend(plan.changes.into_iter().flat_map(|change| change.effects));
            }
            prop_assert_eq!(&again, &all.into_iter().collect::<Vec<_>>());
            // Nothing was ever confirmed: what was sent may have had the name.
            if !is_confirmed && sent == Some(false) && after[0] {
                room_of(&mut state).settings.clear();
                for world in [None, Some(&gone)] {
                    let (_, effects) = effects(&state, world);
                    prop_assert!(effects.contains(&Effect::PrivacyWidened), "{effects:?}");
                }
            }
        }
    }

    #[test]
    fn updates_say_who_moved() {
        let people = |wants, before, seen| {
            let plan = online(&file(wants), &applied(&file(before)), &shown(&file(seen)));
            let change = plan.changes.first()?;
            Some((change.sends, causes(&plan)[0].1))
        };
        assert_eq!(people(5, 5, 5), None);
        assert_eq!(people(6, 5, 5), Some((true, Cause::Change)));
        assert_eq!(people(5, 5, 7), Some((true, Cause::Drift)));
        assert_eq!(people(6, 5, 7), Some((true, Cause::Conflict)));
        assert_eq!(people(6, 5, 6), Some((false, Cause::Converged)));
    }

    #[test]
    fn a_room_that_cannot_be_read_is_planned_nothing_for() {
        let state = applied(&file(5));
        let unreadable = Sighting::Unreadable("HTTP 500".into());
        for world in [World::new(), [(name("a"), unreadable)].into()] {
            for (wanted, options) in [
                (file(6), options()),
                (Wanted::new(), pruning()),
                (file(6), drift_only()),
            ] {
                let plan = plan(&wanted, &state, Some(&world), &options);
                assert_eq!((plan.changes.len(), plan.unreadable.len()), (0, 1));
            }
            let orphan = plan(&Wanted::new(), &state, Some(&world), &options());
            assert_eq!(actions(&orphan), [(Action::Orphan, "a")]);
        }
    }

    fn drift_only() -> Options<'static> {
        Options {
            drift_only: true,
            ..options()
        }
    }

    #[test]
    fn drift_only_puts_back_what_was_applied_and_ships_nothing_newer() {
        let back = |seen| {
            let world = shown(&file(seen));
            plan(&file(6), &applied(&file(5)), Some(&world), &drift_only())
        };
        assert_eq!(back(7).changes[0].settings, file(5)[&name("a")].settings);
        assert_eq!(back(5).changes, []);
    }

    #[test]
    fn drift_only_writes_no_room_that_is_not_ours_or_that_no_file_wants() {
        let state = applied(&file(5));
        let recreated = || {
            let mut world = shown(&file(7));
            live_of(&mut world).id = Some("f00d".into());
            world
        };
        let gone: World = [(name("a"), Sighting::Absent(Gone::Archived))].into();
        for world in [shown(&file(7)), recreated(), gone.clone()] {
            let orphan = plan(&Wanted::new(), &state, Some(&world), &drift_only());
            assert_eq!(actions(&orphan), [(Action::Orphan, "a")]);
            assert!(!orphan.changes[0].sends);
        }
        let plan_of = |world: &World, state| plan(&file(5), state, Some(world), &drift_only());
        let left = plan_of(&recreated(), &state);
        assert_eq!(left.changes, []);
        assert!(left.unreadable[0].message.contains("recreated"));
        assert_eq!(actions(&plan_of(&gone, &state)), [(Action::Create, "a")]);
        // Nobody knows what it was last, so it is not made as it was before.
        let mut doubtful = state.clone();
        room_of(&mut doubtful).unconfirmed = sent(&file(6));
        assert_eq!(plan_of(&gone, &doubtful).changes, []);
    }

    #[test]
    fn another_room_under_the_name_has_no_memory() {
        let mut state = applied(&file(5));
        let room = room_of(&mut state);
        room.overridden = [("maxParticipants", 7.into())].into();
        room.observed = [("autoJoin", false.into())].into();
        let mut world = shown(&file(7));
        let live = live_of(&mut world);
        live.settings.insert("autoJoin".into(), true.into());
        live.settings.remove("privacy");
        let standing = online(&file(5), &state, &world);
        assert_eq!((standing.changes.len(), standing.undeclared.len()), (0, 1));
        live_of(&mut world).id = Some("f00d".into());
        let plan = online(&file(5), &state, &world);
        assert_eq!(actions(&plan), [(Action::Adopt, "a")]);
        let converged = ("meetingJoinWebhook", Cause::Converged);
        let sent = ["maxParticipants", "privacy"].map(|name| (name, Cause::Change));
        assert_eq!(causes(&plan), [sent[0], converged, sent[1]]);
        assert!(plan.changes[0].sends && plan.undeclared.is_empty());
    }

    #[test]
    fn a_secret_that_nobody_has_any_more_cannot_be_put_back() {
        let back = |wanted: &Wanted, world: &World| {
            plan(wanted, &applied(&file(5)), Some(world), &drift_only())
        };
        let mut world = shown(&file(7));
        let mut newer = file(5);
        let settings = &mut newer.get_mut(&name("a")).unwrap().settings;
        settings.insert("meetingJoinWebhook".into(), secret("newer"));
        // The service still has it.
        let plan = back(&newer, &world);
        assert_eq!(plan.changes[0].settings, file(5)[&name("a")].settings);
        let hook = ("meetingJoinWebhook", "https://other.example".into());
        live_of(&mut world).settings.extend([hook]);
        let plan = back(&newer, &world);
        assert_eq!(plan.changes, []);
        assert!(plan.unreadable[0].message.contains("meetingJoinWebhook"));
        assert!(plan.unreadable[0].was_read);
        // The file still has it.
        let plan = back(&file(5), &world);
        assert_eq!(plan.changes[0].settings, file(5)[&name("a")].settings);
    }
}
