//! Several stacks as one view: what belongs to one is named after it, `staging/tea`.

use super::{Destination, Detail, EffectView, Item, Items, Names, Remark, View, Weight};
use crate::report::stacks::{Command, StackReport, StacksReport};

pub(super) fn stacks<'a>(report: &'a StacksReport, detail: Detail) -> View<'a> {
    let mut joined = View {
        kind: report.command.name(),
        title: format!("{} of {} stacks", title(report), report.stacks.len()),
        ..View::default()
    };
    let mut items: Vec<(String, Items<'a>)> = Vec::new();
    for stack in &report.stacks {
        joined.remarks.push(ended(stack));
        let Some(report) = &stack.report else {
            continue;
        };
        let view = View::new(report, detail);
        joined.add(&stack.stack, &view);
        items.push((stack.stack.clone(), view.items));
    }
    if joined.counts.is_empty() {
        let is_done = report.stacks.iter().all(|stack| stack.exit == Some(0));
        joined.nothing = Some(if is_done {
            "nothing to do"
        } else {
            "nothing came of it"
        });
    }
    if !detail.rooms_shown {
        joined.items = Items::joined(items, move |stack, item| {
            let mut item = named(stack, item);
            // Tools show what is said at a line of the file, which is the same for all stacks.
            if detail.apart {
                item.details.insert(0, format!("in the stack `{stack}`"));
            }
            item
        });
    }
    joined
}

fn title(report: &StacksReport) -> &'static str {
    match report.command {
        Command::Plan => "Plan",
        Command::Apply => "Apply",
        Command::Drift => "Drift",
    }
}

/// How a stack ended by itself.
fn ended(stack: &StackReport) -> Remark {
    let summary = stack.report.as_ref().map(|report| {
        let view = View::new(report, Detail::default());
        format!("{}: {}", view.heading(), view.summary())
    });
    let (weight, exit) = match stack.exit {
        None => (Weight::Error, Some("not begun".to_owned())),
        Some(0 | 2) => (Weight::Notice, None),
        Some(exit) => (Weight::Error, Some(format!("ended with {exit}"))),
    };
    let said = [exit, stack.error.clone(), summary];
    let said: Vec<String> = said.into_iter().flatten().collect();
    Remark::new(
        weight,
        "Stack",
        format!("{}: {}", stack.stack, said.join("; ")),
    )
}

fn within(stack: &str, name: &str) -> String {
    format!("{stack}/{name}")
}

fn named(stack: &str, mut item: Item) -> Item {
    match item.members.is_empty() {
        true => item.name = within(stack, &item.name),
        false => item.action = format!("{} in {stack}", item.action),
    }
    for member in &mut item.members {
        member.name = within(stack, &member.name);
    }
    if let Some(rooms) = &mut item.rooms {
        rooms.within(stack);
    }
    item
}

impl Names {
    fn within(&mut self, stack: &str) {
        for name in &mut self.first {
            *name = within(stack, name);
        }
    }

    fn add(&mut self, other: Self) {
        let room = Self::SHOWN.saturating_sub(self.first.len());
        let (taken, left) = other.first.split_at(room.min(other.first.len()));
        self.first.extend_from_slice(taken);
        self.more += other.more + left.len();
    }
}

impl View<'_> {
    /// All of a stack's but its items.
    fn add(&mut self, stack: &str, other: &View<'_>) {
        for effect in &other.effects {
            let mut rooms = effect.rooms.clone();
            rooms.within(stack);
            match self.effects.iter_mut().find(|one| one.name == effect.name) {
                Some(there) => there.rooms.add(rooms),
                None => self.effects.push(EffectView {
                    rooms,
                    ..effect.clone()
                }),
            }
        }
        for secret in &other.secrets {
            match self
                .secrets
                .iter_mut()
                .find(|one| one.address == secret.address)
            {
                Some(there) => there.add(secret),
                None => self.secrets.push(secret.clone()),
            }
        }
        for (name, number) in &other.counts {
            match self.counts.iter_mut().find(|(there, _)| there == name) {
                Some((_, there)) => *there = there.saturating_add(*number),
                None => self.counts.push((name.clone(), *number)),
            }
        }
        for remark in &other.remarks {
            // What is known of the run is the same for all of them.
            if self
                .remarks
                .iter()
                .all(|one| one.label != "Run" || one.label != remark.label)
            {
                let text = match remark.label {
                    "Run" => remark.text.clone(),
                    _ => format!("{stack}: {}", remark.text),
                };
                self.remarks.push(Remark {
                    text,
                    ..remark.clone()
                });
            }
        }
    }
}

impl Destination {
    fn add(&mut self, other: &Self) {
        self.rooms = self.rooms.saturating_add(other.rooms);
        for name in &other.variables.first {
            if !self.variables.first.contains(name) {
                self.variables.first.push(name.clone());
            }
        }
        self.variables.more = self.variables.more.max(other.variables.more);
    }
}
