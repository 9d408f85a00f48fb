//! Whatever is written as a policy ends, in bounds that are known before, and names only what there is.

use proptest::prelude::*;

use crate::model::finding::{Place, Severity};
use crate::model::policy::{
    Ask, Policy, PolicyConfig, PolicyError, Question, STACK, Subject, compile,
};
use crate::model::reference::Template;
use crate::model::rules::Violation;
use crate::model::{RoomName, Secret, Settings, Value};

fn config(rooms: &str, expression: &str) -> PolicyConfig {
    PolicyConfig {
        id: "p".into(),
        rooms: rooms.parse().unwrap(),
        expression: expression.into(),
        message: "reason".into(),
        severity: Severity::Warning,
        at: Place::new(3, 10, 1),
    }
}

/// As the program does it: on a stack that is large enough.
fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

fn compiled(rooms: &str, expression: &str) -> Result<Vec<Policy>, PolicyError> {
    on_stack(|| compile(&[config(rooms, expression)]))
}

fn refused(expression: &str) -> PolicyError {
    compiled("*", expression).expect_err(expression)
}

fn settings() -> Settings {
    [
        ("privacy", Value::from("private")),
        ("maxParticipants", Value::from(12)),
        ("enableChat", Value::from(true)),
        ("rtmpOutURL", Value::Secret(Secret::new("rtmp://a/canary"))),
    ]
    .into()
}

fn asked(policies: Vec<Policy>, rooms: usize) -> Vec<Violation> {
    let room = RoomName::try_from("sales-demo".to_owned()).unwrap();
    let secret = Template::parse("rtmp://live.example/${env:ROOM_KEY}").unwrap();
    let subject = Subject {
        room: &room,
        file: "rooms/sales/demo.yaml",
        settings: &settings(),
        secrets: &[("rtmpOutURL", secret)].into(),
        now: 1_000,
    };
    let question = Question::new(subject, rooms);
    on_stack(|| policies.ask(question))
}

fn checked(rooms: &str, expression: &str) -> Option<String> {
    let violations = asked(compiled(rooms, expression).unwrap(), 1);
    let breach = violations.first()?;
    let (severity, message) = (breach.severity, &breach.message);
    Some(format!("{severity:?} {message} {:?}", breach.attributes))
}

#[test]
fn rooms_that_keep_to_it_are_not_reported() {
    for expression in [
        "true",
        "room.privacy == 'private'",
        "room['privacy'] == 'private' && 'privacy' in room",
        "room.maxParticipants <= 25 && room.enableChat",
        "!has(room.recordRoom) || !room.recordRoom",
        "room.roomName.startsWith('sales-')",
        "room.roomName.matches('^[a-z-]+$') && matches(file, '\\\\.yaml$')",
        "file.startsWith('rooms/sales/')",
        "!has(room.expireUnixSec) || room.expireUnixSec > now",
        "room.rtmpOutURL == 'rtmp://live.example/**** (ROOM_KEY)'",
        "['sales-', 'team-'].exists(start, room.roomName.startsWith(start))",
        "size(room) == 5 && room.all(key, key != 'recordRoom')",
        "[1, 2, 3].map(n, n * 2).filter(n, n > 2).size() == 2 && [1, 2].exists_one(n, n == 1)",
        "['a', 'b'].map(x, ['c', 'd'].map(y, x + y)).size() == 2",
        "type(room.maxParticipants) == int && string(room.maxParticipants) == '12'",
        "optional.of(room.privacy).orValue('public') == 'private'",
        "room.maxParticipants > 10 ? room.privacy == 'private' : true",
    ] {
        assert_eq!(checked("*", expression), None, "{expression}");
    }
    assert_eq!(checked("marketing-*", "false"), None, "another room");
}

#[test]
fn others_are_reported_with_what_the_policy_looks_at() {
    let expression = "room.maxParticipants < 10 || room.privacy == 'public'";
    assert_eq!(
        checked("sales-*", expression).unwrap(),
        "Warning reason [p] [\"privacy\", \"maxParticipants\"]"
    );
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    for (expression, why) in [
        ("room.recordRoom", "No such key: recordRoom"),
        ("room.maxParticipants", "neither true nor false"),
        ("room.privacy < 3", ""),
        ("room[room.privacy]", "No such key: private"),
    ] {
        let breach = checked("*", expression).unwrap();
        assert!(
            breach.starts_with("Error the policy `p` cannot be asked"),
            "{breach}"
        );
        assert!(breach.contains(why), "{expression}: {breach}");
        assert!(!breach.contains("canary"));
    }
}

