//! Asks the policies of `roomctl.yaml` about every room.

use rayon::prelude::*;

use super::exit::{Exit, Failure};
use super::workspace::Workspace;
use crate::files::room_files::Loaded;
use crate::model::policy::{Breach, Policy, Subject, compile};
use crate::model::{Finding, Place, Related, RoomName, RoomOrigins};
use crate::planner::WantedRoom;

/// Adds what the policies find to what is wrong with the files.
pub(crate) fn ask(workspace: &Workspace, loaded: &mut Loaded) -> Result<(), Failure> {
    let policies = compile(workspace.policies()).map_err(|error| {
        Failure::because(Exit::Invalid, &error).hint("policies are in roomctl.yaml")
    })?;
    if policies.is_empty() {
        return Ok(());
    }
    let rooms: Vec<(&RoomName, &WantedRoom)> = loaded.wanted.iter().collect();
    let nowhere = RoomOrigins::new();
    let mut found: Vec<Finding> = rooms
        .par_iter()
        .flat_map_iter(|(room, wanted)| {
            let origins = loaded.origins.get(*room).unwrap_or(&nowhere);
            findings(&policies, room, wanted, origins, workspace.now)
        })
        .collect();
    loaded.findings.append(&mut found);
    loaded.findings.sort();
    Ok(())
}

fn findings(
    policies: &[Policy],
    room: &RoomName,
    wanted: &WantedRoom,
    origins: &RoomOrigins,
    now: i64,
) -> Vec<Finding> {
    let subject = Subject {
        room,
        file: &wanted.file,
        settings: &wanted.settings,
    };
    let breaches = policies
        .iter()
        .filter_map(|policy| policy.check(subject, now));
    breaches
        .map(|breach| finding(breach, room, wanted, origins))
        .collect()
}

/// The line of the room's first own key.
fn first_line(origins: &RoomOrigins) -> Place {
    let own = origins.values().filter(|origin| origin.file().is_none());
    own.map(|origin| origin.line)
        .min()
        .map_or(Place::WHOLE_FILE, |line| Place {
            line,
            column: 1,
            width: 0,
        })
}

/// Points at the first key that the policy looks at, and at the others beside it; at the room's first key when it
/// has none of them.
fn finding(breach: Breach, room: &RoomName, wanted: &WantedRoom, origins: &RoomOrigins) -> Finding {
    let mut places = breach.attributes.iter().filter_map(|name| {
        let origin = origins.get(name)?;
        let place = Place {
            line: origin.line,
            column: 1,
            width: u32::try_from(name.len()).unwrap_or_default(),
        };
        let file = origin.file().unwrap_or(&wanted.file);
        Some((*name, file.to_owned(), place))
    });
    let (file, place) = places.next().map_or_else(
        || (wanted.file.clone(), first_line(origins)),
        |(_, file, place)| (file, place),
    );
    let related = places.map(|(name, file, place)| Related {
        file,
        place,
        label: format!("`{name}` is set here"),
    });
    Finding {
        related: related.collect(),
        file,
        place,
        rule: "policy",
        severity: breach.severity,
        message: breach.message,
        help: Some(breach.help),
        room: Some(room.to_string()),
    }
}
