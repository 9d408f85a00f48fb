//! All room files below a directory: found, read on all cores, checked against each other.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::stamp::Stamp;
use crate::files::context::{Context, Policies};
use crate::files::cores::{all_cores, on_cores};
use crate::files::defaults::{self, Beside, Defaults, Layer};
use crate::files::discover::{Found, as_typed, discover, whole_file};
use crate::files::room_file::{self, RoomFile};
use crate::files::settled::{self, Settled, SettledRoom};
use crate::files::text_file::{read_text, read_text_stamped};
use crate::model::suggest::nearest;
use crate::model::words::{count, shortened};
use crate::model::{
    Finding, NameRule, Origins, Place, Related, RoomName, Rule, Severity, Variables, Wanted,
};
use crate::planner::Quiet;

/// Most bytes of defaults that are laid over rooms, over all of them and, where there are more of these, over each.
const MOST_INHERITED: u64 = 32 * 1024 * 1024;
const MOST_INHERITED_BY_EACH: u64 = 4 * 1024;

/// Of how many defaults of a stack that there is not another name is looked for.
const MOST_MISTYPED: usize = 20;

#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub wanted: Wanted,
    pub origins: Origins,
    /// Everything that is wrong or doubtful, sorted by file and place.
    pub findings: Vec<Finding>,
    pub files: usize,
    /// Those of the settled rooms that were found to be as they were, without what was found in them. They are nowhere else
    /// in this.
    pub settled: Vec<SettledRoom>,
    /// The digest of what is above them.
    pub above: String,
    /// What a plan counts of them.
    pub quiet: Quiet,
    /// The digests of rooms that were read, with the warnings about them, if anybody asked for settled ones and nothing else
    /// was found in them.
    pub digests: BTreeMap<RoomName, (String, Vec<Finding>, Option<Stamp>)>,
}

/// Texts of files, or what is wrong with one.
type Texts<'a> = dyn Fn(&Path) -> Result<String, Box<Finding>> + Sync + 'a;

/// Reads all room files below each of `roots`; a root may also be a file. `rooms` is the rooms directory, from
/// which on defaults hold.
pub(crate) fn load(rooms: &Path, roots: &[PathBuf], context: &Context<'_>) -> Loaded {
    let found = roots.iter().map(|root| (&**root, discover(rooms, root)));
    load_found(found, context, &read_text, all_cores(), None)
}

/// The same on half the cores, for those who talk to the service meanwhile.
pub(crate) fn load_meanwhile(rooms: &Path, roots: &[PathBuf], context: &Context<'_>) -> Loaded {
    let half = all_cores().div_ceil(2);
    let found = roots.iter().map(|root| (&**root, discover(rooms, root)));
    load_found(found, context, &read_text, half, None)
}

/// Texts by file, in place of those that are there.
pub(crate) type Edits = BTreeMap<String, String>;

/// The same of `rooms` as if the files were edited.
pub(crate) fn load_edited(rooms: &Path, context: &Context<'_>, edits: &Edits) -> Loaded {
    let found = [(rooms, discover(rooms, rooms))].into_iter();
    let text_of = |path: &Path| match edits.get(&as_typed(path)) {
        Some(edited) => Ok(edited.clone()),
        None => read_text(path),
    };
    load_found(found, context, &text_of, all_cores(), None)
}

