//! A file that was opened: what is known of it, and its bytes where they are few.
//!
//! Small files are read once and held in memory, which spares each request a system call; of large ones the descriptor
//! is held. Bytes and tag always belong together: the file is looked at before and after it is read.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::{FileType, Stat, fstat};
use rustix::io::{Errno, ReadWriteFlags, dup, preadv2};
use switchboard_core::content::Coding;
use switchboard_core::stamp::Stamp;

use super::open::{self, Fault, How};
use crate::relay::forms::Forms;

/// Files up to this size are held in memory. Chosen: up to here one copy costs less than another system call.
const SMALL: u64 = 32 * 1024;

/// An opened file.
#[derive(Debug)]
pub struct Held {
    /// Its size in bytes.
    pub size: u64,
    /// When it changed, in seconds since 1970.
    pub modified: u64,
    /// The same as `last-modified` has it.
    pub last_modified: [u8; 29],
    /// Its entity tag, strong: of size and time in nanoseconds.
    pub etag: Box<[u8]>,
    /// Its content as it was encoded for clients.
    pub forms: Forms,
    mark: Mark,
    content: Content,
}

/// By what a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    File(OwnedFd),
}

impl Held {
    /// Opens a file beneath `root`, and reads it where it is small.
    ///
    /// # Errors
    /// Why it can't be had; [`Fault::WouldBlock`] only where `how` is quick.
    pub fn load(root: impl AsFd, name: &[u8], how: How) -> Result<Self, Fault> {
        let file = open::beneath(root, name, how)?;
        let mut found = fstat(&file)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Fault::Directory),
            _ => return Err(Fault::Missing),
        }
        // Whoever writes while we read is given three chances; then the descriptor is as good as any copy.
        for _ in 0..3 {
            let mark = Mark::of(&found);
            if mark.size > SMALL {
                break;
            }
            let bytes = read(&file, mark.size, how)?;
            found = fstat(&file)?;
            if Mark::of(&found) == mark && bytes.len() as u64 == mark.size {
                return Ok(Self::new(mark, Content::Bytes(bytes)));
            }
        }
        Ok(Self::new(Mark::of(&found), Content::File(file)))
    }

    fn new(mark: Mark, content: Content) -> Self {
        let (seconds, nanos) = mark.modified;
        let modified = u64::try_from(seconds).unwrap_or(0);
        let mut stamp = Stamp::new();
        Self {
            size: mark.size,
            modified,
            last_modified: *stamp.http_date(modified),
            etag: format!("\"{seconds:x}{nanos:08x}-{:x}\"", mark.size).into_bytes().into(),
            forms: Forms::default(),
            mark,
            content,
        }
    }

    /// What reads it whole on another thread: `None` from that where it has changed meanwhile.
    pub fn reader(&self) -> Option<impl FnOnce() -> Option<Bytes> + Send + 'static> {
        let (mark, held) = (self.mark, self.content().cloned());
        let file = self.file().map(dup).transpose().ok()?;
        Some(move || {
            let Some(file) = file else { return held };
            let bytes = read(&file, mark.size, How::Patient).ok()?;
            (Mark::of(&fstat(&file).ok()?) == mark && bytes.len() as u64 == mark.size).then_some(bytes)
        })
    }

    /// The same as the encoded form of another file: its tag is told apart from that one's.
    pub(super) fn in_coding(mut self, coding: Coding) -> Self {
        let inside = self.etag.strip_suffix(b"\"").unwrap_or(&self.etag);
        self.etag = [inside, b"-", coding.token().as_bytes(), b"\""].concat().into();
        self
    }

    /// Whether this is the same file, unchanged.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.mark == other.mark
    }

    /// Its bytes, where they are held.
    pub const fn content(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::File(_) => None,
        }
    }

    /// Its descriptor, where that is held.
    pub const fn file(&self) -> Option<&OwnedFd> {
        match &self.content {
            Content::Bytes(_) => None,
            Content::File(file) => Some(file),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.content().map_or(0, Bytes::len)
    }
}

impl Mark {
    #[expect(clippy::unnecessary_cast, reason = "the types of `stat` differ between systems")]
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

fn read(file: &OwnedFd, size: u64, how: How) -> Result<Bytes, Fault> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let mut at = 0;
    while at < bytes.len() {
        let room = bytes.get_mut(at..).unwrap_or_default();
        match read_at(file, room, at as u64, how)? {
            0 => break,
            read => at += read,
        }
    }
    bytes.truncate(at);
    Ok(bytes.into())
}

/// Some file system can't tell whether it would wait.
static CANT_TELL: AtomicBool = AtomicBool::new(false);

/// Reads once. [`How::Quick`] gives what the kernel has at hand.
///
/// # Errors
/// [`Fault::WouldBlock`] where the disk has to be waited for, or nobody can tell.
pub fn read_at(file: impl AsFd, room: &mut [u8], at: u64, how: How) -> Result<usize, Fault> {
    let flags = match how {
        How::Quick => ReadWriteFlags::NOWAIT,
        How::Patient => ReadWriteFlags::empty(),
    };
    loop {
        match preadv2(file.as_fd(), &mut [IoSliceMut::new(&mut *room)], at, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP) => {
                CANT_TELL.store(true, Ordering::Relaxed);
                return Err(Fault::WouldBlock);
            }
            other => return Ok(other?),
        }
    }
}

/// Whether the byte at `at` can be sent without waiting for the disk. Yes, where nobody can tell.
pub fn is_at_hand(file: impl AsFd, at: u64) -> bool {
    CANT_TELL.load(Ordering::Relaxed) || !matches!(read_at(file, &mut [0], at, How::Quick), Err(Fault::WouldBlock))
}
