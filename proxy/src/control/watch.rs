//! Notices that a configuration file changed: written in place, renamed over, or behind a symbolic link that was swapped.
//!
//! What is watched are the directories in which the files stand, and those to which links lead; what is compared is what
//! the files are. A swap of a link two levels up (as Kubernetes does it) is seen by the look that is taken every so often.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// How often the files are looked at even when nothing was reported: network file systems report nothing.
const LOOK: Duration = Duration::from_secs(2);

/// What makes a file the same file with the same contents, as far as can be seen without reading it.
type Mark = Option<(u64, u64, i64, i64, u64)>;

/// The files that are watched.
pub struct Watch {
    files: Vec<PathBuf>,
    marks: Vec<Mark>,
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    events: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches nothing yet. Where the system gives no watcher, the files are only looked at now and then.
    pub fn new() -> Self {
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |_| {
            // One event that waits says as much as a hundred.
            let _ = sender.try_send(());
        });
        Self { files: Vec::new(), marks: Vec::new(), watcher: watcher.ok(), watched: HashSet::new(), events }
    }

    /// Watches these files from now on, and takes how they are now for known.
    pub fn follow(&mut self, files: &[PathBuf]) {
        self.files = files.to_vec();
        self.marks = self.files.iter().map(|file| mark(file)).collect();
        let mut wanted = HashSet::new();
        for file in &self.files {
            wanted.insert(directory(file));
            if let Ok(real) = file.canonicalize() {
                wanted.insert(directory(&real));
            }
        }
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for new in wanted.difference(&self.watched) {
            let _ = watcher.watch(new, RecursiveMode::NonRecursive);
        }
        self.watched = wanted;
    }

    /// Waits until a file has changed and then been left alone for `settle`.
    pub async fn changed(&mut self, settle: Duration) {
        loop {
            let _ = tokio::time::timeout(LOOK, self.events.recv()).await;
            if self.marks_now() == self.marks {
                continue;
            }
            loop {
                let before = self.marks_now();
                tokio::time::sleep(settle).await;
                let after = self.marks_now();
                if before == after {
                    self.marks = after;
                    return;
                }
            }
        }
    }

    fn marks_now(&self) -> Vec<Mark> {
        self.files.iter().map(|file| mark(file)).collect()
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn mark(file: &Path) -> Mark {
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}
