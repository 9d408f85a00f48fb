//! A service of the tests' own: rooms in a map behind a plain socket, which may answer any way it likes. Shares
//! nothing with the program or its simulator.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use crate::common::{Ran, Scratch};

pub const KEY: &str = "canary-key-5d20be";

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The headers, in lower case.
    pub head: String,
    pub body: Value,
    /// The body as it came, whatever it is.
    pub bytes: Vec<u8>,
}

impl Asked {
    /// The room it is about.
    pub fn room(&self) -> String {
        let named = self.body["roomName"].as_str().map(str::to_owned);
        named.unwrap_or_else(|| self.path.rsplit('/').next().unwrap().to_owned())
    }

    pub fn is(&self, method: &str, room: &str) -> bool {
        self.method == method && self.room() == room
    }
}

/// How a request is met.
#[derive(Clone, Debug)]
pub enum Way {
    /// As it should be.
    Well,
    /// Not carried out; these bytes instead of an answer.
    Instead(Vec<u8>),
    /// Carried out; these bytes instead of the answer.
    After(Vec<u8>),
    /// Carried out; one byte of the answer now and then, for as long as somebody listens.
    Drip,
    /// Never answered, carried out or not.
    Silence { carried_out: bool },
}

type Rooms = BTreeMap<String, Map<String, Value>>;

#[derive(Default)]
struct Desk {
    rooms: Rooms,
    asked: Vec<Asked>,
}

pub struct HostileService {
    pub url: String,
    port: u16,
    desk: Arc<Mutex<Desk>>,
    pub scratch: Scratch,
}

impl HostileService {
    /// A service that holds `rooms`, public ones, and meets requests as `way` says; and a directory with a file
    /// for each room.
    pub fn new(rooms: &[&str], way: impl Fn(&Asked) -> Way + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let scratch = Scratch::new();
        for room in rooms {
            let held = json!({"roomName": room, "privacy": "public", "_id": "c0ffee"});
            let held = held.as_object().unwrap().clone();
            desk.lock().unwrap().rooms.insert((*room).to_owned(), held);
            scratch.write(
                &format!("rooms/{room}.yaml"),
                "privacy: private\nmaxParticipants: 5\n",
            );
        }
        let (theirs, way) = (desk.clone(), Arc::new(way));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (desk, way) = (theirs.clone(), way.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &desk, &*way));
            }
        });
        Self {
            url: format!("http://127.0.0.1:{port}"),
            port,
            desk,
            scratch,
        }
    }

    /// The same service over an address that promises TLS.
    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.desk.lock().unwrap().asked.clone()
    }

    pub fn count(&self, method: &str, room: &str) -> usize {
        self.asked()
            .iter()
            .filter(|asked| asked.is(method, room))
            .count()
    }

    /// What the service holds of a room.
    pub fn held(&self, room: &str) -> Map<String, Value> {
        self.desk.lock().unwrap().rooms[room].clone()
    }

    pub fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut all = vec!["--app", "acme", "--base-url", url];
        all.extend(args);
        let mut command = self.scratch.command(&all);
        command.env("METERED_SECRET_KEY", KEY).stdin(Stdio::null());
        command
    }

    pub fn apply(&self, more: &[&str]) -> Ran {
        self.apply_at(&self.url, more)
    }

    pub fn apply_at(&self, url: &str, more: &[&str]) -> Ran {
        let mut args = vec!["apply", "--yes", "--rate", "unlimited", "--format", "json"];
        args.extend(more);
        let ran: Ran = self.command(url, &args).output().unwrap().into();
        assert!(!ran.all().contains("canary"), "{}", ran.all());
        ran
    }
}

/// A whole answer.
pub fn answer(status: u16, kind: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

pub fn json_answer(status: u16, body: &Value) -> Vec<u8> {
    answer(status, "application/json", "", &body.to_string())
}

fn serve(mut stream: TcpStream, desk: &Mutex<Desk>, way: &dyn Fn(&Asked) -> Way) {
    let Some(asked) = read(&stream) else { return };
    desk.lock().unwrap().asked.push(asked.clone());
    // The client may leave at any moment: that is its own business.
    let _ = match way(&asked) {
        Way::Well => stream.write_all(&carry_out(desk, &asked)),
        Way::Instead(bytes) => stream.write_all(&bytes),
        Way::After(bytes) => {
            carry_out(desk, &asked);
            stream.write_all(&bytes)
        }
        Way::Drip => drip(&mut stream, &carry_out(desk, &asked)),
        Way::Silence { carried_out } => {
            if carried_out {
                carry_out(desk, &asked);
            }
            until_it_leaves(&stream);
            Ok(())
        }
    };
}

fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte])?;
        // How fast the bytes come is what this is about; nobody waits for it.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

fn until_it_leaves(mut stream: &TcpStream) {
    let _ = stream.read(&mut [0; 1]);
}

/// Reads a request to its end. `None`: it ended before.
pub fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut head) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        head += &format!("{line}\n");
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).ok()?;
    Some(Asked {
        method,
        path: target.split('?').next()?.to_owned(),
        head,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes,
    })
}

fn carry_out(desk: &Mutex<Desk>, asked: &Asked) -> Vec<u8> {
    let rooms = &mut desk.lock().unwrap().rooms;
    let room = asked.room();
    if asked.method == "POST" {
        rooms.entry(room.clone()).or_default();
    }
    let Some(held) = rooms.get_mut(&room) else {
        return json_answer(400, &json!({"success": false, "message": "room not found"}));
    };
    if let Value::Object(body) = &asked.body {
        held.extend(body.clone());
    }
    json_answer(200, &Value::Object(held.clone()))
}