/// The same of what was `found` below each root, by their `texts`; the rooms that are `settled` are only counted.
pub(crate) fn load_found<'a>(
    found: impl Iterator<Item = (&'a Path, Found)>,
    context: &Context<'_>,
    texts: &Texts<'_>,
    cores: usize,
    settled: Option<&Settled<'_>>,
) -> Loaded {
    let mut findings = Vec::new();
    let mut files = Files::new(context.variables, texts);
    for (root, found) in found {
        files.add(root, found, &mut findings);
    }
    files.sort();
    if let Some(finding) = files.too_much() {
        // Nothing of it becomes a room: that is what would take the memory.
        findings.push(finding);
        files.rooms.clear();
    }
    let policies = Policies {
        rooms: files.rooms.len(),
        ..context.policies
    };
    let above = settled.map(|settled| settled.above(files.layers.values().map(|layer| &**layer)));
    let above = above.unwrap_or_default();
    let is_unmoved = settled.is_some_and(|settled| settled.above == above);
    let read = on_cores(cores, &files.rooms, |(path, defaults)| {
        let context = Context {
            defaults,
            policies,
            ..*context
        };
        read_room(path, &context, texts, (settled, is_unmoved))
    });
    let mut rooms = Vec::new();
    let mut loaded = Loaded {
        settled: Vec::with_capacity(if settled.is_some() { read.len() } else { 0 }),
        files: files.rooms.len() + files.layers.len(),
        above,
        ..Loaded::default()
    };
    for read in read {
        match read {
            Read::Settled(mut room) => {
                findings.append(&mut room.findings);
                loaded.settled.push(room);
            }
            Read::Room(read) => {
                let (room, mut found, digest) = *read;
                // What is only worth knowing depends on the state, too.
                let is_plain = found.iter().all(|one| one.severity == Severity::Warning);
                let digest = digest.filter(|_| is_plain);
                let named = room.as_ref().map(|room| room.name.clone());
                let known = digest.map(|(digest, stamp)| (digest, found.clone(), stamp));
                loaded.digests.extend(named.zip(known));
                findings.append(&mut found);
                rooms.extend(room);
            }
        }
    }
    join(rooms, context.names, &mut loaded, &mut findings);
    findings.sort();
    loaded.findings = once(findings);
    loaded
}

/// The files to read, each room with the defaults that hold for it.
struct Files<'a> {
    variables: Variables<'a>,
    texts: &'a Texts<'a>,
    rooms: Vec<(PathBuf, Arc<Defaults>)>,
    layers: BTreeMap<PathBuf, Arc<Layer>>,
}

impl<'a> Files<'a> {
    fn new(variables: Variables<'a>, texts: &'a Texts<'a>) -> Self {
        Self {
            variables,
            texts,
            rooms: Vec::new(),
            layers: BTreeMap::new(),
        }
    }

    fn add(&mut self, root: &Path, mut found: Found, findings: &mut Vec<Finding>) {
        findings.append(&mut found.findings);
        let mut top = Defaults::default();
        let stack = self.variables.given.stack.as_deref();
        for path in found.above.iter().flat_map(|beside| beside.of(stack)) {
            top = top.below(self.layer(path.clone(), findings));
        }
        self.rooms.reserve(found.rooms.len());
        let mut chains = HashMap::from([(PathBuf::new(), Arc::new(top))]);
        // Most rooms are found beside the one before.
        let mut last: Option<(PathBuf, Arc<Defaults>)> = None;
        for path in found.rooms {
            let dir = path.parent().unwrap_or(Path::new(""));
            let within = if path == root { Path::new("") } else { dir };
            let same = last.take_if(|(dir, _)| dir.as_os_str() == within.as_os_str());
            let here = same.unwrap_or_else(|| {
                let defaults = self.chain(root, within, &found.defaults, &mut chains, findings);
                (within.to_owned(), defaults)
            });
            let defaults = here.1.clone();
            last = Some(here);
            self.rooms.push((path, defaults));
        }
        let stacks = &self.variables.given.stacks;
        let mut unknown = 0;
        // Also those with no room below them: what is wrong with them is better known now.
        for beside in found.defaults.values() {
            for path in beside.of(stack) {
                self.layer(path.clone(), findings);
            }
            let known = |stack: &&String| stacks.contains(*stack);
            for stack in beside.by_stack.keys().filter(|stack| !known(stack)) {
                unknown += 1;
                // Of very many, no name was mistyped.
                let similar = stacks.iter().filter(|_| unknown <= MOST_MISTYPED);
                findings.push(of_no_stack(stack, &beside.by_stack[stack], similar));
            }
        }
    }

