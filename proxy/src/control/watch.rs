//! Notices that a configuration file changed: written in place, renamed over, or behind a symbolic link that was swapped,
//! or that a pattern of `include:` stands for other files.
//!
//! What is watched are the directories in which the files stand, and those to which links lead; what is compared is what
//! the files are. A swap of a link two levels up (as Kubernetes does it) is seen by the look that is taken every so often.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::picture::{Picture, SETTLE, SETTLE_EMPTY};

/// How often the files are looked at even when nothing was reported: network file systems report nothing.
const LOOK: Duration = Duration::from_secs(2);

/// How long reports are gathered: a log file beside the configuration reports each of its lines.
const GATHER: Duration = Duration::from_millis(25);

/// The files that are watched.
#[derive(Debug)]
pub struct Watch {
    /// What the configuration was last read from.
    known: Picture,
    /// What differs from that, and since when it has looked like this.
    candidate: Option<(Picture, Instant)>,
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    events: mpsc::Receiver<()>,
}

impl Default for Watch {
    /// Watches nothing yet. Where the system gives no watcher, the files are only looked at now and then.
    fn default() -> Self {
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // One event that waits says as much as a hundred; that a file was read says nothing.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        });
        Self { known: Picture::default(), candidate: None, watcher: watcher.ok(), watched: HashSet::new(), events }
    }
}

impl Watch {
    /// How the files looked when they were last read.
    pub const fn known(&self) -> &Picture {
        &self.known
    }

    /// Watches the files of a picture that was taken as they were read.
    pub fn follow(&mut self, picture: Picture) {
        self.known = picture;
        self.candidate = None;
        let wanted = self.known.directories();
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for directory in &wanted {
            // Those that are watched already, too: a directory may be another one of the same name.
            let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
        }
        self.watched = wanted;
    }

    /// Waits until a file has changed and then been left alone.
    ///
    /// It may be dropped and called again at any time, as a `select!` does: it compares before it waits, and what it
    /// has seen stays with the watch.
    pub async fn changed(&mut self) {
        loop {
            let now = self.known.now();
            if now == self.known {
                self.candidate = None;
                self.event(LOOK).await;
                continue;
            }
            let rest = self.settles_in(now);
            if rest.is_zero() {
                return;
            }
            tokio::time::sleep(rest).await;
        }
    }

    /// How long until what looks different has looked the same for long enough.
    fn settles_in(&mut self, now: Picture) -> Duration {
        let needed = if now.has_less_than(&self.known) { SETTLE_EMPTY } else { SETTLE };
        match &self.candidate {
            Some((picture, since)) if *picture == now => needed.saturating_sub(since.elapsed()),
            Some(_) | None => {
                self.candidate = Some((now, Instant::now()));
                needed
            }
        }
    }

    /// Waits for a report, or for as long as there is none.
    async fn event(&mut self, limit: Duration) {
        if self.watcher.is_none() {
            return tokio::time::sleep(limit).await;
        }
        if tokio::time::timeout(limit, self.events.recv()).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
    }
}
