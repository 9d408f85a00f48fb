//! Looks at rooms: one GET each, paced, side by side, retried. What cannot be read is reported as such.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, debug_span};

use crate::model::RoomName;
use crate::model::words::count;
use crate::planner::{Sighting, World};
use crate::service::api::Transport;
use crate::service::end::End;
use crate::service::requests::{Reader, Tally};

/// Most rooms that were seen and that nobody has taken yet: then reading waits.
const WAITING: usize = 1024;

/// Rooms that are being read. Reading ends with it.
pub(crate) struct Sightings<F> {
    seen: mpsc::Receiver<(RoomName, Sighting)>,
    workers: JoinSet<()>,
    on_room: F,
}

/// Begins to read each of `names`, up to `parallelism` at once. `on_room` is called as they are taken.
pub(crate) fn observe<T: Transport, F: FnMut()>(
    service: &Arc<Reader<T>>,
    names: Vec<RoomName>,
    parallelism: usize,
    on_room: F,
) -> Sightings<F> {
    let names: Arc<Vec<RoomName>> = Arc::new(spread(names));
    let next = Arc::new(AtomicUsize::new(0));
    let (report, seen) = mpsc::channel(WAITING);
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.clamp(1, names.len().max(1)) {
        let (service, names, next) = (service.clone(), names.clone(), next.clone());
        let report = report.clone();
        let reading = async move {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sighting = read_room(&service, name).await;
                // The receiver lives until all workers have ended, or ends them.
                let _ = report.send((name.clone(), sighting)).await;
            }
        };
        workers.spawn(reading.instrument(debug_span!("worker")));
    }
    Sightings {
        seen,
        workers,
        on_room,
    }
}

impl<F: FnMut()> Sightings<F> {
    /// Hands each room on as it comes in.
    pub(crate) async fn each(mut self, mut take: impl FnMut(RoomName, Sighting)) {
        while let Some((name, sighting)) = self.seen.recv().await {
            take(name, sighting);
            (self.on_room)();
        }
        self.workers.join_all().await;
    }

    /// All of them.
    pub(crate) async fn world(self) -> World {
        let mut world = World::new();
        let take = |name, sighting| drop(world.insert(name, sighting));
        self.each(take).await;
        world
    }
}

/// `all` in an order in which neighbours are far apart. Rooms that the service cannot digest are often
/// neighbours by name; one after the other they would look like a service that is down.
fn spread<T>(all: Vec<T>) -> Vec<T> {
    let count = all.len();
    let step = stride(count);
    let mut all: Vec<Option<T>> = all.into_iter().map(Some).collect();
    (0..count)
        .filter_map(|turn| all[turn * step % count].take())
        .collect()
}

/// About the golden section of `count`, without a divisor in common: its multiples visit every place once.
fn stride(count: usize) -> usize {
    let golden = count * 618 / 1000;
    let divides =
        |step: usize| (2..=step).any(|d| step.is_multiple_of(d) && count.is_multiple_of(d));
    (golden.max(1)..).find(|step| !divides(*step)).unwrap_or(1)
}

async fn read_room<T: Transport>(service: &Reader<T>, name: &RoomName) -> Sighting {
    let mut tally = Tally::new(service.seed);
    match service.get(name, &mut tally).await {
        End::Room(live) => Sighting::Present(live),
        End::Missing(gone) => Sighting::Absent(gone),
        other => Sighting::Unreadable(service.why_unread(other)),
    }
}

/// What to say about a list of rooms that lacks some that have to be in it, as `why` says, or that looks like a page of a longer
/// one: then there is a `consequence`.
pub(crate) fn doubt_about<'a>(
    listed: &BTreeSet<String>,
    (known, why): (impl Iterator<Item = &'a RoomName>, &str),
    consequence: &str,
) -> Option<String> {
    let lacking: BTreeSet<&RoomName> = known
        .filter(|name| !listed.contains(name.as_str()))
        .collect();
    if let Some(first) = lacking.first() {
        let rooms = count(lacking.len() as u64, "room");
        return Some(format!(
            "the list of the service lacks {rooms} {why}, the first `{first}`: {consequence}"
        ));
    }
    let rooms = listed.len();
    looks_cut(rooms).then(|| {
        format!("the service listed exactly {rooms} rooms; if it cuts its list, {consequence}")
    })
}

/// Paging is undocumented, and no public client does it; but a server that cuts, cuts at a round number.
fn looks_cut(rooms: usize) -> bool {
    [10, 20, 25, 50].contains(&rooms) || (rooms > 0 && rooms.is_multiple_of(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_room_is_visited_once_and_neighbours_apart() {
        for count in (0..200).chain([1000, 1024, 9240, 10_000]) {
            let order: Vec<usize> = spread((0..count).collect());
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            let close = order
                .windows(2)
                .filter(|two| two[0].abs_diff(two[1]) <= count / 10);
            assert!(count < 10 || close.count() == 0, "{count}");
        }
    }

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
