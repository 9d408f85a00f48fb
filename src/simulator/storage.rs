//! The rooms on disk. `FILE` holds all rooms; `FILE.log` one line for each change since. A line is written
//! before the answer goes out, so a killed process loses nothing that was answered (a power failure may: nothing
//! waits for the disk). Opening and closing fold the lines into `FILE`, which is replaced as a whole.
//!
//! The log is locked while it is open, so that two processes cannot mix their lines. It is never replaced, or
//! the lock would be on a file that is gone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::response::Mutation;
use super::room::Room;
use super::world::{Saved, World};

/// The format that is written, and the newest that is read.
const VERSION: u64 = 1;

/// The log is folded into the file when it has grown beyond this, in bytes.
const COMPACT_AT: u64 = 64 << 20;

/// What is wrong with the data file.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The system refused something.
    #[error("failed to {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another simulator has it open.
    #[error("{} is in use by another simulator", .0.display())]
    InUse(PathBuf),
    /// Written by a newer program.
    #[error("{} has version {version}; this program reads up to {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Not what this program writes. Nothing was changed.
    #[error("{} is damaged: {reason}; move it away to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The rooms of another app.
    #[error("{} holds the rooms of app {found:?}, not of {wanted:?}", path.display())]
    OtherApp {
        /// The file.
        path: PathBuf,
        /// The app in it.
        found: String,
        /// The app that was asked for.
        wanted: String,
    },
}

/// One line of the log: a room after a change. Reading a line twice does no harm.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<R> {
    serial: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    room: R,
}

/// An open data file.
pub(super) struct Storage {
    path: PathBuf,
    log_path: PathBuf,
    log: File,
    log_bytes: u64,
}

impl Storage {
    /// Opens the file, or makes it, and puts its rooms into `world`.
    pub(super) fn open(path: &Path, world: &mut World) -> Result<Self, StorageError> {
        let directory = directory(path);
        fs::create_dir_all(directory).map_err(trouble("create", directory))?;
        let log_path = log_path(path);
        let log = open_log(&log_path)?;
        let mut storage = Self {
            path: path.to_owned(),
            log_path,
            log,
            log_bytes: 0,
        };
        let saved = storage.read_saved(world.app())?;
        let is_new = saved.is_none();
        let (rooms, serial) =
            saved.map_or_else(Default::default, |saved| (saved.rooms, saved.serial));
        let mut rooms = rooms
            .into_iter()
            .map(|room| (room.name.clone(), room))
            .collect();
        let serial = storage.replay(&mut rooms, serial)?;
        world.restore(rooms.into_values().collect(), serial);
        if is_new || storage.log_bytes > 0 {
            storage.compact(&world.saved())?;
        }
        Ok(storage)
    }

    /// The version is looked at before the rest, which a newer program may have written in another way.
    fn read_saved(&self, app: &str) -> Result<Option<Saved>, StorageError> {
        let path = &self.path;
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(trouble("read", path))?,
        };
        let damaged = |reason: String| StorageError::Damaged {
            path: path.clone(),
            reason,
        };
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => {
                let path = path.clone();
                return Err(StorageError::Newer { path, version });
            }
            _ => return Err(damaged("it has no version".to_owned())),
        }
        let saved: Saved =
            serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        if saved.app != app {
            return Err(StorageError::OtherApp {
                path: path.clone(),
                found: saved.app,
                wanted: app.to_owned(),
            });
        }
        Ok(Some(saved))
    }

    /// Applies the log to the rooms; returns the serial after it. A last line without its end was never
    /// answered, and is dropped.
    fn replay(
        &mut self,
        rooms: &mut BTreeMap<String, Room>,
        serial: u64,
    ) -> Result<u64, StorageError> {
        let mut bytes = Vec::new();
        self.log
            .read_to_end(&mut bytes)
            .map_err(trouble("read", &self.log_path))?;
        self.log_bytes = bytes.len() as u64;
        let mut reached = serial;
        for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
            let damaged = |reason: String| StorageError::Damaged {
                path: self.log_path.clone(),
                reason: format!("line {number}: {reason}"),
            };
            if !line.ends_with(b"\n") {
                break;
            }
            let line: Line<Room> =
                serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            // Killed between replacing the file and emptying the log: the file has these already.
            if line.serial <= serial {
                continue;
            }
            if line.serial != reached + 1 {
                return Err(damaged(format!(
                    "change {} follows change {reached}",
                    line.serial
                )));
            }
            reached = line.serial;
            if let Some(was) = &line.was {
                rooms.remove(was);
            }
            rooms.insert(line.room.name.clone(), line.room);
        }
        Ok(reached)
    }

    /// Writes down the change that `world` has just made.
    pub(super) fn append(
        &mut self,
        world: &World,
        mutation: &Mutation,
    ) -> Result<(), StorageError> {
        let line = Line {
            serial: world.serial(),
            was: mutation.was.clone(),
            room: world.room(&mutation.room),
        };
        let mut bytes = serde_json::to_vec(&line)
            .map_err(io::Error::from)
            .map_err(trouble("encode a line of", &self.log_path))?;
        bytes.push(b'\n');
        self.log
            .write_all(&bytes)
            .map_err(trouble("append to", &self.log_path))?;
        self.log_bytes += bytes.len() as u64;
        if self.log_bytes > COMPACT_AT {
            self.compact(&world.saved())?;
        }
        Ok(())
    }

    /// Replaces the file by these rooms, and empties the log after that.
    pub(super) fn compact(&mut self, saved: &Saved) -> Result<(), StorageError> {
        let path = &self.path;
        let mut bytes = serde_json::to_vec_pretty(saved)
            .map_err(io::Error::from)
            .map_err(trouble("encode", path))?;
        bytes.push(b'\n');
        let mut file = tempfile::NamedTempFile::new_in(directory(path))
            .map_err(trouble("write beside", path))?;
        file.write_all(&bytes)
            .and_then(|()| file.as_file().sync_all())
            .map_err(trouble("write beside", path))?;
        file.persist(path)
            .map_err(|error| error.error)
            .map_err(trouble("replace", path))?;
        self.log
            .set_len(0)
            .map_err(trouble("empty", &self.log_path))?;
        self.log_bytes = 0;
        Ok(())
    }

    /// Makes every later append fail.
    #[cfg(test)]
    pub(super) fn break_for_test(&mut self) {
        self.log = File::open(&self.log_path).expect("the log is open already");
    }

    /// As [`Storage::compact`], if there is anything to fold in.
    pub(super) fn close(mut self, saved: &Saved) -> Result<(), StorageError> {
        if self.log_bytes > 0 {
            self.compact(saved)
        } else {
            Ok(())
        }
    }
}

