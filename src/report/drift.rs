//! The report of a drift check.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StateId, UndeclaredReport, UndeclaredRoom, shown_or_null};
use crate::model::reference::Outline;
use crate::model::{Run, Shown, Stored, sum};
use crate::planner::drift::{AttributeDrift, Checked, RoomDrift};
use crate::planner::mutes::{Idle, Mute};
use crate::planner::seen::Seen;
use crate::planner::{Cause, Drift, LeftOut, State, Verdict};

/// Who moved what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl drift report")]
pub(crate) struct DriftReport {
    /// The app whose rooms these are.
    pub app: String,
    /// The state that the service was held against.
    pub state: StateId,
    /// How many rooms of each verdict.
    pub summary: Summary,
    /// How many rooms were not considered, and why; absent when there are none.
    #[serde(default, skip_serializing_if = "LeftOut::is_none")]
    pub left_out: LeftOut,
    /// The percentage of managed attributes that `--require-visible` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_visible: Option<u64>,
    /// All rooms, by name.
    pub rooms: Vec<RoomReport>,
    /// Mutes that mute nothing.
    pub idle_mutes: Vec<IdleMute>,
    /// What could not be found out about the account as a whole; null when there is nothing.
    pub warning: Option<String>,
    /// What a run made that died before its report; absent when there is none. The next `apply` reports it, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<UndeclaredRoom>,
    /// The run that looked; absent when nobody says which.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
}

/// How many rooms of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    /// As applied and as wanted.
    pub in_sync: u64,
    /// The service moved.
    pub drifted: u64,
    /// Applied, and no longer there.
    pub missing: u64,
    /// The service and the file both moved, to different values.
    pub conflict: u64,
    /// The file is ahead of what was applied.
    pub pending: u64,
    /// On the service, and in neither file nor state.
    pub unmanaged: u64,
    /// Could not be read.
    pub unreadable: u64,
    /// The service moved, and a mute accepts it.
    pub muted: u64,
    /// How many managed attributes there are, and how many of them could be checked.
    #[serde(default)]
    pub attributes: Checked,
}

impl Summary {
    /// Every verdict with its name and its count, in a fixed order.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 8] {
        let Self {
            in_sync,
            drifted,
            missing,
            conflict,
            pending,
            unmanaged,
            unreadable,
            muted,
            attributes: _,
        } = *self;
        [
            ("in_sync", in_sync),
            ("drifted", drifted),
            ("missing", missing),
            ("conflict", conflict),
            ("pending", pending),
            ("unmanaged", unmanaged),
            ("unreadable", unreadable),
            ("muted", muted),
        ]
    }

    fn new(drift: &Drift) -> Self {
        let of = |verdict| drift.rooms.iter().filter(|r| r.verdict == verdict).count() as u64;
        Self {
            in_sync: of(Verdict::InSync),
            drifted: of(Verdict::Drifted),
            missing: of(Verdict::Missing),
            conflict: of(Verdict::Conflict),
            pending: of(Verdict::Pending),
            unmanaged: of(Verdict::Unmanaged),
            unreadable: of(Verdict::Unreadable),
            muted: of(Verdict::Muted),
            attributes: drift.rooms.iter().map(|room| room.checked).sum(),
        }
    }

    /// Rooms that somebody has to look at.
    pub(crate) fn differences(&self) -> u64 {
        sum([self.drifted, self.missing, self.conflict])
    }
}

/// One room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RoomReport {
    /// Its name.
    pub room: String,
    /// How it stands.
    pub verdict: Verdict,
    /// The file that wants it; null when there is none.
    pub file: Option<String>,
    /// The attributes that are not as applied and wanted, by name.
    pub attributes: Vec<AttributeReport>,
    /// Attributes that nobody declared and that moved since they were last seen, by name.
    pub undeclared: Vec<UndeclaredReport>,
    /// What else there is to say.
    pub message: Option<String>,
    /// When a write of it was last confirmed, in Unix seconds; null when that is not known.
    pub asserted: Option<i64>,
    /// The run that wrote it then; absent when that is not known, and of rooms in which nothing moved.
    #[serde(default, skip_serializing_if = "Run::is_unknown")]
    pub run: Run,
    /// When all that moved was last seen as it was applied, in Unix seconds; absent when nothing moved, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub seen: Option<i64>,
    /// Managed attributes that the service shows neither now nor when the room was last recorded.
    #[serde(default)]
    pub unseen: Vec<String>,
}

