//! The audit file: a line for each room that requests were sent for, before the run says so itself. Lines are only ever added.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::store::this_process;
use super::workspace::Workspace;
use crate::disk::plain_file::open_own;
use crate::disk::whole_file::create_parent;
use crate::planner::{Change, Plan, Receipt, State};
use crate::report::audit::{AuditLine, AuditedRun};

pub(crate) struct Audit<'a> {
    file: File,
    path: PathBuf,
    run: AuditedRun,
    changes: Vec<&'a Change>,
}

impl<'a> Audit<'a> {
    /// Opens the file, or makes it, before anything is sent.
    pub(crate) fn open(
        path: &Path,
        workspace: &Workspace,
        (plan, state): (&'a Plan, &State),
    ) -> Result<Self, Failure> {
        let process = this_process();
        let opened = open(path).map_err(|error| {
            let message = format!("cannot open the audit file {}: {error}", path.display());
            Failure::new(Exit::Usage, message).hint("nothing was sent")
        });
        Ok(Self {
            file: opened?,
            path: path.to_owned(),
            run: AuditedRun {
                who: process.holder,
                host: process.host,
                app: plan.app.clone(),
                lineage: state.lineage.clone(),
                serial: state.serial,
                run: workspace.run.clone(),
            },
            changes: plan.actionable().collect(),
        })
    }

    /// Adds the line of a receipt, of the change at this place of the plan. Why it could not, in words.
    pub(crate) fn add(&mut self, index: usize, receipt: &Receipt) -> Result<(), String> {
        let Some(change) = self.changes.get(index).filter(|_| receipt.attempts > 0) else {
            return Ok(());
        };
        let when = Timestamp::now().to_string();
        let line = AuditLine::new(&self.run, change, receipt, when);
        let written = serde_json::to_vec(&line).map_err(io::Error::from);
        let written = written.and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        written.map_err(|error| format!("the audit file {}: {error}", self.path.display()))
    }
}

/// Behind whole lines: whoever was killed may have left a part of one.
fn open(path: &Path) -> io::Result<File> {
    create_parent(path)?;
    let mut options = OpenOptions::new();
    let mut file = open_own(path, options.read(true).append(true).create(true))?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
