//! The service, offline: what is known about Metered's room API, with a switch for each open question.
//!
//! [`World::handle`] is pure and answers a [`Request`] value with a [`Response`] value; [`Simulator`] puts it
//! behind a socket on loopback and keeps the rooms in a file. Nothing else of this crate is used here but how it
//! opens files, least of all its list of wire names: client and simulator cannot share a typo, and a test holds the two lists together.
//!
//! The live service was never asked. Of what is answered here,
//!
//! - *documented*: the paths of PUT, POST and DELETE, `secretKey` in the query, the names and types of the
//!   settable attributes, the 18 fields of a bare room object, `{success, message}` with 400, `{eventCode, message}`
//!   with 500, the answer to DELETE, that RTMP out needs a URL, that a missing name is made up;
//! - *seen in client code*: the bare array of `GET /api/v1/rooms`, `room not found` for GET, the wording for a name
//!   that is taken and its 400, `error.details`, 200 for POST;
//! - *invented*: PUT and DELETE answering a missing room as GET does; merging in PUT; the values shown for
//!   attributes nobody has set (a sample's); the wording inside `error.details` and how strict the checks are (kinds,
//!   choices, safe integers, names without white space); 401 and its message; 404 and its message for other paths;
//!   400 for a path that cannot be decoded; 413; the order of the list; `eventCode`'s value; every fault but the shape
//!   of the 500; the rate limit; that the name of an archived room stays taken, and that the archived room is
//!   forgotten where it does not.
//!
//! | File | Is |
//! |---|---|
//! | `wire` | the names, kinds and shown defaults |
//! | `request`, `response` | one exchange as values |
//! | `room` | a room as kept and as answered |
//! | `validate` | what a body has to be |
//! | `routes` | the five endpoints |
//! | `world` | all rooms, and what can be done to them from the side |
//! | `exchange` | the order in which a request meets limit, faults and routes |
//! | `quirks`, `faults` | the switches, and trouble on demand |
//! | `log` | what was asked |
//! | `seed` | repeatable randomness |
//! | `storage` | the file |
//! | `desk` | the world with its file, behind a lock |
//! | `connection`, `server` | the socket |

mod connection;
mod desk;
mod exchange;
mod faults;
mod log;
mod quirks;
mod request;
mod response;
mod room;
mod routes;
mod seed;
mod server;
mod storage;
mod validate;
mod wire;
mod world;

pub use faults::Fault;
pub use log::Record;
pub use quirks::Quirks;
pub use request::{Method, Request};
pub use response::Delivery;
pub use server::{Running, Simulator, SimulatorError, SimulatorOptions};
pub use world::{Settings, SimKey, World};

/// The settable attributes and the JSON type of each, for the test that holds them against the client's own list.
#[cfg(test)]
pub(crate) fn settable() -> impl Iterator<Item = (&'static str, &'static str)> {
    use wire::Kind;
    wire::SETTABLE.iter().map(|attribute| {
        let json = match attribute.kind {
            Kind::Text | Kind::Choice(_) => "string",
            Kind::Flag => "boolean",
            Kind::Whole => "integer",
        };
        (attribute.name, json)
    })
}
