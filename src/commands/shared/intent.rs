//! What `apply` is to do: what files, state and service come to now, as far as it is in the plans that it is held to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::PlanningArgs;
use super::exit::Failure;
use super::output::Output;
use super::saved_plan;
use super::session::Session;
use super::workspace::Workspace;
use crate::files::room_files::Loaded;
use crate::planner::{Narrowed, Plan, SavedChange, Selection, State, narrow};
use crate::report::PlanReport;
use crate::report::covered::uncovered;
use crate::report::remade::Remade;
use crate::report::saved::{Mode, SavedPlan};

pub(crate) enum Intent {
    /// What files, state and service come to now.
    Fresh(Mode),
    /// What the user selects of a saved plan, as far as it is still the same.
    Saved(Box<SavedPlan>, Selection),
    /// The same as fresh, as far as one of these reviewed plans has it.
    Covered(Mode, Vec<SavedPlan>),
}

/// What is planned now.
pub(crate) struct Planned {
    /// What of it is done.
    pub narrowed: Narrowed,
    /// What a saved plan shows first that is not so, if that is applied.
    pub untrue: Option<String>,
}

impl Planned {
    /// A plan that need not be as another one.
    fn all(plan: Plan) -> Self {
        Self {
            narrowed: Narrowed::all(plan),
            untrue: None,
        }
    }
}

impl Intent {
    pub(crate) fn of(
        plans: (Option<&Path>, Option<&[PathBuf]>),
        mode: Mode,
        selected: &mut Selection,
    ) -> Result<Self, Failure> {
        match plans {
            (Some(path), _) => {
                let saved = Box::new(saved_plan::read(path)?);
                Ok(Self::Saved(saved, std::mem::take(selected)))
            }
            (None, Some(paths)) => Ok(Self::Covered(mode, saved_plan::read_all(paths)?)),
            (None, None) => Ok(Self::Fresh(mode)),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::Fresh(mode) | Self::Covered(mode, _) => *mode,
            Self::Saved(saved, _) => saved.mode,
        }
    }

    /// What it is about, beside what the user selects.
    pub(crate) fn selection(&self) -> Selection {
        match self {
            Self::Fresh(_) | Self::Covered(..) => Selection::default(),
            Self::Saved(saved, _) => saved.selection.clone(),
        }
    }

    pub(crate) fn check(
        &self,
        here: &Workspace,
        state: &State,
        args: &PlanningArgs,
    ) -> Result<(), Failure> {
        if let Self::Fresh(_) = self {
            return Ok(());
        }
        let here = here.target(&state.app)?;
        match self {
            Self::Fresh(_) => Ok(()),
            Self::Saved(saved, _) => saved_plan::check(saved, state, &here)
                .and_then(|()| saved_plan::check_mode(saved.mode, args)),
            Self::Covered(_, reviewed) => reviewed
                .iter()
                .filter(|saved| saved.target.location == here.location)
                .try_for_each(|saved| saved_plan::check(saved, state, &here)),
        }
    }

    /// What is planned now and, of a saved plan, what of it is still the same. What is seen for that is remembered in
    /// `state`, however it goes on.
    pub(crate) fn plan(
        &self,
        session: &Session,
        args: &PlanningArgs,
        files: &mut Loaded,
        state: &mut State,
        output: &Output,
    ) -> Result<Planned, Failure> {
        if let Self::Saved(saved, selection) = self {
            return self.plan_saved(saved, selection, (session, args), (files, state), output);
        }
        let plan = session.plan(self.mode(), args, files, state, &BTreeSet::new(), output)?;
        state.remember_look(&plan.looked);
        let limits = session.limits(args);
        let options = session.options(self.mode(), &limits);
        let why = match self {
            Self::Covered(_, reviewed) => {
                let made = PlanReport::new(&plan, &files.origins, &[], None);
                let here = session.workspace.target(&state.app)?.location;
                // What was made against another state shows nothing of this one: the state may have moved to another place since.
                let reviewed = reviewed
                    .iter()
                    .filter(|saved| saved.target.location == here);
                Some(uncovered(&plan, &made, reviewed, &files.wanted, state))
            }
            _ => None,
        };
        let mut planned = Planned::all(plan);
        if let Some(why) = why {
            planned.narrowed.hold(&why, &options);
        }
        planned.narrowed.forecast_here(&options);
        Ok(planned)
    }

    /// Makes a saved plan again as a whole, whatever the user selects of it: it may show nothing that is not so. Only then
    /// the rest is left out.
    fn plan_saved(
        &self,
        saved: &SavedPlan,
        selection: &Selection,
        (session, args): (&Session, &PlanningArgs),
        (files, state): (&mut Loaded, &mut State),
        output: &Output,
    ) -> Result<Planned, Failure> {
        let (mode, rooms, limits) = (saved.mode, self.rooms(), session.limits(args));
        let options = session.options(mode, &limits);
        let all = (!selection.is_empty()).then(|| files.wanted.clone());
        let plan = session.plan(mode, args, files, state, &rooms, output)?;
        let looked = plan.looked.clone();
        let report = PlanReport::new(&plan, &files.origins, &[], None);
        let narrowed = narrow(&saved.changes, plan, &files.wanted, state, &options);
        let untrue = saved.untrue(&Remade {
            report: &report,
            narrowed: &narrowed,
            limits: &limits,
            wanted: &files.wanted,
            state,
            origins: &files.origins,
        });
        state.remember_look(&looked);
        let Some(all) = all else {
            return Ok(Planned { narrowed, untrue });
        };
        files.wanted = all;
        let mut scope = session.workspace.scope.clone();
        scope.selection.clone_from(selection);
        let considered = session.consider(&scope, files, state, &rooms, output)?;
        let plan = session.plan_of(mode, args, files, &considered)?;
        drop(considered);
        state.remember_look(&plan.looked);
        let takes = |change: &&SavedChange| selection.takes(change.room.as_str());
        let selected: Vec<SavedChange> = saved.changes.iter().filter(takes).cloned().collect();
        let narrowed = narrow(&selected, plan, &files.wanted, state, &options);
        Ok(Planned { narrowed, untrue })
    }

    /// The saved plans that it is held to. It may go no further than where they were reviewed.
    pub(crate) fn reviewed(&self) -> &[SavedPlan] {
        match self {
            Self::Fresh(_) => &[],
            Self::Saved(saved, _) => std::slice::from_ref(saved),
            Self::Covered(_, reviewed) => reviewed,
        }
    }

    /// The rooms that it names.
    fn rooms(&self) -> BTreeSet<String> {
        match self {
            Self::Fresh(_) | Self::Covered(..) => BTreeSet::new(),
            Self::Saved(saved, _) => saved
                .changes
                .iter()
                .map(|c| c.room.clone().into())
                .collect(),
        }
    }
}
