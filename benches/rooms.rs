//! How long a plan takes, how much memory it needs, and how fast `apply` is, each against its floor.
//!
//! Figures of one run on one machine: read the ratios. `cargo bench` prints them; nothing is asserted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs of each measurement; the median is told.
const RUNS: usize = 5;

fn main() -> Result<()> {
    // `cargo test --benches` runs this too, and only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    say(format!(
        "{} processors; medians of {RUNS} runs\n",
        std::thread::available_parallelism()?
    ))?;
    for rooms in [1_000, 10_000] {
        measure(rooms)?;
    }
    Ok(())
}

fn measure(rooms: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    write_rooms(dir.path(), rooms, 20)?;
    let simulator = Simulator::start(dir.path())?;
    let apply_all = time(1, || run(dir.path(), &simulator.apply_args()))?;
    let plan_same = time(RUNS, || run(dir.path(), &["plan", "--app", "bench"]))?;
    let memory = peak_memory(dir.path(), &["plan", "--app", "bench"])?;
    let validate = time(RUNS, || run(dir.path(), &["validate"]))?;
    let floor = time(RUNS, || read_all(&dir.path().join("rooms")))?;
    let start = time(RUNS, || run(dir.path(), &["--version"]))?;
    write_rooms(dir.path(), rooms, 21)?;
    let plan_all = time(RUNS, || run(dir.path(), &["plan", "--app", "bench"]))?;
    let update_all = time(1, || run(dir.path(), &simulator.apply_args()))?;
    let durable = durable_receipts(dir.path(), rooms, &simulator)?;
    let journal = time(RUNS, || sync_lines(dir.path(), 100))?;

    say(format!("{rooms} rooms"))?;
    line("start of the program", start, None)?;
    line("reading the files once (floor)", floor, None)?;
    line("validate", validate, Some((floor, "floor")))?;
    line("plan, nothing changed", plan_same, Some((floor, "floor")))?;
    line("plan, every room changed", plan_all, Some((floor, "floor")))?;
    say(format!(
        "  {:34} {:>9.1} MiB",
        "memory of the plan, peak", memory
    ))?;
    let rate = |time: Duration, requests: usize| requests as f64 / time.as_secs_f64();
    say(format!(
        "  {:34} {:>9.0} rooms/s ({:.0} requests/s)",
        "apply, all new (GET and POST)",
        rate(apply_all, rooms),
        rate(apply_all, rooms * 2)
    ))?;
    say(format!(
        "  {:34} {:>9.0} rooms/s",
        "apply, all updated (PUT)",
        rate(update_all, rooms)
    ))?;
    if let Some(share) = durable {
        let share = share * 100.0;
        say(format!(
            "  {:34} {share:>9.1} %",
            "cost of durable receipts"
        ))?;
    }
    say(format!(
        "  {:34} {:>9.0} /s",
        "lines written and synced one by one",
        rate(journal, 100)
    ))?;
    say(String::new())
}

/// The share of an update's time that goes into making receipts durable: the same rooms written with the
/// state on the disk and with the state in memory, in turn. Only where the system has files in memory.
fn durable_receipts(dir: &Path, rooms: usize, simulator: &Simulator) -> Result<Option<f64>> {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return Ok(None);
    };
    let places = [dir.join("disk.json"), memory.path().join("memory.json")];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=RUNS {
        write_rooms(dir, rooms, 30 + u32::try_from(round)?)?;
        for (place, times) in places.iter().zip(&mut times) {
            let mut args = simulator.apply_args();
            let place = place.display().to_string();
            args.extend(["--state", &place]);
            let took = time(1, || run(dir, &args))?;
            // The first round reads every room; only updates are compared.
            if round > 0 {
                times.push(took);
            }
        }
    }
    let [disk, memory] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    Ok(Some(1.0 - memory / disk))
}

fn write_rooms(dir: &Path, rooms: usize, participants: u32) -> Result<()> {
    for number in 0..rooms {
        let team = dir.join(format!("rooms/team-{:02}", number % 50));
        fs::create_dir_all(&team)?;
        let text = format!(
            "# yaml-language-server: $schema=../../schema/room.schema.json\n\
             # Room {number} of the benchmark.\n\
             privacy: private\nmaxParticipants: {participants}\nautoJoin: true\nenableChat: true\n\
             enableScreenSharing: true\njoinVideoOn: false\njoinAudioOn: true\nenableRecording: false\n\
             ownerOnlyBroadcast: false\nenableRequestToJoin: true\nexpireUnixSec: 1893456000\n\
             ejectAtRoomExp: true\nejectAfterElapsedTimeInSec: 7200\n\
             meetingStartedWebhook: https://hooks.example.com/${{env:ROOM_BENCH_TOKEN}}/started/{number}\n\
             meetingEndedWebhook: https://hooks.example.com/${{env:ROOM_BENCH_TOKEN}}/ended/{number}\n"
        );
        fs::write(team.join(format!("room-{number:05}.yaml")), text)?;
    }
    Ok(())
}

/// The simulator of the program itself, as a process of its own.
struct Simulator {
    process: std::process::Child,
    url: String,
}

impl Simulator {
    fn start(dir: &Path) -> Result<Self> {
        use std::io::{BufRead, BufReader};
        let mut process = program(dir, &["simulate"]).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no standard output")?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self {
            process,
            url: url.trim().to_owned(),
        })
    }

    fn apply_args(&self) -> Vec<&str> {
        let mut args = vec!["apply", "--app", "bench", "--yes", "--format", "json"];
        args.extend([
            "--rate",
            "unlimited",
            "--parallelism",
            "16",
            "--max-changes",
            "100%",
            "--base-url",
            &self.url,
        ]);
        args
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomctl"));
    command
        .args(args)
        .current_dir(dir)
        .env("METERED_SECRET_KEY", "simulated-key")
        .env("ROOM_BENCH_TOKEN", "simulated-token")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Result<()> {
    let status = program(dir, args).status()?;
    if !status.success() {
        return Err(format!("{args:?} ended with {status}").into());
    }
    Ok(())
}

fn time(runs: usize, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// What no plan can do without.
fn read_all(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path)?;
        } else {
            std::hint::black_box(fs::read(path)?);
        }
    }
    Ok(())
}

/// What a receipt would cost if each had a sync of its own.
fn sync_lines(dir: &Path, lines: usize) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(dir.join("lines"))?;
    for _ in 0..lines {
        file.write_all(b"a line as long as that of a receipt, more or less\n")?;
        file.sync_data()?;
    }
    Ok(())
}

/// Largest resident memory of the program in MiB, as the shell's `time` would tell; Linux only.
fn peak_memory(dir: &Path, args: &[&str]) -> Result<f64> {
    let mut child = program(dir, args).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
    }
    Ok(peak)
}

fn line(what: &str, time: Duration, against: Option<(Duration, &str)>) -> Result<()> {
    let ratio = against.map_or(String::new(), |(base, name)| {
        format!("  {:.1} × {name}", time.as_secs_f64() / base.as_secs_f64())
    });
    say(format!(
        "  {what:34} {:>9.1} ms{ratio}",
        time.as_secs_f64() * 1000.0
    ))
}

fn say(text: String) -> Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
