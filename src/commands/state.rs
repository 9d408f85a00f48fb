//! `state`: looks at what is remembered, and corrects it. The service is never contacted.

use super::approval::approve;
use super::cli::{Format, Global, StateCommand};
use super::exit::{Exit, Failure};
use super::holder::this_process;
use super::output::Output;
use super::settings::Settings;
use crate::io::store::Found;
use crate::model::RoomName;
use crate::planner::State;
use crate::planner::state::RenameError;
use crate::report::state::StateReport;
use crate::report::{self, text};

/// Runs the command.
///
/// # Errors
/// When the state cannot be used, a room is not in it, or a change is not approved.
pub fn run(global: &Global, command: &StateCommand, output: &mut Output) -> Result<Exit, Failure> {
    let settings = Settings::new(global)?;
    match command {
        StateCommand::List { report } => {
            let state = settings.load_state()?.state;
            tell(
                &StateReport::new(&state, None),
                report.format,
                text::state_list,
                output,
            )
        }
        StateCommand::Show { room, report } => {
            let state = settings.load_state()?.state;
            let room = find(&state, room)?;
            tell(
                &StateReport::new(&state, Some(&room)),
                report.format,
                text::state_show,
                output,
            )
        }
        StateCommand::Mv { old, new } => change(&settings, |state| {
            let old = find(state, old)?;
            let new = RoomName::try_from(new.clone())
                .map_err(|error| Failure::because(Exit::Usage, &error).hint(error.help()))?;
            state.rename(&old, &new).map_err(|error| match error {
                RenameError::Taken => {
                    let message = format!("`{new}` is in the state already");
                    Failure::new(Exit::Refused, message).hint("forget it first, if that is meant")
                }
            })?;
            output.result(&format!(
                "`{old}` is now remembered as `{new}`. The service was not contacted: it has no rename, so \
                 this is right only if the room was renamed there.\n"
            ));
            Ok(())
        }),
        StateCommand::Forget { names, yes } => change(&settings, |state| {
            let rooms = names
                .iter()
                .map(|name| find(state, name))
                .collect::<Result<Vec<_>, _>>()?;
            let names: Vec<String> = rooms.iter().map(|room| format!("`{room}`")).collect();
            approve(
                *yes,
                &format!("Forget {}, and leave them alone", names.join(", ")),
            )?;
            for room in &rooms {
                state.forget(room);
                output.result(&format!(
                    "`{room}` is forgotten and left as it is on the service. If a file still names it, the next \
                     plan adds it again.\n"
                ));
            }
            Ok(())
        }),
    }
}

fn tell(
    report: &StateReport,
    format: Format,
    render: fn(&StateReport) -> String,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match format {
        Format::Text => output.result(&render(report)),
        Format::Json => output.result(&report::json(report)?),
    }
    Ok(Exit::Done)
}

/// Changes the state under its lock. What an unfinished run left is taken in with the same save.
fn change(
    settings: &Settings,
    edit: impl FnOnce(&mut State) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let store = settings.store();
    let _lock = store.lock(&this_process())?;
    let Found { mut state, .. } = settings.load_state()?;
    edit(&mut state)?;
    store.save(&mut state)?;
    Ok(Exit::Done)
}

/// The room of that name.
fn find(state: &State, name: &str) -> Result<RoomName, Failure> {
    if let Some((room, _)) = state.rooms.get_key_value(name) {
        return Ok(room.clone());
    }
    let failure = Failure::new(
        Exit::Usage,
        format!("`{}` is not in the state", name.escape_debug()),
    );
    let nearest = state
        .rooms
        .keys()
        .map(|room| (strsim::jaro_winkler(name, room.as_str()), room))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match nearest {
        Some((_, room)) => failure.hint(format!("did you mean `{room}`?")),
        None => failure.hint("`roomctl state list` names them all"),
    })
}
