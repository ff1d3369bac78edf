//! Reads a directory for its listing. Blocks: called on another thread than the worker's.

use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, fstat, statat};
use switchboard_core::content::listing::{Entry, MOST_ENTRIES};
use switchboard_core::snapshot::Site;

use super::open::{self, Fault, How};

/// The entries of a directory that are no hidden ones, and whether there are more than are listed. Links are left out:
/// where they lead is known only once they are opened.
///
/// # Errors
/// Why it can't be read.
pub fn entries(site: &Site, path: &[u8]) -> Result<(Vec<Entry>, bool), Fault> {
    let root = open::root(&site.written.dir, How::Patient)?;
    let directory = open::beneath(&root, if path.is_empty() { b"." } else { path }, How::Patient)?;
    if FileType::from_raw_mode(fstat(&directory)?.st_mode) != FileType::Directory {
        return Err(Fault::Missing);
    }
    let mut entries = Vec::new();
    for found in Dir::read_from(&directory)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        if entries.len() == MOST_ENTRIES {
            return Ok((entries, true));
        }
        let Ok(stat) = statat(&directory, std::ffi::OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let is_file = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => true,
            FileType::Directory => false,
            _ => continue,
        };
        entries.push(Entry { is_file, name: name.to_vec(), size: u64::try_from(stat.st_size).unwrap_or(0) });
    }
    Ok((entries, false))
}
