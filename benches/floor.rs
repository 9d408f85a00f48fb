//! The floor: every file below a directory found, read and digested once, by all processors, and nothing else.
//!
//! `cargo bench` starts this with the arguments of `run.py`, which it hands on with the built program; `run.py` starts it
//! again with `--floor DIR`, as one of the programs that it measures.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use ring::digest::{SHA256, digest};

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [mode, dir] if mode == "--floor" => floor(Path::new(dir)),
        // `cargo test --benches` only wants to know that it builds.
        _ if args.iter().any(|argument| argument == "--test") => Ok(()),
        _ => measure(args.into_iter().filter(|argument| argument != "--bench")),
    }
}

fn measure(args: impl Iterator<Item = String>) -> io::Result<()> {
    let status = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/run.py"))
        .args(["--program", env!("CARGO_BIN_EXE_roomctl"), "--floor"])
        .arg(std::env::current_exe()?)
        .args(args)
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("run.py ended with {status}")))
}

/// One thread walks and then digests with the others. Files are handed over by directory.
fn floor(dir: &Path) -> io::Result<()> {
    let threads = thread::available_parallelism()?.get();
    let (sender, receiver) = channel();
    let receiver = &Mutex::new(receiver);
    thread::scope(|scope| {
        let others = (1..threads).map(|_| scope.spawn(move || digest_all(receiver)));
        let others: Vec<_> = others.collect();
        walk(dir, &sender)?;
        drop(sender);
        digest_all(receiver)?;
        let mut ends = others.into_iter().map(|other| other.join());
        ends.try_for_each(|end| end.unwrap_or_else(|_| Err(io::Error::other("a thread died"))))
    })
}

fn walk(dir: &Path, sender: &Sender<Vec<PathBuf>>) -> io::Result<()> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let into = if entry.file_type()?.is_dir() {
            &mut folders
        } else {
            &mut files
        };
        into.push(entry.path());
    }
    sender.send(files).map_err(io::Error::other)?;
    folders.iter().try_for_each(|folder| walk(folder, sender))
}

fn digest_all(receiver: &Mutex<Receiver<Vec<PathBuf>>>) -> io::Result<()> {
    // One buffer for all files, and no question how long one is: fewer calls than `fs::read` makes. No file is longer.
    let mut buffer = vec![0; 256 * 1024];
    let next = || {
        receiver
            .lock()
            .ok()
            .and_then(|receiver| receiver.recv().ok())
    };
    while let Some(files) = next() {
        for path in files {
            let mut file = File::open(path)?;
            let mut length = 0;
            while let read @ 1.. = file.read(&mut buffer[length..])? {
                length += read;
            }
            std::hint::black_box(digest(&SHA256, &buffer[..length]));
        }
    }
    Ok(())
}