    /// In the order of their names, each once: roots may overlap. As plain text, which is much faster to compare
    /// than paths are.
    fn sort(&mut self) {
        self.rooms
            .sort_unstable_by(|a, b| a.0.as_os_str().cmp(b.0.as_os_str()));
        self.rooms
            .dedup_by(|a, b| a.0.as_os_str() == b.0.as_os_str());
    }

    /// What a few lines come to that many rooms inherit: a change that is small may hold a check up for as long as all of
    /// them take.
    fn too_much(&self) -> Option<Finding> {
        let rooms = self.rooms.len() as u64;
        let all: u64 = self.rooms.iter().map(|(_, defaults)| defaults.size()).sum();
        let most = MOST_INHERITED.max(rooms * MOST_INHERITED_BY_EACH);
        let inherited = |defaults: &Defaults| defaults.largest().map(|layer| layer.file.clone());
        let largest = self
            .rooms
            .iter()
            .max_by_key(|(_, defaults)| defaults.size());
        let file = inherited(&largest.filter(|_| all > most)?.1)?;
        let [all, most] = [all, most].map(|bytes| bytes.div_ceil(1024 * 1024));
        let message =
            format!("the rooms inherit {all} MiB from defaults, and at most {most} MiB are read");
        let help =
            "shorten the longest value, or write it into the files of those rooms that need it";
        Some(whole_file(
            Path::new(&*file),
            Rule::FileSize,
            &message,
            help,
        ))
    }

    /// The defaults that hold in `dir`, which is `root` or below it. Kept in `chains`.
    fn chain(
        &mut self,
        root: &Path,
        dir: &Path,
        files: &BTreeMap<PathBuf, Beside>,
        chains: &mut HashMap<PathBuf, Arc<Defaults>>,
        findings: &mut Vec<Finding>,
    ) -> Arc<Defaults> {
        if let Some(known) = chains.get(dir) {
            return known.clone();
        }
        let parent = match dir.parent() {
            Some(parent) if dir != root => parent,
            _ => Path::new(""),
        };
        let above = self.chain(root, parent, files, chains, findings);
        let stack = self.variables.given.stack.as_deref();
        let here = files
            .get(dir)
            .into_iter()
            .flat_map(|beside| beside.of(stack));
        let here = here.fold(above, |above, path| {
            Arc::new(above.below(self.layer(path.clone(), findings)))
        });
        chains.insert(dir.to_owned(), here.clone());
        here
    }

    fn layer(&mut self, path: PathBuf, findings: &mut Vec<Finding>) -> Arc<Layer> {
        if let Some(read) = self.layers.get(&path) {
            return read.clone();
        }
        let file = as_typed(&path);
        let layer = match (self.texts)(&path) {
            Ok(text) => {
                let (layer, mut found) = defaults::parse(&file, &text, &self.variables);
                findings.append(&mut found);
                layer
            }
            Err(finding) => {
                findings.push(*finding);
                Layer::unreadable(&file)
            }
        };
        let layer = Arc::new(layer);
        self.layers.insert(path, layer.clone());
        layer
    }
}

/// Defaults that nobody would read.
fn of_no_stack<'a>(stack: &str, path: &Path, stacks: impl Iterator<Item = &'a String>) -> Finding {
    let message = format!("there is no stack `{}` in roomctl.yaml", shortened(stack));
    let near = nearest(stack, stacks.map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `_defaults.{near}.yaml`?"),
        None => "defaults for all rooms are in `_defaults.yaml`, those of a stack in `_defaults.STACK.yaml`".to_owned(),
    };
    whole_file(path, Rule::DefaultsFileName, &message, &help)
}

