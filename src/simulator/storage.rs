//! The rooms on disk: a line that says whose they are, then a line of JSON for each change, in order. Opening
//! the file makes all changes again. A line is written before the answer goes out, so a killed process loses
//! nothing that was answered (a power failure may: nothing waits for the disk). Nothing is ever taken out: a
//! sandbox is thrown away before it grows large.
//!
//! The file is locked while it is open, so that two processes cannot mix their lines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::world::{Change, World};
use crate::disk::plain_file::{MAX_DATA, open_own, read_from};
use crate::disk::whole_file::create_parent;

/// The only format that is read. The first was one JSON object with a journal beside it.
const VERSION: u64 = 2;

#[derive(Deserialize, Serialize)]
struct Header {
    version: u64,
    app: String,
}

#[derive(Debug, Error)]
pub enum StorageError {
    #[error("failed to {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is in use by another simulator", .0.display())]
    InUse(PathBuf),
    /// Its content is not what is wanted. It is kept as it is.
    #[error("{} {reason}; move it away to start afresh", path.display())]
    Unusable { path: PathBuf, reason: String },
}

pub(super) struct Storage {
    path: PathBuf,
    file: File,
}

/// A child that is being started holds what is open here until it is itself, and with it a lock that nobody gives up.
impl Drop for Storage {
    fn drop(&mut self) {
        // Closing the file gives it up as well.
        let _ = self.file.unlock();
    }
}

impl Storage {
    /// Opens the file, or makes it, and makes the changes in it to `world`.
    pub(super) fn open(path: &Path, world: &mut World) -> Result<Self, StorageError> {
        create_parent(path).map_err(trouble("create the directory of", path))?;
        let mut storage = Self {
            path: path.to_owned(),
            file: open_alone(path)?,
        };
        storage.replay(world)?;
        Ok(storage)
    }

    fn replay(&mut self, world: &mut World) -> Result<(), StorageError> {
        let read = read_from(&self.file, MAX_DATA, 0);
        let bytes = read.map_err(trouble("read", &self.path))?;
        let header = line(&Header {
            version: VERSION,
            app: world.settings.app.clone(),
        });
        let header = header.map_err(trouble("encode", &self.path))?;
        // New, or its maker was killed before there was a change.
        if header.starts_with(&bytes) {
            self.cut(0)?;
            return self.write(&header);
        }
        // A last line without its end was never answered.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |end| end + 1);
        let mut lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n');
        self.check_header(lines.next().unwrap_or_default(), &world.settings.app)?;
        for (line, number) in lines.zip(2..) {
            let change: Change = serde_json::from_slice(line)
                .map_err(|error| self.unusable(format!("is damaged: line {number}: {error}")))?;
            world.make(change);
        }
        self.cut(whole)
    }

    fn check_header(&self, line: &[u8], app: &str) -> Result<(), StorageError> {
        let reason = match serde_json::from_slice::<Header>(line) {
            Err(_) => "is not a data file that this version of the program reads".to_owned(),
            Ok(Header { version, .. }) if version != VERSION => {
                format!("has version {version}; this program reads version {VERSION}")
            }
            Ok(header) if header.app != app => {
                format!("holds the rooms of app {:?}, not of {app:?}", header.app)
            }
            Ok(_) => return Ok(()),
        };
        Err(self.unusable(reason))
    }

    fn unusable(&self, reason: String) -> StorageError {
        let path = self.path.clone();
        StorageError::Unusable { path, reason }
    }

    /// Forgets what comes after so many bytes.
    fn cut(&self, length: usize) -> Result<(), StorageError> {
        let cut = self.file.set_len(length as u64);
        cut.map_err(trouble("cut", &self.path))
    }

    /// Writes down what `world` has just gone through.
    pub(super) fn append(&mut self, changes: &[Change]) -> Result<(), StorageError> {
        for change in changes {
            let line = line(change).map_err(trouble("encode a line of", &self.path))?;
            self.write(&line)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_all(line);
        written.map_err(trouble("append to", &self.path))
    }

    /// Makes every later append fail.
    #[cfg(test)]
    pub(super) fn break_for_test(&mut self) {
        let read_only = open_own(&self.path, OpenOptions::new().read(true));
        self.file = read_only.expect("the file is open already");
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Opens the file, or makes an empty one, for this process alone.
fn open_alone(path: &Path) -> Result<File, StorageError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // Rooms can hold stream keys.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = open_own(path, &mut options).map_err(trouble("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(trouble("lock", path)(error)),
    }
}

fn trouble<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StorageError + 'a {
    move |source| StorageError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::simulator::request::{Method, Request};
    use crate::simulator::room::Room;
    use crate::simulator::world::{Settings, SimKey};

