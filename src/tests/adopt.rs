//! What is adopted: whatever the files look like and whatever moved, they say afterwards what they said before, but for
//! exactly what is reported.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;
use similar::{ChangeTag, TextDiff};

use crate::files::adopted::{Adopted, adopt};
use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::room_files::{Edits, Loaded, load, load_edited};
use crate::files::text_file::read_text;
use crate::model::{Finding, Live, NameRule, Value, Variables, Wanted};
use crate::planner::adopt::{Left, Level, Why, edits, moves};
use crate::planner::drift::Evidence;
use crate::planner::testing::{applied, name, options, shown};
use crate::planner::{Sighting, State, World, drift, plan};
use crate::report::text::patch;

const CONTEXT: Context<'static> = Context {
    names: NameRule::UrlSafe,
    now: 1_790_000_000,
    variables: Variables::NONE,
    defaults: Defaults::NONE,
    sandbox: false,
    owns: None,
    unmanaged: None,
    policies: Policies::NONE,
};

/// Every attribute of the tests, with ways to write it.
const WRITTEN: [(&str, &[&str]); 8] = [
    ("privacy", &["private", "'public'", "\"private\"", "public"]),
    ("enableChat", &["true", "false"]),
    ("autoJoin", &["true", "false"]),
    ("maxParticipants", &["5", "0", "12"]),
    (
        "endMeetingAfterNoActivityInSec",
        &["300", "2h", "\"1h30m\"", "'90s'"],
    ),
    (
        "expireUnixSec",
        &[
            "1869642000  # 2029-03-31T09:00:00Z",
            "1869642000",
            "2029-03-31T10:00:00+01:00",
            "'2029-03-31 09:00:00Z'",
        ],
    ),
    // It is before the one above: what breaks a rule is left out.
    (
        "notBeforeUnixSec",
        &["1860000000", "\"2028-12-01T00:00:00-05:00\""],
    ),
    ("enableComposition", &["true", "false"]),
];

const BETWEEN: [&str; 5] = ["", "\n", "# why\n", "# privacy: x\n\n", "  # far\n"];
const BEHIND: [&str; 4] = ["", "  # so", " #", "   "];
const ENDS: [&str; 2] = ["\n", "\r\n"];
const HEADS: [&str; 5] = [
    "",
    "# yaml-language-server: $schema=a\n\n",
    "---\n",
    "\u{feff}# note\n",
    "# a\n\n# b\n",
];
const FILES: [&str; 6] = [
    "_defaults.yaml",
    "a.yaml",
    "two words/b.yaml",
    "team/_defaults.yaml",
    "team/c.yaml",
    "team/d.yml",
];
const ROOMS: [&str; 4] = ["a", "b", "c", "d"];

