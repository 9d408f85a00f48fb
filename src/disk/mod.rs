//! Files of this machine that appear whole or not at all.
//!
//! | File | Is |
//! |---|---|
//! | `whole_file` | writing and syncing |
//! | `crash_point` | the named places at which the crash tests stop the program |

pub(crate) mod crash_point;
pub(crate) mod whole_file;
