//! `probe`: asks the service what nobody knows about it, on one room that is made for that and archived again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::shared::args::{Global, NetworkArgs, OUTPUT, PlainFormat};
use super::shared::exit::{Exit, Failure};
use super::shared::interrupt;
use super::shared::known_service::{MOST, SERVICE};
use super::shared::output::Output;
use super::shared::report_file;
use super::shared::rooms::load_any;
use super::shared::selection::SelectionArgs;
use super::shared::session::{Session, seed};
use super::shared::workspace::clock;
use crate::model::name::NameError;
use crate::model::words::{joined, printable};
use crate::model::{NameRule, RoomName, Secret};
use crate::report::envelope::{json, read};
use crate::report::service::{AnswerReport, AttributesReport, EvidenceReport, ServiceReport};
use crate::report::text;
use crate::run::asked::{QUESTIONS, Said, Sent, Step};
use crate::run::heard::Heard;
use crate::run::probe::{Listening, Probed, Refused, Way, Ways, probe};
use crate::service::deadline::Deadline;
use crate::service::http::Http;
use crate::service::leaks::SecretFilter;
use crate::service::pace::Pacer;
use crate::service::requests::Reader;
use crate::service::stop::StopReason;

/// A service that keeps everybody waiting is not asked on and on.
const LONGEST: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
#[command(after_help = "\
Makes a room of that name, which must not exist, sends it some twenty requests, archives it, and writes what the service answered
to `service.json`: each open question with its answer, and status and field names as evidence. No value of yours is in there.
`plan`, `drift` and `import` word by it what the service does not show; nothing that is safe or not depends on it.
Exits with 4 where the room exists, with 5 where something may be left on the service, with 2 where --check finds another answer.

Examples:
  roomctl probe --room probe-2026 --dry-run      what would be sent
  roomctl probe --room probe-2026
  roomctl probe --room probe-2027 --check        whether the service answers as it did
  roomctl simulate --like service.json           a simulator that answers so")]
pub(crate) struct ProbeArgs {
    /// Name of the room to make, which must not exist; with an upper-case letter in it, the case of names is asked, too
    #[arg(long, value_name = "NAME", value_parser = room_name)]
    pub room: RoomName,
    /// Only list the requests
    #[arg(long)]
    pub dry_run: bool,
    /// Only compare with what the file says
    #[arg(long, conflicts_with = "dry_run")]
    pub check: bool,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The file [default: service.json beside the configuration]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = PlainFormat::Text, help_heading = OUTPUT)]
    pub format: PlainFormat,
}

fn room_name(text: &str) -> Result<RoomName, NameError> {
    RoomName::parse(text, NameRule::UrlSafe)
}

