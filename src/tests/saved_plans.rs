//! A saved plan that anybody changed anywhere, even with its seal made again: it is refused, or what is applied is what
//! it shows.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::files::context::Context;
use crate::files::defaults::Defaults;
use crate::files::room_file::parse;
use crate::model::{Live, NameRule, Origins, Secret, Variables, Wanted, digest};
use crate::planner::testing::{applied, live_of, name, options, shown};
use crate::planner::{Options, Plan, Selection, State, World, narrow, plan, saved_changes};
use crate::report::saved::{Mode, SavedPlan};
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
        policies: &[],
    };
    let (room, findings) = parse("rooms/a.yaml", "a", text, &context);
    let room = room.unwrap_or_else(|| panic!("{findings:?}"));
    let origins = [(name("a"), room.origins)].into();
    ([(name("a"), room.wanted)].into(), origins)
}

/// What a plan is made of, but for the files.
struct Site {
    text: &'static str,
    state: State,
    world: Option<World>,
    options: Options<'static>,
}

impl Site {
    /// `text` is to be applied over `BEFORE`.
    fn new(text: &'static str, options: Options<'static>) -> Self {
        let (before, _) = files(BEFORE, Some("set"));
        Self {
            text,
            state: applied(&before),
            world: Some(shown(&before)),
            options,
        }
    }

    /// Somebody moved things by hand.
    fn moved(mut self) -> Self {
        let room = live_of(self.world.as_mut().unwrap());
        let other = Secret::new("https://moved.example/canary");
        room.settings
            .insert("meetingJoinWebhook".to_owned(), Live::Secret(other));
        room.settings
            .insert("maxParticipants".to_owned(), Live::from(7));
        self
    }

    fn plan(&self, wanted: &Wanted) -> Plan {
        plan(wanted, &self.state, self.world.as_ref(), &self.options)
    }

    /// The saved plan as JSON, made on a machine with this value of the variable.
    fn saved(&self, variable: Option<&'static str>) -> Json {
        let (wanted, origins) = files(self.text, variable);
        let plan = self.plan(&wanted);
        let report = PlanReport::new(&plan, &origins, &[], None);
        let changes = saved_changes(&plan, &wanted, &self.state);
        let mode = Mode {
            live: true,
            ..Mode::default()
        };
        let saved = SavedPlan::new(mode, Selection::default(), changes, &report).unwrap();
        serde_json::from_str(&json(&saved).unwrap()).unwrap()
    }

    /// Whether `apply` would carry anything of it out.
    fn is_applied(&self, saved: &Json, variable: Option<&'static str>) -> bool {
        let (wanted, origins) = files(self.text, variable);
        let text = serde_json::to_string_pretty(saved).unwrap() + "\n";
        let Ok(saved) = SavedPlan::parse(text.as_bytes()) else {
            return false;
        };
        let plan = self.plan(&wanted);
        let narrowed = narrow(&saved.changes, plan, &wanted, &self.state, &self.options);
        let now = PlanReport::new(&narrowed.plan, &origins, &[], None);
        let untrue = saved.untrue(&now, &wanted, &origins);
        narrowed.stale.is_empty() && untrue.is_empty() && !narrowed.is_empty()
    }
}

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
        json!(7),
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

/// Whether variables are set is no reason to refuse a plan, neither where it is made nor where it is applied.
#[test]
fn a_plan_holds_on_every_machine() {
    let drift_only = Options {
        drift_only: true,
        ..options()
    };
    let reassert = Options {
        reassert: true,
        ..options()
    };
    let unseen = Site {
        world: None,
        ..Site::new(AFTER, options())
    };
    let sites = [
        Site::new(AFTER, options()),
        unseen,
        Site::new(AFTER, options()).moved(),
        Site::new(BEFORE, options()).moved(),
        Site::new(BEFORE, drift_only).moved(),
        Site::new(AFTER, drift_only).moved(),
        Site::new(BEFORE, reassert),
    ];
    let machines = [None, Some("set"), Some("other")];
    for (number, site) in sites.iter().enumerate() {
        for (made, applied) in machines.iter().flat_map(|a| machines.map(|b| (*a, b))) {
            // With a secret that moved, it is not sent again for no reason.
            if site.options.reassert && [made, applied].contains(&Some("other")) {
                continue;
            }
            let saved = site.saved(made);
            assert!(!saved.to_string().contains("canary"), "{saved}");
            // Where the file has another secret than was applied, that cannot be put back.
            if saved["changes"] == json!([]) {
                assert!(site.options.drift_only && made.is_some());
                continue;
            }
            assert!(
                site.is_applied(&saved, applied),
                "{number} {made:?} {applied:?}"
            );
        }
    }
}

#[test]
fn a_changed_plan_is_refused_or_shows_what_is_done() {
    let site = Site::new(AFTER, options());
    let saved = site.saved(Some("set"));
    assert!(site.is_applied(&saved, Some("set")));
    let mut sealed = saved.clone();
    seal(&mut sealed);
    assert_eq!(sealed, saved);
    let mut paths = Vec::new();
    leaves(&saved, "", &mut paths);
    let mut passed = BTreeSet::new();
    for path in &paths {
        for other in others(saved.pointer(path).unwrap()) {
            let mut changed = saved.clone();
            *changed.pointer_mut(path).unwrap() = other.clone();
            assert!(!site.is_applied(&changed, Some("set")), "{path} {other}");
            seal(&mut changed);
            if path != "/seal" && site.is_applied(&changed, Some("set")) {
                passed.insert(path.as_str());
            }
        }
    }
    // Nothing of these is done: how it was made is compared by what comes of it, `apply` has a rate and a guard of its own,
    // and whether a secret that refers to a variable moved, only the machine of the plan could know.
    let harmless = [
        "/mode/drift_only",
        "/mode/live",
        "/mode/prune",
        "/report/forecast/rate",
        "/report/forecast/seconds",
        "/report/guard",
        "/report/summary/unchanged",
        "/report/undeclared",
        "/roomctl",
    ];
    let referring = "/report/changes/0/attributes/2/";
    let unknowable = ["before", "after", "live", "cause", "unknown", "unconfirmed"];
    let is_harmless = |path: &&str| {
        let of_reference = path.strip_prefix(referring);
        harmless.contains(path)
            || path.ends_with("/explanation")
            || of_reference.is_some_and(|field| unknowable.contains(&field))
    };
    assert_eq!(
        saved["report"]["changes"][0]["attributes"][2]["name"],
        "meetingJoinWebhook"
    );
    let passed: Vec<&str> = passed
        .into_iter()
        .filter(|path| !is_harmless(path))
        .collect();
    assert_eq!(passed, [""; 0]);
}