#[test]
fn a_name_that_is_wrong_is_refused_wherever_it_stands() {
    for (expression, column, why, help) in [
        ("room.privcy == 'private'", 1, "`privcy`", "`privacy`"),
        ("!has(room.recordRooom)", 6, "`recordRooom`", "`recordRoom`"),
        ("room['privcy'] == ''", 6, "`privcy`", "`privacy`"),
        ("'privcy' in room", 1, "`privcy`", "`privacy`"),
        (
            "true || [1].all(x, room.privcy == '')",
            20,
            "`privcy`",
            "`privacy`",
        ),
        ("[room.privcy] == []", 2, "`privcy`", "`privacy`"),
        ("{'a': {room.privcy: 1}} == {}", 8, "`privcy`", "`privacy`"),
        (".room.privcy == ''", 0, "`privcy`", "`privacy`"),
        ("room.?privcy == ''", 0, "", ""),
        ("rom.privacy == ''", 1, "`rom`", "`room`"),
        ("[1].all(number, numbr > 0)", 17, "`numbr`", "`number`"),
        (
            "room.privacy.startWith('p')",
            23,
            "`startWith`",
            "`startsWith`",
        ),
        ("[1].al(x, true)", 7, "`al`", "`all`"),
        ("[1].all(x)", 8, "`all` takes", "exists"),
        ("nobody == 1", 1, "`nobody`", "`room`"),
        (
            "[1].all(room, room.privcy == 1)",
            0,
            "cannot call",
            "another name",
        ),
        (
            "[room].all(r, r.privcy == 1)",
            2,
            "as a whole",
            "room.privacy",
        ),
        (
            "(true ? room : room).privcy == 1",
            9,
            "as a whole",
            "room.privacy",
        ),
        ("dyn(room).privcy == 1", 5, "as a whole", "room.privacy"),
        ("room == {}", 1, "as a whole", "room.privacy"),
        ("Room{privacy: 1} == 1", 0, "no messages", "map"),
        (
            "room.privacy.matches(room.roomName)",
            26,
            "computed",
            "one text",
        ),
        ("room.privacy.matches('[')", 22, "cannot be read", "regex"),
        ("room.privacy ==", 16, "ends too early", "docs/policies.md"),
        ("true &&\n room.privcy == ''", 0, "`privcy`", "`privacy`"),
    ] {
        let error = refused(expression);
        let said = error.to_string();
        assert!(
            said.starts_with("policy `p`: ") && said.contains(why),
            "{said}"
        );
        assert!(error.help.contains(help), "{expression}: {}", error.help);
        if column > 0 {
            assert_eq!(
                (error.at.line, error.at.column),
                (3, 9 + column),
                "{expression}"
            );
        }
    }
    assert_eq!(refused("true &&\n room.privcy == ''").at.line, 4);
}

#[test]
fn what_is_no_policy_is_refused() {
    let twice = [config("*", "true"), config("*", "true")];
    assert!(
        compile(&twice)
            .unwrap_err()
            .to_string()
            .contains("two policies")
    );
    let many: Vec<PolicyConfig> = (0..11)
        .map(|number| PolicyConfig {
            id: number.to_string(),
            ..config("*", &format!("1{} > 0", "+1".repeat(490)))
        })
        .collect();
    let error = on_stack(|| compile(&many)).unwrap_err();
    assert!(error.why.contains("all policies together"), "{error}");
}

/// What would take long or be large is refused before it is evaluated, and what is just below that is answered.
#[test]
fn work_and_memory_are_bounded() {
    let tens = "[1,2,3,4,5,6,7,8,9,10]";
    let nested = |depth: usize| {
        let names = ('a'..='z').take(depth);
        let loops: String = names.map(|name| format!("{tens}.all({name}, ")).collect();
        format!("{loops}true{}", ")".repeat(depth))
    };
    assert_eq!(checked("*", &nested(3)), None);
    assert!(refused(&nested(5)).why.contains("times the work"));
    let doubled = |times: usize| {
        let grown = (0..times).fold("'0123456789abcdef'".to_owned(), |text, _| {
            format!("[{text}].map(s, s + s)[0]")
        });
        format!("{grown} != ''")
    };
    assert_eq!(checked("*", &doubled(5)), None);
    assert!(refused(&doubled(16)).why.contains("grow beyond"));
    for pattern in [
        "(\\\\w{100}){100}",
        "((a{0,100}){0,100}){0,100}",
        "\\\\w{20}",
    ] {
        let error = refused(&format!("room.privacy.matches('{pattern}')"));
        assert!(error.why.contains("too large"), "{pattern}: {error}");
    }
    let deep = format!(
        "room.privacy.matches('{}a{}')",
        "(".repeat(60),
        ")".repeat(60)
    );
    assert!(refused(&deep).why.contains("pattern"), "{}", refused(&deep));
}

