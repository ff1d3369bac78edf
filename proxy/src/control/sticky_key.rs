//! The key that signs sticky sessions: 32 bytes in the state directory, made when a configuration first asks for it.
//!
//! Without the file sessions would end with the process; with it they outlive a restart.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use switchboard_core::balance::StickyKey;

/// Its name in the state directory.
const FILE: &str = "sticky-key";

/// Reads the key, or makes one. Where the directory can't hold it, a warning says that it is good for this process
/// alone.
///
/// # Errors
/// When the system gives no random bytes.
pub fn key(state_dir: &Path) -> io::Result<StickyKey> {
    let path = state_dir.join(FILE);
    let mut bytes = [0; 32];
    if File::open(&path).and_then(|mut file| file.read_exact(&mut bytes)).is_ok() {
        return Ok(StickyKey::new(bytes));
    }
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    if let Err(error) = write(&path, &bytes) {
        tracing::warn!(path = %path.display(), %error, "the key of sticky sessions can't be kept; they end with this process");
    }
    Ok(StickyKey::new(bytes))
}

/// Under another name first, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}
