//! What `probe` found out about the service, if it was asked: for words on stderr, and for nothing that is safe or not.

use std::collections::BTreeSet;
use std::path::Path;

use super::output::Output;
use super::workspace::Workspace;
use crate::disk::plain_file::read_own;
use crate::report::envelope::read;
use crate::report::service::ServiceReport;

/// What the file is called where nobody says.
pub(crate) const SERVICE: &str = "service.json";

/// Most that is read of it.
pub(crate) const MOST: u64 = 256 * 1024;

/// Says what is known of the service of `app` about these attributes, and about a run that sends so many changes of rooms.
pub(crate) fn say_what_is_known<'a>(
    workspace: &Workspace,
    app: &str,
    names: impl IntoIterator<Item = &'a str>,
    (has_zero, changes): (bool, u64),
    output: &Output,
) {
    let Ok(path) = workspace.configuration.place(Path::new(SERVICE)) else {
        return;
    };
    if path.symlink_metadata().is_err() {
        return;
    }
    let Ok(host) = workspace.host(app) else {
        return;
    };
    let bytes = read_own(&path, MOST).map_err(|error| error.to_string());
    let service = bytes.and_then(|bytes| read(&bytes).map_err(|error| error.to_string()));
    let service: ServiceReport = match service {
        Ok(service) => service,
        Err(why) => return output.note(&format!("note: {} says nothing: {why}\n", path.display())),
    };
    if service.is_of(app, &host) {
        let names: BTreeSet<&str> = names.into_iter().collect();
        for note in service.notes(&names, has_zero, changes) {
            output.note(&format!("note: {note}\n"));
        }
    }
}
