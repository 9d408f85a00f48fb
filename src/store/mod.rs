//! Where the state is kept, and how nothing that was confirmed is lost.
//!
//! | File | Is |
//! |---|---|
//! | `local` | the state in a file of this machine |
//! | `state_file` | the state as bytes, and back |
//! | `lock` | one writer at a time, and who it is |
//! | `journal` | what happened since the state was saved, as bytes, and back |
//! | `journal_writer` | each receipt is durable before anybody hears of it |

pub(crate) mod journal;
pub(crate) mod journal_writer;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod state_file;
