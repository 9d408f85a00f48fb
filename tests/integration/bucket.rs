//! Object stores of the tests' own on a socket: one that answers as a test says, and a bucket of S3's, which keeps what it is told to on the
//! condition that comes with it, as the cloud documents it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::hostile_service::answer;

/// One request, as it came.
pub struct Asked {
    /// First line and headers.
    pub head: String,
    body: Vec<u8>,
}

impl Asked {
    pub fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1);
        let mut headers = headers.filter_map(|line| line.split_once(": "));
        headers
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// `None`: it ended before its end.
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let lines = reader.by_ref().lines().map_while(Result::ok);
        let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let (head, body) = (lines.join("\n"), Vec::new());
        let mut asked = Self { head, body };
        let length = asked.header("content-length").unwrap_or("0");
        asked.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut asked.body).ok()?;
        Some(asked)
    }
}

/// A store at a port of this machine, until it is dropped.
pub struct Listening {
    pub port: u16,
    ended: Arc<AtomicBool>,
}

impl Listening {
    /// Where `answered` has no bytes, the connection ends without an answer.
    pub fn new(answered: impl Fn(Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended: Arc<AtomicBool> = Arc::default();
        let (is_over, answered) = (ended.clone(), Arc::new(answered));
        std::thread::spawn(move || {
            let streams = listener.incoming().map_while(Result::ok);
            for mut stream in streams.take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let answered = answered.clone();
                std::thread::spawn(move || {
                    let asked = Asked::read(&stream);
                    // The client may leave at any moment.
                    asked.map(|asked| stream.write_all(&answered(asked)))
                });
            }
        });
        Self { port, ended }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It looks up when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    /// The run that wrote it.
    run: String,
}

impl Object {
    fn new(bytes: Vec<u8>, run: &str) -> Self {
        let run = run.to_owned();
        Self { bytes, run }
    }

    /// As S3 has it: the same for the same bytes.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }

    fn headers(&self) -> String {
        let (tag, run) = (self.tag(), &self.run);
        format!(
            "ETag: {tag}\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nx-amz-meta-run: {run}\r\n"
        )
    }
}

/// What is done with a request, and answered.
pub type Deed = Box<dyn FnOnce(&Shelf, Asked) -> Vec<u8> + Send>;

/// What a bucket holds.
#[derive(Default)]
pub struct Shelf {
    objects: Mutex<BTreeMap<String, Object>>,
    /// What becomes of the write that is so many further.
    awaited: Mutex<Option<(usize, Deed)>>,
    /// Writes that are on their way.
    late: Mutex<Vec<Asked>>,
}

impl Shelf {
    fn meet(&self, asked: Asked) -> Vec<u8> {
        match self.deed(&asked) {
            Some(deed) => deed(self, asked),
            None => self.carry_out(&asked),
        }
    }

    fn deed(&self, asked: &Asked) -> Option<Deed> {
        if asked.head.starts_with("GET ") {
            return None;
        }
        let mut awaited = self.awaited.lock().unwrap();
        let (further, _) = awaited.as_mut()?;
        *further = further.checked_sub(1)?;
        match *further {
            0 => awaited.take().map(|(_, deed)| deed),
            _ => None,
        }
    }

    pub fn carry_out(&self, asked: &Asked) -> Vec<u8> {
        let mut words = asked.first_line().split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // After the bucket's own name.
        let key = path.splitn(3, '/').nth(2).unwrap_or_default();
        let mut objects = self.objects.lock().unwrap();
        match (method, objects.get(key)) {
            ("GET", _) if query.contains("list-type=2") => list(&objects, query),
            ("GET", Some(object)) => {
                let text = std::str::from_utf8(&object.bytes).unwrap();
                answer(200, "application/json", &object.headers(), text)
            }
            ("GET", None) => error(404, "NoSuchKey"),
            ("PUT", there) => {
                if let Some(refusal) = refusal(asked, there) {
                    return refusal;
                }
                let run = asked.header("x-amz-meta-run").unwrap_or_default();
                let object = Object::new(asked.body.clone(), run);
                let answered = answer(200, "text/plain", &object.headers(), "");
                objects.insert(key.to_owned(), object);
                answered
            }
            ("POST", _) if query.starts_with("delete") => {
                let text = String::from_utf8_lossy(&asked.body);
                let keys = text.split("<Key>").skip(1);
                for key in keys.filter_map(|rest| rest.split('<').next()) {
                    objects.remove(key);
                }
                xml(200, "<DeleteResult></DeleteResult>")
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    pub fn keep_for_later(&self, asked: Asked) {
        self.late.lock().unwrap().push(asked);
    }

    /// An object, as it is.
    pub fn object(&self, key: &str) -> Option<Value> {
        let objects = self.objects.lock().unwrap();
        let object = objects.get(key)?;
        Some(serde_json::from_slice(&object.bytes).unwrap())
    }

    /// Changes an object behind the back of all, if it is there.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Value)) {
        let mut objects = self.objects.lock().unwrap();
        let Some(object) = objects.get_mut(key) else {
            return;
        };
        let mut value = serde_json::from_slice(&object.bytes).unwrap();
        change(&mut value);
        object.bytes = value.to_string().into_bytes();
    }
}

fn xml(status: u16, body: &str) -> Vec<u8> {
    answer(status, "application/xml", "", body)
}

pub fn error(status: u16, code: &str) -> Vec<u8> {
    xml(status, &format!("<Error><Code>{code}</Code></Error>"))
}

/// Why an object is not written over the one that is there, or not.
fn refusal(asked: &Asked, there: Option<&Object>) -> Option<Vec<u8>> {
    let is_new = asked.header("if-none-match") == Some("*");
    match (asked.header("if-match"), there) {
        (Some(_), None) => Some(error(404, "NoSuchKey")),
        (Some(tag), Some(object)) if object.tag() != tag => Some(error(412, "PreconditionFailed")),
        (_, Some(_)) if is_new => Some(error(412, "PreconditionFailed")),
        _ => None,
    }
}

fn list(objects: &BTreeMap<String, Object>, query: &str) -> Vec<u8> {
    let prefix = query
        .split('&')
        .find_map(|part| part.strip_prefix("prefix="));
    let prefix = prefix.unwrap_or_default().replace("%2F", "/");
    let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
    let rows = found.map(|(key, object)| {
        let (size, tag) = (object.bytes.len(), object.tag());
        format!("<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{tag}</ETag></Contents>")
    });
    let rows: String = rows.collect();
    xml(
        200,
        &format!("<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"),
    )
}

/// A bucket, as far as a state needs one.
pub struct Bucket {
    pub shelf: Arc<Shelf>,
    listening: Listening,
}

impl Bucket {
    pub fn new() -> Self {
        let shelf: Arc<Shelf> = Arc::default();
        let theirs = shelf.clone();
        let listening = Listening::new(move |asked| theirs.meet(asked));
        Self { shelf, listening }
    }

    /// What becomes of one of the writes that come from now on; `None`: they are all carried out.
    pub fn await_write(&self, awaited: Option<(usize, Deed)>) {
        *self.shelf.awaited.lock().unwrap() = awaited;
    }

    /// What is on its way, and comes when `arrive` says so.
    pub fn late(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shelf.late.lock().unwrap())
    }

    pub fn arrive(&self, late: &[Asked]) {
        for asked in late {
            self.shelf.carry_out(asked);
        }
    }

    /// What leads a program here.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ACCESS_KEY_ID", "made-up".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "canary-s3".to_owned()),
            (
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", self.listening.port),
            ),
        ]
    }
}
