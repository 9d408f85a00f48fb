//! The service, seen from here: what is asked, how fast, how often again, and what an answer means.
//!
//! | File | Is |
//! |---|---|
//! | `api` | requests and answers as values, and what an answer means; the port that tests replace |
//! | `http` | that port on the network; no URL leaves this file |
//! | `end` | how a request ends, and what one try of it leads to |
//! | `requests` | what may read, and one request carried through: paced, tried again, timed out, stopped |
//! | `writer` | what may write, too |
//! | `pace`, `retry`, `deadline`, `health`, `stop` | when a request may start, whether it starts again, and what ends a run |
//! | `unreachable` | why nothing reaches the service, in words |
//! | `observe` | rooms as they are now |
//! | `leaks` | secrets are taken out of what the service says |

pub(crate) mod api;
pub(crate) mod deadline;
pub(crate) mod end;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod leaks;
pub(crate) mod observe;
pub(crate) mod pace;
pub(crate) mod requests;
pub(crate) mod retry;
pub(crate) mod stop;
pub(crate) mod unreachable;
pub(crate) mod writer;
