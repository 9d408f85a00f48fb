//! Edits of room files, made on their texts and proved before anybody writes: read again, the files say what they said,
//! but for exactly what was to be edited. Pure.

use std::collections::BTreeSet;

use crate::disk::plain_file::MAX_TEXT;
use crate::files::entries::Findings;
use crate::files::room_edit::set;
use crate::files::room_files::{Edits, Loaded};
use crate::model::{Finding, Place, Rule, Severity, Wanted, WantedRoom};
use crate::planner::adopt::{Edit, Left, expected};

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    /// The texts before, by file.
    pub before: Edits,
    /// The texts after.
    pub after: Edits,
    /// What of the edits is in them.
    pub edits: Vec<Edit>,
    /// What is not, and why.
    pub left: Vec<Left>,
}

/// The files would say something else than they are to say.
#[derive(Debug, thiserror::Error)]
#[error("the edited files would say more than this, or less: {0}")]
pub(crate) struct Unproved(String);

/// Makes `edits`, but for those that would break a rule or a file. `files` are what all files say now, `text` is the text of
/// one of them, whether it `fits` to be written is asked of file, text before and after, and `read` reads all with texts in
/// place of theirs.
pub(crate) fn adopt(
    mut edits: Vec<Edit>,
    files: &Loaded,
    text: impl Fn(&str) -> Result<String, Box<Finding>>,
    fits: impl Fn(&str, &str, &str) -> bool,
    read: impl Fn(&Edits) -> Loaded,
) -> Result<Adopted, Unproved> {
    let mut left = Vec::new();
    loop {
        let (before, after, mut wrong) = texts(&edits, &text, &fits);
        let read = match wrong.is_empty() {
            true => read(&after),
            false => Loaded::default(),
        };
        wrong.extend(new_errors(files, &read));
        if drop_wrong(&mut edits, &wrong, &mut left) {
            continue;
        }
        let wanted = expected(&files.wanted, &edits);
        return match differs(&wanted, &read.wanted) {
            Some(room) => Err(Unproved(room)),
            None => Ok(Adopted {
                before,
                after,
                edits,
                left,
            }),
        };
    }
}

/// The texts of the edited files before and after, and what is wrong with those that cannot be edited.
fn texts(
    edits: &[Edit],
    text: impl Fn(&str) -> Result<String, Box<Finding>>,
    fits: impl Fn(&str, &str, &str) -> bool,
) -> (Edits, Edits, Vec<Finding>) {
    let (mut before, mut after, mut wrong) = (Edits::new(), Edits::new(), Vec::new());
    for of_file in edits.chunk_by(|one, other| one.file == other.file) {
        let file = &of_file[0].file;
        let Ok(old) = text(file).map_err(|finding| wrong.push(*finding)) else {
            continue;
        };
        let mut new = Some(old.clone());
        for edit in of_file {
            let mut findings = Findings::new(file);
            new = new.and_then(|new| set(&new, edit.attribute, &edit.after, &mut findings));
            wrong.extend(findings.list.into_iter().map(|one| Finding {
                attribute: Some(edit.attribute),
                ..one
            }));
        }
        let Some(new) = new else { continue };
        let refused = match fits(file, &old, &new) {
            _ if new.len() as u64 > MAX_TEXT => Some("it would be larger than 256 KiB"),
            true => None,
            false => Some("a patch would show what may be a secret: adopt it without --patch"),
        };
        let finding = |why| Finding::new(file, Place::WHOLE_FILE, Rule::Format, why, "");
        wrong.extend(refused.map(finding));
        before.insert(file.clone(), old);
        after.insert(file.clone(), new);
    }
    (before, after, wrong)
}

/// The errors that there were none of before.
fn new_errors(before: &Loaded, after: &Loaded) -> Vec<Finding> {
    let said = |one: &Finding| (one.rule.name(), one.file.clone(), one.message.clone());
    let known: BTreeSet<_> = before.findings.iter().map(said).collect();
    let is_new = |one: &&Finding| one.severity == Severity::Error && !known.contains(&said(one));
    after.findings.iter().filter(is_new).cloned().collect()
}

/// Takes out the edits that something is wrong with: of the attribute, if there is one, or else all of the room and file.
fn drop_wrong(edits: &mut Vec<Edit>, wrong: &[Finding], left: &mut Vec<Left>) -> bool {
    let many = edits.len();
    for finding in wrong {
        let is_about = |edit: &Edit| {
            let is_room = |name: &String| edit.rooms().any(|room| room.as_str() == name);
            edit.file == finding.file || finding.room.as_ref().is_some_and(is_room)
        };
        let is_it = |edit: &Edit| is_about(edit) && finding.attribute == Some(edit.attribute);
        let is_known = edits.iter().any(is_it);
        edits.retain(|edit| {
            let keeps = match is_known {
                true => !is_it(edit),
                false => !is_about(edit),
            };
            if !keeps {
                let why = format!("not possible in {}: {}", edit.file, finding.message);
                let rooms = edit.adopted.iter();
                left.extend(rooms.map(|room| Left::refused(room, edit.attribute, &why)));
            }
            keeps
        });
    }
    edits.len() < many
}

/// The first room of which two readings say something else.
fn differs(one: &Wanted, other: &Wanted) -> Option<String> {
    fn said(room: &WantedRoom) -> impl PartialEq {
        (&room.file, &room.settings, &room.secrets)
    }
    let mut names = one.keys().chain(other.keys());
    let name = names.find(|name| one.get(*name).map(said) != other.get(*name).map(said))?;
    Some(name.to_string())
}
