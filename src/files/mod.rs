//! Files that people write: found, read strictly, checked with their places, and written in one form.
//!
//! | File | Is |
//! |---|---|
//! | `discover` | which files below the rooms directory are room files and defaults; links are not followed |
//! | `looked` | where that directory is: the configured one, or a part of it |
//! | `git`, `git_program` | the files as they were at a revision; the program that is asked |
//! | `base` | what the files wanted at the base of a change |
//! | `text_file` | the text of a file, within a limit |
//! | `yaml` | YAML to a document with places, within limits; the only caller of the parser |
//! | `usual` | the same of a file with one plain `key: value` a line, which most are, in a tenth of the time |
//! | `entries` | the keys of one document: known or not, twice, of the right kind |
//! | `defaults` | what the directories above a room file set |
//! | `room_file`, `room_files` | one room, and all of them, with their findings |
//! | `context` | what reading a room file takes besides its text |
//! | `settled` | which of them need not be parsed again |
//! | `cores` | the same work on many files, on several cores |
//! | `room_format`, `scalar` | the one form of a room file, and of a text in it |
//! | `room_edit`, `adopted` | a room file with another value in it; several, proved to say just that |
//! | `room_yaml` | a room that exists, as the file that declares it |
//! | `new_file` | a file that must not replace another |
//! | `config_search` | which file is the configuration: the nearest, from the working directory upwards |
//! | `weakened` | what one configuration forbids and another does not |
//! | `config`, `stacks`, `mutes` | `roomctl.yaml`; the same for several apps or accounts; and what drift is not to report |
//! | `places` | where a configuration may say that something is |

pub(crate) mod adopted;
pub(crate) mod base;
pub(crate) mod config;
pub(crate) mod config_search;
pub(crate) mod context;
pub(crate) mod cores;
pub(crate) mod defaults;
pub(crate) mod discover;
pub(crate) mod entries;
pub(crate) mod git;
mod git_program;
pub(crate) mod looked;
pub(crate) mod mutes;
pub(crate) mod new_file;
pub(crate) mod places;
pub(crate) mod room_edit;
pub(crate) mod room_file;
pub(crate) mod room_files;
pub(crate) mod room_format;
pub(crate) mod room_yaml;
pub(crate) mod scalar;
pub(crate) mod settled;
pub(crate) mod stacks;
pub(crate) mod text_file;
pub(crate) mod usual;
pub(crate) mod weakened;
pub(crate) mod yaml;
