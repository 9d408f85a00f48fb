//! A state that is encrypted, from the first run to another recipient; and what a program says that cannot.

use crate::harness::Site;

/// What follows the identity in a configuration that asks for encryption.
fn asks_for(recipient: &str) -> String {
    format!("app: acme\nstate_encryption:\n  recipients: [\"{recipient}\"]\n")
}

#[cfg(not(feature = "state-encryption"))]
#[test]
fn a_program_without_the_feature_says_so() {
    let site = Site::with_rooms(&[], &[], 1);
    site.scratch.write("roomctl.yaml", &asks_for("age1x"));
    let ran = site.run(&["validate"]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stderr.contains("roomctl.yaml:2"), "{}", ran.all());
    assert!(
        ran.stderr.contains("feature `state-encryption`"),
        "{}",
        ran.all()
    );
    std::fs::remove_file(site.scratch.path("roomctl.yaml")).unwrap();
    let kept = "-----BEGIN AGE ENCRYPTED FILE-----\n";
    site.scratch.write(".roomctl/state.json", kept);
    for args in [&["plan"][..], &["apply", "--yes"]] {
        let ran = site.run(args);
        assert_eq!(ran.code, 7, "{}", ran.all());
        assert!(
            ran.stderr.contains("feature `state-encryption`"),
            "{}",
            ran.all()
        );
    }
    assert_eq!(site.scratch.read(".roomctl/state.json"), kept);
    assert_eq!(site.writes(), 0);
}

#[cfg(feature = "state-encryption")]
mod with_the_feature {
    use age::secrecy::ExposeSecret;
    use age::x25519::Identity;

    use super::*;
    use crate::common::Ran;

    const STATE: &str = ".roomctl/state.json";

    /// Runs with an identity, which is in nothing that is printed.
    fn run(site: &Site, by: Option<&Identity>, args: &[&str]) -> Ran {
        let given = by.map(|one| one.to_string().expose_secret().to_owned());
        let variable = given
            .clone()
            .map(|text| ("ROOMCTL_STATE_IDENTITY".to_owned(), text));
        let ran = site.run_with(variable.as_slice(), args);
        let shown = ran.all().to_lowercase();
        assert!(!shown.contains("age-secret-key-1"), "{args:?}: {shown}");
        ran
    }

    fn configure(site: &Site, recipients: &[&Identity]) {
        let all: Vec<String> = recipients
            .iter()
            .map(|one| one.to_public().to_string())
            .collect();
        site.scratch
            .write("roomctl.yaml", &asks_for(&all.join("\", \"")));
    }

