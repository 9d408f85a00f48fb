//! The spans of a run at a collector of OpenTelemetry, and what becomes of the run when that is none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::Ran;
use crate::harness::Site;
use crate::hostile_service::{Asked, HostileService, Way, answer};

/// A span, as far as it is looked at.
#[derive(Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
    events: usize,
}

/// A field of a protobuf message: a number, or bytes, which may be a text or another message.
struct Field<'a> {
    tag: u64,
    number: u64,
    bytes: &'a [u8],
}

/// Reads numbers of seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut message: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message);
        let mut field = Field {
            tag: key >> 3,
            number: 0,
            bytes: &[],
        };
        let length = match key & 7 {
            0 => {
                field.number = number(&mut message);
                0
            }
            1 => 8,
            2 => usize::try_from(number(&mut message)).unwrap(),
            5 => 4,
            other => panic!("no such kind of field: {other}"),
        };
        (field.bytes, message) = message.split_at(length);
        fields.push(field);
    }
    fields
}

/// The messages at the end of a path of fields.
fn within<'a>(message: &'a [u8], path: &[u64]) -> Vec<&'a [u8]> {
    let Some((first, rest)) = path.split_first() else {
        return vec![message];
    };
    let fields = fields(message);
    let found = fields.iter().filter(|field| field.tag == *first);
    found.flat_map(|field| within(field.bytes, rest)).collect()
}

fn text(message: &[u8], tag: u64) -> String {
    let found = within(message, &[tag]).concat();
    String::from_utf8(found).unwrap()
}

/// Keys and values, of which a number is shown as such.
fn attributes(message: &[u8], tag: u64) -> BTreeMap<String, String> {
    let pairs = within(message, &[tag]).into_iter();
    let pairs = pairs.map(|pair| {
        let value = within(pair, &[2]).concat();
        let value = match fields(&value).first().unwrap() {
            string if string.tag == 1 => text(&value, 1),
            integer if integer.tag == 3 => integer.number.to_string(),
            other => panic!("no such value is expected: {}", other.tag),
        };
        (text(pair, 1), value)
    });
    pairs.collect()
}

fn spans(asked: &[Asked]) -> Vec<Span> {
    let all = asked
        .iter()
        .flat_map(|asked| within(&asked.bytes, &[1, 2, 2]));
    let spans = all.map(|span| Span {
        trace: within(span, &[1]).concat(),
        id: within(span, &[2]).concat(),
        parent: within(span, &[4]).concat(),
        name: text(span, 5),
        attributes: attributes(span, 9),
        events: within(span, &[11]).len(),
    });
    spans.collect()
}

fn well() -> Vec<u8> {
    answer(200, "application/x-protobuf", "", "")
}

fn run(site: &Site, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: Vec<_> = variables.iter().map(owned).collect();
    site.run_with(&variables, args)
}

const APPLY: [&str; 4] = ["apply", "--yes", "--rate", "unlimited"];

/// What is said of spans on standard error.
fn said(ran: &Ran) -> Vec<&str> {
    let lines = ran.stderr.lines();
    lines.filter(|line| line.contains("spans")).collect()
}

