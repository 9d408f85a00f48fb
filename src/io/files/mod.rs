//! Files that people write: found, read strictly, checked with their places, and written in one form.

pub mod config;
pub mod defaults;
pub mod discover;
pub mod git;
pub mod known;
pub mod mutes;
pub mod new_file;
pub mod room_file;
pub mod room_files;
pub mod room_format;
pub mod settings_file;
pub mod yaml;
