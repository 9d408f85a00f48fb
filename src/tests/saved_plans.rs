//! A saved plan that anybody changed anywhere, even with its seal made again: it is refused, or what is applied is what
//! it shows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::room_file::parse;
use crate::model::value::stored;
use crate::model::{Effect, Live, NameRule, Origins, Secret, Variables, Wanted, digest};
use crate::planner::doubts::with;
use crate::planner::limits::{Limits, refusals};
use crate::planner::testing::{
    applied, files as several, globs, live, live_of, name, options, shown,
};
use crate::planner::{
    Event, Gone, Options, Plan, Scope, Selection, Sighting, State, World, narrow, plan,
    saved_changes,
};
use crate::report::remade::Remade;
use crate::report::saved::{Mode, SavedPlan, Target, Terms};
use crate::report::{PlanReport, json};

const BEFORE: &str =
    "privacy: private\nmaxParticipants: 5\nmeetingJoinWebhook: https://h.example/${env:ROOM_A}\n";
const AFTER: &str = "privacy: public\n# why\nmaxParticipants: 505\nenableRecording: true\n\
    meetingJoinWebhook: https://other.example/${env:ROOM_A}\nmeetingLeftWebhook: https://h.example/x\n";

/// The files that say this of room `a`, and where, on a machine with this value of its variable.
fn files(text: &str, variable: Option<&'static str>) -> (Wanted, Origins) {
    let values = |_: &str| variable.map(str::to_owned);
    let context = Context {
        names: NameRule::Lowercase,
        now: options().now,
        variables: Variables {
            values: &values,
            ..Variables::NONE
        },
        defaults: Defaults::NONE,
        sandbox: false,
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
    };
    let (room, findings) = parse("rooms/a.yaml", "a", text, &context);
    let room = room.unwrap_or_else(|| panic!("{findings:?}"));
    let origins = [(name("a"), room.origins)].into();
    ([(name("a"), room.wanted)].into(), origins)
}

/// What a plan is made of, but for the file of room `a`.
struct Site {
    text: &'static str,
    others: Wanted,
    state: State,
    world: World,
    mode: Mode,
    selection: Selection,
    /// What the service never shows.
    hidden: Option<&'static str>,
}

impl Site {
    /// `text` is to be applied over `BEFORE`. Besides there are a room without a change, an orphan and one that is not
    /// selected.
    fn new(text: &'static str, mode: Mode) -> Self {
        let (mut before, _) = files(BEFORE, Some("set"));
        let plain = [("privacy", "private".into())];
        let others = several(&[("b", &plain), ("other", &plain)]);
        before.extend(others.clone());
        before.extend(several(&[("gone", &plain)]));
        Self {
            text,
            others,
            state: applied(&before),
            world: shown(&before),
            mode,
            selection: Selection {
                exclude: globs(&["other"]),
                ..Selection::default()
            },
            hidden: None,
        }
    }

    /// What is seen of the service.
    fn shown(&self) -> World {
        let mut world = self.world.clone();
        for seen in world.values_mut() {
            if let Sighting::Present(live) = seen {
                live.settings
                    .retain(|name, _| Some(name.as_str()) != self.hidden);
            }
        }
        world
    }

    /// Somebody moved things by hand.
    fn moved(mut self) -> Self {
        let room = live_of(&mut self.world);
        let other = Secret::new("https://moved.example/canary");
        room.settings
            .insert("meetingJoinWebhook".into(), Live::Secret(other));
        room.settings
            .insert("maxParticipants".into(), Live::from(7));
        self
    }

    /// Nothing was ever applied to room `a`, nor is it there.
    fn fresh(mut self) -> Self {
        self.state.rooms.remove("a");
        self.world
            .insert(name("a"), Sighting::Absent(Gone::Missing));
        self
    }

    /// A run of `saved` sent the room, and died before an answer was recorded. `arrived`: the service took it.
    fn died(mut self, variable: Option<&'static str>, arrived: bool) -> Self {
        let (mut wanted, _) = files(self.text, variable);
        let plan = self.plan(&mut wanted, self.mode, &self.selection);
        let sent = plan.changes.iter().find(|c| c.room.as_str() == "a");
        let settings = sent.unwrap().settings.clone();
        let before = self.state.applied(&name("a"));
        let sending = stored(&settings, self.state.salt(), &before.settings);
        let settings_in_doubt = with(before.unconfirmed.clone(), &sending);
        self.state.record(Event::Intent {
            room: name("a"),
            settings: settings_in_doubt,
        });
        if arrived {
            self.world
                .insert(name("a"), Sighting::Present(live(&settings)));
        }
        self
    }

