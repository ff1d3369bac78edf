//! The state directory: who owns it, and what stands in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The lock on a state directory, held until it is dropped.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Takes a state directory for this process, making it (0700) where it is missing.
///
/// # Errors
/// In words, naming the holder where another proxy has it.
pub fn lock(directory: &Path) -> Result<StateLock, String> {
    let told = |error: io::Error| {
        let mend = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ". Give this user the directory, or name another with `state_dir:`"
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                ". It is a file, or lies under one; name a directory"
            }
            _ => "",
        };
        format!("state_dir {}: {error}{mend}", directory.display())
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(told)?;
    let path = directory.join("lock");
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(told)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        return Err(format!(
            "state_dir {} belongs to a running proxy (process {}). Stop it, or give this one another state_dir",
            directory.display(),
            holder.trim()
        ));
    }
    file.set_len(0).map_err(told)?;
    writeln!(file, "{}", std::process::id()).map_err(told)?;
    Ok(StateLock(file))
}
