//! What may write to the service: made of a reader, by `run` alone.

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{RoomName, Settings};
use crate::service::api::{Request, Transport};
use crate::service::end::End;
use crate::service::requests::{Reader, Tally};

/// A reader that may write, too.
pub struct Writer<T>(Arc<Reader<T>>);

#[expect(
    private_bounds,
    reason = "public only so that a doc test can show what a reader lacks"
)]
impl<T: Transport> Writer<T> {
    pub(crate) fn new(reader: &Arc<Reader<T>>) -> Self {
        Self(reader.clone())
    }

    /// Writes the full wanted set to a room that exists.
    pub async fn put(&self, room: &RoomName, settings: &Settings, tally: &mut Tally) -> End {
        let request = Request::Put(room, settings);
        self.exchange(&request, tally, &mut 0).await
    }

    /// Creates a room with the full wanted set. `tries` counts across calls, since the room is read in between.
    pub async fn post(
        &self,
        room: &RoomName,
        settings: &Settings,
        tally: &mut Tally,
        tries: &mut u32,
    ) -> End {
        let request = Request::Post(room, settings);
        self.exchange(&request, tally, tries).await
    }

    /// Archives a room. `tries` counts across calls, since the room is read in between.
    pub async fn delete(&self, room: &RoomName, tally: &mut Tally, tries: &mut u32) -> End {
        self.exchange(&Request::Delete(room), tally, tries).await
    }
}

impl<T> Deref for Writer<T> {
    type Target = Reader<T>;

    fn deref(&self) -> &Reader<T> {
        &self.0
    }
}