    /// Leaves of `wanted` what is considered.
    fn plan(&self, wanted: &mut Wanted, mode: Mode, selection: &Selection) -> Plan {
        wanted.extend(self.others.clone());
        let mut scope = Scope::new("rooms", "rooms", true);
        scope.planned = selection.clone();
        let (listed, elsewhere) = (BTreeSet::new(), Wanted::new());
        let considered = scope.consider(wanted, &self.state, &listed, Some(&elsewhere));
        let world = (mode.live || mode.drift_only).then(|| self.shown());
        Plan {
            left_out: considered.left_out(),
            ..plan(wanted, &considered.state, world.as_ref(), &planning(mode))
        }
    }

    /// The saved plan as JSON, made on a machine with this value of the variable.
    fn saved(&self, variable: Option<&'static str>) -> Json {
        let (mut wanted, origins) = files(self.text, variable);
        let plan = self.plan(&mut wanted, self.mode, &self.selection);
        let refusals = refusals(&plan, &LIMITS);
        let report = PlanReport::new(&plan, &origins, &refusals, None);
        let changes = saved_changes(&plan, &wanted, &self.state, &LIMITS);
        let terms = Terms {
            burst: 1,
            managed: plan.managed,
            ..Terms::default()
        };
        let selection = self.selection.clone();
        let saved = SavedPlan::new(
            Target::default(),
            self.mode,
            selection,
            terms,
            changes,
            &report,
        );
        serde_json::from_str(&json(&saved).unwrap()).unwrap()
    }

    /// What speaks against applying it; `None`: it is applied.
    fn refusal(&self, saved: &Json, variable: Option<&'static str>) -> Option<String> {
        let (mut wanted, origins) = files(self.text, variable);
        let text = serde_json::to_string_pretty(saved).unwrap() + "\n";
        let saved = match SavedPlan::parse(text.as_bytes()) {
            Ok(saved) => saved,
            Err(error) => return Some(error.to_string()),
        };
        let plan = self.plan(&mut wanted, saved.mode, &saved.selection);
        let report = PlanReport::new(&plan, &origins, &[], None);
        let options = planning(saved.mode);
        let narrowed = narrow(&saved.changes, plan, &wanted, &self.state, &options);
        if let Some(stale) = narrowed.stale.first() {
            return Some(format!("{}: {}", stale.room, stale.why));
        }
        let untrue = saved.untrue(&Remade {
            report: &report,
            narrowed: &narrowed,
            limits: &LIMITS,
            wanted: &wanted,
            state: &self.state,
            origins: &origins,
        });
        let nothing = || narrowed.is_empty().then(|| "nothing to do".to_owned());
        untrue.or_else(nothing)
    }

    /// Whether `apply` would carry anything of it out.
    fn is_applied(&self, saved: &Json, variable: Option<&'static str>) -> bool {
        self.refusal(saved, variable).is_none()
    }
}

fn planning(mode: Mode) -> Options<'static> {
    Options {
        prune: mode.prune,
        drift_only: mode.drift_only,
        reassert: mode.reassert,
        limits: &LIMITS,
        ..options()
    }
}

/// Recording has to be allowed.
static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    require_allow: vec![Effect::RecordingOn],
    ..Limits::default()
});