#[test]
fn a_collector_gets_the_spans_and_nothing_else() {
    let collector = HostileService::new(&[], |_| Way::Instead(well()));
    let fault = "503=room:room-01,method:POST,first:1,retry-after:1";
    let site = Site::with_rooms(&[], &[fault], 3);
    let hook = "privacy: public\nmeetingJoinWebhook: https://hooks.example/${env:ROOM_HOOK}\n";
    site.room(2, hook);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20canary-token",
        ),
        ("ROOM_HOOK", "canary-hook"),
    ];
    let more = ["-vvv", "--parallelism", "2", "--trace-file", "trace.json"];
    let ran = run(&site, &variables, &[&APPLY[..], &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(said(&ran), [""; 0]);
    site.check_files();
    let asked = collector.asked();
    for one in &asked {
        assert_eq!(
            (one.method.as_str(), one.path.as_str()),
            ("POST", "/v1/traces")
        );
        assert!(
            one.head.contains("authorization: bearer canary-token\n"),
            "{}",
            one.head
        );
        assert!(!String::from_utf8_lossy(&one.bytes).contains("canary"));
        let resource = within(&one.bytes, &[1, 1]).concat();
        assert_eq!(attributes(&resource, 1)["service.name"], "roomctl");
    }
    let spans = spans(&asked);
    let of = |name: &str| {
        spans
            .iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let requests = of("request");
    assert_eq!(requests.len() as u64, site.simulator().requests().total());
    let again = requests
        .iter()
        .find(|span| span.attributes["status"] == "503");
    let again = &again.unwrap().attributes;
    assert_eq!((&*again["room"], &*again["method"]), ("room-01", "POST"));
    let rooms: BTreeSet<&str> = of("room")
        .iter()
        .map(|span| &*span.attributes["room"])
        .collect();
    assert_eq!(rooms, ["room-00", "room-01", "room-02"].into());
    assert_eq!(of("turn").len(), requests.len());
    // What they carry, and no event.
    for span in &spans {
        let names: Vec<&str> = span.attributes.keys().map(String::as_str).collect();
        let carried: &[&str] = match &*span.name {
            "run" => &["command"],
            "request" => &["attempt", "method", "room", "status"],
            "room" => &["action", "room"],
            _ => &[],
        };
        assert_eq!((&*names, span.events), (carried, 0), "{}", span.name);
    }
    // All are of one trace, below the run.
    let roots: Vec<_> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(
        (&*roots[0].name, &*roots[0].attributes["command"]),
        ("run", "apply")
    );
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.id).collect();
    for span in &spans {
        assert_eq!(span.trace, roots[0].trace);
        assert!(
            span.parent.is_empty() || ids.contains(&span.parent),
            "{span:?}"
        );
    }
    // The trace file has the same, but for the run: each worker is a row.
    let trace = site.scratch.read("trace.json");
    let events: Vec<Value> = serde_json::from_str(&format!("{trace}]")).unwrap();
    assert_eq!(events.len(), spans.len());
    assert!(!trace.contains(r#""name":"run""#), "{trace}");
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    let collector = HostileService::new(&[], |_| Way::Instead(well()));
    let url = collector.url.as_str();
    let site = Site::with_rooms(&[], &[], 1);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    // No variable, or one that says no; and a command that asks the service nothing.
    for (variables, args) in [
        (vec![("OTEL_SERVICE_NAME", "rooms")], &APPLY[..]),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")], &APPLY),
        (vec![endpoint, ("OTEL_SDK_DISABLED", "true")], &APPLY),
        (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], &APPLY),
        (vec![endpoint], &["validate"]),
    ] {
        let ran = run(&site, &variables, args);
        assert_eq!((ran.code, said(&ran).len()), (0, 0), "{}", ran.all());
        assert_eq!(collector.asked().len(), 0, "{variables:?}");
        site.room(
            0,
            &format!(
                "privacy: public\nmaxParticipants: {}\n",
                site.log().len() + 2
            ),
        );
    }
    let address = format!("{url}/elsewhere");
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address.as_str()),
        ("OTEL_SERVICE_NAME", "rooms"),
    ];
    let ran = run(&site, &variables, &APPLY);
    assert_eq!((ran.code, said(&ran).len()), (0, 0), "{}", ran.all());
    let asked = collector.asked();
    assert_eq!(asked[0].path, "/elsewhere");
    let resource = within(&asked[0].bytes, &[1, 1]).concat();
    assert_eq!(attributes(&resource, 1)["service.name"], "rooms");
}

/// It answers when the run is over, or after a minute: a run that waited for that would not say that it took too long.
#[test]
fn a_collector_that_never_answers_holds_nobody() {
    let (over, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let latest = Instant::now() + Duration::from_secs(60);
    let collector = HostileService::new(&[], move |_| {
        let _ = wait
            .lock()
            .unwrap()
            .recv_timeout(latest.saturating_duration_since(Instant::now()));
        Way::Instead(well())
    });
    let site = Site::with_rooms(&[], &[], 3);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        // Each span by itself, and at once, so that most of them find no place to wait in.
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
    ];
    let ran = run(&site, &variables, &APPLY);
    drop(over);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(site.simulator().requests().post, 3);
    let said = said(&ran);
    let expected = "the collector that OTEL_EXPORTER_OTLP_ENDPOINT names: it took too long";
    assert!(said.len() == 1 && said[0].ends_with(expected), "{said:?}");
}

#[test]
fn a_collector_that_is_none_gets_one_line_and_changes_nothing() {
    let site = Site::applied(&[], 2);
    let drift = [
        "drift",
        "--rate",
        "unlimited",
        "--format",
        "json",
        "--now",
        "2026-11-24T09:00:00Z",
    ];
    let expected = run(&site, &[], &drift);
    let elsewhere = HostileService::new(&[], |_| Way::Instead(well()));
    let there = format!("Location: {}/canary\r\n", elsewhere.url);
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut collectors = Vec::new();
    let mut answers = |bytes: Vec<u8>| {
        let collector = HostileService::new(&[], move |_| Way::Instead(bytes.clone()));
        let url = collector.url.replace("://", "://canary-user:canary-word@");
        collectors.push(collector);
        url
    };
    for (url, why) in [
        (
            answers(answer(500, "text/plain", "", "canary\x1b[31m")),
            "it answered with 500",
        ),
        (
            answers(answer(307, "text/plain", &there, "")),
            "it answered with 307",
        ),
        (answers(b"canary\r\n\r\n".to_vec()), "did not reach"),
        (format!("http://{free}/canary"), "nobody listens there"),
        ("canary".to_owned(), "that is no address"),
        ("http://[canary".to_owned(), "that is no address"),
    ] {
        let ran = run(&site, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)], &drift);
        assert_eq!(
            (ran.code, &ran.stdout),
            (expected.code, &expected.stdout),
            "{url}"
        );
        let said = said(&ran);
        assert!(
            said.len() == 1 && said[0].contains(why),
            "{url}: {}",
            ran.stderr
        );
        assert_eq!(
            ran.stderr.lines().count(),
            expected.stderr.lines().count() + 1,
            "{}",
            ran.stderr
        );
    }
    assert_eq!(elsewhere.asked().len(), 0);
}
