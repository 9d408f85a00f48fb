//! What the answers of the service say about the questions. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::asked::{STRANGE_KEY, Said, Sent, Step, Transcript};
use crate::model::catalogue::{Kind, attributes, kind};
use crate::model::{LiveRoom, RoomName, Scalar, Value};
use crate::service::end::End;

/// What the documented answer has beside attributes.
const RESPONSE_ONLY: [&str; 6] = ["_id", "app", "created", "__v", "lang", "archived"];

/// What the documented sample of an answer shows of the attributes.
const SAMPLE: [&str; 12] = [
    "roomName",
    "privacy",
    "ejectAtRoomExp",
    "autoJoin",
    "enableRequestToJoin",
    "enableChat",
    "enableScreenSharing",
    "joinVideoOn",
    "joinAudioOn",
    "enableRecording",
    "ownerOnlyBroadcast",
    "deleteOnExp",
];

/// What the service does not show, and what it shows otherwise than it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub shown: BTreeSet<&'static str>,
    pub hidden: BTreeSet<&'static str>,
    pub overridden: BTreeSet<&'static str>,
}

/// What was heard about one room.
pub(crate) struct Heard<'a> {
    pub room: &'a RoomName,
    pub sent: &'a Sent,
    pub said: &'a Transcript,
}

