//! The decisions: what differs, what would be sent, what came of it.
//!
//! Pure: values in, values out. Uses only `model`.

pub mod drift;
pub mod explain;
pub mod forecast;
pub mod guard;
pub mod import;
pub mod live;
pub mod mutes;
pub mod plan;
pub mod receipt;
pub mod reviewed;
pub mod state;
pub mod three_way;
pub mod undeclared;
pub mod world;

pub use drift::{Drift, Verdict, drift};
pub use explain::{Explained, Explanation, explain};
pub use forecast::{Forecast, Rate};
pub use live::{plan_drift_only, plan_live};
pub use plan::{Action, AttributeChange, Cause, Change, Options, Plan, WantedRoom, plan};
pub use receipt::{Outcome, Override, Receipt};
pub use reviewed::{Matched, ReviewedChange, Stale, matched, review};
pub use state::{AppliedRoom, Event, State};
pub use undeclared::Undeclared;
pub use world::{Gone, Sighting, World};
