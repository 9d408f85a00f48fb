//! Who moved: one attribute, as the file wants it, as it was applied, and as the service reports it.

use super::plan::Cause;
use super::state::AppliedRoom;
use crate::model::{Live, LiveRoom, Stored, StoredSettings};

/// What is known of one attribute before the service is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    pub sent: &'a Stored,
    /// What the service answered to it, if that was something else.
    pub overridden: Option<&'a Stored>,
}

/// One attribute from three sides. `None` of `live`: the service does not report it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a> {
    /// What was applied; `None`: not managed so far.
    pub applied: Option<Known<'a>>,
    /// What the file wants; `None`: not managed from now on.
    pub wanted: Option<&'a Stored>,
    /// What the service reports.
    pub live: Option<&'a Live>,
}

/// Who moved; `None`: nobody. `is` tells whether a live value is a remembered one.
///
/// An override that still stands is nobody's move: the service chose it when the value was last sent.
pub(crate) fn cause(sides: Sides<'_>, is: impl Fn(&Live, &Stored) -> bool) -> Option<Cause> {
    let Sides {
        applied,
        wanted,
        live,
    } = sides;
    let Some(wanted) = wanted else {
        return applied.map(|_| Cause::Released);
    };
    let Some(known) = applied else {
        let same = live.is_some_and(|live| is(live, wanted));
        return Some(if same {
            Cause::Converged
        } else {
            Cause::Change
        });
    };
    let file_moved = wanted != known.sent;
    let Some(live) = live else {
        return Some(if file_moved {
            Cause::Change
        } else {
            Cause::Unobservable
        });
    };
    let as_answered = known.overridden.is_some_and(|chosen| is(live, chosen));
    let live_moved = !as_answered && !is(live, known.sent);
    match (file_moved, live_moved) {
        (false, false) => None,
        (false, true) => Some(Cause::Drift),
        (true, _) if is(live, wanted) => Some(Cause::Converged),
        (true, false) => Some(Cause::Change),
        (true, true) => Some(Cause::Conflict),
    }
}

