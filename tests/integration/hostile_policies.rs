//! Policies that try to stop the machine: each ends with its documented exit code, in little time and memory.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::Scratch;

/// Most memory, in KiB, and a guard against hanging; what ends in time ends long before.
const MEMORY: u64 = 300 * 1024;
const GUARD: Duration = Duration::from_secs(60);

/// What `validate` says to policies: its exit code, and its standard error.
fn judged(policies: &[(&str, &str)], rooms: usize) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let policies = policies.iter().enumerate().map(|(number, (expression, message))| {
        serde_json::json!({"id": format!("hostile-{number}"), "expression": expression, "message": message})
    });
    let config = serde_json::json!({"policies": policies.collect::<Vec<_>>()});
    scratch.write("roomctl.yaml", &config.to_string());
    for number in 0..rooms {
        scratch.write(&format!("rooms/r{number}.yaml"), "privacy: private\n");
    }
    let mut command = scratch.command(&["validate", "--format", "json"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    watch(&mut child, &config["policies"][0]["expression"].to_string());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

/// Waits for the end of a program that must not grow.
fn watch(child: &mut Child, what: &str) {
    let begun = Instant::now();
    let status = format!("/proc/{}/status", child.id());
    let what: String = what.chars().take(60).collect();
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let grown = peak.is_some_and(|peak| peak > MEMORY);
        if grown || begun.elapsed() > GUARD {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: {peak:?} KiB after {:?}", begun.elapsed());
        }
        std::thread::yield_now();
    }
}

fn around(before: &str, middle: &str, behind: &str, times: usize) -> String {
    before.repeat(times) + middle + &behind.repeat(times)
}

#[test]
fn no_policy_stops_the_machine() {
    let tens = "[1,2,3,4,5,6,7,8,9,10]";
    let loops: String = ('a'..='l')
        .map(|name| format!("{tens}.all({name}, "))
        .collect();
    let maps: String = ('a'..='j')
        .map(|name| format!("{tens}.map({name}, "))
        .collect();
    let doubled = |step: &str, times: usize| {
        (0..times).fold("'xxxxxxxxxxxxxxxx'".to_owned(), |inner, _| {
            format!("[{inner}].map(s, {step})[0]")
        })
    };
    for expression in [
        format!("{loops}true{}", ")".repeat(12)),
        format!("{maps}1{} == []", ")".repeat(10)),
        format!("{} == ''", doubled("s + s", 30)),
        format!("size({}) > 0", doubled("[s, s]", 30)),
        format!("size({}) > 0", doubled("{1: s, 2: s}", 30)),
        format!("size({}) > 0", doubled("string(bytes(s)) + s", 30)),
        format!("1{} > 0", "+1".repeat(1230)),
        format!("1{} > 0", "+1".repeat(20_000)),
        around("(", "true", ")", 65_435),
        around("[", "1", "]", 3_000),
        around("{1:", "1", "}", 3_000),
        around("!(", "true", ")", 3_000),
        around("size(", "'a'", ")", 3_000),
        around("", "true", " ? true : false", 3_000),
        format!("room{}", ".a".repeat(5_000)),
        "$".repeat(100_000),
        "(".repeat(100_000),
        format!("'{}' == 'a'", "a".repeat(200_000)),
        "room.roomName.matches('((((((a{0,100}){0,100}){0,100}){0,100}){0,100}){0,100})')"
            .to_owned(),
        format!("{tens}.all(a, room.roomName.matches('(\\\\w{{100}}){{100}}'))"),
        format!(
            "'{}'.matches('({}a){{200}}b')",
            "a".repeat(3_000),
            "a?".repeat(20)
        ),
        "room.privacy.matches(room.roomName + '{1000}{1000}{1000}')".to_owned(),
        "room.all(a, room.all(b, room.all(c, room.all(d, room.all(e, true)))))".to_owned(),
    ] {
        let (code, stderr) = judged(&[(&expression, "m")], 1);
        let what: String = expression.chars().take(60).collect();
        assert_eq!(code, Some(3), "{what}: {stderr}");
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        assert!(stderr.len() < 4_000, "{what}: {} bytes", stderr.len());
        assert!(stderr.contains("roomctl.yaml:1:"), "{what}: {stderr}");
        assert!(
            stderr.contains("hostile") && stderr.contains("help: "),
            "{what}: {stderr}"
        );
    }
}

/// What takes seconds.
mod slow {
    use super::*;

    /// What each of many rooms breaks is said in bounds, too.
    #[test]
    fn no_message_fills_the_memory() {
        let long = "m".repeat(200_000);
        let (code, stderr) = judged(&[("false", &long)], 2_000);
        assert_eq!(code, Some(3), "{stderr}");
        let many = [("!has(room.privacy)", "m"); 150];
        let (code, stderr) = judged(&many, 1_500);
        assert_eq!(code, Some(3), "{stderr}");
        let every: String = [
            "privacy",
            "maxParticipants",
            "autoJoin",
            "enableChat",
            "recordRoom",
        ]
        .map(|key| format!("has(room.{key}) && "))
        .concat();
        let (code, stderr) = judged(&[(&*format!("{every}false"), "m"); 40], 2_000);
        assert_eq!(code, Some(3), "{stderr}");
    }
}
