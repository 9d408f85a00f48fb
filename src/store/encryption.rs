//! What keeps a state and its journal from those who may read the place: the state is one file of age, and so is each line of
//! the journal. A place keeps the bytes, and knows nothing of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::disk::plain_file::check_state;
use crate::model::Secret;
use crate::model::recipient::Recipient;
use crate::store::error::StoreError;
use crate::store::port::{Contents, Form};

/// How a state begins that is encrypted, and a line of a journal.
const STATE: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const LINE: &str = "age ";

/// Why such a state cannot be used, and what to do.
type Why = (&'static str, &'static str);

const GIVE: &str = "set ROOMCTL_STATE_IDENTITY, or pass --state-identity-file FILE, with the identity of one of its recipients";
#[cfg(feature = "state-encryption")]
const ABSENT: Why = ("no identity is given", GIVE);
#[cfg(feature = "state-encryption")]
const MALFORMED: Why = (
    "what is given as identity is none of age",
    "it is one line that begins with AGE-SECRET-KEY-1, as `age-keygen` writes it",
);
#[cfg(feature = "state-encryption")]
const ANOTHER: Why = ("it is not for the identity that is given", GIVE);
const DAMAGED: Why = (
    "it is damaged, or somebody changed it; it is kept as it is",
    "restore it from git or a backup",
);
const IN_CLEAR: Why = (
    "it would be saved in clear, since the configuration does not say for whom it is",
    "put `state_encryption:` back; docs/runners.md says how to give it up",
);
const LOST: Why = (
    "what is saved could not be read again: the identity that is given is of none of the recipients in `state_encryption:`",
    GIVE,
);
const UNSEALED: Why = (
    "it cannot be encrypted",
    "check the recipients in `state_encryption:`: a hundred can be read again",
);
#[cfg(not(feature = "state-encryption"))]
const ABLE: Why = (
    "this program was built without the feature `state-encryption`",
    "use a program of a release, or `cargo install --features state-encryption`",
);

/// Longest head of what is encrypted, in bytes: that of more than a hundred recipients.
#[cfg(feature = "state-encryption")]
const LONGEST_HEAD: u64 = 16 * 1024;

/// Who reads, and who may read what is saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// None: what is saved is in clear.
    pub recipients: BTreeSet<Recipient>,
    /// Identities of age, one a line.
    #[cfg_attr(not(feature = "state-encryption"), expect(dead_code))]
    pub identity: Option<Secret>,
    /// Whether anything that was read so far is encrypted.
    pub read: Arc<AtomicBool>,
}

impl Keys {
    /// What is kept at a place, in clear.
    pub(crate) fn open(&self, at: &str, kept: Contents) -> Result<Contents, StoreError> {
        let Contents { state, journal } = kept;
        let state = state.map(|state| self.open_state(at, state));
        let journal = journal.map(|journal| self.open_lines(&format!("{at}.journal"), &journal));
        Ok(Contents {
            state: state.transpose()?,
            journal: journal.transpose()?,
        })
    }

    /// A state in clear, be it kept so or not.
    pub(crate) fn open_state(&self, at: &str, state: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        match state.starts_with(STATE) {
            true => self.decrypt(at, &state),
            false => Ok(state),
        }
    }

    fn open_lines(&self, at: &str, journal: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut lines = Vec::new();
        for line in journal.split_inclusive(|byte| *byte == b'\n') {
            let sealed = line.strip_prefix(LINE.as_bytes());
            // What does not end was being written when the process died.
            match sealed.and_then(|sealed| sealed.strip_suffix(b"\n")) {
                None => lines.extend_from_slice(line),
                Some(sealed) => {
                    let sealed = STANDARD_NO_PAD.decode(sealed);
                    let sealed = sealed.map_err(|_| refused(at, DAMAGED))?;
                    lines.extend(self.decrypt(at, &sealed)?);
                }
            }
        }
        Ok(lines)
    }

    /// What is to be saved in the place of `state`.
    pub(super) fn seal(&self, at: &str, state: String) -> Result<String, StoreError> {
        if !self.seals(at)? {
            return Ok(state);
        }
        check_state(state.as_bytes())
            .map_err(|unfit| StoreError::file("write the state", at.as_ref(), unfit.into()))?;
        encrypt(&self.recipients, state.as_bytes(), true)
            .and_then(|sealed| String::from_utf8(sealed).ok())
            .ok_or_else(|| refused(at, UNSEALED))
    }