/// The paths of all values that hold no others.
fn leaves(json: &Json, path: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) if !fields.is_empty() => {
            for (name, inner) in fields {
                leaves(inner, &format!("{path}/{name}"), found);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (at, inner) in items.iter().enumerate() {
                leaves(inner, &format!("{path}/{at}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Other values of the same kind, and of another.
fn others(value: &Json) -> Vec<Json> {
    let mut others = vec![
        Json::Null,
        json!(0),
        json!(7),
        json!(999),
        json!("x"),
        json!(true),
        json!(false),
        json!([]),
    ];
    others.extend(
        [
            "drift",
            "archive",
            "add",
            "****",
            "https://h.example/****",
            "5/m",
            "999/s",
        ]
        .map(Json::from),
    );
    others.retain(|other| other != value);
    others
}

/// Seals it as whoever knows how would.
fn seal(saved: &mut Json) {
    saved["seal"] = json!("");
    let mut inside = saved.clone();
    let fields = inside.as_object_mut().unwrap();
    fields.retain(|name, _| name != "format_version" && name != "kind");
    saved["seal"] = json!(digest::of(&inside));
}

/// The plans that there are.
fn sites() -> Vec<Site> {
    let seen = Mode {
        live: true,
        ..Mode::default()
    };
    let drift_only = Mode {
        drift_only: true,
        ..seen
    };
    let reassert = Mode {
        reassert: true,
        ..seen
    };
    vec![
        Site::new(AFTER, seen),
        Site::new(AFTER, Mode::default()),
        Site::new(AFTER, seen).moved(),
        Site::new(BEFORE, seen).moved(),
        Site::new(BEFORE, drift_only).moved(),
        Site::new(AFTER, drift_only).moved(),
        Site::new(BEFORE, reassert),
        Site::new(AFTER, seen).fresh(),
        Site::new(AFTER, Mode::default()).fresh(),
    ]
}

/// Whether variables are set is no reason to refuse a plan, neither where it is made nor where it is applied.
#[test]
fn a_plan_holds_on_every_machine() {
    let machines = [None, Some("set"), Some("other")];
    for (number, site) in sites().iter().enumerate() {
        for (made, applied) in machines.iter().flat_map(|a| machines.map(|b| (*a, b))) {
            // With a secret that moved, it is not sent again for no reason.
            if site.mode.reassert && [made, applied].contains(&Some("other")) {
                continue;
            }
            let saved = site.saved(made);
            assert!(!saved.to_string().contains("canary"), "{saved}");
            // Where the file has another secret than was applied, or may have, that cannot be put back.
            if saved["changes"] == json!([]) {
                assert!(site.mode.drift_only && (made.is_some() || site.text == AFTER));
                continue;
            }
            let refusal = site.refusal(&saved, applied);
            assert_eq!(refusal, None, "{number} {made:?} {applied:?}");
        }
    }
}

/// A run that died, or an answer that was lost, moves nothing but what the plan itself sent, however much of it is shown.
#[test]
fn a_plan_whose_run_died_holds() {
    for hidden in [None, Some("maxParticipants"), Some("privacy")] {
        for arrived in [false, true] {
            for (number, mut site) in sites().into_iter().enumerate() {
                site.hidden = hidden;
                let saved = site.saved(Some("set"));
                if saved["changes"] == json!([]) {
                    continue;
                }
                let site = site.died(Some("set"), arrived);
                let refusal = site.refusal(&saved, Some("set"));
                // What is as it was applied again is nothing to be put back.
                let is_back = arrived && site.mode.drift_only;
                let expected = is_back.then(|| "nothing to do".to_owned());
                assert_eq!(refusal, expected, "{number} {arrived} {hidden:?}");
            }
        }
    }
}

/// What somebody moved meanwhile is not taken for what the plan sent.
#[test]
fn a_move_is_no_arrival() {
    let seen = Mode {
        live: true,
        ..Mode::default()
    };
    for hidden in [None, Some("maxParticipants")] {
        let mut site = Site::new(AFTER, seen);
        site.hidden = hidden;
        let saved = site.saved(Some("set"));
        let mut site = site.died(Some("set"), true);
        let moved = ("enableRecording", Live::from(false));
        live_of(&mut site.world).settings.extend([moved]);
        let refusal = site.refusal(&saved, Some("set"));
        assert!(refusal.is_some(), "{hidden:?}");
    }
}

/// An archive of ours whose answer was lost is recorded by the same plan; a room that moved instead is stale.
#[test]
fn an_archive_whose_run_died_holds() {
    let mode = Mode {
        live: true,
        prune: true,
        ..Mode::default()
    };
    let mut site = Site::new(BEFORE, mode);
    let saved = site.saved(Some("set"));
    for gone in [Gone::Missing, Gone::Archived] {
        site.world.insert(name("gone"), Sighting::Absent(gone));
        assert_eq!(site.refusal(&saved, Some("set")), None);
    }
    let other = several(&[("gone", &[("privacy", "public".into())])]);
    site.world.extend(shown(&other));
    assert!(site.refusal(&saved, Some("set")).is_some());
}

/// What a plan sends again is sent again once, whatever else it did.
#[test]
fn what_was_sent_again_is_done() {
    for live in [false, true] {
        let mode = Mode {
            reassert: true,
            live,
            ..Mode::default()
        };
        let mut site = Site::new(BEFORE, mode);
        let saved = site.saved(Some("set"));
        for room in ["a", "b"] {
            assert_eq!(site.refusal(&saved, Some("set")), None, "{room}");
            Arc::make_mut(site.state.rooms.get_mut(room).unwrap()).asserted = Some(options().now);
        }
        let refusal = site.refusal(&saved, Some("set"));
        assert_eq!(refusal.as_deref(), Some("nothing to do"));
    }
}

/// Everything that can be left out: each key, and each item of a list.
fn without_one(json: &Json, path: &str, found: &mut Vec<(String, Json)>) {
    let mut inner: Vec<(String, &Json)> = Vec::new();
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                let mut fewer = fields.clone();
                fewer.remove(name);
                found.push((path.to_owned(), fewer.into()));
                inner.push((format!("{path}/{name}"), value));
            }
        }
        Json::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                let mut fewer = items.clone();
                fewer.remove(at);
                found.push((path.to_owned(), fewer.into()));
                inner.push((format!("{path}/{at}"), value));
            }
        }
        _ => {}
    }
    for (path, value) in inner {
        without_one(value, &path, found);
    }
}