/// One attribute that is not as applied and wanted. `****` for a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AttributeReport {
    /// Wire name.
    pub name: String,
    /// The applied value; null: not managed so far.
    pub applied: Shown,
    /// The wanted value; null: not managed from now on.
    pub wanted: Shown,
    /// What the service reports; null: it does not.
    pub live: Shown,
    /// Who moved.
    pub cause: Cause,
    /// Whether its values are never shown.
    pub sensitive: bool,
    /// What may be seen of the wanted value; only of a secret that a file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Outline>,
    /// Whether an active mute accepts it.
    pub muted: bool,
}

/// A mute that mutes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IdleMute {
    /// Its pattern of rooms.
    pub room: String,
    /// Its attribute.
    pub attribute: String,
    /// Its end.
    pub until: String,
    /// `expired` or `unused`.
    pub problem: String,
}

impl DriftReport {
    /// The report of `drift`, judged against `state`, with when what moved was last `seen` as applied.
    pub(crate) fn new(
        drift: Drift,
        state: &State,
        (mutes, seen): (&[Mute], &Seen),
        warning: Option<String>,
        left_out: LeftOut,
        require_visible: Option<u64>,
    ) -> Self {
        let idle = drift.idle.iter().copied();
        let room = |drift| RoomReport::new(drift, state, seen);
        Self {
            app: state.app.clone(),
            state: StateId::new(&state.lineage, state.serial),
            summary: Summary::new(&drift),
            left_out,
            require_visible,
            rooms: drift.rooms.into_iter().map(room).collect(),
            idle_mutes: idle.map(|(at, idle)| idle_mute(&mutes[at], idle)).collect(),
            warning,
            undeclared: Vec::new(),
            run: Run::default(),
        }
    }

    /// Why fewer attributes could be checked than `--require-visible` asks for, if so.
    pub(crate) fn too_blind(&self) -> Option<String> {
        let required = self.require_visible?;
        let Checked { managed, visible } = self.summary.attributes;
        let few = format!("only {visible} of {managed} managed attributes");
        let text = || format!("{few} could be checked, less than {required}%");
        self.summary.attributes.is_below(required).then(text)
    }
}

fn idle_mute(mute: &Mute, idle: Idle) -> IdleMute {
    let problem = match idle {
        Idle::Expired => "expired",
        Idle::Unused => "unused",
    };
    IdleMute {
        room: mute.room.as_str().to_owned(),
        attribute: mute.attribute.clone(),
        until: mute.until.clone(),
        problem: problem.to_owned(),
    }
}

impl RoomReport {
    /// With who set what moved, and when that was last seen as applied.
    fn new(drift: RoomDrift, state: &State, seen: &Seen) -> Self {
        use Verdict::{Conflict, Drifted, Missing, Muted};
        let has_moved = [Drifted, Missing, Conflict, Muted].contains(&drift.verdict);
        let applied = state.rooms.get(&*drift.room).filter(|_| has_moved);
        let seen = seen.last_of(&drift, state);
        let RoomDrift {
            room,
            verdict,
            file,
            attributes,
            undeclared,
            message,
            checked: _,
            asserted,
            unseen,
            is_there: _,
            is_only_claimed: _,
        } = drift;
        Self {
            room,
            verdict,
            file,
            attributes: attributes.iter().map(AttributeReport::from).collect(),
            undeclared: undeclared.iter().map(UndeclaredReport::from).collect(),
            message,
            asserted,
            run: applied
                .map(|applied| applied.run.clone())
                .unwrap_or_default(),
            seen,
            unseen,
        }
    }
}

impl From<&AttributeDrift> for AttributeReport {
    fn from(drift: &AttributeDrift) -> Self {
        let all = [&drift.applied, &drift.wanted, &drift.live];
        Self {
            name: drift.name.clone(),
            applied: shown_or_null(&drift.applied),
            wanted: shown_or_null(&drift.wanted),
            live: shown_or_null(&drift.live),
            cause: drift.cause,
            secret: drift.outline.clone(),
            sensitive: all.into_iter().flatten().any(Stored::is_secret),
            muted: drift.muted,
        }
    }
}