pub(crate) fn run(global: &Global, args: &ProbeArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.dry_run {
        output.page(&text::requests(Step::ALL.iter().map(|step| step.words())));
        return Ok(Exit::Done);
    }
    let session = Session::begin(global, &args.network, &SelectionArgs::default(), None)?;
    let workspace = &session.workspace;
    let usual = workspace.configuration.place(Path::new(SERVICE))?;
    let file = args.out.clone().unwrap_or(usual);
    let before = before(&file, args.check)?;
    report_file::check_outputs(workspace, [], [("--out", &Some(file.clone()))])?;
    let state = workspace.load_state()?.state;
    let host = workspace.host(&state.app)?;
    let is_other = |before: &&ServiceReport| !before.is_of(&state.app, &host);
    if let Some(other) = before.as_ref().filter(is_other) {
        let (file, app) = (file.display(), other.app.escape_debug());
        let at = other.host.as_deref().unwrap_or("some host");
        let message = format!(
            "{file} is about the app `{app}` at {}, and not about `{}` at {host}",
            at.escape_debug(),
            state.app
        );
        return Err(Failure::new(Exit::Refused, message).hint("name another file with --out"));
    }
    let is_same = |name: &RoomName| name.folded() == args.room.folded();
    let files = load_any(workspace).wanted;
    if state.rooms.keys().chain(files.keys()).any(is_same) {
        let message = format!("the room {} is managed", args.room.quoted());
        let hint = "name one that does not exist: its name may not be free again";
        return Err(Failure::new(Exit::Refused, message).hint(hint));
    }
    // Also for whoever ends this in between, where nothing can be said any more.
    output.note(&format!(
        "the room {} is made, asked about and archived; it expires within two hours\n",
        args.room.quoted()
    ));
    let sent = Sent::new(clock(), seed());
    let (probed, filter) = ask(&session, &state.app, args, &sent)?;
    let left = probed.left.clone();
    if let Some(reason) = &probed.stopped {
        tell(&left, output);
        let exit = match reason {
            StopReason::Interrupted => return Ok(Exit::Interrupted),
            _ if left.is_empty() => Exit::Service,
            _ => Exit::Partial,
        };
        return Err(Failure::new(
            exit,
            format!("not all was asked: {}", reason.sentence()),
        ));
    }
    if !probed.was_made {
        tell(&left, output);
        let message =
            "the service does not show the room that was to be made, so nothing was asked";
        let exit = if left.is_empty() {
            Exit::Service
        } else {
            Exit::Partial
        };
        return Err(Failure::new(exit, message));
    }
    let report = report(
        (&state.app, host),
        workspace.now,
        (&args.room, &sent),
        probed,
        &filter,
    )?;
    output.plain(&report, args.format, &text::service(&report))?;
    tell(&left, output);
    let before = before.filter(|_| args.check);
    let compared = before.as_ref().map(|before| {
        let differences = before.differences(&report);
        (differences, before.unanswered(&report))
    });
    match &compared {
        Some((differences, unanswered)) => said_otherwise(differences, unanswered, output),
        None => {
            report_file::write(&file, "answers", &json(&report)?)?;
            output.note(&format!("written to {}\n", file.display()));
        }
    }
    Ok(match compared {
        _ if !left.is_empty() => Exit::Partial,
        Some((differences, _)) if !differences.is_empty() => Exit::Differences,
        _ => Exit::Done,
    })
}

/// What the file says so far. One that is something else is not replaced.
fn before(file: &Path, is_needed: bool) -> Result<Option<ServiceReport>, Failure> {
    if file.as_os_str() == "-" {
        let message = "--out - would be standard output, which has the result already";
        return Err(Failure::new(Exit::Usage, message).hint("name a file, or use --format json"));
    }
    if !is_needed && file.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = report_file::read_most(file, "answers", MOST)?;
    let read = read(&bytes)
        .map_err(|error| report_file::unread(&error).hint("name another file with --out"))?;
    Ok(Some(read))
}

fn said_otherwise(differences: &[String], unanswered: &[&str], output: &Output) {
    if differences.is_empty() {
        output.note("the service answers as it did\n");
    }
    if let Some(questions) = joined(unanswered.iter().map(|one| printable(one)), ", ") {
        output.note(&format!("not answered this time: {questions}\n"));
    }
    for line in differences {
        output.note(&format!("changed: {line}\n"));
    }
}

fn tell(left: &[String], output: &Output) {
    for one in left {
        output.note(&format!(
            "left on the service: {one}; look at it in the dashboard; it expires within two hours\n"
        ));
    }
}

fn ask(
    session: &Session,
    app: &str,
    args: &ProbeArgs,
    sent: &Sent,
) -> Result<(Probed, SecretFilter), Failure> {
    let (base_url, key, sandbox) = session.reach(app)?;
    let filter = SecretFilter::new(&key);
    let pacer = Arc::new(session.pacer());
    let way = |key, time| way(session, &base_url, key, (&pacer, time));
    let time = Some(Deadline::new(Instant::now(), LONGEST));
    let ways = Ways {
        asks: way(key.clone(), time)?,
        cleans_up: way(key, None)?,
        without_key: way(Secret::new(Uuid::new_v4().to_string()), time)?,
    };
    let other = nobody(&args.room, Uuid::new_v4())?;
    let asking = probe(&ways, (&args.room, &other), sent);
    let runtime = session.workspace.runtime()?;
    let asked = runtime.block_on(interrupt::heeded(&ways.asks.service.stop, asking));
    if let Some(running) = sandbox {
        runtime.block_on(running.close())?;
    }
    let probed = asked.map_err(|refused| {
        let (exit, hint) = match refused {
            Refused::Exists(_) | Refused::Taken(..) => (
                Exit::Refused,
                "nothing was written; name a room that does not exist",
            ),
            Refused::Unread(_) | Refused::NotMade(_) => (Exit::Service, "nothing was written"),
        };
        let is_interrupted = ways.asks.service.stop.reason() == Some(StopReason::Interrupted);
        let exit = if is_interrupted {
            Exit::Interrupted
        } else {
            exit
        };
        Failure::because(exit, &refused).hint(hint)
    })?;
    Ok((probed, filter))
}

