//! Everything that can go wrong between here and the service, and between here and the disk, on real sockets and
//! files: what is told is true, nothing that was confirmed is lost, and the next run puts it right.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Ran, Scratch};
use crate::hostile_service::{Asked, HostileService, Way, answer, json_answer};
use crate::schemas::check;

/// The outcome and the message of a room.
fn end(report: &Value, room: &str) -> (String, String) {
    let receipts = report["receipts"].as_array().unwrap();
    let receipt = receipts.iter().find(|r| r["room"] == room).unwrap();
    let text = |field: &str| receipt[field].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("message"))
}

fn is_confirmed(service: &HostileService, room: &str) -> bool {
    let path = service.scratch.path(".roomctl/state.json");
    let state = roomctl::inside::state(&path, "acme").unwrap();
    let room = &state["rooms"][room];
    room["settings"]["privacy"].is_string() && room["unconfirmed"].is_null()
}

/// Whatever happened before: a run against the service as it should be is enough.
fn converges(service: &HostileService, rooms: &[&str], url: &str) {
    let ran = service.apply_at(url, &[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let plan: Ran = service
        .command(url, &["plan", "--detailed-exitcode"])
        .output()
        .unwrap()
        .into();
    assert_eq!(plan.code, 0, "{}", plan.all());
    for room in rooms {
        assert_eq!(service.held(room)["maxParticipants"], 5, "{room}");
    }
}

/// A way in which the write of one room of two goes wrong, and what is told of it.
struct Case {
    name: &'static str,
    way: Way,
    outcome: &'static str,
    message: &'static str,
    /// How often the room is written.
    tries: usize,
}

fn chunked(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    )
    .into_bytes()
}

fn cases() -> Vec<Case> {
    let room = json!({"roomName": "a", "privacy": "private", "maxParticipants": 5}).to_string();
    let whole = answer(200, "application/json", "", &room);
    let big = format!("{room}{}", " ".repeat(1 << 20));
    let html = "<html><body>Bad gateway</body></html>";
    let case = |name, way, outcome, message, tries| Case {
        name,
        way,
        outcome,
        message,
        tries,
    };
    let event = json!({"eventCode": "E-77", "message": "broken"});
    vec![
        case(
            "500 with an event code",
            Way::After(json_answer(500, &event)),
            "unknown",
            "HTTP 500: broken",
            5,
        ),
        case(
            "502 as a page",
            Way::Instead(answer(502, "text/html", "", html)),
            "unknown",
            "HTTP 502 with text/html",
            5,
        ),
        case(
            "503 without a body",
            Way::Instead(answer(503, "text/plain", "", "")),
            "unknown",
            "HTTP 503 with an empty body",
            5,
        ),
        case(
            "silence, not written",
            Way::Silence { carried_out: false },
            "unknown",
            "it took too long",
            5,
        ),
        case(
            "silence, written",
            Way::Silence { carried_out: true },
            "unknown",
            "it took too long",
            5,
        ),
        case("a slow drip", Way::Drip, "unknown", "it took too long", 5),
        case(
            "closed at once",
            Way::After(Vec::new()),
            "unknown",
            "no answer came",
            5,
        ),
        case(
            "closed in the head",
            Way::After(b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec()),
            "unknown",
            "no answer came",
            5,
        ),
        case(
            "closed in the body",
            Way::After(whole[..whole.len() - 9].to_vec()),
            "unknown",
            "no answer came",
            5,
        ),
        case(
            "no HTTP",
            Way::After(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
            "unknown",
            "no answer came",
            5,
        ),
        case(
            "a page with 200",
            Way::Instead(answer(200, "text/html", "", html)),
            "unknown",
            "with text/html (37 bytes)",
            1,
        ),
        case(
            "JSON cut short",
            Way::After(answer(200, "application/json", "", &room[..20])),
            "unknown",
            "does not parse",
            1,
        ),
        case(
            "another room",
            Way::After(json_answer(200, &json!({"roomName": "b"}))),
            "unknown",
            "about another room",
            1,
        ),
        case(
            "too much, announced",
            Way::After(answer(200, "application/json", "", &big)),
            "unknown",
            "larger than 1 MiB",
            1,
        ),
        case(
            "too much, in chunks",
            Way::After(chunked(&big)),
            "unknown",
            "larger than 1 MiB",
            1,
        ),
        case(
            "a redirect",
            Way::Instead(answer(
                302,
                "text/plain",
                "Location: http://127.0.0.1:1/\r\n",
                "",
            )),
            "unknown",
            "redirect",
            1,
        ),
        case(
            "not accepted",
            Way::Instead(json_answer(400, &json!({"message": "no"}))),
            "refused",
            "HTTP 400: no",
            1,
        ),
    ]
}

#[test]
fn a_write_that_goes_wrong_is_reported_as_it_is_and_put_right_by_the_next_run() {
    side_by_side(cases().into_iter().filter(|case| case.tries == 1));
}

/// What waits for the real back-off.
mod slow {
    use super::*;

    #[test]
    fn a_write_that_goes_wrong_five_times_is_reported_as_it_is_and_put_right_by_the_next_run() {
        side_by_side(cases().into_iter().filter(|case| case.tries > 1));
    }

    #[test]
    fn a_service_that_cannot_be_reached_is_reported_as_such() {
        let service = HostileService::new(&["a"], |_| Way::Well);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        // Something answers there, and it does not speak TLS.
        let plain = service.https();
        std::thread::scope(|threads| {
            for url in [nobody.as_str(), &plain, "https://no-such-host.invalid"] {
                let here = HostileService::new(&["a"], |_| Way::Well);
                threads.spawn(move || {
                    let ran = here.apply_at(url, &[]);
                    // A machine without certificates cannot even try TLS.
                    let no_tls = ran.stderr.contains("ca-certificates");
                    assert_eq!(
                        ran.code,
                        if no_tls { 64 } else { 6 },
                        "{url}: {}",
                        ran.all()
                    );
                    if !no_tls {
                        let (outcome, message) = end(&ran.json(), "a");
                        assert_eq!(outcome, "refused", "{url}");
                        assert!(
                            message.contains("so nothing was written"),
                            "{url}: {message}"
                        );
                    }
                    converges(&here, &["a"], &here.url);
                });
            }
        });
        assert_eq!(service.asked().len(), 0, "nothing was understood");
    }

    /// A disk that is full at a different moment each time: before the journal, in it, and at the state.
    #[cfg(unix)]
    #[test]
    fn a_full_disk_loses_nothing_that_was_confirmed() {
        let rooms: Vec<String> = (0..12).map(|n| format!("room-{n:02}")).collect();
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let mut failed = 0;
        for blocks in 0..=8 {
            let service = HostileService::new(&names, |_| Way::Well);
            let program = service.command(&service.url, &["apply", "--yes", "--rate", "unlimited"]);
            // The program itself cannot lower what it may write, so a shell does: in units of 512 bytes.
            let limited =
                format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\" --format json");
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &limited])
                .arg(program.get_program())
                .args(program.get_args());
            shell
                .env_clear()
                .current_dir(program.get_current_dir().unwrap());
            shell.envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            let ran: Ran = shell.output().unwrap().into();
            assert!(matches!(ran.code, 0 | 7), "{blocks}: {}", ran.all());
            failed += usize::from(ran.code == 7);
            assert!(
                ran.stderr.contains("help: ") || !ran.stdout.is_empty(),
                "{}",
                ran.all()
            );
            if !ran.stdout.is_empty() {
                let report = ran.json();
                check("apply", &report);
                for room in report["receipts"].as_array().unwrap() {
                    let (room, outcome) = (room["room"].as_str().unwrap(), &room["outcome"]);
                    let confirmed = is_confirmed(&service, room);
                    assert_eq!(
                        confirmed,
                        outcome == "confirmed",
                        "{blocks} {room}: {report}"
                    );
                    let written = service.count("PUT", room) > 0;
                    assert_eq!(written, outcome != "skipped", "{blocks} {room}: {report}");
                }
            }
            converges(&service, &names, &service.url);
        }
        assert!(failed >= 3, "the limits are too high to be met");
    }

    #[test]
    fn a_429_is_waited_out_in_each_of_its_forms() {
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        let date = format!("Retry-After: {}\r\n", httpdate::fmt_http_date(soon));
        let past = format!(
            "Retry-After: {}\r\n",
            httpdate::fmt_http_date(std::time::UNIX_EPOCH)
        );
        let forms = ["Retry-After: 1\r\n", &date, "", "Retry-After: 0\r\n", &past];
        std::thread::scope(|threads| {
            for form in forms {
                let form = form.to_owned();
                threads.spawn(move || {
                    let first = std::sync::atomic::AtomicBool::new(true);
                    let way = too_many(&form);
                    let service = HostileService::new(&["a", "b"], move |asked| {
                        let is_first = asked.is("PUT", "a")
                            && first.swap(false, std::sync::atomic::Ordering::SeqCst);
                        if is_first { way.clone() } else { Way::Well }
                    });
                    let ran = service.apply(&[]);
                    assert_eq!(ran.code, 0, "{}", ran.all());
                    assert_eq!(service.count("PUT", "a"), 2);
                });
            }
        });
    }
}

