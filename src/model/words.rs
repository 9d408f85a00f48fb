//! Words that users and other programs see: those of enums, written once for JSON, for schemas and for people,
//! and those beside a number.

/// An enum whose values are words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:tt,)* }) => {
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        $(#[$about])*
        pub(crate) enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Its word in reports, in files and in flags.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

pub(crate) use words;

/// `1 room`, `2 rooms`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {}", plural(number, one))
}

/// `room` or `rooms`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    format!("{one}{}", if number == 1 { "" } else { "s" })
}

/// `1h30m`.
pub(crate) fn span(seconds: i64) -> String {
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let some = parts.iter().filter(|(number, _)| *number > 0);
    let text: String = some
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}
