//! The questions about the service that nobody has an answer to, asked on one room that is made for it and archived in the end.
//! No other room is written to: what cannot be shown to be that room is left as it is, and said.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::debug;

use super::asked::{Said, Sent, Step, Transcript};
use crate::disk::budget;
use crate::model::{RoomName, Secret};
use crate::planner::Gone;
use crate::service::api::{Answer, Request, Transport, TransportError};
use crate::service::end::End;
use crate::service::requests::{Reader, Tally};
use crate::service::stop::StopReason;
use crate::service::writer::Writer;

/// A transport that keeps its last answer as it came.
pub(crate) struct Listening<T> {
    transport: T,
    last: Last,
}

/// The last answer, for whoever asked.
pub(crate) type Last = Arc<Mutex<Option<Answer>>>;

impl<T: Transport> Listening<T> {
    pub(crate) fn new(transport: T) -> (Self, Last) {
        let last = Last::default();
        let listening = Self {
            transport,
            last: last.clone(),
        };
        (listening, last)
    }
}

impl<T: Transport> Transport for Listening<T> {
    async fn send(&self, request: &Request<'_>) -> Result<Answer, TransportError> {
        let answer = self.transport.send(request).await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = answer.as_ref().ok().cloned();
        answer
    }

    fn host(&self) -> &str {
        self.transport.host()
    }

    fn key(&self) -> &Secret {
        self.transport.key()
    }
}

/// Three ways to the same service, so that one that was stopped does not keep the room from being archived.
pub(crate) struct Ways<T> {
    pub asks: Way<T>,
    pub cleans_up: Way<T>,
    /// With a key that is none.
    pub without_key: Way<T>,
}

pub(crate) struct Way<T> {
    pub service: Arc<Reader<Listening<T>>>,
    pub last: Last,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the room `{0}` exists")]
    Exists(String),
    #[error(
        "the name `{0}` is taken, though the service shows no room of that name: an archived one may have it ({1})"
    )]
    Taken(String, String),
    #[error("the service did not say whether the room is there: {0}")]
    Unread(String),
    #[error("the room was not made: {0}")]
    NotMade(String),
}

/// What came of it.
pub(crate) struct Probed {
    /// Why it ended before all was asked, if it did.
    pub stopped: Option<StopReason>,
    /// Whether the room was made, and shown to be that room.
    pub was_made: bool,
    pub said: Transcript,
    /// What was made and may still be there, and what to do about it.
    pub left: Vec<String>,
}

/// A room, while it is there.
struct Made {
    name: RoomName,
    id: Option<String>,
    /// Whether it shows that it is that one: then it has to later, too.
    is_proved: bool,
}

struct Probe<'a, T> {
    ways: &'a Ways<T>,
    room: &'a RoomName,
    sent: &'a Sent,
    said: Transcript,
    left: Vec<String>,
}

/// Asks everything. `other` is a name that nobody has.
pub(crate) async fn probe<T: Transport>(
    ways: &Ways<T>,
    (room, other): (&RoomName, &RoomName),
    sent: &Sent,
) -> Result<Probed, Refused> {
    let mut probe = Probe {
        ways,
        room,
        sent,
        said: Transcript::new(),
        left: Vec::new(),
    };
    let made = probe.make().await?;
    let was_made = made.is_some();
    if let Some(made) = made {
        probe.question(&made).await;
        if let Some(End::Archived) = probe.archive(&made, Some(Step::Archive)).await {
            probe.afterwards(&made.name).await;
        }
        probe.another(other).await;
        probe.without_key().await;
    }
    Ok(Probed {
        stopped: ways.asks.service.stop.reason(),
        was_made,
        said: probe.said,
        left: probe.left,
    })
}

