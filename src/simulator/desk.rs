//! The world and where it is written down: one lock for both, so that lines have the order of the changes.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::request::Request;
use super::response::Response;
use super::storage::{Storage, StorageError};
use super::world::World;

pub(super) struct Desk {
    pub(super) world: World,
    pub(super) storage: Option<Storage>,
    /// A change could not be written down. Going on would make promises that a restart breaks.
    broken: Option<StorageError>,
}

impl Desk {
    /// A world whose rooms are kept in a file, or in memory only.
    pub(super) fn new(mut world: World, data: Option<&Path>) -> Result<Self, StorageError> {
        let storage = data.map(|path| Storage::open(path, &mut world));
        Ok(Self {
            storage: storage.transpose()?,
            world,
            broken: None,
        })
    }

    pub(super) fn answer(&mut self, request: &Request) -> Response {
        if self.broken.is_none() {
            let response = self.edit(|world| world.handle(request));
            if self.broken.is_none() {
                return response;
            }
        }
        Response::server_error("the data file cannot be written")
    }

    /// Does something to the world, and writes down what it changed.
    pub(super) fn edit<T>(&mut self, edit: impl FnOnce(&mut World) -> T) -> T {
        let result = edit(&mut self.world);
        let changes = self.world.take_changes();
        if self.broken.is_none()
            && let Some(storage) = &mut self.storage
            && let Err(error) = storage.append(&changes)
        {
            tracing::error!(%error, "the simulator's data file cannot be written");
            self.broken = Some(error);
        }
        result
    }

    pub(super) fn close(&mut self) -> Result<(), StorageError> {
        self.storage = None;
        self.broken.take().map_or(Ok(()), Err)
    }
}

pub(super) type Shared = Arc<Mutex<Desk>>;

/// A panic elsewhere leaves the world usable: changes are made in one step.
pub(super) fn lock(desk: &Shared) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