/// One file: its keys in any order, with what people write around them.
fn text(is_top: bool) -> impl Strategy<Value = String> {
    let keys = subsequence((0..WRITTEN.len()).collect::<Vec<_>>(), 0..=WRITTEN.len());
    let more = proptest::collection::vec(
        (
            any::<prop::sample::Index>(),
            select(&BETWEEN[..]),
            select(&BEHIND[..]),
        ),
        WRITTEN.len(),
    );
    (
        keys.prop_shuffle(),
        more,
        select(&HEADS[..]),
        select(&BETWEEN[..]),
        select(&ENDS[..]),
        select(&["", " ", "  "][..]),
        any::<bool>(),
    )
        .prop_map(move |(mut keys, more, head, foot, end, indent, is_whole)| {
            if is_top && !keys.contains(&0) {
                keys.push(0);
            }
            let mut text = head.to_owned();
            for (key, (way, between, behind)) in keys.iter().zip(more) {
                let (name, ways) = WRITTEN[*key];
                let value = ways[way.index(ways.len())];
                // A line of its own has no second comment.
                let behind = if value.contains('#') { "" } else { behind };
                text.push_str(&format!("{between}{indent}{name}: {value}{behind}\n"));
            }
            text.push_str(foot);
            let text = text.replace('\n', end);
            if is_whole {
                text
            } else {
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        })
}

/// What somebody makes of attributes of rooms, each with what was applied before.
fn moved() -> impl Strategy<Value = Vec<(usize, usize, i64, bool)>> {
    proptest::collection::vec(
        (
            0..ROOMS.len(),
            0..WRITTEN.len(),
            0_i64..4,
            proptest::bool::weighted(0.1),
        ),
        1..8,
    )
}

fn value(attribute: usize, number: i64) -> Live {
    match WRITTEN[attribute].0 {
        "privacy" => ["public", "private", "secret", "public"][number as usize].into(),
        "maxParticipants" => number.into(),
        "endMeetingAfterNoActivityInSec" => (number * 3600 + number * 60).into(),
        "expireUnixSec" | "notBeforeUnixSec" => (1_900_000_000 + number).into(),
        _ => (number % 2 == 0).into(),
    }
}

struct Here {
    dir: tempfile::TempDir,
    state: State,
    world: World,
}

impl Here {
    fn load(&self, edits: &Edits) -> Loaded {
        load_edited(self.dir.path(), &CONTEXT, edits)
    }

    fn adopt(&self, into: Option<Level>, unfit: &str) -> (Adopted, Vec<Left>) {
        let all = self.load(&Edits::new());
        let found = drift(
            &Evidence {
                wanted: &all.wanted,
                state: &self.state,
                others: &BTreeMap::new(),
                mutes: &[],
                now: CONTEXT.now,
            },
            &self.world,
            &BTreeSet::new(),
        );
        let (moves, mut left) = moves(&found.rooms, None, &self.world);
        let (edits, more) = edits(&moves, into, &found.rooms, &all.wanted, &all.origins);
        left.extend(more);
        let adopted = adopt(
            edits,
            &all,
            |file| read_text(Path::new(file)),
            |file, _, _| !file.ends_with(unfit),
            |edits| self.load(edits),
        )
        .unwrap();
        left.extend(adopted.left.clone());
        (adopted, left)
    }

    fn write(&self, texts: &Edits) {
        for (file, text) in texts {
            std::fs::write(file, text).unwrap();
        }
    }
}

/// Rooms with files like these, all applied, of which somebody moved something.
fn here(texts: &[String], moved: &[(usize, usize, i64, bool)]) -> Option<Here> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    for dir in ["team", "two words"] {
        std::fs::create_dir(root.join(dir)).unwrap();
    }
    for (file, text) in FILES.iter().zip(texts) {
        std::fs::write(root.join(file), text).unwrap();
    }
    let loaded = load(&root, std::slice::from_ref(&root), &CONTEXT);
    if Finding::any_error(&loaded.findings) {
        return None;
    }
    let (mut state, mut world) = (applied(&loaded.wanted), shown(&loaded.wanted));
    for &(room, attribute, number, is_edited) in moved {
        let (room, attribute_name) = (name(ROOMS[room]), WRITTEN[attribute].0);
        let Some(Sighting::Present(live)) = world.get_mut(&room) else {
            panic!()
        };
        live.settings
            .insert(attribute_name.into(), value(attribute, number));
        let known = Arc::make_mut(state.rooms.get_mut(&room).unwrap());
        if is_edited && known.settings.contains_key(attribute_name) {
            let before = value(attribute, (number + 1) % 4).stored("lineage", attribute_name);
            known.settings.insert(attribute_name.into(), before);
        }
    }
    Some(Here { dir, state, world })
}

/// What the rooms want of everything that was told, taken out of it.
fn untold(wanted: &Wanted, adopted: &Adopted) -> BTreeMap<String, BTreeMap<&'static str, Value>> {
    let is_told = |room: &str, attribute: &str| {
        let mut edits = adopted.edits.iter();
        edits
            .any(|edit| edit.attribute == attribute && edit.rooms().any(|one| one.as_str() == room))
    };
    let rooms = wanted.iter().map(|(name, room)| {
        let settings = room.settings.clone().into_iter();
        let settings = settings.filter(|(attribute, _)| !is_told(name.as_str(), attribute));
        let settings = settings.map(|(attribute, value)| (attribute.as_str(), value));
        (name.to_string(), settings.collect())
    });
    rooms.collect()
}

/// With an end to its last line, which a line more below makes one of; without a mark, which is the file's and no line's.
fn lines_of(text: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let text = text.trim_start_matches('\u{feff}');
    if text.is_empty() || text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}{end}")
    }
}

/// Edited files of all cases: where each lies, and its text before and after.
type Patched = BTreeMap<String, (String, String)>;

/// Git makes the same bytes of the patches. It is started once: a process that starts holds for a moment what others lock.
fn git_makes_the_same(patched: &Patched) {
    let dir = tempfile::tempdir().unwrap();
    let mut whole = String::new();
    for (file, (before, after)) in patched {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, before).unwrap();
        whole.push_str(&patch(file, before, after).unwrap());
    }
    std::fs::write(dir.path().join("a.patch"), whole).unwrap();
    let mut git = Command::new("git");
    git.args(["-c", "core.autocrlf=false", "apply", "a.patch"])
        .current_dir(dir.path())
        .env("GIT_CEILING_DIRECTORIES", dir.path().parent().unwrap());
    let ran = git.output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    for (file, (_, after)) in patched {
        assert_eq!(
            &std::fs::read_to_string(dir.path().join(file)).unwrap(),
            after,
            "{file}"
        );
    }
}

