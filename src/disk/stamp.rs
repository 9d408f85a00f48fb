//! What the file system says of a file that is not read: as long as that is the same, so is the file.

use std::fs::{File, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How long a file has to be as it is, in nanoseconds, before every later write shows in its times: clocks of
/// file systems advance by up to two seconds, and one that is another machine's may be ahead by as much as [`SKEW`].
const GRAIN: i64 = 2_000_000_000;

/// How far a clock of a file system may be from ours, in nanoseconds.
const SKEW: i64 = 1_000_000_000;

/// Size, times of the last write and the last change of any kind in nanoseconds since 1970, inode and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp(u64, i64, i64, u64, u64);

impl Stamp {
    /// `None`: it is no regular file, or the system does not keep the time of the last change, which no program can set.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Self::from(&path.symlink_metadata().ok()?)
    }

    #[cfg(unix)]
    pub(crate) fn from(found: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        let modified = time(found.mtime(), found.mtime_nsec())?;
        let changed = time(found.ctime(), found.ctime_nsec())?;
        let stamp = Self(found.len(), modified, changed, found.ino(), found.dev());
        found.is_file().then_some(stamp)
    }

    #[cfg(not(unix))]
    pub(crate) fn from(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether the file was as it is for long enough at a moment, in nanoseconds since 1970: then every write from that
    /// moment on gives it another stamp.
    pub(crate) fn is_older_than(&self, moment: i64) -> bool {
        moment.saturating_sub(self.1.max(self.2)) > GRAIN + SKEW
    }

    /// Whether the two are files of one file system, whose clock they share.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.4 == other.4
    }

    /// Whether the file was written at about a moment by our clock: if not, the file system goes by another one.
    pub(crate) fn is_about(&self, moment: i64) -> bool {
        moment.abs_diff(self.1) < SKEW.unsigned_abs()
    }
}

/// Whether every write shows in the times of a file, as its file system keeps them: those of a server are remembered for a while, and what is
/// written into memory that is a file (tmpfs) moves none.
#[cfg(target_os = "linux")]
pub(crate) fn shows_writes(file: &File) -> bool {
    // ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, and overlays of them: `statfs(2)` has the numbers.
    const KNOWN: [u64; 7] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0xf2f5_2010,
        0x2fc1_2fc1,
        0xca45_1a4e,
        0x794c_7630,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|found| KNOWN.contains(&(found.f_type as u64)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn shows_writes(_: &File) -> bool {
    false
}

/// Now, in nanoseconds since 1970, by the clock of this machine. Times of files are compared with it.
pub(crate) fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map(|now| i64::try_from(now.as_nanos()));
    nanoseconds.ok().and_then(Result::ok).unwrap_or_default()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_write_too_soon_after_the_last_one_cannot_be_told() {
        let second = 1_000_000_000;
        let stamp = Stamp(1, 100 * second, 90 * second, 1, 1);
        assert!(!stamp.is_older_than(103 * second) && stamp.is_older_than(103 * second + 1));
        let changed = Stamp(1, 90 * second, 100 * second, 1, 1);
        assert!(!changed.is_older_than(103 * second), "its times were set");
        assert!(!stamp.is_older_than(i64::MIN) && !stamp.is_older_than(0));
        let about = |moment| stamp.is_about(moment);
        assert!(about(100 * second) && !about(101 * second) && !about(99 * second));
    }
}