/// A name that nobody has. However long the other one is, what makes it so is in it.
fn nobody(room: &RoomName, chance: Uuid) -> Result<RoomName, Failure> {
    let begins: String = room.folded().chars().take(100).collect();
    let name = format!("{begins}-{}", chance.simple());
    RoomName::try_from(name).map_err(|error| Failure::because(Exit::Unexpected, &error))
}

fn way(
    session: &Session,
    base_url: &str,
    key: Secret,
    (pacer, time): (&Arc<Pacer>, Option<Deadline>),
) -> Result<Way<Http>, Failure> {
    let (listening, last) = Listening::new(session.http(base_url, key)?);
    let mut service = Reader::new(listening, pacer.clone(), seed());
    service.deadline = time;
    let service = Arc::new(service);
    Ok(Way { service, last })
}

fn report(
    (app, host): (&str, String),
    now: i64,
    (room, sent): (&RoomName, &Sent),
    probed: Probed,
    filter: &SecretFilter,
) -> Result<ServiceReport, Failure> {
    let heard = Heard {
        room,
        sent,
        said: &probed.said,
    };
    let answers = QUESTIONS.iter().map(|(name, question, steps)| {
        let said = steps
            .iter()
            .filter_map(|step| Some((step, probed.said.get(step)?)));
        let answer = AnswerReport {
            question: (*question).to_owned(),
            answer: heard.answer(name),
            evidence: said
                .map(|(step, said)| evidence(*step, said, filter))
                .collect(),
        };
        ((*name).to_owned(), answer)
    });
    let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
    let shown = heard.shown();
    let asked =
        Timestamp::from_second(now).map_err(|error| Failure::because(Exit::Unexpected, &error))?;
    Ok(ServiceReport {
        app: app.to_owned(),
        host: Some(host),
        asked: asked.to_string(),
        roomctl: env!("CARGO_PKG_VERSION").to_owned(),
        answers: answers.collect(),
        attributes: AttributesReport {
            shown: owned(shown.shown),
            hidden: owned(shown.hidden),
            overridden: owned(shown.overridden),
        },
        left: probed.left,
    })
}

/// Names that look like names: nothing else of an answer is kept.
fn evidence(step: Step, said: &Said, filter: &SecretFilter) -> EvidenceReport {
    const LONGEST: usize = 40;
    const MOST: usize = 64;
    let is_name = |name: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.len() <= LONGEST && name.bytes().all(is_plain) && !filter.gives_away(name)
    };
    let (request, about) = step.words();
    EvidenceReport {
        request: match about {
            "" => request.to_owned(),
            about => format!("{request}, {about}"),
        },
        status: said.status,
        fields: said
            .fields()
            .into_iter()
            .filter(is_name)
            .take(MOST)
            .map(str::to_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A PUT to it may make a room, and must not move one.
        #[test]
        fn a_name_of_nobody_is_so_whatever_the_other_one_is(room in "[a-zA-Z0-9._~-]{1,255}", chance in any::<u128>()) {
            let Ok(room) = room_name(&room) else { return Ok(()) };
            let chance = Uuid::from_u128(chance);
            let name = nobody(&room, chance).map_err(|_| TestCaseError::fail("no name"))?;
            prop_assert!(name.as_str().ends_with(&format!("-{}", chance.simple())), "{}", name.as_str());
        }
    }
}