impl Heard<'_> {
    /// The answer to a question of [`QUESTIONS`]. `None`: the answers do not say.
    pub(crate) fn answer(&self, question: &str) -> Option<String> {
        let word = |word: &str| Some(word.to_owned());
        let switch = |on: bool| word(if on { "on" } else { "off" });
        match question {
            "answer" => word(self.written()?),
            "archive-again" => self.status(Step::ArchiveAgain),
            "archived-name" => match &self.said(Step::CreateAgain)?.end {
                End::Exists(_) => word("reserved"),
                _ if self.said(Step::CreateAgain)?.is_refused() == Some(false) => word("reusable"),
                _ => None,
            },
            "archived-room" => self.status(Step::ReadArchived),
            "auth" => match self.said(Step::WrongKey)?.end {
                End::Missing(_) => None,
                _ => self
                    .status(Step::WrongKey)
                    .filter(|status| ["400", "401", "403"].contains(&&**status)),
            },
            "auto-composition" => {
                let was_off =
                    reads(self.made()?.live()?, "enableComposition") == Some(false.into());
                let now = self.said(Step::ReadComposition)?.live()?;
                let is_taken = self.said(Step::PutComposition)?.is_refused() == Some(false);
                let is_on = reads(now, "enableComposition") == Some(true.into());
                (was_off && is_taken).then(|| switch(is_on))?
            }
            "create" => match self.said(Step::Create)?.is_refused()? {
                true => word("refused"),
                false => word("accepted"),
            },
            "echo" => self.echo(),
            "extra-fields" => {
                let fields = self.made()?.room()?;
                let is_known =
                    |name: &String| kind(name).is_some() || RESPONSE_ONLY.contains(&name.as_str());
                switch(!fields.keys().all(is_known))
            }
            "flags" => self.form(&Kind::Flag, |json| match json {
                Json::Bool(_) => Some("bool"),
                Json::String(_) => Some("string"),
                _ => None,
            }),
            "list-archived" => {
                let before = self.said(Step::List)?.lists(self.room)?;
                let after = self.said(Step::ListArchived)?.lists(self.room)?;
                before.then(|| switch(after))?
            }
            "list-limit" => {
                let list = self.said(Step::List)?;
                let is_cut = !list.lists(self.room)?;
                is_cut
                    .then(|| list.listed())?
                    .map(|rooms| rooms.to_string())
            }
            "lowercase-names" => word(self.names()?),
            "missing" => self.status(Step::ReadBefore),
            "numbers" => self.form(&Kind::Moment, |json| match json {
                Json::Number(number) if number.is_f64() => Some("float"),
                Json::Number(_) => Some("int"),
                Json::String(_) => Some("string"),
                _ => None,
            }),
            "privacy" => match self.refuses(Step::PutWithoutPrivacy)? {
                true => word("required"),
                false => word("lax"),
            },
            "put" => word(self.put()?),
            "unknown-keys" => self.strange_key(),
            "upsert" => self.upsert(),
            "webhook" => self.taken(Step::PutWebhook),
            "zero" => self.taken(Step::PutZero),
            _ => None,
        }
    }

    fn said(&self, step: Step) -> Option<&Said> {
        self.said.get(&step)
    }

    /// What a read showed of the new room, under whatever name it is kept.
    fn made(&self) -> Option<&Said> {
        let mut reads = [Step::ReadNew, Step::ReadLower].into_iter();
        reads.find_map(|step| self.said(step).filter(|said| said.live().is_some()))
    }

    fn room(&self, step: Step) -> Option<&Map<String, Json>> {
        self.said(step)?.room()
    }

    fn status(&self, step: Step) -> Option<String> {
        let said = self.said(step)?;
        let is_trouble = matches!(said.end, End::Unknown(_) | End::Stopped | End::ReadFirst(_));
        let is_answer = |status: &u16| !is_trouble && *status != 429 && *status < 500;
        said.status
            .filter(is_answer)
            .map(|status| status.to_string())
    }

    /// Whether a PUT was refused for what was special in it: the usual one was taken.
    fn refuses(&self, step: Step) -> Option<bool> {
        let is_usual_taken = self.said(Step::PutOne)?.is_refused() == Some(false);
        self.said(step)?.is_refused().filter(|_| is_usual_taken)
    }

    fn taken(&self, step: Step) -> Option<String> {
        let is_refused = self.refuses(step)?;
        Some(if is_refused { "refuse" } else { "accept" }.to_owned())
    }

    /// What a write answers.
    fn written(&self) -> Option<&'static str> {
        let said = self.said(Step::PutOne)?;
        if let Some(live) = said.live() {
            // Of a value that was so before, or did not become what was sent, nobody can tell.
            let (before, after) = (self.made()?.live()?, self.said(Step::ReadPut)?.live()?);
            let chats = [before, after].map(|live| reads(live, "enableChat"));
            if chats != [Some(false.into()), Some(true.into())] {
                return None;
            }
            return match reads(live, "enableChat")? {
                Scalar::Bool(true) => Some("after"),
                Scalar::Bool(false) => Some("before"),
                _ => None,
            };
        }
        match (&said.end, said.status?) {
            (End::NotShown(_), 204) => Some("204"),
            (End::NotShown(_), 200) if said.is_empty => Some("empty"),
            (End::NotShown(_), 200) => Some("success"),
            _ => None,
        }
    }

    fn is_beyond(&self, step: Step) -> Option<bool> {
        self.room(step).map(is_beyond)
    }

    fn echo(&self) -> Option<String> {
        let is_read = is_beyond(self.made()?.room()?);
        let word = match (is_read, self.is_beyond(Step::PutOne)?) {
            (_, true) => "full",
            (false, _) => "sample",
            // They were there before the write and after it.
            _ if self.is_beyond(Step::ReadPut)? => "writes",
            _ => return None,
        };
        Some(word.to_owned())
    }

    /// How values of a kind are shown.
    fn form(&self, of: &Kind, form: impl Fn(&Json) -> Option<&'static str>) -> Option<String> {
        let room = self.made()?.room()?;
        let all = attributes().iter().filter(|one| one.kind == *of);
        let mut forms = all.filter_map(|one| form(room.get(one.name)?));
        forms.next().map(str::to_owned)
    }

    /// How names are kept, as far as the name of the room can tell.
    fn names(&self) -> Option<&'static str> {
        let is_lower = self.room.as_str() == self.room.folded();
        let other = self.said(Step::ReadOtherCase);
        let shown = |step| self.said(step).map(|said| &said.end);
        let as_named = (shown(Step::ReadNew), shown(Step::ReadLower));
        if let (Some(End::Missing(_)), Some(End::Room(_))) = as_named {
            return Some("exact");
        }
        match (as_named, other.map(|said| &said.end)) {
            ((Some(End::Named(_)), Some(End::Room(_))), _) => Some("on"),
            // One of lower case alone does not tell whether another would be kept.
            ((Some(End::Room(_)), _), Some(End::Missing(_))) if !is_lower => Some("off"),
            _ => None,
        }
    }

    /// Whether a PUT forgot anything that had its way before.
    fn put(&self) -> Option<&'static str> {
        let before = self.made()?.live()?;
        let after = self.said(Step::ReadPut)?.live()?;
        if self.said(Step::PutOne)?.is_refused() != Some(false) {
            return None;
        }
        let (all, named) = (self.sent.all(), self.sent.put(Step::PutOne));
        let others = all
            .iter()
            .filter(|(name, _)| !named.contains_key(name.as_str()));
        let was_so = others.filter_map(|(name, value)| {
            let Value::Plain(sent) = value else {
                return None;
            };
            (reads(before, name)? == *sent).then_some((name.as_str(), sent))
        });
        let (stayed, gone): (Vec<_>, Vec<_>) =
            was_so.partition(|(name, sent)| reads(after, name).as_ref() == Some(*sent));
        match (stayed.len(), gone.len()) {
            (0, 0) => None,
            (_, 0) => Some("merge"),
            // One alone may follow from what was written, as attributes do that belong together.
            (_, 1) => None,
            _ => Some("replace"),
        }
    }

    fn strange_key(&self) -> Option<String> {
        let is_refused = self.refuses(Step::PutStrangeKey)?;
        let shown = self.room(Step::ReadStrangeKey);
        let word = match is_refused {
            true => "refuse",
            false if shown?.contains_key(STRANGE_KEY) => "store",
            // One that shows the documented fields alone would not show it either.
            false if is_beyond(self.made()?.room()?) => "ignore",
            false => return None,
        };
        Some(word.to_owned())
    }

    fn upsert(&self) -> Option<String> {
        let end = |step| self.said(step).map(|said| &said.end);
        let word = match end(Step::ReadMissing).or(end(Step::PutMissing))? {
            End::Room(_) | End::Named(_) => "on",
            End::Missing(_) => "off",
            _ => return None,
        };
        Some(word.to_owned())
    }

    /// What is shown of what was sent with the room.
    pub(crate) fn shown(&self) -> Shown {
        let mut all = Shown::default();
        let created = self.said(Step::Create).map(|said| said.end.clone());
        let Some(live) = self.made().and_then(Said::live) else {
            return all;
        };
        let sent = match created {
            Some(End::Refused(_)) => self.sent.bare(),
            _ => self.sent.all(),
        };
        let attributes = attributes().iter();
        for one in attributes.filter(|one| sent.contains_key(one.name)) {
            let shown = live.settings.get(one.name);
            match (shown, sent.get(one.name)) {
                (None, _) => all.hidden.insert(one.name),
                (Some(_), Some(Value::Plain(sent)))
                    if reads(live, one.name).as_ref() != Some(sent) =>
                {
                    all.overridden.insert(one.name)
                }
                _ => all.shown.insert(one.name),
            };
        }
        all
    }
}

/// Whether a room is shown with an attribute that the documented sample does not have.
fn is_beyond(room: &Map<String, Json>) -> bool {
    let mut names = room.keys().filter(|name| kind(name).is_some());
    names.any(|name| !SAMPLE.contains(&name.as_str()))
}

/// What a room shows of a plain attribute.
fn reads(live: &LiveRoom, name: &str) -> Option<Scalar> {
    live.settings.get(name)?.read(kind(name)?)
}
