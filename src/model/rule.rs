//! The checks, by which findings are named, and why each is one.

use super::Severity;

macro_rules! rules {
    ($($rule:ident = $name:literal, $severity:ident $(: $why:literal)?;)*) => {
        /// A check. Findings at one place come in this order, which is that of the names.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        pub(crate) enum Rule {
            $(#[serde(rename = $name)] $rule,)*
        }

        impl Rule {
            /// Its name in reports, which stays.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// The check of a name.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$rule),)*
                    _ => None,
                }
            }

            /// How much it weighs. What the service documents is an error, what we conclude is a warning, what only
            /// the wording hints at is a note.
            pub(crate) fn severity(self) -> Severity {
                match self {
                    $(Self::$rule => Severity::$severity,)*
                }
            }

            /// The reason behind it, shown beside what it found; nothing where the message says it all. What is
            /// said of the service is documented by its vendor, unless the sentence says otherwise.
            pub(crate) fn why(self) -> Option<&'static str> {
                match self {
                    $($(Self::$rule => Some($why),)?)*
                    _ => None,
                }
            }
        }
    };
}

rules! {
    CompositionNeeded = "composition-needed", Error: "composed recording, RTMP out and live streaming work on the composed picture; the dashboard switches composition on by itself, and a file has to say what it means";
    Configuration = "configuration", Error;
    DefaultsFileName = "defaults-file-name", Error;
    DefaultsName = "defaults-name", Error: "each room is named by its own file";
    DefaultsTwice = "defaults-twice", Error;
    Directory = "directory", Error;
    DuplicateKey = "duplicate-key", Error: "readers of YAML disagree on which of two equal keys counts";
    DuplicateRoom = "duplicate-room", Error: "two files would undo each other's settings";
    EmptyFile = "empty-file", Error;
    EmptyWindow = "empty-window", Error: "a room lets people in from the first moment until the second";
    Encoding = "encoding", Error;
    Expired = "expired", Warning;
    ExpiryMissing = "expiry-missing", Warning;
    FileName = "file-name", Error;
    FileSize = "file-size", Error: "larger files are not read, so that no file can hold up a check";
    Format = "format", Error;
    Hidden = "hidden", Warning: "editors and other programs keep copies under such names";
    Ignored = "ignored", Warning;
    LayoutUnused = "layout-unused", Warning;
    Link = "link", Error: "a link could lead out of the tree that was reviewed";
    LiteralSecret = "literal-secret", Warning: "everyone who can read the repository can read it, and it stays in the history";
    Milliseconds = "milliseconds", Warning: "the service counts in seconds; this one is thousands of years away";
    MissingPrivacy = "missing-privacy", Error: "every write sends `privacy`, so that no write can open or close a room by leaving it out";
    NoRooms = "no-rooms", Error;
    NotOwned = "not-owned", Error: "roomctl.yaml says which rooms are this repository's; another one may have this room, and the two would undo each other's settings";
    Null = "null", Error: "nothing is not a value: the service documents no way to clear a setting, and a key that is not managed is left out";
    NumberForm = "number-form", Error: "readers of YAML disagree on numbers that are not written in plain decimal digits";
    Policy = "policy", Error: "this repository demands it of its rooms";
    RequestToJoinUnused = "request-to-join-unused", Note: "in a public room nobody has to ask";
    RoomName = "room-name", Error;
    RtmpUrlMissing = "rtmp-url-missing", Error: "the service needs to know where to push the stream";
    RtmpUrlUnused = "rtmp-url-unused", Warning;
    Tab = "tab", Error: "YAML forbids tabs there, and its readers disagree on what they make of them";
    Tag = "tag", Error: "a tag can make a value mean something else than it reads";
    UnknownKey = "unknown-key", Error: "a key that is never sent would look managed without being so";
    Unreadable = "unreadable", Error;
    Variable = "variable", Warning: "the value is checked like one that stands in the file, and never shown; apply leaves out a room that would send it";
    VariableName = "variable-name", Error: "whoever may propose a room file could send any other variable of the machine to an address of their own";
    VideoInAudioRoom = "video-in-audio-room", Warning;
    WrongType = "wrong-type", Error;
    Yaml = "yaml", Error;
    Zero = "zero", Warning: "some clients send 0 for \"no limit\"; whether the service takes it as such is not documented";
}
