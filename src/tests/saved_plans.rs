//! A saved plan that anybody changed anywhere, even with its seal made again: it is refused, or what is applied is what
//! it shows.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::files::context::Context;
use crate::files::defaults::Defaults;
use crate::files::room_file::parse;
use crate::model::{NameRule, Origins, Variables, Wanted, digest};
use crate::planner::testing::{applied, name, options, room_of, shown};
use crate::planner::{Options, Selection, State, World, narrow, plan, saved_changes};
use crate::report::saved::{Mode, SavedPlan};
use crate::report::{PlanReport, json};

const BEFORE: &str =
    "privacy: private\nmaxParticipants: 5\nmeetingJoinWebhook: https://h.example/${env:ROOM_A}\n";
const AFTER: &str = "privacy: public\n# why\nmaxParticipants: 505\nenableRecording: true\n\
    meetingJoinWebhook: https://other.example/${env:ROOM_A}\nmeetingLeftWebhook: https://h.example/x\n";

/// The files that say this of room `a`, and where.
fn files(text: &str) -> (Wanted, Origins) {
    let context = Context {
        names: NameRule::Lowercase,
        now: options().now,
        variables: Variables {
            values: &|_| Some("set".to_owned()),
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

/// Everything that a plan is made of.
struct Site {
    wanted: Wanted,
    origins: Origins,
    state: State,
    world: World,
    options: Options<'static>,
}

impl Site {
    fn new() -> Self {
        let (before, _) = files(BEFORE);
        let (wanted, origins) = files(AFTER);
        let mut state = applied(&before);
        room_of(&mut state).observed.clear();
        Self {
            world: shown(&before),
            options: options(),
            state,
            wanted,
            origins,
        }
    }

    fn plan(&self) -> crate::planner::Plan {
        plan(&self.wanted, &self.state, Some(&self.world), &self.options)
    }

    /// The saved plan as JSON.
    fn saved(&self) -> Json {
        let plan = self.plan();
        let report = PlanReport::new(&plan, &self.origins, &[], None);
        let changes = saved_changes(&plan, &self.wanted, &self.state);
        let mode = Mode {
            live: true,
            ..Mode::default()
        };
        let saved = SavedPlan::new(mode, Selection::default(), changes, &report).unwrap();
        serde_json::from_str(&json(&saved).unwrap()).unwrap()
    }

    /// Whether `apply` would carry anything of it out.
    fn is_applied(&self, saved: &Json) -> bool {
        let text = serde_json::to_string_pretty(saved).unwrap() + "\n";
        let Ok(saved) = SavedPlan::parse(text.as_bytes()) else {
            return false;
        };
        let narrowed = narrow(
            &saved.changes,
            self.plan(),
            &self.wanted,
            &self.state,
            &self.options,
        );
        let now = PlanReport::new(&narrowed.plan, &self.origins, &[], None);
        narrowed.stale.is_empty()
            && saved.untrue(&now, &self.wanted, &self.origins).is_empty()
            && !narrowed.is_empty()
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

#[test]
fn a_changed_plan_is_refused_or_shows_what_is_done() {
    let site = Site::new();
    let saved = site.saved();
    assert!(site.is_applied(&saved));
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
            assert!(!site.is_applied(&changed), "{path} {other}");
            seal(&mut changed);
            if path != "/seal" && site.is_applied(&changed) {
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
