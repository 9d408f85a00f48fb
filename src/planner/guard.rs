//! Plans that archive too much at once refuse themselves.

use std::fmt;
use std::str::FromStr;

use super::plan::{Action, Plan};

/// Below so many managed rooms a share says nothing: one room of three is a third.
pub const FLOOR: u64 = 10;

/// Largest share of the managed rooms that may be archived at once, in percent.
pub const MAX_ARCHIVED: u64 = 10;

/// What the user allows instead: a number of rooms, or a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxChanges {
    /// So many rooms.
    Rooms(u64),
    /// So many percent of the managed rooms.
    Percent(u64),
}

impl FromStr for MaxChanges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number of rooms (`12`) nor a share (`40%`)");
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse().ok().filter(|share| *share <= 100);
                share.map(Self::Percent).ok_or_else(wrong)
            }
            None => text.parse().map(Self::Rooms).map_err(|_| wrong()),
        }
    }
}

/// Why a plan is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Rooms that would be archived.
    pub archived: u64,
    /// Rooms that are managed.
    pub managed: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { archived, managed } = self;
        write!(
            f,
            "{archived} of {managed} managed rooms would be archived, more than {MAX_ARCHIVED}%; \
             allow it with --max-changes {archived}"
        )
    }
}

/// Whether `plan` archives more than is allowed. `None`: it may be applied.
pub fn guard(plan: &Plan, allowed: Option<MaxChanges>) -> Option<Refusal> {
    let archived = plan
        .changes
        .iter()
        .filter(|c| c.action == Action::Archive)
        .count() as u64;
    let managed = plan.managed;
    let too_many = match allowed {
        Some(MaxChanges::Rooms(rooms)) => archived > rooms,
        Some(MaxChanges::Percent(share)) => archived * 100 > managed * share,
        None => managed >= FLOOR && archived * 100 > managed * MAX_ARCHIVED,
    };
    too_many.then_some(Refusal { archived, managed })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Remembered, RoomName};
    use crate::planner::{AppliedRoom, Options, Rate, State, plan};

    /// A plan that archives all of `rooms` rooms but `kept`.
    fn archiving(rooms: u64, kept: u64) -> Plan {
        let mut state = State::fresh("acme");
        for number in 0..rooms {
            let name = RoomName::try_from(format!("r{number}")).unwrap();
            let applied = AppliedRoom {
                settings: [("privacy".to_owned(), Remembered::Bool(true))].into(),
                ..AppliedRoom::default()
            };
            state.rooms.insert(name, applied);
        }
        let options = Options {
            rate: Rate::default(),
            burst: 1,
            now: 0,
            prune: true,
        };
        let mut plan = plan(&BTreeMap::new(), &state, &options);
        plan.changes.drain(..usize::try_from(kept).unwrap());
        plan
    }

    #[test]
    fn a_tenth_of_ten_or_more_rooms_may_go() {
        assert_eq!(guard(&archiving(10, 9), None), None);
        assert!(guard(&archiving(10, 8), None).is_some());
        assert_eq!(guard(&archiving(9, 0), None), None, "below the floor");
        let refusal = guard(&archiving(20, 17), None).unwrap();
        assert_eq!(
            refusal.to_string(),
            "3 of 20 managed rooms would be archived, more than 10%; allow it with --max-changes 3"
        );
    }

    #[test]
    fn the_user_may_allow_more_or_less() {
        let allow = |text: &str| Some(text.parse::<MaxChanges>().unwrap());
        assert_eq!(guard(&archiving(20, 17), allow("3")), None);
        assert!(guard(&archiving(20, 17), allow("2")).is_some());
        assert_eq!(guard(&archiving(20, 17), allow("15%")), None);
        assert!(guard(&archiving(5, 4), allow("0")).is_some());
        for bad in ["", "%", "101%", "-1", "x"] {
            assert!(bad.parse::<MaxChanges>().is_err(), "{bad}");
        }
    }
}
