//! Why each rule is one, in a sentence: shown beside what it found.

/// The reason behind the rule of that name; nothing where the message says it all.
///
/// What is said of the service is documented by its vendor, unless the sentence says otherwise.
pub(crate) fn why(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "duplicate-key" => "readers of YAML disagree on which of two equal keys counts",
        "duplicate-room" => "two files would undo each other's settings",
        "null" => {
            "nothing is not a value: the service documents no way to clear a setting, and a key that is not managed is left out"
        }
        "number-form" => {
            "readers of YAML disagree on numbers that are not written in plain decimal digits"
        }
        "unknown-key" => "a key that is never sent would look managed without being so",
        "missing-privacy" => {
            "every write sends `privacy`, so that no write can open or close a room by leaving it out"
        }
        "rtmp-url-missing" => "the service needs to know where to push the stream",
        "composition-needed" => {
            "composed recording, RTMP out and live streaming work on the composed picture; the dashboard switches composition on by itself, and a file has to say what it means"
        }
        "empty-window" => "a room lets people in from the first moment until the second",
        "literal-secret" => {
            "everyone who can read the repository can read it, and it stays in the history"
        }
        "variable" => "the value is checked like one that stands in the file, and never shown",
        "request-to-join-unused" => "in a public room nobody has to ask",
        "zero" => {
            "some clients send 0 for \"no limit\"; whether the service takes it as such is not documented"
        }
        "tab" => "YAML forbids tabs there, and its readers disagree on what they make of them",
        "tag" => "a tag can make a value mean something else than it reads",
        "milliseconds" => "the service counts in seconds; this one is thousands of years away",
        "policy" => "this repository demands it of its rooms",
        "link" => "a link could lead out of the tree that was reviewed",
        "hidden" => "editors and other programs keep copies under such names",
        "defaults-name" => "each room is named by its own file",
        "file-size" => "larger files are not read, so that no file can hold up a check",
        _ => return None,
    })
}