/// What many rooms have from the same line of their defaults is reported once. `findings` are sorted.
fn once(findings: Vec<Finding>) -> Vec<Finding> {
    let of_no_room = |finding: &Finding| Finding {
        room: None,
        ..finding.clone()
    };
    let is_same = |one: &Finding, other: &Finding| {
        one.place != Place::WHOLE_FILE
            && (one.place, &one.file) == (other.place, &other.file)
            && of_no_room(one) == of_no_room(other)
    };
    let mut all: Vec<(Finding, u64)> = Vec::with_capacity(findings.len());
    for finding in findings {
        match all.last_mut() {
            Some((first, others)) if is_same(first, &finding) => *others += 1,
            _ => all.push((finding, 0)),
        }
    }
    let said = |(mut first, others): (Finding, u64)| {
        if others > 0 {
            let room = first.room.as_deref().unwrap_or_default();
            let others = count(others, "other room");
            first.message += &format!(" (in room `{room}` and {others})");
        }
        first
    };
    all.into_iter().map(said).collect()
}

/// The digest of a file with all that holds for it, and its stamp before it was read.
type Digested = (String, Option<Stamp>);

/// What became of a room file.
enum Read {
    Settled(SettledRoom),
    /// The room, unless an error forbids it, all findings, and its digest if that holds all that decides.
    Room(Box<(Option<RoomFile>, Vec<Finding>, Option<Digested>)>),
}

fn read_room(
    path: &Path,
    context: &Context<'_>,
    texts: &Texts<'_>,
    (settled, is_unmoved): (Option<&Settled<'_>>, bool),
) -> Read {
    let file = as_typed(path);
    let before = settled.and_then(|settled| (settled.room)(&file));
    let has_same = |stamp| is_unmoved && Stamp::of(path) == Some(stamp);
    let before = match before {
        Some(room) if room.stamp.is_some_and(has_same) => return Read::Settled(room),
        before => before,
    };
    // What is settled is so of the files that are there.
    let read = match settled {
        Some(_) => read_text_stamped(path),
        None => texts(path).map(|text| (text, None)),
    };
    let (text, stamp) = match read {
        Ok(read) => read,
        Err(finding) => return Read::Room((None, vec![*finding], None).into()),
    };
    let digest = settled.map(|settled| settled.digest(&file, &text, context));
    if let Some(room) = before
        && digest.as_deref() == Some(room.digest)
    {
        let is_read = true;
        return Read::Settled(SettledRoom {
            is_read,
            stamp,
            ..room
        });
    }
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let (room, mut findings) = room_file::parse(&file, stem, &text, context);
    findings.extend(room.as_ref().and_then(|room| not_owned(room, context)));
    let holds_all =
        |room: &RoomFile| settled::holds_all(&room.wanted.secrets, &text, context.defaults);
    let digest = digest.filter(|_| room.as_ref().is_some_and(holds_all));
    Read::Room((room, findings, digest.map(|digest| (digest, stamp))).into())
}

/// A room of somebody else, or one that nobody is to manage.
fn not_owned(room: &RoomFile, context: &Context<'_>) -> Option<Finding> {
    let name = room.name.as_str();
    let is_others = context.owns.is_some_and(|owns| !owns.match_any(name));
    let is_listed = context.unmanaged.is_some_and(|all| all.contains(name));
    let (why, help) = match (is_others, is_listed) {
        (true, _) => (
            "is not a room that `owns` in roomctl.yaml names",
            "give the room a name that is owned here, move the file to the repository that owns it, or widen `owns`",
        ),
        (false, true) => (
            "has a file, and `unmanaged` in roomctl.yaml lists it",
            "take the name out of `unmanaged`, or remove the file",
        ),
        (false, false) => return None,
    };
    let place = match room.name_at {
        Place::WHOLE_FILE => Place::START,
        named => named,
    };
    let message = format!("`{}` {why}", room.name);
    Some(Finding {
        room: Some(name.to_owned()),
        ..Finding::new(&room.wanted.file, place, Rule::NotOwned, message, help)
    })
}

/// Brings the rooms together; two files for one room are errors, as are, unless `names` are as they are, two for names that
/// differ only by case.
fn join(rooms: Vec<RoomFile>, names: NameRule, loaded: &mut Loaded, findings: &mut Vec<Finding>) {
    let mut first_at: HashMap<String, usize> = HashMap::with_capacity(rooms.len());
    let mut kept: Vec<RoomFile> = Vec::with_capacity(rooms.len());
    for room in rooms {
        match first_at.entry(names.key(room.name.as_str())) {
            Entry::Occupied(at) => findings.push(twin(&room, &kept[*at.get()])),
            Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(room);
            }
        }
    }
    let origins = |room: &mut RoomFile| (room.name.clone(), mem::take(&mut room.origins));
    loaded.origins = kept.iter_mut().map(origins).collect();
    loaded.wanted = kept
        .into_iter()
        .map(|room| (room.name, room.wanted))
        .collect();
}