/// With many rooms, there is less work for each.
#[test]
fn all_rooms_share_the_work() {
    let busy = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, a + b + c > 0)))";
    assert_eq!(asked(compiled("*", busy).unwrap(), 1), []);
    let violations = asked(compiled("*", busy).unwrap(), 5_000);
    assert!(
        violations[0].message.contains("more work"),
        "{violations:?}"
    );
    assert_eq!(violations[0].severity, Severity::Error);
}

/// An expression of everything there is, deep as well as wide.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("room.privacy".to_owned()),
        Just("room.roomName".to_owned()),
        Just("room".to_owned()),
        Just("x".to_owned()),
        Just("y".to_owned()),
        Just("file".to_owned()),
        Just("now".to_owned()),
        Just("'text'".to_owned()),
        Just("b'\\\\xff'".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("1.7e308".to_owned()),
        Just("[1,2,3,4,5,6,7,8,9,10]".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
    ];
    leaf.prop_recursive(24, 256, 6, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (pair.clone(), "(\\+|-|\\*|/|%|==|<|in|&&|\\|\\|)")
                .prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            (pair.clone(), "(all|exists|exists_one|map|filter)", "(x|y)")
                .prop_map(|((a, b), name, of)| format!("{a}.{name}({of}, {b})")),
            (
                inner.clone(),
                "(size|string|bytes|dyn|type|int|double|optional.of)"
            )
                .prop_map(|(a, name)| format!("{name}({a})")),
            (pair.clone(), "(contains|startsWith|endsWith|matches)")
                .prop_map(|((a, b), name)| format!("{a}.{name}({b})")),
            inner
                .clone()
                .prop_map(|a| format!("{a}.matches('[a-z]+(x|y)*$')")),
            (inner.clone(), 1..60_usize)
                .prop_map(|(a, times)| format!("[{}{a}]", format!("{a},").repeat(times % 6))),
            pair.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            pair.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), pair).prop_map(|(a, (b, c))| format!("({a} ? {b} : {c})")),
            (inner.clone(), 1..120_usize)
                .prop_map(|(a, times)| format!("{}{a}", "!".repeat(times))),
            (inner.clone(), 1..80_usize)
                .prop_map(|(a, times)| format!("{a}{}", "+1".repeat(times))),
            (inner, 1..80_usize).prop_map(|(a, times)| format!(
                "{}{a}{}",
                "(".repeat(times),
                ")".repeat(times)
            )),
        ]
    })
}

/// Whatever is accepted does no more work than was counted. A step is what the evaluation looks up.
fn holds(expression: &str) {
    if let Ok(policies) = compiled("*", expression) {
        assert!(asked(policies, 1).len() <= 1);
    }
}

proptest! {
    #[test]
    fn no_text_ends_the_program(expression in "(room|has|\\.|privacy|\\(|\\)|'|\"|==|&&|\\[|\\]|\\{|1|\\?|:|in| |all\\(x,|[^a]){0,12}") {
        holds(&expression);
    }

    #[test]
    fn no_expression_ends_the_program_and_each_ends(expression in expression()) {
        holds(&expression);
    }

    /// Loops in loops over what grows, in every order.
    #[test]
    fn no_growth_escapes_the_bounds(
        steps in proptest::collection::vec(("(map|filter|all|exists)", "(s|s \\+ s|\\[s, s\\]|\\{'a': s\\}|string\\(s\\)|s == s|\\[s\\] \\+ \\[s\\]|true)"), 1..14),
        seed in "('0123456789abcdef'|\\[1,2,3,4,5\\]|\\{1: 2\\}|room)",
    ) {
        let expression = steps.iter().fold(seed, |text, (name, step)| format!("[{text}].{name}(s, {step})"));
        holds(&format!("{expression} == []"));
        let indexed = steps.iter().fold("'ab'".to_owned(), |text, (_, step)| format!("[{text}].map(s, {step})[0]"));
        holds(&format!("{indexed} == ''"));
    }
}
