//! A plan carried out: every change once, each receipt recorded.
//!
//! | File | Is |
//! |---|---|
//! | `apply` | all changes of a plan |
//! | `room_run` | the requests of one change |
//! | `outcome` | how one change ended: its receipt, and what is remembered |
//! | `asked`, `heard`, `probe` | the open questions about the service; what answers say of them; the requests that ask them |
//! | `queue` | who works on what, and what comes back |

pub(crate) mod apply;
pub(crate) mod asked;
pub(crate) mod heard;
mod outcome;
pub(crate) mod probe;
mod queue;
mod room_run;
