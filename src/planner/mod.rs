//! The decisions: what differs, what would be sent, what came of it.
//!
//! Pure: values in, values out. Uses only `model`.

pub mod forecast;
pub mod plan;
pub mod receipt;
pub mod state;

pub use forecast::{Forecast, Rate};
pub use plan::{Action, AttributeChange, Cause, Change, Plan, WantedRoom, plan};
pub use receipt::{Outcome, Override, Receipt};
pub use state::{AppliedRoom, Event, State};