impl<T: Transport> Probe<'_, T> {
    /// Sends one request, and keeps what was answered.
    async fn ask(&mut self, step: Step, request: Request<'_>) -> End {
        self.by(&self.ways.asks, step, request).await
    }

    async fn by(&mut self, way: &Way<T>, step: Step, request: Request<'_>) -> End {
        let (end, said) = answered(way, request).await;
        debug!(?step, status = said.status, "asked");
        self.said.insert(step, said);
        end
    }

    /// Makes the room. `None`: whether it is there, or whose it is, cannot be said; nothing more is done with it.
    async fn make(&mut self) -> Result<Option<Made>, Refused> {
        let (name, sent) = (self.room.as_str().to_owned(), self.sent);
        match self.ask(Step::ReadBefore, Request::Get(self.room)).await {
            End::Missing(Gone::Missing) => {}
            End::Missing(Gone::Archived) => {
                let why = "it is shown as archived".to_owned();
                return Err(Refused::Taken(name, why));
            }
            End::Room(_) | End::Named(_) => return Err(Refused::Exists(name)),
            other => return Err(Refused::Unread(why(&self.ways.asks, other))),
        }
        // Of a service that folds names, it may be there under another one.
        let folded = RoomName::try_from(self.room.folded()).ok();
        if let Some(folded) = folded.filter(|folded| folded != self.room) {
            match answered(&self.ways.asks, Request::Get(&folded)).await.0 {
                End::Missing(Gone::Missing) => {}
                End::Missing(Gone::Archived) | End::Room(_) | End::Named(_) => {
                    return Err(Refused::Exists(folded.as_str().to_owned()));
                }
                other => return Err(Refused::Unread(why(&self.ways.asks, other))),
            }
        }
        let request = Request::Post(self.room, &sent.all());
        let mut end = self.ask(Step::Create, request).await;
        if self.said.get(&Step::Create).and_then(Said::is_refused) == Some(true) {
            let request = Request::Post(self.room, &sent.bare());
            end = self.ask(Step::CreateBare, request).await;
        }
        let (is_sure, id) = match end {
            End::Room(live) if self.sent.made(None, &live) == Some(false) => {
                let why = "it was answered with a room that is another one".to_owned();
                return Err(Refused::Taken(name, why));
            }
            End::Room(live) => (true, live.id),
            End::NotShown(_) => (true, None),
            // Under a name that nobody had either.
            End::Named(_) => (false, self.answered_id()),
            End::Unknown(_) | End::ReadFirst(_) | End::Stopped => (false, None),
            // By a try of ours that was refused only in words.
            End::Exists(message) => match answered(&self.ways.cleans_up, Request::Get(self.room))
                .await
                .0
            {
                End::Room(live) if self.sent.made(None, &live) == Some(true) => (true, live.id),
                _ => return Err(Refused::Taken(name, message)),
            },
            _ if self.may_have_made(Step::Create) || self.may_have_made(Step::CreateBare) => {
                (false, None)
            }
            other => return Err(Refused::NotMade(why(&self.ways.asks, other))),
        };
        Ok(self.find(is_sure, id).await)
    }

    /// The id in the answer to the POST that was sent last.
    fn answered_id(&self) -> Option<String> {
        let said = self
            .said
            .get(&Step::CreateBare)
            .or(self.said.get(&Step::Create))?;
        Some(said.json.as_ref()?.get("_id")?.as_str()?.to_owned())
    }

    /// The room that a POST made, if it is that one that is there.
    async fn find(&mut self, is_sure: bool, id: Option<String>) -> Option<Made> {
        let mut name = self.room.clone();
        let request = Request::Get(&name);
        let mut end = self.by(&self.ways.cleans_up, Step::ReadNew, request).await;
        let lower = RoomName::try_from(name.folded()).ok()?;
        // Kept in lower case, whether or not it is looked up in any.
        let is_folded = lower != name && matches!(end, End::Missing(_) | End::Named(_));
        if is_folded {
            name = lower;
            let request = Request::Get(&name);
            end = self
                .by(&self.ways.cleans_up, Step::ReadLower, request)
                .await;
        }
        let live = match end {
            End::Room(live) => live,
            _ => {
                self.leave(
                    &name,
                    "whether it was made is not known; it may still appear",
                );
                return None;
            }
        };
        let proof = self.sent.made(id.as_deref(), &live);
        // Right after it was missing under this very name, a write said that it made it.
        let is_believed = proof.is_none() && is_sure && !is_folded;
        if proof != Some(true) && !is_believed {
            self.leave(
                &name,
                "whether it is the one that was to be made is not known",
            );
            return None;
        }
        Some(Made {
            name,
            id: live.id,
            is_proved: proof == Some(true),
        })
    }

    fn leave(&mut self, name: &RoomName, why: &str) {
        let name = name.quoted();
        self.left.push(format!("room {name}: {why}"));
    }

    /// Everything that the room is needed for.
    async fn question(&mut self, made: &Made) {
        let name = &made.name;
        for step in Step::ALL
            .iter()
            .copied()
            .skip_while(|step| *step != Step::PutOne)
        {
            let settings = self.sent.put(step);
            let other_case = match name.as_str() == name.folded() {
                true => name.as_str().to_uppercase(),
                false => name.folded(),
            };
            let request = match step {
                Step::Archive => return,
                Step::List => Request::List,
                Step::ReadOtherCase => match &RoomName::try_from(other_case) {
                    Ok(other) if other != name => {
                        self.ask(step, Request::Get(other)).await;
                        continue;
                    }
                    _ => continue,
                },
                Step::ReadPut | Step::ReadStrangeKey | Step::ReadComposition => Request::Get(name),
                _ => Request::Put(name, &settings),
            };
            if self.ask(step, request).await == End::Stopped {
                return;
            }
        }
    }

    /// Archives a room that was made here, if it is still that one that is there. Returns how that ended, if it was asked for.
    async fn archive(&mut self, made: &Made, step: Option<Step>) -> Option<End> {
        let way = &self.ways.cleans_up;
        let mut last = None;
        for _ in 0..3 {
            match answered(way, Request::Get(&made.name)).await.0 {
                End::Missing(_) if last.is_some() => return Some(End::Archived),
                End::Missing(_) => {
                    self.leave(
                        &made.name,
                        "it is not shown any more, and was not archived by this",
                    );
                    return last;
                }
                End::Room(live) => match self.sent.made(made.id.as_deref(), &live) {
                    Some(true) => {}
                    None if !made.is_proved => {}
                    _ => {
                        self.leave(&made.name, "another one is there by now");
                        return last;
                    }
                },
                _ => break,
            }
            let (end, said) = answered(way, Request::Delete(&made.name)).await;
            self.said.extend(step.map(|step| (step, said)));
            if end == End::Archived {
                return Some(end);
            }
            last = Some(end);
        }
        self.leave(
            &made.name,
            "it was made for this, and could not be archived",
        );
        last
    }

    /// What can be asked once the room is archived.
    async fn afterwards(&mut self, room: &RoomName) {
        let settings = self.sent.bare();
        if let End::Room(_) = self.ask(Step::ReadArchived, Request::Get(room)).await {
            self.said.remove(&Step::ReadArchived);
            return self.leave(room, "it is still shown after it was archived");
        }
        self.ask(Step::ListArchived, Request::List).await;
        self.ask(Step::ArchiveAgain, Request::Delete(room)).await;
        let request = Request::Post(room, &settings);
        let end = self.ask(Step::CreateAgain, request).await;
        if self.may_have_made(Step::CreateAgain) {
            self.remove(room, end, false).await;
        }
    }

    /// Asks whether a PUT makes a room, on a name that nobody has.
    async fn another(&mut self, other: &RoomName) {
        let settings = self.sent.bare();
        let request = Request::Put(other, &settings);
        let mut end = self.ask(Step::PutMissing, request).await;
        if !self.may_have_made(Step::PutMissing) {
            return;
        }
        if !matches!(end, End::Room(_)) {
            let request = Request::Get(other);
            end = self
                .by(&self.ways.cleans_up, Step::ReadMissing, request)
                .await;
        }
        self.remove(other, end, true).await;
    }

    /// Whether a room may be there that a write was not to make.
    fn may_have_made(&self, step: Step) -> bool {
        let said = self.said.get(&step);
        said.is_some_and(|said| match &said.end {
            End::Exists(_) | End::Missing(_) | End::Refused(_) | End::Stopped => {
                said.perhaps_written
            }
            _ => true,
        })
    }

    /// Archives what a write may have made.
    async fn remove(&mut self, name: &RoomName, mut end: End, is_nobodys: bool) {
        // A success is about what this write made; of anything else, what is there has to show it.
        let is_sure = is_nobodys || matches!(end, End::Room(_) | End::NotShown(_));
        if !matches!(end, End::Room(_)) {
            end = answered(&self.ways.cleans_up, Request::Get(name)).await.0;
        }
        match end {
            End::Missing(_) if is_sure => {}
            End::Room(live) if self.sent.made(None, &live).unwrap_or(is_sure) => {
                let is_proved = live.id.is_some() || self.sent.made(None, &live).is_some();
                let (name, id) = (name.clone(), live.id);
                let made = Made {
                    name,
                    id,
                    is_proved,
                };
                self.archive(&made, None).await;
            }
            End::Room(_) => self.leave(name, "another one may be there by now"),
            _ => self.leave(
                name,
                "whether it was made is not known; it may still appear",
            ),
        }
    }

    async fn without_key(&mut self) {
        let (ways, room) = (self.ways, self.room);
        if ways.asks.service.stop.reason().is_some() {
            return;
        }
        self.by(&ways.without_key, Step::WrongKey, Request::Get(room))
            .await;
    }
}

