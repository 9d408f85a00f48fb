//! What a run leaves for those who look into it later: the audit file of `apply`, and the trace.

use serde_json::Value;

use crate::common::Ran;
use crate::harness::Site;
use crate::schemas::check;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn apply(site: &Site, more: &[&str]) -> Ran {
    let fixed = [
        "apply",
        "--yes",
        "--rate",
        "unlimited",
        "--audit-file",
        "log/audit.jsonl",
    ];
    site.run_with(
        &[
            ("ROOM_HOOK".to_owned(), "canary-hook".to_owned()),
            ("GIT_COMMIT".to_owned(), COMMIT.to_owned()),
        ],
        &[&fixed, more].concat(),
    )
}

fn lines(site: &Site) -> Vec<Value> {
    let text = site.scratch.read("log/audit.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    lines.iter().for_each(|line| check("audit", line));
    lines
}

#[test]
fn each_room_that_is_written_has_a_line() {
    let site = Site::with_rooms(&[], &["500=room:room-01"], 3);
    site.room(
        2,
        "privacy: public\nmeetingJoinWebhook: https://hooks.example/${env:ROOM_HOOK}\n",
    );
    let ran = apply(&site, &[]);
    assert_eq!(ran.code, 5, "{}", ran.all());
    let first = lines(&site);
    let of = |room: &str| {
        let line = first.iter().find(|line| line["room"] == room);
        line.unwrap_or_else(|| panic!("no line of {room}"))
    };
    assert_eq!(first.len(), 3);
    assert_eq!(of("room-00")["outcome"], "confirmed");
    assert_eq!(of("room-00")["action"], "create");
    assert_ne!(of("room-01")["outcome"], "confirmed");
    let third = of("room-02");
    assert_eq!(third["app"], "acme");
    assert_eq!(third["run"]["commit"], COMMIT);
    assert_eq!(
        third["attributes"],
        serde_json::json!(["meetingJoinWebhook", "privacy"])
    );
    // What was there stays, also when somebody was killed in the midst of a line.
    let before = site.scratch.read("log/audit.jsonl");
    site.scratch
        .write("log/audit.jsonl", &format!("{before}{{\"when\":"));
    site.faults(&[]);
    assert_eq!(apply(&site, &["--target", "room-01"]).code, 0);
    let after = site.scratch.read("log/audit.jsonl");
    let added = after
        .strip_prefix(&format!("{before}{{\"when\":\n"))
        .unwrap();
    let added: Value = serde_json::from_str(added).unwrap();
    assert_eq!(added["room"], "room-01");
    assert!(!after.contains("canary"));
    // Nothing to do, nothing to add.
    assert_eq!(apply(&site, &[]).code, 0);
    assert_eq!(site.scratch.read("log/audit.jsonl"), after);
    site.room(0, "privacy: public\n");
    assert_eq!(apply(&site, &[]).code, 0);
    let last = site.scratch.read("log/audit.jsonl");
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["effects"], serde_json::json!(["privacy-widened"]));
    assert_eq!(last["serial"], 2);
}

/// Nothing is sent that could not be written down.
#[test]
fn a_file_that_cannot_be_added_to_ends_the_run() {
    let site = Site::with_rooms(&[], &[], 1);
    let refused = |file: &str| {
        let ran = site.run(&["apply", "--yes", "--audit-file", file]);
        assert_eq!(ran.code, 64, "{file}: {}", ran.all());
        assert_eq!(site.simulator().requests().total(), 0, "{file}");
    };
    refused("rooms/room-00.yaml");
    refused("rooms/new.yaml");
    refused(".roomctl/state.json");
    refused(".");
    #[cfg(unix)]
    {
        site.scratch.write("elsewhere", "theirs");
        std::os::unix::fs::symlink(site.scratch.path("elsewhere"), site.scratch.path("link"))
            .unwrap();
        refused("link");
        refused("/dev/null");
        assert_eq!(site.scratch.read("elsewhere"), "theirs");
    }
}

#[test]
fn a_trace_has_every_request_on_the_row_of_its_worker() {
    let site = Site::with_rooms(
        &[],
        &["503=room:room-01,method:POST,first:1,retry-after:1"],
        3,
    );
    let args = [
        "apply",
        "--yes",
        "--rate",
        "unlimited",
        "--parallelism",
        "2",
        "--trace-file",
        "trace.json",
    ];
    let ran = site.run(&args);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let text = site.scratch.read("trace.json");
    let events: Vec<Value> = serde_json::from_str(&format!("{text}]")).unwrap();
    let of = |name: &str| {
        let of = events.iter().filter(|event| event["name"] == name);
        of.cloned().collect::<Vec<_>>()
    };
    let requests = of("request");
    assert_eq!(requests.len() as u64, site.simulator().requests().total());
    let again = requests
        .iter()
        .find(|one| one["args"]["status"] == 503)
        .unwrap();
    assert_eq!(again["args"]["room"], "room-01");
    assert_eq!(again["args"]["method"], "POST");
    assert_eq!(of("room").len(), 3);
    let rows: std::collections::BTreeSet<_> =
        requests.iter().map(|one| one["tid"].as_u64()).collect();
    assert!(rows.len() <= 2, "{rows:?}");
    // It takes the place of nothing.
    let ran = site.run(&args);
    assert_eq!(ran.code, 64, "{}", ran.all());
    assert_eq!(site.scratch.read("trace.json"), text);
    // The log has the same spans.
    site.faults(&["503=room:room-01,first:1,retry-after:1"]);
    let log = [
        "drift",
        "--rate",
        "unlimited",
        "-vv",
        "--log-format",
        "json",
    ];
    let ran = site.run(&log);
    let lines = ran
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<Value> = lines.collect();
    let failed = lines
        .iter()
        .find(|line| line["fields"]["message"] == "a request failed");
    assert_eq!(failed.unwrap()["span"]["name"], "worker", "{}", ran.all());
}