    fn fresh(app: &str) -> World {
        let mut settings = Settings::new(app, SimKey::new("k"));
        settings.quirks.parse("body-room-name=rename").unwrap();
        World::new(settings)
    }

    /// Sends one request and writes its change down, as the server does.
    fn write(storage: &mut Storage, world: &mut World, method: Method, name: &str, body: Value) {
        let path = if method == Method::Post {
            "/api/v1/room".into()
        } else {
            format!("/api/v1/room/{name}")
        };
        let request = Request::new(method, &path).with_key("k").with_body(&body);
        assert_eq!(world.handle(&request).status, 200);
        let changes = world.take_changes();
        assert_eq!(changes.len(), 1);
        storage.append(&changes).unwrap();
    }

    /// What a restart must not change.
    fn content(world: &World) -> (u64, Vec<Room>) {
        (world.serial, world.rooms().cloned().collect())
    }

    /// A data file with rooms `daily` (renamed, edited) and `gone` (archived), and its content after each
    /// change.
    fn busy(path: &Path) -> (Storage, Vec<(u64, Vec<Room>)>) {
        let mut world = fresh("acme");
        let mut storage = Storage::open(path, &mut world).unwrap();
        let mut contents = vec![content(&world)];
        for (method, name, body) in [
            (Method::Post, "", json!({"roomName": "standup"})),
            (Method::Post, "", json!({"roomName": "gone"})),
            (
                Method::Put,
                "standup",
                json!({"roomName": "daily", "enableChat": false}),
            ),
            (Method::Delete, "gone", json!({})),
        ] {
            write(&mut storage, &mut world, method, name, body);
            contents.push(content(&world));
        }
        (storage, contents)
    }

    fn reopened(path: &Path) -> (u64, Vec<Room>) {
        let mut world = fresh("acme");
        Storage::open(path, &mut world).unwrap();
        assert!(world.take_changes().is_empty());
        content(&world)
    }

    fn refusal(path: &Path, app: &str) -> String {
        match Storage::open(path, &mut fresh(app)) {
            Ok(_) => panic!("opened"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_killed_process_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/sandbox.json");
        let (storage, contents) = busy(&path);
        drop(storage);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 5);
        for _ in 0..2 {
            assert_eq!(Some(&reopened(&path)), contents.last());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn whole_lines_survive_a_kill_at_every_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, contents) = busy(&path);
        drop(storage);
        let file = fs::read(&path).unwrap();
        for kept in 0..=file.len() {
            fs::write(&path, &file[..kept]).unwrap();
            let lines = file[..kept].iter().filter(|byte| **byte == b'\n').count();
            let expected = &contents[lines.saturating_sub(1)];
            assert_eq!(&reopened(&path), expected, "{kept}");
            // The torn line is gone, so the next one does not end up behind it.
            let mut world = fresh("acme");
            let mut storage = Storage::open(&path, &mut world).unwrap();
            write(&mut storage, &mut world, Method::Post, "", json!({}));
            drop(storage);
            assert_eq!(reopened(&path), content(&world), "{kept}");
        }
    }

    #[test]
    fn damage_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, _) = busy(&path);
        drop(storage);
        let text = fs::read_to_string(&path).unwrap();
        for (damaged, reason) in [
            (text.replacen("\"archived\":false", "", 2), "line 2"),
            (text.replacen("daily", "da\"ly", 1), "line 4"),
            (text.replacen("\"room\"", "\"rooms\"", 1), "line 2"),
        ] {
            fs::write(&path, &damaged).unwrap();
            let error = refusal(&path, "acme");
            assert!(
                error.contains("sandbox.json is damaged") && error.contains(reason),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn files_that_are_not_ours_are_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        for (content, reason) in [
            (
                "{\"version\":3,\"app\":\"acme\",\"more\":true}\n",
                "has version 3; this program reads version 2",
            ),
            (
                "{\"version\":2,\"app\":\"other\"}\n",
                "holds the rooms of app \"other\", not of \"acme\"",
            ),
            (
                "{\n  \"version\": 1,\n  \"app\": \"acme\",\n  \"serial\": 0,\n  \"rooms\": []\n}\n",
                "is not a data file that this version of the program reads; move it away",
            ),
            ("[]", "is not a data file"),
            ("\n", "is not a data file"),
        ] {
            fs::write(&path, content).unwrap();
            let error = refusal(&path, "acme");
            assert!(error.contains(reason), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn only_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let mut world = fresh("acme");
        let storage = Storage::open(&path, &mut world).unwrap();
        assert!(refusal(&path, "acme").contains("in use"));
        drop(storage);
        reopened(&path);
    }
}
