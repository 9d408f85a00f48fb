//! A plan carried out: every change once, each receipt recorded.
//!
//! | File | Is |
//! |---|---|
//! | `apply` | all changes of a plan |
//! | `room_run` | the requests of one change |
//! | `outcome` | how one change ended: its receipt, and what is remembered |
//! | `queue` | who works on what, and what comes back |

pub(crate) mod apply;
mod outcome;
mod queue;
mod room_run;