    #[test]
    fn from_the_first_run_to_another_recipient() {
        let site = Site::applied(&[], 2);
        let (first, other) = (Identity::generate(), Identity::generate());
        let apply = ["apply", "--yes", "--rate", "unlimited", "-vvv"];
        let plan = ["plan", "--detailed-exitcode"];
        assert_eq!(run(&site, None, &plan).code, 0);
        assert!(site.scratch.path(".roomctl/state.json.cache").exists());

        // Switched on: what is in clear is read, and nothing is saved that nobody could read.
        configure(&site, &[&first]);
        assert_eq!(run(&site, None, &plan).code, 0);
        assert!(!site.scratch.path(".roomctl/state.json.cache").exists());
        site.room(0, "privacy: public\n");
        let writes = site.writes();
        for by in [None, Some(&other)] {
            let ran = run(&site, by, &apply);
            assert_eq!((ran.code, site.writes()), (7, writes), "{}", ran.all());
            assert!(
                ran.stderr.contains("ROOMCTL_STATE_IDENTITY"),
                "{}",
                ran.all()
            );
        }
        assert_eq!(run(&site, Some(&first), &apply).code, 0);
        let kept = site.scratch.read(STATE);
        assert!(kept.starts_with("-----BEGIN AGE"), "{kept}");
        assert_eq!(run(&site, Some(&first), &plan).code, 0);
        assert!(!site.scratch.path(".roomctl/state.json.cache").exists());
        for by in [None, Some(&other)] {
            let ran = run(&site, by, &plan);
            assert_eq!(ran.code, 7, "{}", ran.all());
            assert!(
                ran.stderr.contains("ROOMCTL_STATE_IDENTITY"),
                "{}",
                ran.all()
            );
        }

        // In clear only where somebody asks for it.
        let pulled = run(&site, Some(&first), &["state", "pull"]);
        assert!(pulled.stdout.contains("\"room-00\""), "{}", pulled.all());
        let newer = pulled.stdout.replace("\"serial\": 2", "\"serial\": 5");
        site.scratch.write("newer.json", &newer);
        let pushed = run(&site, Some(&first), &["state", "push", "newer.json"]);
        assert_eq!(pushed.code, 0, "{}", pushed.all());
        assert!(site.scratch.read(STATE).starts_with("-----BEGIN AGE"));
        site.scratch.write("roomctl.yaml", "app: acme\n");
        site.room(1, "privacy: public\n");
        assert_eq!(
            run(&site, Some(&first), &["plan", "--detailed-exitcode"]).code,
            2
        );
        let (kept, writes) = (site.scratch.read(STATE), site.writes());
        for args in [
            &apply[..],
            &["state", "forget", "room-00", "--yes"],
            &["state", "migrate", "x.json"],
        ] {
            let ran = run(&site, Some(&first), args);
            assert_eq!(ran.code, 7, "{}", ran.all());
            assert!(ran.stderr.contains("saved in clear"), "{}", ran.all());
        }
        assert_eq!((site.scratch.read(STATE), site.writes()), (kept, writes));
        assert_eq!(run(&site, Some(&first), &["state", "rekey"]).code, 64);

        // Another reads it once it is encrypted anew, and the first no longer.
        configure(&site, &[&first, &other]);
        let ran = run(&site, Some(&first), &["state", "rekey"]);
        assert!(
            ran.stdout.contains("for 2 recipients, as serial 6"),
            "{}",
            ran.all()
        );
        assert_eq!(run(&site, Some(&other), &["state", "list"]).code, 0);
        configure(&site, &[&other]);
        assert_eq!(run(&site, Some(&other), &["state", "rekey"]).code, 0);
        assert_eq!(run(&site, Some(&first), &["state", "list"]).code, 7);
        let text = other.to_string().expose_secret().to_owned();
        site.scratch
            .write("key.txt", &format!("# public key: …\n{text}\n"));
        let by_file = ["state", "list", "--state-identity-file", "key.txt"];
        assert_eq!(run(&site, Some(&first), &by_file).code, 0);
    }

    /// Whoever asks for encryption has no copy in clear where the state was brought to, also where it was the same.
    #[test]
    fn what_is_brought_somewhere_is_encrypted_there() {
        let site = Site::applied(&[], 1);
        let first = Identity::generate();
        assert_eq!(run(&site, None, &["state", "migrate", "copy.json"]).code, 0);
        assert_eq!(run(&site, None, &["plan"]).code, 0);
        let clear = site.scratch.read(STATE);
        site.scratch.write("pushed.json", &clear);
        configure(&site, &[&first]);
        let cache = site.scratch.path(".roomctl/state.json.cache");
        assert!(cache.exists());
        for (args, at) in [
            (["state", "push", "pushed.json"], STATE),
            (["state", "migrate", "copy.json"], "copy.json"),
        ] {
            let ran = run(&site, Some(&first), &args);
            assert_eq!(ran.code, 0, "{}", ran.all());
            let kept = site.scratch.read(at);
            assert!(kept.starts_with("-----BEGIN AGE"), "{args:?}: {kept}");
        }
        assert!(!cache.exists());
        let pulled = run(&site, Some(&first), &["state", "pull"]);
        assert_eq!(pulled.stdout, clear);
    }

    #[test]
    fn mistakes_are_told_and_no_secret_is_repeated() {
        let site = Site::with_rooms(&[], &[], 1);
        let identity = Identity::generate().to_string().expose_secret().to_owned();
        for (recipient, words) in [
            (&*identity, "this is an identity"),
            ("age1canary", "a recipient of age has the form"),
            ("\", \"", "a recipient of age has the form"),
        ] {
            site.scratch.write("roomctl.yaml", &asks_for(recipient));
            for args in [&["validate"][..], &["plan", "--format", "json"]] {
                let ran = run(&site, None, args);
                assert_eq!(ran.code, 3, "{}", ran.all());
                assert!(ran.all().contains(words), "{}", ran.all());
            }
        }
        for text in ["{recipients: []}", "{}", "{recipients: [], to: []}"] {
            site.scratch
                .write("roomctl.yaml", &format!("state_encryption: {text}\n"));
            let ran = run(&site, None, &["validate"]);
            assert_eq!(ran.code, 3, "{}", ran.all());
            assert!(ran.all().contains("roomctl.yaml:1"), "{}", ran.all());
        }
        configure(&site, &[&Identity::generate()]);
        let ran = site.run(&["apply", "--sandbox", "--yes"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
    }
}