fn why<T: Transport>(way: &Way<T>, end: End) -> String {
    match way.service.stop.reason() {
        Some(reason) if end == End::Stopped => reason.sentence(),
        _ => end.message(),
    }
}

async fn answered<T: Transport>(way: &Way<T>, request: Request<'_>) -> (End, Said) {
    let writer = Writer::new(&way.service);
    let mut tally = Tally::new(way.service.seed);
    *way.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let end = match request {
        Request::Get(room) => writer.get(room, &mut tally).await,
        Request::Put(room, settings) => writer.put(room, settings, &mut tally).await,
        Request::Post(room, settings) => writer.post(room, settings, &mut tally, &mut 0).await,
        Request::Delete(room) => writer.delete(room, &mut tally, &mut 0).await,
        Request::List => writer.list().await.map_or_else(End::Unknown, End::Rooms),
    };
    let last = way
        .last
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let said = Said {
        end: end.clone(),
        status: last.as_ref().map(|answer| answer.status),
        perhaps_written: tally.perhaps_written,
        is_empty: last.as_ref().is_some_and(|answer| answer.body.is_empty()),
        json: last
            .filter(|answer| budget::fits(&answer.body, budget::OF_LIST))
            .and_then(|answer| serde_json::from_slice(&answer.body).ok()),
    };
    (end, said)
}
