//! `state history`, and one of the versions that it lists.

use super::args::PlainFormat;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::workspace::Workspace;
use crate::model::address::ObjectAddress;
use crate::report::state::{KeptVersion, StateHistoryReport};
use crate::report::text;
use crate::store::error::StoreError;
use crate::store::port::{Contents, Version};
use crate::store::state_file;

/// Lists what the store keeps of the state as it is and as it was.
pub(crate) fn history(
    workspace: &Workspace,
    limit: usize,
    format: PlainFormat,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let object = object(workspace)?;
    let runtime = workspace.runtime()?;
    let versions = runtime.block_on(workspace.store.versions())?;
    let how = format!("`{}` keeps those of from then on", object.keep_versions());
    if versions.is_empty() {
        let there = runtime.block_on(workspace.store.contents())?;
        let message = match there.state {
            Some(_) => format!("of {object} no versions are kept, only the state as it is"),
            None => "there is no state yet".to_owned(),
        };
        return Err(Failure::new(Exit::State, message).hint(how));
    }
    let looked = versions.iter().take(limit).map(|it| look(workspace, it));
    let report = StateHistoryReport {
        kept: versions.len() as u64,
        versions: looked.collect::<Result<_, _>>()?,
    };
    output.plain(
        &report,
        format,
        &text::state_history(&report, workspace.now),
    )?;
    if let [_] = *versions {
        output.note(&format!(
            "note: either the state was saved once, or no versions of it are kept: {how}\n"
        ));
    }
    Ok(Exit::Done)
}

/// What is in a version. One that cannot be read does not keep the others from being listed.
fn look(workspace: &Workspace, version: &Version) -> Result<KeptVersion, Failure> {
    let bytes = workspace
        .runtime()?
        .block_on(workspace.store.version(&version.id));
    let state = match bytes {
        Err(error @ StoreError::Encrypted { .. }) => Err(error.to_string()),
        Ok(None) => Err("it is no longer there".to_owned()),
        Ok(Some(bytes)) => state_file::parse(&bytes, "of then").map_err(|error| error.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(KeptVersion {
        version: version.id.clone(),
        saved: version.saved.to_string(),
        serial: state.as_ref().map(|state| state.serial).ok(),
        rooms: state.as_ref().map(|state| state.rooms.len() as u64).ok(),
        unreadable: state.err(),
    })
}

/// The bytes of a version, in clear.
pub(crate) fn version(workspace: &Workspace, id: &str) -> Result<Vec<u8>, Failure> {
    object(workspace)?;
    let there = workspace.runtime()?.block_on(workspace.store.version(id))?;
    let bytes = there.ok_or_else(|| {
        let message = format!("there is no version `{}` of the state", id.escape_debug());
        Failure::new(Exit::State, message).hint("`roomctl state history` lists those that are kept")
    })?;
    let contents = Contents {
        state: Some(bytes),
        journal: None,
    };
    // What cannot be read is of no use elsewhere either.
    workspace.state_of(&contents)?;
    Ok(contents.state.unwrap_or_default())
}

fn object(workspace: &Workspace) -> Result<ObjectAddress, Failure> {
    workspace.object().ok_or_else(|| {
        let message = "the state is in a file, of which roomctl keeps no versions";
        Failure::new(Exit::Usage, message).hint(
            "git has those of a branch: `git log origin/roomctl-state -- state.json` lists them, and `git show COMMIT:state.json` prints one",
        )
    })
}
