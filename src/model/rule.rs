//! The checks, by which findings are named, and why each is one.

macro_rules! rules {
    ($($rule:ident = $name:literal $(: $why:literal)?;)*) => {
        /// A check. Findings at one place come in this order, which is that of the names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Rule {
            $($rule,)*
        }

        impl Rule {
            /// Its name in reports, which stays.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
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
    CompositionNeeded = "composition-needed": "composed recording, RTMP out and live streaming work on the composed picture; the dashboard switches composition on by itself, and a file has to say what it means";
    DefaultsFileName = "defaults-file-name";
    DefaultsName = "defaults-name": "each room is named by its own file";
    DefaultsTwice = "defaults-twice";
    Directory = "directory";
    DuplicateKey = "duplicate-key": "readers of YAML disagree on which of two equal keys counts";
    DuplicateRoom = "duplicate-room": "two files would undo each other's settings";
    EmptyFile = "empty-file";
    EmptyWindow = "empty-window": "a room lets people in from the first moment until the second";
    Encoding = "encoding";
    Expired = "expired";
    ExpiryMissing = "expiry-missing";
    FileName = "file-name";
    FileSize = "file-size": "larger files are not read, so that no file can hold up a check";
    Format = "format";
    Hidden = "hidden": "editors and other programs keep copies under such names";
    LayoutUnused = "layout-unused";
    Link = "link": "a link could lead out of the tree that was reviewed";
    LiteralSecret = "literal-secret": "everyone who can read the repository can read it, and it stays in the history";
    Milliseconds = "milliseconds": "the service counts in seconds; this one is thousands of years away";
    MissingPrivacy = "missing-privacy": "every write sends `privacy`, so that no write can open or close a room by leaving it out";
    NoRooms = "no-rooms";
    Null = "null": "nothing is not a value: the service documents no way to clear a setting, and a key that is not managed is left out";
    NumberForm = "number-form": "readers of YAML disagree on numbers that are not written in plain decimal digits";
    Policy = "policy": "this repository demands it of its rooms";
    RequestToJoinUnused = "request-to-join-unused": "in a public room nobody has to ask";
    RoomName = "room-name";
    RtmpUrlMissing = "rtmp-url-missing": "the service needs to know where to push the stream";
    RtmpUrlUnused = "rtmp-url-unused";
    Tab = "tab": "YAML forbids tabs there, and its readers disagree on what they make of them";
    Tag = "tag": "a tag can make a value mean something else than it reads";
    UnknownKey = "unknown-key": "a key that is never sent would look managed without being so";
    Unreadable = "unreadable";
    Variable = "variable": "the value is checked like one that stands in the file, and never shown";
    VideoInAudioRoom = "video-in-audio-room";
    WrongType = "wrong-type";
    Yaml = "yaml";
    Zero = "zero": "some clients send 0 for \"no limit\"; whether the service takes it as such is not documented";
}