fn twin(room: &RoomFile, first: &RoomFile) -> Finding {
    let (name, file) = (&first.name, &first.wanted.file);
    let message = if *name == room.name {
        format!("`{name}` is declared twice; the first time in {file}")
    } else {
        format!(
            "`{}` differs only by case from `{name}` in {file}",
            room.name
        )
    };
    let help = "keep one of the two files, or give one another `roomName`";
    Finding {
        room: Some(room.name.as_str().to_owned()),
        related: vec![Related {
            file: file.clone(),
            place: first.name_at,
            label: "the first one".to_owned(),
        }],
        ..Finding::new(
            &room.wanted.file,
            room.name_at,
            Rule::DuplicateRoom,
            message,
            help,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::plain_file::MAX_TEXT;
    use crate::model::{NameRule, RoomName, Severity, Value, Variables};

    const CONTEXT: Context = Context {
        names: NameRule::UrlSafe,
        now: 1_790_000_000,
        variables: Variables::NONE,
        defaults: Defaults::NONE,
        sandbox: false,
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
    };

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn rules(dir: &tempfile::TempDir) -> Vec<(String, Rule)> {
        load(dir.path(), &[dir.path().to_owned()], &CONTEXT)
            .findings
            .into_iter()
            .map(|f| {
                let name = f.file.rsplit('/').next().unwrap().to_owned();
                (name, f.rule)
            })
            .collect()
    }

    #[test]
    fn files_of_both_endings_in_any_depth() {
        let dir = tree(&[
            ("a.yaml", "privacy: public"),
            ("x/y/b.yml", "privacy: public"),
            ("x/readme.md", "not a room"),
            (".git/c.yaml", "not: read"),
            (".hidden", "not: read"),
        ]);
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        assert_eq!(loaded.findings, []);
        let names: Vec<&str> = loaded.wanted.keys().map(RoomName::as_str).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn directories_in_each_other_have_an_end() {
        let of = |levels| format!("{}a.yaml", "x/".repeat(levels));
        let dir = tree(&[(&of(32), "privacy: public"), (&of(33), "not: read")]);
        assert_eq!(rules(&dir), [("x".to_owned(), Rule::Directory)]);
    }

    /// A file of some kilobytes above many rooms is as much as all of them have of it. What is written in its comments, nobody has.
    #[test]
    fn what_rooms_inherit_has_an_end() {
        let text = |length| {
            format!(
                "meetingEndedWebhook: https://a.example/{}\n",
                "x".repeat(length)
            )
        };
        for (length, comment, is_read) in [
            (100, 200_000, true),
            (200_000, 0, false),
            (MOST_INHERITED as usize / 200 - 40, 0, true),
        ] {
            let defaults = format!("{}# {}\n", text(length), "x".repeat(comment));
            let dir = tree(&[("_defaults.yaml", &defaults)]);
            for number in 0..200 {
                fs::write(
                    dir.path().join(format!("{number}.yaml")),
                    "privacy: private",
                )
                .unwrap();
            }
            let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
            assert_eq!(loaded.wanted.len(), if is_read { 200 } else { 0 });
            let is_it =
                |one: &Finding| one.rule == Rule::FileSize && one.file.ends_with("_defaults.yaml");
            assert_eq!(loaded.findings.iter().any(is_it), !is_read, "{length}");
        }
    }

    #[test]
    fn a_hidden_file_is_reported_and_not_read() {
        let dir = tree(&[(".a.yaml", "not: read"), ("b.yaml", "privacy: public")]);
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        assert_eq!((loaded.files, loaded.wanted.len()), (1, 1));
        let [finding] = loaded.findings.as_slice() else {
            panic!("{:?}", loaded.findings);
        };
        assert_eq!(
            (finding.rule, finding.severity),
            (Rule::Hidden, Severity::Warning)
        );
    }

    #[test]
    fn twins_are_reported_with_both_files() {
        let dir = tree(&[
            ("a.yaml", "privacy: public"),
            ("b/a.yaml", "privacy: public"),
            ("c.yaml", "privacy: public\nroomName: A"),
        ]);
        assert_eq!(
            rules(&dir),
            [
                ("a.yaml".to_owned(), Rule::DuplicateRoom),
                ("c.yaml".to_owned(), Rule::DuplicateRoom)
            ]
        );
    }

    #[test]
    fn what_is_no_room_file_is_reported() {
        let dir = tree(&[
            ("big.yaml", &"#".repeat(MAX_TEXT as usize + 1)),
            ("dir.yaml/in.yaml", "privacy: public"),
        ]);
        fs::write(dir.path().join("latin.yaml"), b"privacy: public\n# caf\xe9").unwrap();
        assert_eq!(
            rules(&dir),
            [
                ("big.yaml".to_owned(), Rule::FileSize),
                ("dir.yaml".to_owned(), Rule::Directory),
                ("latin.yaml".to_owned(), Rule::Encoding),
            ]
        );
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        let latin = loaded.findings.last().unwrap();
        assert_eq!((latin.place.line, latin.place.column), (2, 6));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let outside = tree(&[("secret.yaml", "privacy: public")]);
        let dir = tree(&[("a.yaml", "privacy: public")]);
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        };
        link(&outside.path().join("secret.yaml"), "file.yaml");
        link(outside.path(), "directory");
        link(dir.path(), "loop");
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        assert_eq!(loaded.wanted.len(), 1);
        assert_eq!(loaded.findings.len(), 3);
        assert!(loaded.findings.iter().all(|f| f.rule == Rule::Link));
    }

    fn settings(loaded: &Loaded, room: &str) -> Vec<String> {
        let room = RoomName::try_from(room.to_owned()).unwrap();
        let settings = loaded.wanted[&room].settings.iter();
        settings
            .map(|(name, value)| match value {
                Value::Plain(value) => format!("{name}={value:?}"),
                other => format!("{name}={other:?}"),
            })
            .collect()
    }

    #[test]
    fn nearer_defaults_win_and_the_file_wins_over_all() {
        let dir = tree(&[
            ("_defaults.yaml", "privacy: private\nmaxParticipants: 1"),
            ("a.yaml", ""),
            ("x/_defaults.yml", "maxParticipants: 2\nautoJoin: true"),
            ("x/y/b.yaml", "# nothing of its own"),
            ("x/y/c.yaml", "maxParticipants: 3"),
            ("z/d.yaml", "privacy: public"),
        ]);
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        assert_eq!((loaded.findings.as_slice(), loaded.files), (&[][..], 6));
        let b = [
            "autoJoin=Bool(true)",
            "maxParticipants=Integer(2)",
            "privacy=Text(\"private\")",
        ];
        assert_eq!(settings(&loaded, "b"), b);
        assert_eq!(settings(&loaded, "a"), ["maxParticipants=Integer(1)", b[2]]);
        assert_eq!(settings(&loaded, "c")[1], "maxParticipants=Integer(3)");
        assert_eq!(settings(&loaded, "d")[1], "privacy=Text(\"public\")");
        let c = &loaded.origins[&RoomName::try_from("c".to_owned()).unwrap()];
        let people = &c["maxParticipants"];
        assert_eq!((people.file(), people.line), (None, 1));
        let hidden: Vec<(bool, u32)> = people
            .hides()
            .iter()
            .map(|(file, line)| (file.ends_with("x/_defaults.yml"), *line))
            .collect();
        assert_eq!(hidden, [(true, 1), (false, 2)], "nearest first");
        assert!(
            c["autoJoin"]
                .file()
                .is_some_and(|f| f.ends_with("x/_defaults.yml"))
        );
    }

    #[test]
    fn a_part_of_the_tree_is_read_with_the_defaults_above_it() {
        let dir = tree(&[
            ("_defaults.yaml", "privacy: private"),
            ("x/_defaults.yaml", "autoJoin: true"),
            ("x/y/b.yaml", "maxParticipants: 3"),
            ("x/y/c.yaml", "maxParticipants: 3"),
        ]);
        for (root, files) in [("x", 4), ("x/y", 4), ("x/y/b.yaml", 3), ("x/../x/y", 4)] {
            let loaded = load(dir.path(), &[dir.path().join(root)], &CONTEXT);
            assert_eq!(
                (loaded.findings.as_slice(), loaded.files),
                (&[][..], files),
                "{root}"
            );
            assert_eq!(settings(&loaded, "b").len(), 3, "{root}");
        }
        // A file that is looked at alone, as the rooms directory, has what stands beside it.
        let file = dir.path().join("x/y/b.yaml");
        let loaded = load(&file, std::slice::from_ref(&file), &CONTEXT);
        assert_eq!(loaded.findings[0].rule, Rule::MissingPrivacy);
    }

    #[test]
    fn what_is_wrong_with_defaults_is_reported_once_and_keeps_all_rooms_back() {
        let dir = tree(&[
            ("_defaults.yaml", "privacy: open\nroomName: x"),
            ("a.yaml", "maxParticipants: 3"),
            ("b.yaml", "maxParticipants: many"),
        ]);
        let expected = [
            ("_defaults.yaml".to_owned(), Rule::WrongType),
            ("_defaults.yaml".to_owned(), Rule::DefaultsName),
            ("b.yaml".to_owned(), Rule::WrongType),
        ];
        assert_eq!(rules(&dir), expected);
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        assert!(loaded.wanted.is_empty());
    }

    #[test]
    fn a_rule_that_defaults_break_in_many_rooms_is_reported_once() {
        let dir = tree(&[
            (
                "_defaults.yaml",
                "privacy: private\nenableLiveStreaming: true",
            ),
            ("a.yaml", ""),
            ("b.yaml", ""),
            ("c.yaml", "enableComposition: false"),
            ("d.yaml", "enableComposition: true"),
        ]);
        let loaded = load(dir.path(), &[dir.path().to_owned()], &CONTEXT);
        let [shared, own] = loaded.findings.as_slice() else {
            panic!("{:?}", loaded.findings);
        };
        assert!(
            shared.message.ends_with("(in room `a` and 1 other room)"),
            "{shared:?}"
        );
        assert_eq!(
            (shared.place.line, shared.rule),
            (2, Rule::CompositionNeeded)
        );
        // The room's own line is what can be changed for this room alone.
        assert!(own.file.ends_with("c.yaml"));
        assert!(own.related[0].file.ends_with("_defaults.yaml"));
    }

    #[test]
    fn files_that_look_like_defaults_are_reported() {
        let dir = tree(&[
            ("_defaults.yaml", "privacy: private"),
            ("_defaults.yml", "privacy: private"),
            ("x/_default.yaml", "privacy: private"),
            ("y/_Defaults.yaml", "privacy: private"),
            ("z/_defaults.yaml/a.yaml", "privacy: private"),
        ]);
        let expected = [
            ("_defaults.yml".to_owned(), Rule::DefaultsTwice),
            ("_default.yaml".to_owned(), Rule::DefaultsFileName),
            ("_Defaults.yaml".to_owned(), Rule::DefaultsFileName),
            ("_defaults.yaml".to_owned(), Rule::Directory),
        ];
        assert_eq!(rules(&dir), expected);
    }

    #[test]
    fn a_missing_directory_is_not_an_empty_one() {
        let dir = tree(&[]);
        let loaded = load(
            &dir.path().join("nowhere"),
            &[dir.path().join("nowhere")],
            &CONTEXT,
        );
        assert_eq!(loaded.findings[0].rule, Rule::NoRooms);
    }
}