fn side_by_side(cases: impl Iterator<Item = Case>) {
    std::thread::scope(|threads| {
        for case in cases {
            threads.spawn(move || a_write_goes_wrong(&case));
        }
    });
}

fn a_write_goes_wrong(case: &Case) {
    let name = case.name;
    let way = case.way.clone();
    let well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_well = well.clone();
    let service = HostileService::new(&["a", "b"], move |asked| {
        let faulty = asked.is("PUT", "a") && !is_well.load(std::sync::atomic::Ordering::SeqCst);
        if faulty { way.clone() } else { Way::Well }
    });
    let ran = service.apply(&["--timeout", "0.5"]);
    assert_eq!(ran.code, 5, "{name}: {}", ran.all());
    let report = ran.json();
    check("apply", &report);
    let (outcome, message) = end(&report, "a");
    assert_eq!(outcome, case.outcome, "{name}: {message}");
    assert!(message.contains(case.message), "{name}: {message}");
    assert_eq!(end(&report, "b").0, "confirmed", "{name}");
    assert_eq!(service.count("PUT", "a"), case.tries, "{name}");
    assert!(!is_confirmed(&service, "a"), "{name}");
    assert!(is_confirmed(&service, "b"), "{name}");
    well.store(true, std::sync::atomic::Ordering::SeqCst);
    converges(&service, &["a", "b"], &service.url);
    assert_eq!(
        service.count("PUT", "b"),
        1,
        "{name}: what was confirmed is not written again"
    );
}

