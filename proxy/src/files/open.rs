//! Opens a file beneath a directory and never outside of it, whatever links lie in between.
//!
//! `openat2(RESOLVE_BENEATH)` leaves that to the kernel, which can't be raced. Where it is missing (old kernels, strict
//! containers) each segment is opened by itself and no link is followed at all.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How long an opening may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// On a worker's loop: only what the kernel has at hand.
    Quick,
    /// On a thread that may wait for the disk.
    Patient,
}

/// Why a file can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has to be waited for.
    WouldBlock,
    /// It is not there, or it is no regular file.
    Missing,
    /// It is a directory.
    Directory,
    /// A link leads out of the directory.
    Outside,
    /// The proxy may not read it.
    Forbidden,
    /// No descriptors, memory or threads are left, or the disk fails.
    Exhausted,
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Self {
        match error {
            Errno::AGAIN => Self::WouldBlock,
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::NXIO | Errno::NODEV | Errno::INVAL => {
                Self::Missing
            }
            Errno::XDEV | Errno::LOOP => Self::Outside,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::ISDIR => Self::Directory,
            _ => Self::Exhausted,
        }
    }
}

/// As the system says it, for the log.
impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(format!("{fault:?}"))
    }
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How often a patient opening is tried again while somebody renames what lies on its way.
const TRIES: usize = 8;

/// Opens the directory of a site as a place to look from. Links on the way to it are the operator's and are followed.
///
/// # Errors
/// [`Fault::WouldBlock`] where the kernel has it not at hand; [`Fault::Missing`].
pub fn root(path: &Path, how: How) -> Result<OwnedFd, Fault> {
    let bytes = path.as_os_str().as_bytes();
    if how == How::Patient || !has_openat2() {
        return Ok(openat(CWD, bytes, PLACE, Mode::empty())?);
    }
    match openat2(CWD, bytes, PLACE, Mode::empty(), ResolveFlags::CACHED) {
        // Kernels before 5.12 do not know the flag.
        Err(Errno::INVAL) => Err(Fault::WouldBlock),
        other => Ok(other?),
    }
}

/// Opens what has this name beneath `root`, to read it. The name has no `..` and does not begin with a slash.
///
/// # Errors
/// Why not. The kind of what was opened is not looked at.
pub fn beneath(root: impl AsFd, name: &[u8], how: How) -> Result<OwnedFd, Fault> {
    if !has_openat2() {
        return by_segments(root, name);
    }
    let bounds = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match how {
        How::Quick => match openat2(root, name, READ, Mode::empty(), bounds | ResolveFlags::CACHED) {
            Err(Errno::INVAL) => Err(Fault::WouldBlock),
            other => Ok(other?),
        },
        How::Patient => {
            let open = || openat2(root.as_fd(), name, READ, Mode::empty(), bounds);
            let opened = (0..TRIES).map(|_| open()).find(|opened| !matches!(opened, Err(Errno::AGAIN)));
            Ok(opened.ok_or(Fault::Missing)??)
        }
    }
}

/// Opens segment by segment and follows no link.
///
/// # Errors
/// As [`beneath`]; any link is [`Fault::Outside`] or [`Fault::Missing`].
pub fn by_segments(root: impl AsFd, name: &[u8]) -> Result<OwnedFd, Fault> {
    let mut segments = name.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).peekable();
    let mut place: Option<OwnedFd> = None;
    while let Some(segment) = segments.next() {
        if matches!(segment, b"." | b"..") {
            return Err(Fault::Outside);
        }
        let flags = if segments.peek().is_some() { PLACE } else { READ } | OFlags::NOFOLLOW;
        let opened = match &place {
            Some(place) => openat(place, segment, flags, Mode::empty()),
            None => openat(root.as_fd(), segment, flags, Mode::empty()),
        };
        place = Some(opened?);
    }
    match place {
        Some(opened) => Ok(opened),
        None => Ok(openat(root, ".", READ, Mode::empty())?),
    }
}

/// Whether the kernel has `openat2` and we may call it.
fn has_openat2() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let tried = openat2(CWD, "/", PLACE, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
        !matches!(tried, Err(Errno::NOSYS | Errno::PERM))
    })
}
