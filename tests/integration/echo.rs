//! A service that repeats the key, in every disguise that is known, in every part of its answers: none of it may get out.

use std::io::Write;
use std::net::TcpListener;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::{Ran, Scratch};
use crate::hostile_service::read;

const KEY: &str = "sEcReT-canary-0123456789";

/// A disguise of a text.
type Disguise = fn(&str) -> String;

fn each(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect()
}

/// Each in a form that may stand in a JSON text.
const DISGUISES: [Disguise; 8] = [
    str::to_owned,
    |text| each(text, |b| format!("%{b:02X}")),
    |text| each(text, |b| format!("&#{b};")),
    |text| each(text, |b| format!("&#x{b:X};")),
    |text| each(text, |b| format!("\\u{b:04x}")),
    |text| each(text, |b| format!("\\\\u{b:04x}")),
    |text| STANDARD.encode(text),
    |text| text.chars().rev().collect(),
];

/// What may be seen of a disguise: letters and digits only, from its middle.
fn trace(disguised: &str) -> String {
    let bare = bare(disguised);
    bare[bare.len() / 4..bare.len() / 2].to_owned()
}

fn bare(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.collect::<String>().to_lowercase()
}

/// The answers, by the number of the request.
fn answer(number: usize, key: &str) -> String {
    let room = format!(
        r#"{{"roomName":"a","privacy":"{key}","_id":"{key}","{key}":true,"lang":"{key}","joinAudioOn":"{key}","other":["{key}"]}}"#
    );
    let (status, kind, body) = match number % ANSWERS {
        0 => (200, "application/json", room),
        1 => (
            400,
            "application/json",
            format!(r#"{{"success":false,"message":"no {key}"}}"#),
        ),
        2 => (
            200,
            "text/html",
            format!("<html><title>{key}</title></html>"),
        ),
        3 => (
            400,
            "application/json",
            format!(r#"{{"error":{{"details":[{{"message":"{key}"}}]}}}}"#),
        ),
        4 => (
            200,
            "application/json",
            format!(r#"{{"roomName":"{key}"}}"#),
        ),
        5 => (302, "text/plain", key.to_owned()),
        6 => (
            200,
            "application/json",
            format!(r#"{{"roomName":"a","cut":"{key}"#),
        ),
        _ => (418, "application/json", format!(r#"["{key}"]"#)),
    };
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nLocation: /{0}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        bare(key),
        body.len()
    )
}

/// How many answers there are. The first one is a room.
const ANSWERS: usize = 8;

/// Serves until the process ends: the answers in turn, beginning with `from`, or only rooms.
fn serve(from: usize, key: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if read(&stream).is_some() {
                // The client may be gone.
                let number = if from == ANSWERS { 0 } else { from + number };
                let _ = stream.write_all(answer(number, &key).as_bytes());
            }
        }
    });
    url
}

fn run(scratch: &Scratch, url: &str, args: &[&str]) -> Ran {
    let network = ["--app", "acme", "--base-url", url, "-vvv"];
    let mut command = scratch.command(&[&network[..], args].concat());
    command.env("METERED_SECRET_KEY", KEY).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// What takes seconds.
mod slow {
    use super::*;

    #[test]
    fn the_key_gets_out_in_no_known_disguise() {
        for disguise in DISGUISES {
            let disguised = disguise(KEY);
            let trace = trace(&disguised);
            let clean = |text: &str, what: &str| {
                assert!(
                    !bare(text).contains(&trace),
                    "{disguised} in {what}: {text}"
                );
            };
            for from in 0..=ANSWERS {
                let scratch = Scratch::new();
                scratch.write("rooms/a.yaml", "privacy: private\njoinAudioOn: true\n");
                let url = serve(from, disguised.clone());
                let quick = ["--rate", "unlimited"];
                for command in [
                    &["apply", "--yes"] as &[&str],
                    &["apply", "--yes", "--live", "--format", "json"],
                    &["drift", "--format", "json"],
                    &["import", "--all"],
                ] {
                    let ran = run(&scratch, &url, &[command, &quick].concat());
                    assert!(
                        matches!(ran.code, 0 | 2 | 4 | 5 | 6),
                        "{} {}",
                        ran.code,
                        ran.all()
                    );
                    clean(&ran.all(), "the output");
                    assert!(!ran.all().contains("canary"), "{}", ran.all());
                }
                for (path, bytes) in scratch.files() {
                    clean(
                        &String::from_utf8_lossy(&bytes),
                        &path.display().to_string(),
                    );
                }
            }
        }
    }
}
