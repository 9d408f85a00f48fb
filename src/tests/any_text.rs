//! Whatever the bytes of a room file: a room or a finding, never a panic.

use proptest::prelude::*;

use crate::files::context::{Context, Policies};
use crate::files::defaults::Defaults;
use crate::files::room_file::parse;
use crate::model::{NameRule, Severity, Variables};

const CONTEXT: Context = Context {
    names: NameRule::Lowercase,
    now: 1_790_000_000,
    variables: Variables::NONE,
    defaults: Defaults::NONE,
    sandbox: false,
    owns: None,
    unmanaged: None,
    policies: Policies::NONE,
};

proptest! {
    #![proptest_config(super::cases(512))]

    #[test]
    fn any_text_is_a_room_or_a_finding(text in "(?s).{0,200}") {
        let (room, findings) = parse("rooms/a.yaml", "a", &text, &CONTEXT);
        prop_assert!(room.is_some() || findings.iter().any(|f| f.severity == Severity::Error), "{text:?}");
    }

    #[test]
    fn anything_that_looks_like_yaml_is_a_room_or_a_finding(
        text in "((privacy|enableChat|maxParticipants|x|roomName|rtmpOutURL)(: ?)(private|true|yes|0x1|\"|'|&a|\\*a|\\[|\\{|!!str|- |\\||>|1e3|~|rtmp://a/b)?\n? ?){0,8}"
    ) {
        let (room, findings) = parse("rooms/a.yaml", "a", &text, &CONTEXT);
        prop_assert!(room.is_some() || findings.iter().any(|f| f.severity == Severity::Error), "{text:?}");
    }
}