fn too_many(more: &str) -> Way {
    let body = json!({"message": "slow down"}).to_string();
    Way::Instead(answer(429, "application/json", more, &body))
}

#[test]
fn a_pause_of_a_day_ends_the_run_at_once() {
    let rooms: Vec<String> = (0..8).map(|n| format!("room-{n}")).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let service = HostileService::new(&names, |asked: &Asked| {
        if asked.method == "PUT" {
            return too_many("Retry-After: 86400\r\n");
        }
        Way::Well
    });
    let ran = service.apply(&["--parallelism", "1"]);
    assert_eq!(ran.code, 6, "{}", ran.all());
    let report = ran.json();
    assert_eq!(report["summary"]["refused"], 1);
    assert_eq!(report["summary"]["skipped"], 7);
    let why = "the service asked for a pause of 86400 s, longer than this run waits";
    assert_eq!(report["stopped"], why);
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn a_key_that_is_not_accepted_stops_the_run() {
    for status in [401, 403] {
        let rooms: Vec<String> = (0..8).map(|n| format!("room-{n}")).collect();
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let service = HostileService::new(&names, move |_| {
            Way::Instead(json_answer(status, &json!({"message": "bad key"})))
        });
        let ran = service.apply(&[]);
        assert_eq!(ran.code, 6, "{}", ran.all());
        assert!(service.asked().len() <= 4, "no more than were under way");
        assert_eq!(ran.json()["stopped"], "the service does not accept the key");
        assert!(!service.scratch.path(".roomctl/state.json").exists());
    }
}

#[test]
fn a_state_directory_that_vanishes_ends_the_run_and_the_next_one_recovers() {
    let rooms: Vec<String> = (0..8).map(|n| format!("room-{n}")).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let dir = std::sync::Arc::new(std::sync::Mutex::new(None::<std::path::PathBuf>));
    let theirs = dir.clone();
    let service = HostileService::new(&names, move |asked| {
        if asked.is("PUT", "room-3") {
            let dir = theirs.lock().unwrap().take();
            dir.into_iter()
                .for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
        }
        Way::Well
    });
    *dir.lock().unwrap() = Some(service.scratch.path(".roomctl"));
    let ran = service.apply(&["--parallelism", "1"]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    let report = ran.json();
    check("apply", &report);
    assert_eq!(end(&report, "room-3").0, "unknown", "{report}");
    let told: u64 = ["confirmed", "unknown", "skipped"]
        .map(|outcome| report["summary"][outcome].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!(told, 8, "{report}");
    converges(&service, &names, &service.url);
}

#[test]
fn a_place_that_cannot_hold_a_state_is_reported_before_anything_is_sent() {
    let service = HostileService::new(&["a"], |_| Way::Well);
    service.scratch.write(".roomctl", "in the way");
    let ran = service.apply(&[]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!(ran.stderr.contains("help: "), "{}", ran.stderr);
    assert_eq!(service.asked().len(), 0);
    std::fs::remove_file(service.scratch.path(".roomctl")).unwrap();
    converges(&service, &["a"], &service.url);
}

/// Nothing that would meet the next try as well is tried again, and no other room meets it.
#[test]
fn what_keeps_everything_away_ends_the_run_at_once() {
    let rooms: Vec<String> = (0..40).map(|n| format!("room-{n:02}")).collect();
    let scratch = Scratch::new();
    for room in &rooms {
        scratch.write(&format!("rooms/{room}.yaml"), "privacy: private\n");
    }
    // A port that was just free, and one that does not speak TLS.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [
        (free, "nobody listens there"),
        (plain.local_addr().unwrap(), "it does not speak TLS"),
    ];
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for (address, why) in addresses {
        let url = format!("https://{address}");
        let told = format!("cannot reach {address}: {why}; check ");
        for command in [&["apply", "--yes"][..], &["drift"], &["import", "--all"]] {
            let args = [command, &["--format", "json", "--base-url", &url]].concat();
            let mut command_line = scratch.command(&args);
            command_line.envs([
                ("METERED_SECRET_KEY", "simulated-key"),
                ("METERED_APP", "acme"),
            ]);
            let ran: Ran = command_line.output().unwrap().into();
            assert_eq!(ran.code, 6, "{}", ran.all());
            assert!(ran.all().contains(&told), "{}", ran.all());
            assert!(!ran.all().contains("name the rooms"), "{}", ran.all());
            if command[0] == "apply" {
                let report: Value = serde_json::from_str(&ran.stdout).unwrap();
                let receipts = report["receipts"].as_array().unwrap();
                let tries: u64 = receipts
                    .iter()
                    .map(|r| r["attempts"].as_u64().unwrap())
                    .sum();
                assert!(tries <= 4, "at most those under way: {tries}");
            }
        }
    }
}