/// The directory of a path; a bare file name is in the current one.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn log_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".log");
    name.into()
}

/// Opens the log for this process alone.
fn open_log(path: &Path) -> Result<File, StorageError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // Rooms can hold stream keys.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let log = options.open(path).map_err(trouble("open", path))?;
    match log.try_lock() {
        Ok(()) => Ok(log),
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

    use serde_json::json;

    use super::*;
    use crate::simulator::request::{Method, Request};
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
        let response = world.handle(&Request::new(method, &path).with_key("k").with_body(&body));
        storage.append(world, &response.mutation.unwrap()).unwrap();
    }

    /// A data file with rooms `daily` (renamed, edited) and `gone` (archived); none of it folded in yet.
    fn busy(path: &Path) -> (Storage, World) {
        let mut world = fresh("acme");
        let mut storage = Storage::open(path, &mut world).unwrap();
        write(
            &mut storage,
            &mut world,
            Method::Post,
            "",
            json!({"roomName": "standup"}),
        );
        write(
            &mut storage,
            &mut world,
            Method::Post,
            "",
            json!({"roomName": "gone"}),
        );
        write(
            &mut storage,
            &mut world,
            Method::Put,
            "standup",
            json!({"roomName": "daily", "enableChat": false}),
        );
        write(&mut storage, &mut world, Method::Delete, "gone", json!({}));
        (storage, world)
    }

    fn reopened(path: &Path) -> Saved {
        let mut world = fresh("acme");
        Storage::open(path, &mut world).unwrap();
        world.saved()
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
        let (storage, world) = busy(&path);
        drop(storage);
        assert_eq!(
            fs::read_to_string(log_path(&path)).unwrap().lines().count(),
            4
        );
        assert_eq!(reopened(&path), world.saved());
        assert_eq!(fs::read(log_path(&path)).unwrap(), b"");
        assert_eq!(reopened(&path), world.saved());
    }

    #[test]
    fn a_clean_close_folds_the_log_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, world) = busy(&path);
        storage.close(&world.saved()).unwrap();
        assert_eq!(fs::read(log_path(&path)).unwrap(), b"");
        let file: Saved = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(file, world.saved());
    }

    #[test]
    fn a_torn_last_line_is_dropped_at_every_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, mut world) = busy(&path);
        storage.close(&world.saved()).unwrap();
        let before = world.saved();
        let file = fs::read(&path).unwrap();
        let mut storage = Storage::open(&path, &mut world).unwrap();
        write(
            &mut storage,
            &mut world,
            Method::Put,
            "daily",
            json!({"autoJoin": true}),
        );
        drop(storage);
        let log = fs::read(log_path(&path)).unwrap();
        for kept in 0..log.len() {
            fs::write(&path, &file).unwrap();
            fs::write(log_path(&path), &log[..kept]).unwrap();
            assert_eq!(reopened(&path), before, "{kept}");
        }
    }

    #[test]
    fn a_kill_between_file_and_log_is_harmless() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, world) = busy(&path);
        let log = fs::read(log_path(&path)).unwrap();
        storage.close(&world.saved()).unwrap();
        fs::write(log_path(&path), log).unwrap();
        assert_eq!(reopened(&path), world.saved());
    }

    #[test]
    fn damage_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let (storage, _) = busy(&path);
        drop(storage);
        let log = fs::read_to_string(log_path(&path)).unwrap();
        let without_second: String = log
            .lines()
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        for (damaged, reason) in [
            (log.replacen("\"serial\":2", "\"serial\":x", 1), "line 2"),
            (without_second, "line 2: change 3 follows change 1"),
            (log.replacen("\"room\"", "\"rooms\"", 1), "line 1"),
        ] {
            fs::write(log_path(&path), &damaged).unwrap();
            let error = refusal(&path, "acme");
            assert!(
                error.contains("sandbox.json.log is damaged") && error.contains(reason),
                "{error}"
            );
            assert_eq!(fs::read_to_string(log_path(&path)).unwrap(), damaged);
        }
    }

    #[test]
    fn files_that_are_not_ours_are_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sandbox.json");
        let newer = json!({"version": 2, "whatever": true}).to_string();
        let other = json!({"version": 1, "app": "other", "serial": 0, "rooms": []}).to_string();
        for (content, reason) in [
            (newer.as_str(), "has version 2; this program reads up to 1"),
            (
                other.as_str(),
                "holds the rooms of app \"other\", not of \"acme\"",
            ),
            ("{\"version\": 1}", "is damaged"),
            ("[]", "it has no version"),
            ("", "is damaged"),
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
