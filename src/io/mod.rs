//! The outside: room files, configuration, the service, the state, and the run that joins them.

pub mod room_file;
pub mod room_files;
pub mod yaml;
