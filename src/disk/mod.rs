//! Files of this machine: opened only if they are plain, and written whole or not at all.
//!
//! | File | Is |
//! |---|---|
//! | `budget` | what a JSON text may become in memory |
//! | `plain_file` | opening and reading, within limits and never through a link |
//! | `stamp` | by what a file is known to be as it was, unread |
//! | `whole_file` | writing and syncing |
//! | `crash_point` | the named places at which the crash tests stop the program |

pub(crate) mod budget;
pub(crate) mod crash_point;
pub(crate) mod plain_file;
pub(crate) mod stamp;
pub(crate) mod whole_file;
