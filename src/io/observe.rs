//! Looks at rooms: one GET each, paced, side by side, retried. What cannot be read is told as such.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::api::{Request, Transport};
use super::exchange::{End, Service, Tally};
use crate::model::RoomName;
use crate::planner::{Sighting, World};

/// Reads each of `names`, up to `parallelism` at once. `on_room` is called as they come in.
pub async fn observe<T: Transport>(
    service: &Arc<Service<T>>,
    names: Vec<RoomName>,
    parallelism: usize,
    mut on_room: impl FnMut(),
) -> World {
    let names = Arc::new(names);
    let next = Arc::new(AtomicUsize::new(0));
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.clamp(1, names.len().max(1)) {
        let (service, names, next) = (service.clone(), names.clone(), next.clone());
        let report = report.clone();
        workers.spawn(async move {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sighting = look(&service, name).await;
                // The receiver lives until all workers have ended.
                let _ = report.send((name.clone(), sighting));
            }
        });
    }
    drop(report);
    let mut world: World = BTreeMap::new();
    while let Some((name, sighting)) = reports.recv().await {
        world.insert(name, sighting);
        on_room();
    }
    workers.join_all().await;
    world
}

/// Reads one room.
pub async fn look<T: Transport>(service: &Service<T>, name: &RoomName) -> Sighting {
    let mut tally = Tally::new(service.seed);
    match service
        .exchange(&Request::Get(name), &mut tally, &mut 0)
        .await
    {
        End::Room(live) => Sighting::Present(live),
        End::Missing(gone) => Sighting::Absent(gone),
        End::Stopped => {
            let reason = service.stop.reason().map(|reason| reason.sentence());
            Sighting::Unreadable(reason.unwrap_or_default())
        }
        other => Sighting::Unreadable(other.told()),
    }
}

/// The names of all rooms that the service lists. Whether a room that is not listed exists is another question.
///
/// # Errors
/// What the service said instead, when there is no list.
pub async fn list<T: Transport>(service: &Service<T>) -> Result<Vec<String>, String> {
    let mut tally = Tally::new(service.seed);
    match service.exchange(&Request::List, &mut tally, &mut 0).await {
        End::Rooms(rooms) => Ok(rooms),
        other => Err(other.told()),
    }
}

/// Whether a list of so many rooms looks like a page of a longer one. Paging is undocumented, and no public
/// client does it; but a server that cuts, cuts at a round number.
pub fn looks_cut(rooms: usize) -> bool {
    [10, 20, 25, 50].contains(&rooms) || (rooms > 0 && rooms.is_multiple_of(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_look_cut() {
        for rooms in [10, 20, 25, 50, 100, 200, 1000] {
            assert!(looks_cut(rooms), "{rooms}");
        }
        for rooms in [0, 1, 9, 11, 99, 101, 150] {
            assert!(!looks_cut(rooms), "{rooms}");
        }
    }
}
