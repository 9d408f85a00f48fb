//! The decisions: what differs, what would be sent, what came of it.
//!
//! Pure: values in, values out. Uses only `model`.
//!
//! | File | Is |
//! |---|---|
//! | `change` | the nouns of a plan |
//! | `plan`, `drift_only` | what would change, and what would only be put back |
//! | `three_way` | who moved: the comparison that plans and drift share |
//! | `drift`, `undeclared` | a verdict for each room; attributes that no file declares |
//! | `limits`, `posture` | what is too much at once, or has to be allowed; how open all rooms are before and after |
//! | `saved_plan`, `explain` | whether a saved plan still holds; which lines a change to the files explains |
//! | `held`, `doubts` | every value that the service may hold; what was sent without an answer |
//! | `scope` | which rooms are considered, and why not the others |
//! | `state`, `memory`, `world`, `seen` | what is remembered, and how that moves; what was seen, and when it was last so |
//! | `written` | how files write secrets, and what is remembered of that |
//! | `receipt` | what happened to one change |
//! | `import`, `forecast` | rooms that exist already; how long a plan takes |
//! | `adopt` | what was changed on the service, and the line of a file that it belongs to |
//! | `status`, `mutes`, `muted` | how an attribute stands; drift that is accepted; what becomes of it in a plan |

pub(crate) mod adopt;
pub(crate) mod change;
pub(crate) mod doubts;
pub(crate) mod drift;
mod drift_only;
pub(crate) mod explain;
pub(crate) mod forecast;
mod held;
pub(crate) mod import;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod muted;
pub(crate) mod mutes;
pub(crate) mod plan;
pub(crate) mod posture;
pub(crate) mod receipt;
pub(crate) mod saved_plan;
pub(crate) mod scope;
pub(crate) mod seen;
pub(crate) mod state;
pub(crate) mod status;
#[cfg(test)]
pub(crate) mod testing;
mod three_way;
pub(crate) mod undeclared;
pub(crate) mod world;
mod written;

pub(crate) use change::{Action, AttributeChange, Cause, Change, Plan, Quiet};
pub(crate) use drift::{Drift, Verdict, drift};
pub(crate) use explain::{Explained, Explanation, explain};
pub(crate) use forecast::Rate;
#[cfg(test)]
pub(crate) use plan::plan;
pub(crate) use plan::{Options, plan_with};
pub(crate) use receipt::{Outcome, Receipt};
pub(crate) use saved_plan::{Narrowed, SavedChange, Stale, is_reviewed, narrow, saved_changes};
pub(crate) use scope::{Considered, Doubt, LeftOut, LeftOutBy, Scope, Selection};
pub(crate) use state::{AppliedRoom, Event, Override, State};
pub(crate) use undeclared::Undeclared;
pub(crate) use world::{Gone, Sighting, World, named_otherwise};