fn into() -> impl Strategy<Value = Option<Level>> {
    select(&[None, Some(Level::Room), Some(Level::Default)][..])
}

#[test]
fn files_say_what_they_said_but_for_what_is_told() {
    let others = || {
        (
            text(false),
            text(false),
            text(false),
            text(false),
            text(false),
        )
    };
    let unfit = select(&["/a.yaml", "/_defaults.yaml", "none", "no", "nothing"][..]);
    let patched = RefCell::default();
    let mut runner = TestRunner::new(super::cases(256));
    let ran = runner.run(
        &(text(true), others(), moved(), into(), unfit),
        |(top, others, moved, into, unfit)| {
            let texts = [top, others.0, others.1, others.2, others.3, others.4];
            holds(&texts, &moved, into, unfit, &patched)
        },
    );
    ran.unwrap();
    git_makes_the_same(&patched.borrow());
}

fn holds(
    texts: &[String],
    moved: &[(usize, usize, i64, bool)],
    into: Option<Level>,
    unfit: &str,
    patched: &RefCell<Patched>,
) -> Result<(), TestCaseError> {
    let Some(here) = here(texts, moved) else {
        return Ok(());
    };
    let before = here.load(&Edits::new());
    let (adopted, left) = here.adopt(into, unfit);
    prop_assert!(
        left.iter()
            .all(|one| one.why == Why::Refused && one.attribute.is_some()),
        "{left:?}"
    );

    prop_assert!(!adopted.after.keys().any(|file| file.ends_with(unfit)));

    let case = patched.borrow().len();
    for (file, old) in &adopted.before {
        let below = Path::new(file)
            .strip_prefix(here.dir.path())
            .unwrap()
            .display();
        let texts = (old.clone(), adopted.after[file].clone());
        patched
            .borrow_mut()
            .insert(format!("{case}/{below}"), texts);
    }
    here.write(&adopted.after);

    // Read from the disk, exactly what is told says something else, and all that is adopted what the service shows.
    let after = here.load(&Edits::new());
    prop_assert!(!Finding::any_error(&after.findings));
    prop_assert_eq!(
        untold(&before.wanted, &adopted),
        untold(&after.wanted, &adopted)
    );
    for edit in &adopted.edits {
        prop_assert!(
            into == Some(Level::Default) || edit.moved.is_empty(),
            "{edit:?}"
        );
        prop_assert!(!edit.adopted.is_empty());
        for room in edit.rooms() {
            prop_assert_eq!(
                &after.wanted[room].settings[edit.attribute],
                &Value::Plain(edit.after.clone())
            );
        }
        for room in &edit.adopted {
            let Sighting::Present(live) = &here.world[room] else {
                panic!()
            };
            prop_assert_eq!(
                &live.settings[edit.attribute],
                &Live::Plain(edit.after.clone())
            );
        }
    }

    // Every other line stays where and as it is.
    for (file, text) in &adopted.after {
        let edits = adopted.edits.iter().filter(|edit| edit.file == *file);
        let (mut changed, mut new) = (
            edits.clone().filter(|edit| edit.line.is_some()).count(),
            edits.count(),
        );
        for change in
            TextDiff::from_lines(lines_of(&adopted.before[file]), lines_of(text)).iter_all_changes()
        {
            match change.tag() {
                ChangeTag::Equal => {}
                ChangeTag::Delete => {
                    changed = changed.checked_sub(1).ok_or_else(|| {
                        TestCaseError::fail(format!("{:?}\n{text:?}", adopted.before[file]))
                    })?
                }
                ChangeTag::Insert => {
                    new = new.checked_sub(1).ok_or_else(|| {
                        TestCaseError::fail(format!("{:?}\n{text:?}", adopted.before[file]))
                    })?
                }
            }
        }
    }

    // A second time there is nothing left to do, and a plan has nothing to send.
    // Where a file could not take its line, its room may by now be the only one that has it from the defaults.
    let (again, _) = here.adopt(into, unfit);
    prop_assert!(
        again.edits.is_empty() && again.after.is_empty() || unfit.starts_with('/'),
        "{again:?}"
    );
    let changes = plan(&after.wanted, &here.state, Some(&here.world), &options()).changes;
    for edit in &adopted.edits {
        for room in &edit.adopted {
            let change = changes.iter().find(|change| change.room == *room);
            let mut lines = change.into_iter().flat_map(|change| &change.attributes);
            prop_assert!(
                lines.all(|line| line.name != edit.attribute || !line.cause.needs_a_write()),
                "{change:?}"
            );
        }
    }
    Ok(())
}
