//! What the short reader of usual files says, the YAML library says, too.

use proptest::prelude::*;

use crate::files::usual;
use crate::files::yaml::{self, Entry};

fn shown(entries: &[Entry]) -> String {
    format!("{entries:?}")
}

/// Lines as people write them, and with anything between that YAML gives a meaning.
fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        8 => Just("privacy".to_owned()),
        8 => "[a-zA-Z]{1,6}",
        2 => proptest::sample::select(&usual::OTHER_THINGS[..]).prop_map(str::to_owned),
        1 => "[ -~é]{0,4}",
        1 => "[a-z]{60,66}|[a-z]{1022,1026}",
    ];
    let value = prop_oneof![
        4 => proptest::sample::select(&["true", "false", "True", "0", "12", "-1", "007", "1_000", "1e3", "0x1f",
            "0o17", "1.5", "1:30", "2001-01-01", ".5", ".inf", "~", "2h", "1h30m", "90", "9d9", "1m_", "1hh",
            "2029-03-31T10:00:00+01:00", "2029-03-31T10:00:00Z", "9999-99-99T99:99:99-99:99", "2029-03-31T10:00:00", "2029-03-31t10:00:00z", "null", "Null", "yes", "''", "\"a\"", "|", ">-",
            "[a]", "{a: b}", "*a", "&a b", "!t a", "@a", "`a", "? a", "- a", "-", "%a", "<<", "=",
            "https://h.example/${env:ROOM_A}/s?t=1&u=%20", "${env:ROOM_A}", "private", "a: b", "a:", "a #b", "a#b"][..])
            .prop_map(str::to_owned),
        1 => "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:?[0-9]{2})?",
        2 => "[0-9]{1,22}|([0-9]{1,3}[dhmse_.]){1,2}[0-9]{0,2}",
        3 => "[a-zA-Z$][a-z :/.{}$,#%&*!|>'\"@`~+=?_-]{0,12}",
        1 => "[ -~é\t]{0,8}",
    ];
    let tail = prop_oneof![
        8 => Just(String::new()),
        2 => "[ ]{0,3}#[ -~é]{0,8}",
        1 => "[ \t\r]{1,2}",
        1 => "#\u{0}|#\u{85}|#\u{2028}|#\u{feff}|#\u{7f}",
    ];
    let head = prop_oneof![12 => Just(String::new()), 1 => "[ ]{1,2}", 1 => "- ", 1 => "\t", 1 => "\u{feff}"];
    let whole = (head, key, "(: {1,3}){1}|:|", value, tail)
        .prop_map(|(head, key, between, value, tail)| format!("{head}{key}{between}{value}{tail}"));
    prop_oneof![
        10 => whole,
        2 => "[ ]{0,2}#[ -~é]{0,8}",
        1 => "[ ]{0,3}",
        1 => proptest::sample::select(&["---", "...", "%YAML 1.2", "// a", "<<<<<<< a", "  continued", "- a", "\u{85}"][..])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn what_is_read_here_the_library_reads_alike(
        lines in proptest::collection::vec(line(), 0..4),
        between in "\n|\n|\n|\r\n|\n\n",
        end in "\n?",
    ) {
        let text = lines.join(&between) + &end;
        if let Some(here) = usual::entries(&text) {
            let there = yaml::by_library(&text);
            prop_assert_eq!(there.map(|entries| shown(&entries)), Ok(shown(&here)), "{:?}", text);
        }
    }

    #[test]
    fn of_any_text_the_library_reads_the_same(text in "[a-z0-9 :#\n$./~{},\\-]{0,40}|\\PC{0,20}") {
        if let Some(here) = usual::entries(&text) {
            let there = yaml::by_library(&text);
            prop_assert_eq!(there.map(|entries| shown(&entries)), Ok(shown(&here)), "{:?}", text);
        }
    }
}
