//! States in object stores: the built program against servers that tests/remote/run.py starts on this machine.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Ran, Scratch, root};
use crate::harness::Site;
use crate::interrupts::signal;

/// A place for a state that nobody has used, in each of the stores; of S3, in a bucket that keeps versions.
fn places(name: &str) -> Vec<String> {
    let stores = std::env::var("ROOMCTL_TEST_STATES").unwrap();
    let stores = stores.replace("s3://rooms", "s3://versioned");
    let unused = uuid::Uuid::new_v4();
    let place = |store: &str| format!("{store}/{name}-{unused}/state.json");
    stores.split(' ').map(place).collect()
}

/// What the servers are reached by.
fn with_credentials(command: &mut Command) -> &mut Command {
    let is_cloud = |name: &str| {
        ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|cloud| name.starts_with(cloud))
    };
    command.envs(std::env::vars().filter(|(name, _)| is_cloud(name)))
}

fn run(site: &Site, place: &str, args: &[&str]) -> Ran {
    let mut command = site.command(&[&["--state", place], args].concat());
    with_credentials(&mut command).output().unwrap().into()
}

fn start(site: &Site, place: &str, args: &[&str]) -> Child {
    let mut command = site.command(&[&["--state", place], args].concat());
    let command = with_credentials(&mut command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn serial(site: &Site, place: &str) -> u64 {
    let ran = run(site, place, &["state", "list", "--format", "json"]);
    ran.json()["state"]["serial"].as_u64().unwrap()
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn eight_at_once_take_turns_or_leave_the_state_alone() {
    for place in places("eight") {
        let site = Site::with_rooms(&[], &[], 12);
        let args = ["apply", "--yes", "--rate", "unlimited"];
        let runs: Vec<Child> = (0..8).map(|_| start(&site, &place, &args)).collect();
        let ended: Vec<Ran> = runs
            .into_iter()
            .map(|run| run.wait_with_output().unwrap().into())
            .collect();
        let saved = ended
            .iter()
            .filter(|ran| ran.code == 0 && ran.stdout.contains("12 confirmed"))
            .count();
        for ran in &ended {
            assert!([0, 7].contains(&ran.code), "{place}: {}", ran.all());
        }
        assert_eq!(saved, 1, "{place}");
        assert_eq!(serial(&site, &place), 1, "{place}");
        let ran = run(&site, &place, &["plan", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
    }
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn what_a_killed_run_had_recorded_is_taken_in_on_another_machine() {
    for place in places("killed") {
        let site = Site::with_rooms(&[], &[], 60);
        let mut killed = start(&site, &place, &["apply", "--yes", "--rate", "20/s"]);
        let made = || site.simulator().with_world(|world| world.rooms().count());
        while made() < 50 {
            std::thread::yield_now();
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let refused = run(&site, &place, &["apply", "--yes"]);
        assert_eq!(refused.code, 7, "{place}: {}", refused.all());
        let ran = run(&site, &place, &["state", "unlock", "--if-stale"]);
        assert_eq!(ran.code, 7, "it may still run: {}", ran.all());
        let ran = run(&site, &place, &["state", "unlock", "--yes"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
        let ran = run(&site, &place, &["apply", "--yes", "--rate", "unlimited"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
        assert!(
            ran.stderr.contains("an earlier apply did not finish"),
            "{place}: {}",
            ran.all()
        );
        assert_eq!(made(), 60, "{place}");
        let ran = run(&site, &place, &["drift", "--rate", "unlimited"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
    }
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn no_credential_is_in_what_is_printed() {
    let secrets = [
        "canary-s3",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
    ];
    for place in places("secret") {
        let site = Site::with_rooms(&[], &[], 2);
        let missing = place.replacen("://rooms/", "://nowhere/", 1);
        for (place, args) in [
            (&place, &["apply", "--yes", "-vvv"][..]),
            (&missing, &["apply", "--yes", "-vvv"]),
            (&missing, &["plan", "-vvv", "--format", "json"]),
            (&place, &["state", "pull"]),
            (&place, &["state", "history", "-vvv"]),
            (
                &place,
                &["state", "pull", "--version-id", "none-such", "-vvv"],
            ),
            (&missing, &["state", "history", "-vvv"]),
        ] {
            let ran = run(&site, place, args);
            for secret in secrets {
                assert!(!ran.all().contains(secret), "{place} {args:?}");
            }
            assert!(
                !ran.all().contains("Signature"),
                "{place} {args:?}: {}",
                ran.all()
            );
        }
    }
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn a_state_from_before_is_found_and_put_back() {
    for place in places("history") {
        let site = Site::with_rooms(&[], &[], 2);
        let apply = ["apply", "--yes", "--rate", "unlimited"];
        assert_eq!(run(&site, &place, &apply).code, 0);
        let forget = ["state", "forget", "room-00", "--yes"];
        assert_eq!(run(&site, &place, &forget).code, 0);
        let ran = run(&site, &place, &["state", "history", "--format", "json"]);
        // Azurite keeps none.
        if place.starts_with("az:") {
            assert_eq!(ran.code, 7, "{place}: {}", ran.all());
            continue;
        }
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
        let report = ran.json();
        let rows = report["versions"].as_array().unwrap();
        let rows = rows
            .iter()
            .map(|row| (row["serial"].as_u64(), row["rooms"].as_u64()));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows, [(Some(2), Some(1)), (Some(1), Some(2))], "{place}");
        let id = report["versions"][1]["version"].as_str().unwrap();
        let ran = run(&site, &place, &["state", "pull", "--version-id", id]);
        assert_eq!(ran.json()["serial"], 1, "{place}: {}", ran.all());
        // As docs/state.md says: with a serial that comes after the one that is kept.
        site.scratch.write(
            "back.json",
            &ran.stdout.replace("\"serial\": 1,", "\"serial\": 3,"),
        );
        let ran = run(&site, &place, &["state", "push", "back.json"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
        let ran = run(&site, &place, &["plan", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "{place}: {}", ran.all());
    }
}

/// A store of our own that can be killed, and started again with what it held.
struct Store {
    directory: Scratch,
    port: u16,
    server: Option<Child>,
}

impl Store {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let (directory, server) = (Scratch::new(), None);
        let mut store = Self {
            directory,
            port,
            server,
        };
        store.restart();
        store
    }

    fn restart(&mut self) {
        let mut python = Command::new("python3");
        python.arg(root().join("tests/remote/google.py"));
        python
            .arg(self.port.to_string())
            .arg(self.directory.path(""));
        self.server = Some(python.spawn().unwrap());
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::yield_now();
        }
    }

    fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// `busy` or `expired`.
    fn is(&self, how: &str) {
        self.directory.write(how, "");
    }

    fn is_well(&self) {
        for how in ["busy", "expired"] {
            let _ = std::fs::remove_file(self.directory.path(how));
        }
    }

    fn command(&self, site: &Site, args: &[&str]) -> Command {
        let base = format!("http://127.0.0.1:{}", self.port);
        let account = serde_json::json!({
            "gcs_base_url": base, "disable_oauth": true, "client_email": "", "private_key": "canary-key", "private_key_id": "",
        });
        let mut command = site.command(&[&["--state", "gs://rooms/state.json"], args].concat());
        command
            .env("GOOGLE_BASE_URL", base)
            .env("GOOGLE_SERVICE_ACCOUNT_KEY", account.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, site: &Site, args: &[&str]) -> Ran {
        self.command(site, args).output().unwrap().into()
    }

    /// What becomes of an apply of 240 rooms in the midst of which something happens, and how many rooms it made.
    fn amid(&mut self, happens: impl FnOnce(&mut Self, &mut Child)) -> (Site, Ran, usize) {
        let site = Site::with_rooms(&[], &[], 240);
        let mut run = self
            .command(&site, &["apply", "--yes", "--rate", "40/s"])
            .spawn()
            .unwrap();
        let made = || site.simulator().with_world(|world| world.rooms().count());
        while made() < 20 {
            std::thread::yield_now();
        }
        happens(self, &mut run);
        let ran = run.wait_with_output().unwrap().into();
        let made = made();
        (site, ran, made)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn a_store_that_is_killed_and_started_again_or_is_busy_is_waited_for() {
    let mut store = Store::start();
    let (site, ran, _) = store.amid(|store, _| {
        store.kill();
        store.restart();
    });
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("240 confirmed"), "{}", ran.all());
    assert_eq!(store.run(&site, &["plan", "--detailed-exitcode"]).code, 0);

    let mut store = Store::start();
    let (site, ran, _) = store.amid(|store, _| store.is("busy"));
    assert_eq!(ran.code, 0, "{}", ran.all());
    store.is_well();
    assert_eq!(store.run(&site, &["plan", "--detailed-exitcode"]).code, 0);
}

/// Once, or twice with a moment between.
#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn a_store_that_hangs_does_not_hold_up_who_interrupts() {
    for times in [1, 2] {
        let mut store = Store::start();
        let (site, ran, _) = store.amid(|store, run| {
            signal(store.server.as_ref().unwrap(), "STOP");
            for _ in 0..times {
                signal(run, "INT");
                std::thread::sleep(Duration::from_secs(1));
            }
            let begun = Instant::now();
            while run.try_wait().unwrap().is_none() {
                let waited = begun.elapsed();
                assert!(waited < Duration::from_secs(8), "interrupted {times} times");
                std::thread::sleep(Duration::from_millis(50));
            }
            signal(store.server.as_ref().unwrap(), "CONT");
        });
        assert!([7, 130].contains(&ran.code), "{}", ran.all());
        store.run(&site, &["state", "unlock", "--yes"]);
        let next = store.run(&site, &["apply", "--yes", "--rate", "unlimited"]);
        assert_eq!(next.code, 0, "{}", next.all());
        assert_eq!(store.run(&site, &["drift", "--rate", "unlimited"]).code, 0);
    }
}

#[test]
#[ignore = "needs servers: tests/remote/run.py starts them"]
fn credentials_that_expire_end_the_run_and_the_next_one_goes_on() {
    let mut store = Store::start();
    let (site, ran, made) = store.amid(|store, _| store.is("expired"));
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!((20..240).contains(&made), "{made}");
    for secret in ["canary-key", "canary-token"] {
        assert!(!ran.all().contains(secret), "{}", ran.all());
    }
    store.is_well();
    store.run(&site, &["state", "unlock", "--yes"]);
    let next = store.run(&site, &["apply", "--yes", "--rate", "unlimited"]);
    assert_eq!(next.code, 0, "{}", next.all());
    assert!(next.stderr.contains("did not finish"), "{}", next.all());
    assert_eq!(store.run(&site, &["drift", "--rate", "unlimited"]).code, 0);
}

/// `ROOMCTL_TEST_REMOTE=1 cargo test` installs and starts the servers, and runs what needs them.
#[test]
fn on_servers_of_this_machine_if_asked_for() {
    if std::env::var("ROOMCTL_TEST_REMOTE").is_err() {
        return;
    }
    let script = root().join("tests/remote/run.py");
    let installed = concat!(env!("CARGO_TARGET_TMPDIR"), "/remote");
    let tests = ["test", "--lib", "--test", "integration", "--", "--ignored"];
    let mut python = Command::new("python3");
    python
        .arg(script)
        .args([installed, env!("CARGO")])
        .args(tests);
    // What cargo tells a test of its package would have another cargo compile again all that asks for it.
    let of_package = |name: &str| {
        let parts = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        parts.iter().any(|part| name.starts_with(part))
    };
    for (name, _) in std::env::vars().filter(|(name, _)| of_package(name)) {
        python.env_remove(name);
    }
    assert!(python.current_dir(root()).status().unwrap().success());
}