/// The sides of the attribute `name` of one room.
///
/// A write that was never answered counts as applied exactly when the service shows its value; while it
/// cannot be seen, the attribute counts as never applied, so that it is written again.
pub(crate) fn sides<'a>(
    name: &str,
    wanted: &'a StoredSettings,
    applied: &'a AppliedRoom,
    live: &'a LiveRoom,
    is: impl Fn(&Live, &Stored) -> bool,
) -> Sides<'a> {
    let live = live.settings.get(name);
    let confirmed = applied.settings.get(name).map(|sent| Known {
        sent,
        overridden: applied.overridden.get(name),
    });
    let known = match (applied.unconfirmed.get(name), live) {
        (None, _) => confirmed,
        (Some(_), None) => None,
        (Some(sent), Some(live)) if is(live, sent) => Some(Known {
            sent,
            overridden: None,
        }),
        (Some(_), Some(_)) => confirmed,
    };
    Sides {
        applied: known,
        wanted: wanted.get(name),
        live,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is(live: &Live, kept: &Stored) -> bool {
        live.is(kept, "salt", "maxParticipants")
    }

    fn value(number: Option<i64>) -> Option<Stored> {
        number.map(Stored::Integer)
    }

    fn of(applied: Option<i64>, wanted: Option<i64>, live: Option<i64>) -> Option<Cause> {
        overridden(applied, None, wanted, live)
    }

    fn overridden(
        applied: Option<i64>,
        chosen: Option<i64>,
        wanted: Option<i64>,
        live: Option<i64>,
    ) -> Option<Cause> {
        let (applied, wanted, chosen) = (value(applied), value(wanted), value(chosen));
        let live = live.map(Live::Integer);
        let sides = Sides {
            applied: applied.as_ref().map(|sent| Known {
                sent,
                overridden: chosen.as_ref(),
            }),
            wanted: wanted.as_ref(),
            live: live.as_ref(),
        };
        cause(sides, is)
    }

    /// Every combination: applied absent or A, wanted absent, A or B, live absent, A, B or C.
    #[test]
    fn the_whole_table() {
        use Cause::{Change, Conflict, Converged, Drift, Released, Unobservable};
        const A: Option<i64> = Some(1);
        const B: Option<i64> = Some(2);
        const C: Option<i64> = Some(3);
        const O: Option<i64> = None;
        let table = [
            (O, O, O, None),
            (O, O, A, None),
            (O, O, B, None),
            (O, O, C, None),
            (O, A, O, Some(Change)),
            (O, A, A, Some(Converged)),
            (O, A, B, Some(Change)),
            (O, A, C, Some(Change)),
            (O, B, O, Some(Change)),
            (O, B, A, Some(Change)),
            (O, B, B, Some(Converged)),
            (O, B, C, Some(Change)),
            (A, O, O, Some(Released)),
            (A, O, A, Some(Released)),
            (A, O, B, Some(Released)),
            (A, O, C, Some(Released)),
            (A, A, O, Some(Unobservable)),
            (A, A, A, None),
            (A, A, B, Some(Drift)),
            (A, A, C, Some(Drift)),
            (A, B, O, Some(Change)),
            (A, B, A, Some(Change)),
            (A, B, B, Some(Converged)),
            (A, B, C, Some(Conflict)),
        ];
        for (applied, wanted, live, expected) in table {
            let told = of(applied, wanted, live);
            assert_eq!(told, expected, "{applied:?} {wanted:?} {live:?}");
        }
    }

    #[test]
    fn an_override_that_stands_is_nobodys_move() {
        use Cause::{Change, Conflict, Converged, Drift};
        let (sent, chosen) = (Some(1), Some(9));
        let cases = [
            (1, 9, None),
            (1, 1, None),
            (1, 5, Some(Drift)),
            (2, 9, Some(Change)),
            (2, 2, Some(Converged)),
            (2, 5, Some(Conflict)),
        ];
        for (wanted, live, expected) in cases {
            let told = overridden(sent, chosen, Some(wanted), Some(live));
            assert_eq!(told, expected, "{wanted} {live}");
        }
    }

    #[test]
    fn an_unanswered_write_is_settled_by_what_the_service_shows() {
        let room = |number: i64| -> StoredSettings {
            [("maxParticipants".to_owned(), Stored::Integer(number))].into()
        };
        let applied = AppliedRoom {
            settings: room(1),
            unconfirmed: room(2),
            ..AppliedRoom::default()
        };
        let told = |wanted: i64, live: Option<i64>| {
            let live = LiveRoom {
                id: None,
                settings: live
                    .map(|n| ("maxParticipants".to_owned(), Live::Integer(n)))
                    .into_iter()
                    .collect(),
            };
            let wanted = room(wanted);
            cause(sides("maxParticipants", &wanted, &applied, &live, is), is)
        };
        assert_eq!(told(2, Some(2)), None, "it arrived");
        assert_eq!(told(2, Some(1)), Some(Cause::Change), "it did not arrive");
        assert_eq!(
            told(1, Some(2)),
            Some(Cause::Change),
            "it arrived, and the file moved back"
        );
        assert_eq!(
            told(1, Some(1)),
            None,
            "it did not arrive, and the file moved back"
        );
        assert_eq!(
            told(2, Some(5)),
            Some(Cause::Conflict),
            "somebody else was faster"
        );
        assert_eq!(told(1, None), Some(Cause::Change), "nobody can tell");
    }

    proptest! {
        /// Names of values do not matter, only which are the same.
        #[test]
        fn only_sameness_counts(
            sides in (proptest::option::of(0_i64..3), proptest::option::of(0_i64..3), proptest::option::of(0_i64..3)),
            shift in 1_i64..1000,
        ) {
            let (a, w, l) = sides;
            let moved = |n: Option<i64>| n.map(|n| n * 7 + shift);
            prop_assert_eq!(of(a, w, l), of(moved(a), moved(w), moved(l)));
        }

        /// Recording what was wanted settles everything that the service shows as wanted.
        #[test]
        fn what_was_applied_and_is_shown_is_in_sync(wanted in 0_i64..5) {
            prop_assert_eq!(of(Some(wanted), Some(wanted), Some(wanted)), None);
        }

        /// A drift is told whatever the service moved to, as long as it moved.
        #[test]
        fn drift_is_a_move_of_the_service_alone(applied in 0_i64..5, live in 0_i64..5) {
            let told = of(Some(applied), Some(applied), Some(live));
            prop_assert_eq!(told == Some(Cause::Drift), applied != live);
        }
    }
}
