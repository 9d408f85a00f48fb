//! Policies, compiled and asked in a thread of their own, whose stack is large enough and which nobody waits for
//! forever. `model::policy` bounds what each may take; this is the net below. A thread cannot be ended: the caller
//! goes on to the end of the program, and the thread dies with it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use super::configuration::Configuration;
use super::exit::{Exit, Failure};
use crate::model::finding::Severity;
use crate::model::policy::{self, Ask, Policy, PolicyError, Question, STACK};
use crate::model::rule::Rule;
use crate::model::rules::Violation;

/// How long all policies may take to be compiled, and how long to answer about one room.
const COMPILE: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_millis(1_500);

type Answer = Sender<Vec<Violation>>;

/// The way to the thread that knows the policies.
struct Judge {
    questions: Mutex<Sender<(Question, Answer)>>,
    /// Once an answer was waited for in vain, nobody waits again.
    is_late: AtomicBool,
}

/// Compiles the policies of a configuration, and gives out whom to ask.
pub(crate) fn start(from: &Configuration) -> Result<Box<dyn Ask>, Failure> {
    let declared = from.config.policies.get().cloned().unwrap_or_default();
    if declared.is_empty() {
        return Ok(Box::new(Vec::<Policy>::new()));
    }
    let (questions, asked) = channel();
    let (compiled, outcome) = channel();
    Builder::new()
        .stack_size(STACK)
        .spawn(move || serve(&declared, &compiled, &asked))
        .map_err(|error| Failure::because(Exit::Unexpected, &error))?;
    match outcome.recv_timeout(COMPILE) {
        Ok(Ok(())) => Ok(Box::new(Judge {
            questions: Mutex::new(questions),
            is_late: AtomicBool::new(false),
        })),
        Ok(Err(error)) => Err(refused(&error, from)),
        Err(_) => {
            let place = from.line_of("policies");
            let message = format!("{place}: the policies took longer to read than they may");
            Err(Failure::new(Exit::Invalid, message).hint("make them shorter"))
        }
    }
}

fn refused(error: &PolicyError, from: &Configuration) -> Failure {
    let file = from.file.as_deref().unwrap_or(Path::new(""));
    let (line, column) = (error.at.line, error.at.column.max(1));
    let message = format!("{}:{line}:{column}: {error}", file.display());
    let failure = Failure::new(Exit::Invalid, message).hint(&error.help);
    failure.at(file, error.at, error.to_string(), &error.help)
}

fn serve(
    declared: &[policy::PolicyConfig],
    compiled: &Sender<Result<(), PolicyError>>,
    asked: &Receiver<(Question, Answer)>,
) {
    let (policies, outcome) = match policy::compile(declared) {
        Ok(policies) => (policies, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    // Nobody listens any more where nobody waits.
    let _ = compiled.send(outcome);
    for (question, answer) in asked {
        let _ = answer.send(policies.ask(question));
    }
}

impl Ask for Judge {
    fn ask(&self, question: Question) -> Vec<Violation> {
        if self.is_late.load(Ordering::Relaxed) {
            return vec![late()];
        }
        let (answer, answered) = channel();
        let questions = self.questions.lock();
        let questions = questions.unwrap_or_else(PoisonError::into_inner);
        let sent = questions.send((question, answer));
        drop(questions);
        let answer = sent.ok().and_then(|()| answered.recv_timeout(ANSWER).ok());
        answer.unwrap_or_else(|| {
            self.is_late.store(true, Ordering::Relaxed);
            vec![late()]
        })
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// What is said about a room that there was no answer about.
fn late() -> Violation {
    Violation {
        rule: Rule::Policy,
        severity: Severity::Error,
        attributes: Vec::new(),
        message: "the policies took longer to answer than they may".to_owned(),
        help: "take the policy with the nested loops out of roomctl.yaml".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Subject;
    use crate::model::{RoomName, Settings};

    /// Who never answers is not waited for twice, and what is said instead is an error.
    #[test]
    fn nobody_waits_forever() {
        let (questions, asked) = channel();
        let judge = Judge {
            questions: Mutex::new(questions),
            is_late: AtomicBool::new(false),
        };
        let room = RoomName::try_from("tea".to_owned()).unwrap();
        let (settings, secrets) = (Settings::new(), [].into());
        let subject = Subject {
            room: &room,
            file: "rooms/tea.yaml",
            settings: &settings,
            secrets: &secrets,
            now: 0,
        };
        for _ in 0..2 {
            assert_eq!(judge.ask(Question::new(subject, 1)), [late()]);
        }
        assert_eq!(asked.try_iter().count(), 1, "the second was not even asked");
        assert_eq!(late().severity, Severity::Error);
    }
}
