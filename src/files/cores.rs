//! The same work on many files, on several cores.

use std::iter;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// How many files a thread takes at once: a few are done sooner than a thread is started.
const BLOCK: usize = 16;

/// What `work` makes of each of `items`, in their order, on so many threads, this one among them. Who is done early
/// takes over from the others: they may have to share a core.
pub(crate) fn on_cores<T: Sync, R: Send>(
    cores: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let blocks: Vec<&[T]> = items.chunks(BLOCK).collect();
    let next = AtomicUsize::new(0);
    let on_one = || {
        let mine = iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, blocks.get(at)?.iter().map(&work).collect::<Vec<R>>()))
        });
        mine.collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let others = cores.min(blocks.len()).saturating_sub(1);
        let running: Vec<_> = (0..others).map(|_| scope.spawn(on_one)).collect();
        let mut done = on_one();
        let joined = running.into_iter().map(ScopedJoinHandle::join);
        done.extend(joined.flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic))));
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    // Without more memory than that: new pages take time.
    let mut all = Vec::with_capacity(items.len());
    all.extend(done.into_iter().flat_map(|(_, done)| done));
    all
}

pub(crate) fn all_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_several_cores_keeps_the_order() {
        for count in [0, 1, 15, 16, 17, 100, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| 2 * item).collect();
            for cores in [1, 2, 5] {
                assert_eq!(on_cores(cores, &items, |item| 2 * item), doubled);
            }
        }
        let broken = || on_cores(2, &[1, 0], |item| 1 / item);
        assert!(std::panic::catch_unwind(broken).is_err());
    }
}
