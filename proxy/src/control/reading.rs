//! Reads a configuration with an eye on whether somebody is writing it.
//!
//! An in-place write is a truncation and then bytes: a reader between the two finds a sound configuration without a
//! route in it. What was read counts only if every file had been left alone before, and is the same after.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use switchboard_core::config::{CertificateFiles, Inspected, Loaded, PairPart, Source, load};

use super::picture::{Mark, Picture, SETTLE};
use super::source::{self, World};

/// How long a file that is written all the time is waited for. Then what is there counts; the watch sees the rest.
const PATIENCE: Duration = Duration::from_secs(3);

/// The world, with a note of every file and pattern that was asked for.
#[derive(Debug, Default)]
pub struct Observer {
    picture: Picture,
}

impl Observer {
    /// Looks into files by other means than `read`, with a note of how they looked before and after.
    fn around<T>(&mut self, paths: &[&Path], look: impl FnOnce() -> T) -> T {
        let before: Vec<Mark> = paths.iter().map(|path| Mark::at(path)).collect();
        let found = look();
        for (path, before) in paths.iter().zip(before) {
            self.picture.note_file(path, before, Mark::at(path));
        }
        found
    }
}

impl Source for Observer {
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let (bytes, before) = source::read(path, limit);
        self.picture.note_file(path, before, Mark::at(path));
        self.picture.note_end(path, bytes.as_deref().unwrap_or_default());
        bytes
    }

    fn glob(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let found = World.glob(pattern);
        self.picture.note_pattern(pattern, found.as_deref().unwrap_or_default());
        found
    }

    fn is_directory(&mut self, path: &Path) -> bool {
        World.is_directory(path)
    }

    fn env(&mut self, name: &str) -> Option<String> {
        World.env(name)
    }

    fn certificate(&mut self, files: &CertificateFiles) -> Result<Inspected, (PairPart, String)> {
        let paths: Vec<&Path> =
            [&files.cert, &files.key].into_iter().chain(&files.ocsp).map(PathBuf::as_path).collect();
        self.around(&paths, || World.certificate(files))
    }

    fn authorities(&mut self, path: &Path) -> Result<Inspected, String> {
        self.around(&[path], || World.authorities(path))
    }
}

/// Reads what is there, at the start: the watch notices later if it was not whole.
pub fn once(path: &Path) -> (Loaded, Picture) {
    let mut observer = Observer::default();
    let loaded = load(path, &mut observer);
    (loaded, observer.picture)
}

/// Reads a configuration that nobody is writing any more; `known` is how its files looked the last time.
pub async fn settled(path: &Path, known: &Picture) -> (Loaded, Picture) {
    let start = Instant::now();
    let mut rest = known.now().settles_in(known);
    loop {
        tokio::time::sleep(rest.min(PATIENCE)).await;
        let (loaded, picture) = once(path);
        let now = picture.now();
        // What it looks like inside is known of the picture, not of the look from outside.
        rest = if now == picture { picture.settles_in(known) } else { now.settles_in(known).max(SETTLE / 4) };
        if rest.is_zero() || start.elapsed() >= PATIENCE {
            return (loaded, picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_looks_cut_off_is_left_alone_for_longer() {
        let path = std::env::temp_dir().join(format!("switchboard-reading-{}.yaml", std::process::id()));
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        std::fs::write(&path, "routes: {}\n").unwrap();
        let (_, known) = once(&path);
        std::fs::write(&path, "routes: {}\nlog: { le").unwrap();
        let start = Instant::now();
        let (cut, _) = clock.block_on(settled(&path, &known));
        assert!(start.elapsed() > SETTLE * 5 && cut.config.is_err(), "{:?}", start.elapsed());
        std::fs::remove_file(&path).unwrap();
    }
}
