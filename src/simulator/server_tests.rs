//! What only a socket shows: connections kept and cut, and files that outlive a process.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::simulator::exchange::BODY_LIMIT;
use crate::simulator::room::Room;
use crate::simulator::world::SimKey;

const KEY: &str = "planted-key";

fn options(faults: &[&str]) -> SimulatorOptions {
    SimulatorOptions::new(Settings {
        faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
        log: true,
        ..Settings::new("acme", SimKey::new(KEY))
    })
}

async fn started(faults: &[&str]) -> Running {
    let running = Simulator::start(options(faults)).await.unwrap();
    running.with_world(|world| world.create("standup", Default::default(), 0));
    running
}

fn request_text(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} /api/v1/{path}?secretKey={KEY} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.unwrap()
}

/// Sends a request and reads its head and as many bytes of body as the head announces or the connection gives.
async fn ask(stream: &mut TcpStream, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
    stream
        .write_all(request_text(method, path, body).as_bytes())
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut body = vec![0; announced(&head)];
    stream.read_exact(&mut body).await.unwrap();
    (head, body)
}

fn announced(head: &str) -> usize {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.unwrap().parse().unwrap()
}

/// Sends a request and reads until the connection is closed.
async fn ask_until_closed(running: &Running, method: &str, path: &str, body: &str) -> Vec<u8> {
    let mut stream = connect(running).await;
    stream
        .write_all(request_text(method, path, body).as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn auto_join(running: &Running) -> Option<Value> {
    running.with_world(|world| {
        world
            .room("standup")
            .unwrap()
            .attributes
            .get("autoJoin")
            .cloned()
    })
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let running = started(&[]).await;
    let mut stream = connect(&running).await;
    for on in [true, false] {
        let body = json!({"autoJoin": on}).to_string();
        let (head, body) = ask(&mut stream, "PUT", "room/standup", &body).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let room: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(room["autoJoin"], on);
    }
    let (head, _) = ask(&mut stream, "GET", "room/nobody", "").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert_eq!((running.requests().put, running.requests().written), (2, 2));
    assert_eq!(running.log()[2].path, "/api/v1/room/nobody");
    assert_eq!(
        running.base_url(),
        format!("http://127.0.0.1:{}", running.address.port())
    );
    running.close().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn dropped_connections_get_no_byte() {
    for (fault, effect) in [("drop-before", None), ("drop-after", Some(json!(true)))] {
        let running = started(&[fault]).await;
        let answer =
            ask_until_closed(&running, "PUT", "room/standup", r#"{"autoJoin":true}"#).await;
        assert_eq!(String::from_utf8_lossy(&answer), "");
        assert_eq!(auto_join(&running), effect, "{fault}");
    }
}

#[tokio::test]
async fn short_answers_end_before_their_length() {
    let running = started(&["short"]).await;
    let answer = ask_until_closed(&running, "PUT", "room/standup", r#"{"autoJoin":true}"#).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), announced(head) / 2);
    assert_eq!(auto_join(&running), Some(json!(true)));
}

#[tokio::test]
async fn truncated_answers_have_the_length_they_say() {
    let running = started(&["truncated=first:1"]).await;
    let mut stream = connect(&running).await;
    let (_, cut) = ask(&mut stream, "GET", "room/standup", "").await;
    let (_, whole) = ask(&mut stream, "GET", "room/standup", "").await;
    assert!(whole.starts_with(&cut) && cut.len() == whole.len() / 2);
}

#[tokio::test]
async fn oversized_and_redirected_answers_arrive() {
    let running = started(&["oversized=first:1", "redirect=first:1"]).await;
    let mut stream = connect(&running).await;
    let (_, body) = ask(&mut stream, "GET", "room/standup", "").await;
    assert!(body.len() > 1 << 20);
    let (head, _) = ask(&mut stream, "GET", "room/standup", "").await;
    assert!(
        head.starts_with("HTTP/1.1 302 ")
            && head.contains("location: /moved/api/v1/room/standup\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn slow_answers_arrive() {
    let running = started(&["slow=ms:1"]).await;
    let (head, _) = ask(&mut connect(&running).await, "GET", "room/standup", "").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_clean_close_finishes_what_is_under_way() {
    let running = started(&["slow=ms:50"]).await;
    let mut stream = connect(&running).await;
    let answer = tokio::spawn(async move { ask(&mut stream, "PUT", "room/standup", "{}").await.0 });
    while running.requests().put == 0 {
        tokio::task::yield_now().await;
    }
    running.close().await.unwrap();
    let head = answer.await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn large_bodies_are_refused_with_an_answer() {
    let running = started(&[]).await;
    let body = " ".repeat(3 * BODY_LIMIT);
    let (head, _) = ask(&mut connect(&running).await, "PUT", "room/standup", &body).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        let mut options = options(&[]);
        options.listen = address.parse().unwrap();
        let error = Simulator::start(options).await.err().unwrap();
        assert!(matches!(error, SimulatorError::NotLoopback(_)), "{address}");
        assert!(error.to_string().contains("127.0.0.1:0"), "{error}");
    }
}

#[tokio::test]
async fn a_taken_address_is_reported() {
    let running = started(&[]).await;
    let mut options = options(&[]);
    options.listen = running.address;
    let error = Simulator::start(options).await.err().unwrap();
    assert!(matches!(error, SimulatorError::Listen { .. }), "{error}");
}

/// Ends it as if the process were killed: connections are cut, and the file stays as it is.
async fn kill(mut running: Running) {
    running.task.abort();
    let _ = (&mut running.task).await;
    lock(&running.desk).storage = None;
}

/// What a restart must not change.
fn content(running: &Running) -> (u64, Vec<Room>) {
    running.with_world(|world| (world.serial, world.rooms().cloned().collect()))
}

#[tokio::test]
async fn answered_changes_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&[]);
    options.data = Some(directory.path().join("sandbox.json"));
    let running = Simulator::start(options.clone()).await.unwrap();
    running.with_world(|world| world.create("standup", Default::default(), 0));
    let mut stream = connect(&running).await;
    ask(&mut stream, "PUT", "room/standup", r#"{"autoJoin":true}"#).await;
    ask(&mut stream, "POST", "room", r#"{"roomName":"daily"}"#).await;
    let before = content(&running);
    kill(running).await;

    let again = Simulator::start(options.clone()).await.unwrap();
    assert_eq!(content(&again), before);
    again
        .with_world(|world| world.edit("daily", "autoJoin", json!(true)))
        .unwrap();
    let edited = content(&again);
    again.close().await.unwrap();

    let last = Simulator::start(options).await.unwrap();
    assert_eq!(content(&last), edited);
}

#[tokio::test]
async fn a_change_that_cannot_be_written_down_is_not_answered_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&[]);
    options.data = Some(directory.path().join("sandbox.json"));
    let running = Simulator::start(options).await.unwrap();
    lock(&running.desk)
        .storage
        .as_mut()
        .unwrap()
        .break_for_test();
    let mut stream = connect(&running).await;
    for method in ["POST", "GET"] {
        let path = if method == "POST" { "room" } else { "rooms" };
        let (head, body) = ask(&mut stream, method, path, "").await;
        assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
        assert!(String::from_utf8_lossy(&body).contains("cannot be written"));
    }
    assert!(matches!(
        running.close().await,
        Err(SimulatorError::Storage(_))
    ));
}