    /// How the lines of a journal are written.
    pub(super) fn form(&self, at: &str) -> Result<Form, StoreError> {
        if !self.seals(at)? {
            return Ok(Arc::new(Ok));
        }
        let (recipients, at) = (self.recipients.clone(), at.to_owned());
        Ok(Arc::new(move |line| {
            let sealed = encrypt(&recipients, line.as_bytes(), false);
            let sealed = sealed.ok_or_else(|| refused(&at, UNSEALED))?;
            Ok(format!("{LINE}{}\n", STANDARD_NO_PAD.encode(sealed)))
        }))
    }

    /// Whether what is saved is encrypted. Nothing is saved that nobody here could read again, and nothing in clear that was not.
    fn seals(&self, at: &str) -> Result<bool, StoreError> {
        match (
            self.recipients.is_empty(),
            self.read.load(Ordering::Relaxed),
        ) {
            (true, false) => Ok(false),
            (true, true) => Err(refused(at, IN_CLEAR)),
            _ if self.is_recipient(at)? => Ok(true),
            _ => Err(refused(at, LOST)),
        }
    }
}

fn refused(at: &str, (why, advice): Why) -> StoreError {
    let at = at.to_owned();
    StoreError::Encrypted { at, why, advice }
}

#[cfg(feature = "state-encryption")]
impl Keys {
    fn identities(&self, at: &str) -> Result<Vec<age::x25519::Identity>, StoreError> {
        let given = self.identity.as_ref();
        let given = given.ok_or_else(|| refused(at, ABSENT))?;
        let lines = given.expose().lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Result<Vec<_>, _> = lines.map(str::parse).collect();
        identities.map_err(|_| refused(at, MALFORMED))
    }

    fn is_recipient(&self, at: &str) -> Result<bool, StoreError> {
        let identities = self.identities(at)?;
        let mut public = identities.iter().map(|one| one.to_public().to_string());
        Ok(public.any(|public| self.recipients.iter().any(|one| one.as_str() == public)))
    }

    fn decrypt(&self, at: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.read.store(true, Ordering::Relaxed);
        if !has_short_head(sealed) {
            return Err(refused(at, DAMAGED));
        }
        for identity in self.identities(at)? {
            match age::decrypt(&identity, sealed) {
                Err(age::DecryptError::NoMatchingKeys) => {}
                opened => return opened.map_err(|_| refused(at, DAMAGED)),
            }
        }
        Err(refused(at, ANOTHER))
    }
}

/// Whether what names the recipients is not too long. The library reads it again from its beginning with each line of it.
#[cfg(feature = "state-encryption")]
fn has_short_head(sealed: &[u8]) -> bool {
    use age::armor::ArmoredReader;
    use std::io::Read;

    let mut head = Vec::new();
    let read = ArmoredReader::new(sealed)
        .take(LONGEST_HEAD)
        .read_to_end(&mut head);
    read.is_ok() && memchr::memmem::find(&head, b"\n---").is_some()
}

#[cfg(feature = "state-encryption")]
fn encrypt(to: &BTreeSet<Recipient>, clear: &[u8], is_text: bool) -> Option<Vec<u8>> {
    use age::armor::{ArmoredWriter, Format};
    use std::io::Write;

    let to: Result<Vec<age::x25519::Recipient>, _> =
        to.iter().map(|one| one.as_str().parse()).collect();
    let to = to.ok()?;
    let encryptor = age::Encryptor::with_recipients(to.iter().map(|one| one as _)).ok()?;
    let format = match is_text {
        true => Format::AsciiArmor,
        false => Format::Binary,
    };
    let armored = ArmoredWriter::wrap_output(Vec::new(), format).ok()?;
    let mut writer = encryptor.wrap_output(armored).ok()?;
    writer.write_all(clear).ok()?;
    let sealed = writer.finish().and_then(ArmoredWriter::finish).ok()?;
    has_short_head(&sealed).then_some(sealed)
}

#[cfg(not(feature = "state-encryption"))]
impl Keys {
    fn is_recipient(&self, at: &str) -> Result<bool, StoreError> {
        self.decrypt(at, &[]).map(|_| false)
    }

    fn decrypt(&self, at: &str, _: &[u8]) -> Result<Vec<u8>, StoreError> {
        Err(refused(at, ABLE))
    }
}

#[cfg(not(feature = "state-encryption"))]
fn encrypt(_: &BTreeSet<Recipient>, _: &[u8], _: bool) -> Option<Vec<u8>> {
    None
}
