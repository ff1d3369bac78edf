//! The part of the state directory that holds keys: `certs/`, mode 0700, its files 0600.
//!
//! Files are written whole, by rename, one process at a time. What can't be read as what it should be is put aside and
//! reported, never fatal: it can be made anew. What is in them never reaches a log.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// No file of ours is larger; what is, is none of ours.
const MOST: u64 = 1 << 20;

/// How long another process may hold the store, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// The directory.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Keeps other processes from writing, until it is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Store {
    /// The store below a state directory. Nothing is made before something is written.
    pub fn below(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("certs") }
    }

    /// Where something is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Waits until no other process writes here. Held for as long as it takes to make a key, so a holder that doesn't
    /// let go within [`PATIENCE`] is stuck.
    ///
    /// # Errors
    /// In words, where the directory can't be used.
    pub fn turn(&self) -> Result<Turn, String> {
        self.make_directory(&self.directory)?;
        let path = self.path("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| words(&path, &error))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Turn(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::park_timeout(PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(format!(
                        "{}: another process holds it and does not let go; end that one",
                        path.display()
                    ));
                }
                Err(error) => return Err(words(&path, &error.into())),
            }
        }
    }

    /// Reads a file as what `parse` makes of it; `None` where there is none. One that can't be understood is put aside.
    ///
    /// # Errors
    /// In words, where it is there and can't be read: it may be sound, and is not touched.
    pub fn read<T>(&self, name: &str, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<Option<T>, String> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MOST).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(words(&path, &error)),
        }
        match parse(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(why) => {
                let aside = self.path(&format!("{name}.damaged"));
                let _ = std::fs::rename(&path, &aside);
                tracing::error!("{} is damaged ({why}); it is kept as {}", path.display(), aside.display());
                Ok(None)
            }
        }
    }

    /// Writes a file whole: after a crash there is the old one or the new one. The caller has the turn.
    ///
    /// # Errors
    /// In words.
    pub fn write(&self, _turn: &Turn, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.path(name);
        let within = path.parent().unwrap_or(&self.directory);
        self.make_directory(within)?;
        let fresh = self.path(&format!("{name}.new"));
        let write = || -> io::Result<()> {
            // One that was left by a crash may have another mode: it is not written over.
            let _ = std::fs::remove_file(&fresh);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(within)?.sync_all()
        };
        write().map_err(|error| words(&path, &error))
    }

    /// Takes a file away, if it is there.
    pub fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.path(name));
    }

    /// Makes a directory and those above it, up to the store's own; a mode that lets others in is mended.
    fn make_directory(&self, path: &Path) -> Result<(), String> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| words(path, &error))?;
        let mode = std::fs::metadata(path).map_err(|error| words(path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!("{} let others in (mode {:o}); it is 0700 now", path.display(), mode & 0o777);
            let closed = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(path, closed).map_err(|error| words(path, &error))?;
        }
        Ok(())
    }
}

fn words(path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => ": it belongs to another user; run as that user, or use another state_dir",
        _ => "",
    };
    format!("{}: {error}{hint}", path.display())
}

#[cfg(test)]
mod tests {
    use super::Store;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keeps_files_to_itself_and_puts_damaged_ones_aside() {
        let directory = std::env::temp_dir().join(format!("sb-store-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let store = Store::below(&directory);
        assert_eq!(store.read("a/b.pem", |bytes| Ok(bytes.len())), Ok(None));
        let turn = store.turn().unwrap();
        store.write(&turn, "a/b.pem", b"12").unwrap();
        store.write(&turn, "a/b.pem", b"123").unwrap();
        drop(turn);
        assert_eq!(store.read("a/b.pem", |bytes| Ok(bytes.len())), Ok(Some(3)));
        let mode = |name: &str| std::fs::metadata(store.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/b.pem"), mode("a"), mode("lock")), (0o600, 0o700, 0o600));
        std::fs::set_permissions(store.path("a"), std::fs::Permissions::from_mode(0o755)).unwrap();
        store.write(&store.turn().unwrap(), "a/b.pem", b"1").unwrap();
        assert_eq!(mode("a"), 0o700);
        assert_eq!(store.read::<()>("a/b.pem", |_| Err("it is odd".to_owned())), Ok(None));
        let turn = store.turn().unwrap();
        assert!(store.turn().unwrap_err().contains("does not let go"));
        drop(turn);
        assert!(!store.path("a/b.pem").exists() && store.path("a/b.pem.damaged").exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
