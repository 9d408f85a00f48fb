//! Where was looked. What is not there proves nothing about what is elsewhere.

/// The rooms directory of a run, and whether that is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// How the paths of its room files begin, as the user typed it.
    typed: String,
    /// The same from the configuration's directory.
    place: String,
    /// Whether the whole configured directory is looked at.
    pub whole: bool,
}

impl Scope {
    /// The directory `typed`, which is `place` from the configuration's directory. Empty: that directory itself.
    pub(crate) fn new(typed: &str, place: &str, whole: bool) -> Self {
        let directory = |path: &str| match path.trim_end_matches('/') {
            "." => String::new(),
            path => path.to_owned(),
        };
        Self {
            typed: directory(typed),
            place: directory(place),
            whole,
        }
    }

    /// The place of a room file that was found.
    pub(crate) fn place_of(&self, file: &str) -> String {
        match within(file, &self.typed) {
            Some(rest) => join(&self.place, rest),
            None => file.to_owned(),
        }
    }
}

/// What of `path` is below `directory`; nothing of it, if it is the directory itself.
fn within<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() || path == directory {
        return Some(&path[directory.len()..]);
    }
    path.strip_prefix(directory)?.strip_prefix('/')
}

fn join(directory: &str, rest: &str) -> String {
    if directory.is_empty() || rest.is_empty() {
        return format!("{directory}{rest}");
    }
    format!("{directory}/{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_place_however_its_directory_was_typed() {
        let cases = [
            ("rooms", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            ("rooms/", "rooms", "rooms/a.yaml", "rooms/a.yaml"),
            (".", "rooms/hr", "a.yaml", "rooms/hr/a.yaml"),
            (".", ".", "a.yaml", "a.yaml"),
            ("../rooms", "rooms", "../rooms/x/a.yaml", "rooms/x/a.yaml"),
            ("/srv/rooms", "rooms", "/srv/rooms/a.yaml", "rooms/a.yaml"),
            (
                "rooms/a.yaml",
                "rooms/a.yaml",
                "rooms/a.yaml",
                "rooms/a.yaml",
            ),
        ];
        for (typed, place, file, expected) in cases {
            let scope = Scope::new(typed, place, true);
            assert_eq!(scope.place_of(file), expected, "{typed}");
        }
    }
}