/// All changes of one place in it.
fn changes(saved: &Json) -> Vec<(String, Json)> {
    let mut paths = Vec::new();
    leaves(saved, "", &mut paths);
    let others = paths.iter().flat_map(|path| {
        let value = saved.pointer(path).unwrap();
        others(value).into_iter().map(|other| (path.clone(), other))
    });
    let mut changes: Vec<(String, Json)> = others.collect();
    without_one(saved, "", &mut changes);
    changes
}

/// Of what is sent again, since no look shows whether it arrived, a plan leaves out only what was so before.
#[test]
fn what_a_lost_write_was_to_change_its_plan_has_to_show() {
    let live = Mode {
        live: true,
        ..Mode::default()
    };
    let mut site = Site::new(AFTER, live);
    site.hidden = Some("enableRecording");
    let saved = site.saved(Some("set"));
    let site = site.died(Some("set"), true);
    assert_eq!(site.refusal(&saved, Some("set")), None);
    let is_it = |line: &Json| line["name"] == "enableRecording";
    let mut fewer = Vec::new();
    without_one(&saved, "", &mut fewer);
    fewer.retain(|(path, without)| {
        let lines = [without, saved.pointer(path).unwrap()].map(Json::as_array);
        let [without, with] = lines.map(|lines| lines.is_some_and(|all| all.iter().any(is_it)));
        path.ends_with("/attributes") && with && !without
    });
    assert!(!fewer.is_empty(), "{saved}");
    for (path, without) in fewer {
        let mut changed = saved.clone();
        *changed.pointer_mut(&path).unwrap() = without;
        seal(&mut changed);
        assert!(!site.is_applied(&changed, Some("set")), "{path}");
    }
}

fn a_changed_plan_is_refused() {
    for site in sites().into_iter().step_by(2) {
        let saved = site.saved(Some("set"));
        if site.is_applied(&saved, Some("set")) {
            refuses_all_changes(&site, &saved);
        }
    }
}

fn refuses_all_changes(site: &Site, saved: &Json) {
    let mut sealed = saved.clone();
    seal(&mut sealed);
    assert_eq!(sealed, *saved);
    let mut passed = BTreeSet::new();
    for (path, other) in changes(saved) {
        let mut changed = saved.clone();
        *changed.pointer_mut(&path).unwrap() = other.clone();
        assert!(!site.is_applied(&changed, Some("set")), "{path} {other}");
        if changed.get("seal").is_some() {
            seal(&mut changed);
        }
        if path != "/seal" && site.is_applied(&changed, Some("set")) {
            passed.insert(format!("{path} {other}"));
        }
    }
    // Where it is applied, the command looks at before. Where lines come from, and whether a secret that refers to a
    // variable moved, only the machine of the plan could know;
    // and which version of the program it has changes nothing.
    let referring: Vec<String> = referring(saved);
    let unknowable = ["before", "after", "live", "cause", "unknown", "unconfirmed"];
    passed.retain(|passed| {
        let (path, _) = passed.split_once(' ').unwrap();
        let (line, field) = path.rsplit_once('/').unwrap();
        let is_of_reference = referring.iter().any(|one| one == line || one == path);
        let is_line_of_reference = is_of_reference && (unknowable.contains(&field) || line == path);
        // With --drift-only the service is looked at in any case, and nothing is archived.
        let is_moot = site.mode.drift_only && ["/mode/live", "/mode/prune"].contains(&path);
        // A list that only lacks such lines.
        let lines = referring
            .iter()
            .any(|one| one.rsplit_once('/').unwrap().0 == path);
        let is_of_others = lines && !passed.contains("meetingJoinWebhook");
        !(path == "/roomctl"
            || path.starts_with("/target/")
            || is_moot
            || is_of_others
            || field == "explanation"
            || is_line_of_reference)
    });
    assert_eq!(passed, BTreeSet::new(), "{:?}", site.mode);
}

/// The paths of lines about secrets that refer to variables.
fn referring(saved: &Json) -> Vec<String> {
    let mut referring = Vec::new();
    let changes = saved["report"]["changes"].as_array().unwrap();
    for (at, change) in changes.iter().enumerate() {
        for (line, attribute) in change["attributes"].as_array().unwrap().iter().enumerate() {
            if attribute["secret"]["variables"] != json!([]) && attribute["secret"] != Json::Null {
                referring.push(format!("/report/changes/{at}/attributes/{line}"));
            }
        }
    }
    referring
}

/// Tries every leaf of a plan.
mod slow {
    #[test]
    fn a_changed_plan_is_refused() {
        super::a_changed_plan_is_refused();
    }
}
