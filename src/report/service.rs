//! What `probe` learned about the service, and kept in `service.json`: for wording and coverage, never for what is safe.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::printable;
use crate::model::words::joined;

/// What one service answers to the open questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "roomctl service.json")]
pub(crate) struct ServiceReport {
    /// The app whose service was asked.
    pub app: String,
    /// The host that was asked, which is another one for a simulator. One that was asked by an earlier roomctl has none.
    #[serde(default)]
    pub host: Option<String>,
    /// When, RFC 3339.
    pub asked: String,
    /// The version of roomctl that asked.
    pub roomctl: String,
    /// The questions, by name.
    pub answers: BTreeMap<String, AnswerReport>,
    /// What the service shows of the attributes that a new room was sent with.
    pub attributes: AttributesReport,
    /// What was made and may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// What one question was answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AnswerReport {
    /// What was asked.
    pub question: String,
    /// The answer, in the words of the switches of `simulate`; null: the answers of the service do not say.
    pub answer: Option<String>,
    /// The requests that say so.
    pub evidence: Vec<EvidenceReport>,
}

/// A request, and what came back: no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EvidenceReport {
    /// Method, room, and what was sent.
    pub request: String,
    /// HTTP status; null: no answer came.
    pub status: Option<u16>,
    /// Names of the fields in the answer.
    pub fields: BTreeSet<String>,
}

/// Wire names of attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AttributesReport {
    /// Shown as they were sent, or secret.
    pub shown: BTreeSet<String>,
    /// Sent, and not shown.
    pub hidden: BTreeSet<String>,
    /// Shown with another value than was sent.
    pub overridden: BTreeSet<String>,
}

impl ServiceReport {
    /// What a question was answered with, if it was.
    pub(crate) fn answer(&self, question: &str) -> Option<&str> {
        self.answers.get(question)?.answer.as_deref()
    }

    /// Whether this is the service of `app` at `host`, as far as it says.
    pub(crate) fn is_of(&self, app: &str, host: &str) -> bool {
        self.app == app && self.host.as_deref().is_none_or(|asked| asked == host)
    }

    /// The questions that this one has an answer to, and a later one has not.
    pub(crate) fn unanswered<'a>(&'a self, later: &Self) -> Vec<&'a str> {
        let answered = self
            .answers
            .keys()
            .filter(|question| self.answer(question).is_some());
        let open = answered.filter(|question| later.answer(question).is_none());
        open.map(String::as_str).collect()
    }

    /// What is otherwise in a later one, as lines. What one of them does not know is no difference.
    pub(crate) fn differences(&self, later: &Self) -> Vec<String> {
        let answers = self.answers.keys().filter_map(|question| {
            let (before, now) = (self.answer(question)?, later.answer(question)?);
            (before != now).then(|| {
                let [question, before, now] = [question, before, now].map(printable);
                format!("{question}: {before} → {now}")
            })
        });
        let sides = [
            ("shown", &self.attributes.shown, &later.attributes.shown),
            (
                "not shown",
                &self.attributes.hidden,
                &later.attributes.hidden,
            ),
            (
                "overridden",
                &self.attributes.overridden,
                &later.attributes.overridden,
            ),
        ];
        let attributes = sides.into_iter().flat_map(|(what, before, now)| {
            now.difference(before)
                .map(move |name| format!("{}: now {what}", printable(name)))
        });
        answers.chain(attributes).collect()
    }

    /// The switches of the simulator that make it answer like this service.
    pub(crate) fn switches(&self) -> impl Iterator<Item = (&str, &str)> {
        let answers = self.answers.keys();
        let answers =
            answers.filter_map(|question| Some((question.as_str(), self.answer(question)?)));
        let is_all = self.answer("echo").is_none_or(|echo| echo != "sample");
        let hidden = self.attributes.hidden.iter().filter(move |_| is_all);
        answers.chain(hidden.map(|name| ("hide", name.as_str())))
    }

    /// What is to be said, by what the service was found to do, of a run that sends `changes` of rooms, and of these attributes.
    pub(crate) fn notes(
        &self,
        names: &BTreeSet<&str>,
        has_zero: bool,
        changes: u64,
    ) -> Vec<String> {
        let is_hidden = |name: &&&str| self.attributes.hidden.contains(**name);
        let hidden = names.iter().filter(is_hidden).map(|name| printable(name));
        let hidden = joined(hidden, ", ").map(|names| {
            format!("the service does not show {names}: what it holds there is not known")
        });
        let is = |question, answer| self.answer(question) == Some(answer);
        let said = [
            (
                changes > 0 && is("put", "replace"),
                "the service forgets what a write does not name: rooms that are written lose what no file says",
            ),
            (
                has_zero && is("zero", "refuse"),
                "the service refuses 0 as a limit",
            ),
            (
                has_zero && is("zero", "accept"),
                "the service takes 0 as a limit; what it means by it is not known",
            ),
        ];
        let said = said.into_iter().filter(|(is, _)| *is);
        let all = hidden
            .into_iter()
            .chain(said.map(|(_, note)| note.to_owned()));
        let day = self.asked.get(..10).unwrap_or("some day");
        all.map(|note| format!("{note} (service.json, asked on {})", printable(day)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(answers: &[(&str, &str)], hidden: &[&str]) -> ServiceReport {
        let answered = |(question, answer): &(&str, &str)| {
            let answer = Some((*answer).to_owned());
            let report = AnswerReport {
                answer,
                ..AnswerReport::default()
            };
            ((*question).to_owned(), report)
        };
        ServiceReport {
            asked: "2026-11-27T09:00:00Z".to_owned(),
            answers: answers.iter().map(answered).collect(),
            attributes: AttributesReport {
                hidden: hidden.iter().map(|name| (*name).to_owned()).collect(),
                ..AttributesReport::default()
            },
            ..ServiceReport::default()
        }
    }

    #[test]
    fn differences_are_of_what_both_know() {
        let before = service(&[("put", "merge"), ("zero", "accept")], &["recordRoom"]);
        let after = service(
            &[("put", "replace"), ("echo", "full")],
            &["recordRoom", "autoJoin"],
        );
        assert_eq!(
            before.differences(&after),
            ["put: merge → replace", "autoJoin: now not shown"]
        );
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn a_service_that_shows_the_documented_fields_hides_nothing_by_itself() {
        let some = service(&[("echo", "full"), ("put", "merge")], &["recordRoom"]);
        let some: Vec<_> = some.switches().collect();
        assert_eq!(
            some,
            [("echo", "full"), ("put", "merge"), ("hide", "recordRoom")]
        );
        let sample = service(&[("echo", "sample")], &["recordRoom"]);
        assert_eq!(sample.switches().collect::<Vec<_>>(), [("echo", "sample")]);
    }

    #[test]
    fn notes_are_about_what_a_run_does() {
        let service = service(&[("put", "replace"), ("zero", "refuse")], &["recordRoom"]);
        assert!(service.notes(&BTreeSet::new(), false, 0).is_empty());
        let notes = service.notes(&["autoJoin", "recordRoom"].into(), true, 1);
        assert_eq!(notes.len(), 3);
        assert!(
            notes[0].starts_with("the service does not show recordRoom: "),
            "{notes:?}"
        );
        assert!(
            notes
                .iter()
                .all(|note| note.ends_with("(service.json, asked on 2026-11-27)"))
        );
    }
}
